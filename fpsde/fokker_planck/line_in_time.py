"""The law of one component in time: in steps, and by what takes none."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from fpsde.backend import Backend
from fpsde.density import Law
from fpsde.errors import InvalidInput
from fpsde.fokker_planck.coefficients import drift_and_diffusivity
from fpsde.fokker_planck.driven import DrivenPropagator, printed
from fpsde.fokker_planck.evolution import TOLERANCE, Trace, stops, trace_as_asked
from fpsde.fokker_planck.exact_in_time import trace_by_modes, trace_by_uniformisation
from fpsde.fokker_planck.generator import Generator, assemble
from fpsde.fokker_planck.high_order.differences import differences
from fpsde.fokker_planck.high_order.evolution import CHEBYSHEV, trace_at_high_order
from fpsde.fokker_planck.high_order.magnus import MAGNUS, trace_of_driven
from fpsde.fokker_planck.high_order.stencils import stencils_of
from fpsde.fokker_planck.initial import Start
from fpsde.fokker_planck.line import OnLine
from fpsde.fokker_planck.propagator import Propagator
from fpsde.fokker_planck.rational import trace_by_rational_approximation, trace_if_sound
from fpsde.fokker_planck.results import Evolution, provenance, resolution_of_line
from fpsde.optional import optional
from fpsde.processes.parameter_sets import ParameterSets
from fpsde.validation import positive

if TYPE_CHECKING:
    from fpsde.fokker_planck.batch import BatchTrace
    from fpsde.fokker_planck.batch_results import BatchEvolution

#: Lines side by side, and what a GPU needs for them.
batch, batch_results = optional("fpsde.fokker_planck.batch"), optional("fpsde.fokker_planck.batch_results")
batch_lines, batch_members = optional("fpsde.fokker_planck.batch_lines"), optional("fpsde.fokker_planck.batch_members")
sweeps = optional("fpsde.fokker_planck.sweeps")

#: What provenance calls the method that takes no steps.
AT_ONCE = "rational approximation of order 16"


class LineInTime(OnLine):
    """The evolution of a law on a line or a ring, in steps of time and without."""

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
        backend: Backend = Backend.CPU,
    ) -> Evolution:
        """Return the law at ``t_end``, and at ``times`` before it, from a point or a law ``x0`` at ``t_start``.

        TR-BDF2 with a damped start: order 2 in ``dt`` and in the cell width, also where coefficients depend on time.
        With ``dt`` (which must divide every interval between times) steps are of that length; without it dt is halved
        until that moves less than ``tolerance`` of the mass at every time (total variation; 1e-6 if not given). On a
        line with constant coefficients, and without ``dt``, no steps are taken
        (:meth:`evolve_by_rational_approximation`) where that keeps to ``tolerance``, to signs up to round-off, and,
        by detailed balance, to the grid at all times.

        ``progress`` shows a bar on a long way in steps, as that of ``simulate``. On a GPU (``backend``) there are
        always steps, without a bar, of a batch of one (:meth:`evolve_batch`, which is what a GPU is for).

        Raises
        ------
        InvalidInput
            bad times; dt together with tolerance; an initial law that does not fit on the grid; mass that reaches a cut
            end of it (more than 1e-6 in the outermost fiftieth of the cells); on a GPU a bar
        UnstableStep
            a step that stays negative however often it is halved
        NotConverged
            a tolerance that is not reached
        BackendUnavailable
            where CuPy, the driver or the GPU is missing
        """
        when = stops(t_start, t_end, times)
        start = self._start(x0)
        if backend is not Backend.CPU:
            return self._evolution_on_gpu(start, when, dt, tolerance, progress, backend)
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

    def _evolution_on_gpu(
        self,
        start: Start,
        when: np.ndarray,
        dt: float | None,
        tolerance: float | None,
        progress: bool,
        backend: Backend,
    ) -> Evolution:
        """Return what a batch of one member gives."""
        device, fast = sweeps.device_of(backend)
        if progress:
            raise InvalidInput("progress=True: a GPU shows no bar; leave one of progress and backend out")
        generators, process = self._generators(when[0]), self.process
        with sweeps.on(device):
            if process.time_dependent:
                stated = printed(process) and self.assemble is assemble
                vectors = process.parameter_values()[None] if stated else None
                alone = batch_members.MembersInTime(
                    process, self.grid, self._sides, 1, vectors, generator=lambda k, t: generators(t), named=nullcontext
                )
                lines = alone.on_device(device, fast=fast)
            else:
                lines = batch_lines.lines_that_stay([generators(when[0])], device, fast=fast)
            found, moved = batch.batch_as_asked(
                lines, start, when, dt=dt, tolerance=tolerance, fringe=self._fringe, named=lambda k: process.name
            )
        least, *edge = found.extremes[0].tolist()
        one = Trace(
            masses=found.masses[:, 0],
            absorbed=found.absorbed[:, 0],
            minimum=least,
            edge=tuple(edge),
            dt=found.dt,
            n_steps=int(found.n_steps[0]),
            n_refused=int(found.n_refused[0]),
            time_error=moved,
        )
        return self._evolution(one, start, when, "TR-BDF2", generators(when[-1]))

    def evolve_batch(
        self,
        x0: float | Law,
        params: Mapping[str, Any],
        *,
        t_end: float,
        t_start: float = 0.0,
        dt: float | None = None,
        times: Any = None,
        tolerance: float | None = None,
        backend: Backend = Backend.CPU,
    ) -> BatchEvolution:
        """Return the laws of m members, the process with other values of its ``params``, all from ``x0``.

        ``params`` has an array ``(m, ...)`` for each name, entry k of each for member k; parameters that are not named
        keep their values. Members are carried side by side, in vector registers of the CPU or in threads of a GPU
        (``backend``; the first one that is visible), by TR-BDF2 in the steps of :meth:`evolve`; a step that is refused
        is halved for that member alone. Where coefficients depend on time, a GPU computes them for each step (of a
        process that does not state them all, or has tables, the host does), and the CPU carries one member after
        another. ``GPU`` has the numbers of the CPU to round-off (and its bits on lines that are
        not cut into pieces: of fewer than 64 cells, or 32768 and more), ``GPU_FAST`` fuses products into sums.
        ``dt``, ``times`` and ``tolerance`` (of the member that needs the most steps) as of :meth:`evolve`, but that
        without ``dt`` steps are taken too. Up to 256 members, the factory of the process is asked for each; of more,
        for those with the least and the greatest value of each parameter, so that a combination of values that
        ``with_params`` refuses may run.

        Raises
        ------
        InvalidInput
            as :meth:`evolve`, with the member; unknown names; arrays of other lengths
        UnstableStep, NotConverged
            as :meth:`evolve`
        BackendUnavailable
            where CuPy, the driver or the GPU is missing
        """
        when, (device, fast) = stops(t_start, t_end, times), sweeps.device_of(backend)
        parameters, start = ParameterSets.of(self.process, params), self._start(x0)
        asked = {"dt": dt, "tolerance": tolerance, "fringe": self._fringe}
        if self.process.time_dependent:
            driven = batch_members.MembersInTime.of(parameters, self.grid, self._sides, self.assemble)
            if device is None:
                found, moved = batch.batch_one_by_one(driven, start, when, **asked)
            else:
                with sweeps.on(device):
                    lines = driven.on_device(device, fast=fast)
                    found, moved = batch.batch_as_asked(lines, start, when, named=parameters.said, **asked)
            members = self._members(parameters, when[-1])
        else:
            members = self._members(parameters, when[0])
            with sweeps.on(device):
                lines = batch_lines.lines_that_stay(members, device, fast=fast)
                found, moved = batch.batch_as_asked(lines, start, when, named=parameters.said, **asked)
        return self._batch(parameters, members, start, when, found, moved, "TR-BDF2", backend)

    def evolve_batch_by_uniformisation(
        self,
        x0: float | Law,
        params: Mapping[str, Any],
        *,
        t_end: float,
        t_start: float = 0.0,
        times: Any = None,
        backend: Backend = Backend.CPU,
    ) -> BatchEvolution:
        """Return what :meth:`evolve_batch` returns, exact in time, as a sum of non-negative terms: an oracle.

        As :meth:`evolve_by_uniformisation`, with the fastest cell of all members in every sum; ``edge`` and ``minimum``
        are read at the times asked for. Raises InvalidInput for more than 2e6 products, and as :meth:`evolve_batch`.
        """
        when, (device, fast) = stops(t_start, t_end, times), sweeps.device_of(backend)
        parameters = ParameterSets.of(self.process, params)
        self._refuse_time_dependence("is not carried exactly in time; use evolve_batch")
        start, members = self._start(x0), self._members(parameters, when[0])
        with sweeps.on(device):
            found, left = batch.batch_by_sums(
                members, start, when, fringe=self._fringe, device=device, fast=fast, named=parameters.named
            )
        return self._batch(parameters, members, start, when, found, left, "uniformisation", backend)

    def _members(self, parameters: ParameterSets, t: float) -> list[Generator]:
        """Return the generator of each member at ``t``."""
        return batch_members.generators_of(parameters, self.grid, self._sides, self.assemble, t)

    def _batch(
        self,
        parameters: ParameterSets,
        members: list[Generator],
        start: Start,
        when: np.ndarray,
        found: BatchTrace,
        time_error: float | None,
        method: str,
        backend: Backend,
    ) -> BatchEvolution:
        """Return the record of a batch; InvalidInput, with the member, where mass reached a cut end."""
        for k in np.argmax(found.extremes[:, 1:], axis=0).tolist():  # the members with the most at either end
            with parameters.named(k):
                self._refuse_at_ends(tuple(found.extremes[k, 1:].tolist()))
        absorbed = found.absorbed * self._absorbing
        totals = found.masses.sum(axis=2) + absorbed.sum(axis=2)
        last = zip(members, found.masses[-1], strict=True)
        peclet, cells = np.array([resolution_of_line(q, masses) for q, masses in last]).T
        return batch_results.BatchEvolution(
            grid=self.grid,
            params=parameters.values,
            times=tuple(when[1:].tolist()),
            masses=found.masses,
            absorbed=absorbed,
            mass_error=np.abs(totals - start.total).max(axis=0),
            minimum=found.extremes[:, 0],
            time_error=time_error,
            outside=start.outside,
            edge=found.extremes[:, 1:],
            dt=found.dt,
            n_steps=found.n_steps,
            n_refused=found.n_refused,
            peclet=peclet,
            cells_per_length=cells,
            sides=self._sides,
            provenance={
                **provenance(
                    self.process, self.grid, f"{members[0].flux}, {method}, {len(members)} lines side by side"
                ),
                "backend": backend.value,
            },
        )

    def evolve_by_modes(self, x0: float | Law, *, t_end: float, t_start: float = 0.0, times: Any = None) -> Evolution:
        """Return what :meth:`evolve` returns, exact in time, from all modes of a line (absorbing walls included).

        ``time_error`` bounds what round-off makes of a mass; masses may be negative by as much. The cost grows as n^2
        to n^3 with the cells, and not at all with time. ``edge`` is read at the times asked for.

        Raises
        ------
        InvalidInput
            as :meth:`evolve`; if coefficients depend on time; on a ring; or if round-off could exceed 1e-10: from a
            start deep in the tails of the stationary law, or with rates that are very fast beside the slowest.
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
        progress: bool = False,
    ) -> Evolution:
        """Return what :meth:`evolve` returns, of ``order`` 4, 6, 8 or 10 in the cell width: for smooth laws.

        Central differences of the products mu p and D p, on equal cells between cut or periodic ends: what one cell
        loses others gain, and cell masses are met at the order. It is not positive: signs are kept only as far as the
        law is; ``negative_mass`` and ``minimum`` say how far. No steps are taken: on a line the rational approximation
        of order 16, on a ring an expansion in Chebyshev polynomials, which may move ``tolerance`` of the mass (1e-6 if
        not given).

        Where coefficients depend on time there are steps of two such exponentials, of order 4 in time (a Magnus
        integrator without commutators; Blanes & Moan, Appl. Numer. Math. 56 (2006) 1519), of such lengths that
        ``time_error``, at most ``tolerance``, bounds the mass that they move, jumps included. Those of tables are met
        by steps that end there, and tables alone take one exponential for each of their steps. A pulse within a step
        that is read at seven instants may pass unseen: give one of ``times`` in it. ``progress`` shows a bar on a long
        way in steps.

        Raises
        ------
        InvalidInput
            as :meth:`evolve`; unequal cells; a wall that is not periodic; a start that
            is rough on the grid, as a point is; a mass below -1e-7 of the largest, as on a grid that is too coarse
        NotConverged
            a tolerance that is not reached
        """
        when = stops(t_start, t_end, times)
        start = self._start(x0)
        driven, stencils = self.process.time_dependent, stencils_of(order)
        operator = differences(self.process, self.grid, (self._sides,), when[-1 if driven else 0], stencils)
        exponential = CHEBYSHEV if self._sides.periodic else AT_ONCE
        if not driven:
            found = trace_at_high_order(operator, start, when, tolerance)
            return self._evolution(found, start, when, exponential, operator)

        def coefficients(t: float) -> tuple[np.ndarray, np.ndarray]:
            mu, d = drift_and_diffusivity(self.process, self.grid.centres, t, may_vanish=True)
            return mu[None], d[None, None]

        found = trace_of_driven(operator, coefficients, self.process, start, when, tolerance, progress=progress)
        return self._evolution(found, start, when, f"{MAGNUS}, {exponential}", operator)

    def _propagator(self, start: Start, when: np.ndarray) -> Propagator:
        generators, process = self._generators(when[0]), self.process
        if process.time_dependent and printed(process) and self.assemble is assemble:
            return DrivenPropagator(process, self.grid, self._sides, generators, start, self._fringe)
        return Propagator(generators, start, constant=not process.time_dependent, fringe=self._fringe)
