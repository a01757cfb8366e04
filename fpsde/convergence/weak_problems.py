"""The problems on which weak orders of schemes are measured: every term of a scheme acts on one of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsde.cached import cached_property
from fpsde.convergence.measured import MEASURED
from fpsde.laws.axes import Axis, gaussian_line, polynomial_line, ring
from fpsde.laws.backward_chain import BackwardChain
from fpsde.laws.backward_equation import process_expectations
from fpsde.laws.frame import Frame
from fpsde.processes.process import Process
from fpsde.processes.statement import STRATONOVICH
from fpsde.schemes.scheme import Scheme


@dataclass(frozen=True, eq=False)
class WeakProblem:
    """A process, the axes on which its expectations are exact, and the expectation that is asked for."""

    process: Process
    axes: tuple[Axis, ...]
    x0: tuple[float, ...]
    observable: Callable[..., Any]
    t_end: float = 1.0
    finest: int = 256  #: steps
    nodes: Callable[[int], int | None] = lambda n_steps: None  #: for each normal, where fewer than usual are as exact
    floor: float = (
        1e-10  #: what is wrong with the expectations, which are of order one: interpolation between the nodes
    )

    @property
    def steps(self) -> tuple[int, ...]:
        """Numbers of steps, each twice the one before; where the coefficients depend on time every step costs anew."""
        coarsest = 8 if self.process.time_dependent else 4
        return tuple(coarsest * 2**k for k in range(int(np.log2(self.finest // coarsest)) + 1))

    @property
    def dts(self) -> np.ndarray:
        """The step sizes, from coarse to fine."""
        return self.t_end / np.array(self.steps)

    @cached_property
    def exact(self) -> float:
        """E u(X) of the process at the end."""
        found = process_expectations(self.process, Frame(self.axes), [self.observable], self.x0, t_end=self.t_end)
        return float(found[0])

    def errors(self, scheme: Scheme) -> np.ndarray:
        """Return E u(X_h) - E u(X) at the end for each of ``steps``, from coarse to fine."""
        frame = Frame(self.axes)
        chains = [BackwardChain(scheme, self.process, frame, nodes=self.nodes(n)) for n in self.steps]
        asked = ([self.observable], self.x0)
        ends = [
            chain.expectations(*asked, t_end=self.t_end, n_steps=n)[0]
            for chain, n in zip(chains, self.steps, strict=True)
        ]
        return np.array(ends) - self.exact


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


def _on_circle(x0: float, sigma: Callable, observable: Callable[..., Any], **changes: Any) -> WeakProblem:
    """Return a problem whose every step is another one: short ones are exact to round-off with few nodes."""
    process = Process(drift=_moving_drift, sigma=sigma, **changes)
    return WeakProblem(process, (ring(25),), (x0,), observable, nodes=lambda n: 20 if n <= 16 else 10)


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


def turned(c: complex) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return multiplication by a complex number as a matrix of the plane."""
    return (c.real, -c.imag), (c.imag, c.real)


def matrix_times(matrix: Sequence[Sequence[float]], x: Any) -> tuple:
    """Return a matrix of two columns times the components x."""
    return tuple(row[0] * x[0] + row[1] * x[1] for row in matrix)


def linear_noise_system(drift: Any, noise: Sequence[Any], **changes: Any) -> Process:
    """Return dX = A X dt + sum_k B_k X dW_k in the plane."""
    return Process(
        drift=lambda x: matrix_times(drift, x),
        sigma=lambda x: tuple(zip(*(matrix_times(b, x) for b in noise), strict=True)),
        dim=2,
        **changes,
    )


def _second(x: Any, y: Any) -> Any:
    return (x + 0.5 * y) ** 2 + 0.3 * y


def _linear(process: Process) -> WeakProblem:
    axes = (polynomial_line(2), polynomial_line(2))
    # squares of what is quadratic in a normal: four nodes are exact up to degree 7
    return WeakProblem(process, axes, (1.0, 0.5), _second, finest=1024, nodes=lambda n: 4)


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


def two_waves(x: Any) -> Any:
    """Return an energy on the circle."""
    return 0.7 * np.cos(x) - 0.3 * np.sin(2 * x + 0.4)


WEAK: dict[str, WeakProblem] = {
    "circle, additive": _on_circle(1.3, lambda x, t: 0.7 * (1 + 0.3 * np.sin(2 * t)), _circle),
    "torus, additive": _on_torus((1.57, 2.36), lambda x: ((0.8, 0.3), (-0.4, 0.7))),
    "circle, gradient": WeakProblem(
        Process(
            drift=lambda x: 0.7 * np.sin(x) + 0.6 * np.cos(2 * x + 0.4),
            sigma=lambda x, p: np.sqrt(2 * p.temperature),
            params={"temperature": 0.4},
            energy=two_waves,
        ),
        (ring(31),),
        (0.4,),
        _circle,
    ),
    "circle, multiplicative": _on_circle(5.5, _noise_of_circle, np.cos),
    "circle, Stratonovich": _on_circle(5.5, _noise_of_circle, np.cos, interpretation=STRATONOVICH),
    "torus, diagonal": _on_torus((1.85, 1.85), lambda x: (0.8 + 0.2 * np.cos(x[0]), 0.9 + 0.15 * np.sin(x[1]))),
    "torus, general": _on_torus(
        (1.18, 5.89),
        lambda x: (
            (0.9 + 0.15 * np.cos(x[1]), 0.2 * np.sin(x[0])),
            (0.2 * np.cos(x[0]), 0.9 + 0.1 * np.sin(x[1])),
        ),
    ),
    "linear, scalar": _linear(linear_noise_system(A, B[:1])),
    "linear, commuting": _linear(linear_noise_system(turned(ALPHA), [turned(b) for b in BETAS])),
    "linear, general": _linear(linear_noise_system(A, B)),
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
        nodes=lambda n: 6,  # exact for polynomials up to degree 11
    ),
}


# --- which scheme is measured where

ADDITIVE = ("circle, additive", "torus, additive", "pendulum", "oscillator", "variance preserving")
DIAGONAL = ("circle, multiplicative", "circle, Stratonovich", "torus, diagonal")
COMMUTING = ("linear, commuting", "linear, scalar", *DIAGONAL)
GENERAL = ("linear, general", "torus, general", *COMMUTING)
UNDERDAMPED = ("pendulum", "oscillator")

#: The problems on which each scheme is measured.
WEAK_STUDIES: dict[str, tuple[str, ...]] = {
    "euler_maruyama": (*GENERAL, *ADDITIVE),
    "milstein": (*COMMUTING, *ADDITIVE),
    "milstein_derivative_free": (*COMMUTING, *ADDITIVE),
    "euler_heun": (*GENERAL, *ADDITIVE),
    "heun": (*GENERAL, *ADDITIVE),
    "sra1": ADDITIVE,
    "sra3": ADDITIVE,
    "sriw1": (*DIAGONAL, "circle, additive", *UNDERDAMPED),
    "platen_weak2": (*reversed(GENERAL), *ADDITIVE),
    "ri1": (*reversed(GENERAL), *ADDITIVE),
    "tamed_euler": (*GENERAL, *ADDITIVE),
    "implicit_euler": (*GENERAL, *ADDITIVE),
    "trapezoidal": (*ADDITIVE, *GENERAL),
    "split_step_backward_euler": (*GENERAL, *ADDITIVE),
    "drift_implicit_0.75": ("linear, general", "linear, commuting", "torus, general", "variance preserving"),
    "sgld": ("linear, general", "variance preserving", "circle, gradient", "circle, multiplicative"),
    "leimkuhler_matthews": ADDITIVE,
    "baoab": UNDERDAMPED,
    "aboba": UNDERDAMPED,
    "obabo": UNDERDAMPED,
    "obab": UNDERDAMPED,
    "oabao": UNDERDAMPED,
    "lf_middle": UNDERDAMPED,
    "mala": ("circle, gradient",),
    "ddpm_step": ("variance preserving",),
}
#: Schemes that claim to be exact, and the problem on which they are.
EXACT: dict[str, str] = {"exact_sampling": "variance preserving"}


def expected_weak_order(name: str, problem: str) -> float:
    """Return the order that a scheme of MEASURED claims on a problem."""
    return MEASURED[name].weak_order(WEAK[problem].process)
