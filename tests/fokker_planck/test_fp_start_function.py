"""Functions of the starting point: SciPy's monotone cubic on each piece, and pieces that know nothing of each other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.interpolate import CubicSpline, PchipInterpolator

from fpsde.errors import InvalidInput
from fpsde.fokker_planck import FokkerPlanck, assemble
from fpsde.fokker_planck.start_function import StartFunction
from fpsde.grid import Grid

ROUGH = np.array([0.0, 1.0, 1.0, 3.0, 2.0, 2.5, -1.0, -1.0, -0.5, 7.0, 7.1, 0.0])


def unequal(n: int) -> np.ndarray:
    return np.cumsum(0.3 + np.random.default_rng(5).random(n))


@pytest.mark.parametrize("scale", [1.0, 1e200])
def test_a_function_of_one_piece_is_the_monotone_cubic_of_scipy(scale):
    for values in (ROUGH, ROUGH[::-1], ROUGH**2, np.exp(ROUGH)):
        x, values = unequal(len(values)), scale * values
        at = np.linspace(x[0] - 0.2, x[-1] + 0.2, 1001)
        found = StartFunction.of([(x, values)])(at)
        np.testing.assert_allclose(found, PchipInterpolator(x, values)(at), rtol=1e-12, atol=1e-12 * scale)
        assert np.abs(found - CubicSpline(x, values)(at)).max() > 0.01 * scale  # not any cubic
        np.testing.assert_array_equal(StartFunction.of([(x, values)])(x), values)


def test_at_a_target_the_function_has_a_kink():
    """|sin x|: the cubic through both sides has the slope 0 at the kink, where the error is then of order 1."""
    left, right = np.linspace(-1, 0, 21), np.linspace(0, 1, 21)
    both = np.concatenate([left, right[1:]])
    at = np.linspace(-1, 1, 997)
    exact = np.abs(np.sin(at))
    pieces = StartFunction.of([(left, np.abs(np.sin(left))), (right, np.sin(right))])
    np.testing.assert_array_equal(pieces.x, both)
    assert np.abs(pieces(at) - exact).max() < 1e-5
    assert np.abs(StartFunction.of([(both, np.abs(np.sin(both)))])(at) - exact).max() > 1e-3


def test_between_two_pieces_it_is_a_straight_line():
    x = np.linspace(0, 1, 5)
    found = StartFunction.of([(x, x**2), (x + 3, 1 + (1 - x) ** 3 + x)])
    np.testing.assert_allclose(found(np.array([1.0, 1.5, 2.0, 3.0])), [1, 1.25, 1.5, 2], rtol=1e-15)
    with pytest.raises(InvalidInput, match=r"reaches beyond the points \[0\.0, 4\.0\]"):
        found(4.3)


def test_a_side_that_is_not_asked_for_is_not_solved(stand_in):
    def counted(process, grid, t):
        solved.append(grid)
        return assemble(process, grid, t)

    solved: list[Grid] = []
    free = stand_in(lambda x, t: -x, lambda x, t: 1.0)
    found = FokkerPlanck(free, Grid.uniform((-8, 8), cells=640), assemble=counted).passage_time(0.0, 1.0)
    assert found.mean == pytest.approx(2.093406650, rel=2e-4) and len(solved) == 1
    assert found.means(0.0) == found.mean and found.means(2.0) > 0 and len(solved) == 2
    assert found.second_moments(0.0) == pytest.approx(found.variance + found.mean**2, rel=1e-14) and len(solved) == 2
