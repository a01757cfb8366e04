"""Orders on grids whose cells widen smoothly, inside and at walls, for both generators; what grading is good for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fpsde.domain import Interval, Wall
from fpsde.fokker_planck import FokkerPlanck, assemble, scale_speed
from fpsde.grid import Grid

BOTH = pytest.mark.parametrize("generator", [assemble, scale_speed], ids=["Scharfetter-Gummel", "natural scale"])
PLACES = {"OU": 1.0, "Benes": 0.5, "GBM": 0.9, "reflecting": 0.3, "absorbing": 0.0, "half_absorbing": 1.0}


def orders(errors) -> np.ndarray:
    return np.log2(np.array(errors[:-1]) / np.array(errors[1:]))


def error(case, grid, generator) -> float:
    law = (
        FokkerPlanck(case.process, grid, assemble=generator)
        .evolve(case.start, t_end=case.t_end, t_start=case.t_start, tolerance=1e-7)
        .law
    )
    return float(np.abs(law.cdf(grid.faces) - case.cdf(grid.faces)).max())


@BOTH
@pytest.mark.parametrize("name", PLACES)
def test_laws_are_met_at_order_two_on_graded_cells(known, name, generator):
    case = getattr(known, name)
    errors = [
        error(case, Grid.graded(case.box, cells=cells, at=PLACES[name], ratio=4.0), generator)
        for cells in (100, 200, 400)
    ]
    assert np.all((orders(errors) > 1.8) & (orders(errors) < 2.2)), errors


@BOTH
@pytest.mark.parametrize("wall", [Wall.REFLECTING, Wall.ABSORBING])
def test_densities_are_of_order_two_inside_and_in_the_cell_at_the_wall(stand_in, wall, generator):
    """The slowest mode of Brownian motion on (0, 1): cos(pi x), or sin(pi x) where the walls absorb."""
    shape = np.sin if wall is Wall.REFLECTING else lambda x: -np.cos(x)  # integral of the mode, over pi
    process = stand_in(lambda x, t: 0.0, lambda x, t: 0.5, Interval.between(0, 1, wall))
    inside, at_wall, far = [], [], []
    for cells in (80, 160, 320, 640):
        grid = Grid.graded((0, 1), cells=cells, at=0.0, ratio=3.0)
        found = FokkerPlanck(process, grid, assemble=generator).modes(1)
        exact = np.diff(shape(np.pi * grid.faces)) / grid.widths
        mode = found.right[0] / grid.widths
        mode *= (exact * grid.widths) @ exact / ((mode * grid.widths) @ exact)
        inside.append(np.abs(mode - exact)[1:-1].max())
        at_wall.append(np.abs(mode - exact)[[0, -1]].max())
        wrong = np.diff(shape(np.pi * (grid.faces + 0.3 * grid.widths[0]))) / grid.widths  # off by a part of a cell
        far.append(np.abs(wrong - exact).max())
    for errors in (inside, at_wall):
        assert np.all(orders(errors) > 1.8), errors  # 3 where the density vanishes at the wall
    assert np.all(orders(inside) < 2.2) and np.all(orders(far) < 1.2)


@BOTH
def test_rates_and_times_are_of_order_two_on_graded_cells(stand_in, generator):
    process = stand_in(lambda x, t: -4 * x * (x**2 - 1), lambda x, t: 0.25)
    rates, times = [], []
    for cells in (100, 200, 400):
        solver = FokkerPlanck(process, Grid.graded((-2.4, 2.4), cells=cells, at=0.0, ratio=3.0), assemble=generator)
        rates.append(abs(solver.modes(1).gap / 0.02977959331 - 1))
        times.append(abs(solver.passage_time(-1.0, 0.01).mean - solver_limit(process)))
    assert np.all(np.abs(orders(rates) - 2) < 0.2), rates
    assert np.all(np.abs(orders(times) - 2) < 0.35), times


def solver_limit(process) -> float:
    """Return the time from -1 to 0.01 by the double integral."""
    y = np.linspace(-2.4, 0.01, 40001)
    u = (y**2 - 1) ** 2 / 0.25
    inner = np.concatenate([[0.0], np.cumsum(0.5 * (np.exp(-u[1:]) + np.exp(-u[:-1])) * np.diff(y))])
    f = np.where(y >= -1, np.exp(u) * inner, 0.0)
    start = int(np.searchsorted(y, -1.0))
    whole = np.sum(0.5 * (f[start + 1 :] + f[start:-1]) * np.diff(y[start:]))
    return float((whole + f[start] * (y[start] + 1.0)) / 0.25)


def test_widths_that_jump_at_random_do_not_keep_the_density_at_order_two_but_the_law(known):
    """Random widths: the distribution function still converges at about order 2, the density in a cell does not."""
    rng = np.random.default_rng(11)
    case = known.OU
    laws, densities = [], []
    for cells in (100, 200, 400):
        widths = rng.uniform(0.5, 1.5, cells)
        faces = np.concatenate([[-7.0], -7 + 14 * np.cumsum(widths)[:-1] / widths.sum(), [7.0]])
        grid = Grid((faces,))
        law = FokkerPlanck(case.process, grid).evolve(case.start, t_end=case.t_end, tolerance=1e-7).law
        laws.append(np.abs(law.cdf(faces) - case.cdf(faces)).max())
        densities.append(np.abs(law.masses - np.diff(case.cdf(faces)))[1:-1].max() / (14 / cells))
    assert np.all(orders(laws) > 1.6), laws
    assert laws[-1] < 2e-4 and densities[-1] < 2e-3


def test_grading_resolves_a_narrow_barrier_with_fewer_cells(stand_in):
    """A barrier of width 0.02 in a box of width 2: the time over it, with 200 cells, equal or graded."""

    def slope(x):
        return -3 * x / 0.02**2 * np.exp(-(x**2) / (2 * 0.02**2))

    process = stand_in(lambda x, t: -slope(x), lambda x, t: 1.0, Interval.between(-1, 1, Wall.REFLECTING))
    process = replace(process, name="needle")
    fine = FokkerPlanck(process, Grid.uniform((-1, 1), cells=6400)).passage_time(-0.5, 0.5).mean
    equal, graded = (
        abs(FokkerPlanck(process, grid).passage_time(-0.5, 0.5).mean / fine - 1)
        for grid in (Grid.uniform((-1, 1), cells=200), Grid.graded((-1, 1), cells=200, at=0.0, ratio=20.0))
    )
    assert graded < equal / 10
