"""The backward equation of a plane by sparse factors: in time, and until the process is stopped, -Q^T u = source.

The matrix of the second is that of a chain that is killed, which has an inverse if it is killed wherever it starts.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from fpsde.errors import NotConverged
from fpsde.fokker_planck.plane.generator import PlaneGenerator, centres
from fpsde.fokker_planck.plane.propagator import Factors, factors, implicit_factors
from fpsde.fokker_planck.sides import Sides
from fpsde.grid import Grid
from fpsde.jit import kernel
from fpsde.optional import optional

sparse = optional("scipy.sparse")


def plane_solver(q: PlaneGenerator, a: float) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function that solves with I - a Q^T."""
    return partial(transposed, implicit_factors(q, a))


def wall_points(grid: Grid, sides: tuple[Sides, Sides]) -> np.ndarray:
    """Return for each cell where the mass that leaves it arrives at each wall, beside its centre, ``(2, 4, n)``.

    Where no wall absorbs, which nothing reaches, it is the centre itself.
    """
    points = np.repeat(centres(grid)[:, None, :], 4, axis=1)
    for axis, (side, faces) in enumerate(zip(sides, grid.axes, strict=True)):
        for end in (0, 1):
            if side.absorbing[end]:
                points[axis, 2 * axis + end] = faces[-end]
    return points


def until_stopped(q: PlaneGenerator, stopped: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function that solves -Q^T u = source ``(n,)``, with u = 0 in the cells that are ``stopped``.

    What is earned on the way is u: mass that leaves brings nothing more. Raises NotConverged if there is a cell from
    which no exit can be reached.
    """
    lost = np.flatnonzero(~(_reach_an_exit(q) | stopped))
    if len(lost):
        x, y = centres(q.grid)[:, lost[0]].tolist()
        raise NotConverged(
            f"the target cannot be reached from {len(lost)} of {q.size} cells of the grid, such as the one at "
            f"x={(x, y)}; it must be, from every one"
        )
    free = np.flatnonzero(~stopped)
    place = np.full(q.size, -1)
    place[free] = np.arange(len(free))
    columns = columns_among(*q.entries, place, len(free))
    of = factors(sparse.csc_array(columns, shape=(len(free), len(free))))

    def solve(source: np.ndarray) -> np.ndarray:
        u = np.zeros(q.size)
        u[free] = transposed(of, source[free])
        return u

    return solve


@kernel()
def columns_among(rows, columns, values, place, size):
    """Return the columns of minus a matrix among the rows and columns that have a ``place`` (-1: none) of ``size``.

    Values, rows and where each column begins, as SciPy's ``csc_array`` takes them; rows ascend. The entries are given
    by their rows, columns and values.
    """
    begins, end = np.zeros(size + 1, np.int32), np.empty(size, np.int32)
    for e in range(len(values)):
        if place[rows[e]] >= 0 and place[columns[e]] >= 0:
            begins[place[columns[e]] + 1] += 1
    for i in range(size):
        begins[i + 1] += begins[i]
        end[i] = begins[i]
    found, at = np.empty(begins[size]), np.empty(begins[size], np.int32)
    for e in range(len(values)):
        row, column = place[rows[e]], place[columns[e]]
        if row >= 0 and column >= 0:
            k = end[column]
            while k > begins[column] and at[k - 1] > row:  # a few entries, in their order
                at[k], found[k] = at[k - 1], found[k - 1]
                k -= 1
            at[k], found[k] = row, -values[e]
            end[column] += 1
    return found, at, begins


def _reach_an_exit(q: PlaneGenerator) -> np.ndarray:
    """Return from which cells mass can leave ``(n,)``: those found on the ways back from a place outside."""
    reached = q.exits.sum(axis=0) > 0
    while spread_back(q.tails, q.heads, q.up, q.down, reached):
        pass
    return reached


@kernel()
def spread_back(tails, heads, up, down, reached):
    """Mark the cells (n,) from which an edge leads to one that is ``reached``; return how many were new.

    Edges are taken there and back in their order, along which marks go on from cell to cell.
    """
    new = 0
    for k in range(2 * len(tails)):
        i = k if k < len(tails) else 2 * len(tails) - 1 - k
        if up[i] > 0.0 and reached[heads[i]] and not reached[tails[i]]:
            reached[tails[i]] = True
            new += 1
        if down[i] > 0.0 and reached[tails[i]] and not reached[heads[i]]:
            reached[heads[i]] = True
            new += 1
    return new


def transposed(of: Factors, u: np.ndarray) -> np.ndarray:
    """Return the solution of A^T v = u by the factors of A."""
    return of.solve(u, "T")
