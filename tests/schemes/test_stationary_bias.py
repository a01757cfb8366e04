"""Biases of stationary laws without sampling: how far a chain settles from the law of its process.

Explicit chains on a superlinear drift are transient: on the double well the law is the quasi-stationary one in a box
so wide that what leaves it is not seen in the digits.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from bare_laws import stationary_covariance
from order_problems import altered
from scipy.special import ive

from fpsde import checks
from fpsde.checks import Verdict
from fpsde.convergence.problems import MEASURED, WEAK
from fpsde.laws.axes import Axis, polynomial_line, segment
from fpsde.laws.backward_chain import BackwardChain
from fpsde.laws.frame import Frame
from fpsde.processes import process_named
from fpsde.processes.process import Process
from fpsde.schemes.inputs import DW

FLOOR = 1e-10
HEADING = ("stationary bias", "problem", "observable", "claimed", "measured", "between", "and", "bias by step size")


@dataclass(frozen=True)
class Settled:
    """A process, the axes on which its chains settle, and an expectation under its own stationary law."""

    process: Process
    axes: tuple[Axis, ...]
    observable: Callable[..., Any]
    exact: float
    steps: tuple[float, ...]
    nodes: int | None = None

    def biases(self, scheme: Any, steps: Sequence[float]) -> np.ndarray:
        frame = Frame(self.axes)
        chain = BackwardChain(scheme, self.process, frame, nodes=self.nodes)
        (u,) = frame.holding([self.observable]).T
        return np.array([chain.stationary(dt) @ u for dt in steps]) - self.exact


def gibbs(energy: Callable[..., Any], u: Callable[..., Any], low: float, high: float) -> float:
    """Return the expectation of u under exp(-energy): equal weights converge exponentially on a period or a line."""
    x = np.linspace(low, high, 4001)[:-1]
    return float(np.sum(u(x) * np.exp(-energy(x))) / np.sum(np.exp(-energy(x))))


# --- the double well V = x^4/4 - x^2/2 at kT = 1, E x^2

WELL = Settled(
    Process(drift=lambda x: x - x**3, sigma=lambda x: np.sqrt(2.0)),
    (segment(-4.2, 4.2, 160),),
    lambda x: x**2,
    gibbs(lambda x: x**4 / 4 - x**2 / 2, lambda x: x**2, -12.0, 12.0),
    (0.1, 0.05, 0.025, 0.0125),
    nodes=80,
)
#: The biases of E x^2 at these steps by an independent computation (Chebyshev nodes on [-4.6, 4.6], 60 Gauss-Hermite
#: nodes, left eigenvector), in the digits that it gave.
KNOWN = {
    "euler_maruyama": ("-2.6127e-02", "-1.177e-02", "-5.631e-03", "-2.763e-03"),
    "leimkuhler_matthews": ("-1.686e-03", "-3.454e-04", "-8.117e-05", "-1.979e-05"),
    "heun": ("-3.118e-02", "-6.521e-03", "-1.442e-03", "-3.367e-04"),
    "tamed_euler": ("1.188e-01", "4.965e-02", "2.231e-02", "1.054e-02"),
}


def test_the_double_well_has_its_second_moment() -> None:
    assert WELL.exact == pytest.approx(1.0417972965, abs=1e-10)


@pytest.mark.parametrize("name", KNOWN)
def test_biases_in_the_double_well_are_those_found_elsewhere(name: str) -> None:
    digits = {bias: len(bias.lstrip("-").split("e")[0]) - 2 for bias in KNOWN[name]}
    found = [
        f"{bias:.{digits[known]}e}"
        for bias, known in zip(WELL.biases(MEASURED[name], WELL.steps), KNOWN[name], strict=True)
    ]
    assert found == list(KNOWN[name])


def test_noise_wrong_by_a_part_in_ten_thousand_changes_the_digits() -> None:
    wrong = altered(MEASURED["euler_maruyama"], lambda value: 1.0001 * value)
    assert f"{WELL.biases(wrong, (0.1,))[0]:.4e}" != KNOWN["euler_maruyama"][0]


# --- the order of the bias, on a ring with an energy of two waves, on the pendulum and in the double well

_RING = WEAK["circle, gradient"]
_PENDULUM = WEAK["pendulum"]
_TEMPERATURE, _MASS, _PUSH = _PENDULUM.process.params["temperature"], _PENDULUM.process.params["mass"], 1.2


def _pendulum(u: Callable[..., Any], exact: float) -> Settled:
    return Settled(_PENDULUM.process, _PENDULUM.axes, u, exact, tuple(0.4 / 2**k for k in range(6)))


#: I_1/I_0 of the energy -1.2 cos x over kT
_COSINE = float(ive(1, _PUSH / _TEMPERATURE) / ive(0, _PUSH / _TEMPERATURE))
SETTLED: dict[str, Settled] = {
    "double well, x^2": replace(WELL, steps=(*WELL.steps, 0.00625, 0.003125)),
    "ring, two waves": Settled(
        _RING.process,
        _RING.axes,
        _RING.observable,
        gibbs(
            lambda x: _RING.process.energy(x) / _RING.process.params["temperature"], _RING.observable, 0.0, 2 * np.pi
        ),
        tuple(0.2 / 2**k for k in range(6)),
    ),
    "pendulum, x and v": _pendulum(_PENDULUM.observable, _COSINE + 0.3 * _TEMPERATURE / _MASS),
    "pendulum, cos x": _pendulum(lambda x, v: np.cos(x), _COSINE),
    "pendulum, v^2": _pendulum(lambda x, v: v**2, _TEMPERATURE / _MASS),
}
OVERDAMPED = (
    "euler_maruyama",
    "milstein",
    "milstein_derivative_free",
    "euler_heun",
    "heun",
    "sra1",
    "sra3",
    "sriw1",
    "platen_weak2",
    "ri1",
    "tamed_euler",
    "implicit_euler",
    "trapezoidal",
    "split_step_backward_euler",
    "leimkuhler_matthews",
    "drift_implicit_0.75",
    "sgld",
)
UNDERDAMPED = ("baoab", "aboba", "obabo", "obab", "oabao", "lf_middle")
#: Schemes that claim to settle exactly; exact_sampling draws from the transition, test_weak_orders.py.
UNBIASED = ("mala", "exact_sampling")
#: Schemes that claim nothing of stationary laws.
UNCLAIMED = ("ddpm_step",)
#: Observables that do not see the leading term of a bias: (order there). The lag of lf_middle is seen by x and v
#: together alone; obabo, obab and oabao give the velocities by themselves no error of order 2.
BETTER = {
    ("lf_middle", "pendulum, cos x"): 2.0,
    ("obabo", "pendulum, v^2"): 4.0,
    ("obab", "pendulum, v^2"): 4.0,
    ("oabao", "pendulum, v^2"): 4.0,
}
CASES = [
    *((name, "ring, two waves") for name in OVERDAMPED),
    *((name, problem) for name in UNDERDAMPED for problem in ("pendulum, x and v", "pendulum, cos x")),
    *((name, "pendulum, v^2") for name in UNDERDAMPED if name != "lf_middle"),  # too exact there for an order
    *((name, "double well, x^2") for name in KNOWN),
]
SLOW = ("double well", "pendulum")


@functools.cache
def biases(name: str, problem: str) -> np.ndarray:
    return SETTLED[problem].biases(MEASURED[name], SETTLED[problem].steps)


def test_every_scheme_is_measured_or_claims_nothing() -> None:
    assert sorted([*OVERDAMPED, *UNDERDAMPED, *UNBIASED, *UNCLAIMED]) == sorted(MEASURED)
    assert all(MEASURED[name].stationary == np.inf for name in UNBIASED)
    assert all(MEASURED[name].stationary is None for name in UNCLAIMED)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        pytest.param(*case, marks=[pytest.mark.slow] if case[1].startswith(SLOW) else [], id=": ".join(case))
        for case in CASES
    ],
)
def test_the_order_of_the_bias_is_the_one_that_is_claimed(name: str, problem: str, table: Callable) -> None:
    claimed = BETTER.get((name, problem), MEASURED[name].stationary_order(SETTLED[problem].process))
    assert claimed is not None
    steps, found = SETTLED[problem].steps, biases(name, problem)
    result = checks.order(steps, found, expected=claimed, floor=FLOOR)
    place, observable = problem.split(", ")
    order = ("none" if v is None else f"{v:.3f}" for v in (result.order, result.low, result.high))
    by_step = "  ".join(f"{h:g}: {bias:+.4e}" for h, bias in list(zip(steps, found, strict=True))[:4])
    table(HEADING, (name, place, observable, f"{claimed:g}", *order, by_step))
    assert result.verdict is Verdict.PASS, result.detail
    assert result.order is not None
    for other in (claimed - 0.5, claimed + 0.5, claimed + 1.0):
        assert checks.order(steps, found, expected=other, floor=FLOOR).verdict is not Verdict.PASS


def test_mala_has_no_bias_where_its_proposals_have_one() -> None:
    """To 1e-5: where acceptance begins to be certain there are kinks, which interpolation sees to 3e-6."""
    problem = replace(SETTLED["ring, two waves"], nodes=256)
    assert np.abs(problem.biases(MEASURED["mala"], (0.2,))) < 1e-5
    assert np.abs(problem.biases(altered(MEASURED["mala"], lambda value: 1.01 * value), (0.2,))) > 1e-4
    assert np.abs(biases("euler_maruyama", "ring, two waves")[0]) > 1e-3


# --- linear forces with a current, and underdamped dynamics: the claims hold there too

#: Without tamed_euler, whose step is not affine, and sgld, whose noise is stated for one component.
LINEAR = [name for name in OVERDAMPED if name not in ("tamed_euler", "sgld")]
#: Schemes that do better on a linear force than they claim: (scheme, process): order, infinite where it is exact.
BETTER_ON_LINEAR = {
    ("trapezoidal", "rotating_ou"): np.inf,
    ("trapezoidal", "underdamped_oscillator"): np.inf,
    ("sra3", "rotating_ou"): 3.0,
}


@pytest.mark.parametrize("process", ["rotating_ou", "underdamped_oscillator"])
@pytest.mark.parametrize("name", LINEAR)
def test_claims_hold_with_a_current_and_with_noise_on_velocities_alone(name: str, process: str) -> None:
    """Exactly: the stationary covariance of a linear chain. Discrete noise has the two moments that enter it."""
    scheme, linear = MEASURED[name], process_named(process)
    if any(kind.support is not None for kind in scheme.inputs):
        scheme = replace(scheme, inputs=tuple(replace(kind, form=DW.form) for kind in scheme.inputs))
    exact = linear.exact.stationary_covariance()
    first, second = (np.max(np.abs(stationary_covariance(scheme, linear, dt) - exact)) for dt in (0.01, 0.005))
    claimed = BETTER_ON_LINEAR.get((name, process), scheme.stationary_order(linear))
    if claimed == np.inf:
        assert first < 1e-13
    else:
        assert np.log2(first / second) == pytest.approx(claimed, abs=0.05)


# --- harmonic wells: the whole covariance, which is known in closed form


def _harmonic(rate: float) -> Settled:
    process = Process(drift=lambda x, p: -p.rate * x, sigma=lambda x: np.sqrt(2.0), params={"rate": rate})
    return Settled(process, (polynomial_line(2),), lambda x: x**2, 1 / rate, ())


#: k <x^2>/kT on a harmonic well, with a = h k
OVERDAMPED_HARMONIC: dict[str, Callable[[float], float]] = {
    "euler_maruyama": lambda a: 1 / (1 - a / 2),
    "heun": lambda a: (1 - a / 2) / (1 - a / 2 + a**2 / 4),
    "implicit_euler": lambda a: 1 / (1 + a / 2),
    "trapezoidal": lambda a: 1.0,
    "leimkuhler_matthews": lambda a: 1.0,
}


#: omega^2 <x^2> m/kT and <v^2> m/kT on a harmonic well, with b = (h omega)^2/4, at any friction
UNDERDAMPED_HARMONIC: dict[str, Callable[[float], tuple[float, float]]] = {
    "baoab": lambda b: (1.0, 1 - b),
    "aboba": lambda b: (1.0, 1 / (1 - b)),
    "obabo": lambda b: (1 / (1 - b), 1.0),
    "obab": lambda b: (1 / (1 - b), 1.0),
    "oabao": lambda b: (1 - b, 1.0),
    "lf_middle": lambda b: (1.0, 1.0),
}
HARMONIC = ("harmonic well", "step", "observable over its exact value", "in the chain", "closed form")


@pytest.mark.parametrize("name", OVERDAMPED_HARMONIC)
@pytest.mark.parametrize("a", [0.2, 1.1])
def test_the_variance_in_a_harmonic_well_is_the_closed_form(name: str, a: float, table: Callable) -> None:
    rate = 0.7
    problem, expected = _harmonic(rate), OVERDAMPED_HARMONIC[name](a)
    (bias,) = problem.biases(MEASURED[name], (a / rate,))
    table(HARMONIC, (name, f"h k = {a:g}", "x^2", f"{1 + rate * bias:.12f}", f"{expected:.12f}"))
    assert 1 + rate * bias == pytest.approx(expected, abs=1e-12)
    wrong = altered(MEASURED[name], lambda value: 1.01 * value)
    assert 1 + rate * problem.biases(wrong, (a / rate,))[0] == pytest.approx(1.01**2 * expected, abs=1e-12)


@pytest.mark.parametrize("name", UNDERDAMPED_HARMONIC)
@pytest.mark.parametrize("h", [0.3, 1.2])
def test_both_variances_of_an_oscillator_are_the_closed_forms(name: str, h: float, table: Callable) -> None:
    oscillator = WEAK["oscillator"]
    frame = Frame(oscillator.axes)
    chain = BackwardChain(MEASURED[name], oscillator.process, frame)
    exact = (_TEMPERATURE / _PUSH, _TEMPERATURE / _MASS)
    expected = UNDERDAMPED_HARMONIC[name](h**2 * _PUSH / _MASS / 4)
    for k, u in enumerate((lambda x, v: x**2, lambda x, v: v**2)):
        found = chain.stationary(h) @ frame.holding([u])[:, 0] / exact[k]
        table(HARMONIC, (name, f"h = {h:g}", ("x^2", "v^2")[k], f"{found:.12f}", f"{expected[k]:.12f}"))
        assert found == pytest.approx(expected[k], abs=1e-12)
