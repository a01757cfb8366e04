"""Steps of the Klein-Kramers equation: positions move at their velocities, velocities at their positions, in turn.

    half a step   p_t = -v p_x                            x moves by v dt/2
    a step        p_t = -(f(x) p)_v + (g v p + D p_v)_v   v goes to N(e v + c f(x), s^2), e = exp(-g dt),
                                                          c = (1 - e)/g, s^2 = D (1 - e^2)/g
    half a step   p_t = -v p_x

Each is exact on the waves of its axis (``waves.py``): a shift turns each wave, the Gaussian transition carries values
to the places e v, damps waves by exp(-k^2 s^2/2) and shifts them by c f. The composition is symmetric (Strang, SIAM J.
Numer. Anal. 5 (1968) 506), with f at the middle of the step: errors are even powers of dt, which is what allows
extrapolation. Neighbouring halves are one, and a step is eight products with matrices of half an axis: values are
folded about the middle of both axes, velocities down, positions across.
"""

from __future__ import annotations

import numpy as np

from fpsde.fokker_planck.plane.phase_space import PhaseSpace
from fpsde.fokker_planck.plane.waves import Waves
from fpsde.jit import kernel


class PhaseSpaceSteps:
    """Values ``(n_1, n_2)`` at the cell centres in steps; ``watched`` (4, n) marks the cells at each cut end."""

    def __init__(self, space: PhaseSpace, watched: np.ndarray):
        self._space = space
        self._x, self._v = self.axes = tuple(Waves(faces) for faces in space.grid.axes)
        self._folded = np.ix_(self._v.folded, self._x.folded)
        shape = tuple(2 * waves.synthesis.shape[2] for waves in (self._v, self._x))
        self._transport = self._x.analysis(), self._x.synthesis
        places = self._unfolded(np.arange(shape[0] * shape[1], dtype=float).reshape(shape)).astype(np.int64)
        cells = [places.ravel()[end > 0] for end in watched]
        self._watched = np.concatenate(cells), np.cumsum([0, *map(len, cells)])

    def _unfolded(self, folded: np.ndarray) -> np.ndarray:
        values = np.empty((self._x.n, self._v.n))
        values.T[self._folded] = folded
        return values

    def march(self, values: np.ndarray, t: float, dt: float, n_steps: int, fringe: np.ndarray) -> np.ndarray:
        """Return the values after ``n_steps`` of ``dt`` from ``t``.

        ``fringe`` (4,) is raised to the largest sum of values met in the cells watched at each end.
        """
        v = self._v.centres[self._v.folded]
        half, whole = self._x.shift(0.5 * dt * v), self._x.shift(dt * v)
        relaxation = self._relaxation(dt)
        p = np.ascontiguousarray(values.T[self._folded])
        transport(p, *self._transport, half)
        if self._space.process.time_dependent:
            for i in range(n_steps):
                push = self._push(self._space.at(t + (i + 0.5) * dt), dt)
                turn = whole if i < n_steps - 1 else half
                steps(p, 1, self._transport, turn, relaxation, push, self._watched, fringe)
        else:
            push = self._push(self._space, dt)
            steps(p, n_steps - 1, self._transport, whole, relaxation, push, self._watched, fringe)
            steps(p, 1, self._transport, half, relaxation, push, self._watched, fringe)
        return self._unfolded(p)

    def _relaxation(self, dt: float) -> tuple[np.ndarray, np.ndarray]:
        g, d = self._space.friction, self._space.noise
        analysis = self._v.analysis(float(np.exp(-g * dt)), np.exp(-d * _decayed(2 * g, dt) * self._v.k**2))
        return _across(analysis), _across(self._v.synthesis)

    def _push(self, space: PhaseSpace, dt: float) -> np.ndarray:
        decayed = _decayed(space.friction, dt)
        by = decayed * (space.force - space.friction * self._v.middle)
        return _across(self._v.shift(by[self._x.folded]))


def _across(pair: np.ndarray) -> np.ndarray:
    """Return the transposes of two matrices."""
    return np.ascontiguousarray(pair.transpose(0, 2, 1))


def _decayed(g: float, dt: float) -> float:
    """Return the integral of exp(-g s) over a step."""
    return float(-np.expm1(-g * dt) / g) if g else dt


@kernel()
def steps(p, n_steps, transport_of, shift, relaxation, push, watched, fringe):
    """Let velocities relax and positions move, ``n_steps`` times, in place."""
    cells, first = watched
    flat = p.ravel()
    for _ in range(n_steps):
        relax(p, relaxation[0], relaxation[1], push)
        transport(p, transport_of[0], transport_of[1], shift)
        for end in range(4):
            total = 0.0
            for i in range(first[end], first[end + 1]):
                total += flat[cells[i]]
            fringe[end] = max(fringe[end], total)


@kernel()
def transport(p, analysis, synthesis, shift):
    """Shift the values along each row of p, folded, by the turns ``shift`` (2, rows, K) of its waves, in place."""
    rows, h = len(p), p.shape[1] // 2
    even, odd = np.empty((rows, h)), np.empty((rows, h))
    a, b = np.empty((rows, synthesis.shape[1])), np.empty((rows, synthesis.shape[1]))
    for i in range(rows):
        for j in range(h):
            even[i, j] = p[i, j] + p[i, h + j]
            odd[i, j] = p[i, j] - p[i, h + j]
    np.dot(even, analysis[0], a)
    np.dot(odd, analysis[1], b)
    turn(a, b, shift)
    np.dot(a, synthesis[0], even)
    np.dot(b, synthesis[1], odd)
    for i in range(rows):
        for j in range(h):
            p[i, j] = even[i, j] + odd[i, j]
            p[i, h + j] = even[i, j] - odd[i, j]


@kernel()
def relax(p, analysis, synthesis, push):
    """As :func:`transport`, along each column, with matrices from the left; ``push`` is (2, K, columns)."""
    h, columns = len(p) // 2, p.shape[1]
    even, odd = np.empty((h, columns)), np.empty((h, columns))
    a, b = np.empty((len(analysis[0]), columns)), np.empty((len(analysis[0]), columns))
    for i in range(h):
        for j in range(columns):
            even[i, j] = p[i, j] + p[h + i, j]
            odd[i, j] = p[i, j] - p[h + i, j]
    np.dot(analysis[0], even, a)
    np.dot(analysis[1], odd, b)
    turn(a, b, push)
    np.dot(synthesis[0], a, even)
    np.dot(synthesis[1], b, odd)
    for i in range(h):
        for j in range(columns):
            p[i, j] = even[i, j] + odd[i, j]
            p[h + i, j] = even[i, j] - odd[i, j]


@kernel()
def turn(a, b, by):
    """Turn the waves (a, b) by angles whose cosines and sines are given, in place."""
    for i in range(len(a)):
        for j in range(a.shape[1]):
            cosine, sine = a[i, j], b[i, j]
            a[i, j] = cosine * by[0, i, j] - sine * by[1, i, j]
            b[i, j] = cosine * by[1, i, j] + sine * by[0, i, j]
