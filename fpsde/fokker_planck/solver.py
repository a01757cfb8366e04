"""The Fokker-Planck equation of a process on a grid: its law in time, and its stationary law."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from fpsde.density import CellLaw, Law
from fpsde.errors import InvalidInput
from fpsde.fokker_planck.evolution import Trace, trace, trace_to_tolerance
from fpsde.fokker_planck.generator import Assemble, Generator, assemble
from fpsde.fokker_planck.initial import HELD, Start, starting_masses
from fpsde.fokker_planck.propagator import Propagator
from fpsde.fokker_planck.results import Evolution, Stationary, peclet_number, provenance
from fpsde.fokker_planck.sides import Sides, sides_of
from fpsde.fokker_planck.stationary_law import stationary_masses
from fpsde.grid import Grid
from fpsde.validation import finite, increasing, positive, whole_steps

#: Where neither dt nor tolerance is given, halving dt may move this fraction of the mass.
TOLERANCE = 1e-6
#: One cell in so many, at each cut end, is watched: what lies there is about what would lie beyond.
FRINGE = 50


@dataclass(frozen=True)
class FokkerPlanck:
    """The equation dp/dt = -(mu p)' + (D p)'' of a process of one component, on the cells of a grid.

    ``process`` has ``ito_drift(x, t)``, ``diffusivity(x, t)``, ``domain``, ``dim``, ``time_dependent`` and ``name``.
    Where the grid ends at an end of the domain, the wall there holds (reflecting: zero total flux; absorbing;
    periodic). An end inside the domain has zero flux and must not be reached. ``assemble`` builds the generator;
    another one solves another equation.

    Raises
    ------
    InvalidInput
        if the process or the grid is not of one dimension, or the grid does not lie inside the domain.
    """

    process: Any
    grid: Grid
    assemble: Assemble = field(default=assemble, kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.grid, Grid) or not hasattr(self.process, "ito_drift"):
            raise InvalidInput(
                f"FokkerPlanck takes a Process and a Grid, not {type(self.process).__name__} and "
                f"{type(self.grid).__name__}; Grid.uniform((low, high), cells=400) makes a grid"
            )
        for name, dim in (("process", self.process.dim), ("grid", self.grid.dim)):
            if dim != 1:
                raise InvalidInput(f"the {name} has {dim} dimensions; this solver takes one")
        sides_of(self.process.domain, self.grid)

    def generator(self, t: float = 0.0) -> Generator:
        """Return the generator Q at time ``t``."""
        return self.assemble(self.process, self.grid, finite("t", t))

    def evolve(
        self,
        x0: float | Law,
        *,
        t_end: float,
        t_start: float = 0.0,
        dt: float | None = None,
        times: Any = None,
        tolerance: float | None = None,
    ) -> Evolution:
        """Return the law at ``t_end``, and at ``times`` before it, from a point or a law ``x0`` at ``t_start``.

        TR-BDF2 with a damped start: order 2 in ``dt`` and in the cell width, also where coefficients depend on time.
        With ``dt`` (which must divide every interval between times) steps are of that length; without it dt is halved
        until that moves less than ``tolerance`` of the mass at every time (total variation; 1e-6 if not given).

        Raises
        ------
        InvalidInput
            bad times; dt together with tolerance; an initial law that does not fit on the grid; mass that reaches a cut
            end of it (more than 1e-6 in the outermost fiftieth of the cells)
        UnstableStep
            a step that stays negative however often it is halved
        NotConverged
            a tolerance that is not reached
        """
        stops = _stops(t_start, t_end, times)
        start = starting_masses(x0, self.grid, self._sides)
        found = self._trace(start, stops, dt, tolerance)
        self._refuse_at_ends(found.edge)
        return self._evolution(found, start, stops)

    def stationary(self) -> Stationary:
        """Return the stationary law: products of rate ratios on a line, the cyclic formula on a ring, driven or not.

        Raises
        ------
        InvalidInput
            if the process depends on time, a wall absorbs, the law reaches a cut end of the grid (as it does where
            a process has no stationary law), or a rate underflows.
        """
        name = self.process.name
        if self.process.time_dependent:
            raise InvalidInput(f"{name} depends on time and has no stationary law; use evolve")
        if any(self._sides.absorbing):
            raise InvalidInput(f"{name} is absorbed at a wall and leaves no stationary law; use evolve")
        q = self.generator()
        masses = stationary_masses(q)
        low, high = self._fringe
        edge = float(masses[:low].sum()), float(masses[len(masses) - high :].sum())
        self._refuse_at_ends(edge)
        return Stationary(
            law=CellLaw(self.grid, masses),
            residual=float(np.abs(q.apply(masses)).sum() / (-q.diag @ masses)),
            current=float(q.currents(masses)[: len(q.exponents)].mean()),
            edge=edge,
            peclet=peclet_number(q, masses),
            provenance=provenance(self.process, q, "Scharfetter-Gummel, cells censored one by one"),
        )

    @property
    def _sides(self) -> Sides:
        return sides_of(self.process.domain, self.grid)

    @property
    def _fringe(self) -> tuple[int, int]:
        """The number of outermost cells that are watched at each end: none where the end is that of the domain."""
        cells = max(1, self.grid.shape[0] // FRINGE)
        low, high = self._sides.cut
        return cells * low, cells * high

    def _trace(self, start: Start, stops: np.ndarray, dt: float | None, tolerance: float | None) -> Trace:
        if dt is None:
            wanted = positive("tolerance", TOLERANCE if tolerance is None else tolerance)
            return trace_to_tolerance(lambda: self._propagator(start, stops), stops, wanted)
        if tolerance is not None:
            raise InvalidInput(f"dt={dt} and tolerance={tolerance} were both given; give one of them")
        steps = np.array([_steps_between(*interval, dt) for interval in pairwise(stops.tolist())])
        return trace(self._propagator(start, stops), stops, steps)

    def _propagator(self, start: Start, stops: np.ndarray) -> Propagator:
        if self.process.time_dependent:
            return Propagator(self.generator, start, constant=False, fringe=self._fringe)
        q = self.generator(stops[0])
        return Propagator(lambda _: q, start, constant=True, fringe=self._fringe)

    def _refuse_at_ends(self, edge: tuple[float, float]) -> None:
        faces = self.grid.faces
        for end, mass, cells in zip(("low", "high"), edge, self._fringe, strict=True):
            if mass > HELD:
                raise InvalidInput(
                    f"the grid [{faces[0]}, {faces[-1]}] does not hold {self.process.name}: {mass:.3g} of the mass lay "
                    f"in the {cells} outermost cell(s) at its {end} end, where at most {HELD:g} may; extend the grid"
                )

    def _evolution(self, found: Trace, start: Start, stops: np.ndarray) -> Evolution:
        absorbed = found.absorbed * self._sides.absorbing  # what leaves through a wall of another kind is lost
        totals = found.masses.sum(axis=1) + absorbed.sum(axis=1)
        laws = tuple(self._law(m, a) for m, a in zip(found.masses, absorbed, strict=True))
        q = self.generator(stops[-1])
        return Evolution(
            law=laws[-1],
            laws=laws,
            times=tuple(stops[1:].tolist()),
            absorbed=(float(absorbed[-1, 0]), float(absorbed[-1, 1])),
            mass_error=float(np.abs(totals - start.total).max()),
            minimum=found.minimum,
            time_error=found.time_error,
            outside=start.outside,
            edge=found.edge,
            peclet=peclet_number(q, found.masses[-1]),
            dt=found.dt,
            n_steps=found.n_steps,
            n_refused=found.n_refused,
            provenance=provenance(self.process, q, "Scharfetter-Gummel, TR-BDF2"),
        )

    def _law(self, masses: np.ndarray, absorbed: np.ndarray) -> CellLaw:
        ends = zip(self.grid.faces[[0, -1]].tolist(), absorbed.tolist(), self._sides.absorbing, strict=True)
        return CellLaw(self.grid, masses, tuple((x, mass) for x, mass, absorbs in ends if absorbs))


def _stops(t_start: Any, t_end: Any, times: Any) -> np.ndarray:
    """Return the start, the times asked for and the end, ``(n_times + 1,)``."""
    begin, end = finite("t_start", t_start), finite("t_end", t_end)
    if not begin < end:
        raise InvalidInput(f"t_end={end} must come after t_start={begin}")
    between = np.empty(0) if times is None else increasing("times", times)
    if len(between) and not begin < between[0] <= between[-1] <= end:
        raise InvalidInput(f"times run from {between[0]} to {between[-1]}; they must lie in ({begin}, {end}]")
    return np.unique(np.concatenate([[begin], between, [end]]))


def _steps_between(begin: float, end: float, dt: float) -> int:
    try:
        return whole_steps(end - begin, dt)
    except InvalidInput as error:
        raise InvalidInput(f"from t={begin} to t={end}: {error}") from None
