"""Steps of the Klein-Kramers equation: positions move at their velocities, velocities at their positions, in turn.

    half a step   p_t = -v p_x                            x moves by v dt/2
    a step        p_t = -(f(x) p)_v + (g v p + D p_v)_v   v goes to N(e v + c f(x), s^2), e = exp(-g dt),
                                                          c = (1 - e)/g, s^2 = D (1 - e^2)/g
    half a step   p_t = -v p_x

Each is exact on the waves of its axis (``waves.py``): a shift turns each wave, the Gaussian transition carries values
to the places e v, damps waves by exp(-k^2 s^2/2) and shifts them by c f. Four products with matrices of one axis make a
step, where neighbouring halves are one. The composition is symmetric (Strang, SIAM J. Numer. Anal. 5 (1968) 506), with
f at the middle of the step: errors are even powers of dt, which is what allows extrapolation.
"""

from __future__ import annotations

import numpy as np

from fpsde.fokker_planck.plane.phase_space import PhaseSpace
from fpsde.fokker_planck.plane.waves import Waves


class PhaseSpaceSteps:
    """Values ``(n_1, n_2)`` at the cell centres in steps; ``watched`` (4, n) marks the cells at each cut end."""

    def __init__(self, space: PhaseSpace, watched: np.ndarray):
        self._space = space
        self._x, self._v = self.axes = tuple(Waves(faces) for faces in space.grid.axes)
        self._analysis = self._x.analysis(self._x.centres)
        n_1, n_2 = space.grid.shape
        self._watched = watched.reshape(4, n_1, n_2).transpose(0, 2, 1).reshape(4, -1)
        self._x_waves, self._moved = np.empty((n_2, 2 * len(self._x.k))), np.empty((n_2, n_1))
        self._v_waves, self._turned = np.empty((n_1, 2 * len(self._v.k))), np.empty((n_1, n_2))

    def march(self, values: np.ndarray, t: float, dt: float, n_steps: int, fringe: np.ndarray | None) -> np.ndarray:
        """Return the values after ``n_steps`` of ``dt`` from ``t``.

        ``fringe`` (4,), if given, is raised to the largest sum of values met in the cells watched at each end.
        """
        v, constant = self._v.centres, not self._space.process.time_dependent
        half, whole = self._x.shift(0.5 * dt * v), self._x.shift(dt * v)
        transition, push = self._transition(dt), self._push(self._space, dt)
        p = self._transported(values.T, half)
        for i in range(n_steps):
            if not constant:
                push = self._push(self._space.at(t + (i + 0.5) * dt), dt)
            p = self._transported(self._relaxed(p.T, transition, push).T, whole if i < n_steps - 1 else half)
            if fringe is not None:
                np.maximum(fringe, self._watched @ p.ravel(), out=fringe)
        return p.T.copy()

    def _transported(self, p: np.ndarray, shift: np.ndarray) -> np.ndarray:
        """Return ``(n_2, n_1)`` values with x shifted for each v."""
        np.matmul(p, self._analysis, out=self._x_waves)
        waves = self._x_waves.view(complex)
        waves *= shift
        return np.matmul(self._x_waves, self._x.synthesis, out=self._moved)

    def _relaxed(self, p: np.ndarray, transition: np.ndarray, push: np.ndarray) -> np.ndarray:
        """Return ``(n_1, n_2)`` values with v taken through its Gaussian transition for each x."""
        np.matmul(p, transition, out=self._v_waves)
        waves = self._v_waves.view(complex)
        waves *= push
        return np.matmul(self._v_waves, self._v.synthesis, out=self._turned)

    def _transition(self, dt: float) -> np.ndarray:
        g, d = self._space.friction, self._space.noise
        return self._v.analysis(np.exp(-g * dt) * self._v.centres, np.exp(-d * _decayed(2 * g, dt) * self._v.k**2))

    def _push(self, space: PhaseSpace, dt: float) -> np.ndarray:
        return self._v.shift(_decayed(space.friction, dt) * space.force)


def _decayed(g: float, dt: float) -> float:
    """Return the integral of exp(-g s) over a step."""
    return float(-np.expm1(-g * dt) / g) if g else dt
