"""A process on the cells of a plane: what its ends are, where its laws start and how they are written down."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fpsde.cached import cached_property
from fpsde.fokker_planck.evolution import Trace
from fpsde.fokker_planck.grid_solver import GridSolver
from fpsde.fokker_planck.high_order.differences import Differences
from fpsde.fokker_planck.initial import Start
from fpsde.fokker_planck.plane.assembly import AssemblePlane, assemble_plane
from fpsde.fokker_planck.plane.backward import plane_solver, wall_points
from fpsde.fokker_planck.plane.coefficients import plane_sides
from fpsde.fokker_planck.plane.generator import PlaneGenerator, centres
from fpsde.fokker_planck.plane.initial import plane_start
from fpsde.fokker_planck.plane.results import Operator, PlaneEvolution, plane_resolution
from fpsde.fokker_planck.plane.start_function import PlaneFunction
from fpsde.fokker_planck.sides import Sides
from fpsde.grid import Grid
from fpsde.joint_law import JointCellLaw


@dataclass(frozen=True)
class OnPlane(GridSolver[PlaneGenerator]):
    """A :class:`~fpsde.fokker_planck.grid_solver.GridSolver` of two components."""

    process: Any
    grid: Grid
    assemble: AssemblePlane = field(default=assemble_plane, kw_only=True)
    _dim = 2
    _example = "Grid.uniform((low, high), (low, high), cells=(100, 80))"
    _solver_backward = staticmethod(plane_solver)

    @property
    def _axes(self) -> tuple[Sides, ...]:
        return self._sides

    @cached_property
    def _sides(self) -> tuple[Sides, Sides]:
        return plane_sides(self.process, self.grid)

    @property
    def _fringe(self) -> np.ndarray:
        """Which cells are watched at each end, as zeros and ones ``(4, n)``: none at an end of the domain."""
        watched = np.zeros((4, *self.grid.shape))
        for axis, (side, n) in enumerate(zip(self._sides, self.grid.shape, strict=True)):
            low, high = side.fringe(n)
            along = np.moveaxis(watched, 1 + axis, 1)
            along[2 * axis, :low] = 1.0
            along[2 * axis + 1, n - high :] = 1.0
        return watched.reshape(4, -1)

    def _at_ends(self, masses: np.ndarray) -> tuple[float, ...]:
        return tuple((self._fringe @ masses).tolist())

    @property
    def _turns(self) -> tuple[float | None, float | None]:
        """The lengths of the axes that are periodic; None for the others."""
        first, second = (
            float(faces[-1] - faces[0]) if side.periodic else None
            for faces, side in zip(self.grid.axes, self._sides, strict=True)
        )
        return first, second

    def _resolution(
        self, q: Operator | Differences, masses: np.ndarray
    ) -> tuple[tuple[float, float], tuple[float, float]]:
        return plane_resolution(q, masses)

    @property
    def _points_backward(self) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
        return tuple(centres(self.grid)), tuple(wall_points(self.grid, self._sides))

    def _function(self, u: np.ndarray, _: np.ndarray | None = None) -> PlaneFunction:
        return PlaneFunction(self.grid, u.reshape(self.grid.shape), self._turns)

    def _start(self, x0: Any) -> Start:
        return plane_start(x0, self.grid, self._sides)

    def _evolution(
        self, found: Trace, start: Start, when: np.ndarray, method: str, q: Operator | Differences
    ) -> PlaneEvolution:
        laws = tuple(self._law(masses) for masses in found.masses)
        how = self._in_time(found, start, when, q, method)
        return PlaneEvolution(law=laws[-1], laws=laws, absorbed=found.absorbed, **how)

    def _law(self, masses: np.ndarray) -> JointCellLaw:
        return JointCellLaw(self.grid, masses.reshape(self.grid.shape))
