"""A law whose coefficients depend on time, to high order: steps of two exponentials, of order 4 in dt.

The commutator-free Magnus integrator (Blanes & Moan, Appl. Numer. Math. 56 (2006) 1519) has, with the integral of L
over a step and its first moment about the middle,

    p(t + dt) ~ exp(A/2 + 2 B) exp(A/2 - 2 B) p(t),      A = int L(s) ds,      B = int (s - t - dt/2)/dt L(s) ds,

both from L at a few nodes. There are no commutators in it: a sum of some L(s) is a Fokker-Planck operator, with the
sums of their drifts and diffusivities, and its exponential is that of coefficients that stand still. One weight in each
exponent is negative. Where D changes so much over a step, about tenfold, that a sum of diffusivities would be negative,
B is left out of that step, which is then of order 2. For an L that is not bounded the order stays 4 where laws are
smooth (Thalhammer, SIAM J. Numer. Anal. 44 (2006) 851); at walls it would fall, but central differences take none.

A step is taken in two halves, each with Gauss's two nodes, and beside them as a whole, with Simpson's three. Twice what
the two differ by bounds the error of the halves, which is some thirty times smaller where coefficients are smooth. With
nodes of the same kind a jump could lie where neither sees it. Of these, no place has the same weight before it, and a
jump moves no more than sqrt(3) times what it shows. Errors do not grow later on: their sum bounds that of the law, and
is kept below the tolerance in proportion to time. What smooth stretches leave may be spent at a jump, where nothing but
short steps help.

Coefficients that change by table, at steps of unit time, stand still between: there one exponential is exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from fpsde.errors import NotConverged
from fpsde.fokker_planck.coefficients import indefinite
from fpsde.fokker_planck.evolution import TOLERANCE, Trace
from fpsde.fokker_planck.high_order.chebyshev import carried_by_products
from fpsde.fokker_planck.high_order.differences import Differences
from fpsde.fokker_planck.high_order.evolution import along_all, on_bands, trace_of, unreached, values_from
from fpsde.fokker_planck.high_order.rational_bands import carried_at_once, refined
from fpsde.fokker_planck.initial import Start
from fpsde.fokker_planck.rational import UNIT
from fpsde.fokker_planck.totals import distance
from fpsde.processes.process import Process
from fpsde.progress import progress_bar
from fpsde.validation import positive

#: What provenance calls the steps.
MAGNUS = "commutator-free Magnus steps of order 4"
#: The first step is this part of the time, and none is shorter than that part; the most steps.
FIRST, SHORTEST, MOST_STEPS = 1 / 16, 2.0**-44, 2**16
#: The next step aims at this part of its share of the tolerance, and is no shorter or longer by more than a factor.
AIM, LARGEST_CHANGE = 0.5, 4.0
#: Each exponential may move this part of what its step may.
PART = 0.02
#: A jump moves less than so many times what two halves of a step and the whole differ by.
SAFE = 2.0
#: The smallest number above zero that is divided by.
TINY = 1e-300
#: Tables are read this much before the next step of unit time.
INSIDE = 1e-8

#: L at a time.
Operators = Callable[[float], Differences]


class Rule(NamedTuple):
    """Nodes in [0, 1], and the weights of L there in the two exponents of a step, the first to act first."""

    nodes: tuple[float, ...]
    exponents: tuple[tuple[float, ...], tuple[float, ...]]


def rule(nodes: tuple[float, ...], weights: tuple[float, ...]) -> Rule:
    """Return the rule of order 4 whose quadrature has these ``weights``."""
    first = tuple(w * (0.5 - 2 * (c - 0.5)) for c, w in zip(nodes, weights, strict=True))
    second = tuple(w * (0.5 + 2 * (c - 0.5)) for c, w in zip(nodes, weights, strict=True))
    return Rule(nodes, (first, second))


GAUSS = rule((0.5 - math.sqrt(3) / 6, 0.5 + math.sqrt(3) / 6), (0.5, 0.5))
SIMPSON = rule((0.0, 0.5, 1.0), (1 / 6, 2 / 3, 1 / 6))


def trace_of_driven(
    operators: Operators, process: Any, start: Start, times: np.ndarray, tolerance: Any, *, progress: bool
) -> Trace:
    """Return the masses at ``times[1:]``, reached from ``times[0]``.

    ``time_error``, at most ``tolerance``, bounds what steps and exponentials have moved. ``n_steps`` counts the steps,
    in two halves each, and ``n_refused`` those that were not taken.

    Raises
    ------
    InvalidInput
        as :func:`~fpsde.fokker_planck.high_order.evolution.trace_at_high_order`
    NotConverged
        a tolerance that is not reached
    """
    wanted = positive("tolerance", TOLERANCE if tolerance is None else tolerance)
    first = operators(times[0])
    march = March(lru_cache(maxsize=8)(operators), times, wanted)
    values = values_from(first, start.masses)
    masses = np.empty((len(times) - 1, first.size))
    tables = isinstance(process, Process) and bool(process.tables)
    still = tables and process.piecewise_constant
    with progress_bar("steps", total=float(times[-1] - times[0]), shown=progress) as show:
        for row, (begin, end) in zip(masses, pairwise(times.tolist()), strict=True):
            for t, stop in pieces(begin, end) if tables else [(begin, end)]:
                if still:
                    values = march.stand_still(values, t, stop)
                else:
                    values = march.carry(values, t, stop, last=stop - INSIDE if tables else stop, reached=show)
                show(stop - times[0])
            row[:] = along_all(first, values, first.stencils.average).ravel()
    return trace_of(first, start, masses, march.spent, march.n_steps, march.dt, march.n_refused)


def pieces(begin: float, end: float) -> Iterator[tuple[float, float]]:
    """Return the pieces of an interval between steps of unit time."""
    inner = np.arange(math.floor(begin + INSIDE) + 1, math.ceil(end - INSIDE), dtype=float)
    return pairwise([begin, *inner.tolist(), end])


class March:
    """Values at the cell centres in steps of their own length from ``times[0]`` to ``times[-1]``.

    ``spent`` is the mass that may have been moved so far, which stays below ``wanted`` in proportion to time.
    """

    def __init__(self, operators: Operators, times: np.ndarray, wanted: float):
        self._operators, self._wanted = operators, wanted
        self._begin, self._time = float(times[0]), float(times[-1] - times[0])
        self.spent, self.n_steps, self.n_refused = 0.0, 0, 0
        self.dt = FIRST * self._time

    def carry(
        self, values: np.ndarray, t: float, stop: float, *, last: float, reached: Callable[[float], None]
    ) -> np.ndarray:
        """Return the values at ``stop``; no coefficient is read after ``last``."""

        def at(s: float) -> Differences:
            return self._operators(min(s, last))

        while t < stop:
            count = math.ceil((stop - t) / self.dt * (1 - 1e-12))
            dt = (stop - t) / count
            end = stop if count == 1 else t + dt
            share = self._wanted * dt / self._time
            found, differ, noise = doubled(at, values, t, dt, PART * share)
            moved, change = SAFE * differ + noise, (AIM * (share + noise) / max(SAFE * differ, TINY)) ** 0.25
            if self.spent + moved <= self._wanted * (end - self._begin) / self._time:
                values, t = found, end
                self.spent += moved
                self.n_steps += 1
                reached(t - self._begin)
            else:
                self.n_refused, change = self.n_refused + 1, min(change, 0.5)
                if dt <= SHORTEST * self._time or self.n_refused + self.n_steps >= MOST_STEPS:
                    raise self._too_many(t, dt, moved)
            self.dt = dt * min(max(change, 1 / LARGEST_CHANGE), LARGEST_CHANGE)
        return values

    def stand_still(self, values: np.ndarray, t: float, stop: float) -> np.ndarray:
        """Return the values at ``stop``, where L is the same at all times between."""
        share = self._wanted * (stop - t) / self._time
        found, moved, _ = exponential(self._operators(0.5 * (t + stop)), values, stop - t, share)
        self.spent, self.dt = self.spent + moved, stop - t
        self.n_steps += 1
        return found

    def _too_many(self, t: float, dt: float, moved: float) -> NotConverged:
        return NotConverged(
            f"tolerance={self._wanted:g} is not reached: after {self.n_steps} steps one of {dt:.3g} from t={t:.6g} "
            f"still moves {moved:.3g} of the mass; allow a larger tolerance, or use evolve"
        )


def doubled(
    at: Operators, values: np.ndarray, t: float, dt: float, tolerance: float
) -> tuple[np.ndarray, float, float]:
    """Return the values after two halves of a step from ``t``, how much of the mass lies elsewhere after the whole.

    And how much more the exponentials may have moved, each ``tolerance``.
    """
    halves, noise = values, 0.0
    for begin in (t, t + 0.5 * dt):
        halves, moved = step(at, GAUSS, halves, begin, 0.5 * dt, tolerance)
        noise += moved
    whole, moved = step(at, SIMPSON, values, t, dt, tolerance)
    return halves, 0.5 * float(distance(halves.ravel(), whole.ravel())), noise + moved


def step(
    at: Operators, by: Rule, values: np.ndarray, t: float, dt: float, tolerance: float
) -> tuple[np.ndarray, float]:
    """Return the values after one step, and how much of the mass its exponentials may have moved, as `doubled`."""
    nodes, noise = [at(t + c * dt) for c in by.nodes], 0.0
    exponents = [combined(nodes, weights) for weights in by.exponents]
    if any(indefinite(operator.diffusivity).any() for operator in exponents):
        exponents = [combined(exponents, (0.5, 0.5))] * 2
    for operator in exponents:
        values, moved = once(operator, values, dt, tolerance)
        noise += moved
    return values, noise


def combined(operators: list[Differences], weights: tuple[float, ...]) -> Differences:
    """Return the sum of operators on one grid, with their weights: it is linear in the coefficients."""
    first, *others = operators
    drift, diffusivity = weights[0] * first.drift, weights[0] * first.diffusivity
    for w, each in zip(weights[1:], others, strict=True):
        drift += w * each.drift
        diffusivity += w * each.diffusivity
    return replace(first, drift=drift, diffusivity=diffusivity)


def once(operator: Differences, values: np.ndarray, t: float, tolerance: float) -> tuple[np.ndarray, float]:
    """Return exp(tL) of values, each the mass about its centre, and how much of the mass was moved.

    On a line in one piece, which is not held against two: whole and halved steps are.
    """
    if on_bands(operator):
        return carried_at_once(operator.bands, operator.stencils.distances, values, t), UNIT
    found, moved, _ = exponential(operator, values, t, tolerance)
    return found, moved


def exponential(operator: Differences, values: np.ndarray, t: float, tolerance: float) -> tuple[np.ndarray, float, int]:
    """As :func:`once`, with an error of at most ``tolerance`` by itself, and the number of products or solves."""
    if not on_bands(operator):
        volume = math.prod(operator.widths)
        found, moved, used = carried_by_products(operator, values / volume, t, tolerance)
        return volume * found, moved, used
    found = np.empty_like(values)
    moved, pieces, used = refined(operator.bands, operator.stencils.distances, values, t, tolerance, found)
    if not moved <= tolerance:
        raise unreached(tolerance, pieces, moved, t)
    return found, moved, used
