"""Laws of two components in time: closed forms at their orders, mass, positivity, walls, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.linalg import expm, solve_continuous_lyapunov
from scipy.special import erf

from fpsde import checks
from fpsde.density import Normal
from fpsde.domain import LINE, Interval, Wall
from fpsde.errors import InvalidInput, UnstableStep
from fpsde.fokker_planck import FokkerPlanck, PlaneFokkerPlanck, Stepping, assemble_plane
from fpsde.fokker_planck.plane import assembly, propagator
from fpsde.fokker_planck.plane.initial import plane_start
from fpsde.grid import Grid
from fpsde.joint_law import JointCellLaw
from fpsde.processes import CATALOGUE, linear_system, rotating_ou, underdamped
from fpsde.processes.process import Process

A = np.array([[1.0, -0.8], [0.3, 0.5]])
D = np.array([[1.0, 0.6], [0.6, 0.8]])
BOX = ((-7, 7), (-6, 6))


def passes(check) -> bool:
    return check.verdict is checks.Verdict.PASS


def gaussian_at(t, mean0, variance0):
    """Return mean and covariance of dX = -A X dt + sqrt(2 D) dW, by the matrix exponential."""
    s, e = solve_continuous_lyapunov(A, 2 * D), expm(-A * t)
    return e @ mean0, s + e @ (variance0 * np.eye(2) - s) @ e.T


def density(mean, covariance, x):
    away = x - mean[:, None]
    quadratic = np.einsum("in,ij,jn->n", away, np.linalg.inv(covariance), away)
    return np.exp(-0.5 * quadratic) / (2 * np.pi * np.sqrt(np.linalg.det(covariance)))


def error_of(law, mean, covariance):
    """Return the L1 distance of the cell masses from a normal law, whose density is taken at 4 x 4 points in a cell."""
    fine = Grid(
        tuple(
            np.interp(np.arange(4 * n + 1) / 4, np.arange(n + 1), faces)
            for n, faces in zip(law.grid.shape, law.grid.axes, strict=True)
        )
    )
    x = np.stack([c.ravel() for c in np.meshgrid(*(0.5 * (f[1:] + f[:-1]) for f in fine.axes), indexing="ij")])
    cells = (density(mean, covariance, x) * np.prod([f[1] - f[0] for f in fine.axes])).reshape(fine.shape)
    n, m = law.grid.shape
    return float(np.abs(law.masses - cells.reshape(n, 4, m, 4).sum(axis=(1, 3))).sum())


def test_the_reference_numbers_of_a_non_normal_process_are_reproduced():
    mean, covariance = gaussian_at(1.0, np.array([1.0, -0.5]), 0.04)
    np.testing.assert_allclose(mean, [0.1330251502, -0.4103994802], atol=1e-10)
    np.testing.assert_allclose(covariance, [[1.2522184838, 0.7436239604], [0.7436239604, 0.8361163652]], atol=1e-10)


def test_correlated_noise_and_a_turning_drift_are_met_at_order_two():
    process = linear_system(A, np.linalg.cholesky(2 * D))
    mean, covariance = gaussian_at(1.0, np.array([1.0, -0.5]), 0.09)
    start, widths, errors, means = (Normal(1.0, 0.3), Normal(-0.5, 0.3)), [], [], []
    for cells in (40, 52, 68, 88):
        found = FokkerPlanck(process, Grid.uniform(*BOX, cells=cells)).evolve(start, t_end=1.0, dt=1 / cells)
        widths.append(1 / cells)
        errors.append(error_of(found.law, mean, covariance))
        means.append(found.law.mean[0] - mean[0])
        assert found.mass_error <= 1e-13 * np.sqrt(found.n_steps) and found.minimum >= 0
    assert passes(checks.grid_order(widths, errors, expected=2)), errors
    assert passes(checks.grid_order(widths, means, expected=2)), means
    assert np.abs(found.law.covariance - covariance).max() < 1e-3 + 2 * widths[-1]
    json.dumps(found.provenance)


def without_cross_terms(process, grid, t=0.0):
    return assemble_plane(linear_system(A, np.sqrt(2 * np.diag(np.diag(D)))), grid, t)


def turned_the_other_way(process, grid, t=0.0):
    rotation = A @ solve_continuous_lyapunov(A, 2 * D) - D
    return assemble_plane(
        linear_system(A - 2 * rotation @ np.linalg.inv(rotation + D) @ A, np.linalg.cholesky(2 * D)), grid, t
    )


@pytest.mark.parametrize("planted", [without_cross_terms, turned_the_other_way])
def test_planted_a_dropped_cross_term_and_a_rotation_of_the_wrong_sign_are_seen(planted):
    process = linear_system(A, np.linalg.cholesky(2 * D))
    mean, covariance = gaussian_at(1.0, np.array([1.0, -0.5]), 0.09)
    for assemble, wrong in ((assemble_plane, False), (planted, True)):
        solver = FokkerPlanck(process, Grid.uniform(*BOX, cells=70), assemble=assemble)
        found = solver.evolve((Normal(1.0, 0.3), Normal(-0.5, 0.3)), t_end=1.0, dt=0.02)
        assert (error_of(found.law, mean, covariance) > 0.1) == wrong


@pytest.mark.parametrize("stepping", Stepping)
@pytest.mark.parametrize("start", [(1.03, -0.4), (Normal(1.0, 0.6), Normal(0.0, 0.5))], ids=["point", "normal"])
def test_the_error_is_of_order_two_in_dt_against_uniformisation(stepping, start):
    solver = FokkerPlanck(rotating_ou(1.0, 2.0), Grid.uniform((-6, 6), (-6, 6), cells=36))
    exact = solver.evolve_by_uniformisation(start, t_end=0.5)
    assert exact.minimum >= 0 and exact.mass_error < 1e-12
    dts, errors = [0.5 / n for n in (10, 14, 20, 28, 40)], []
    for dt in dts:
        found = solver.evolve(start, t_end=0.5, dt=dt, stepping=stepping)
        errors.append(float(np.abs(found.law.masses - exact.law.masses).sum()))
        assert found.provenance["method"] == f"Scharfetter-Gummel, {stepping.value}"
    assert passes(checks.order(dts, errors, expected=2)), errors


def pulsed():
    """Diagonal noise with a drift and a strength that swing in time."""
    return Process(
        drift=lambda x, t: (np.sin(4 * t) - x[0] + 0.5 * x[1], -x[1] - 0.5 * x[0] * np.cos(3 * t)),
        sigma=lambda x, t: (1.0 + 0.4 * np.sin(5 * t), 0.9 + 0.2 * np.sin(x[0])),
        dim=2,
        name="pulsed",
    )


@pytest.mark.parametrize("stepping", [Stepping.WHOLE, Stepping.SPLIT])
def test_coefficients_that_depend_on_time_keep_order_two_in_dt(stepping):
    solver = FokkerPlanck(pulsed(), Grid.uniform((-6, 6), (-6, 6), cells=20))
    start = (Normal(0.5, 0.9), Normal(0.0, 0.9))
    masses = plane_start(start, solver.grid, solver._sides).masses
    exact = solve_ivp(
        lambda t, m: solver.generator(t).apply(m), (0.2, 0.7), masses, "DOP853", rtol=1e-9, atol=1e-12, t_eval=[0.7]
    ).y[:, 0]
    dts, errors = [0.5 / n for n in (6, 8, 12, 16, 24)], []
    for dt in dts:
        found = solver.evolve(start, t_start=0.2, t_end=0.7, dt=dt, stepping=stepping)
        errors.append(float(np.abs(found.law.masses.ravel() - exact).sum()))
    assert passes(checks.order(dts, errors, expected=2)), errors
    late = replace(pulsed(), drift=lambda x, t: pulsed().drift(x, t + dts[-1]))  # time off by a step
    wrong = FokkerPlanck(late, solver.grid).evolve(start, t_start=0.2, t_end=0.7, dt=dts[-1], stepping=stepping)
    assert np.abs(wrong.law.masses.ravel() - exact).sum() > 5 * errors[-1]


def test_components_that_do_not_meet_have_the_product_of_their_laws():
    walls = Interval(0, 1, Wall.REFLECTING, Wall.ABSORBING), LINE
    both = Process(lambda x: (0.5 + 0 * x[0], -x[1]), lambda x: (0.8, 1.2 + 0 * x[1]), dim=2, domain=walls)
    first = Process(lambda x: 0.5 + 0 * x, lambda x: 0.8, domain=walls[0])
    second = Process(lambda x: -x, lambda x: 1.2)
    axes = np.linspace(0, 1, 21), np.linspace(-6, 6, 41)
    found = FokkerPlanck(both, Grid(axes)).evolve_by_uniformisation((0.3, 1.1), t_end=0.4, times=[0.1])
    for k, t in enumerate((0.1, 0.4)):
        parts = [
            FokkerPlanck(process, Grid((faces,))).evolve_by_uniformisation(x0, t_end=t).law
            for process, faces, x0 in ((first, axes[0], 0.3), (second, axes[1], 1.1))
        ]
        np.testing.assert_allclose(found.laws[k].masses, np.multiply.outer(*(law.masses for law in parts)), atol=1e-13)
        np.testing.assert_allclose(found.absorbed[k], [0, parts[0].atoms[0][1], 0, 0], atol=1e-12)
        np.testing.assert_allclose(found.laws[k].marginal(0).masses, parts[0].masses, atol=1e-13)


def wedge(domain, correlation=0.7, drift=(0.0, 0.0)):
    d = np.array([[1.0, correlation], [correlation, 0.8]])
    return Process(
        lambda x: tuple(v + 0 * x[0] for v in drift), lambda x: np.linalg.cholesky(2 * d), dim=2, domain=(domain, LINE)
    )


def folded_moments(x0, y0, t, variance, correlation=0.7):
    """Return E X, E Y, Cov(X, Y) and Var Y of Brownian motion reflected along D n at x = 0, with Y_0 ~ (y0, variance).

    X = |x0 + W| and Y - r X, with r = D_12/D_11, is an independent Brownian motion with the diffusivity D_22 - r D_12.
    """
    s, r = np.sqrt(2 * t), correlation
    mean = s * np.sqrt(2 / np.pi) * np.exp(-0.5 * (x0 / s) ** 2) + x0 * erf(x0 / (s * np.sqrt(2)))
    spread = x0**2 + s**2 - mean**2
    return np.array([mean, y0 + r * (mean - x0), r * spread, variance + 2 * (0.8 - r * r) * t + r * r * spread])


def wall_orders():
    """Return the errors of those moments on finer and finer grids ``(4, 4)``, and the orders seen ``(4, 3)``."""
    process = wedge(Interval(0.0, np.inf, Wall.REFLECTING, Wall.NONE))
    exact, errors = folded_moments(0.7, 0.1, 0.5, 0.16), []
    for cells in (28, 40, 56, 80):
        solver = FokkerPlanck(process, Grid.uniform((0, 7), (-6.5, 7.5), cells=(cells, 2 * cells)))
        law = solver.evolve((0.7, Normal(0.1, 0.4)), t_end=0.5, dt=0.5 / cells, stepping=Stepping.WHOLE).law
        errors.append(np.r_[law.mean, law.covariance[:, 1]] - exact)
    ratios = np.abs(np.array(errors[:-1]) / errors[1:])
    return np.array(errors).T, (np.log(ratios) / np.log([[40 / 28], [56 / 40], [80 / 56]])).T


def test_zero_total_flux_reflects_correlated_noise_along_the_conormal_at_order_two():
    errors, observed = wall_orders()
    assert np.all(np.abs(observed - 2) < 0.1), (errors, observed)
    mirrored = 0.1  # E Y, were the wall to mirror along its normal
    assert abs(folded_moments(0.7, 0.1, 0.5, 0.16)[1] - mirrored) > 100 * abs(errors[1, -1])


def test_a_wall_without_jumps_along_it_is_flagged_as_first_order(monkeypatch):
    monkeypatch.setattr(assembly, "beside_walls", lambda grid, sides, axis: np.zeros(grid.shape))
    errors, observed = wall_orders()
    assert np.all(observed[3] < 1) and abs(errors[3, -1]) > 4e-3, (errors, observed)


def test_an_absorbing_wall_takes_what_reaches_it_whatever_the_correlation():
    domain = Interval(0.0, np.inf, Wall.ABSORBING, Wall.NONE)
    errors, widths = [], []
    for cells in (40, 56, 80, 112):
        solver = FokkerPlanck(wedge(domain), Grid.uniform((0, 7), (-7, 7), cells=cells))
        found = solver.evolve((1.0, 0.0), t_end=0.5, dt=0.0125)
        np.testing.assert_array_equal(found.absorbed[:, 1:], 0.0)
        widths.append(1 / cells)
        errors.append(found.absorbed[-1, 0] - (1 - erf(1.0 / np.sqrt(2.0))))
        assert found.law.mass + found.absorbed[-1].sum() == pytest.approx(1 - found.outside, abs=1e-13)
    assert passes(checks.grid_order(widths, errors, expected=2)), errors


WALLS = st.sampled_from([Wall.NONE, Wall.REFLECTING, Wall.ABSORBING])
ENDS = st.one_of(
    st.builds(lambda a, b: Interval(-1.0, 1.0, a, b), WALLS, WALLS), st.just(Interval.between(-1, 1, Wall.PERIODIC))
)


def swept(domain, slopes, noise, correlation, *, silent, driven):
    """A smooth process on [-1, 1]^2, stated by its Fokker-Planck coefficients."""
    a, b, c = slopes
    r = 0.0 if silent else correlation

    class Swept:
        name, dim, intervals, energy, time_dependent = "swept", 2, domain, None, driven

        def ito_drift(self, x, t):
            swing = 1 + driven * np.sin(9 * t)
            return np.stack([a * np.cos(np.pi * x[1]) + b * np.sin(np.pi * x[0]), c * np.sin(np.pi * x[0])]) * swing

        def diffusivity(self, x, t):
            first = 10 ** noise[0] * (1 + 0.5 * np.sin(np.pi * x[0])) * (not silent)
            second = 10 ** noise[1] * (1 + 0.5 * np.cos(np.pi * x[1]))
            off = r * np.sqrt(first * second)
            return np.array([[first, off], [off, second]])

    return Swept()


PROCESSES = {
    "domain": st.tuples(ENDS, ENDS),
    "slopes": st.tuples(*[st.floats(-10, 10)] * 3),
    "noise": st.tuples(st.floats(-1.5, 1), st.floats(-1.5, 1)),
    "correlation": st.sampled_from([0.0, 0.0, 0.5, -0.8, 0.95]),
    "cells": st.tuples(st.integers(5, 16), st.integers(5, 16)),
    "place": st.tuples(st.floats(-0.3, 0.3), st.floats(-0.3, 0.3)),
    "dt": st.sampled_from([1e-3, 0.02, 0.2]),
    "silent": st.booleans(),
    "driven": st.booleans(),
    "graded": st.booleans(),
}


def holds_mass_and_sign(domain, slopes, noise, correlation, cells, place, dt, silent, driven, graded):
    if silent:  # a wall that reflects would have to turn a velocity: refused, and tested elsewhere
        walls = domain[0].low_wall, domain[0].high_wall
        domain = (Interval(-1.0, 1.0) if Wall.REFLECTING in walls else domain[0], domain[1])
    process = swept(domain, slopes, noise, correlation, silent=silent, driven=driven)
    stretch = 0.4 * (graded and (silent or correlation == 0))
    axes = (np.linspace(-1, 1, n + 1) for n in cells)
    grid = Grid(tuple(s + stretch * (s**3 - s) / 2 for s in axes))
    middle = tuple(
        float(0.5 * (f[1:] + f[:-1])[np.argmin(np.abs(f[:-1] - x))]) for f, x in zip(grid.axes, place, strict=True)
    )
    with pytest.MonkeyPatch.context() as patch:  # here mass may come near a cut end
        patch.setattr(PlaneFokkerPlanck, "_refuse_at_ends", lambda self, edge: None)
        found = FokkerPlanck(process, grid).evolve(middle, t_end=5 * dt, dt=dt, times=[2 * dt])
    assert found.mass_error <= 1e-13 * np.sqrt(found.n_steps)
    assert found.minimum >= 0 and min(law.masses.min() for law in found.laws) >= found.minimum
    assert np.all(np.diff(found.absorbed, axis=0) >= -1e-15) and np.all(found.absorbed >= 0)
    ends = [wall is Wall.ABSORBING for interval in domain for wall in (interval.low_wall, interval.high_wall)]
    assert np.all((found.absorbed[-1] == 0) | ends)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(**PROCESSES)
def test_mass_is_exact_and_no_cell_is_negative_whatever_the_process(**drawn):
    holds_mass_and_sign(**drawn)


@pytest.mark.slow
@settings(max_examples=200, deadline=None, derandomize=True)
@given(**PROCESSES)
def test_mass_is_exact_and_no_cell_is_negative_for_two_hundred_processes(**drawn):
    holds_mass_and_sign(**drawn)


def test_steps_are_split_by_default_where_both_axes_have_noise():
    correlated, silent = linear_system(A, np.linalg.cholesky(2 * D)), CATALOGUE["underdamped_oscillator"]()
    for process, stepping in ((rotating_ou(), "SPLIT"), (correlated, "SPLIT"), (silent, "WHOLE")):
        found = FokkerPlanck(process, Grid.uniform((-8, 8), (-8, 8), cells=9)).evolve((0.0, 0.0), t_end=1e-3, dt=1e-3)
        assert found.provenance["method"].endswith(Stepping[stepping].value)


def test_split_steps_keep_an_equilibrium_at_any_dt_and_shift_one_with_a_current():
    grid, moved = Grid.uniform((-5.5, 5.5), (-5.5, 5.5), cells=40), {}
    for omega in (0.0, 1.0):
        solver = FokkerPlanck(rotating_ou(1.0, omega), grid)
        at_rest = solver.stationary().law
        for dt in (0.0625, 0.03125):
            found = solver.evolve(at_rest, t_end=4.0, dt=dt, stepping=Stepping.SPLIT)
            moved[omega, dt] = float(np.abs(found.law.masses - at_rest.masses).sum())
            assert found.n_refused == 0
        whole = solver.evolve(at_rest, t_end=5.0, dt=0.25, stepping=Stepping.WHOLE)
        assert np.abs(whole.law.masses - at_rest.masses).sum() < 1e-11
    assert moved[0.0, 0.0625] < 1e-11
    assert moved[1.0, 0.0625] > 1e-4 and 3.8 < moved[1.0, 0.0625] / moved[1.0, 0.03125] < 4.2


def test_a_step_that_would_go_negative_is_taken_in_halves():
    kicked = Process(
        lambda x, t: (-20 * (x[0] - np.sin(6 * t)), -x[1]), lambda x: (0.2 + 0 * x[0], 0.5 + 0 * x[0]), dim=2
    )
    solver = FokkerPlanck(kicked, Grid.uniform((-2.5, 2.5), (-2.5, 2.5), cells=(100, 12)))
    found = solver.evolve((Normal(1.0, 0.15), Normal(0.0, 0.3)), t_end=0.5, dt=0.125)
    assert found.n_refused > 3 and found.minimum >= 0


def test_an_automatic_step_meets_its_tolerance():
    solver = FokkerPlanck(rotating_ou(1.0, 1.0), Grid.uniform((-6, 6), (-6, 6), cells=24))
    exact = solver.evolve_by_uniformisation((0.5, 0.0), t_end=1.0).law.masses
    found = solver.evolve((0.5, 0.0), t_end=1.0, tolerance=1e-4)
    assert 0.5 * np.abs(found.law.masses - exact).sum() < 0.5 * found.time_error <= 0.5e-4


def test_klein_kramers_in_a_harmonic_well_is_met_at_order_one():
    process = underdamped(lambda x: x**2 / 2, 0.4, friction=0.5)
    a, t = np.array([[0.0, -1.0], [1.0, 0.5]]), 1.5
    e, s = expm(-a * t), 0.4 * np.eye(2)
    mean, covariance = e @ [0.8, 0.2], s + e @ (0.16 * np.eye(2) - s) @ e.T
    widths, errors = [], []
    for cells in (72, 96, 132, 180):
        solver = FokkerPlanck(process, Grid.uniform((-4, 4), (-4, 4), cells=(cells, cells)))
        found = solver.evolve((Normal(0.8, 0.4), Normal(0.2, 0.4)), t_end=t, dt=0.05)
        widths.append(1 / cells)
        errors.append(
            np.r_[found.law.covariance[0, 0] - covariance[0, 0], found.law.covariance[1, 1] - covariance[1, 1]]
        )
        assert found.minimum >= 0 and found.mass_error < 1e-12
        np.testing.assert_allclose(found.law.mean, mean, atol=5 / cells)
    for error in np.array(errors).T:
        assert passes(checks.grid_order(widths, error, expected=1)), errors


@pytest.mark.parametrize("name", ["rotating_ou", "nonnormal_ou", "underdamped_oscillator", "noised_mixture"])
def test_processes_of_the_catalogue_have_their_known_moments(name):
    process = CATALOGUE[name]()
    known, run = process.exact, process.setting
    mean, covariance = np.asarray(known.mean(run.x0, run.t_end)), np.asarray(known.covariance(run.x0, run.t_end))
    std, start = np.sqrt(np.diag(covariance)), np.asarray(run.x0)
    low, high = np.minimum(mean, start) - 8 * std, np.maximum(mean, start) + 8 * std
    grid = Grid.uniform(*zip(low, high, strict=True), cells=80)
    found = FokkerPlanck(process, grid).evolve(run.x0, t_end=run.t_end, dt=run.t_end / 40)
    first_order = name == "underdamped_oscillator"
    assert np.all(np.abs(found.law.mean - mean) < (0.05 if first_order else 0.01) * std)
    assert np.all(np.abs(found.law.covariance - covariance) < 0.04 * np.multiply.outer(std, std))
    assert found.minimum >= 0 and found.mass_error < 1e-13 and found.time_error is None


def test_a_grid_that_is_too_coarse_is_said_with_numbers():
    coarse, fine = (
        FokkerPlanck(rotating_ou(1.0, 1.0), Grid.uniform((-6, 6), (-6, 6), cells=cells)) for cells in (24, 90)
    )
    assert fine.stationary().doubts == () == fine.evolve((0.5, 0.0), t_end=0.5, dt=0.05).doubts
    for found in (coarse.stationary(), coarse.evolve((0.5, 0.0), t_end=0.5, dt=0.05)):
        for axis, (peclet, cells) in enumerate((found.doubts[:2], found.doubts[2:])):
            assert peclet.startswith(f"along axis {axis}: the Peclet number reaches {found.peclet[axis]:.3g} (above 2")
            assert cells.startswith(f"along axis {axis}: the shortest correlation length has 2 cells")


def test_cells_per_length_and_peclet_number_are_told_for_each_axis():
    process = Process(lambda x: (-x[0] / 0.25, -x[1] / 4), lambda x: (np.sqrt(2.0),) * 2, dim=2, name="narrow")
    grid = Grid.uniform((-3, 3), (-12, 12), cells=(24, 96))
    found = FokkerPlanck(process, grid).stationary()
    np.testing.assert_allclose(found.cells_per_length, [0.5 / 0.25, 2 / 0.25], rtol=1e-12)  # deviations over widths
    reach = np.sqrt(2 * np.log(1e6))  # standard deviations to where a cell holds BULK of the largest mass
    np.testing.assert_allclose(found.peclet, [reach * 0.25 / 0.5, reach * 0.25 / 2], rtol=0.15)
    crowded, steep = found.doubts[1], found.doubts[0]
    assert steep.startswith("along axis 0: the Peclet number reaches 2.") and len(found.doubts) == 2
    assert crowded == "along axis 0: the shortest correlation length has 2 cells (fewer than 3); take 2 times the cells"
    silent = FokkerPlanck(CATALOGUE["duffing"](), Grid.uniform((-4, 4), (-4.5, 4.5), cells=60)).stationary()
    assert silent.peclet[0] == 0.0 and silent.cells_per_length[0] == np.inf


def test_bad_arguments_are_refused_with_their_numbers():
    ou = rotating_ou()
    solver = FokkerPlanck(ou, Grid.uniform((-6, 6), (-6, 6), cells=(20, 24)))
    assert isinstance(solver, PlaneFokkerPlanck) and isinstance(replace(solver, grid=solver.grid), PlaneFokkerPlanck)
    flat = np.full((20, 24), 1 / 480)
    for x0, message in (
        (1.0, r"x0=1\.0 is no start of two components"),
        ((np.float64(1.0),), r"x0=\(1\.0,\) is no start of two components"),
        ((1.0, 2.0, 3.0), r"is no start of two components; give a pair of points or laws, or an array of masses \(20"),
        (Normal(0, 1), r"is no start of two components"),
        (([1.0, 2.0], 0.0), r"x0=\[1\.0, 2\.0\] is not a number"),
        (FokkerPlanck(ou, Grid.uniform((-7, 7), (-6, 6), cells=(20, 24))).stationary().law, r"cells of another grid"),
        ((9.0, 0.0), r"the initial point 9\.0 lies outside of the grid"),
        (flat[:, :-1], r"x0 has shape \(20, 23\), the grid \(20, 24\)"),
        (flat * 2, r"the masses x0 sum to 2; they must sum to 1 within 1e-06"),
        (flat - 0.01, r"x0 gives the cell \(0, 0\) the mass -0\.00792; masses must not be negative"),
        (flat * np.nan, r"x0 has 480 of 480 values that are NaN"),
    ):
        with pytest.raises(InvalidInput, match=message):
            solver.evolve(x0, t_end=1.0, dt=0.1)
    with pytest.raises(InvalidInput, match=r"takes a Process and a Grid, not Process and str"):
        FokkerPlanck(ou, "grid")
    with pytest.raises(InvalidInput, match=r"the grid has 1 dimension\(s\), where two are needed"):
        FokkerPlanck(ou, Grid.uniform((-6, 6), cells=20))
    with pytest.raises(
        InvalidInput, match=r"along axis 0 does not hold rotating_ou: \S+ of the mass lay in the 1 outermo"
    ):
        FokkerPlanck(ou, Grid.uniform((-3, 3), (-6, 6), cells=20)).evolve((0.0, 0.0), t_end=1.0, dt=0.1)
    for box, side in (
        (((-6, 3), (-6, 6)), "axis 0 .*high"),
        (((-6, 6), (-3, 6)), "axis 1 .*low"),
        (((-6, 6), (-6, 3)), "axis 1 .*high"),
    ):
        with pytest.raises(InvalidInput, match=side):
            FokkerPlanck(ou, Grid.uniform(*box, cells=20)).evolve((0.0, 0.0), t_end=1.0, dt=0.1)
    correlated = FokkerPlanck(linear_system(A, np.linalg.cholesky(2 * D)), Grid.uniform(*BOX, cells=20))
    with pytest.raises(InvalidInput, match=r"noise of linear_system is correlated: mass moves along diagonals"):
        correlated.evolve((0.0, 0.0), t_end=1.0, dt=0.1, stepping=Stepping.EXACT_LINES)
    with pytest.raises(InvalidInput, match=r"pulsed depends on time and is not carried exactly"):
        FokkerPlanck(pulsed(), solver.grid).evolve_by_uniformisation((0.0, 0.0), t_end=1.0)
    start = plane_start((0.0, 0.0), solver.grid, solver._sides)
    for t_start, message in ((np.nan, "t_start=nan is not finite"), ("0", "t_start='0' is not a number")):
        with pytest.raises(InvalidInput, match=message):
            FokkerPlanck(pulsed(), solver.grid).steps(start, t_start=t_start)
    with pytest.raises(InvalidInput, match=r"makes \S+ products with Q up to t=10000000\.0"):
        solver.evolve_by_uniformisation((0.0, 0.0), t_end=1e7)


def test_a_step_that_no_halving_makes_positive_is_refused():
    def broken(process, grid, t=0.0):
        q = assemble_plane(process, grid, t)
        vars(q)["exits"] = np.full_like(q.exits, np.nan)
        return q

    solver = FokkerPlanck(rotating_ou(), Grid.uniform((-6, 6), (-6, 6), cells=10), assemble=broken)
    with pytest.raises(UnstableStep, match=r"leaves a cell with the mass nan after 0 halvings"):
        solver.evolve((Normal(0, 1), Normal(0, 1)), t_end=1.0, dt=0.1, stepping=Stepping.SPLIT)


def test_a_start_at_walls_and_beyond_the_grid_is_the_product_of_its_parts():
    grid = Grid.uniform((0, 2), (0, 2), cells=20)
    walls = Interval(0.0, np.inf, Wall.ABSORBING, Wall.NONE)
    process = Process(lambda x: (0 * x[0], 0 * x[0]), lambda x: (1.0, 1.0), dim=2, domain=(walls, walls))
    parts = (0.02, Normal(1.0, 0.204))  # beside the wall; all but 9.5e-7 within the grid
    found = plane_start(parts, grid, FokkerPlanck(process, grid)._sides)
    held = Normal(1.0, 0.204).cell_masses(grid.axes[1]).sum()
    assert 5e-7 < 1 - held < 1e-6 and 0.01 < found.absorbed[0] < 0.99
    assert found.total == pytest.approx(held, abs=1e-15) and found.outside == pytest.approx(1 - held, abs=1e-15)
    swapped = plane_start(parts[::-1], grid, FokkerPlanck(process, grid)._sides)
    np.testing.assert_allclose(swapped.absorbed[[2, 3, 0, 1]], found.absorbed, rtol=1e-12, atol=1e-15)


def test_a_law_of_two_components_has_marginals_and_moments():
    grid = Grid((np.array([0.0, 1.0, 3.0, 4.0]), np.array([-1.0, 0.0, 1.0, 2.0])))
    law = JointCellLaw(grid, np.array([[0.1, 0.0, 0.1], [0.2, 0.1, 0.0], [0.0, 0.3, 0.1]]))
    np.testing.assert_allclose(law.marginal(0).masses, [0.2, 0.3, 0.4])
    np.testing.assert_allclose(law.marginal(1).average_density, [0.3, 0.4, 0.2])
    assert law.mass == pytest.approx(0.9)
    x, y = np.meshgrid([0.5, 2.0, 3.5], [-0.5, 0.5, 1.5], indexing="ij")
    points = np.stack([x.ravel(), y.ravel()])
    np.testing.assert_allclose(law.mean, points @ law.masses.ravel() / 0.9)
    np.testing.assert_allclose(law.covariance, np.cov(points, aweights=law.masses.ravel(), ddof=0))
    assert law.average_density[1, 0] == pytest.approx(0.1)
    with pytest.raises(InvalidInput, match=r"masses have shape \(3, 2\), the grid \(3, 3\); both must be"):
        JointCellLaw(grid, law.masses[:, :2])
    with pytest.raises(InvalidInput, match=r"axis=2; a law of two components has axes 0 and 1"):
        law.marginal(2)


def test_lines_in_threads_give_the_same_bits(monkeypatch):
    process = Process(
        drift=lambda x: (0.3 * x[1] - x[0], -0.3 * x[0] - x[1]), sigma=lambda x: ((1.0, 0.0), (0.0, 0.7)), dim=2,
        domain=(LINE, Interval(-1, 1, Wall.ABSORBING, Wall.REFLECTING)),
    )  # fmt: skip
    solver = FokkerPlanck(process, Grid.uniform((-5, 5), (-1, 1), cells=(37, 61)))
    run = {"t_end": 0.3, "dt": 0.05, "stepping": Stepping.SPLIT}
    parts, step = [], propagator.tr_bdf2_bundles
    monkeypatch.setattr(propagator, "tr_bdf2_bundles", lambda *it: parts.append(it[-3:-1]) or step(*it))
    start = (Normal(0.2, 0.5), Normal(-0.3, 0.14))
    pools, pool = [], propagator.ThreadPoolExecutor
    monkeypatch.setattr(propagator, "ThreadPoolExecutor", lambda workers: pools.append(workers) or pool(workers))
    alone = solver.evolve(start, **run, threads=2)
    assert set(parts) == {(0, 5), (0, 8)}  # bundles of eight lines: so few are not worth the threads
    monkeypatch.setattr(propagator, "THREADED", 0)
    for threads, cuts in ((1, {(0, 5), (0, 8)}), (3, {(0, 1), (1, 3), (3, 5), (0, 2), (2, 5), (5, 8)})):
        parts.clear()
        found = solver.evolve(start, **run, threads=threads)
        assert set(parts) == cuts and pools == [threads - 1] * (threads > 1)  # beside this thread, if any
        np.testing.assert_array_equal(found.law.masses, alone.law.masses)
        np.testing.assert_array_equal(found.absorbed, alone.absorbed)
        assert found.absorbed.max() > 0.01
    with pytest.raises(InvalidInput, match="threads=0"):
        solver.evolve(start, **run, threads=0)
