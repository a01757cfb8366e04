"""Two samples of one law: level, ties, power."""

from __future__ import annotations

import numpy as np
import pytest

from fpsde import checks
from fpsde.checks import Verdict

ALPHA = 1e-8


def test_p_values_of_the_modes_are_uniform_where_both_have_one_law(rng, assert_uniform):
    pairs = ((rng.standard_normal(150), rng.standard_normal(100)) for _ in range(600))
    assert_uniform([checks.same_law(a, b).components[0].p_value for a, b in pairs], at_least=0.6)


def test_ties_keep_the_level(rng, assert_uniform):
    pairs = (rng.integers(0, 8, (2, 200)).astype(float) for _ in range(400))
    assert_uniform([checks.same_law(a, b).components[0].p_value for a, b in pairs], at_least=0.6)


def test_one_law_passes_and_another_scale_or_place_fails(rng):
    a, b = rng.standard_normal(200_000), rng.standard_normal(150_000)
    assert checks.same_law(a, b, alpha=ALPHA).verdict is Verdict.PASS
    wide = checks.same_law(a, 1.03 * b, alpha=ALPHA)
    assert (
        wide.verdict is Verdict.FAIL
        and wide.check == "same law: smooth test"
        and "largest mode is scale" in wide.detail
    )
    assert checks.same_law(a, b + 0.03, alpha=ALPHA).verdict is Verdict.FAIL


def test_a_narrow_hole_is_seen_by_the_distribution_function(rng):
    a = rng.random(300_000)
    hole = (a > 0.5) & (a < 0.5 + 0.02)
    moved = np.where(hole, a + 0.02, a)
    result = checks.same_law(moved, rng.random(300_000), alpha=ALPHA)
    assert result.verdict is Verdict.FAIL
    assert result.components[1].verdict is Verdict.FAIL


def test_samples_too_small_for_the_effect_are_said_so(rng):
    result = checks.same_law(rng.standard_normal(100), rng.standard_normal(100), effect=0.05)
    assert result.verdict is Verdict.UNDERPOWERED


def test_values_that_are_not_finite_fail_and_constant_ones_have_no_shape() -> None:
    assert checks.same_law([0.0, np.inf], [1.0, 2.0]).verdict is Verdict.FAIL
    same = checks.same_law(np.ones(1000), np.ones(1000))
    assert same.components[0].verdict is Verdict.NOT_APPLICABLE and same.verdict is Verdict.PASS
    assert checks.same_law(np.ones(1000), np.zeros(1000)).verdict is Verdict.FAIL


@pytest.mark.parametrize("level", [1e-3, 1e-6])
def test_the_sum_of_both_radii_is_cut_at_its_own_level(level):
    """A difference at the threshold has the level as its p-value."""
    cut = checks.same_law(np.arange(500.0), np.arange(300.0), alpha=2 * level).components[1].threshold
    c = cut / (500**-0.5 + 300**-0.5)
    assert 4 * np.exp(-2 * c * c) == pytest.approx(level, rel=1e-12)
