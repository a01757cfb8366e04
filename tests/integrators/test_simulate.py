"""simulate(): every number is a function of (seed, id, step); what it does, refuses and counts."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
import tracemalloc

import numpy as np
import pytest
from bare_kernels import rows_of
from bare_processes import MODELS, between, ou

from fpsde.density import Normal, Uniform
from fpsde.domain import Interval, Wall
from fpsde.errors import InvalidInput
from fpsde.integrators import Histogram, Moments, Snapshots, execution, preparation, shards, simulate, simulation
from fpsde.noise import Normals
from fpsde.processes import double_well
from fpsde.processes.process import Process
from fpsde.schemes import Scheme, ddpm_step, euler_maruyama, milstein, splitting
from fpsde.schemes.inputs import Z
from fpsde.schemes.scheme import Orders

BROWNIAN = Process(drift=lambda x: 0.0, sigma=lambda x: 1.0)
#: x' = z: the positions are the normals of the step.
RAW = Scheme(
    name="raw",
    equation="x' = z",
    step=lambda model, x, t, dt, noise: 0.0 * x + noise.z,
    inputs=(Z,),
    convention="Itô",
    strong=None,
    weak=Orders(None, None, None),
    wall_order=None,
    conditions="",
    evaluations=0,
    source="",
)
THREE_CHANNELS = Process(drift=lambda x: (0.0, 0.0, 0.0), sigma=lambda x: (1.0, 1.0, 1.0), dim=3)


def short(process=None, scheme=euler_maruyama, **changes):
    """Return a short run, with changes."""
    arguments = {"x0": 0.2, "t_end": 1.0, "dt": 0.1, "n_particles": 1500, "seed": 5} | changes
    return simulate(process or ou(), scheme, **arguments)


def same_bits(a, b):
    return a.dtype == b.dtype and a.tobytes() == b.tobytes()


# --- which normal goes where


@pytest.mark.parametrize("normals", [Normals.FLOAT32, Normals.FLOAT64])
@pytest.mark.parametrize(("process", "r"), [(BROWNIAN, 1), (THREE_CHANNELS, 3)])
def test_each_step_reads_the_normals_of_its_rows(process, r, normals, seed):
    steps = 11
    run = simulate(
        process,
        RAW,
        x0=0.0,
        t_end=float(steps),
        dt=1.0,
        n_particles=600,
        seed=seed,
        normals=normals,
        observers=[Snapshots(np.arange(1.0, steps + 1))],
    )
    for first in (0, 512):
        rows = rows_of(normals, range(steps * r), seed=seed, first=first)
        for s, (_, x) in enumerate(run.snapshots):
            np.testing.assert_array_equal(
                x[:, first : first + 512], rows[s * r : (s + 1) * r, : 600 - first if first else 512]
            )


@pytest.mark.parametrize("normals", [Normals.FLOAT32, Normals.FLOAT64])
@pytest.mark.parametrize("sub", [1, 2, 3, 5])
def test_a_refined_step_reads_the_rows_of_its_fine_steps(sub, normals, seed):
    run = simulate(
        BROWNIAN,
        euler_maruyama,
        x0=0.0,
        t_end=4.0,
        dt=1.0,
        n_particles=512,
        seed=seed,
        normals=normals,
        refinement=sub,
        observers=[Snapshots([1.0, 2.0, 3.0, 4.0])],
    )
    w = np.cumsum(rows_of(normals, range(4 * sub), seed=seed).astype(float), axis=0)[sub - 1 :: sub] / np.sqrt(sub)
    digits = 40 * np.finfo(normals.value).eps
    np.testing.assert_allclose(np.stack([x[0] for _, x in run.snapshots]), w, rtol=0, atol=digits)


@pytest.mark.parametrize("refinement", [1, 3])
def test_a_long_run_passes_from_segment_to_segment_without_a_seam(refinement, seed, monkeypatch):
    """Nine normals for a step of three finer ones: most steps begin within a block of the generator."""
    arguments = dict(
        x0=0.1,
        t_end=30.0,
        dt=0.01,
        n_particles=700,
        seed=seed,
        observers=[Snapshots([10.23, 10.24, 10.25, 30.0]), Moments()],
        refinement=refinement,
    )
    whole = simulate(MODELS["two dimensions"][1], euler_maruyama, **arguments | {"x0": (0.1, -0.2)})
    monkeypatch.setattr(shards, "SEGMENT", 7)
    cut = simulate(MODELS["two dimensions"][1], euler_maruyama, **arguments | {"x0": (0.1, -0.2)})
    for (_, a), (_, b) in zip(whole.snapshots, cut.snapshots, strict=True):
        assert same_bits(a, b)
    assert same_bits(whole.moments[0].sums, cut.moments[0].sums)


# --- the same bits, however it is run

OBSERVERS = [Moments([0.5, 1.0], centre=0.3), Histogram(-1.0, 2.0, 40, times=[0.3, 1.0]), Snapshots([0.7])]


@pytest.mark.parametrize("name", ["ornstein-uhlenbeck", "milstein", "absorbing", "two dimensions"])
def test_threads_and_chunks_change_no_bit(name, seed, monkeypatch):
    scheme, process, start, _ = MODELS[name]
    x0 = [Normal(v, 0.1) for v in start]
    reference = None
    for threads, blocks in [(1, 64), (2, 64), (3, 1), (2, 2), (1, 4), (5, 16)]:
        monkeypatch.setattr(shards, "CHUNK_BLOCKS", blocks)
        size = None if blocks == 64 else 5 * 512
        run = short(
            process,
            scheme,
            x0=x0,
            n_particles=40 * 512 + 77,
            seed=seed,
            threads=threads,
            shard_size=size,
            observers=OBSERVERS,
        )
        bits = (
            [run.x.tobytes(), run.snapshot(0.7).tobytes(), [m.sums.tobytes() for m in run.moments]]
            + [[v.tobytes() for v in (h.counts, h.below, h.above, h.nan)] for h in run.histograms]
            + [run.absorbed, run.not_finite]
        )
        assert reference is None or bits == reference, (threads, blocks)
        reference = bits


def test_a_particle_does_not_depend_on_how_many_others_there_are(seed):
    few, many = (
        short(n_particles=600, seed=seed, x0=Uniform(-1, 1)),
        short(n_particles=30_000, seed=seed, x0=Uniform(-1, 1)),
    )
    assert same_bits(few.x, np.ascontiguousarray(many.x[:, :600]))


def test_the_numbers_depend_on_the_seed_on_all_of_its_64_bits():
    xs = [short(seed=s).x for s in (5, 6, 5 + 2**32, 5 + 2**63)]
    for i in range(4):
        for j in range(i):
            assert np.mean(xs[i] == xs[j]) < 0.01
    assert same_bits(short(seed=5).x, xs[0])
    assert short(seed=2**64 - 1).provenance["seed"] == 2**64 - 1


def test_particles_are_all_different(seed):
    assert np.unique(short(n_particles=20_000, seed=seed, normals=Normals.FLOAT64).x).size == 20_000


# --- time grids, tables, types


def test_a_non_uniform_grid_takes_each_step_at_its_own_length(seed):
    times = np.array([0.5, 0.6, 0.65, 1.0, 2.0])
    process = Process(drift=lambda x, t: np.sin(t) - x, sigma=lambda x, t: 0.5 + 0.1 * t)
    run = simulate(process, euler_maruyama, x0=0.3, times=times, n_particles=512, seed=seed, normals=Normals.FLOAT64)
    x = np.full(512, 0.3)
    for s, z in enumerate(rows_of(Normals.FLOAT64, range(4), seed=seed)):
        t, dt = times[s], times[s + 1] - times[s]
        x = x + (np.sin(t) - x) * dt + (0.5 + 0.1 * t) * np.sqrt(dt) * z
    np.testing.assert_allclose(run.x[0], x, rtol=1e-13, atol=1e-14)
    assert run.t == 2.0 and run.provenance["n_steps"] == 4 and run.provenance["dt"] == 1.0


def test_tables_are_read_by_step(seed):
    betas = np.array([0.5, 0.01, 0.2, 0.9])
    process = Process(
        drift=lambda x, t, p: -0.5 * p.beta * x,
        sigma=lambda x, p: np.sqrt(p.beta),
        tables={"beta": betas},
        rate=lambda t, p: p.beta,
    )
    run = simulate(process, ddpm_step, x0=0.7, t_end=4.0, dt=1.0, n_particles=512, seed=seed, normals=Normals.FLOAT64)
    x = np.full(512, 0.7)
    for beta, z in zip(betas, rows_of(Normals.FLOAT64, range(4), seed=seed), strict=True):
        x = np.sqrt(1 - beta) * x + np.sqrt(beta) * z
    np.testing.assert_allclose(run.x[0], x, rtol=1e-13, atol=1e-14)
    with pytest.raises(InvalidInput, match="table 'beta' of process has 4 entries, the run 5 steps"):
        simulate(process, ddpm_step, x0=0.7, t_end=5.0, dt=1.0, n_particles=512, seed=seed)


def test_float32_and_float64_states_follow_the_same_paths(seed):
    for name in ("ornstein-uhlenbeck", "double well", "milstein", "two dimensions"):
        scheme, process, start, dt = MODELS[name]
        arguments = dict(x0=start, t_end=100 * dt, dt=dt, n_particles=5000, seed=seed)
        fine, coarse = (simulate(process, scheme, dtype=t, **arguments).x for t in (np.float64, np.float32))
        assert coarse.dtype == np.float32
        np.testing.assert_allclose(coarse, fine, atol=1e-4)
        assert not np.array_equal(coarse, fine.astype(np.float32))


def test_a_parameter_may_change_without_compiling(tmp_path, monkeypatch):
    monkeypatch.setenv("FPSDE_CACHE_DIR", str(tmp_path))
    drift = lambda x, p: -p.k * x * 1.0000000123  # noqa: E731  (a text that no other test has compiled)
    make = lambda k: Process(drift=drift, sigma=lambda x, p: 0.3 + 0 * p.k, params={"k": k})  # noqa: E731
    one = short(make(1.0))
    files = sorted(tmp_path.rglob("*"))
    assert any(path.suffix == ".py" for path in files)
    other = short(make(2.0))
    assert sorted(tmp_path.rglob("*")) == files and not np.array_equal(one.x, other.x)


def test_the_source_of_a_kernel_can_be_read():
    process = ou()
    text = process.kernel_source(euler_maruyama)
    assert text == euler_maruyama.kernel_source(process) and "def step(w, z, c):" in text
    cuda = process.kernel_source(euler_maruyama, cuda=True, dtype="float32")
    assert "typedef float T;" in cuda and "DEV void step(T* w, const T* z, const T* c) {" in cuda
    body = [line.strip().removesuffix(";").removeprefix("const auto ") for line in cuda.splitlines()]
    assert [line.strip() for line in text.splitlines() if re.match(r"\s+(u|s)\d+ = ", line)] == [
        b for b in body if re.match(r"(u|s)\d+ = ", b)
    ]
    with pytest.raises(InvalidInput, match="dtype float16 is not one of"):
        process.kernel_source(euler_maruyama, dtype="float16")


def test_the_provenance_says_how_it_was_made():
    provenance = short(dtype=np.float32, refinement=2).provenance
    wanted = {
        "process": "process",
        "scheme": "euler_maruyama",
        "seed": 5,
        "n_steps": 10,
        "dtype": "float32",
        "normals": "float32",
        "refinement": 2,
    }
    assert wanted.items() <= dict(provenance).items()
    assert provenance["normals_cut_off"] == pytest.approx(6.66, abs=0.005)
    assert {"python", "numpy", "numba", "machine", "fpsde"} <= provenance.keys()


# --- refinement


@pytest.mark.parametrize("normals", [Normals.FLOAT32, Normals.FLOAT64])
def test_a_coarse_run_follows_the_brownian_path_of_the_fine_one(normals, seed):
    arguments = dict(x0=0.0, t_end=3.0, n_particles=1000, seed=seed, normals=normals)
    fine = simulate(BROWNIAN, euler_maruyama, dt=0.125, observers=[Snapshots([1.0, 2.0, 3.0])], **arguments)
    for sub in (2, 4, 8):
        coarse = simulate(
            BROWNIAN,
            euler_maruyama,
            dt=0.125 * sub,
            refinement=sub,
            observers=[Snapshots([1.0, 2.0, 3.0])],
            **arguments,
        )
        for t in (1.0, 2.0, 3.0):
            np.testing.assert_allclose(
                coarse.snapshot(t), fine.snapshot(t), rtol=0, atol=64 * np.finfo(normals.value).eps
            )
    other = simulate(BROWNIAN, euler_maruyama, dt=0.5, **arguments)  # not the same path without it
    assert np.corrcoef(other.x[0], fine.x[0])[0, 1] < 0.9


def test_on_one_path_milstein_converges_faster_than_euler(seed):
    """Geometric Brownian motion against its exact solution on the same path: strong orders 1 and 1/2."""
    process = Process(drift=lambda x: 0.1 * x, sigma=lambda x: 0.8 * x)
    fine = 1024
    w = simulate(
        BROWNIAN, euler_maruyama, x0=0.0, t_end=1.0, dt=1 / fine, n_particles=4000, seed=seed, normals=Normals.FLOAT64
    ).x[0]
    exact = np.exp((0.1 - 0.32) + 0.8 * w)
    slopes = {}
    for scheme in (euler_maruyama, milstein):
        steps = np.array([16, 64, 256])
        errors = [
            np.sqrt(
                np.mean(
                    (
                        simulate(
                            process,
                            scheme,
                            x0=1.0,
                            t_end=1.0,
                            dt=1 / k,
                            n_particles=4000,
                            seed=seed,
                            refinement=fine // k,
                            normals=Normals.FLOAT64,
                        ).x[0]
                        - exact
                    )
                    ** 2
                )
            )
            for k in steps
        ]
        slopes[scheme.name] = np.polyfit(np.log(1 / steps), np.log(errors), 1)[0]
    assert 0.4 < slopes["euler_maruyama"] < 0.6 and 0.85 < slopes["milstein"] < 1.15, slopes


@pytest.mark.parametrize(
    ("scheme", "process", "name"),
    [(RAW, BROWNIAN, "z"), (euler_maruyama, ou(domain=between(Wall.ABSORBING)), "uniform")],
)
def test_noise_without_a_refinement_refuses_one(scheme, process, name):
    with pytest.raises(InvalidInput, match=f"the random input '{name}' has no dt-refinement; refinement=2 must be 1"):
        short(process, scheme, refinement=2)


# --- what is counted


def test_an_explosion_is_counted_and_not_hidden():
    process = Process(drift=lambda x: x**3, sigma=lambda x: 1.0)
    run = short(process, dt=0.5, t_end=10.0, observers=[Histogram(-10.0, 10.0, 8), Moments()])
    bad = ~np.isfinite(run.x[0])
    assert 0 < run.not_finite == np.count_nonzero(bad)
    counts = run.histograms[0]
    assert counts.nan[0] == np.count_nonzero(np.isnan(run.x[0]))
    assert counts.counts.sum() + counts.below[0] + counts.above[0] + counts.nan[0] == 1500
    assert not np.isfinite(run.moments[0].mean[0])
    assert short().not_finite == 0


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_absorbed_particles_are_counted_at_each_wall(dtype, seed):
    process = Process(
        drift=lambda x: 0.5,
        sigma=lambda x: 1.0,
        domain=Interval(np.float64(-0.7), np.float64(0.9), Wall.ABSORBING, Wall.ABSORBING),
    )
    run = short(process, n_particles=5000, seed=seed, dtype=dtype)
    low, high = (np.count_nonzero(run.x[0] == dtype(wall)) for wall in (-0.7, 0.9))
    assert run.absorbed == ((low, high),) and 0 < low < high and low + high < 5000


def test_particles_on_a_reflecting_wall_are_not_absorbed():
    still = Process(
        drift=lambda x: 0.0,
        sigma=lambda x, p: p.s,
        params={"s": 0.0},
        domain=Interval(0.0, 1.0, Wall.REFLECTING, Wall.ABSORBING),
    )
    run = short(still, x0=np.array([0.0, 0.5, 1.0]), n_particles=3)
    assert run.absorbed == ((0, 1),)
    assert short(ou(), x0=0.0).absorbed == ((0, 0),)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_atoms_on_absorbing_walls_are_in_the_first_bin_and_above_the_last(dtype, seed):
    for low, high in [(-0.7, 0.9), (-0.2, 0.7), (-1 / 3, 1 / 3), (-0.1, 0.1), (-0.15, 2.3)]:
        process = Process(
            drift=lambda x: 0.5, sigma=lambda x: 1.0, domain=Interval(low, high, Wall.ABSORBING, Wall.ABSORBING)
        )
        for bins in (7, 10, 49, 256):
            run = short(process, x0=0.0, seed=seed, dtype=dtype, observers=[Histogram(low, high, bins)])
            counts = run.histograms[0]
            assert counts.below[0] == 0 and counts.above[0] == run.absorbed[0][1] > 0
            assert counts.counts[0, 0] >= run.absorbed[0][0] > 0
            assert counts.faces[0, 0] <= low and counts.faces[0, -1] <= high  # a law's atoms lie on the same sides


# --- memory


def peak(steps, n):
    """Return the peak memory of a run in bytes."""
    tracemalloc.start()
    simulate(ou(), euler_maruyama, x0=0.0, t_end=1.0, dt=1.0 / steps, n_particles=n, seed=1, threads=1)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


def test_memory_does_not_grow_with_steps_times_particles():
    n, steps = 20_000, 20_000
    peak(10, n)
    growth = peak(steps, n) - peak(100, n)
    assert growth < 200 * steps < 0.01 * 8 * n * steps  # the times themselves, and no more


def test_positions_that_are_not_kept_take_no_memory():
    n = 400_000
    tracemalloc.start()
    run = simulate(
        ou(),
        euler_maruyama,
        x0=0.0,
        t_end=0.1,
        dt=0.05,
        n_particles=n,
        seed=1,
        keep_positions=False,
        observers=[Moments()],
    )
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert run.x is None and most < 4 * n
    assert run.moments[0].n == n and run.n_particles == n


def test_a_run_that_does_not_fit_in_memory_is_refused_with_its_size():
    with pytest.raises(
        InvalidInput,
        match=r"1000000000000 particles need 7450\.6 GiB for positions, snapshots and paths and 0\.0 GiB for",
    ):
        short(n_particles=10**12)
    with pytest.raises(InvalidInput, match=r"1000000000000 particles need 14901\.2 GiB"):
        short(n_particles=10**12, dtype=np.float32, observers=[Snapshots([0.1, 0.2, 0.3])])
    with pytest.raises(
        InvalidInput, match=r"0\.0 GiB for positions, snapshots and paths and \d+\.\d GiB for histograms.*bins"
    ):
        short(n_particles=10, observers=[Histogram(0.0, 1.0, 2 * 10**9, times=np.arange(1, 11) * 0.1)])


# --- Ctrl-C

STILL = Process(drift=lambda x: 0.0, sigma=lambda x: 0.0)  # a particle stays where it starts, so it shows who it is


def long_run(n, steps, **more):
    return simulate(
        STILL,
        euler_maruyama,
        x0=np.arange(float(n)),
        t_end=float(steps),
        dt=1.0,
        n_particles=n,
        seed=1,
        threads=2,
        observers=[Moments(), Histogram(0.0, float(n), n)],
        **more,
    )


def assert_whole(run, n):
    """Assert that an interrupted run returns whole chunks, and that all of its parts speak of the same particles."""
    ids = run.x[0].astype(int)
    assert run.interrupted and 0 < run.n_particles < n and run.x.shape == (1, run.n_particles)
    assert np.all(np.diff(ids) > 0)
    for block in np.unique(ids // 512):
        assert np.count_nonzero(ids // 512 == block) == min(512, n - 512 * block)
    np.testing.assert_array_equal(np.flatnonzero(run.histograms[0].counts[0]), ids)
    assert run.moments[0].n == run.n_particles and run.moments[0].sums[0, 0] == ids.sum()


def test_ctrl_c_returns_the_finished_chunks(monkeypatch):
    n, calls = 100 * 512 + 3, []
    monkeypatch.setattr(simulation, "CHUNK_BLOCKS", 1)

    collect = execution.collected

    def interrupted(waiting, advance):
        calls.append(1)
        if len(calls) == 20:
            raise KeyboardInterrupt
        return collect(waiting, advance)

    monkeypatch.setattr(execution, "collected", interrupted)
    assert_whole(long_run(n, 2000), n)


def test_a_signal_returns_the_finished_chunks_and_soon(monkeypatch):
    monkeypatch.setattr(simulation, "CHUNK_BLOCKS", 1)
    n = 400 * 512
    long_run(n, 2)  # everything is compiled
    # what a shell starts in the background ignores Ctrl-C, and Python leaves it at that
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    collect, something_finished, sent = execution.collected, threading.Event(), []

    def telling(waiting, advance):
        rest = collect(waiting, advance)
        something_finished.set()
        return rest

    def send():
        something_finished.wait()
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(execution, "collected", telling)
    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    try:
        run = long_run(n, 200_000)  # a minute
    finally:
        sender.join(60)
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - sent[0] < 30
    assert_whole(run, n)


def test_ctrl_c_before_anything_is_finished_is_ctrl_c(monkeypatch):
    def interrupted(waiting, advance):
        raise KeyboardInterrupt

    monkeypatch.setattr(execution, "collected", interrupted)
    with pytest.raises(KeyboardInterrupt, match="before any particle was finished"):
        long_run(512, 5_000_000)


def test_an_error_in_a_chunk_is_raised(monkeypatch):
    def broken(first, count):
        raise ZeroDivisionError("in a worker")

    monkeypatch.setattr(simulation, "start_of", lambda *a, **k: broken)
    with pytest.raises(ZeroDivisionError, match="in a worker"):
        short()


def test_progress_is_shown_on_standard_error_when_asked_for(capsys):
    short(progress=True)
    shown = capsys.readouterr()
    assert "particles" in shown.err
    assert shown.out == ""
    short()
    assert capsys.readouterr() == ("", "")


# --- refusals

BAD = {
    "dt does not divide": ({"dt": 0.3}, r"dt=0\.3 does not divide t_end=1\.0; take dt=0\.25 or dt=0\.333333333333"),
    "dt zero": ({"dt": 0.0}, r"dt=0\.0 must be positive"),
    "dt negative": ({"dt": -0.1}, r"dt=-0\.1 must be positive"),
    "dt NaN": ({"dt": float("nan")}, r"dt=nan is not finite"),
    "t_end infinite": ({"t_end": float("inf")}, r"t_end=inf is not finite"),
    "dt too small": ({"dt": 1e-12}, r"dt=1e-12 makes 1e\+12 steps"),
    "no time": ({"t_end": None}, r"t_end=None and dt=0\.1: give both, or give times"),
    "times and dt": ({"times": [0.0, 1.0]}, r"times were given together with t_end or dt"),
    "times fall": (
        {"t_end": None, "dt": None, "times": [0.0, 1.0, 0.5]},
        r"times must strictly increase, but times\[1\]=1\.0 is followed by 0\.5",
    ),
    "one time": ({"t_end": None, "dt": None, "times": [0.0]}, r"times has 1 entry"),
    "no particles": ({"n_particles": 0}, r"n_particles=0 must be at least 1"),
    "half a particle": ({"n_particles": 1.5}, r"n_particles=1\.5 is not a whole number"),
    "seed negative": ({"seed": -1}, r"seed=-1 must be at least 0"),
    "seed too large": ({"seed": 2**64}, r"seed=18446744073709551616 does not fit"),
    "seed text": ({"seed": "a"}, r"seed='a' is not a whole number"),
    "no threads": ({"threads": 0}, r"threads=0 must be at least 1"),
    "refinement": ({"refinement": 0}, r"refinement=0 must be at least 1"),
    "dtype int": (
        {"dtype": np.int64},
        r"dtype=int64 is not one that kernels run in; give numpy\.float64 or numpy\.float32",
    ),
    "dtype float16": ({"dtype": np.float16}, r"dtype=float16 is not one"),
    "dtype text": ({"dtype": "flaot64"}, r"dtype='flaot64' is not a type"),
    "normals": ({"normals": "float32"}, r"normals='float32'; give fpsde\.Normals\.FLOAT32"),
    "fine normals in float32": ({"normals": Normals.FLOAT64, "dtype": np.float32}, r"would throw their digits away"),
    "one observer bare": ({"observers": Moments()}, r"observers=Moments.*; give a list"),
    "no observer": ({"observers": ["moments"]}, r"'moments' is not an observer; give Moments, .* a Tracked"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_with_its_value(name):
    changes, message = BAD[name]
    with pytest.raises(InvalidInput, match=message):
        short(**changes)


def test_what_is_no_process_or_no_scheme_is_refused():
    with pytest.raises(InvalidInput, match=r"takes a Process and a Scheme, not Process and str; .*scheme_named"):
        short(scheme="euler_maruyama")
    with pytest.raises(InvalidInput, match="takes a Process and a Scheme, not function and Scheme"):
        simulate(lambda x: -x, euler_maruyama, x0=0.0, t_end=1.0, dt=0.1, n_particles=1, seed=1)


def test_what_makes_a_process_or_a_scheme_is_not_taken_for_it():
    with pytest.raises(
        InvalidInput, match=r"not Process and function; splitting is a function; call it: splitting\(\.\.\.\)"
    ):
        short(scheme=splitting)
    with pytest.raises(
        InvalidInput, match=r"not function and Scheme; double_well is a function; call it: double_well\(\)"
    ):
        simulate(double_well, euler_maruyama, x0=0.0, t_end=1.0, dt=0.1, n_particles=1, seed=1)


def test_a_run_beyond_the_generators_counter_is_refused(monkeypatch):
    with pytest.raises(
        InvalidInput,
        match=r"refinement=1000000000000000 with 10 steps of 1 normals; at most 1048576, and 2\*\*48 blocks",
    ):
        short(refinement=10**15)
    monkeypatch.setattr(preparation, "MAX_BLOCK", 5)  # of four normals
    short(refinement=1)
    with pytest.raises(InvalidInput, match="refinement=2 with 10 steps of 1 normals"):
        short(refinement=2)


def test_a_dtype_of_the_other_byte_order_runs_in_the_machines_own():
    assert same_bits(short(dtype=np.dtype(">f8")).x, short().x)


def test_numpy_numbers_are_numbers():
    arguments = dict(
        x0=np.float32(0.25),
        t_end=np.float64(1.0),
        dt=np.float32(0.125),
        n_particles=np.int64(100),
        seed=np.uint64(2**63),
    )
    assert simulate(ou(), euler_maruyama, **arguments).x.shape == (1, 100)
