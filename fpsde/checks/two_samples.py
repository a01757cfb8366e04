"""Two samples of one law, which need not be known: a smooth test on ranks, and the sup-distance.

Smooth test. With u the mid-ranks of the pooled sample, scaled to (0, 1), and the Legendre modes g of ``smooth_test``,
d = mean_a g(u) - mean_b g(u) has, under every relabelling of the values, mean zero and the covariance
(1/n + 1/m) N/(N - 1) C exactly, N = n + m, C the covariance of g over the pooled sample (ties are in it). The
statistic is the size of C^(-1/2) d, cut as in the test of one sample of n m/N values: relabelling draws without
replacement, whose tails are the thinner ones (Hoeffding 1963, section 6).

Sup-distance. D = sup|F_n - G_m| is at most the sum of the distances of each from its law; each exceeds its
Dvoretzky-Kiefer-Wolfowitz radius with half of the level.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import stats

from fpsde.checks.budget import SESSION_ALPHA
from fpsde.checks.design import POWER, Design, bad_values, judge, not_applicable
from fpsde.checks.radii import band_radius, normal_radius
from fpsde.checks.result import CheckResult, combined
from fpsde.checks.samples import sample_of
from fpsde.checks.smooth_test import mode_values, modes_in_words, smooth_radius, smooth_tail


def same_law(
    a: Any,
    b: Any,
    *,
    alpha: float = SESSION_ALPHA,
    power: float = POWER,
    effect: float | None = None,
) -> CheckResult:
    """Return whether samples ``a`` (n,) and ``b`` (m,) come from one law: smooth test on ranks, and sup-distance.

    Parameters
    ----------
    a, b : arrays (n,) or (1, n), or objects with one as ``.x``; independent values, of two codes or two machines
    alpha : probability that samples of one law fail; half of it for each component
    power, effect : UNDERPOWERED unless any two laws with sup|F - G| >= effect are told apart with this power

    That two codes agree does not make them right; give ``density`` the law where it is known. NaN and infinite values
    make it FAIL.
    """
    design, first, second = Design.of(alpha=alpha, power=power, effect=effect), sample_of(a), sample_of(b)
    if first.n_bad + second.n_bad:
        return bad_values("same law", first.n_bad + second.n_bad, first.n + second.n, design)
    x, y = (s.values.astype(np.float64) for s in (first, second))
    each = design.divided(2)
    return combined([_smooth(x, y, each.without_effect()), _band(np.sort(x), np.sort(y), each)], alpha=alpha)


def effective_pairs(n: int, m: int) -> int:
    """Return the size of the one sample that sees as much as two of n and m values."""
    return max(1, n * m // (n + m))


def _smooth(x: np.ndarray, y: np.ndarray, design: Design) -> CheckResult:
    n, size = len(x), len(x) + len(y)
    g = mode_values((stats.rankdata(np.concatenate([x, y])) - 0.5) / size)
    spread, axes = np.linalg.eigh(np.cov(g, bias=True))
    if spread[0] <= 1e-12 * spread[-1]:
        return not_applicable("same law: smooth test", size, "fewer than five values differ: there is no shape to test")
    difference = g[:, :n].mean(axis=1) - g[:, n:].mean(axis=1)
    modes = axes @ ((axes.T @ difference) * np.sqrt((size - 1) / size / spread))
    pairs = effective_pairs(n, size - n)
    distance, threshold = float(np.linalg.norm(modes)), smooth_radius(pairs, design.alpha)
    return judge(
        "same law: smooth test", distance, design, threshold=threshold, n=pairs,
        resolution=threshold + normal_radius(design.beta) / math.sqrt(pairs), p_value=smooth_tail(pairs, distance),
        unit="size of the first four modes", detail=modes_in_words(modes, pairs),
    )  # fmt: skip


def _band(x: np.ndarray, y: np.ndarray, design: Design) -> CheckResult:
    """Return the result for the largest difference of the two sample distribution functions, at any of the values."""
    n, m, every = len(x), len(y), np.concatenate([x, y])
    difference = np.searchsorted(x, every, side="right") / n - np.searchsorted(y, every, side="right") / m
    i = int(np.argmax(np.abs(difference)))
    check = "same law: distribution function"
    return two_band_result(check, abs(float(difference[i])), float(every[i]), n, m, design)


def two_band_result(check: str, distance: float, where: float, n: int, m: int, design: Design) -> CheckResult:
    """Return the result for two sample distribution functions, of n and of m values, that are ``distance`` apart."""
    threshold = band_radius(n, design.alpha / 2) + band_radius(m, design.alpha / 2)
    missed = math.sqrt(math.log(1 / design.beta) * (1 / n + 1 / m) / 2)  # Hoeffding's inequality for n + m terms
    # the level at which both radii together are the distance: with radii r_n + r_m = c (n^-1/2 + m^-1/2)
    c = distance / (n**-0.5 + m**-0.5)
    return judge(
        check, distance, design, threshold=threshold, resolution=threshold + missed, n=effective_pairs(n, m),
        largest=1.0, p_value=min(1.0, 4 * math.exp(-2 * c * c)), unit="probability",
        detail=f"largest difference is {distance:.3g}, at x = {where:.4g}",
    )  # fmt: skip
