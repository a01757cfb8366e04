"""Cell masses of a plane carried through time: by sparse factors of the whole Q, or line by line.

Unsplit, a step is TR-BDF2 with Q, whatever its edges are. The sparse factors of I - aQ are taken without pivoting: all
entries beside the pivots are negative, so that solves subtract nothing and keep masses positive.

Split (Strang, SIAM J. Numer. Anal. 5 (1968) 506), where all edges lie along the axes: half a step along the first, a
step along the second, half a step along the first, each of them TR-BDF2 on every line (or exact: ``exact_lines.py``),
with the coefficients of the middle of the step. Order 2 too, and many times faster. Under detailed balance the currents
along each axis vanish separately in the stationary law, which therefore stays exact at any dt; one with a current moves
by O(dt^2).

Lines of one axis do not know of each other, so threads step them side by side, and the masses have the same bits.

Either way a step that would leave a negative mass is refused and taken as two halves, and nothing is clipped.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from fpsde.arrays import host
from fpsde.fokker_planck.initial import Start
from fpsde.fokker_planck.plane.generator import PlaneGenerator
from fpsde.fokker_planck.plane.lines import backward_euler_lines, factorise_lines, in_bundles, tr_bdf2_bundles
from fpsde.fokker_planck.stepper import KEPT, DampedStepper, Stepper
from fpsde.fokker_planck.tridiagonal import GAMMA, STAGE, WEIGHT
from fpsde.optional import optional

sparse, direct = optional("scipy.sparse"), optional("scipy.sparse.linalg")

#: Cells of a plane from which on threads are woken for a sweep: a smaller one is over before they are up.
THREADED = 2**16

#: The sparse factors that SciPy's splu returns.
Factors = Any


def factors(matrix: Any) -> Factors:
    """Return the sparse factors of an M-matrix, such as I - aQ or its transpose, without pivoting."""
    return direct.splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})


def implicit_factors(q: PlaneGenerator, a: float) -> Factors:
    """Return the factors of I - aQ."""
    return factors(sparse.csc_array(sparse.eye_array(q.size, format="csc") - a * q.matrix))


class PlanePropagator(Stepper):
    """The cells of a plane in time; ``fringe`` (4, n) marks the cells that are watched at each end."""

    def __init__(
        self, generator: Callable[[float], PlaneGenerator], start: Start, *, constant: bool, fringe: np.ndarray
    ):
        super().__init__(start)
        self._fringe = fringe
        self._constant = constant
        self._generator = lru_cache(maxsize=4)(generator)

    def _march(self, t: float, dt: float, done: int, n_steps: int) -> tuple[int, int, float]:
        """Try one step."""
        masses, lost = self._stepped(t + done * dt, dt)
        least = float(masses.min())
        if not least >= self._floor:
            return 0, 1, least
        self._accept(masses, lost)
        return 1, 1, least

    def _accept(self, masses: np.ndarray, lost: np.ndarray) -> None:
        self.masses = masses
        self.absorbed += lost
        self.extremes[0] = min(self.extremes[0], float(masses.min()))
        self.extremes[1:] = np.maximum(self.extremes[1:], host(self._fringe @ masses))
        self.n_steps += 1

    def _at(self, t: float) -> PlaneGenerator:
        return self._generator(self._key(t))

    def _key(self, t: float) -> float:
        return 0.0 if self._constant else t

    def _max_rate(self, t: float) -> float:
        return self._at(t).max_rate

    @abstractmethod
    def _stepped(self, t: float, dt: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the masses ``(n,)`` after a step from ``t``, and what entered the walls ``(4,)``."""


class WholePropagator(DampedStepper, PlanePropagator):
    """Steps of TR-BDF2 with the whole of Q."""

    def __init__(
        self, generator: Callable[[float], PlaneGenerator], start: Start, *, constant: bool, fringe: np.ndarray
    ):
        super().__init__(generator, start, constant=constant, fringe=fringe)
        self._factors = lru_cache(maxsize=KEPT)(self._factorise)

    def _stepped(self, t: float, dt: float) -> tuple[np.ndarray, np.ndarray]:
        begin, middle, end = (self._at(time) for time in (t, t + GAMMA * dt, t + dt))
        a = STAGE * dt
        moved, lost = a * begin.apply(self.masses), a * (begin.exits @ self.masses)
        u = self._factors(self._key(t + GAMMA * dt), a).solve(self.masses + moved)
        moved, lost = WEIGHT * (moved + a * middle.apply(u)), WEIGHT * (lost + a * (middle.exits @ u))
        new = self._factors(self._key(t + dt), a).solve(self.masses + moved)
        return self.masses + (moved + a * end.apply(new)), lost + a * (end.exits @ new)

    def _backward_euler(self, t: float, dt: float) -> None:
        new, q = self._factors(self._key(t), dt).solve(self.masses), self._at(t)
        self._accept(new, dt * (q.exits @ new))

    def _factorise(self, t: float, a: float) -> Factors:
        return implicit_factors(self._generator(t), a)


class StrangPropagator(PlanePropagator):
    """Strang steps along the lines of the two axes in turn."""

    def _stepped(self, t: float, dt: float) -> tuple[np.ndarray, np.ndarray]:
        lost, middle = np.zeros(4), self._key(t + dt / 2)
        masses = self.masses.reshape(self._shape(middle)).copy()
        for axis, part in ((0, dt / 2), (1, dt), (0, dt / 2)):
            masses, entered = self._swept(middle, axis, part, masses)
            lost[2 * axis : 2 * axis + 2] += entered
        return masses.reshape(-1), lost

    def _shape(self, t: float) -> tuple[int, ...]:
        """Return the shape of the plane, from the generator at ``t``."""
        return self._at(t).grid.shape

    @abstractmethod
    def _swept(self, t: float, axis: int, dt: float, masses: Any) -> tuple[Any, np.ndarray]:
        """Return the plane after a time ``dt`` along an axis, which may be ``masses``, and what entered its walls (2,).

        Coefficients are those at ``t``.
        """


class SplitPropagator(DampedStepper, StrangPropagator):
    """Strang steps of TR-BDF2 on lines; those of large planes in so many ``threads``."""

    def __init__(
        self,
        generator: Callable[[float], PlaneGenerator],
        start: Start,
        *,
        constant: bool,
        fringe: np.ndarray,
        threads: int = 1,
    ):
        super().__init__(generator, start, constant=constant, fringe=fringe)
        self._threads = threads if len(self.masses) >= THREADED else 1
        self._lines = lru_cache(maxsize=4)(self._lines_of)
        self._factors = lru_cache(maxsize=KEPT)(self._factorise)

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        """The threads beside this one, made when there is work for them."""
        return ThreadPoolExecutor(self._threads - 1)

    def _backward_euler(self, t: float, dt: float) -> None:
        self._accept(*self._damped_step(t, dt))

    def _damped_step(self, t: float, dt: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the masses ``(n,)`` after backward Euler along both axes, at ``t``, and what entered the walls."""
        lost, end = np.zeros(4), self._key(t)
        masses = self.masses.reshape(self._shape(end)).copy()
        for axis in (0, 1):
            masses, lost[2 * axis : 2 * axis + 2] = self._damped(end, axis, dt, masses)
        return masses.reshape(-1), lost

    def _swept(self, t: float, axis: int, dt: float, masses: Any) -> tuple[Any, np.ndarray]:
        (rates, exits), a = self._lines(t, axis), STAGE * dt
        factors, entered = self._factors(t, axis, a), np.empty((len(rates), 2))

        def step(first: int, end: int) -> None:
            tr_bdf2_bundles(rates, exits, a, factors, axis, masses, masses, first, end, entered)

        self._side_by_side(step, len(rates))
        return masses, entered.sum(axis=0)

    def _side_by_side(self, step: Callable[[int, int], Any], n_bundles: int) -> list[Any]:
        """Return what ``step`` returns for the bundles from one to before another, of one part for each thread."""
        cuts = np.linspace(0, n_bundles, self._threads + 1).astype(int).tolist()
        others = [self._pool.submit(step, *part) for part in pairwise(cuts[1:])]
        return [step(*cuts[:2]), *(other.result() for other in others)]

    def _damped(self, t: float, axis: int, dt: float, masses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the plane after backward Euler on the lines of an axis, and what entered their walls ``(2,)``."""
        _, exits = self._lines(t, axis)
        return masses, backward_euler_lines(exits, dt, self._factors(t, axis, dt), axis, masses)

    def _lines_of(self, t: float, axis: int) -> tuple[np.ndarray, np.ndarray]:
        rates, exits = self._generator(t).lines(axis)
        return in_bundles(rates), in_bundles(exits)

    def _factorise(self, t: float, axis: int, a: float) -> np.ndarray:
        rates, exits = self._lines(t, axis)
        ring = bool(rates[:, 0, 0].any() or rates[:, 1, -1].any())
        factors = np.empty((len(rates), 5 if ring else 3, *rates.shape[2:]))
        factorise_lines(rates, exits, a, factors)
        return factors
