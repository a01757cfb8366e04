"""Correlation of two streams."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from fpsde import checks
from fpsde.checks import Verdict
from fpsde.checks.independence import CHAIN_KURTOSIS
from fpsde.errors import InvalidInput


@pytest.mark.parametrize("stream", ["normal", "random"])
def test_p_values_are_uniform_for_independent_streams(
    stream: str, rng: np.random.Generator, assert_uniform: Callable[..., None]
) -> None:
    draw = getattr(rng, stream)
    assert_uniform([checks.correlation(draw(size=1000), draw(size=1000)).p_value for _ in range(2000)])


def test_a_correlation_of_the_size_of_the_resolution_is_seen_with_the_stated_power(
    rng: np.random.Generator, assert_rate: Callable[[int, int, float], None]
) -> None:
    n, repeats, power = 5000, 300, 0.9
    a, b = rng.normal(size=(2, repeats, n))
    r = checks.correlation(a[0], b[0], power=power).resolution
    assert r is not None
    c = r * a + math.sqrt(1 - r * r) * b
    seen = sum(checks.correlation(a[i], c[i], power=power).verdict is Verdict.FAIL for i in range(repeats))
    assert_rate(seen, repeats, power)


def test_the_kurtosis_of_chained_products_is_below_its_constant() -> None:
    """Fourth cumulant 48 tr A^4 over variance^2 of sum z_i z_{i+1}, for chains of any length."""
    for n in (4, 10, 100):
        a = 0.5 * (np.eye(n, k=1) + np.eye(n, k=-1))
        pairs = n - 1
        assert 48 * np.trace(np.linalg.matrix_power(a, 4)) / pairs**2 <= CHAIN_KURTOSIS / pairs


def test_few_pairs_are_underpowered_and_equal_streams_fail(rng: np.random.Generator) -> None:
    a, b = rng.normal(size=(2, 1000))
    assert checks.correlation(a, b).verdict is Verdict.UNDERPOWERED
    assert checks.correlation(a, a).verdict is Verdict.FAIL
    assert checks.correlation(a, -a).detail.startswith("correlation of the two streams is -1.000 +- 0.032")
    assert checks.correlation(a, b, alpha=1e-3).verdict is Verdict.PASS


def test_streams_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InvalidInput, match="streams of 3 and 4 values"):
        checks.correlation(np.arange(3.0), np.arange(4.0))
    with pytest.raises(InvalidInput, match="a stream is constant"):
        checks.correlation(np.arange(3.0), np.ones(3))
