"""Coefficients that depend on time on a GPU, emulated: computed there, and the laws are those of the CPU.

No GPU is needed: the CUDA text is compiled by g++ (``emulated_gpu.py``).
"""

from __future__ import annotations

import numpy as np
import pytest
from driven_processes import kicked
from emulated_gpu import NEEDS_COMPILER, compiler_is_missing

from fpsde.backend import Backend
from fpsde.density import Normal
from fpsde.domain import LINE, Interval, Wall
from fpsde.errors import InvalidInput
from fpsde.fokker_planck import FokkerPlanck, Stepping, assemble, assemble_plane, rates_on_gpu, sweeps
from fpsde.fokker_planck.rates_on_gpu import RatesOnGpu
from fpsde.grid import Grid
from fpsde.processes.process import Process
from fpsde.processes.statement import STRATONOVICH

needs_compiler = pytest.mark.skipif(compiler_is_missing(), reason=NEEDS_COMPILER)
ABSORBING = Interval(-1, 1, Wall.ABSORBING, Wall.REFLECTING)
RING = Interval.between(-3, 3, Wall.PERIODIC)


@pytest.fixture
def on_gpu(emulated, monkeypatch):
    monkeypatch.setattr(sweeps, "gpus", lambda: (emulated,))
    return emulated


def shaken():
    """Return underdamped motion on a ring whose force swings: no noise along the first axis."""
    return Process(
        drift=lambda x, t: (x[1], -x[1] + np.sin(x[0] - 4 * t)), sigma=lambda x: ((0.0,), (0.8,)), dim=2,
        domain=(Interval.between(-np.pi, np.pi, Wall.PERIODIC), LINE), name="shaken",
    )  # fmt: skip


def paused():
    """Return a process without noise along the first axis at t = 0.3125, in the middle of a step."""
    return Process(
        drift=lambda x, t: (np.sin(t) - x[0], -x[1]), sigma=lambda x, t: (2 * (t - 0.3125), 0.8), dim=2, name="paused"
    )


NORMAL = Normal(0.1, 0.3), Normal(0, 0.5)
PLANES = {
    "wall and ring": (kicked(ABSORBING, RING), ((-1, 1), (-3, 3)), (0.5, -0.3), 0.125),
    "cut": (kicked(LINE, LINE), ((-6, 6), (-6, 6)), NORMAL, 0.0625),
    "no noise along an axis": (shaken(), ((-np.pi, np.pi), (-6, 6)), NORMAL, 0.0625),
    "no noise for an instant": (paused(), ((-3, 3), (-3, 3)), NORMAL, 0.125),
}


def same(gpu, cpu):
    for one, other in zip(gpu.laws, cpu.laws, strict=True):
        np.testing.assert_allclose(one.masses, other.masses, rtol=1e-11, atol=1e-17)
    for name in ("absorbed", "edge", "minimum"):
        np.testing.assert_allclose(getattr(gpu, name), getattr(cpu, name), rtol=1e-9, atol=1e-15)
    assert (gpu.n_steps, gpu.n_refused) == (cpu.n_steps, cpu.n_refused) and gpu.mass_error < 1e-13


@pytest.mark.parametrize(
    "name, cells",
    [
        ("wall and ring", (11, 9)),
        *(pytest.param(name, cells, marks=pytest.mark.slow) for name in PLANES for cells in ((21, 18), (70, 66))),
    ],
)
@needs_compiler
def test_split_steps_of_a_driven_plane_on_a_gpu_are_those_of_the_cpu(name, cells, on_gpu, monkeypatch):
    process, box, start, dt = PLANES[name]
    solver, run = FokkerPlanck(process, Grid.uniform(*box, cells=cells)), dict(t_end=0.5, times=[0.25], dt=dt)
    cpu, made, lines = solver.evolve(start, **run), [], RatesOnGpu.lines
    monkeypatch.setattr(RatesOnGpu, "lines", lambda *it: made.append(it) or lines(*it))
    gpu = solver.evolve(start, backend=Backend.GPU, **run)
    same(gpu, cpu)
    assert len(made) >= 2 * gpu.n_steps  # the rates of both axes for each step
    late = solver.evolve(start, t_start=0.02, backend=Backend.GPU, **{**run, "t_end": 0.52, "times": [0.27]})
    assert np.abs(late.law.masses - cpu.law.masses).sum() > 1e-5


@needs_compiler
def test_steps_whose_computed_rates_hold_a_nan_are_taken_with_assembled_ones(on_gpu, monkeypatch):
    """The damped step, and one of those that follow; they are asked for at the middle of a step, or the end."""
    process, box, start, dt = PLANES["wall and ring"]
    solver, run = FokkerPlanck(process, Grid.uniform(*box, cells=(11, 9))), dict(t_end=0.5, dt=dt)
    lines, asked = RatesOnGpu.lines, set()

    def spoilt(rates, t):
        asked.add(t)
        found = lines(rates, t)
        if t in (0.03125, 0.3125):
            found.rates[...] = np.nan
        return found

    monkeypatch.setattr(RatesOnGpu, "lines", spoilt)
    same(solver.evolve(start, backend=Backend.GPU, **run), solver.evolve(start, **run))
    assert {0.03125, 0.3125} < asked


@pytest.mark.slow
@needs_compiler
def test_a_driven_plane_takes_the_steps_of_the_cpu_to_a_tolerance(on_gpu):
    process, box, start, _ = PLANES["wall and ring"]
    solver = FokkerPlanck(process, Grid.uniform(*box, cells=(21, 18)))
    cpu, gpu = (solver.evolve(start, t_end=0.5, tolerance=1e-4, backend=b) for b in (Backend.CPU, Backend.GPU))
    same(gpu, cpu)
    assert gpu.time_error < 1e-4 and gpu.dt == cpu.dt


@pytest.mark.slow
@needs_compiler
def test_a_wrong_flux_is_seen(on_gpu, monkeypatch):
    process, box, start, dt = PLANES["wall and ring"]
    solver, run = FokkerPlanck(process, Grid.uniform(*box, cells=(11, 9))), dict(t_end=0.5, dt=dt)
    program = rates_on_gpu.rates_program
    monkeypatch.setattr(
        rates_on_gpu,
        "rates_program",
        lambda *it: program(*it).replace("lengths[i] * mean", "1.001 * lengths[i] * mean"),
    )
    cpu, gpu = (solver.evolve(start, backend=b, **run) for b in (Backend.CPU, Backend.GPU))
    assert np.abs(gpu.law.masses - cpu.law.masses).sum() > 1e-6


@pytest.mark.slow
@needs_compiler
def test_lines_that_are_not_stated_are_assembled_for_each_step(on_gpu, monkeypatch):
    process, box, start, dt = PLANES["wall and ring"]
    grid, run = Grid.uniform(*box, cells=(11, 9)), dict(t_end=0.5, dt=dt, stepping=Stepping.SPLIT)
    own = FokkerPlanck(process, grid, assemble=lambda process, grid, t=0.0: assemble_plane(process, grid, t))
    monkeypatch.setattr(RatesOnGpu, "of", None)
    same(own.evolve(start, backend=Backend.GPU, **run), FokkerPlanck(process, grid).evolve(start, **run))


@pytest.mark.slow
@needs_compiler
def test_coefficients_that_leave_their_range_are_refused_as_on_the_cpu(on_gpu):
    lost = Process(
        drift=lambda x, t: (-x[0], -x[1]), sigma=lambda x, t: (np.sqrt(0.5 - t + 0 * x[0]), 0.8), dim=2, name="lost"
    )
    solver, said = FokkerPlanck(lost, Grid.uniform((-4, 4), (-4, 4), cells=(11, 9))), []
    for backend in (Backend.CPU, Backend.GPU):
        with pytest.raises(InvalidInput, match=r"the diffusivity of lost is .* t=0\.5625") as error:
            solver.evolve((Normal(0, 0.4), Normal(0, 0.4)), t_end=1.0, dt=0.125, backend=backend)
        said.append(str(error.value))
    assert said[0] == said[1]


def swung(domain=Interval(-1, 1, Wall.ABSORBING, Wall.REFLECTING), **options):  # noqa: B008 (frozen)
    """Return a process with costly parts in x, in t and in both that share some, a condition, and parameters."""
    return Process(
        drift=lambda x, t, p: (
            -p.k[0] * np.sin(np.pi * x + 0.01 * p.k[0]) * np.exp(-t)
            + np.where(x > 0.3 * t, 0.4, -0.2) * np.cos(p.k[1] * t)
            + np.tanh(x * t)
        ),
        sigma=lambda x, t, p: np.sqrt(
            0.4 + 0.1 * np.cos(np.pi * x) * np.sin(p.k[1] * t) ** 2 + 0.05 * np.sqrt(1 + x**2)
        ),
        params={"k": [2.0, 3.0]}, domain=domain, name="swung", **options,
    )  # fmt: skip


#: The last is blown about so hard that steps of an eighth, from a point, are refused.
MEMBERS = {"k": np.array([[2.0, 3.0], [1.0, 5.0], [60.0, 1.0]])}
LINE_RUN = {"t_start": 0.1, "t_end": 0.85, "times": [0.35], "dt": 0.125}


def equal(gpu, cpu):
    np.testing.assert_allclose(gpu.masses, cpu.masses, rtol=1e-11, atol=1e-17)
    for name in ("absorbed", "edge", "minimum", "mass_error"):
        np.testing.assert_allclose(getattr(gpu, name), getattr(cpu, name), rtol=1e-9, atol=1e-14)
    for name in ("n_steps", "n_refused"):
        np.testing.assert_array_equal(getattr(gpu, name), getattr(cpu, name))


@needs_compiler
def test_driven_members_on_a_gpu_are_those_of_the_cpu_and_each_is_as_if_it_were_alone(on_gpu):
    solver = FokkerPlanck(swung(), Grid.uniform((-1, 1), cells=33))
    cpu, gpu = (solver.evolve_batch(0.3, MEMBERS, backend=b, **LINE_RUN) for b in (Backend.CPU, Backend.GPU))
    equal(gpu, cpu)
    assert (cpu.n_refused > 0).tolist() == [False, False, True] and cpu.absorbed[..., 0].min() > 0
    for k in (0, 2):
        alone = FokkerPlanck(swung().with_params(k=MEMBERS["k"][k]), solver.grid).evolve(0.3, **LINE_RUN)
        np.testing.assert_array_equal(cpu.masses[:, k], [law.masses for law in alone.laws])
        assert (cpu.n_steps[k], cpu.n_refused[k]) == (alone.n_steps, alone.n_refused)
        np.testing.assert_allclose(cpu.peclet[k], alone.peclet, rtol=1e-12)
    assert np.abs(cpu.masses[:, 0] - cpu.masses[:, 1]).max() > 1e-3  # another member is seen
    same(solver.evolve(0.3, backend=Backend.GPU, **LINE_RUN), solver.evolve(0.3, **LINE_RUN))
    late = solver.evolve(0.3, backend=Backend.GPU, **LINE_RUN | {"t_start": 0.12, "t_end": 0.87, "times": [0.37]})
    assert np.abs(late.law.masses - cpu.masses[-1, 0]).sum() > 1e-5


LINES = {
    "cut": (swung(Interval()), (-7, 7)),
    "wall": (swung(), (-1, 1)),
    "ring": (swung(Interval.between(-1, 1, Wall.PERIODIC)), (-1, 1)),
    "Stratonovich": (swung(Interval(), interpretation=STRATONOVICH), (-7, 7)),
}


@pytest.mark.slow
@pytest.mark.parametrize("cells", [37, 90])
@pytest.mark.parametrize("name", LINES)
@needs_compiler
def test_driven_lines_on_a_gpu_are_those_of_the_cpu(name, cells, on_gpu):
    """In pieces, of 90 cells, and whole."""
    process, ends = LINES[name]
    solver = FokkerPlanck(process, Grid.uniform(ends, cells=cells))
    equal(*(solver.evolve_batch(0.3, MEMBERS, backend=b, **LINE_RUN) for b in (Backend.GPU, Backend.CPU)))
    cpu, gpu = (solver.evolve(0.3, t_end=0.5, tolerance=1e-5, backend=b) for b in (Backend.CPU, Backend.GPU))
    same(gpu, cpu)
    assert gpu.time_error < 1e-5 and gpu.dt == cpu.dt


@pytest.mark.slow
@needs_compiler
def test_members_that_are_not_stated_are_assembled_for_each_step(on_gpu, monkeypatch):
    stated = FokkerPlanck(swung(), Grid.uniform((-1, 1), cells=33)).evolve_batch(0.3, MEMBERS, **LINE_RUN)
    own = FokkerPlanck(swung(), stated.grid, assemble=lambda process, grid, t=0.0: assemble(process, grid, t))
    monkeypatch.setattr(RatesOnGpu, "of", None)
    for backend in (Backend.CPU, Backend.GPU):
        equal(own.evolve_batch(0.3, MEMBERS, backend=backend, **LINE_RUN), stated)
    one = own.evolve(0.3, backend=Backend.GPU, **LINE_RUN)
    np.testing.assert_allclose(one.law.masses, stated.law(0).masses, rtol=1e-11)


@pytest.mark.slow
@needs_compiler
def test_a_member_whose_coefficients_leave_their_range_is_named_on_both_machines(on_gpu):
    lost = Process(drift=lambda x, t: -x, sigma=lambda x, t, p: p.s - t + 0 * x, params={"s": 2.0}, name="lost")
    solver, said = FokkerPlanck(lost, Grid.uniform((-14, 14), cells=60)), []
    for backend in (Backend.CPU, Backend.GPU):
        with pytest.raises(InvalidInput, match=r"^member 1 \(s=0\.5\): the diffusivity of lost is 0\.0 at .*, t=0\.5"):
            solver.evolve_batch(0.0, {"s": [2.0, 0.5]}, t_end=1.0, dt=0.125, backend=backend)
        with pytest.raises(InvalidInput) as error:
            FokkerPlanck(lost.with_params(s=0.5), solver.grid).evolve(0.0, t_end=1.0, dt=0.125, backend=backend)
        said.append(str(error.value))
    assert said[0] == said[1]


def sheared(first=LINE, second=LINE, *, narrow=0.0, moves=1.0):
    """Return a turning process whose correlation varies in place, and swings in time where it ``moves``.

    With ``narrow`` noise the stencil is wider than its neighbours.
    """
    return Process(
        drift=lambda x: (-x[0] + 0.8 * x[1], -0.3 * x[0] - x[1]),
        sigma=lambda x, t, p: ((1.0, 0.0), (p.narrow + 0.5 * np.cos(3 * p.moves * t) + 0.1 * np.sin(x[0]), 0.7)),
        dim=2, params={"narrow": narrow, "moves": moves}, domain=(first, second), name="sheared",
    )  # fmt: skip


WALLED, LOST = Interval.between(-3, 3, Wall.REFLECTING), Interval.between(-3, 3, Wall.ABSORBING)
SHEARED = {
    "plane": (sheared(), ((-5, 5), (-5, 5))),
    "narrow": (sheared(narrow=2.5), ((-5, 5), (-11, 11))),  # 21 x 13 cells do not hold it
    "ring across": (sheared(RING, WALLED, narrow=0.1), ((-3, 3), (-3, 3))),
    "ring along": (sheared(WALLED, RING, narrow=2.5), ((-3, 3), (-3, 3))),
    "torus": (sheared(RING, RING, narrow=-0.2), ((-3, 3), (-3, 3))),
    "lost at walls": (sheared(LOST, LOST, narrow=-0.2), ((-3, 3), (-3, 3))),
}


@pytest.mark.parametrize(
    "name, cells",
    [
        ("plane", (21, 13)),
        *(pytest.param(name, (66, 71), marks=pytest.mark.slow) for name in SHEARED),
        *(pytest.param(name, (21, 13), marks=pytest.mark.slow) for name in SHEARED if name not in ("plane", "narrow")),
    ],
)
@needs_compiler
def test_steps_along_diagonals_on_a_gpu_are_those_of_the_cpu(name, cells, on_gpu):
    process, box = SHEARED[name]
    start, run = (Normal(0.1, 0.5), Normal(0, 0.5)), dict(t_end=0.125, times=[0.0625], dt=0.03125)
    solver = FokkerPlanck(process, Grid.uniform(*box, cells=cells))
    cpu, gpu = (solver.evolve(start, backend=b, **run) for b in (Backend.CPU, Backend.GPU))
    same(gpu, cpu)
    assert gpu.provenance["method"].endswith(Stepping.SPLIT.value) and len(solver.generator().offsets) > 2
    turned = solver.evolve((Normal(0.1, 0.5), Normal(0.2, 0.5)), backend=Backend.GPU, **run)
    assert np.abs(turned.law.masses - cpu.law.masses).sum() > 1e-2  # another start is seen


@needs_compiler
def test_diagonals_whose_lines_go_on_another_axis_at_another_time_are_carried_as_on_the_cpu(on_gpu):
    """Noise is correlated on a part of a ring alone, which comes to its seam."""
    patch = Process(
        drift=lambda x, t: (0.3 * np.sin(x[0]), -x[1]), dim=2, domain=(RING, LINE),
        sigma=lambda x, t: ((1.0, 0.0), (np.maximum(0.0, np.cos(np.pi / 3 * x[0] - 4 * t) - 0.5), 0.9)),
    )  # fmt: skip
    solver = FokkerPlanck(patch, Grid.uniform((-3, 3), (-5, 5), cells=(11, 12)))
    assert {solver.generator(t).way((1, 1))[0] for t in (0.3125, 0.6875)} == {0, 1}
    run = dict(t_start=0.25, t_end=0.75, dt=0.125)
    same(*(solver.evolve((Normal(0, 0.4), Normal(0, 0.5)), backend=b, **run) for b in (Backend.GPU, Backend.CPU)))


@pytest.mark.slow
@needs_compiler
def test_noise_that_stays_correlated_is_split_where_that_is_asked_for(on_gpu):
    solver = FokkerPlanck(sheared(narrow=0.4, moves=0.0), Grid.uniform((-5, 5), (-5, 5), cells=(21, 13)))
    run = dict(t_end=0.25, dt=0.0625, stepping=Stepping.SPLIT)
    same(*(solver.evolve((Normal(0.1, 0.3), Normal(0, 0.4)), backend=b, **run) for b in (Backend.GPU, Backend.CPU)))
