"""Grids of cells."""

from __future__ import annotations

import numpy as np
import pytest

import fpsde.grid
from fpsde.density import CellLaw
from fpsde.errors import InvalidInput
from fpsde.fokker_planck import FokkerPlanck
from fpsde.grid import Grid
from fpsde.processes import linear_system


def test_uniform_cells_fill_the_bounds():
    grid = Grid.uniform((-1, 3), cells=8)
    np.testing.assert_array_equal(grid.faces, np.linspace(-1, 3, 9))
    np.testing.assert_array_equal(grid.widths, np.full(8, 0.5))
    np.testing.assert_array_equal(grid.centres, np.linspace(-0.75, 2.75, 8))
    assert grid.shape == (8,)


def test_one_count_serves_every_axis_and_one_for_each_may_be_given():
    assert Grid.uniform((0, 1), (0, 2), cells=4).shape == (4, 4)
    assert Grid.uniform((0, 1), (0, 2), cells=[4, 5]).shape == (4, 5)
    assert Grid.uniform((0, 1), cells=np.int64(4)).dim == 1


def test_cells_may_have_any_widths():
    grid = Grid((np.array([0.0, 1.0, 3.0, 6.0]),))
    np.testing.assert_array_equal(grid.widths, [1, 2, 3])
    np.testing.assert_array_equal(grid.centres, [0.5, 2, 4.5])


def test_faces_cannot_be_changed_from_outside():
    given = np.array([0.0, 1.0, 2.0, 3.0])
    grid = Grid((given,))
    given[0] = -5
    assert grid.faces[0] == 0
    with pytest.raises(ValueError, match="read-only"):
        grid.faces[0] = -5


def test_grids_can_be_keys():
    grid = Grid.uniform((0, 1), cells=4)
    assert {grid: 1}[grid] == 1
    assert grid != Grid.uniform((0, 1), cells=5)


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ((), "a grid needs at least one axis; none was given"),
        (([0.0, 1.0, 2.0],), "axis 0 has 2 cells; at least 3 are needed"),
        (([0, 1, 2, 3], [0, 1, 1, 2]), r"axes\[1\] must strictly increase, but axes\[1\]\[1\]=1.0 is followed by 1.0"),
        (([0, 1, np.nan, 3],), r"axes\[0\] has 1 of 4 values that are NaN or infinite"),
        (([[0, 1, 2, 3]],), r"axes\[0\] has shape \(1, 4\)"),
    ],
)
def test_faces_that_bound_no_cells_are_refused(axes, message):
    with pytest.raises(InvalidInput, match=message):
        Grid(axes)


@pytest.mark.parametrize(
    ("bounds", "cells", "message"),
    [
        ([(1, 1)], 4, r"grid bounds \(1.0, 1.0\) are empty; low must be below high"),
        ([(0, np.inf)], 4, "high=inf is not finite"),
        ([(0, 1, 2)], 4, r"grid bounds \(0, 1, 2\) are not a pair; give \(low, high\) for each axis"),
        ([0, 1], 4, "grid bounds 0 are not a pair"),
        ([(0, 1)], 2, "cells=2 must be at least 3"),
        ([(0, 1)], 4.5, "cells=4.5 is not a whole number"),
        ([(0, 1)], None, "cells=None is not a whole number"),
        ([(0, 1), (0, 1)], [4], "2 axes but 1 cell counts; give one count for each axis"),
    ],
)
def test_bounds_and_counts_that_make_no_grid_are_refused(bounds, cells, message):
    with pytest.raises(InvalidInput, match=message):
        Grid.uniform(*bounds, cells=cells)


@pytest.mark.parametrize("name", ["faces", "centres", "widths"])
def test_one_dimensional_views_refuse_a_grid_of_two(name):
    with pytest.raises(InvalidInput, match="this needs a grid of one dimension; the grid has 2"):
        getattr(Grid.uniform((0, 1), (0, 1), cells=4), name)


@pytest.mark.parametrize("at", [-1.0, 0.3, 2.0])
def test_graded_cells_are_narrowest_where_asked_and_widen_to_the_ratio(at):
    grid = Grid.graded((-1.0, 2.0), cells=200, at=at, ratio=8.0)
    widths = grid.widths
    assert (grid.faces[0], grid.faces[-1], grid.shape) == (-1.0, 2.0, (200,))
    assert abs(grid.centres[np.argmin(widths)] - at) < 2 * widths.min()
    assert widths.max() / widths.min() == pytest.approx(8.0, rel=0.02)
    steps = np.abs(np.diff(widths)) / widths[:-1]
    fine = Grid.graded((-1.0, 2.0), cells=400, at=at, ratio=8.0).widths
    assert np.max(np.abs(np.diff(fine)) / fine[:-1]) == pytest.approx(steps.max() / 2, rel=0.03)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"at": 3.0, "ratio": 2.0}, r"at=3\.0 must lie in \[-1\.0, 2\.0\]"),
        ({"at": 0.0, "ratio": 1.0}, r"ratio=1\.0 be above 1"),
        ({"at": np.nan, "ratio": 2.0}, r"at=nan is not finite"),
        ({"at": 0.0, "ratio": 2.0, "cells": 2}, r"cells=2 must be at least 3"),
    ],
)
def test_a_grading_that_cannot_be_is_refused(options, message):
    with pytest.raises(InvalidInput, match=message):
        Grid.graded((-1.0, 2.0), **{"cells": 10, **options})


@pytest.mark.parametrize(("low", "high"), [(1.0, 1 + 2**-45), (-1 - 2**-45, -1.0)])
def test_the_narrowest_equal_cells_have_faces_that_increase(low, high):
    grid = Grid.uniform((low, high), cells=15)
    assert np.all(np.diff(grid.faces) > 0) and (grid.faces[0], grid.faces[-1]) == (low, high)
    with pytest.raises(InvalidInput, match=r"16 cells .* where float64 holds faces that are more than 1\.78e-15 apart"):
        Grid.uniform((low, high), cells=16)


@pytest.mark.parametrize(("low", "high"), [(-3.7, 1e-9), (1e5, 1e5 + 0.1), (-1e-300, 2e-300), (-3e200, 2e200)])
@pytest.mark.parametrize("cells", [3, 1000, 99_991])
def test_the_faces_of_equal_cells_increase(low, high, cells):
    faces = Grid.uniform((low, high), cells=cells).faces
    assert np.all(np.diff(faces) > 0) and (faces[0], faces[-1]) == (low, high) and not faces.flags.writeable


def test_bounds_between_which_float64_has_too_few_numbers_are_refused():
    with pytest.raises(InvalidInput, match=r"more than 2\.23e-308 apart"):  # the last face would lie below the others
        Grid.uniform((0.0, 1e-320), cells=1300)


def test_bounds_whose_distance_is_not_finite_are_refused():
    with pytest.raises(InvalidInput, match="lengths that are finite"):
        Grid.uniform((-1e308, 1e308), cells=4)


def test_more_cells_than_the_machine_holds_are_refused_before_anything_is_made():
    for bounds, cells in (((0.0, 1.0),), 10**12), (((0.0, 1.0), (0.0, 1.0)), 10**6):
        with pytest.raises(InvalidInput, match=r"cells needs [\d.]+ GiB at least, of [\d.]+ GiB on this machine"):
            Grid.uniform(*bounds, cells=cells)


def test_a_solver_asks_for_room_for_its_coefficients(monkeypatch):
    grid, process = Grid.uniform((-5, 5), (-5, 5), cells=64), linear_system(np.eye(2), np.eye(2))
    monkeypatch.setattr(fpsde.grid, "ROOM", 7 * 64**2)
    assert FokkerPlanck(process, grid).grid is grid  # the masses, a drift of two and a D of four
    monkeypatch.setattr(fpsde.grid, "ROOM", 7 * 64**2 - 1)
    with pytest.raises(InvalidInput, match="a grid of 64 by 64 cells"):
        FokkerPlanck(process, grid)


def test_grids_and_laws_on_them_are_shown_in_a_line():
    grid = Grid.uniform((-1, 1), (0, 2.5), cells=(4, 10))
    assert repr(grid) == "<Grid [-1, 1] x [0, 2.5] in 4 x 10 cells>"
    law = CellLaw(grid.lines[0], np.full(4, 0.25))
    assert repr(law) == "CellLaw(grid=<Grid [-1, 1] in 4 cells>, points_of_mass=())"
