"""What a value lacks of its limit, and the factor of safety on it."""

from __future__ import annotations

import numpy as np
import pytest

from fpsde import checks
from fpsde.richardson import CONFIRMED_SAFETY, SAFETY, lacking, safety_and_order


@pytest.mark.parametrize("order", [0.5, 1.0, 2.0, 4.0])
@pytest.mark.parametrize("ratio", [1.5, 2.0, 3.0])
def test_one_power_is_extrapolated_to_its_limit_and_another_power_is_not(order, ratio):
    limit, size = np.array([0.3, -2.0]), np.array([1.0, 4.0])
    coarse, fine = (limit + size * h**order for h in (0.3, 0.3 / ratio))
    np.testing.assert_allclose(fine + lacking(coarse, fine, ratio, order), limit, rtol=1e-13)
    assert np.all(np.abs(fine + lacking(coarse, fine, ratio, order + 0.1) - limit) > 1e-6)


def test_an_order_that_misses_the_formal_one_by_more_than_a_tenth_costs_the_larger_factor():
    assert safety_and_order(1.81, 2.0) == (CONFIRMED_SAFETY, 1.81)
    assert safety_and_order(2.19, 2.0) == (CONFIRMED_SAFETY, 2.0)
    assert safety_and_order(1.79, 2.0) == (SAFETY, 1.79)
    assert safety_and_order(2.21, 2.0) == (SAFETY, 2.0)
    assert safety_and_order(1.09, 1.0) == (CONFIRMED_SAFETY, 1.0)
    assert safety_and_order(np.inf, 1.0) == (SAFETY, 1.0)


def test_a_judge_s_grid_index_is_the_same_formula():
    widths, values = [0.4, 0.2, 0.1], [[1.0 + 0.5 * h**2] for h in (0.4, 0.2, 0.1)]
    found = checks.grid_convergence(widths, values, expected=2.0)
    assert found.tau == pytest.approx(CONFIRMED_SAFETY * 0.5 * 0.1**2, rel=1e-12)
