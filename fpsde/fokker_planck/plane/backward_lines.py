"""The backward equation of a plane in split steps: the transposes of those that carry masses, in the opposite order.

The mean of f after a step from every cell is that after its last sweep, then that of this mean after the one before,
and so on. The sweeps of a Strang step are the same backwards; those of backward Euler, one along each offset, are not.
Each is the transpose of a sweep along the same lines with the same factors, and what entered a wall counts with the
value of f there, so that <f, p_t> = <u_t, p_0> to round-off for steps of the same lengths.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fpsde.cached import Kept
from fpsde.fokker_planck.backward import BackwardPropagator
from fpsde.fokker_planck.plane.backward import plane_solver
from fpsde.fokker_planck.plane.exact_lines import LineMatrices
from fpsde.fokker_planck.plane.generator import PlaneGenerator
from fpsde.fokker_planck.plane.lines import back_on_lines, in_bundles
from fpsde.fokker_planck.plane.propagator import AXES, LinesInPlane, Offset, sweeps_of_step
from fpsde.fokker_planck.tridiagonal import STAGE


class SplitBackward(BackwardPropagator):
    """Values moved back in time by Strang steps of TR-BDF2 on lines."""

    def __init__(
        self, generator: Callable[[float], PlaneGenerator], u: np.ndarray, at_walls: np.ndarray, *, constant: bool
    ):
        super().__init__(generator, plane_solver, u, at_walls, constant=constant)
        self._lines: Kept[LinesInPlane] = Kept(2)

    def _stepped(self, t: float, dt: float) -> np.ndarray:
        sweeps = sweeps_of_step(self._at(t - dt / 2).offsets, dt)
        return self._swept(t - dt / 2, [(offset, STAGE * part) for offset, part in sweeps])

    def _damped(self, t: float, dt: float) -> np.ndarray:
        return self._swept(t, [(offset, dt) for offset in reversed(self._at(t).offsets)], stages=1)

    def _swept(self, t: float, sweeps: list[tuple[Offset, float]], *, stages: int = 2) -> np.ndarray:
        """Return the values after sweeps back along lines, with the coefficients at ``t`` and the a of each."""
        lines, shape = self._lines.get(self._in_lines, self._key(t)), self._at(t).grid.shape
        values = self.u.reshape(shape).copy()
        for offset, a in sweeps:
            _, exits = lines.bundles(offset)
            ends = np.zeros_like(exits)
            if offset in AXES:  # there are no walls that absorb where lines lie otherwise
                ends = in_bundles(values_at_ends(self._at_walls, shape, AXES.index(offset)))
            back_on_lines(exits, a, lines.factors(offset, a), lines.ways[offset], ends, values, stages)
        return values.ravel()

    def _in_lines(self, t: float) -> LinesInPlane:
        return LinesInPlane(self._at(t))


class ExactSplitBackward(BackwardPropagator):
    """Values moved back in time by Strang steps of exact factors, with constant coefficients.

    A mean with probabilities lies between the values, so that no step is refused and no rough f needs a damped one.
    """

    def __init__(self, generator: Callable[[float], PlaneGenerator], u: np.ndarray, at_walls: np.ndarray):
        super().__init__(generator, plane_solver, u, at_walls, constant=True)
        self._matrices = LineMatrices(self._at(0.0))

    def start(self, t: float, dt: float) -> None:
        """Take the first step back from ``t``."""
        self.advance(t, dt, 1)

    def _stepped(self, t: float, dt: float) -> np.ndarray:
        shape = self._at(0.0).grid.shape
        values = self.u.reshape(shape)
        for offset, part in sweeps_of_step(AXES, dt):
            axis = AXES.index(offset)
            lines = values.T if axis == 0 else values
            beyond = np.concatenate([lines, values_at_ends(self._at_walls, shape, axis)], axis=1)
            new, n = np.empty_like(lines), lines.shape[1]
            for matrix, alike in self._matrices.along(axis, part):
                new[alike] = beyond[alike] @ matrix[:n].T
            values = new.T if axis == 0 else new
        return values.ravel()


def values_at_ends(at_walls: np.ndarray, shape: tuple[int, ...], axis: int) -> np.ndarray:
    """Return the values ``(n_lines, 2)`` at the low and the high end of the lines of an axis.

    ``at_walls`` (4, n) holds for each cell those on the walls at the ends of the first axis and of the second.
    """
    low, high = (np.moveaxis(at_walls[2 * axis + end].reshape(shape), axis, 0)[-end] for end in (0, 1))
    return np.stack([low, high], axis=1)
