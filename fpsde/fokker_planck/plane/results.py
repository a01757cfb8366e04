"""What the Fokker-Planck solver of two components returns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from fpsde.fokker_planck.high_order.differences import Differences
from fpsde.fokker_planck.plane.start_function import PlaneFunction
from fpsde.fokker_planck.results import LawAtRest, LawsInTime, negative_mass
from fpsde.fokker_planck.steepness import BULK
from fpsde.grid import Grid
from fpsde.joint_law import JointCellLaw


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
    if isinstance(q, Differences):
        largest, steepest = q.extremes(masses, BULK).tolist()
    else:
        largest, steepest = extremes_of_edges(q, masses > BULK * masses.max())
    first, second = (1 / math.sqrt(change) if change > 0 else math.inf for change in steepest)
    return (largest[0], largest[1]), (first, second)


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
