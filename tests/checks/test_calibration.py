"""Every check that judges random numbers alarms as often as it says, and no less often than is useful.

The slow test draws 2000 right samples for each check and prints the table of all components (pytest -rP).
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from right_samples import CASES, MADE_OF_OTHERS, NOT_RANDOM, leaves
from scipy import stats

from fpsde import checks

#: Levels at which alarms are counted, and the level of each comparison of a count with its binomial limits.
LEVELS, LIMIT = (0.5, 0.1, 0.01, 0.001), 1e-9


def p_values(name: str, rng: np.random.Generator, repeats: int, scale: float = 1.0) -> dict[str, np.ndarray]:
    """The p-values (repeats,) of every component of a case, by name."""
    found: dict[str, list[float]] = defaultdict(list)
    for _ in range(repeats):
        for leaf in leaves(CASES[name].judged(rng, scale)):
            assert leaf.p_value is not None and 0 <= leaf.p_value <= 1
            found[leaf.check].append(leaf.p_value)
    return {check: np.array(p) for check, p in found.items()}


def beside(name: str, found: dict[str, np.ndarray]) -> list[str]:
    """What is not as stated: alarms above the binomial limit of the level, or below that of its least share."""
    case, told = CASES[name], []
    for check, p in found.items():
        least = 0.0 if check.endswith(case.bounds or ("\n",)) else case.least
        for a in LEVELS:
            alarms = int(np.count_nonzero(p <= a))
            if stats.binom.sf(alarms - 1, len(p), a) < LIMIT or stats.binom.cdf(alarms, len(p), least * a) < LIMIT:
                told.append(f"{check}: {alarms} of {len(p)} at {a}")
    return told


def test_every_public_check_is_calibrated_or_not_random():
    named = {name for name in checks.__all__ if name[0].islower() and _returns_a_result(getattr(checks, name))}
    assert named == {name for name in CASES if " " not in name} | NOT_RANDOM | MADE_OF_OTHERS


def _returns_a_result(value: object) -> bool:
    return str(getattr(value, "__annotations__", {}).get("return")) in ("CheckResult", "OrderResult")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name == "energy" else ()) for name in CASES]
)
def test_few_right_samples_alarm_as_stated_and_few_wrong_ones_do_not(name, rng):
    assert not beside(name, p_values(name, rng, 20))
    assert beside(name, p_values(name, rng, 20, scale=CASES[name].wrong))


@pytest.mark.slow
def test_two_thousand_right_samples_of_each_check_alarm_as_stated(rng):
    rows, wrong, n = [], [], 2000
    for name in CASES:
        found = p_values(name, rng, n)
        wrong += beside(name, found)
        rows += [(check, *(f"{np.mean(p <= a):.4f}" for a in LEVELS)) for check, p in found.items()]
    print(f"\nshare of {n} right samples with p <= a")
    for row in (("component", *map(str, LEVELS)), *rows):
        print(f"{row[0]:72} " + " ".join(f"{cell:>8}" for cell in row[1:]))
    assert not wrong
