"""Expectations from every start in the plane: closed forms, duality with the forward equation, and the range of f."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import expm, solve_continuous_lyapunov

from fpsde import checks
from fpsde.domain import Interval, Wall
from fpsde.errors import InvalidInput, NotConverged
from fpsde.fokker_planck import FokkerPlanck, Stepping, backward
from fpsde.fokker_planck.plane.generator import centres
from fpsde.fokker_planck.plane.initial import plane_start
from fpsde.grid import Grid
from fpsde.processes import linear_system, rotating_ou
from fpsde.processes.process import Process

A = np.array([[1.0, -0.8], [0.3, 0.5]])
D = np.array([[1.0, 0.6], [0.6, 0.8]])
OU = linear_system(A, np.linalg.cholesky(2 * D))
BOX = ((-6, 6), (-5, 5))


def square(cells, half=1.0):
    return Grid.uniform((-half, half), (-half, half), cells=cells)


@pytest.fixture
def free():
    return lambda wall, rho=0.0: Process(
        drift=lambda x: (0.0, 0.0),
        sigma=lambda x: ((1.0, 0.0), (rho, np.sqrt(1 - rho**2))),
        dim=2,
        domain=(Interval.between(-1, 1, wall),) * 2,
        name="free",
    )


def wrong_sign(process, grid, t=0.0):
    return FokkerPlanck(linear_system(A, np.linalg.cholesky(2 * np.abs(D) * [[1, -1], [-1, 1]])), grid).generator(t)


def test_moments_of_a_non_normal_process_from_every_start_are_met_at_order_two() -> None:
    """E x, E x^2 and E xy of dX = -A X dt + B dW from (x, y), with a turning drift and correlated noise."""
    t = 0.5
    back = expm(-A * t)
    stationary = solve_continuous_lyapunov(A, 2 * D)
    spread = stationary - back @ stationary @ back.T
    cases = {
        "x": (lambda x, y: x, lambda m: m[0]),
        "xx": (lambda x, y: x**2, lambda m: m[0] ** 2 + spread[0, 0]),
        "xy": (lambda x, y: x * y, lambda m: m[0] * m[1] + spread[0, 1]),
    }
    sizes: tuple[int, ...] = (36, 48, 64, 88)
    errors: dict[str, list[float]] = {name: [] for name in cases}
    for cells in sizes:
        solver = FokkerPlanck(OU, Grid.uniform(*BOX, cells=cells))
        at = centres(solver.grid)
        weights = np.exp(-np.sum((at - [[0.5], [-0.3]]) ** 2, axis=0) / 0.5)  # starts near a place that is no centre
        for name, (f, exact) in cases.items():
            found = solver.expectation(f, t_end=t, dt=4 * t / cells)
            errors[name].append(weights @ (found.values.ravel() - exact(back @ at)) / weights.sum())
    for name, error in errors.items():
        result = checks.grid_order([1 / cells for cells in sizes], error, expected=2)
        assert result.verdict is checks.Verdict.PASS, (name, error, result)
    wrong = FokkerPlanck(OU, Grid.uniform(*BOX, cells=40), assemble=wrong_sign)
    f, exact = cases["xy"]
    off = wrong.expectation(f, t_end=t, dt=t / 10).values.ravel() - exact(back @ centres(wrong.grid))
    assert abs(np.median(off)) > 100 * abs(errors["xy"][0])


@pytest.mark.parametrize("correlation", [0.0, 0.6])
def test_steps_back_are_the_transposes_of_steps_ahead(free, correlation) -> None:
    """<f, exp(tQ) p> = <exp(tQ^T) f, p> to round-off, at any dt, with what a wall absorbed counted as f there."""
    domain = (Interval.between(-1, 1, Wall.ABSORBING), Interval.between(-1, 1, Wall.PERIODIC))
    solver = FokkerPlanck(replace(free(Wall.NONE, correlation), domain=domain), square(18))
    f = lambda x, y: np.where(x < 1, np.cos(3 * x) * (np.abs(x) < 1), 2.0)  # noqa: E731
    ahead = solver.evolve((0.3, -0.2), t_end=0.3, dt=0.05, stepping=Stepping.WHOLE)
    back = solver.expectation(f, t_end=0.3, dt=0.05)
    start = plane_start((0.3, -0.2), solver.grid, solver._sides).masses
    mean = ahead.law.masses.ravel() @ f(*centres(solver.grid)) + 2.0 * ahead.absorbed[-1, 1]
    assert back.values.ravel() @ start == pytest.approx(mean, rel=1e-13)
    assert back.n_steps == ahead.n_steps == 8 and back.time_error is None
    assert abs(solver.expectation(f, t_end=0.3, dt=0.1).values.ravel() @ start - mean) > 1e-5  # another scheme in time


@pytest.mark.slow
def test_coefficients_that_depend_on_time_are_read_backwards() -> None:
    def pulsed(sign=1.0, origin=0.0):
        return Process(
            drift=lambda x, t: (np.sin(4 * (origin + sign * t)) - x[0] + x[1], -x[1] - 0.5 * x[0]),
            sigma=lambda x, t: (1.0 + 0.4 * np.sin(5 * (origin + sign * t)), 0.9 + 0.2 * np.sin(x[0])),
            dim=2,
        )

    solver = FokkerPlanck(pulsed(), square(16, 6.0))
    start = plane_start((0.4, 0.1), solver.grid, solver._sides).masses
    ahead = solver.evolve((0.4, 0.1), t_start=0.2, t_end=0.7, dt=1 / 40)
    f = lambda x, y: np.sin(x) + y**2  # noqa: E731
    mean = ahead.law.masses.ravel() @ f(*centres(solver.grid))
    found = solver.expectation(f, t_start=0.2, t_end=0.7, dt=1 / 40)
    assert found.values.ravel() @ start == pytest.approx(mean, abs=5e-4)
    turned = FokkerPlanck(pulsed(-1.0, 0.9), solver.grid).expectation(f, t_start=0.2, t_end=0.7, dt=1 / 40)
    assert abs(turned.values.ravel() @ start - mean) > 5e-3  # run in the wrong direction of time


def test_steps_are_of_order_two_and_a_tolerance_is_met() -> None:
    solver = FokkerPlanck(rotating_ou(1.0, 2.0), square(14, 5.0))
    step = lambda x, y: np.where(x > 0.3, 1.0, 0.0)  # noqa: E731
    exact = expm(0.5 * solver.generator().matrix.toarray().T) @ step(*centres(solver.grid))
    dts = [0.5 / n for n in (10, 14, 20, 28, 40)]
    errors = [np.abs(solver.expectation(step, t_end=0.5, dt=dt).values.ravel() - exact).sum() for dt in dts]
    assert checks.order(dts, errors, expected=2).verdict is checks.Verdict.PASS, errors
    found = solver.expectation(step, t_end=0.5, tolerance=1e-4)
    assert np.abs(found.values.ravel() - exact).max() < 0.5 * found.time_error <= 0.5e-4
    assert found.values.min() >= -1e-12 and found.values.max() <= 1 + 1e-12


def test_a_harmonic_function_keeps_its_value_under_brownian_motion_that_walls_absorb(free) -> None:
    """E f(X at min(t, exit)) = f(x) where f'' = 0: f is read on the walls, which are met at order two."""
    f = lambda x, y: x**2 - y**2 + x * y  # noqa: E731
    errors = []
    for cells in (10, 20, 40):
        solver = FokkerPlanck(free(Wall.ABSORBING), square(cells))
        found = solver.expectation(f, t_end=1.0, dt=0.05)
        errors.append(np.abs(found.values.ravel() - f(*centres(solver.grid))).max())
    assert np.all(np.abs(np.log2(np.array(errors[:-1]) / errors[1:]) - 2) < 0.2), errors
    closed = FokkerPlanck(free(Wall.REFLECTING), square(10)).expectation(lambda x, y: x**2, t_end=20.0)
    np.testing.assert_allclose(closed.values, np.mean(np.linspace(-0.9, 0.9, 10) ** 2), rtol=1e-6)


def test_the_order_of_an_f_along_a_wall_that_correlated_noise_meets_is_one(free) -> None:
    """As stated: such mass arrives a part of a cell beside the one that it left."""
    f = lambda x, y: x**2 - y**2  # noqa: E731  # harmonic for D_11 = D_22, whatever D_12 is
    errors = []
    for cells in (10, 20, 40):
        solver = FokkerPlanck(free(Wall.ABSORBING, 0.5), square(cells))
        off = np.abs(solver.expectation(f, t_end=0.5, dt=0.05).values.ravel() - f(*centres(solver.grid)))
        errors.append(off[np.abs(centres(solver.grid)).max(axis=0) < 0.6].max())
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.all((0.75 < orders) & (orders < 1.25)), orders


def test_a_function_of_the_start_is_turned_round_a_ring(free) -> None:
    solver = FokkerPlanck(free(Wall.PERIODIC), square(20))
    found = solver.expectation(lambda x, y: np.cos(np.pi * x), t_end=0.1, dt=0.02)
    at_seam = float(found(1.0, 0.3))
    assert at_seam == float(found(-1.0, 0.3)) == float(found(3.0, 2.3))
    assert at_seam == pytest.approx(0.5 * (found.values[0, 0] + found.values[-1, 0]), rel=1e-12)
    assert at_seam == pytest.approx(-np.exp(-(np.pi**2) * 0.05), rel=0.02)


def test_bad_arguments_are_refused_with_their_numbers(monkeypatch) -> None:
    solver = FokkerPlanck(rotating_ou(), square(10, 6.0))
    for f, options, message in (
        (lambda x, y: x, {"t_end": 0.0}, r"t_end=0\.0 must come after t_start=0\.0"),
        (lambda x, y: x, {"t_end": 1.0, "dt": 0.1, "tolerance": 1e-3}, r"were both given"),
        (lambda x, y: x[:3], {"t_end": 1.0}, r"f returned shape \(3,\) for \(100,\) points"),
        (lambda x, y: np.where(x > 5, np.nan, y), {"t_end": 1.0}, r"f is nan at x=\(5\.39\d*, -5\.4\); it must be"),
    ):
        with pytest.raises(InvalidInput, match=message):
            solver.expectation(f, **options)
    with pytest.raises(InvalidInput, match=r"y from 9\.0 to 9\.0 reaches beyond the grid"):
        solver.expectation(lambda x, y: x, t_end=1.0, dt=0.5)(0.0, 9.0)
    monkeypatch.setattr(backward, "MOST_STEPS", 50)
    with pytest.raises(NotConverged, match=r"tolerance=1e-11 is not reached: with 64 steps"):
        solver.expectation(lambda x, y: x, t_end=1.0, tolerance=1e-11)
