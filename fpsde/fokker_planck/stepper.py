"""Steps in time, damped at the start where they must be, refused and halved where a mass would be negative."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np

from fpsde.errors import UnstableStep
from fpsde.fokker_planck.initial import Start

#: A refused step is halved at most so often: dt / 2^40 is below any positivity limit worth waiting for.
MAX_HALVINGS = 40
#: Factors that are kept, of as many lengths of a step (on lines of a plane, times the axes).
KEPT = 6


class Stepper(ABC):
    """Masses and absorbed mass, moved in place; no mass ever falls below the negative round-off that it began with.

    ``reached`` is told the time after each march, of many steps or one. ``extremes`` holds the smallest mass met, and
    for each end of the grid the largest in its watched cells.
    """

    def __init__(self, start: Start):
        self.masses, self.absorbed = start.masses.copy(), start.absorbed.copy()
        self.extremes = np.array([self.masses.min(), *np.zeros(len(self.absorbed))])
        self.n_steps, self.n_refused = 0, 0
        self.reached: Callable[[float], None] = lambda t: None
        self._floor = float(np.minimum(self.masses, 0.0).sum())

    def start(self, t: float, dt: float) -> None:
        """Take the first step from ``t``."""
        self.advance(t, dt, 1)

    def advance(self, t: float, dt: float, n_steps: int, halvings: int = 0) -> None:
        """Take ``n_steps`` steps of ``dt`` from ``t``; those that are refused, in halves."""
        done = 0
        while done < n_steps:
            taken, tried, least = self._march(t, dt, done, n_steps)
            done += taken
            if taken < tried:
                self._halve(t + done * dt, dt, halvings, least)
                done += 1
            self.reached(t + done * dt)

    def _halve(self, t: float, dt: float, halvings: int, least: float) -> None:
        if halvings == MAX_HALVINGS or not np.isfinite(least):
            raise UnstableStep(
                f"the step of {dt:.3g} from t={t:.6g} leaves a cell with the mass {least:.3g} after {halvings} "
                f"halvings; max|Q_ii|={self._max_rate(t):.3g} is out of range: use wider cells or a smaller box"
            )
        self.n_refused += 1
        self.advance(t, dt / 2, 2, halvings + 1)

    @abstractmethod
    def _march(self, t: float, dt: float, done: int, n_steps: int) -> tuple[int, int, float]:
        """March from step ``done``; return (steps taken, steps tried, smallest mass after the last one tried)."""

    @abstractmethod
    def _max_rate(self, t: float) -> float:
        """Return max |Q_ii| at ``t``."""


class DampedStepper(Stepper):
    """Steps that leave a rough start rough: half of the first one is two steps of backward Euler."""

    def start(self, t: float, dt: float) -> None:
        """Take the damped first step from ``t``."""
        self._backward_euler(t + dt / 4, dt / 4)
        self._backward_euler(t + dt / 2, dt / 4)
        self.advance(t + dt / 2, dt / 2, 1)

    @abstractmethod
    def _backward_euler(self, t: float, dt: float) -> None:
        """Take a step of backward Euler that ends at ``t``."""
