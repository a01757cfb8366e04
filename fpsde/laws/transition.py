"""The transition density of one step between points, and the walls' part in it.

Without walls, y = Phi(x, z) has the density phi(z)/(dy/dz) at the z that leads there (:mod:`fpsde.laws.kernels`). A
reflecting wall folds the density, a circle wraps it: sums over images. An absorbing wall multiplies it by the
probability not to have touched the wall in between, and takes the rest (:mod:`fpsde.schemes.walls`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import sparse

from fpsde.domain import Interval, Wall
from fpsde.errors import NotConverged
from fpsde.laws.kernels import Kernel, QuadraticKernel
from fpsde.schemes.walls import crossing

#: Entries up to which, and share of nonzero ones above which, a dense matrix is the faster one.
DENSE_SIZE, DENSE_SHARE = 2**18, 0.3
#: Images beyond this many mean steps far longer than the domain.
MOST_IMAGES = 400
_ROOT_TWO_PI = np.sqrt(2 * np.pi)


@dataclass(frozen=True)
class Region:
    """Where the law is represented: from ``low`` to ``high``, each a wall of the ``interval`` or a cut inside of it."""

    low: float
    high: float
    interval: Interval

    @property
    def walls(self) -> tuple[Wall, Wall]:
        return self.interval.low_wall, self.interval.high_wall

    @property
    def absorbing(self) -> bool:
        return Wall.ABSORBING in self.walls


def images(region: Region, lowest: float, highest: float) -> list[tuple[int, float]]:
    """Return the maps y -> s y + shift from a position to those that the walls map to it, within [lowest, highest]."""
    interval, low, high = region.interval, region.interval.low, region.interval.high
    both = (Wall.REFLECTING, Wall.REFLECTING)
    if not interval.periodic and region.walls != both:
        ends = zip((low, high), region.walls, strict=True)
        return [(1, 0.0), *((-1, 2 * end) for end, wall in ends if wall is Wall.REFLECTING)]
    period = interval.length * (1 if interval.periodic else 2)
    turns = np.arange(np.floor((lowest - high) / period), np.ceil((highest - low) / period) + 1) * period
    if not len(turns) <= MOST_IMAGES:
        raise NotConverged(
            f"one step reaches from {lowest:.4g} to {highest:.4g}, more than {MOST_IMAGES} lengths of the domain "
            f"({low}, {high}); take a smaller dt"
        )
    return [(1, t) for t in turns] + ([] if interval.periodic else [(-1, 2 * low + t) for t in turns])


@dataclass(frozen=True, eq=False)
class Pairs:
    """The nonzero entries q of a matrix (targets, sources), at (j, i); entries at one place add up."""

    i: np.ndarray
    j: np.ndarray
    q: np.ndarray
    shape: tuple[int, int]

    def __matmul__(self, mass: np.ndarray) -> np.ndarray:
        return np.bincount(self.j, self.q * mass[self.i], self.shape[0])

    def assembled(self) -> Any:
        """Return the matrix, worth its while where it is used again: dense while it fits in the cache, or is full."""
        matrix = sparse.coo_array((self.q, (self.j, self.i)), shape=self.shape)
        size = self.shape[0] * self.shape[1]
        return matrix.toarray() if size < DENSE_SIZE or len(self.q) > DENSE_SHARE * size else matrix.tocsr()


def step_pairs(kernel: Kernel, y: np.ndarray, region: Region) -> Pairs:
    """Return the transition density of pairs within reach, before absorption; ``y`` are increasing targets.

    A pair stands once for each image.
    """
    low, high = kernel.reach
    parts = [_image_pairs(kernel, y, s, shift) for s, shift in images(region, float(low.min()), float(high.max()))]
    i, j, q = parts[0] if len(parts) == 1 else (np.concatenate(column) for column in zip(*parts, strict=True))
    return Pairs(i, j, q, (len(y), len(kernel.x)))


def _image_pairs(kernel: Kernel, y: np.ndarray, s: int, shift: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    ends = [s * (end - shift) for end in kernel.reach]
    first, stop = np.searchsorted(y, ends[0 if s > 0 else 1]), np.searchsorted(y, ends[1 if s > 0 else 0])
    count = stop - first
    i = np.repeat(np.arange(len(count)), count)
    j = np.arange(len(i)) + np.repeat(first - (np.cumsum(count) - count), count)
    z, slope = kernel.score(i, s * y[j] + shift)
    i, share = kernel.of_points(i)
    return i, j, np.exp(-0.5 * z**2) * (share / (slope * _ROOT_TWO_PI))


def surviving_pairs(kernel: Kernel, y: np.ndarray, region: Region) -> Pairs:
    """Return the transition density from the points of the kernel to ``y`` without being absorbed."""
    pairs = step_pairs(kernel, y, region)
    if not region.absorbing:
        return pairs
    low, high = _absorption(kernel, region, pairs.i, y[pairs.j])
    return replace(pairs, q=pairs.q * (1 - low - high))


def absorbed(kernel: Kernel, y: np.ndarray, w: np.ndarray, region: Region) -> np.ndarray:
    """Return P(absorbed at the low, at the high wall) from each point, ``(2, n)``, by quadrature over where steps end.

    ``y`` and ``w`` are nodes and weights inside and beyond the walls, all that is within reach.
    """
    pairs = step_pairs(kernel, y, region)
    taken = _absorption(kernel, region, pairs.i, y[pairs.j])
    return np.stack([np.bincount(pairs.i, w[pairs.j] * pairs.q * p, len(kernel.x)) for p in taken])


def _absorption(kernel: Kernel, region: Region, i: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the probabilities of absorption at the two walls for steps from x_i to y: the low wall takes first."""
    assert isinstance(kernel, QuadraticKernel)  # no other step is let near a wall

    def at(wall: Wall, end: float) -> np.ndarray:
        if wall is not Wall.ABSORBING:
            return np.zeros(len(y))
        return crossing(kernel.x[i], y, end, kernel.b[i] ** 2)

    low = at(region.interval.low_wall, region.interval.low)
    return low, (1 - low) * at(region.interval.high_wall, region.interval.high)


def leaks(kernel: Kernel, region: Region) -> np.ndarray:
    """Return P(a step ends beyond the low, beyond the high end), from each point, ``(2, n)``; zero at a wall."""
    low, high = region.walls
    out = np.zeros((2, len(kernel.x)))
    if low is Wall.NONE:
        out[0] = kernel.below(region.low) + _mirrored(kernel.above, high, 2 * region.interval.high - region.low)
    if high is Wall.NONE:
        out[1] = kernel.above(region.high) + _mirrored(kernel.below, low, 2 * region.interval.low - region.high)
    return out


def _mirrored(tail: Callable[[float], np.ndarray], wall: Wall, at: float) -> np.ndarray | float:
    return tail(at) if wall is Wall.REFLECTING else 0.0
