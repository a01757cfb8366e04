"""The law of two components in time: in steps, and by what takes none."""

from __future__ import annotations

import enum
import os
from collections.abc import Callable
from functools import partial
from typing import Any

from fpsde.arrays import Device
from fpsde.backend import Backend
from fpsde.errors import InvalidInput
from fpsde.fokker_planck.driven import printed
from fpsde.fokker_planck.evolution import stops, trace_as_asked
from fpsde.fokker_planck.high_order.evolution import CHEBYSHEV, trace_at_high_order
from fpsde.fokker_planck.high_order.stencils import stencils_of
from fpsde.fokker_planck.plane.assembly import assemble_plane, equal_widths
from fpsde.fokker_planck.plane.cells import OnPlane
from fpsde.fokker_planck.plane.coefficients import Coefficients, plane_differences
from fpsde.fokker_planck.plane.driven import DrivenSplitPropagator
from fpsde.fokker_planck.plane.driven_lines import NEIGHBOURS, DrivenLines, DrivenPlane
from fpsde.fokker_planck.plane.exact import trace_by_sums
from fpsde.fokker_planck.plane.exact_lines import ExactSplitPropagator
from fpsde.fokker_planck.plane.generator import PlaneGenerator
from fpsde.fokker_planck.plane.on_gpu import (
    LinesAt,
    SplitPropagatorOnGpu,
    assembled_lines_on_gpu,
    driven_lines_on_gpu,
    lines_on_gpu,
)
from fpsde.fokker_planck.plane.phase_space import phase_space
from fpsde.fokker_planck.plane.phase_space_evolution import SPLITTING, trace_of_phase_space
from fpsde.fokker_planck.plane.propagator import (
    PlanePropagator,
    SplitPropagator,
    WholePropagator,
    refuse_unless_on_lines,
)
from fpsde.fokker_planck.plane.results import PlaneEvolution
from fpsde.fokker_planck.plane.stream import stream_of
from fpsde.fokker_planck.sweeps import device_of, on
from fpsde.processes.process import Process
from fpsde.validation import integer


class Stepping(enum.Enum):
    """How steps in time are taken on a plane; all are of order 2 in dt."""

    WHOLE = "TR-BDF2"  #: with sparse factors of all of Q
    #: Faster; where noise is correlated, along diagonals too, which must not end at an absorbing wall, nor go round
    #: along both axes. Along an axis without noise it takes steps below a cell's crossing time.
    SPLIT = "Strang splitting of TR-BDF2 on lines"
    #: Where no noise is correlated and coefficients are constant: exact in time where components are independent, and
    #: without any limit on steps. Costs more where lines differ, the square of their cells for each.
    EXACT_LINES = "Strang splitting of exponentials on lines"


class PlaneInTime(OnPlane):
    """The evolution of a law on a plane, in steps of time and without."""

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
        threads: int | None = None,
        backend: Backend = Backend.CPU,
    ) -> PlaneEvolution:
        """Return the law at ``t_end``, and at ``times`` before it, from ``x0`` at ``t_start``.

        ``x0`` is a pair of points or laws, one for each component, or an array or law of cell masses. Order 2 in
        ``dt``, also where coefficients depend on time, and in the cell width (1 along an axis without noise). With
        ``dt`` (which must divide every interval between times) steps are of that length; without it dt is halved until
        that moves less than ``tolerance`` of the mass at every time (total variation; 1e-6 if not given). Steps are
        split where there is noise along both axes that is not correlated, and where coefficients depend on time (all of
        Q would have to be factored anew for each step) also with noise along one axis alone or correlated, unless that
        cannot be split or ``stepping`` says otherwise: with ``EXACT_LINES`` a step is split into exact factors, and one
        step of any length is exact where the components are independent (``dt=t_end - t_start``).

        ``progress`` shows a bar on a long way in steps, as that of ``simulate``. ``threads`` of this process, one for
        each core unless it says otherwise, take the lines of split steps of TR-BDF2 on planes of many cells; the law
        has the same bits for any number of them. ``backend`` is where steps are taken: on the first GPU that is visible
        split steps of TR-BDF2 are, which are those of the CPU to round-off (``GPU_FAST`` fuses products into sums);
        coefficients that depend on time are computed there where a process states them and its noise is not correlated,
        and else on the host.

        Raises
        ------
        InvalidInput
            bad times; dt together with tolerance; a start that does not fit on the grid; mass that reaches a cut end of
            it (more than 1e-6 in the outermost fiftieth of the cells); split steps for correlated noise where a wall
            absorbs, or both axes are periodic; exact factors for correlated noise, where coefficients depend on time,
            or for more different lines than memory is allowed for; on a GPU steps that are not split, or have exact
            factors
        UnstableStep
            a step that stays negative however often it is halved
        NotConverged
            a tolerance that is not reached
        BackendUnavailable
            where CuPy, the driver or the GPU is missing
        """
        when = stops(t_start, t_end, times)
        start = self._start(x0)
        device, fast = device_of(backend)
        workers = integer("threads", threads if threads is not None else os.cpu_count() or 1, least=1)
        if stepping is not None and not isinstance(stepping, Stepping):
            known = ", ".join(str(each) for each in Stepping)
            raise InvalidInput(f"stepping={stepping!r} is no Stepping; give one of {known}, or leave it out")
        generators = self._generators(when[0])
        driven = stepping in (None, Stepping.SPLIT) and self._drives_lines
        driven = driven and (device is None or not self._correlates)  # there the rates of diagonals are not computed
        taken = Stepping.SPLIT if driven else self._stepping(generators(when[0]), stepping)
        if device is not None:
            self._refuse_on_gpu(taken, generators(when[0]))
        constant, fringe = not self.process.time_dependent, self._fringe
        lines = self._driven_lines() if driven and device is None else None
        there = self._lines_on_gpu(generators, when[0], driven, device, fast) if device is not None else None

        def propagator() -> PlanePropagator:
            if there is not None and device is not None:
                return SplitPropagatorOnGpu(
                    generators, start, constant=constant, cells=self.grid.shape, fringe=fringe, device=device,
                    fast=fast, lines=there, computed=driven,
                )  # fmt: skip
            if lines is not None:
                return DrivenSplitPropagator(
                    generators,
                    start,
                    fringe=fringe,
                    lines=lines,
                    shape=self.grid.shape,
                    watched=self._watched,
                    threads=workers,
                )
            if taken is Stepping.EXACT_LINES:
                return ExactSplitPropagator(generators, start, fringe=fringe)
            if taken is Stepping.SPLIT:
                return SplitPropagator(generators, start, constant=constant, fringe=fringe, threads=workers)
            return WholePropagator(generators, start, constant=constant, fringe=fringe)

        with on(device):
            found = trace_as_asked(propagator, when, dt=dt, tolerance=tolerance, progress=progress)
        at_end = None if lines is None else DrivenPlane.of(self.grid, lines, when[-1])
        return self._evolution(found, start, when, taken.value, at_end or generators(when[-1]))

    def evolve_by_uniformisation(
        self, x0: Any, *, t_end: float, t_start: float = 0.0, times: Any = None, backend: Backend = Backend.CPU
    ) -> PlaneEvolution:
        """Return what ``evolve`` does without steps of time, as a sum of terms that are not negative: an oracle.

        exp(tQ) m = sum_k Poisson(k; L t) (1 + Q/L)^k m with L = max|Q_ii|, in about L t products. Raises InvalidInput
        where coefficients depend on time, for more than 2e6 products, and as ``evolve``. ``backend`` is where the
        products are computed, those of any stencil: on the first GPU that is visible with the numbers of the CPU to
        round-off; BackendUnavailable where there is none.
        """
        device, fast = device_of(backend)
        sums = partial(trace_by_sums, device=device, fast=fast)
        with on(device):
            return self._at_once(sums, "uniformisation", x0, stops(t_start, t_end, times))

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
        """Return what :meth:`evolve` returns, of ``order`` 4, 6, 8 or 10 in the cell width: for smooth laws.

        Central differences of the products mu_i p and D_ij p, on equal cells between cut or periodic ends, correlated
        noise included: what one cell loses others gain, and cell masses are met at the order. It is not positive: signs
        are kept only as far as the law is; ``negative_mass`` and ``minimum`` say how far. No steps are taken, but an
        expansion of the exponential in Chebyshev polynomials, which may move ``tolerance`` of the mass (1e-6 if not
        given); ``n_steps`` counts products.

        A mass below -1e-7 of the largest is refused. Where the error is 1e-4 or less masses keep to that, but not at
        orders 8 and 10 on the few cells that they need for it: where drift dominates at the edge of such a grid the
        terms of the expansion grow there, and those left off show as dips. A smaller tolerance takes more of them,
        damped.

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
            start = self._start(x0)
            found = trace_of_phase_space(space, start, when, tolerance, self._fringe)
            return self._evolution(found, start, when, SPLITTING, space)
        self._refuse_time_dependence("is not carried exactly in time; use evolve")
        start = self._start(x0)
        stencils = stencils_of(6 if order is None else order)
        operator = plane_differences(read, stencils)
        found = trace_at_high_order(operator, start, when, tolerance)
        return self._evolution(found, start, when, CHEBYSHEV, operator)

    @property
    def _watched(self) -> tuple[int, ...]:
        """How many outermost rows of cells are watched at each end, axis by axis."""
        return tuple(rows for side, n in zip(self._sides, self.grid.shape, strict=True) for rows in side.fringe(n))

    @property
    def _drives_lines(self) -> bool:
        """Whether the rates of lines can be computed anew, in compiled code, for each step."""
        process = self.process
        if not process.time_dependent or not printed(process) or self.assemble is not assemble_plane:
            return False
        if self._correlates:
            return not any(self._absorbing) and not all(side.periodic for side in self._sides)
        return stream_of(process) is None

    def _driven_lines(self) -> tuple[DrivenLines, ...]:
        """Return the lines of both axes, or of all neighbours where noise is correlated."""
        if not self._correlates:
            return tuple(DrivenLines.of(self.process, self.grid, axis, self._sides[axis]) for axis in (0, 1))
        h = equal_widths(self.process, self.grid)
        return tuple(DrivenLines.along(self.process, self.grid, offset, self._sides, h) for offset in NEIGHBOURS)

    def _lines_on_gpu(
        self, generators: Callable[[float], PlaneGenerator], begin: float, driven: bool, device: Device, fast: bool
    ) -> LinesAt:
        """Return the lines of each offset at any time: computed on the device where they are ``driven``."""
        if driven:
            return driven_lines_on_gpu(self.process, self.grid, self._sides, device, fast=fast)
        if self.process.time_dependent:
            return assembled_lines_on_gpu(generators, device, fast=fast)
        lines = lines_on_gpu(generators(begin), device, fast=fast)
        return lambda t, offset: lines[offset]

    def _refuse_on_gpu(self, taken: Stepping, q: PlaneGenerator) -> None:
        """Raise InvalidInput for steps that no GPU takes, with what can be had there."""
        if taken is Stepping.SPLIT:
            return
        there = [
            *(["give stepping=fpsde.Stepping.SPLIT"] if q.on_lines else []),
            *([] if self.process.time_dependent else ["use evolve_by_uniformisation there"]),
        ]
        raise InvalidInput(
            f"the steps of {self.process.name} would be {taken.value}, and on a GPU split steps alone are taken, "
            f"{Stepping.SPLIT.value}; {', or '.join([*there, 'leave the backend out to run on the CPU'])}"
        )

    def _stepping(self, q: PlaneGenerator, stepping: Stepping | None) -> Stepping:
        """Return how steps are taken; InvalidInput where they cannot be as asked."""
        if stepping is Stepping.EXACT_LINES:
            self._refuse_time_dependence("has no factors that are exact for a step; use Stepping.SPLIT")
            if not q.along_axes:
                raise InvalidInput(
                    f"the noise of {self.process.name} is correlated: mass moves along diagonals too, whose lines have "
                    "no exact factors; use Stepping.SPLIT or Stepping.WHOLE"
                )
        if stepping is Stepping.SPLIT:
            refuse_unless_on_lines(q)
        if stepping is None:
            return Stepping.SPLIT if self._splits(q) else Stepping.WHOLE
        return stepping

    def _splits(self, q: PlaneGenerator) -> bool:
        """Return whether steps are split unless they are asked for otherwise.

        With constant coefficients correlated noise is not: the whole of Q is factored once.
        """
        if not self.process.time_dependent:
            return q.reversible_lines
        if q.along_axes and not self._correlates:
            return q.reversible_lines
        return q.on_lines and not any(self._absorbing)

    @property
    def _correlates(self) -> bool:
        """Whether a statement of the process says that its noise is correlated, now or at another time."""
        return isinstance(self.process, Process) and self.process.statement.diffusivity[0, 1] != 0
