"""A process on a line or a ring of cells: what its ends are, where its laws start and how they are written down."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fpsde.cached import cached_property
from fpsde.density import CellLaw, Law
from fpsde.fokker_planck.backward import line_solver
from fpsde.fokker_planck.evolution import Trace
from fpsde.fokker_planck.generator import Assemble, Generator, assemble
from fpsde.fokker_planck.grid_solver import GridSolver
from fpsde.fokker_planck.high_order.differences import Differences
from fpsde.fokker_planck.initial import Start, starting_masses
from fpsde.fokker_planck.results import Evolution, resolution_of_line
from fpsde.fokker_planck.sides import Sides, sides_of
from fpsde.fokker_planck.start_function import StartFunction, with_ends
from fpsde.grid import Grid


@dataclass(frozen=True)
class OnLine(GridSolver[Generator]):
    """A :class:`GridSolver` of one component."""

    process: Any
    grid: Grid
    assemble: Assemble = field(default=assemble, kw_only=True)
    _dim = 1
    _example = "Grid.uniform((low, high), cells=400)"
    _solver_backward = staticmethod(line_solver)

    @property
    def _axes(self) -> tuple[Sides, ...]:
        return (self._sides,)

    @property
    def _absorbing(self) -> tuple[bool, bool]:
        return self._sides.absorbing

    @cached_property
    def _sides(self) -> Sides:
        return sides_of(self.process.domain, self.grid)

    @cached_property
    def _fringe(self) -> tuple[int, int]:
        return self._sides.fringe(self.grid.shape[0])

    @property
    def _turn(self) -> float | None:
        return self.process.domain.length if self._sides.periodic else None

    def _at_ends(self, masses: np.ndarray) -> tuple[float, float]:
        low, high = self._fringe
        return float(masses[:low].sum()), float(masses[len(masses) - high :].sum())

    def _resolution(self, q: Generator | Differences, masses: np.ndarray) -> tuple[float, float]:
        return resolution_of_line(q, masses)

    @property
    def _points_backward(self) -> tuple[tuple[np.ndarray], tuple[np.ndarray]]:
        absorbing, centres = np.array(self._sides.absorbing), self.grid.centres
        return (centres,), (np.where(absorbing, self.grid.faces[[0, -1]], centres[[0, -1]]),)

    def _function(self, u: np.ndarray, at_walls: np.ndarray) -> StartFunction:
        return StartFunction.of([with_ends(self.grid, self._sides, u, at_walls)], self._turn)

    def _start(self, x0: float | Law) -> Start:
        return starting_masses(x0, self.grid, self._sides)

    def _evolution(
        self, found: Trace, start: Start, when: np.ndarray, method: str, q: Generator | Differences
    ) -> Evolution:
        how = self._in_time(found, start, when, q, method)
        laws = [self._law(m, a) for m, a in zip(found.masses, found.absorbed, strict=True)]
        (low, high), absorbs = found.absorbed[-1].tolist(), self._absorbing
        return Evolution(law=laws[-1], laws=tuple(laws), absorbed=(low * absorbs[0], high * absorbs[1]), **how)

    def _law(self, masses: np.ndarray, absorbed: np.ndarray) -> CellLaw:
        return CellLaw(self.grid, masses, self._sides.atoms(self.grid, absorbed))
