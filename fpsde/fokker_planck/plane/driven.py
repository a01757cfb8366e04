"""Strang steps of a plane whose coefficients depend on time: coefficients, fluxes and steps in one compiled loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache, partial
from typing import Any

import numpy as np

from fpsde.fokker_planck.coefficient_kernel import STILL
from fpsde.fokker_planck.driven import type_of_coefficients
from fpsde.fokker_planck.elimination import factorise_lanes
from fpsde.fokker_planck.initial import Start
from fpsde.fokker_planck.lanes import LANES
from fpsde.fokker_planck.plane.driven_lines import (
    DrivenLines,
    bundles_in_room,
    rates_of_bundle,
    type_of_lines,
)
from fpsde.fokker_planck.plane.generator import PlaneGenerator
from fpsde.fokker_planck.plane.lines import (
    add_rows,
    backward_euler_lines,
    factorise_lines,
    tr_bdf2_bundle,
)
from fpsde.fokker_planck.plane.propagator import SplitPropagator, there_and_back
from fpsde.fokker_planck.propagator import CHUNK
from fpsde.fokker_planck.seven_points import NEIGHBOURS
from fpsde.fokker_planck.tridiagonal import STAGE, smallest
from fpsde.jit import kernel
from fpsde.optional import optional

types = optional("numba.core.types")


class DrivenSplitPropagator(SplitPropagator):
    """The cells of a plane whose coefficients depend on time, along its axes or with diagonals, by its ``lines``.

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
        whole: bool,
    ):
        super().__init__(generator, start, constant=False, fringe=fringe, threads=threads, whole=whole)
        self._driven, self._cells, self._watched = lines, shape, np.array(watched)
        *others, last = lines
        self._kept = (*(each.room(True) for each in others), last.room(False))
        self._walls = tuple(np.empty((len(each.kernel.points), 2)) for each in lines)
        functions, arguments = (each.kernel.function for each in lines), (each.arguments for each in lines)
        of_each = (_filled(values) for values in (arguments, self._kept, self._walls))
        self._turns = there_and_back(len(lines))
        self._arguments = *_filled(functions), *of_each, *self._turns, lines[0].kernel.parameters

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
        new, entered = self._plane.copy(), np.zeros((2, 2))
        for k, part, fresh in zip(*self._turns, strict=True):
            sweep = partial(self._sweep_of_bundles, k, middle, STAGE * (part * dt), fresh, new)
            if sum(self._side_by_side(sweep, len(self._walls[k]))) > 0:
                return 0, np.nan
            add_rows(self._walls[k], entered[self._driven[k].way[0]])
        least = accepted(new, entered, self._plane, self.absorbed, self._floor, self._watched, self.extremes)
        return int(least >= self._floor), least

    def _sweep_of_bundles(
        self, k: int, middle: float, a: float, fresh: bool, new: np.ndarray, first: int, end: int
    ) -> int:
        """Take a sweep on the lines ``k``, for the bundles from ``first`` to before ``end``."""
        lines = self._driven[k]
        return _sweep()(
            *lines.functions, lines.arguments, lines.kernel.parameters, middle, a, self._kept[k], fresh, new,
            first, end, self._walls[k],
        )  # fmt: skip

    def _backward_euler(self, t: float, dt: float) -> None:
        masses, lost, bad = self._plane.copy(), np.zeros((2, 2)), 0
        for lines in self._driven:
            beyond, (rates, exits, factors, _), _ = lines.at(t)
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


def _type_of_room() -> Any:
    f8 = types.float64
    return types.Tuple((f8[:, :, :, ::1], f8[:, :, ::1], f8[:, :, :, ::1], types.boolean[::1]))


@cache
def _driver() -> Callable[..., tuple[int, float]]:
    f8, i8 = types.float64, types.int64
    functions, of_each = [type_of_coefficients()] * len(NEIGHBOURS), (type_of_lines(), _type_of_room(), f8[:, ::1])
    signature = types.Tuple((i8, f8))(
        *functions, *(types.UniTuple(kind, len(NEIGHBOURS)) for kind in of_each),  # the process
        i8[::1], f8[::1], types.boolean[::1], f8[::1],
        f8, f8, i8, i8,  # the times
        f8[:, ::1], f8[::1], f8, i8[::1], f8[::1],  # the masses
    )  # fmt: skip
    return kernel(signature)(march_split)


@cache
def _sweep() -> Callable[..., int]:
    """Return what the march has of :func:`sweep_of_lines`, for the coefficients of any process."""
    f8, i8 = types.float64, types.int64
    signature = i8(
        *[type_of_coefficients()] * 3, type_of_lines(), f8[::1], f8, f8, _type_of_room(), types.boolean,
        f8[:, ::1], i8, i8, f8[:, ::1],
    )  # fmt: skip
    return sweep_of_lines.compile(signature)


def march_split(
    first_function: Any,  # of the coefficients on the lines of each way, in the order in which a step takes them
    second_function: Any,
    third_function: Any,
    last_function: Any,
    lines: Any,  # see DrivenLines
    kept: Any,  # room for their rates and factors, none for the last
    walls: Any,  # (n_bundles, 2) for each
    ways: Any,  # those that a step takes in turn, by their number: see Turns
    parts: Any,
    fresh: Any,
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
    new, entered = masses.copy(), np.empty((2, 2))
    least = np.inf
    for done in range(n_steps):
        middle = t + (first + done) * dt + dt / 2
        entered[:] = 0.0
        for turn in range(len(ways)):  # one call of the kernel: at each place LLVM compiles it anew
            k = ways[turn]
            coefficients = (  # a tuple of functions is not one that Numba knows without a warning
                first_function if k == 0 else second_function if k == 1 else third_function if k == 2 else last_function
            )
            bad = sweep_of_lines(
                coefficients, first_function, third_function, lines[k], parameters, middle, STAGE * (parts[turn] * dt),
                kept[k], fresh[turn], new, 0, len(walls[k]), walls[k],
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
def sweep_of_lines(coefficients, rising, falling, lines, parameters, t, a, kept, fresh, masses, first, end, walls):
    """Take a step of TR-BDF2 in place on the bundles of lines from ``first`` to before ``end``.

    Returns how many D are out of range. What enters the walls from each bundle goes to its row of ``walls``
    (n_bundles, 2). A bundle is done with while its rates and factors are in the cache: where there is a room
    ``kept`` for all of them they stay there, and are those of the sweep before unless they are to be made ``fresh``.
    A bundle that nothing moves on is left as it is.
    """
    way, ring = lines[8], lines[5]
    n = lines[4].shape[2] // LANES
    own, keeps = bundles_in_room(1, n, ring), len(kept[0]) > 0
    points, scratch = lines[0], np.empty((3, n, LANES))
    ratio, d, w = np.empty(points.shape[2] - n * LANES), np.empty(n * LANES), np.empty(n * LANES)
    bad = 0
    for k in range(first, end):
        at = kept if keeps else own
        place = k if keeps else 0
        rates, exits, factors, still = at[0][place], at[1][place], at[2][place], at[3]
        if fresh:
            found = rates_of_bundle(coefficients, rising, falling, lines, k, t, parameters, rates, exits, ratio, d, w)
            still[place] = found == STILL
            if not still[place]:
                bad += found
                factorise_lanes(rates[0], rates[1], exits, a, factors)
        if still[place]:
            walls[k] = 0.0
        else:
            tr_bdf2_bundle(rates, exits, a, factors, way, k, masses, masses, scratch, walls[k])
    return bad
