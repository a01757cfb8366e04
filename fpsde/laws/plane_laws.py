"""plane_scheme_law(): laws of chains of two components whose steps are not affine, as masses of cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from scipy.special import ndtr

from fpsde.domain import LINE
from fpsde.errors import InvalidInput, NotConverged, UnstableStep
from fpsde.grid import Grid
from fpsde.joint_law import JointCellLaw, JointNormal
from fpsde.laws.affine_chain import normal_start
from fpsde.laws.normal_step import NormalStep
from fpsde.laws.plane_operator import Plane, operator, widths
from fpsde.laws.plane_start import Beginning, beginning
from fpsde.laws.results import Leak
from fpsde.laws.scheme_laws import provenance, refuse_kinds, steps_at
from fpsde.processes.process import Process
from fpsde.schemes.scheme import Scheme
from fpsde.validation import longest_step, positive, time_grid

#: Spacing of the nodes on the first level, in standard deviations of the noise of a step; what it shrinks by; levels.
SPACING, FINER, LEVELS = 0.64, 1.15, 8
#: Fewest nodes along an axis, and most of a plane.
FEWEST, MOST = 48, 2**16
#: Densities below which a product of two is out of a double's range, and a hundred times as slow.
UNDERFLOW = 1e-150
#: Mass that may leave the box in a step, and the part of it by which that of two levels may differ.
LEAK, SAME = 1e-10, 0.1


@dataclass(frozen=True, eq=False)
class PlaneSchemeLaw:
    """The law of a chain of two components as masses of the cells of a grid: at the end, and at ``times`` on the way.

    It is that of a chain which has not left the box that the grid covers. ``accuracy`` is what was reached: the largest
    change of a distribution function at a corner of the grid, at any of the times, when nodes were added.
    """

    law: JointCellLaw
    laws: tuple[JointCellLaw, ...]
    times: tuple[float, ...]
    accuracy: float
    leak: Leak
    n_nodes: tuple[int, int]
    provenance: Mapping[str, Any]


def plane_scheme_law(
    process: Process,
    scheme: Scheme,
    *,
    x0: Any,
    grid: Grid,
    t_end: float | None = None,
    dt: float | None = None,
    times: Sequence[float] | np.ndarray | None = None,
    at: Sequence[float] | np.ndarray | None = None,
    tolerance: float = 1e-9,
) -> PlaneSchemeLaw:
    """Return the law of the chain that ``scheme`` makes of a ``process`` of two components, in the cells of ``grid``.

        p_{n+1}(y) = int k_n(y | x) p_n(x) dx,   k_n: the law of one step

    Densities are held at equally spaced nodes of the box that the grid covers, or round the period of a component. A
    step with normal noise along both axes (euler_maruyama, tamed_euler, ...) is summed by the trapezoid rule; a
    splitting letter by letter, each of which moves one axis alone: A and B shift lines, O spreads them. From a point
    the law lies on a curve until noise spreads it (BAOAB: in the second step). Nodes are added until no distribution
    function changes by more than ``tolerance`` at a corner of the grid. Masses of cells are exact integrals of what the
    nodes hold.

    Parameters
    ----------
    process, scheme : without walls other than seams; a step x' = A(x) + B(x) z with B of full rank, or one of ``parts``
        that move one axis each.
    x0 : a point (d,); Normals of two independent components, a JointNormal.
    grid : two axes of faces; the box that they cover must hold the chain, and is one period of a periodic component.
    t_end, dt, times, at : as for :func:`fpsde.scheme_law`, ``at`` from when on there is a density.

    Raises
    ------
    InvalidInput   another process, scheme or start, a box that does not hold the start, more than 65536 nodes, times
                   at which the law still lies on a curve
    UnstableStep   more than 1e-10 leaking out of the box in a step: widen the grid, or take a smaller dt
    NotConverged   a tolerance that is not reached
    """
    refuse_kinds(process, scheme)
    _refuse_domain(process, grid)
    endless = replace(process, domain=(LINE, LINE))  # what has a period is wound up afterwards
    steps_of = [NormalStep.of(part, endless) for part in scheme.parts or (scheme,)]
    when, tolerance = time_grid(t_end=t_end, dt=dt, times=times), positive("tolerance", tolerance)
    start, shown = normal_start(x0, 2), steps_at(at, when)
    asked = sorted({*shown, len(when) - 1})
    _refuse_start(start, grid, process)
    first = beginning(steps_of, start, when)
    known = first.step + (first.letter > 0)
    if min(asked) < known:
        raise InvalidInput(
            f"from a point the law lies on a curve, and has no density, before t={when[known]:g}; ask for later times, "
            "or give a start with a density, such as a JointNormal"
        )
    before: Any = np.inf
    leaked = np.inf
    for level in range(LEVELS):
        plane = _plane(process, grid, steps_of, first, when, level)
        masses, leak = _run(process, steps_of, plane, grid, when, asked, first)
        sums = np.stack([np.cumsum(np.cumsum(masses[n], axis=0), axis=1) for n in asked])
        change = float(np.max(np.abs(sums - before)))
        if leak.largest > LEAK and abs(leak.largest - leaked) < SAME * leak.largest:  # no error of a coarse level
            raise UnstableStep(
                f"{leak.largest:.2g} of the mass leaves the box in a step, more than {LEAK:g}; widen the grid, or take "
                "a smaller dt"
            )
        if change <= tolerance and leak.largest <= LEAK:
            break
        before, leaked = sums, leak.largest
    else:
        raise NotConverged(
            f"the law of {scheme.name} on {process.name} settled to {change:.2g} on {plane.points.shape[1]} nodes, not "
            f"to tolerance={tolerance:g}; allow more, or take a start that is wider"
        )
    laws = {n: JointCellLaw(grid, m) for n, m in masses.items()}
    return PlaneSchemeLaw(
        law=laws[len(when) - 1],
        laws=tuple(laws[n] for n in shown),
        times=tuple(when[shown].tolist()),
        accuracy=change,
        leak=leak,
        n_nodes=plane.shape,
        provenance=provenance(process, scheme, when, longest_step(when, dt), tolerance),
    )


def _refuse_domain(process: Process, grid: Grid) -> None:
    if process.dim != 2 or grid.dim != 2:
        raise InvalidInput(
            f"{process.name} has {process.dim} components, the grid {grid.dim} axes; laws in cells are of two"
        )
    for i, (interval, faces) in enumerate(zip(process.intervals, grid.axes, strict=True)):
        if interval.walled and not interval.periodic:
            raise InvalidInput(
                f"{process.name} has a {interval.low_wall.value}/{interval.high_wall.value} wall; laws in cells of two "
                "components know seams alone. fpsde.FokkerPlanck takes walls, and fpsde.scheme_law those of one"
            )
        if interval.periodic and (faces[0], faces[-1]) != (interval.low, interval.high):
            raise InvalidInput(
                f"axis {i} of the grid goes from {faces[0]:g} to {faces[-1]:g}, the period of {process.name} from "
                f"{interval.low:g} to {interval.high:g}; give one period"
            )


def _refuse_start(start: JointNormal, grid: Grid, process: Process) -> None:
    """Raise InvalidInput unless the box holds the start, and it is a point or a density."""
    deviations = np.sqrt(np.diag(start.covariance))
    for i, faces in enumerate(grid.axes):
        if process.intervals[i].periodic:
            continue
        low, high = ((end - start.mean[i]) / max(float(deviations[i]), 1e-300) for end in (faces[0], faces[-1]))
        if not ndtr(low) + ndtr(-high) <= LEAK:
            raise InvalidInput(
                f"the start reaches out of the box ({faces[0]:g}, {faces[-1]:g}) along axis {i}; widen the grid"
            )
    if np.any(start.covariance) and np.linalg.matrix_rank(start.covariance) < 2:
        raise InvalidInput("the start has a density along one axis alone; give a point, or a law of both components")


def _plane(
    process: Process, grid: Grid, steps: Sequence[NormalStep], first: Beginning, when: np.ndarray, level: int
) -> Plane:
    """Return the nodes of a level: so many for each standard deviation of a step's noise, or of the first density."""
    ends = [(float(faces[0]), float(faces[-1])) for faces in grid.axes]
    plane = partial(Plane.of, ends, periodic=[interval.periodic for interval in process.intervals])
    coarse, dt = plane([FEWEST, FEWEST]), float(np.min(np.diff(when)))
    noise = np.min([widths(step, coarse, float(when[0]), dt) for step in steps], axis=0)
    narrow = np.minimum(noise, first.widths)
    counts = []
    for (low, high), width in zip(ends, narrow, strict=True):
        least = FEWEST if not np.isfinite(width) else (high - low) / (SPACING * width)
        counts.append(round(max(FEWEST, least) * FINER**level) + 1)  # both axes grow: the change is to see each
    nodes = counts[0] * counts[1]
    if nodes > MOST:
        raise InvalidInput(
            f"{counts[0]} by {counts[1]} nodes are needed, with {nodes * sum(counts) * 8 / 2**30:.1f} GiB for a step; "
            f"at most {MOST} nodes are taken: give a smaller box or a larger dt"
        )
    return plane(counts)


def _run(
    process: Process,
    steps: Sequence[NormalStep],
    plane: Plane,
    grid: Grid,
    when: np.ndarray,
    asked: Sequence[int],
    first: Beginning,
) -> tuple[dict[int, np.ndarray], Leak]:
    """Return the masses of cells after each number of steps asked for, and what leaked."""
    cells = [line.integrals(faces) for line, faces in zip(plane.lines, grid.axes, strict=True)]
    dts, volume = np.diff(when), plane.volume
    constant = not process.time_dependent and not process.tables
    known: dict[float, list] = {}
    masses: dict[int, np.ndarray] = {}
    p = first.density(plane)
    kept = volume * float(np.sum(p))
    largest = max(0.0, 1 - kept)  # of the first density, beyond the ends
    for n in range(first.step, len(when)):
        done = first.letter if n == first.step else 0
        if n in asked and not done:
            masses[n] = cells[0] @ p @ cells[1].T / kept
        if n == len(when) - 1:
            break
        t, dt = float(when[n]), float(dts[n])
        key = round(dt / float(when[-1]), 12) if constant else t
        if key not in known:
            known = {key: [operator(step, plane, t, dt) for step in steps]}
        for moves in known[key][done:]:
            lost = volume * float(np.sum(moves.out * p)) / kept
            p, kept, largest = moves.of(p), kept * (1 - lost), max(largest, lost)
            p[np.abs(p) < UNDERFLOW] = 0.0
    return masses, Leak(1 - kept, largest)
