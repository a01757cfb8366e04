"""The problems on which strong orders are measured, and planted errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from fpsde.convergence.problems import ALPHA, BETAS, WEAK, matrix_times, turned
from fpsde.processes.process import Exact, Process
from fpsde.symbolic import Components, components


@dataclass(frozen=True)
class StrongProblem:
    """A process, a start, a horizon, and how many paths show an order."""

    process: Process
    x0: tuple[float, ...]
    t_end: float = 1.0
    n_particles: int = 100_000


# --- solutions as functions of the Brownian motions

#: X = arctan(SLOPE W + tan x0)
SLOPE = 0.8
#: X = (x0 + PULL t + W/2)/sqrt(1 + t), and Y = (y0 + t + W)/(1 + t)
PULL = 0.4


def _moving(x: Any, t: Any) -> tuple:
    return PULL / np.sqrt(1 + t) - x[0] / (2 * (1 + t)), (1 - x[1]) / (1 + t)


def _moving_path(x0: Any, t: float, w: Any) -> tuple:
    return (x0[0] + PULL * t + 0.5 * w[0]) / np.sqrt(1 + t), (x0[1] + t + w[0]) / (1 + t)


def _turning_path(x0: Any, t: float, w: Any) -> tuple:
    """exp((alpha - sum_k beta_k^2/2) t + sum_k beta_k W_k) x0, in complex numbers."""
    exponent = (ALPHA - 0.5 * sum(b * b for b in BETAS)) * t + sum(b * w_k for b, w_k in zip(BETAS, w, strict=True))
    z = complex(*x0) * np.exp(exponent)
    return z.real, z.imag


def arctan_of_brownian(*, noise: float = 1.0) -> StrongProblem:
    """Return X = arctan(SLOPE W + tan x0), whose noise is wrong by the factor ``noise`` unless that is 1."""
    process = Process(
        drift=lambda x: -(SLOPE**2) * np.sin(x) * np.cos(x) ** 3,
        sigma=lambda x: noise * SLOPE * np.cos(x) ** 2,
        exact=Exact(path=lambda x0, t, w: np.arctan(SLOPE * w + np.tan(x0))),
    )
    return StrongProblem(process, (0.5,), n_particles=250_000)  # its errors have long tails


STRONG: dict[str, StrongProblem] = {
    "scalar": arctan_of_brownian(),
    "commuting": StrongProblem(
        Process(
            drift=lambda x: matrix_times(turned(ALPHA), x),
            sigma=lambda x: tuple(zip(*(matrix_times(turned(b), x) for b in BETAS), strict=True)),
            dim=2,
            exact=Exact(path=_turning_path),
        ),
        (1.0, 0.5),
    ),
    "additive": StrongProblem(
        Process(
            drift=_moving,
            sigma=lambda x, t: ((0.5 / np.sqrt(1 + t),), (1 / (1 + t),)),
            dim=2,
            exact=Exact(path=_moving_path),
        ),
        (1.0, 0.3),
    ),
    "additive, nonlinear": StrongProblem(WEAK["torus, additive"].process, (1.0, 1.2)),
    "diagonal": StrongProblem(WEAK["torus, diagonal"].process, (1.0, 1.2)),
    "general": StrongProblem(WEAK["torus, general"].process, (1.0, 1.2)),
    "pendulum": StrongProblem(WEAK["pendulum"].process, (1.0, -1.0)),
    "oscillator": StrongProblem(WEAK["oscillator"].process, (1.0, -1.0)),
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
