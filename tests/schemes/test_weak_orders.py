"""The weak order of every scheme, measured without sampling on problems where all of its terms act."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from order_problems import altered

from fpsde import checks
from fpsde.checks import OrderResult, Verdict
from fpsde.convergence.documented import SHARP, Kind, Study, documented, judged, measured
from fpsde.convergence.measured import MEASURED
from fpsde.convergence.weak_problems import DIAGONAL, EXACT, WEAK, WEAK_STUDIES, expected_weak_order

FLOOR = 1e-10

#: Those that take many nodes or many different steps: slow, but for schemes whose noise is discrete.
LARGE = (
    "variance preserving",
    "circle, gradient",
    "circle, additive",
    "torus, additive",
    "pendulum",
    "torus, general",
    *DIAGONAL,
)


def is_slow(study: Study) -> bool:
    return study.problem in LARGE and any(kind.support is None for kind in MEASURED[study.scheme].inputs)


CASES = [
    pytest.param(study, marks=[pytest.mark.slow] if is_slow(study) else [], id=str(study))
    for study in documented()
    if study.kind is Kind.WEAK
]


def test_every_scheme_is_measured() -> None:
    assert WEAK_STUDIES.keys() | EXACT.keys() == MEASURED.keys()
    assert not WEAK_STUDIES.keys() & EXACT.keys()


@pytest.mark.parametrize("study", CASES)
def test_the_weak_order_is_the_one_that_is_documented(study: Study) -> None:
    found = measured(study, seed=0, alpha=0.0)
    assert found.verdict is Verdict.PASS, found.detail
    if study.expected == np.inf:
        wrong = WEAK[study.problem].errors(altered(MEASURED[study.scheme], lambda value: 1.01 * value))
        assert np.min(np.abs(wrong)) > 1e-3
        return
    assert found.low is not None and found.high is not None
    assert found.low < study.expected < found.high <= found.low + 2 * SHARP
    for other in (study.expected - 0.5, study.expected + 0.5, study.expected + 1.0):
        wrong = replace(study, expected=other)
        assert other == 0 or judged(wrong, found.dts, found.errors, FLOOR).verdict is not Verdict.PASS


# --- what the measurement sees


def order_on(problem: str, scheme: Any, expected: float) -> OrderResult:
    return checks.order(WEAK[problem].dts, WEAK[problem].errors(scheme), expected=expected, floor=FLOOR)


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
    result = order_on(problem, scheme, expected_weak_order(name, problem))
    assert result.verdict is Verdict.FAIL
    assert "biased at order 0" in result.detail


@pytest.mark.parametrize("name", ["platen_weak2", "ri1"])
def test_channels_that_do_not_commute_need_the_variable_of_each_pair(name: str) -> None:
    """Without it second moments are of order one, while a single channel does not miss it."""
    scheme = MEASURED[name]
    increments, pairs = scheme.inputs
    nothing = replace(pairs, form=lambda z, sqrt_dt, dt: 0.0 * z[0], support=((0.0, 1.0),))
    blind = replace(scheme, inputs=(increments, nothing))
    result = order_on("linear, general", blind, 2.0)
    assert result.verdict is Verdict.FAIL
    assert order_on("linear, general", blind, 1.0).verdict is Verdict.PASS
    assert order_on("linear, scalar", blind, 2.0).verdict is Verdict.PASS


def test_an_order_that_is_claimed_too_high_is_seen() -> None:
    scheme = MEASURED["sriw1"]
    assert [order_on("oscillator", scheme, p).verdict is Verdict.PASS for p in (1.0, 1.5, 2.0, 2.5, 3.0)] == [
        False,
        False,
        True,
        False,
        False,
    ]
