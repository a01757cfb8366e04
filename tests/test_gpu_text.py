"""Runs on an emulated GPU: the CUDA text behind a shim, through the launcher, against the CPU's kernels bit for bit.

No GPU is needed, and none is tested: what is equal here is the text and the launcher (``tests/gpu`` asks a device).
"""

from __future__ import annotations

import dataclasses
import json
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from itertools import count, pairwise
from multiprocessing import get_context

import numpy as np
import pytest
from emulated_gpu import NEEDS_COMPILER, DeviceArray, EmulatedGpu, compiler_is_missing, losing
from gpu_runs import (
    CASES,
    ONCE,
    PLAIN,
    RUNS,
    WALLS,
    observers_of,
    path_observers,
    program_of,
    run_of,
    run_of_subnormals,
    said,
)
from whole_runs import BURSTING, bits, bits_of, watched
from whole_runs import everything as all_observers

import fpsde
from fpsde.cli import main
from fpsde.errors import BackendUnavailable, InvalidInput
from fpsde.integrators import (
    Backend,
    Paths,
    execution,
    gpu_array_machine,
    gpu_machine,
    simulate,
    steps,
)
from fpsde.integrators.checkpoint import particles_in
from fpsde.integrators.machine import Stopped
from fpsde.integrators.shards import shard
from fpsde.noise import Normals
from fpsde.schemes import SCHEMES, euler_maruyama, milstein

WELL = ["double_well", "--particles", "1000", "--t-end", "0.1", "--dt", "0.01"]

pytestmark = pytest.mark.skipif(compiler_is_missing(), reason=NEEDS_COMPILER)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("cuda_text")


@pytest.fixture
def on_gpu(folder, monkeypatch):
    """Return a function that makes runs take the emulated device, or others of its kind."""

    def taken(*devices):
        monkeypatch.setattr(steps, "gpus", lambda: devices)

    taken(EmulatedGpu(folder))
    return taken


@pytest.fixture(scope="module")
def programs(folder):
    """Return for a precision the device that compiles the programs of all cases at once."""

    @cache
    def of(dtype, every=False):
        names = list(CASES) if every else [name for kind, name in RUNS if kind == dtype]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(steps, "gpus", lambda: (EmulatedGpu(folder),))
            return EmulatedGpu(folder, together=tuple(program_of(name, dtype, every=every) for name in names))

    return of


@pytest.fixture(scope="module")
def plain_programs(folder):
    """Return the device that compiles the programs of all plain runs at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steps, "gpus", lambda: (EmulatedGpu(folder),))
        return EmulatedGpu(folder, together=tuple(program_of(name, "float32") for name in PLAIN))


def test_every_scheme_wall_and_path_observer_is_among_the_runs():
    assert set(ONCE) >= set(SCHEMES)
    for dtype in ("float64", "float32"):
        names = [name for kind, name in RUNS if kind == dtype]
        assert {CASES[name][0].name for name in names} >= set(SCHEMES)
        seen = {type(one) for name in names for one in observers_of(name)}
        assert seen >= {type(one) for one in path_observers(np.arange(4.0), 1)}
    assert {scheme.name for scheme, *_ in PLAIN.values()} == set(SCHEMES)
    for processes in ([CASES[name][1] for _, name in RUNS], [process for _, process, *_ in PLAIN.values()]):
        kinds = {(i.low_wall, i.high_wall) for process in processes for i in process.intervals}
        assert kinds >= {(i.low_wall, i.high_wall) for i in WALLS.values()}


@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_run_of_every_scheme_in_single_precision_has_the_bits_of_the_cpu(name, plain_programs, on_gpu):
    on_gpu(plain_programs)
    cpu, gpu = (run_of(name, backend, dtype="float32") for backend in (Backend.CPU, Backend.GPU))
    assert bits_of(gpu) == bits_of(cpu)
    assert np.unique(cpu.x).size > 10 and cpu.not_finite == 0 and cpu.x.dtype == np.float32


#: Single precision is slow: each case is one more program to compile for both machines.
BOTH = [pytest.param(*run, marks=pytest.mark.slow) if run[0] == "float32" else run for run in RUNS]


@pytest.mark.parametrize(("dtype", "name"), BOTH)
def test_a_run_of_every_scheme_has_the_bits_of_the_cpu(dtype, name, programs, on_gpu):
    on_gpu(programs(dtype))
    cpu, gpu = (run_of(name, backend, dtype=dtype) for backend in (Backend.CPU, Backend.GPU))
    assert bits_of(gpu) == bits_of(cpu)
    assert np.unique(cpu.x).size > 10 and cpu.not_finite == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_run_of_every_case_with_every_observer_has_the_bits_of_the_cpu(dtype, name, programs, on_gpu):
    on_gpu(programs(dtype, every=True))
    cpu, gpu = (run_of(name, backend, dtype=dtype, every=True) for backend in (Backend.CPU, Backend.GPU))
    assert bits_of(gpu) == bits_of(cpu)
    assert np.unique(cpu.x).size > 10 and cpu.not_finite == 0


def test_subnormal_numbers_are_those_of_the_cpu(on_gpu):
    """Nothing flushes them to zero, on either side."""
    cpu, gpu = (run_of_subnormals(backend) for backend in (Backend.CPU, Backend.GPU))
    assert bits_of(gpu) == bits_of(cpu)
    assert 0 < np.abs(cpu.x).max() < np.finfo(np.float32).tiny and np.unique(cpu.x).size > 100


@pytest.mark.parametrize("dtype", ["float64", pytest.param("float32", marks=pytest.mark.slow)])
def test_explosions_and_their_steps_are_those_of_the_cpu(dtype, on_gpu):
    cpu, gpu = (watched(process=BURSTING, dtype=dtype, backend=backend) for backend in (Backend.CPU, Backend.GPU))
    assert cpu.not_finite > 0
    assert said(gpu) == said(cpu)


@pytest.mark.parametrize(
    "changes",
    [
        {"normals": Normals.FLOAT64},
        {"refinement": 3},
        {"refinement": 3, "dtype": "float32"},
        {"x0": [fpsde.Point(0.3), fpsde.Normal(0.1, 0.4)], "keep_positions": False},
        {"shard_size": 512, "threads": 3},
    ],
    ids=lambda changes: ", ".join(changes),
)
def test_other_noise_starts_and_shards_have_the_bits_of_the_cpu(changes, on_gpu):
    cpu, gpu = (watched(scheme=milstein, backend=backend, **changes) for backend in (Backend.CPU, Backend.GPU))
    assert bits_of(gpu) == bits_of(cpu)


def test_no_cut_into_launches_chunks_and_devices_changes_a_bit(on_gpu, folder, monkeypatch):
    whole = bits_of(watched(backend=Backend.GPU))
    one, other = EmulatedGpu(folder, name="one"), EmulatedGpu(folder, name="other")
    on_gpu(one, other)
    monkeypatch.setattr(gpu_machine, "CHUNK_BLOCKS", 2)
    monkeypatch.setattr(gpu_machine, "FIRST_LAUNCH", 3)
    monkeypatch.setattr(gpu_machine, "LONGEST_LAUNCH", 0.0)
    EmulatedGpu.launches.clear()
    assert bits_of(watched(backend=Backend.GPU)) == whole
    assert {name for name, _ in EmulatedGpu.launches} == {"one", "other"}
    assert {blocks for _, blocks in EmulatedGpu.launches} == {4, 8}  # 128 threads each: one block of ids, and two
    assert len(EmulatedGpu.launches) > 3 * 4


def test_what_a_shard_leaves_on_the_device_is_there_before_another_thread_reads_it(on_gpu, monkeypatch):
    """A stream of the reader's own would not wait for that of the thread that put it there."""
    order, put = [], DeviceArray.__setitem__

    def noted(array, *given):
        order.append("put")
        put(array, *given)

    monkeypatch.setattr(DeviceArray, "__setitem__", noted)
    monkeypatch.setattr(EmulatedGpu, "wait", lambda self: order.append("wait"))
    simulate(
        fpsde.brownian(), euler_maruyama, x0=0.0, t_end=0.1, dt=0.05, n_particles=1024, shard_size=512, seed=1,
        backend=Backend.GPU,
    )  # fmt: skip
    assert order[-2:] == ["put", "wait"] and order.count("wait") >= 2


def test_long_runs_are_cut_into_launches_that_are_short(on_gpu, monkeypatch):
    """They grow from one step until one takes an eighth of the longest; the next chunk goes on at that pace.

    The first one compiles, for a second; the sixth one is held up for a quarter of one.
    """
    clock, lengths = [0.0], []

    def launch(self, *, blocks, arguments, **given):
        n_steps = next(int(a) for a, after in pairwise(arguments) if isinstance(after, DeviceArray))
        lengths.append((blocks * 128, n_steps))
        clock[0] += {1: 1.0, 6: 0.25}.get(len(lengths), 1e-6 * blocks * 128 * n_steps)

    monkeypatch.setattr(EmulatedGpu, "launch", lambda self, text, kernel, **given: launch(self, **given))
    monkeypatch.setattr(gpu_machine.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(gpu_machine, "CHUNK_BLOCKS", 1)
    given = dict(x0=0.0, t_end=4.0, dt=0.01, n_particles=1024, seed=1, backend=Backend.GPU)
    simulate(fpsde.brownian(), euler_maruyama, **given)
    assert lengths == [(512, k) for k in [1, 1, 4, 16, 64, 64, 32, 128, 90, 128, 128, 128, 16]]
    lengths.clear()
    monkeypatch.setattr(gpu_machine, "CHUNK_BLOCKS", 2)
    simulate(fpsde.brownian(), euler_maruyama, observers=[Paths([3])], **given)
    # the path of one particle tells nothing of how long many take
    assert (512, 64) in lengths and [k for n, k in lengths if n == 1024][:4] == [1, 4, 16, 64]


@pytest.mark.parametrize(
    ("code", "backend", "launches"),
    [("kernel", Backend.GPU, 2), ("arrays", Backend.GPU, 4), ("arrays", Backend.CPU, 0)],
)
def test_ctrl_c_is_heard_between_two_launches_and_two_steps_of_array_code(code, backend, launches, on_gpu, monkeypatch):
    monkeypatch.setattr(gpu_machine, "LONGEST_LAUNCH", 0.0)  # a step to a launch
    process = BURSTING if code == "kernel" else box_of(-0.2)
    plan = watched(process=process, observers=(), backend=backend, n_particles=512).shards.plan
    EmulatedGpu.launches.clear()
    answers = iter([False, False, True])
    with pytest.raises(Stopped):
        shard(plan, lambda first, count: np.zeros((2, 1)), first=0, count=512, stop=lambda: next(answers))
    assert len(EmulatedGpu.launches) == launches


def test_a_step_of_very_many_finer_ones_is_cut_by_particles(on_gpu, monkeypatch):
    def blocks(refinement):
        plan = watched(observers=(), refinement=refinement, n_particles=1, backend=Backend.GPU, t_end=0.25).shards.plan
        return plan.machine.chunk_blocks(plan, 64)

    assert blocks(1) == blocks(16) == gpu_machine.CHUNK_BLOCKS
    monkeypatch.setattr(gpu_machine, "STEP_NORMALS", 2**16)  # 64 blocks of 512 particles with two normals each
    assert (blocks(1), blocks(16), blocks(17), blocks(256)) == (64, 4, 2, 1)


def test_particles_that_start_at_one_point_cross_to_the_device_as_one(on_gpu, monkeypatch):
    array, crossed = EmulatedGpu.array, []

    def put(self, values):
        if isinstance(values, np.ndarray):
            crossed.append(values.size)
        return array(self, values)

    monkeypatch.setattr(EmulatedGpu, "array", put)
    given = dict(observers=(), backend=Backend.GPU)
    run = watched(**given)
    assert max(crossed) < run.n_particles
    np.testing.assert_array_equal(watched(x0=np.repeat([[0.2], [0.3]], run.n_particles, axis=1), **given).x, run.x)
    assert max(crossed) == 2 * run.n_particles


def test_a_run_goes_on_from_its_checkpoint_after_the_device_was_lost(on_gpu, folder, tmp_path, monkeypatch):
    given = dict(observers=[one for one in all_observers() if not isinstance(one, Paths)], backend=Backend.GPU)
    whole = bits_of(watched(**given))
    cut = given | dict(checkpoint=tmp_path, shard_size=512)
    with monkeypatch.context() as patched, pytest.raises(BackendUnavailable, match="lost in mid-run"):
        losing(patched, 5)  # three launches for the first shard, then one for each
        watched(**cut)
    assert particles_in(tmp_path) == 3 * 512
    assert bits_of(watched(**cut)) == whole


@pytest.mark.parametrize("looks", [(), (fpsde.Snapshots([1.0]),)], ids=["sums", "copies"])
@pytest.mark.parametrize("arrays_too", [True, False], ids=["lost", "refused"])
def test_an_error_in_mid_run_carries_what_can_still_be_read(arrays_too, looks, on_gpu, monkeypatch):
    """Sums and counts are on the host when a shard is finished; positions and snapshots are lost with their device."""
    given = dict(observers=[fpsde.Moments(), fpsde.Histogram(-4.0, 4.0, 20), *looks])
    right = watched(n_particles=3 * 512, **given)
    with monkeypatch.context() as patched, pytest.raises(BackendUnavailable) as raised:
        losing(patched, 5, arrays_too=arrays_too)
        watched(backend=Backend.GPU, shard_size=512, **given)
    part, said = raised.value.finished, str(raised.value)
    if arrays_too and looks:
        assert part is None and "lay on the device, so that nothing is left" in said
        return
    assert "1536 of 3149 particles are finished (ids 0 .. 1535)" in said and part.n_particles == 1536
    assert bits(part.results) == bits(right.results)
    assert ("without their positions" in said) == arrays_too == (part.x is None)
    if not arrays_too:
        np.testing.assert_array_equal(part.x, right.x)


def test_of_several_devices_one_that_is_lost_takes_no_finished_shard_along(on_gpu, folder, monkeypatch):
    on_gpu(EmulatedGpu(folder, name="0"), EmulatedGpu(folder, name="1"))
    given = dict(observers=[fpsde.Snapshots([1.0])])
    whole = watched(**given)
    with monkeypatch.context() as patched, pytest.raises(BackendUnavailable, match="particles are finished") as raised:
        losing(patched, 4, name="1")
        watched(backend=Backend.GPU, shard_size=512, threads=1, **given)
    part = raised.value.finished
    assert 3 * 512 <= part.n_particles < whole.n_particles
    np.testing.assert_array_equal(part.x, whole.x[:, : part.n_particles])
    np.testing.assert_array_equal(part.snapshot(1.0), whole.snapshot(1.0)[:, : part.n_particles])


def test_ctrl_c_returns_what_is_finished(on_gpu, monkeypatch):
    collect, calls = execution.collected, []

    def interrupted(waiting, show):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return collect(waiting, show)

    observers = [fpsde.Snapshots([1.0])]
    whole = watched(backend=Backend.GPU, observers=observers)
    monkeypatch.setattr(execution, "collected", interrupted)
    part = watched(backend=Backend.GPU, observers=observers, shard_size=512)
    assert part.interrupted and 0 < part.n_particles < whole.n_particles
    np.testing.assert_array_equal(part.x, whole.x[:, : part.n_particles])
    np.testing.assert_array_equal(part.snapshot(1.0), whole.snapshot(1.0)[:, : part.n_particles])


def test_positions_stay_on_the_device_until_they_are_asked_for(on_gpu):
    run = watched(backend=Backend.GPU, observers=())
    assert isinstance(run.held, DeviceArray) and "x (2, 3149)" in str(run)
    assert isinstance(run.x, np.ndarray) and run.x is run.x
    np.testing.assert_array_equal(run.x, run.held.get())
    assert isinstance(watched(observers=()).held, np.ndarray)


def test_runs_of_disjoint_ids_merge_to_the_bits_of_one(on_gpu):
    observers = [one for one in all_observers() if not isinstance(one, Paths)]
    whole = watched(backend=Backend.GPU, observers=observers)
    first = watched(backend=Backend.GPU, observers=observers, first_particle=0, n_particles=1024)
    rest = watched(backend=Backend.GPU, observers=observers, first_particle=1024, n_particles=4 * 512 + 77)
    assert bits_of(fpsde.merged([rest, first])) == bits_of(whole)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("T(0.6)", "T(0.6000000000000001)"),
        ("u32(eq & u32(2))", "u32(eq & u32(1))"),
        ("u64(3528531795)", "u64(3528531793)"),
        ("for (int half = WARP / 2; half > 0; half /= 2)", "for (int half = 1; half < WARP; half *= 2)"),
        ("place == q ? normals[q]", "place > q ? normals[q]"),
        ("s32(s32(y) + s32(1))", "s32(s32(y) + s32(2))"),
        ("where(y < 0.0", "where(y < 0.5"),
        ("at += (slot * TABLES", "at += (0 * TABLES"),
        ("i % share < count", "i % share <= count"),
    ],
    ids=[
        "last digit of a constant", "sign of a normal", "a multiplier", "order of a sum", "which normal", "bin inside",
        "bin below", "time of a histogram", "padding",
    ],
)  # fmt: skip
def test_a_change_of_one_digit_sign_or_order_in_the_text_is_seen(before, after, on_gpu, monkeypatch):
    right = steps.cuda_program

    def wrong(*given, **more):
        text = right(*given, **more)
        assert before in text
        return text.replace(before, after)

    cpu = watched(scheme=milstein)
    monkeypatch.setattr(steps, "cuda_program", wrong)
    assert bits_of(watched(scheme=milstein, backend=Backend.GPU)) != bits_of(cpu)


def test_the_threads_of_a_warp_count_one_bin_in_different_tables(on_gpu, monkeypatch):
    """The 32 lanes of the first warp, 16 apart, are alone in their bin."""
    read, filled = gpu_machine.OnGpu.read, []

    def noted(machine, record):
        filled.append(record.counts.get())
        return read(machine, record)

    monkeypatch.setattr(gpu_machine.OnGpu, "read", noted)
    run = simulate(
        fpsde.brownian(0.0, 1e-9), euler_maruyama, x0=np.where(np.arange(512) % 16, 0.25, 0.75), t_end=1.0, dt=1.0,
        n_particles=512, seed=1, observers=[fpsde.Histogram(0.0, 1.0, 2)], backend=Backend.GPU,
    )  # fmt: skip
    tables = filled[0].sum(axis=(0, 1)).reshape(-1, 5)  # below, two bins, above, NaN
    np.testing.assert_array_equal(tables[:, 2], [8] * 4)
    np.testing.assert_array_equal(tables.sum(axis=0), [0, 480, 32, 0, 0])
    np.testing.assert_array_equal(run.results[0][0].counts, [[480, 32]])


def test_the_command_line_runs_on_a_gpu(on_gpu, capsys):
    found = []
    for backend in ("cpu", "gpu"):
        assert main(["simulate", *WELL, "--backend", backend, "--json", "-"]) == 0
        found.append(json.loads(capsys.readouterr().out))
    cpu, gpu = found
    assert gpu["provenance"]["backend"] == "gpu" and gpu["provenance"]["devices"] == ["emulated"]
    assert gpu["components"] == cpu["components"]


def test_the_command_line_judges_a_gpu_and_a_defect_on_it(on_gpu, capsys):
    EmulatedGpu.launches.clear()
    judge = ["verify", "ornstein_uhlenbeck", "--backend", "gpu", "--particles", "20000", "--dt", "0.1", "--json", "-"]
    assert main(judge) == 0
    assert len(EmulatedGpu.launches) > 0
    EmulatedGpu.launches.clear()
    assert main([*judge, "--plant", "sqrt(dt)->dt"]) == 1
    assert len(EmulatedGpu.launches) > 0


def test_an_unknown_backend_offers_the_nearest(capsys):
    assert main(["simulate", *WELL, "--backend", "gpus"]) == 2
    assert "unknown backend 'gpus': did you mean 'gpu'" in capsys.readouterr().err


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-10), ("float32", 1e-2)])
def test_fused_products_are_seen_and_stay_close(dtype, tolerance, on_gpu):
    well = fpsde.double_well()
    given = dict(x0=0.3, t_end=3.0, dt=0.01, n_particles=2048, seed=3, dtype=dtype)
    exact, fused = (simulate(well, euler_maruyama, backend=b, **given).x for b in (Backend.GPU, Backend.GPU_FAST))
    assert not np.array_equal(exact, fused)
    np.testing.assert_allclose(fused, exact, rtol=0, atol=tolerance)


def test_chunks_are_dealt_out_among_the_devices_of_threads_and_of_processes(on_gpu, folder, monkeypatch):
    on_gpu(*(EmulatedGpu(folder, name=name) for name in ("one", "other")))
    machine = watched(observers=(), backend=Backend.GPU).shards.plan.machine

    def first_of(process):
        monkeypatch.setattr(gpu_machine, "_TURNS", count())  # as in a process that has just begun
        monkeypatch.setattr(gpu_machine.os, "getpid", lambda: process)
        out = []
        for k in range(4):
            with machine.at(512 * k) as here:
                out.append(here.devices[0].name)
        return out

    assert sorted([first_of(100)[0], first_of(101)[0]]) == ["one", "other"]
    assert sorted(first_of(100)) == ["one", "one", "other", "other"]


@pytest.mark.slow
def test_shards_on_a_device_come_back_from_other_processes(on_gpu):
    given = dict(observers=[fpsde.Moments()], backend=Backend.GPU)
    whole = watched(**given)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        assert bits_of(watched(executor=pool, shard_size=1024, **given)) == bits_of(whole)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"backend": "gpu"}, r"backend='gpu'; give fpsde\.Backend\.CPU, fpsde\.Backend\.GPU"),
        ({"dtype": "float16"}, "float16 is not one that kernels run in"),
        ({"n_particles": 2**40, "observers": ()}, r"16384\.1 GiB for positions"),
    ],
)
def test_what_a_gpu_does_not_take_is_refused(changes, words, on_gpu):
    with pytest.raises(InvalidInput, match=words):
        watched(**{"backend": Backend.GPU, **changes})


def box_of(weight):
    """Return a black box on the ring whose particles burst where the weight is large."""
    return fpsde.BlackBox(
        drift=lambda x, t: np.stack([1.5 - np.sin(x[0]), weight * x[1] ** 3 - x[0] + 0.1 * t]),
        sigma=[0.6, 0.5],
        dim=2,
        domain=BURSTING.domain,
    )


@pytest.mark.parametrize(
    "changes",
    [
        {},
        pytest.param({"dtype": "float32", "refinement": 3}, marks=pytest.mark.slow),
        pytest.param({"normals": Normals.FLOAT64}, marks=pytest.mark.slow),
    ],
    ids=["as it is", "single precision, refined", "double normals"],
)
def test_a_black_box_has_the_noise_and_the_looks_of_the_cpu(changes, on_gpu, monkeypatch):
    """Its functions are those of the host here, so every bit of it must be the CPU's, explosions included."""
    monkeypatch.setattr(gpu_array_machine, "ARRAY_BLOCKS", 4)
    cpu, gpu = (watched(process=box_of(8.0), backend=b, **changes) for b in (Backend.CPU, Backend.GPU))
    assert cpu.not_finite > 0 and np.isfinite(cpu.x).any()
    assert said(gpu) == said(cpu)
    assert isinstance(gpu.held, DeviceArray) and gpu.provenance["devices"] == ["emulated"]


@pytest.mark.slow
def test_another_multiplier_in_the_noise_of_a_black_box_is_seen(on_gpu, monkeypatch):
    right, given = steps.normals_program, dict(process=box_of(-0.2), observers=())
    before = "u64(3528531795)"
    assert before in right(fpsde.schemes.array_step.ArrayStep(euler_maruyama, box_of(0.0)), dtype="float64",
                           normals=Normals.FLOAT32)  # fmt: skip
    cpu = watched(**given)
    assert bits_of(watched(**given, backend=Backend.GPU)) == bits_of(cpu)
    monkeypatch.setattr(
        steps, "normals_program", lambda *a, **more: right(*a, **more).replace(before, "u64(3528531793)")
    )
    assert bits_of(watched(**given, backend=Backend.GPU)) != bits_of(cpu)


@pytest.mark.slow
def test_no_cut_of_a_black_box_into_shards_and_devices_changes_a_bit(on_gpu, folder, monkeypatch):
    monkeypatch.setattr(gpu_array_machine, "ARRAY_BLOCKS", 2)
    on_gpu(EmulatedGpu(folder, name="one"), EmulatedGpu(folder, name="other"))
    EmulatedGpu.launches.clear()
    cut = watched(process=box_of(-0.2), backend=Backend.GPU, shard_size=1536)
    assert {name for name, _ in EmulatedGpu.launches} == {"one", "other"}
    assert bits_of(cut) == bits_of(watched(process=box_of(-0.2)))


def test_a_black_box_without_noise_runs_there_and_another_network_is_another_run(on_gpu, tmp_path):
    plain = dataclasses.replace(
        euler_maruyama, step=lambda model, x, t, dt, noise: x + dt * model.drift(x, t), inputs=()
    )
    given = dict(scheme=plain, observers=(), backend=Backend.GPU)
    run = watched(process=box_of(-0.2), checkpoint=tmp_path, **given)
    assert bits_of(run) == bits_of(watched(process=box_of(-0.2), **given | {"backend": Backend.CPU}))
    with pytest.raises(InvalidInput, match="kernel"):
        watched(process=box_of(-0.3), checkpoint=tmp_path, **given)


def test_more_particles_than_the_device_holds_are_refused_with_the_size(on_gpu, folder):
    given = dict(backend=Backend.GPU, observers=(), t_end=1.0, dt=1.0)
    with pytest.raises(InvalidInput, match=r"100000000 particles need 1\.6 GiB .* 1\.0 GiB that are free on emulated;"):
        watched(n_particles=10**8, **given)
    on_gpu(EmulatedGpu(folder, bytes_free=2**20))
    with pytest.raises(InvalidInput, match="pass keep_positions=False"):
        watched(n_particles=10**5, **given)
    assert watched(n_particles=10**5, keep_positions=False, **given).n_particles == 10**5


def test_a_shard_that_lies_there_beside_the_run_is_counted(on_gpu, folder):
    """Positions of 4096 particles in two components take 64 KiB."""
    on_gpu(EmulatedGpu(folder, bytes_free=2**17))
    given = dict(n_particles=4096, backend=Backend.GPU, observers=(), t_end=1.0, dt=1.0)
    assert watched(shard_size=512, **given).n_particles == 4096
    with pytest.raises(InvalidInput, match=r"or take fewer .* smaller shards"):
        watched(shard_size=4096, **given)


def test_threads_that_share_a_device_share_its_memory(on_gpu, folder):
    plan = watched(observers=(), backend=Backend.GPU, n_particles=1).shards.plan

    def blocks(threads, devices):
        one = dataclasses.replace(plan.machine, devices=(EmulatedGpu(folder, bytes_free=2**22),) * devices)
        return one.shared_by(threads).chunk_blocks(plan, 64)

    assert blocks(1, 1) == blocks(2, 2) == 64
    assert (blocks(2, 1), blocks(3, 2), blocks(16, 1), blocks(1000, 1)) == (32, 32, 4, 1)
    on_gpu(EmulatedGpu(folder, bytes_free=2**18))
    EmulatedGpu.launches.clear()
    given = dict(backend=Backend.GPU, observers=(), n_particles=4096, t_end=0.25)
    alone = bits_of(watched(threads=1, **given))
    assert {count for _, count in EmulatedGpu.launches} == {16}  # 128 threads each: four blocks of ids together
    EmulatedGpu.launches.clear()
    assert bits_of(watched(threads=2, **given)) == alone
    assert {count for _, count in EmulatedGpu.launches} == {8}
