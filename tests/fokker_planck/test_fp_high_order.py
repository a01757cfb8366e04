"""The high-order mode: orders 4 to 10 of cell masses on lines, rings and planes, bounded negative mass, refusals."""

from dataclasses import replace

import numpy as np
import pytest
from cell_masses import gathered, normal_masses, order_of
from scipy import special
from scipy.linalg import expm

import fpsde
from fpsde import checks
from fpsde.density import Mixture, Normal
from fpsde.domain import Interval, Wall
from fpsde.errors import InvalidInput, NotConverged
from fpsde.fokker_planck.high_order import chebyshev, evolution, rational_bands
from fpsde.fokker_planck.high_order.differences import Differences, differences
from fpsde.fokker_planck.high_order.stencils import ORDERS, stencils_of
from fpsde.fokker_planck.plane.coefficients import Coefficients, plane_differences
from fpsde.fokker_planck.plane.results import largest_between, steepest_change
from fpsde.fokker_planck.rational import UNIT
from fpsde.fokker_planck.sides import sides_of
from fpsde.grid import Grid
from fpsde.processes import double_well, linear_system, manufactured, ornstein_uhlenbeck

OU = ornstein_uhlenbeck(theta=1.0, mean=0.0, sigma=float(np.sqrt(2)))
START = Mixture([0.3, 0.7], [Normal(-1.0, 0.6), Normal(1.0, 0.5)])
A, D = np.array([[1.0, 0.5], [-0.5, 1.5]]), np.array([[1.0, 0.4], [0.4, 0.6]])
PLANE = linear_system(A, np.linalg.cholesky(2 * D))


def passes(check) -> bool:
    return check.verdict is checks.Verdict.PASS


@pytest.mark.parametrize("order", ORDERS)
def test_stencils_are_exact_on_polynomials_below_their_order_and_not_above(order) -> None:
    """Of one value and the cells about it; polynomials are x^degree over what weights of one sign would make of it."""
    stencils = stencils_of(order)

    def off(weights, sign, f, exact):
        reach = len(weights) - 1
        values = f(np.arange(-reach, reach + 1))
        two_sided = np.concatenate([sign * weights[:0:-1], weights])
        return abs(two_sided @ values - exact) / max(1.0, np.abs(two_sided) @ np.abs(values))

    for degree in range(order + 3):

        def power(k, degree=degree):
            return k.astype(float) ** degree

        def mean(k, degree=degree):
            return ((k + 0.5) ** (degree + 1) - (k - 0.5) ** (degree + 1)) / (degree + 1)

        errors = {
            "first": off(np.concatenate([[0.0], stencils.first]), -1, power, 1.0 * (degree == 1)),
            "second": off(stencils.second, 1, power, 2.0 * (degree == 2)),
            "average": off(stencils.average, 1, power, mean(np.zeros(1))[0]),
            "value": off(stencils.value, 1, mean, 1.0 * (degree == 0)),
        }
        lost = {"first": order + 1, "second": order + 2, "average": order, "value": order}
        for name, error in errors.items():
            assert (error > 1e-9) if degree == lost[name] else error < 1e-13 or degree > lost[name], (name, degree)


#: Of the orders, those that the fast tests take.
SOME = [pytest.param(order, marks=[] if order in (6, 8) else pytest.mark.slow) for order in ORDERS]


@pytest.mark.parametrize("order", SOME)
def test_cell_masses_of_ornstein_uhlenbeck_are_met_at_the_order(order) -> None:
    exact, errors = OU.exact.marginal(START, 0.5), []
    cells, coarse = (
        {8: (80, 100, 120, 160), 10: (64, 72, 80, 96)}.get(order, (60, 80, 120, 160)),
        20 if order < 10 else 8,
    )
    for n in cells:
        run = fpsde.FokkerPlanck(OU, Grid.uniform((-7, 7), cells=n)).evolve_to_high_order(START, t_end=0.5, order=order)
        errors.append(gathered(run.law.masses - np.diff(exact.cdf(run.law.grid.faces)), (coarse,)))
        assert run.mass_error < 1e-10 and run.time_error < 1e-9
    found = order_of(errors, cells, order)
    assert passes(found) and (found.high - found.low < 1.5 or order == 10)
    for other in (2, *ORDERS):
        assert other == order or not passes(order_of(errors, cells, other))


def test_the_double_well_is_met_at_order_six_and_far_below_the_positive_generator() -> None:
    """Against 1600 cells of the generator in natural scale, extrapolated: an independent discretisation."""
    well, start = double_well(0.25), Normal(-1.0, 0.2)
    fine = [
        fpsde.FokkerPlanck(well, Grid.uniform((-2.2, 2.2), cells=n), assemble=fpsde.scale_speed).evolve(
            start, t_end=1.0
        )
        for n in (1600, 3200)
    ]
    coarse = [gathered(run.law.masses, (80,)) for run in fine]
    exact = (4 * coarse[1] - coarse[0]) / 3
    solver = fpsde.FokkerPlanck(well, Grid.uniform((-2.2, 2.2), cells=160))
    high, low = solver.evolve_to_high_order(start, t_end=1.0), solver.evolve(start, t_end=1.0)
    errors = [np.abs(gathered(run.law.masses, (80,)) - exact).sum() for run in (high, low)]
    assert errors[0] < 2e-6
    assert errors[0] < errors[1] / 200


@pytest.mark.parametrize("order", [pytest.param(4, marks=pytest.mark.slow), 6])
def test_variable_noise_on_a_ring_is_met_at_the_order(order) -> None:
    """A manufactured law that stands still, with a drift that is derived: a wave in D and a wave in p, on one turn."""
    ring = Interval.between(0.0, 2 * np.pi, Wall.PERIODIC)
    process = manufactured(lambda x: 0.8 * np.cos(x) + 0.3 * np.sin(2 * x), lambda x: 1 + 0.4 * np.sin(x), domain=ring)
    law, errors, cells = process.exact.stationary(), [], (24, 36, 48, 72)
    for n in cells:
        grid = Grid.uniform((0.0, 2 * np.pi), cells=n)
        run = fpsde.FokkerPlanck(process, grid).evolve_to_high_order(law, t_end=20.0, order=order, tolerance=1e-11)
        assert "Chebyshev" in run.provenance["method"]
        errors.append(gathered(run.law.masses - np.diff(law.cdf(grid.faces)), (12,)))
    assert passes(order_of(errors, cells, order, floor=1e-11))
    assert not passes(order_of(errors, cells, 10 - order, floor=1e-11))


@pytest.mark.parametrize("order", [6, *(pytest.param(order, marks=pytest.mark.slow) for order in (4, 8, 10))])
def test_a_plane_with_correlated_noise_is_met_at_the_order(order) -> None:
    """Non-normal drift: the covariance of the law in time is exact, its masses are read from a fine product rule."""
    t, start = 0.5, (Normal(1.0, 0.6), Normal(0.5, 0.5))
    spread = PLANE.exact.covariance((1.0, 0.5), t)
    decay = expm(-A * t)
    covariance = decay @ np.diag([0.36, 0.25]) @ decay.T + spread
    mean, errors = decay @ [1.0, 0.5], []
    cells, tolerance = ((60, 80, 120, 160), 1e-10) if order < 8 else ((60, 70, 80, 90), 1e-11)
    for n in cells:
        grid = Grid.uniform((-5.5, 6.5), (-5.0, 5.0), cells=(n, n))
        run = fpsde.FokkerPlanck(PLANE, grid).evolve_to_high_order(start, t_end=t, order=order, tolerance=tolerance)
        errors.append(gathered(run.law.masses - normal_masses(mean, covariance, grid), (10, 10)))
        assert run.negative_mass < 1e-7 and run.mass_error < 1e-9
    assert passes(order_of(errors, cells, order, floor=tolerance))
    assert not any(passes(order_of(errors, cells, other, floor=tolerance)) for other in ORDERS if other != order)


def test_negative_mass_is_in_the_result_and_bounded() -> None:
    """At an error of 1e-4 the dips are below 1e-7 of the largest mass; a positive method has none."""
    exact = OU.exact.marginal(Normal(1.0, 0.4), 1.0)
    solver = fpsde.FokkerPlanck(OU, Grid.uniform((-7, 7), cells=48))
    run = solver.evolve_to_high_order(Normal(1.0, 0.4), t_end=1.0)
    assert 1e-6 < np.abs(run.law.masses - np.diff(exact.cdf(solver.grid.faces))).sum() < 1e-4
    assert run.minimum >= -1e-7 * run.law.masses.max()
    assert run.negative_mass == pytest.approx(-run.law.masses[run.law.masses < 0].sum(), abs=1e-18)
    assert run.negative_mass > 0
    assert solver.evolve(Normal(1.0, 0.4), t_end=1.0, dt=0.1).negative_mass == 0


@pytest.mark.slow
@pytest.mark.parametrize("order", ORDERS)
def test_on_a_line_every_order_keeps_the_bound_at_an_error_of_1e_4(order) -> None:
    """On the fewest cells that reach it, by fours; order 6 on a third less of them does not, and is refused."""
    for t, all_cells in ((1.0, {4: 72, 6: 44, 8: 36, 10: 32}), (0.3, {4: 84, 6: 52, 8: 44, 10: 36})):
        exact = OU.exact.marginal(Normal(1.0, 0.4), t)
        solver = fpsde.FokkerPlanck(OU, Grid.uniform((-7, 7), cells=all_cells[order]))
        run = solver.evolve_to_high_order(Normal(1.0, 0.4), t_end=t, order=order)
        assert 1e-6 < np.abs(run.law.masses - np.diff(exact.cdf(solver.grid.faces))).sum() < 1e-4
        assert run.minimum >= -1e-7 * run.law.masses.max()
    with pytest.raises(InvalidInput, match="the bound of the high-order mode"):
        fpsde.FokkerPlanck(OU, Grid.uniform((-7, 7), cells=34)).evolve_to_high_order(Normal(1.0, 0.4), t_end=0.3)


BOX_OF_PLANE, START_ON_PLANE = ((-5.5, 5.5), (-4.5, 4.5)), (Normal(1.0, 0.5), Normal(-0.5, 0.5))


@pytest.mark.slow
@pytest.mark.parametrize("order", ORDERS)
def test_on_a_plane_the_bound_holds_on_the_fewest_cells_that_meet_an_error(order) -> None:
    """Of 1e-4, and 1e-5 but for order 4; on two cells less along each axis the error is larger."""
    fewest = {
        4: {0.5: (96,), 1.0: (94,)},
        6: {0.5: (54, 80), 1.0: (52, 78)},
        8: {0.5: (42, 56), 1.0: (40, 54)},
        10: {0.5: (36, 46), 1.0: (34, 44)},
    }
    for t, cells in fewest[order].items():
        for level, most in zip((1e-4, 1e-5), cells, strict=False):
            errors = []
            for n in (most - 2, most):
                solver = fpsde.FokkerPlanck(PLANE, Grid.uniform(*BOX_OF_PLANE, cells=n))
                run = solver.evolve_to_high_order(START_ON_PLANE, t_end=t, order=order)
                errors.append(np.abs(run.law.masses - exact_masses(run.law.grid, t)).sum())
                assert run.minimum >= -1e-7 * run.law.masses.max()
            assert errors[1] < level < errors[0]


def test_dips_of_what_an_expansion_leaves_off_are_mended_and_those_of_the_cells_refused() -> None:
    def solver(n):
        return fpsde.FokkerPlanck(PLANE, Grid.uniform(*BOX_OF_PLANE, cells=n))

    one = solver(44)
    operator, start = plane_differences(Coefficients(PLANE, one.grid, 0.0, one._sides), stencils_of(6)), one._start
    masses, begin = np.empty((1, 44 * 44)), start(START_ON_PLANE)
    evolution.carry_by_products(operator, begin.masses, np.ones(1), 1e-3, masses)
    assert masses.min() < -5e-7 * masses.max()
    run = one.evolve_to_high_order(START_ON_PLANE, t_end=1.0, tolerance=1e-3)
    assert -1e-7 * run.law.masses.max() <= run.minimum < 0 and run.time_error < 1e-8
    assert np.abs(run.law.masses - exact_masses(one.grid, 1.0)).sum() < 3e-4
    with pytest.raises(InvalidInput, match=r"masses fall to -5\S+ of the largest.* take narrower cells, or evolve"):
        solver(36).evolve_to_high_order(START_ON_PLANE, t_end=1.0)


def test_several_times_are_those_of_single_runs() -> None:
    solver = fpsde.FokkerPlanck(OU, Grid.uniform((-7, 7), cells=80))
    run = solver.evolve_to_high_order(START, t_end=1.0, times=[0.3, 0.7])
    assert run.times == (0.3, 0.7, 1.0)
    alone = solver.evolve_to_high_order(START, t_end=0.7)
    assert np.abs(run.laws[1].masses - alone.law.masses).sum() < 1e-6


@pytest.mark.parametrize("order", SOME)
def test_the_exponential_of_bands_is_that_of_the_dense_matrix(order) -> None:
    solver = fpsde.FokkerPlanck(double_well(0.25), Grid.uniform((-2.2, 2.2), cells=60))
    operator = operator_of(solver, order)
    reach = order // 2
    matrix = sum(
        np.diag(row[max(0, -k) : len(row) - max(0, k)], k)
        for k, row in zip(range(-reach, reach + 1), operator.bands, strict=True)
    )
    values = np.exp(-0.5 * ((solver.grid.centres + 1) / 0.3) ** 2)
    expected = expm(0.7 * matrix) @ values
    found, error = by_bands(operator, values, 0.7, 1e-9)
    assert found == pytest.approx(expected, abs=1e-9)
    assert error < 1e-9


def operator_of(solver, order=6):
    sides = (sides_of(solver.process.domain, solver.grid),)
    return differences(solver.process, solver.grid, sides, 0.0, stencils_of(order))


def by_bands(operator, values, t, tolerance):
    found = np.empty(len(values))
    distances, (width,) = operator.stencils.distances, operator.widths
    error, _, _ = rational_bands.refined(operator.bands, distances, width * values, t, tolerance, found)
    assert error <= tolerance
    return found / width, error


def test_a_drift_that_is_off_by_a_percent_is_seen() -> None:
    solver = fpsde.FokkerPlanck(OU, Grid.uniform((-7, 7), cells=80))
    operator, faces = operator_of(solver), solver.grid.faces
    values = evolution.values_from(operator, np.diff(START.cdf(faces)))
    exact = np.diff(OU.exact.marginal(START, 0.5).cdf(faces))
    off = []
    for one in (operator, replace(operator, drift=0.99 * operator.drift)):
        found, _ = by_bands(one, values, 0.5, 1e-8)
        off.append(np.abs(evolution.along_all(operator, found, operator.stencils.average) - exact).sum())
    assert off[0] < 1e-4 < 1e-3 < off[1]


BOX = Interval.between(0.0, 1.0, Wall.REFLECTING)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: fpsde.FokkerPlanck(
                fpsde.brownian(domain=BOX), Grid.uniform((0, 1), cells=50)
            ).evolve_to_high_order(Normal(0.5, 0.05), t_end=0.1),
            InvalidInput,
            r"reaches the end of the domain of .* \(wall: reflecting\)",
        ),
        (
            lambda: fpsde.FokkerPlanck(OU, Grid((np.cumsum([-7, *np.linspace(0.1, 0.6, 40)]),))).evolve_to_high_order(
                START, t_end=0.1
            ),
            InvalidInput,
            "central differences need equal ones",
        ),
        (
            lambda: fpsde.FokkerPlanck(OU, Grid.uniform((-7, 7), cells=80)).evolve_to_high_order(0.3, t_end=0.1),
            InvalidInput,
            "the start is rough on this grid",
        ),
        (
            lambda: fpsde.FokkerPlanck(OU, Grid.uniform((-7, 7), cells=24)).evolve_to_high_order(
                Normal(1.0, 0.7), t_end=0.05
            ),
            InvalidInput,
            "the bound of the high-order mode",
        ),
        (
            lambda: fpsde.FokkerPlanck(OU, Grid.uniform((-7, 7), cells=80)).evolve_to_high_order(
                START, t_end=1, order=5
            ),
            InvalidInput,
            "order=5 is not one of 4, 6, 8, 10",
        ),
        (
            lambda: fpsde.FokkerPlanck(OU, Grid.uniform((-7, 7), cells=4)).evolve_to_high_order(
                START, t_end=1, order=10
            ),
            InvalidInput,
            "4 cells along an axis, and order 10 reaches 5 cells away",
        ),
        (
            lambda: fpsde.FokkerPlanck(OU, Grid.uniform((-2, 2), cells=80)).evolve_to_high_order(
                Normal(0.0, 0.3), t_end=1.0
            ),
            InvalidInput,
            "does not hold",
        ),
        (
            lambda: fpsde.FokkerPlanck(OU, Grid.uniform((-7, 7), cells=80)).evolve_to_high_order(
                START, t_end=1.0, tolerance=1e-17
            ),
            NotConverged,
            "is not reached",
        ),
    ],
)  # fmt: skip
def test_what_the_mode_cannot_do_is_refused(make, error, message) -> None:
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("order", [5, 6.0, "6", np.array([4, 6]), None])
def test_an_order_that_is_none_is_refused(order) -> None:
    with pytest.raises(InvalidInput, match=r"order=.* is not one of 4, 6, 8, 10; evolve is of order 2"):
        stencils_of(order)


@pytest.mark.parametrize(
    ("process", "cells", "start", "order", "error", "message"),
    [
        (PLANE, 44, (1.0, -0.5), 6, InvalidInput, "the start is rough on this grid"),
        (PLANE, (4, 44), START_ON_PLANE, 10, InvalidInput, "4 cells along an axis, and order 10 reaches 5"),
        (linear_system(A, np.zeros((2, 2))), 44, START_ON_PLANE, 6, InvalidInput, "D is zero in all cells"),
        (linear_system(A, 1e6 * np.eye(2)), 44, START_ON_PLANE, 6, InvalidInput, r"some 8\S+e\+07 products of 1936"),
        (
            linear_system([[0.0, -20.0], [1.0, 1.0]], [[0.0, 0.0], [0.0, 1.0]]),
            44,
            START_ON_PLANE,
            6,
            NotConverged,
            "no noise along axis 0.* leave the order out if this is Klein and Kramers's equation",
        ),
    ],
)
def test_what_cannot_be_carried_on_a_plane_is_refused_with_what_to_do(
    process, cells, start, order, error, message
) -> None:
    solver = fpsde.FokkerPlanck(process, Grid.uniform(*BOX_OF_PLANE, cells=cells))
    with pytest.raises(error, match=message):
        solver.evolve_to_high_order(start, t_end=1.0, order=order)


def test_steep_walls_are_met_by_damping_and_by_both_exponentials_alike() -> None:
    """Undamped, round-off grows by exp(t max mu^2/4D) and is seen; on a line bands and products must agree."""
    solver = fpsde.FokkerPlanck(double_well(0.25), Grid.uniform((-1.9, 1.9), cells=80))
    operator, start = operator_of(solver), Normal(-1.0, 0.2)
    values = evolution.values_from(operator, np.diff(start.cdf(solver.grid.faces))) / operator.widths[0]
    product = chebyshev.Product(operator)
    undamped = chebyshev.chebyshev_weights(2.0 * product.half_width, 0.0)
    assert not product.series(values, *undamped, 1e-8)[1] < 1e-3
    by_products, error, _ = chebyshev.carried_by_products(operator, values, 2.0, 1e-8)
    on_bands, _ = by_bands(operator, values, 2.0, 1e-10)
    assert 0.5 * operator.widths[0] * np.abs(by_products - on_bands).sum() < error < 1e-8


def test_few_terms_of_the_expansion_keep_mass_to_round_off() -> None:
    """However large the tolerance: the weights of the terms taken are scaled to the sum one."""
    start = Normal(0.5, 0.5), Normal(0.0, 0.5)
    solver = fpsde.FokkerPlanck(PLANE, Grid.uniform((-7, 7), (-7, 7), cells=(100, 100)))
    run = solver.evolve_to_high_order(start, t_end=0.1, tolerance=1e-3)
    assert 1e-6 < run.time_error < 1e-3 and run.mass_error < 1e-13


def test_mass_that_a_cut_end_loses_is_in_the_result() -> None:
    solver = fpsde.FokkerPlanck(OU, Grid.uniform((-6.0, 6.0), cells=60))
    run, begin = solver.evolve_to_high_order(START, t_end=3.0, times=[1.0]), solver._start(START).total
    lost = [begin - law.masses.sum() for law in run.laws]
    assert run.mass_error == pytest.approx(max(np.abs(lost)), rel=1e-6) and run.mass_error > 1e-10


@pytest.mark.parametrize(("damping", "longest"), [(0.0, 3e3), (0.2, 1e3), (1.0, 3e2)])
def test_weights_of_the_expansion_are_those_of_bessel_functions(damping, longest) -> None:
    """2 I_k(z) T_k(x_0) e^-tau with z = tau/x_0, half that for k = 0, and T_k(x_0) = cosh(k damping)."""
    for tau in (1e-5, 0.3, 20.0, longest):
        found, ratios = chebyshev.chebyshev_weights(tau, damping)
        k, z = np.arange(len(found)), tau / np.cosh(damping)
        bessel = special.ive(k, z)
        kept = bessel > 1e-250
        exact = bessel[kept] * np.exp(z - tau) * np.cosh(k[kept] * damping) * np.where(k[kept] == 0, 1, 2)
        np.testing.assert_allclose(found[kept], exact, rtol=0, atol=1e-13)
        assert found[~kept].sum() < 1e-13
        k = k[:100]
        np.testing.assert_allclose(ratios[:100], np.cosh(k * damping) / np.cosh((k + 1) * damping), rtol=1e-12)
    off = chebyshev.chebyshev_weights(1.01 * longest, damping)[0][: len(found)] - found
    assert np.abs(off).max() > 1e-5


def test_products_of_a_long_evolution_grow_as_its_time(monkeypatch) -> None:
    """Eigenvalues are complex at the edge of a plane: T_k p grows from t = 3.5 on, and damped polynomials do not.

    Of order 6 on cells of 0.1 the grid leaves 3e-6 at any t; a law 5 % early must be seen.
    """
    grid, start = Grid.uniform((-5.5, 5.5), (-4.5, 4.5), cells=(96, 96)), (Normal(1.0, 0.5), Normal(-0.5, 0.5))
    solver = fpsde.FokkerPlanck(PLANE, grid)
    for t in (2.0, 3.0, 4.0, 8.0):
        run = solver.evolve_to_high_order(start, t_end=t, tolerance=1e-6)
        off = [np.abs(run.law.masses - exact_masses(grid, when)).sum() for when in (t, 0.95 * t)]
        assert run.n_steps < 250 * t
        assert run.time_error < 1e-6 and off[0] < 5e-6 < 4e-5 < off[1]
    monkeypatch.setattr(chebyshev, "MOST_DAMPED", 0.0)
    assert solver.evolve_to_high_order(start, t_end=8.0, tolerance=1e-6).n_steps > 250 * 8.0


def exact_masses(grid, t):
    """Return the masses at ``t`` of the plane's law from independent normal laws N(1, 0.5^2) and N(-0.5, 0.5^2)."""
    decay, spread = expm(-A * t), PLANE.exact.covariance((0.0, 0.0), t)
    return normal_masses(decay @ [1.0, -0.5], 0.25 * decay @ decay.T + spread, grid)


@pytest.mark.parametrize("order", SOME)
@pytest.mark.parametrize("rings", [(False, False), (True, False), (False, True), (True, True)])
def test_products_on_a_plane_are_sums_of_shifted_arrays(rings, order, seed) -> None:
    """Every end a ring or cut, against differences by NumPy of a plane with zeros, or itself, beyond its ends."""
    shape, random, stencils = (6, 11), np.random.default_rng(seed), stencils_of(order)
    walls = {False: (Wall.NONE, Wall.NONE), True: (Wall.PERIODIC, Wall.PERIODIC)}
    line = sides_of(OU.domain, Grid.uniform((0, 1), cells=5))
    sides = tuple(replace(line, walls=walls[ring]) for ring in rings)
    drift, noise, values = (
        random.normal(size=(2, *shape)),
        random.normal(size=(2, 2, *shape)),
        random.normal(size=shape),
    )
    grid = Grid.uniform((0, 6), (0, 22), cells=shape)

    def moved(f, axis, k):
        found = np.roll(f, -k, axis)
        beyond = np.arange(shape[axis]) + k
        kept = np.ones(shape[axis]) if rings[axis] else (beyond >= 0) & (beyond < shape[axis])
        return found * np.expand_dims(kept, 1 - axis)

    def once(f, axis):
        parts = (w * (moved(f, axis, k) - moved(f, axis, -k)) for k, w in enumerate(stencils.first, 1))
        return sum(parts) / (1.0, 2.0)[axis]

    def twice(f, axis):
        parts = (w * (moved(f, axis, k) + moved(f, axis, -k)) for k, w in enumerate(stencils.second[1:], 1))
        return (stencils.second[0] * f + sum(parts)) / (1.0, 4.0)[axis]

    for d in (noise, noise[:, :, :1, :1] + np.zeros(shape)):  # from cell to cell, and the same everywhere
        expected = sum(twice(d[i, i] * values, i) - once(drift[i] * values, i) for i in (0, 1))
        expected = expected + 2 * once(once(d[0, 1] * values, 1), 0)
        operator = Differences(grid, sides, stencils, drift, d)
        np.testing.assert_allclose(chebyshev.Product(operator).times(values), expected, rtol=0, atol=1e-12)
        spot = np.zeros((2, 2, *shape))
        spot[1, 1, 3, 5] = 1e-6
        for other in (replace(operator, drift=drift + 1e-6), replace(operator, diffusivity=d + spot)):
            assert np.abs(chebyshev.Product(other).times(values) - expected).max() > 1e-8


@pytest.mark.parametrize("varies", [None, (0, 0), (1, 1), (0, 1)])
def test_noise_is_even_where_no_part_of_it_varies_and_products_are_those_of_noise_that_is_not(varies, seed) -> None:
    """One cell differs in the last digit: the product is then taken without D as a factor of the weights."""
    grid, random = Grid.uniform((0, 3), (0, 2.2), cells=(6, 11)), np.random.default_rng(seed)
    noise = np.array([[1.0, 0.3], [0.3, 0.8]])[:, :, None, None] * np.ones(grid.shape)
    if varies:
        noise[varies] = noise[varies[::-1]] = noise[varies] * random.uniform(0.5, 1.0, grid.shape)
    other, values = noise.copy(), random.random(66)
    other[0, 0, 0, 0] = np.nextafter(other[0, 0, 0, 0], 2.0)
    sides = (sides_of(OU.domain, grid.lines[0]),) * 2
    one, uneven = (
        chebyshev.Product(Differences(grid, sides, stencils_of(6), np.ones((2, *grid.shape)), each))
        for each in (noise, other)
    )
    np.testing.assert_allclose(one.times(values), uneven.times(values), rtol=0, atol=1e-11)


@pytest.mark.parametrize("rings", [(False, False), (True, False), (False, True)])
def test_what_a_plane_of_equal_cells_resolves_is_read_as_from_its_edges(rings, seed) -> None:
    """Peclet numbers and changes of w, from a drift and a correlated D that differ from cell to cell."""
    shape, random, widths = (6, 11), np.random.default_rng(seed), (0.5, 0.2)
    drift, root = random.normal(size=(2, *shape)), random.normal(size=(2, 2, *shape))
    noise = np.einsum("ik...,jk...->ij...", root, root) + np.eye(2)[:, :, None, None]
    held, ids = random.random(66) < 0.7, np.arange(66).reshape(shape)
    grid = Grid.uniform((0, 3), (0, 2.2), cells=shape)
    line = sides_of(OU.domain, grid.lines[0])
    walls = {False: (Wall.NONE, Wall.NONE), True: (Wall.PERIODIC, Wall.PERIODIC)}
    sides = tuple(replace(line, walls=walls[ring]) for ring in rings)
    slope = np.einsum("ij...,j...->i...", np.linalg.inv(noise.T).T, drift)
    operator = Differences(grid, sides, stencils_of(6), drift, noise)
    masses = np.where(held, random.uniform(0.6, 1.0, 66), random.uniform(-1.0, 0.4, 66))
    steeper = replace(operator, drift=drift * [[[1.001]], [[1.0]]])
    found, other = (each.extremes(masses, 0.5 / masses.max()) for each in (operator, steeper))
    assert not np.isclose(found, other, rtol=1e-6).all()
    for axis, (h, ring) in enumerate(zip(widths, rings, strict=True)):
        w = 0.5 * h * (slope[axis] + np.roll(slope[axis], -1, axis))
        count = shape[axis] - (not ring)
        tails, heads, w = (
            np.take(each, np.arange(count), axis).ravel() for each in (ids, np.roll(ids, -1, axis), w)
        )  # fmt: skip
        assert found[0, axis] == pytest.approx(largest_between(tails, heads, w, held), rel=1e-12)
        assert found[1, axis] == pytest.approx(steepest_change(tails, heads, w, np.full(66, h), held), rel=1e-12)


def test_what_is_watched_at_the_ends_of_a_plane_and_of_a_line_is_told_axis_by_axis(seed) -> None:
    masses = np.random.default_rng(seed).random((3, 4, 5))
    ends = masses[:, :1], masses[:, -2:], masses[:, :, :2], masses[:, :, -1:]
    for shape, watched, first in (((4, 5), ((1, 2), (2, 1)), 0), ((1, 20), ((0, 0), (5, 10)), 2)):
        told = evolution.monitored(masses.reshape(3, 20), masses[0].ravel(), np.zeros(4), shape, watched)[3:]
        expected = [end.sum(axis=(1, 2)).max() for end in (ends if first == 0 else ends[:2])]
        assert told[first:] == pytest.approx(expected, rel=1e-13)


@pytest.mark.slow
def test_the_error_in_time_is_what_twice_the_pieces_move() -> None:
    operator = operator_of(fpsde.FokkerPlanck(OU, Grid.uniform((-7, 7), cells=80)))
    bands, distances = operator.bands, operator.stencils.distances
    values = np.exp(-0.5 * ((operator.grid.centres - 1) / 0.5) ** 2)
    pieces, found = np.empty((2, 80)), np.empty(80)
    for count in (1, 2):
        room = rational_bands.room_for(80, len(distances))
        rational_bands.in_pieces(bands, distances, values, 2.0, count, room, pieces[count - 1])
    error, count, solves = rational_bands.refined(bands, distances, values, 2.0, 4.0, found)
    assert (count, solves) == (2, 3) and np.array_equal(found, pieces[1])
    assert error == pytest.approx(2 * UNIT + 0.5 * np.abs(pieces[1] - pieces[0]).sum(), rel=1e-12)
