"""Functions of the starting point in a plane: SciPy's monotone cubics and linear ones along each axis."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.interpolate import PchipInterpolator, RegularGridInterpolator

from fpsde.errors import InvalidInput
from fpsde.fokker_planck import PlaneFunction
from fpsde.grid import Grid

GRID = Grid((np.cumsum([0, 0.3, 0.2, 0.5, 0.4, 0.1]), np.cumsum([-1, 0.2, 0.3, 0.1, 0.6])))
STEPS = np.array([[0.0, 1, 1, 0], [2, 1, 0, 0], [2, 0, 0, 1], [5, 5, -1, 1], [0, 1, 0, 7]])
X, Y = (line.centres for line in GRID.lines)
AT = np.random.default_rng(3).uniform((X[0], Y[0]), (X[-1], Y[-1]), (200, 2)).T


def test_it_is_a_monotone_cubic_along_each_axis_and_stays_between_its_values() -> None:
    found = PlaneFunction(GRID, STEPS)(*AT)
    exact = [PchipInterpolator(X, [PchipInterpolator(Y, row)(y) for row in STEPS])(x) for x, y in AT.T]
    np.testing.assert_allclose(found, exact, rtol=1e-12, atol=1e-12)
    linear = RegularGridInterpolator((X, Y), STEPS)(AT.T)
    assert np.abs(found - linear).max() > 0.1 and found.min() >= -1 and found.max() <= 7
    np.testing.assert_array_equal(PlaneFunction(GRID, STEPS)(X[:, None], Y), STEPS)
    np.testing.assert_allclose(PlaneFunction(GRID, STEPS, additive=True)(*AT), linear, atol=1e-13)


def test_what_adds_up_to_one_at_the_centres_does_so_everywhere_if_it_is_additive() -> None:
    parts = [np.abs(STEPS), STEPS**2 + 1.0, 3.0 + np.sin(STEPS)]
    shares = [part / sum(parts) for part in parts]
    together = sum(PlaneFunction(GRID, share, additive=True)(*AT) for share in shares)
    np.testing.assert_allclose(together, 1.0, atol=1e-14)
    assert np.abs(sum(PlaneFunction(GRID, share)(*AT) for share in shares) - 1).max() > 1e-3
    two = [PlaneFunction(GRID, part)(*AT) for part in (shares[0], 1.0 - shares[0])]  # cubics of two do without it
    np.testing.assert_allclose(sum(two), 1.0, atol=1e-14)


def test_it_turns_round_a_ring_and_is_of_order_three_or_more_where_it_is_smooth() -> None:
    errors = []
    for cells in (12, 24, 48):
        grid = Grid.uniform((0, 1), (0, 2), cells=cells)
        x, y = (line.centres for line in grid.lines)
        wave = PlaneFunction(grid, np.sin(2 * np.pi * x)[:, None] * np.exp(-y), turns=(1.0, None))
        at = np.linspace(-0.14, 0.14, 57), np.linspace(0.3, 1.6, 57)[:, None]  # across the seam, away from extremes
        errors.append(np.abs(wave(*at) - np.sin(2 * np.pi * at[0]) * np.exp(-at[1])).max())
        np.testing.assert_allclose(wave(0.3, 0.5), wave(-2.7, 0.5), rtol=1e-13)
    assert np.all(np.log2(np.array(errors[:-1]) / errors[1:]) > 2.7), errors
    with pytest.raises(InvalidInput, match=r"y from -0\.1 to 0\.5 reaches beyond the grid \[0\.0, 2\.0\]"):
        wave(0.2, np.array([-0.1, 0.5]))
    assert wave(0.2, 0.0) == wave(0.2, y[0])  # constant in the outer half of an outermost cell
