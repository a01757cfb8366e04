"""A law in time in central differences of high order: from cell masses to values at centres, through time, and back."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from fpsde.errors import InvalidInput, NotConverged
from fpsde.fokker_planck.evolution import TOLERANCE, Trace
from fpsde.fokker_planck.high_order.chebyshev import carried_by_products
from fpsde.fokker_planck.high_order.differences import Differences
from fpsde.fokker_planck.high_order.rational_bands import masses_by_bands
from fpsde.fokker_planck.high_order.stencils import smoothed, stencils_of, values_at_centres
from fpsde.fokker_planck.initial import HELD, Start
from fpsde.fokker_planck.totals import deepest, departure
from fpsde.fokker_planck.tridiagonal import smallest
from fpsde.jit import kernel
from fpsde.validation import positive

#: What provenance calls an expansion of the exponential in products with L.
CHEBYSHEV = "Chebyshev expansion"
#: A start is rough where orders 4 and 6 of its values at the centres differ by more of the mass: a normal law with a
#: standard deviation below 0.85 cells, or a point, which the start spreads over three cells, an error of order 2.
ROUGH, ROUGHNESS = 0.01, (stencils_of(4).value, stencils_of(6).value)
#: Masses below minus this fraction of the largest are refused.
NEGATIVE = 1e-7


def trace_at_high_order(operator: Differences, start: Start, times: np.ndarray, tolerance: Any) -> Trace:
    """Return the masses at ``times[1:]``, reached from ``times[0]``, each interval at once.

    ``time_error`` is the mass that the approximations of the exponential may have moved, at most ``tolerance``. Where
    masses are below the bound and this may be why, they are carried once more, to a tolerance at which it cannot be:
    what is then refused is left by the cells.

    Raises
    ------
    InvalidInput
        a start that is rough on the grid; mass that leaves through a cut end, more than ``HELD``; a mass below minus
        ``NEGATIVE`` of the largest
    NotConverged
        a tolerance that is not reached
    """
    wanted, lengths = positive("tolerance", TOLERANCE if tolerance is None else tolerance), times[1:] - times[:-1]
    masses = np.empty((len(lengths), operator.size))
    carry = carry_by_bands if on_bands(operator) else carry_by_products
    error, used = carry(operator, start.masses, lengths, wanted / len(lengths), masses)
    seen = watched(operator, start, masses)
    if seen.dip < -NEGATIVE and -seen.least <= error:
        wanted = NEGATIVE * float(masses.max(axis=1).min())
        try:
            error, more = carry(operator, start.masses, lengths, wanted / len(lengths), masses)
        except NotConverged:
            refuse_negative(seen.dip, "or evolve")
            raise
        seen, used = watched(operator, start, masses), used + more
    return trace_of(operator, start, masses, seen, error, used, instead="or evolve")


class Seen(NamedTuple):
    """What tells of masses ``(n_times, n)`` whether they can be trusted.

    moved
        the largest departure of their sum from that of the start
    dip, least
        the lowest as a fraction of the largest at its time; the smallest, of the start too
    edge
        the largest sums over the cells that are watched at the low and high end of each axis
    """

    moved: float
    dip: float
    least: float
    edge: tuple[float, ...]


def watched(operator: Differences, start: Start, masses: np.ndarray) -> Seen:
    """Return what is seen of masses ``(n_times, n)`` that came from ``start``."""
    shape, _ = operator.plane
    ends = [side.fringe(n) for side, n in zip(operator.sides, operator.grid.shape, strict=True)]
    moved, dip, least, *edge = monitored(masses, start.masses, start.absorbed, shape, ((0, 0), *ends)[-2:])
    return Seen(moved, dip, least, tuple(edge[-2 * len(ends) :]))


def trace_of(
    operator: Differences,
    start: Start,
    masses: np.ndarray,
    seen: Seen,
    error: float,
    n_steps: int,
    *,
    dt: float | None = None,
    n_refused: int = 0,
    instead: str = "a smaller tolerance, or evolve",
) -> Trace:
    """Return the trace of masses ``(n_times, n)``, refused where they were lost or are negative."""
    if not seen.moved <= HELD:
        raise _loss(operator, masses, start)
    refuse_negative(seen.dip, instead)
    return Trace(
        masses=masses,
        absorbed=np.zeros((len(masses), len(start.absorbed))),
        minimum=seen.least,
        edge=seen.edge,
        dt=dt,
        n_steps=n_steps,
        n_refused=n_refused,
        time_error=error,
        mass_error=seen.moved,
    )


def carry_by_bands(
    operator: Differences, start: np.ndarray, lengths: np.ndarray, tolerance: float, masses: np.ndarray
) -> tuple[float, int]:
    """Write the masses ``(n_times, n)`` of a line after each of ``lengths``, from ``start``, all in one compiled call.

    Return the mass that the approximations may have moved, at most ``tolerance`` in each, and the number of solves.
    """
    s = operator.stencils
    differ, error, used, done, moved, pieces = masses_by_bands(
        operator.bands, s.distances, s.value, s.average, *ROUGHNESS, ROUGH, start, lengths, tolerance, masses
    )
    refuse_rough(differ)
    if done < len(lengths):
        raise unreached(tolerance, pieces, moved, lengths[done])
    return error, used


def unreached(tolerance: float, pieces: int, moved: float, t: float) -> NotConverged:
    """Return the error for a time that cannot be carried in few enough pieces."""
    return NotConverged(
        f"tolerance={tolerance:g} is not reached: {pieces} pieces instead of {pieces // 2} still move {moved:.3g} of "
        f"the mass (time {t:.6g}); allow a larger tolerance, or use evolve"
    )


def on_bands(operator: Differences) -> bool:
    """Return whether L is a matrix of a few bands: on a line that is no ring."""
    shape, rings = operator.plane
    return shape[0] == 1 and not rings[1]


def carry_by_products(
    operator: Differences, start: np.ndarray, lengths: np.ndarray, tolerance: float, masses: np.ndarray
) -> tuple[float, int]:
    """As :func:`carry_by_bands`, on a ring or a plane, by products with L, of which it returns the number."""
    volume, error, used = math.prod(operator.widths), 0.0, 0
    values = values_from(operator, start) / volume
    for row, t in zip(masses, lengths.tolist(), strict=True):
        values, moved, products = carried_by_products(operator, values, t, tolerance)
        row[:] = along_all(operator, volume * values, operator.stencils.average).ravel()
        error += moved
        used += products
    return error, used


def values_from(operator: Differences, masses: np.ndarray) -> np.ndarray:
    """Return the values at the centres whose averages are ``masses``, in their unit, refused where these are rough."""
    shape, rings = operator.plane
    values, differ = values_at_centres(masses.reshape(shape), operator.stencils.value, *ROUGHNESS, rings)
    refuse_rough(differ)
    return values.reshape(operator.grid.shape)


def refuse_rough(differ: float) -> None:
    """Refuse a start of which orders 4 and 6 place the part ``differ`` differently, where that is above ``ROUGH``."""
    if differ > ROUGH:
        raise InvalidInput(
            f"the start is rough on this grid: orders 4 and 6 place {differ:.3g} of its mass differently, where at "
            f"most {ROUGH:g} may; give a law that is smooth over a few cells (no point), narrower cells, or use evolve"
        )


def along_all(operator: Differences, values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the symmetric sum with ``weights`` along every axis in turn."""
    shape, rings = operator.plane
    return smoothed(values.reshape(shape), weights, rings).reshape(values.shape)


def _loss(operator: Differences, masses: np.ndarray, start: Start) -> InvalidInput:
    """Return the error that says how much of masses ``(n_times, n)`` is lost, or gained, beyond a cut end."""
    lost = start.total - masses.sum(axis=1)
    worst = float(lost[np.argmax(np.abs(lost))])
    ends = " x ".join(f"[{faces[0]:g}, {faces[-1]:g}]" for faces in operator.grid.axes)
    return InvalidInput(
        f"the grid {ends} does not hold the law: {worst:.3g} of the mass was lost at its cut ends, where at most "
        f"{HELD:g} may; extend the grid, or refine it where it is coarse"
    )


def refuse_negative(dip: float, instead: str) -> None:
    """Refuse masses that fall to ``dip``, below minus ``NEGATIVE``, of the largest; say what helps ``instead``."""
    if not dip >= -NEGATIVE:
        raise InvalidInput(
            f"masses fall to {dip:.3g} of the largest, where {-NEGATIVE:g} is the bound of the high-order mode: the "
            f"grid is too coarse for this law; take narrower cells, {instead}, which keeps signs"
        )


@kernel()
def monitored(masses, start, absorbed, shape, watched):
    """Return the numbers of :class:`Seen` for masses ``(n_times, n)`` of a plane, of which a line is one row.

    Of ``watched`` cells at the low and high end of either axis.
    """
    n, m = shape
    times, walls = len(masses), np.empty((len(masses), 0))  # none absorbs
    moved = departure(masses, walls, np.empty(0, np.bool_), start, absorbed)
    least = min(smallest(start), smallest(masses.ravel()))
    first = sums_at_ends(masses.reshape(times, 1, n, m), watched[0][0], watched[0][1])
    second = sums_at_ends(masses.reshape(times, n, m, 1), watched[1][0], watched[1][1])
    return moved, deepest(masses, walls), least, first[0], first[1], second[0], second[1]


@kernel()
def sums_at_ends(along, low, high):
    """Return the largest sums over times of masses ``(n_times, m, n, m')`` in the first ``low``, last ``high`` of n."""
    times, before, n, after = along.shape
    at_low, at_high = -np.inf, -np.inf
    for k in range(times):
        below, above = 0.0, 0.0
        for i in range(before):
            for m in range(after):
                for j in range(low):
                    below += along[k, i, j, m]
                for j in range(n - high, n):
                    above += along[k, i, j, m]
        at_low, at_high = max(at_low, below), max(at_high, above)
    return at_low, at_high
