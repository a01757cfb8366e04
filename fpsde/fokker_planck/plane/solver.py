"""The Fokker-Planck equation of a process of two components on a grid: its law in time, and its stationary law."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from fpsde.density import Law
from fpsde.errors import InvalidInput
from fpsde.fokker_planck.backward import Expectation, expected
from fpsde.fokker_planck.driven import printed
from fpsde.fokker_planck.evolution import Trace, stops, trace_as_asked
from fpsde.fokker_planck.grid_solver import GridSolver
from fpsde.fokker_planck.high_order.differences import Differences, plane_differences
from fpsde.fokker_planck.high_order.evolution import CHEBYSHEV, trace_at_high_order
from fpsde.fokker_planck.high_order.null_vector import null_vector
from fpsde.fokker_planck.high_order.stencils import SIXTH, stencils_of
from fpsde.fokker_planck.initial import Start
from fpsde.fokker_planck.passage import PassageLaw, times_of_passage
from fpsde.fokker_planck.plane.assembly import AssemblePlane, assemble_plane
from fpsde.fokker_planck.plane.backward import plane_solver, until_stopped, wall_points
from fpsde.fokker_planck.plane.coefficients import Coefficients, noisy_axes, plane_sides
from fpsde.fokker_planck.plane.driven import DrivenLines, DrivenSplitPropagator
from fpsde.fokker_planck.plane.exact import trace_by_sums
from fpsde.fokker_planck.plane.generator import PlaneGenerator, centres
from fpsde.fokker_planck.plane.initial import plane_start
from fpsde.fokker_planck.plane.phase_space import PhaseSpace, phase_space
from fpsde.fokker_planck.plane.phase_space_evolution import SPLITTING, trace_of_phase_space
from fpsde.fokker_planck.plane.propagator import SplitPropagator, WholePropagator
from fpsde.fokker_planck.plane.results import (
    PlaneEvolution,
    PlaneFunction,
    PlanePassageTime,
    PlaneSplitting,
    PlaneStationary,
    plane_cells_per_length,
    plane_peclet,
)
from fpsde.fokker_planck.plane.spectrum import PlaneModes, plane_spectrum
from fpsde.fokker_planck.plane.stationary import plane_stationary, residual
from fpsde.fokker_planck.plane.stream import stream_of
from fpsde.fokker_planck.plane.targets import Region, Target, stopped_at
from fpsde.fokker_planck.plane.thermodynamics import PlaneThermodynamics, plane_thermodynamics
from fpsde.fokker_planck.results import provenance
from fpsde.fokker_planck.sides import Sides
from fpsde.fokker_planck.spectrum import residuals
from fpsde.fokker_planck.thermodynamics import masses_of
from fpsde.grid import Grid
from fpsde.joint_law import JointCellLaw
from fpsde.validation import finite, finite_array


class Stepping(enum.Enum):
    """How steps in time are taken on a plane; both are of order 2 in dt."""

    WHOLE = "TR-BDF2"  #: with sparse factors of all of Q
    #: Where no noise is correlated; faster. Along an axis without noise it takes steps below a cell's crossing time.
    SPLIT = "Strang splitting of TR-BDF2 on lines"


@dataclass(frozen=True)
class PlaneFokkerPlanck(GridSolver[PlaneGenerator]):
    """The equation dp/dt = -d_i(mu_i p) + d_i d_j(D_ij p) of a process of two components, on the cells of a grid.

    ``process`` has ``ito_drift(x, t)``, ``diffusivity(x, t)``, ``intervals``, ``dim``, ``time_dependent`` and ``name``.
    Where the grid ends at an end of the domain, the wall there holds (reflecting: zero total flux, along the co-normal
    where noise is correlated; absorbing; periodic). An end inside the domain has zero flux and must not be reached.
    ``assemble`` builds the generator: :func:`assemble_plane`, or
    :func:`~fpsde.fokker_planck.plane.cell_averages.speed_measure`, whose stationary masses are those of the cells to
    order 4; another one solves another equation.

    Raises
    ------
    InvalidInput
        if the process or the grid is not of two dimensions, or the grid does not lie inside the domain.
    """

    process: Any
    grid: Grid
    assemble: AssemblePlane = field(default=assemble_plane, kw_only=True)
    _dim = 2
    _example = "Grid.uniform((low, high), (low, high), cells=(100, 80))"

    @property
    def formal_order(self) -> float:
        """The order in the cell width of what follows from Q: 2, or 1 where there is no noise along an axis."""
        read = Coefficients(self.process, self.grid, 0.0, self._sides)
        return 2.0 if all(noisy_axes(read.d)) else 1.0

    def evolve(
        self,
        x0: Any,
        *,
        t_end: float,
        t_start: float = 0.0,
        dt: float | None = None,
        times: Any = None,
        tolerance: float | None = None,
        stepping: Stepping | None = None,
        progress: bool = False,
    ) -> PlaneEvolution:
        """Return the law at ``t_end``, and at ``times`` before it, from ``x0`` at ``t_start``.

        ``x0`` is a pair of points or laws, one for each component, or an array or law of cell masses. Order 2 in
        ``dt``, also where coefficients depend on time, and in the cell width (1 along an axis without noise). With
        ``dt`` (which must divide every interval between times) steps are of that length; without it dt is halved until
        that moves less than ``tolerance`` of the mass at every time (total variation; 1e-6 if not given). Steps are
        split where there is noise along both axes that is not correlated, and along one axis alone where coefficients
        depend on time (all of Q would have to be factored anew for each step), unless ``stepping`` says otherwise.

        ``progress`` shows a bar on a long way in steps, as that of ``simulate``.

        Raises
        ------
        InvalidInput
            bad times; dt together with tolerance; a start that does not fit on the grid; mass that reaches a cut end of
            it (more than 1e-6 in the outermost fiftieth of the cells); split steps for correlated noise
        UnstableStep
            a step that stays negative however often it is halved
        NotConverged
            a tolerance that is not reached
        """
        when = stops(t_start, t_end, times)
        start = plane_start(x0, self.grid, self._sides)
        generators = self._generators(when[0])
        lines = None if stepping is Stepping.WHOLE else self._driven_lines()
        split = self._split(generators(when[0]), stepping, driven=lines is not None)
        constant, fringe = not self.process.time_dependent, self._fringe

        def propagator() -> SplitPropagator | WholePropagator:
            if lines is not None:
                return DrivenSplitPropagator(generators, start, fringe=fringe, lines=lines, watched=self._watched)
            kind = SplitPropagator if split else WholePropagator
            return kind(generators, start, constant=constant, fringe=fringe)

        found = trace_as_asked(propagator, when, dt=dt, tolerance=tolerance, progress=progress)
        return self._evolution(
            found, start, when, (Stepping.SPLIT if split else Stepping.WHOLE).value, generators(when[-1])
        )

    def evolve_by_uniformisation(
        self, x0: Any, *, t_end: float, t_start: float = 0.0, times: Any = None
    ) -> PlaneEvolution:
        """Return what ``evolve`` does without steps of time, as a sum of terms that are not negative: an oracle.

        exp(tQ) m = sum_k Poisson(k; L t) (1 + Q/L)^k m with L = max|Q_ii|, in about L t products. Raises InvalidInput
        where coefficients depend on time, for more than 2e6 products, and as ``evolve``.
        """
        self._refuse_time_dependence("is not carried exactly in time; use evolve")
        when = stops(t_start, t_end, times)
        start = plane_start(x0, self.grid, self._sides)
        q = self.generator(when[0])
        found = trace_by_sums(q, start, when, self._fringe)
        return self._evolution(found, start, when, "uniformisation", q)

    def evolve_to_high_order(
        self,
        x0: Any,
        *,
        t_end: float,
        t_start: float = 0.0,
        times: Any = None,
        order: int | None = None,
        tolerance: float | None = None,
    ) -> PlaneEvolution:
        """Return what :meth:`evolve` returns, of ``order`` 4 or 6 in the cell width, not positive: for smooth laws.

        Central differences of the products mu_i p and D_ij p, on equal cells between cut or periodic ends, correlated
        noise included: what one cell loses others gain, and cell masses are met at the order. Signs are kept only as
        far as the law is: ``negative_mass`` and ``minimum`` say how far. No steps are taken, but an expansion of the
        exponential in Chebyshev polynomials, which may move ``tolerance`` of the mass (1e-6 if not given); ``n_steps``
        counts products.

        Without an ``order``, which is then 6, the equation of Klein and Kramers is recognised: underdamped motion of
        one position, dX = V dt, dV = (f(X, t) - g V) dt + sqrt(2 D) dW with constant g and D. It is carried in steps
        that are exact for X and for V in turn, on trigonometric polynomials: errors fall faster than any power of the
        cell width. Steps are shortened until an error of order 4 in dt moves no more than ``tolerance``; the result is
        of order 6.

        Raises
        ------
        InvalidInput
            as :meth:`evolve`; if coefficients (but for f) depend on time; unequal cells; a wall that is not periodic; a
            start that is rough on the grid, as a point is; a mass below -1e-7 of the largest, as on a grid that is too
            coarse
        NotConverged
            a tolerance that is not reached
        """
        when = stops(t_start, t_end, times)
        read = Coefficients(self.process, self.grid, when[0], self._sides)
        space = phase_space(read) if order is None else None
        if space is not None:
            start = plane_start(x0, self.grid, self._sides)
            found = trace_of_phase_space(space, start, when, tolerance, self._fringe)
            return self._evolution(found, start, when, SPLITTING, space)
        self._refuse_time_dependence("is not carried exactly in time; use evolve")
        start = plane_start(x0, self.grid, self._sides)
        stencils = SIXTH if order is None else stencils_of(order)
        operator = plane_differences(read, stencils)
        found = trace_at_high_order(operator, start, when, tolerance)
        return self._evolution(found, start, when, f"{operator.flux}, {CHEBYSHEV}", operator)

    def stationary(self) -> PlaneStationary:
        """Return the stationary law: products of rate ratios under detailed balance, else by inverse iteration.

        Raises
        ------
        InvalidInput
            if the process depends on time, a wall absorbs, or the law reaches a cut end of the grid
        NotConverged
            if there is no one law that everything goes to
        """
        self._refuse_to_rest()
        q = self.generator()
        masses, method = plane_stationary(q)
        edge = self._at_ends(masses)
        self._refuse_at_ends(edge)
        return PlaneStationary(
            law=self._law(masses),
            residual=residual(q, masses),
            current=q.current_density(masses),
            edge=edge,
            peclet=plane_peclet(q, masses),
            cells_per_length=plane_cells_per_length(q, masses),
            provenance=provenance(self.process, self.grid, f"{q.flux}, {method}"),
        )

    def stationary_to_high_order(self, *, order: int = 6) -> PlaneStationary:
        """Return the stationary law in central differences of ``order`` 4 or 6, with or without a current.

        It is not positive: ``negative_mass`` is in the result. With a current it is for errors that :meth:`stationary`,
        of order 2, reaches on many more cells only; without one, ``assemble=speed_measure`` is positive, and faster.

        Raises
        ------
        InvalidInput
            as :meth:`stationary`; unequal cells; a wall that is not periodic; a mass below -1e-7 of the largest, as on
            a grid that is too coarse
        NotConverged
            if there is no one law that everything goes to, or the grid is so coarse that corrections do not settle
        """
        self._refuse_time_dependence("has no stationary law; use evolve")
        operator = plane_differences(Coefficients(self.process, self.grid, 0.0, self._sides), stencils_of(order))
        found = null_vector(operator, self.generator())
        edge = self._at_ends(found.masses)
        self._refuse_at_ends(edge)
        return PlaneStationary(
            law=self._law(found.masses),
            residual=found.residual,
            current=found.current,
            edge=edge,
            peclet=plane_peclet(operator, found.masses),
            cells_per_length=plane_cells_per_length(operator, found.masses),
            provenance=provenance(self.process, self.grid, f"{operator.flux}, {found.corrections} corrections"),
        )

    def modes(self, count: int) -> PlaneModes:
        """Return the ``count`` slowest modes: rates of decay, left and right eigenfunctions.

            Q r = -lambda r,    Q^T l = -lambda l

        Under detailed balance rates are real, and keep their own last digits however small they are. Otherwise they may
        be complex, and the slowest of those nearest to zero are returned (one more where the last is half of a pair): a
        mode that decays as slowly but turns faster than |lambda| of ``provenance["method"]`` is not seen. Order 2 in
        the cell width, 1 along an axis without noise. A stationary law is not counted as a mode; where a wall absorbs,
        the first mode is quasi-stationary.

        Raises
        ------
        InvalidInput
            if coefficients depend on time; for more modes than a quarter of the cells; a stationary law (where a wall
            absorbs, a first mode) that reaches a cut end of the grid
        NotConverged
            if the iteration does not find them
        """
        self._refuse_time_dependence("has no modes")
        q = self.generator()
        found, shape = plane_spectrum(q, count), (-1, *self.grid.shape)
        sizes = np.abs(found.right) / np.abs(found.right).sum(axis=1, keepdims=True)
        self._refuse_at_ends(self._at_ends(sizes[0] if found.stationary is None else found.stationary))
        return PlaneModes(
            grid=self.grid,
            eigenvalues=found.eigenvalues,
            left=found.left.reshape(shape),
            right=found.right.reshape(shape),
            stationary=None if found.stationary is None else found.stationary.reshape(self.grid.shape),
            residual=residuals(q.apply, q.out_rates, found),
            edge=np.array([max(self._at_ends(size)) for size in sizes]),
            peclet=np.array([plane_peclet(q, size) for size in sizes]),
            turns=self._turns,
            provenance=provenance(self.process, self.grid, found.method),
        )

    def expectation(
        self,
        f: Callable[[np.ndarray, np.ndarray], Any],
        *,
        t_end: float,
        t_start: float = 0.0,
        dt: float | None = None,
        tolerance: float | None = None,
    ) -> Expectation:
        """Return u(x, y) = E[f(X_(t_end)) | X_(t_start) = (x, y)] for the starting points of all cells at once.

        The backward equation -du/dt = Q^T u, u = f at t_end, by unsplit steps of TR-BDF2 with a damped start: the
        transposes of those of :meth:`evolve`. Particles that a wall has absorbed count with f there, beside the cell
        that they left (with correlated noise they arrive a part of a cell away, so that an f that varies along such a
        wall is met to order 1 there). ``f`` takes and returns arrays. With ``dt`` (which must divide the time) steps
        are of that length; without it dt is halved until that moves no value by more than ``tolerance`` (1e-6 of the
        range of f, if not given). Near a cut end of the grid the result is that of a reflecting wall there.

        Raises
        ------
        InvalidInput
            bad times; dt together with tolerance; an f that is not finite on the grid
        UnstableStep, NotConverged
            as :meth:`evolve`
        """
        when = stops(t_start, t_end, None)
        inside, generators = centres(self.grid), self._generators(when[0])
        return expected(
            f,
            when,
            generators,
            plane_solver,
            points=(tuple(inside), tuple(wall_points(self.grid, self._sides))),
            constant=not self.process.time_dependent,
            dt=dt,
            tolerance=tolerance,
            function=lambda u, _: self._function(u),
            shape=self.grid.shape,
            provenance=provenance(self.process, self.grid, f"{Stepping.WHOLE.value} backward"),
        )

    def passage_time(self, x0: tuple[float, float], target: Region) -> PlanePassageTime:
        """Return mean and variance of the first time at ``target``, from ``x0`` and as functions of the start.

            -Q^T tau = 1,    -Q^T tau_2 = 2 tau        (0 at the target)

        ``target`` is a function (x, y) -> float of arrays that is negative in it, whose edge is met to order 2 in the
        cell width (1 across an axis without noise). Or a function (x, y) -> bool of arrays, or an array of bool
        (n_1, n_2): whole cells, whose edge is met to order 1. A wall that absorbs ends the time too.

        Raises
        ------
        InvalidInput
            if coefficients depend on time; a target that holds no cell or all; a start off the grid or in the target
        NotConverged
            if the target cannot be reached from everywhere
        """
        self._refuse_time_dependence("has passage times that depend on when it starts; use passage_law")
        goal, (x, y) = Target.of("target", target, self.grid), self._point(x0)
        self._refuse_inside(goal, x, y)
        q = stopped_at(self.generator(), [goal])
        solve = until_stopped(q, goal.cells)
        tau = solve(np.ones(q.size))
        means, seconds = (self._function(u) for u in (tau, solve(2 * tau)))
        mean, second = float(means(x, y)), float(seconds(x, y))
        return PlanePassageTime(
            mean=mean,
            variance=second - mean**2,
            x0=(x, y),
            means=means,
            second_moments=seconds,
            provenance=provenance(self.process, self.grid, "backward equation"),
        )

    def passage_law(
        self, x0: Any, target: Region, *, times: Any, t_start: float = 0.0, tolerance: float | None = None
    ) -> PassageLaw:
        """Return the law of the first time T at ``target`` from ``x0``: survival P(T > t) and density at ``times``.

        ``times`` are counted from ``t_start``, as T is; ``x0`` as of :meth:`evolve`, ``target`` as of
        :meth:`passage_time`, and a wall that absorbs ends the time too. The law is evolved with the target as a further
        wall, in unsplit steps, to ``tolerance`` as in :meth:`evolve`. ``arrived`` ``(n_times, 5)`` is the probability
        to have arrived at the target, and at the low and high wall of each axis.

        Raises
        ------
        InvalidInput
            bad times; a target that holds no cell or all; a start in the target; as :meth:`evolve`
        """
        after, goal = times_of_passage(times), Target.of("target", target, self.grid)
        if not isinstance(x0, JointCellLaw) and np.ndim(x0) == 1 and not any(isinstance(part, Law) for part in x0):
            self._refuse_inside(goal, *self._point(x0))
        start = plane_start(x0, self.grid, self._sides)
        there = start.masses * goal.cells
        start = Start(start.masses - there, np.append(start.absorbed, there.sum()), start.outside)
        begin = finite("t_start", t_start)
        generators = self._generators(begin, lambda q: stopped_at(q, [goal]))
        fringe = np.concatenate([self._fringe, np.zeros((1, len(there)))])  # the cells of the target are not watched

        def propagator() -> WholePropagator:
            return WholePropagator(generators, start, constant=not self.process.time_dependent, fringe=fringe)

        when = stops(begin, begin + after[-1], begin + after)
        found = trace_as_asked(propagator, when, dt=None, tolerance=tolerance)
        self._refuse_at_ends(found.edge[:4])
        totals = found.masses.sum(axis=1) + found.absorbed.sum(axis=1)
        rates = [generators(t).exits.sum(axis=0) for t in when[1:]]
        return PassageLaw(
            times=after,
            survival=1.0 - start.outside - found.absorbed.sum(axis=1),
            density=np.array([rate @ masses for rate, masses in zip(rates, found.masses, strict=True)]),
            arrived=np.roll(found.absorbed, 1, axis=1),
            mass_error=float(np.abs(totals - start.total).max()),
            time_error=found.time_error,
            provenance=provenance(self.process, self.grid, Stepping.WHOLE.value),
        )

    def committor(self, a: Region, b: Region) -> PlaneFunction:
        """Return the probability to reach ``b`` before ``a`` from each place: 0 on a, 1 on b.

            -Q^T q = 0

        Regions as in :meth:`passage_time`, which must not overlap; a wall that absorbs counts as neither. Raises as it.
        """
        self._refuse_time_dependence("has committors that depend on when it starts")
        goals = [Target.of("a", a, self.grid), Target.of("b", b, self.grid)]
        return self._chances(goals, [5], "a and b")[0]

    def splitting(self, x0: tuple[float, float], *, regions: Sequence[Region] = ()) -> PlaneSplitting:
        """Return the probabilities to end at each of the walls that absorb and of the ``regions``, from ``x0``.

            -Q^T q = (rate into that wall or region)

        Regions as in :meth:`passage_time`; they must not overlap. All probabilities add up to 1.

        Raises
        ------
        InvalidInput
            if coefficients depend on time; unless there are two ends, walls and regions together; a region that holds
            no cell or all; a start off the grid or in a region
        NotConverged
            if there are places from which none of them can be reached
        """
        self._refuse_time_dependence("has splitting probabilities that depend on when it starts; use passage_law")
        goals = [Target.of(f"regions[{k}]", region, self.grid) for k, region in enumerate(regions)]
        walls = int(self._absorbing.sum())
        if walls + len(goals) < 2:
            raise InvalidInput(
                f"{self.process.name} can end at {walls} absorbing wall(s) and {len(goals)} region(s); at least two of "
                "them are needed: give regions"
            )
        x, y = self._point(x0)
        for goal in goals:
            self._refuse_inside(goal, x, y)
        functions = self._chances(goals, range(4 + len(goals)), "the regions")
        found = np.array([float(function(x, y)) for function in functions])
        return PlaneSplitting(found[:4], found[4:], functions)

    def _chances(self, goals: Sequence[Target], ends: Sequence[int], names: str) -> tuple[PlaneFunction, ...]:
        """Return the probabilities to end at each of the ``ends``: 0 to 3 are the walls, further ones the goals.

        Raises InvalidInput if goals overlap, NotConverged if there are places from which nothing ends.
        """
        there = np.zeros((4 + len(goals), int(np.prod(self.grid.shape))))
        for goal, cells in zip(goals, there[4:], strict=True):
            cells[goal.cells] = 1.0
        shared = np.count_nonzero(there.sum(axis=0) > 1)
        if shared:
            raise InvalidInput(f"{names} have {shared} cells in common; they must not overlap")
        q = stopped_at(self.generator(), goals)
        solve = until_stopped(q, np.asarray(there.any(axis=0)))
        return tuple(self._function(solve(q.exits[k]) + there[k]) for k in ends)

    def thermodynamics(self, law: JointCellLaw, *, t: float = 0.0) -> PlaneThermodynamics:
        """Return the currents of a law at time ``t``, its entropy production and its free energy.

        ``law`` lies on the grid of this solver, as those of :meth:`evolve` and :meth:`stationary` do.

        Raises
        ------
        InvalidInput
            if it does not, or has masses that are negative beyond round-off; where mass can move one way only, as along
            an axis without noise, so that the entropy production is not finite: but for Klein and Kramers's equation in
            a potential, whose positions and forces are reversible and count for nothing
        NotConverged
            as :meth:`stationary`, to whose law the free energy refers
        """
        masses = masses_of(law, JointCellLaw, self.grid)
        return plane_thermodynamics(self.generator(t), masses)

    def _point(self, x0: Any) -> tuple[float, float]:
        start = finite_array("x0", x0, ndim=1)
        if len(start) != 2:
            raise InvalidInput(f"x0={x0!r}; give a pair of numbers")
        for axis, (at, faces) in enumerate(zip(start, self.grid.axes, strict=True)):
            if not faces[0] <= at <= faces[-1]:
                raise InvalidInput(
                    f"x0[{axis}]={at} lies outside of the grid [{faces[0]}, {faces[-1]}]; extend the grid"
                )
        return float(start[0]), float(start[1])

    @staticmethod
    def _refuse_inside(target: Target, x: float, y: float) -> None:
        if target.holds(x, y):
            raise InvalidInput(f"x0={(x, y)} lies in the target; give a start outside of it")

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
        """Return the mass in the cells that are watched at each end."""
        return tuple((self._fringe @ masses).tolist())

    @property
    def _turns(self) -> tuple[float | None, float | None]:
        """The lengths of the axes that are periodic; None for the others."""
        first, second = (
            float(faces[-1] - faces[0]) if side.periodic else None
            for faces, side in zip(self.grid.axes, self._sides, strict=True)
        )
        return first, second

    @property
    def _watched(self) -> tuple[int, ...]:
        """How many outermost rows of cells are watched at each end, axis by axis."""
        return tuple(rows for side, n in zip(self._sides, self.grid.shape, strict=True) for rows in side.fringe(n))

    def _driven_lines(self) -> tuple[DrivenLines, DrivenLines] | None:
        """Return the lines of both axes where their rates can be computed anew, in compiled code, for each step."""
        process = self.process
        if not process.time_dependent or not printed(process) or self.assemble is not assemble_plane:
            return None
        if process.statement.diffusivity[0, 1] != 0 or stream_of(process) is not None:
            return None
        first, second = (DrivenLines.of(process, self.grid, axis, self._sides[axis]) for axis in (0, 1))
        return first, second

    def _split(self, q: PlaneGenerator, stepping: Stepping | None, *, driven: bool) -> bool:
        if stepping is Stepping.SPLIT and not q.along_axes:
            raise InvalidInput(
                f"the noise of {self.process.name} is correlated: mass moves along diagonals, which are no lines to "
                "split steps into; use Stepping.WHOLE"
            )
        return driven or q.reversible_lines if stepping is None else stepping is Stepping.SPLIT

    def _evolution(
        self, found: Trace, start: Start, when: np.ndarray, method: str, q: PlaneGenerator | Differences | PhaseSpace
    ) -> PlaneEvolution:
        how = self._in_time(found, start, when, method)
        laws = tuple(self._law(masses) for masses in found.masses)
        return PlaneEvolution(
            law=laws[-1],
            laws=laws,
            absorbed=found.absorbed,
            peclet=plane_peclet(q, found.masses[-1]),
            cells_per_length=plane_cells_per_length(q, found.masses[-1]),
            **how,
        )

    def _law(self, masses: np.ndarray) -> JointCellLaw:
        return JointCellLaw(self.grid, masses.reshape(self.grid.shape))

    def _function(self, u: np.ndarray) -> PlaneFunction:
        return PlaneFunction(self.grid, u.reshape(self.grid.shape), self._turns)
