"""The Fokker-Planck equation of a process on a grid: its law in time, and its stationary law."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from fpsde.density import CellLaw
from fpsde.fokker_planck.line_in_time import LineInTime
from fpsde.fokker_planck.line_passages import LinePassages
from fpsde.fokker_planck.passage import PassageLaw, law_of_passage, piece_with, times_of_passage
from fpsde.fokker_planck.results import Stationary
from fpsde.fokker_planck.spectrum import Modes, spectrum
from fpsde.fokker_planck.stationary_law import residual, stationary_masses
from fpsde.fokker_planck.thermodynamics import Thermodynamics, masses_of, thermodynamics
from fpsde.optional import optional
from fpsde.validation import finite

plane = optional("fpsde.fokker_planck.plane.solver")


@dataclass(frozen=True)
class FokkerPlanck(LineInTime, LinePassages):
    """The equation dp/dt = -(mu p)' + (D p)'' of a process of one component, on the cells of a grid.

    For a process of two components ``FokkerPlanck(process, grid)`` is a
    :class:`~fpsde.fokker_planck.plane.solver.PlaneFokkerPlanck`.

    ``process`` has ``ito_drift(x, t)``, ``diffusivity(x, t)``, ``domain``, ``dim``, ``time_dependent`` and ``name``.
    Where the grid ends at an end of the domain, the wall there holds (reflecting: zero total flux; absorbing;
    periodic). An end inside the domain has zero flux and must not be reached. ``assemble`` builds the generator;
    another one solves another equation.

    Raises
    ------
    InvalidInput
        if the process or the grid is not of one dimension, or the grid does not lie inside the domain.
    """

    def __new__(cls, process: Any = None, *grid: Any, **options: Any) -> Any:
        """Return the solver of one component, or for a process of two that of two."""
        if getattr(process, "dim", 1) == 2:
            return plane.PlaneFokkerPlanck(process, *grid, **options)
        return super().__new__(cls)

    @property
    def formal_order(self) -> float:
        """The order in the cell width of what follows from Q: 2."""
        return 2.0

    def stationary(self) -> Stationary:
        """Return the stationary law: products of rate ratios on a line, the cyclic formula on a ring, driven or not.

        Raises
        ------
        InvalidInput
            if the process depends on time, a wall absorbs, the law reaches a cut end of the grid (as it does where
            a process has no stationary law), or a rate underflows.
        """
        self._refuse_to_rest()
        q = self.generator()
        masses = stationary_masses(q)
        return Stationary(
            law=CellLaw(self.grid, masses),
            residual=residual(q, masses),
            current=float(q.currents(masses)[: len(q.exponents)].mean()),
            **self._at_rest(q, masses, "cells censored one by one"),
        )

    def modes(self, count: int) -> Modes:
        """Return the ``count`` slowest modes: rates of decay, left and right eigenfunctions.

            Q r = -lambda r,    Q^T l = -lambda l

        On a line each rate is found to its own last digits, however small it is against the others (bisection on the
        rates of the generator), in a time that grows as count * cells. Rings are solved as dense matrices: real rates
        where detailed balance holds, complex ones where the ring is driven (one mode more where the last is half of a
        pair). A stationary law is not counted as a mode; where a wall absorbs, the first mode is quasi-stationary.

        Raises
        ------
        InvalidInput
            if coefficients depend on time; for more modes than cells; a ring of more than 2000 cells; a rate that
            underflows; a stationary law (where a wall absorbs, a first mode) that reaches a cut end of the grid.
        """
        self._refuse_time_dependence("has no modes")
        q = self.generator()
        found = spectrum(q, count)
        return Modes(**self._decay(q, found), turn=self._turn)

    def passage_law(
        self, x0: float, target: Any = None, *, times: Any, t_start: float = 0.0, tolerance: float | None = None
    ) -> PassageLaw:
        """Return the law of the first time at ``target`` from ``x0``: survival P(T > t) and density at ``times``.

        ``times`` are counted from ``t_start``, as the time T is. ``target`` as of :meth:`passage_time`. The law is
        evolved with the target as an absorbing wall, to ``tolerance`` as in :meth:`evolve`; a process with an absorbing
        wall of its own may never arrive, and keeps that part of its probability out of ``arrived``.

        Raises
        ------
        InvalidInput
            bad times; a target or a start off the grid; a start in the target; as :meth:`evolve`
        """
        after = times_of_passage(times)
        here, at = piece_with(self._pieces_to(target), x0, self.grid)
        solver = replace(self, process=here.process, grid=here.grid)
        begin = finite("t_start", t_start)
        run = solver.evolve(at, t_start=begin, t_end=begin + after[-1], times=begin + after, tolerance=tolerance)
        return law_of_passage(here, solver.generator, run, after)

    def thermodynamics(self, law: CellLaw, *, t: float = 0.0) -> Thermodynamics:
        """Return the currents of a law at time ``t``, its entropy production and its free energy.

        ``law`` lies on the grid of this solver, as those of :meth:`evolve` and :meth:`stationary` do.

        Raises
        ------
        InvalidInput
            if it does not, or has masses that are negative beyond round-off.
        """
        masses = masses_of(law, CellLaw, self.grid)
        return thermodynamics(self.generator(t), masses)
