"""Biases of stationary laws without sampling: how far a chain settles from the law of its process.

Explicit chains on a superlinear drift are transient: on the double well the law is the quasi-stationary one in a box
so wide that what leaves it is not seen in the digits.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from bare_laws import stationary_covariance
from order_problems import altered

from fpsde import checks
from fpsde.checks import Verdict
from fpsde.convergence.bias_problems import BIAS, BIAS_STUDIES, UNBIASED, BiasProblem
from fpsde.convergence.documented import Kind, Study, documented, judged, measured
from fpsde.convergence.measured import MEASURED
from fpsde.convergence.weak_problems import WEAK
from fpsde.laws.axes import polynomial_line
from fpsde.laws.backward_chain import BackwardChain
from fpsde.laws.frame import Frame
from fpsde.processes import process_named
from fpsde.processes.process import Process
from fpsde.schemes.inputs import DW


@functools.cache
def biases(name: str, problem: str) -> np.ndarray:
    return BIAS[problem].errors(MEASURED[name])


# --- the double well V = x^4/4 - x^2/2 at kT = 1, E x^2

WELL = BIAS["double well, x^2"]
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
        f"{bias:.{digits[known]}e}" for bias, known in zip(biases(name, "double well, x^2"), KNOWN[name], strict=False)
    ]
    assert found == list(KNOWN[name])


def test_noise_wrong_by_a_part_in_ten_thousand_changes_the_digits() -> None:
    wrong = altered(MEASURED["euler_maruyama"], lambda value: 1.0001 * value)
    assert f"{replace(WELL, dts=(0.1,)).errors(wrong)[0]:.4e}" != KNOWN["euler_maruyama"][0]


# --- the order of the bias, on a ring with an energy of two waves, on the pendulum and in the double well

#: Schemes that claim nothing of stationary laws.
UNCLAIMED = ("ddpm_step",)
#: Some tenths of a second each.
SLOW = ("double well", "pendulum, x and v")
STUDIES = [
    pytest.param(study, marks=[pytest.mark.slow] if study.problem.startswith(SLOW) else [], id=str(study))
    for study in documented()
    if study.kind is Kind.BIAS
]


def test_every_scheme_is_measured_or_claims_nothing() -> None:
    assert sorted([*BIAS_STUDIES, *UNBIASED, *UNCLAIMED]) == sorted(MEASURED)
    assert all(MEASURED[name].stationary == np.inf for name in UNBIASED)
    assert all(MEASURED[name].stationary is None for name in UNCLAIMED)


@pytest.mark.parametrize("study", STUDIES)
def test_the_order_of_the_bias_is_the_one_that_is_documented(study: Study) -> None:
    found, floor = measured(study, seed=0, alpha=0.0), BIAS[study.problem].floor
    assert found.verdict is Verdict.PASS, found.detail
    if study.expected == np.inf:
        wrong = BIAS[study.problem].errors(altered(MEASURED[study.scheme], lambda value: 1.01 * value))
        assert np.min(np.abs(wrong)) > 10 * floor
        return
    for other in (study.expected - 0.5, study.expected + 0.5, study.expected + 1.0):
        assert judged(replace(study, expected=other), found.dts, found.errors, floor).verdict is not Verdict.PASS


def test_the_proposals_of_mala_have_a_bias() -> None:
    assert np.abs(biases("euler_maruyama", "ring, two waves")[0]) > 1e-3


@pytest.mark.parametrize("name", ["obabo", "obab", "oabao"])
def test_velocities_by_themselves_are_of_order_four(name: str) -> None:
    """Their biases are soon so small that the interval stays wide."""
    problem = BIAS["pendulum, v^2"]
    found = problem.errors(MEASURED[name])
    assert checks.order(problem.dts, found, expected=4.0, floor=problem.floor).verdict is Verdict.PASS
    assert checks.order(problem.dts, found, expected=2.0, floor=problem.floor).verdict is Verdict.FAIL


# --- linear forces with a current, and underdamped dynamics: the claims hold there too

#: Without tamed_euler, whose step is not affine, and sgld, whose noise is stated for one component.
LINEAR = [n for n, on in BIAS_STUDIES.items() if "ring, two waves" in on and n not in ("tamed_euler", "sgld")]
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


def _harmonic(rate: float, a: float) -> BiasProblem:
    process = Process(drift=lambda x, p: -p.rate * x, sigma=lambda x: np.sqrt(2.0), params={"rate": rate})
    return BiasProblem(process, (polynomial_line(2),), lambda x: x**2, 1 / rate, (a / rate,))


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


@pytest.mark.parametrize("name", OVERDAMPED_HARMONIC)
@pytest.mark.parametrize("a", [0.2, 1.1])
def test_the_variance_in_a_harmonic_well_is_the_closed_form(name: str, a: float) -> None:
    rate = 0.7
    problem, expected = _harmonic(rate, a), OVERDAMPED_HARMONIC[name](a)
    (bias,) = problem.errors(MEASURED[name])
    assert 1 + rate * bias == pytest.approx(expected, abs=1e-12)
    wrong = altered(MEASURED[name], lambda value: 1.01 * value)
    assert 1 + rate * problem.errors(wrong)[0] == pytest.approx(1.01**2 * expected, abs=1e-12)


@pytest.mark.parametrize("name", UNDERDAMPED_HARMONIC)
@pytest.mark.parametrize("h", [0.3, 1.2])
def test_both_variances_of_an_oscillator_are_the_closed_forms(name: str, h: float) -> None:
    oscillator = WEAK["oscillator"]
    frame = Frame(oscillator.axes)
    chain = BackwardChain(MEASURED[name], oscillator.process, frame)
    kT, mass, stiffness = oscillator.process.params["temperature"], oscillator.process.params["mass"], 1.2
    exact = (kT / stiffness, kT / mass)
    expected = UNDERDAMPED_HARMONIC[name](h**2 * stiffness / mass / 4)
    for k, u in enumerate((lambda x, v: x**2, lambda x, v: v**2)):
        found = chain.stationary(h) @ frame.holding([u])[:, 0] / exact[k]
        assert found == pytest.approx(expected[k], abs=1e-12)
