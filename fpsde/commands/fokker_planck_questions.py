"""What ``fpsde fokker-planck`` asks of a solver of one or two components, each number with its error bar."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from fpsde.errors import InvalidInput
from fpsde.fokker_planck import Estimate, FokkerPlanck, PlaneFokkerPlanck, estimate_refined
from fpsde.fokker_planck.refinement import ROUND_OFF
from fpsde.grid import Grid
from fpsde.joint_law import JointCellLaw
from fpsde.processes.process import Process

#: Cells of the coarsest of the three grids: on a line; on a ring, whose modes are a dense problem; along each axis of a
#: plane.
CELLS, RING_CELLS, PLANE_CELLS = 400, 100, 40
#: Mass of the stationary law that a window leaves out at each end where it is taken from the closed form.
LEFT_OUT = 1e-10
#: The entries of a covariance that differ.
UPPER = np.triu_indices(2)

Solver = FokkerPlanck | PlaneFokkerPlanck


def solver_of(process: Process, window: Sequence[float] | None, cells: Sequence[int] | None) -> Solver:
    """Return the solver of a process on a window (low, high), one pair after the other, with cells for each axis.

    Raises InvalidInput for a process of more than two components, or numbers that are too few or too many.
    """
    if process.dim > 2:
        raise InvalidInput(f"{process.name} has {process.dim} components; this command solves processes of one or two")
    bounds = _window(process) if window is None else _pairs(process, window)
    if cells is None:
        ring = process.intervals[0].periodic
        cells = [PLANE_CELLS] if process.dim == 2 else [RING_CELLS if ring else CELLS]
    if len(cells) not in (1, process.dim):
        raise InvalidInput(
            f"--cells {' '.join(map(str, cells))}: {process.name} has {process.dim} component(s); give one number, or "
            "one for each"
        )
    return FokkerPlanck(process, Grid.uniform(*bounds, cells=cells if len(cells) == process.dim else cells[0]))


def _pairs(process: Process, window: Sequence[float]) -> list[tuple[float, float]]:
    if len(window) != 2 * process.dim:
        raise InvalidInput(
            f"--window {' '.join(f'{end:g}' for end in window)}: {process.name} has {process.dim} component(s); give "
            "LOW HIGH for each"
        )
    return [(window[2 * i], window[2 * i + 1]) for i in range(process.dim)]


def _window(process: Process) -> list[tuple[float, float]]:
    """Return ends that hold the mass: those of the setting, of a ring, or quantiles of a known stationary law."""
    known = process.exact.stationary_component
    if process.setting.window is not None and process.dim == 1:
        return [process.setting.window]
    found = []
    for i, interval in enumerate(process.intervals):
        if interval.periodic:
            found.append((interval.low, interval.high))
        elif known is not None:
            low, high = known(i).ppf(np.array([LEFT_OUT, 1 - LEFT_OUT])).tolist()
            found.append((low, high))
    if len(found) < process.dim:
        pairs = " ".join(["LOW HIGH"] * process.dim)
        raise InvalidInput(f"{process.name} has no window that holds its mass; give --window {pairs}")
    return found


def stationary_estimate(solver: Solver) -> Estimate:
    """Return the moments of the stationary law: mean, variance, skewness, kurtosis; of two components, means, then the
    upper triangle of the covariance.

    The mass at cut ends is about what lies beyond them: it counts as an error at that distance, and differences between
    grids below that say nothing.
    """
    at_rest = solver.stationary()
    law, edge = at_rest.law, sum(at_rest.edge)
    if isinstance(law, JointCellLaw):
        std, reach = np.sqrt(np.diag(law.covariance)), np.array([np.ptp(faces) for faces in law.grid.axes])
        sizes, distances = (np.array([*one, *np.multiply.outer(one, one)[UPPER]]) for one in (std, reach))
    else:
        sizes, far = np.sqrt(law.variance), np.ptp(law.grid.faces)
        distances = np.array([far, far**2, (far / sizes) ** 3, (far / sizes) ** 4])
    return estimate_refined(solver, moments, scale=sizes + edge * distances / ROUND_OFF)


def moments(solver: Solver) -> np.ndarray:
    """Return the moments of the stationary law, ``(4,)`` or ``(5,)``; the kurtosis of a normal law is 3."""
    law = solver.stationary().law
    if isinstance(law, JointCellLaw):
        return np.array([*law.mean, *law.covariance[UPPER]])
    return np.array([law.mean, law.variance, *(law.central_moment(k) / law.variance ** (k / 2) for k in (3, 4))])


def rates_estimate(solver: Solver, count: int) -> Estimate:
    """Return the rates ``(count,)``; where probability circulates ``(count, 2)``, real and imaginary parts of pairs."""
    first = solver.modes(count).eigenvalues
    if np.isrealobj(first):
        return estimate_refined(solver, partial(_rates, count))
    return estimate_refined(solver, partial(_rates_in_parts, count), scale=abs(first[-1]))


def _rates(count: int, solver: Solver) -> np.ndarray:
    return solver.modes(count).eigenvalues


def _rates_in_parts(count: int, solver: Solver) -> np.ndarray:
    return _rates(count, solver).astype(complex).view(float).reshape(-1, 2)


def written(rate: np.ndarray, *, pair: bool = False) -> str:
    """Return a rate of an estimate, one number or two parts, in three digits; of a ``pair`` both that are conjugate."""
    real, imaginary = (*np.atleast_1d(rate).tolist(), 0.0)[:2]
    sign = r"$\pm$" if pair else "+" if imaginary > 0 else "-"
    return f"{real:.3g}" + (f" {sign} {abs(imaginary):.3g}i" if imaginary else "")


def passage_estimate(solver: Solver, numbers: Sequence[float]) -> Estimate:
    """Return the mean time from a point, the first numbers, until the first component reaches the last one."""
    return estimate_refined(solver, partial(_mean_passage, numbers))


def _mean_passage(numbers: Sequence[float], solver: Solver) -> float:
    return passage(solver, numbers).mean


def passage(solver: Solver, numbers: Sequence[float]) -> Any:
    """Return the passage time from a point, the first numbers, until the first component reaches the last one."""
    dim, (*start, target) = solver.process.dim, numbers
    if len(start) != dim:
        raise InvalidInput(
            f"--passage {' '.join(f'{number:g}' for number in numbers)}: {solver.process.name} has {dim} component(s); "
            "give a number for each, where it starts, and the level that the first is to reach"
        )
    if isinstance(solver, FokkerPlanck):
        return solver.passage_time(start[0], target)
    if solver.process.intervals[0].periodic:
        raise InvalidInput(
            f"the first component of {solver.process.name} turns on a ring, where a level has no two sides; ask from "
            "Python for passage_time to a region"
        )
    low, high = solver.grid.axes[0][[0, -1]]
    if not low < target < high:
        raise InvalidInput(f"target={target} does not lie on the grid [{low}, {high}]; extend the grid, or move target")
    if start[0] == target:
        raise InvalidInput(f"x0={start[0]} lies in the target, where the time is 0; start outside of it")
    below = start[0] < target
    return solver.passage_time((start[0], start[1]), lambda x, y: target - x if below else x - target)
