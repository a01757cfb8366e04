"""The backward equation in time: u(x, t) = E[f(X_T) | X_t = x], from u = f at T down to the start.

    -du/dt = Q^T u + (rate into a wall) f(wall)

TR-BDF2 with the factors of the forward steps, transposed, and their damped start. An average lies between the smallest
and the largest value of f; a step that would leave that interval is refused and taken in halves, as a negative mass is
in the forward equation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from fpsde.errors import InvalidInput, NotConverged, UnstableStep
from fpsde.fokker_planck.evolution import COARSEST
from fpsde.fokker_planck.generator import Generator
from fpsde.fokker_planck.start_function import StartFunction
from fpsde.fokker_planck.stepper import MAX_HALVINGS
from fpsde.fokker_planck.tridiagonal import GAMMA, STAGE, WEIGHT, factorise, solve

#: Rows of the factors of I - aQ, in the order in which they are those of its transpose.
TRANSPOSED = [2, 1, 0, 4, 3]
#: An automatic run gives up above this number of steps, some seconds.
MOST_STEPS = 2**16
#: What round-off may add to the range of f, as a part of it.
ROUND_OFF = 1e-12


@dataclass(frozen=True)
class Expectation:
    """E[f(X_(t_end)) | X_(t_start) = x] as ``function`` of x, ``values`` (n,) at the centres of the cells.

    time_error
        largest change of a value by the last halving of dt, about three times the error; None where dt was given
    dt, n_steps, n_refused
        as in :class:`~fpsde.fokker_planck.results.Evolution`
    """

    function: StartFunction
    values: np.ndarray
    time_error: float | None
    dt: float
    n_steps: int
    n_refused: int
    provenance: dict[str, Any]

    def __call__(self, x: Any) -> np.ndarray:
        """Return the expectation from starting points ``x``, same shape; monotone cubic between the centres."""
        return self.function(x)


class BackwardPropagator:
    """Values ``u`` (n,), moved back in time in place."""

    def __init__(self, generator: Callable[[float], Generator], u: np.ndarray, at_walls: np.ndarray):
        self.u = u.copy()
        self.n_steps, self.n_refused = 0, 0
        self._at_walls = at_walls
        self._generator = lru_cache(maxsize=4)(generator)
        self._factors = lru_cache(maxsize=MAX_HALVINGS)(self._factorise)
        low, high = float(min(u.min(), at_walls.min())), float(max(u.max(), at_walls.max()))
        slack = ROUND_OFF * max(high - low, abs(low), abs(high))
        self._range = low - slack, high + slack

    def start(self, t: float, dt: float) -> None:
        """Take the damped first step back from ``t``."""
        for time in (t - dt / 4, t - dt / 2):
            self.u = self._solved(time, dt / 4, self.u + dt / 4 * self._walls(time))
        self.n_steps += 2
        self.advance(t - dt / 2, dt / 2, 1)

    def advance(self, t: float, dt: float, n_steps: int, halvings: int = 0) -> None:
        """Take ``n_steps`` steps back of ``dt`` from ``t``; those that are refused, in halves."""
        for k in range(n_steps):
            now = t - k * dt
            new = self._stepped(now, dt)
            if self._range[0] <= new.min() and new.max() <= self._range[1]:
                self.u = new
                self.n_steps += 1
            elif halvings < MAX_HALVINGS and np.all(np.isfinite(new)):
                self.n_refused += 1
                self.advance(now, dt / 2, 2, halvings + 1)
            else:
                raise UnstableStep(
                    f"the step of {dt:.3g} back from t={now:.6g} leaves the range of f after {halvings} halvings: "
                    f"[{new.min():.6g}, {new.max():.6g}]; use wider cells or a smaller box"
                )

    def _stepped(self, t: float, dt: float) -> np.ndarray:
        middle, end, a = t - GAMMA * dt, t - dt, STAGE * dt
        change = a * self._applied(t, self.u)
        between = self._solved(middle, a, self.u + change + a * self._walls(middle))
        change = WEIGHT * (change + a * self._applied(middle, between))
        return self._solved(end, a, self.u + change + a * self._walls(end))

    def _solved(self, t: float, a: float, b: np.ndarray) -> np.ndarray:
        solve(self._factors(t, a), b)
        return b

    def _applied(self, t: float, u: np.ndarray) -> np.ndarray:
        return self._generator(t).apply_transposed(u) + self._walls(t)

    def _walls(self, t: float) -> np.ndarray:
        """Return what walls add to du: the rate into each times the value of f there."""
        source = np.zeros(len(self.u))
        exits = self._generator(t).exits
        source[0] += exits[0] * self._at_walls[0]
        source[-1] += exits[1] * self._at_walls[1]
        return source

    def _factorise(self, t: float, a: float) -> np.ndarray:
        q = self._generator(t)
        return factorise(q.left, q.right, *q.exits, a)[TRANSPOSED]


def carried_back(
    propagator: Callable[[], BackwardPropagator], t_start: float, t_end: float, n_steps: int
) -> BackwardPropagator:
    """Return the propagator after ``n_steps`` equal steps from ``t_end`` back to ``t_start``, the first one damped."""
    dt = (t_end - t_start) / n_steps
    found = propagator()
    found.start(t_end, dt)
    found.advance(t_end - dt, dt, n_steps - 1)
    return found


def carried_back_to_tolerance(
    propagator: Callable[[], BackwardPropagator], t_start: float, t_end: float, tolerance: float
) -> tuple[BackwardPropagator, int, float]:
    """Return the first run whose values halving dt moved by less than ``tolerance``, its steps, and that change.

    Raises NotConverged beyond ``MOST_STEPS`` steps.
    """
    n_steps = COARSEST
    coarse, moved = carried_back(propagator, t_start, t_end, n_steps), math.inf
    while n_steps <= MOST_STEPS:
        n_steps *= 2
        fine = carried_back(propagator, t_start, t_end, n_steps)
        moved = float(np.abs(fine.u - coarse.u).max())
        if moved <= tolerance:
            return fine, n_steps, moved
        coarse = fine
    raise NotConverged(
        f"tolerance={tolerance:g} is not reached: with {n_steps} steps the last halving of dt still moved a value by "
        f"{moved:.3g}; allow a larger tolerance, or give dt"
    )


def final_values(f: Callable[[np.ndarray], np.ndarray], x: np.ndarray) -> np.ndarray:
    """Return f at ``x``; InvalidInput unless it gives one finite number for each."""
    values = np.asarray(f(x))
    if values.shape not in ((), x.shape) or values.dtype.kind not in "fiub":
        raise InvalidInput(f"f returned shape {values.shape} for {x.shape} points; give a function of arrays")
    values = np.broadcast_to(values, x.shape).astype(float)
    if not np.isfinite(values).all():
        i = int(np.argmin(np.isfinite(values)))
        raise InvalidInput(f"f is {values[i]} at x={x[i]}; it must be finite on the grid")
    return values
