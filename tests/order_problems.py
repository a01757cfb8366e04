"""The problems on which the orders of schemes are measured: every term of a scheme acts on one of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
from coupled_paths import StrongProblem

from fpsde.laws.axes import Axis, gaussian_line, polynomial_line, ring
from fpsde.processes.process import STRATONOVICH, Process
from fpsde.schemes import SCHEMES, drift_implicit, sgld
from fpsde.symbolic import Components, components

#: The schemes whose weak orders and biases are measured: with one of each factory that has a parameter.
MEASURED = {**SCHEMES, "drift_implicit_0.75": drift_implicit(0.75), "sgld": sgld(lambda x: 0.6)}


@dataclass(frozen=True)
class WeakProblem:
    """A process, the axes on which its expectations are exact, and the expectation that is asked for."""

    process: Process
    axes: tuple[Axis, ...]
    x0: tuple[float, ...]
    observable: Callable[..., Any]
    t_end: float = 1.0

    @property
    def steps(self) -> tuple[int, ...]:
        """Numbers of steps, each twice the one before; where the coefficients depend on time every step costs anew."""
        return tuple(2**k for k in (range(3, 9) if self.process.time_dependent else range(2, 9)))


# --- on the circle and the torus: coefficients of period 2 pi, no component alike, nothing that drops out. They start
# where the leading term of no scheme's error is near a change of sign: close to one, an order needs far smaller steps.


def _circle(x: Any) -> Any:
    return np.sin(x) + 0.5 * np.cos(2 * x + 0.3)


def _torus(x: Any, y: Any) -> Any:
    return np.sin(x) + 0.5 * np.cos(y + x + 0.3)


def _moving_drift(x: Any, t: Any) -> Any:
    return 0.5 + 0.6 * np.sin(x) + 0.4 * np.cos(2 * t)


def _turning_drift(x: Any) -> Any:
    return 0.4 + 0.5 * np.sin(x[1]), -0.4 * np.sin(x[0] - x[1])


def _on_circle(x0: float, sigma: Callable, **changes: Any) -> WeakProblem:
    return WeakProblem(Process(drift=_moving_drift, sigma=sigma, **changes), (ring(25),), (x0,), _circle)


def _on_torus(x0: tuple[float, float], sigma: Callable) -> WeakProblem:
    return WeakProblem(Process(drift=_turning_drift, sigma=sigma, dim=2), (ring(17), ring(17)), x0, _torus)


def _noise_of_circle(x: Any, t: Any) -> Any:
    return (0.7 + 0.35 * np.cos(x)) * (1 + 0.2 * np.sin(2 * t))


# --- linear systems: second moments, exactly

#: dX = A X dt + sum_k B_k X dW_k, whose B_k do not commute
A = ((-0.6, 0.5), (-0.3, -0.4))
B = (((0.4, 0.1), (-0.3, 0.2)), ((0.0, 0.5), (0.3, -0.1)), ((0.2, -0.3), (0.1, 0.3)))
#: the same with complex numbers in place of matrices (turns and stretches of the plane), which all commute
ALPHA, BETAS = -0.4 + 0.7j, (0.3 + 0.25j, -0.2 + 0.35j)


def _turn(c: complex) -> tuple[tuple[float, float], tuple[float, float]]:
    return (c.real, -c.imag), (c.imag, c.real)


def _times(matrix: Sequence[Sequence[float]], x: Any) -> tuple:
    return tuple(row[0] * x[0] + row[1] * x[1] for row in matrix)


def linear_system(drift: Any, noise: Sequence[Any]) -> Process:
    """Return dX = A X dt + sum_k B_k X dW_k in the plane."""
    return Process(
        drift=lambda x: _times(drift, x),
        sigma=lambda x: tuple(zip(*(_times(b, x) for b in noise), strict=True)),
        dim=2,
    )


def _second(x: Any, y: Any) -> Any:
    return (x + 0.5 * y) ** 2 + 0.3 * y


def _linear(process: Process) -> WeakProblem:
    return WeakProblem(process, (polynomial_line(2), polynomial_line(2)), (1.0, 0.5), _second)


# --- underdamped: a force of period 2 pi, and a harmonic one


def _underdamped(force: Callable, axis: Axis, velocities: Axis, observable: Callable, **changes: Any) -> WeakProblem:
    process = Process(
        drift=lambda x, p: (x[1], force(x[0]) / p.mass - p.friction * x[1]),
        sigma=lambda x, p: ((0.0,), (np.sqrt(2 * p.friction * p.temperature / p.mass),)),
        dim=2,
        params={"temperature": 0.8, "friction": 1.5, "mass": 1.3},
        **changes,
    )
    return WeakProblem(process, (axis, velocities), (1.0, -1.0), observable)


def _variance_preserving_sample(x: Any, t: Any, dt: Any, z: Any, p: Any) -> Any:
    """X_{t+dt} = a X_t + sqrt(1 - a^2) z with a = exp(-int beta/2), beta = 1 + t."""
    a = np.exp(-0.5 * dt * (1 + t + 0.5 * dt))
    return a * x + np.sqrt(1 - a * a) * z


def _energy(x: Any) -> Any:
    return 0.7 * np.cos(x) - 0.3 * np.sin(2 * x + 0.4)


WEAK: dict[str, WeakProblem] = {
    "circle, additive": _on_circle(1.3, lambda x, t: 0.7 * (1 + 0.3 * np.sin(2 * t))),
    "torus, additive": _on_torus((1.0, 1.2), lambda x: ((0.8, 0.3), (-0.4, 0.7))),
    "circle, gradient": WeakProblem(
        Process(
            drift=lambda x: 0.7 * np.sin(x) + 0.6 * np.cos(2 * x + 0.4),
            sigma=lambda x, p: np.sqrt(2 * p.temperature),
            params={"temperature": 0.4},
            energy=_energy,
        ),
        (ring(31),),
        (0.4,),
        _circle,
    ),
    "circle, multiplicative": _on_circle(5.3, _noise_of_circle),
    "circle, Stratonovich": _on_circle(5.3, _noise_of_circle, interpretation=STRATONOVICH),
    "torus, diagonal": _on_torus((1.85, 1.85), lambda x: (0.8 + 0.2 * np.cos(x[0]), 0.9 + 0.15 * np.sin(x[1]))),
    "torus, general": _on_torus(
        (1.0, 1.2),
        lambda x: (
            (0.9 + 0.15 * np.cos(x[1]), 0.2 * np.sin(x[0])),
            (0.2 * np.cos(x[0]), 0.9 + 0.1 * np.sin(x[1])),
        ),
    ),
    "linear, scalar": _linear(linear_system(A, B[:1])),
    "linear, commuting": _linear(linear_system(_turn(ALPHA), [_turn(b) for b in BETAS])),
    "linear, general": _linear(linear_system(A, B)),
    "pendulum": _underdamped(
        lambda x: -1.2 * np.sin(x),
        ring(19),
        gaussian_line(15, 0.8),
        lambda x, v: np.cos(x) + 0.4 * v * np.sin(x) + 0.3 * v**2,
    ),
    "oscillator": _underdamped(lambda x: -1.2 * x, polynomial_line(2), polynomial_line(2), _second),
    "variance preserving": WeakProblem(
        Process(
            drift=lambda x, t: -0.5 * (1 + t) * x,
            sigma=lambda x, t: np.sqrt(1 + t),
            rate=lambda t: 1 + t,
            sample=_variance_preserving_sample,
        ),
        (polynomial_line(2),),
        (1.2,),
        lambda x: x**2 + x,
    ),
}


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
    rows = zip(*(_times(_turn(b), x) for b in BETAS), strict=True)
    return (*rows, (1.0, 0.0), (0.0, 1.0))


def arctan_of_brownian(*, noise: float = 1.0) -> StrongProblem:
    """Return X = arctan(SLOPE W + tan x0), whose noise is wrong by the factor ``noise`` unless that is 1."""
    process = Process(drift=_arctan, sigma=lambda x: ((noise * SLOPE * np.cos(x[0]) ** 2,), (1.0,)), dim=2)
    # its errors have long tails
    return StrongProblem(process, (0.5, 0.0), 1.0, _arctan_path, n_particles=250_000)


STRONG: dict[str, StrongProblem] = {
    "scalar": arctan_of_brownian(),
    "commuting": StrongProblem(
        Process(drift=lambda x: (*_times(_turn(ALPHA), x), 0.0, 0.0), sigma=_turning_noise, dim=4),
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
