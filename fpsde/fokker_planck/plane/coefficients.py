"""Drift and diffusivity of a process of two components, read at points and refused where they make no generator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsde.cached import cached_property
from fpsde.errors import InvalidInput
from fpsde.fokker_planck.coefficients import ROUND_OFF, beyond, indefinite
from fpsde.fokker_planck.edges import EDGE_RULE, QUICK_RULE
from fpsde.fokker_planck.high_order.differences import Differences, refuse_unfit
from fpsde.fokker_planck.high_order.stencils import Stencils
from fpsde.fokker_planck.plane.generator import centres, widths
from fpsde.fokker_planck.sides import Sides, sides_of
from fpsde.grid import Grid
from fpsde.processes.process import Process


def plane_sides(process: Any, grid: Grid) -> tuple[Sides, Sides]:
    """Return what the ends of each axis of ``grid`` are in the domain of ``process``."""
    first, second = (sides_of(interval, line) for interval, line in zip(process.intervals, grid.lines, strict=True))
    return first, second


def noisy_axes(d: np.ndarray) -> tuple[bool, bool]:
    """Return whether there is noise along each axis at any of the points of D ``(2, 2, n)``."""
    return bool(d[0, 0].any()), bool(d[1, 1].any())


@dataclass(frozen=True)
class Coefficients:
    """Itô drift mu ``(2, n)`` and diffusivity D ``(2, 2, n)`` at a time, at points ``(2, n)``.

    Points beyond the seam of a periodic axis are read where they are on the circle.
    """

    process: Any
    grid: Grid
    t: float
    sides: tuple[Sides, Sides]

    @cached_property
    def x(self) -> np.ndarray:
        """The centres of the cells ``(2, n)``."""
        return centres(self.grid)

    @cached_property
    def d(self) -> np.ndarray:
        """D at the centres of the cells ``(2, 2, n)``."""
        return self.diffusivity(self.x)

    @cached_property
    def mu(self) -> np.ndarray:
        """The drift at the centres of the cells ``(2, n)``."""
        return self.drift(self.x)

    @property
    def at_centres(self) -> tuple[np.ndarray, np.ndarray]:
        """Mu ``(2, n_1, n_2)`` and D ``(2, 2, n_1, n_2)`` at the centres of the cells."""
        return self.mu.reshape(2, *self.grid.shape), self.d.reshape(2, 2, *self.grid.shape)

    def drift(self, x: np.ndarray) -> np.ndarray:
        mu = np.asarray(self.process.ito_drift(self._wrapped(x), self.t), dtype=float)
        if beyond(mu.ravel(), -np.inf):
            self._refuse_where(~np.isfinite(mu).all(axis=0), x, mu, "drift", "be finite")
        return mu

    def diffusivity(self, x: np.ndarray) -> np.ndarray:
        """Return D; InvalidInput where it is not finite or not positive semi-definite, saying where.

        Of traced noise that does not depend on x one point says all. What is constant is read of the process, and as
        half of sigma sigma^T it is what it must be.
        """
        traced = isinstance(self.process, Process)
        if traced and self.process.constant_diffusivity is not None:
            return np.repeat(self.process.constant_diffusivity[:, :, None], x.shape[1], axis=-1)
        same = traced and self.process.additive
        at = x[:, :1] if same else x
        d = np.asarray(self.process.diffusivity(self._wrapped(at), self.t), dtype=float)
        if beyond(d.ravel(), -np.inf):
            self._refuse_where(~np.isfinite(d).all(axis=(0, 1)), at, d, "diffusivity", "be finite")
        self._refuse_where(indefinite(d), at, d, "diffusivity", "be positive semi-definite")
        return np.repeat(d, x.shape[1], axis=-1) if same else d

    def along(self, x: np.ndarray, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return points on the edges from ``x`` to ``x + steps`` ``(2, n_nodes n)``, and mu and D there."""
        points = self._on_edges(x, steps)
        return points, self.drift(points), self.diffusivity(points)

    def in_halves(self, nodes: np.ndarray) -> np.ndarray:
        """Return the points in the lower and upper half of each cell along either axis, ``(2, 2 2 n_nodes n)``.

        They are flat, by axis, half, node and cell; the ``nodes`` (n_nodes,) in (0, 1) count from the centre outward.
        """
        half, n = 0.5 * widths(self.grid), self.x.shape[1]
        points = np.empty((2, 2, 2, len(nodes), n))
        points[:] = self.x[:, None, None, None]
        for axis in (0, 1):
            steps = nodes[:, None] * half[axis]
            points[axis, axis] += np.stack([-steps, steps])
        return points.reshape(2, -1)

    def axis_exponents(self, axis: int, x: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """Return the integrals of mu/D along edges parallel to ``axis``, by their signed lengths ``steps`` (n,)."""
        points, mu, d = self.along(x, _parallel(axis, steps))
        self.refuse_silent(axis, points, d)
        return steps * self._mean(mu[axis] / d[axis, axis])

    def axis_drifts(self, axis: int, x: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """Return the mean of mu along edges parallel to ``axis``, ``(n,)``."""
        return self._mean(self.drift(self._on_edges(x, _parallel(axis, steps)))[axis])

    def exponents(self, x: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """Return the integrals of (D^-1 mu).dx along straight edges, ``(n,)``, of a D that has an inverse."""
        if x.shape[1] == 0:  # a vector that leads out of the grid wherever it is used
            return np.empty(0)
        points, mu, d = self.along(x, steps)
        self.refuse_singular(points, d)
        determinant = d[0, 0] * d[1, 1] - d[0, 1] * d[1, 0]
        a, b = d[1, 1] * mu[0] - d[0, 1] * mu[1], d[0, 0] * mu[1] - d[1, 0] * mu[0]
        first, second = (self._mean(part / determinant) for part in (a, b))
        return steps[0] * first + steps[1] * second

    def refuse_singular(self, x: np.ndarray, d: np.ndarray) -> None:
        """Refuse correlated noise that leaves a direction without any at some of the points ``x``."""
        product = d[0, 0] * d[1, 1]
        self._refuse_where(
            ~(product - d[0, 1] * d[1, 0] > ROUND_OFF * product),
            x,
            d,
            "diffusivity",
            "have an inverse where noise is correlated (turn the coordinates so that the direction without noise is "
            "an axis)",
        )

    def refuse_silent(self, axis: int, x: np.ndarray, d: np.ndarray) -> None:
        """Refuse noise along ``axis`` that vanishes at some of the points ``x`` but not at all of the cells."""
        self._refuse_where(
            ~(d[axis, axis] > 0), x, d, "diffusivity", f"have D_{axis + 1}{axis + 1} > 0 everywhere, or nowhere"
        )

    @cached_property
    def _rule(self) -> np.ndarray:
        return QUICK_RULE if self.process.time_dependent else EDGE_RULE

    def _on_edges(self, x: np.ndarray, steps: np.ndarray) -> np.ndarray:
        return (x[:, None, :] + self._rule[0][:, None] * steps[:, None, :]).reshape(2, -1)

    def _mean(self, values: np.ndarray) -> np.ndarray:
        """Return the means along edges of values at their points."""
        weights = self._rule[1]
        return weights @ values.reshape(len(weights), -1)

    def _wrapped(self, x: np.ndarray) -> np.ndarray:
        for axis, sides in enumerate(self.sides):
            if sides.periodic:
                low, high = self.grid.axes[axis][[0, -1]]
                x = np.array(x)
                x[axis] = low + np.mod(x[axis] - low, high - low)
        return x

    def _refuse_where(self, bad: np.ndarray, x: np.ndarray, values: np.ndarray, what: str, must: str) -> None:
        if bad.any():
            i = int(np.argmax(bad))
            raise InvalidInput(
                f"the {what} of {self.process.name} is {values[..., i].tolist()} at x={tuple(x[:, i].tolist())}, "
                f"t={self.t} ({np.count_nonzero(bad)} of {len(bad)} points); inside the grid it must {must}"
            )


def _parallel(axis: int, steps: np.ndarray) -> np.ndarray:
    out = np.zeros((2, len(steps)))
    out[axis] = steps
    return out


def plane_differences(read: Coefficients, stencils: Stencils) -> Differences:
    """Return L of two components.

    Raises InvalidInput as :func:`~fpsde.fokker_planck.high_order.differences.differences`, but for a D that is positive
    semi-definite.
    """
    refuse_unfit(read.process, read.grid, read.sides, stencils)
    return Differences(read.grid, read.sides, stencils, *read.at_centres)
