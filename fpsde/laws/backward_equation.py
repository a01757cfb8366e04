"""Expectations of the process itself: the backward equation  du/dt = L u  at the nodes of a frame without ends."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from fpsde.laws.frame import Frame, Observable
from fpsde.processes.process import Process

#: Tolerances in time where the coefficients depend on it.
RTOL, ATOL = 1e-13, 1e-15


def backward_generator(process: Process, frame: Frame, t: float = 0.0) -> np.ndarray:
    """Return  L = mu_i d_i + D_ij d_i d_j  at time t, on values at the nodes of a frame without energy."""
    axes, x, d = frame.axes, frame.nodes, process.dim
    slopes = [
        functools.reduce(np.kron, [axis.slopes if i == k else np.eye(len(axis.nodes)) for k, axis in enumerate(axes)])
        for i in range(d)
    ]
    mu = np.reshape(process.ito_drift(x if d > 1 else x[0], t), (d, -1))
    D = np.reshape(process.diffusivity(x if d > 1 else x[0], t), (d, d, -1))
    L = sum(mu[i][:, None] * slopes[i] for i in range(d))
    return L + sum(D[i, j][:, None] * (slopes[i] @ slopes[j]) for i in range(d) for j in range(d))


def process_expectations(
    process: Process, frame: Frame, observables: Sequence[Observable], x0: Sequence[float], *, t_end: float
) -> np.ndarray:
    """Return E u(X_t) of the process from ``x0`` at t = t_end for each u, ``(k,)``, by the backward equation."""
    values = frame.holding(observables)
    if not process.time_dependent:
        return frame.at(x0) @ expm(t_end * backward_generator(process, frame)) @ values
    found = solve_ivp(
        lambda s, v: (backward_generator(process, frame, t_end - s) @ v.reshape(values.shape)).ravel(),
        (0.0, t_end),
        values.ravel(),
        method="DOP853",
        rtol=RTOL,
        atol=ATOL,
    )
    return frame.at(x0) @ found.y[:, -1].reshape(values.shape)
