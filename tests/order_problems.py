"""The problems on which strong orders are measured, and planted errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
from coupled_paths import StrongProblem

from fpsde.convergence.problems import ALPHA, BETAS, WEAK, matrix_times, turned
from fpsde.processes.process import Process
from fpsde.symbolic import Components, components

# --- solutions as functions of the Brownian motions, which are the last components of each process

#: X = arctan(SLOPE W + tan x0)
SLOPE = 0.8
#: X = (x0 + PULL t + W/2)/sqrt(1 + t), and Y = (y0 + t + W)/(1 + t)
PULL = 0.4


def _arctan(x: Any) -> tuple:
    return -(SLOPE**2) * np.sin(x[0]) * np.cos(x[0]) ** 3, 0.0


def _arctan_path(x0: Any, t: float, w: Any) -> tuple:
    return (np.arctan(SLOPE * w[0] + np.tan(x0[0])),)


def _moving(x: Any, t: Any) -> tuple:
    return PULL / np.sqrt(1 + t) - x[0] / (2 * (1 + t)), (1 - x[1]) / (1 + t), 0.0


def _moving_path(x0: Any, t: float, w: Any) -> tuple:
    return (x0[0] + PULL * t + 0.5 * w[0]) / np.sqrt(1 + t), (x0[1] + t + w[0]) / (1 + t)


def _turning_path(x0: Any, t: float, w: Any) -> tuple:
    """exp((alpha - sum_k beta_k^2/2) t + sum_k beta_k W_k) x0, in complex numbers."""
    exponent = (ALPHA - 0.5 * sum(b * b for b in BETAS)) * t + sum(b * w_k for b, w_k in zip(BETAS, w, strict=True))
    z = complex(*x0) * np.exp(exponent)
    return z.real, z.imag


def _turning_noise(x: Any) -> tuple:
    rows = zip(*(matrix_times(turned(b), x) for b in BETAS), strict=True)
    return (*rows, (1.0, 0.0), (0.0, 1.0))


def arctan_of_brownian(*, noise: float = 1.0) -> StrongProblem:
    """Return X = arctan(SLOPE W + tan x0), whose noise is wrong by the factor ``noise`` unless that is 1."""
    process = Process(drift=_arctan, sigma=lambda x: ((noise * SLOPE * np.cos(x[0]) ** 2,), (1.0,)), dim=2)
    # its errors have long tails
    return StrongProblem(process, (0.5, 0.0), 1.0, _arctan_path, n_particles=250_000)


STRONG: dict[str, StrongProblem] = {
    "scalar": arctan_of_brownian(),
    "commuting": StrongProblem(
        Process(drift=lambda x: (*matrix_times(turned(ALPHA), x), 0.0, 0.0), sigma=_turning_noise, dim=4),
        (1.0, 0.5, 0.0, 0.0),
        1.0,
        _turning_path,
    ),
    "additive": StrongProblem(
        Process(drift=_moving, sigma=lambda x, t: ((0.5 / np.sqrt(1 + t),), (1 / (1 + t),), (1.0,)), dim=3),
        (1.0, 0.3, 0.0),
        1.0,
        _moving_path,
    ),
    "additive, nonlinear": StrongProblem(WEAK["torus, additive"].process, (1.0, 1.2), 1.0),
    "diagonal": StrongProblem(WEAK["torus, diagonal"].process, (1.0, 1.2), 1.0),
    "general": StrongProblem(WEAK["torus, general"].process, (1.0, 1.2), 1.0),
    "pendulum": StrongProblem(WEAK["pendulum"].process, (1.0, -1.0), 1.0),
    "oscillator": StrongProblem(WEAK["oscillator"].process, (1.0, -1.0), 1.0),
}


# --- planted errors


def altered(scheme: Any, change: Callable[[Any], Any]) -> Any:
    """Return the scheme with ``change`` applied to each value of its random inputs."""

    def changed(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(changed(part) for part in value)
        return components([changed(v) for v in value]) if isinstance(value, Components) else change(value)

    def step(model: Any, x: Any, t: Any, dt: Any, noise: Any, *aux: Any) -> Any:
        return scheme.step(model, x, t, dt, SimpleNamespace(**{k: changed(v) for k, v in vars(noise).items()}), *aux)

    return replace(scheme, step=step)
