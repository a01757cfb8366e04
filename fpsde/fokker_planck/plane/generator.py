"""A Markov generator on the cells of a two-dimensional grid: a list of edges, each with a rate both ways."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from fpsde.cached import cached_property
from fpsde.errors import InvalidInput
from fpsde.fokker_planck.coefficients import LEAST, beyond
from fpsde.fokker_planck.plane.lines import Way, cells_on, lines_of, straight, way_along, way_round
from fpsde.grid import Grid
from fpsde.jit import kernel
from fpsde.optional import optional

sparse = optional("scipy.sparse")


@dataclass(frozen=True, eq=False)
class Edges:
    """Edges between cells that lie apart by the same ``offset`` (in cells; across a seam, modulo their number).

    ``tails`` and ``heads`` (m,) are flat indices of cells, ``up`` and ``down`` (m,) the rates (1/time) from tail to
    head and from head to tail. ``exponents`` (m,) are w: |w| is the Peclet number of an edge. They are zero where there
    is no noise along the edge and mass moves upwind.
    """

    offset: tuple[int, int]
    tails: np.ndarray
    heads: np.ndarray
    up: np.ndarray
    down: np.ndarray
    exponents: np.ndarray


class Share(NamedTuple):
    """The ``part`` (m,) of the rates out of ``cells`` (m,) through a ``wall`` that is along the edges of a family.

    ``family`` counts the families of the generator, ``wall`` the rows of its exits.
    """

    family: int
    wall: int
    cells: np.ndarray
    part: np.ndarray


@dataclass(frozen=True, eq=False)
class PlaneGenerator:
    """A Markov generator Q: dm/dt = Q m for the cell masses m, flat ``(n,)`` in C order of ``grid.shape``.

    Off-diagonals are not negative and columns sum to zero but for ``exits`` (4, n): the rates out of each cell through
    the absorbing walls at the low and high end of the first axis, and of the second (and where the process is stopped
    at sets, further rows: into each of them). ``flux`` names the discretisation, for provenance. Where noise is
    correlated mass leaves along several families, and ``shares`` say how much along each; where all edges lie along
    axes there are none, since each family leads to the walls of its own axis.
    """

    grid: Grid
    families: Sequence[Edges]
    exits: np.ndarray
    flux: str
    shares: Sequence[Share] = ()

    def __post_init__(self) -> None:
        for edges in self.families:
            self._refuse("rate", edges.tails, edges.up)
            self._refuse("rate", edges.heads, edges.down)
        self._refuse("exit rate", np.arange(self.exits.size) % self.size, self.exits.ravel())

    def _refuse(self, name: str, cells: np.ndarray, rates: np.ndarray) -> None:
        if beyond(rates, LEAST):
            i = int(np.argmin((rates >= 0) & np.isfinite(rates)))
            at = tuple(float(x) for x in centres(self.grid)[:, cells[i]])
            raise InvalidInput(f"a {name} out of the cell at x={at} is {rates[i]}; it must be finite and not negative")

    @cached_property
    def size(self) -> int:
        return math.prod(self.grid.shape)

    @cached_property
    def tails(self) -> np.ndarray:
        return np.concatenate([edges.tails for edges in self.families])

    @cached_property
    def heads(self) -> np.ndarray:
        return np.concatenate([edges.heads for edges in self.families])

    @cached_property
    def up(self) -> np.ndarray:
        return np.concatenate([edges.up for edges in self.families])

    @cached_property
    def down(self) -> np.ndarray:
        return np.concatenate([edges.down for edges in self.families])

    @cached_property
    def exponents(self) -> np.ndarray:
        return np.concatenate([edges.exponents for edges in self.families])

    @cached_property
    def out_rates(self) -> np.ndarray:
        """The total rate out of each cell, -Q_ii, ``(n,)``."""
        out = np.bincount(self.tails, self.up, self.size) + np.bincount(self.heads, self.down, self.size)
        return out + self.exits.sum(axis=0)

    @property
    def max_rate(self) -> float:
        """The largest total rate out of a cell, max |Q_ii|, 1/time."""
        return float(self.out_rates.max())

    @property
    def entries(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The entries of Q, those of one place to be added: rows, columns and values."""
        diagonal = np.arange(self.size)
        rows = np.concatenate([self.heads, self.tails, diagonal])
        columns = np.concatenate([self.tails, self.heads, diagonal])
        return rows, columns, np.concatenate([self.up, self.down, -self.out_rates])

    @cached_property
    def matrix(self) -> Any:
        """Q ``(n, n)``: Q[j, i] is the rate from cell i to cell j."""
        rows, columns, values = self.entries
        return sparse.csc_array(sparse.coo_array((values, (rows, columns)), shape=(self.size, self.size)))

    def currents(self, masses: np.ndarray) -> np.ndarray:
        """Return the net mass per time from tail to head of each edge, ``(m,)``."""
        return self.up * masses[self.tails] - self.down * masses[self.heads]

    def apply(self, masses: np.ndarray) -> np.ndarray:
        """Return Q m as differences of edge currents, ``(n,)``.

        What a current takes from one cell it gives to another, so that mass is kept better than by the matrix.
        """
        currents = self.currents(masses)  # complex for a mode
        change = np.zeros(self.size, dtype=currents.dtype)
        _carry(self.tails, self.heads, currents, change)
        return change - self.exits.sum(axis=0) * masses

    def apply_transposed(self, u: np.ndarray) -> np.ndarray:
        """Return Q^T u in differences of u, ``(n,)``: the rate of change of a mean, going back in time."""
        change = u[self.heads] - u[self.tails]
        gained = np.bincount(self.tails, self.up * change, self.size)
        return gained - np.bincount(self.heads, self.down * change, self.size) - self.exits.sum(axis=0) * u

    def earned_at_walls(self, values: np.ndarray) -> np.ndarray:
        """Return what leaving adds to the rate of change of a mean, ``(n,)``: ``values`` in the shape of the exits."""
        return (self.exits * values).sum(axis=0)

    def current_density(self, masses: np.ndarray) -> np.ndarray:
        """Return the mean current density in each cell, ``(2, n_1, n_2)``, in 1/(length time).

        The current of an edge, times the way between its cells, is shared by the two: the mean over the plane is exact.
        """
        out = np.zeros((2, self.size))
        h = widths(self.grid)
        for edges in self.families:
            current = edges.up * masses[edges.tails] - edges.down * masses[edges.heads]
            for axis in np.flatnonzero(edges.offset):
                length = edges.offset[axis] * 0.5 * (h[axis][edges.tails] + h[axis][edges.heads])
                for cells in (edges.tails, edges.heads):
                    out[axis] += np.bincount(cells, 0.5 * current * length, self.size)
        return (out / volumes(self.grid)).reshape(2, *self.grid.shape)

    @property
    def along_axes(self) -> bool:
        """Whether every edge joins neighbours along an axis, so that Q is a sum of two operators on lines."""
        return all(edges.offset in ((1, 0), (0, 1)) for edges in self.families)

    @property
    def reversible_lines(self) -> bool:
        """Whether also every edge is open both ways, as it is where there is noise along both axes."""
        return self.along_axes and bool(min(self.up.min(), self.down.min()) > 0)

    @property
    def offsets(self) -> tuple[tuple[int, int], ...]:
        """The offsets of the edges, first that of the first axis where all lie along axes."""
        return tuple(sorted({edges.offset for edges in self.families}, reverse=True))

    @property
    def on_lines(self) -> bool:
        """Whether Q is a sum of operators on lines, one for each offset: see :meth:`way`.

        They may lie along diagonals. What leaves the outermost cells along these leaves at the ends of the lines of the
        axis; where noise is so narrow that mass leaves from other cells too, there are no such lines.
        """
        return self.along_axes or (
            self._leaves_at_ends and all(self.way(offset) is not None for offset in self.offsets)
        )

    @property
    def _leaves_at_ends(self) -> bool:
        """Whether mass leaves at the ends of lines alone, of axes along which there are edges."""
        if len(self.exits) > 4:
            return False
        inner = self.exits.reshape(4, *self.grid.shape).copy()
        for wall, offset in enumerate(((1, 0), (1, 0), (0, 1), (0, 1))):
            if offset in self.offsets:
                np.moveaxis(inner[wall], wall // 2, 0)[-(wall % 2)] = 0.0
        return not inner.any()

    def way(self, offset: tuple[int, int]) -> Way | None:
        """Return the way of the lines through cells that lie apart by ``offset``.

        Along a diagonal they go on an axis whose seam no edge crosses, or else round. None where rings of a wide
        stencil fill the plane in no such way.
        """
        if offset in ((1, 0), (0, 1)):
            return straight(offset.index(1))
        for axis in (0, 1):
            if offset[axis] and not self._crosses_seam(offset, axis):
                return way_along(ahead_on(offset, axis), self.grid.shape, axis)
        rings = (way_round(ahead_on(offset, axis), self.grid.shape, axis) for axis in (0, 1) if offset[axis])
        return next((way for way in rings if way is not None), None)

    def _crosses_seam(self, offset: tuple[int, int], axis: int) -> bool:
        for edges in self.families:
            if edges.offset == offset:
                tails, heads = (np.unravel_index(cells, self.grid.shape)[axis] for cells in (edges.tails, edges.heads))
                if (heads - tails != offset[axis]).any():
                    return True
        return False

    def lines(self, axis: int) -> tuple[np.ndarray, np.ndarray]:
        """Return :meth:`lines_on` the lines of an axis."""
        return self.lines_on(straight(axis), (1 - axis, axis))

    def lines_on(self, way: Way, offset: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Return rates to the left and right on the way of an offset, ``(n_lines, 2, n)``, and exits ``(n_lines, 2)``.

        As in the generator of one dimension, the first to the left and the last to the right lead across the seam.
        """
        axis, rates, shape = way[0], np.zeros((2, self.size)), self.grid.shape
        for edges in self.families:
            if edges.offset == offset:
                rates[0] += np.bincount(edges.heads, edges.down, self.size)
                rates[1] += np.bincount(edges.tails, edges.up, self.size)
        if ahead_on(offset, axis) != offset:  # they lie backwards
            rates = rates[::-1]
        exits = np.zeros((lines_of(way, shape), 2))
        if offset == (1 - axis, axis):
            for side in (0, 1):
                exits[:, side] = np.moveaxis(self.exits[2 * axis + side].reshape(shape), axis, 0)[-side]
        return np.ascontiguousarray(rates[:, cells_on(way, shape)].swapaxes(0, 1)), exits


def ahead_on(offset: tuple[int, int], axis: int) -> tuple[int, int]:
    """Return the offset, or its opposite, that is positive along an axis."""
    return offset if offset[axis] > 0 else (-offset[0], -offset[1])


@kernel()
def _carry(tails, heads, currents, change):
    """Add to ``change`` (n,) what currents take from the tails of their edges and bring to the heads."""
    for e in range(len(tails)):
        change[tails[e]] -= currents[e]
        change[heads[e]] += currents[e]


def centres(grid: Grid) -> np.ndarray:
    """Return the centres of all cells of a two-dimensional grid, flat, component first ``(2, n)``."""
    found = np.empty((2, *grid.shape))
    found[0], found[1] = grid.lines[0].centres[:, None], grid.lines[1].centres
    return found.reshape(2, -1)


def widths(grid: Grid) -> np.ndarray:
    """Return the widths along each axis of all cells of a two-dimensional grid, flat, component first ``(2, n)``."""
    return np.stack([widths_along(grid, axis) for axis in (0, 1)])


def widths_along(grid: Grid, axis: int) -> np.ndarray:
    """Return the widths along one axis of all cells of a two-dimensional grid, flat ``(n,)``."""
    found = np.empty(grid.shape)
    found[:] = grid.lines[0].widths[:, None] if axis == 0 else grid.lines[1].widths
    return found.ravel()


def volumes(grid: Grid) -> np.ndarray:
    """Return the volumes of all cells of a two-dimensional grid, flat ``(n,)``."""
    return np.multiply.outer(*(np.diff(faces) for faces in grid.axes)).ravel()


def neighbours(grid: Grid, axis: int, *, periodic: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return tails, heads (m,) of the edges along an axis, the distance of their centres, and all widths (n,)."""
    ids = np.arange(np.prod(grid.shape)).reshape(grid.shape)
    h = widths_along(grid, axis)
    if periodic:
        tails, heads = ids.ravel(), np.roll(ids, -1, axis).ravel()
    elif axis == 0:
        tails, heads = ids[:-1].ravel(), ids[1:].ravel()
    else:
        tails, heads = ids[:, :-1].ravel(), ids[:, 1:].ravel()
    return tails, heads, 0.5 * (h[tails] + h[heads]), h
