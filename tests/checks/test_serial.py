"""Ordered samples: dependence is seen, its time is that of the closed form, and thinning removes it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal

from fpsde import checks
from fpsde.checks import Verdict
from fpsde.errors import InvalidInput

ALPHA = 1e-8


def chain(rng: np.random.Generator, n: int, rho: float) -> np.ndarray:
    """A stationary chain x' = rho x + sqrt(1 - rho^2) z of n values."""
    z = rng.standard_normal(n)
    z[1:] *= np.sqrt(1 - rho**2)
    return signal.lfilter([1.0], [1.0, -rho], z)


def test_independent_values_of_any_law_pass_at_the_stated_level(rng, assert_uniform):
    series = [f(rng.random(400)) for f in (np.sin, np.tan, np.log) for _ in range(400)]
    p = [checks.independent(x, lags=[1]).p_value for x in series]
    assert_uniform(p, at_least=0.7)


@pytest.mark.parametrize("rho", [0.02, -0.02, 0.9])
def test_neighbours_that_depend_on_one_another_fail(rng, rho):
    result = checks.independent(chain(rng, 200_000, rho), alpha=ALPHA)
    assert result.verdict is Verdict.FAIL and "at lag 1" in result.detail
    assert checks.independent(rng.permutation(chain(rng, 200_000, rho)), alpha=ALPHA).verdict is Verdict.PASS


def test_a_repetition_far_apart_is_seen_at_its_lag(rng):
    x = np.tile(rng.standard_normal(48), 2000)
    assert "at lag 48" in checks.independent(x, alpha=ALPHA).detail


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_the_time_is_that_of_the_closed_form(rng, rho):
    assert checks.autocorrelation_time(chain(rng, 400_000, rho)) == pytest.approx((1 + rho) / (1 - rho), rel=0.1)


def test_a_chain_thinned_by_its_time_is_independent_and_has_its_law(rng):
    x = chain(rng, 1_500_000, 0.9)
    kept = checks.thinned(x)
    assert kept.time == pytest.approx(19, rel=0.1) and kept.stride == pytest.approx(95, rel=0.1)
    assert np.array_equal(kept.x, x[:: kept.stride])
    assert checks.independent(kept.x, alpha=ALPHA).verdict is Verdict.PASS
    assert checks.independent(x[::5], alpha=ALPHA).verdict is Verdict.FAIL
    assert checks.thinned(rng.standard_normal(10_000)).stride <= 6


def test_a_series_too_short_for_its_time_is_refused(rng):
    with pytest.raises(InvalidInput, match="shows an autocorrelation time"):
        checks.autocorrelation_time(np.cumsum(rng.standard_normal(5000)))
    with pytest.raises(InvalidInput, match="constant"):
        checks.autocorrelation_time(np.ones(100))
    with pytest.raises(InvalidInput, match="no pairs"):
        checks.independent([1.0, 2.0])
    assert checks.independent([1.0, np.nan, 2.0]).verdict is Verdict.FAIL
