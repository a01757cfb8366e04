"""What ``fpsde fokker-planck`` asks of a solver of one or two components, each number with its error bar."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from fpsde.errors import InvalidInput
from fpsde.fokker_planck.plane.solver import PlaneFokkerPlanck
from fpsde.fokker_planck.refinement import ROUND_OFF, Estimate, estimate_refined
from fpsde.fokker_planck.solver import FokkerPlanck
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


def digits(value: float, error: float, most: int = 13) -> str:
    """Return a number with the digits that its error bar leaves, two more, and no more than ``most``."""
    if value == 0 or error == 0:
        return f"{value:.{min(most, 12)}g}"
    known = int(np.floor(np.log10(abs(value)))) - int(np.floor(np.log10(error)))
    return f"{value:.{min(max(known + 2, 2), most)}g}"


def with_bar(value: float, error: float) -> str:
    """Return a number of an estimate and its error bar as a picture shows them; a bar of zero is left out.

    The bar has two digits, as in the table: of one digit alone, 0.0025 would become 0.002, which is too short.
    """
    bar = f"{error:.2g}" if error < 10 else f"{error:.0f}"
    return digits(value, error, most=5) + (rf" $\pm$ {bar}" if error else "")


def written(rate: np.ndarray, error: np.ndarray, *, pair: bool = False) -> str:
    """Return a rate of an estimate, one number or two parts, with its error bar; of a ``pair`` both conjugates."""
    (real, *imaginary), (bar, *bars) = (np.atleast_1d(numbers).tolist() for numbers in (rate, error))
    if not any(imaginary):
        return with_bar(real, bar)
    sign = r"$\pm$" if pair else "+" if imaginary[0] > 0 else "-"
    return f"({with_bar(real, bar)}) {sign} ({with_bar(abs(imaginary[0]), bars[0])})i"


def passage_estimate(solver: Solver, numbers: Sequence[float]) -> Estimate:
    """Return the mean time from a point, the first numbers, until the first component reaches the last one."""
    return estimate_refined(_through(solver, numbers), partial(_mean_passage, numbers))


def _mean_passage(numbers: Sequence[float], solver: Solver) -> float:
    return _passage(solver, numbers).mean


def passage(solver: Solver, numbers: Sequence[float]) -> Any:
    """Return the passage time from a point, the first numbers, until the first component reaches the last one.

    Of two components it is that of a grid with start and target at faces, which :func:`_through` says more of.
    """
    return _passage(_through(solver, numbers), numbers)


def _passage(solver: Solver, numbers: Sequence[float]) -> Any:
    if isinstance(solver, FokkerPlanck):
        return solver.passage_time(numbers[0], numbers[1])
    x, y, target = numbers
    return solver.passage_time((x, y), lambda x, y: target - x if numbers[0] < target else x - target)


def _through(solver: Solver, numbers: Sequence[float]) -> Solver:
    """Return the solver with start and target of a passage at faces of its cells, where it is one of two components.

    Errors then shrink regularly when cells are cut, as error bars ask; on a line the solver sees to it itself. Axes
    of a domain that ends, or a ring, stay as they are. Raises InvalidInput for numbers that ask for no passage.
    """
    dim, (*start, target) = solver.process.dim, numbers
    if len(start) != dim:
        raise InvalidInput(
            f"--passage {' '.join(f'{number:g}' for number in numbers)}: {solver.process.name} has {dim} component(s); "
            "give a number for each, where it starts, and the level that the first is to reach"
        )
    if isinstance(solver, FokkerPlanck):
        return solver
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
    ended = [np.isfinite([interval.low, interval.high]).any() for interval in solver.process.intervals]
    through = _axis_through(solver.grid.axes[0], target, start[0]), _axis_through(solver.grid.axes[1], start[1])
    axes = zip(solver.grid.axes, through, ended, strict=True)
    return replace(solver, grid=Grid(tuple(old if kept else new for old, new, kept in axes)))


def _axis_through(faces: np.ndarray, at: float, also: float | None = None) -> np.ndarray:
    """Return faces of equal cells, no wider than those given and out to their ends, with one at ``at``.

    And one at ``also``, unless that is less than a cell away.
    """
    low, high = float(faces[0]), float(faces[-1])
    h = (high - low) / (len(faces) - 1)
    apart = 0.0 if also is None else abs(also - at)
    if apart >= h:
        h = apart / math.ceil(apart / h)
    return at + h * np.arange(-math.ceil((at - low) / h), math.ceil((high - at) / h) + 1)
