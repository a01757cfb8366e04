"""The masses of the cells at the start of an evolution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fpsde.density import Law, Point
from fpsde.domain import Wall
from fpsde.errors import InvalidInput
from fpsde.fokker_planck.sides import Sides
from fpsde.fokker_planck.totals import total
from fpsde.grid import Grid
from fpsde.jit import kernel
from fpsde.validation import finite

#: Mass that may be missing on a grid (outside of it, or about to be): above it the grid does not hold the law.
HELD = 1e-6
#: Negative mass that the round-off of a distribution function may leave in all cells together.
ROUND_OFF = 1e-12


@dataclass(frozen=True)
class Start:
    """Cell masses ``(n,)``, mass on the low and high wall ``(2,)``, and the mass of the law that is on neither."""

    masses: np.ndarray
    absorbed: np.ndarray
    outside: float

    @property
    def total(self) -> float:
        return total(self.masses) + total(self.absorbed)


def starting_masses(initial: float | Law, grid: Grid, sides: Sides) -> Start:
    """Return the start for a point ``initial`` or a law; InvalidInput if more than ``HELD`` of it is off the grid."""
    law = initial if isinstance(initial, Law) else Point(finite("x0", initial))
    below, atoms = law.cdf(grid.faces), law.atoms
    for at, mass in atoms:
        below = below - mass * (grid.faces >= at)
    masses = np.empty(len(below) - 1)
    inside, negative = write_masses(np.ascontiguousarray(below, dtype=float), masses)
    if not negative <= ROUND_OFF:
        raise _falling(masses, negative, grid)
    absorbed = np.zeros(2)
    for at, mass in atoms:
        add_point(masses, absorbed, grid, sides, at=at, mass=mass)
        inside += mass
    outside = 1.0 - inside
    if not abs(outside) <= HELD:
        raise InvalidInput(
            f"the grid [{grid.faces[0]}, {grid.faces[-1]}] holds {1 - outside:.9g} of the initial law's mass; "
            f"at most {HELD:g} may be missing: give a grid that holds the law"
        )
    return Start(masses, absorbed, outside)


@kernel(portable=True)
def write_masses(below, masses):
    """Write the masses ``(n,)`` between the values ``(n + 1,)`` of a distribution function.

    Return their sum, and that of what they are below zero, as a positive number.
    """
    negative = 0.0
    for i in range(len(masses)):
        masses[i] = below[i + 1] - below[i]
        negative -= min(masses[i], 0.0)
    return total(masses), negative


def _falling(masses: np.ndarray, negative: float, grid: Grid) -> InvalidInput:
    i = int(np.argmin(masses))
    return InvalidInput(
        f"the initial law gives the cell at x={grid.centres[i]} the mass {masses[i]} ({-negative} in all negative "
        "cells together); its distribution function must not fall"
    )


def add_point(masses: np.ndarray, absorbed: np.ndarray, grid: Grid, sides: Sides, *, at: float, mass: float) -> None:
    """Add a point mass in place, spread over three cells by the quadratic B-spline whose knots are the cell faces.

    The weights are not negative and keep the mean exactly (the Greville points are the cell centres). The variance that
    they add is the local average of h^2/4 *wherever the point lies in its cell*, so that errors shrink regularly when
    the grid is refined; with two cells it would be anything from 0 to h^2/4. Next to a reflecting wall the spline is
    folded back, next to an absorbing wall reflected with the opposite sign, as the backward equation asks.
    """
    faces, h, last = grid.faces, grid.widths, len(grid.widths) - 1
    if not faces[0] <= at <= faces[-1]:
        raise InvalidInput(
            f"the initial point {at} lies outside of the grid [{faces[0]}, {faces[-1]}]; extend the grid, or start "
            "inside of it"
        )
    cell = min(int(np.searchsorted(faces, at, side="right")) - 1, last)
    below, above = _neighbour_width(h, cell - 1, sides), _neighbour_width(h, cell + 1, sides)
    to_below = mass * (faces[cell + 1] - at) ** 2 / ((below + h[cell]) * h[cell])
    to_above = mass * (at - faces[cell]) ** 2 / ((above + h[cell]) * h[cell])
    masses[cell] += mass - to_below - to_above
    for neighbour, part in ((cell - 1, to_below), (cell + 1, to_above)):
        if sides.periodic or 0 <= neighbour <= last:
            masses[neighbour % len(masses)] += part
        else:
            _beyond_the_end(masses, absorbed, sides, at=at, side=int(neighbour > last), part=part)


def _neighbour_width(h: np.ndarray, cell: int, sides: Sides) -> float:
    """Return the width of a cell, of its wrapped self on a ring, or of the mirror image beyond an end."""
    n = len(h)
    return float(h[cell % n] if sides.periodic else h[min(max(cell, 0), n - 1)])


def _beyond_the_end(
    masses: np.ndarray, absorbed: np.ndarray, sides: Sides, *, at: float, side: int, part: float
) -> None:
    """Put the ``part`` of a point's mass that falls on the mirror image of an outermost cell where it belongs."""
    wall, cell = sides.walls[side], -side
    if wall is Wall.REFLECTING:
        masses[cell] += part
    elif wall is Wall.ABSORBING:  # linear through the wall: u(-x) = 2 u(wall) - u(x)
        absorbed[side] += 2 * part
        masses[cell] -= part
    else:
        raise InvalidInput(
            f"the initial point {at} lies in the outermost cell of the grid, where its mean cannot be kept; "
            "extend the grid, or refine it there"
        )
