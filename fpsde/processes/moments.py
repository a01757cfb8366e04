"""Moments that obey a closed linear equation: solved by one matrix exponential."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fpsde.errors import InvalidInput
from fpsde.optional import optional
from fpsde.processes.transitions import elapsed
from fpsde.validation import finite_array

scipy = optional("scipy")

Rate = Callable[[np.ndarray], np.ndarray]


def affine_flow(rate: Rate, start: np.ndarray, t: float) -> np.ndarray:
    """Return m(t) of dm/dt = rate(m), m(0) = start, for an affine ``rate`` of arrays of one shape.

    With rate(m) = G m + c on the entries of m, (m(t), 1) = exp(t [[G, c], [0, 0]]) (m(0), 1).
    """
    n, shape = start.size, start.shape
    constant = rate(np.zeros(shape)).ravel()
    unit = np.eye(n).reshape(n, *shape)
    generator = np.zeros((n + 1, n + 1))
    generator[:n, :n] = np.array([rate(e).ravel() - constant for e in unit]).T
    generator[:n, n] = constant
    return (scipy.linalg.expm(generator * t) @ np.append(start.ravel(), 1.0))[:n].reshape(shape)


def moments_of(
    drift: Rate, spreading: Callable[[np.ndarray, np.ndarray], np.ndarray], dim: int
) -> tuple[Callable[[Any, float], np.ndarray], Callable[[Any, float], np.ndarray]]:
    """Return ``mean(x0, t)`` (d,) and ``covariance(x0, t)`` (d, d) of a process with a drift A x and quadratic noise.

        d/dt E X = A E X,    d/dt E X X^T = A E X X^T + (A E X X^T)^T + E sigma sigma^T

    ``drift(m)`` is A m for a vector or a matrix m; ``spreading(m, M)`` is E sigma sigma^T, affine in m = E X and
    M = E X X^T.
    """

    def both(x0: Any, t: float) -> tuple[np.ndarray, np.ndarray]:
        start = point(x0, dim)
        stacked = np.column_stack([start, np.outer(start, start)])

        def rate(known: np.ndarray) -> np.ndarray:
            m, second = known[:, 0], known[:, 1:]
            grown = drift(second)
            return np.column_stack([drift(m), grown + grown.T + spreading(m, second)])

        out = affine_flow(rate, stacked, elapsed(t))
        return out[:, 0], out[:, 1:]

    def covariance(x0: Any, t: float) -> np.ndarray:
        m, second = both(x0, t)
        return second - np.outer(m, m)

    return lambda x0, t: both(x0, t)[0], covariance


def point(x0: Any, dim: int) -> np.ndarray:
    """Return ``x0`` as a point ``(dim,)``."""
    start = finite_array("x0", x0, ndim=1)
    if len(start) != dim:
        raise InvalidInput(f"x0 has {len(start)} components; {dim} are needed")
    return start
