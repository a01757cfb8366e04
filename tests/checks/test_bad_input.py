"""The bad input that every check must meet: values that are not finite, other shapes, samples that show too little."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from right_samples import CASES, MEANS, PLANE, STANDARD

from fpsde import checks
from fpsde.checks import CheckResult, Verdict
from fpsde.errors import InvalidInput

#: What each check makes of values (n,), and options.
OF_VALUES: dict[str, Callable[..., CheckResult]] = {
    "density": lambda x, **o: checks.density(x, STANDARD, **o),
    "density_at_any_time": lambda x, **o: checks.density_at_any_time(x, STANDARD, **o),
    "moments": lambda x, **o: checks.moments(x, STANDARD, **o),
    "innovations": lambda x, **o: checks.innovations(
        np.stack([np.zeros_like(x), x]), [0.0, 1.0], drift=lambda x, t: 0.0, sigma=lambda x, t: 1.0, **o
    ),
    "correlation": lambda x, **o: checks.correlation(x, x[::-1] ** 3, **o),
    "distinct": lambda x, **o: checks.distinct(x, STANDARD, **{k: v for k, v in o.items() if k != "effect"}),
    "stationarity": lambda x, **o: checks.stationarity(x, x[::-1], **o),
    "reversibility": lambda x, **o: checks.reversibility(x, x[::-1] ** 2, **o),
    "martingale": lambda x, **o: checks.martingale(np.stack([np.zeros_like(x), x]), [0.0, 0.5], functions=MEANS, **o),
    "score": lambda x, **o: checks.score(x, lambda x: -x, **o),
    "same_law": lambda x, **o: checks.same_law(x, np.linspace(-2, 2, 50), **o),
    "independent": lambda x, **o: checks.independent(x, **o),
    "joint_density": lambda x, **o: checks.joint_density(np.vstack([x, x[::-1]]), PLANE, **o),
    "projections": lambda x, **o: checks.projections(np.vstack([x, x[::-1]]), PLANE, **o),
    "energy": lambda x, **o: checks.energy(x, np.linspace(-2, 2, 50), **o),
    "inside": lambda x, **o: checks.inside(x, lambda x: x > -9, **o),
}
#: What the checks of counts make of the number of values that are in no cell.
OF_COUNTS: dict[str, Callable[..., CheckResult]] = {
    "cells": lambda bad, **o: checks.cells([50, 50], [0.5, 0.5], n_bad=bad, **o),
    "chi_square": lambda bad, **o: checks.chi_square([50, 50], [0.5, 0.5], n_bad=bad, **o),
    "histogram": lambda bad, **o: checks.histogram([50, 50], STANDARD, faces=[0.0], n_bad=bad, **o),
}
ONE = np.random.default_rng(1).standard_normal(100)


def test_every_check_is_here():
    assert {name for name in CASES if " " not in name} == {*OF_VALUES, *OF_COUNTS}


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", OF_VALUES)
def test_one_value_that_is_not_finite_is_counted_and_fails(name, bad):
    x = ONE.copy()
    assert OF_VALUES[name](x).verdict is not Verdict.FAIL
    x[17] = bad
    result = OF_VALUES[name](x)
    assert result.verdict is Verdict.FAIL and "NaN or infinite" in result.detail and result.p_value == 0


@pytest.mark.parametrize("name", OF_COUNTS)
def test_one_particle_in_no_cell_fails(name):
    assert OF_COUNTS[name](0).verdict is not Verdict.FAIL
    result = OF_COUNTS[name](1)
    assert result.verdict is Verdict.FAIL and "1 of 101 values are NaN or infinite" in result.detail


@pytest.mark.parametrize("name", [name for name in OF_VALUES if name != "distinct"] + list(OF_COUNTS))
def test_fewer_values_than_the_effect_needs_are_underpowered(name):
    """A hundred values at a level of 1e-6 see nothing of a size of 1e-4; the message says what they see."""
    given: Any = 0 if name in OF_COUNTS else ONE
    result = (OF_VALUES | OF_COUNTS)[name](given, effect=1e-4)
    assert result.verdict is Verdict.UNDERPOWERED
    assert any(told in result.detail for told in ("asked for", "too few", "too small", "cannot fail"))


@pytest.mark.parametrize("name", OF_VALUES)
def test_values_with_an_axis_too_many_are_refused(name):
    with pytest.raises(InvalidInput):
        OF_VALUES[name](np.zeros((2, 3, 10)))


@pytest.mark.parametrize("name", OF_VALUES | OF_COUNTS)
def test_levels_and_powers_that_are_none_are_refused(name):
    given: Any = 0 if name in OF_COUNTS else ONE
    for option in ({"alpha": 0.0}, {"alpha": 1.0}, {"power": 0.2}):
        with pytest.raises(InvalidInput, match=next(iter(option))):
            (OF_VALUES | OF_COUNTS)[name](given, **option)
