"""Strang steps of a plane whose coefficients depend on time: coefficients, fluxes and steps in one compiled loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np

from fpsde.fokker_planck.coefficient_kernel import CoefficientKernel, coefficient_kernel, silent
from fpsde.fokker_planck.driven import type_of_coefficients
from fpsde.fokker_planck.elimination import factorise_lanes
from fpsde.fokker_planck.generator import QUICK_RULE, EdgePoints, scharfetter_gummel, upwind
from fpsde.fokker_planck.initial import Start
from fpsde.fokker_planck.lanes import LANES
from fpsde.fokker_planck.plane.assembly import FITTED, UPWIND
from fpsde.fokker_planck.plane.generator import PlaneGenerator, ahead_on
from fpsde.fokker_planck.plane.lines import (
    Way,
    add_rows,
    backward_euler_lines,
    bundles_of,
    cells_on,
    factorise_lines,
    straight,
    tr_bdf2_bundle,
    tr_bdf2_bundles,
    way_along,
)
from fpsde.fokker_planck.plane.propagator import SplitPropagator
from fpsde.fokker_planck.propagator import CHUNK
from fpsde.fokker_planck.sides import Sides
from fpsde.fokker_planck.tridiagonal import STAGE, smallest
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
        return cls(kernel, geometry, silent(process, axis), straight(axis), (1 - axis, axis), grid.shape[axis])

    @classmethod
    def along(
        cls, process: Any, grid: Grid, offset: tuple[int, int], sides: tuple[Sides, Sides], h: np.ndarray
    ) -> DrivenLines:
        """Return those along one of the :data:`NEIGHBOURS`, on cells of the widths ``h``, where noise is correlated.

        One axis at most is periodic.
        """
        axis = next(k for k in (0, 1) if offset[k] and (0 in offset or not sides[k].periodic))
        step, ends = ahead_on(offset, axis), np.array([side.periodic for side in sides])[:, None, None]
        way, shape = way_along(step, grid.shape, axis), np.array(grid.shape)[:, None, None]
        cells = np.array(np.unravel_index(cells_on(way, grid.shape), grid.shape))
        ahead = cells + np.array(step)[:, None, None]
        is_edge = (np.where(ends, ahead % shape, ahead) == np.roll(cells, -1, axis=2)).all(axis=0)
        low, length = np.array([faces[0] for faces in grid.axes])[:, None, None], h[:, None, None] * shape
        x = np.stack([line.centres[each] for line, each in zip(grid.lines, cells, strict=True)])
        rows = [x]
        for node in QUICK_RULE[0]:
            there = x + node * np.where(is_edge, (np.array(step) * h)[:, None, None], 0.0)
            there = np.where(ends, low + (there - low) % length, there)
            rows += [there, x[:, :, :1], x[:, :, :1]]  # there are no ways to walls
        points = np.concatenate(rows, axis=2)
        beside = np.zeros(points.shape[1:])
        if 0 in offset and not sides[1 - axis].periodic:
            place = cells[1 - axis]
            beside[:, : place.shape[1]][(place == 0) | (place == grid.shape[1 - axis] - 1)] = 0.5
        n = grid.shape[axis]
        open_edges = side_by_side(np.array([is_edge, is_edge], dtype=float))
        geometry = QUICK_RULE[1], np.ones((n + 2) * LANES), open_edges, bool(is_edge[:, -1].any()), np.zeros(2, bool)
        kernel = coefficient_kernel(process, side_by_side(np.concatenate([points, beside[None]])), step, h.tolist())
        return cls(kernel, geometry, False, way, step, n)

    @property
    def arguments(self) -> tuple[Any, ...]:
        return (self.kernel.points, self.kernel.table, *self.geometry, self.silent, self.way)

    def room(self, keeps: bool) -> Any:
        """Return :func:`room` for the lines."""
        return room(self.arguments, self.n_cells, keeps)

    def at(self, t: float) -> tuple[int, Any, np.ndarray]:
        """Return how many D are out of range, room with the rates at a time, and the exponents (n_bundles, n LANES)."""
        kept = self.room(True)
        exponents = np.zeros((len(self.kernel.points), self.n_cells * LANES))
        bad = _rates()(self.kernel.function, self.arguments, t, self.kernel.parameters, *kept[:2], exponents)
        return bad, kept, exponents


def side_by_side(values: np.ndarray) -> np.ndarray:
    """Return values ``(k, n_lines, n)`` as bundles ``(n_bundles, k, n LANES)``; empty lanes hold those of others."""
    k, n_lines, n = values.shape
    count = bundles_of(n_lines)
    lanes = np.pad(values, ((0, 0), (0, count * LANES - n_lines), (0, 0)), mode="edge")
    return np.ascontiguousarray(lanes.reshape(k, count, LANES, n).transpose(1, 0, 3, 2)).reshape(count, k, n * LANES)


#: Offsets of the seven-point stencil, in the order in which a step takes them; one of the diagonals may be empty.
NEIGHBOURS = ((1, 1), (1, 0), (1, -1), (0, 1))


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


class DrivenSplitPropagator(SplitPropagator):
    """The cells of a plane whose coefficients depend on time, without correlated noise.

    Differs from :class:`SplitPropagator` in speed alone.
    """

    def __init__(
        self,
        generator: Callable[[float], PlaneGenerator],
        start: Start,
        *,
        fringe: np.ndarray,
        lines: tuple[DrivenLines, ...],
        shape: tuple[int, ...],
        watched: tuple[int, ...],
        threads: int,
    ):
        super().__init__(generator, start, constant=False, fringe=fringe, threads=threads)
        self._driven, self._cells, self._watched = lines, shape, np.array(watched)
        *others, last = lines
        self._kept = (*(each.room(True) for each in others), last.room(False))
        self._walls = tuple(np.empty((len(each.kernel.points), 2)) for each in lines)
        functions, arguments = (each.kernel.function for each in lines), (each.arguments for each in lines)
        of_each = (_filled(values) for values in (arguments, self._kept, self._walls))
        self._arguments = *_filled(functions), *of_each, len(lines), lines[0].kernel.parameters

    def _march(self, t: float, dt: float, done: int, n_steps: int) -> tuple[int, int, float]:
        if self._threads > 1:
            tried, (taken, least) = 1, self._step_in_threads(t + done * dt + dt / 2, dt)
        else:
            tried = min(n_steps - done, max(1, CHUNK // len(self.masses)))
            taken, least = _driver()(*self._arguments, t, dt, done, tried,
                self._plane, self.absorbed, self._floor, self._watched, self.extremes,
            )  # fmt: skip
        self.n_steps += taken
        if taken < tried and not np.isfinite(least):
            # The plain step says where coefficients are out of range, or takes an axis that is silent for an instant.
            one, _, least = super()._march(t, dt, done + taken, n_steps)
            return taken + one, taken + 1, least
        return taken, tried, least

    def _step_in_threads(self, middle: float, dt: float) -> tuple[int, float]:
        """Take the step that :func:`march_split` takes, with the coefficients of the time ``middle``."""
        new, entered, last = np.empty_like(self._plane), np.zeros((2, 2)), len(self._driven) - 1
        for sweep in range(2 * last + 1):
            k = min(sweep, 2 * last - sweep)
            part = partial(self._sweep_of_bundles, sweep, k, middle, dt, self._plane if sweep == 0 else new, new)
            if sum(self._side_by_side(part, len(self._walls[k]))) > 0:
                return 0, np.nan
            add_rows(self._walls[k], entered[self._driven[k].way[0]])
        least = accepted(new, entered, self._plane, self.absorbed, self._floor, self._watched, self.extremes)
        return int(least >= self._floor), least

    def _sweep_of_bundles(
        self, sweep: int, k: int, middle: float, dt: float, masses: np.ndarray, new: np.ndarray, first: int, end: int
    ) -> int:
        """Take one of the sweeps of a step, on the lines ``k``, for the bundles from ``first`` to before ``end``."""
        lines, kept, walls = self._driven[k], self._kept[k], self._walls[k]
        a = STAGE * (dt if k == len(self._driven) - 1 else dt / 2)
        if sweep > k:  # with the factors of the way there
            rates, exits, factors = kept
            tr_bdf2_bundles(rates, exits, a, factors, lines.way, masses, new, first, end, walls)
            return 0
        return _sweep()(
            lines.kernel.function, lines.arguments, lines.kernel.parameters, middle, a, kept, True, masses, new,
            first, end, walls,
        )  # fmt: skip

    def _backward_euler(self, t: float, dt: float) -> None:
        masses, lost, bad = self._plane.copy(), np.zeros((2, 2)), 0
        for lines in self._driven:
            beyond, (rates, exits, factors), _ = lines.at(t)
            bad += beyond
            factorise_lines(rates, exits, dt, factors)
            lost[lines.way[0]] += backward_euler_lines(exits, dt, factors, lines.way, masses)
        if bad > 0 or not np.isfinite(masses[0, 0]):
            super()._backward_euler(t, dt)  # as in a march
        else:
            self._accept(masses.ravel(), lost.ravel())

    @property
    def _plane(self) -> np.ndarray:
        return self.masses.reshape(self._cells)


def _filled(values: Iterable[Any]) -> tuple[Any, ...]:
    """Return as many values as there are neighbours, so that one compiled march serves two ways and four."""
    first = tuple(values)
    return first + first[-1:] * (len(NEIGHBOURS) - len(first))


def _type_of_lines() -> Any:
    """Return the type of the arguments of :class:`DrivenLines`."""
    f8, i8, flag = types.float64, types.int64, types.boolean
    way = types.Tuple((i8, i8[::1], i8[::1]))
    return types.Tuple((f8[:, :, ::1], f8[:, :, ::1], f8[::1], f8[::1], f8[:, :, ::1], flag, flag[::1], flag, way))


def _type_of_room() -> Any:
    f8 = types.float64
    return types.Tuple((f8[:, :, :, ::1], f8[:, :, ::1], f8[:, :, :, ::1]))


@cache
def _driver() -> Callable[..., tuple[int, float]]:
    f8, i8 = types.float64, types.int64
    functions, of_each = [type_of_coefficients()] * len(NEIGHBOURS), (_type_of_lines(), _type_of_room(), f8[:, ::1])
    signature = types.Tuple((i8, f8))(
        *functions, *(types.UniTuple(kind, len(NEIGHBOURS)) for kind in of_each), i8, f8[::1],  # the process
        f8, f8, i8, i8,  # the times
        f8[:, ::1], f8[::1], f8, i8[::1], f8[::1],  # the masses
    )  # fmt: skip
    return kernel(signature)(march_split)


@cache
def _sweep() -> Callable[..., int]:
    """Return what the march has of :func:`sweep_of_lines`, for the coefficients of any process."""
    f8, i8 = types.float64, types.int64
    signature = i8(
        type_of_coefficients(), _type_of_lines(), f8[::1], f8, f8, _type_of_room(), types.boolean,
        f8[:, ::1], f8[:, ::1], i8, i8, f8[:, ::1],
    )  # fmt: skip
    return sweep_of_lines.compile(signature)


@cache
def _rates() -> Callable[..., int]:
    """Return :func:`rates_of_lines` for the coefficients of any process: by itself it is compiled for each."""
    f8 = types.float64
    signature = types.int64(
        type_of_coefficients(), _type_of_lines(), f8, f8[::1], f8[:, :, :, ::1], f8[:, :, ::1], f8[:, ::1]
    )
    return kernel(signature)(rates_of_lines.py_func)


def march_split(
    first_function: Any,  # of the coefficients on the lines of each way, in the order in which a step takes them
    second_function: Any,
    third_function: Any,
    last_function: Any,
    lines: Any,  # see DrivenLines
    kept: Any,  # room for their rates and factors, none for the last
    walls: Any,  # (n_bundles, 2) for each
    ways: Any,  # how many there are; what follows in these tuples, and functions, is not used
    parameters: Any,
    t: Any,
    dt: Any,
    first: Any,  # steps from t at which the march begins
    n_steps: Any,
    masses: Any,  # (n_1, n_2)
    absorbed: Any,  # (4,)
    floor: Any,
    watched: Any,  # (4,): outermost rows whose mass is watched, low and high, axis by axis
    extremes: Any,  # (5,)
) -> Any:
    """Take up to ``n_steps`` Strang steps in place; return (steps taken, smallest mass after the last one tried).

    The coefficients are those of the middle of each step. A step that would leave a mass below ``floor``, or a NaN, is
    not taken and ends the march. ``extremes`` keeps the smallest mass of a cell, and the largest in the watched rows.
    """
    new, entered, last = np.empty(masses.shape), np.empty((2, 2)), ways - 1
    least = np.inf
    for done in range(n_steps):
        middle = t + (first + done) * dt + dt / 2
        entered[:] = 0.0
        for sweep in range(2 * last + 1):  # one call of the kernel: at each place LLVM compiles it anew
            k = min(sweep, 2 * last - sweep)
            coefficients = (  # a tuple of functions is not one that Numba knows without a warning
                first_function if k == 0 else second_function if k == 1 else third_function if k == 2 else last_function
            )
            bad = sweep_of_lines(
                coefficients, lines[k], parameters, middle, STAGE * (dt if k == last else dt / 2), kept[k],
                sweep == k, masses if sweep == 0 else new, new, 0, len(walls[k]), walls[k],
            )  # fmt: skip
            if bad > 0:
                return done, np.nan
            add_rows(walls[k], entered[lines[k][8][0]])
        least = accepted(new, entered, masses, absorbed, floor, watched, extremes)
        if not least >= floor:
            return done, least
    return n_steps, least


@kernel()
def accepted(new, entered, masses, absorbed, floor, watched, extremes):
    """Return the smallest of the ``new`` masses; where it is not below ``floor``, they take the place of the others.

    What ``entered`` the walls (2, 2) is then absorbed, and the extremes are kept: see :func:`march_split`.
    """
    n, m = masses.shape
    least = smallest(new.ravel())
    if least >= floor:
        masses[:] = new
        absorbed += entered.ravel()
        extremes[0] = min(extremes[0], least)
        extremes[1] = max(extremes[1], new[: watched[0]].sum())
        extremes[2] = max(extremes[2], new[n - watched[1] :].sum())
        extremes[3] = max(extremes[3], new[:, : watched[2]].sum())
        extremes[4] = max(extremes[4], new[:, m - watched[3] :].sum())
    return least


@kernel()
def sweep_of_lines(coefficients, lines, parameters, t, a, kept, fresh, masses, new, first, end, walls):
    """Write to ``new`` the masses after TR-BDF2 on the bundles of an axis from ``first`` to before ``end``.

    Returns how many D are out of range. What enters the walls from each bundle goes to its row of ``walls``
    (n_bundles, 2). A bundle is done with while its rates and factors are in the cache: where there is a room
    ``kept`` for all of them they stay there, and are those of the sweep before unless they are to be made ``fresh``.
    """
    way, ring = lines[8], lines[5]
    n = masses.shape[way[0]]
    own, keeps = bundles_in_room(1, n, ring), len(kept[0]) > 0
    points, scratch = lines[0], np.empty((3, n, LANES))
    ratio, d, w = np.empty(points.shape[2] - n * LANES), np.empty(n * LANES), np.empty(n * LANES)
    bad = 0
    for k in range(first, end):
        at = kept if keeps else own
        place = k if keeps else 0
        rates, exits, factors = at[0][place], at[1][place], at[2][place]
        if fresh:
            bad += rates_of_bundle(coefficients, lines, k, t, parameters, rates, exits, ratio, d, w)
            factorise_lanes(rates[0], rates[1], exits, a, factors)
        tr_bdf2_bundle(rates, exits, a, factors, way, k, masses, new, scratch, walls[k])
    return bad


@kernel()
def room(lines, n, keeps):
    """Return arrays for the rates, the exits and the factors of the lines of an axis with ``n`` cells each.

    There are none unless it ``keeps`` them.
    """
    return bundles_in_room(len(lines[0]) if keeps else 0, n, lines[5])


@kernel()
def bundles_in_room(count, n, ring):
    """Return arrays for the rates, the exits and the factors of so many bundles of lines, or of rings."""
    return (
        np.empty((count, 2, n, LANES)),
        np.empty((count, 2, LANES)),
        np.empty((count, 5 if ring else 3, n, LANES)),
    )


@kernel()
def rates_of_lines(coefficients, lines, t, parameters, rates, exits, exponents):
    """Write rates ``(n_bundles, 2, n, LANES)`` and exits of the lines of an axis; return how many D are out of range.

    And the exponents of edges ``(n_bundles, n LANES)``, but where there is no noise. A drift that is out of range fills
    the masses with NaN, as does a rate.
    """
    points, size = lines[0], exponents.shape[1]
    ratio, d = np.empty(points.shape[2] - size), np.empty(size)
    bad = 0
    for k in range(len(points)):
        bad += rates_of_bundle(coefficients, lines, k, t, parameters, rates[k], exits[k], ratio, d, exponents[k])
    return bad


@kernel()
def rates_of_bundle(coefficients, lines, k, t, parameters, rates, exits, ratio, d, w):
    """Do what :func:`rates_of_lines` does for bundle ``k``; ``ratio``, ``d`` and ``w`` are room for its edges."""
    points, tables, weights, lengths, per_edge, periodic, absorbs, silent, _ = lines
    without = coefficients(points[k], tables[k], t, parameters, ratio, d)
    flat, ends = rates.reshape(2, len(w)), per_edge[min(k, len(per_edge) - 1)]
    if silent:
        upwind(ratio, weights, lengths, ends, periodic, absorbs, flat, exits)
        return 0
    scharfetter_gummel(ratio, d, weights, lengths, ends, periodic, absorbs, flat, exits, w)
    return without
