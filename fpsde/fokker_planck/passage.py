"""First passages and committors: the backward equation between stops.

mean time            -Q^T tau = 1,        second moment    -Q^T tau_2 = 2 tau       (0 at the target)
committor            -Q^T q   = 0,        q = 0 at A, 1 at B
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsde.domain import Wall
from fpsde.errors import InvalidInput
from fpsde.fokker_planck.absorption import solve_backward, solve_forward
from fpsde.fokker_planck.generator import Assemble, Generator
from fpsde.fokker_planck.initial import HELD
from fpsde.fokker_planck.results import Evolution
from fpsde.fokker_planck.sides import sides_of
from fpsde.fokker_planck.start_function import StartFunction
from fpsde.fokker_planck.stopping import Piece, Stopped, pieces
from fpsde.grid import Grid
from fpsde.validation import finite, increasing


@dataclass(frozen=True)
class PassageTime:
    """The first time at the target from ``x0``: ``mean`` (time) and ``variance`` (time^2).

    means, second_moments
        E T and E T^2 as functions of the starting point, on every side of the target from which it is surely reached
    edge
        largest part of the time that is spent in the outermost cells at a cut end of the grid
    """

    mean: float
    variance: float
    x0: float
    means: StartFunction
    second_moments: StartFunction
    edge: float
    provenance: dict[str, Any]


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
    return [Piece(Stopped(process, process.domain), grid, (stops[0], stops[1]))]


def piece_with(found: Sequence[Piece], x0: Any, grid: Grid) -> tuple[Piece, float]:
    """Return the piece in which ``x0`` lies, and x0, turned on a ring to where the piece is."""
    at = finite("x0", x0)
    first, last = float(grid.faces[0]), float(grid.faces[-1])
    if not first <= at <= last:
        raise InvalidInput(f"x0={at} lies outside of the grid [{first}, {last}]; extend the grid")
    for piece in found:
        low, high = piece.grid.faces[[0, -1]]
        turned = at + (last - first if piece.process.process.domain.periodic and at <= low else 0.0)
        inside = low < turned or (turned == low and piece.stops[0] is None)
        if inside and (turned < high or (turned == high and piece.stops[1] is None)):
            return piece, turned
    raise InvalidInput(f"x0={at} lies in the target, where the time is 0; start outside of it")


def refuse_other_walls(piece: Piece) -> None:
    """Raise InvalidInput where the process may end at an absorbing wall of its own and never reach the target."""
    for number, wall in zip(piece.stops, _own_walls(piece), strict=True):
        if number is None and wall is Wall.ABSORBING:
            raise InvalidInput(
                f"{piece.process.name} may end at an absorbing wall and never reach the target: its mean time is "
                "infinite; ask for the committor, or for the time to any absorbing wall (no target)"
            )


def _own_walls(piece: Piece) -> tuple[Wall, Wall]:
    return sides_of(piece.process.domain, piece.grid).walls


def mean_passage(
    found: Sequence[Piece], here: Piece, assemble: Assemble
) -> tuple[StartFunction, StartFunction, Generator]:
    """Return E T and E T^2 as functions of the start, and the generator of the piece ``here``."""
    means, seconds, own = [], [], None
    for piece in found:
        walls = zip(piece.stops, _own_walls(piece), strict=True)
        if any(number is None and wall is Wall.ABSORBING for number, wall in walls):
            continue
        q = assemble(piece.process, piece.grid, 0.0)
        left, right = q.open_rates
        tau = solve_backward(left, right, np.ones(len(left)))
        ends = _end_points(piece, (0.0,) * 2)
        means.append((np.concatenate([ends[0], piece.grid.centres]), np.concatenate([ends[1], tau])))
        second = solve_backward(left, right, 2 * tau)
        seconds.append((means[-1][0], np.concatenate([ends[1], second])))
        own = q if piece is here else own
    assert own is not None
    turn = _turn(found)
    return StartFunction.of(means, turn), StartFunction.of(seconds, turn), own


def _turn(found: Sequence[Piece]) -> float | None:
    domain = found[0].process.process.domain
    return domain.length if domain.periodic else None


def time_at_cut_ends(generator: Generator, piece: Piece, x0: float) -> float:
    """Return the part of the time until absorption that is spent in the outermost cells where they cut the domain.

    Raises InvalidInput where it exceeds ``HELD``: the time then depends on where the grid ends.
    """
    n = piece.grid.shape[0]
    start = np.zeros(n)
    start[min(int(np.searchsorted(piece.grid.faces, x0, side="right")) - 1, n - 1)] = 1.0
    spent = solve_forward(*generator.open_rates, start)
    low, high = sides_of(piece.process.domain, piece.grid).fringe(n)
    edges = float(spent[:low].sum() / spent.sum()), float(spent[n - high :].sum() / spent.sum())
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
    pairs = []
    for piece in found:
        q = assemble(piece.process, piece.grid, 0.0)
        left, right = q.open_rates
        at_ends = tuple(0.0 if k is None else float(values[k]) for k in piece.stops)
        source = np.zeros(len(left))
        source[0] += left[0] * at_ends[0]
        source[-1] += right[-1] * at_ends[1]
        u = solve_backward(left, right, source)
        ends = _end_points(piece, at_ends)
        pairs.append((np.concatenate([ends[0], piece.grid.centres]), np.concatenate([ends[1], u])))
    return StartFunction.of(pairs, _turn(found))


def _end_points(piece: Piece, values: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Return the absorbing ends of a piece and the values there."""
    absorbs = np.array(sides_of(piece.process.domain, piece.grid).absorbing)
    return piece.grid.faces[[0, -1]][absorbs], np.asarray(values)[absorbs]
