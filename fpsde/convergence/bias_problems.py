"""The problems on which biases of stationary laws are measured: a ring, a pendulum and a double well."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import ive

from fpsde.convergence.measured import MEASURED
from fpsde.convergence.weak_problems import WEAK, two_waves
from fpsde.errors import InvalidInput
from fpsde.laws.axes import Axis, polynomial_line, segment
from fpsde.laws.backward_chain import BackwardChain
from fpsde.laws.frame import Frame
from fpsde.processes import ornstein_uhlenbeck
from fpsde.processes.process import Process
from fpsde.schemes.scheme import Scheme


@dataclass(frozen=True, eq=False)
class BiasProblem:
    """A process, the axes on which its chains settle, and an expectation under its own stationary law.

    Explicit chains on a superlinear drift are transient: in the double well the law is the quasi-stationary one in a
    box so wide that what leaves it is not seen in the digits.
    """

    process: Process
    axes: tuple[Axis, ...]
    observable: Callable[..., Any]
    exact: float
    dts: Sequence[float]  #: from coarse to fine, each half of the one before
    nodes: int | None = None  #: for each normal
    floor: float = 1e-10  #: what is wrong with the biases: interpolation between the nodes

    def errors(self, scheme: Scheme) -> np.ndarray:
        """Return E u of what the chain settles to, less E u of the process, for each of ``dts``."""
        frame = Frame(self.axes)
        chain = BackwardChain(scheme, self.process, frame, nodes=self.nodes)
        values = self.observable(*frame.nodes)
        return np.array([chain.stationary(dt) @ values for dt in self.dts]) - self.exact


def gibbs(energy: Callable[..., Any], u: Callable[..., Any], low: float, high: float) -> float:
    """Return the expectation of u under exp(-energy): equal weights converge exponentially on a period or a line."""
    x = np.linspace(low, high, 4001)[:-1]
    return float(np.sum(u(x) * np.exp(-energy(x))) / np.sum(np.exp(-energy(x))))


_PENDULUM = WEAK["pendulum"]
_KT, _MASS, _PUSH = _PENDULUM.process.params["temperature"], _PENDULUM.process.params["mass"], 1.2
#: I_1/I_0 of the energy -1.2 cos x over kT
_COSINE = float(ive(1, _PUSH / _KT) / ive(0, _PUSH / _KT))


def _halved(dt: float, levels: int = 8) -> tuple[float, ...]:
    return tuple(dt / 2**k for k in range(levels))


def _pendulum(u: Callable[..., Any], exact: float) -> BiasProblem:
    return BiasProblem(_PENDULUM.process, _PENDULUM.axes, u, exact, _halved(0.4, 6))


_RING = WEAK["circle, gradient"]
_RING_WAVES = BiasProblem(
    _RING.process,
    _RING.axes,
    _RING.observable,
    gibbs(lambda x: two_waves(x) / _RING.process.params["temperature"], _RING.observable, 0.0, 2 * np.pi),
    _halved(0.2),
)
_OU = ornstein_uhlenbeck()

BIAS: dict[str, BiasProblem] = {
    # V = x^4/4 - x^2/2 at kT = 1
    "double well, x^2": BiasProblem(
        Process(drift=lambda x: x - x**3, sigma=lambda x: np.sqrt(2.0)),
        (segment(-4.2, 4.2, 160),),
        lambda x: x**2,
        gibbs(lambda x: x**4 / 4 - x**2 / 2, lambda x: x**2, -12.0, 12.0),
        _halved(0.1),
        nodes=80,
    ),
    "ring, two waves": _RING_WAVES,
    # where acceptance begins to be certain there are kinks, which interpolation sees to 3e-6
    "ring, two waves, Metropolis": replace(_RING_WAVES, dts=(0.2,), nodes=256, floor=1e-5),
    "harmonic well, x^2": BiasProblem(
        _OU,
        (polynomial_line(2),),
        lambda x: x**2,
        _OU.params["mean"] ** 2 + _OU.params["sigma"] ** 2 / (2 * _OU.params["theta"]),
        _halved(0.4, 6),
    ),
    "pendulum, x and v": _pendulum(_PENDULUM.observable, _COSINE + 0.3 * _KT / _MASS),
    "pendulum, cos x": _pendulum(lambda x, v: np.cos(x), _COSINE),
    "pendulum, v^2": _pendulum(lambda x, v: v**2, _KT / _MASS),
}


# --- which scheme is measured where

_EXPLICIT = ("ring, two waves", "double well, x^2")
_POSITIONS = ("pendulum, x and v", "pendulum, cos x")

#: Observables that do not see the leading term of a bias: (order there). The lag of lf_middle is seen by x and v
#: together alone.
BETTER = {("lf_middle", "pendulum, cos x"): 2.0}

#: The problems on which each scheme is measured.
BIAS_STUDIES: dict[str, tuple[str, ...]] = {
    "euler_maruyama": _EXPLICIT,
    "milstein": _EXPLICIT[:1],
    "milstein_derivative_free": _EXPLICIT[:1],
    "euler_heun": _EXPLICIT[:1],
    "heun": _EXPLICIT,
    "sra1": _EXPLICIT[:1],
    "sra3": _EXPLICIT[:1],
    "sriw1": _EXPLICIT[:1],
    "platen_weak2": _EXPLICIT[:1],
    "ri1": _EXPLICIT[:1],
    "tamed_euler": _EXPLICIT,
    "implicit_euler": _EXPLICIT[:1],
    "trapezoidal": _EXPLICIT[:1],
    "split_step_backward_euler": _EXPLICIT[:1],
    "leimkuhler_matthews": _EXPLICIT,
    "drift_implicit_0.75": _EXPLICIT[:1],
    "sgld": _EXPLICIT[:1],
    "baoab": (*_POSITIONS, "pendulum, v^2"),
    "aboba": (*_POSITIONS, "pendulum, v^2"),
    "obabo": _POSITIONS,  # velocities by themselves are better than of order 2 in this one and all that follow
    "obab": _POSITIONS,
    "oabao": _POSITIONS,
    "lf_middle": _POSITIONS,
}
#: Schemes that claim to settle exactly, and the problem on which they do.
UNBIASED: dict[str, str] = {"mala": "ring, two waves, Metropolis", "exact_sampling": "harmonic well, x^2"}


def expected_bias_order(name: str, problem: str) -> float:
    """Return the order that a scheme of MEASURED has on a problem: the one that it claims, or that of BETTER."""
    claimed = BETTER.get((name, problem), MEASURED[name].stationary_order(BIAS[problem].process))
    if claimed is None:
        raise InvalidInput(f"{name} claims nothing of stationary laws")
    return claimed
