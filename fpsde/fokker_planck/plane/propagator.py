"""Cell masses of a plane carried through time: by sparse factors of the whole Q, or line by line.

Unsplit, a step is TR-BDF2 with Q, whatever its edges are. The sparse factors of I - aQ are taken without pivoting: all
entries beside the pivots are negative, so that solves subtract nothing and keep masses positive.

Split (Strang, SIAM J. Numer. Anal. 5 (1968) 506), where all edges lie along the axes: half a step along the first, a
step along the second, half a step along the first, each of them TR-BDF2 on every line (or exact: ``exact_lines.py``),
with the coefficients of the middle of the step. Where noise is correlated, edges lie along diagonals too, and these are
lines like the axes: half a step along each but the last, a step along the last, and the halves backwards. Order 2 too,
and many times faster. Under detailed balance the currents along each edge vanish separately in the stationary law,
which therefore stays exact at any dt; one with a current moves by O(dt^2).

Lines of one axis do not know of each other, so threads step them side by side, and the masses have the same bits.

Either way a step that would leave a negative mass is refused and taken as two halves, and nothing is clipped.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from fpsde.arrays import host
from fpsde.cached import Kept, cached_property
from fpsde.errors import InvalidInput
from fpsde.fokker_planck.initial import Start
from fpsde.fokker_planck.plane.generator import PlaneGenerator
from fpsde.fokker_planck.plane.lines import Way, backward_euler_lines, factorise_lines, in_bundles, tr_bdf2_bundles
from fpsde.fokker_planck.stepper import KEPT, DampedStepper, Stepper
from fpsde.fokker_planck.tridiagonal import GAMMA, STAGE, WEIGHT
from fpsde.optional import optional

sparse, direct = optional("scipy.sparse"), optional("scipy.sparse.linalg")

#: Cells of a plane from which on threads are woken for a sweep: a smaller one is over before they are up.
THREADED = 2**16

#: How far apart the cells at the ends of an edge lie, and that of the edges along each axis.
Offset = tuple[int, int]
AXES: tuple[Offset, Offset] = ((1, 0), (0, 1))

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


class DampedPlanePropagator(DampedStepper, PlanePropagator):
    """The cells of a plane in steps of which the first is damped."""

    def _backward_euler(self, t: float, dt: float) -> None:
        self._accept(*self._damped_step(t, dt))

    @abstractmethod
    def _damped_step(self, t: float, dt: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the masses ``(n,)`` after backward Euler that ends at ``t``, and what entered the walls ``(4,)``."""


class WholePropagator(DampedPlanePropagator):
    """Steps of TR-BDF2 with the whole of Q."""

    def __init__(
        self, generator: Callable[[float], PlaneGenerator], start: Start, *, constant: bool, fringe: np.ndarray
    ):
        super().__init__(generator, start, constant=constant, fringe=fringe)
        self._factors: Kept[Factors] = Kept(KEPT)

    def _stepped(self, t: float, dt: float) -> tuple[np.ndarray, np.ndarray]:
        begin, middle, end = (self._at(time) for time in (t, t + GAMMA * dt, t + dt))
        a = STAGE * dt
        moved, lost = a * begin.apply(self.masses), a * (begin.exits @ self.masses)
        u = self._factors_at(t + GAMMA * dt, a).solve(self.masses + moved)
        moved, lost = WEIGHT * (moved + a * middle.apply(u)), WEIGHT * (lost + a * (middle.exits @ u))
        new = self._factors_at(t + dt, a).solve(self.masses + moved)
        return self.masses + (moved + a * end.apply(new)), lost + a * (end.exits @ new)

    def _damped_step(self, t: float, dt: float) -> tuple[np.ndarray, np.ndarray]:
        new = self._factors_at(t, dt).solve(self.masses)
        return new, dt * (self._at(t).exits @ new)

    def _factors_at(self, t: float, a: float) -> Factors:
        return self._factors.get(self._factorise, self._key(t), a)

    def _factorise(self, t: float, a: float) -> Factors:
        return implicit_factors(self._generator(t), a)


class Turns(NamedTuple):
    """Sweeps in their order: the number of the offset, the part of a step, and whether it is met for the first time."""

    offsets: np.ndarray
    parts: np.ndarray
    first: np.ndarray


@lru_cache(maxsize=16)
def there_and_back(n_offsets: int) -> Turns:
    """Return the sweeps of a symmetric step, which every loop over them walks, compiled or not.

    Half a step along each offset but the last, all of it along that one, and the halves again, backwards.
    """
    there = np.arange(n_offsets)
    offsets = np.r_[there, there[-2::-1]]
    return Turns(offsets, np.where(offsets == there[-1], 1.0, 0.5), np.arange(len(offsets)) < n_offsets)


def sweeps_of_step(offsets: Sequence[Offset], dt: float) -> Iterator[tuple[Offset, float]]:
    """Yield the offsets along which a symmetric step goes, in turn, and for what time."""
    for k, part, _ in zip(*there_and_back(len(offsets)), strict=True):
        yield offsets[k], float(part * dt)


class StrangPropagator(PlanePropagator):
    """Strang steps along the lines of the two axes in turn, or of every offset between cells."""

    def _stepped(self, t: float, dt: float) -> tuple[np.ndarray, np.ndarray]:
        lost, middle = np.zeros((2, 2)), self._key(t + dt / 2)
        masses = self.masses.reshape(self._shape(middle)).copy()
        for offset, part in sweeps_of_step(self._offsets(middle), dt):
            masses, entered = self._swept(middle, offset, part, masses)
            _enter(lost, offset, entered)
        return masses.reshape(-1), lost.ravel()

    def _offsets(self, t: float) -> tuple[Offset, ...]:
        """Return the offsets of the edges, from the generator at ``t``."""
        return self._at(t).offsets

    def _shape(self, t: float) -> tuple[int, ...]:
        """Return the shape of the plane, from the generator at ``t``."""
        return self._at(t).grid.shape

    @abstractmethod
    def _swept(self, t: float, offset: Offset, dt: float, masses: Any) -> tuple[Any, np.ndarray]:
        """Return the plane after a time ``dt`` on the lines of an offset, and what entered the walls at their ends.

        The plane may be ``masses``, and coefficients are those at ``t``. What entered is ``(2,)``.
        """


def _enter(lost: np.ndarray, offset: Offset, entered: np.ndarray) -> None:
    """Add what entered the walls at the ends of lines to that of all walls, ``(2, 2)``, in place."""
    if offset in AXES:  # other lines end at no wall: see PlaneGenerator.on_lines
        lost[AXES.index(offset)] += entered


class SplitPropagator(DampedPlanePropagator, StrangPropagator):
    """Strang steps of TR-BDF2 on lines; those of large planes in so many ``threads``.

    Where Q is no sum of operators on lines at the time of a step it is taken ``whole``, if that is allowed.
    """

    def __init__(
        self,
        generator: Callable[[float], PlaneGenerator],
        start: Start,
        *,
        constant: bool,
        fringe: np.ndarray,
        threads: int = 1,
        whole: bool = False,
    ):
        super().__init__(generator, start, constant=constant, fringe=fringe)
        self._whole = WholePropagator(generator, start, constant=constant, fringe=fringe) if whole else None
        self._threads = threads if len(self.masses) >= THREADED else 1
        self._lines: Kept[LinesInPlane] = Kept(2)

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        """The threads beside this one, made when there is work for them."""
        return ThreadPoolExecutor(self._threads - 1)

    def _unsplit(self, t: float) -> WholePropagator | None:
        """Return what takes steps of the whole from these masses, if steps at ``t`` are to be taken so."""
        if self._whole is not None:
            if self._at(t).on_lines:
                return None
            self._whole.masses = self.masses
        return self._whole

    def _stepped(self, t: float, dt: float) -> tuple[np.ndarray, np.ndarray]:
        whole = self._unsplit(t + dt / 2)
        return super()._stepped(t, dt) if whole is None else whole._stepped(t, dt)

    def _damped_step(self, t: float, dt: float) -> tuple[np.ndarray, np.ndarray]:
        whole = self._unsplit(t)
        if whole is not None:
            return whole._damped_step(t, dt)
        lost, end = np.zeros((2, 2)), self._key(t)
        masses = self.masses.reshape(self._shape(end)).copy()
        for offset in self._offsets(end):
            masses, entered = self._damped(end, offset, dt, masses)
            _enter(lost, offset, entered)
        return masses.reshape(-1), lost.ravel()

    def _swept(self, t: float, offset: Offset, dt: float, masses: Any) -> tuple[Any, np.ndarray]:
        lines, a = self._lines_of(t), STAGE * dt
        (rates, exits), way, factors = lines.bundles(offset), lines.ways[offset], lines.factors(offset, a)
        entered = np.empty((len(rates), 2))

        def step(first: int, end: int) -> None:
            tr_bdf2_bundles(rates, exits, a, factors, way, masses, masses, first, end, entered)

        self._side_by_side(step, len(rates))
        return masses, entered.sum(axis=0)

    def _lines_of(self, t: float) -> LinesInPlane:
        return self._lines.get(lambda t: LinesInPlane(self._generator(t)), t)

    def _side_by_side(self, step: Callable[[int, int], Any], n_bundles: int) -> list[Any]:
        """Return what ``step`` returns for the bundles from one to before another, of one part for each thread."""
        cuts = np.linspace(0, n_bundles, self._threads + 1).astype(int).tolist()
        others = [self._pool.submit(step, *part) for part in pairwise(cuts[1:])]
        return [step(*cuts[:2]), *(other.result() for other in others)]

    def _damped(self, t: float, offset: Offset, dt: float, masses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the plane after backward Euler on the lines of an offset, and what entered the walls there (2,)."""
        lines = self._lines_of(t)
        _, exits = lines.bundles(offset)
        return masses, backward_euler_lines(exits, dt, lines.factors(offset, dt), lines.ways[offset], masses)


class LinesInPlane:
    """The lines of a generator in bundles, for each offset of its edges, with the factors that were last asked for.

    Raises InvalidInput where it is no sum of operators on lines.
    """

    def __init__(self, q: PlaneGenerator):
        self._q, self.ways = q, ways_of(q)
        self._known: Kept[tuple[np.ndarray, np.ndarray]] = Kept(len(self.ways))
        self._factors: Kept[np.ndarray] = Kept(KEPT // 2 * len(self.ways))

    def bundles(self, offset: Offset) -> tuple[np.ndarray, np.ndarray]:
        """Return the rates ``(bundles, 2, n, LANES)`` and exits ``(bundles, 2, LANES)`` of the lines of an offset."""
        return self._known.get(self._bundles, offset)

    def factors(self, offset: Offset, a: float) -> np.ndarray:
        """Return the factors of I - aQ on the lines of an offset, as :func:`factorise_lines` writes them."""
        return self._factors.get(self._factorise, offset, a)

    def _bundles(self, offset: Offset) -> tuple[np.ndarray, np.ndarray]:
        rates, exits = self._q.lines_on(self.ways[offset], offset)
        return in_bundles(rates), in_bundles(exits)

    def _factorise(self, offset: Offset, a: float) -> np.ndarray:
        rates, exits = self.bundles(offset)
        ring = bool(rates[:, 0, 0].any() or rates[:, 1, -1].any())
        factors = np.empty((len(rates), 5 if ring else 3, *rates.shape[2:]))
        factorise_lines(rates, exits, a, factors)
        return factors


def ways_of(q: PlaneGenerator) -> dict[Offset, Way]:
    """Return the ways of the lines of each offset; InvalidInput where Q is no sum of operators on lines."""
    refuse_unless_on_lines(q)
    return {offset: way for offset in q.offsets if (way := q.way(offset)) is not None}


def refuse_unless_on_lines(q: PlaneGenerator) -> None:
    """Raise InvalidInput where mass moves along what are no lines to split steps into."""
    if not q.on_lines:
        raise InvalidInput(
            "noise is correlated, and so narrow that mass moves over several cells at a time, into a wall that absorbs "
            "or round both axes past cells that it never meets: these are no lines to split steps into; use "
            "Stepping.WHOLE"
        )
