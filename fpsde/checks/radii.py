"""Critical values and sampling radii, each stated once.

*Means.* A standardised mean S of n values with skewness gamma has skewness s = gamma/sqrt(n). Its tails are taken from
the law of Pearson's third type with the same three moments, a gamma law of shape a = 4/s^2: exact for the variance of a
normal sample (chi^2 with n degrees of freedom), the normal law where s = 0. The gamma tail is Temme's uniform expansion
to first order (relative error below 0.03/a out to 20 standard deviations, measured),

    P(S > t) = Phi(-z) + sign(s) phi(z) (1/mu - 1/eta)/sqrt(a),
    mu = s t/2,   eta^2/2 = mu - ln(1 + mu),   z = |eta| sqrt(a) with the sign of t,

because SciPy's incomplete gamma function is wrong in its lower tail for large a (by 86 % at a = 5e9, five sigma out).

Sources: Temme (1979, SIAM J. Math. Anal. 10, 757; DLMF 8.12); bias-aware critical values: Armstrong & Kolesar (2018,
Econometrica 86, 655); sup-distance: Massart (1990, Ann. Probab. 18, 1269); one point: Hoeffding (1963).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy import optimize, special

#: Relative error of a tail probability at which an approximation is still relied on.
TAIL_ERROR = 0.1
#: Below this skewness s of a mean the gamma law is the normal one to round-off.
_SYMMETRIC = 1e-12
_TINY = 1e-320


def solve_between(f: Callable[[float], float], low: float, high: float) -> float:
    """Return the root of ``f`` in [low, high] to the last bits."""
    return float(optimize.brentq(f, low, high, xtol=1e-300, rtol=1e-14, maxiter=500))


def normal_radius(level: float) -> float:
    """Return z with P(N(0, 1) > z) = level."""
    return float(-special.ndtri(level))


def upper_tail(t: float, skewness: float = 0.0) -> float:
    """Return P(S > t) for a standardised S of the third Pearson type with this skewness (of S, not of one value)."""
    mu = 0.5 * skewness * t
    if abs(skewness) < _SYMMETRIC:
        return float(special.ndtr(-t))
    if mu <= -1:  # beyond the end of the law
        return 0.0 if t > 0 else 1.0
    root_a = 2 / abs(skewness)
    eta = math.copysign(math.sqrt(2 * (mu - math.log1p(mu))), mu)
    z = math.copysign(abs(eta) * root_a, t)
    curvature = 1 / mu - 1 / eta if abs(mu) > 1e-4 else mu / 12 - 1 / 3
    phi, shift = math.exp(-0.5 * z * z) / math.sqrt(2 * math.pi), math.copysign(1.0, skewness) * curvature / root_a
    if z > 0:  # as phi times (Mills' ratio + shift), so that nothing cancels where both are tiny
        return phi * (math.sqrt(math.pi / 2) * float(special.erfcx(z / math.sqrt(2))) + shift)
    return float(special.ndtr(-z)) + phi * shift


def two_sided_tail(t: float, *, bias: float = 0.0, skewness: float = 0.0) -> float:
    """Return P(|S + b| > t), the largest for |b| <= bias: at b = bias or b = -bias."""
    up = upper_tail(t - bias, skewness) + upper_tail(t + bias, -skewness)
    down = upper_tail(t - bias, -skewness) + upper_tail(t + bias, skewness)
    return min(1.0, max(up, down, 0.0))


def two_sided_cut(alpha: float, *, bias: float = 0.0, skewness: float = 0.0) -> float:
    """Return c with P(|S + b| > c) = alpha for the worst |b| <= bias; folded normal without skewness."""
    high = bias + normal_radius(0.5 * alpha)
    while two_sided_tail(high, bias=bias, skewness=skewness) >= alpha:
        high *= 1 + 1e-3 + abs(skewness)
    return solve_between(
        lambda c: math.log(max(two_sided_tail(c, bias=bias, skewness=skewness), _TINY) / alpha), 0.0, high
    )


def size_for_tail(skewness: float, excess_kurtosis: float, z: float) -> float:
    """Return the sample size from which :func:`upper_tail` at ``z`` is right within ``TAIL_ERROR`` for a mean.

    The cumulants of one value enter a tail through Cramer's series: after the skewness, which is matched, the next term
    changes it by exp((kappa - 3 gamma^2/2) z^4/(24 n)); the series itself needs gamma z <= sqrt(n). (With a normal tail
    the condition would be n >= (gamma z^3/(6 TAIL_ERROR))^2, some hundred times more at 1e-8.)
    """
    by_kurtosis = abs(excess_kurtosis - 1.5 * skewness**2) * z**4 / (24 * TAIL_ERROR)
    return max(by_kurtosis, (skewness * z) ** 2)


def certain_tail(t: float, n: int, excess_kurtosis: float) -> float:
    """Return a bound on P(|S| > t) for any law: Markov's inequality for S^2 and, where it exists, S^4."""
    if t <= 1:
        return 1.0
    return min(1.0, t**-2, (3 + excess_kurtosis / n) * t**-4)


def certain_cut(alpha: float, n: int, excess_kurtosis: float) -> float:
    """Return the t at which :func:`certain_tail` is ``alpha``."""
    return min(alpha**-0.5, ((3 + excess_kurtosis / n) / alpha) ** 0.25)


def band_radius(n: int, alpha: float) -> float:
    """Return r with P(sup|F_n - F| > r) <= alpha for every law and every n (Dvoretzky, Kiefer, Wolfowitz, Massart)."""
    return math.sqrt(math.log(2 / alpha) / (2 * n))


def band_tail(n: int, radius: float) -> float:
    """Return the bound on P(sup|F_n - F| > radius)."""
    return min(1.0, 2 * math.exp(-2 * n * max(radius, 0.0) ** 2))


def point_radius(n: int, beta: float) -> float:
    """Return r with P(F(x) - F_n(x) > r) <= beta at one point x (Hoeffding)."""
    return math.sqrt(math.log(1 / beta) / (2 * n))


def noncentral_tail(x: float, df: int, shift: float) -> float:
    """Return P(chi^2_df(shift) > x), noncentral: a sum of central tails with Poisson weights, all positive."""
    return _mixed(lambda k: special.chdtrc(k, x), df, shift) if x > 0 else 1.0


def noncentral_cut(alpha: float, df: int, shift: float) -> float:
    """Return x with P(chi^2_df(shift) > x) = alpha."""
    if shift == 0:
        return float(special.chdtri(df, alpha))
    high = df + shift
    while noncentral_tail(high, df, shift) > alpha:
        high *= 2
    return solve_between(lambda x: math.log(max(noncentral_tail(x, df, shift), _TINY) / alpha), _TINY, high)


def power_noncentrality(x: float, df: int, beta: float) -> float:
    """Return the shift with P(chi^2_df(shift) <= x) = beta, beta at most one half: what is seen beyond a cut at x."""

    def missed(shift: float) -> float:
        return math.log(max(_mixed(lambda k: special.chdtr(k, x), df, shift), _TINY) / beta)

    if missed(0.0) <= 0:
        return 0.0
    high = x
    while missed(high) > 0:
        high *= 2
    return solve_between(missed, 0.0, high)


def _mixed(part: Callable[[np.ndarray], np.ndarray], df: int, shift: float) -> float:
    """Return the sum over Poisson numbers j of mean shift/2 of ``part`` at df + 2 j degrees of freedom."""
    half = 0.5 * shift
    reach = 12 * math.sqrt(half) + 60
    j = np.arange(max(0.0, math.floor(half - reach)), math.ceil(half + reach))
    weight = np.exp(special.xlogy(j, half) - half - special.gammaln(j + 1))
    return float(np.sum(weight * part(df + 2 * j)))
