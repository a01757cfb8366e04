"""What the tests of the checks share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

#: Two-sided level of one comparison of a count with its binomial limits.
LIMIT = 1e-6


@pytest.fixture
def rng(seed: int) -> np.random.Generator:
    """The generator of this test."""
    return np.random.default_rng(seed)


def outside(count: int, n: int, p: float) -> bool:
    """Return whether a count is outside of the exact binomial limits."""
    return bool(2 * min(stats.binom.cdf(count, n, p), stats.binom.sf(count - 1, n, p)) < LIMIT)


@pytest.fixture
def assert_uniform() -> Callable[..., None]:
    """Assert P(p <= a) = a at .5, .1 and .01, within exact binomial limits; ``at_least`` allows that share of it."""

    def check(p_values: object, *, at_least: float = 1.0) -> None:
        p = np.asarray(p_values)
        assert np.all((p >= 0) & (p <= 1))
        for a in (0.5, 0.1, 0.01):
            count = int(np.count_nonzero(p <= a))
            assert stats.binom.sf(count - 1, len(p), a) > LIMIT, f"{count} of {len(p)} p-values are at most {a}"
            assert stats.binom.cdf(count, len(p), at_least * a) > LIMIT, f"only {count} of {len(p)} are at most {a}"

    return check


@pytest.fixture
def assert_rate() -> Callable[[int, int, float], None]:
    """Assert that a count of n has the stated probability, within exact binomial limits."""

    def check(count: int, n: int, probability: float) -> None:
        assert not outside(count, n, probability), f"{count} of {n}, expected {probability:.4g}"

    return check
