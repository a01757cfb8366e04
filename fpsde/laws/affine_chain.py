"""Chains whose steps are affine, in any dimension: their laws from normal starts are normal, and follow by recursion.

x' = M x + c + N z,  z ~ N(0, I):    mean' = M mean + c,    covariance' = M covariance M^T + N N^T
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import linalg

from fpsde.density import Law, Normal, Point
from fpsde.errors import InvalidInput, UnstableStep
from fpsde.joint_law import JointNormal
from fpsde.schemes.array_step import ArrayStep, array_step

#: A map is affine if it meets its affine form at so many places to this part of the largest value there.
PROBES, AFFINE = 32, 1e-10
#: Size of a law beyond which a chain has exploded.
EXPLODED = 1e60


@dataclass(frozen=True, eq=False)
class NormalMap:
    """The map of laws N(m, C) -> N(M m + c, M C M^T + S): some steps of an affine chain."""

    M: np.ndarray
    c: np.ndarray
    S: np.ndarray

    def then(self, later: NormalMap) -> NormalMap:
        """Return this map followed by another."""
        M = later.M
        with np.errstate(
            over="ignore", invalid="ignore"
        ):  # a chain that explodes is refused where its law is asked for
            return NormalMap(M @ self.M, M @ self.c + later.c, M @ self.S @ M.T + later.S)

    def of(self, mean: np.ndarray, covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and covariance after these steps."""
        after = NormalMap(np.zeros_like(self.M), mean, covariance).then(self)
        return after.c, after.S

    def times(self, n: int) -> NormalMap:
        """Return the map of n >= 1 such steps, by squaring."""
        power, found = self, None
        while n:
            if n & 1:
                found = power if found is None else found.then(power)
            power, n = power.then(power), n >> 1
        assert found is not None
        return found


class AffineChain:
    """A scheme on a process whose steps are affine maps of the whole state: positions, auxiliary state, what is seen.

    Raises InvalidInput where they are not.
    """

    def __init__(self, scheme: Any, process: Any) -> None:
        self.scheme, self.process = scheme, process
        self.step: ArrayStep = array_step(scheme, process)
        if any(interval.walled for interval in process.intervals):
            raise InvalidInput(f"{process.name} has walls, at which no step is affine")
        self.rows = self.step.state_rows - self.step.flagged
        self.seen = slice(self.step.observed, self.step.observed + self.step.dim)

    def map(self, t: float, dt: float) -> NormalMap:
        """Return the map of the step from t to t + dt."""
        r = self.step.normals

        def moved(points: np.ndarray) -> np.ndarray:
            state = np.zeros((self.step.state_rows, points.shape[1]))
            state[: self.rows] = points[: self.rows]
            return self.step.advance(state, points[self.rows :], t, dt)[: self.rows]

        slopes, c = _affine(moved, self.rows + r, f"the step of {self.scheme.name} on {self.process.name}")
        N = slopes[:, self.rows :]
        return NormalMap(slopes[:, : self.rows], c, N @ N.T)

    def start(self, initial: JointNormal, t: float) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and covariance of the whole state at the start, from those of the positions."""
        d = self.step.dim

        def state(points: np.ndarray) -> np.ndarray:
            return self.step.started(points, t)[: self.rows]

        slopes, c = _affine(state, d, f"the state that {self.scheme.name} starts with on {self.process.name}")
        return slopes @ initial.mean + c, slopes @ initial.covariance @ slopes.T

    def laws(self, initial: JointNormal, grid: np.ndarray, steps: Sequence[int]) -> dict[int, JointNormal]:
        """Return the laws of what is seen after each number of ``steps`` of the time grid, increasing and from 1 on."""
        mean, covariance = self.start(initial, float(grid[0]))
        laws: dict[int, JointNormal] = {}
        before = 0
        for n in steps:
            whole = self._between(grid, before, n)
            mean, covariance = whole.of(mean, covariance)
            if not max(np.abs(mean).max(), np.abs(covariance).max()) < EXPLODED:
                raise UnstableStep(
                    f"{self.process.name} with {self.scheme.name} explodes within {n} steps: the largest eigenvalue of "
                    f"its first step is {_radius(self.map(float(grid[0]), float(grid[1] - grid[0]))):.6g}; take a "
                    "smaller dt"
                )
            laws[n] = JointNormal(mean[self.seen], covariance[self.seen, self.seen])
            before = n
        return laws

    def stationary(self, dt: float) -> JointNormal:
        """Return the stationary law of what is seen: mean = M mean + c, C = M C M^T + S."""
        step = self.map(0.0, dt)
        if not _radius(step) < 1:
            raise UnstableStep(
                f"{self.process.name} with {self.scheme.name} and dt={dt:.6g} has no stationary law: the largest "
                f"eigenvalue of its step is {_radius(step):.6g}"
            )
        mean = np.linalg.solve(np.eye(self.rows) - step.M, step.c)
        covariance = linalg.solve_discrete_lyapunov(step.M, step.S)
        return JointNormal(mean[self.seen], covariance[self.seen, self.seen])

    def _between(self, grid: np.ndarray, first: int, last: int) -> NormalMap:
        """Return the map of the steps from ``first`` to ``last``; equal steps of a constant process by squaring."""
        dt = np.diff(grid[first : last + 1])
        even = np.ptp(dt) <= 8 * np.finfo(float).eps * float(np.abs(grid).max())
        if even and not self.process.time_dependent:
            return self.map(float(grid[first]), float(dt.mean())).times(last - first)
        found = self.map(float(grid[first]), float(dt[0]))
        for k in range(first + 1, last):
            found = found.then(self.map(float(grid[k]), float(dt[k - first])))
        return found


def normal_start(x0: Any, dim: int) -> JointNormal:
    """Return a start as a normal law: d numbers, Points and Normals of independent components, or a JointNormal."""
    if isinstance(x0, JointNormal):
        if x0.dim != dim:
            raise InvalidInput(f"x0 has {x0.dim} components, the process {dim}")
        return x0
    parts = [x0] if isinstance(x0, Law) or np.ndim(x0) == 0 else list(x0)
    laws = [part if isinstance(part, Law) else Point(float(part)) for part in parts]
    if len(laws) != dim or not all(isinstance(law, (Point, Normal)) for law in laws):
        raise InvalidInput(
            f"x0={x0!r}; give {dim} numbers, Points or Normals, one for each component, or a JointNormal"
        )
    means = np.array([float(law.mean) for law in laws])
    return JointNormal(means, np.diag([float(law.variance) for law in laws]))


def _affine(f: Any, n: int, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the slopes and the constant of f: (n, points) -> (rows, points); InvalidInput where it is not affine."""
    out = f(np.concatenate([np.zeros((n, 1)), np.eye(n)], axis=1))
    c, slopes = out[:, 0], out[:, 1:] - out[:, :1]
    far = 3 * np.random.default_rng(7).normal(size=(n, PROBES))
    found, expected = f(far), c[:, None] + slopes @ far
    if not np.abs(found - expected).max(initial=0.0) <= AFFINE * max(1.0, np.abs(expected).max(initial=0.0)):
        raise InvalidInput(f"{what} is not affine in the state and in normal noise; its law is not a normal one")
    return slopes, c


def _radius(step: NormalMap) -> float:
    return float(np.abs(np.linalg.eigvals(step.M)).max())
