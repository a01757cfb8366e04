"""Split steps of the backward equation: exact duality with those of masses, closed forms, and the range of f."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import expm

from fpsde import checks
from fpsde.domain import Interval, Wall
from fpsde.errors import InvalidInput
from fpsde.fokker_planck import FokkerPlanck, Stepping
from fpsde.fokker_planck.initial import Start
from fpsde.fokker_planck.plane import backward_lines
from fpsde.fokker_planck.plane.backward_lines import SplitBackward
from fpsde.fokker_planck.plane.generator import centres
from fpsde.fokker_planck.plane.propagator import SplitPropagator
from fpsde.grid import Grid
from fpsde.processes import ornstein_uhlenbeck, rotating_ou
from fpsde.processes.process import Process

TURNING = rotating_ou(1.0, 2.0)


def swirl(rho, first, second):
    return Process(
        drift=lambda x: (x[1] - x[0] + 0.5, -(x[0] ** 2)),
        sigma=lambda x: ((1.0 + 0.3 * x[1] ** 2, 0.0), (rho, 0.8)),
        dim=2,
        domain=(Interval(-1, 1, *first), Interval(-1, 1, *second)),
        name="swirl",
    )


AROUND = (Wall.PERIODIC, Wall.PERIODIC)
CASES = {
    "walls": swirl(0.0, (Wall.ABSORBING, Wall.REFLECTING), (Wall.REFLECTING, Wall.ABSORBING)),
    "ring": swirl(0.0, (Wall.ABSORBING, Wall.ABSORBING), AROUND),
    "diagonals": swirl(0.3, (Wall.REFLECTING, Wall.REFLECTING), AROUND),
}


def both_ways(process, rng):
    """Return <f, p_t> by masses carried ahead, and <u_t, p_0> by values carried back, after damped steps or others."""
    solver = FokkerPlanck(process, Grid.uniform((-1, 1), (-1, 1), cells=(11, 13)))
    q, size = solver.generator(), 11 * 13
    start, f, at_walls = rng.random(size), rng.random(size), rng.random((4, size))
    at_walls = np.repeat(np.repeat(at_walls.reshape(4, 11, 13)[:, :1, :1], 11, axis=1), 13, axis=2).reshape(4, size)
    carry = {"fringe": np.zeros((4, size)), "constant": True}
    found = []
    for damped in (False, True):
        ahead = SplitPropagator(lambda t: q, Start(start / start.sum(), np.zeros(4), 0.0), **carry)
        back = SplitBackward(lambda t: q, f, at_walls, constant=True)
        if damped:
            ahead._backward_euler(0.0, 0.02)
            back.u = back._damped(0.0, 0.02)
        else:
            ahead.advance(0.0, 0.01, 3)
            back.advance(0.03, 0.01, 3)
        found.append((ahead.masses @ f + ahead.absorbed @ at_walls[:, 0], back.u @ start / start.sum()))
    return np.array(found).T


@pytest.mark.parametrize("name", CASES)
def test_steps_back_are_the_transposes_of_split_steps_ahead(name, monkeypatch) -> None:
    """<f, p_t> = <u_t, p_0> to round-off, what walls absorbed counting as f there; not for sweeps in another order."""
    ahead, back = both_ways(CASES[name], np.random.default_rng(5))
    np.testing.assert_allclose(back, ahead, rtol=1e-14)
    monkeypatch.setattr(backward_lines, "sweeps_of_step", lambda offsets, dt: [(o, dt) for o in offsets])
    monkeypatch.setattr(backward_lines, "reversed", list, raising=False)
    ahead, back = both_ways(CASES[name], np.random.default_rng(5))
    assert np.all(np.abs(back / ahead - 1) > 1e-7)


def test_moments_of_a_turning_well_from_every_start_are_met_at_order_two() -> None:
    """E x = e^-t (x cos 2t + y sin 2t) and E x^2 = (E x)^2 + s^2 (1 - e^-2t)/2, in steps that shrink with the cells."""
    t, sizes = 0.5, (20, 28, 40, 56)
    errors: dict[str, list[float]] = {"x": [], "xx": []}
    for cells in sizes:
        solver = FokkerPlanck(TURNING, Grid.uniform((-5, 5), (-5, 5), cells=cells))
        x, y = centres(solver.grid)
        mean = np.exp(-t) * (np.cos(2 * t) * x + np.sin(2 * t) * y)
        spread = float(TURNING.params["sigma"]) ** 2 * -np.expm1(-2 * t) / 2
        weights = np.exp(-((x - 0.5) ** 2 + (y + 0.3) ** 2) / 0.5)
        for name, f, exact in (("x", lambda x, y: x, mean), ("xx", lambda x, y: x**2, mean**2 + spread)):
            found = solver.expectation(f, t_end=t, dt=2 * t / cells, stepping=Stepping.SPLIT)
            errors[name].append(weights @ (found.values.ravel() - exact) / weights.sum())
    for name, error in errors.items():
        result = checks.grid_order([1 / cells for cells in sizes], error, expected=2)
        assert result.verdict is checks.Verdict.PASS, (name, error, result)
    assert Stepping.SPLIT.value in found.provenance["method"]
    assert abs(np.average(exact - mean**2, weights=weights)) > 100 * abs(errors["xx"][-1])  # without the spread


def test_split_steps_are_of_order_two_in_time_stay_in_the_range_of_f_and_meet_a_tolerance() -> None:
    solver = FokkerPlanck(TURNING, Grid.uniform((-5, 5), (-5, 5), cells=14))
    step = lambda x, y: np.where(x > 0.3, 1.0, 0.0)  # noqa: E731
    exact = expm(0.5 * solver.generator().matrix.toarray().T) @ step(*centres(solver.grid))
    dts = [0.5 / n for n in (10, 14, 20, 28, 40)]
    split = {"t_end": 0.5, "stepping": Stepping.SPLIT}
    errors = [np.abs(solver.expectation(step, dt=dt, **split).values.ravel() - exact).sum() for dt in dts]
    assert checks.order(dts, errors, expected=2).verdict is checks.Verdict.PASS, errors
    found = solver.expectation(step, tolerance=1e-4, **split)
    assert np.abs(found.values.ravel() - exact).max() < 0.5 * found.time_error <= 0.5e-4
    fine = FokkerPlanck(TURNING, Grid.uniform((-5, 5), (-5, 5), cells=60))
    rough = fine.expectation(step, dt=0.25, **split)
    assert rough.n_refused > 0 and -1e-12 <= rough.values.min() and rough.values.max() <= 1 + 1e-12


def test_exact_factors_are_exact_where_components_are_independent_and_transposed_where_not() -> None:
    grid, parts = Grid.uniform((-4, 4), cells=16), ((1.0, np.sin), (2.0, np.exp))
    wells = [FokkerPlanck(ornstein_uhlenbeck(theta=k, mean=0.0, sigma=1.0), grid).generator() for k, _ in parts]
    pair = Process(drift=lambda x: (-x[0], -2 * x[1]), sigma=lambda x: (1.0, 1.0), dim=2, name="pair")
    plane = FokkerPlanck(pair, Grid.uniform((-4, 4), (-4, 4), cells=16))
    exact = [expm(0.7 * q.dense().T) @ f(grid.centres) for q, (_, f) in zip(wells, parts, strict=True)]
    found = plane.expectation(lambda x, y: np.sin(x) * np.exp(y), t_end=0.7, dt=0.7, stepping=Stepping.EXACT_LINES)
    np.testing.assert_allclose(found.values, np.multiply.outer(*exact), rtol=1e-11, atol=1e-13)
    walled = replace(CASES["walls"], sigma=lambda x: ((1.0, 0.0), (0.0, 0.8)))
    solver = FokkerPlanck(walled, Grid.uniform((-1, 1), (-1, 1), cells=(9, 12)))
    f = lambda x, y: np.where(x > -1, np.cos(3 * x) * (y < 1), 0.5) + 2.0 * (y >= 1)  # noqa: E731
    ahead = solver.evolve((0.3, -0.2), t_end=0.3, dt=0.1, stepping=Stepping.EXACT_LINES)
    back = solver.expectation(f, t_end=0.3, dt=0.1, stepping=Stepping.EXACT_LINES)
    mean = ahead.law.masses.ravel() @ f(*centres(solver.grid)) + ahead.absorbed[-1] @ [0.5, 0.0, 0.0, 2.0]
    start = solver._start((0.3, -0.2)).masses
    assert back.values.ravel() @ start == pytest.approx(mean, rel=1e-13) and back.n_refused == 0
    other = solver.expectation(f, t_end=0.3, dt=0.15, stepping=Stepping.EXACT_LINES)
    assert abs(other.values.ravel() @ start - mean) > 1e-6


def test_beside_walls_along_which_f_varies_split_steps_converge_more_slowly_and_elsewhere_at_order_two() -> None:
    """E f(X at min(t, exit)) where f'' = 0: whole steps keep it, the two halves of Q alone do not."""
    walls = Interval.between(-1, 1, Wall.ABSORBING)
    free = Process(drift=lambda x: (0.0, 0.0), sigma=lambda x: (1.0, 1.0), dim=2, domain=(walls, walls), name="free")
    solver = FokkerPlanck(free, Grid.uniform((-1, 1), (-1, 1), cells=32))
    f, dts = lambda x, y: x**2 - y**2 + x * y, (1 / 20, 1 / 40, 1 / 80)
    whole = solver.expectation(f, t_end=1.0, dt=1 / 20).values
    off = [np.abs(solver.expectation(f, t_end=1.0, dt=dt, stepping=Stepping.SPLIT).values - whole) for dt in dts]
    largest = np.array([(each[8:-8, 8:-8].max(), each.max()) for each in off])
    inner, everywhere = np.log2(largest[:-1] / largest[1:]).T
    assert np.all(np.abs(inner - 2) < 0.15) and np.all((1.0 < everywhere) & (everywhere < 1.7)), (inner, everywhere)


@pytest.mark.slow
def test_split_steps_follow_coefficients_in_time() -> None:
    def pulsed(rho):
        return Process(
            drift=lambda x, t: (np.sin(4 * t) - x[0] + x[1], -x[1] - 0.5 * x[0]),
            sigma=lambda x, t: ((1.0 + 0.4 * np.sin(5 * t), 0.0), (rho * np.cos(3 * t), 0.9)),
            dim=2,
        )

    f = lambda x, y: np.sin(x) + y**2  # noqa: E731
    for rho in (0.0, 0.5):
        solver = FokkerPlanck(pulsed(rho), Grid.uniform((-6, 6), (-6, 6), cells=20))
        options = {"t_start": 0.2, "t_end": 0.7, "dt": 1 / 80}
        both = (Stepping.SPLIT, Stepping.WHOLE)
        split, whole = (solver.expectation(f, **options, stepping=how).values for how in both)
        inner = (slice(5, -5),) * 2
        assert 0 < np.abs(split - whole)[inner].max() < 2e-3
        later = solver.expectation(f, t_start=0.25, t_end=0.75, dt=1 / 80, stepping=Stepping.SPLIT).values
        assert np.abs(later - whole)[inner].max() > 1e-2


def test_steps_that_cannot_be_split_as_asked_are_refused() -> None:
    correlated = FokkerPlanck(swirl(0.3, AROUND, AROUND), Grid.uniform((-1, 1), (-1, 1), cells=8))
    with pytest.raises(InvalidInput, match="is correlated: mass moves along diagonals too"):
        correlated.expectation(lambda x, y: x, t_end=0.1, dt=0.1, stepping=Stepping.EXACT_LINES)
    with pytest.raises(InvalidInput, match="stepping='split' is no Stepping; give one of"):
        correlated.expectation(lambda x, y: x, t_end=0.1, dt=0.1, stepping="split")
