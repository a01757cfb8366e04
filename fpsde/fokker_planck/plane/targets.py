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
from fpsde.fokker_planck.bernoulli import bernoulli
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
        level, ends = self.level, [faces[[0, -1]] for faces in self.grid.axes]
        assert level is not None

        def phi(part: np.ndarray) -> np.ndarray:
            # an edge across a seam goes on at the other end of the grid
            places = zip(x + part * steps, ends, strict=True)
            return np.asarray(level(*(first + np.mod(z - first, last - first) for z, (first, last) in places)))

        return np.maximum(first_crossing(phi, x.shape[1]), NEAREST)


def first_crossing(phi: Callable[[np.ndarray], np.ndarray], count: int) -> np.ndarray:
    """Return where functions, one for each place that phi takes, fall below 0 between 0 and 1, ``(count,)``.

    Halving, and in each half the place where an exponential times phi, through its values at both ends and the middle,
    is linear and crosses zero (Ridders, IEEE Trans. Circuits Syst. 26 (1979) 979): a few calls where phi is smooth, and
    signs alone where it is not.
    """
    low, high = np.zeros(count), np.ones(count)
    at_low, at_high, found = phi(low), phi(high), high
    for _ in range(HALVINGS):
        middle, before = 0.5 * (low + high), found
        at_middle = phi(middle)
        with np.errstate(invalid="ignore", divide="ignore"):
            found = middle + (middle - low) * at_middle / np.sqrt(at_middle**2 - at_low * at_high)
        found = np.where((found >= low) & (found <= high), found, middle)  # no number where phi is none, or flat
        for place, value in ((middle, at_middle), (found, phi(found))):
            between, inside = (place > low) & (place < high), value < 0
            cut, keep = between & inside, between & ~inside
            high, at_high = np.where(cut, place, high), np.where(cut, value, at_high)
            low, at_low = np.where(keep, place, low), np.where(keep, value, at_low)
        if np.all(np.abs(found - before) <= 0.5**HALVINGS):
            break
    return found


def stopped_at(q: PlaneGenerator, targets: Sequence[Target]) -> PlaneGenerator:
    """Return Q outside of the ``targets``, if any; rates into them are further exits, ``(4 + len(targets), n)``.

    Their own cells stay in the plane, without any edge.
    """
    if not targets:
        return q
    free = ~np.any([target.cells for target in targets], axis=0)
    into = np.array([_rates_into(q, target, free) for target in targets])
    families = []
    for edges in q.families:
        both = free[edges.tails] & free[edges.heads]
        arrays = (edges.tails, edges.heads, edges.up, edges.down, edges.exponents)
        families.append(Edges(edges.offset, *(values[both] for values in arrays)))
    return replace(q, families=families, exits=np.concatenate([q.exits * free, into]))


def _rates_into(q: PlaneGenerator, target: Target, free: np.ndarray) -> np.ndarray:
    """Return the rates ``(n,)`` from the free cells into a target."""
    h, cut = widths(q.grid), []
    for edges in q.families:
        ways = ((edges.tails, edges.heads, edges.up, 1.0), (edges.heads, edges.tails, edges.down, -1.0))
        for begin, end, rates, sign in ways:
            used = np.flatnonzero(free[begin] & target.cells[end])
            first, last = begin[used], end[used]
            steps = sign * np.array(edges.offset)[:, None] * 0.5 * (h[:, first] + h[:, last])
            noisy = (edges.up[used] > 0) & (edges.down[used] > 0)
            cut.append((first, steps, rates[used], sign * edges.exponents[used], noisy))
    first, steps, rate, w, noisy = (np.concatenate(values, axis=-1) for values in zip(*cut, strict=True))
    if target.level is not None:
        part = target.parts(centres(q.grid)[:, first], steps)
        rate = np.where(noisy, rate * bernoulli(-part * w) / (bernoulli(-w) * part), rate)
    return np.bincount(first, rate, q.size)
