"""Exact limits on counts: each of B counts N_j of n particles against Bin(n, p_j +- tau_j), at alpha/(2B) a side.

A count fails above the largest k with P(Bin(n, p + tau) >= k) >= alpha/2B, or below the smallest k with
P(Bin(n, p - tau) <= k) >= alpha/2B. Tails are incomplete beta functions, exact for any n that float64 can count.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy import special

from fpsde.checks.design import Design, judge
from fpsde.checks.result import CheckResult
from fpsde.checks.wording import plus_minus


def at_least(k: np.ndarray, n: int, p: np.ndarray) -> np.ndarray:
    """Return P(Bin(n, p) >= k)."""
    return np.where(k <= 0, 1.0, special.betainc(np.maximum(k, 1), np.maximum(n - k + 1, 1), p))


def at_most(k: np.ndarray, n: int, p: np.ndarray) -> np.ndarray:
    """Return P(Bin(n, p) <= k)."""
    return np.where(k >= n, 1.0, special.betaincc(np.maximum(k + 1, 1), np.maximum(n - k, 1), p))


def _last_true(holds: Callable[[np.ndarray], np.ndarray], n: int, shape: tuple[int, ...]) -> np.ndarray:
    """Return the largest k in [0, n] where ``holds(k)``, which is true at 0 and changes once."""
    low, high = np.zeros(shape, dtype=np.int64), np.full(shape, n, dtype=np.int64)
    while np.any(low < high):
        middle = (low + high + 1) // 2
        good = holds(middle)
        low, high = np.where(good, middle, low), np.where(good, high, middle - 1)
    return low


def count_limits(n: int, p_low: np.ndarray, p_high: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the smallest and the largest count that do not fail, ``level`` on each side."""
    upper = _last_true(lambda k: at_least(k, n, p_high) >= level, n, p_high.shape)
    lower = n - _last_true(lambda m: at_most(n - m, n, p_low) >= level, n, p_low.shape)
    return lower, upper


def _seen(n: int, p: np.ndarray, upper: np.ndarray, beta: float) -> float:
    """Return the excess of mass that any one cell shows with probability 1 - beta (cells that can be passed above)."""
    with_limit = upper < n
    if not np.any(with_limit):
        return math.inf
    k = upper[with_limit] + 1
    return float(np.max(special.betaincinv(k, n - k + 1, 1 - beta) - p[with_limit]))


def binomial_result(
    check: str, counts: np.ndarray, masses: np.ndarray, n: int, *, tau: np.ndarray, names: Sequence[str], design: Design
) -> CheckResult:
    """Return the result for all ``counts`` (B,), each with its own tolerance ``tau`` (B,) in place of the design's.

    The numbers are those of the count that stands out most; the resolution is that of the cell that sees least.
    """
    p_low, p_high = np.clip(masses - tau, 0.0, 1.0), np.clip(masses + tau, 0.0, 1.0)
    tails = np.array([at_most(counts, n, p_low), at_least(counts, n, p_high)])  # (2, B)
    above, j = (int(i) for i in np.unravel_index(int(np.argmin(tails)), tails.shape))
    lower, upper = count_limits(n, p_low, p_high, design.alpha / (2 * len(counts)))
    limit, mass, share = int((upper if above else lower)[j]) / n, float(masses[j]), int(counts[j]) / n
    worst = design.about(float(tau[j]))
    outside = int(np.count_nonzero((counts < lower) | (counts > upper)))
    held = f"{names[j]} holds {int(counts[j])} of {n}: {plus_minus(share, math.sqrt(p_high[j] * (1 - p_low[j]) / n))}"
    return judge(
        check, abs(share - mass), worst, threshold=abs(limit - mass), n=n,
        resolution=_seen(n, masses, upper, design.beta), p_value=min(1.0, 2 * len(counts) * float(tails[above, j])),
        largest=math.inf if np.any((upper < n) | (lower > 0)) else 0.0, unit="probability",
        detail=f"{held}, the law {mass:.6g}; {outside} of {len(counts)} counts outside their limits",
    )  # fmt: skip
