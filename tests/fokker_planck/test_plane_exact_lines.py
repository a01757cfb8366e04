"""Strang steps of exact factors: exact where components are independent, order 2 elsewhere, positive at any dt."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import expm

from fpsde import checks
from fpsde.backend import Backend
from fpsde.domain import LINE, Interval, Wall
from fpsde.errors import InvalidInput
from fpsde.fokker_planck import FokkerPlanck, Stepping
from fpsde.fokker_planck.plane import exact_lines
from fpsde.fokker_planck.plane.exact_lines import DistinctLines, LineMatrices
from fpsde.grid import Grid
from fpsde.processes import linear_system, rotating_ou
from fpsde.processes.process import Process

EXACT = {"stepping": Stepping.EXACT_LINES}
#: A wall that absorbs, and another that reflects; a driven ring.
SLAB, RING = Interval(0, 1, Wall.REFLECTING, Wall.ABSORBING), Interval.between(0, 1, Wall.PERIODIC)


def independent(pull=0.0):
    """Return a process on a slab times a driven ring, where ``pull`` lets the second component move the first."""
    return Process(
        lambda x: (0.5 - x[0] + pull * np.sin(2 * np.pi * x[1]), 2 + np.sin(2 * np.pi * x[1])),
        lambda x: (0.8 + 0 * x[0], 0.5 + 0 * x[1]), dim=2, domain=(SLAB, RING), name="independent",
    )  # fmt: skip


def distance(one, other):
    """Return the L1 distance of two laws and of what their walls absorbed."""
    return float(np.abs(one.law.masses - other.law.masses).sum() + np.abs(one.absorbed[-1] - other.absorbed[-1]).sum())


def test_one_step_is_exact_where_components_are_independent_and_is_not_where_they_are_not():
    grid, start, t = Grid.uniform((0, 1), (0, 1), cells=(17, 14)), (0.31, 0.63), 0.7
    parts = [
        FokkerPlanck(process, Grid((faces,))).evolve_by_uniformisation(x0, t_end=t)
        for process, faces, x0 in (
            (Process(lambda x: 0.5 - x, lambda x: 0.8 + 0 * x, domain=SLAB), grid.axes[0], start[0]),
            (Process(lambda x: 2 + np.sin(2 * np.pi * x), lambda x: 0.5 + 0 * x, domain=RING), grid.axes[1], start[1]),
        )
    ]
    solver = FokkerPlanck(independent(), grid)
    found = solver.evolve(start, t_end=t, dt=t, **EXACT)
    np.testing.assert_allclose(found.law.masses, np.multiply.outer(*(part.law.masses for part in parts)), rtol=1e-11)
    np.testing.assert_allclose(found.absorbed, [[0, parts[0].law.atoms[0][1], 0, 0]], rtol=1e-12)
    assert 0.2 < found.absorbed[-1, 1] < 0.9 and found.mass_error < 1e-13 and (found.n_steps, found.n_refused) == (1, 0)
    exact = solver.evolve_by_uniformisation(start, t_end=t)
    assert distance(found, exact) < 1e-12
    assert distance(solver.evolve(start, t_end=t, dt=t / 8, stepping=Stepping.SPLIT), exact) > 1e-4  # TR-BDF2 is not
    met = FokkerPlanck(independent(pull=1.0), grid)
    apart = distance(met.evolve(start, t_end=t, dt=t, **EXACT), met.evolve_by_uniformisation(start, t_end=t))
    assert apart > 1e-3


def test_the_splitting_leaves_an_error_of_order_two():
    solver, start = FokkerPlanck(independent(pull=1.0), Grid.uniform((0, 1), (0, 1), cells=(12, 10))), (0.31, 0.63)
    exact = solver.evolve_by_uniformisation(start, t_end=0.4)
    dts = [0.4 / n for n in (4, 6, 8, 12, 16)]
    found = [solver.evolve(start, t_end=0.4, dt=dt, **EXACT) for dt in dts]
    errors = [distance(each, exact) for each in found]
    assert checks.order(dts, errors, expected=2).verdict is checks.Verdict.PASS, errors
    assert checks.order(dts, errors, expected=1).verdict is checks.Verdict.FAIL
    assert found[0].provenance["method"] == f"Scharfetter-Gummel, {Stepping.EXACT_LINES.value}"
    automatic = solver.evolve(start, t_end=0.4, tolerance=1e-3, **EXACT)
    assert 0 < automatic.time_error <= 1e-3 and 0.5 * distance(automatic, exact) < 0.5 * automatic.time_error


@pytest.mark.parametrize("omega", [0.0, 1.0])
def test_an_equilibrium_stays_at_any_dt_and_a_law_with_a_current_does_not(omega):
    solver = FokkerPlanck(rotating_ou(1.0, omega), Grid.uniform((-6.5, 6.5), (-6.5, 6.5), cells=26))
    at_rest = solver.stationary().law
    found = solver.evolve(at_rest, t_end=10.0, dt=0.5, **EXACT)
    moved = float(np.abs(found.law.masses - at_rest.masses).sum())
    assert moved < 1e-12 if omega == 0.0 else moved > 1e-2
    assert found.minimum >= 0 and found.mass_error < 1e-13 * np.sqrt(found.n_steps)


def test_a_point_on_stiff_lines_and_mass_that_moves_one_way_take_any_step():
    one_way = Process(
        lambda x: (3.0 + 0 * x[0], -40 * x[1]), lambda x: ((0.0, 0.0), (0.0, 4.0)), dim=2,
        domain=(Interval.between(0, 1, Wall.PERIODIC), LINE), name="one_way",
    )  # fmt: skip
    solver = FokkerPlanck(one_way, Grid.uniform((0, 1), (-3, 3), cells=(20, 60)))
    found = solver.evolve((0.52, 0.7), t_end=0.5, dt=0.5, **EXACT)
    assert solver.generator().max_rate * 0.5 > 800
    assert found.n_refused == 0 and found.minimum >= 0 and found.mass_error < 1e-13
    assert distance(found, solver.evolve_by_uniformisation((0.52, 0.7), t_end=0.5)) < 1e-12


def test_lines_that_are_alike_share_a_matrix_and_its_rows_are_the_exponential():
    process = Process(lambda x: (-x[0], x[0] - x[1]), lambda x: (1.0 + 0 * x[0], 0.5 + 0 * x[1]), dim=2)
    q = FokkerPlanck(process, Grid.uniform((-3, 3), (-3, 3), cells=(11, 13))).generator()
    first, second = (DistinctLines.of(q, axis) for axis in (0, 1))
    both = LineMatrices(q)
    assert [{len(matrix) for matrix, _ in both.along(axis, 0.3)} for axis in (0, 1, 0)] == [{13}, {15}, {13}]
    assert [len(each.rates) for each in (first, second)] == [1, 11]
    assert sorted(np.concatenate(second.alike).tolist()) == list(range(11)) and len(first.alike[0]) == 13
    rates, exits = q.lines(1)
    for k, alike in enumerate(second.alike):
        (left, right), n = rates[alike[0]], 13
        line = np.diag(right[:-1], -1) + np.diag(left[1:], 1) - np.diag(left + right)
        for t in (0.3, 30.0):  # a sum of jumps; squares
            np.testing.assert_allclose(second.probabilities(t)[k, :n, :n], expm(t * line).T, atol=1e-11)
        np.testing.assert_array_equal(exits[alike[0]], 0.0)
    assert np.all(second.probabilities(0.0) == np.eye(15))
    np.testing.assert_allclose(second.probabilities(1e9).sum(axis=2), 1.0, rtol=1e-14)  # after thirty squares
    rest = second.probabilities(1e9)[0, :13]  # what round-off alone may tell apart, forgotten start by start
    np.testing.assert_allclose(rest, np.tile(rest[:1], (13, 1)), atol=1e-12)


class Leaking:
    """Lines of equal rates, one of which loses mass at its end."""

    def lines(self, axis):
        return np.ones((3, 2, 4)), np.array([[0.0, 0.0], [0.0, 1.0], [0.0, 0.0]])


def test_lines_that_differ_by_their_walls_alone_have_matrices_of_their_own():
    distinct = DistinctLines.of(Leaking(), 0)
    assert [alike.tolist() for alike in distinct.alike] == [[0, 2], [1]]


def test_what_has_no_exact_lines_is_refused_with_its_reason(monkeypatch):
    grid = Grid.uniform((-5, 5), (-5, 5), cells=9)
    driven = Process(lambda x, t: (np.sin(t) - x[0], -x[1]), lambda x: (1.0, 1.0), dim=2, name="driven")
    correlated = linear_system(np.eye(2), np.linalg.cholesky([[1.0, 0.5], [0.5, 1.0]]))
    for process, message in (
        (driven, r"driven depends on time and has no factors that are exact for a step; use Stepping\.SPLIT"),
        (correlated, r"mass moves along diagonals"),
    ):
        with pytest.raises(InvalidInput, match=message):
            FokkerPlanck(process, grid).evolve((0.0, 0.0), t_end=1.0, dt=0.1, **EXACT)
    solver = FokkerPlanck(rotating_ou(1.0, 0.5), grid)
    for word in ("exact_lines", "split", Stepping.SPLIT.value):  # a word is no member, and not taken for another one
        with pytest.raises(InvalidInput, match=r"is no Stepping; give one of .*Stepping\.EXACT_LINES"):
            solver.evolve((0.0, 0.0), t_end=1.0, dt=0.1, stepping=word)
    monkeypatch.setattr(exact_lines, "MOST_NUMBERS", 9 * 11**2 - 1)
    with pytest.raises(InvalidInput, match=r"along axis 0 9 of 9 lines of 9 cells differ, .* 1\.09e\+03 numbers"):
        solver.evolve((0.0, 0.0), t_end=1.0, dt=0.1, **EXACT)
    monkeypatch.setattr("fpsde.fokker_planck.plane.in_time.device_of", lambda backend: (object(), False))
    with pytest.raises(InvalidInput, match=r"exponentials on lines, and on a GPU split steps alone are taken"):
        solver.evolve((0.0, 0.0), t_end=1.0, dt=0.1, backend=Backend.GPU, **EXACT)


def test_the_error_is_as_small_as_what_couples_the_components_and_that_of_tr_bdf2_is_not():
    errors = {}
    for pull in (0.1, 0.01):
        solver, start = FokkerPlanck(independent(pull), Grid.uniform((0, 1), (0, 1), cells=(12, 10))), (0.31, 0.63)
        exact = solver.evolve_by_uniformisation(start, t_end=0.2)
        for stepping in (Stepping.EXACT_LINES, Stepping.SPLIT):
            found = solver.evolve(start, t_end=0.2, dt=0.05, stepping=stepping)
            errors[stepping, pull] = distance(found, exact)
    assert errors[Stepping.EXACT_LINES, 0.1] == pytest.approx(10 * errors[Stepping.EXACT_LINES, 0.01], rel=0.02)
    assert errors[Stepping.SPLIT, 0.01] > 0.5 * errors[Stepping.SPLIT, 0.1]
    assert errors[Stepping.EXACT_LINES, 0.01] < 0.02 * errors[Stepping.SPLIT, 0.01], errors
