"""The Fokker-Planck equation of a process of two components on a grid: its law in time, and its stationary law."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from fpsde.density import Law
from fpsde.errors import InvalidInput
from fpsde.fokker_planck.evolution import stops, trace_as_asked
from fpsde.fokker_planck.high_order.null_vector import null_vector
from fpsde.fokker_planck.high_order.stencils import stencils_of
from fpsde.fokker_planck.initial import Start
from fpsde.fokker_planck.passage import PassageLaw, times_of_passage
from fpsde.fokker_planck.plane.coefficients import Coefficients, noisy_axes, plane_differences
from fpsde.fokker_planck.plane.expectations import PlaneExpectations
from fpsde.fokker_planck.plane.in_steps import Stepping
from fpsde.fokker_planck.plane.in_time import PlaneInTime
from fpsde.fokker_planck.plane.passages import PlanePassages
from fpsde.fokker_planck.plane.propagator import WholePropagator
from fpsde.fokker_planck.plane.results import PlaneStationary
from fpsde.fokker_planck.plane.spectrum import PlaneModes, plane_spectrum
from fpsde.fokker_planck.plane.stationary import plane_stationary
from fpsde.fokker_planck.plane.targets import Region, Target, stopped_at
from fpsde.fokker_planck.plane.thermodynamics import PlaneThermodynamics, plane_thermodynamics
from fpsde.fokker_planck.results import provenance
from fpsde.fokker_planck.stationary_law import residual
from fpsde.fokker_planck.thermodynamics import masses_of
from fpsde.joint_law import JointCellLaw
from fpsde.validation import finite


@dataclass(frozen=True)
class PlaneFokkerPlanck(PlaneInTime, PlaneExpectations, PlanePassages):
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

    @property
    def formal_order(self) -> float:
        """The order in the cell width of what follows from Q: 2, or 1 where there is no noise along an axis."""
        read = Coefficients(self.process, self.grid, 0.0, self._sides)
        return 2.0 if all(noisy_axes(read.d)) else 1.0

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
        return PlaneStationary(
            law=self._law(masses),
            residual=residual(q, masses),
            current=q.current_density(masses),
            **self._at_rest(q, masses, method),
        )

    def stationary_to_high_order(self, *, order: int = 6) -> PlaneStationary:
        """Return the stationary law in central differences of ``order`` 4 to 10, with or without a current.

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
        return PlaneStationary(
            law=self._law(found.masses),
            residual=found.residual,
            current=found.current,
            **self._at_rest(operator, found.masses, f"{found.corrections} corrections"),
        )

    def evolve_batch(self, *_: Any, **__: Any) -> NoReturn:
        """Raise InvalidInput: members go side by side on lines alone."""
        raise InvalidInput(
            f"{self.process.name} has two components, and batches are carried on the grids of one; call evolve for "
            "FokkerPlanck(process.with_params(...), grid) of each member"
        )

    def evolve_batch_by_uniformisation(self, *_: Any, **__: Any) -> NoReturn:
        """Raise InvalidInput, as :meth:`evolve_batch`."""
        self.evolve_batch()

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
        found = plane_spectrum(q, count)
        return PlaneModes(**self._decay(q, found), turns=self._turns)

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
        start = self._start(x0)
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
            provenance=provenance(self.process, self.grid, f"{generators(begin).flux}, {Stepping.WHOLE.value}"),
        )

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
