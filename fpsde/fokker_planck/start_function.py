"""A function of the starting point, as the backward equation gives it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.interpolate import PchipInterpolator

from fpsde.errors import InvalidInput
from fpsde.validation import finite_array


@dataclass(frozen=True, eq=False)
class StartFunction:
    """``values`` (n,) at increasing points ``x`` (n,); between them a monotone cubic, which overshoots nowhere.

    At a point it is its value, to the last bit: a probability at a wall is 0 or 1.

    ``turn`` is the length of a ring, round which x is turned back into its points; None on a line.
    """

    x: np.ndarray
    values: np.ndarray
    turn: float | None = None

    @classmethod
    def of(cls, pairs: list[tuple[np.ndarray, np.ndarray]], turn: float | None = None) -> StartFunction:
        """Return the function through points given in any order; the first of several values at a point counts."""
        x, first = np.unique(np.concatenate([x for x, _ in pairs]), return_index=True)
        return cls(x, np.concatenate([values for _, values in pairs])[first], turn)

    def __call__(self, x: Any) -> np.ndarray:
        """Return the values at ``x``, same shape; InvalidInput beyond the grid."""
        at = finite_array("x", x)
        if self.turn is not None:
            at = self.x[0] + (at - self.x[0]) % self.turn
        gap = self.x[1] - self.x[0], self.x[-1] - self.x[-2]  # the outermost points may be centres
        if np.any(at < self.x[0] - gap[0]) or np.any(at > self.x[-1] + gap[1]):
            raise InvalidInput(
                f"x from {at.min()} to {at.max()} reaches beyond the points [{self.x[0]}, {self.x[-1]}] of this "
                "function; extend the grid"
            )
        nearest = np.minimum(np.searchsorted(self.x, at), len(self.x) - 1)
        return np.where(self.x[nearest] == at, self.values[nearest], self._cubic(at))

    @cached_property
    def _cubic(self) -> PchipInterpolator:
        return PchipInterpolator(self.x, self.values)
