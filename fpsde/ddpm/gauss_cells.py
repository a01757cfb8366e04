"""Cubes with the product of Gauss-Legendre rules, which can be halved along each axis; d = 1 or 2 components."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np


@dataclass(frozen=True, eq=False)
class GaussCells:
    """Cubes of ``order``^d points each: sums are exact for polynomials of degree 2 order - 1 in each component.

    The points run cell by cell; in a cell the last axis runs first.
    """

    middles: np.ndarray  #: (d, cells)
    halves: np.ndarray  #: (cells,), half of a side
    order: int

    @classmethod
    def of_box(cls, dim: int, reach: float, n: int, *, order: int) -> GaussCells:
        """Return n^dim equal cells of the box [-reach, reach]^dim."""
        half = reach / n
        axis = -reach + half * (2 * np.arange(n) + 1)
        return cls(_products([axis] * dim), np.full(n**dim, half), order)

    @property
    def points(self) -> np.ndarray:
        """All points, (d, n)."""
        offsets, _ = _rule(len(self.middles), self.order)
        return _flat(self.middles[:, :, None] + self.halves[:, None] * offsets[:, None, :])

    @property
    def weights(self) -> np.ndarray:
        """The volume that each point stands for, (n,)."""
        d = len(self.middles)
        return (self.halves[:, None] ** d * _rule(d, self.order)[1]).ravel()

    def only(self, which: np.ndarray) -> GaussCells:
        """Return some of the cells."""
        return GaussCells(self.middles[:, which], self.halves[which], self.order)

    def halved(self) -> GaussCells:
        """Return all cells halved along each axis, the 2^d parts of a cell side by side."""
        d, half = len(self.middles), 0.5 * self.halves
        corners = _products([np.array([-1.0, 1.0])] * d)
        middles = self.middles[:, :, None] + half[:, None] * corners[:, None, :]
        return GaussCells(_flat(middles), np.repeat(half, 2**d), self.order)


def joined(parts: Sequence[GaussCells]) -> GaussCells:
    """Return the cells of all parts, which have one order."""
    middles = np.concatenate([part.middles for part in parts], axis=1)
    return GaussCells(middles, np.concatenate([part.halves for part in parts]), parts[0].order)


def onto_halves(values: np.ndarray, dim: int, order: int) -> np.ndarray:
    """Return polynomials through values (cells, order^d) at the points of the halved cells, (2^d cells, order^d)."""
    return (values @ _onto_halves(dim, order).T).reshape(-1, order**dim)


@lru_cache
def _rule(dim: int, order: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the points (d, k) and weights (k,) of the product rule on [-1, 1]^d."""
    x, w = np.polynomial.legendre.leggauss(order)
    return _products([x] * dim), _products([w] * dim).prod(axis=0)


@lru_cache
def _onto_halves(dim: int, order: int) -> np.ndarray:
    """Return the matrix (2^d k, k), k = order^d, that interpolates from the points of a cell to those of its parts."""
    x, _ = np.polynomial.legendre.leggauss(order)
    to = np.stack([0.5 * (x - 1), 0.5 * (x + 1)])
    vander = np.polynomial.legendre.legvander
    line = vander(to, order - 1) @ np.linalg.inv(vander(x, order - 1))  # (part, to, from)
    if dim == 1:
        return line.reshape(-1, order)
    return np.einsum("aip,bjq->abijpq", line, line).reshape(-1, order**2)


def _products(axes: list[np.ndarray]) -> np.ndarray:
    """Return the points of a product of lines, (d, n); the last line runs first."""
    return np.stack([g.ravel() for g in np.meshgrid(*axes, indexing="ij")])


def _flat(values: np.ndarray) -> np.ndarray:
    return values.reshape(len(values), -1)
