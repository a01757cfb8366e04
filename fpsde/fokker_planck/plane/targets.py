"""Sets of a plane that stop a process, and the generator of the process that is stopped at them.

A set is made of whole cells, or is where a level function phi is negative. Into whole cells the rates are those of Q,
so that the edge of the set is met to order 1 in the width of a cell. An edge of the grid that leads from a cell outside
to phi < 0 is cut where phi = 0, after the part theta of its length, and the rate into the set is that into a wall
there,

    rho B(-theta w) / theta,      rho B(-w) being the rate along the whole edge       (see ``assembly``),

and not negative: Q stays a generator, and is of order 2 (Gibou, Fedkiw, Cheng & Kang, J. Comput. Phys. 176 (2002) 205).
Where there is no noise along an edge, mass is carried over it at the same rate wherever the set begins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fpsde.errors import InvalidInput
from fpsde.fokker_planck.generator import bernoulli
from fpsde.fokker_planck.plane.generator import Edges, PlaneGenerator, centres, widths
from fpsde.grid import Grid

#: A function (x, y) -> bool of arrays, or (x, y) -> float that is negative in the set; or an array (n_1, n_2) of bool.
Region = Callable[[np.ndarray, np.ndarray], Any] | np.ndarray
#: The part of an edge that is left in front of a set, at least: what is nearer is as good as in it.
NEAREST = 1e-6
#: Halvings of an edge to find where phi = 0.
HALVINGS = 40


@dataclass(frozen=True, eq=False)
class Target:
    """A set: the ``cells`` (n,) whose centre is in it, and phi where it is given by one."""

    grid: Grid
    cells: np.ndarray
    level: Callable[[np.ndarray, np.ndarray], Any] | None

    @classmethod
    def of(cls, name: str, region: Region, grid: Grid) -> Target:
        """Return the set of a ``region``; InvalidInput if it holds no cell or all, or is none."""
        found = np.asarray(region(*centres(grid)) if callable(region) else region)
        size = int(np.prod(grid.shape))
        if callable(region):
            found = np.broadcast_to(found, (size,)) if found.ndim == 0 else found
        level = callable(region) and found.dtype.kind == "f" and bool(np.isfinite(found).all())
        if not (found.dtype == bool or level) or found.shape not in (grid.shape, (size,)):
            raise InvalidInput(
                f"{name} has dtype {found.dtype} and shape {found.shape}; give a function (x, y) -> bool of arrays, a "
                f"finite one that is negative in the set, or an array of bool {grid.shape}"
            )
        cells = (found < 0 if level else found).ravel()
        if cells.all() or not cells.any():
            raise InvalidInput(f"{name} holds {int(cells.sum())} of {size} cells; it must hold some, and leave some")
        return cls(grid, cells, region if level and callable(region) else None)

    def holds(self, x: float, y: float) -> bool:
        """Return whether a point of the grid lies in the set."""
        if self.level is not None:
            return bool(np.all(np.asarray(self.level(np.array([x]), np.array([y]))) < 0))
        cell = tuple(
            min(int(np.searchsorted(faces, at, side="right")) - 1, len(faces) - 2)
            for at, faces in zip((x, y), self.grid.axes, strict=True)
        )
        return bool(self.cells.reshape(self.grid.shape)[cell])

    def parts(self, x: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """Return the parts (n,) of the ``steps`` (2, n) from points ``x`` (2, n) outside up to where phi = 0."""
        assert self.level is not None
        low, high = np.zeros(x.shape[1]), np.ones(x.shape[1])
        ends = [faces[[0, -1]] for faces in self.grid.axes]
        for _ in range(HALVINGS):
            part = 0.5 * (low + high)
            # an edge across a seam goes on at the other end of the grid
            at = [
                first + np.mod(z - first, last - first) for z, (first, last) in zip(x + part * steps, ends, strict=True)
            ]
            inside = np.asarray(self.level(*at)) < 0
            low, high = np.where(inside, low, part), np.where(inside, part, high)
        return np.maximum(0.5 * (low + high), NEAREST)


def stopped_at(q: PlaneGenerator, targets: Sequence[Target]) -> PlaneGenerator:
    """Return Q outside of the ``targets``, if any; rates into them are further exits, ``(4 + len(targets), n)``.

    Their own cells stay in the plane, without any edge.
    """
    if not targets:
        return q
    free = ~np.any([target.cells for target in targets], axis=0)
    into = np.array([sum(_rates_into(q, edges, target, free) for edges in q.families) for target in targets])
    families = []
    for edges in q.families:
        both = free[edges.tails] & free[edges.heads]
        arrays = (edges.tails, edges.heads, edges.up, edges.down, edges.exponents)
        families.append(Edges(edges.offset, *(values[both] for values in arrays)))
    return replace(q, families=families, exits=np.concatenate([q.exits * free, into]))


def _rates_into(q: PlaneGenerator, edges: Edges, target: Target, free: np.ndarray) -> np.ndarray:
    """Return the rates ``(n,)`` along ``edges`` from the free cells into a target."""
    out = np.zeros(q.size)
    ways = ((edges.tails, edges.heads, edges.up, 1.0), (edges.heads, edges.tails, edges.down, -1.0))
    for begin, end, rates, sign in ways:
        used = free[begin] & target.cells[end]
        rate, w = rates[used], sign * edges.exponents[used]
        if target.level is not None and len(rate):
            part = target.parts(centres(q.grid)[:, begin[used]], sign * _steps(q.grid, edges)[:, used])
            noisy = (edges.up[used] > 0) & (edges.down[used] > 0)
            rate = np.where(noisy, rate * bernoulli(-part * w) / (bernoulli(-w) * part), rate)
        out += np.bincount(begin[used], rate, q.size)
    return out


def _steps(grid: Grid, edges: Edges) -> np.ndarray:
    """Return the vectors from tail to head of each edge, ``(2, m)``."""
    h = widths(grid)
    return np.array(edges.offset)[:, None] * 0.5 * (h[:, edges.tails] + h[:, edges.heads])
