"""The axes on which densities of two components are held: equally spaced nodes of a segment, or round a period.

    segment   sinc((x - x_j)/h),                                a density that decays before the ends
    ring      D(x - x_j) = sin(pi u/h) / (n sin(pi u/L)),       u = x - x_j, a period L of n nodes, n odd

interpolate between the nodes, exactly for densities without frequencies above pi/h. Round a period a normal law is
wound up: sums over its images.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr, sici

#: Standard deviations beyond which a normal law is nothing: 1e-18 of its density.
REACH = 9.0
#: Squares of deviations beyond which a normal density is 0: products of two of them with a density that is small itself
#: would leave a double's range, and such numbers cost a hundred times as much.
FAR = 200.0


@dataclass(frozen=True, eq=False)
class Line:
    """Nodes ``(n,)`` on one component; with a ``period`` they go once round it, and their number is odd."""

    nodes: np.ndarray
    period: float | None = None

    @classmethod
    def of(cls, low: float, high: float, n: int, *, periodic: bool) -> Line:
        """Return about n nodes from ``low`` to ``high``."""
        if not periodic:
            return cls(np.linspace(low, high, n))
        n += 1 - n % 2
        return cls(low + (high - low) * np.arange(n) / n, high - low)

    def __len__(self) -> int:
        return len(self.nodes)

    @property
    def spacing(self) -> float:
        return float(self.nodes[1] - self.nodes[0])

    def within(self, low: float, high: float) -> slice:
        """Return the nodes between ``low`` and ``high``, of a ring all of them."""
        return slice(*np.searchsorted(self.nodes, [low, high])) if self.period is None else slice(0, len(self))

    def images(self, mean: Any, variance: Any) -> np.ndarray:
        """Return the multiples of the period by which nodes come within reach of N(mean, variance); 0 without one."""
        if self.period is None:
            return np.zeros(1)
        far = REACH * np.sqrt(np.max(variance))
        first = np.floor((np.min(mean) - far - self.nodes[-1]) / self.period)
        last = np.ceil((np.max(mean) + far - self.nodes[0]) / self.period)
        return np.arange(first, last + 1) * self.period

    def normal(self, mean: Any, variance: Any) -> np.ndarray:
        """Return the density of N(mean, variance) at the nodes, ``(n, ...)``; mean and variance have one shape."""
        y = self.nodes.reshape(-1, *(1 for _ in np.shape(mean)))
        return sum(normal_density(y + image, mean, variance) for image in self.images(mean, variance))

    def shifted(self, ends: np.ndarray) -> np.ndarray:
        """Return what a shift of the nodes to ``ends`` (..., n) makes of values at the nodes: (..., to, from)."""
        u = self.nodes[:, None] - ends[..., None, :]
        if self.period is None:
            return np.sinc(u / self.spacing)
        n, turn = len(self), np.pi / self.period * u
        near = np.abs(np.sin(turn)) < 1e-8
        return np.where(near, np.cos((n - 1) * turn), np.sin(n * turn) / (n * np.where(near, 1.0, np.sin(turn))))

    def integrals(self, faces: np.ndarray) -> np.ndarray:
        """Return the integrals of the interpolating functions over the cells between ``faces``, ``(cells, n)``."""
        u = faces[:, None] - self.nodes
        if self.period is None:  # of sinc: h/pi Si(pi u/h)
            return np.diff(self.spacing / np.pi * sici(np.pi * u / self.spacing)[0], axis=0)
        k = 2 * np.pi / self.period * np.arange(1, len(self) // 2 + 1)  # D is a sum of cosines
        return np.diff(u / len(self) + 2 / len(self) * np.sum(np.sin(u[..., None] * k) / k, axis=-1), axis=0)

    def lost(self, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
        """Return the probability that N(mean, variance) lies beyond the ends; without variance, whether mean does."""
        if self.period is not None:
            return np.zeros(np.shape(mean))
        low, high = self.nodes[0], self.nodes[-1]
        if not np.any(variance > 0):
            return ((mean < low) | (mean > high)).astype(float)
        s = np.sqrt(variance)
        return ndtr((low - mean) / s) + ndtr((mean - high) / s)


def normal_density(y: Any, mean: Any, variance: Any, *, far: float = FAR) -> Any:
    """Return the density of N(mean, variance) at y; what lies so far out that it would underflow is 0."""
    square = (y - mean) ** 2 / variance
    return np.where(square < far, np.exp(-0.5 * np.minimum(square, far)), 0.0) / np.sqrt(2 * np.pi * variance)


def joint_densities(
    lines: tuple[Line, Line], mean: np.ndarray, covariance: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield pairs of densities, whose products sum to those of N(mean, covariance) at the nodes of two ``lines``.

    ``mean`` (2, k) and ``covariance`` (2, 2, k) are of k laws. The first of a pair is that of the first component,
    (n_1, k), the second that of the second one given the first, (n_1, n_2, k).
    """
    first, second = lines
    slope = covariance[0, 1] / covariance[0, 0]
    rest = np.broadcast_to(covariance[1, 1] - slope * covariance[0, 1], (len(first), len(slope)))
    for image in first.images(mean[0], covariance[0, 0]):
        y = first.nodes[:, None] + image
        given = mean[1] + slope * (y - mean[0])
        yield normal_density(y, mean[0], covariance[0, 0]), np.moveaxis(second.normal(given, rest), 0, 1)
