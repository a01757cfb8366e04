"""The weak order of every scheme, measured without sampling on problems where all of its terms act."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from order_problems import MEASURED, WEAK, altered

from fpsde import checks
from fpsde.checks import OrderResult, Verdict
from fpsde.laws.backward_chain import BackwardChain
from fpsde.laws.backward_equation import process_expectations
from fpsde.laws.frame import Frame

ADDITIVE = ("circle, additive", "torus, additive", "pendulum", "oscillator", "variance preserving")
DIAGONAL = ("circle, multiplicative", "circle, Stratonovich", "torus, diagonal")
COMMUTING = ("linear, commuting", "linear, scalar", *DIAGONAL)
GENERAL = ("linear, general", "torus, general", *COMMUTING)
UNDERDAMPED = ("pendulum", "oscillator")

#: The problems on which each scheme is measured.
PROBLEMS: dict[str, tuple[str, ...]] = {
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
    "drift_implicit_0.75": ("linear, general", "torus, general", "variance preserving"),
    "sgld": ("variance preserving", "circle, gradient", "circle, multiplicative"),
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
#: What is wrong with the expectations, which are of order one: interpolation between the nodes.
FLOOR = 1e-10

HEADING = ("weak order", "problem", "claimed", "measured", "between", "and", "error at the finest step")


@functools.cache
def exact(problem: str) -> float:
    p = WEAK[problem]
    return float(process_expectations(p.process, Frame(p.axes), [p.observable], p.x0, t_end=p.t_end)[0])


def errors(scheme: Any, problem: str) -> np.ndarray:
    """Return E u(X_h) - E u(X) at the end, for the step sizes of the problem from coarse to fine."""
    p = WEAK[problem]
    chain = BackwardChain(scheme, p.process, Frame(p.axes))
    found = [chain.expectations([p.observable], p.x0, t_end=p.t_end, n_steps=n)[0] for n in p.steps]
    return np.array(found) - exact(problem)


def judged(found: np.ndarray, problem: str, expected: float) -> OrderResult:
    p = WEAK[problem]
    return checks.order(p.t_end / np.array(p.steps), found, expected=expected, floor=FLOOR)


#: Those that take many nodes or many different steps: slow, but for schemes whose noise is discrete.
LARGE = ("circle, additive", "torus, additive", "pendulum", "torus, general", *DIAGONAL)


def is_slow(name: str, problem: str) -> bool:
    return problem in LARGE and any(kind.support is None for kind in MEASURED[name].inputs)


CASES = [
    pytest.param(name, problem, marks=[pytest.mark.slow] if is_slow(name, problem) else [], id=f"{name}, {problem}")
    for name, problems in PROBLEMS.items()
    for problem in problems
]


def test_every_scheme_is_measured() -> None:
    assert PROBLEMS.keys() | EXACT.keys() == MEASURED.keys()
    assert not PROBLEMS.keys() & EXACT.keys()


@pytest.mark.parametrize(("name", "problem"), CASES)
def test_the_weak_order_is_the_one_that_is_claimed(name: str, problem: str, table: Callable) -> None:
    scheme = MEASURED[name]
    claimed = scheme.weak_order(WEAK[problem].process)
    found = errors(scheme, problem)
    result = judged(found, problem, claimed)
    table(
        HEADING,
        (
            name,
            problem,
            f"{claimed:g}",
            *("none" if v is None else f"{v:.3f}" for v in (result.order, result.low, result.high)),
            f"{found[-1]:.1e}",
        ),
    )
    assert result.verdict is Verdict.PASS, result.detail
    assert result.order is not None
    for other in (claimed - 0.5, claimed + 0.5, claimed + 1.0):
        assert other == 0 or judged(found, problem, other).verdict is not Verdict.PASS


@pytest.mark.parametrize(("name", "problem"), EXACT.items())
def test_an_exact_scheme_has_no_error(name: str, problem: str) -> None:
    assert MEASURED[name].weak_order(WEAK[problem].process) == np.inf
    assert np.max(np.abs(errors(MEASURED[name], problem))) < FLOOR
    assert np.min(np.abs(errors(altered(MEASURED[name], lambda value: 1.01 * value), problem))) > 1e-3


# --- what the measurement sees


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("euler_maruyama", "linear, general"),
        ("milstein", "linear, commuting"),
        ("heun", "variance preserving"),
        ("sra1", "oscillator"),
        ("baoab", "oscillator"),
        ("platen_weak2", "linear, general"),
        ("ri1", "torus, general"),
    ],
)
def test_noise_wrong_by_one_per_cent_is_seen(name: str, problem: str) -> None:
    scheme = altered(MEASURED[name], lambda value: 1.01 * value)
    result = judged(errors(scheme, problem), problem, MEASURED[name].weak_order(WEAK[problem].process))
    assert result.verdict is Verdict.FAIL
    assert "biased at order 0" in result.detail


@pytest.mark.parametrize("name", ["platen_weak2", "ri1"])
def test_channels_that_do_not_commute_need_the_variable_of_each_pair(name: str) -> None:
    """Without it second moments are of order one, while a single channel does not miss it."""
    scheme = MEASURED[name]
    increments, pairs = scheme.inputs
    nothing = replace(pairs, form=lambda z, sqrt_dt, dt: 0.0 * z[0], support=((0.0, 1.0),))
    blind = replace(scheme, inputs=(increments, nothing))
    result = judged(errors(blind, "linear, general"), "linear, general", 2.0)
    assert result.verdict is Verdict.FAIL
    assert judged(errors(blind, "linear, general"), "linear, general", 1.0).verdict is Verdict.PASS
    assert judged(errors(blind, "linear, scalar"), "linear, scalar", 2.0).verdict is Verdict.PASS


def test_an_order_that_is_claimed_too_high_is_seen() -> None:
    found = errors(MEASURED["sriw1"], "oscillator")
    assert [judged(found, "oscillator", p).verdict is Verdict.PASS for p in (1.0, 1.5, 2.0, 2.5, 3.0)] == [
        False,
        False,
        True,
        False,
        False,
    ]
