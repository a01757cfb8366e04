"""What the Fokker-Planck solver of two components returns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from fpsde.errors import InvalidInput
from fpsde.fokker_planck.high_order.differences import Differences
from fpsde.fokker_planck.results import LawAtRest, LawsInTime, negative_mass
from fpsde.fokker_planck.steepness import BULK
from fpsde.grid import Grid
from fpsde.joint_law import JointCellLaw
from fpsde.optional import optional
from fpsde.validation import finite_array

interpolate = optional("scipy.interpolate")


class Operator(Protocol):
    """What the record of a run asks of the generator, or of what stands in its place.

    ``families`` have an ``offset``, ``tails``, ``heads`` and ``exponents``, as
    :class:`~fpsde.fokker_planck.plane.generator.Edges` have them.
    """

    @property
    def grid(self) -> Grid: ...

    @property
    def families(self) -> Sequence[Any]: ...

    @property
    def flux(self) -> str: ...


@dataclass(frozen=True)
class PlaneEvolution(LawsInTime[JointCellLaw, tuple[float, float]]):
    """The :class:`~fpsde.fokker_planck.results.LawsInTime` of a plane.

    absorbed
        mass on the walls at the low and high end of the first axis, and of the second, ``(n_times, 4)``
    """

    absorbed: np.ndarray


@dataclass(frozen=True)
class PlaneStationary(LawAtRest[JointCellLaw, tuple[float, float], np.ndarray]):
    """The :class:`~fpsde.fokker_planck.results.LawAtRest` of a plane."""

    @property
    def negative_mass(self) -> float:
        """The sum of what masses are below zero: to high order, L1 errors are no smaller."""
        return negative_mass(self.law)


@dataclass(frozen=True, eq=False)
class PlaneFunction:
    """A function of the starting point, as the backward equation gives it: ``values`` (n_1, n_2) at the cell centres.

    Called with arrays x and y it is linear between the centres along each axis, and constant in the outer half of an
    outermost cell. ``turns`` are the lengths of the axes that are periodic, round which a point is turned back into the
    grid; None along the others. Raises InvalidInput beyond the grid.
    """

    grid: Grid
    values: np.ndarray
    turns: tuple[float | None, float | None] = (None, None)

    def __call__(self, x: Any, y: Any) -> np.ndarray:
        points = np.broadcast_arrays(finite_array("x", x), finite_array("y", y))
        knots, values, inner = [], self.values, []
        for axis, (at, faces, turn) in enumerate(zip(points, self.grid.axes, self.turns, strict=True)):
            middles = 0.5 * (faces[1:] + faces[:-1])
            if turn is not None:
                middles = np.concatenate([middles[-1:] - turn, middles, middles[:1] + turn])
                values = np.pad(values, [(int(k == axis),) * 2 for k in (0, 1)], mode="wrap")
                at = faces[0] + (at - faces[0]) % turn
            elif at.min() < faces[0] or at.max() > faces[-1]:
                raise InvalidInput(
                    f"{'xy'[axis]} from {at.min()} to {at.max()} reaches beyond the grid [{faces[0]}, {faces[-1]}]; "
                    "extend it"
                )
            knots.append(middles)
            inner.append(np.clip(at, middles[0], middles[-1]))
        return interpolate.RegularGridInterpolator(tuple(knots), values)(np.stack(inner, axis=-1)).reshape(
            points[0].shape
        )


@dataclass(frozen=True)
class PlanePassageTime:
    """The first time at the target from ``x0``: ``mean`` (time) and ``variance`` (time^2).

    ``means`` and ``second_moments`` are E T and E T^2 as functions of the starting point.
    """

    mean: float
    variance: float
    x0: tuple[float, float]
    means: PlaneFunction
    second_moments: PlaneFunction
    provenance: dict[str, Any]


@dataclass(frozen=True, eq=False)
class PlaneSplitting:
    """Where a process between walls and regions that stop it ends: probabilities that add up to 1.

    walls
        of the walls at the low and high end of the first axis, and of the second, ``(4,)``; 0 where none absorbs
    regions
        of the regions, ``(n_regions,)``
    from_anywhere
        each of them, walls first, as functions of the starting point
    """

    walls: np.ndarray
    regions: np.ndarray
    from_anywhere: tuple[PlaneFunction, ...]


def plane_resolution(q: Operator | Differences, masses: np.ndarray) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return, for each axis, Peclet number and cells per correlation length of :class:`Resolved`.

    They are read where there is mass, more than ``BULK`` of the largest of a cell: the first is the largest |w| over
    the edges along or across the axis with mass at both ends; the second the smallest number of steps of an edge. At a
    cell of width h with the exponents w of the edges before and after it, of lengths d, the length l along them has
    h^2/l^2 = h |w_after/d_after - w_before/d_before|.
    """
    held = masses > BULK * masses.max()
    largest, steepest = q.extremes(held) if isinstance(q, Differences) else extremes_of_edges(q, held)
    first, second = (1 / math.sqrt(change) if change > 0 else math.inf for change in steepest)
    return (float(largest[0]), float(largest[1])), (first, second)


def extremes_of_edges(q: Operator, held: np.ndarray) -> tuple[list[float], list[float]]:
    """Return by axis the largest |w|, and the largest h |w_after/d_after - w_before/d_before|, where cells are held."""
    largest, steepest = [0.0, 0.0], [0.0, 0.0]
    for edges in q.families:
        h = np.empty(q.grid.shape)
        axis = int(edges.offset[0] == 0)
        h[:] = np.expand_dims(q.grid.lines[axis].widths, 1 - axis)
        size = largest_between(edges.tails, edges.heads, edges.exponents, held)
        change = steepest_change(edges.tails, edges.heads, edges.exponents, h.ravel(), held)
        for k in (0, 1):
            if edges.offset[k]:
                largest[k], steepest[k] = max(largest[k], size), max(steepest[k], change)
    return largest, steepest


def largest_between(tails: np.ndarray, heads: np.ndarray, exponents: np.ndarray, held: np.ndarray) -> float:
    """Return the largest |exponent| of the edges both of whose ends are held."""
    return float(np.abs(exponents[held[tails] & held[heads]]).max(initial=0.0))


def steepest_change(
    tails: np.ndarray, heads: np.ndarray, exponents: np.ndarray, h: np.ndarray, held: np.ndarray
) -> float:
    """Return the largest h |w_after/d_after - w_before/d_before| of the cells that are held and have both edges."""
    slopes, before = exponents / (0.5 * (h[tails] + h[heads])), np.full(len(held), np.nan)
    before[heads] = slopes
    change = np.abs(slopes - before[tails]) * h[tails]
    return float(change[held[tails] & np.isfinite(change)].max(initial=0.0))
