"""Starts: a point keeps its mean, a law its cell masses, and what does not fit is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fpsde.density import CellLaw, Law, Mixture, Normal, Point, Uniform
from fpsde.domain import LINE, Interval, Wall
from fpsde.errors import InvalidInput
from fpsde.fokker_planck.initial import starting_masses
from fpsde.fokker_planck.sides import Sides, sides_of
from fpsde.grid import Grid


def sides(grid: Grid, wall: Wall) -> Sides:
    domain = LINE if wall is Wall.NONE else Interval.between(grid.faces[0], grid.faces[-1], wall)
    return sides_of(domain, grid)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.lists(st.floats(0.05, 1.0), min_size=3, max_size=30),
    st.floats(0, 1),
    st.sampled_from([Wall.ABSORBING, Wall.NONE]),
)
def test_a_point_keeps_its_mean_and_adds_the_variance_of_its_cells(widths, fraction, wall):
    grid = Grid((np.cumsum([0.0, *widths]),))
    inner = grid.faces[[1, -2]] if wall is Wall.NONE else grid.faces[[0, -1]]
    at = float(np.clip(inner[0] + fraction * (inner[1] - inner[0]), *np.nextafter(inner, inner[::-1])))
    start = starting_masses(at, grid, sides(grid, wall))
    x = np.concatenate([grid.centres, grid.faces[[0, -1]]])
    m = np.concatenate([start.masses, start.absorbed])
    assert m.min() >= -1e-15
    assert m.sum() == pytest.approx(1, abs=1e-14)
    assert m @ x == pytest.approx(at, abs=1e-13)
    assert m @ (x - at) ** 2 <= max(widths) ** 2 / 2
    if wall is Wall.NONE:
        assert m @ (x - at) ** 2 == pytest.approx(start.masses @ (grid.widths**2 / 4), rel=1e-6, abs=1e-14)


@pytest.mark.parametrize("at", [2.0, 2.03, 2.05, 2.0999])
def test_a_point_adds_the_same_variance_wherever_it_lies_in_a_cell(at):
    grid = Grid.uniform((0, 4), cells=40)
    start = starting_masses(at, grid, sides(grid, Wall.REFLECTING))
    assert start.masses @ (grid.centres - at) ** 2 == pytest.approx(0.1**2 / 4, rel=1e-10)
    assert np.count_nonzero(start.masses) <= 3


def test_a_point_next_to_a_wall_is_folded_absorbed_or_wrapped():
    grid = Grid.uniform((0, 1), cells=10)
    at = {
        wall: starting_masses(0.02, grid, sides(grid, wall))
        for wall in (Wall.REFLECTING, Wall.ABSORBING, Wall.PERIODIC)
    }
    assert np.flatnonzero(at[Wall.REFLECTING].masses).tolist() == [0, 1]
    assert np.flatnonzero(at[Wall.PERIODIC].masses).tolist() == [0, 1, 9]
    assert at[Wall.ABSORBING].absorbed[0] == pytest.approx(0.64)
    on_the_wall = starting_masses(1.0, grid, sides(grid, Wall.ABSORBING))
    np.testing.assert_allclose(on_the_wall.absorbed, [0, 1], atol=1e-15)
    assert all(start.total == pytest.approx(1, abs=1e-15) for start in at.values())


def test_a_law_is_taken_by_its_cell_masses_and_its_atoms_as_points():
    grid = Grid.uniform((-8, 8), cells=160)
    law = Mixture((0.7, 0.3), (Normal(0, 1), Point(0.517)))
    start = starting_masses(law, grid, sides(grid, Wall.NONE))
    expected = (
        0.7 * Normal(0, 1).cell_masses(grid.faces) + 0.3 * starting_masses(0.517, grid, sides(grid, Wall.NONE)).masses
    )
    np.testing.assert_allclose(start.masses, expected, atol=1e-15)
    assert abs(start.outside) < 1e-12


def test_mass_on_an_absorbing_wall_starts_on_that_wall():
    grid = Grid.uniform((0, 1), cells=10)
    law = CellLaw(grid, np.full(10, 0.06), ((0.0, 0.1), (1.0, 0.3)))
    start = starting_masses(law, grid, sides(grid, Wall.ABSORBING))
    np.testing.assert_allclose(start.absorbed, [0.1, 0.3], atol=1e-15)
    np.testing.assert_allclose(start.masses, 0.06, atol=1e-15)


class Falling(Law):
    """Not a law: its distribution function falls between 0 and 1."""

    def cdf(self, x):
        x = np.asarray(x)
        return np.where(x > 2, 1.0, 0.4 * (x > -1) - 0.3 * (x > 0.55))

    def pdf(self, x):
        return np.zeros(np.shape(x))

    def range(self):
        return -1.0, 2.0


@pytest.mark.parametrize(
    ("initial", "message"),
    [
        (
            Normal(0, 1.5),
            r"grid \[-3\.0, 3\.0\] holds 0\.9544\d* of the initial law's mass; at most 1e-06 may be missing",
        ),
        (Uniform(2, 4), r"holds 0\.5 of the initial law"),
        (5.0, r"initial point 5\.0 lies outside of the grid \[-3\.0, 3\.0\]"),
        (2.95, r"initial point 2\.95 lies in the outermost cell"),
        (float("nan"), r"x0=nan is not finite"),
        ("left", r"x0='left' is not a number"),
        (Falling(), r"gives the cell at x=0\.5\d* the mass -0\.3\d* \(-0\.3\d* in all negative cells"),
    ],
)
def test_a_start_that_does_not_fit_is_refused_with_its_numbers(initial, message):
    grid = Grid.uniform((-3, 3), cells=60)
    with pytest.raises(InvalidInput, match=message):
        starting_masses(initial, grid, sides(grid, Wall.NONE))
