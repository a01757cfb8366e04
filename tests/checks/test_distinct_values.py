"""Copies among values of a continuous law are found, wherever they are; honest samples have none."""

import numpy as np
import pytest

from fpsde.checks import Verdict, distinct
from fpsde.density import Mixture, Normal, Point
from fpsde.panel_law import PanelLaw

LAW = Normal(0.3, 0.7)


def sample(seed, n=200_000):
    return np.random.default_rng(seed).normal(0.3, 0.7, n)


def test_independent_values_pass(seed) -> None:
    result = distinct(sample(seed), LAW, alpha=1e-9)
    assert result.verdict is Verdict.PASS
    assert result.statistic <= result.threshold < 5


@pytest.mark.parametrize("copies", [20, 2_000, 100_000])
def test_copies_far_apart_fail(copies, seed) -> None:
    x = sample(seed)
    x[-copies:] = x[:copies]
    result = distinct(x, LAW)
    assert result.verdict is Verdict.FAIL
    assert result.statistic >= copies


def test_particles_stuck_at_a_point_fail_though_the_density_does_not_see_them(seed) -> None:
    x = sample(seed)
    x[::20_000] = 0.5
    assert distinct(x, LAW).verdict is Verdict.FAIL


def test_values_at_an_atom_of_the_law_may_coincide(seed) -> None:
    law = Mixture([0.25, 0.75], [Point(2.0), LAW])
    x = np.concatenate([np.full(50_000, 2.0), sample(seed, 150_000)])
    assert distinct(x, law, alpha=1e-9).verdict is Verdict.PASS
    assert distinct(x, LAW).verdict is Verdict.FAIL


def test_the_type_of_the_values_counts(seed) -> None:
    """float32 values do coincide, at the rate that their spacing says, and that is no defect."""
    assert distinct(sample(seed, 20_000).astype(np.float32), LAW, alpha=1e-9).verdict is Verdict.PASS


def test_a_point_mass_leaves_nothing_to_judge() -> None:
    assert distinct(np.zeros(100), Point(0.0)).verdict is Verdict.NOT_APPLICABLE


def test_bad_values_fail() -> None:
    assert distinct(np.array([0.1, np.nan, 0.2]), LAW).verdict is Verdict.FAIL


def test_a_law_on_panels_is_taken(seed) -> None:
    law = PanelLaw.from_density(LAW.pdf, np.linspace(-7, 7, 65))
    assert distinct(sample(seed), law, alpha=1e-9).verdict is Verdict.PASS


def test_a_lattice_that_is_stated_is_allowed_for(seed) -> None:
    coarse = np.round(sample(seed) * 2**26) / 2**26
    assert distinct(coarse, LAW).verdict is Verdict.FAIL
    assert distinct(coarse, LAW, alpha=1e-9, spacing=2.0**-26).verdict is Verdict.PASS
