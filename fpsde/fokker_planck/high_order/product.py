"""One product with L after another, each fused with the step of a three-term recurrence that it serves.

A row of the plane is multiplied by the coefficients and differenced along itself; what the axis across needs of it goes
into a ring of eight rows, from which a row three behind is completed: everything but p, L's coefficients and the sums
stays in the nearest cache. Rows that an axis without a ring has beyond its ends are zeros.
"""

from __future__ import annotations

import numpy as np

from fpsde.fokker_planck.high_order.differences import Differences
from fpsde.fokker_planck.high_order.stencils import REACH
from fpsde.jit import kernel

#: Rows of the ring: the first power of two above the reach to both sides.
ROWS = 8


class Product:
    """L of ``operator`` ready to be multiplied with, its spectrum about [-2 ``half_width``, 0] (1/time)."""

    def __init__(self, operator: Differences):
        self._coefficients = operator.coefficients
        n_2 = self._coefficients.shape[2]
        self._periodic = (False, *operator.rings)[-2:]
        self._weights = operator.stencils.first, operator.stencils.second
        self._ring, self._row = np.zeros((3, ROWS, n_2)), np.zeros((3, n_2 + 2 * REACH))
        self._cell = float(np.prod(operator.widths))
        self.half_width = 0.5 * operator.stencils.stiffness * float(self._coefficients[2:4].sum(axis=0).max())

    def advance(
        self, older: np.ndarray, newer: np.ndarray, total: np.ndarray, weights: np.ndarray, *, first: bool
    ) -> None:
        """Replace T_(k-1) p and T_k p by the next ones, in turn, and add each to ``total`` with its weight.

        The ``first`` product makes T_1 p of T_0 p, and nothing older is taken off.
        """
        rows = self._coefficients.shape[1:]
        factor = 1.0 if first else 2.0
        multiply(
            self._coefficients,
            older.reshape(rows),
            newer.reshape(rows),
            total.reshape(rows),
            weights,
            factor / self.half_width,
            factor,
            self._periodic,
            self._weights,
            self._ring,
            self._row,
        )

    def times(self, values: np.ndarray) -> np.ndarray:
        """Return L ``values``, flat as they are."""
        once = np.zeros_like(values)
        self.advance(np.zeros_like(values), values.copy(), once, np.ones(1), first=True)
        return self.half_width * (once - values)

    def mass(self, values: np.ndarray) -> float:
        """Return the integral of |values|."""
        return self._cell * float(np.abs(values).sum())


@kernel()
def multiply(coefficients, older, newer, total, weights, scale, shift, periodic, stencils, ring, row):
    """Take len(weights) steps older, newer = newer, (scale L + shift) newer - older, adding each new one to ``total``.

    The two arrays take turns in place: after an odd number of steps the newest is in ``older``.
    """
    n = len(newer)
    for weight in weights:
        ring[:, ROWS - REACH :] = 0.0
        for i in range(-REACH if periodic[0] else 0, n + REACH):
            if periodic[0] or i < n:
                difference_along(coefficients, newer, i % n, i & (ROWS - 1), periodic[1], stencils, ring, row)
            else:
                ring[:, i & (ROWS - 1)] = 0.0
            if i >= REACH:
                difference_across(newer, older, total, i - REACH, weight, scale, shift, stencils, ring)
        older, newer = newer, older


@kernel()
def difference_along(coefficients, p, i, k, periodic, stencils, ring, row):
    """Write to row ``k`` of the ring what row ``i`` of p gives: what to difference across once, twice, and not."""
    n = p.shape[1]
    (s1, s2, s3), (w0, w1, w2, w3) = stencils
    for m, which in enumerate((4, 1, 3)):  # 2 D_12, mu_2, D_22
        for j in range(n):
            row[m, REACH + j] = coefficients[which, i, j] * p[i, j]
        if periodic:
            for j in range(REACH):
                row[m, j], row[m, n + REACH + j] = row[m, n + j], row[m, REACH + j]
    for j in range(n):
        ring[0, k, j] = (
            s1 * (row[0, j + 4] - row[0, j + 2])
            + s2 * (row[0, j + 5] - row[0, j + 1])
            + s3 * (row[0, j + 6] - row[0, j])
        ) - coefficients[0, i, j] * p[i, j]
    for j in range(n):
        ring[1, k, j] = coefficients[2, i, j] * p[i, j]
    for j in range(n):
        ring[2, k, j] = (
            w0 * row[2, j + 3]
            + w1 * (row[2, j + 4] + row[2, j + 2])
            + w2 * (row[2, j + 5] + row[2, j + 1])
            + w3 * (row[2, j + 6] + row[2, j])
        ) - (
            s1 * (row[1, j + 4] - row[1, j + 2])
            + s2 * (row[1, j + 5] - row[1, j + 1])
            + s3 * (row[1, j + 6] - row[1, j])
        )


@kernel()
def difference_across(p, older, total, i, weight, scale, shift, stencils, ring):
    """Complete row ``i`` from the ring, and take its step of the recurrence."""
    n = p.shape[1]
    (s1, s2, s3), (w0, w1, w2, w3) = stencils
    mask = ROWS - 1
    below3, below2, below1 = (i - 3) & mask, (i - 2) & mask, (i - 1) & mask
    here, above1, above2, above3 = i & mask, (i + 1) & mask, (i + 2) & mask, (i + 3) & mask
    for j in range(n):  # loops of their own, with few arrays each, are what LLVM makes vectors of
        ring[2, here, j] += (
            s1 * (ring[0, above1, j] - ring[0, below1, j])
            + s2 * (ring[0, above2, j] - ring[0, below2, j])
            + s3 * (ring[0, above3, j] - ring[0, below3, j])
        )
    for j in range(n):
        ring[2, here, j] += (
            w0 * ring[1, here, j]
            + w1 * (ring[1, above1, j] + ring[1, below1, j])
            + w2 * (ring[1, above2, j] + ring[1, below2, j])
            + w3 * (ring[1, above3, j] + ring[1, below3, j])
        )
    for j in range(n):
        older[i, j] = scale * ring[2, here, j] + shift * p[i, j] - older[i, j]
    for j in range(n):
        total[i, j] += weight * older[i, j]
