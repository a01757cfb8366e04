"""Sets that stop a process of two components: exit times, laws of passage, committors, of whole cells and of levels."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import special
from scipy.integrate import quad

import fpsde
from fpsde import checks
from fpsde.domain import Interval, Wall
from fpsde.errors import InvalidInput
from fpsde.fokker_planck import speed_measure
from fpsde.fokker_planck.plane.assembly import assemble_plane
from fpsde.fokker_planck.plane.generator import centres
from fpsde.fokker_planck.plane.initial import plane_start
from fpsde.fokker_planck.plane.targets import Target, first_crossing, stopped_at
from fpsde.grid import Grid
from fpsde.processes import double_well, ornstein_uhlenbeck, overdamped, rotating_ou
from fpsde.processes.process import Process

FREE = Process(drift=lambda x: (0.0, 0.0), sigma=lambda x: ((1.0, 0.0), (0.0, 1.0)), dim=2, name="free")
RADIUS = 0.83


def outside_of_disc(x, y):
    return RADIUS**2 - x**2 - y**2


def nowhere_on_the_right(x, y):
    return np.where(x > 0, np.nan, x)


def passes(check) -> bool:
    return check.verdict is checks.Verdict.PASS


def square(n, half=1.0):
    return Grid.uniform((-half, half), (-half, half), cells=(n, n))


@pytest.mark.parametrize("rho", [0.0, 0.4])
def test_exit_times_that_are_quadratic_are_exact_wherever_the_edge_lies(rho) -> None:
    """Of Brownian motion from a disc (R^2 - r^2)/(4 D), correlated or not."""
    noise = replace(FREE, sigma=lambda x: ((1.0, 0.0), (rho, np.sqrt(1 - rho**2))), name="correlated")
    grid = Grid.uniform((-1, 1), (-0.9, 1), cells=(21, 17))
    x, y = centres(grid)
    disc = fpsde.FokkerPlanck(noise, grid).passage_time((0.2, -0.1), outside_of_disc)
    exact = np.maximum(RADIUS**2 - x**2 - y**2, 0.0) / 2
    np.testing.assert_allclose(disc.means.values.ravel(), exact, atol=1e-14)
    other = fpsde.FokkerPlanck(noise, grid).passage_time((0.2, -0.1), lambda x, y: outside_of_disc(x, y) + 1e-10)
    assert np.abs(other.means.values.ravel() - exact).max() > 1e-11


@pytest.mark.parametrize("level", [0.04, 0.07, 0.613])
def test_a_cell_between_a_wall_and_a_set_is_cut_down_to_what_is_left_of_it(level) -> None:
    """From z to the level L: z (L - z) from an absorbing wall, exact but for the wall, and L^2 - z^2 from one without
    flux; the first cell is centred at 0.025, the second, in the set or cut off from the wall, at 0.075."""
    z = 0.05 * (np.arange(20) + 0.5)
    for low, exact in ((Wall.ABSORBING, z * (level - z)), (Wall.REFLECTING, level**2 - z**2)):
        strip = replace(FREE, domain=(Interval(0, 1, low, Wall.NONE), Interval.between(0, 1, Wall.PERIODIC)))
        solver = fpsde.FokkerPlanck(strip, Grid.uniform((0, 1), (0, 1), cells=(20, 3)))
        found = solver.passage_time((0.01, 0.5), lambda x, y: level - x).means.values[:, 0]
        errors = found - np.where(z < level, exact, 0.0)
        assert np.abs(errors).max() <= 0.05**2 / 4 * (1 + 1e-9), (low, errors)
        if low is Wall.ABSORBING:  # which of the two comes first: z/L, exactly
            first = solver.splitting((0.01, 0.5), regions=[lambda x, y: level - x]).from_anywhere[4].values[:, 0]
            np.testing.assert_allclose(first, np.minimum(z / level, 1.0), atol=1e-13)


def without_shares(process, grid, t=0.0):
    """All that leaves through a wall beside a set at the rates of whole cells, as if it were along no edge."""
    return replace(assemble_plane(process, grid, t), shares=())


@pytest.mark.parametrize("level", [0.04, 0.07])
def test_what_a_cut_cell_loses_through_a_wall_along_diagonals_is_divided_by_its_width_too(level) -> None:
    """In a strip neither times nor chances depend on how the noise across it is correlated with that along it."""
    z, strip = 0.05 * (np.arange(20) + 0.5), (Interval(0, 1, Wall.ABSORBING, Wall.NONE),)

    def found(rho, assemble=assemble_plane):
        noise = replace(
            FREE,
            sigma=lambda x: ((1.0, 0.0), (rho, np.sqrt(1 - rho**2))),
            domain=(*strip, Interval.between(0, 1, Wall.PERIODIC)),
        )
        solver = fpsde.FokkerPlanck(noise, Grid.uniform((0, 1), (0, 1), cells=20), assemble=assemble)
        first = solver.splitting((0.01, 0.5), regions=[lambda x, y: level - x])
        means = solver.passage_time((0.01, 0.5), lambda x, y: level - x).means
        return np.array([means.values, first.from_anywhere[0].values, first.from_anywhere[4].values])

    alone = found(0.0)
    for assemble in (assemble_plane, speed_measure):
        np.testing.assert_allclose(found(-0.7, assemble), alone, atol=1e-13)
    np.testing.assert_allclose(alone[2].T, np.tile(np.minimum(z / level, 1.0), (20, 1)), atol=1e-13)
    wrong = np.abs(found(-0.7, without_shares) - alone).max(axis=(1, 2))
    assert wrong[0] > 5e-6 and wrong[1:].min() > 0.01, wrong


HEIGHT, SHEAR = 0.87, 0.6


def sides_of_triangle(x, y):
    """Return the distances from the sides of an equilateral triangle on the wall y = 0, in the coordinate x - s y."""
    slanted = np.sqrt(0.75) * (x - SHEAR * y)
    return y, 0.5 * (HEIGHT - y) + slanted, 0.5 * (HEIGHT - y) - slanted


@pytest.mark.slow
def test_a_time_out_of_a_triangle_on_a_wall_is_of_order_two_where_noise_is_correlated() -> None:
    """2 d_1 d_2 d_3/H without correlation, and so in the image of a shear, which leaves the wall where it is."""
    sheared = replace(
        FREE,
        sigma=lambda x: ((1.0, SHEAR), (0.0, 1.0)),
        domain=(Interval(), Interval(0, 1, Wall.ABSORBING, Wall.NONE)),
    )
    sizes, errors = (20, 40, 80), []
    for n in sizes:
        solver = fpsde.FokkerPlanck(sheared, Grid.uniform((-1.2, 1.2), (0, 1), cells=(12 * n // 5, n)))
        distances = np.array(sides_of_triangle(*centres(solver.grid)))
        exact = np.where(distances.min(axis=0) > 0, 2 * distances.prod(axis=0) / HEIGHT, 0.0)
        found = solver.passage_time((0.1, 0.3), lambda x, y: np.minimum(*sides_of_triangle(x, y)[1:])).means.values
        errors.append([np.abs(found.ravel() - exact).max(), exact @ (found.ravel() - exact) / exact.sum()])
    order = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.all(np.abs(2 * order[1] - order[0] - 2) < 0.02), order  # in the limit: they differ from it as h does
    whole = solver.passage_time((0.1, 0.3), lambda x, y: np.minimum(*sides_of_triangle(x, y)[1:]) < 0).means.values
    assert np.abs(whole.ravel() - exact).max() > 20 * errors[-1][0]


@pytest.mark.slow
def test_a_time_out_of_an_ellipse_with_drift_and_correlated_noise_is_of_order_two() -> None:
    """The image of the well that turns below under X = M U, with D = M M^T/2: its closed form at U."""
    image = np.array([[1.0, 0.5], [-0.2, 0.8]])
    back = np.linalg.inv(image)
    pull = image @ np.array([[-1.0, -1.0], [1.0, -1.0]]) @ back
    turning = replace(FREE, drift=lambda x: tuple(pull @ np.array(x)), sigma=lambda x: tuple(map(tuple, image)))

    def inside(x, y):
        return RADIUS**2 - sum((row[0] * x + row[1] * y) ** 2 for row in back)

    sizes, errors = (24, 34, 48, 68), []
    for n in sizes:
        solver = fpsde.FokkerPlanck(turning, Grid.uniform((-1.1, 1.1), (-0.95, 0.95), cells=n))
        x = centres(solver.grid)
        weights = np.exp(-np.sum((x - [[0.2], [-0.1]]) ** 2, axis=0) / 0.06)
        exact = time_out_of_well(np.sum((back @ x) ** 2, axis=0))
        for region in (inside, lambda x, y: inside(x, y) < 0):
            found = solver.passage_time((0.2, -0.1), region).means.values.ravel()
            errors.append(weights @ (found - exact) / weights.sum())
    order = -np.polyfit(np.log(sizes), np.log(errors[::2]), 1)[0]
    assert abs(order - 2) < 0.06, order
    assert errors[-1] > 50 * errors[-2]  # of whole cells


def disc_of_well(grid) -> np.ndarray:
    """The time out of the disc with U = r^2/2 and kT = 1/2, at the centres."""
    return time_out_of_well(np.sum(centres(grid) ** 2, axis=0))


def time_out_of_well(square) -> np.ndarray:
    """(1/kT) int_r^R ds e^(U/kT)/s int_0^s du u e^(-U/kT) at squares of r."""
    left = special.expi(RADIUS**2) - special.expi(square) - np.log(RADIUS**2 / square)
    return np.where(square < RADIUS**2, 0.5 * left, 0.0)


def test_a_time_out_of_a_disc_is_of_order_two_with_a_constant_that_the_edge_does_not_shake() -> None:
    """A well that turns, from starts near a place that is no centre; an edge of whole cells is of order 1."""
    turning, sizes = rotating_ou(theta=1.0, omega=1.0, sigma=1.0), (20, 28, 40, 56)
    errors: dict[str, list[float]] = {"level": [], "cells": []}
    for n in sizes:
        solver = fpsde.FokkerPlanck(turning, square(n, 0.95))
        weights = np.exp(-np.sum((centres(solver.grid) - [[0.2], [-0.1]]) ** 2, axis=0) / 0.06)
        for name, region in (("level", outside_of_disc), ("cells", lambda x, y: outside_of_disc(x, y) < 0)):
            found = solver.passage_time((0.2, -0.1), region).means.values.ravel()
            errors[name].append(weights @ (found - disc_of_well(solver.grid)) / weights.sum())
    scaled = {name: np.array(error) * np.array(sizes) ** 2 for name, error in errors.items()}
    assert np.ptp(scaled["level"]) < 0.05 * scaled["level"].mean()  # over a factor of 2.8 in h: order 2 to 0.05
    assert np.ptp(scaled["cells"]) > abs(scaled["cells"].mean())
    assert 10 * abs(errors["level"][-1]) < abs(errors["cells"][-1])


def test_an_edge_is_cut_where_its_level_is_zero_in_few_calls_if_that_is_smooth() -> None:
    at, calls = np.array([0.0, 1e-3, 0.3, 0.5, 1 / 3, 0.999]), []

    def curved(place):
        calls.append(place)
        return np.expm1(2 * (at - place)) * (1 + place)

    assert first_crossing(curved, len(at)) == pytest.approx(at, abs=1e-12)
    assert len(calls) <= 16
    steps = first_crossing(lambda place: np.where(place < at, 1.0, -1.0), len(at))
    assert steps == pytest.approx(at, abs=1e-11)
    nowhere = first_crossing(lambda place: np.where(place < at, np.nan, -1.0), len(at))  # what is no number is outside
    assert nowhere == pytest.approx(at, abs=1e-11)
    assert first_crossing(lambda place: curved(place + 1e-9), len(at)) != pytest.approx(at, abs=1e-10)


def test_a_strip_is_the_one_dimensional_problem_at_order_two() -> None:
    """Passage out of the well of a product process through a level of x alone, where no face of the grid lies."""
    pair = overdamped(lambda x: (x[0] ** 2 - 1) ** 2 + x[1] ** 2, 0.25, dim=2)
    level, start, cells, errors = 0.117, -0.9, (24, 48, 96, 192), []
    kT = 0.25
    potential = lambda x: (x**2 - 1) ** 2  # noqa: E731
    inner = lambda y: quad(lambda z: np.exp(-potential(z) / kT), -2.2, y, epsabs=1e-13)[0]  # noqa: E731
    exact = quad(lambda y: np.exp(potential(y) / kT) * inner(y), start, level, epsabs=1e-12)[0] / kT
    for n in cells:
        grid = Grid.uniform((-2.2, 2.2), (-2.5, 2.5), cells=(n, 8))
        errors.append(fpsde.FokkerPlanck(pair, grid).passage_time((start, 0.0), lambda x, y: level - x).mean - exact)
    order = np.log(abs(errors[-2] / errors[-1])) / np.log(2)
    assert abs(order - 2) < 0.3 and abs(errors[-1]) < 2e-3 * exact
    line = fpsde.FokkerPlanck(double_well(0.25), Grid.uniform((-2.2, 2.2), cells=192)).passage_time(start, level).mean
    assert line == pytest.approx(exact, rel=2e-3)  # the other solver agrees
    assert abs(errors[0]) > 10 * abs(errors[-1])


def test_a_passage_law_has_the_mean_of_the_passage_time_and_loses_nothing() -> None:
    solver, times = fpsde.FokkerPlanck(FREE, square(24)), np.linspace(0.05, 2.0, 40)
    law = solver.passage_law((0.2, -0.1), outside_of_disc, times=times, tolerance=1e-4)
    assert law.mass_error < 1e-12
    assert law.survival + law.arrived.sum(axis=1) == pytest.approx(1.0, abs=1e-12)
    assert np.all(law.arrived[:, 1:] == 0)  # free ends are not walls
    mean = np.trapezoid(np.concatenate([[1.0], law.survival]), np.concatenate([[0.0], times])) + tail(law, times)
    start = plane_start((0.2, -0.1), solver.grid, solver._sides).masses  # spread over four cells
    means = solver.passage_time((0.2, -0.1), outside_of_disc).means.values.ravel()
    assert mean == pytest.approx(start @ means, rel=1e-4)
    assert np.trapezoid(law.density, times) == pytest.approx(law.survival[0] - law.survival[-1], rel=1e-2)
    # negative control: the mean of a larger disc is another one
    other = solver.passage_time((0.2, -0.1), lambda x, y: (RADIUS + 0.02) ** 2 - x**2 - y**2).mean
    assert abs(other - mean) > 0.02 * mean


def test_mass_that_the_grid_does_not_hold_has_neither_arrived_nor_survived() -> None:
    """Of a normal law 5.7e-7 lies beyond walls at five standard deviations."""
    walled = replace(FREE, domain=Interval.between(-1, 1, Wall.REFLECTING))
    solver = fpsde.FokkerPlanck(walled, square(24))
    law = solver.passage_law((fpsde.Normal(0.0, 0.2), 0.1), outside_of_disc, times=[0.1, 0.2], tolerance=1e-3)
    lost = 1 - law.survival - law.arrived.sum(axis=1)
    np.testing.assert_allclose(lost, special.erfc(5 / np.sqrt(2)), rtol=1e-6)
    assert law.mass_error < 1e-13


def tail(law, times):
    """The rest of the integral of a survival that decays exponentially at the end."""
    rate = -np.log(law.survival[-1] / law.survival[-11]) / (times[-1] - times[-11])
    return law.survival[-1] / rate


@pytest.mark.slow
def test_the_slowest_rate_of_a_disc_is_that_of_a_bessel_function() -> None:
    """Survival decays at D (2.404825557695773/R)^2."""
    solver = fpsde.FokkerPlanck(FREE, square(60))
    law = solver.passage_law((0.0, 0.0), outside_of_disc, times=np.linspace(1.0, 2.0, 11))
    rate = -np.log(law.survival[-1] / law.survival[0])
    assert rate == pytest.approx(0.5 * (2.404825557695773 / RADIUS) ** 2, rel=2e-3)


def test_the_committor_of_a_ring_is_a_logarithm() -> None:
    """q = log(r/a)/log(b/a) between the circles a and b, at order 2; symmetric wells are left with 1/2."""
    errors = []
    for n in (40, 80):
        q = fpsde.FokkerPlanck(FREE, square(n)).committor(lambda x, y: x**2 + y**2 - 0.3**2, outside_of_disc)
        errors.append(float(q(0.5, 0.1)) - np.log(np.hypot(0.5, 0.1) / 0.3) / np.log(RADIUS / 0.3))
    assert abs(errors[1]) < 1e-3 and abs(errors[0]) > 2 * abs(errors[1])
    angle = np.linspace(0.0, 2 * np.pi, 100)
    circle, exact = (0.5 * np.cos(angle), 0.5 * np.sin(angle)), np.log(0.5 / 0.3) / np.log(RADIUS / 0.3)
    linear = np.abs(replace(q, additive=True)(*circle) - exact).max()
    assert np.abs(q(*circle) - exact).max() < 0.75 * linear  # a cubic between the centres
    wells = overdamped(lambda x: (x[0] ** 2 - 1) ** 2 + x[1] ** 2, 0.5, dim=2)
    solver = fpsde.FokkerPlanck(wells, Grid.uniform((-2.4, 2.4), (-3, 3), cells=(48, 30)))
    q = solver.committor(lambda x, y: x + 0.93, lambda x, y: 0.93 - x)
    assert float(q(0.0, 0.3)) == pytest.approx(0.5, abs=1e-10)


def test_the_rates_into_a_level_are_not_negative_and_columns_sum_to_zero() -> None:
    solver = fpsde.FokkerPlanck(
        Process(
            drift=lambda x: (-3 * x[0], 2.0 - x[1]), sigma=lambda x: ((0.6, 0.0), (0.3, 0.5)), dim=2, name="correlated"
        ),
        square(30, 2.0),
    )
    goal = Target.of("target", lambda x, y: 1.1 - np.hypot(x, y), solver.grid)
    q = stopped_at(solver.generator(), [goal])
    assert q.exits.shape[0] == 5 and q.exits.min() >= 0 and q.exits[4].sum() > 0
    sums = np.asarray(q.matrix.sum(axis=0)).ravel() + q.exits.sum(axis=0)
    assert np.abs(sums).max() < 1e-12 * np.abs(q.matrix).max()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda s: s.passage_time((0.9, 0.9), outside_of_disc), "lies in the target"),
        (lambda s: s.passage_time((1.9, 0.0), outside_of_disc), r"x0\[0\]=1.9 lies outside of the grid"),
        (lambda s: s.passage_time((0.0, 0.0), lambda x, y: x**2 + 1), "target holds 0 of 400 cells"),
        (lambda s: s.passage_time((0.0, 0.0), np.ones((3, 3), bool)), r"shape \(3, 3\)"),
        (lambda s: s.passage_time((0.0, 0.0), nowhere_on_the_right), "a finite one that is negative"),
        (lambda s: s.committor(lambda x, y: x - 0.5, lambda x, y: x - 0.7), "cells in common"),
        (lambda s: s.passage_law((0.0, 0.0), outside_of_disc, times=[0.0, 1.0]), "a passage takes a positive time"),
    ],
)  # fmt: skip
def test_bad_sets_and_starts_are_refused(make, message) -> None:
    with pytest.raises(InvalidInput, match=message):
        make(fpsde.FokkerPlanck(FREE, square(20)))


def test_time_dependent_passage_is_sent_to_its_law() -> None:
    moving = Process(drift=lambda x, t: (np.sin(t), 0.0), sigma=lambda x: (1.0, 1.0), dim=2, name="moving")
    with pytest.raises(InvalidInput, match="use passage_law"):
        fpsde.FokkerPlanck(moving, square(20)).passage_time((0.0, 0.0), outside_of_disc)


@pytest.mark.slow
def test_noise_that_swells_and_ebbs_changes_the_clock_of_a_passage() -> None:
    """With D(t) = (1 + sin(5 t)/2)/2 the law at t is that of D = 1/2 after s = integral of 1 + sin(5 t)/2."""
    begin, times = 0.3, np.array([0.1, 0.3])
    swelling = replace(FREE, sigma=lambda x, t: (np.sqrt(1 + 0.5 * np.sin(5 * t)),) * 2, name="swelling")
    found = fpsde.FokkerPlanck(swelling, square(8)).passage_law(
        (0.2, 0.1), outside_of_disc, times=times, t_start=begin, tolerance=4e-3
    )

    def steady(start):
        clock = times - 0.1 * (np.cos(5 * (start + times)) - np.cos(5 * start))
        return fpsde.FokkerPlanck(FREE, square(8)).passage_law((0.2, 0.1), outside_of_disc, times=clock, tolerance=1e-4)

    np.testing.assert_allclose(found.survival, steady(begin).survival, atol=2e-3)
    pace = 1 + 0.5 * np.sin(5 * (begin + times))
    np.testing.assert_allclose(found.density, steady(begin).density * pace, rtol=0.01)
    assert np.abs(found.survival - steady(0.0).survival).max() > 0.02


def test_a_level_that_belongs_to_one_dimension_gives_the_law_of_one_dimension() -> None:
    """x of a product of Ornstein-Uhlenbeck processes at 1: the survival of the line solver."""
    line = fpsde.FokkerPlanck(ornstein_uhlenbeck(theta=1.0, mean=0.0, sigma=1.0), Grid.uniform((-4, 4), cells=160))
    pair = overdamped(lambda x: x[0] ** 2 / 2 + x[1] ** 2 / 2, 0.5, dim=2)
    plane = fpsde.FokkerPlanck(pair, Grid.uniform((-4, 4), (-4, 4), cells=(160, 16)))
    times = [0.5, 1.0, 2.0]
    alone, joint = (
        line.passage_law(0.0, 1.0, times=times).survival,
        plane.passage_law((0.0, 0.2), lambda x, y: 1.0 - x, times=times).survival,
    )
    assert joint == pytest.approx(alone, abs=2e-3)
    assert np.abs(alone - plane.passage_law((0.0, 0.2), lambda x, y: 1.05 - x, times=times).survival).max() > 1e-2


def absorbing(drift=0.0, walls=(fpsde.Wall.ABSORBING, fpsde.Wall.ABSORBING), d=0.5):
    return Process(
        drift=lambda x: (drift, 0.0),
        sigma=lambda x: (np.sqrt(2 * d),) * 2,
        dim=2,
        domain=tuple(Interval.between(0, 1, wall) for wall in walls),
        name="box",
    )


def test_where_brownian_motion_leaves_a_square_is_a_series_met_at_order_two() -> None:
    """P(wall x = 1) = sum over odd n of 4/(n pi) sin(n pi y) sinh(n pi x)/sinh(n pi)."""
    n = np.arange(1, 60, 2) * np.pi
    series = lambda x, y: float(np.sum(4 / n * np.sin(n * y) * np.sinh(n * x) / np.sinh(n)))  # noqa: E731
    x, y = 0.375, 0.625  # centres of no cell, halfway between four on all grids
    sizes, errors = (8, 16, 24, 40), []
    for cells in sizes:
        grid = Grid.uniform((0, 1), (0, 1), cells=cells)
        found = fpsde.FokkerPlanck(absorbing(), grid).splitting((x, y))
        assert found.walls.sum() == pytest.approx(1.0, abs=1e-13) and len(found.regions) == 0
        errors.append(found.walls - [series(1 - x, y), series(x, y), series(1 - y, x), series(y, x)])
    for error in np.array(errors).T:
        order = checks.grid_order([1 / cells for cells in sizes], error, expected=2)
        assert passes(order), (error, order)
    assert abs(series(x, y) - series(0.39, y)) > 10 * np.abs(errors[-1]).max()


def test_two_walls_split_as_on_a_line_and_regions_as_the_committor_says() -> None:
    """With the drift 2 and D = 1/2 on (0, 1), from 0.3: (1 - e^(-1.2))/(1 - e^(-4)) leave at the high end."""
    strip = absorbing(2.0, (fpsde.Wall.ABSORBING, fpsde.Wall.PERIODIC))
    solver = fpsde.FokkerPlanck(strip, Grid.uniform((0, 1), (0, 1), cells=(50, 4)))
    found = solver.splitting((0.31, 0.2))  # the centre of a cell
    exact = (1 - np.exp(-4 * 0.31)) / (1 - np.exp(-4))
    assert found.walls[1] == pytest.approx(exact, abs=2e-4) and not found.walls[2:].any()
    line = fpsde.FokkerPlanck(
        Process(drift=lambda x: 2.0, sigma=lambda x: 1.0, domain=strip.intervals[0]), Grid.uniform((0, 1), cells=50)
    )
    assert found.walls[1] == pytest.approx(line.splitting(0.31).high, abs=1e-12)
    assert abs(found.walls[1] - line.splitting(0.33).high) > 1e-2
    inner, plain = lambda x, y: x**2 + y**2 - 0.3**2, fpsde.FokkerPlanck(FREE, square(30))
    ring = plain.splitting((0.5, 0.1), regions=[inner, outside_of_disc])
    assert ring.regions[1] == float(plain.committor(inner, outside_of_disc)(0.5, 0.1))
    assert ring.regions.sum() == pytest.approx(1.0, abs=1e-13) and not ring.walls.any()
    np.testing.assert_allclose(sum(one.values for one in ring.from_anywhere), 1.0, atol=1e-12)
    assert not any(one.additive for one in ring.from_anywhere)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"free can end at 0 absorbing wall\(s\) and 0 region\(s\); at least two"),
        ({"regions": [outside_of_disc]}, r"0 absorbing wall\(s\) and 1 region\(s\)"),
        ({"regions": [outside_of_disc, lambda x, y: 0.2 - x]}, r"the regions have \d+ cells in common"),
        ({"regions": [lambda x, y: x + 0.1, outside_of_disc]}, r"x0=\(-0.4, 0.0\) lies in the target"),
    ],
)
def test_ends_that_are_too_few_or_overlap_are_refused(options, message) -> None:
    with pytest.raises(InvalidInput, match=message):
        fpsde.FokkerPlanck(FREE, square(20)).splitting((-0.4, 0.0), **options)
