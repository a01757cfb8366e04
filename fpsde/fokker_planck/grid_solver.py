"""What the solvers of one and of two components share: their generator, the ends of their grid, what they refuse."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property
from itertools import product
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np

from fpsde.errors import InvalidInput
from fpsde.fokker_planck.evolution import Trace
from fpsde.fokker_planck.initial import HELD, Start
from fpsde.fokker_planck.results import provenance
from fpsde.fokker_planck.sides import Sides
from fpsde.grid import Grid
from fpsde.validation import finite

Q = TypeVar("Q")


class GridSolver(ABC, Generic[Q]):
    """A ``process`` on the cells of a ``grid``, with the generator that ``assemble(process, grid, t)`` builds."""

    process: Any
    grid: Grid
    assemble: Callable[[Any, Grid, float], Q]
    #: The number of components, and how a grid for them is made.
    _dim: ClassVar[int]
    _example: ClassVar[str]

    def __post_init__(self) -> None:
        if not isinstance(self.grid, Grid) or not hasattr(self.process, "ito_drift"):
            raise InvalidInput(
                f"FokkerPlanck takes a Process and a Grid, not {type(self.process).__name__} and "
                f"{type(self.grid).__name__}; {self._example} makes a grid"
            )
        for name, dim in (("process", self.process.dim), ("grid", self.grid.dim)):
            if dim != self._dim:
                needed = "one is" if self._dim == 1 else "two are"
                raise InvalidInput(
                    f"the {name} has {dim} dimension(s), where {needed} needed: {self._example} makes a grid for it"
                )
        assert self._axes  # raises where the grid leaves the domain

    def generator(self, t: float = 0.0) -> Q:
        """Return the generator Q at time ``t``."""
        return self.assemble(self.process, self.grid, finite("t", t))

    @property
    @abstractmethod
    def _axes(self) -> tuple[Sides, ...]:
        """What the ends of each axis are; raises InvalidInput where the grid leaves the domain."""

    @cached_property
    def _absorbing(self) -> np.ndarray:
        """Whether the walls absorb, at the low and high end of each axis in turn, ``(2 dim,)``."""
        return np.array([absorbs for side in self._axes for absorbs in side.absorbing])

    def _generators(self, t_start: float, change: Callable[[Q], Q] = lambda q: q) -> Callable[[float], Q]:
        """Return Q as a function of time; one and the same where no coefficient depends on it. ``change`` alters it."""
        if self.process.time_dependent:
            return lambda t: change(self.generator(t))
        q = change(self.generator(t_start))
        return lambda _: q

    def _refuse_time_dependence(self, what: str) -> None:
        if self.process.time_dependent:
            raise InvalidInput(f"{self.process.name} depends on time and {what}")

    def _refuse_to_rest(self) -> None:
        """Raise InvalidInput where there is no stationary law to ask for."""
        self._refuse_time_dependence("has no stationary law; use evolve")
        if self._absorbing.any():
            raise InvalidInput(f"{self.process.name} is absorbed at a wall and leaves no stationary law; use evolve")

    def _refuse_at_ends(self, edge: tuple[float, ...]) -> None:
        """Raise InvalidInput where too much mass lay at a cut end; ``edge`` has two numbers for each axis."""
        for mass, (axis, end) in zip(edge, product(range(self._dim), (0, 1)), strict=True):
            if mass > HELD:
                faces, cells = self.grid.axes[axis], self._axes[axis].fringe(self.grid.shape[axis])[end]
                along = f" along axis {axis}" if self._dim > 1 else ""
                raise InvalidInput(
                    f"the grid [{faces[0]}, {faces[-1]}]{along} does not hold {self.process.name}: {mass:.3g} of the "
                    f"mass lay in the {cells} outermost cell(s) at its {('low', 'high')[end]} end, where at most "
                    f"{HELD:g} may; extend the grid"
                )

    def _in_time(self, found: Trace, start: Start, when: np.ndarray, method: str) -> dict[str, Any]:
        """Return what an evolution says of how it was computed; InvalidInput where mass reached a cut end."""
        self._refuse_at_ends(found.edge)
        absorbed = found.absorbed * self._absorbing  # what leaves through a wall of another kind is lost
        totals = found.masses.sum(axis=1) + absorbed.sum(axis=1)
        return {
            "times": tuple(when[1:].tolist()),
            "mass_error": float(np.abs(totals - start.total).max()),
            "minimum": found.minimum,
            "time_error": found.time_error,
            "outside": start.outside,
            "edge": found.edge,
            "dt": found.dt,
            "n_steps": found.n_steps,
            "n_refused": found.n_refused,
            "provenance": provenance(self.process, self.grid, method),
        }
