"""The Laplace law, and the Laplace law with noise in closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from fpsde.arrays import placed
from fpsde.density import Law
from fpsde.known_law import KnownLaw
from fpsde.validation import finite, positive


@dataclass(frozen=True)
class SmoothedLaplace(Law):
    """The law of centre + L + std Z, with L of density exp(-|x|/width)/(2 width) and Z standard normal; std >= 0.

    p = (e^A + e^B)/(2 width),   F = Phi(u/std) + (e^B - e^A)/2,   (log p)' = -tanh((A - B)/2)/width,
    A, B = std^2/(2 width^2) -+ u/width + log Phi(+-u/std - std/width),   u = x - centre
    """

    centre: float
    width: float
    std: float

    def cdf(self, x: Any) -> np.ndarray:
        u = np.asarray(x, dtype=float) - self.centre
        rises, falls = (np.exp(v) for v in self._exponents(u))
        return (special.ndtr(u / self.std) if self.std else (u >= 0).astype(float)) + 0.5 * (falls - rises)

    def pdf(self, x: Any) -> np.ndarray:
        return np.exp(self.log_pdf(x))

    def log_pdf(self, x: Any) -> Any:
        """Return log p."""
        return np.logaddexp(*self._exponents(placed(x) - self.centre)) - math.log(2 * self.width)

    def score(self, x: Any) -> Any:
        """Return the slope of log p."""
        u = placed(x) - self.centre
        if not self.std:
            return -np.sign(u) / self.width
        rises, falls = self._exponents(u)
        return -np.tanh(0.5 * (rises - falls)) / self.width

    def range(self) -> tuple[float, float]:
        half = 42 * self.width + 9 * self.std
        return self.centre - half, self.centre + half

    def _exponents(self, u: Any) -> tuple[Any, Any]:
        b, s = self.width, self.std
        if not s:
            return np.where(u >= 0, -u / b, -np.inf), np.where(u < 0, u / b, -np.inf)
        shift = s**2 / (2 * b**2)
        return shift - u / b + special.log_ndtr(u / s - s / b), shift + u / b + special.log_ndtr(-u / s - s / b)


@dataclass(frozen=True)
class Laplace(KnownLaw):
    """The law with density exp(-|x - centre|/width)/(2 width). Raises InvalidInput unless width > 0."""

    centre: float
    width: float

    uniforms = 1

    def __post_init__(self) -> None:
        finite("centre", self.centre)
        positive("width", self.width)

    @property
    def dim(self) -> int:
        return 1

    @property
    def mean(self) -> np.ndarray:
        return np.array([self.centre])

    @property
    def covariance(self) -> np.ndarray:
        return np.array([[2 * self.width**2]])

    def extent(self, level: float) -> tuple[np.ndarray, np.ndarray, float]:
        low, high = self.line_law(1.0, level).range()
        return np.array([low]), np.array([high]), level

    def draw(self, u: np.ndarray) -> np.ndarray:
        tail = np.minimum(u, 1 - u)
        return self.centre + self.width * np.where(u < 0.5, np.log(2 * tail), -np.log(2 * tail))

    def log_density(self, x: Any, signal: float, level: float) -> Any:
        return self.line_law(signal, level).log_pdf(x[0])

    def score(self, x: Any, signal: float, level: float) -> Any:
        return self.line_law(signal, level).score(x[0])[None]

    def line_law(self, signal: float, level: float) -> SmoothedLaplace:
        return SmoothedLaplace(signal * self.centre, signal * self.width, level)
