"""The Fokker-Planck equation of a process on a grid: its law in time, and its stationary law."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from fpsde.density import CellLaw, Law
from fpsde.errors import InvalidInput
from fpsde.fokker_planck.backward import Expectation, expected, line_solver
from fpsde.fokker_planck.driven import DrivenPropagator, printed
from fpsde.fokker_planck.evolution import TOLERANCE, Trace, stops, trace_as_asked
from fpsde.fokker_planck.exact_in_time import trace_by_modes, trace_by_uniformisation
from fpsde.fokker_planck.generator import Assemble, Generator, assemble
from fpsde.fokker_planck.grid_solver import GridSolver
from fpsde.fokker_planck.high_order.differences import Differences, differences
from fpsde.fokker_planck.high_order.evolution import CHEBYSHEV, trace_at_high_order
from fpsde.fokker_planck.high_order.stencils import stencils_of
from fpsde.fokker_planck.initial import Start, starting_masses
from fpsde.fokker_planck.passage import (
    PassageLaw,
    PassageTime,
    Splitting,
    hitting_probability,
    law_of_passage,
    passage_from,
    piece_with,
    pieces_to,
    times_of_passage,
)
from fpsde.fokker_planck.plane.solver import PlaneFokkerPlanck
from fpsde.fokker_planck.propagator import Propagator
from fpsde.fokker_planck.rational import trace_by_rational_approximation, trace_if_sound
from fpsde.fokker_planck.results import Evolution, Stationary, cells_per_length, peclet_number, provenance
from fpsde.fokker_planck.sides import Sides, sides_of
from fpsde.fokker_planck.spectrum import Modes, residuals, spectrum
from fpsde.fokker_planck.start_function import StartFunction, with_ends
from fpsde.fokker_planck.stationary_law import stationary_masses
from fpsde.fokker_planck.stopping import pieces, stop
from fpsde.fokker_planck.thermodynamics import Thermodynamics, masses_of, thermodynamics
from fpsde.grid import Grid
from fpsde.validation import finite, positive

#: What provenance calls the method that takes no steps.
AT_ONCE = "rational approximation of order 16"


@dataclass(frozen=True)
class FokkerPlanck(GridSolver[Generator]):
    """The equation dp/dt = -(mu p)' + (D p)'' of a process of one component, on the cells of a grid.

    For a process of two components ``FokkerPlanck(process, grid)`` is a :class:`PlaneFokkerPlanck`.

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
    _dim = 1
    _example = "Grid.uniform((low, high), cells=400)"

    def __new__(cls, process: Any = None, *grid: Any, **options: Any) -> Any:
        """Return the solver of one component, or for a process of two that of two."""
        if getattr(process, "dim", 1) == 2:
            return PlaneFokkerPlanck(process, *grid, **options)
        return super().__new__(cls)

    @property
    def formal_order(self) -> float:
        """The order in the cell width of what follows from Q: 2."""
        return 2.0

    def evolve(
        self,
        x0: float | Law,
        *,
        t_end: float,
        t_start: float = 0.0,
        dt: float | None = None,
        times: Any = None,
        tolerance: float | None = None,
        progress: bool = False,
    ) -> Evolution:
        """Return the law at ``t_end``, and at ``times`` before it, from a point or a law ``x0`` at ``t_start``.

        TR-BDF2 with a damped start: order 2 in ``dt`` and in the cell width, also where coefficients depend on time.
        With ``dt`` (which must divide every interval between times) steps are of that length; without it dt is halved
        until that moves less than ``tolerance`` of the mass at every time (total variation; 1e-6 if not given). On a
        line with constant coefficients, and without ``dt``, no steps are taken
        (:meth:`evolve_by_rational_approximation`) where that keeps to ``tolerance``, to signs up to round-off, and,
        by detailed balance, to the grid at all times.

        ``progress`` shows a bar on a long way in steps, as that of ``simulate``.

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
        when = stops(t_start, t_end, times)
        start = starting_masses(x0, self.grid, self._sides)
        if dt is None and not self.process.time_dependent:
            wanted = positive("tolerance", TOLERANCE if tolerance is None else tolerance)
            q = self.generator(when[0])
            at_once = trace_if_sound(q, start, when, self._fringe, wanted)
            if at_once is not None:
                return self._evolution(at_once, start, when, AT_ONCE, q)
        found = trace_as_asked(
            lambda: self._propagator(start, when), when, dt=dt, tolerance=tolerance, progress=progress
        )
        return self._evolution(found, start, when, "TR-BDF2", self.generator(when[-1]))

    def evolve_by_modes(self, x0: float | Law, *, t_end: float, t_start: float = 0.0, times: Any = None) -> Evolution:
        """Return what :meth:`evolve` returns, exact in time, from all modes of a line (absorbing walls included).

        ``time_error`` bounds what round-off makes of a mass; masses may be negative by as much. The cost grows as n^2
        to n^3 with the cells, and not at all with time. ``edge`` is read at the times asked for.

        Raises
        ------
        InvalidInput
            as :meth:`evolve`; if coefficients depend on time; on a ring; or if the start lies so deep in the tails of
            the stationary law that round-off could exceed 1e-10.
        """
        return self._at_once(trace_by_modes, "all modes", x0, stops(t_start, t_end, times))

    def evolve_by_uniformisation(
        self, x0: float | Law, *, t_end: float, t_start: float = 0.0, times: Any = None
    ) -> Evolution:
        """Return what :meth:`evolve` returns, exact in time, as a sum of non-negative terms over numbers of jumps.

        Positive by construction, on lines and rings; the cost is about t_end max|Q_ii| products with Q (``n_steps``),
        which grows as 1/h^2. ``edge`` is read at the times asked for.

        Raises
        ------
        InvalidInput
            as :meth:`evolve`; if coefficients depend on time; or for more than 2e8 products.
        """
        return self._at_once(trace_by_uniformisation, "uniformisation", x0, stops(t_start, t_end, times))

    def evolve_by_rational_approximation(
        self, x0: float | Law, *, t_end: float, t_start: float = 0.0, times: Any = None
    ) -> Evolution:
        """Return what :meth:`evolve` returns, exact in time, by eight complex solves for each time asked for.

        The fastest way through a long time: the cost grows with the cells, and not with time or stiffness. Masses may
        be negative by round-off. ``time_error`` is the mass moved by halving the intervals; ``edge`` is read at the
        times asked for.

        Raises
        ------
        InvalidInput
            as :meth:`evolve`; if coefficients depend on time; on a ring, whose spectrum may be complex; or if more than
            1e-10 of the mass moves, or a mass is negative beyond round-off (1e-15 of the largest), as from a start deep
            in the tails of the stationary law over a short time.
        """
        when = stops(t_start, t_end, times)
        return self._at_once(trace_by_rational_approximation, AT_ONCE, x0, when)

    def evolve_to_high_order(
        self,
        x0: float | Law,
        *,
        t_end: float,
        t_start: float = 0.0,
        times: Any = None,
        order: int = 6,
        tolerance: float | None = None,
    ) -> Evolution:
        """Return what :meth:`evolve` returns, of ``order`` 4 or 6 in the cell width, not positive: for smooth laws.

        Central differences of the products mu p and D p, on equal cells between cut or periodic ends: what one cell
        loses others gain, and cell masses are met at the order. Signs are kept only as far as the law is:
        ``negative_mass`` and ``minimum`` say how far. No steps are taken: on a line the rational approximation of order
        16, on a ring an expansion in Chebyshev polynomials, which may move ``tolerance`` of the mass (1e-6 if not
        given).

        Raises
        ------
        InvalidInput
            as :meth:`evolve`; if coefficients depend on time; unequal cells; a wall that is not periodic; a start that
            is rough on the grid, as a point is; a mass below -1e-7 of the largest, as on a grid that is too coarse
        NotConverged
            a tolerance that is not reached
        """
        self._refuse_time_dependence("is not carried exactly in time; use evolve")
        when = stops(t_start, t_end, times)
        start = starting_masses(x0, self.grid, self._sides)
        operator = differences(self.process, self.grid, (self._sides,), when[0], stencils_of(order))
        found = trace_at_high_order(operator, start, when, tolerance)
        return self._evolution(found, start, when, CHEBYSHEV if self._sides.periodic else AT_ONCE, operator)

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
        edge = self._at_ends(masses)
        self._refuse_at_ends(edge)
        return Stationary(
            law=CellLaw(self.grid, masses),
            residual=float(np.abs(q.apply(masses)).sum() / (-q.diag @ masses)),
            current=float(q.currents(masses)[: len(q.exponents)].mean()),
            edge=edge,
            peclet=peclet_number(q, masses),
            cells_per_length=cells_per_length(q, masses),
            provenance=provenance(self.process, self.grid, f"{q.flux}, cells censored one by one"),
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
        shapes = [r / r.sum() for r in np.abs(found.right)]
        self._refuse_at_ends(self._at_ends(shapes[0] if found.stationary is None else found.stationary))
        return Modes(
            grid=self.grid,
            eigenvalues=found.eigenvalues,
            left=found.left,
            right=found.right,
            stationary=found.stationary,
            residual=residuals(q.apply, -q.diag, found),
            edge=np.array([max(self._at_ends(r)) for r in shapes]),
            peclet=np.array([peclet_number(q, r) for r in shapes]),
            turn=self._turn,
            provenance=provenance(self.process, self.grid, f"{q.flux}, {found.method}"),
        )

    def expectation(
        self,
        f: Callable[[np.ndarray], np.ndarray],
        *,
        t_end: float,
        t_start: float = 0.0,
        dt: float | None = None,
        tolerance: float | None = None,
    ) -> Expectation:
        """Return u(x) = E[f(X_(t_end)) | X_(t_start) = x] for the starting points x of all cells at once.

        The backward equation -du/dt = Q^T u, u = f at t_end, by TR-BDF2 with a damped start. Particles that a wall has
        absorbed count with f there. ``f`` takes and returns arrays. With ``dt`` (which must divide the time) steps are
        of that length; without it dt is halved until that moves no value by more than ``tolerance`` (1e-6 of the range
        of f, if not given). Near a cut end of the grid the result is that of a reflecting wall there.

        Raises
        ------
        InvalidInput
            bad times; dt together with tolerance; an f that is not finite on the grid
        UnstableStep, NotConverged
            as :meth:`evolve`
        """
        when = stops(t_start, t_end, None)
        absorbing, centres = np.array(self._sides.absorbing), self.grid.centres
        walls = np.where(absorbing, self.grid.faces[[0, -1]], centres[[0, -1]])
        generators = self._generators(when[0])
        q = generators(when[0])
        return expected(
            f,
            when,
            generators,
            line_solver,
            points=([centres], [walls]),
            constant=not self.process.time_dependent,
            dt=dt,
            tolerance=tolerance,
            function=lambda u, v: StartFunction.of([with_ends(self.grid, self._sides, u, v)], self._turn),
            shape=self.grid.shape,
            provenance=provenance(self.process, self.grid, f"{q.flux}, TR-BDF2 backward"),
        )

    def passage_time(self, x0: float, target: Any = None) -> PassageTime:
        """Return mean and variance of the first time at ``target``, from ``x0`` and as functions of the start.

            -Q^T tau = 1,    -Q^T tau_2 = 2 tau        (0 at the target)

        ``target`` is a level, an interval (low, high), or None: the absorbing walls of the process. The grid is cut at
        the target, which becomes an absorbing wall at a face (cells keep their widths), so that the order in the cell
        width is 2 wherever it lies. Nothing is subtracted: passages over barriers of hundreds of kT keep their digits.

        Raises
        ------
        InvalidInput
            if coefficients depend on time; a target or a start off the grid; a start in the target; a wall that absorbs
            before the target is reached; more than 1e-6 of the time spent at a cut end of the grid.
        """
        self._refuse_time_dependence("has passage times that depend on when it starts; use passage_law")
        found = pieces_to(self.process, self.grid, None if target is None else stop("target", target, self.grid))
        return passage_from(found, x0, self.grid, self.assemble)

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
        found = pieces_to(self.process, self.grid, None if target is None else stop("target", target, self.grid))
        here, at = piece_with(found, x0, self.grid)
        solver = replace(self, process=here.process, grid=here.grid)
        begin = finite("t_start", t_start)
        run = solver.evolve(at, t_start=begin, t_end=begin + after[-1], times=begin + after, tolerance=tolerance)
        return law_of_passage(here, solver.generator, run, after)

    def committor(self, a: Any, b: Any) -> StartFunction:
        """Return q(x), the probability to reach ``b`` before ``a`` from x: 0 on a, 1 on b.

            -Q^T q = 0

        ``a`` and ``b`` are levels or intervals (low, high) that do not meet; a particle that an absorbing wall takes
        first reaches neither. In natural scale (``assemble=scale_speed``) it is exact at the centres of the cells.

        Raises
        ------
        InvalidInput
            if coefficients depend on time; sets off the grid, or that meet.
        """
        self._refuse_time_dependence("has committors that depend on when it starts")
        sets = {name: stop(name, where, self.grid) for name, where in (("a", a), ("b", b))}
        order = sorted(sets, key=lambda name: sets[name])
        first, second = (sets[name] for name in order)
        if first[1] >= second[0]:
            raise InvalidInput(f"a={sets['a']} and b={sets['b']} meet; give two sets with a gap between them")
        found = pieces(self.process, self.grid, [first, second])
        return hitting_probability(found, [float(name == "b") for name in order], self.assemble)

    def splitting(self, x0: float) -> Splitting:
        """Return the probabilities to end at the low and at the high of two absorbing walls, from ``x0``.

        Raises
        ------
        InvalidInput
            unless both walls absorb and x0 lies between them; if coefficients depend on time.
        """
        self._refuse_time_dependence("has splitting probabilities that depend on when it starts; use evolve")
        if self._sides.absorbing != (True, True):
            raise InvalidInput(
                f"{self.process.name} is not absorbed at both ends of the grid; use committor for two sets inside it"
            )
        ends = self.grid.faces[[0, -1]].tolist()
        found = pieces(self.process, self.grid, [(end, end) for end in ends])
        _, at = piece_with(found, x0, self.grid)
        to_high, to_low = (hitting_probability(found, values, self.assemble) for values in ((0.0, 1.0), (1.0, 0.0)))
        return Splitting(float(to_low(at)), float(to_high(at)), to_high)

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

    @property
    def _axes(self) -> tuple[Sides, ...]:
        return (self._sides,)

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
        """Return the mass in the cells that are watched at each end."""
        low, high = self._fringe
        return float(masses[:low].sum()), float(masses[len(masses) - high :].sum())

    def _at_once(self, method: Callable[..., Trace], name: str, x0: float | Law, when: np.ndarray) -> Evolution:
        self._refuse_time_dependence("is not carried exactly in time; use evolve")
        start = starting_masses(x0, self.grid, self._sides)
        q = self.generator(when[0])
        found = method(q, start, when, self._fringe)
        return self._evolution(found, start, when, name, q)

    def _propagator(self, start: Start, when: np.ndarray) -> Propagator:
        generators, process = self._generators(when[0]), self.process
        if process.time_dependent and printed(process) and self.assemble is assemble:
            return DrivenPropagator(process, self.grid, self._sides, generators, start, self._fringe)
        return Propagator(generators, start, constant=not process.time_dependent, fringe=self._fringe)

    def _evolution(
        self, found: Trace, start: Start, when: np.ndarray, method: str, q: Generator | Differences
    ) -> Evolution:
        how = self._in_time(found, start, when, f"{q.flux}, {method}")
        absorbed = found.absorbed * self._absorbing
        laws = tuple(self._law(m, a) for m, a in zip(found.masses, absorbed, strict=True))
        return Evolution(
            law=laws[-1],
            laws=laws,
            absorbed=(float(absorbed[-1, 0]), float(absorbed[-1, 1])),
            peclet=peclet_number(q, found.masses[-1]),
            cells_per_length=cells_per_length(q, found.masses[-1]),
            **how,
        )

    def _law(self, masses: np.ndarray, absorbed: np.ndarray) -> CellLaw:
        ends = zip(self.grid.faces[[0, -1]].tolist(), absorbed.tolist(), self._sides.absorbing, strict=True)
        return CellLaw(self.grid, masses, tuple((x, mass) for x, mass, absorbs in ends if absorbs))
