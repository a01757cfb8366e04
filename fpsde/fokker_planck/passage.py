"""First passages and committors: the backward equation between stops.

mean time            -Q^T tau = 1,        second moment    -Q^T tau_2 = 2 tau       (0 at the target)
committor            -Q^T q   = 0,        q = 0 at A, 1 at B
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fpsde.cached import cached_property
from fpsde.errors import InvalidInput
from fpsde.fokker_planck.absorption import solve_backward, solve_moments, spent_at_ends
from fpsde.fokker_planck.generator import Assemble, Generator, opened
from fpsde.fokker_planck.initial import HELD
from fpsde.fokker_planck.results import Evolution, provenance
from fpsde.fokker_planck.sides import Sides
from fpsde.fokker_planck.start_function import StartFunction, cubic_at, put_between, with_ends
from fpsde.fokker_planck.stopping import Piece, pieces
from fpsde.grid import Grid
from fpsde.jit import kernel
from fpsde.validation import finite, increasing


@dataclass(frozen=True, eq=False)
class PassageTime:
    """The first time at the target from ``x0``: ``mean`` (time) and ``variance`` (time^2).

    edge
        largest part of the time that is spent in the outermost cells at a cut end of the grid
    generator, own, pieces
        Q on the side of ``x0``, that side, and all sides of the target
    """

    mean: float
    variance: float
    x0: float
    edge: float
    generator: Generator = field(repr=False)
    own: Piece = field(repr=False)
    pieces: Sequence[Piece] = field(repr=False)
    assemble: Assemble = field(repr=False)

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """What it was computed from and with."""
        return provenance(self.own.whole, self.own.grid, f"{self.generator.flux}, backward equation")

    @cached_property
    def means(self) -> StartFunction:
        """E T as a function of the starting point, on every side of the target from which it is surely reached.

        What is not on the side of ``x0`` is solved when this is asked for.
        """
        return self._moment(1)

    @cached_property
    def second_moments(self) -> StartFunction:
        """E T^2, likewise."""
        return self._moment(2)

    def _moment(self, k: int) -> StartFunction:
        return StartFunction.of([(points, moments[k - 1]) for points, moments in self._moments], _turn(self.own))

    @cached_property
    def _moments(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """The points of each side, and there E T and E T^2 ``(2, n)``."""
        found = []
        for piece in self.pieces:
            if not _other_wall(piece):
                q = self.generator if piece is self.own else self.assemble(piece.process, piece.grid, 0.0)
                found.append(moments_of_piece(*q.open_rates, piece.grid.faces, *piece.sides.absorbing))
        return found


@dataclass(frozen=True)
class PassageLaw:
    """The law of the first time at the target, at ``times`` (n_times,).

    survival
        P(T > t) ``(n_times,)``
    density
        of T, 1/time ``(n_times,)``: the current into the target
    arrived
        probability to have arrived at the low and at the high end of where the process may go ``(n_times, 2)``; on a
        plane at the target, and at the low and the high wall of each axis ``(n_times, 5)``
    mass_error, time_error
        as in :class:`~fpsde.fokker_planck.results.Evolution`
    """

    times: np.ndarray
    survival: np.ndarray
    density: np.ndarray
    arrived: np.ndarray
    mass_error: float
    time_error: float | None
    provenance: dict[str, Any]


@dataclass(frozen=True)
class Splitting:
    """Where a process between two absorbing walls ends: the probabilities of the low and of the high wall."""

    low: float
    high: float
    from_anywhere: StartFunction  #: P(high) as a function of the starting point


def pieces_to(process: Any, grid: Grid, ends: Sides, target: tuple[float, float] | None) -> list[Piece]:
    """Return the pieces on which the target is reached; without one the absorbing walls are the target.

    ``ends`` is what the ends of the grid are.
    """
    if target is not None:
        return pieces(process, grid, ends, [target])
    absorbing = ends.absorbing
    if not any(absorbing):
        raise InvalidInput(
            f"no target was given and no wall of {process.name} absorbs; give a target, a level or (low, high)"
        )
    stops = tuple(0 if absorbs else None for absorbs in absorbing)
    low, high = grid.faces[[0, -1]].tolist()
    return [Piece(process, grid.faces, ends, low, high, (stops[0], stops[1]))]


def piece_with(found: Sequence[Piece], x0: Any, grid: Grid) -> tuple[Piece, float]:
    """Return the piece in which ``x0`` lies, and x0, turned on a ring to where the piece is."""
    at = finite("x0", x0)
    first, last = float(grid.faces[0]), float(grid.faces[-1])
    if not first <= at <= last:
        raise InvalidInput(f"x0={at} lies outside of the grid [{first}, {last}]; extend the grid")
    for piece in found:
        turned = at + (last - first if piece.ends.periodic and at <= piece.low else 0.0)
        inside = piece.low < turned or (turned == piece.low and piece.stops[0] is None)
        if inside and (turned < piece.high or (turned == piece.high and piece.stops[1] is None)):
            return piece, turned
    raise InvalidInput(f"x0={at} lies in the target, where the time is 0; start outside of it")


def passage_from(found: Sequence[Piece], x0: Any, grid: Grid, assemble: Assemble) -> PassageTime:
    """Return the moments of the time from ``x0`` to the end of the pieces ``found``; only its own piece is solved.

    Raises InvalidInput where the process may end at an absorbing wall of its own and never reach the target.
    """
    here, at = piece_with(found, x0, grid)
    if _other_wall(here):
        raise InvalidInput(
            f"{here.process.name} may end at an absorbing wall and never reach the target: its mean time is "
            "infinite; ask for the committor, or for the time to any absorbing wall (no target)"
        )
    cells, sides = here.grid, here.sides
    q, fringe = assemble(here.process, cells, 0.0), sides.fringe(cells.shape[0])
    mean, second, *edges = of_start(at, q.left, q.right, *q.exits, cells.faces, *sides.absorbing, *fringe)
    if not (edges[0] <= HELD and edges[1] <= HELD):
        raise _spent_at_cut_ends(edges, here, fringe)
    return PassageTime(mean, second - mean**2, float(x0), max(edges), q, here, found, assemble)


@kernel()
def moments_of_piece(left, right, faces, low, high):
    """Return the points of a piece, and there E T and E T^2 ``(2, n)``; ``low`` and ``high`` say which ends absorb."""
    n = len(left)
    moments, points, values = np.empty((2, n)), np.empty(n + low + high), np.empty((2, n + low + high))
    solve_moments(left, right, moments[0], moments[1])
    put_between(faces, low, high, moments, (0.0, 0.0), points, values)
    return points, values


@kernel()
def of_start(x0, left, right, low_exit, high_exit, faces, low, high, first, last):
    """Return E T and E T^2 of the start ``x0``, and the parts of T spent in the ``first`` and the ``last`` cells.

    ``low`` and ``high`` say which ends absorb, at the rates of the exits.
    """
    left, right = opened(left, right, low_exit, high_exit)
    points, moments = moments_of_piece(left, right, faces, low, high)
    at_low, at_high = spent_at_ends(left, right, faces, x0, first, last) if first + last > 0 else (0.0, 0.0)
    return cubic_at(points, moments[0], x0), cubic_at(points, moments[1], x0), at_low, at_high


def _other_wall(piece: Piece) -> bool:
    """Return whether a wall of the process's own absorbs in a piece, where the target is not."""
    (first, last), (low, high) = piece.stops, piece.ends.absorbing
    return (first is None and low) or (last is None and high)


def _turn(piece: Piece) -> float | None:
    return piece.whole.domain.length if piece.ends.periodic else None


def _spent_at_cut_ends(edges: Sequence[float], piece: Piece, fringe: tuple[int, int]) -> InvalidInput:
    """Return the error for a time that is spent where the grid is cut: it depends on where that is."""
    end = 0 if not edges[0] <= HELD else 1
    low, high = piece.grid.faces[[0, -1]].tolist()
    return InvalidInput(
        f"{edges[end]:.3g} of the time of {piece.process.name} until the target is spent in the {fringe[end]} "
        f"outermost cell(s) at the {('low', 'high')[end]} end of the grid [{low}, {high}], where at most {HELD:g} may "
        "be: the time depends on where the grid ends; extend the grid"
    )


def times_of_passage(times: Any) -> np.ndarray:
    """Return times at which a law of passage is asked for; InvalidInput unless they increase from above 0."""
    after = increasing("times", times)
    if after[0] <= 0:
        raise InvalidInput(f"times begin at {after[0]}; a passage takes a positive time, counted from t_start")
    return after


def law_of_passage(
    piece: Piece, generator: Callable[[float], Generator], run: Evolution, times: np.ndarray
) -> PassageLaw:
    """Return the law of the passage from the evolution of the piece with its target as absorbing walls."""
    target = np.array([number is not None for number in piece.stops])
    arrived, density = [], []
    for t, law in zip(run.times, run.laws, strict=True):
        walls = dict(law.atoms)
        arrived.append([walls.get(float(end), 0.0) for end in piece.grid.faces[[0, -1]]])
        density.append(np.array(generator(t).exits) * law.masses[[0, -1]] @ target)
    total = np.array(arrived) * target
    return PassageLaw(
        times=times,
        survival=1.0 - run.outside - total.sum(axis=1),
        density=np.array(density),
        arrived=total,
        mass_error=run.mass_error,
        time_error=run.time_error,
        provenance=run.provenance,
    )


def hitting_probability(found: Sequence[Piece], values: Sequence[float], assemble: Assemble) -> StartFunction:
    """Return the mean of ``values[k]`` over the stop k that is reached first (0 for a wall), of the starting point."""
    solved = []
    for piece in found:
        left, right = assemble(piece.process, piece.grid, 0.0).open_rates
        low, high = (0.0 if k is None else float(values[k]) for k in piece.stops)
        source = np.zeros(len(left))
        source[0] += left[0] * low
        source[-1] += right[-1] * high
        solved.append(with_ends(piece.grid, piece.sides, solve_backward(left, right, source), (low, high)))
    return StartFunction.of(solved, _turn(found[0]))
