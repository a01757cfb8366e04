"""Cell masses carried through time by TR-BDF2, with a damped start and a positivity monitor.

TR-BDF2 is of order 2 and L-stable, and positive while dt max|Q_ii| <= 1 + sqrt 2; no linear method of order 2 is
positive for every dt (Bolley & Crouzeix, RAIRO Anal. Numer. 12 (1978) 237). For a spread-out law the practical limit is
far larger. Hence: the first step is two steps of backward Euler, dt/4 each, and one of TR-BDF2, dt/2, which makes a
point mass harmless at any dt and keeps order 2; and a step that would leave a negative mass is refused and taken as two
halves. Nothing is clipped.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from fpsde.cached import Kept
from fpsde.fokker_planck.generator import Generator
from fpsde.fokker_planck.initial import Start
from fpsde.fokker_planck.stepper import MAX_HALVINGS, DampedStepper
from fpsde.fokker_planck.tridiagonal import GAMMA, STAGE, backward_euler, march

#: Cell-steps in one call of a kernel, about a tenth of a second, so that Ctrl-C is answered.
CHUNK = 10**7


class Propagator(DampedStepper):
    """The cells of a line or a ring in time.

    ``generator`` gives Q at a time; where it is ``constant`` it is asked once. ``fringe`` is the number of outermost
    cells at each end whose mass is watched; ``extremes`` holds the smallest mass met and the largest in each fringe.
    """

    def __init__(
        self, generator: Callable[[float], Generator], start: Start, *, constant: bool, fringe: tuple[int, int]
    ):
        super().__init__(start)
        self._constant = constant
        self._fringe = np.array(fringe)
        self._generator = lru_cache(maxsize=4)(generator)
        self._factors: Kept[np.ndarray] = Kept(MAX_HALVINGS)

    def _march(self, t: float, dt: float, done: int, n_steps: int) -> tuple[int, int, float]:
        """March from step ``done``, one step if Q depends on time; return (steps taken, steps tried, smallest mass)."""
        begin, end = t + done * dt, t + (done + 1) * dt
        middle = begin + GAMMA * dt
        tried = min(n_steps - done, max(1, CHUNK // len(self.masses))) if self._constant else 1
        stages = [self._at(time) for time in (begin, middle, end)]
        taken, least = march(
            np.array([(q.left, q.right) for q in stages]),
            np.array([q.exits for q in stages]),
            STAGE * dt,
            self._factors_at(middle, STAGE * dt),
            self._factors_at(end, STAGE * dt),
            self.masses,
            self.absorbed,
            tried,
            self._floor,
            self._fringe,
            self.extremes,
        )
        self.n_steps += taken
        return taken, tried, least

    def _backward_euler(self, t: float, dt: float) -> None:
        backward_euler(np.array(self._at(t).exits), dt, self._factors_at(t, dt), self.masses, self.absorbed)
        self.n_steps += 1

    def _max_rate(self, t: float) -> float:
        return self._at(t).max_rate

    def _at(self, t: float) -> Generator:
        return self._generator(0.0 if self._constant else t)

    def _factors_at(self, t: float, a: float) -> np.ndarray:
        return self._factors.get(self._factorise, 0.0 if self._constant else t, a)

    def _factorise(self, t: float, a: float) -> np.ndarray:
        return self._generator(t).factors(a)
