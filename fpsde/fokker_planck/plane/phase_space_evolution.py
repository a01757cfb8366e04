"""The law of the Klein-Kramers equation in time, extrapolated to dt = 0.

The whole run is made with n, 2n and 3n steps. Errors of symmetric steps are even powers of dt, so that

    order 4: (9 p_3n - 4 p_2n) / 5,        order 6: p_n/24 - 16/15 p_2n + 81/40 p_3n

(Richardson's extrapolation; Hairer, Lubich, Wanner, Geometric Numerical Integration (2006), II.4). A composition of
order 4 would need steps backward in time, which no diffusion allows. What the two orders differ by is an error of order
4; it is taken as that of the result, and n is raised until it is small enough.
"""

from __future__ import annotations

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
from fpsde.validation import positive

#: What provenance calls it.
SPLITTING = "splitting of transport and velocities on trigonometric polynomials, extrapolated to order 6 in dt"
#: How many times n the steps of the runs are.
RUNS = (1, 2, 3)
#: n at first, the bounds of the factor by which it is raised, and the most steps of a run.
COARSEST, LEAST_RISE, LARGEST_RISE, MOST_STEPS = 8, 1.5, 4.0, 2**15


def trace_of_phase_space(
    space: PhaseSpace, start: Start, times: np.ndarray, tolerance: float | None, watched: np.ndarray
) -> Trace:
    """Return the masses at ``times[1:]``; ``time_error``, at most ``tolerance``, is what orders 4 and 6 differ by.

    Extrapolation leaves masses below zero where dt is coarse: n is raised for these too, as long as that halves them.

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
    n, last_dip = COARSEST, np.inf
    while RUNS[-1] * n <= MOST_STEPS:
        fringe = np.zeros(4)
        counts = np.maximum(1, np.ceil(n * np.diff(times) / (times[-1] - times[0]))).astype(int)
        runs = [at_times(steps, values, times, k * counts, fringe if k == RUNS[-1] else None) for k in RUNS]
        best, lower = extrapolated(runs, RUNS), extrapolated(runs[1:], RUNS[1:])
        error = 0.5 * float(np.abs(best - lower).sum(axis=(1, 2)).max())
        if error <= wanted:
            masses = np.stack([averages_of(steps.axes, p) for p in best]).reshape(len(best), -1)
            dip = -float((masses.min(axis=1) / masses.max(axis=1)).min())
            if dip <= NEGATIVE or dip > 0.5 * last_dip:
                break
            last_dip = dip
        n = int(n * min(max((error / wanted) ** 0.25, LEAST_RISE), LARGEST_RISE))
    else:
        raise NotConverged(
            f"tolerance={wanted:g} is not reached: with {RUNS[-1] * n} steps orders 4 and 6 in dt still differ by "
            f"{error:.3g} of the mass; allow a larger tolerance, or take narrower cells"
        )
    refuse_negative(masses, "a smaller tolerance, or evolve")
    return Trace(
        masses=masses,
        absorbed=np.zeros((len(masses), 4)),
        minimum=float(min(start.masses.min(), masses.min())),
        edge=tuple(fringe.tolist()),
        dt=float((times[-1] - times[-2]) / (RUNS[-1] * counts[-1])),
        n_steps=int(RUNS[-1] * counts.sum()),
        n_refused=0,
        time_error=error,
    )


def at_times(
    steps: PhaseSpaceSteps, values: np.ndarray, times: np.ndarray, counts: np.ndarray, fringe: np.ndarray | None
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
