"""Error bars from three grids of a plane: they hold, are not wasteful, and say where the order is 1."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import special
from scipy.linalg import expm, solve_continuous_lyapunov
from scipy.stats import multivariate_normal

from fpsde.density import Normal
from fpsde.domain import Interval, Wall
from fpsde.errors import NotConverged
from fpsde.fokker_planck import FokkerPlanck, assemble_plane, estimate_refined, evolve_refined
from fpsde.grid import Grid
from fpsde.processes import linear_system, underdamped
from fpsde.processes.process import Process

A = np.array([[1.0, -0.8], [0.3, 0.5]])
D = np.array([[1.0, 0.6], [0.6, 0.8]])
S = solve_continuous_lyapunov(A, 2 * D)
V = -A + D @ np.linalg.inv(S)
DISSIPATION = np.trace(V.T @ np.linalg.inv(D) @ V @ S)
RATES = np.sort_complex(np.linalg.eigvals(A))


def linear(cells, d=D):
    return FokkerPlanck(linear_system(A, np.linalg.cholesky(2 * d)), Grid.uniform((-8, 8), (-7, 7), cells=cells))


def at_rest(solver):
    law = solver.stationary().law
    return [*law.covariance[np.triu_indices(2)], solver.thermodynamics(law).entropy_production]


def test_error_bars_hold_the_closed_forms_and_are_not_wasteful() -> None:
    exact = np.array([*S[np.triu_indices(2)], DISSIPATION])
    found = estimate_refined(linear(24), at_rest)
    assert np.all(np.abs(found.value - exact) <= found.error) and np.all(found.error < 2e-3 * exact)
    assert np.all(np.abs(found.order - 2) < 0.2)
    plain = at_rest(linear(96))
    assert np.all(np.abs(found.value - exact) < 0.3 * np.abs(plain - exact))  # extrapolation is worth its while


def test_complex_rates_of_a_turning_process_lie_within_their_bars() -> None:
    found = estimate_refined(linear(20), lambda fp: fp.modes(2).eigenvalues.view(float).reshape(-1, 2))
    exact = np.array([[0.75, abs(RATES[0].imag)], [0.75, -abs(RATES[0].imag)]])
    assert np.all(np.abs(found.value - exact) <= found.error) and np.all(found.error < 1e-2)


def test_other_noise_leaves_the_bars() -> None:
    found = estimate_refined(linear(24, D * 1.02), at_rest)
    assert np.all(np.abs(found.value - [*S[np.triu_indices(2)], DISSIPATION])[:3] > 10 * found.error[:3])


def test_without_noise_along_an_axis_the_order_is_one_and_is_extrapolated_as_such() -> None:
    """Klein and Kramers in a harmonic well: lambda = (g -+ sqrt(g^2 - 4 w^2))/2, g = 3, w = 1."""
    process = underdamped(lambda x: x**2 / 2, 0.5, friction=3.0)
    solver = FokkerPlanck(process, Grid.uniform((-4, 4), (-4, 4), cells=12))
    assert solver.formal_order == 1.0 and linear(12).formal_order == 2.0
    found, exact = estimate_refined(solver, lambda fp: fp.modes(1).gap), 1.5 - np.sqrt(1.25)
    assert 0.9 < found.order < 1.1 and abs(found.value - exact) <= found.error < 0.05 * exact
    finest = FokkerPlanck(process, Grid.uniform((-4, 4), (-4, 4), cells=48)).modes(1).gap
    assert abs(found.value - exact) < 0.2 * abs(finest - exact)


def test_a_first_order_wall_is_seen_and_still_bounded() -> None:
    def far_wall(process, grid, t=0.0):
        q = assemble_plane(process, grid, t)
        return replace(q, exits=q.exits / 2)

    domain = (Interval.between(0, 1, Wall.ABSORBING), Interval.between(0, 1, Wall.PERIODIC))
    process = Process(drift=lambda x: (0.0, 0.0), sigma=lambda x: (1.0, 1.0), dim=2, domain=domain)
    grid, exact = Grid.uniform((0, 1), (0, 1), cells=(12, 4)), 0.5 * np.pi**2
    right, wrong = (
        estimate_refined(FokkerPlanck(process, grid, assemble=assemble), lambda fp: fp.modes(1).gap)
        for assemble in (assemble_plane, far_wall)
    )
    assert 1.9 < right.order < 2.1 and abs(right.value - exact) <= right.error < 1e-3 * exact
    assert 0.8 < wrong.order < 1.2 and abs(wrong.value - exact) <= wrong.error
    assert wrong.error > 100 * right.error


def test_every_cell_of_any_width_is_cut_along_both_axes() -> None:
    grid = Grid((np.array([-4.0, -1.5, -0.3, 0.2, 4.0]), np.array([-4.0, -1.0, 0.1, 4.0])))
    process = Process(drift=lambda x: (-x[0], -x[1]), sigma=lambda x: (1.0, 1.0), dim=2)
    seen: list[Grid] = []

    def watched(solver):
        seen.append(solver.grid)
        return 1.0

    found = estimate_refined(FokkerPlanck(process, grid), watched)
    assert found.value == 1.0 and found.error <= 2e-12
    assert [one.shape for one in seen] == [(4, 3), (8, 6), (16, 12)]
    for coarse, fine in zip(grid.axes, seen[2].axes, strict=True):
        np.testing.assert_array_equal(fine[::4], coarse)
    with pytest.raises(NotConverged, match=r"the number moved by 1 when the cells were halved, and by 2"):
        estimate_refined(FokkerPlanck(process, grid), lambda fp: {4: 0.0, 8: 1.0, 16: 3.0}[fp.grid.shape[0]])


def at_corners(axes, mean, covariance):
    """Return the distribution function of a normal law at the corners of a grid."""
    x, y = np.meshgrid(*axes, indexing="ij")
    if covariance[0, 1] == 0:
        return np.multiply.outer(
            *(special.ndtr((f - m) / np.sqrt(v)) for f, m, v in zip(axes, mean, np.diag(covariance), strict=True))
        )
    return multivariate_normal(mean, covariance, abseps=1e-9, releps=1e-9).cdf(np.stack([x, y], axis=-1))


def relaxed(a, d, mean, std, t):
    """Return mean and covariance of dX = -a X dt + noise after a time."""
    flow, rest = expm(-np.asarray(a) * t), solve_continuous_lyapunov(a, 2 * np.asarray(d))
    return flow @ mean, rest + flow @ (np.diag(np.square(std)) - rest) @ flow.T


def test_the_law_of_a_plane_lies_within_its_bound_and_a_slightly_wrong_one_does_not() -> None:
    a, d, start = np.diag([1.0, 0.5]), np.diag([0.5, 0.25]), (Normal(1.0, 0.6), Normal(-0.5, 0.6))
    solver = FokkerPlanck(linear_system(a, np.sqrt(2 * d)), Grid.uniform((-5, 5), (-5, 5), cells=20))
    found = evolve_refined(solver, start, t_end=0.5, dt=0.1)
    mean, covariance = relaxed(a, d, [1.0, -0.5], [0.6, 0.6], 0.5)
    every = tuple(faces[::4] for faces in found.law.grid.axes)
    assert all(np.array_equal(*pair) for pair in zip(every, found.axes, strict=True))
    exact, masses = at_corners(found.axes, mean, covariance), found.law.masses
    finest = np.pad(masses.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))[::4, ::4]
    error = np.abs(finest - exact).max()
    assert error <= found.tau <= 3 * error and 1.8 < found.order < 2.2
    assert np.abs(found.cdf - exact).max() <= min(found.tau_cdf, error / 4)
    wrong = at_corners(found.axes, *relaxed(1.05 * a, d, [1.0, -0.5], [0.6, 0.6], 0.5))
    assert np.abs(finest - wrong).max() > 2 * found.tau


@pytest.mark.slow
@pytest.mark.parametrize(
    ("process", "a", "d", "cells", "order"),
    [
        (linear_system(A, np.linalg.cholesky(2 * D)), A, D, 18, 2.0),
        (underdamped(lambda x: x**2 / 2, 0.5), [[0.0, -1.0], [1.0, 1.0]], [[0.0, 0.0], [0.0, 0.5]], 24, 1.0),
    ],
)
def test_bounds_hold_for_correlated_noise_and_for_none_along_an_axis(process, a, d, cells, order) -> None:
    solver = FokkerPlanck(process, Grid.uniform((-8, 8), (-7, 7), cells=cells))
    found = evolve_refined(solver, (Normal(0.5, 0.9), Normal(-0.3, 0.9)), t_end=0.5, dt=0.1)
    exact = at_corners(found.axes, *relaxed(np.asarray(a), d, [0.5, -0.3], [0.9, 0.9], 0.5))
    finest = np.pad(found.law.masses.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))[::4, ::4]
    error = np.abs(finest - exact).max()
    assert error <= found.tau <= 5 * error and abs(found.order - order) < 0.25
    assert np.abs(found.cdf - exact).max() <= found.tau_cdf
