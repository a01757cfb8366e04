"""The record, the verdicts, and the rule that gives them."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from fpsde import checks
from fpsde.checks import CheckResult, Verdict, combined, combined_verdict
from fpsde.checks.design import Design, judge, tolerance_of
from fpsde.checks.wording import plus_minus
from fpsde.density import Normal
from fpsde.errors import InvalidInput

DESIGN = Design.of(alpha=0.01, power=0.9)


def judged(statistic: float, *, design: Design = DESIGN, largest: float = math.inf) -> CheckResult:
    return judge(
        "a",
        statistic,
        design,
        threshold=1.0,
        resolution=2.0,
        p_value=0.5,
        n=10,
        unit="",
        detail="seen",
        largest=largest,
    )


def test_the_verdict_is_cut_at_the_threshold() -> None:
    assert judged(1.0).verdict is Verdict.PASS
    assert judged(1.0 + 1e-9).verdict is Verdict.FAIL


def test_a_result_is_shown_in_a_line() -> None:
    assert str(judged(1.5)) == "a: fail (statistic 1.5, threshold 1, resolution 2, level 0.01, n 10)"
    assert str(replace(judged(0.5), unit="standard deviations")).startswith(
        "a: pass (statistic 0.5 standard deviations, "
    )
    assert str(CheckResult("b", Verdict.NOT_JUDGED)) == "b: not judged"


def test_a_statistic_that_is_no_number_fails_and_is_stored_as_none() -> None:
    for bad in (math.nan, math.inf, -math.inf):
        result = judged(bad)
        assert result.verdict is Verdict.FAIL
        assert result.statistic is None
        assert result.p_value == 0


def test_a_check_that_cannot_fail_is_underpowered() -> None:
    assert judged(0.5, largest=1.0).verdict is Verdict.UNDERPOWERED
    assert "cannot fail" in judged(0.5, largest=1.0).detail
    assert judged(0.5, largest=1.1).verdict is Verdict.PASS


def test_a_resolution_above_the_declared_effect_is_underpowered_and_a_failure_stays_a_failure() -> None:
    fine, coarse = (Design.of(alpha=0.01, power=0.9, effect=effect) for effect in (2.0, 1.9))
    assert judged(0.5, design=fine).verdict is Verdict.PASS
    assert judged(0.5, design=coarse).verdict is Verdict.UNDERPOWERED
    assert judged(1.5, design=coarse).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("pass fail underpowered", "fail"),
        ("pass underpowered", "underpowered"),
        ("pass not_judged not_applicable", "pass"),
        ("not_judged not_applicable", "not judged"),
        ("not_applicable", "not applicable"),
        ("", "not applicable"),
    ],
)
def test_fail_beats_underpowered_beats_pass_and_the_rest_is_neutral(given: str, expected: str) -> None:
    assert combined_verdict(Verdict[name.upper()] for name in given.split()).value == expected


def test_a_combination_reports_the_failure_that_stands_out_most() -> None:
    faint = CheckResult("faint", Verdict.FAIL, 2.0, 1.0, alpha=1e-3, p_value=1e-4)
    clear = CheckResult("clear", Verdict.FAIL, 3.0, 1.0, alpha=1e-3, p_value=1e-9)
    good = CheckResult("good", Verdict.PASS, 0.0, 1.0, alpha=1e-3, p_value=0.5)
    whole = combined([good, faint, clear], alpha=3e-3)
    assert (whole.check, whole.alpha, whole.p_value) == ("clear", 3e-3, 1e-9)
    assert whole.components == (good, faint, clear)
    assert combined([good, good]).check == "good"


def test_numbers_are_finite_python_numbers_and_the_record_is_json() -> None:
    result = checks.density(np.linspace(-2, 2, 101), Normal(0.0, 1.0), tolerance=[("grid", 0.1), ("time step", 0.2)])
    again = json.loads(json.dumps(result.as_dict(), allow_nan=False))
    assert again["verdict"] in {verdict.value for verdict in Verdict}
    assert again["n"] == 101
    assert len(again["components"]) == 2
    assert sum(again["parts"].values()) == pytest.approx(again["tolerance"], rel=1e-14)


def test_a_record_refuses_nan_and_a_verdict_in_words() -> None:
    with pytest.raises(InvalidInput, match="statistic=nan is not finite"):
        CheckResult("a", Verdict.PASS, math.nan)
    with pytest.raises(InvalidInput, match="verdict 'pass' is not one of"):
        CheckResult("a", "pass")  # type: ignore[arg-type]


def test_the_detail_says_where_the_threshold_comes_from() -> None:
    allowed = Design.of(alpha=1e-3, power=0.9, tolerance=[("grid", 0.1), ("time step", 0.2)])
    assert judged(0.5, design=allowed).detail == "seen; cut at 1 (0.3 allowed, 0.7 for sampling at level 0.001)"
    assert judged(0.5).detail == "seen; cut at 1 (1 for sampling at level 0.01)"


def test_tolerances_add_linearly_and_keep_their_names() -> None:
    assert tolerance_of([("grid", 1e-3), ("time step", 2e-3)]) == (3e-3, (("grid", 1e-3), ("time step", 2e-3)))
    assert tolerance_of(0.0) == (0.0, ())


@pytest.mark.parametrize(
    ("design", "message"),
    [
        ({"alpha": 0.0, "power": 0.9}, r"alpha=0.0 must lie strictly between 0 and 1"),
        ({"alpha": 0.1, "power": 0.4}, r"power=0.4 is below one half"),
        ({"alpha": 0.1, "power": 0.9, "effect": -1}, r"effect=-1.0 must be positive"),
        ({"alpha": 0.1, "power": 0.9, "tolerance": -0.5}, r"tolerance 'stated'=-0.5 is negative"),
        ({"alpha": 0.1, "power": 0.9, "tolerance": [("grid", math.nan)]}, r"tolerance 'grid'=nan is not finite"),
    ],
)
def test_impossible_designs_are_refused_with_their_numbers(design: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        Design.of(**design)  # type: ignore[arg-type]


def test_nothing_to_combine_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no results to combine"):
        combined([])


def test_a_value_is_told_to_two_figures_of_its_error() -> None:
    assert plus_minus(1.02014, 0.00141) == "1.0201 +- 0.0014"
    assert plus_minus(0.5, 12.0, sign=True) == "+0 +- 12"


def test_no_module_bears_the_name_of_a_public_function() -> None:
    for name in checks.__all__:
        if callable(getattr(checks, name)) and not isinstance(getattr(checks, name), type):
            assert getattr(checks, name).__module__ != f"fpsde.checks.{name}"
