"""Error bars from three grids of a plane: they hold, are not wasteful, and say where the order is 1."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import solve_continuous_lyapunov

from fpsde.domain import Interval, Wall
from fpsde.errors import NotConverged
from fpsde.fokker_planck import FokkerPlanck, assemble_plane, estimate_refined
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
