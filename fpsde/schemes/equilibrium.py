"""Whether a process rests in equilibrium, where some schemes gain an order of the stationary law.

Noise that does not depend on x leaves exp(-U)/Z alone where the force is -C grad U with the covariance C that belongs
to the noise, and U comes back to itself around every ring. So C^-1 force must be a gradient: its Jacobian is symmetric,
which is looked at in a few points of the domain with the values of the parameters, and its integral along a ring is 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import sympy as sp

from fpsde.domain import probes
from fpsde.printing import numpy_function
from fpsde.schemes.langevin_pieces import langevin_pieces
from fpsde.schemes.noise_types import is_black_box

#: Parts of a Jacobian, and of an integral along a ring, that are rounding and no current.
ROUNDING = 1e-9
#: Points along a ring: the trapezoid rule converges exponentially there.
ALONG_A_RING = 512


@lru_cache(maxsize=256)
def reversible(process: Any) -> bool:
    """Return whether dX = -D grad U dt + sigma dW with D = sigma sigma^T/2 constant and not singular: detailed balance.

    False for a black box, which has no formulas that would show it.
    """
    if is_black_box(process) or not process.additive or process.time_dependent:
        return False
    s = process.statement
    return _is_gradient(process, s.ito_drift, _at_values(process, s.diffusivity))


@lru_cache(maxsize=256)
def rests_at_one_temperature(process: Any) -> bool:
    """Return whether friction and noise of underdamped dynamics leave the stationary law alone.

    They draw velocities to N(0, C) with C_ij = (sigma sigma^T)_ij/(gamma_i + gamma_j), and the force per mass has to be
    -C grad U: C is then temperature/mass, with one temperature for all. Unsuited for other dynamics.
    """
    pieces = langevin_pieces(process)
    if process.time_dependent:
        return False
    friction = _at_values(process, sp.Matrix(pieces.friction))[:, 0]
    sigma = _at_values(process, pieces.sigma)
    with np.errstate(all="ignore"):
        covariance = sigma @ sigma.T / np.add.outer(friction, friction)
    return _is_gradient(process, pieces.force, covariance)


def _at_values(process: Any, matrix: sp.Matrix) -> np.ndarray:
    """Return a matrix that is free of x and t at the values of the parameters."""
    values = numpy_function(process.statement.parameters, tuple(matrix))(*process.parameter_values())
    return np.array([float(v) for v in values]).reshape(matrix.shape)


def _is_gradient(process: Any, force: Sequence[sp.Expr], covariance: np.ndarray) -> bool:
    """Return whether covariance^-1 force(x) is the gradient of a function on the domain of x, the first components."""
    k = len(force)
    if not np.all(np.isfinite(covariance)) or np.linalg.matrix_rank(covariance) < k:
        return False
    x, intervals, weight = process.statement.x[:k], process.intervals[:k], np.linalg.inv(covariance)
    points = np.stack(probes(intervals), axis=1)
    points = np.column_stack([points, points.mean(axis=1)])
    slopes = _function(process, x, [sp.diff(f, x_j) for f in force for x_j in x])
    with np.errstate(all="ignore"):
        jacobian = np.einsum("ij,jkn->ikn", weight, slopes(points).reshape(k, k, -1))
    size = np.max(np.abs(jacobian), initial=0.0)
    if not np.all(np.abs(jacobian - np.swapaxes(jacobian, 0, 1)) <= ROUNDING * size):
        return False
    along = _function(process, x, force)
    for i, interval in enumerate(intervals):
        if interval.periodic:
            ring = np.repeat(points[:, :1], ALONG_A_RING, axis=1)
            ring[i] = interval.low + interval.length * np.arange(ALONG_A_RING) / ALONG_A_RING
            pull = weight[i] @ along(ring)
            if abs(pull.mean()) > ROUNDING * np.max(np.abs(pull)):
                return False
    return True


def _function(process: Any, x: Sequence[sp.Symbol], exprs: Sequence[sp.Expr]) -> Callable[[np.ndarray], np.ndarray]:
    """Return expressions in x as one function of points (k, n), (len(exprs), n)."""
    values = numpy_function([*x, *process.statement.parameters], tuple(exprs))
    numbers = process.parameter_values()
    return lambda points: np.stack([np.broadcast_to(v, points.shape[1:]) for v in values(*points, *numbers)])
