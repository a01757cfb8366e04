"""Cells of a box, halved where integrals over them are not known well: for maps that are sharp in few places.

Each cell has the product of Gauss-Legendre rules. What halving changes is taken as the error of the halves, of which it
is a bound where the integrand is smooth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from fpsde.ddpm.gauss_cells import GaussCells, joined

#: By the number of components: points of a rule along an axis, and first cells along one.
ORDER, FIRST = {1: 8, 2: 5}, {1: 64, 2: 12}


@dataclass(frozen=True, eq=False)
class Cells:
    """Cells with what is known at their points: ``rows`` (r, cells, k), and the integrals (m, cells) over each."""

    at: GaussCells
    rows: np.ndarray
    integrals: np.ndarray
    errors: np.ndarray  #: of the integrals, (m, cells)

    @property
    def values(self) -> np.ndarray:
        """The rows at all points, (r, n)."""
        return self.rows.reshape(len(self.rows), -1)


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
    cells = _known(GaussCells.of_box(dim, reach, FIRST[dim], order=ORDER[dim]), rows, integrands)
    while True:
        kept = np.all(cells.errors <= goals[:, None] / len(cells.at.halves), axis=0)
        halved = _halved(cells, np.zeros_like(kept) if np.all(kept) else kept, rows, integrands)
        if halved.at.weights.size > most:
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
    new = _known(cells.at.only(~kept).halved(), rows, integrands)
    parts = 2 ** len(cells.at.middles)
    sums = new.integrals.reshape(len(new.integrals), -1, parts).sum(axis=2)
    errors = np.repeat(np.abs(sums - cells.integrals[:, ~kept]), parts, axis=1) / parts
    return Cells(
        joined([cells.at.only(kept), new.at]),
        np.concatenate([cells.rows[:, kept], new.rows], axis=1),
        np.concatenate([cells.integrals[:, kept], new.integrals], axis=1),
        np.concatenate([cells.errors[:, kept], errors], axis=1),
    )


def _known(
    at: GaussCells,
    rows: Callable[[np.ndarray], np.ndarray],
    integrands: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> Cells:
    """Return cells whose errors are not known yet."""
    n, points, weights = len(at.halves), at.points, at.weights
    values = rows(points)
    integrals = (weights * integrands(points, values)).reshape(-1, n, len(weights) // n).sum(axis=2)
    return Cells(at, values.reshape(len(values), n, -1), integrals, np.full(integrals.shape, np.inf))
