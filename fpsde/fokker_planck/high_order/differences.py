"""The Fokker-Planck operator in central differences of products, on the equal cells of a line or a plane.

    (L p) = -d_i(mu_i p) + d_i d_j(D_ij p)

Values at the cell centres are multiplied by the coefficients there, and the products are differenced. So one statement
serves constant and variable coefficients and correlated noise, no derivative of a coefficient is needed, and what one
cell loses others gain, down to round-off, as long as nothing is near a cut end: beyond it everything is zero.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fpsde.cached import cached_property
from fpsde.domain import Wall
from fpsde.errors import InvalidInput
from fpsde.fokker_planck.coefficients import drift_and_diffusivity
from fpsde.fokker_planck.high_order.stencils import Stencils
from fpsde.fokker_planck.sides import Sides
from fpsde.fokker_planck.steepness import steepest_on_line
from fpsde.fokker_planck.totals import largest_of
from fpsde.grid import Grid
from fpsde.jit import kernel

#: Widths of cells that differ by less than this fraction are equal.
EQUAL = 1e-9


@dataclass(frozen=True, eq=False)
class Differences:
    """L on a grid of one or two axes, from mu ``(d, *shape)`` and D ``(d, d, *shape)`` at the cell centres."""

    grid: Grid
    sides: tuple[Sides, ...]
    stencils: Stencils
    drift: np.ndarray
    diffusivity: np.ndarray

    @property
    def flux(self) -> str:
        return f"central differences of order {self.stencils.order}"

    @cached_property
    def rings(self) -> tuple[bool, ...]:
        """Which axes are periodic."""
        return tuple([side.periodic for side in self.sides])

    @cached_property
    def periodic(self) -> bool:
        return any(self.rings)

    @cached_property
    def plane(self) -> tuple[tuple[int, ...], tuple[bool, ...]]:
        """The shape of a plane, and which of its axes are periodic; a line is one row of it."""
        return (1, *self.grid.shape)[-2:], (False, *self.rings)[-2:]

    @property
    def size(self) -> int:
        return math.prod(self.grid.shape)

    @cached_property
    def widths(self) -> tuple[float, ...]:
        return tuple(float(faces[-1] - faces[0]) / (len(faces) - 1) for faces in self.grid.axes)

    @cached_property
    def bands(self) -> np.ndarray:
        """The bands ``(2 reach + 1, n)`` of a line without a ring: (L p)_i = sum_k bands[reach + k, i] p_(i+k)."""
        found = np.empty((2 * self.stencils.reach + 1, self.size))
        write_bands(
            self.drift[0], self.diffusivity[0, 0], self.stencils.first, self.stencils.second, *self.widths, found
        )
        return found

    def at(self, drift: np.ndarray, diffusivity: np.ndarray) -> Differences:
        """Return L of other coefficients."""
        return replace(self, drift=drift, diffusivity=diffusivity)

    def steepest(self, masses: np.ndarray) -> tuple[float, float]:
        """Return how steep mu/D is on a line where the masses are, as :func:`steepest_on_line` does."""
        mu, d, (h,), (ring,) = self.drift[0], self.diffusivity[0, 0], self.widths, self.rings
        return steepest_between(mu, d, h, self.grid.faces, masses, ring)

    def extremes(self, masses: np.ndarray, share: float) -> np.ndarray:
        """Return by axis of a plane the largest |w| and the largest change of w ``(2, 2)``, where mass is held.

        That is more than the ``share`` of the largest. w is the integral of D^-1 mu along the edge from a cell to the
        next (zero along an axis without noise). Its size counts where both cells hold mass, its change over a cell
        where that cell does, and has edges on both sides.
        """
        mu, d, shape = self.drift, self.diffusivity, self.grid.shape
        return extremes_on_plane(mu.reshape(2, -1), d.reshape(2, 2, -1), masses, share, shape, self.rings, self.widths)


@kernel()
def write_bands(mu, d, first, second, h, bands):
    """Write :attr:`Differences.bands`, from mu and D, the weights of derivatives, and the width of a cell."""
    n, reach, once, twice = len(mu), len(first), first / h, second / h**2
    bands[:] = 0.0
    for i in range(n):
        bands[reach, i] = twice[0] * d[i]
    for k in range(1, reach + 1):
        for i in range(n - k):
            bands[reach + k, i] = twice[k] * d[i + k] - once[k - 1] * mu[i + k]
            bands[reach - k, i + k] = twice[k] * d[i] + once[k - 1] * mu[i]


@kernel()
def pull(mu, d, found):
    """Write D^-1 mu of one or two components at each place; zero along an axis without noise."""
    for i in range(mu.shape[1]):
        if len(mu) == 2 and d[0, 1, i] != 0.0:
            determinant = d[0, 0, i] * d[1, 1, i] - d[0, 1, i] * d[1, 0, i]
            inverse = 1.0 / determinant if determinant > 0.0 else 0.0
            found[0, i] = inverse * (d[1, 1, i] * mu[0, i] - d[0, 1, i] * mu[1, i])
            found[1, i] = inverse * (d[0, 0, i] * mu[1, i] - d[1, 0, i] * mu[0, i])
        else:
            for k in range(len(mu)):
                found[k, i] = mu[k, i] / d[k, k, i] if d[k, k, i] > 0.0 else 0.0


@kernel()
def steepest_between(mu, d, h, faces, masses, ring):
    """Return :func:`steepest_on_line` of the integrals of mu/D between neighbours, of a ring also over its seam."""
    n = len(mu)
    exponents = np.empty(n if ring else n - 1)
    for i in range(len(exponents)):
        k = i + 1 if i + 1 < n else 0
        exponents[i] = trapezoid(h, mu[i] / d[i], mu[k] / d[k])
    return steepest_on_line(faces, exponents, masses, ring)


@kernel()
def trapezoid(h, low, high):
    """Return the integral over a length h of what is ``low`` and ``high`` at its two ends."""
    return 0.5 * h * (low + high)


@kernel()
def extremes_on_plane(mu, d, masses, share, shape, rings, widths):
    """Return :meth:`Differences.extremes` for mu ``(2, n)`` and D ``(2, 2, n)``."""
    slope, found = np.empty(mu.shape), np.zeros((2, 2))
    pull(mu, d, slope)
    held = masses > share * largest_of(masses)
    for axis in range(2):
        n, h, ring = shape[axis], widths[axis], rings[axis]
        step, across = (shape[1], 1) if axis == 0 else (1, shape[1])
        largest, steepest = 0.0, 0.0
        for line in range(shape[1 - axis]):
            first = line * across
            before = trapezoid(h, slope[axis, first + (n - 1) * step], slope[axis, first])  # over the seam of a ring
            for i in range(n if ring else n - 1):
                cell, after = first + i * step, first + (i + 1 if i + 1 < n else 0) * step
                w = trapezoid(h, slope[axis, cell], slope[axis, after])
                if held[cell] and held[after]:
                    largest = max(largest, abs(w))
                if held[cell] and (ring or i > 0):
                    steepest = max(steepest, abs(w - before))
                before = w
        found[0, axis], found[1, axis] = largest, steepest
    return found


def differences(process: Any, grid: Grid, sides: tuple[Sides, ...], t: float, stencils: Stencils) -> Differences:
    """Return L of a process of one component at time ``t``.

    Raises InvalidInput where cells are not equal or fewer than stencils reach, at a wall that is not periodic, and for
    coefficients that are not finite or a D that is not positive.
    """
    refuse_unfit(process, grid, sides, stencils)
    mu, d = drift_and_diffusivity(process, grid.centres, t)
    return Differences(grid, sides, stencils, mu[None], d[None, None])


def refuse_unfit(process: Any, grid: Grid, sides: tuple[Sides, ...], stencils: Stencils) -> None:
    """Refuse unequal cells, or fewer than stencils reach, and a grid that ends at a wall."""
    refuse_unequal(grid)
    refuse_walls(process, grid, sides)
    if min(grid.shape) < stencils.reach:
        raise InvalidInput(
            f"the grid has {min(grid.shape)} cells along an axis, and order {stencils.order} reaches "
            f"{stencils.reach} cells away; take more cells, or a lower order"
        )


def refuse_unequal(grid: Grid) -> None:
    """Refuse cells of different widths along an axis."""
    for axis, faces in enumerate(grid.axes):
        narrowest, widest = extreme_widths(faces)
        if widest - narrowest > EQUAL * widest:
            raise InvalidInput(
                f"the cells along axis {axis} are from {narrowest:.6g} to {widest:.6g} wide; central "
                "differences need equal ones: take Grid.uniform, or evolve"
            )


@kernel()
def extreme_widths(faces):
    """Return the smallest and the largest width of the cells between ``faces`` (n + 1,)."""
    narrowest, widest = np.inf, 0.0
    for i in range(len(faces) - 1):
        narrowest, widest = min(narrowest, faces[i + 1] - faces[i]), max(widest, faces[i + 1] - faces[i])
    return narrowest, widest


def refuse_walls(process: Any, grid: Grid, sides: tuple[Sides, ...]) -> None:
    """Refuse ends of the grid that are ends of the domain, unless the two are one point."""
    for side, faces in zip(sides, grid.axes, strict=True):
        for cut, wall, end in zip(side.cut, side.walls, (0, -1), strict=True):
            if not cut and wall is not Wall.PERIODIC:
                raise InvalidInput(
                    f"the grid reaches the end of the domain of {process.name} at {faces[end]:g} (wall: {wall.value}), "
                    "where central differences of high order do not hold; use evolve, or cut the grid before that end"
                )
