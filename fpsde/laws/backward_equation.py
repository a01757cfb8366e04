"""Expectations of the process itself: the backward equation  du/dt = L u  on the nodes of a product of axes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from fpsde.laws.axes import Axis, nodes_of, values_at, weights_at
from fpsde.processes.process import Process

#: Tolerances in time where the coefficients depend on it.
RTOL, ATOL = 1e-13, 1e-15


def backward_generator(process: Process, axes: Sequence[Axis], t: float = 0.0) -> np.ndarray:
    """Return  L = mu_i d_i + D_ij d_i d_j  at time t, on values at the nodes."""
    d, x = len(axes), nodes_of(axes)
    slopes = [
        functools.reduce(np.kron, [axis.slopes if i == k else np.eye(len(axis.nodes)) for k, axis in enumerate(axes)])
        for i in range(d)
    ]
    mu = np.reshape(process.ito_drift(x if d > 1 else x[0], t), (d, -1))
    D = np.reshape(process.diffusivity(x if d > 1 else x[0], t), (d, d, -1))
    L = sum(mu[i][:, None] * slopes[i] for i in range(d))
    return L + sum(D[i, j][:, None] * (slopes[i] @ slopes[j]) for i in range(d) for j in range(d))


def process_expectation(
    process: Process, axes: Sequence[Axis], u: Callable[..., Any], x0: Sequence[float], *, t_end: float
) -> float:
    """Return E u(X_t) of the process from ``x0`` at t = t_end, by the backward equation on the nodes."""
    values = values_at(axes, u)
    if process.time_dependent:
        found = solve_ivp(
            lambda s, v: backward_generator(process, axes, t_end - s) @ v,
            (0.0, t_end),
            values,
            method="DOP853",
            rtol=RTOL,
            atol=ATOL,
        )
        values = found.y[:, -1]
    else:
        values = expm(t_end * backward_generator(process, axes)) @ values
    return float(weights_at(axes, x0) @ values)
