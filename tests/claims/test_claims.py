"""Every claim of the notes in its reduced size: the expected verdict, its twin that must fail, small samples."""

import pytest

from fpsde.claims import CLAIMS, Ruling, run
from fpsde.claims.page import figure, markdown, page
from fpsde.errors import InvalidInput

#: What an honest run finds.
EXPECTED = {
    "A1": Ruling.HOLDS,
    "A2": Ruling.HOLDS_IF,
    "A3": Ruling.HOLDS,
    "A4": Ruling.HOLDS,
    "A5": Ruling.HOLDS,
    "A6": Ruling.HOLDS,
    "A7": Ruling.HOLDS,
    "A8": Ruling.HOLDS,
    "A9": Ruling.FAILS,
    "A10": Ruling.HOLDS,
    "B1": Ruling.HOLDS_IF,
    "B2": Ruling.FAILS,
    "B3": Ruling.HOLDS_IF,
    "B4": Ruling.HOLDS,
    "B5": Ruling.HOLDS,
    "B6": Ruling.FAILS,
    "B7": Ruling.FAILS,
    "B8": Ruling.FAILS,
    "B9": Ruling.FAILS,
    "B10": Ruling.HOLDS,
    "B11": Ruling.FAILS,
    "B12": Ruling.HOLDS,
    "B13": Ruling.HOLDS,
    "B14": Ruling.HOLDS,
    "B15": Ruling.HOLDS_IF,
    "B16": Ruling.FAILS,
    "B17": Ruling.FAILS,
    "B18": Ruling.FAILS,
    "B19": Ruling.HOLDS,
    "C1": Ruling.HOLDS,
    "C2": Ruling.HOLDS,
    "C3": Ruling.HOLDS,
    "C4": Ruling.HOLDS,
    "C5": Ruling.HOLDS,
    "C6": Ruling.HOLDS,
    "C7": Ruling.HOLDS_IF,
    "C8": Ruling.HOLDS,
    "C9": Ruling.HOLDS,
    "C10": Ruling.HOLDS,
    "C11": Ruling.HOLDS,
    "D1": Ruling.HOLDS,
    "D2": Ruling.HOLDS,
    "D3": Ruling.FAILS,
    "D4": Ruling.FAILS,
    "D5": Ruling.HOLDS,
    "D6": Ruling.HOLDS,
    "D7": Ruling.HOLDS,
    "D8": Ruling.HOLDS,
    "D9": Ruling.HOLDS,
    "D10": Ruling.FAILS,
    "D11": Ruling.FAILS,
    "E1": Ruling.HOLDS,
    "E2": Ruling.HOLDS,
    "E3": Ruling.HOLDS,
    "E4": Ruling.HOLDS,
    "E5": Ruling.HOLDS,
    "E6": Ruling.HOLDS,
    "E7": Ruling.HOLDS_IF,
}
#: Claims that say that something holds: changed by 2 % in what they say, they fail.
AFFIRMED = [name for name, ruling in EXPECTED.items() if ruling is not Ruling.FAILS]
SAMPLED = [name for name in EXPECTED if "n_particles" in CLAIMS[name].parameters]


def outcome(name, **settings):
    (found,) = run([CLAIMS[name]], settings=settings, reduced=True)
    return found


def test_every_claim_has_an_expected_verdict() -> None:
    assert list(EXPECTED) == list(CLAIMS)


@pytest.mark.parametrize("name", EXPECTED)
def test_the_verdict_follows_from_a_reduced_run(name) -> None:
    assert outcome(name).ruling is EXPECTED[name]


@pytest.mark.parametrize("name", AFFIRMED)
def test_a_twin_that_claims_two_per_cent_more_fails(name) -> None:
    assert outcome(name, twist=1.02).ruling is Ruling.FAILS


@pytest.mark.parametrize("name", SAMPLED)
def test_a_small_sample_never_turns_the_verdict_round(name) -> None:
    found = outcome(name, n_particles=30).ruling
    assert found is Ruling.UNDERPOWERED


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("B12", {"t_end": 0.0}, "the last time"),
        ("D2", {"n_steps": 1}, "n_steps=1"),
        ("D6", {"noise": 0.0}, "noise=0.0"),
        ("D11", {"sigma": -1.0}, "sigma=-1.0"),
        ("E4", {"n_data": 3}, "n_data=3"),
        ("E7", {"t_end": 0.1}, "t_end - early"),
    ],
)
def test_parameters_without_a_meaning_are_refused(name, settings, message) -> None:
    with pytest.raises(InvalidInput, match=message):
        outcome(name, **settings)


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPECTED)
def test_the_verdict_of_the_full_size_and_its_page(name) -> None:
    (found,) = run([CLAIMS[name]])
    assert found.ruling is EXPECTED[name]
    assert figure(found).axes[0].has_data()
    assert found.words in markdown([found]) and f'id="{name}"' in page([found], {name: b""})  # all formulas are drawn
