"""What the Fokker-Planck solvers of lines and planes return, and how well a grid resolves a law."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from fpsde.density import CellLaw
from fpsde.fokker_planck.generator import Generator
from fpsde.fokker_planck.high_order.differences import Differences
from fpsde.grid import Grid
from fpsde.joint_law import JointCellLaw
from fpsde.provenance import environment

#: A Peclet number above it, and fewer cells than this for a correlation length, are worth a word.
LARGE_PECLET, FEW_CELLS = 2.0, 3.0


L = TypeVar("L", CellLaw, JointCellLaw)
#: What is said of a line, or of each axis of a plane.
A = TypeVar("A", float, tuple[float, float])
#: The current on a ring, one number, or its density in the cells of a plane.
C = TypeVar("C", float, np.ndarray)


@dataclass(frozen=True)
class Resolved(Generic[A]):
    """Whether the grid is fine enough where a law is; of a plane, a number for each axis.

    peclet
        largest |integral of mu/D|, of a plane of D^-1 mu, over an edge; far above 1 the order in the cell width is 1
        (0 along an axis without noise, where it always is)
    cells_per_length
        cells in the shortest correlation length, |d(mu/D)/dx|^(-1/2) (of an Ornstein-Uhlenbeck process the standard
        deviation, of a plane that at a fixed other component); of a plane along axes with noise
    """

    peclet: A
    cells_per_length: A

    @property
    def doubts(self) -> tuple[str, ...]:
        """What is wrong with the grid, in words and numbers; empty where nothing is."""
        return doubts_about(self.peclet, self.cells_per_length)


@dataclass(frozen=True)
class LawsInTime(Resolved[A], Generic[L, A]):
    """Laws at ``times``, on lines and planes alike, and how well they were computed; :class:`Resolved` at the last.

    law, laws
        at the last time; at every time (of a plane whose walls absorb, what is still inside)
    mass_error
        largest departure, over the times, of the total mass (absorbing walls included) from that of the start
    minimum
        smallest mass that a cell ever held
    time_error
        mass moved by the last halving of dt, about three times the error of ``laws``; a bound of it where no steps were
        taken, and to high order; None where dt was given
    outside
        mass of the initial law that the grid does not hold
    edge
        largest mass that lay in the outermost cells at the low and high end of each axis, where they cut the domain
        (else 0): after any step, or where no steps were taken at any of the times
    dt, n_steps, n_refused
        last step length (None: no steps were taken); steps taken (else products or solves); steps taken in halves
        because a mass would have been negative, or to high order taken shorter because they would have moved too much
    """

    law: L
    laws: tuple[L, ...]
    times: tuple[float, ...]
    mass_error: float
    minimum: float
    time_error: float | None
    outside: float
    edge: tuple[float, ...]
    dt: float | None
    n_steps: int
    n_refused: int
    provenance: dict[str, Any]

    @property
    def negative_mass(self) -> float:
        """The largest sum, over the times, of what masses are below zero: L1 errors are no smaller."""
        return max(negative_mass(law) for law in self.laws)


@dataclass(frozen=True)
class Evolution(LawsInTime[CellLaw, float]):
    """The :class:`LawsInTime` of a line or a ring.

    absorbed
        mass on the low and on the high wall at the last time (the atoms of ``law`` where the wall absorbs)
    """

    absorbed: tuple[float, float]


@dataclass(frozen=True)
class LawAtRest(Resolved[A], Generic[L, A, C]):
    """The stationary law, how well it is one, the current that it carries, and whether it is :class:`Resolved`.

    residual
        sum over cells of |Q m|, divided by the rate at which all of the mass jumps: about 1e-16 for an exact one
    current
        on a ring the net mass that passes to the right per time, mean over the edges; of a plane the mean current
        density in each cell ``(2, n_1, n_2)``; zero but for round-off under detailed balance, as on every line
    edge
        as in :class:`LawsInTime`
    """

    law: L
    residual: float
    current: C
    edge: tuple[float, ...]
    provenance: dict[str, Any]


@dataclass(frozen=True)
class Stationary(LawAtRest[CellLaw, float, float]):
    """The :class:`LawAtRest` of a line or a ring."""


def negative_mass(law: CellLaw | JointCellLaw) -> float:
    """Return the sum of the parts of masses below zero, as a positive number."""
    return float(-np.minimum(law.masses, 0.0).sum()) + 0.0


def resolution_of_line(operator: Generator | Differences, masses: np.ndarray) -> tuple[float, float]:
    """Return Peclet number and cells in a correlation length, where more than ``BULK`` of the mass is on each side.

    The first is the largest |w|, the integral of mu/D over an edge. With w from centre to centre, at the distance d,
    the length at a cell of width h is l = |difference of w/d on its two sides / h|^(-1/2). Of a ring all is read.
    """
    peclet, steepest = operator.steepest(np.ascontiguousarray(masses))
    return peclet, 1 / math.sqrt(steepest) if steepest > 0 else math.inf


def doubts_about(peclet: A, cells: A) -> tuple[str, ...]:
    """Return sentences on a Peclet number that is too large, and on too few cells for a correlation length."""
    if isinstance(peclet, tuple) and isinstance(cells, tuple):
        axes = enumerate(zip(peclet, cells, strict=True))
        return tuple(f"along axis {axis}: {doubt}" for axis, numbers in axes for doubt in doubts_about(*numbers))
    found = []
    if peclet > LARGE_PECLET:
        found.append(
            f"the Peclet number reaches {peclet:.3g} (above {LARGE_PECLET:g}: the order in the cell width falls to 1); "
            f"take {np.ceil(peclet / LARGE_PECLET):.0f} times the cells"
        )
    if cells < FEW_CELLS:
        found.append(
            f"the shortest correlation length has {cells:.3g} cells (fewer than {FEW_CELLS:g}); "
            f"take {np.ceil(FEW_CELLS / cells):.0f} times the cells"
        )
    return tuple(found)


def provenance(process: Any, grid: Grid, method: str) -> dict[str, Any]:
    """Return what a result was computed from and with, ready for JSON; of several axes, each has its entry."""
    axes = [{"low": float(faces[0]), "high": float(faces[-1]), "cells": len(faces) - 1} for faces in grid.axes]
    return {
        "process": process.name,
        "grid": axes[0] if len(axes) == 1 else axes,
        "method": method,
        "dtype": "float64",
        "environment": environment(),
    }
