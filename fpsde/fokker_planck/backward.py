"""The backward equation in time: u(x, t) = E[f(X_T) | X_t = x], from u = f at T down to the start.

    -du/dt = Q^T u + (rate into a wall) f(wall)

TR-BDF2 with the factors of the forward steps, transposed, and their damped start, on lines and planes alike; a plane
has split steps too (``plane/backward_lines.py``). An average lies between the smallest and the largest value of f; a
step that would leave that interval is refused and taken in halves, as a negative mass is in the forward equation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol, TypeVar

import numpy as np

from fpsde.cached import Kept
from fpsde.errors import InvalidInput, UnstableStep
from fpsde.fokker_planck.elimination import solve
from fpsde.fokker_planck.evolution import run_as_asked
from fpsde.fokker_planck.generator import Generator
from fpsde.fokker_planck.stepper import KEPT, MAX_HALVINGS
from fpsde.fokker_planck.tridiagonal import GAMMA, STAGE, WEIGHT
from fpsde.validation import refuse_no_function

#: Rows of the factors of I - aQ, in the order in which they are those of its transpose.
TRANSPOSED = [2, 1, 0, 4, 3]
#: An automatic run gives up above this number of steps, some seconds.
MOST_STEPS = 2**16
#: What round-off may add to the range of f, as a part of it.
ROUND_OFF = 1e-12


@dataclass(frozen=True)
class Expectation:
    """E[f(X_(t_end)) | X_(t_start) = x] as ``function`` of x, ``values`` ``grid.shape`` at the centres of the cells.

    time_error
        largest change of a value by the last halving of dt, about three times the error; None where dt was given
    dt, n_steps, n_refused
        as in :class:`~fpsde.fokker_planck.results.Evolution`
    """

    function: Callable[..., np.ndarray]
    values: np.ndarray
    time_error: float | None
    dt: float
    n_steps: int
    n_refused: int
    provenance: dict[str, Any]

    def __call__(self, *x: Any) -> np.ndarray:
        """Return the expectation from starting points, an array for each component, same shape.

        Between the centres it is a monotone cubic; of two components, one along each axis.
        """
        return self.function(*x)


class Averaging(Protocol):
    """What the backward equation asks of a generator."""

    def apply_transposed(self, u: np.ndarray) -> np.ndarray: ...

    def earned_at_walls(self, values: np.ndarray) -> np.ndarray: ...


Q = TypeVar("Q", bound=Averaging)
#: The function that solves (I - a Q^T) v = b for v, given b; it may overwrite b.
Solver = Callable[[np.ndarray], np.ndarray]


class BackwardPropagator:
    """Values ``u`` (n,), moved back in time in place; ``at_walls`` are those on the walls, in the shape of the exits.

    ``solver(q, a)`` returns the function that solves with I - a Q^T. ``constant`` says that Q is at all times the same.
    """

    def __init__(
        self,
        generator: Callable[[float], Q],
        solver: Callable[[Q, float], Solver],
        u: np.ndarray,
        at_walls: np.ndarray,
        *,
        constant: bool,
    ):
        self.u = u.copy()
        self.n_steps, self.n_refused = 0, 0
        self._at_walls = at_walls
        self._constant = constant
        self._generator = lru_cache(maxsize=4)(generator)
        self._solver = solver
        self._solvers: Kept[Solver] = Kept(KEPT)
        low, high = float(min(u.min(), at_walls.min())), float(max(u.max(), at_walls.max()))
        slack = ROUND_OFF * max(high - low, abs(low), abs(high))
        self._range = low - slack, high + slack

    def start(self, t: float, dt: float) -> None:
        """Take the damped first step back from ``t``."""
        for time in (t - dt / 4, t - dt / 2):
            self.u = self._damped(time, dt / 4)
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

    def _damped(self, t: float, dt: float) -> np.ndarray:
        """Return the values after backward Euler back to ``t``."""
        return self._solved(t, dt, self.u + dt * self._walls(t))

    def _stepped(self, t: float, dt: float) -> np.ndarray:
        """Return the values after a step back from ``t``."""
        middle, end, a = t - GAMMA * dt, t - dt, STAGE * dt
        change = a * self._applied(t, self.u)
        between = self._solved(middle, a, self.u + change + a * self._walls(middle))
        change = WEIGHT * (change + a * self._applied(middle, between))
        return self._solved(end, a, self.u + change + a * self._walls(end))

    def _solved(self, t: float, a: float, b: np.ndarray) -> np.ndarray:
        return self._solvers.get(self._made, self._key(t), a)(b)

    def _made(self, t: float, a: float) -> Solver:
        return self._solver(self._generator(t), a)

    def _applied(self, t: float, u: np.ndarray) -> np.ndarray:
        return self._at(t).apply_transposed(u) + self._walls(t)

    def _walls(self, t: float) -> np.ndarray:
        """Return what walls add to du: the rate into each times the value of f there."""
        return self._at(t).earned_at_walls(self._at_walls)

    def _at(self, t: float) -> Any:
        return self._generator(self._key(t))

    def _key(self, t: float) -> float:
        return 0.0 if self._constant else t


def line_solver(q: Generator, a: float) -> Solver:
    """Return the function that solves with I - a Q^T on a line or a ring, in place."""
    factors = q.factors(a)[TRANSPOSED]

    def solved(b: np.ndarray) -> np.ndarray:
        solve(factors, b)
        return b

    return solved


def expected(
    f: Callable[..., np.ndarray],
    times: np.ndarray,
    propagator: Callable[[np.ndarray, np.ndarray], BackwardPropagator],
    *,
    points: tuple[Sequence[np.ndarray], Sequence[np.ndarray]],
    dt: float | None,
    tolerance: float | None,
    function: Callable[[np.ndarray, np.ndarray], Callable[..., np.ndarray]],
    shape: tuple[int, ...],
    provenance: dict[str, Any],
) -> Expectation:
    """Return the expectation of ``f`` over ``times`` (start, end), in steps of ``dt`` or else to ``tolerance``.

    ``propagator(u, at_walls)`` moves values back. ``points`` are the centres of the cells, and where mass arrives at
    the walls (in the shape of the exits), an array for each component. ``function(u, at_walls)`` makes a function of
    the values at both. Raises as :func:`run_as_asked`; the default tolerance is 1e-6 of the range of f.
    """
    inside, at_walls = (final_values(f, *where) for where in points)
    seen = np.concatenate([inside.ravel(), at_walls.ravel()])

    def carried_back(steps: np.ndarray) -> BackwardPropagator:
        begin, end = times.tolist()
        n_steps, found = int(steps[0]), propagator(inside, at_walls)
        length = (end - begin) / n_steps
        found.start(end, length)
        found.advance(end - length, length, n_steps - 1)
        return found

    found, moved, steps = run_as_asked(
        carried_back,
        lambda coarse, fine: float(np.abs(fine.u - coarse.u).max()),
        times,
        dt=dt,
        tolerance=tolerance,
        most=MOST_STEPS,
        scale=float(np.ptp(seen)) or float(np.abs(seen).max()) or 1.0,
    )
    return Expectation(
        function=function(found.u, at_walls),
        values=found.u.reshape(shape),
        time_error=moved,
        dt=float(times[1] - times[0]) / int(steps[0]),
        n_steps=found.n_steps,
        n_refused=found.n_refused,
        provenance=provenance,
    )


def final_values(f: Callable[..., np.ndarray], *x: np.ndarray) -> np.ndarray:
    """Return f at ``x``, an array for each component; InvalidInput unless it gives one finite number for each point."""
    refuse_no_function("f", f, "a function of arrays, one for each component")
    values = np.asarray(f(*x))
    if values.shape not in ((), x[0].shape) or values.dtype.kind not in "fiub":
        raise InvalidInput(f"f returned shape {values.shape} for {x[0].shape} points; give a function of arrays")
    values = np.broadcast_to(values, x[0].shape).astype(float)
    if not np.isfinite(values).all():
        i = np.unravel_index(int(np.argmin(np.isfinite(values))), values.shape)
        at = tuple(float(one[i]) for one in x)
        raise InvalidInput(f"f is {values[i]} at x={at[0] if len(at) == 1 else at}; it must be finite on the grid")
    return values
