"""Planes whose coefficients depend on time, in compiled steps: the plain loop's numbers, order 2, mass and signs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from driven_processes import kicked
from scipy.integrate import solve_ivp
from scipy.stats import norm

import fpsde
from fpsde.density import Normal
from fpsde.domain import LINE, Interval, Wall
from fpsde.errors import InvalidInput
from fpsde.fokker_planck import FokkerPlanck, Stepping, assemble_plane
from fpsde.fokker_planck.elimination import factorise
from fpsde.fokker_planck.lanes import LANES
from fpsde.fokker_planck.plane import propagator
from fpsde.fokker_planck.plane.driven import DrivenSplitPropagator
from fpsde.fokker_planck.plane.lines import factorise_lines, in_bundles, straight, tr_bdf2_lines
from fpsde.fokker_planck.tridiagonal import tr_bdf2
from fpsde.grid import Grid
from fpsde.processes.process import Process

ABSORBING = Interval(-1, 1, Wall.ABSORBING, Wall.REFLECTING)
RING = Interval.between(-3, 3, Wall.PERIODIC)


def shaken() -> Process:
    """Return underdamped motion in a double well that is shaken: no noise along the first axis."""
    return Process(
        drift=lambda x, t: (x[1], -4 * x[0] * (x[0] ** 2 - 1) - x[1] + np.sin(3 * t)),
        sigma=lambda x: ((0.0,), (0.8,)),
        dim=2,
        name="shaken",
    )


def paused() -> Process:
    """Return a process without noise along the first axis at t = 0.3125."""
    return Process(
        drift=lambda x, t: (np.sin(t) - x[0], -x[1]), sigma=lambda x, t: (2 * (t - 0.3125), 0.8), dim=2, name="paused"
    )


PAUSED = ((-3, 3), (-3, 3)), (Normal(0.1, 0.5), Normal(0, 0.5))


def plain(process, grid, t=0.0):
    return assemble_plane(process, grid, t)


CASES = {
    "plane": (kicked(), ((-6, 6), (-6, 6)), (Normal(0.1, 0.5), Normal(0, 0.5))),
    "walls across": (kicked(ABSORBING, LINE), ((-1, 1), (-6, 6)), (Normal(0.1, 0.15), Normal(0, 0.5))),
    "walls along": (kicked(LINE, ABSORBING), ((-6, 6), (-1, 1)), (Normal(0.1, 0.5), Normal(0, 0.15))),
    "ring": (kicked(RING, LINE), ((-3, 3), (-6, 6)), (Normal(0.1, 0.3), Normal(0, 0.5))),
    "no noise along an axis": (shaken(), ((-3, 3), (-9, 9)), (Normal(-1, 0.3), Normal(0, 0.4))),
}


@pytest.mark.parametrize("name", CASES)
def test_compiled_steps_are_those_of_the_plain_loop(name, monkeypatch):
    process, box, start = CASES[name]
    grid = Grid.uniform(*box, cells=(2 * LANES + 5, 3 * LANES))
    run = {"t_start": 0.1, "t_end": 0.2, "times": [0.15], "dt": 0.0125, "stepping": Stepping.SPLIT}
    slow = FokkerPlanck(process, grid, assemble=plain).evolve(start, **run)
    calls = []
    march = DrivenSplitPropagator._march
    monkeypatch.setattr(DrivenSplitPropagator, "_march", lambda *it: calls.append(it) or march(*it))
    fast = FokkerPlanck(process, grid).evolve(start, **run)
    assert calls and (fast.n_steps, fast.n_refused) == (slow.n_steps, slow.n_refused)
    for one, other in zip(fast.laws, slow.laws, strict=True):
        assert np.abs(one.masses - other.masses).sum() < 1e-13
    np.testing.assert_allclose(fast.absorbed, slow.absorbed, atol=1e-15)
    np.testing.assert_allclose(fast.edge, slow.edge, atol=1e-15)
    np.testing.assert_allclose(fast.peclet, slow.peclet, rtol=1e-12)
    np.testing.assert_allclose(fast.cells_per_length, slow.cells_per_length, rtol=1e-9)
    assert fast.provenance["method"] == slow.provenance["method"]
    assert fast.mass_error <= 1e-13 * np.sqrt(fast.n_steps) and fast.minimum >= 0
    late = FokkerPlanck(process, grid).evolve(start, **{**run, "t_start": 0.11, "t_end": 0.21, "times": [0.16]})
    assert np.abs(late.law.masses - slow.law.masses).sum() > 1e-5


def test_an_axis_that_is_silent_for_an_instant_is_carried_over_it_by_the_plain_step():
    """There is no noise along the first axis in the middle of one step: mass moves upwind there, and spreads later."""
    (box, start), run = PAUSED, {"t_end": 0.5, "dt": 0.125, "stepping": Stepping.SPLIT}
    grid = Grid.uniform(*box, cells=(24, 24))
    fast, slow = (FokkerPlanck(paused(), grid, assemble=f).evolve(start, **run) for f in (assemble_plane, plain))
    assert np.abs(fast.law.masses - slow.law.masses).sum() < 1e-13
    assert (fast.n_steps, fast.n_refused) == (slow.n_steps, slow.n_refused)
    assert fast.mass_error <= 1e-13 * np.sqrt(fast.n_steps) and fast.minimum >= 0


@pytest.mark.parametrize("name", ["walls across", "ring", "no noise along an axis", "paused"])
def test_lines_in_threads_have_the_same_bits(name, monkeypatch):
    run = {"t_start": 0.1, "t_end": 0.15, "dt": 0.0125, "stepping": Stepping.SPLIT, "threads": 2}
    if name == "paused":
        process, box, start, run = paused(), *PAUSED, run | {"t_start": 0.0, "t_end": 0.375, "dt": 0.125}
    else:
        process, box, start = CASES[name]
    solver = FokkerPlanck(process, Grid.uniform(*box, cells=(2 * LANES + 5, 3 * LANES)))
    alone = solver.evolve(start, **run)  # so few cells are not worth the threads
    parts, sweep = [], DrivenSplitPropagator._sweep_of_bundles
    monkeypatch.setattr(DrivenSplitPropagator, "_sweep_of_bundles", lambda *it: parts.append(it[-2:]) or sweep(*it))
    monkeypatch.setattr(propagator, "THREADED", 0)
    found = solver.evolve(start, **run)
    assert set(parts) == {(0, 1), (1, 3)}
    np.testing.assert_array_equal(found.law.masses, alone.law.masses)
    np.testing.assert_array_equal(found.absorbed, alone.absorbed)
    assert (found.edge, found.minimum, found.n_steps) == (alone.edge, alone.minimum, alone.n_steps)
    finer = solver.evolve(start, **run | {"dt": run["dt"] / 2})
    assert np.abs(finer.law.masses - alone.law.masses).sum() > 1e-6


def test_a_step_on_lines_side_by_side_is_that_on_each_of_them(seed):
    n, n_lines, a, rng = 20, LANES + 3, 0.3, np.random.default_rng(seed)
    rates, exits = rng.uniform(0.5, 1.5, (n_lines, 2, n)), rng.uniform(0.1, 1.0, (n_lines, 2))
    for ring in (False, True):
        if not ring:
            rates[:, 0, 0] = rates[:, 1, -1] = 0.0
        bundles, out = in_bundles(rates), in_bundles(exits)
        factors = np.empty((2, 5 if ring else 3, n, LANES))
        factorise_lines(bundles, out, a, factors)
        masses = rng.uniform(size=(n_lines, n))
        for axis, plane in ((1, masses.copy()), (0, masses.T.copy())):
            new = np.full_like(plane, np.nan)
            lost = tr_bdf2_lines(bundles, out, a, factors, straight(axis), plane, new)
            found, total = new if axis else new.T, np.zeros(2)
            for k in range(n_lines):
                one, entered = factorise(*rates[k], *exits[k], a), np.empty(2)
                alone = np.empty(n)
                q = np.array([rates[k]] * 3), np.array([exits[k]] * 3)
                tr_bdf2(*q, a, one, one, masses[k], alone, np.empty(n + 1), entered)
                np.testing.assert_allclose(found[k], alone, rtol=1e-13)
                total += entered
            np.testing.assert_allclose(lost, total, rtol=1e-13)
        rates = rng.uniform(0.5, 1.5, (n_lines, 2, n))


def width(t):
    return 1 + 0.2 * np.sin(3 * t)


def breathing() -> Process:
    """Return the process whose law is N(sin 2t, 1) times N(0, width(t)^2), with noise that varies in x."""
    return fpsde.manufactured(
        lambda x, t: -0.5 * (x[0] - np.sin(2 * t)) ** 2 - 0.5 * (x[1] / width(t)) ** 2 - np.log(width(t)),
        lambda x, t: (1.0 + 0.2 * np.tanh(x[0]), 0.9),
        velocity=lambda x, t: (2 * np.cos(2 * t), 0.6 * np.cos(3 * t) / width(t) * x[1]),
        dim=2,
    )


def masses_at(grid, t):
    first, second = (
        norm.cdf(f, m, s) for f, m, s in zip(grid.axes, (np.sin(2 * t), 0.0), (1.0, width(t)), strict=True)
    )
    return np.multiply.outer(np.diff(first), np.diff(second))


def test_a_manufactured_law_is_met_at_order_two_in_cells_and_steps_together():
    sizes, errors, wrong = np.array([48, 60, 76, 100]), [], []
    for cells in sizes.tolist():
        grid = Grid.uniform((-8, 8), (-8, 8), cells=cells)
        start, steps = masses_at(grid, 0.2), cells // 4
        found = FokkerPlanck(breathing(), grid).evolve(start, t_start=0.2, t_end=0.8, dt=0.6 / steps)
        assert found.provenance["method"].endswith(Stepping.SPLIT.value)
        assert found.mass_error <= 1e-13 * np.sqrt(found.n_steps) and found.minimum >= 0
        errors.append(float(np.abs(found.law.masses - masses_at(grid, 0.8)).sum()))
        wrong.append(float(np.abs(found.law.masses - masses_at(grid, 0.8 - 1.2 / cells)).sum()))
    orders, lagging = (-np.diff(np.log(e)) / np.diff(np.log(sizes)) for e in (errors, wrong))
    assert np.all(np.abs(orders - 2) < 0.1), orders
    assert np.all(lagging < 1.8), lagging  # half a step of time off


def swung(t):
    """Return the mean of dX = V dt, dV = (-X - V + sin 3t) dt + sqrt(2 kT) dW from (0.5, 0)."""
    mean = solve_ivp(lambda s, m: [m[1], np.sin(3 * s) - m[0] - m[1]], (0, t), [0.5, 0.0], rtol=1e-10, atol=1e-12)
    return mean.y[:, -1]


def test_underdamped_motion_that_is_driven_is_split_by_default_and_its_means_converge():
    process = fpsde.underdamped(lambda x, t: x**2 / 2 - x * np.sin(3 * t), 0.5)
    start, errors = (Normal(0.5, 0.6), Normal(0.0, 0.7)), []
    for cells in (24, 48):
        solver = FokkerPlanck(process, Grid.uniform((-7, 7), (-9, 9), cells=cells))
        found = solver.evolve(start, t_end=0.8, dt=0.05)
        assert found.provenance["method"].endswith(Stepping.SPLIT.value) and found.minimum >= 0
        assert found.mass_error <= 1e-13 * np.sqrt(found.n_steps)
        errors.append(np.abs(found.law.mean - swung(0.8)))
        if cells == 24:
            whole = solver.evolve(start, t_end=0.8, dt=0.05, stepping=Stepping.WHOLE)
            assert 0.5 * np.abs(whole.law.masses - found.law.masses).sum() < 1e-3
    assert np.all(errors[1] < 0.4 * errors[0]) and np.all(errors[1] < 0.006), errors
    assert abs(found.law.mean[0] - swung(0.75)[0]) > 5 * errors[1][0]  # a step late


def test_what_has_no_lines_of_its_own_or_another_statement_takes_the_plain_loop():
    grid = Grid.uniform((-6, 6), (-6, 6), cells=20)
    still = replace(kicked(), drift=lambda x, t: (-x[0], -x[1]), sigma=lambda x: (1.0, 1.0))
    for process, options in ((still, {}), (kicked(), {"assemble": plain})):
        assert not FokkerPlanck(process, grid, **options)._drives_lines
    assert FokkerPlanck(kicked(), grid)._drives_lines


@pytest.mark.parametrize(
    ("drift", "sigma", "message"),
    [
        (
            lambda x, t: (-x[0] + np.log(0.3125 - t), -x[1]),
            lambda x: (1.0, 1.0),
            r"the drift of lost is \[-inf, .*t=0\.3125",
        ),
        (
            lambda x, t: (-x[0], -x[1]),
            lambda x, t: (1.0, np.where(x[0] > 0, 1.0, 0.3125 - t)),
            r"the diffusivity of lost is .*t=0\.3125.*D_22 > 0",
        ),
    ],
)
def test_coefficients_that_leave_their_range_are_refused_where_they_do(drift, sigma, message):
    lost = Process(drift=drift, sigma=sigma, dim=2, name="lost")
    with np.errstate(all="ignore"), pytest.raises(InvalidInput, match=message):
        FokkerPlanck(lost, Grid.uniform((-6, 6), (-6, 6), cells=16)).evolve(
            (Normal(0, 0.8), Normal(0, 0.8)), t_end=1.0, dt=0.5 / 4, stepping=Stepping.SPLIT
        )
