"""The weak order of every scheme, measured without sampling on problems where all of its terms act."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from order_problems import altered

from fpsde import checks
from fpsde.checks import OrderResult, Verdict
from fpsde.convergence.measured import MEASURED
from fpsde.convergence.weak_problems import (
    ADDITIVE,
    COMMUTING,
    DIAGONAL,
    EXACT,
    WEAK,
    WEAK_STUDIES,
    expected_weak_order,
)

#: What is wrong with the expectations, which are of order one: interpolation between the nodes.
FLOOR = 1e-10

HEADING = ("weak order", "problem", "claimed", "measured", "between", "and", "error at the finest step")


def judged(found: np.ndarray, problem: str, expected: float) -> OrderResult:
    return checks.order(WEAK[problem].dts, found, expected=expected, floor=FLOOR)


#: Those that take many nodes or many different steps: slow, but for schemes whose noise is discrete.
LARGE = ("circle, additive", "torus, additive", "pendulum", "torus, general", *DIAGONAL)


#: Where the next order nearly cancels or is large, the interval of the order is wider than SHARP on each side.
SHARP = 0.05
WIDE = {
    ("split_step_backward_euler", "circle, multiplicative"),
    ("split_step_backward_euler", "circle, Stratonovich"),
    ("sriw1", "circle, multiplicative"),
    ("sriw1", "circle, Stratonovich"),
    ("trapezoidal", "torus, general"),
    ("implicit_euler", "circle, multiplicative"),
    ("implicit_euler", "circle, Stratonovich"),
    ("tamed_euler", "torus, additive"),
    ("heun", "circle, multiplicative"),
    ("heun", "circle, Stratonovich"),
    ("ri1", "linear, general"),
    ("euler_heun", "linear, general"),
}


def is_slow(name: str, problem: str) -> bool:
    return problem in LARGE and any(kind.support is None for kind in MEASURED[name].inputs)


CASES = [
    pytest.param(name, problem, marks=[pytest.mark.slow] if is_slow(name, problem) else [], id=f"{name}, {problem}")
    for name, problems in WEAK_STUDIES.items()
    for problem in problems
]


def test_every_scheme_is_measured() -> None:
    assert WEAK_STUDIES.keys() | EXACT.keys() == MEASURED.keys()
    assert not WEAK_STUDIES.keys() & EXACT.keys()


def test_every_scheme_has_a_sharp_order_on_each_class_of_noise_on_which_it_is_measured() -> None:
    def classes(problems: set[str]) -> set[str]:
        kinds = {"additive": ADDITIVE, "commuting": COMMUTING, "general": ("linear, general", "torus, general")}
        return {kind for kind, members in kinds.items() if problems & set(members)}

    for name, problems in WEAK_STUDIES.items():
        sharp = {problem for problem in problems if (name, problem) not in WIDE}
        assert classes(sharp) == classes(set(problems)), name


@pytest.mark.parametrize(("name", "problem"), CASES)
def test_the_weak_order_is_the_one_that_is_claimed(name: str, problem: str, table: Callable) -> None:
    claimed = expected_weak_order(name, problem)
    found = WEAK[problem].errors(MEASURED[name])
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
    assert result.order is not None and result.low is not None and result.high is not None
    assert (name, problem) in WIDE or result.high - result.low <= 2 * SHARP
    for other in (claimed - 0.5, claimed + 0.5, claimed + 1.0):
        assert other == 0 or judged(found, problem, other).verdict is not Verdict.PASS


@pytest.mark.parametrize(("name", "problem"), EXACT.items())
def test_an_exact_scheme_has_no_error(name: str, problem: str) -> None:
    assert MEASURED[name].weak_order(WEAK[problem].process) == np.inf
    assert np.max(np.abs(WEAK[problem].errors(MEASURED[name]))) < FLOOR
    assert np.min(np.abs(WEAK[problem].errors(altered(MEASURED[name], lambda value: 1.01 * value)))) > 1e-3


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
    result = judged(WEAK[problem].errors(scheme), problem, expected_weak_order(name, problem))
    assert result.verdict is Verdict.FAIL
    assert "biased at order 0" in result.detail


@pytest.mark.parametrize("name", ["platen_weak2", "ri1"])
def test_channels_that_do_not_commute_need_the_variable_of_each_pair(name: str) -> None:
    """Without it second moments are of order one, while a single channel does not miss it."""
    scheme = MEASURED[name]
    increments, pairs = scheme.inputs
    nothing = replace(pairs, form=lambda z, sqrt_dt, dt: 0.0 * z[0], support=((0.0, 1.0),))
    blind = replace(scheme, inputs=(increments, nothing))
    result = judged(WEAK["linear, general"].errors(blind), "linear, general", 2.0)
    assert result.verdict is Verdict.FAIL
    assert judged(WEAK["linear, general"].errors(blind), "linear, general", 1.0).verdict is Verdict.PASS
    assert judged(WEAK["linear, scalar"].errors(blind), "linear, scalar", 2.0).verdict is Verdict.PASS


def test_an_order_that_is_claimed_too_high_is_seen() -> None:
    found = WEAK["oscillator"].errors(MEASURED["sriw1"])
    assert [judged(found, "oscillator", p).verdict is Verdict.PASS for p in (1.0, 1.5, 2.0, 2.5, 3.0)] == [
        False,
        False,
        True,
        False,
        False,
    ]
