"""The law of the Klein-Kramers equation in time, extrapolated to dt = 0.

The whole run is made in more and more steps. Errors of symmetric steps are even powers of dt, so that the last two runs
give order 4 and the last three order 6: of n, 2n and 3n steps

    order 4: (9 p_3n - 4 p_2n) / 5,        order 6: p_n/24 - 16/15 p_2n + 81/40 p_3n

(Richardson's extrapolation; Hairer, Lubich, Wanner, Geometric Numerical Integration (2006), II.4). A composition of
order 4 would need steps backward in time, which no diffusion allows. What the two orders differ by is an error of order
4; it is taken as that of the result, and runs are added until it is small enough.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from fpsde.errors import NotConverged
from fpsde.fokker_planck.evolution import TOLERANCE, Trace
from fpsde.fokker_planck.high_order.differences import refuse_unequal, refuse_walls
from fpsde.fokker_planck.high_order.evolution import NEGATIVE, refuse_negative
from fpsde.fokker_planck.initial import Start
from fpsde.fokker_planck.plane.phase_space import PhaseSpace
from fpsde.fokker_planck.plane.phase_space_steps import PhaseSpaceSteps
from fpsde.fokker_planck.plane.waves import averages_of, values_of
from fpsde.fokker_planck.totals import deepest
from fpsde.validation import positive

#: What provenance calls it.
SPLITTING = "splitting of transport and velocities, extrapolated to order 6 in dt"
#: The steps of the first three runs, in units of the least number for the intervals.
RUNS = (2, 3, 4)
#: Steps to the last time in the first run, the bounds of the factor from run to run, and the most steps of one.
COARSEST, LEAST_RISE, LARGEST_RISE, MOST_STEPS = 10, 4 / 3, 2.0, 2**15


def trace_of_phase_space(
    space: PhaseSpace, start: Start, times: np.ndarray, tolerance: float | None, watched: np.ndarray
) -> Trace:
    """Return the masses at ``times[1:]``; ``time_error``, at most ``tolerance``, is what orders 4 and 6 differ by.

    Extrapolation leaves masses below zero where dt is coarse: runs are added for these too, as long as that halves
    them.

    Raises
    ------
    InvalidInput
        a start that is rough on the grid; a mass below minus ``NEGATIVE`` of the largest at its time
    NotConverged
        a tolerance that is not reached
    """
    refuse_unequal(space.grid)
    refuse_walls(space.process, space.grid, space.sides)
    wanted = positive("tolerance", TOLERANCE if tolerance is None else tolerance)
    steps = PhaseSpaceSteps(space, watched)
    values = values_of(steps.axes, start.masses.reshape(space.grid.shape))
    least = np.maximum(1, np.ceil(COARSEST / RUNS[0] * np.diff(times) / (times[-1] - times[0]))).astype(int)
    runs: dict[int, np.ndarray] = {}
    multiple, last_dip = RUNS[0], np.inf
    while multiple * least.sum() <= MOST_STEPS:
        fringe = np.zeros(4)
        runs[multiple] = at_times(steps, values, times, multiple * least, fringe)
        if len(runs) < len(RUNS):
            multiple = RUNS[len(runs)]
            continue
        runs = {k: runs[k] for k in tuple(runs)[-len(RUNS) :]}
        best, lower = (extrapolated([runs[k] for k in of], of) for of in (tuple(runs), tuple(runs)[1:]))
        error = 0.5 * float(np.abs(best - lower).sum(axis=(1, 2)).max())
        if error <= wanted:
            masses = np.stack([averages_of(steps.axes, p) for p in best]).reshape(len(best), -1)
            dip = -float((masses.min(axis=1) / masses.max(axis=1)).min())
            if dip <= NEGATIVE or dip > 0.5 * last_dip:
                break
            last_dip = dip
        multiple = math.ceil(multiple * min(max((error / wanted) ** 0.25, LEAST_RISE), LARGEST_RISE))
    else:
        raise NotConverged(
            f"tolerance={wanted:g} is not reached: with {max(runs) * int(least.sum())} steps orders 4 and 6 in dt "
            f"still differ by {error:.3g} of the mass; allow a larger tolerance, or take narrower cells"
        )
    refuse_negative(deepest(masses, np.empty((len(masses), 0))), "a smaller tolerance, or evolve")
    return Trace(
        masses=masses,
        absorbed=np.zeros((len(masses), 4)),
        minimum=float(min(start.masses.min(), masses.min())),
        edge=tuple(fringe.tolist()),
        dt=float((times[-1] - times[-2]) / (multiple * least[-1])),
        n_steps=int(multiple * least.sum()),
        n_refused=0,
        time_error=error,
    )


def at_times(
    steps: PhaseSpaceSteps, values: np.ndarray, times: np.ndarray, counts: np.ndarray, fringe: np.ndarray
) -> np.ndarray:
    """Return the values ``(n_times, n_1, n_2)`` at ``times[1:]``, in so many steps for each interval."""
    found = []
    for (begin, end), count in zip(pairwise(times.tolist()), counts.tolist(), strict=True):
        values = steps.march(values, begin, (end - begin) / count, count, fringe)
        found.append(values)
    return np.array(found)


def extrapolated(runs: list[np.ndarray], multiples: tuple[int, ...]) -> np.ndarray:
    """Return the limit dt = 0 of runs in steps of dt/multiple whose errors are even powers of dt."""
    squares = [float(k) ** 2 for k in multiples]
    total = np.zeros_like(runs[0])
    for run, a in zip(runs, squares, strict=True):
        total += run * float(np.prod([a / (a - b) for b in squares if b != a]))
    return total
