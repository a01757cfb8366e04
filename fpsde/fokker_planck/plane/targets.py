"""Sets of a plane that stop a process, and the generator of the process that is stopped at them.

A set is made of whole cells, or is where a level function phi is negative. Into whole cells the rates are those of Q,
so that the edge of the set is met to order 1 in the width of a cell. An edge of the grid that leads from a cell outside
to phi < 0 is cut where phi = 0, after the part theta of its length. The flux into the set is that into a wall there,
and the cell in front of it is as wide along this way as what is left of its edges on both sides, theta and theta' (1
where an edge is not cut): all rates out of it along the way are divided by that width,

    2/(theta + theta') rho B(-theta w)/theta   into the set,       2/(theta + theta') rho B(w')   to the other side,

rho B(-w) being the rate along a whole edge (see ``assembly``). None is negative: Q stays a generator. Without drift its
transpose is the difference of Shortley & Weller (J. Appl. Phys. 9 (1938) 334), exact for quadratics up to the edge of
the set, so that errors are h^2 times a constant; without the width they would be of order 2 too, and depend on how the
edge happens to lie (Gibou, Fedkiw, Cheng & Kang, J. Comput. Phys. 176 (2002) 205). Where there is no noise along an
edge, mass is carried over it at the same rate wherever the set begins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fpsde.errors import InvalidInput
from fpsde.fokker_planck.bernoulli import bernoulli
from fpsde.fokker_planck.plane.generator import Edges, PlaneGenerator, centres, widths
from fpsde.grid import Grid
from fpsde.jit import kernel
from fpsde.user_code import refuse_other_arguments

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
        size = int(np.prod(grid.shape))
        if callable(region):
            refuse_other_arguments(name, region, ("x", "y"))
            found = np.asarray(region(*centres(grid)))
            found = np.broadcast_to(found, (size,)) if found.ndim == 0 else found
        else:
            found = np.asarray(region)
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
        level = self.level
        assert level is not None
        turns = []  # an edge across a seam goes on at the other end of the grid
        for axis, (end, faces) in enumerate(zip(x + steps, self.grid.axes, strict=True)):
            if end.min() < faces[0] or end.max() > faces[-1]:
                turns.append((axis, faces[0], faces[-1] - faces[0]))

        def phi(part: np.ndarray) -> np.ndarray:
            places = x + part * steps
            for axis, first, turn in turns:
                places[axis] = first + np.mod(places[axis] - first, turn)
            return np.asarray(level(*places), dtype=float)

        return np.maximum(first_crossing(phi, x.shape[1]), NEAREST)


def first_crossing(phi: Callable[[np.ndarray], np.ndarray], count: int) -> np.ndarray:
    """Return where functions, one for each place that phi takes, fall below 0 between 0 and 1, ``(count,)``.

    Halving, and in each half the place where an exponential times phi, through its values at both ends and the middle,
    is linear and crosses zero (Ridders, IEEE Trans. Circuits Syst. 26 (1979) 979): a few calls where phi is smooth, and
    signs alone where it is not.
    """
    ends, found = np.array([np.zeros(count), np.ones(count)]), np.ones(count)
    at_ends = np.array([phi(end) for end in ends])
    for _ in range(HALVINGS):
        middle = 0.5 * (ends[0] + ends[1])
        if halve(ends, at_ends, middle, phi(middle), found) <= 0.5**HALVINGS:
            break
        narrow(ends, at_ends, found, phi(found))
    return found


@kernel()
def halve(ends, at_ends, middle, at_middle, found):
    """Write where phi may cross zero to ``found``, and take the half between ``ends`` (2, n) in which it does.

    Returns how far the places moved, at most.
    """
    moved = 0.0
    for i in range(len(found)):
        low, high, value = ends[0, i], ends[1, i], at_middle[i]
        at = middle[i] + (middle[i] - low) * value / np.sqrt(value * value - at_ends[0, i] * at_ends[1, i])
        if not low <= at <= high:
            at = middle[i]  # no number where phi is none, or flat
        moved = max(moved, abs(at - found[i]))
        found[i] = at
    narrow(ends, at_ends, middle, at_middle)
    return moved


@kernel()
def narrow(ends, at_ends, places, values):
    """Move an end of each of the ways between ``ends`` (2, n) to a place (n,) on it, by the value of phi there."""
    for i in range(len(places)):
        if ends[0, i] < places[i] < ends[1, i]:
            side = 1 if values[i] < 0 else 0
            ends[side, i], at_ends[side, i] = places[i], values[i]


def stopped_at(q: PlaneGenerator, targets: Sequence[Target]) -> PlaneGenerator:
    """Return Q outside of the ``targets``, if any; rates into them are further exits, ``(4 + len(targets), n)``.

    Their own cells stay in the plane, without any edge.
    """
    if not targets:
        return q
    free = ~np.any([target.cells for target in targets], axis=0)
    cut = [_cut(q, target, free) for target in targets]
    left = np.ones((2 * len(q.families), q.size))  # of the edges ahead and back of each family, in front of a set
    for c in cut:
        left[c.ways, c.cells] = c.parts
    per_width = 2.0 / (left[::2] + left[1::2])
    into = [np.bincount(c.cells, c.rates * per_width[c.ways // 2, c.cells], q.size) for c in cut]
    families = [
        Edges(edges.offset, *outside(edges.tails, edges.heads, edges.up, edges.down, edges.exponents, free, scale))
        for edges, scale in zip(q.families, per_width, strict=True)
    ]
    walls = q.exits * free
    if q.along_axes:
        for edges, scale in zip(q.families, per_width, strict=True):
            axis = edges.offset.index(1)
            walls[2 * axis : 2 * axis + 2] *= scale
    else:
        for family, wall, cells, part in q.shares:
            walls[wall, cells] += free[cells] * q.exits[wall, cells] * part * (per_width[family, cells] - 1.0)
    return replace(q, families=families, exits=np.concatenate([walls, into]), shares=())


@dataclass(frozen=True, eq=False)
class _Cut:
    """The edges from free cells into a set: their ``cells``, ``ways`` (2 k ahead in family k, 2 k + 1 back), the part
    that lies in front of the set, and the rates into it ``(m,)``.
    """

    cells: np.ndarray
    ways: np.ndarray
    parts: np.ndarray
    rates: np.ndarray


def _cut(q: PlaneGenerator, target: Target, free: np.ndarray) -> _Cut:
    """Return the edges that lead from the free cells into a target."""
    found = [
        edges_into(edges.tails, edges.heads, edges.up, edges.down, edges.exponents, free, target.cells, k)
        for k, edges in enumerate(q.families)
    ]
    (cells, ends, ways), (rates, w, noisy) = (np.concatenate(part, axis=1) for part in zip(*found, strict=True))
    if target.level is None:
        return _Cut(cells, ways, np.ones(len(cells)), rates)
    h, offsets = widths(q.grid), np.array([edges.offset for edges in q.families])
    steps = (0.5 - ways % 2) * offsets[ways // 2].T * (h[:, cells] + h[:, ends])
    parts = np.where(noisy > 0, target.parts(centres(q.grid)[:, cells], steps), 1.0)
    return _Cut(cells, ways, parts, rates * bernoulli(-parts * w) / (bernoulli(-w) * parts))


@kernel()
def outside(tails, heads, up, down, exponents, free, scale):
    """Return the edges between free cells, with all rates out of a cell multiplied by its ``scale``."""
    count = 0
    for e in range(len(tails)):
        count += free[tails[e]] & free[heads[e]]
    ends, rates = np.empty((2, count), tails.dtype), np.empty((3, count))
    count = 0
    for e in range(len(tails)):
        i, j = tails[e], heads[e]
        if free[i] and free[j]:
            ends[0, count], ends[1, count] = i, j
            rates[0, count], rates[1, count], rates[2, count] = up[e] * scale[i], down[e] * scale[j], exponents[e]
            count += 1
    return ends[0], ends[1], rates[0], rates[1], rates[2]


@kernel()
def edges_into(tails, heads, up, down, exponents, free, inside, k):
    """Return the edges of family ``k`` from free cells into a set: cells in front of it, in it, and ways, ``(3, m)``.

    Further the rates, the exponents in their direction, and ones where there is noise along them, ``(3, m)``.
    """
    count = 0
    for e in range(len(tails)):
        i, j = tails[e], heads[e]
        count += (free[i] & inside[j]) | (free[j] & inside[i])
    where, rates = np.empty((3, count), tails.dtype), np.empty((3, count))
    count = 0
    for e in range(len(tails)):
        i, j = tails[e], heads[e]
        ahead, back = free[i] & inside[j], free[j] & inside[i]
        if ahead or back:
            where[0, count], where[1, count] = (i, j) if ahead else (j, i)
            where[2, count] = 2 * k if ahead else 2 * k + 1
            rates[0, count], rates[1, count] = (up[e], exponents[e]) if ahead else (down[e], -exponents[e])
            rates[2, count] = (up[e] > 0.0) & (down[e] > 0.0)
            count += 1
    return where, rates
