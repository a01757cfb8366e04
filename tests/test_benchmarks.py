"""The benchmarks' harness on clocks that are known, and the particles' benchmark from end to end at a small size."""

from __future__ import annotations

import importlib.util
import json
import math
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


def loaded(name: str) -> ModuleType:
    """Return a module of the benchmarks, which are scripts that import one another and no package."""
    spec = importlib.util.spec_from_file_location(f"benchmarks_{name}", BENCHMARKS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    sys.path.insert(0, str(BENCHMARKS))
    spec.loader.exec_module(module)
    sys.path.remove(str(BENCHMARKS))
    return module


harness = loaded("harness")


class Machine:
    """A machine whose clock moves only when a contestant runs, and whose speed is known at each run."""

    def __init__(self, slowness: list[float]) -> None:
        self.now, self.log, self.slowness = 0.0, [], slowness

    def contestant(self, name: str, seconds: float, work: float = 1.0) -> object:
        def run() -> None:
            self.now += seconds * self.slowness[len(self.log) % len(self.slowness)]
            self.log.append(name)

        return harness.Contestant(name, run, work)

    def measure(self, *contestants: object, rounds: int) -> tuple:
        return harness.measure(contestants, rounds=rounds, clock=lambda: self.now, cpu_clock=lambda: 2 * self.now)


def test_contestants_take_turns_in_every_round():
    machine = Machine([1.0])
    machine.measure(*(machine.contestant(name, 1.0) for name in "ABC"), rounds=3)
    assert machine.log == list("ABCABCABC")


def test_rates_are_work_per_second_of_the_wall_and_cores_are_processor_time_per_second():
    machine = Machine([1.0])
    (timing,) = machine.measure(machine.contestant("A", 0.5, work=10.0), rounds=4)
    assert timing.seconds == (0.5,) * 4
    assert timing.rates.tolist() == [20.0] * 4
    assert timing.cores == 2.0


def test_paired_ratio_is_exact_on_a_machine_that_slows_down_and_one_after_the_other_is_not():
    slowness = [1.0, 1.0, 2.0, 2.0, 4.0, 4.0]
    machine = Machine(slowness)
    a, b = machine.measure(machine.contestant("A", 1.0), machine.contestant("B", 3.0), rounds=3)
    assert harness.ratio(a, b).paired == pytest.approx(3.0)
    assert harness.ratio(b, a).paired == pytest.approx(1 / 3)
    machine = Machine(slowness)  # negative control: A A A B B B on the same machine
    (a,) = machine.measure(machine.contestant("A", 1.0), rounds=3)
    (b,) = machine.measure(machine.contestant("B", 3.0), rounds=3)
    assert abs(harness.ratio(a, b).paired / 3.0 - 1) > 0.5


def test_ratio_of_medians_and_median_of_ratios_are_two_numbers():
    a = harness.Timing("a", 1.0, (1.0, 1.0, 4.0), (0.0, 0.0, 0.0))
    b = harness.Timing("b", 1.0, (2.0, 8.0, 4.0), (0.0, 0.0, 0.0))
    both = harness.ratio(a, b)
    assert both.of_medians == pytest.approx(4.0)  # 1 / (1/4)
    assert both.paired == pytest.approx(2.0)  # of 2, 8, 1


def test_spread_gives_quartiles_and_the_best():
    s = harness.spread([5.0, 1.0, 3.0, 2.0, 4.0])
    assert (s.low, s.median, s.high, s.best) == (2.0, 3.0, 4.0, 5.0)


AT_LEAST, AT_MOST = harness.Sense.AT_LEAST, harness.Sense.AT_MOST


@pytest.mark.parametrize(
    ("measured", "sense", "met"),
    [(2.0, AT_LEAST, True), (1.9, AT_LEAST, False), (2.0, AT_MOST, True), (2.1, AT_MOST, False)],
)
def test_a_goal_is_met_up_to_its_bound(measured, sense, met):
    assert harness.Goal("claim", measured, sense, 2.0, also=0.0).met is met


def test_a_contestant_that_does_another_job_is_seen():
    z = np.random.default_rng(7).standard_normal((2, 2**16))
    assert harness.same_law(0.3 + z[0], 0.3 + z[1].astype(np.float32))
    assert not harness.same_law(0.3 + z[0], 0.3 + 1.05 * z[1])
    assert not harness.same_law(0.3 + z[0], 0.25 + z[1])


def test_hardware_threads_of_one_core_are_not_taken_for_two_cores():
    assert harness.separate_cores({0, 1, 2, 3}, lambda cpu: f"{cpu // 2}") == [0, 2, 1, 3]
    assert harness.separate_cores({0, 1, 2, 3}, lambda cpu: f"{cpu % 2}") == [0, 1, 2, 3]
    assert harness.separate_cores({5}, str) == [5]


def test_a_module_that_is_not_installed_is_none():
    assert harness.optional("no_such_module_anywhere") is None
    assert harness.optional("json") is json


def test_json_refuses_what_is_not_a_number(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        harness.write_json({"ratio": math.nan}, str(tmp_path / "r.json"))


def test_the_record_names_the_commit_that_is_measured(monkeypatch):
    told = subprocess.run(["git", "rev-parse", "HEAD"], cwd=BENCHMARKS, capture_output=True, text=True, check=False)
    assert (harness.environment()["commit"] or "").removesuffix("-dirty") == told.stdout.strip()
    monkeypatch.setattr(harness.shutil, "which", lambda _: None)
    assert harness.environment()["commit"] is None


@pytest.mark.parametrize("name", ["benchmark", "benchmark-fokker-planck"])
def test_make_writes_what_a_benchmark_measured(name):
    ask = ["make", "--dry-run", "--no-print-directory", name]
    told = subprocess.run(ask, cwd=BENCHMARKS.parent, capture_output=True, text=True, check=True).stdout.splitlines()
    assert "mkdir -p out" in told and " --json out/benchmark_" in told[-1]


@pytest.fixture(scope="module")
def quick() -> tuple[dict, str]:
    """The record and the tables of a small run."""
    command = [sys.executable, str(BENCHMARKS / "particles.py"), "--quick", "--json", "-"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


#: What is claimed whether or not a peer is installed: the start of the claim, and how often it is made.
CLAIMS = {
    "ornstein_uhlenbeck: particle-steps": 1,
    "double_well: particle-steps": 1,
    "ornstein_uhlenbeck: fpsde / NumPy loop": 2,
    "double_well: fpsde / NumPy loop": 2,
    "rate with −tanh x": 1,
    "rate with −sin x": 1,
    "rate with −x exp(−x²)": 1,
    "extra time for moments and histogram": 1,
    "particle-steps a second of a batch / ": 1,
    "double well, underdamped, baoab / ": 1,
    "−tanh x, σ = 1 + sin(x)/2, milstein / ": 1,
    "double well, mala / ": 1,
    "geometric Brownian, sriw1 / ": 1,
    "d = 16, linear drift / ": 1,
    "score of 8 normals in 2-D, euler_maruyama, a core": 1,
    "slowest scheme to compile": 1,
    "import fpsde": 1,
    "first result of a new model": 1,
    "the same model in a fresh process": 1,
    "ornstein_uhlenbeck, 1000 cells × 1000 steps": 1,
    "double_well, 1000 cells × 1000 steps": 1,
}


@pytest.mark.slow
@pytest.mark.parametrize("claim", CLAIMS)
def test_every_goal_is_there_and_finite(quick, claim):
    found = [g for g in quick[0]["goals"] if g["claim"].startswith(claim)]
    assert len(found) == CLAIMS[claim]
    assert all(math.isfinite(g["measured"]) and math.isfinite(g["also"]) and g["bound"] > 0 for g in found)


@pytest.mark.slow
@pytest.mark.parametrize("peer", ["PyTorch", "torchsde", "diffrax"])
def test_a_peer_is_either_measured_or_reported_as_missing(quick, peer):
    record, tables = quick
    measured = [g for g in record["goals"] if f"fpsde / {peer}" in g["claim"]]
    assert len(measured) == (0 if peer in record["missing"] else 4)
    assert (f"{peer}: reported as missing" in tables) == (peer in record["missing"])
    if peer in record["missing"]:
        assert "pip install -e '.[peers]'" in tables


@pytest.mark.slow
def test_every_contestant_has_a_finite_rate_in_every_round_and_simulates_the_same_law(quick):
    record = quick[0]
    for contest in record["contests"]:
        assert contest["different"] == []
        for timing in contest["timings"]:
            assert timing["rate"]["low"] <= timing["rate"]["median"] <= timing["rate"]["high"] <= timing["rate"]["best"]
            assert timing["rate"]["low"] > 0
    assert {len(t["seconds"]) for t in record["contests"][0]["timings"]} == {record["size"]["rounds"]}


@pytest.mark.slow
def test_versions_and_machine_are_in_the_record(quick):
    environment = quick[0]["environment"]
    assert environment["versions"]["numpy"] and environment["processor"] and environment["cores_used"] >= 1
    assert environment["time"][:2] == "20"
