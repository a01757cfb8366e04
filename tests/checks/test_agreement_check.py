"""checks.agreement: numbers without sampling error."""

import math

import numpy as np
import pytest

from fpsde import checks
from fpsde.checks import Verdict
from fpsde.errors import InvalidInput


def test_a_difference_above_the_accuracy_fails_and_one_below_passes() -> None:
    assert checks.agreement([1.0, 2.0], [1.0, 2.0 + 0.9e-3], accuracy=1e-3).verdict is Verdict.PASS
    found = checks.agreement([1.0, 2.0], [1.0, 2.0 + 1.1e-3], accuracy=1e-3)
    assert found.verdict is Verdict.FAIL
    assert found.statistic == pytest.approx(1.1e-3) and found.threshold == 1e-3 and found.resolution == 2e-3
    assert found.n == 2 and found.alpha == 0.0


def test_an_effect_that_it_cannot_see_is_underpowered_and_a_failure_stays_one() -> None:
    assert checks.agreement(1.0, 1.0, accuracy=1e-3, effect=1.5e-3).verdict is Verdict.UNDERPOWERED
    assert checks.agreement(1.0, 1.0, accuracy=1e-3, effect=2.5e-3).verdict is Verdict.PASS
    assert checks.agreement(1.0, 1.1, accuracy=1e-3, effect=1.5e-3).verdict is Verdict.FAIL


def test_what_is_not_finite_fails() -> None:
    found = checks.agreement(np.array([1.0, math.nan]), 1.0, accuracy=1.0)
    assert found.verdict is Verdict.FAIL and found.statistic is None


@pytest.mark.parametrize(
    ("values", "expected", "accuracy"), [([1.0, 2.0], [1.0, 2.0, 3.0], 1.0), ([], 1.0, 1.0), (1.0, 1.0, 0.0)]
)
def test_shapes_that_do_not_fit_and_no_accuracy_are_refused(values, expected, accuracy) -> None:
    with pytest.raises(InvalidInput):
        checks.agreement(values, expected, accuracy=accuracy)
