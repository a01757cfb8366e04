"""Masses at the times that are asked for, by a given step or to a given tolerance."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

import numpy as np

from fpsde.arrays import host
from fpsde.errors import InvalidInput, NotConverged
from fpsde.fokker_planck.stepper import Stepper
from fpsde.progress import progress_bar
from fpsde.validation import finite, increasing, positive, whole_steps

Run = TypeVar("Run")

#: Where neither dt nor tolerance is given, halving dt may move this fraction of the mass.
TOLERANCE = 1e-6
#: Steps to the last time at the coarsest level of an automatic run, and the least between two times.
COARSEST, FEWEST = 16, 4
#: An automatic run gives up above this number of steps.
MOST_STEPS = 2**20


def stops(t_start: Any, t_end: Any, times: Any) -> np.ndarray:
    """Return the start, the times asked for and the end, ``(n_times + 1,)``."""
    begin, end = finite("t_start", t_start), finite("t_end", t_end)
    if not begin < end:
        raise InvalidInput(f"t_end={end} must come after t_start={begin}")
    if times is None:
        return np.array([begin, end])
    between = increasing("times", times)
    if not begin < between[0] <= between[-1] <= end:
        raise InvalidInput(f"times run from {between[0]} to {between[-1]}; they must lie in ({begin}, {end}]")
    return np.unique(np.concatenate([[begin], between, [end]]))


def steps_between(begin: float, end: float, dt: float) -> int:
    """Return the whole number of steps of ``dt`` between two times."""
    try:
        return whole_steps(end - begin, dt)
    except InvalidInput as error:
        raise InvalidInput(f"from t={begin} to t={end}: {error}") from None


class Trace(NamedTuple):
    """Masses ``(n_times, n)`` and absorbed mass at the times asked for, and what the monitors saw.

    ``absorbed`` ``(n_times, n_ends)`` and ``edge`` have one entry for each end of the grid, low and high, axis by axis.
    ``mass_error`` is that of ``LawsInTime``, where it has been read; else it is read of the masses.
    """

    masses: np.ndarray
    absorbed: np.ndarray
    minimum: float
    edge: tuple[float, ...]
    dt: float | None
    n_steps: int
    n_refused: int
    time_error: float | None = None
    mass_error: float | None = None


def trace_as_asked(
    propagator: Callable[[], Stepper],
    times: np.ndarray,
    *,
    dt: float | None,
    tolerance: float | None,
    progress: bool = False,
) -> Trace:
    """Return the trace in steps of ``dt``, or else to ``tolerance``; every run is made by a fresh ``propagator()``.

    ``progress`` shows a bar of the time that a run has reached; each halving of dt begins it anew.
    What halving dt moves is measured by the total variation distance, the largest over the times: it bounds the change
    of the probability of any event. Raises as :func:`run_as_asked`.
    """

    def run(steps: np.ndarray) -> Trace:
        stepper, begin = propagator(), float(times[0])
        with progress_bar(f"{int(steps.sum())} steps", total=float(times[-1]) - begin, shown=progress) as show:
            stepper.reached = lambda t: show(t - begin)
            return trace(stepper, times, steps)

    found, moved, _ = run_as_asked(run, _total_variation, times, dt=dt, tolerance=tolerance, most=MOST_STEPS)
    return found._replace(time_error=moved)


def run_as_asked(
    run: Callable[[np.ndarray], Run],
    difference: Callable[[Run, Run], float],
    times: np.ndarray,
    *,
    dt: float | None,
    tolerance: float | None,
    most: int,
    scale: float = 1.0,
) -> tuple[Run, float | None, np.ndarray]:
    """Return ``run(steps)`` in steps of ``dt``, or the first that halving dt moved by less than ``tolerance``.

    ``steps`` are the numbers of equal steps on each interval of ``times``; they come back with the run, and with what
    the last halving moved (None where ``dt`` was given). ``tolerance`` is ``TOLERANCE`` of ``scale``, if not given. As
    TR-BDF2 is of order 2, the error that is left is about a third of what moved. The whole run is repeated: errors at a
    rough start, however large where they are made, have mostly decayed at the times asked for.

    Raises
    ------
    InvalidInput
        if both are given, or ``dt`` does not divide an interval
    NotConverged
        beyond ``most`` steps (round-off keeps the difference above about 1e-12 of the scale)
    """
    if dt is not None:
        if tolerance is not None:
            raise InvalidInput(f"dt={dt} and tolerance={tolerance} were both given; give one of them")
        steps = np.array([steps_between(*interval, dt) for interval in pairwise(times.tolist())])
        return run(steps), None, steps
    wanted = positive("tolerance", TOLERANCE * scale if tolerance is None else tolerance)
    steps = np.maximum(FEWEST, np.ceil(COARSEST * np.diff(times) / (times[-1] - times[0])))
    coarse, moved = run(steps), math.inf
    while steps.sum() <= most:
        steps = 2 * steps
        fine = run(steps)
        moved = difference(coarse, fine)
        if moved <= wanted:
            return fine, moved, steps
        coarse = fine
    raise NotConverged(
        f"tolerance={wanted:g} is not reached: with {int(steps.sum())} steps the last halving of dt still moved the "
        f"result by {moved:.3g}; allow a larger tolerance, or give dt"
    )


def trace(propagator: Stepper, times: np.ndarray, steps: np.ndarray) -> Trace:
    """Return the masses at ``times[1:]``, reached from ``times[0]`` in ``steps`` equal steps on each interval."""
    dts = np.diff(times) / steps
    masses, absorbed = np.empty((len(dts), len(propagator.masses))), np.empty((len(dts), len(propagator.absorbed)))
    propagator.start(times[0], dts[0])
    propagator.advance(times[0] + dts[0], dts[0], int(steps[0]) - 1)
    for k, dt in enumerate(dts):
        if k > 0:
            propagator.advance(times[k], dt, int(steps[k]))
        masses[k], absorbed[k] = host(propagator.masses), propagator.absorbed
    minimum, *edge = (float(value) for value in propagator.extremes)
    return Trace(
        masses=masses,
        absorbed=absorbed,
        minimum=minimum,
        edge=tuple(edge),
        dt=float(dts[-1]),
        n_steps=propagator.n_steps,
        n_refused=propagator.n_refused,
    )


def _total_variation(one: Trace, other: Trace) -> float:
    """Return the largest, over the times, of half the sum of |differences| over cells and walls."""
    cells = np.abs(one.masses - other.masses).sum(axis=1)
    walls = np.abs(one.absorbed - other.absorbed).sum(axis=1)
    return float(np.max(cells + walls)) / 2
