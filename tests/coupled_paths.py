"""Strong errors: one Brownian path read at several step sizes, and the order that the errors show with its radius."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from scipy import stats

from fpsde.integrators import simulate
from fpsde.noise import Normals


@dataclass(frozen=True)
class StrongProblem:
    """A process whose last components are the Brownian motions that drive it, if its solution is known in them.

    ``path(x0, t, w)`` is then the solution as a function of W_t. Without it, successive step sizes are compared with
    each other: that shows an order, but no scheme that converges to a wrong limit.
    """

    process: Any
    x0: tuple[float, ...]
    t_end: float
    path: Callable[..., Sequence[np.ndarray]] | None = None
    n_particles: int = 100_000


@dataclass(frozen=True)
class StrongOrder:
    """The fitted order, and the radius of its sampling error at the level it was asked for."""

    order: float
    radius: float
    steps: tuple[int, ...]
    errors: tuple[float, ...]  #: root mean square, at the end


def squared_errors(scheme: Any, problem: StrongProblem, *, steps: Sequence[int], seed: int) -> np.ndarray:
    """Return |X_h - X|^2 at the end for each number of steps and each particle, ``(levels, n)``.

    Without a path of the problem it is |X_h - X_(h/2)|^2, of the levels but the last.
    """
    fine = steps[-1]
    ends = [
        simulate(
            problem.process,
            scheme,
            x0=problem.x0,
            t_end=problem.t_end,
            dt=problem.t_end / n,
            refinement=fine // n,
            n_particles=problem.n_particles,
            seed=seed,
            normals=Normals.FLOAT64,
        ).positions
        for n in steps
    ]
    if problem.path is None:
        return np.stack([np.sum((a - b) ** 2, axis=0) for a, b in pairwise(ends)])
    known = len(problem.x0) - problem.process.channels
    exact = np.stack(problem.path(problem.x0[:known], problem.t_end, ends[-1][known:]))
    return np.stack([np.sum((x[:known] - exact) ** 2, axis=0) for x in ends])


def strong_order(scheme: Any, problem: StrongProblem, *, steps: Sequence[int], seed: int, alpha: float) -> StrongOrder:
    """Return p of  log rms = a + p log h + b h,  fitted by least squares to all levels.

    p is a fixed combination of the logarithms of mean squares over the same particles, so its standard error is that
    of one mean (delta method), with the correlation of the levels in it.
    """
    squares = squared_errors(scheme, problem, steps=steps, seed=seed)
    used = np.array(steps[: len(squares)])
    h = problem.t_end / used
    combination = np.linalg.pinv(np.stack([np.ones(len(h)), np.log(h), h], axis=1))[1]
    means = squares.mean(axis=1)
    influence = combination @ (squares / means[:, None]) / 2
    radius = stats.norm.isf(alpha / 2) * influence.std() / np.sqrt(problem.n_particles)
    rms = np.sqrt(means)
    return StrongOrder(float(combination @ np.log(rms)), float(radius), tuple(used.tolist()), tuple(rms.tolist()))
