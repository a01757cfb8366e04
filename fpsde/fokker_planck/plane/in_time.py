"""The law of two components in time: in steps, and by what takes none."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

from fpsde.backend import Backend
from fpsde.fokker_planck.evolution import stops, trace_as_asked
from fpsde.fokker_planck.high_order.evolution import CHEBYSHEV, trace_at_high_order
from fpsde.fokker_planck.high_order.magnus import MAGNUS, trace_of_driven
from fpsde.fokker_planck.high_order.stencils import stencils_of
from fpsde.fokker_planck.plane.coefficients import Coefficients, plane_differences
from fpsde.fokker_planck.plane.exact import trace_by_sums
from fpsde.fokker_planck.plane.in_steps import PlaneInSteps, Stepping
from fpsde.fokker_planck.plane.phase_space import phase_space
from fpsde.fokker_planck.plane.phase_space_evolution import SPLITTING, trace_of_phase_space
from fpsde.fokker_planck.plane.results import PlaneEvolution
from fpsde.fokker_planck.sweeps import device_of, on
from fpsde.validation import integer


class PlaneInTime(PlaneInSteps):
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
        split where there is noise along both axes, and where coefficients depend on time (all of Q would have to be
        factored anew for each step) also with noise along one axis alone, unless that cannot be split or ``stepping``
        says otherwise: with ``EXACT_LINES`` a step is split into exact factors, and one step of any length is exact
        where the components are independent (``dt=t_end - t_start``).

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
            it (more than 1e-6 in the outermost fiftieth of the cells); split steps for correlated noise so narrow that
            mass leaves through an absorbing wall from more than the cells beside it; exact factors for correlated
            noise, where coefficients depend on time, or for more different lines than memory is allowed for; on a GPU
            steps that are not split, or have exact factors
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
        steps = self.steps(start, t_start=when[0], stepping=stepping, threads=workers, device=device, fast=fast)
        with on(device):
            found = trace_as_asked(steps.propagator, when, dt=dt, tolerance=tolerance, progress=progress)
        return self._evolution(found, start, when, steps.stepping.value, steps.operator(when[-1]))

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
        progress: bool = False,
    ) -> PlaneEvolution:
        """Return what :meth:`evolve` returns, of ``order`` 4, 6, 8 or 10 in the cell width: for smooth laws.

        Central differences of the products mu_i p and D_ij p, on equal cells between cut or periodic ends, correlated
        noise included: what one cell loses others gain, and cell masses are met at the order. It is not positive: signs
        are kept only as far as the law is; ``negative_mass`` and ``minimum`` say how far. No steps are taken, but an
        expansion of the exponential in Chebyshev polynomials, which may move ``tolerance`` of the mass (1e-6 if not
        given); ``n_steps`` counts products.

        A mass below -1e-7 of the largest is refused. Where what the expansion leaves off may be why, as at the edge of
        coarse grids, where drift dominates and its terms grow, it is carried once more, to so small a tolerance that it
        cannot be. What is then refused is left by the cells, and they are too few: a law that is met to 1e-4 keeps to
        the bound (of orders 4 to 10, correlated noise, the fewest cells that meet it so, and those for 1e-5).

        Without an ``order``, which is then 6, the equation of Klein and Kramers is recognised: underdamped motion of
        one position, dX = V dt, dV = (f(X, t) - g V) dt + sqrt(2 D) dW with constant g and D. It is carried in steps
        that are exact for X and for V in turn, on trigonometric polynomials: errors fall faster than any power of the
        cell width. Steps are shortened until an error of order 4 in dt moves no more than ``tolerance``; the result is
        of order 6. Of its coefficients f alone may depend on time, unless an ``order`` is given.

        Where coefficients of other equations depend on time there are steps of two exponentials, as on a line; of these
        ``progress`` shows a bar.

        Raises
        ------
        InvalidInput
            as :meth:`evolve`; unequal cells; a wall that is not periodic; a
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
        start = self._start(x0)

        def coefficients(t: float) -> Coefficients:
            return Coefficients(self.process, self.grid, t, self._sides)

        driven, stencils = self.process.time_dependent, stencils_of(6 if order is None else order)
        operator = plane_differences(coefficients(when[-1]) if driven else read, stencils)
        if not driven:
            found = trace_at_high_order(operator, start, when, tolerance)
            return self._evolution(found, start, when, CHEBYSHEV, operator)
        found = trace_of_driven(
            operator, lambda t: coefficients(t).at_centres, self.process, start, when, tolerance, progress=progress
        )
        return self._evolution(found, start, when, f"{MAGNUS}, {CHEBYSHEV}", operator)
