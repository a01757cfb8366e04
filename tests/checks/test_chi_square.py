"""All cells together: level by enumeration, tolerance, power, and what must fail."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special, stats

from fpsde import checks
from fpsde.checks import Verdict
from fpsde.checks.radii import noncentral_cut, noncentral_tail, power_noncentrality
from fpsde.errors import InvalidInput

MASSES = np.array([0.1, 0.2, 0.3, 0.4])


def test_noncentral_tails_are_scipys_and_go_on_where_those_end() -> None:
    for x, df, shift in ((80.0, 9, 10.0), (30.0, 4, 0.0), (900.0, 49, 500.0)):
        assert noncentral_tail(x, df, shift) == pytest.approx(stats.ncx2.sf(x, df, max(shift, 1e-300)), rel=1e-9)
    assert noncentral_tail(noncentral_cut(1e-12, 9, 25.0), 9, 25.0) == pytest.approx(1e-12, rel=1e-9)
    assert 0 < noncentral_tail(1200.0, 9, 10.0) < noncentral_tail(1100.0, 9, 10.0) < 1e-150
    assert stats.ncx2.cdf(100.0, 9, power_noncentrality(100.0, 9, 1e-3)) == pytest.approx(1e-3, rel=1e-9)


@pytest.mark.parametrize("masses", [(0.05, 0.25, 0.7), (1 / 3, 1 / 3, 1 / 3), (0.02, 0.02, 0.96)])
def test_the_level_is_kept_at_every_size(masses) -> None:
    """Every histogram of three cells: the cut has at most its level, where that of chi^2 has up to 1000 times it."""
    p, n = np.array(masses), 200
    first, second = np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij")
    k = np.array([first, second, n - first - second])[:, first + second <= n]
    log_p = special.gammaln(n + 1) - special.gammaln(k + 1).sum(axis=0) + np.log(p) @ k
    size = np.sqrt(np.sum((k / n - p[:, None]) ** 2 / p[:, None], axis=0))
    plain = []
    for alpha in (1e-2, 1e-5, 1e-8):
        cut = checks.chi_square([n - 2, 1, 1], p, alpha=alpha).threshold
        assert 0.02 < np.exp(log_p[size > cut]).sum() / alpha < 1
        plain.append(np.exp(log_p[size > math.sqrt(special.chdtri(2, alpha) / n)]).sum() / alpha)
    assert max(plain) > 1


@pytest.mark.slow
def test_a_bias_of_the_tolerance_alarms_at_most_at_the_level_and_without_it_is_found(rng, assert_uniform) -> None:
    tau, n = np.array([0.01, 0.01, 0.01, 0.01]), 5000
    counts = rng.multinomial(n, MASSES + tau * [1, -1, 1, -1], size=150)
    assert_uniform([checks.chi_square(row, MASSES, tolerance=tau).p_value for row in counts], at_least=0.5)
    many = rng.multinomial(100 * n, MASSES + tau * [1, -1, 1, -1])
    assert checks.chi_square(many, MASSES, tolerance=0.01).verdict is Verdict.PASS
    assert checks.chi_square(many, MASSES, tolerance=[("grid", 0.006), ("step", 0.001)]).verdict is Verdict.FAIL
    assert checks.chi_square(many, MASSES).verdict is Verdict.FAIL


def test_a_bias_in_one_of_many_cells_keeps_the_level_at_which_it_is_allowed() -> None:
    """One of 50 cells up by half, known within that: the true level by the normal law of the count is below 1e-8."""
    p, n = np.full(50, 0.02), 10**6
    tau = np.where(np.arange(50) == 0, 0.01, 0.01 / 49)
    cut = checks.chi_square(np.full(50, n // 50), p, tolerance=tau, alpha=1e-8).threshold
    q = 0.03
    others = (49 / 0.98) * ((0.97 - 0.98) / 49) ** 2 * 49  # of T^2, with the excess taken evenly from the others
    reach = math.sqrt((cut**2 - others) * p[0]) + p[0]  # the share of the first cell at the cut
    assert stats.norm.sf((reach - q) / math.sqrt(q * (1 - q) / n)) < 1e-8


@pytest.mark.slow
def test_an_error_of_the_resolution_is_seen_with_the_stated_power(rng, assert_rate) -> None:
    n, p, direction = 40_000, np.full(16, 1 / 16), np.tile([1.0, -1.0], 8)
    found = checks.chi_square(np.full(16, n // 16), p, alpha=1e-6, power=0.9)
    counts = rng.multinomial(n, p * (1 + found.resolution * direction), size=300)
    seen = sum(checks.chi_square(row, p, alpha=1e-6).verdict is Verdict.FAIL for row in counts)
    assert_rate(seen, len(counts), 0.9)


def test_a_tolerance_is_forgiven_and_no_more() -> None:
    counts = np.array([110_000, 190_000, 310_000, 390_000])
    assert checks.chi_square(counts, MASSES, tolerance=0.01).verdict is Verdict.PASS
    assert checks.chi_square(counts, MASSES, tolerance=0.005).verdict is Verdict.FAIL


def test_small_errors_everywhere_are_seen_where_no_single_cell_stands_out(rng) -> None:
    n, p = 100_000, np.full(64, 1 / 64)
    counts = rng.multinomial(n, p * (1 + 0.06 * np.tile([1.0, -1.0], 32)))
    assert checks.chi_square(counts.reshape(8, 8), p.reshape(8, 8), alpha=1e-8).verdict is Verdict.FAIL
    assert checks.cells(counts, p, alpha=1e-8).verdict is Verdict.PASS


def test_too_few_particles_cannot_fail_and_bad_ones_do() -> None:
    assert checks.chi_square([1, 1], [0.5, 0.5], alpha=1e-8).verdict is Verdict.UNDERPOWERED
    assert checks.chi_square([50, 50], [0.5, 0.5], n_bad=1).verdict is Verdict.FAIL
    assert checks.chi_square([500, 500], [0.5, 0.5], effect=0.01).verdict is Verdict.UNDERPOWERED


@pytest.mark.parametrize(
    ("counts", "masses", "message"),
    [
        ([1, 2, 3], [0.5, 0.5], "give one each"),
        ([1, 2], [0.5, 0.45], r"hold 0\.95 in all, not 1"),
        ([1, 2, 0], [0.5, 0.5, 0.0], "put together with others"),
        ([3], [1.0], "two or more"),
    ],
)
def test_masses_that_are_no_law_are_refused(counts, masses, message) -> None:
    with pytest.raises(InvalidInput, match=message):
        checks.chi_square(counts, masses)
