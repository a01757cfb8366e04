"""plane_scheme_law(): laws of chains of two components whose steps are not affine, as masses of cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr, sici

from fpsde.errors import InvalidInput, NotConverged, UnstableStep
from fpsde.grid import Grid
from fpsde.joint_law import JointCellLaw, JointNormal
from fpsde.laws.affine_chain import normal_start
from fpsde.laws.plane_operator import NormalStep, Plane, normal_density, operator, widths
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

    Densities are held at equally spaced nodes of the box that the grid covers. A step with normal noise along both
    axes (euler_maruyama, tamed_euler, ...) is summed by the trapezoid rule; a splitting letter by letter, each of which
    moves one axis alone: A and B shift lines, O spreads them. Nodes are added until no distribution function changes
    by more than ``tolerance`` at a corner of the grid. Masses of cells are exact integrals of what the nodes hold.

    Parameters
    ----------
    process, scheme : on a domain without walls; a step x' = A(x) + B(x) z with B of full rank, or one with ``parts``.
    x0 : a point (d,), where the first step has a density; Normals of two independent components, a JointNormal.
    grid : two axes of faces; the box that they cover must hold the chain.
    t_end, dt, times, at : as for :func:`fpsde.scheme_law`.

    Raises
    ------
    InvalidInput   another process, scheme or start, a box that does not hold the start, more than 65536 nodes
    UnstableStep   more than 1e-10 leaking out of the box in a step: widen the grid, or take a smaller dt
    NotConverged   a tolerance that is not reached
    """
    refuse_kinds(process, scheme)
    if process.dim != 2 or grid.dim != 2 or any(interval.walled for interval in process.intervals):
        raise InvalidInput(f"{process.name}: laws in cells take two components without walls, and a grid of two axes")
    steps_of = [NormalStep.of(part, process) for part in scheme.parts or (scheme,)]
    when, tolerance = time_grid(t_end=t_end, dt=dt, times=times), positive("tolerance", tolerance)
    start, shown = normal_start(x0, 2), steps_at(at, when)
    asked = sorted({*shown, len(when) - 1})
    _refuse_start(start, grid, steps_of)
    before: Any = np.inf
    leaked = np.inf
    for level in range(LEVELS):
        plane = _plane(grid, steps_of, start, when, level)
        masses, leak = _run(process, steps_of, plane, grid, when, asked, start)
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
        n_nodes=(len(plane.lines[0]), len(plane.lines[1])),
        provenance=provenance(process, scheme, when, longest_step(when, dt), tolerance),
    )


def _refuse_start(start: JointNormal, grid: Grid, steps: Sequence[NormalStep]) -> None:
    """Raise InvalidInput unless the box holds the start, and it is a density or becomes one in the first step."""
    deviations = np.sqrt(np.diag(start.covariance))
    for i, faces in enumerate(grid.axes):
        low, high = ((end - start.mean[i]) / max(float(deviations[i]), 1e-300) for end in (faces[0], faces[-1]))
        if not ndtr(low) + ndtr(-high) <= LEAK:
            raise InvalidInput(
                f"the start reaches out of the box ({faces[0]:g}, {faces[-1]:g}) along axis {i}; widen the grid"
            )
    point = not np.any(start.covariance)
    if not point and np.linalg.matrix_rank(start.covariance) < 2:
        raise InvalidInput("the start has a density along one axis alone; give a point, or a law of both components")
    if point and len(steps) > 1:
        raise InvalidInput(
            "from a point one step of a splitting ends on a curve, which has no density; give a start with one, such "
            "as a JointNormal"
        )


def _plane(grid: Grid, steps: Sequence[NormalStep], start: JointNormal, when: np.ndarray, level: int) -> Plane:
    """Return the nodes of a level: so many for each standard deviation of a step's noise, or of the start."""
    ends = [(float(faces[0]), float(faces[-1])) for faces in grid.axes]
    coarse = Plane(tuple(np.linspace(*end, FEWEST) for end in ends))
    dt = float(np.min(np.diff(when)))
    noise = np.min([widths(step, coarse, float(when[0]), dt) for step in steps], axis=0)
    own = np.sqrt(np.diag(start.covariance))
    narrow = np.minimum(noise, np.where(own > 0, own, np.inf))
    counts = []
    for (low, high), width in zip(ends, narrow, strict=True):
        least = FEWEST if not np.isfinite(width) else (high - low) / (SPACING * width)
        counts.append(max(FEWEST, round(least * FINER**level)) + 1)
    nodes = counts[0] * counts[1]
    if nodes > MOST:
        raise InvalidInput(
            f"{counts[0]} by {counts[1]} nodes are needed, with {nodes * sum(counts) * 8 / 2**30:.1f} GiB for a step; "
            f"at most {MOST} nodes are taken: give a smaller box or a larger dt"
        )
    return Plane(tuple(np.linspace(*end, n) for end, n in zip(ends, counts, strict=True)))


def _run(
    process: Process,
    steps: Sequence[NormalStep],
    plane: Plane,
    grid: Grid,
    when: np.ndarray,
    asked: Sequence[int],
    start: JointNormal,
) -> tuple[dict[int, np.ndarray], Leak]:
    """Return the masses of cells after each number of steps asked for, and what leaked."""
    cells = [_integrals(line, faces) for line, faces in zip(plane.lines, grid.axes, strict=True)]
    dts, volume = np.diff(when), float(np.prod(plane.spacing))
    constant = not process.time_dependent and not process.tables
    known: dict[float, list] = {}
    kept, largest, first, masses = 1.0, 0.0, 0, {}
    p = np.zeros([len(line) for line in plane.lines])
    if np.any(start.covariance):
        p = _normal_at(plane, start.mean, start.covariance)
    else:
        A, C = steps[0].at(start.mean[:, None], float(when[0]), float(dts[0]))
        p, first = _normal_at(plane, A[:, 0], C[:, :, 0]), 1
    for n in range(first, len(when)):
        if n in asked:
            masses[n] = cells[0] @ p @ cells[1].T / kept
        if n == len(when) - 1:
            break
        t, dt = float(when[n]), float(dts[n])
        key = round(dt / float(when[-1]), 12) if constant else t
        if key not in known:
            known = {key: [operator(step, plane, t, dt) for step in steps]}
        for moves in known[key]:
            lost = volume * float(np.sum(moves.out * p)) / kept
            p, kept, largest = moves.of(p), kept * (1 - lost), max(largest, lost)
            p[np.abs(p) < UNDERFLOW] = 0.0
    return masses, Leak(1 - kept, largest)


def _normal_at(plane: Plane, mean: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Return the density of N(mean, covariance) at the nodes."""
    (x, y), (a, b) = np.meshgrid(*plane.lines, indexing="ij"), mean
    slope = covariance[0, 1] / covariance[0, 0]
    given = normal_density(y, b + slope * (x - a), covariance[1, 1] - slope * covariance[0, 1])
    return normal_density(x, a, covariance[0, 0]) * given


def _integrals(line: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Return the integrals over each cell of sinc((x - x_j)/h), ``(cells, n)``: h/pi Si(pi (x - x_j)/h) at its ends."""
    h = line[1] - line[0]
    return np.diff(h / np.pi * sici(np.pi * (faces[:, None] - line) / h)[0], axis=0)
