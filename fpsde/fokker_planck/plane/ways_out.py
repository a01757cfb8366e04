"""Ways along a diagonal out of a plane whose coefficients depend on time, through a wall that absorbs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fpsde.fokker_planck.coefficient_kernel import STILL, CoefficientKernel, coefficient_kernel
from fpsde.fokker_planck.edges import QUICK_RULE
from fpsde.fokker_planck.fluxes import along_edge, into_wall
from fpsde.fokker_planck.lanes import LANES
from fpsde.fokker_planck.plane.lines import bundles_of, side_by_side
from fpsde.fokker_planck.sides import Sides
from fpsde.grid import Grid
from fpsde.jit import kernel


@dataclass(frozen=True, eq=False)
class WaysOut:
    """The ways along a diagonal from the end cells of lines of an axis to absorbing walls; there may be none.

    The kernel has first the cells at the low and at the high ends of the lines of a bundle, and then, for each node,
    the places on half of the diagonal. ``halves`` (n_bundles, 2 LANES) is that half, with its sign, or 0 where mass
    does not leave: at a wall without flux, and in a corner along what is the second axis, as in the assembly.
    """

    kernel: CoefficientKernel
    halves: np.ndarray

    @classmethod
    def of(
        cls, process: Any, grid: Grid, offset: tuple[int, int], axis: int, sides: tuple[Sides, Sides], h: np.ndarray
    ) -> WaysOut:
        """Return those of the lines along ``axis``, on cells of the widths ``h``."""
        across, periodic = 1 - axis, sides[1 - axis].periodic
        ends, n_lines = grid.lines[axis].centres[[0, -1]], grid.shape[1 - axis]
        signs = np.array([-1, 1]) * offset[axis]
        halves = np.where(sides[axis].absorbing, 0.5 * signs, 0.0)[:, None] * np.ones(n_lines)
        if axis == 1 and not periodic:  # jumps out of a corner meet the wall of the first axis
            for end in (0, 1):
                halves[signs * offset[0] == (-1, 1)[end], -end] = 0.0
        x = np.empty((2, 2, n_lines))
        x[axis], x[across] = ends[:, None], grid.lines[across].centres
        places = [x, *(x + node * halves * (np.array(offset) * h)[:, None, None] for node in QUICK_RULE[0])]
        low, high = grid.axes[across][[0, -1]]
        points = np.zeros((3, len(places), 2, n_lines))
        points[:2] = np.stack(places, axis=1)
        if periodic:
            points[across] = low + (points[across] - low) % (high - low)
        bundles = np.empty((0, 3, 0))
        if halves.any():
            bundles = side_by_side(points.reshape(-1, n_lines, 1)).reshape(bundles_of(n_lines), 3, -1)
        kernel = coefficient_kernel(process, bundles, offset, h.tolist())
        return cls(kernel, side_by_side(halves[:, :, None]).reshape(-1, 2 * LANES))

    @classmethod
    def none(cls, kernel: CoefficientKernel) -> WaysOut:
        """Return none, with a function that is never called."""
        empty = np.empty((0, 0, 0))
        return cls(replace(kernel, points=empty, table=empty), np.empty((0, 0)))


@kernel()
def add_exits(coefficients, out, k, t, parameters, weights, exits):
    """Add to the exits (2, LANES) of bundle ``k`` those along a diagonal, on its ways ``out``.

    Returns how many D are out of range.
    """
    points, tables, halves = out
    n = halves.shape[1]
    ratio, d = np.empty(points.shape[2] - n), np.empty(n)
    without = coefficients(points[k], tables[k], t, parameters, ratio, d)
    if without == STILL:
        return 0
    for i in range(n):
        half = halves[k, i]
        if half != 0.0:
            exits[i // LANES, i % LANES] += into_wall(half * along_edge(ratio, weights, n, i), d[i], half)
    return without
