"""What may pass for a sample, and that nothing is dropped on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from fpsde import checks
from fpsde.checks import Verdict
from fpsde.checks.samples import centred_sums, sample_of
from fpsde.density import Normal
from fpsde.ensemble import Counts, PowerSums
from fpsde.errors import InvalidInput

LAW = Normal(0.0, 1.0)


@dataclass(frozen=True)
class Run:
    x: Any


def test_arrays_rows_runs_and_lists_are_one_sample() -> None:
    x = np.array([1.0, 2.0, 3.0])
    for given in (x, x[None], Run(x[None]), [1, 2, 3]):
        np.testing.assert_array_equal(sample_of(given).values, x)
    assert sample_of(x.astype(np.float32)).values.dtype == np.float32


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros((2, 5)), r"shape \(2, 5\); give one component"),
        (np.float64(1.0), r"shape \(\); give one component"),
        (np.zeros((1, 0)), r"the sample is empty \(shape \(1, 0\)\)"),
        (np.zeros(3, dtype=complex), "dtype complex128; give real numbers"),
        (np.array(["a"]), "dtype <U1; give real numbers"),
        (np.array([True]), "dtype bool; give real numbers"),
        (Run(None), r"kept no positions \(x is None\)"),
    ],
)
def test_what_is_no_sample_is_refused(given: Any, message: str) -> None:
    for check in (checks.density, checks.moments):
        with pytest.raises(InvalidInput, match=message):
            check(given, LAW)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_bad_value_among_many_fails_every_check(bad: float, rng: np.random.Generator) -> None:
    x = rng.normal(size=10_000)
    good = x.copy()
    x[17] = bad
    results = [checks.density(x, LAW), checks.moments(x, LAW), checks.correlation(x, good), checks.correlation(good, x)]
    for result in results:
        assert result.verdict is Verdict.FAIL
        assert result.statistic == 1
        assert "1 of" in result.detail
        assert "NaN or infinite" in result.detail
    assert checks.density(good, LAW).verdict is Verdict.PASS


def test_power_sums_are_those_of_the_sample(rng: np.random.Generator) -> None:
    x = rng.normal(2.0, 0.5, size=100_001)
    sums = centred_sums(x, centre=1.5, highest=4)
    np.testing.assert_allclose(sums.sums, [np.sum((x - 1.5) ** k) for k in (1, 2, 3, 4)], rtol=1e-12)


def test_an_observer_brings_its_own_centre_and_several_components_are_refused() -> None:
    one = PowerSums(0.0, 10, np.array([0.5]), np.array([[1.0, 2.0, 3.0, 4.0]]))
    assert centred_sums(one, centre=9.0, highest=2).centre == 0.5
    two = PowerSums(0.0, 10, np.zeros(2), np.zeros((2, 4)))
    with pytest.raises(InvalidInput, match="sums hold 2 components"):
        checks.moments(two, LAW)


def test_power_sums_that_are_nan_fail() -> None:
    sums = PowerSums(0.0, 10, np.zeros(1), np.array([[np.nan, 1.0, 1.0, 1.0]]))
    assert checks.moments(sums, LAW).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        (np.array([1.0, 2.0]), "counts have dtype float64"),
        (np.array([3, -1]), r"counts\[1\]=-1 is negative"),
        (np.array([0, 0]), "the 2 counts are all 0"),
        (np.array([], dtype=int), r"shape \(0,\)"),
        (np.ones((2, 2), dtype=int), r"shape \(2, 2\)"),
        (np.array([1, 2, 3]), "3 counts for 2 masses"),
    ],
)
def test_counts_that_are_none_are_refused(counts: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        checks.cells(counts, [0.5, 0.5])


def test_a_histogram_needs_a_count_for_each_cell_and_both_outsides() -> None:
    with pytest.raises(InvalidInput, match="2 counts for 3 faces; give 4"):
        checks.histogram(np.array([1, 2]), LAW, faces=[0.0, 1.0, 2.0])
    seen = Counts(0.0, np.array([[0.0, 1.0]]), np.array([[1]]), np.array([0]), np.array([0]), np.array([0]))
    with pytest.raises(InvalidInput, match="bring their own; leave them out"):
        checks.histogram(seen, LAW, faces=[0.0, 1.0])
    with pytest.raises(InvalidInput, match="tolerance has 1 entries"):
        checks.cells(np.array([1, 2]), [0.5, 0.5], tolerance=np.array([0.1]))
