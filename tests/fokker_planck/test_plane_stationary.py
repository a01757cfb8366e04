"""Stationary laws, currents, passage times and committors of two components against closed forms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.linalg import solve_continuous_lyapunov
from scipy.sparse.linalg import eigs

from fpsde import checks
from fpsde.domain import LINE, Interval, Wall
from fpsde.errors import InvalidInput, NotConverged
from fpsde.fokker_planck import FokkerPlanck, assemble_plane
from fpsde.fokker_planck.plane.generator import centres
from fpsde.fokker_planck.plane.stream import stream_of
from fpsde.grid import Grid
from fpsde.processes import CATALOGUE, linear_system, rotating_ou, underdamped
from fpsde.processes.process import Process

A = np.array([[1.0, -0.8], [0.3, 0.5]])
D = np.array([[1.0, 0.6], [0.6, 0.8]])


def passes(check) -> bool:
    return check.verdict is checks.Verdict.PASS


def quartic(x):
    return x**4 / 4 - x**2 / 2


def test_a_law_with_a_current_is_found_at_order_two_and_so_is_its_current():
    process, s = linear_system(A, np.linalg.cholesky(2 * D)), solve_continuous_lyapunov(A, 2 * D)
    np.testing.assert_allclose(s, [[1.7855855856, 0.9819819820], [0.9819819820, 1.0108108108]], atol=1e-10)
    widths, covariances, currents = [], [], []
    for cells in (32, 44, 60, 84):
        found = FokkerPlanck(process, Grid.uniform((-8, 8), (-6, 6), cells=cells)).stationary()
        assert found.residual < 1e-15 and found.law.masses.min() >= 0
        assert found.provenance["method"] == "Scharfetter-Gummel, inverse iteration"
        x = centres(found.law.grid)
        p = np.exp(-0.5 * np.einsum("in,ij,jn->n", x, np.linalg.inv(s), x)) / (2 * np.pi * np.sqrt(np.linalg.det(s)))
        exact = (-(A - D @ np.linalg.inv(s)) @ x * p).reshape(found.current.shape)  # mu p - D grad p
        widths.append(1 / cells)
        covariances.append(found.law.covariance[0, 1] - s[0, 1])
        currents.append(np.abs(found.current - exact).mean())
    assert passes(checks.grid_order(widths, covariances, expected=2)), covariances
    assert passes(checks.grid_order(widths, currents, expected=2)), currents
    assert np.abs(found.current + exact).mean() > 30 * currents[-1]  # turning the other way


def kinetic(x):
    """Drift and noise of a two-dimensional well with a mobility of its own along each axis."""
    return (-(1 + 0.3 * np.sin(x[1])) * (x[0] + 0.6 * x[1]), -0.5 * (x[1] ** 3 + 0.6 * x[0]))


def test_a_gradient_drift_has_its_boltzmann_law_from_rate_ratios_and_no_current():
    process = Process(kinetic, lambda x: (np.sqrt(2 + 0.6 * np.sin(x[1])), 1.0), dim=2, name="well")
    found = FokkerPlanck(process, Grid.uniform((-6, 6), (-4, 4), cells=(60, 50))).stationary()
    assert found.provenance["method"].endswith("rate ratios") and found.residual < 1e-14
    x = centres(found.law.grid)
    law = np.exp(-(0.5 * x[0] ** 2 + 0.25 * x[1] ** 4 + 0.6 * x[0] * x[1]))
    np.testing.assert_allclose(found.law.masses.ravel(), law / law.sum(), rtol=1e-11)
    assert np.abs(found.current).max() < 1e-12
    read_as_ito = replace(process, sigma=lambda x: (np.sqrt(2 + 0.6 * np.sin(x[0])), 1.0))  # d(D dp) for d d(D p)
    wrong = FokkerPlanck(read_as_ito, found.law.grid).stationary()
    assert np.abs(wrong.law.masses.ravel() - law / law.sum()).sum() > 0.05


def test_klein_kramers_has_its_gibbs_law_exactly_and_the_numbers_of_the_reference():
    process = underdamped(quartic, 0.1, friction=1.0)
    weight = lambda x: np.exp(-quartic(x) / 0.1)  # noqa: E731
    z, second = (quad(lambda x, k=k: x**k * weight(x), -4, 4, epsabs=1e-13)[0] for k in (0, 2))
    assert z == pytest.approx(15.17019617, rel=1e-9) and second / z == pytest.approx(0.8713629081, rel=1e-9)
    found = FokkerPlanck(process, Grid.uniform((-2.4, 2.4), (-2.2, 2.2), cells=80)).stationary()
    assert found.residual < 1e-14 and max(found.peclet) < 1
    x, v = centres(found.law.grid)
    gibbs = np.exp(-(v**2 / 2 + quartic(x)) / 0.1)
    np.testing.assert_allclose(found.law.masses.ravel(), gibbs / gibbs.sum(), rtol=1e-6, atol=1e-13)
    assert found.law.covariance[0, 0] == pytest.approx(second / z, abs=1e-6)  # sums over cells of a smooth law
    assert found.law.covariance[1, 1] == pytest.approx(0.1, abs=1e-6)
    turning = found.current[0] * np.sign(v.reshape(found.law.grid.shape))
    assert turning.sum() > 100 * np.abs(np.minimum(turning, 0)).sum()  # to the right where v > 0


def test_the_slowest_rate_of_klein_kramers_comes_at_order_one():
    process, errors, cells = underdamped(quartic, 0.1, friction=1.0), [], (40, 56, 80, 112)
    for n in cells:
        q = assemble_plane(process, Grid.uniform((-2.4, 2.4), (-2.2, 2.2), cells=n))
        near = eigs(q.matrix, k=2, sigma=1e-3, return_eigenvectors=False)
        errors.append(-np.sort(near.real)[0] / 0.02251921 - 1)
    assert 0.02 < errors[-1] < 0.035
    assert passes(checks.grid_order(1 / np.array(cells), errors, expected=1)), errors


def test_a_flow_with_a_law_that_is_not_stated_is_upwind_at_order_one():
    # x'' + (x^2 + v^2 - 1) v + x = sqrt(2) xi has the law exp(H - H^2), H = (x^2 + v^2)/2
    process = Process(
        lambda x: (x[1], -(x[0] ** 2 + x[1] ** 2 - 1) * x[1] - x[0]), lambda x: (0.0, np.sqrt(2.0)), dim=2, name="ring"
    )
    z = 2 * np.pi * quad(lambda r: r * np.exp(r**2 / 2 - r**4 / 4), 0, 6)[0]
    second = 2 * np.pi * quad(lambda r: r**3 * np.exp(r**2 / 2 - r**4 / 4), 0, 6)[0] / z
    assert 1 / z == pytest.approx(0.0919846020, rel=1e-6) and second == pytest.approx(1.5779563627, rel=1e-6)
    errors, cells = [], (64, 88, 120, 168)
    for n in cells:
        found = FokkerPlanck(process, Grid.uniform((-3.6, 3.6), (-3.6, 3.6), cells=n)).stationary()
        errors.append(np.trace(found.law.covariance) - second)
    assert passes(checks.grid_order(1 / np.array(cells), errors, expected=1)), errors


@pytest.mark.parametrize(("name", "box"), [("duffing", (4.0, 4.5)), ("energy_van_der_pol", (3.2, 3.2))])
def test_oscillators_of_the_catalogue_have_their_known_moments(name, box):
    process = CATALOGUE[name]()
    grid = Grid.uniform(*((-size, size) for size in box), cells=90)
    found = FokkerPlanck(process, grid).stationary()
    exact, tolerance = process.exact.stationary_covariance(), 1e-4 if name == "duffing" else 0.05
    np.testing.assert_allclose(found.law.covariance, exact, atol=tolerance)
    np.testing.assert_allclose(found.law.mean, 0, atol=1e-6)
    assert (stream_of(process) is not None) == (name == "duffing")


def test_a_ring_that_is_driven_carries_a_current_and_one_that_is_not_keeps_gibbs_law():
    grid = Grid.uniform((0, 2 * np.pi), (-4.5, 5.5), cells=(36, 60))
    still, driven = (
        FokkerPlanck(CATALOGUE["underdamped_washboard"](tilt=tilt), grid).stationary() for tilt in (0.0, 0.5)
    )
    x, v = centres(grid)
    gibbs = np.exp(-(v**2 / 2 - np.cos(x)) / 0.4)
    np.testing.assert_allclose(still.law.masses.ravel(), gibbs / gibbs.sum(), rtol=1e-8, atol=1e-15)
    through = driven.current[0].sum(axis=1)  # the same across every line of cells: what enters the ring comes round
    np.testing.assert_allclose(through, through[0], rtol=1e-9)
    assert through[0] > 100 * np.abs(still.current[0].sum(axis=1)).max() > 0


def brownian(drift=(0.0, 0.0), domain=LINE):
    return Process(
        lambda x: tuple(v + 0 * x[0] for v in drift), lambda x: (1.0, 1.0), dim=2, domain=domain, name="walk"
    )


def test_the_mean_time_out_of_a_disc_and_out_of_a_strip():
    grid = Grid.uniform((-1.2, 1.2), (-1.2, 1.2), cells=121)
    found = FokkerPlanck(brownian(), grid).passage_time((0.0, 0.0), lambda x, y: x**2 + y**2 >= 1)
    x, y = centres(grid)
    exact = np.maximum(1 - x**2 - y**2, 0) / 2  # (R^2 - r^2)/(4 D), D = 1/2
    assert np.abs(found.means.values.ravel() - exact).max() < 0.03 and found.means.values.min() == 0
    assert found.mean == pytest.approx(0.5, abs=0.03)
    assert found.variance == pytest.approx(1 / 8, abs=0.01)  # E T^2 = 3/8: nabla^2 u/2 = -2 (1 - r^2)/2
    strip = Interval.between(-1.2, 1.2, Wall.ABSORBING), Interval.between(-1.2, 1.2, Wall.REFLECTING)
    inside = FokkerPlanck(brownian(domain=strip), grid)
    out = inside.passage_time((0.3, 0.4), lambda x, y: x > 1.2 - 0.02)  # the wall at -1.2 ends the time too
    at, end = x.reshape(grid.shape)[:, 0], x.max()
    np.testing.assert_allclose(out.means.values[:, 30], (at + 1.2) * (end - at), atol=2e-4)
    assert out.mean == pytest.approx(1.5 * (end - 0.3), abs=4e-4)  # linear between centres: h^2/4 |u''| at most
    assert out.mean == pytest.approx(float(out.means(0.3, -1.0)), rel=1e-12)


def test_a_committor_is_linear_where_there_is_no_drift_and_exponential_where_there_is():
    grid = Grid.uniform((0, 1), (0, 1), cells=(41, 12))
    x = centres(grid)[0].reshape(grid.shape)
    left, right = (lambda x, y: x < 0.02), (lambda x, y: x > 0.98)
    walls = Interval.between(0, 1, Wall.REFLECTING)
    length = x[-1, 0] - x[0, 0]
    s = (x - x[0, 0]) / length
    still = FokkerPlanck(brownian(domain=walls), grid).committor(left, right)
    np.testing.assert_allclose(still.values, s, atol=1e-12)
    np.testing.assert_allclose(still(np.array([0.4, 0.999]), 0.123), [(0.4 - x[0, 0]) / length, 1.0], rtol=1e-12)
    driven = FokkerPlanck(brownian((1.5, 0.4), walls), grid).committor(left, right)
    np.testing.assert_allclose(driven.values, np.expm1(-3 * s * length) / np.expm1(-3 * length), atol=1e-12)
    back = FokkerPlanck(brownian((1.5, 0.4), walls), grid).committor(right, left)
    np.testing.assert_allclose(back.values, 1 - driven.values, atol=1e-12)
    with pytest.raises(InvalidInput, match=r"y from 1\.2 to 1\.2 reaches beyond the grid \[0\.0, 1\.0\]"):
        still(0.5, 1.2)


def test_what_has_no_stationary_law_or_target_is_refused_with_numbers():
    grid = Grid.uniform((-1, 1), (-1, 1), cells=(10, 12))
    solver = FokkerPlanck(brownian(domain=Interval.between(-1, 1, Wall.REFLECTING)), grid)
    for target, message in (
        (lambda x, y: x > 2, r"target holds 0 of 120 cells; it must hold some, and leave some"),
        (lambda x, y: x < 2, r"target holds 120 of 120 cells"),
        (lambda x, y: x + 2, r"target holds 0 of 120 cells"),
        (lambda x, y: 1j * x, r"target has dtype complex128 and shape \(120,\); give a function \(x, y\) -> bool"),
        (lambda x, y: np.where(x < 0, np.nan, x), r"target has dtype float64 and shape \(120,\); .* a finite one"),
        (lambda x, y: (x - y)[:3], r"target has dtype float64 and shape \(3,\)"),
        (lambda x: x > 0, r"<lambda> takes \['x'\]; target takes \(x, y\)"),
        (np.ones((10, 10), dtype=bool), r"target has dtype bool and shape \(10, 10\)"),
    ):
        with pytest.raises(InvalidInput, match=message):
            solver.passage_time((0.0, 0.0), target)
    for x0, message in (
        ((0.5, 0.0), r"x0=\(0\.5, 0\.0\) lies in the target"),
        ((0.0, 3.0), r"x0\[1\]=3\.0 lies outside of the grid \[-1\.0, 1\.0\]; extend the grid"),
        ((0.0, 0.0, 0.0), r"x0=\(0\.0, 0\.0, 0\.0\); give a pair of numbers"),
    ):
        with pytest.raises(InvalidInput, match=message):
            solver.passage_time(x0, lambda x, y: x > 0.2)
    with pytest.raises(InvalidInput, match=r"a and b have 24 cells in common; they must not overlap"):
        solver.committor(lambda x, y: x < 0, lambda x, y: x > -0.4)
    with pytest.raises(InvalidInput, match=r"walk is absorbed at a wall and leaves no stationary law"):
        FokkerPlanck(brownian(domain=Interval.between(-1, 1, Wall.ABSORBING)), grid).stationary()
    with pytest.raises(
        InvalidInput, match=r"along axis 0 does not hold walk: \S+ of the mass lay in the 1 outermost cell"
    ):
        FokkerPlanck(brownian(), grid).stationary()
    swinging = replace(brownian(), drift=lambda x, t: (np.sin(t), -x[1]))
    for ask in (lambda s: s.stationary(), lambda s: s.passage_time((-0.5, 0.0), lambda x, y: x > 0)):
        with pytest.raises(InvalidInput, match=r"walk depends on time and has (no|passage times)"):
            ask(FokkerPlanck(swinging, grid))


def test_parts_that_do_not_communicate_are_refused():
    parted = Process(lambda x: (0.0 * x[0], -x[1]), lambda x: (0.0 * x[0], 1.0), dim=2, name="parted")
    solver = FokkerPlanck(parted, Grid.uniform((-1, 1), (-4, 4), cells=(4, 30)))
    with pytest.raises(
        NotConverged, match=r"cannot be reached from 90 of 120 cells of the grid, such as the one at x=\(-0"
    ):
        solver.passage_time((0.0, 0.0), lambda x, y: x > 0.5)


def test_a_law_on_a_torus_with_a_drift_round_it_has_the_current_of_the_drift():
    ring = Interval.between(0, 1, Wall.PERIODIC)
    solver = FokkerPlanck(brownian((1.3, -0.4), (ring, ring)), Grid.uniform((0, 1), (0, 1), cells=(12, 9)))
    found = solver.stationary()
    np.testing.assert_allclose(found.law.masses, 1 / 108, rtol=1e-12)
    np.testing.assert_allclose(found.current[0], 1.3, rtol=1e-11)
    np.testing.assert_allclose(found.current[1], -0.4, rtol=1e-11)
    turned = FokkerPlanck(rotating_ou(1.0, 1.0), Grid.uniform((-6, 6), (-6, 6), cells=40)).stationary()
    assert turned.current[0, 20, 30] > 0 > turned.current[0, 20, 10]
