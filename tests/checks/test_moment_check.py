"""Moments of a sample against a law: level, tails, tolerance, power, and what must fail."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from fpsde import checks
from fpsde.checks import CheckResult, Verdict
from fpsde.density import FrozenLaw, Law, Mixture, Normal, Point, Uniform
from fpsde.ensemble import PowerSums
from fpsde.errors import InvalidInput

STANDARD = Normal(0.0, 1.0)


def observed(n: int, *sums: float, centre: float = 0.0) -> PowerSums:
    """Power sums as an observer returns them."""
    return PowerSums(0.0, n, np.array([centre]), np.array([sums]))


def second_moment(n: int, ratio: float) -> PowerSums:
    """A sample of n values with mean 0 and mean square ``ratio``, without drawing it."""
    return observed(n, 0.0, n * ratio)


def only(result: CheckResult) -> CheckResult:
    (component,) = result.components
    return component


# --- level -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "law",
    [
        STANDARD,
        Normal(3.0, 0.2),
        Uniform(-1.0, 2.0),
        pytest.param(Mixture([0.5, 0.5], [Normal(-1.0, 0.4), Normal(1.5, 0.4)]), marks=pytest.mark.slow),
    ],
    ids=["standard", "narrow", "uniform", "two peaks"],
)
def test_p_values_are_uniform_under_the_law(
    law: Law, rng: np.random.Generator, assert_uniform: Callable[..., None]
) -> None:
    n, repeats = 1000, 500
    x = np.interp(rng.random((repeats, n)), law.cdf(grid := np.linspace(*law.range(), 40_001)), grid)
    orders = (1, 2, 3, 4) if isinstance(law, Normal) else (1, 2)
    results = [checks.moments(row, law, orders=orders, alpha=0.04) for row in x]
    for k in range(len(orders)):
        assert_uniform([r.components[k].p_value for r in results], at_least=0.8 if k else 1.0)


def test_the_variance_of_a_normal_sample_is_exactly_chi_square() -> None:
    """The symmetric cut |M_2 - 1| > c has probability alpha under chi^2_n, also at n = 1000 and alpha = 1e-8."""
    for n, alpha in ((100, 1e-3), (1000, 1e-8), (10**5, 1e-10)):
        c = only(checks.moments(second_moment(n, 1.0), STANDARD, orders=[2], alpha=alpha)).threshold
        assert c is not None
        level = stats.chi2.sf(n * (1 + c), n) + stats.chi2.cdf(n * (1 - c), n)
        assert level == pytest.approx(alpha, rel=2e-3)


def test_a_skewed_mean_keeps_its_level_far_out() -> None:
    """A law on two points: the mean is binomial, so the level at 1e-8 is known exactly; a normal tail would be off."""
    n, p, alpha = 5000, 0.05, 1e-8
    law = Mixture([1 - p, p], [Point(0.0), Point(1.0)])
    result = only(checks.moments(observed(n, n * p), law, orders=[1], alpha=alpha))
    assert result.verdict is Verdict.PASS
    assert result.threshold is not None

    def level(reach: float) -> float:
        return stats.binom.sf(math.floor(n * p + reach), n, p) + stats.binom.cdf(math.ceil(n * p - reach) - 1, n, p)

    assert 0.8 * alpha < level(result.threshold * n * math.sqrt(p * (1 - p))) < 1.1 * alpha
    assert level(stats.norm.isf(alpha / 2) * math.sqrt(n * p * (1 - p))) > 2 * alpha


def test_exponential_means_are_exactly_gamma() -> None:
    n, alpha = 500, 1e-6
    law = FrozenLaw(stats.expon())
    c = only(checks.moments(observed(n, n * 1.0), law, orders=[1], alpha=alpha)).threshold
    assert c is not None
    assert stats.gamma.sf(n * (1 + c), n) + stats.gamma.cdf(n * (1 - c), n) == pytest.approx(alpha, rel=1e-3)


@pytest.mark.parametrize(("order", "bias"), [(1, 0.05), (2, 0.05), (2, 0.5), (4, 0.5)])
def test_a_sample_biased_by_the_tolerance_alarms_at_most_at_the_level(
    order: int, bias: float, rng: np.random.Generator, assert_uniform: Callable[..., None]
) -> None:
    n, repeats = 20_000, 400
    scale = {1: 1.0, 2: math.sqrt(1 + bias), 4: (1 + bias / 3) ** 0.25}[order]
    x = scale * rng.normal(size=(repeats, n)) + (bias if order == 1 else 0.0)
    results = [checks.moments(row, STANDARD, orders=[order], alpha=0.01, tolerance=bias) for row in x]
    assert_uniform([only(r).p_value for r in results], at_least=0.0 if order > 1 else 1.0)
    without = [checks.moments(row, STANDARD, orders=[order], alpha=0.01) for row in x]
    assert sum(r.verdict is Verdict.FAIL for r in without) > 0.9 * repeats


# --- power and sizes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "alpha", "power"), [(1.05e6, 1e-6, 0.99), (1.31e6, 1e-8, 0.99), (1.57e6, 1e-8, 0.999)])
def test_the_reference_table_of_sample_sizes_for_one_per_cent_of_variance(n: float, alpha: float, power: float) -> None:
    """N = 2 ((z + (1 + eps) z_beta) / eps)^2 for a variance off by eps."""
    result = only(checks.moments(second_moment(int(n), 1.0), STANDARD, orders=[2], alpha=alpha, power=power))
    assert result.resolution == pytest.approx(0.01, rel=0.01)


@pytest.mark.parametrize(
    ("n", "resolution"), [(1e4, 0.125), (1e5, 0.039), (1e6, 0.0125), (1e7, 0.0039), (1e8, 0.0013), (1e9, 0.0004)]
)
def test_the_reference_list_of_resolutions(n: float, resolution: float) -> None:
    result = only(checks.moments(second_moment(int(n), 1.0), STANDARD, orders=[2], alpha=1e-8))
    assert result.resolution == pytest.approx(resolution, rel=0.07)  # the list has two figures


def test_a_mean_shift_of_a_hundredth_needs_780_000_values() -> None:
    result = only(checks.moments(observed(780_000, 0.0), STANDARD, orders=[1], alpha=1e-8))
    assert result.resolution == pytest.approx(0.01, rel=0.01)


def test_a_defect_of_the_size_of_the_resolution_is_seen_with_the_stated_power(
    rng: np.random.Generator, assert_rate: Callable[[int, int, float], None]
) -> None:
    n, repeats, power = 10_000, 1200, 0.9
    design = {"alpha": 1e-6, "power": power}
    r1, r2 = (
        only(checks.moments(observed(n, 0.0, float(n)), STANDARD, orders=[k], **design)).resolution for k in (1, 2)
    )
    assert r1 is not None
    assert r2 is not None
    means = rng.normal(r1, 1 / math.sqrt(n), size=repeats)
    squares = (1 + r2) * rng.chisquare(n, size=repeats) / n
    seen = [
        sum(checks.moments(observed(n, n * m), STANDARD, orders=[1], **design).verdict is Verdict.FAIL for m in means),
        sum(
            checks.moments(second_moment(n, s), STANDARD, orders=[2], **design).verdict is Verdict.FAIL for s in squares
        ),
    ]
    for count in seen:
        assert_rate(count, repeats, power)


def test_the_resolution_of_a_small_sample_counts_that_the_error_widens_the_statistic(
    rng: np.random.Generator, assert_rate: Callable[[int, int, float], None]
) -> None:
    n, repeats, power = 1000, 2000, 0.98
    r = only(checks.moments(second_moment(n, 1.0), STANDARD, orders=[2], power=power)).resolution
    assert r is not None
    squares = (1 + r) * rng.chisquare(n, size=repeats) / n
    seen = sum(checks.moments(second_moment(n, s), STANDARD, orders=[2]).verdict is Verdict.FAIL for s in squares)
    assert_rate(seen, repeats, power)


def test_samples_too_small_for_their_tails_are_underpowered_and_say_what_they_need(rng: np.random.Generator) -> None:
    law = FrozenLaw(stats.lognorm(1.0))
    x = rng.lognormal(0.0, 1.0, size=20_000)
    result = checks.moments(x, law, alpha=1e-6)
    variance = result.components[1]
    assert variance.verdict is Verdict.UNDERPOWERED
    assert "is too small for the tails at this level" in variance.detail
    assert "needed" in variance.detail


def test_gross_errors_fail_even_where_the_tails_cannot_be_trusted(rng: np.random.Generator) -> None:
    law = Mixture([1 - 1e-6, 1e-6], [Normal(0.0, 1.0), Normal(300.0, 1.0)])
    x = rng.normal(2.0, 1.0, size=3000)
    result = checks.moments(x, law, orders=[1], alpha=1e-6)
    assert "Markov" in result.detail
    assert result.verdict is Verdict.FAIL
    assert checks.moments(x - 2.0, law, orders=[1], alpha=1e-6).verdict is Verdict.UNDERPOWERED


def test_an_effect_that_the_sample_cannot_show_is_underpowered() -> None:
    assert checks.moments(second_moment(10**6, 1.0), STANDARD, orders=[2], effect=0.01).verdict is Verdict.UNDERPOWERED
    assert checks.moments(second_moment(2 * 10**6, 1.0), STANDARD, orders=[2], effect=0.01).verdict is Verdict.PASS


# --- what is said, and negative controls -----------------------------------------------------------------------------


def test_a_noise_wrong_by_one_per_cent_is_told_as_two_per_cent_of_variance(rng: np.random.Generator) -> None:
    x = rng.normal(size=1_000_000)
    assert checks.moments(x, STANDARD).verdict is Verdict.PASS
    result = checks.moments(1.01 * x, STANDARD)
    assert (result.check, result.verdict) == ("moments: variance", Verdict.FAIL)
    assert result.detail.startswith(
        f"variance is {1.0201 * np.mean(x * x):.4f} +- 0.0014 times that of the law; cut at 0.007"
    )


def test_a_shift_fails_the_mean_and_the_variance_about_the_own_mean_is_told(rng: np.random.Generator) -> None:
    result = checks.moments(rng.normal(0.5, 1.0, size=100_000), STANDARD)
    assert result.components[0].verdict is Verdict.FAIL
    assert re.match(r"mean is off by \+0\.(49|50)", result.components[0].detail)
    assert "about the sample's own mean" in result.components[1].detail


def test_third_and_fourth_moments_see_what_the_first_two_do_not(rng: np.random.Generator) -> None:
    n = 200_000
    skewed = (rng.gamma(50.0, size=n) - 50.0) / math.sqrt(50.0)
    heavy = rng.standard_t(12, size=n) / math.sqrt(1.2)
    for x, order in ((skewed, 3), (heavy, 4)):
        assert checks.moments(x, STANDARD, orders=(1, 2)).verdict is Verdict.PASS
        assert checks.moments(x, STANDARD, orders=[order]).verdict is Verdict.FAIL


def test_an_observers_sums_about_another_centre_give_the_same_result(rng: np.random.Generator) -> None:
    law = Normal(1.0, 0.5)
    x = rng.normal(1.0, 0.5, size=50_000)
    direct = checks.moments(x, law, orders=(1, 2, 3, 4))
    sums = observed(len(x), *(float(np.sum((x - 1.7) ** k)) for k in (1, 2, 3, 4)), centre=1.7)
    for mine, theirs in zip(direct.components, checks.moments(sums, law, orders=(1, 2, 3, 4)).components, strict=True):
        assert theirs.statistic == pytest.approx(mine.statistic, rel=1e-7)
        assert theirs.p_value == pytest.approx(mine.p_value, rel=1e-5)


def test_sums_about_a_centre_too_far_away_are_refused(rng: np.random.Generator) -> None:
    with pytest.raises(InvalidInput, match=r"1e\+08 standard deviations from the law's mean 0, lose moment 2"):
        checks.moments(observed(1000, 0.0, 0.0, centre=1e8), STANDARD)
    with pytest.raises(InvalidInput, match="power sums to order 1 were given for moment 2"):
        checks.moments(observed(1000, 0.0), STANDARD)


@pytest.mark.parametrize(
    ("law", "applicable"),
    [
        (FrozenLaw(stats.cauchy()), [False, False]),
        (FrozenLaw(stats.t(3)), [True, False]),
        (Point(1.0), [False, False]),
        (Mixture([0.5, 0.5], [Point(-1.0), Point(1.0)]), [True, False]),
    ],
)
def test_moments_that_do_not_exist_or_do_not_vary_are_not_applicable(law: Law, applicable: list[bool]) -> None:
    result = checks.moments(np.linspace(-1, 1, 101), law)
    assert [c.verdict is not Verdict.NOT_APPLICABLE for c in result.components] == applicable


@pytest.mark.parametrize("orders", [(), (0, 1), (1, 1), (5,)])
def test_orders_that_make_no_sense_are_refused(orders: tuple[int, ...]) -> None:
    with pytest.raises(InvalidInput, match="order"):
        checks.moments(np.zeros(10), STANDARD, orders=orders)
