"""Critical values and radii against closed forms, mpmath and SciPy."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from scipy import special, stats

from fpsde.checks.binomial_test import at_least, at_most, count_limits
from fpsde.checks.radii import (
    band_radius,
    band_tail,
    certain_cut,
    certain_tail,
    normal_radius,
    point_radius,
    size_for_tail,
    two_sided_cut,
    two_sided_tail,
    upper_tail,
)
from fpsde.checks.smooth_test import smooth_radius, smooth_tail


def gamma_tail(a: float, t: float, *, upper: bool) -> float:
    """P(beyond t standard deviations above or below the mean) of a gamma law of shape a, by quadrature in 30 digits."""
    with mpmath.workdps(30):
        shape, sd = mpmath.mpf(a), mpmath.sqrt(a)
        side = 1 if upper else -1
        points = [shape + side * sd * (t + mpmath.mpf(k) / 2) for k in range(16)]
        points = [x for x in points if x > 0]
        density = lambda x: mpmath.exp((shape - 1) * mpmath.log(x) - x - mpmath.loggamma(shape))  # noqa: E731
        return float(mpmath.quad(density, points if upper else [*reversed(points)]))


@pytest.mark.parametrize("a", [50.0, 5e3, 5e7, 5e9])
@pytest.mark.parametrize("t", [0.5, 3.0, 6.0, 12.0])
def test_skewed_tails_are_those_of_the_gamma_law(a: float, t: float) -> None:
    skewness = 2 / math.sqrt(a)
    assert upper_tail(t, skewness) == pytest.approx(gamma_tail(a, t, upper=True), rel=0.03 / a + 1e-6)
    if a > 200:
        assert upper_tail(t, -skewness) == pytest.approx(gamma_tail(a, t, upper=False), rel=0.03 / a + 1e-6)


def test_the_upper_tail_agrees_with_scipy_where_scipy_is_right() -> None:
    for a in (2.0, 20.0, 1e4):
        t = np.array([0.1, 1.0, 4.0])
        expected = special.gammaincc(a, a + t * math.sqrt(a))
        assert [upper_tail(v, 2 / math.sqrt(a)) for v in t] == pytest.approx(expected.tolist(), rel=0.03 / a)


@pytest.mark.parametrize("skewness", [0.0, 1e-6, 0.01, 0.3, -1e-6, -0.01, -0.3])
def test_tails_are_finite_and_monotone_down_to_1e_minus_300(skewness: float) -> None:
    p = np.array([upper_tail(t, skewness) for t in np.linspace(-8, 60, 2000)])
    assert np.all(np.isfinite(p))
    assert np.all(p >= 0)
    assert np.all(np.diff(p) <= 1e-15 * p[:-1])
    assert 0 <= p[-1] < (1e-300 if skewness <= 0 else 1e-40)


def test_the_series_near_the_mean_joins_the_formula() -> None:
    skewness, t = 2e-4, 1.0  # mu = 1e-4, where the series takes over
    below, above = upper_tail(t * (1 - 1e-9), skewness), upper_tail(t * (1 + 1e-9), skewness)
    assert below - above == pytest.approx(2e-9 * stats.norm.pdf(t), rel=0.01)


@pytest.mark.parametrize("alpha", [0.05, 1e-3, 1e-8, 1e-12])
@pytest.mark.parametrize("bias", [0.0, 0.3, 1.0, 20.0])
@pytest.mark.parametrize("skewness", [0.0, 0.05, -0.05])
def test_the_cut_has_its_level(alpha: float, bias: float, skewness: float) -> None:
    cut = two_sided_cut(alpha, bias=bias, skewness=skewness)
    assert two_sided_tail(cut, bias=bias, skewness=skewness) == pytest.approx(alpha, rel=1e-6)


def test_cuts_without_bias_and_with_a_large_one_are_two_sided_and_one_sided() -> None:
    assert two_sided_cut(1e-8) == pytest.approx(5.7307, abs=1e-4)
    assert two_sided_cut(1e-8, bias=1.0) == pytest.approx(6.6120, abs=1e-4)  # the reference has 6.61, not 6.73
    assert two_sided_cut(1e-8, bias=50.0) == pytest.approx(50 + normal_radius(1e-8), abs=1e-9)


def test_the_worst_bias_is_at_the_bound() -> None:
    tails = [two_sided_tail(3.0, bias=b, skewness=0.1) for b in np.linspace(0, 1, 11)]
    assert np.all(np.diff(tails) > 0)


def test_the_band_is_calibrated_at_tiny_levels() -> None:
    for n, alpha in ((10**4, 1e-6), (10**6, 1e-8)):
        exact = stats.kstwo.sf(band_radius(n, alpha), n)
        assert 0.97 * alpha < exact <= alpha  # the reference measured 0.998 at n = 1e6, alpha = 1e-8
        assert band_tail(n, band_radius(n, alpha)) == pytest.approx(alpha, rel=1e-12)


def test_a_single_point_misses_by_more_than_its_radius_with_at_most_its_probability() -> None:
    n, beta = 1000, 0.01
    for p in (0.1, 0.5, 0.9):
        assert stats.binom.cdf(math.ceil(n * (p - point_radius(n, beta))) - 1, n, p) <= beta


def test_the_smooth_radius_inverts_its_tail_and_tends_to_the_gaussian_one() -> None:
    gauss = math.sqrt(special.chdtri(4, 1e-8))
    for n, most in ((10**4, 1.003), (10**6, 1.00003)):
        assert 1 < smooth_radius(n, 1e-8) * math.sqrt(n) / gauss < most
        assert smooth_tail(n, smooth_radius(n, 1e-8)) == pytest.approx(1e-8, rel=1e-6)
        assert smooth_tail(n, smooth_radius(n, 1e-8, tau=0.01), tau=0.01) == pytest.approx(1e-8, rel=1e-6)
    assert smooth_radius(40, 1e-8) == math.inf


def test_smooth_and_band_tails_are_finite_and_monotone() -> None:
    r = np.linspace(-0.5, 3.0, 2001)
    for tail in (smooth_tail, band_tail):
        p = np.array([tail(2000, radius) for radius in r])
        assert np.all(np.isfinite(p))
        assert np.all(np.diff(p) <= 0)
        assert p[0] == 1
        assert p[-1] < 1e-200


def test_markovs_inequality_holds_and_inverts() -> None:
    t = np.linspace(1.1, 30, 50)
    for kurtosis in (-1.2, 0.0, 6.0, math.inf):
        bound = np.array([certain_tail(v, 100, kurtosis) for v in t])
        assert np.all(bound >= 2 * stats.norm.sf(t))
        assert certain_tail(certain_cut(1e-6, 100, kurtosis), 100, kurtosis) == pytest.approx(1e-6, rel=1e-9)


def test_the_size_that_a_tail_needs() -> None:
    """The variance of a normal sample has the gamma law's four cumulants; a uniform mean needs kappa z^4/2.4."""
    z = normal_radius(0.5e-8)
    assert size_for_tail(math.sqrt(8), 12.0, z) == pytest.approx(8 * z**2)
    assert size_for_tail(0.0, -1.2, z) == pytest.approx(1.2 * z**4 / 2.4)
    assert size_for_tail(0.0, math.inf, z) == math.inf


@pytest.mark.parametrize("n", [100, 10**5, 10**10])
@pytest.mark.parametrize("p", [0.0, 1e-9, 1e-3, 0.3, 1.0])
def test_count_limits_are_the_last_counts_inside_the_level(n: int, p: float) -> None:
    level = 1e-7
    lower, upper = count_limits(n, np.array([p]), np.array([p]), level)
    assert (
        at_least(upper, n, np.array([p]))[0] >= level > (at_least(upper + 1, n, np.array([p]))[0] if upper < n else 0)
    )
    assert at_most(lower, n, np.array([p]))[0] >= level > (at_most(lower - 1, n, np.array([p]))[0] if lower > 0 else 0)


def test_binomial_tails_are_scipys() -> None:
    k = np.arange(0, 41)
    np.testing.assert_allclose(at_least(k, 40, np.full(41, 0.3)), stats.binom.sf(k - 1, 40, 0.3), rtol=1e-12)
    np.testing.assert_allclose(at_most(k, 40, np.full(41, 0.3)), stats.binom.cdf(k, 40, 0.3), rtol=1e-12)
