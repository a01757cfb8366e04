"""Stationary laws of a plane in central differences of high order: orders, currents, signs, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import solve_continuous_lyapunov

from fpsde import checks
from fpsde.domain import Interval, Wall
from fpsde.errors import InvalidInput, NotConverged
from fpsde.fokker_planck import FokkerPlanck
from fpsde.grid import Grid
from fpsde.processes import linear_system, overdamped
from fpsde.processes.process import Process

A = np.array([[1.0, -0.8], [0.3, 0.5]])
D = np.array([[1.0, 0.6], [0.6, 0.8]])
LEGENDRE, WEIGHTS = np.polynomial.legendre.leggauss(6)


def cell_means(f, grid):
    """Return the means of ``f`` (x, y) over cells by six Gauss points along each axis, ``(..., n_1, n_2)``."""
    points = [(faces[:-1, None] + np.diff(faces)[:, None] * 0.5 * (1 + LEGENDRE)).ravel() for faces in grid.axes]
    values = np.asarray(f(*np.meshgrid(*points, indexing="ij")))
    n, m = grid.shape
    return np.einsum("...iajb,a,b->...ij", values.reshape(*values.shape[:-2], n, 6, m, 6), WEIGHTS / 2, WEIGHTS / 2)


def cell_masses(density, grid):
    means = cell_means(density, grid)
    return means / means.sum()


def along(found, exact):
    """Return the relative error of the part along the exact one: a smooth function of the cell width."""
    return float(np.sum((found - exact) * exact) / np.sum(exact**2))


def order_seen(counts, errors, expected):
    judged = checks.grid_order(1 / np.array(counts), errors, expected=expected)
    assert judged.verdict is checks.Verdict.PASS, (judged, errors)


@pytest.mark.parametrize("order", [pytest.param(4, marks=pytest.mark.slow), 6])
def test_a_law_with_a_current_and_its_current_are_met_at_the_order(order):
    """A non-normal linear system with correlated noise: N(0, S) with A S + S A^T = 2 D, J = -(A - D S^-1) x p."""
    process, s = linear_system(A, np.linalg.cholesky(2 * D)), solve_continuous_lyapunov(A, 2 * D)
    inverse, counts, laws, currents = np.linalg.inv(s), (60, 72, 88, 108), [], []

    def density(x, y):
        quadratic = inverse[0, 0] * x**2 + 2 * inverse[0, 1] * x * y + inverse[1, 1] * y**2
        return np.exp(-0.5 * quadratic) / (2 * np.pi * np.sqrt(np.linalg.det(s)))

    for n in counts:
        grid = Grid.uniform((-9, 9), (-6.9, 6.9), cells=n)
        found = FokkerPlanck(process, grid).stationary_to_high_order(order=order)
        current = cell_means(lambda x, y: -np.tensordot(A - D @ inverse, np.stack([x, y]), 1) * density(x, y), grid)
        laws.append(along(found.law.masses, cell_masses(density, grid)))
        currents.append(along(found.current, current))
        assert found.law.mass == pytest.approx(1, abs=1e-9) and found.residual < 1e-8
        assert found.negative_mass < 1e-6 and max(found.edge) < 1e-7
    assert found.provenance["method"].startswith(f"central differences of order {order}, ")
    order_seen(counts, laws, order)
    order_seen(counts, currents, order)
    faster = linear_system(1.01 * A, np.linalg.cholesky(2 * D))  # a drift that is off by one per cent
    wrong = FokkerPlanck(faster, grid).stationary_to_high_order(order=order).law.masses
    assert abs(along(wrong, cell_masses(density, grid))) > 20 * abs(laws[-1])


def test_variable_noise_on_a_torus_is_met_at_order_six():
    """p = exp(0.8 cos x + 0.5 sin(x + y)); mu_i = D_ii d_i log p + d_i D_ii + J_i/p, J = curl(0.4 sin y cos x)."""

    def log_density(x, y):
        return 0.8 * np.cos(x) + 0.5 * np.sin(x + y)

    def drift(x):
        slope = 0.5 * np.cos(x[0] + x[1])
        p = np.exp(log_density(x[0], x[1]))
        first, second = 1 + 0.3 * np.sin(x[0] + 2 * x[1]), 0.8 + 0.2 * np.cos(x[1])
        return (
            first * (slope - 0.8 * np.sin(x[0]))
            + 0.3 * np.cos(x[0] + 2 * x[1])
            + 0.4 * np.cos(x[1]) * np.cos(x[0]) / p,
            second * slope - 0.2 * np.sin(x[1]) + 0.4 * np.sin(x[1]) * np.sin(x[0]) / p,
        )

    def sigma(x):
        return np.sqrt(2 + 0.6 * np.sin(x[0] + 2 * x[1])), np.sqrt(1.6 + 0.4 * np.cos(x[1]))

    ring = Interval.between(0, 2 * np.pi, Wall.PERIODIC)
    process, counts, errors = Process(drift, sigma, dim=2, domain=(ring, ring)), (22, 28, 36, 46), []
    for n in counts:
        grid = Grid.uniform((0, 2 * np.pi), (0, 2 * np.pi), cells=(n, n + 2))
        found = FokkerPlanck(process, grid).stationary_to_high_order()
        errors.append(along(found.law.masses, cell_masses(lambda x, y: np.exp(log_density(x, y)), grid)))
        assert found.law.masses.min() > 0 and found.negative_mass == 0
    order_seen(counts, errors, 6)


def turning(x):
    """-(1 + J) grad U for U = (x^2 - 1)^2 + y^2/2 + x y/2, J a quarter turn: the law is Boltzmann's."""
    along, across = 4 * x[0] * (x[0] ** 2 - 1) + 0.5 * x[1], x[1] + 0.5 * x[0]
    return -along + across, -across - along


WELLS = Process(turning, lambda x: (np.sqrt(0.8), np.sqrt(0.8)), dim=2, name="turning wells")


def test_two_wells_with_a_current_take_few_cells():
    grid = Grid.uniform((-2.5, 2.5), (-4.2, 4.2), cells=(88, 80))
    exact = cell_masses(lambda x, y: np.exp(-((x**2 - 1) ** 2 + 0.5 * y**2 + 0.5 * x * y) / 0.4), grid)
    solver = FokkerPlanck(WELLS, grid)
    found, positive = solver.stationary_to_high_order(), solver.stationary()
    assert np.abs(found.law.masses - exact).sum() < 1e-4 < 2e-3 < np.abs(positive.law.masses - exact).sum()
    assert 0 < found.negative_mass < 1e-6 and positive.negative_mass == 0
    np.testing.assert_allclose(found.current, positive.current, atol=0.05 * np.abs(found.current).max())


def test_what_it_cannot_do_is_refused():
    grid = Grid.uniform((-2.5, 2.5), (-4.2, 4.2), cells=20)
    with pytest.raises(
        (InvalidInput, NotConverged), match=r"grid is too coarse.*take narrower cells(, or stationary| or a larger box)"
    ):
        FokkerPlanck(WELLS, grid).stationary_to_high_order()
    with pytest.raises(InvalidInput, match=r"order=5 is not one of 4, 6, 8, 10"):
        FokkerPlanck(WELLS, grid).stationary_to_high_order(order=5)
    swinging = replace(WELLS, drift=lambda x, t: (np.sin(t) - x[0], -x[1]))
    with pytest.raises(InvalidInput, match=r"turning wells depends on time and has no stationary law"):
        FokkerPlanck(swinging, grid).stationary_to_high_order()
    uneven = Grid((np.linspace(-2.5, 2.5, 21), 4.2 * np.linspace(-1, 1, 21) ** 3))
    with pytest.raises(InvalidInput, match=r"central differences need equal ones"):
        FokkerPlanck(WELLS, uneven).stationary_to_high_order()
    walled = overdamped(lambda x: x[0] ** 2 + x[1] ** 2, dim=2, domain=(Interval.between(-1, 1, Wall.REFLECTING),) * 2)
    with pytest.raises(InvalidInput, match=r"wall: reflecting"):
        FokkerPlanck(walled, Grid.uniform((-1, 1), (-1, 1), cells=20)).stationary_to_high_order()
    small = Grid.uniform((-1.6, 1.6), (-2, 2), cells=60)
    with pytest.raises(
        (InvalidInput, NotConverged), match=r"does not hold turning wells|or does not hold the law|below"
    ):
        FokkerPlanck(WELLS, small).stationary_to_high_order()
