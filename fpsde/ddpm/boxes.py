"""Uniform laws on boxes, mixed: the uniform law on an interval, and checkerboards; with noise in closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from fpsde.arrays import beside, placed
from fpsde.density import Law, Mixture, Uniform
from fpsde.errors import InvalidInput
from fpsde.known_law import REACH, KnownLaw, picked, refuse_weights, shares, total
from fpsde.smoothed import affine_image
from fpsde.validation import finite_array


@dataclass(frozen=True, eq=False)
class Boxes(KnownLaw):
    """sum_k weights[k] Uniform(box k): ``weights`` (K,), corners ``lows`` and ``highs`` (K, d).

    With noise each box is a product of  (Phi((x - low)/level) - Phi((x - high)/level))/(high - low)  over components.
    Raises InvalidInput unless the weights are positive and sum to 1, and every low is below its high.
    """

    weights: np.ndarray
    lows: np.ndarray
    highs: np.ndarray

    def __post_init__(self) -> None:
        for name, ndim in (("weights", 1), ("lows", 2), ("highs", 2)):
            object.__setattr__(self, name, finite_array(name, getattr(self, name), ndim=ndim))
        if self.lows.shape != self.highs.shape or self.weights.shape != self.lows.shape[:1]:
            raise InvalidInput(
                f"weights {self.weights.shape}, lows {self.lows.shape}, highs {self.highs.shape}; "
                "(K,), (K, d) and (K, d) are needed"
            )
        refuse_weights(self.weights)
        if np.any(self.lows >= self.highs):
            raise InvalidInput("a box is empty: every low must be below its high")

    @property
    def uniforms(self) -> int:  # type: ignore[override]
        return 1 + self.dim

    @property
    def dim(self) -> int:
        return self.lows.shape[1]

    @property
    def mean(self) -> np.ndarray:
        return self.weights @ self._centres

    @property
    def covariance(self) -> np.ndarray:
        apart = self._centres - self.mean
        return (self.weights * apart.T) @ apart + np.diag(self.weights @ (self.highs - self.lows) ** 2 / 12)

    @property
    def _centres(self) -> np.ndarray:
        return 0.5 * (self.lows + self.highs)

    def extent(self, level: float) -> tuple[np.ndarray, np.ndarray, float]:
        return self.lows.min(axis=0) - REACH * level, self.highs.max(axis=0) + REACH * level, level

    def factors(self, axis: int, x: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
        low, high = self.lows[:, [axis]], self.highs[:, [axis]]
        below, above = (x - low) / level, (x - high) / level
        slopes = (np.exp(-0.5 * below**2) - np.exp(-0.5 * above**2)) / (level * math.sqrt(2 * math.pi) * (high - low))
        return np.exp(_log_between(above, below)) / (high - low), slopes

    def draw(self, u: np.ndarray) -> np.ndarray:
        k = picked(self.weights, u[0])
        return self.lows[k].T + (self.highs - self.lows)[k].T * u[1:]

    def log_density(self, x: Any, signal: float, level: float) -> Any:
        return total(self._logs(x, signal, level)[0])

    def score(self, x: Any, signal: float, level: float) -> Any:
        """Return the score; InvalidInput at level 0, where the density jumps."""
        if level == 0:
            raise InvalidInput("the density of boxes jumps, so it has no score without noise; give alpha_bar < 1")
        logs, below, above, masses = self._logs(x, signal, level)
        with np.errstate(over="ignore", under="ignore"):
            slopes = np.exp(-0.5 * below**2 - masses) - np.exp(-0.5 * above**2 - masses)
        return np.einsum("kn,kdn->dn", shares(logs), slopes) / (level * math.sqrt(2 * math.pi))

    def line_law(self, signal: float, level: float) -> Law:
        if self.dim != 1:
            return super().line_law(signal, level)
        parts = [Uniform(float(a), float(b)) for a, b in zip(self.lows[:, 0], self.highs[:, 0], strict=True)]
        whole = parts[0] if len(parts) == 1 else Mixture(self.weights.tolist(), parts)
        return affine_image(whole, scale=signal, shift=0.0, std=level)

    def _logs(self, x: Any, signal: float, level: float) -> tuple[Any, ...]:
        """Return the log of each part (K, n), and (x - low)/level, (x - high)/level, log(Phi - Phi), all (K, d, n)."""
        x = placed(x)
        lows, highs = (beside(signal * corner[:, :, None], x) for corner in (self.lows, self.highs))
        with np.errstate(divide="ignore", invalid="ignore"):
            if level == 0:
                masses = np.log(((x >= lows) & (x <= highs)).astype(float))
                below = above = 0.0 * (x - lows)
            else:
                below, above = (x - lows) / level, (x - highs) / level
                masses = _log_between(above, below)
            logs = beside(np.log(self.weights)[:, None], x) + (masses - np.log(highs - lows)).sum(axis=1)
        return logs, below, above, masses


def _log_between(a: Any, b: Any) -> Any:
    """Return log(Phi(b) - Phi(a)) for a < b: mirrored into the lower half, where the tails keep their digits."""
    flip = a + b > 0
    low, high = np.where(flip, -b, a), np.where(flip, -a, b)
    top = special.log_ndtr(high)
    return top + np.log(-np.expm1(special.log_ndtr(low) - top))
