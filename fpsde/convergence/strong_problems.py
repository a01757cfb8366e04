"""The problems on which strong orders of schemes are measured: solutions as functions of W, and what has none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsde.convergence.measured import MEASURED
from fpsde.convergence.strong import StrongOrder, strong_order
from fpsde.convergence.weak_problems import ALPHA, BETAS, WEAK, linear_noise_system, turned
from fpsde.processes.process import Exact, Process
from fpsde.schemes.scheme import Scheme


@dataclass(frozen=True)
class StrongProblem:
    """A process, a start, a horizon, and how many paths show an order."""

    process: Process
    x0: tuple[float, ...]
    t_end: float = 1.0
    n_particles: int = 100_000

    @property
    def steps(self) -> tuple[int, ...]:
        """Numbers of steps; one more where the finest can only be compared with the one before."""
        return tuple(2**k for k in (range(5, 10) if self.process.exact.path else range(5, 11)))

    def order(self, scheme: Scheme, *, seed: int, alpha: float) -> StrongOrder:
        """Return the study of a scheme, whose interval misses the order with probability ``alpha``."""
        start = self.x0 if self.process.dim > 1 else self.x0[0]
        return strong_order(
            self.process,
            scheme,
            seed=seed,
            x0=start,
            t_end=self.t_end,
            steps=self.steps,
            n_particles=self.n_particles,
            alpha=alpha,
        )


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


STRONG: dict[str, StrongProblem] = {
    "scalar": StrongProblem(
        Process(
            drift=lambda x: -(SLOPE**2) * np.sin(x) * np.cos(x) ** 3,
            sigma=lambda x: SLOPE * np.cos(x) ** 2,
            exact=Exact(path=lambda x0, t, w: np.arctan(SLOPE * w + np.tan(x0))),
        ),
        (0.5,),
        n_particles=250_000,  # its errors have long tails
    ),
    "commuting": StrongProblem(
        linear_noise_system(turned(ALPHA), [turned(b) for b in BETAS], exact=Exact(path=_turning_path)), (1.0, 0.5)
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


# --- which scheme is measured where

COMMUTING = ("scalar", "commuting", "diagonal")
GENERAL = ("general", *COMMUTING)
UNDERDAMPED = ("pendulum", "oscillator")
ADDITIVE = ("additive, nonlinear", "pendulum")

#: Where a term that limits the order drops out because the drift is linear and one motion drives all: (order there).
SUPERCONVERGENT = {(name, "additive"): 2.0 for name in ("heun", "trapezoidal", "sra1", "sra3", "sriw1")}

#: The problems on which each scheme is measured.
STRONG_STUDIES: dict[str, tuple[str, ...]] = {
    "euler_maruyama": (*GENERAL, "additive", *ADDITIVE),
    "milstein": (*COMMUTING, "additive", *ADDITIVE),
    "milstein_derivative_free": (*COMMUTING, "additive", *ADDITIVE),
    "euler_heun": (*GENERAL, "additive", *ADDITIVE),
    "heun": (*GENERAL, "additive", *ADDITIVE),
    "sra1": ("additive", "additive, nonlinear"),
    "sra3": ("additive", "additive, nonlinear"),
    "sriw1": ("additive", "diagonal", "scalar"),
    "tamed_euler": (*GENERAL, "additive", *ADDITIVE),
    "implicit_euler": (*GENERAL, "additive", *ADDITIVE),
    "trapezoidal": (*GENERAL, "additive", *ADDITIVE),
    "split_step_backward_euler": (*GENERAL, "additive", *ADDITIVE),
    "drift_implicit_0.75": (*GENERAL, "additive", *ADDITIVE),
    "leimkuhler_matthews": ADDITIVE,
    "baoab": UNDERDAMPED,
    "aboba": UNDERDAMPED,
    "obabo": UNDERDAMPED,
    "obab": UNDERDAMPED,
    "oabao": UNDERDAMPED,
    "lf_middle": UNDERDAMPED,
}


def expected_strong_order(name: str, problem: str) -> float:
    """Return the order that a scheme of MEASURED has on a problem: what it claims there, or that of SUPERCONVERGENT."""
    if (name, problem) in SUPERCONVERGENT:
        return SUPERCONVERGENT[name, problem]
    return MEASURED[name].strong_order(STRONG[problem].process)
