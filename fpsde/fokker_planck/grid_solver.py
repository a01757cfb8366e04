"""What the solvers of one and of two components share: their generator, the ends of their grid, what they refuse.

And what their results say alike, whatever the number of components: how a law was carried through time, how well one
stays, how modes decay, and the backward equation in time, which is the same door.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np

from fpsde.errors import InvalidInput
from fpsde.fokker_planck.backward import BackwardPropagator, Expectation, Solver, expected
from fpsde.fokker_planck.evolution import Trace, stops
from fpsde.fokker_planck.initial import HELD, Start
from fpsde.fokker_planck.results import provenance
from fpsde.fokker_planck.sides import Sides
from fpsde.fokker_planck.spectrum import Spectrum
from fpsde.fokker_planck.stationary_law import residual
from fpsde.fokker_planck.totals import departure
from fpsde.grid import Grid, refuse_more_than_fits, refuse_other_than_process_and_grid
from fpsde.validation import finite

Q = TypeVar("Q", bound=Any)


class GridSolver(ABC, Generic[Q]):
    """A ``process`` on the cells of a ``grid``, with the generator that ``assemble(process, grid, t)`` builds."""

    process: Any
    grid: Grid
    assemble: Callable[[Any, Grid, float], Q]
    #: The number of components, and how a grid for them is made.
    _dim: ClassVar[int]
    _example: ClassVar[str]

    def __post_init__(self) -> None:
        refuse_other_than_process_and_grid("FokkerPlanck", self.process, self.grid, self._example)
        if not self.process.dim == self.grid.dim == self._dim:
            raise self._of_other_dimensions()
        refuse_more_than_fits(self.grid.shape, 1 + self._dim + self._dim**2)  # the masses, drift and D
        assert self._axes  # raises where the grid leaves the domain

    def _of_other_dimensions(self) -> InvalidInput:
        """Return the error for a process or a grid with another number of components than are solved here."""
        if self.process.dim > 2:
            return InvalidInput(
                f"the process has {self.process.dim} dimension(s), where one or two can be solved on a grid of cells; "
                "take particles: simulate, in any number of dimensions"
            )
        name, dim = ("grid", self.grid.dim) if self.process.dim == self._dim else ("process", self.process.dim)
        needed = "one is" if self._dim == 1 else "two are"
        return InvalidInput(
            f"the {name} has {dim} dimension(s), where {needed} needed: {self._example} makes a grid for it"
        )

    def generator(self, t: float = 0.0) -> Q:
        """Return the generator Q at time ``t``."""
        return self.assemble(self.process, self.grid, finite("t", t))

    def expectation(
        self,
        f: Callable[..., Any],
        *,
        t_end: float,
        t_start: float = 0.0,
        dt: float | None = None,
        tolerance: float | None = None,
    ) -> Expectation:
        """Return u(x) = E[f(X_(t_end)) | X_(t_start) = x] for the starting points x of all cells at once.

        The backward equation -du/dt = Q^T u, u = f at t_end, by steps of TR-BDF2 with a damped start: the transposes of
        those of ``evolve``. Particles that a wall has absorbed count with f there. ``f`` takes an array, and returns
        one. With ``dt`` (which must divide the time) steps are of that length; without it dt is halved until that moves
        no value by more than ``tolerance`` (1e-6 of the range of f, if not given). Near a cut end of the grid the
        result is that of a reflecting wall there.

        Raises
        ------
        InvalidInput
            bad times; dt together with tolerance; an f that is no function, or not finite on the grid
        UnstableStep, NotConverged
            as ``evolve``
        """
        when = stops(t_start, t_end, None)
        generators, constant = self._generators(when[0]), not self.process.time_dependent
        back = partial(BackwardPropagator, generators, self._solver_backward, constant=constant)
        return self._average(f, when, back, f"{generators(when[0]).flux}, TR-BDF2", dt, tolerance)

    def _average(
        self,
        f: Callable[..., Any],
        when: np.ndarray,
        back: Callable[[np.ndarray, np.ndarray], BackwardPropagator],
        method: str,
        dt: float | None,
        tolerance: float | None,
    ) -> Expectation:
        """Return what ``f`` will be on average, as ``back`` moves its values from the end of ``when`` to its start."""
        return expected(
            f,
            when,
            back,
            points=self._points_backward,
            dt=dt,
            tolerance=tolerance,
            function=self._function,
            shape=self.grid.shape,
            provenance=provenance(self.process, self.grid, f"{method} backward"),
        )

    @property
    @abstractmethod
    def _axes(self) -> tuple[Sides, ...]:
        """What the ends of each axis are; raises InvalidInput where the grid leaves the domain."""

    @property
    @abstractmethod
    def _fringe(self) -> Any:
        """Which cells are watched at each end, as the propagators take it: none at an end of the domain."""

    @abstractmethod
    def _start(self, x0: Any) -> Start:
        """Return the masses of the cells at the start; InvalidInput if ``x0`` is no start on this grid."""

    @abstractmethod
    def _evolution(self, found: Trace, start: Start, when: np.ndarray, method: str, q: Any) -> Any:
        """Return the record of a run by a ``method``, with ``q`` of the last time."""

    @abstractmethod
    def _at_ends(self, masses: np.ndarray) -> tuple[float, ...]:
        """Return the mass in the cells that are watched at each end, axis by axis."""

    @abstractmethod
    def _resolution(self, q: Any, masses: np.ndarray) -> tuple[Any, Any]:
        """Return Peclet number and cells per correlation length, as ``Resolved`` has them, where the masses are."""

    @property
    @abstractmethod
    def _points_backward(self) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
        """The centres of the cells, and where mass arrives at walls (in the shape of the exits), by component."""

    @staticmethod
    @abstractmethod
    def _solver_backward(q: Q, a: float) -> Solver:
        """Return the function that solves with I - a Q^T."""

    @abstractmethod
    def _function(self, u: np.ndarray, at_walls: np.ndarray) -> Callable[..., np.ndarray]:
        """Return the function of the starting point with the values ``u`` at centres and ``at_walls`` beyond them."""

    @property
    def _absorbing(self) -> tuple[bool, ...]:
        """Whether the walls absorb, at the low and high end of each axis in turn, ``(2 dim,)``."""
        return sum((side.absorbing for side in self._axes), ())

    def _generators(self, t_start: float, change: Callable[[Q], Q] = lambda q: q) -> Callable[[float], Q]:
        """Return Q as a function of time; one and the same where no coefficient depends on it. ``change`` alters it."""
        if self.process.time_dependent:
            return lambda t: change(self.generator(t))
        q = change(self.generator(t_start))
        return lambda _: q

    def _at_once(self, method: Callable[..., Trace], name: str, x0: Any, when: np.ndarray) -> Any:
        """Return the record of a run by a ``method`` that takes no steps of time and needs one Q."""
        self._refuse_time_dependence("is not carried exactly in time; use evolve")
        start = self._start(x0)
        q = self.generator(when[0])
        return self._evolution(method(q, start, when, self._fringe), start, when, name, q)

    def _refuse_time_dependence(self, what: str) -> None:
        if self.process.time_dependent:
            raise InvalidInput(f"{self.process.name} depends on time and {what}")

    def _refuse_to_rest(self) -> None:
        """Raise InvalidInput where there is no stationary law to ask for."""
        self._refuse_time_dependence("has no stationary law; use evolve")
        if any(self._absorbing):
            raise InvalidInput(f"{self.process.name} is absorbed at a wall and leaves no stationary law; use evolve")

    def _refuse_at_ends(self, edge: tuple[float, ...]) -> None:
        """Raise InvalidInput where too much mass lay at a cut end; ``edge`` has two numbers for each axis."""
        if max(edge) <= HELD:
            return
        for mass, (axis, end) in zip(edge, product(range(self._dim), (0, 1)), strict=True):
            if mass > HELD:
                faces, cells = self.grid.axes[axis], self._axes[axis].fringe(self.grid.shape[axis])[end]
                along = f" along axis {axis}" if self._dim > 1 else ""
                raise InvalidInput(
                    f"the grid [{faces[0]}, {faces[-1]}]{along} does not hold {self.process.name}: {mass:.3g} of the "
                    f"mass lay in the {cells} outermost cell(s) at its {('low', 'high')[end]} end, where at most "
                    f"{HELD:g} may; extend the grid"
                )

    def _in_time(self, found: Trace, start: Start, when: np.ndarray, q: Any, method: str) -> dict[str, Any]:
        """Return what ``LawsInTime`` says beside the laws themselves; InvalidInput where mass reached a cut end."""
        self._refuse_at_ends(found.edge)
        peclet, cells = self._resolution(q, found.masses[-1])
        moved = found.mass_error
        if moved is None:
            moved = departure(found.masses, found.absorbed, self._absorbing, start.masses, start.absorbed)
        return {
            "times": tuple(when[1:].tolist()),
            "mass_error": moved,
            "minimum": found.minimum,
            "time_error": found.time_error,
            "outside": start.outside,
            "edge": found.edge,
            "dt": found.dt,
            "n_steps": found.n_steps,
            "n_refused": found.n_refused,
            "peclet": peclet,
            "cells_per_length": cells,
            "provenance": provenance(self.process, self.grid, f"{q.flux}, {method}"),
        }

    def _at_rest(self, q: Any, masses: np.ndarray, method: str) -> dict[str, Any]:
        """Return what ``LawAtRest`` says beside law, residual and current; InvalidInput where the masses meet an end.

        ``q``, a generator or an operator in its place, is what keeps them.
        """
        edge = self._at_ends(masses)
        self._refuse_at_ends(edge)
        peclet, cells = self._resolution(q, masses)
        return {
            "edge": edge,
            "peclet": peclet,
            "cells_per_length": cells,
            "provenance": provenance(self.process, self.grid, f"{q.flux}, {method}"),
        }

    def _decay(self, q: Q, found: Spectrum) -> dict[str, Any]:
        """Return what ``Decay`` says of modes; InvalidInput where the first law that they tell of meets a cut end."""
        shape = self.grid.shape
        sizes = np.abs(found.right) / np.abs(found.right).sum(axis=1, keepdims=True)
        self._refuse_at_ends(self._at_ends(sizes[0] if found.stationary is None else found.stationary))
        pairs = zip(found.right, found.eigenvalues, strict=True)
        return {
            "grid": self.grid,
            "eigenvalues": found.eigenvalues,
            "left": found.left.reshape(-1, *shape),
            "right": found.right.reshape(-1, *shape),
            "stationary": None if found.stationary is None else found.stationary.reshape(shape),
            "residual": np.array([residual(q, r, rate) for r, rate in pairs]),
            "edge": np.array([max(self._at_ends(size)) for size in sizes]),
            "peclet": np.array([self._resolution(q, size)[0] for size in sizes]),
            "provenance": provenance(self.process, self.grid, f"{q.flux}, {found.method}"),
        }
