"""The benchmark of a GPU where there is none: its counting, its arguments, and its tables on an emulated device."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from emulated_gpu import NEEDS_COMPILER, EmulatedGpu, compiler_is_missing
from test_gpu_alone import BARE

from fpsde import arrays
from fpsde.integrators import steps
from fpsde.noise import Normals
from fpsde.processes import ornstein_uhlenbeck
from fpsde.processes.process import Process
from fpsde.schemes import euler_maruyama

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def gpu(monkeypatch):
    """Return the module of the benchmark, which is a script and in no package."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    for name in ("gpu", "gpu_work", "harness"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import gpu

    return gpu


def test_operations_are_counted_as_by_hand(gpu):
    count = gpu.gpu_work.operations
    assert count("a = x + y * z", "float64") == 2
    assert count("a = fma_(x, y, T(2.0))\nb = where(a < x, a, x)", "float64") == 3
    assert count("a = u32(u64(p >> u64(32))) ^ b ^ k", "float64") == 2  # the shift is the other register of a pair
    assert count("a = u32(q << u32(2))", "float64") == 1
    assert count("a = min_(x, y)", "float64") == 5  # two comparisons, two selections, a sum
    assert count("a = tan_(x)", "float64") == count("a = sin_(x)\nb = cos_(x)", "float64") + 1


def test_the_generator_and_a_step_are_counted_as_by_hand(gpu):
    lines = [*gpu.gpu_work.noise.key_lines(), *gpu.gpu_work.noise.philox_lines()]
    # in each of 10 rounds two products and four exclusive ors, and between rounds two sums for the key
    assert gpu.gpu_work.operations("\n".join(lines), "float32") == 10 * 6 + 9 * 2
    bare = Process(drift=lambda x: 0.0 * x, sigma=lambda x: 1.0)
    more = Process(drift=lambda x: -x * x, sigma=lambda x: 1.0)
    step = gpu.gpu_work.of_step
    assert 0 < step(more, euler_maruyama, "float32") - step(bare, euler_maruyama, "float32") <= 4
    assert step(bare, euler_maruyama, "float32") > gpu.gpu_work.of_normal(Normals.FLOAT32) > (60 + 18) / 4


def test_the_roof_is_what_all_schedulers_issue(gpu):
    assert gpu.gpu_work.roof(132, 1.755e9) == 128 * 132 * 1.755e9


def test_without_a_gpu_the_benchmark_says_what_is_missing(gpu, capsys, monkeypatch):
    monkeypatch.setattr(gpu, "gpus", lambda: arrays.gpus())
    monkeypatch.setitem(sys.modules, "cupy", None)  # as where it is not installed
    monkeypatch.setattr(arrays.importlib.util, "find_spec", lambda name: None)
    assert gpu.main(["--quick"]) == 2
    assert "CuPy, which is not installed" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        gpu.main(["--quik", "1"])


CARD = {"name": "emulated", "multiprocessors": 2, "hertz": 1e9}


def test_the_device_is_read_through_what_cupy_still_has(gpu, monkeypatch):
    """CUDA 13 has no clock among the properties of a device any more: it is an attribute, by its number."""
    has = {"multiProcessorCount": 132, "totalGlobalMem": 2**37}
    runtime = SimpleNamespace(
        getDeviceProperties=lambda k: has, deviceGetAttribute=lambda what, k: {13: 1_980_000}[what],
        driverGetVersion=lambda: 13000, runtimeGetVersion=lambda: 13000,
    )  # fmt: skip
    monkeypatch.setattr(gpu, "gpus", lambda: (SimpleNamespace(name="NVIDIA H200"),))
    monkeypatch.setattr(gpu, "cupy", SimpleNamespace(cuda=SimpleNamespace(runtime=runtime), __version__="14.2.0"))
    card = gpu.device()
    assert (card["name"], card["multiprocessors"], card["hertz"]) == ("NVIDIA H200", 132, 1.98e9)


def test_a_table_that_failed_is_measured_again_and_the_others_are_kept(gpu, tmp_path, monkeypatch, capsys):
    calls, broken, file = [], [True], tmp_path / "record.json"

    def entry(name):
        def run():
            calls.append(name)
            if name == "fragile" and broken[0]:
                raise RuntimeError("the device is lost")

        return gpu.Contestant(name, run, 1e3)

    def impossible():
        raise ValueError("no such process")

    def tables(size):
        return {
            "observers": lambda: [entry("none"), entry("both")],
            "peers": lambda: [entry("fpsde"), entry("fragile")],
            "large": impossible if broken[0] else lambda: [entry("with a histogram at the end")],
        }

    monkeypatch.setattr(gpu, "device", lambda: CARD)
    monkeypatch.setattr(gpu, "groups", tables)
    assert gpu.main(["--quick", "--json", str(file)]) == 1
    said, record = capsys.readouterr().out, json.loads(file.read_text())
    assert "fragile failed: RuntimeError: the device is lost" in said and "ValueError: no such process" in said
    assert set(record["failed"]) == {"peers", "large"} and [t["name"] for t in record["contests"][1]["timings"]] == [
        "fpsde"
    ]
    first = record["contests"][0]
    broken[0], calls[:] = False, []
    assert gpu.main(["--quick", "--json", str(file)]) == 0
    record = json.loads(file.read_text())
    assert record["failed"] == {} and record["contests"][0] == first and "none" not in calls
    assert {t["name"] for one in record["contests"] for t in one["timings"]} >= {
        "fragile",
        "with a histogram at the end",
    }
    measured = {goal["claim"]: goal["measured"] for goal in record["goals"]}
    assert measured["cost of both observers"] is not None
    calls.clear()
    monkeypatch.setattr(gpu, "device", lambda: CARD | {"name": "another"})
    assert gpu.main(["--quick", "--json", str(file)]) == 0 and "none" in calls


def test_one_that_fails_on_its_way_costs_no_other_its_times(gpu):
    calls = {"sound": 0, "fragile": 0}

    def run(name):
        calls[name] += 1
        if calls[name] == 3 and name == "fragile":
            raise RuntimeError("the device is lost")

    made = [gpu.Contestant(name, lambda name=name: run(name), 1e3) for name in ("fragile", "sound")]
    contest, failed = gpu.measured("peers", lambda: made, 4)
    assert failed == {"fragile": "RuntimeError: the device is lost"} and calls == {"sound": 5, "fragile": 3}
    assert [(one.name, len(one.seconds), len(one.cpu_seconds)) for one in contest.timings] == [("sound", 4, 4)]
    contest, failed = gpu.measured("large", lambda: made[1:], 1, warm=False)
    assert calls["sound"] == 6 and not failed and len(contest["sound"].seconds) == 1


def test_long_rounds_are_fewer(gpu, monkeypatch):
    clock = [0.0]

    def run():
        clock[0] += 20.0

    monkeypatch.setattr(gpu.time, "perf_counter", lambda: clock[0])
    made = [gpu.Contestant(name, run, 1e3) for name in ("ours", "theirs")]
    contest, _ = gpu.measured("peers", lambda: made, 7)
    assert [len(one.seconds) for one in contest.timings] == [2, 2]
    monkeypatch.setattr(gpu, "TABLE_SECONDS", 1.0)
    assert [len(one.seconds) for one in gpu.measured("peers", lambda: made, 7)[0].timings] == [1, 1]


def test_tables_are_plain_text_where_rich_is_not_installed(gpu):
    table = gpu.harness.plain.Table(title="rates", title_justify="left")
    table.add_column("who")
    table.add_column("rate", justify="right")
    table.add_row("ours [red](found something else)[/]", "12")
    assert str(table).splitlines() == [
        "rates", "who                          rate", "ours (found something else)    12"
    ]  # fmt: skip


QUICK_ALONE = """
from pathlib import Path
import json
from emulated_gpu import EmulatedGpu
from fpsde.integrators import steps
import gpu

steps.gpus = lambda: (EmulatedGpu(Path(sys.argv[1])),)
gpu.device = lambda: {"name": "emulated", "multiprocessors": 2, "hertz": 1e9}
code = gpu.main(["--quick", "--json", sys.argv[1] + "/record.json"])
loaded = sorted({name.split(".")[0] for name in sys.modules} & {"numba", "scipy", "rich"})
print(json.dumps([code, loaded]))
"""


@pytest.mark.slow
@pytest.mark.skipif(compiler_is_missing(), reason=NEEDS_COMPILER)
def test_it_runs_where_numba_scipy_and_rich_are_not_installed(tmp_path):
    here = Path(__file__).parent
    folders = [str(here), str(here.parent), str(BENCHMARKS)]
    code = f"{BARE}sys.path[:0] = {folders!r}\n{QUICK_ALONE}"
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [0, []], done.stdout
    assert "10⁹ steps/s" in done.stdout and "ornstein_uhlenbeck, float32, strict" in done.stdout
    record = json.loads((tmp_path / "record.json").read_text())
    assert "fpsde on the CPU" not in {t["name"] for one in record["contests"] for t in one["timings"]}


@pytest.mark.slow
@pytest.mark.skipif(compiler_is_missing(), reason=NEEDS_COMPILER)
def test_a_quick_benchmark_on_an_emulated_gpu_writes_every_table(gpu, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(steps, "gpus", lambda: (EmulatedGpu(tmp_path),))
    monkeypatch.setattr(gpu, "device", lambda: CARD)
    assert gpu.main(["--quick", "--json", str(tmp_path / "record.json")]) == 0
    record = json.loads((tmp_path / "record.json").read_text())
    assert [contest["name"] for contest in record["contests"]] == [
        "precision", "observers", "peers", "large", "particles", "steps", "dimension",
    ]  # fmt: skip
    rates = {t["name"]: t["rate"]["median"] for contest in record["contests"] for t in contest["timings"]}
    assert all(rate > 0 for rate in rates.values()) and "fpsde on the CPU" in rates
    assert all(0 < fraction < 1 for fraction in record["roofline"].values()) and len(record["roofline"]) == 4
    claims = {goal["claim"]: goal["measured"] for goal in record["goals"]}
    assert claims["times the CuPy loop"] is None and claims["cost of both observers"] is not None
    assert "10⁹ steps/s" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["by_cupy", "by_torch"])
def test_the_loops_of_array_code_are_the_same_process(gpu, name, monkeypatch):
    """Their steps, with NumPy in the place of the library, from the same place without noise: one Euler step each."""
    process = ornstein_uhlenbeck(theta=2.0, mean=0.5, sigma=1e-9)

    class Cupy:
        float32 = np.float64
        full = staticmethod(lambda n, value, dtype: np.full(n, value))

        class random:  # noqa: N801
            default_rng = staticmethod(
                lambda seed: type("G", (), {"standard_normal": lambda self, n, dtype: np.zeros(n)})()
            )

        class cuda:  # noqa: N801
            @staticmethod
            def get_current_stream():
                return type("S", (), {"synchronize": lambda self: None})()

    class Tensor(np.ndarray):
        def mul_(self, a):
            self *= a
            return self

        def add_(self, a):
            self += a
            return self

        def normal_(self, mean, std):
            self[...] = mean
            return self

    class Torch:
        full = staticmethod(lambda shape, value, device: np.full(shape, value).view(Tensor))
        empty = staticmethod(lambda n, device: np.zeros(n).view(Tensor))

        class cuda:  # noqa: N801
            is_available = staticmethod(lambda: True)
            synchronize = staticmethod(lambda: None)

    monkeypatch.setattr(gpu, "cupy", Cupy)
    monkeypatch.setattr(gpu, "torch", Torch)
    loops = {c.run.__name__: c for c in gpu.array_loops(process, 4, 3)}
    x = gpu.X0
    for _ in range(3):
        x = x + 2.0 * (0.5 - x) * gpu.DT
    np.testing.assert_allclose(loops[name].run(), np.full(4, x), rtol=1e-6)
    assert loops[name].work == 12.0
