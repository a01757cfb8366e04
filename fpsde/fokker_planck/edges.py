"""Where the coefficients of a line of cells are read: at the centres, and on the edges between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsde.fokker_planck.sides import Sides
from fpsde.grid import Grid
from fpsde.jit import kernel


def half_cell_rule(points: int) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes and weights of a Gauss rule on (0, 1), for each half cell."""
    nodes, weights = np.polynomial.legendre.leggauss(points)
    return 0.5 * (1 + nodes), 0.5 * weights


_NODES, _WEIGHTS = half_cell_rule(4)
#: Nodes on (0, 1) and weights for an edge, ``(2, n_nodes)``: eight leave nothing of the error of integrating mu/D, so
#: that the stationary law is exact at centres. Where coefficients depend on time there is no such law, and two, of
#: order 4, cost a quarter.
EDGE_RULE = np.stack([np.r_[0.5 * _NODES, 0.5 + 0.5 * _NODES], np.r_[0.5 * _WEIGHTS, 0.5 * _WEIGHTS]])
QUICK_RULE = np.stack(half_cell_rule(2))


@dataclass(frozen=True, eq=False)
class EdgePoints:
    """Where the coefficients of a line are read, ``(n + n_nodes (n + 2),)``, and what the fluxes are made of.

    First come the centres of the cells, then for each node of the rule its place on the n edges and on the way to the
    low and the high wall. Edge i joins cell i to i + 1, the last is the seam. Where there is no seam, or no wall that
    absorbs, the place is a centre, and what is read there is not used.
    """

    points: np.ndarray
    weights: np.ndarray
    lengths: np.ndarray
    per_edge: np.ndarray
    periodic: bool
    absorbs: np.ndarray

    @classmethod
    def of(cls, grid: Grid, sides: Sides, rule: np.ndarray) -> EdgePoints:
        """Return the points and the geometry of a line of cells for a ``rule`` (2, n_nodes) on (0, 1)."""
        n, periodic, absorbs = grid.shape[0], sides.periodic, np.array(sides.absorbing)
        points, lengths, per_edge = np.empty(n + rule.shape[1] * (n + 2)), np.empty(n + 2), np.empty((2, n))
        place_on_edges(grid.faces, rule[0], periodic, absorbs, points, lengths, per_edge)
        return cls(points, rule[1], lengths, per_edge, periodic, absorbs)

    @property
    def geometry(self) -> tuple[Any, ...]:
        """The arguments of :func:`scharfetter_gummel` that it gives."""
        return self.weights, self.lengths, self.per_edge, self.periodic, self.absorbs


@kernel(portable=True)
def place_on_edges(faces, nodes, periodic, absorbs, points, lengths, per_edge):
    """Write what :class:`EdgePoints` has of these names, for ``nodes`` (n_nodes,) on (0, 1)."""
    n = len(faces) - 1
    half = np.empty(n)
    for i in range(n):
        half[i] = 0.5 * (faces[i + 1] - faces[i])
        points[i] = 0.5 * (faces[i + 1] + faces[i])
    for i in range(n):
        after = half[i + 1] if i < n - 1 else half[0]
        lengths[i] = half[i] + after
        per_edge[0, i], per_edge[1, i] = 0.5 / (lengths[i] * half[i]), 0.5 / (lengths[i] * after)
    lengths[n], lengths[n + 1] = -half[0], half[n - 1]
    for k in range(len(nodes)):
        at, node = points[n + k * (n + 2) : n + (k + 1) * (n + 2)], nodes[k]
        for i in range(n):
            at[i] = points[i] + node * lengths[i]
        at[n - 1] = points[n - 1] + node * lengths[n - 1] * periodic
        at[n] = points[0] + node * lengths[n] * absorbs[0]
        at[n + 1] = points[n - 1] + node * lengths[n + 1] * absorbs[1]
        if periodic and at[n - 1] > faces[n]:  # the seam leads on to where the grid begins
            at[n - 1] -= faces[n] - faces[0]
