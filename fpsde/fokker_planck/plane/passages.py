"""Where two components go first: passage times, committors and splitting probabilities, by the backward equation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fpsde.errors import InvalidInput
from fpsde.fokker_planck.plane.backward import until_stopped
from fpsde.fokker_planck.plane.cells import OnPlane
from fpsde.fokker_planck.plane.results import PlanePassageTime, PlaneSplitting
from fpsde.fokker_planck.plane.start_function import PlaneFunction
from fpsde.fokker_planck.plane.targets import Region, Target, stopped_at
from fpsde.fokker_planck.results import provenance
from fpsde.validation import as_given, finite_array


class PlanePassages(OnPlane):
    """First passages on a plane whose coefficients do not depend on time."""

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
            provenance=provenance(self.process, self.grid, f"{q.flux}, backward equation"),
        )

    def committor(self, a: Region, b: Region) -> PlaneFunction:
        """Return the probability to reach ``b`` before ``a`` from each place: 0 on a, 1 on b.

            -Q^T q = 0

        Regions as in :meth:`passage_time`, which must not overlap; a wall that absorbs counts as neither. It is one of
        the functions of :meth:`splitting`, and raises as that.
        """
        self._refuse_time_dependence("has committors that depend on when it starts")
        goals = [Target.of("a", a, self.grid), Target.of("b", b, self.grid)]
        return self._chances(goals, [5], "a and b")[0]

    def splitting(self, x0: tuple[float, float], *, regions: Sequence[Region] = ()) -> PlaneSplitting:
        """Return the probabilities to end at each of the walls that absorb and of the ``regions``, from ``x0``.

            -Q^T q = (rate into that wall or region)

        Regions as in :meth:`passage_time`; they must not overlap. All probabilities add up to 1, everywhere: between
        the centres of cells they are monotone cubics where there are two ends, walls and regions together (the cubic of
        1 - q is 1 minus that of q), and linear where there are more.

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
        walls = sum(self._absorbing)
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

        Monotone cubics of two that add up to 1 do so, since slopes of 1 - q are minus those of q; of three they do not.
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
        found = [(solve(q.exits[k]) + there[k]).reshape(self.grid.shape) for k in ends]
        additive = sum(self._absorbing) + len(goals) > 2
        return tuple(PlaneFunction(self.grid, values, self._turns, additive=additive) for values in found)

    def _point(self, x0: Any) -> tuple[float, float]:
        start = finite_array("x0", x0, ndim=1)
        if len(start) != 2:
            raise InvalidInput(f"x0={as_given(x0)}; give a pair of numbers")
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
