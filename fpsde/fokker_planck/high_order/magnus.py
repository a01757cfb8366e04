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
jump moves no more than sqrt(3) times what it shows. Errors do not grow later on: their sum bounds that of the law.
Steps aim at half of the tolerance, in proportion to time. At a jump, be it that of the first instant, nothing but short
steps help, and their share is as short: there one may take an eighth of what is left if later ones move what they aim
at.

Coefficients that change by table, at steps of unit time, stand still between: there one exponential is exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from fpsde.errors import NotConverged
from fpsde.fokker_planck.coefficients import indefinite
from fpsde.fokker_planck.evolution import TOLERANCE, Trace
from fpsde.fokker_planck.high_order.chebyshev import carried_by_products
from fpsde.fokker_planck.high_order.differences import Differences, write_bands
from fpsde.fokker_planck.high_order.evolution import along_all, on_bands, trace_of, unreached, values_from, watched
from fpsde.fokker_planck.high_order.rational_bands import in_pieces, refined, room_for
from fpsde.fokker_planck.initial import Start
from fpsde.fokker_planck.rational import UNIT
from fpsde.fokker_planck.totals import distance
from fpsde.processes.process import Process
from fpsde.progress import progress_bar
from fpsde.validation import positive

#: What provenance calls the steps.
MAGNUS = "commutator-free Magnus steps of order 4"
#: The first step is this part of the time, and none is shorter than that part; the most steps.
FIRST, SHORTEST, MOST_STEPS = 1 / 16, 2.0**-44, 2**20
#: Steps aim at this part of the tolerance in all, and each is no shorter or longer than the last by more than a factor.
AIM, LARGEST_CHANGE = 0.5, 4.0
#: One step may take this part, or its share, of what is left of the tolerance if later ones move what they aim at.
AT_A_JUMP = 0.125
#: Each exponential may move this part of what its step may, and what round-off may in any case, however short it is.
PART = 0.02
#: A jump moves less than so many times what two halves of a step and the whole differ by.
SAFE = 2.0
#: The smallest number above zero that is divided by.
TINY = 1e-300
#: Tables are read this much before the next step of unit time.
INSIDE = 1e-8

#: mu ``(dim, *shape)`` and D ``(dim, dim, *shape)`` at the cell centres, as a function of time.
Coefficients = Callable[[float], tuple[np.ndarray, np.ndarray]]
#: exp(tL) of values, each the mass about its centre, from (mu, D, values, t, tolerance); and what it may have moved.
Exponential = Callable[[np.ndarray, np.ndarray, np.ndarray, float, float], tuple[np.ndarray, float]]


class Rule(NamedTuple):
    """Nodes in [0, 1], and the weights ``(2, n_nodes)`` of L there in the two exponents of a step, in turn."""

    nodes: tuple[float, ...]
    weights: np.ndarray


def rule(nodes: tuple[float, ...], weights: tuple[float, ...]) -> Rule:
    """Return the rule of order 4 whose quadrature has these ``weights``."""
    moment = 2 * (np.array(nodes) - 0.5)
    return Rule(nodes, np.array([0.5 - moment, 0.5 + moment]) * weights)


GAUSS = rule((0.5 - math.sqrt(3) / 6, 0.5 + math.sqrt(3) / 6), (0.5, 0.5))
SIMPSON = rule((0.0, 0.5, 1.0), (1 / 6, 2 / 3, 1 / 6))


def trace_of_driven(
    operator: Differences,
    coefficients: Coefficients,
    process: Any,
    start: Start,
    times: np.ndarray,
    tolerance: Any,
    *,
    progress: bool,
) -> Trace:
    """Return the masses at ``times[1:]``, reached from ``times[0]``; of ``operator`` any coefficients will do.

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
    march = March(operator, coefficients, times, wanted)
    values = values_from(operator, start.masses)
    masses = np.empty((len(times) - 1, operator.size))
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
            row[:] = along_all(operator, values, operator.stencils.average).ravel()
    seen = watched(operator, start, masses)
    return trace_of(operator, start, masses, seen, march.spent, march.n_steps, dt=march.dt, n_refused=march.n_refused)


def pieces(begin: float, end: float) -> Iterator[tuple[float, float]]:
    """Return the pieces of an interval between steps of unit time."""
    inner = np.arange(math.floor(begin + INSIDE) + 1, math.ceil(end - INSIDE), dtype=float)
    return pairwise([begin, *inner.tolist(), end])


class March:
    """Values at the cell centres in steps of their own length from ``times[0]`` to ``times[-1]``.

    ``spent`` is the mass that may have been moved so far, which stays below ``wanted``.
    """

    def __init__(self, operator: Differences, coefficients: Coefficients, times: np.ndarray, wanted: float):
        self._step, self._checked = exponentials(operator)
        self._coefficients, self._wanted = lru_cache(maxsize=8)(coefficients), wanted
        self._begin, self._end, self._time = float(times[0]), float(times[-1]), float(times[-1] - times[0])
        self.spent, self.n_steps, self.n_refused = 0.0, 0, 0
        self.dt = FIRST * self._time

    def carry(
        self, values: np.ndarray, t: float, stop: float, *, last: float, reached: Callable[[float], None]
    ) -> np.ndarray:
        """Return the values at ``stop``; no coefficient is read after ``last``."""

        def at(s: float) -> tuple[np.ndarray, np.ndarray]:
            return self._coefficients(min(s, last))

        while t < stop:
            count = math.ceil((stop - t) / self.dt * (1 - 1e-12))
            dt = (stop - t) / count
            end = stop if count == 1 else t + dt
            share = self._wanted * dt / self._time
            left = self._wanted * (1 - AIM * (self._end - end) / self._time) - self.spent
            found, differ, noise = doubled(self._step, at, values, t, dt, max(PART * share, UNIT))
            moved, known = SAFE * differ + noise, share + max(noise, UNIT)  # less than UNIT is round-off
            change = (AIM * known / max(SAFE * differ, TINY)) ** 0.25
            change = min(max(change, 1 / LARGEST_CHANGE), LARGEST_CHANGE) if moved < math.inf else 1 / LARGEST_CHANGE
            taken = moved <= max(min(share, left), AT_A_JUMP * left)
            if (not taken and dt <= SHORTEST * self._time) or self.n_refused + self.n_steps >= MOST_STEPS:
                raise NotConverged(
                    f"tolerance={self._wanted:g} is not reached: after {self.n_steps} steps one of {dt:.3g} from "
                    f"t={t:.6g} still moves {moved:.3g} of the mass; allow a larger tolerance, or use evolve"
                )
            if taken:
                values, t = found, end
                self.spent += moved
                self.n_steps += 1
                reached(t - self._begin)
            else:
                self.n_refused, change = self.n_refused + 1, min(change, 0.5)
            self.dt = dt * change
        return values

    def stand_still(self, values: np.ndarray, t: float, stop: float) -> np.ndarray:
        """Return the values at ``stop``, where L is the same at all times between."""
        share, coefficients = self._wanted * (stop - t) / self._time, self._coefficients(0.5 * (t + stop))
        found, moved = self._checked(*coefficients, values, stop - t, share)
        self.spent, self.dt = self.spent + moved, stop - t
        self.n_steps += 1
        return found


def doubled(
    exponential: Exponential, at: Coefficients, values: np.ndarray, t: float, dt: float, tolerance: float
) -> tuple[np.ndarray, float, float]:
    """Return the values after two halves of a step from ``t``, how much of the mass lies elsewhere after the whole.

    And how much more the exponentials may have moved, each ``tolerance``.
    """
    halves, noise = values, 0.0
    for begin in (t, t + 0.5 * dt):
        halves, moved = step(exponential, at, GAUSS, halves, begin, 0.5 * dt, tolerance)
        noise += moved
    whole, moved = step(exponential, at, SIMPSON, values, t, dt, tolerance)
    return halves, 0.5 * float(distance(halves.ravel(), whole.ravel())), noise + moved


def step(
    exponential: Exponential, at: Coefficients, by: Rule, values: np.ndarray, t: float, dt: float, tolerance: float
) -> tuple[np.ndarray, float]:
    """Return the values after one step, and how much of the mass its exponentials may have moved."""
    nodes = [at(t + c * dt) for c in by.nodes]
    drifts, diffusivities = (summed(by.weights, np.array(each)) for each in zip(*nodes, strict=True))
    if any(indefinite(each).any() for each in diffusivities):
        for each in drifts, diffusivities:
            each[:] = each.mean(axis=0)
    noise = 0.0
    for drift, diffusivity in zip(drifts, diffusivities, strict=True):
        values, moved = exponential(drift, diffusivity, values, dt, tolerance)
        noise += moved
    return values, noise


def summed(weights: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    """Return the sums over the first axis of ``nodes`` with ``weights`` (2, n_nodes)."""
    return (weights @ nodes.reshape(len(nodes), -1)).reshape(len(weights), *nodes.shape[1:])


def exponentials(operator: Differences) -> tuple[Exponential, Exponential]:
    """Return the exponential of steps, and one that keeps to its tolerance by itself.

    On a line that of steps is taken in one piece, which is not held against two: whole and halved steps are.
    """
    if not on_bands(operator):
        volume = math.prod(operator.widths)

        def by_products(
            drift: np.ndarray, diffusivity: np.ndarray, values: np.ndarray, t: float, tolerance: float
        ) -> tuple[np.ndarray, float]:
            found, moved, _ = carried_by_products(operator.at(drift, diffusivity), values / volume, t, tolerance)
            return volume * found, moved

        return by_products, by_products
    s, (width,) = operator.stencils, operator.widths
    bands, room = np.empty_like(operator.bands), room_for(operator.size, s.reach)

    def in_one_piece(
        drift: np.ndarray, diffusivity: np.ndarray, values: np.ndarray, t: float, tolerance: float
    ) -> tuple[np.ndarray, float]:
        found = np.empty_like(values)
        write_bands(drift[0], diffusivity[0, 0], s.first, s.second, width, bands)
        in_pieces(bands, s.distances, values, t, 1, room, found)
        return found, UNIT

    def in_enough_pieces(
        drift: np.ndarray, diffusivity: np.ndarray, values: np.ndarray, t: float, tolerance: float
    ) -> tuple[np.ndarray, float]:
        found = np.empty_like(values)
        moved, halved, _ = refined(operator.at(drift, diffusivity).bands, s.distances, values, t, tolerance, found)
        if not moved <= tolerance:
            raise unreached(tolerance, halved, moved, t)
        return found, moved

    return in_one_piece, in_enough_pieces
