"""How a verdict follows from checks, and what a run takes."""

import pytest

from fpsde import checks
from fpsde.checks import Verdict
from fpsde.checks.result import CheckResult
from fpsde.claims import CLAIMS, Claim, Evidence, Lab, Ruling, claim, claims_named, run
from fpsde.errors import InvalidInput

PASS, FAIL = ({"one": CheckResult("c", verdict)} for verdict in (Verdict.PASS, Verdict.FAIL))
SMALL = {"one": CheckResult("c", Verdict.UNDERPOWERED)}
NONE = {"one": CheckResult("c", Verdict.NOT_JUDGED)}


@pytest.mark.parametrize(
    ("found", "ruling"),
    [
        ({"written": PASS}, Ruling.HOLDS),
        ({"written": FAIL}, Ruling.FAILS),
        ({"written": FAIL, "corrected": PASS}, Ruling.FAILS),
        ({"written": FAIL, "corrected": FAIL}, Ruling.IN_DOUBT),
        ({"written": FAIL, "corrected": SMALL}, Ruling.UNDERPOWERED),
        ({"written": SMALL}, Ruling.UNDERPOWERED),
        ({"written": NONE}, Ruling.IN_DOUBT),
        ({"written": PASS, "outside": FAIL}, Ruling.HOLDS_IF),
        ({"written": PASS, "outside": PASS}, Ruling.HOLDS),
        ({"written": PASS, "outside": SMALL}, Ruling.UNDERPOWERED),
        ({"written": PASS, "outside": {**FAIL, "two": NONE["one"]}}, Ruling.IN_DOUBT),
        ({"written": FAIL, "outside": FAIL}, Ruling.FAILS),
        ({"written": PASS, "rivals": FAIL}, Ruling.HOLDS),
        ({"written": PASS, "rivals": PASS}, Ruling.UNDERPOWERED),
        ({"written": {**PASS, "two": FAIL["one"]}}, Ruling.FAILS),
    ],
)
def test_the_verdict_follows_from_the_checks(found, ruling) -> None:
    assert Evidence(draw=lambda ax: None, **found).ruling is ruling


def test_no_evidence_is_refused() -> None:
    with pytest.raises(InvalidInput, match="without a check"):
        Evidence(written={}, draw=lambda ax: None)


def made(**parameters) -> Claim:
    @claim("Z1", "a toy", statement="1=1", derivation=("a", "b", "c"), **parameters)
    def z1(lab: Lab) -> Evidence:
        written = {"it": checks.agreement(lab.p.value, 1.0, accuracy=0.1 + 0 * lab.level())}
        return Evidence(written=written, draw=lambda ax: None)

    return z1


def test_parameters_are_set_by_name_and_wrong_ones_refused() -> None:
    toy = made(value=1.0, n=3)
    (found,) = run([toy], settings={"value": 2.0, "n": 5.0})
    assert found.ruling is Ruling.FAILS and found.parameters == {"value": 2.0, "n": 5} and found.words == "fails"
    assert found.as_dict()["discrepancy"] == 1.0
    for settings, message in (
        ({"walue": 1.0}, "did you mean 'value'"),
        ({"n": 2.5}, "n=2.5"),
        ({"value": float("nan")}, "value"),
    ):
        with pytest.raises(InvalidInput, match=message):
            run([toy], settings=settings)
    with pytest.raises(InvalidInput, match="no claims"):
        run([])


def test_values_with_which_nothing_can_be_computed_are_refused() -> None:
    (a2,) = claims_named(["A2"])
    with pytest.raises(InvalidInput, match="give 2 or more"):
        run([a2], settings={"cauchy_delta": 1.0}, reduced=True)
    (a8,) = claims_named(["A8"])
    with pytest.raises(InvalidInput, match=r"A8 cannot be computed with twist=-1 .*nearer to mean=2, twist=1"):
        run([a8], settings={"twist": -1.0})


def test_levels_of_a_claim_add_up_to_less_than_its_share() -> None:
    lab = Lab({}, seed=1, alpha=1e-6)
    levels = [lab.level() for _ in range(50)]
    assert levels[0] > levels[1] and sum(levels) < 1e-6


def test_claims_are_found_by_name() -> None:
    assert [one.id for one in claims_named(["a4", "A9", "A4"])] == ["A4", "A9"]
    with pytest.raises(InvalidInput, match="unknown claim"):
        claims_named(["F1"])


def test_each_claim_is_complete() -> None:
    for one in CLAIMS.values():
        assert one.statement and one.title and len(one.derivation) == 3 and all(one.derivation)
        assert set(one.small) <= set(one.parameters)
