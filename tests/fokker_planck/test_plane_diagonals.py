"""Correlated noise in split steps: lines along diagonals make up Q, order 2 in dt, exact moments where it is driven."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse
from scipy.integrate import solve_ivp

from fpsde.density import Normal
from fpsde.domain import LINE, Interval, Wall
from fpsde.errors import InvalidInput
from fpsde.fokker_planck import FokkerPlanck, Stepping, assemble_plane
from fpsde.fokker_planck.initial import Start
from fpsde.fokker_planck.plane import propagator
from fpsde.fokker_planck.plane.coefficients import plane_sides
from fpsde.fokker_planck.plane.driven_lines import driven_lines
from fpsde.fokker_planck.plane.generator import ahead_on
from fpsde.fokker_planck.plane.lines import cells_on, way_round
from fpsde.fokker_planck.plane.propagator import AXES, SplitPropagator
from fpsde.grid import Grid
from fpsde.processes.process import Process

RING = Interval.between(-3, 3, Wall.PERIODIC)
WALLED = Interval.between(-3, 3, Wall.REFLECTING)
LOST_LOW, LOST_HIGH = Interval(-3, 3, Wall.ABSORBING, Wall.REFLECTING), Interval(-3, 3, Wall.NONE, Wall.ABSORBING)
LOST = Interval.between(-3, 3, Wall.ABSORBING)
A = np.array([[1.0, -0.8], [0.3, 0.5]])


def sheared(first=LINE, second=LINE, *, narrow=0.0, moves=True):
    """Return a turning process whose correlation varies in place, and changes its sign in time unless it stands still.

    With ``narrow`` noise the stencil is wider than its neighbours.
    """
    return Process(
        drift=lambda x: (-x[0] - 0.5 * np.sin(x[0]) + 0.8 * x[1], -0.3 * x[0] - x[1] - 0.5 * np.sin(x[1])),
        sigma=(
            (lambda x, t, p: ((1.0, 0.0), (p.narrow + 0.5 * np.cos(3 * t) + 0.1 * np.sin(x[0]), 0.7)))
            if moves
            else (lambda x, p: ((1.0, 0.0), (p.narrow + 0.4 + 0.1 * np.sin(x[0]), 0.7)))
        ),
        dim=2,
        params={"narrow": narrow},
        domain=(first, second),
        name="sheared",
    )


CASES = {
    "plane": (sheared(), ((-4, 4), (-4, 4))),
    "narrow": (sheared(narrow=1.5), ((-9, 9), (-14, 14))),
    "ring across": (sheared(RING, WALLED, narrow=0.1), ((-3, 3), (-3, 3))),
    "ring along": (sheared(WALLED, RING, narrow=0.4), ((-3, 3), (-3, 3))),
    "ring along, narrow": (sheared(WALLED, RING, narrow=2.5), ((-3, 3), (-3, 3))),
    "backwards": (sheared(RING, WALLED, narrow=-1.5), ((-3, 3), (-3, 3))),
    "torus": (sheared(RING, RING, narrow=0.1), ((-3, 3), (-3, 3))),
    "torus, narrow": (sheared(RING, RING, narrow=2.5), ((-3, 3), (-3, 3))),
    "lost at every wall": (sheared(LOST, LOST, narrow=-0.2), ((-3, 3), (-3, 3))),
    "lost at a low and a high wall": (sheared(LOST_LOW, LOST_HIGH, narrow=-0.2), ((-3, 3), (-3, 3))),
    "lost along a ring": (sheared(RING, LOST_LOW, narrow=-0.2), ((-3, 3), (-3, 3))),
    "lost across a ring": (sheared(LOST_HIGH, RING, narrow=-0.2), ((-3, 3), (-3, 3))),
}


@pytest.mark.parametrize("name", CASES)
def test_the_lines_of_all_offsets_make_up_the_generator(name) -> None:
    """Each cell lies on one line of every offset, and the rates on the lines are those of Q."""
    process, box = CASES[name]
    q = assemble_plane(process, Grid.uniform(*box, cells=(21, 13)), 0.3)
    assert q.on_lines and not q.along_axes
    parts, booked = {}, np.zeros_like(q.exits)
    for offset in q.offsets:
        way = q.way(offset)
        rates, exits = q.lines_on(way, offset)
        cells = cells_on(way, q.grid.shape)
        np.testing.assert_array_equal(np.sort(cells.ravel()), np.arange(q.size))
        ahead, back = np.roll(cells, -1, axis=1), np.roll(cells, 1, axis=1)
        rows = np.concatenate([back.ravel(), ahead.ravel(), cells.ravel(), cells.ravel()])
        out = rates[:, 0].ravel(), rates[:, 1].ravel()
        values = np.concatenate([*out, -out[0], -out[1]])
        for side in (0, 1):  # what leaves does so at the ends of lines of an axis
            np.add.at(values, 3 * cells.size + np.arange(cells.size).reshape(cells.shape)[:, -side], -exits[:, side])
            if offset in AXES:
                booked[2 * way[0] + side, cells[:, -side]] += exits[:, side]
            else:
                assert not exits.any()
        parts[offset] = sparse.coo_array((values, (rows, np.tile(cells.ravel(), 4))), shape=(q.size, q.size)).toarray()
    whole = q.matrix.toarray()
    np.testing.assert_array_equal(booked, q.exits)
    assert q.exits.any() == ("lost" in name)
    np.testing.assert_allclose(sum(parts.values()), whole, rtol=0, atol=1e-12 * q.max_rate)
    for part in parts.values():
        assert np.abs(sum(parts.values()) - part - whole).max() > 1e-6 * q.max_rate


@pytest.mark.parametrize("shape", [(6, 4), (9, 6), (5, 8), (12, 12)])
def test_rings_meet_every_cell_once_and_go_on_by_their_offset(shape) -> None:
    for offset in ((1, 1), (1, -1), (1, 2), (1, -4), (2, 1), (2, 3), (5, 6)):
        for axis in (0, 1):
            ahead = ahead_on(offset, axis)
            way = way_round(ahead, shape, axis)
            assert (way is None) == (np.gcd(ahead[axis], shape[axis]) > 1)
            if way is not None:
                cells = cells_on(way, shape)
                np.testing.assert_array_equal(np.sort(cells.ravel()), np.arange(shape[0] * shape[1]))
                here, there = np.array(np.unravel_index([cells, np.roll(cells, -1, axis=1)], shape)).swapaxes(0, 1)
                apart = (there - here - np.array(ahead)[:, None, None]) % np.array(shape)[:, None, None]
                assert not apart.any()


def test_compiled_lines_lose_at_walls_what_the_generator_books() -> None:
    """In a corner too, where ways out along a diagonal meet two walls."""
    process, box = CASES["lost at every wall"]
    grid = Grid.uniform(*box, cells=(21, 13))
    q = assemble_plane(process, grid, 0.3)
    for lines in driven_lines(process, grid, plane_sides(process, grid), correlated=True):
        _, (_, exits, *_), _ = lines.at(0.3)
        booked = q.lines_on(lines.way, lines.offset)[1]
        np.testing.assert_allclose(exits.swapaxes(1, 2).reshape(-1, 2)[: len(booked)], booked, rtol=1e-12)
        assert booked.all() == (0 in lines.offset)


UNDRIVEN = {
    "plane": ((LINE, LINE), (-7, 7), (24, 24)),
    "torus": ((RING, RING), (-3, 3), (20, 12)),
    "walls": ((LOST_LOW, LOST_HIGH), (-3, 3), (20, 12)),
}


@pytest.mark.parametrize("name", UNDRIVEN)
def test_steps_along_diagonals_are_of_order_two_in_dt_against_uniformisation(name) -> None:
    domain, ends, cells = UNDRIVEN[name]
    solver = FokkerPlanck(sheared(*domain, moves=False), Grid.uniform(ends, ends, cells=cells))
    start, errors, lost = (Normal(0.3, 0.5), Normal(-0.2, 0.5)), [], []
    exact = solver.evolve_by_uniformisation(start, t_end=0.5)
    for dt in (0.0625, 0.03125, 0.015625):
        found = solver.evolve(start, t_end=0.5, dt=dt, stepping=Stepping.SPLIT)
        assert found.mass_error <= 1e-13 * np.sqrt(found.n_steps) and found.minimum >= 0
        errors.append(float(np.abs(found.law.masses - exact.law.masses).sum()))
        lost.append(np.abs(found.absorbed - exact.absorbed).sum())
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.all(np.abs(orders - 2) < 0.1), (errors, orders)
    late = solver.evolve(start, t_end=0.5 + 0.015625, dt=0.015625, stepping=Stepping.SPLIT)
    assert np.abs(late.law.masses - exact.law.masses).sum() > 10 * errors[-1]
    if name == "walls":
        orders = np.log2(np.array(lost[:-1]) / lost[1:])
        assert np.all(np.abs(orders - 2) < 0.1), (lost, orders)
        assert np.abs(late.absorbed - exact.absorbed).sum() > 10 * lost[-1]


def pulled() -> Process:
    """Return dX = (f(t) - A X) dt + B(t) dW with D_12 that swings through zero."""
    return Process(
        drift=lambda x, t: (np.sin(3 * t) - x[0] + 0.8 * x[1], -0.3 * x[0] - 0.5 * x[1]),
        sigma=lambda x, t: ((1.0, 0.0), (0.6 * np.sin(4 * t), 0.9)),
        dim=2,
        name="pulled",
    )


def moments(t, mean, covariance, lag=0.0):
    """Return mean and covariance of ``pulled`` from its linear equations; the noise comes ``lag`` late."""

    def change(s, y):
        m, c = y[:2], y[2:].reshape(2, 2)
        b = np.array([[1.0, 0.0], [0.6 * np.sin(4 * (s - lag)), 0.9]])
        return np.r_[np.array([np.sin(3 * s), 0.0]) - A @ m, (-A @ c - c @ A.T + b @ b.T).ravel()]

    y = solve_ivp(change, (0, t), np.r_[mean, np.ravel(covariance)], rtol=1e-11, atol=1e-13).y[:, -1]
    return y[:2], y[2:].reshape(2, 2)


def plain(process, grid, t=0.0):
    return assemble_plane(process, grid, t)


def are_those_of_the_plain_loop(process, box, **run) -> None:
    grid, run = Grid.uniform(*box, cells=(21, 27)), {"t_start": 0.1, "t_end": 0.3, "dt": 0.05} | run
    loses = np.array(FokkerPlanck(process, grid)._absorbing)
    start = np.full(grid.shape, 1 / (21 * 27)) if loses.any() else (Normal(0.1, 0.3), Normal(-0.1, 0.3))
    fast, slow = (FokkerPlanck(process, grid, assemble=f).evolve(start, **run) for f in (assemble_plane, plain))
    assert np.abs(fast.law.masses - slow.law.masses).sum() < 1e-13
    assert (fast.n_steps, fast.n_refused) == (slow.n_steps, slow.n_refused)
    np.testing.assert_allclose(fast.absorbed, slow.absorbed, atol=1e-15)
    assert ((fast.absorbed > 1e-2) == loses).all()
    np.testing.assert_allclose(fast.edge, slow.edge, atol=1e-15)
    np.testing.assert_allclose(fast.peclet, slow.peclet, rtol=1e-12)
    np.testing.assert_allclose(fast.cells_per_length, slow.cells_per_length, rtol=1e-9)
    assert fast.mass_error <= 1e-13 * np.sqrt(fast.n_steps) and fast.minimum >= 0
    late = FokkerPlanck(process, grid).evolve(start, **run | {"t_start": 0.11, "t_end": 0.31})
    assert np.abs(late.law.masses - slow.law.masses).sum() > 1e-5


def test_compiled_steps_along_diagonals_are_those_of_the_plain_loop(monkeypatch) -> None:
    are_those_of_the_plain_loop(pulled(), ((-6, 6), (-6, 6)))
    solver = FokkerPlanck(pulled(), Grid.uniform((-6, 6), (-6, 6), cells=20))
    plain_steps, step = [], SplitPropagator._swept
    monkeypatch.setattr(SplitPropagator, "_swept", lambda *it: plain_steps.append(it) or step(*it))
    for assemble, are_taken in ((assemble_plane, False), (plain, True)):
        replace(solver, assemble=assemble).evolve((0.0, 0.0), t_end=0.1, dt=0.05)
        assert (len(plain_steps) > 0) == are_taken


def test_nothing_is_done_on_diagonals_without_weight() -> None:
    """D_12 is positive at t = 0.1, and negative at t = 1: each time one diagonal stands still."""
    grid, still = Grid.uniform((-6, 6), (-6, 6), cells=(21, 27)), {}
    solver = FokkerPlanck(pulled(), grid)
    lines = driven_lines(solver.process, grid, solver._sides, correlated=True)
    for t in (0.1, 1.0):
        of_each = {each.offset: each.at(t) for each in lines}
        still[t] = [offset for offset, (bad, (rates, *_), _) in of_each.items() if bad == 0 and not rates.any()]
    assert still == {0.1: [(1, -1)], 1.0: [(1, 1)]}
    start = Start(np.full(grid.shape, 1 / (21 * 27)).ravel(), np.zeros(4), 0.0)
    steps = solver.steps(start, t_start=0.1).propagator()
    steps._march(0.1, 0.01, 0, 1)
    assert [bool(room[-1].all()) for room in steps._kept[:3]] == [False, False, True]


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("threads", [1, 2])
def test_compiled_steps_at_walls_and_round_seams_are_those_of_the_plain_loop(name, threads, monkeypatch) -> None:
    """With narrow noise the seven-point stencil is not enough somewhere, and the plain step takes over."""
    monkeypatch.setattr(propagator, "THREADED", 0)
    are_those_of_the_plain_loop(*CASES[name], threads=threads)


def test_driven_correlated_noise_is_split_by_default_and_its_moments_converge_at_order_two() -> None:
    start, sizes, errors, lagging = ((0.5, -0.3), 0.36 * np.eye(2)), np.array([32, 44, 60]), [], []
    for cells in sizes.tolist():
        found = FokkerPlanck(pulled(), Grid.uniform((-7, 7), (-7, 7), cells=cells)).evolve(
            (Normal(0.5, 0.6), Normal(-0.3, 0.6)), t_end=0.8, dt=0.8 / cells
        )
        assert found.provenance["method"].endswith(Stepping.SPLIT.value) and found.minimum >= 0
        assert found.mass_error <= 1e-13 * np.sqrt(found.n_steps)
        for lag, kept in ((0.0, errors), (0.4 / cells, lagging)):  # the noise of the start of each step
            mean, covariance = moments(0.8, *start, lag=lag)
            kept.append(
                np.linalg.norm([*(found.law.mean - mean), *(found.law.covariance - covariance)[np.triu_indices(2)]])
            )
    orders, late = (-np.diff(np.log(each)) / np.diff(np.log(sizes)) for each in (errors, lagging))
    assert np.all(np.abs(orders - 2) < 0.1), (errors, orders)
    assert np.all(late < 1.85), (lagging, late)


def test_diagonals_that_are_no_lines_are_refused_and_taken_whole_by_default() -> None:
    """Noise is so narrow that mass leaves from the second row of cells too."""
    solver = FokkerPlanck(sheared(LOST, LOST, narrow=2.5), Grid.uniform((-3, 3), (-3, 3), cells=(11, 12)))
    start = Normal(0.0, 0.4), Normal(0.0, 0.4)
    with pytest.raises(InvalidInput, match=r"no lines to split steps into; use Stepping\.WHOLE"):
        solver.evolve(start, t_end=0.1, dt=0.05, stepping=Stepping.SPLIT)
    found = solver.evolve(start, t_end=0.1, dt=0.05)
    assert found.provenance["method"].endswith(Stepping.WHOLE.value)


def test_steps_whose_diagonals_are_no_rings_are_taken_whole_unless_they_are_to_be_split() -> None:
    """Along (2, 3) nothing gets from every row, or column, of 12 x 12 cells to every other."""
    turning = Process(
        drift=lambda x, t: (np.sin(np.pi / 3 * x[0]), 0.5),
        sigma=lambda x, t: ((1.0, 0.0), (np.where(t > 0.15, 1.5, 0.0), 0.25)),
        dim=2,
        domain=(RING, RING),
    )
    solver = FokkerPlanck(turning, Grid.uniform((-3, 3), (-3, 3), cells=12), assemble=plain)
    start, run = (Normal(0.0, 0.5), Normal(0.0, 0.5)), {"t_end": 0.2, "dt": 0.05}
    assert [solver.generator(t).on_lines for t in (0.125, 0.175)] == [True, False]
    found = solver.evolve(start, times=[0.15], **run)
    assert found.provenance["method"].endswith(Stepping.SPLIT.value)
    assert found.mass_error <= 1e-13 * np.sqrt(found.n_steps) and found.minimum >= 0
    before, after = (law.masses.ravel() for law in found.laws)
    for t, same in ((0.15, True), (0.1, False)):
        step = solver.steps(Start(before, np.zeros(4), 0.0), stepping=Stepping.WHOLE).propagator()
        step.advance(t, 0.05, 1)
        assert (np.abs(step.masses - after).max() < 1e-15) == same
    with pytest.raises(InvalidInput, match=r"round both axes past cells .* use Stepping\.WHOLE"):
        solver.evolve(start, **run, stepping=Stepping.SPLIT)
    run |= {"t_start": 0.149, "t_end": 0.249}
    first, whole = (solver.evolve(start, **run, stepping=stepping) for stepping in (None, Stepping.WHOLE))
    assert first.provenance["method"].endswith(Stepping.SPLIT.value)
    assert np.abs(first.law.masses - whole.law.masses).max() < 1e-15  # the damped step too


def test_noise_that_is_correlated_later_is_not_taken_for_noise_along_axes() -> None:
    """At the start D_12 = 0 and all edges lie along axes."""
    solver = FokkerPlanck(pulled(), Grid.uniform((-6, 6), (-6, 6), cells=20))
    assert solver.generator(0.0).along_axes and not solver.generator(0.1).along_axes
    start, run = (Normal(0.5, 0.6), Normal(-0.3, 0.6)), {"t_end": 0.4, "dt": 0.025}
    split, whole = (solver.evolve(start, **run, stepping=each) for each in (Stepping.SPLIT, Stepping.WHOLE))
    assert np.abs(split.law.covariance - whole.law.covariance).max() < 2e-3 < 0.1 * whole.law.covariance[0, 1]
