"""The density of steps that are known as values Phi(x, z) alone: a Chebyshev series in z, inverted by Newton."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from fpsde.cached import cached_property
from fpsde.laws.kernels import REACH, Kernel

#: Newton squares its error: where it moves u less than this, the place that it moves to is exact. Moves at most.
LAST_MOVE, MOST_MOVES = 1e-8, 80
#: Places that are inverted at once: their series stay in the cache.
AT_ONCE = 2048


@dataclass(frozen=True, eq=False)
class MonotoneKernel(Kernel):
    """Increasing maps from z to x', several for each point, with the probabilities ``shares`` (m,).

    Arrays ``(n m,)`` run over the parts of each point in turn; ``series`` (k, n m) are the Chebyshev coefficients of
    each map on its interval [low, high] of z, which ends at ``REACH`` or at a fold.
    """

    shares: np.ndarray
    low: np.ndarray
    high: np.ndarray
    series: np.ndarray

    @cached_property
    def reach(self) -> tuple[np.ndarray, np.ndarray]:
        """The values of the maps at the ends of their intervals."""
        signs = np.where(np.arange(len(self.series)) % 2, -1.0, 1.0)
        return signs @ self.series, self.series.sum(axis=0)

    @cached_property
    def fold(self) -> np.ndarray:
        """The distance of one fold with the mass that lies beyond those of all parts of a point."""
        beyond = np.where(self.low > -REACH, ndtr(self.low), 0.0) + np.where(self.high < REACH, ndtr(-self.high), 0.0)
        return -ndtri(self._averaged(beyond))

    def score(self, i: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return z(y) of the parts with index ``i`` and dy/dz there; out of their reach z is infinite."""
        i = np.arange(len(self.low))[i]
        y = np.broadcast_to(y, i.shape)
        z, slope = np.empty(len(i)), np.empty(len(i))
        for start in range(0, len(i), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            z[part], slope[part] = self._score(i[part], y[part])
        return z, slope

    def _score(self, i: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        low, high, (lowest, highest) = self.low[i], self.high[i], (ends[i] for ends in self.reach)
        half = np.where(high > low, 0.5 * (high - low), 1.0)  # a part of which nothing is left is beyond the fold
        u, slope = _inverted(self.series[:, i], lowest, highest, np.clip(y, lowest, highest))
        below, above = y < lowest, y > highest
        z = np.where(below, -np.inf, np.where(above, np.inf, 0.5 * (low + high) + half * u))
        return z, np.where(below | above, 1.0, slope / half)

    def of_points(self, i: Any) -> tuple[Any, Any]:
        """Return the points that the parts ``i`` belong to, and the probability of each part."""
        return i // len(self.shares), self.shares[i % len(self.shares)]

    def _averaged(self, values: np.ndarray) -> np.ndarray:
        return values.reshape(-1, len(self.shares)) @ self.shares


def _inverted(
    series: np.ndarray, lowest: np.ndarray, highest: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return u in [-1, 1] where Chebyshev series (k, n), increasing from ``lowest`` to ``highest``, are ``y`` (n,).

    And their slopes there. Newton's moves, and halves where one leaves the bracket.
    """
    low, high = np.full(len(y), -1.0), np.full(len(y), 1.0)
    with np.errstate(invalid="ignore"):
        u = np.nan_to_num(2 * (y - lowest) / (highest - lowest) - 1)
    for _ in range(MOST_MOVES):
        value, slope = _with_slope(series, u)
        low, high = np.where(value < y, u, low), np.where(value < y, high, u)
        with np.errstate(all="ignore"):
            after = u - (value - y) / slope
        after = np.where((after >= low) & (after <= high), after, 0.5 * (low + high))
        move, u = np.abs(after - u), after
        if not len(u) or move.max() < LAST_MOVE:
            break
    return u, _with_slope(series, u)[1]


def _with_slope(series: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return sum_k c_k T_k(u) and its derivative: Clenshaw's recurrence, and the derivative of it."""
    b1 = b2 = d1 = d2 = np.zeros(len(u))
    for c in series[:0:-1]:
        b1, b2, d1, d2 = c + 2 * u * b1 - b2, b1, 2 * b1 + 2 * u * d1 - d2, d1
    return series[0] + u * b1 - b2, b1 + u * d1 - d2
