"""What a function of the state of two components will be on average, from every starting point."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from fpsde.fokker_planck.backward import BackwardPropagator, Expectation
from fpsde.fokker_planck.evolution import stops
from fpsde.fokker_planck.plane.backward_lines import ExactSplitBackward, SplitBackward
from fpsde.fokker_planck.plane.in_steps import PlaneInSteps, Stepping


class PlaneExpectations(PlaneInSteps):
    """The backward equation in time on a plane."""

    def expectation(
        self,
        f: Callable[..., Any],
        *,
        t_end: float,
        t_start: float = 0.0,
        dt: float | None = None,
        tolerance: float | None = None,
        stepping: Stepping = Stepping.WHOLE,
    ) -> Expectation:
        """Return u(x, y) = E[f(X_(t_end)) | X_(t_start) = (x, y)] for the starting points of all cells at once.

        The backward equation -du/dt = Q^T u, u = f at t_end, in the steps of :meth:`evolve` transposed: unsplit ones
        with a damped start, unless ``stepping`` says otherwise. Split steps need no sparse factors, which on planes of
        many cells, and where coefficients depend on time, take most of the time; beside walls that absorb, and along
        which f varies, their error falls more slowly than dt^2. Particles that a wall has absorbed count with f there,
        beside the cell that they left (with correlated noise they arrive a part of a cell away, so that an f that
        varies along such a wall is met to order 1 there). ``f`` takes an array for each component, and returns one.
        With ``dt`` (which must divide the time) steps are of that length; without it dt is halved until that moves no
        value by more than ``tolerance`` (1e-6 of the range of f, if not given). Near a cut end of the grid the result
        is that of a reflecting wall there.

        Raises
        ------
        InvalidInput
            bad times; dt together with tolerance; an f that is not finite on the grid; steps that cannot be split as
            asked
        UnstableStep, NotConverged
            as :meth:`evolve`
        """
        when = stops(t_start, t_end, None)
        generators = self._generators(when[0])
        taken = self._stepping(generators(when[0]), stepping)
        if taken is Stepping.EXACT_LINES:
            back: Callable[..., BackwardPropagator] = partial(ExactSplitBackward, generators)
        elif taken is Stepping.SPLIT:
            back = partial(SplitBackward, generators, constant=self._constant)
        else:
            back = partial(BackwardPropagator, generators, self._solver_backward, constant=self._constant)
        return self._average(f, when, back, f"{generators(when[0]).flux}, {taken.value}", dt, tolerance)
