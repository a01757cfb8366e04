"""Lines of a plane whose coefficients depend on time: along its axes, and diagonals where noise is correlated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from fpsde.fokker_planck.coefficient_kernel import STILL, CoefficientKernel, coefficient_kernel, silent
from fpsde.fokker_planck.driven import type_of_coefficients
from fpsde.fokker_planck.edges import QUICK_RULE, EdgePoints
from fpsde.fokker_planck.fluxes import scharfetter_gummel, upwind
from fpsde.fokker_planck.lanes import LANES
from fpsde.fokker_planck.plane.assembly import FITTED, UPWIND, beside_walls, equal_widths
from fpsde.fokker_planck.plane.generator import ahead_on
from fpsde.fokker_planck.plane.lines import Way, cells_on, side_by_side, straight, way_along, way_round
from fpsde.fokker_planck.plane.ways_out import WaysOut, add_exits
from fpsde.fokker_planck.seven_points import DIAGONALS, NEIGHBOURS
from fpsde.fokker_planck.sides import Sides
from fpsde.grid import Grid
from fpsde.jit import kernel
from fpsde.optional import optional

types = optional("numba.core.types")


@dataclass(frozen=True, eq=False)
class DrivenLines:
    """The coefficients of a process on the lines of a way, at the places where their edges read them.

    ``silent`` says that there is no noise along an axis: mass moves along it upwind. ``geometry`` is that of
    ``EdgePoints``, for ``LANES`` lines side by side; ``per_edge`` (1 or n_bundles, 2, n LANES) may differ between
    bundles.
    """

    kernel: CoefficientKernel
    geometry: tuple[Any, ...]
    silent: bool
    way: Way
    offset: tuple[int, int]
    n_cells: int
    out: tuple[WaysOut, WaysOut]

    @classmethod
    def of(cls, process: Any, grid: Grid, axis: int, sides: Sides) -> DrivenLines:
        """Return those along ``axis`` of a process that has a ``statement``, whose noise is not correlated."""
        edges = EdgePoints.of(grid.lines[axis], sides, QUICK_RULE)
        across = grid.lines[1 - axis].centres
        points = np.empty((2, len(across), len(edges.points)))
        points[axis], points[1 - axis] = edges.points, across[:, None]
        weights, lengths, per_edge, periodic, absorbs = edges.geometry
        geometry = weights, np.repeat(lengths, LANES), np.repeat(per_edge, LANES, axis=1)[None], periodic, absorbs
        kernel = coefficient_kernel(process, side_by_side(points), axis)
        none = WaysOut.none(kernel)
        offset = 1 - axis, axis
        return cls(kernel, geometry, silent(process, axis), straight(axis), offset, grid.shape[axis], (none, none))

    @classmethod
    def along(
        cls, process: Any, grid: Grid, offset: tuple[int, int], sides: tuple[Sides, Sides], h: np.ndarray
    ) -> DrivenLines:
        """Return those along one of the :data:`NEIGHBOURS`, on cells of the widths ``h``, where noise is correlated."""
        periodic = [side.periodic for side in sides]
        axis = next((k for k in (0, 1) if offset[k] and (0 in offset or not periodic[k])), 0)
        step, around = ahead_on(offset, axis), [k for k in (0, 1) if periodic[k]]
        rings = way_round(step, grid.shape, axis) if 0 not in offset and all(periodic) else None
        way = way_along(step, grid.shape, axis) if rings is None else rings
        cells = np.array(np.unravel_index(cells_on(way, grid.shape), grid.shape))
        ahead = cells + np.array(step)[:, None, None]
        for k in around:
            ahead[k] %= grid.shape[k]
        is_edge = (ahead == np.roll(cells, -1, axis=2)).all(axis=0)
        (n_lines, n), (nodes, weights) = is_edge.shape, QUICK_RULE
        points = np.zeros((3, n_lines, n + len(nodes) * (n + 2)))
        x, move = points[:2, :, :n], (np.array(step) * h)[:, None, None]
        x[:] = [line.centres[each] for line, each in zip(grid.lines, cells, strict=True)]
        absorbs = np.array(sides[axis].absorbing) & (0 in offset)  # along diagonals mass leaves as WaysOut says
        for node, there in zip(nodes, np.split(points[:2, :, n:], len(nodes), axis=2), strict=True):
            there[:, :, :n] = x + node * np.where(is_edge, move, 0.0)
            for k in around:
                low, high = grid.axes[k][[0, -1]]
                there[k] = low + (there[k] - low) % (high - low)
            for end in (0, 1):
                there[:, :, n + end] = x[:, :, -end] + node * (end - 0.5) * absorbs[end] * move[:, :, 0]
        if 0 in offset:
            points[2, :, :n] = 0.5 * beside_walls(grid, sides, 1 - axis)[cells[0], cells[1]]
        open_edges = side_by_side(np.array([is_edge, is_edge], dtype=float))
        if 0 in offset:  # the same for all bundles: fewer numbers to wait for
            open_edges = open_edges[:1]
        lengths = np.repeat(np.r_[np.ones(n), -0.5, 0.5], LANES)
        geometry = weights, lengths, open_edges, bool(is_edge[:, -1].any()), absorbs
        kernel = coefficient_kernel(process, side_by_side(points), step, h.tolist())
        rising, falling = (
            WaysOut.of(process, grid, each, axis, sides, h) if 0 in offset else WaysOut.none(kernel)
            for each in DIAGONALS
        )
        return cls(kernel, geometry, False, way, step, n, (rising, falling))

    @property
    def arguments(self) -> tuple[Any, ...]:
        out = ((each.kernel.points, each.kernel.table, each.halves) for each in self.out)
        return (self.kernel.points, self.kernel.table, *self.geometry, self.silent, self.way, *out)

    @property
    def functions(self) -> tuple[Any, Any, Any]:
        """The coefficients on the lines, and on the ways out along each diagonal."""
        rising, falling = (each.kernel.function for each in self.out)
        return self.kernel.function, rising, falling

    def room(self, keeps: bool) -> Any:
        """Return :func:`room` for the lines."""
        return room(self.arguments, self.n_cells, keeps)

    def at(self, t: float) -> tuple[int, Any, np.ndarray]:
        """Return how many D are out of range, room with the rates at a time, and the exponents (n_bundles, n LANES)."""
        kept = self.room(True)
        exponents = np.zeros((len(self.kernel.points), self.n_cells * LANES))
        bad = _rates()(*self.functions, self.arguments, t, self.kernel.parameters, *kept[:2], exponents)
        return bad, kept, exponents


def driven_lines(process: Any, grid: Grid, sides: tuple[Sides, Sides], *, correlated: bool) -> tuple[DrivenLines, ...]:
    """Return the lines of both axes, or of all :data:`NEIGHBOURS` where noise is correlated, as a step takes them."""
    if not correlated:
        return tuple(DrivenLines.of(process, grid, axis, sides[axis]) for axis in (0, 1))
    h = equal_widths(process, grid)
    return tuple(DrivenLines.along(process, grid, offset, sides, h) for offset in NEIGHBOURS)


class Links(NamedTuple):
    """What :class:`~fpsde.fokker_planck.plane.generator.Edges` has of these names."""

    offset: tuple[int, int]
    tails: np.ndarray
    heads: np.ndarray
    exponents: np.ndarray


@dataclass(frozen=True, eq=False)
class DrivenPlane:
    """What the record of an evolution asks of the generator at a time: its edges with their exponents."""

    grid: Grid
    families: tuple[Links, ...]
    flux: str

    @classmethod
    def of(cls, grid: Grid, lines: tuple[DrivenLines, ...], t: float) -> DrivenPlane | None:
        """Return that of all lines; None where a coefficient is out of range."""
        families = []
        for along in lines:
            bad, (rates, *_), exponents = along.at(t)
            if bad > 0 or not np.isfinite(rates).all():
                return None
            cells = cells_on(along.way, grid.shape)
            count, n = cells.shape
            left, right = np.moveaxis(rates, 3, 1).reshape(-1, 2, n)[:count].swapaxes(0, 1)
            used = (right > 0) | (np.roll(left, -1, axis=1) > 0)
            w = exponents.reshape(-1, n, LANES).swapaxes(1, 2).reshape(-1, n)[:count]
            families.append(Links(along.offset, cells[used], np.roll(cells, -1, axis=1)[used], w[used]))
        return cls(grid, tuple(families), UPWIND if any(along.silent for along in lines) else FITTED)


def type_of_lines() -> Any:
    """Return the type of the arguments of :class:`DrivenLines`."""
    f8, i8, flag = types.float64, types.int64, types.boolean
    way, out = types.Tuple((i8, i8[::1], i8[::1])), types.Tuple((f8[:, :, ::1], f8[:, :, ::1], f8[:, ::1]))
    geometry = f8[::1], f8[::1], f8[:, :, ::1], flag, flag[::1]
    return types.Tuple((f8[:, :, ::1], f8[:, :, ::1], *geometry, flag, way, out, out))


@cache
def _rates() -> Callable[..., int]:
    """Return :func:`rates_of_lines` for the coefficients of any process: by itself it is compiled for each."""
    f8 = types.float64
    signature = types.int64(
        *[type_of_coefficients()] * 3, type_of_lines(), f8, f8[::1], f8[:, :, :, ::1], f8[:, :, ::1], f8[:, ::1]
    )
    return kernel(signature)(rates_of_lines.py_func)


@kernel()
def room(lines, n, keeps):
    """Return arrays for the rates, the exits and the factors of the lines of an axis with ``n`` cells each.

    There are none unless it ``keeps`` them.
    """
    return bundles_in_room(len(lines[0]) if keeps else 0, n, lines[5])


@kernel()
def bundles_in_room(count, n, ring):
    """Return arrays for the rates, the exits and the factors of so many bundles of lines, or of rings.

    And for whether they stand still.
    """
    return (
        np.empty((count, 2, n, LANES)),
        np.empty((count, 2, LANES)),
        np.empty((count, 5 if ring else 3, n, LANES)),
        np.zeros(count, dtype=np.bool_),
    )


@kernel()
def rates_of_lines(coefficients, rising, falling, lines, t, parameters, rates, exits, exponents):
    """Write rates ``(n_bundles, 2, n, LANES)`` and exits of the lines of an axis; return how many D are out of range.

    And the exponents of edges ``(n_bundles, n LANES)``, but where there is no noise. A drift that is out of range fills
    the masses with NaN, as does a rate.
    """
    points, size = lines[0], exponents.shape[1]
    ratio, d = np.empty(points.shape[2] - size), np.empty(size)
    bad = 0
    for k in range(len(points)):
        found = rates_of_bundle(
            coefficients, rising, falling, lines, k, t, parameters, rates[k], exits[k], ratio, d, exponents[k]
        )
        if found == STILL:
            rates[k], exits[k], exponents[k] = 0.0, 0.0, 0.0
        else:
            bad += found
    return bad


@kernel()
def rates_of_bundle(coefficients, rising, falling, lines, k, t, parameters, rates, exits, ratio, d, w):
    """Do what :func:`rates_of_lines` does for bundle ``k``; ``ratio``, ``d`` and ``w`` are room for its edges.

    Returns ``STILL``, with nothing written, where nothing moves on it.
    """
    points, tables, weights, lengths, per_edge, periodic, absorbs, silent, _, up, down = lines
    without = coefficients(points[k], tables[k], t, parameters, ratio, d)
    if without == STILL:
        return STILL
    flat, ends = rates.reshape(2, len(w)), per_edge[min(k, len(per_edge) - 1)]
    if silent:
        upwind(ratio, weights, lengths, ends, periodic, absorbs, flat, exits)
        return 0
    scharfetter_gummel(ratio, d, weights, lengths, ends, periodic, absorbs, flat, exits, w)
    if len(up[0]) > 0:
        without += add_exits(rising, up, k, t, parameters, weights, exits)
    if len(down[0]) > 0:
        without += add_exits(falling, down, k, t, parameters, weights, exits)
    return without
