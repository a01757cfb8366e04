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
from fpsde.fokker_planck.generator import Assemble, Generator
from fpsde.fokker_planck.initial import HELD
from fpsde.fokker_planck.results import Evolution, provenance
from fpsde.fokker_planck.sides import sides_of
from fpsde.fokker_planck.start_function import StartFunction, cubic_at, with_ends
from fpsde.fokker_planck.stopping import Piece, pieces
from fpsde.grid import Grid
from fpsde.validation import finite, increasing


@dataclass(frozen=True, eq=False)
class PieceTimes:
    """E T and E T^2 of the starts in one piece: its points, absorbing ends included, and the values, when asked for."""

    piece: Piece
    assemble: Assemble

    @cached_property
    def generator(self) -> Generator:
        return self.assemble(self.piece.process, self.piece.grid, 0.0)

    @cached_property
    def moments(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The points, and there the means and the second moments."""
        moments = np.empty((2, *self.piece.grid.shape))
        solve_moments(*self.generator.open_rates, moments[0], moments[1])
        x, (first, second) = with_ends(self.piece.grid, self.piece.sides, moments, (0.0, 0.0))
        return x, first, second

    @property
    def means(self) -> tuple[np.ndarray, np.ndarray]:
        return self.moments[0], self.moments[1]

    @property
    def second_moments(self) -> tuple[np.ndarray, np.ndarray]:
        return self.moments[0], self.moments[2]


@dataclass(frozen=True, eq=False)
class PassageTime:
    """The first time at the target from ``x0``: ``mean`` (time) and ``variance`` (time^2).

    edge
        largest part of the time that is spent in the outermost cells at a cut end of the grid
    pieces
        the moments on every side of the target
    """

    mean: float
    variance: float
    x0: float
    edge: float
    provenance: dict[str, Any]
    pieces: tuple[PieceTimes, ...] = field(repr=False)

    @cached_property
    def means(self) -> StartFunction:
        """E T as a function of the starting point, on every side of the target from which it is surely reached.

        What is not on the side of ``x0`` is solved when this is asked for.
        """
        return StartFunction.of([of.means for of in self._reaching], _turn(self.pieces[0].piece))

    @cached_property
    def second_moments(self) -> StartFunction:
        """E T^2, likewise."""
        return StartFunction.of([of.second_moments for of in self._reaching], _turn(self.pieces[0].piece))

    @property
    def _reaching(self) -> list[PieceTimes]:
        return [of for of in self.pieces if not _other_wall(of.piece)]


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


def pieces_to(process: Any, grid: Grid, target: tuple[float, float] | None) -> list[Piece]:
    """Return the pieces on which the target is reached; without one the absorbing walls are the target."""
    if target is not None:
        return pieces(process, grid, [target])
    absorbing = sides_of(process.domain, grid).absorbing
    if not any(absorbing):
        raise InvalidInput(
            f"no target was given and no wall of {process.name} absorbs; give a target, a level or (low, high)"
        )
    stops = tuple(0 if absorbs else None for absorbs in absorbing)
    low, high = grid.faces[[0, -1]].tolist()
    return [Piece(process, grid.faces, low, high, (stops[0], stops[1]))]


def piece_with(found: Sequence[Piece], x0: Any, grid: Grid) -> tuple[Piece, float]:
    """Return the piece in which ``x0`` lies, and x0, turned on a ring to where the piece is."""
    at = finite("x0", x0)
    first, last = float(grid.faces[0]), float(grid.faces[-1])
    if not first <= at <= last:
        raise InvalidInput(f"x0={at} lies outside of the grid [{first}, {last}]; extend the grid")
    for piece in found:
        turned = at + (last - first if piece.whole.domain.periodic and at <= piece.low else 0.0)
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
    times = tuple(PieceTimes(piece, assemble) for piece in found)
    (own,) = (of for of in times if of.piece is here)
    mean, second = (cubic_at(*points, at) for points in (own.means, own.second_moments))
    return PassageTime(
        mean=mean,
        variance=second - mean**2,
        x0=float(x0),
        edge=time_at_cut_ends(own.generator, here, at),
        provenance=provenance(here.process, here.grid, f"{own.generator.flux}, backward equation"),
        pieces=times,
    )


def _other_wall(piece: Piece) -> bool:
    """Return whether a wall of the process's own absorbs in a piece, where the target is not."""
    ends = zip(piece.stops, piece.sides.absorbing, strict=True)
    return any(number is None and absorbs for number, absorbs in ends)


def _turn(piece: Piece) -> float | None:
    domain = piece.whole.domain
    return domain.length if domain.periodic else None


def time_at_cut_ends(generator: Generator, piece: Piece, x0: float) -> float:
    """Return the part of the time until absorption that is spent in the outermost cells where they cut the domain.

    Raises InvalidInput where it exceeds ``HELD``: the time then depends on where the grid ends.
    """
    n = piece.grid.shape[0]
    low, high = piece.sides.fringe(n)
    if not (low or high):
        return 0.0
    edges = spent_at_ends(*generator.open_rates, piece.grid.faces, x0, low, high)
    for end, edge, cells in zip(("low", "high"), edges, (low, high), strict=True):
        if not edge <= HELD:
            raise InvalidInput(
                f"{edge:.3g} of the time of {piece.process.name} until the target is spent in the {cells} outermost "
                f"cell(s) at the {end} end of the grid [{piece.grid.faces[0]}, {piece.grid.faces[-1]}], where at most "
                f"{HELD:g} may be: the time depends on where the grid ends; extend the grid"
            )
    return max(edges)


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
