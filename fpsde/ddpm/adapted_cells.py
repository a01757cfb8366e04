"""Cells of a box, halved where integrals over them are not known well: for maps that are sharp in few places.

Each cell has the product of Gauss-Legendre rules. What halving changes is taken as the error of the halves, of which it
is a bound where the integrand is smooth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

#: By the number of components: points of a rule along an axis, and first cells along one.
ORDER, FIRST = {1: 8, 2: 5}, {1: 64, 2: 12}


@dataclass(frozen=True, eq=False)
class Cells:
    """Cells with what is known at their points: ``rows`` (r, cells, k), and the integrals (m, cells) over each."""

    middles: np.ndarray  #: (d, cells)
    halves: np.ndarray  #: (cells,), half of a side
    rows: np.ndarray
    integrals: np.ndarray
    errors: np.ndarray  #: of the integrals, (m, cells)

    @property
    def points(self) -> np.ndarray:
        """All points, (d, n)."""
        offsets, _ = _rule(len(self.middles))
        return _flat(self.middles[:, :, None] + self.halves[:, None] * offsets[:, None, :])

    @property
    def weights(self) -> np.ndarray:
        """The volume that each point stands for, (n,)."""
        d = len(self.middles)
        return (self.halves[:, None] ** d * _rule(d)[1]).ravel()

    @property
    def values(self) -> np.ndarray:
        """The rows at all points, (r, n)."""
        return _flat(self.rows)


def adapted_cells(
    rows: Callable[[np.ndarray], np.ndarray],
    integrands: Callable[[np.ndarray, np.ndarray], np.ndarray],
    *,
    dim: int,
    reach: float,
    goals: np.ndarray,
    most: int,
) -> Iterator[Cells]:
    """Yield the cells of the box [-reach, reach]^dim, ever more, until ``most`` points are passed.

    ``rows`` gives (r, n) at points (d, n), and is costly; ``integrands`` (m, n) at points from these rows. Cells are
    halved that have more than their share of the error which ``goals`` (m,) allow, or all where none has.
    """
    first, n = reach / FIRST[dim], FIRST[dim]
    axis = -reach + first * (2 * np.arange(n) + 1)
    middles = np.stack([g.ravel() for g in np.meshgrid(*[axis] * dim, indexing="ij")])
    cells = _known(middles, np.full(middles.shape[1], first), rows, integrands)
    while True:
        kept = np.all(cells.errors <= goals[:, None] / len(cells.halves), axis=0)
        halved = _halved(cells, np.zeros_like(kept) if np.all(kept) else kept, rows, integrands)
        if halved.weights.size > most:
            return
        cells = halved
        yield cells


def _halved(
    cells: Cells,
    kept: np.ndarray,
    rows: Callable[[np.ndarray], np.ndarray],
    integrands: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> Cells:
    """Return cells of which those that are not ``kept`` are halved along each axis."""
    d, split = len(cells.middles), ~kept
    corners = np.stack([g.ravel() for g in np.meshgrid(*[[-1.0, 1.0]] * d, indexing="ij")])  # (d, 2^d)
    half = 0.5 * cells.halves[split]
    middles = cells.middles[:, split, None] + half[:, None] * corners[:, None, :]
    new = _known(_flat(middles), np.repeat(half, 2**d), rows, integrands)
    sums = new.integrals.reshape(len(new.integrals), -1, 2**d).sum(axis=2)
    errors = np.repeat(np.abs(sums - cells.integrals[:, split]), 2**d, axis=1) / 2**d

    def both(old: np.ndarray, added: np.ndarray) -> np.ndarray:
        axis = old.ndim - 1 if old.ndim < 3 else 1
        return np.concatenate([np.compress(kept, old, axis=axis), added], axis=axis)

    return Cells(
        both(cells.middles, new.middles),
        both(cells.halves, new.halves),
        both(cells.rows, new.rows),
        both(cells.integrals, new.integrals),
        both(cells.errors, errors),
    )


def _known(
    middles: np.ndarray,
    halves: np.ndarray,
    rows: Callable[[np.ndarray], np.ndarray],
    integrands: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> Cells:
    """Return cells whose errors are not known yet."""
    n = len(halves)
    bare = Cells(middles, halves, np.empty((0, n, 0)), np.empty((0, n)), np.empty((0, n)))
    at, weights = bare.points, bare.weights
    values = rows(at)
    integrals = (weights * integrands(at, values)).reshape(-1, n, len(weights) // n).sum(axis=2)
    return Cells(middles, halves, values.reshape(len(values), n, -1), integrals, np.full(integrals.shape, np.inf))


def _rule(dim: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the points (d, k) and weights (k,) of the product rule on [-1, 1]^d."""
    x, w = np.polynomial.legendre.leggauss(ORDER[dim])
    points, weights = (np.stack([g.ravel() for g in np.meshgrid(*[v] * dim, indexing="ij")]) for v in (x, w))
    return points, weights.prod(axis=0)


def _flat(values: np.ndarray) -> np.ndarray:
    return values.reshape(len(values), -1)
