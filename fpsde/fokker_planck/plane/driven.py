"""Strang steps of a plane whose coefficients depend on time: coefficients, fluxes and steps in one compiled loop."""

from __future__ import annotations

from collections.abc import Callable
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
from fpsde.fokker_planck.plane.generator import PlaneGenerator, neighbours
from fpsde.fokker_planck.plane.lines import (
    Way,
    add_rows,
    backward_euler_lines,
    bundles_of,
    factorise_lines,
    straight,
    tr_bdf2_bundle,
    tr_bdf2_bundles,
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
    """The coefficients of a process along the lines of one axis, at the places where their edges read them.

    ``silent`` says that there is no noise along the axis: mass moves along it upwind. ``geometry`` is that of
    ``EdgePoints``, for ``LANES`` lines side by side.
    """

    kernel: CoefficientKernel
    geometry: tuple[Any, ...]
    silent: bool
    way: Way
    n_cells: int

    @classmethod
    def of(cls, process: Any, grid: Grid, axis: int, sides: Sides) -> DrivenLines:
        """Return those along ``axis`` of a process that has a ``statement``."""
        edges = EdgePoints.of(grid.lines[axis], sides, QUICK_RULE)
        across = 0.5 * (grid.axes[1 - axis][1:] + grid.axes[1 - axis][:-1])
        count = bundles_of(len(across))
        lines = np.pad(across, (0, count * LANES - len(across)), mode="edge").reshape(count, LANES)
        points = np.empty((count, 2, len(edges.points) * LANES))
        points[:, axis] = np.repeat(edges.points, LANES)
        points[:, 1 - axis] = np.tile(lines, len(edges.points))
        weights, lengths, per_edge, periodic, absorbs = edges.geometry
        geometry = weights, np.repeat(lengths, LANES), np.repeat(per_edge, LANES, axis=1), periodic, absorbs
        return cls(
            coefficient_kernel(process, points, axis), geometry, silent(process, axis), straight(axis), grid.shape[axis]
        )

    @property
    def arguments(self) -> tuple[Any, ...]:
        return (self.kernel.points, self.kernel.table, *self.geometry, self.silent, self.way)

    def at(self, t: float) -> tuple[int, Any, np.ndarray]:
        """Return how many D are out of range, room with the rates at a time, and the exponents (n_bundles, n LANES)."""
        kept = room(self.arguments, self.n_cells, True)
        exponents = np.zeros((len(self.kernel.points), self.n_cells * LANES))
        bad = _rates()(self.kernel.function, self.arguments, t, self.kernel.parameters, *kept[:2], exponents)
        return bad, kept, exponents


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
    def of(cls, grid: Grid, lines: tuple[DrivenLines, DrivenLines], t: float) -> DrivenPlane | None:
        """Return that of the lines of both axes; None where a coefficient is out of range."""
        families = []
        for axis, along in enumerate(lines):
            bad, (rates, _, _), exponents = along.at(t)
            if bad > 0 or not np.isfinite(rates).all():
                return None
            periodic = along.geometry[3]
            tails, heads, _, _ = neighbours(grid, axis, periodic=periodic)
            n, n_lines = grid.shape[axis], grid.shape[1 - axis]
            edges = np.moveaxis(exponents.reshape(-1, n, LANES), 1, 0).reshape(n, -1)[:, :n_lines]
            edges = edges if periodic else edges[:-1]
            families.append(Links((1 - axis, axis), tails, heads, np.ravel(edges if axis == 0 else edges.T)))
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
        lines: tuple[DrivenLines, DrivenLines],
        watched: tuple[int, ...],
        threads: int,
    ):
        super().__init__(generator, start, constant=False, fringe=fringe, threads=threads)
        self._driven, self._watched = lines, np.array(watched)

    def _march(self, t: float, dt: float, done: int, n_steps: int) -> tuple[int, int, float]:
        first, second = self._driven
        if self._threads > 1:
            tried, (taken, least) = 1, self._step_in_threads(t + done * dt + dt / 2, dt)
        else:
            tried = min(n_steps - done, max(1, CHUNK // len(self.masses)))
            taken, least = _driver()(
                first.kernel.function, second.kernel.function, first.arguments, second.arguments,
                first.kernel.parameters, t, dt, done, tried,
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
        new, entered = np.empty_like(self._plane), np.zeros((2, 2))
        along = room(self._driven[0].arguments, self._driven[0].n_cells, True)
        across = room(self._driven[1].arguments, self._driven[1].n_cells, False)
        for sweep, kept in enumerate((along, across, along)):
            walls = np.empty((len(self._driven[sweep % 2].kernel.points), 2))
            masses = self._plane if sweep == 0 else new
            part = partial(self._sweep_of_bundles, sweep, middle, dt, kept, masses, new, walls)
            if sum(self._side_by_side(part, len(walls))) > 0:
                return 0, np.nan
            add_rows(walls, entered[sweep % 2])
        least = accepted(new, entered, self._plane, self.absorbed, self._floor, self._watched, self.extremes)
        return int(least >= self._floor), least

    def _sweep_of_bundles(
        self,
        sweep: int,
        middle: float,
        dt: float,
        kept: Any,
        masses: np.ndarray,
        new: np.ndarray,
        walls: np.ndarray,
        first: int,
        end: int,
    ) -> int:
        """Take one of the three sweeps of a step on the bundles from ``first`` to before ``end``."""
        axis, lines = sweep % 2, self._driven[sweep % 2]
        a = STAGE * (dt if axis == 1 else dt / 2)
        if sweep == 2:  # with the factors of the first
            rates, exits, factors = kept
            tr_bdf2_bundles(rates, exits, a, factors, lines.way, masses, new, first, end, walls)
            return 0
        return _sweep()(
            lines.kernel.function, lines.arguments, lines.kernel.parameters, middle, a, kept, True, masses, new,
            first, end, walls,
        )  # fmt: skip

    def _backward_euler(self, t: float, dt: float) -> None:
        masses, lost, bad = self._plane.copy(), np.zeros((2, 2)), 0
        for axis, lines in enumerate(self._driven):
            beyond, (rates, exits, factors), _ = lines.at(t)
            bad += beyond
            factorise_lines(rates, exits, dt, factors)
            lost[axis] = backward_euler_lines(exits, dt, factors, lines.way, masses)
        if bad > 0 or not np.isfinite(masses[0, 0]):
            super()._backward_euler(t, dt)  # as in a march
        else:
            self._accept(masses.ravel(), lost.ravel())

    @property
    def _plane(self) -> np.ndarray:
        first, second = self._driven
        return self.masses.reshape(first.n_cells, second.n_cells)


def _type_of_lines() -> Any:
    """Return the type of the arguments of :class:`DrivenLines`."""
    f8, i8, flag = types.float64, types.int64, types.boolean
    way = types.Tuple((i8, i8[::1], i8[::1]))
    return types.Tuple((f8[:, :, ::1], f8[:, :, ::1], f8[::1], f8[::1], f8[:, ::1], flag, flag[::1], flag, way))


@cache
def _driver() -> Callable[..., tuple[int, float]]:
    f8, i8, coefficients, lines = types.float64, types.int64, type_of_coefficients(), _type_of_lines()
    signature = types.Tuple((i8, f8))(
        coefficients, coefficients, lines, lines, f8[::1],  # the process on the lines of both axes
        f8, f8, i8, i8,  # the times
        f8[:, ::1], f8[::1], f8, i8[::1], f8[::1],  # the masses
    )  # fmt: skip
    return kernel(signature)(march_split)


@cache
def _sweep() -> Callable[..., int]:
    """Return what the march has of :func:`sweep_of_lines`, for the coefficients of any process."""
    f8, i8 = types.float64, types.int64
    room_for_all = types.Tuple((f8[:, :, :, ::1], f8[:, :, ::1], f8[:, :, :, ::1]))
    signature = i8(
        type_of_coefficients(), _type_of_lines(), f8[::1], f8, f8, room_for_all, types.boolean,
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
    coefficients: Any,
    coefficients_across: Any,
    lines: Any,  # of the first axis, and of the second: see DrivenLines
    lines_across: Any,
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
    n, m = masses.shape
    new, entered = np.empty((n, m)), np.empty((2, 2))
    along, across = room(lines, n, True), room(lines_across, m, False)
    walls = np.empty((len(lines[0]), 2)), np.empty((len(lines_across[0]), 2))
    least = np.inf
    for done in range(n_steps):
        middle = t + (first + done) * dt + dt / 2
        entered[:] = 0.0
        for sweep in range(3):  # one call of the kernel: at each place LLVM compiles it anew
            axis = sweep % 2
            bad = sweep_of_lines(
                coefficients if axis == 0 else coefficients_across, lines if axis == 0 else lines_across, parameters,
                middle, STAGE * (dt if axis == 1 else dt / 2), along if axis == 0 else across, sweep < 2,
                masses if sweep == 0 else new, new, 0, len(walls[axis]), walls[axis],
            )  # fmt: skip
            if bad > 0:
                return done, np.nan
            add_rows(walls[axis], entered[axis])
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
    flat = rates.reshape(2, len(w))
    if silent:
        upwind(ratio, weights, lengths, per_edge, periodic, absorbs, flat, exits)
        return 0
    scharfetter_gummel(ratio, d, weights, lengths, per_edge, periodic, absorbs, flat, exits, w)
    return without
