"""How steps in time are taken on a plane: what a propagator of a process on a grid is made of, on each machine."""

from __future__ import annotations

import enum
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from fpsde.arrays import Device
from fpsde.errors import InvalidInput
from fpsde.fokker_planck.driven import printed
from fpsde.fokker_planck.initial import Start
from fpsde.fokker_planck.plane.assembly import assemble_plane
from fpsde.fokker_planck.plane.cells import OnPlane
from fpsde.fokker_planck.plane.driven import DrivenSplitPropagator
from fpsde.fokker_planck.plane.driven_lines import DrivenPlane, driven_lines
from fpsde.fokker_planck.plane.exact_lines import ExactSplitPropagator
from fpsde.fokker_planck.plane.generator import PlaneGenerator
from fpsde.fokker_planck.plane.on_gpu import (
    LinesAt,
    SplitPropagatorOnGpu,
    assembled_lines_on_gpu,
    driven_lines_on_gpu,
    lines_on_gpu,
)
from fpsde.fokker_planck.plane.propagator import (
    PlanePropagator,
    SplitPropagator,
    WholePropagator,
    refuse_unless_on_lines,
)
from fpsde.fokker_planck.plane.results import Operator
from fpsde.fokker_planck.plane.stream import stream_of
from fpsde.processes.process import Process
from fpsde.validation import finite


class Stepping(enum.Enum):
    """How steps in time are taken on a plane; all are of order 2 in dt."""

    WHOLE = "TR-BDF2"  #: with sparse factors of all of Q
    #: Faster; where noise is correlated, along diagonals too. Along an axis without noise it takes steps below a cell's
    #: crossing time.
    SPLIT = "Strang splitting of TR-BDF2 on lines"
    #: Where no noise is correlated and coefficients are constant: exact in time where components are independent, and
    #: without any limit on steps. Costs more where lines differ, the square of their cells for each.
    EXACT_LINES = "Strang splitting of exponentials on lines"


class Steps(NamedTuple):
    """How steps are taken, what makes a propagator that takes them from the start, and the operator at a time."""

    stepping: Stepping
    propagator: Callable[[], PlanePropagator]
    operator: Callable[[float], Operator]


class PlaneInSteps(OnPlane):
    """The steps that carry a law on a plane."""

    def steps(
        self,
        start: Start,
        *,
        t_start: float = 0.0,
        stepping: Stepping | None = None,
        threads: int = 1,
        device: Device | None = None,
        fast: bool = False,
    ) -> Steps:
        """Return what carries a ``start`` from ``t_start``, as :meth:`evolve` does: on the CPU, or on a ``device``.

        No other place lists what propagators need. ``fast`` lets a device fuse products into sums. Raises InvalidInput
        as :meth:`evolve`.
        """
        t_start = finite("t_start", t_start)
        generators = self._generators(t_start)
        driven = stepping in (None, Stepping.SPLIT) and self._drives_lines
        if self._correlates:  # on a device the rates of diagonals are not computed; a wall may leave no lines
            driven = driven and device is None and not (any(self._absorbing) and not generators(t_start).on_lines)
        taken = Stepping.SPLIT if driven else self._stepping(generators(t_start), stepping)
        if device is not None:
            self._refuse_on_gpu(taken, generators(t_start))
            lines = self._lines_on_gpu(generators, t_start, driven, device, fast)
            there = partial(
                SplitPropagatorOnGpu, generators, start, constant=self._constant, cells=self.grid.shape,
                fringe=self._fringe, device=device, lines=lines, computed=driven, fast=fast,
            )  # fmt: skip
            return Steps(taken, there, generators)
        if driven:
            own = driven_lines(self.process, self.grid, self._sides, correlated=self._correlates)
            here = partial(
                DrivenSplitPropagator, generators, start, fringe=self._fringe, lines=own, shape=self.grid.shape,
                watched=self._watched, threads=threads, whole=stepping is None,
            )  # fmt: skip
            return Steps(taken, here, lambda t: DrivenPlane.of(self.grid, own, t) or generators(t))
        if taken is Stepping.EXACT_LINES:
            return Steps(taken, partial(ExactSplitPropagator, generators, start, fringe=self._fringe), generators)
        split = partial(SplitPropagator, threads=threads, whole=stepping is None)
        kind = split if taken is Stepping.SPLIT else WholePropagator
        return Steps(taken, partial(kind, generators, start, constant=self._constant, fringe=self._fringe), generators)

    @property
    def _constant(self) -> bool:
        return not self.process.time_dependent

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
        return self._correlates or stream_of(process) is None

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
        if stepping is not None and not isinstance(stepping, Stepping):
            known = ", ".join(str(each) for each in Stepping)
            raise InvalidInput(f"stepping={stepping!r} is no Stepping; give one of {known}, or leave it out")
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

        Correlated noise is, where coefficients are constant too: on 64^2 and 128^2 cells of a turning linear process,
        at each dt, errors were smaller than with the whole of Q factored once, in a tenth of the time.
        """
        if q.along_axes and not (self.process.time_dependent and self._correlates):
            return q.reversible_lines
        return q.on_lines

    @property
    def _correlates(self) -> bool:
        """Whether a statement of the process says that its noise is correlated, now or at another time."""
        return isinstance(self.process, Process) and self.process.statement.diffusivity[0, 1] != 0
