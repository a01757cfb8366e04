"""The high-order mode where coefficients depend on time: order 4 in dt, and a time_error that bounds the error."""

from __future__ import annotations

import numpy as np
import pytest
from cell_masses import gathered, normal_masses, order_of
from scipy.integrate import quad, solve_ivp

import fpsde
from fpsde import checks
from fpsde.density import Mixture, Normal
from fpsde.domain import Interval, Wall
from fpsde.errors import InvalidInput, NotConverged
from fpsde.fokker_planck import FokkerPlanck
from fpsde.fokker_planck.coefficients import drift_and_diffusivity
from fpsde.fokker_planck.high_order import magnus
from fpsde.fokker_planck.high_order.differences import differences
from fpsde.fokker_planck.high_order.evolution import along_all, values_from
from fpsde.fokker_planck.high_order.stencils import stencils_of
from fpsde.fokker_planck.sides import sides_of
from fpsde.grid import Grid
from fpsde.processes.noising import ddpm_chain
from fpsde.processes.process import Process

#: An Ornstein-Uhlenbeck process whose rate, centre and noise all swing, and its box and start.
SWUNG = Process(
    drift=lambda x, t: -(1 + 0.5 * np.sin(3 * t)) * (x - np.cos(2 * t)),
    sigma=lambda x, t: np.sqrt(2 * (1 + 0.5 * np.cos(5 * t))),
    name="swung",
)
BOX, START = (-7.0, 7.0), Normal(0.5, 0.6)


def swung_law(t: float) -> Normal:
    def slopes(s, y):
        rate = 1 + 0.5 * np.sin(3 * s)
        return [-rate * (y[0] - np.cos(2 * s)), -2 * rate * y[1] + 2 * (1 + 0.5 * np.cos(5 * s))]

    mean, variance = solve_ivp(slopes, (0, t), [0.5, 0.36], method="DOP853", rtol=1e-12, atol=1e-13).y[:, -1]
    return Normal(mean, np.sqrt(variance))


def off(law, cdf) -> float:
    """Return the total variation distance of cell masses from those of an exact law."""
    return 0.5 * float(np.abs(law.masses - np.diff(cdf(law.grid.faces))).sum())


def in_steps(rule, n: int, t_end: float) -> np.ndarray:
    """Return the masses of the swung process on 320 cells after n equal steps of one rule."""
    grid = Grid.uniform(BOX, cells=320)
    operator = differences(SWUNG, grid, (sides_of(SWUNG.domain, grid),), 0.0, stencils_of(6))

    def at(t):
        mu, d = drift_and_diffusivity(SWUNG, grid.centres, t)
        return mu[None], d[None, None]

    exponential, _ = magnus.exponentials(operator)
    values = values_from(operator, np.diff(START.cdf(grid.faces)))
    for k in range(n):
        values, _ = magnus.step(exponential, at, rule, values, k * t_end / n, t_end / n, 1e-12)
    return along_all(operator, values, operator.stencils.average)


def passes(errors, levels, order, floor) -> bool:
    return order_of(errors, levels, order, floor=floor).verdict is checks.Verdict.PASS


@pytest.mark.parametrize("name", ["GAUSS", "SIMPSON"])
def test_steps_are_of_order_four_and_with_exchanged_exponentials_of_two(name) -> None:
    rule, counts = getattr(magnus, name), (8, 12, 16, 24)
    exact = np.diff(swung_law(1.0).cdf(Grid.uniform(BOX, cells=320).faces))
    for weights, order in ((rule.weights, 4), (rule.weights[::-1], 2)):
        errors = [in_steps(rule._replace(weights=weights), n, 1.0) - exact for n in counts]
        assert passes(errors, counts, order, 2e-10) and not passes(errors, counts, 6 - order, 2e-10)


@pytest.mark.parametrize("order", [pytest.param(4, marks=pytest.mark.slow), 6])
def test_cell_masses_of_a_swung_process_are_met_at_the_order(order) -> None:
    errors, cells = [], (60, 80, 120, 160)
    for n in cells:
        run = FokkerPlanck(SWUNG, Grid.uniform(BOX, cells=n)).evolve_to_high_order(
            START, t_end=0.5, order=order, tolerance=1e-8
        )
        errors.append(gathered(run.law.masses - np.diff(swung_law(0.5).cdf(run.law.grid.faces)), (20,)))
    assert passes(errors, cells, order, 1e-9) and not passes(errors, cells, 10 - order, 1e-9)


@pytest.mark.parametrize("tolerance", [1e-4, pytest.param(1e-6, marks=pytest.mark.slow), 1e-8])
def test_time_error_is_below_the_tolerance_and_above_the_error(tolerance) -> None:
    solver = FokkerPlanck(SWUNG, Grid.uniform(BOX, cells=320))
    run = solver.evolve_to_high_order(START, t_end=1.0, times=[0.3], tolerance=tolerance)
    assert off(run.law, swung_law(1.0).cdf) < run.time_error < tolerance
    assert off(run.laws[0], swung_law(0.3).cdf) < run.time_error
    assert off(run.law, swung_law(1.01).cdf) > 1e-3
    assert run.times == (0.3, 1.0) and run.mass_error < 1e-9 and run.dt > 0 and run.n_steps > 5
    assert "Magnus" in run.provenance["method"]


def kicked(jump: float) -> Process:
    """Return an Ornstein-Uhlenbeck process whose centre jumps from 2 to -1."""
    return Process(drift=lambda x, t: -x + np.where(t < jump, 2.0, -1.0), sigma=lambda x: np.sqrt(2.0), name="kicked")


def kicked_law(jump: float) -> Normal:
    return Normal(-1 + (3 - 1.8 * np.exp(-jump)) * np.exp(jump - 1), np.sqrt(1 - 0.64 * np.exp(-2)))


JUMPS = [pytest.param(k / 25, marks=[] if k == 13 else pytest.mark.slow) for k in range(1, 25)]


@pytest.mark.parametrize("jump", JUMPS)
def test_a_jump_that_nobody_tells_of_is_seen_wherever_it_lies(jump) -> None:
    solver, exact = FokkerPlanck(kicked(jump), Grid.uniform(BOX, cells=240)), kicked_law(jump)
    for tolerance in (1e-4, 1e-6):
        run = solver.evolve_to_high_order(Normal(0.2, 0.6), t_end=1.0, tolerance=tolerance)
        assert off(run.law, exact.cdf) < run.time_error < tolerance


@pytest.mark.parametrize("push", [lambda t: np.where(t > 0, 2.0, -1.0), lambda t: 2 * np.sqrt(t)], ids=["jump", "root"])
def test_a_start_at_which_coefficients_jump_or_rise_without_bound_is_left_in_short_steps(push) -> None:
    """A share of the tolerance in proportion to time would be too little for the first step, however short."""
    process = Process(drift=lambda x, t: -x + push(t), sigma=lambda x: np.sqrt(2.0), name="pushed")
    mean = 0.2 * np.exp(-1) + quad(lambda s: 2 * s * np.exp(s * s - 1) * float(push(s * s)), 0, 1)[0]
    solver, std = FokkerPlanck(process, Grid.uniform(BOX, cells=240)), np.sqrt(1 - 0.64 * np.exp(-2))
    for tolerance in (1e-4, 1e-6):
        run = solver.evolve_to_high_order(Normal(0.2, 0.6), t_end=1.0, tolerance=tolerance)
        assert off(run.law, Normal(mean, std).cdf) < run.time_error < tolerance
        assert off(run.law, Normal(mean + 3 * tolerance, std).cdf) > tolerance


def test_a_pulse_that_no_step_would_read_is_seen_where_a_time_lies_in_it() -> None:
    """The docstring says so."""
    process = Process(
        drift=lambda x, t: -x + 30 * np.exp(-((100 * (t - 0.71)) ** 2)), sigma=lambda x: np.sqrt(2.0), name="shot"
    )
    mean = 0.2 * np.exp(-1) + 0.3 * np.sqrt(np.pi) * np.exp(-0.29 + 0.005**2)
    solver, exact = FokkerPlanck(process, Grid.uniform(BOX, cells=160)), Normal(mean, np.sqrt(1 - 0.64 * np.exp(-2)))
    blind, seen = (
        solver.evolve_to_high_order(Normal(0.2, 0.6), t_end=1.0, times=times, tolerance=1e-5)
        for times in (None, [0.71])
    )
    assert off(seen.law, exact.cdf) < seen.time_error < 1e-5
    assert off(blind.law, exact.cdf) > 0.1


def test_many_jumps_share_the_tolerance() -> None:
    """An Ornstein-Uhlenbeck process whose centre is 3 and -3 by turns, in one run with 32 jumps."""
    process = Process(
        drift=lambda x, t: -x + 3 * np.sign(np.sin(32 * np.pi * t)), sigma=lambda x: np.sqrt(2.0), name="shaken"
    )
    mean = 0.2
    for k in range(32):
        centre = 3 if k % 2 == 0 else -3
        mean = centre + (mean - centre) * np.exp(-1 / 32)
    run = FokkerPlanck(process, Grid.uniform(BOX, cells=120)).evolve_to_high_order(
        Normal(0.2, 0.6), t_end=1.0, tolerance=1e-3
    )
    exact = Normal(mean, np.sqrt(1 - 0.64 * np.exp(-2)))
    assert off(run.law, exact.cdf) < run.time_error < 1e-3


def test_twice_what_halves_and_whole_differ_by_bounds_the_error_wherever_a_jump_lies() -> None:
    """One cell, whose value grows at the rate one before the jump."""
    dt, ratios = 1e-4, []
    for part in np.linspace(0.0, 1.0, 201) + 1e-6:

        def at(t, jump=part * dt):
            return np.array([1.0 if t < jump else 0.0]), np.zeros((1, 1, 1))

        found, differ, _ = magnus.doubled(
            lambda drift, d, values, t, tolerance: (values * np.exp(t * drift), 0.0), at, np.ones(1), 0.0, dt, 0.0
        )
        ratios.append(0.5 * abs(found[0] - np.exp(min(part, 1.0) * dt)) / max(magnus.SAFE * differ, 1e-12))
    assert 0.8 < max(ratios) < 1


def test_where_a_sum_of_diffusivities_would_be_negative_both_exponents_are_their_mean() -> None:
    def exponents(after):
        found = []

        def exponential(drift, diffusivity, values, t, tolerance):
            found.append((drift.item(), diffusivity.item()))
            return values, 0.0

        def at(t):
            return np.array([t]), np.array([[[1.0 if t < 0.5 else after]]])

        magnus.step(exponential, at, magnus.GAUSS, np.ones(1), 0.0, 1.0, 0.0)
        return np.array(found)

    large, small = 0.25 + np.sqrt(3) / 6, 0.25 - np.sqrt(3) / 6
    (low, high), drift = magnus.GAUSS.nodes, np.array([large, small])
    np.testing.assert_allclose(exponents(10.0)[:, 1], [large + 10 * small, small + 10 * large], rtol=1e-14)
    np.testing.assert_allclose(exponents(10.0)[:, 0], [drift @ (low, high), drift[::-1] @ (low, high)], rtol=1e-14)
    np.testing.assert_allclose(exponents(100.0), [[0.25, 25.25]] * 2, rtol=1e-14)


@pytest.mark.parametrize("jump", [0.02, 0.5])
def test_whole_and_halved_steps_with_nodes_of_one_kind_pass_over_a_jump(jump, monkeypatch) -> None:
    monkeypatch.setattr(magnus, "SIMPSON", magnus.GAUSS)
    solver = FokkerPlanck(kicked(jump), Grid.uniform(BOX, cells=160))
    blind = solver.evolve_to_high_order(Normal(0.2, 0.6), t_end=1.0, tolerance=1e-4)
    assert off(blind.law, kicked_law(jump).cdf) > 1e-3 > 1e-6 > blind.time_error


def test_noise_that_jumps_a_hundredfold_is_carried_over_the_jump() -> None:
    """A sum of two exponents would have a negative diffusivity there, however short the step."""
    process = Process(drift=lambda x, t: 0.3 * np.sin(t), sigma=lambda x, t: np.where(t < 0.4, 0.2, 2.0))
    after = Normal(0.1 + 0.3 * (1 - np.cos(0.8)), np.sqrt(0.25 + 0.04 * 0.4 + 4 * 0.4))
    solver = FokkerPlanck(process, Grid.uniform((-11, 11), cells=240))
    run = solver.evolve_to_high_order(Normal(0.1, 0.5), t_end=0.8, tolerance=1e-5)
    assert off(run.law, after.cdf) < run.time_error < 1e-5
    assert run.minimum > -1e-9 and run.n_refused > 5
    late = Normal(after.mean, np.sqrt(after.std**2 + 4e-4))
    assert off(run.law, late.cdf) > 1e-5


def test_noise_may_vanish_at_an_instant() -> None:
    """As it does at the start of the sub-variance-preserving process, in all cells; at the end no cell would do."""
    process = fpsde.process_named("sub_variance_preserving")
    data, grid = process.setting.x0, Grid.uniform(process.setting.window, cells=200)
    run = FokkerPlanck(process, grid).evolve_to_high_order(data, t_end=0.5, tolerance=1e-5)
    assert process.diffusivity(np.zeros(1), 0.0) == 0.0
    assert off(run.law, process.exact.marginal(data, 0.5).cdf) < run.time_error < 1e-5
    assert off(run.law, process.exact.marginal(data, 0.5001).cdf) > 1e-5


def test_a_driven_ring_is_carried_by_products() -> None:
    """A drift and a noise of time alone turn and spread a wrapped normal law."""
    ring = Interval.between(0.0, 2 * np.pi, Wall.PERIODIC)
    process = Process(
        drift=lambda x, t: 2 + 3 * np.cos(4 * t), sigma=lambda x, t: np.sqrt(0.4 + 0.6 * t), domain=ring, name="turned"
    )
    mean, std = np.pi + 2 * 0.7 + 0.75 * np.sin(2.8), np.sqrt(0.16 + 0.28 + 0.3 * 0.49)
    turns = 2 * np.pi * np.arange(-3, 4)

    def cdf(x, mean=mean):
        return sum(Normal(mean + turn, std).cdf(x) for turn in turns)

    solver = FokkerPlanck(process, Grid.uniform((0.0, 2 * np.pi), cells=96))
    run = solver.evolve_to_high_order(Normal(np.pi, 0.4), t_end=0.7, tolerance=1e-6)
    assert "Chebyshev" in run.provenance["method"]
    assert off(run.law, cdf) < run.time_error < 1e-6
    assert off(run.law, lambda x: cdf(x, mean + 1e-4)) > 1e-5


@pytest.mark.parametrize("tolerance", [1e-6, 1e-8])
def test_a_jump_on_a_ring_is_left_behind_in_steps_that_grow_again(tolerance) -> None:
    """Beside it a step may be so short that its share of the tolerance is below round-off."""
    ring = Interval.between(0.0, 2 * np.pi, Wall.PERIODIC)
    process = Process(
        drift=lambda x, t: np.where(t < 0.13, 2.0, -1.0), sigma=lambda x: np.sqrt(0.5), domain=ring, name="reversed"
    )
    solver = FokkerPlanck(process, Grid.uniform((0.0, 2 * np.pi), cells=192))
    run = solver.evolve_to_high_order(Normal(np.pi, 0.4), t_end=0.4, tolerance=tolerance)
    after = Normal(np.pi + 0.26 - 0.27, 0.6)
    assert off(run.law, lambda x: sum(after.cdf(x + 2 * np.pi * k) for k in range(-2, 3))) < run.time_error < tolerance
    assert run.n_steps < 100 and run.dt > 0.01


def rotated(t):
    """Return A, b and D of a linear system in which all of them change."""
    return (
        np.array([[1.0, 0.5 + 0.5 * np.sin(2 * t)], [-0.5, 1.5]]),
        np.array([np.cos(3 * t), 0.5]),
        np.array([[1.0, 0.4 * np.cos(t)], [0.4 * np.cos(t), 0.6 + 0.2 * np.sin(4 * t)]]),
    )


def rotated_law(t):
    """Return the mean and the covariance at t of the system, from N(1, 0.6^2) and N(0.5, 0.5^2)."""

    def slopes(s, y):
        (a, b, d), m, c = rotated(s), y[:2], y[2:].reshape(2, 2)
        return np.concatenate([b - a @ m, (2 * d - a @ c - c @ a.T).ravel()])

    start = [1.0, 0.5, 0.36, 0.0, 0.0, 0.25]
    y = solve_ivp(slopes, (0, t), start, method="DOP853", rtol=1e-12, atol=1e-13).y[:, -1]
    return y[:2], y[2:].reshape(2, 2)


def drift_of_rotated(x, t):
    return np.cos(3 * t) - x[0] - (0.5 + 0.5 * np.sin(2 * t)) * x[1], 0.5 + 0.5 * x[0] - 1.5 * x[1]


def sigma_of_rotated(x, t):
    cross = 0.4 * np.sqrt(2.0) * np.cos(t)
    return (np.sqrt(2.0), 0.0), (cross, np.sqrt(1.2 + 0.4 * np.sin(4 * t) - cross**2))


ROTATED = Process(drift=drift_of_rotated, sigma=sigma_of_rotated, dim=2, name="rotated")
PLANE_START, PLANE_BOX = (Normal(1.0, 0.6), Normal(0.5, 0.5)), ((-5.5, 6.5), (-5.0, 5.5))


@pytest.mark.parametrize(("t", "cells"), [(0.1, 72), pytest.param(1.0, 128, marks=pytest.mark.slow)])
def test_a_driven_plane_with_correlated_noise_is_met(t, cells) -> None:
    grid, tolerance = Grid.uniform(*PLANE_BOX, cells=(cells, cells)), 1e-4
    run = FokkerPlanck(ROTATED, grid).evolve_to_high_order(PLANE_START, t_end=t, tolerance=tolerance)
    mean, covariance = rotated_law(t)
    wrong = covariance + np.array([[0, 1e-3], [1e-3, 0]])
    exact, other = (normal_masses(mean, each, grid) for each in (covariance, wrong))
    assert run.time_error < tolerance and 0.5 * np.abs(run.law.masses - exact).sum() < 2e-5
    assert 0.5 * np.abs(run.law.masses - other).sum() > 1e-4
    assert run.n_steps >= 2 and "Magnus" in run.provenance["method"]


@pytest.mark.slow
@pytest.mark.parametrize("order", [4, 6])
def test_a_driven_plane_is_met_at_the_order(order) -> None:
    errors, cells, (mean, covariance) = [], (60, 80, 120, 160), rotated_law(0.4)
    for n in cells:
        grid = Grid.uniform(*PLANE_BOX, cells=(n, n))
        run = FokkerPlanck(ROTATED, grid).evolve_to_high_order(PLANE_START, t_end=0.4, order=order, tolerance=1e-8)
        errors.append(gathered(run.law.masses - normal_masses(mean, covariance, grid), (10, 10)))
    assert passes(errors, cells, order, 1e-9) and not passes(errors, cells, 10 - order, 1e-9)


BETAS = np.array([0.02, 0.3, 0.1, 0.25, 0.6, 0.2])


def test_a_discrete_chain_takes_one_exponential_for_each_step_of_its_table() -> None:
    data = Mixture([0.3, 0.7], [Normal(-1.0, 0.4), Normal(1.0, 0.3)])
    run = FokkerPlanck(ddpm_chain(BETAS), Grid.uniform((-6, 6), cells=320)).evolve_to_high_order(
        data, t_start=0.5, t_end=4.25, times=[1.5, 3.0], tolerance=1e-8
    )

    def exact(passed):
        a = np.exp(-0.5 * passed)
        laws = [Normal(m * a, np.sqrt(1 - a**2 + (s * a) ** 2)) for m, s in ((-1.0, 0.4), (1.0, 0.3))]
        return Mixture([0.3, 0.7], laws).cdf

    beta = 0.5 * BETAS[0] + 0.5 * BETAS[1], 0.5 * BETAS[1] + BETAS[2], BETAS[3] + 0.25 * BETAS[4]
    assert ddpm_chain(BETAS).piecewise_constant and run.n_steps == 6 and 0 < run.time_error < 1e-9
    for law, passed in zip(run.laws, np.cumsum(beta), strict=True):
        assert off(law, exact(passed)) < 1e-8
        assert off(law, exact(passed + 0.01)) > 1e-4


def test_steps_end_where_a_table_jumps_though_time_is_in_the_coefficients_too() -> None:
    process = Process(
        drift=lambda x, t, p: -0.5 * p.beta * x + np.sin(t), sigma=lambda x, t, p: np.sqrt(p.beta),
        tables={"beta": BETAS}, name="shaken chain",
    )  # fmt: skip
    assert process.time_dependent and not process.piecewise_constant
    mean, variance = 0.5, 0.36
    for begin, end in ((0.5, 1.0), (1.0, 2.0), (2.0, 2.25)):
        beta = BETAS[int(begin)]
        mean = solve_ivp(lambda s, m, b=beta: -0.5 * b * m + np.sin(s), (begin, end), [mean], rtol=1e-11, atol=1e-12)
        mean, decay = float(mean.y[0, -1]), np.exp(-beta * (end - begin))
        variance = 1 + (variance - 1) * decay
    run = FokkerPlanck(process, Grid.uniform((-5, 7), cells=240)).evolve_to_high_order(
        Normal(0.5, 0.6), t_start=0.5, t_end=2.25, tolerance=1e-7
    )
    exact = Normal(mean, np.sqrt(variance))
    assert off(run.law, exact.cdf) < 1e-7 and run.time_error < 1e-7 and run.n_refused < 4
    assert off(run.law, Normal(mean, np.sqrt(variance + 1e-5)).cdf) > 1e-6


def warming(x, t):
    return x[1], -x[0] - (1 + 0.5 * np.sin(2 * t)) * x[1]


def test_klein_kramers_with_a_friction_of_time_takes_central_differences() -> None:
    process = Process(warming, lambda x, t: [[0.0], [1 + 0.3 * np.sin(t)]], dim=2, name="warming")
    solver, start = FokkerPlanck(process, Grid.uniform((-4.5, 5.5), (-5.0, 5.5), cells=72)), (Normal(0.5, 0.7),) * 2
    with pytest.raises(InvalidInput, match="only the force may depend on time: give an order, or use evolve"):
        solver.evolve_to_high_order(start, t_end=0.2)
    run = solver.evolve_to_high_order(start, t_end=0.2, order=6, tolerance=1e-5)

    def slopes(s, y):
        a = np.array([[0.0, -1.0], [1.0, 1 + 0.5 * np.sin(2 * s)]])
        noise, c = np.diag([0.0, (1 + 0.3 * np.sin(s)) ** 2]), y[2:].reshape(2, 2)
        return np.concatenate([-a @ y[:2], (noise - a @ c - c @ a.T).ravel()])

    y = solve_ivp(slopes, (0, 0.2), [0.5, 0.5, 0.49, 0.0, 0.0, 0.49], rtol=1e-11, atol=1e-12).y[:, -1]
    exact, late = (normal_masses([y[0] + shift, y[1]], y[2:].reshape(2, 2), solver.grid) for shift in (0.0, 1e-3))
    assert 0.5 * np.abs(run.law.masses - exact).sum() < 1e-5 < 1e-4 < 0.5 * np.abs(run.law.masses - late).sum()


def test_what_it_cannot_do_is_refused(monkeypatch) -> None:
    solver = FokkerPlanck(SWUNG, Grid.uniform(BOX, cells=80))
    with monkeypatch.context() as few, pytest.raises(NotConverged, match="after 3 steps one of"):
        few.setattr(magnus, "MOST_STEPS", 3)
        solver.evolve_to_high_order(START, t_end=1.0, tolerance=1e-4)
    with pytest.raises(NotConverged, match=r"tolerance=1e-12 is not reached: .* allow a larger tolerance"):
        solver.evolve_to_high_order(START, t_end=1.0, tolerance=1e-12)
    with pytest.raises(InvalidInput, match="the start is rough on this grid"):
        solver.evolve_to_high_order(0.3, t_end=1.0)
    with pytest.raises(InvalidInput, match="does not hold"):
        FokkerPlanck(SWUNG, Grid.uniform((-2, 2), cells=80)).evolve_to_high_order(Normal(0.0, 0.3), t_end=1.0)
    with pytest.raises(InvalidInput, match="tolerance"):
        solver.evolve_to_high_order(START, t_end=1.0, tolerance=-1e-6)
    vanishing = Process(drift=lambda x, t: -x, sigma=lambda x, t: 1 - 2 * t, name="vanishing")
    with pytest.raises(InvalidInput, match=r"diffusivity of vanishing is 0.0 at x=.*, t=0.5"):
        FokkerPlanck(vanishing, solver.grid).evolve_to_high_order(START, t_end=0.5)


def test_a_bar_shows_how_far_it_has_come_and_ctrl_c_passes_through(capsys, monkeypatch) -> None:
    solver = FokkerPlanck(SWUNG, Grid.uniform(BOX, cells=80))
    quiet = solver.evolve_to_high_order(START, t_end=0.5, tolerance=1e-4)
    assert capsys.readouterr() == ("", "")
    shown = solver.evolve_to_high_order(START, t_end=0.5, tolerance=1e-4, progress=True)
    out, err = capsys.readouterr()
    assert out == "" and "100%" in err
    np.testing.assert_array_equal(shown.law.masses, quiet.law.masses)
    steps = []

    def interrupted(*arguments):
        steps.append(arguments)
        if len(steps) == 5:
            raise KeyboardInterrupt
        return plain(*arguments)

    plain = magnus.doubled
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(magnus, "doubled", interrupted)
        solver.evolve_to_high_order(START, t_end=0.5, tolerance=1e-4)
    again = solver.evolve_to_high_order(START, t_end=0.5, tolerance=1e-4)
    np.testing.assert_array_equal(again.law.masses, quiet.law.masses)
