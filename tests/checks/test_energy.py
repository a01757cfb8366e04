"""Energy distance: the statistic, its level, its resolution, and what must fail."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import optimize, special, stats

from fpsde import checks
from fpsde.checks import Verdict
from fpsde.checks.energy_test import _Batches, permuted_energies
from fpsde.errors import InvalidInput

ALPHA = 1e-8


def energy_of_shift(d: float) -> float:
    """2 E|X - Y| - 2 E|X - X'| for N(0, 1) and N(d, 1): means of folded normal laws with variance 2."""

    def mean(m: float) -> float:
        return 2 / math.sqrt(math.pi) * math.exp(-m * m / 4) + m * (1 - 2 * stats.norm.cdf(-m / math.sqrt(2)))

    return 2 * mean(d) - 2 * mean(0.0)


def test_the_first_energy_is_scipys_and_the_others_those_of_relabelled_points(rng):
    a, b = rng.standard_normal((1, 30)), 1 + rng.standard_normal((1, 20))
    found = permuted_energies(a, b, 400, rng)
    assert found[0] == pytest.approx(stats.energy_distance(a[0], b[0]) ** 2, rel=1e-12)
    every = np.hstack([a, b])[0]
    again = [stats.energy_distance(p[:30], p[30:]) ** 2 for p in rng.permuted(np.tile(every, (400, 1)), axis=1)]
    assert stats.ks_2samp(found[1:], again).pvalue > 1e-8
    assert abs(np.mean(again) - found[0]) > 5 * np.std(again)


def test_a_failure_is_a_shift_above_zero_is_a_p_value_below_the_level(rng):
    """Energies moved by the shift that is reported lie just at the cut; the verdict says which side they were."""
    for move in (0.0, 0.4):
        rows = [permuted_energies(move + rng.random((1, 12)), rng.random((1, 12)), 99, rng) for _ in range(9)]
        batches, cut = _Batches.of(rows), float(special.chdtri(18, 1e-3))
        shift = batches.shift_at(cut)
        assert (shift > 0) == (batches.fisher() > cut) == (move > 0)
        assert batches.fisher(shift - 1e-9) > cut >= batches.fisher(shift + 1e-9)
    assert _Batches.of(rows).shift_at(1e9) == -math.inf


def test_a_sample_counts_as_one_of_its_own_permutations():
    """Above all three permuted values, above two of them, and equal to the least: p = 1/4, 2/4 and 1."""
    found = _Batches(np.array([5.0, 2.5, 1.0]), np.array([[1.0, 2.0, 3.0]] * 3)).fisher()
    assert found == pytest.approx(-2 * math.log(1 / 4 * 2 / 4), rel=1e-14)


@pytest.mark.slow
def test_p_values_are_never_too_small(rng, assert_uniform):
    """Ties among few values, and samples of two sizes."""
    pairs = ((rng.integers(0, 3, (2, 24)), rng.integers(0, 3, (2, 40))) for _ in range(60))
    assert_uniform([checks.energy(a, b, seed=i).p_value for i, (a, b) in enumerate(pairs)], at_least=0.0)


def test_a_second_sample_or_a_law_that_is_drawn_from_passes_and_a_wrong_one_fails(rng):
    x = rng.standard_normal((3, 300))
    assert checks.energy(x, rng.standard_normal((3, 250)), alpha=ALPHA).verdict is Verdict.PASS
    assert checks.energy(x, lambda n, rng: rng.standard_normal((3, n)), alpha=ALPHA).verdict is Verdict.PASS
    result = checks.energy(x, lambda n, rng: 3.0 * rng.standard_normal((3, n)), alpha=ALPHA)
    assert result.verdict is Verdict.FAIL and 0 < result.p_value < ALPHA


@pytest.mark.slow
def test_what_any_two_components_hide_is_seen(rng):
    """Each two of the three components are independent: projections on axes and diagonals of two are all right."""
    x = rng.standard_normal((3, 25_000))
    x[2] = np.abs(x[2]) * np.sign(x[0] * x[1])
    assert checks.projections(x, rng.standard_normal((3, 25_000)), alpha=ALPHA).verdict is Verdict.PASS
    assert checks.energy(x, rng.standard_normal((3, 25_000)), alpha=ALPHA).verdict is Verdict.FAIL


@pytest.mark.slow
def test_p_values_are_uniform_where_the_laws_are_one(rng, assert_uniform):
    p = [checks.energy(*rng.standard_normal((2, 2, 64)), seed=i).p_value for i in range(2000)]
    assert_uniform(p, at_least=0.9)


@pytest.mark.slow
def test_energies_of_the_resolution_are_seen_with_the_stated_power(rng):
    """Measured against predicted, as a shift of a normal law: 0.9 of the size is seen less often, 1.1 more often."""
    n, repeats, power = 400, 200, 0.9
    predicted = checks.energy(*rng.standard_normal((2, n)), alpha=1e-4, power=power).resolution
    for ratio in (0.9, 1.1):
        d = optimize.brentq(lambda d, r=ratio: energy_of_shift(d) - r**2 * predicted, 0.0, 5.0)
        seen = sum(
            checks.energy(rng.standard_normal(n), d + rng.standard_normal(n), alpha=1e-4, seed=i).verdict
            is Verdict.FAIL
            for i in range(repeats)
        )
        share = stats.binom.cdf(seen, repeats, power) if ratio > 1 else stats.binom.sf(seen - 1, repeats, power)
        assert share > 1e-8, (ratio, seen)


def test_samples_that_cannot_show_what_is_asked_for_are_underpowered(rng):
    x, y = rng.standard_normal((2, 200))
    assert checks.energy(x, y, effect=1e-3).verdict is Verdict.UNDERPOWERED
    few = checks.energy(x[:16], 100 + y[:16], alpha=1e-8)
    assert few.verdict is Verdict.UNDERPOWERED and "cannot fail" in few.detail


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: checks.energy(x, x[:15]), "16 or more"),
        (lambda x: checks.energy(x, np.array([x, x])), "as many components"),
        (lambda x: checks.energy(x, x, seed=-1), "seed"),
    ],
)
def test_samples_that_do_not_fit_are_refused(call, message):
    with pytest.raises(InvalidInput, match=message):
        call(np.linspace(0, 1, 20))


def test_bad_values_fail_and_one_point_is_no_sample():
    x = np.linspace(0, 1, 20)
    assert checks.energy(x, np.where(x > 0.9, np.nan, x)).verdict is Verdict.FAIL
    assert checks.energy(np.ones(20), np.ones(20)).verdict is Verdict.NOT_APPLICABLE
