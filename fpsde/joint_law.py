"""Laws of several real random variables: two as the masses of the cells of a grid, any number as a normal law."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fpsde.cached import cached_property
from fpsde.density import CellLaw, Law, Normal, Point
from fpsde.errors import InvalidInput
from fpsde.grid import Grid
from fpsde.validation import finite_array, integer

#: Asymmetry and negative eigenvalues of a covariance, relative to its largest entry, that are round-off.
ROUNDING = 1e-12
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(4)


@dataclass(frozen=True, eq=False)
class JointCellLaw:
    """Masses of the cells of a two-dimensional grid, as a Fokker-Planck solver returns them.

    ``masses`` (n_1, n_2) are what they are: nothing is clipped or rescaled. Where a wall absorbs, they are the part of
    the law that is still inside, and sum to less than one. Moments take the mass of a cell at its centre, and are those
    of the law given that it is inside.
    """

    grid: Grid
    masses: np.ndarray = field(repr=False)

    def __post_init__(self) -> None:
        if self.grid.dim != 2 or np.shape(self.masses) != self.grid.shape:
            given = np.shape(self.masses)
            raise InvalidInput(f"masses have shape {given}, the grid {self.grid.shape}; both must be (n_1, n_2)")

    @classmethod
    def from_density(cls, density: Callable[[np.ndarray, np.ndarray], Any], grid: Grid) -> JointCellLaw:
        """Return the masses of a density of the plane in the cells: Gauss-Legendre's rule of 4 x 4 nodes in each.

        ``density(x, y)`` takes and returns arrays of one shape. The total mass is what it is: it is not rescaled.
        Raises InvalidInput for other grids, and where the density is negative or not finite at a node.
        """
        if grid.dim != 2:
            raise InvalidInput(f"the grid has {grid.dim} axes; a density of the plane needs two")
        half = [0.5 * np.diff(faces) for faces in grid.axes]
        x, y = (faces[:-1, None] + h[:, None] * (1 + _NODES) for faces, h in zip(grid.axes, half, strict=True))
        at = np.broadcast_arrays(x[:, None, :, None], y[None, :, None, :])  # (n_1, n_2, 4, 4)
        p = np.broadcast_to(np.asarray(density(*at), dtype=float), at[0].shape)
        if not np.all(p >= 0) or not np.all(np.isfinite(p)):
            i = int(np.argmin(np.where(np.isfinite(p), p, -np.inf)))
            raise InvalidInput(
                f"the density is {p.flat[i]:.6g} at ({at[0].flat[i]:.6g}, {at[1].flat[i]:.6g}); it must be finite and "
                f"not negative"
            )
        return cls(grid, np.einsum("ijab,a,b,i,j->ij", p, _WEIGHTS, _WEIGHTS, *half))

    @property
    def mass(self) -> float:
        """The total mass."""
        return float(np.sum(self.masses))

    @property
    def average_density(self) -> np.ndarray:
        """The density averaged over each cell, ``(n_1, n_2)``, in 1/volume."""
        return self.masses / np.multiply.outer(*(np.diff(faces) for faces in self.grid.axes))

    @property
    def centres(self) -> tuple[np.ndarray, np.ndarray]:
        """The cell centres along the two axes, ``(n_1,)`` and ``(n_2,)``."""
        first, second = (0.5 * (faces[1:] + faces[:-1]) for faces in self.grid.axes)
        return first, second

    def marginal(self, axis: int) -> CellLaw:
        """Return the law of one component, ``axis`` 0 or 1, of what is inside."""
        axis = integer("axis", axis, least=0)
        if axis > 1:
            raise InvalidInput(f"axis={axis}; a law of two components has axes 0 and 1")
        return CellLaw(self.grid.lines[axis], self.masses.sum(axis=1 - axis))

    def expectation(self, f: Callable[[Any, Any], Any]) -> float:
        """Return E f(X, Y) given that (X, Y) is inside; ``f`` takes and returns arrays."""
        x, y = np.meshgrid(*self.centres, indexing="ij")
        return float(np.sum(self.masses * f(x, y)) / self.mass)

    @cached_property
    def mean(self) -> np.ndarray:
        """E (X, Y), ``(2,)``."""
        return np.array([self.expectation(lambda x, y: x), self.expectation(lambda x, y: y)])

    @cached_property
    def covariance(self) -> np.ndarray:
        """The covariance matrix of (X, Y), ``(2, 2)``."""
        a, b = self.mean
        mixed = self.expectation(lambda x, y: (x - a) * (y - b))
        first, second = self.expectation(lambda x, y: (x - a) ** 2), self.expectation(lambda x, y: (y - b) ** 2)
        return np.array([[first, mixed], [mixed, second]])


@dataclass(frozen=True, eq=False)
class JointNormal:
    """The law N(mean, covariance) in d dimensions; the covariance may be singular.

    Raises InvalidInput unless ``mean`` is (d,) and ``covariance`` (d, d), symmetric and without negative eigenvalues.
    """

    mean: np.ndarray
    covariance: np.ndarray

    def __post_init__(self) -> None:
        mean, covariance = finite_array("mean", self.mean, ndim=1), finite_array("covariance", self.covariance, ndim=2)
        if covariance.shape != (len(mean), len(mean)):
            raise InvalidInput(
                f"mean has shape {mean.shape}, covariance {covariance.shape}; (d,) and (d, d) are needed"
            )
        size = float(np.abs(covariance).max(initial=0.0))
        if np.abs(covariance - covariance.T).max(initial=0.0) > ROUNDING * size:
            raise InvalidInput(f"covariance={covariance.tolist()} is not symmetric")
        lowest = float(np.linalg.eigvalsh(covariance).min(initial=0.0))
        if lowest < -ROUNDING * size:
            raise InvalidInput(
                f"covariance={covariance.tolist()} has the eigenvalue {lowest:.3g}; none may be negative"
            )
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "covariance", (covariance + covariance.T) / 2)

    @property
    def dim(self) -> int:
        """The number d of components."""
        return len(self.mean)

    def component(self, i: int) -> Law:
        """Return the law of component i."""
        if not 0 <= i < self.dim:
            raise InvalidInput(f"component {i} of {self.dim}; give one from 0 to {self.dim - 1}")
        variance = float(self.covariance[i, i])
        return Normal(float(self.mean[i]), variance**0.5) if variance > 0 else Point(float(self.mean[i]))
