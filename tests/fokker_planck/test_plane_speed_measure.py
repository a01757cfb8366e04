"""The generator whose stationary masses are those of the cells: what it is exact in, its orders, what it refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import expm

from fpsde import checks
from fpsde.domain import LINE, Interval, Wall
from fpsde.errors import InvalidInput
from fpsde.fokker_planck import FokkerPlanck, assemble_plane, scale_speed, speed_measure
from fpsde.fokker_planck.plane.generator import volumes
from fpsde.grid import Grid
from fpsde.processes import overdamped, rotating_ou, underdamped
from fpsde.processes.process import Process

LEGENDRE, WEIGHTS = np.polynomial.legendre.leggauss(6)


def cell_masses(density, grid):
    """Return the masses of cells by six Gauss points along each axis, with sum 1."""
    points = [(f[:-1, None] + np.diff(f)[:, None] * 0.5 * (1 + LEGENDRE)).ravel() for f in grid.axes]
    values = density(*np.meshgrid(*points, indexing="ij"))
    n, m = grid.shape
    means = np.einsum("iajb,a,b->ij", values.reshape(n, 6, m, 6), WEIGHTS, WEIGHTS)
    masses = means.ravel() * volumes(grid)
    return (masses / masses.sum()).reshape(grid.shape)


def uneven(bounds, cells):
    """Return faces that widen and narrow smoothly."""
    s = np.linspace(0, 1, cells + 1)
    return bounds[0] + (bounds[1] - bounds[0]) * (s + 0.08 * np.sin(2 * np.pi * s) / np.pi)


def wells(x, y):
    return (x**2 - 1) ** 2 + 0.5 * y**2 + 0.3 * x * y


WELLS = overdamped(lambda x: wells(x[0], x[1]), temperature=0.4, dim=2)
MOBILE = Process(  # a mobility of its own along each axis, in the same potential at kT = 1
    lambda x: (-(1 + 0.3 * np.sin(x[1])) * (x[0] + 0.6 * x[1]), -0.5 * (x[1] ** 3 + 0.6 * x[0])),
    lambda x: (np.sqrt(2 + 0.6 * np.sin(x[1])), 1.0),
    dim=2,
    name="mobile",
)
LEANING = Process(  # dX = -D grad U dt + sqrt(2 D) dW, U = (x^2 + y^4/2 + x y)/2, and D with a correlation
    lambda x: (
        -1.0 * (x[0] + 0.5 * x[1]) - 0.4 * (x[1] ** 3 + 0.5 * x[0]),
        -0.4 * (x[0] + 0.5 * x[1]) - 0.6 * (x[1] ** 3 + 0.5 * x[0]),
    ),
    lambda x: tuple(tuple(row) for row in np.linalg.cholesky(2 * np.array([[1.0, 0.4], [0.4, 0.6]]))),
    dim=2,
    name="leaning",
)
WALL = Interval.between(-1.0, 1.5, Wall.REFLECTING)
SLOPE = overdamped(
    lambda x: 1.5 * x[0] + np.sin(2 * x[1] + x[0]), dim=2, domain=(WALL, Interval.between(0, np.pi, Wall.PERIODIC))
)
KRAMERS = underdamped(lambda x: x**4 / 4 - x**2 / 2, 0.2, friction=1.0)

#: process, density (not normalised), grid for a number of cells, numbers of cells
CASES = {
    "two wells": (
        WELLS,
        lambda x, y: np.exp(-wells(x, y) / 0.4),
        lambda n: Grid.uniform((-2.5, 2.5), (-4, 4), cells=(n, n // 2)),
        (44, 60, 84, 116),
    ),
    "leaning": (
        LEANING,
        lambda x, y: np.exp(-(x**2 + 0.5 * y**4 + x * y) / 2),
        lambda n: Grid.uniform((-6, 6), (-4, 4), cells=n),
        (32, 44, 60, 84),
    ),
    "mobile": (
        MOBILE,
        lambda x, y: np.exp(-(0.5 * x**2 + 0.25 * y**4 + 0.6 * x * y)),
        lambda n: Grid((uneven((-6, 6), n), uneven((-4, 4), n))),
        (32, 44, 60, 84),
    ),
    "walls and a ring": (
        SLOPE,
        lambda x, y: np.exp(-1.5 * x - np.sin(2 * y + x)),
        lambda n: Grid((uneven((-1, 1.5), n), uneven((0, np.pi), n))),
        (16, 22, 30, 42),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_masses_of_cells_come_at_order_four_and_those_of_centres_at_order_two(name):
    process, density, cut, counts = CASES[name]
    errors = {speed_measure: [], assemble_plane: []}
    for n in counts:
        exact = cell_masses(density, cut(n))
        for assemble, found in errors.items():
            at_rest = FokkerPlanck(process, cut(n), assemble=assemble).stationary()
            found.append(np.abs(at_rest.law.masses - exact).sum())
            assert at_rest.residual < 1e-13 and at_rest.law.masses.min() >= 0
            assert at_rest.law.mass == pytest.approx(1, abs=1e-14)
    widths = 1 / np.array(counts)
    for assemble, order in ((speed_measure, 4), (assemble_plane, 2)):
        judged = checks.grid_order(widths, errors[assemble], expected=order)
        assert judged.verdict is checks.Verdict.PASS, judged
    assert errors[assemble_plane][-1] > 50 * errors[speed_measure][-1]


def test_a_thousand_cells_hold_two_wells_to_a_ten_thousandth_of_the_mass():
    grid = Grid.uniform((-2.5, 2.5), (-4, 4), cells=(40, 26))
    exact = cell_masses(CASES["two wells"][1], grid)

    def wrong_way(process, cells, t=0.0):  # masses divided by r, where rates ought to be
        q, weighed = assemble_plane(process, cells, t), speed_measure(process, cells, t)
        r = [a.up / b.up for a, b in zip(q.families, weighed.families, strict=True)]
        families = [replace(a, up=a.up * k, down=a.down * k) for a, k in zip(q.families, r, strict=True)]
        return replace(q, families=families)

    found = FokkerPlanck(WELLS, grid, assemble=speed_measure).stationary()
    assert found.provenance["method"] == "Scharfetter-Gummel, speed measure, rate ratios"
    assert np.abs(found.law.masses - exact).sum() < 1e-4
    for assemble in (assemble_plane, wrong_way):
        assert np.abs(FokkerPlanck(WELLS, grid, assemble=assemble).stationary().law.masses - exact).sum() > 1e-2


def test_components_that_do_not_meet_have_the_masses_of_their_scales(stand_in):
    drifts = (lambda x: -x - 0.4 * np.sin(2 * x), lambda x: -(x**3))
    noises = (lambda x: 1 + 0.3 * np.sin(x), lambda x: 0.7 + 0.1 * np.cos(x))
    process = Process(
        lambda x: tuple(f(at) for f, at in zip(drifts, x, strict=True)),
        lambda x: tuple(np.sqrt(2 * d(at)) for d, at in zip(noises, x, strict=True)),
        dim=2,
    )
    axes = uneven((-6, 6), 30), uneven((-3, 3), 26)
    found = FokkerPlanck(process, Grid(axes), assemble=speed_measure).stationary()
    lines = [
        FokkerPlanck(stand_in(lambda x, t, f=f: f(x), lambda x, t, d=d: d(x)), Grid((faces,)), assemble=scale_speed)
        for f, d, faces in zip(drifts, noises, axes, strict=True)
    ]
    exact = np.multiply.outer(*(line.stationary().law.masses for line in lines))
    np.testing.assert_allclose(found.law.masses, exact, rtol=1e-11)


def test_klein_kramers_has_the_masses_of_cells_exactly():
    process, grid = (
        underdamped(lambda x: x**4 / 4 - x**2 / 2, 0.2, friction=1.0),
        Grid.uniform((-2.6, 2.6), (-3, 3), cells=40),
    )
    exact = cell_masses(lambda x, v: np.exp(-(v**2 / 2 + x**4 / 4 - x**2 / 2) / 0.2), grid)
    found = FokkerPlanck(process, grid, assemble=speed_measure).stationary()
    assert found.residual < 1e-14
    np.testing.assert_allclose(found.law.masses, exact, rtol=1e-8, atol=1e-14)
    assert np.abs(FokkerPlanck(process, grid).stationary().law.masses - exact).sum() > 5e-3


@pytest.mark.parametrize("wall", [Wall.REFLECTING, Wall.ABSORBING, Wall.PERIODIC])
def test_columns_sum_to_minus_the_exits_and_rates_are_not_negative(wall):
    K = np.pi / 2
    process = Process(
        lambda x: (np.sin(K * x[0]) * np.cos(K * x[1]), 2 * np.sin(K * x[0])),
        lambda x: (1 + 0.4 * np.cos(K * x[0]), 1.0),
        dim=2,
        domain=(Interval.between(-2, 2, wall), LINE),
    )
    q = speed_measure(process, Grid.uniform((-2, 2), (-2, 2), cells=(14, 11)))
    np.testing.assert_allclose(q.matrix.sum(axis=0), -q.exits.sum(axis=0), atol=1e-13 * q.max_rate)
    assert q.up.min() > 0 and q.down.min() > 0 and (q.exits.max() > 0) == (wall is Wall.ABSORBING)


def test_laws_on_the_way_are_met_at_order_two_and_the_equilibrium_does_not_drift():
    """dX = -A X dt + sqrt(2) dW with A = [[1, -1], [1, 1]]: a round normal law turns and spreads."""
    process, t = rotating_ou(1.0, 1.0), 0.7
    s0, mean = 0.25, expm(-np.array([[1.0, -1.0], [1.0, 1.0]]) * t) @ [1.0, 0.5]
    start, end = (
        (1.0, 0.5, s0),
        (*mean, s0 * np.exp(-2 * t) + process.exact.stationary_covariance()[0, 0] * (1 - np.exp(-2 * t))),
    )
    normal = [lambda x, y, a=a, b=b, s=s: np.exp(-((x - a) ** 2 + (y - b) ** 2) / (2 * s)) for a, b, s in (start, end)]
    errors, counts = [], (24, 32, 44, 60)
    for n in counts:
        grid = Grid.uniform((-5.5, 5.5), (-5.5, 5.5), cells=n)
        begin, exact = (cell_masses(f, grid) for f in normal)
        found = FokkerPlanck(process, grid, assemble=speed_measure).evolve(begin, t_end=t, dt=2 * t / n)
        assert found.minimum >= 0 and found.mass_error < 1e-13
        errors.append(np.abs(found.law.masses - exact).sum())
    judged = checks.grid_order(1 / np.array(counts), errors, expected=2)
    assert judged.verdict is checks.Verdict.PASS, judged
    solver = FokkerPlanck(WELLS, Grid.uniform((-2.5, 2.5), (-4, 4), cells=(24, 16)), assemble=speed_measure)
    at_rest = solver.stationary().law
    assert np.abs(solver.evolve(at_rest, t_end=5.0, dt=0.25).law.masses - at_rest.masses).sum() < 1e-11


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"sigma": lambda x: ((1.0, 0.0), (0.3 * np.sin(x[0]), 1.0))},
            r"noise of bad is correlated and D=\[\[.*speed_measure takes correlated noise with one D: leave it out",
        ),
        ({"sigma": lambda x: (0.0, 1.0)}, r"bad has no noise along axis 0 and states no law"),
        ({"drift": lambda x: (-900 * x[0], -x[1])}, r"changes beyond the range of float64 over the cell at x=\("),
    ],
)
def test_what_cannot_be_weighed_is_refused(changes, message):
    process = Process(
        **{"drift": lambda x: (-x[0], -x[1]), "sigma": lambda x: (1.0, 1.0), "dim": 2, "name": "bad"} | changes
    )
    with pytest.raises(InvalidInput, match=message):
        speed_measure(process, Grid.uniform((-3, 3), (-3, 3), cells=(4, 30)))


def test_each_dimension_has_a_generator_of_its_own(stand_in):
    line, plane = Grid.uniform((-3, 3), cells=10), Grid.uniform((-3, 3), (-3, 3), cells=10)
    with pytest.raises(InvalidInput, match="grid of two dimensions, not 1; in one, give scale_speed"):
        FokkerPlanck(stand_in(lambda x, t: -x, lambda x, t: 1.0), line, assemble=speed_measure).generator()
    with pytest.raises(InvalidInput, match="grid of one dimension, not 2; in two, give speed_measure"):
        FokkerPlanck(WELLS, plane, assemble=scale_speed).generator()
