"""A law in time in central differences of high order: from cell masses to values at centres, through time, and back."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fpsde.errors import InvalidInput
from fpsde.fokker_planck.evolution import TOLERANCE, Trace
from fpsde.fokker_planck.high_order.chebyshev import carried_by_products
from fpsde.fokker_planck.high_order.differences import Differences
from fpsde.fokker_planck.high_order.rational_bands import carried_by_bands
from fpsde.fokker_planck.high_order.stencils import FOURTH, SIXTH, smoothed_along
from fpsde.fokker_planck.initial import HELD, Start
from fpsde.validation import positive

#: What provenance calls an expansion of the exponential in products with L.
CHEBYSHEV = "Chebyshev expansion"
#: A start is rough where orders 4 and 6 of its values at the centres differ by more of the mass: a normal law with a
#: standard deviation below 0.85 cells, or a point, which the start spreads over three cells, an error of order 2.
ROUGH = 0.01
#: Masses below minus this fraction of the largest are refused.
NEGATIVE = 1e-7


def trace_at_high_order(operator: Differences, start: Start, times: np.ndarray, tolerance: Any) -> Trace:
    """Return the masses at ``times[1:]``, reached from ``times[0]``, each interval at once.

    ``time_error`` is the mass that the approximations of the exponential may have moved, at most ``tolerance``.

    Raises
    ------
    InvalidInput
        a start that is rough on the grid; mass that leaves through a cut end, more than ``HELD``; a mass below minus
        ``NEGATIVE`` of the largest
    NotConverged
        a tolerance that is not reached
    """
    wanted = positive("tolerance", TOLERANCE if tolerance is None else tolerance)
    on_bands = operator.grid.dim == 1 and not operator.periodic
    carried = carried_by_bands if on_bands else carried_by_products
    volume = math.prod(operator.widths)
    values = values_from(operator, start.masses) / volume
    rows, error, used = [], 0.0, 0
    for t in np.diff(times).tolist():
        values, moved, products = carried(operator, values, t, wanted / (len(times) - 1))
        rows.append(along_all(operator, volume * values, operator.stencils.average).ravel())
        error += moved
        used += products
    masses = np.array(rows)
    refuse_loss(operator, masses, start)
    refuse_negative(masses, "a smaller tolerance, or evolve")
    return Trace(
        masses=masses,
        absorbed=np.zeros((len(rows), len(start.absorbed))),
        minimum=float(min(start.masses.min(), masses.min())),
        edge=at_ends(operator, masses),
        dt=None,
        n_steps=used,
        n_refused=0,
        time_error=error,
    )


def values_from(operator: Differences, masses: np.ndarray) -> np.ndarray:
    """Return the values at the centres whose averages are ``masses``, in their unit, refused where these are rough."""
    grid = operator.grid
    fourth, sixth = (along_all(operator, masses.reshape(grid.shape), s.value) for s in (FOURTH, SIXTH))
    differ = float(np.abs(fourth - sixth).sum())
    if differ > ROUGH:
        raise InvalidInput(
            f"the start is rough on this grid: orders 4 and 6 place {differ:.3g} of its mass differently, where at "
            f"most {ROUGH:g} may; give a law that is smooth over a few cells (no point), narrower cells, or use evolve"
        )
    return fourth if operator.stencils is FOURTH else sixth


def along_all(operator: Differences, values: np.ndarray, weights: tuple[float, ...]) -> np.ndarray:
    """Return the symmetric sum with ``weights`` along every axis in turn."""
    for axis, ring in enumerate(operator.rings):
        values = smoothed_along(values, weights, axis, ring)
    return values


def refuse_loss(operator: Differences, masses: np.ndarray, start: Start) -> None:
    """Refuse masses ``(n_times, n)`` of which more than ``HELD`` is lost, or gained, beyond a cut end."""
    lost = start.total - masses.sum(axis=1)
    worst = float(lost[np.argmax(np.abs(lost))])
    if not abs(worst) <= HELD:
        ends = " x ".join(f"[{faces[0]:g}, {faces[-1]:g}]" for faces in operator.grid.axes)
        raise InvalidInput(
            f"the grid {ends} does not hold the law: {worst:.3g} of the mass was lost at its cut ends, where at most "
            f"{HELD:g} may; extend the grid, or refine it where it is coarse"
        )


def refuse_negative(masses: np.ndarray, instead: str) -> None:
    """Refuse masses ``(n_times, n)`` below minus ``NEGATIVE`` of the largest at their time; say what helps besides."""
    dip = float((masses.min(axis=1) / masses.max(axis=1)).min())
    if not dip >= -NEGATIVE:
        raise InvalidInput(
            f"masses fall to {dip:.3g} of the largest, where {-NEGATIVE:g} is the bound of the high-order mode: the "
            f"grid is too coarse for this law; take narrower cells, {instead}, which keeps signs"
        )


def at_ends(operator: Differences, masses: np.ndarray) -> tuple[float, ...]:
    """Return the largest mass, over the times, in the cells that are watched at each end of each axis."""
    edge = []
    for axis, (side, n) in enumerate(zip(operator.sides, operator.grid.shape, strict=True)):
        low, high = side.fringe(n)
        along = masses.reshape(len(masses), math.prod(operator.grid.shape[:axis]), n, -1)
        edge += [along[:, :, :low], along[:, :, n - high :]]
    return tuple(float(cells.sum(axis=(1, 2, 3)).max()) for cells in edge)
