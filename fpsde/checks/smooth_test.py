"""Neyman's smooth test of order four: are the values U = F(X) uniform on (0, 1)?

With the orthonormal Legendre polynomials g_j(u) = sqrt(2j + 1) P_j(2u - 1), j = 1..4, the mode means
v_j = mean g_j(U) are uncorrelated with variance 1/n under the law, so n |v|^2 tends to chi^2 with 4 degrees of freedom.
The statistic is |v|: the distance of the two laws seen by the first four modes, sup over unit a of |E a.g(U)|.

Tolerance. Let sup|F_true - F| <= tau. Integrating by parts, E a.g(U) = -integral (G(u) - u) (a.g)'(u) du with G the
distribution function of U, so |E v| <= C tau, where C is the largest total variation of a.g over unit vectors a;
likewise a' Cov(g) a <= 1 + K tau, where K is the largest total variation of (a.g)^2. By the triangle inequality, and
since a normal law with a smaller covariance has less mass outside a ball (Anderson 1955), |v| exceeds C tau + r with
probability at most alpha.

Small samples. The chi^2 tail is too thin far out (by 2 at the level 1e-6 and by 7 at 1e-8 for n = 300, found by
importance sampling): skewness cancels between directions, and the next order changes the exponent n r^2/2 by a share of
r^2. So the statistic that is chi^2 is taken as n r^2/(1 + r^2); the level is then below the stated one for every n, and
within 30 % of it from n = 1000 (levels 1e-2 to 1e-8; the tests repeat the measurement).

Sources: Neyman (1937, Skand. Aktuarietidskr. 20, 149); Rayner, Thas & Best (2009), Smooth Tests of Goodness of Fit.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.polynomial.legendre import leg2poly
from scipy import special

from fpsde.checks.design import Design, judge
from fpsde.checks.radii import normal_radius
from fpsde.checks.result import CheckResult
from fpsde.checks.samples import inner
from fpsde.checks.wording import plus_minus
from fpsde.density import Law

#: What a non-zero mean of each mode says about the sample, in the order of the modes.
MODES = ("location", "scale", "skewness", "tails")
ORDER = len(MODES)
#: C and K above, maximised over unit vectors; the tests maximise them again.
BIAS_PER_CDF = 13.4322
SPREAD_PER_CDF = 32.1145
#: Largest |g(u)|, at the ends, where P_j = +-1: no sample has more.
LARGEST = math.sqrt(sum(2 * j + 1 for j in range(1, ORDER + 1)))
#: Midpoints in (0, 1) on which a law's sensitivity is averaged.
QUANTILES = 2048
#: (ORDER, ORDER + 1): g_j as a polynomial in s = 2u - 1, lowest power first.
_POLYNOMIALS = np.array(
    [np.pad(math.sqrt(2 * j + 1) * leg2poly([0] * j + [1]), (0, ORDER - j)) for j in range(1, ORDER + 1)]
)
_SLOPES = _POLYNOMIALS[:, 1:] * np.arange(1, ORDER + 1)


def mode_sums(u: np.ndarray) -> np.ndarray:
    """Return the sums of g_1..g_4 over ``u`` (n,), shape ``(4,)``."""
    s = 2 * u - 1
    square = s * s
    return _POLYNOMIALS @ np.array([len(s), s.sum(), square.sum(), inner(square, s), inner(square, square)])


def mode_values(u: np.ndarray) -> np.ndarray:
    """Return g_1..g_4 at ``u`` (n,), shape ``(4, n)``."""
    s = 2 * u - 1
    return _POLYNOMIALS @ np.array([np.ones_like(s), s, s**2, s**3, s**4])


def mode_slopes(u: np.ndarray) -> np.ndarray:
    """Return dg_j/du at ``u`` (n,), shape ``(4, n)``."""
    s = 2 * np.asarray(u) - 1
    return 2 * _SLOPES @ np.array([np.ones_like(s), s, s**2, s**3])


def smooth_radius(n: int, alpha: float, *, tau: float = 0.0) -> float:
    """Return r with P(|v - E v| > r) <= alpha: n r^2/(1 + r^2) = (1 + K tau) chi2_4(alpha); inf for tiny n."""
    share = (1 + SPREAD_PER_CDF * tau) * float(special.chdtri(ORDER, alpha)) / n
    return math.sqrt(share / (1 - share)) if share < 1 else math.inf


def smooth_tail(n: int, radius: float, *, tau: float = 0.0) -> float:
    """Return P(|v - E v| > radius), the inverse of :func:`smooth_radius`."""
    square = max(0.0, radius) ** 2
    return float(special.chdtrc(ORDER, n * square / ((1 + SPREAD_PER_CDF * tau) * (1 + square))))


def smooth_result(check: str, sums: np.ndarray, n: int, design: Design) -> CheckResult:
    """Return the result of the smooth test from mode sums over ``n`` values; the tolerance bounds sup|F_true - F|."""
    means, seen = sums / n, design.scaled(BIAS_PER_CDF)
    size = float(np.linalg.norm(means))
    threshold = seen.tau + smooth_radius(n, design.alpha, tau=design.tau)
    return judge(
        f"{check}: smooth test", size, seen, threshold=threshold, largest=LARGEST, n=n,
        resolution=threshold + normal_radius(design.beta) / math.sqrt(n),
        p_value=smooth_tail(n, size - seen.tau, tau=design.tau), unit="size of the first four modes",
        detail=modes_in_words(means, n),
    )  # fmt: skip


def modes_in_words(means: np.ndarray, n: int) -> str:
    """Return the largest mode with its error, and all of them."""
    error = 1 / math.sqrt(n)
    modes = ", ".join(f"{name} {mean:+.2g}" for name, mean in zip(MODES, means, strict=True))
    largest = int(np.argmax(np.abs(means)))
    return f"largest mode is {MODES[largest]}, {plus_minus(means[largest], error, sign=True)} ({modes})"


def scale_sensitivity(law: Law) -> float:
    """Return d|E v|/d ln(variance) for the law stretched about its mean: |E g'(F(X)) f(X) (X - mean)|/2."""
    x = law.ppf((np.arange(QUANTILES) + 0.5) / QUANTILES)
    return 0.5 * float(np.linalg.norm(mode_slopes(law.cdf(x)) @ (law.pdf(x) * (x - law.mean)))) / QUANTILES
