"""First passages, committors and splitting against quadrature and closed forms, wherever the target lies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import special
from scipy.integrate import quad

from fpsde.domain import Interval, Wall
from fpsde.errors import InvalidInput
from fpsde.fokker_planck import FokkerPlanck, assemble, scale_speed
from fpsde.grid import Grid

BOTH = pytest.mark.parametrize("generator", [assemble, scale_speed], ids=["Scharfetter-Gummel", "natural scale"])


def gradient(stand_in, slope, d, domain=Interval(), name="stand-in"):  # noqa: B008 (frozen)
    return stand_in(lambda x, t: -slope(x), lambda x, t: d, domain, name=name)


def mean_time(u, d, a, b, low):
    """Return (1/D) int_a^b e^(U/D) int_low^y e^(-U/D), by Gauss rules on panels."""
    nodes, weights = np.polynomial.legendre.leggauss(12)

    def integrate(f, low, high, panels):
        edges = np.linspace(low, high, panels + 1)
        half = 0.5 * np.diff(edges)[:, None]
        x = 0.5 * (edges[1:] + edges[:-1])[:, None] + half * nodes
        return float(np.sum(half * weights * f(x)))

    def inner(y):
        return np.vectorize(lambda top: integrate(lambda z: np.exp(-u(z) / d), low, top, 40))(y)

    return integrate(lambda y: np.exp(u(y) / d) * inner(y), a, b, 30) / d


WELL = (lambda x: (x**2 - 1) ** 2, lambda x: 4 * x * (x**2 - 1))
DUFFING = (lambda x: x**4 / 4 - x**2 / 2, lambda x: x**3 - x)
OU = (lambda x: x**2 / 2, lambda x: x)
TIMES = [  # U and U', D, from, to, the window, the reference
    (WELL, 0.25, -1.0, 0.0, 2.5, 33.94574429),
    (WELL, 0.25, -1.0, 1.0, 2.5, 69.26364476),
    (WELL, 0.5, -1.0, 0.0, 2.8, 4.606539613),
    (WELL, 0.5, -1.0, 1.0, 2.8, 10.25857007),
    (WELL, 1.0, -1.0, 0.0, 3.2, 1.435859267),
    (WELL, 1.0, -1.0, 1.0, 3.2, 3.569434159),
    (DUFFING, 0.1, -1.0, 0.0, 2.6, 30.82130247),
    (DUFFING, 0.1, -1.0, 1.0, 2.6, 66.26862637),
    (DUFFING, 0.05, -1.0, 0.0, 2.4, 361.9037595),
    (DUFFING, 0.05, -1.0, 1.0, 2.4, 729.6706919),
    (OU, 1.0, 0.0, 1.0, 8.0, 2.093406650),
    (OU, 1.0, 0.0, 2.0, 8.0, 10.42840940),
    (OU, 1.0, 0.0, 3.0, 8.0, 86.93161990),
]


@BOTH
@pytest.mark.parametrize(("potential", "d", "a", "b", "box", "reference"), TIMES)
def test_mean_times_are_those_of_the_double_integral(stand_in, generator, potential, d, a, b, box, reference):
    u, slope = potential
    exact = mean_time(u, d, a, b, -box)
    assert exact == pytest.approx(reference, rel=1e-9)
    errors = []
    for cells in (200, 400):
        solver = FokkerPlanck(gradient(stand_in, slope, d), Grid.uniform((-box, box), cells=cells), assemble=generator)
        errors.append(solver.passage_time(a, b).mean / exact - 1)
    assert abs(errors[1]) < 2e-3 and 3.2 < errors[0] / errors[1] < 4.8, errors


@BOTH
@pytest.mark.parametrize("target", [0.0, 0.0123, 0.02, -0.0371])
def test_the_order_is_two_wherever_the_target_lies_in_its_cell(stand_in, generator, target):
    exact = mean_time(*(WELL[0], 0.5), -1.3, target, -2.8)
    errors = []
    for cells in (70, 140, 280, 560):
        grid = Grid.uniform((-2.8, 2.8), cells=cells)
        solver = FokkerPlanck(gradient(stand_in, WELL[1], 0.5), grid, assemble=generator)
        errors.append(abs(solver.passage_time(-1.3, target).mean - exact))
    slope = np.polyfit(np.log([1, 0.5, 0.25, 0.125]), np.log(errors), 1)[0]
    assert 1.85 < slope < 2.25, errors


def test_a_target_taken_to_the_nearest_face_would_be_of_order_one(stand_in):
    exact = mean_time(*(WELL[0], 0.5), -1.3, 0.0123, -2.8)
    errors = []
    for cells in (70, 140, 280, 560):
        grid = Grid.uniform((-2.8, 2.8), cells=cells)
        nearest = grid.faces[np.argmin(np.abs(grid.faces - 0.0123 - 0.25 * grid.widths[0]))]
        errors.append(
            abs(FokkerPlanck(gradient(stand_in, WELL[1], 0.5), grid).passage_time(-1.3, nearest).mean - exact)
        )
    assert np.polyfit(np.log([1, 0.5, 0.25, 0.125]), np.log(errors), 1)[0] < 1.5


def brownian(stand_in, low, high, v=0.0, d=0.5):
    return stand_in(lambda x, t: v, lambda x, t: d, Interval(0, 1, low, high), name="brownian")


@BOTH
def test_driftless_intervals_are_closed_forms(stand_in, generator):
    x = np.linspace(0.05, 0.95, 7)
    for low, mean, second in (
        (Wall.ABSORBING, x * (1 - x), lambda: (x - 2 * x**3 + x**4) / 3),
        (Wall.REFLECTING, 1 - x**2, lambda: (5 - 6 * x**2 + x**4) / 3),
    ):
        process = brownian(stand_in, low, Wall.ABSORBING)
        found = FokkerPlanck(process, Grid.uniform((0, 1), cells=400), assemble=generator).passage_time(0.3)
        np.testing.assert_allclose(found.means(x), mean, atol=1e-5)  # x (1 - x)/2D and (1 - x^2)/2D with D = 1/2
        np.testing.assert_allclose(found.second_moments(x), second(), atol=1e-5)
        assert found.variance == pytest.approx(found.second_moments(0.3) - found.means(0.3) ** 2, rel=1e-12)
        assert found.means(1.0) == pytest.approx(0, abs=1e-15) and found.edge == 0
    at_wall = FokkerPlanck(process, Grid.uniform((0, 1), cells=400), assemble=generator).passage_time(0.0)
    assert at_wall.mean == pytest.approx(1, abs=1e-5)  # a start on the reflecting wall
    with pytest.raises(InvalidInput, match=r"x0=1\.0 lies in the target"):
        FokkerPlanck(process, Grid.uniform((0, 1), cells=400), assemble=generator).passage_time(1.0)


@BOTH
def test_a_piece_has_the_walls_of_the_grid_however_short_it_is(stand_in, generator):
    """The grid begins at the wall but for 5e-13 of its length, which is 5e-11 of that of the piece."""
    process = brownian(stand_in, Wall.REFLECTING, Wall.ABSORBING)
    solver = FokkerPlanck(process, Grid.uniform((5e-13, 1), cells=400), assemble=generator)
    found = solver.passage_time(0.0025, 0.01)
    assert found.mean == pytest.approx(0.01**2 - 0.0025**2, rel=0.02) and found.edge == 0
    assert found.provenance["grid"] == {"low": 5e-13, "high": 0.01, "cells": 4}
    assert found.provenance["method"] == f"{solver.generator().flux}, backward equation"
    with pytest.raises(InvalidInput, match="of the time of brownian until the target is spent in the 1 outermost"):
        FokkerPlanck(process, Grid.uniform((2e-12, 1), cells=400), assemble=generator).passage_time(0.0025, 0.01)


def test_a_piece_without_room_for_cells_is_refused(stand_in):
    low = 1e6
    process = stand_in(lambda x, t: 0.0, lambda x, t: 0.5, Interval(low, low + 1, Wall.REFLECTING, Wall.ABSORBING))
    near = np.nextafter(np.nextafter(low, np.inf), np.inf)
    with pytest.raises(InvalidInput, match=r"axes\[0\] must strictly increase"):
        FokkerPlanck(process, Grid.uniform((low, low + 1), cells=100)).passage_time(low, near)


@BOTH
def test_drift_between_two_walls_splits_as_the_reference_says(stand_in, generator):
    v, d, x0 = 2.0, 0.5, 0.3
    right = -np.expm1(-v * x0 / d) / -np.expm1(-v / d)
    exit_time = right / v - x0 / v
    assert (right, exit_time) == (pytest.approx(0.7118436595, abs=1e-10), pytest.approx(0.2059218298, abs=1e-10))
    for cells, close in ((100, 2e-4), (400, 1.3e-5)):
        process = brownian(stand_in, Wall.ABSORBING, Wall.ABSORBING, v)
        solver = FokkerPlanck(process, Grid.uniform((0, 1), cells=cells), assemble=generator)
        split = solver.splitting(x0)
        assert split.high == pytest.approx(right, abs=close) and split.low + split.high == pytest.approx(1, abs=1e-13)
        assert solver.passage_time(x0).mean == pytest.approx(exit_time, abs=close)
        assert split.from_anywhere(np.array([0.0, 1.0])).tolist() == [0.0, 1.0]
    other = FokkerPlanck(replace(process, drift=lambda x, t: -v), solver.grid).splitting(x0)
    assert abs(other.high - right) > 0.5


@pytest.mark.parametrize("cells", [51, 200])
def test_the_committor_of_a_tilted_well_is_that_of_the_reference(stand_in, cells):
    def scale(low, high):
        return quad(lambda y: np.exp(((y**2 - 1) ** 2 + 0.3 * y) / 0.5), low, high, epsrel=1e-12)[0]

    exact = scale(-1, 0) / scale(-1, 1)
    assert exact == pytest.approx(0.4034528696, abs=1e-10)
    process = gradient(stand_in, lambda x: WELL[1](x) + 0.3, 0.5)
    solver = FokkerPlanck(process, Grid.uniform((-2.5, 2.5), cells=cells), assemble=scale_speed)
    q = solver.committor(-1.0, 1.0)
    assert q(0.0) == pytest.approx(exact, abs=1e-5)
    np.testing.assert_array_equal(q(np.array([-2.4, -1.0, 1.0])), [0, 0, 1])
    assert q(2.4) == pytest.approx(1, abs=1e-15)  # a mean of ones, to round-off
    turned = solver.committor(1.0, -1.0)
    np.testing.assert_allclose(turned(q.x), 1 - q.values, atol=1e-14)
    wide = solver.committor((-1.5, -1.0), (1.0, 2.0))
    np.testing.assert_allclose(wide(np.array([-1.2, 0.0, 1.7])), [0, q(0.0), 1], atol=1e-12)


def test_passages_over_barriers_of_hundreds_of_kt_keep_their_digits(stand_in):
    d = 0.005
    top = quad(lambda y: np.exp(((y**2 - 1) ** 2 - 1) / d), -1, 0.5, points=[0], epsrel=1e-12)[0]
    below = quad(lambda y: np.exp(-((y**2 - 1) ** 2) / d), -2, 0, points=[-1], epsrel=1e-12)[0]
    solver = FokkerPlanck(gradient(stand_in, WELL[1], d), Grid.uniform((-1.6, 1.6), cells=1200), assemble=scale_speed)
    found = solver.passage_time(-1.0, 0.5)
    assert np.log(found.mean) == pytest.approx(np.log(top * below / d) + 1 / d, abs=1e-3)
    assert found.mean > 1e86
    assert found.variance == pytest.approx(found.mean**2, rel=1e-3)  # an exponential law
    rate = solver.modes(1).gap
    assert rate * found.mean == pytest.approx(2, rel=2e-3)


def test_an_interval_is_reached_at_its_nearer_end_and_from_both_sides(stand_in):
    solver = FokkerPlanck(gradient(stand_in, WELL[1], 0.5), Grid.uniform((-2.8, 2.8), cells=280))
    found = solver.passage_time(-1.0, (0.2, 0.7))
    assert found.mean == solver.passage_time(-1.0, 0.2).mean
    assert found.means(1.5) == pytest.approx(solver.passage_time(1.5, 0.7).mean, rel=1e-12)
    np.testing.assert_array_equal(found.means(np.array([0.2, 0.4, 0.7])), 0)
    assert solver.passage_time(1.0, 0.0).mean == pytest.approx(solver.passage_time(-1.0, 0.0).mean, rel=1e-12)


def test_a_ring_is_cut_at_the_target(stand_in):
    length, v, d = 2.0, 1.5, 0.4
    ring = stand_in(lambda x, t: v + 0 * x, lambda x, t: d, Interval.between(0, length, Wall.PERIODIC))
    solver = FokkerPlanck(ring, Grid.uniform((0, length), cells=400))
    found = solver.passage_time(0.5, 0.3)

    def exact(y):  # from y above the target, both ends absorb
        return length / v * -np.expm1(-v * y / d) / -np.expm1(-v * length / d) - y / v

    assert found.mean == pytest.approx(exact(0.2), rel=2e-5)
    y = np.array([0.1, 1.0, 1.9])
    np.testing.assert_allclose(found.means((0.3 + y) % length), exact(y), rtol=2e-4)
    np.testing.assert_allclose(found.means(0.3 + y), found.means((0.3 + y) % length), rtol=1e-12)
    to_b = solver.committor(0.3, 1.3)
    up, down = -np.expm1(-v * 0.5 / d) / -np.expm1(-v / d), -np.expm1(v * 0.5 / d) / -np.expm1(v / d)
    np.testing.assert_allclose(to_b(np.array([0.8, 1.8])), [up, 1 - up], atol=2e-5)
    assert down == pytest.approx(1 - up) and to_b(0.3) == 0 and to_b(1.3) == 1


def test_the_law_of_a_passage_is_that_of_reflection_and_images(stand_in):
    """Brownian motion from x0 to 0 on the half line: P(T > t) = erf(x0/sqrt(4 D t)), and its density."""
    x0, d = 1.0, 0.5
    times = np.array([0.05, 0.2, 0.5, 1.0])
    survival = special.erf(x0 / np.sqrt(4 * d * times))
    density = x0 / np.sqrt(4 * np.pi * d * times**3) * np.exp(-(x0**2) / (4 * d * times))
    free = stand_in(lambda x, t: 0.0, lambda x, t: d)
    errors = []
    for cells in (120, 240, 480):
        solver = FokkerPlanck(free, Grid.uniform((-9, 9), cells=cells))
        found = solver.passage_law(x0, 0.0, times=times, tolerance=1e-7)
        errors.append((np.abs(found.survival - survival).max(), np.abs(found.density - density).max()))
        np.testing.assert_allclose(found.arrived.sum(axis=1), 1 - found.survival, atol=1e-13)
        assert found.mass_error < 1e-12
    ratios = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    assert np.all(np.abs(ratios - 2) < 0.3), errors
    np.testing.assert_array_equal(found.arrived[:, 1], 0)
    later = solver.passage_law(x0, 0.0, times=times, t_start=3.0, tolerance=1e-7)
    np.testing.assert_allclose(later.survival, found.survival, atol=1e-12)


def test_noise_that_swells_and_ebbs_changes_the_clock_of_a_passage(stand_in):
    """With D(t) = (1 + sin(5 t)/2)/2 the law at t is that of D = 1/2 after s = integral of 1 + sin(5 t)/2."""
    x0, begin, times = 1.0, 0.3, np.array([0.2, 0.5, 1.0])

    def pace(t):
        return 1 + 0.5 * np.sin(5 * t)

    clock = times - 0.1 * (np.cos(5 * (begin + times)) - np.cos(5 * begin))
    swelling = replace(stand_in(lambda x, t: 0.0, lambda x, t: 0.5 * pace(t)), time_dependent=True)
    solver = FokkerPlanck(swelling, Grid.uniform((-8, 8), cells=240))
    found, early = (solver.passage_law(x0, 0.0, times=times, t_start=t, tolerance=1e-4) for t in (begin, 0.0))
    survival = special.erf(x0 / np.sqrt(2 * clock))
    np.testing.assert_allclose(found.survival, survival, atol=1e-3)
    density = x0 / np.sqrt(2 * np.pi * clock**3) * np.exp(-(x0**2) / (2 * clock))
    np.testing.assert_allclose(found.density, density * pace(begin + times), rtol=5e-3)
    assert np.abs(early.survival - survival).max() > 0.02


def test_the_law_of_a_passage_has_the_mean_of_the_backward_equation(stand_in):
    solver = FokkerPlanck(gradient(stand_in, WELL[1], 1.0), Grid.uniform((-3.2, 3.2), cells=160))
    times = np.linspace(0, 60, 1201)[1:]
    law = solver.passage_law(-1.0, 1.0, times=times, tolerance=1e-5)
    mean = 0.05 * (0.5 + law.survival[:-1].sum() + 0.5 * law.survival[-1])
    found = solver.passage_time(-1.0, 1.0)
    assert mean == pytest.approx(found.mean, rel=2e-3)
    second = 2 * 0.05 * (times * law.survival).sum()
    assert second - mean**2 == pytest.approx(found.variance, rel=5e-3)


def test_bad_targets_and_starts_are_refused_with_their_numbers(stand_in):
    solver = FokkerPlanck(gradient(stand_in, WELL[1], 0.25, name="well"), Grid.uniform((-2.5, 2.5), cells=100))
    for arguments, message in (
        ((-1.0, 3.0), r"target=3\.0 does not lie on the grid \[-2\.5, 2\.5\]"),
        ((-1.0, (0.0, 4.0)), r"target=\(0\.0, 4\.0\) does not lie on the grid"),
        ((-1.0, (1.0, 0.0)), r"target must strictly increase"),
        ((-1.0, (0.0, 0.5, 1.0)), r"has 3 numbers; give a level, or an interval"),
        ((-1.0, np.nan), r"target=nan is not finite"),
        ((0.0, 0.0), r"x0=0\.0 lies in the target, where the time is 0"),
        ((0.2, (0.0, 0.5)), r"x0=0\.2 lies in the target"),
        ((-4.0, 0.0), r"x0=-4\.0 lies outside of the grid \[-2\.5, 2\.5\]"),
        ((-1.0,), r"no target was given and no wall of well absorbs"),
    ):
        for method in (solver.passage_time, lambda *a: solver.passage_law(*a, times=[1.0])):
            with pytest.raises(InvalidInput, match=message):
                method(*arguments)
    with pytest.raises(InvalidInput, match=r"times begin at 0\.0; a passage takes a positive time"):
        solver.passage_law(-1.0, 0.0, times=[0.0, 1.0])
    for sets, message in (
        ((-1.0, -1.0), r"a=\(-1\.0, -1\.0\) and b=\(-1\.0, -1\.0\) meet"),
        (((-1.0, 0.5), (0.0, 1.0)), r"meet; give two sets with a gap"),
        ((-1.0, 7.0), r"b=7\.0 does not lie on the grid"),
    ):
        with pytest.raises(InvalidInput, match=message):
            solver.committor(*sets)
    with pytest.raises(InvalidInput, match="well is not absorbed at both ends of the grid; use committor"):
        solver.splitting(0.0)
    late = FokkerPlanck(replace(solver.process, time_dependent=True), solver.grid)
    for ask in (lambda: late.passage_time(-1.0, 0.0), lambda: late.committor(-1, 1), lambda: late.splitting(0.0)):
        with pytest.raises(InvalidInput, match="well depends on time and has"):
            ask()


def test_a_mean_time_that_is_infinite_or_made_by_the_grid_is_refused(stand_in):
    free = stand_in(lambda x, t: 0.0, lambda x, t: 0.5, name="brownian")
    with pytest.raises(InvalidInput, match=r"0\.\d+ of the time of brownian until the target is spent in the"):
        FokkerPlanck(free, Grid.uniform((-9, 9), cells=200)).passage_time(1.0, 0.0)
    lost = brownian(stand_in, Wall.ABSORBING, Wall.REFLECTING)
    solver = FokkerPlanck(lost, Grid.uniform((0, 1), cells=100))
    with pytest.raises(InvalidInput, match="may end at an absorbing wall and never reach the target"):
        solver.passage_time(0.3, 0.6)
    assert solver.passage_time(0.8, 0.6).mean == pytest.approx((0.4**2 - 0.2**2), rel=1e-3)  # to the right it is safe
    assert solver.committor(0.0, 0.6)(0.3) == pytest.approx(0.5, abs=1e-4)
    law = solver.passage_law(0.3, 0.6, times=[50.0])
    assert law.survival[0] == pytest.approx(0.5, abs=1e-4)  # half of it never arrives
