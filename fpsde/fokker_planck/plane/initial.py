"""The masses of the cells of a plane at the start of an evolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fpsde.errors import InvalidInput
from fpsde.fokker_planck.initial import HELD, Start, starting_masses
from fpsde.fokker_planck.sides import Sides
from fpsde.fokker_planck.totals import total
from fpsde.grid import Grid
from fpsde.jit import kernel
from fpsde.joint_law import JointCellLaw
from fpsde.validation import as_given, finite_array


def plane_start(initial: Any, grid: Grid, sides: tuple[Sides, Sides]) -> Start:
    """Return flat masses ``(n,)`` and the mass on the four walls ``(4,)`` for a start of two components.

    ``initial`` is a pair of points or laws, of independent components (points are spread over three cells of each axis,
    as in one dimension), or masses ``(n_1, n_2)``, an array or a law on this grid. Mass that starts on walls of both
    axes is counted on that of the first.

    Raises InvalidInput for anything else, and if more than ``HELD`` of the mass is off the grid.
    """
    if isinstance(initial, JointCellLaw):
        if not all(np.array_equal(*axes) for axes in zip(initial.grid.axes, grid.axes, strict=True)):
            raise InvalidInput("x0 is a law on the cells of another grid; give one on this grid, or start from a pair")
        return _given(initial.masses, grid)
    if isinstance(initial, np.ndarray) and initial.ndim == 2:
        return _given(finite_array("x0", initial), grid)
    if isinstance(initial, str) or not isinstance(initial, (Sequence, np.ndarray)) or len(initial) != 2:
        raise InvalidInput(
            f"x0={as_given(initial)} is no start of two components; give a pair of points or laws, or an array of "
            f"masses {grid.shape}"
        )
    first, second = (
        starting_masses(part, line, side) for part, line, side in zip(initial, grid.lines, sides, strict=True)
    )
    masses, absorbed, inside = product_of(first.masses, first.absorbed, second.masses, second.absorbed)
    return Start(masses, absorbed, 1.0 - inside)


@kernel(portable=True)
def product_of(first, first_walls, second, second_walls):
    """Return the masses of independent components ``(n_1 n_2,)``, those on the walls ``(4,)``, and their sum.

    What starts on walls of both is on that of the first.
    """
    masses, walls = np.outer(first, second).ravel(), np.empty(4)
    walls[:2] = first_walls * (total(second) + total(second_walls))
    walls[2:] = second_walls * total(first)
    return masses, walls, total(masses) + total(walls)


def _given(masses: np.ndarray, grid: Grid) -> Start:
    if masses.shape != grid.shape:
        raise InvalidInput(f"x0 has shape {masses.shape}, the grid {grid.shape}; give the mass of each of its cells")
    if masses.min() < 0:
        cell = tuple(int(i) for i in np.unravel_index(np.argmin(masses), grid.shape))
        raise InvalidInput(f"x0 gives the cell {cell} the mass {masses.min():.3g}; masses must not be negative")
    outside = 1.0 - float(masses.sum())
    if not abs(outside) <= HELD:
        raise InvalidInput(f"the masses x0 sum to {1 - outside:.9g}; they must sum to 1 within {HELD:g}")
    return Start(masses.ravel().copy(), np.zeros(4), outside)
