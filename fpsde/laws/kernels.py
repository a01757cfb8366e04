"""The density of one step from points: of maps y = Phi(x, z) that increase in a standard normal z.

    phi(z) / (dy/dz)    at the z that leads from x to y

Where Phi turns back at some z, at a fold, the kernel is that of the branch around z = 0, and the mass beyond is stated.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr

from fpsde.cached import cached_property

#: Normal quantile beyond which a kernel is taken for zero: 2 Phi(-8.6) = 8e-18.
REACH = 8.6
#: What to do where a step has no density.
NOISE_NEEDED = "state the domain in which sigma is positive, or a box inside of it, or take a smaller dt"


@dataclass(frozen=True, eq=False)
class Kernel(ABC):
    """The steps from the points ``x`` (n,). A kernel may have several parts for each point, whose densities add up."""

    x: np.ndarray

    @property
    @abstractmethod
    def reach(self) -> tuple[np.ndarray, np.ndarray]:
        """The interval in which a step ends, but for 1e-17 of the mass and what lies beyond a fold; of each part."""

    @property
    @abstractmethod
    def fold(self) -> np.ndarray:
        """The distance of the fold from z = 0, by point, infinite where there is none: Phi(-fold) lies beyond it."""

    @abstractmethod
    def score(self, i: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return z(y) of the parts with index ``i`` and dy/dz there; z is infinite where none leads to y."""

    def of_points(self, i: Any) -> tuple[Any, Any]:
        """Return the points that the parts ``i`` belong to, and the probability of each part."""
        return i, 1.0

    def below(self, y: float) -> np.ndarray:
        """Return P(a step ends below y) from each point."""
        return self._averaged(ndtr(self.score(slice(None), y)[0]))

    def above(self, y: float) -> np.ndarray:
        """Return P(a step ends above y) from each point."""
        return self._averaged(ndtr(-self.score(slice(None), y)[0]))

    def _averaged(self, values: np.ndarray) -> np.ndarray:
        """Return the average over the parts of each point."""
        return values


@dataclass(frozen=True, eq=False)
class QuadraticKernel(Kernel):
    """y = A + B z + C z^2 from the points ``x``: A, |B| and C there, all of shape ``(n,)``.

        z = 2 (y - A)/(B + r),    dy/dz = r = sqrt(B^2 + 4 C (y - A))

    on the branch of z around 0, which carries all of the mass but Phi(-B/(2 |C|)) beyond the fold at z = -B/(2 C).
    """

    a: np.ndarray
    b: np.ndarray
    c: np.ndarray

    @cached_property
    def reach(self) -> tuple[np.ndarray, np.ndarray]:
        """The interval in which a step from each point ends, but for 1e-17 of the mass."""
        near = np.minimum(REACH, self.fold)
        back, forth = np.where(self.c > 0, near, REACH), np.where(self.c < 0, near, REACH)
        return self.a - back * (self.b - back * self.c), self.a + forth * (self.b + forth * self.c)

    @cached_property
    def fold(self) -> np.ndarray:
        """The distance |B/(2 C)| of the fold from z = 0, infinite where C = 0; the mass Phi(-fold) lies beyond it."""
        with np.errstate(divide="ignore"):
            return self.b / (2 * np.abs(self.c))

    def score(self, i: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return z(y) of the points with index ``i`` and dy/dz there; beyond the fold z is infinite."""
        a, b = self.a[i], self.b[i]
        if not self.c.any():
            return (y - a) / b, b
        c = self.c[i]
        square = b**2 + 4 * c * (y - a)
        root = np.sqrt(np.maximum(square, 0.0))
        z = np.where(square > 0, 2 * (y - a) / (b + root), np.where(c > 0, -np.inf, np.inf))
        return z, np.where(square > 0, root, 1.0)
