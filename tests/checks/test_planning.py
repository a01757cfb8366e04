"""Plans: the size is the smallest that the check itself accepts; two stages and any time keep their level."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from fpsde import checks
from fpsde.checks import Verdict
from fpsde.checks.planning import any_time_radius
from fpsde.density import Mixture, Normal, Uniform
from fpsde.errors import InvalidInput

STANDARD = Normal(0.0, 1.0)


def test_the_size_for_a_variance_is_that_of_the_textbook() -> None:
    """n = 2 ((z_{alpha/2} + (1 + e) z_beta)/e)^2, each moment at half of the level."""
    found = checks.plan(checks.moments, effect="variance 1%", alpha=2e-8, power=0.999)
    z, beta = stats.norm.isf(0.5e-8), stats.norm.isf(1e-3)
    assert found.n == pytest.approx(2 * ((z + 1.01 * beta) / 0.01) ** 2, rel=5e-3)
    assert "variance 1%" in str(found) and f"{found.n:,}" in str(found)


def test_the_size_for_a_mean_and_a_correlation() -> None:
    z, beta = stats.norm.isf(0.25e-6), stats.norm.isf(1e-3)
    assert checks.plan(checks.moments, effect="mean 0.01").n == pytest.approx(((z + beta) / 0.01) ** 2, rel=1e-4)
    z = stats.norm.isf(0.5e-6)
    assert checks.plan(checks.correlation, effect="correlation 0.01").n == pytest.approx(
        ((z + beta) / 0.01) ** 2, rel=1e-4
    )


@pytest.mark.parametrize("law", [STANDARD, Uniform(0.0, 2.0), Mixture([0.3, 0.7], [Normal(-1, 0.3), Normal(1, 0.5)])])
def test_with_the_planned_size_a_sample_has_the_planned_resolution(rng, law):
    found = checks.plan(checks.density, effect="distribution 0.02", law=law, alpha=1e-8)
    x = law.ppf(rng.random(found.n))
    result = checks.density(x, law, alpha=1e-8, effect=0.02)
    assert result.verdict is Verdict.PASS
    assert result.components[1].resolution == pytest.approx(found.resolution)
    short = checks.density(x[: found.n - 2], law, alpha=1e-8, effect=0.02)
    assert short.verdict is Verdict.UNDERPOWERED


def test_two_samples_of_the_planned_size_are_told_apart_as_planned(rng):
    found = checks.plan(checks.same_law, effect="distribution 0.05", alpha=1e-8)
    x, y = rng.standard_normal((2, found.n))
    resolved = [checks.same_law(x[:n], y[:n], alpha=1e-8).components[1].resolution for n in (found.n, found.n - 1)]
    assert resolved[0] == pytest.approx(found.resolution) and resolved[0] <= 0.05 < resolved[1]
    wider = checks.plan(checks.same_law, effect="variance 30%", alpha=1e-4, power=0.9)
    pairs = rng.standard_normal((200, 2, wider.n)) * [[1.0], [math.sqrt(1.3)]]
    seen = sum(checks.same_law(a, b, alpha=1e-4).components[0].verdict is Verdict.FAIL for a, b in pairs)
    assert stats.binom.cdf(seen, len(pairs), 0.8) > 1e-8, seen


def test_the_planned_power_is_reached(rng):
    found = checks.plan(checks.density, effect="variance 20%", alpha=1e-3, power=0.9)
    x = math.sqrt(1.2) * rng.standard_normal((500, found.n))
    seen = sum(checks.density(row, STANDARD, alpha=1e-3).components[0].verdict is Verdict.FAIL for row in x)
    assert stats.binom.cdf(seen, len(x), 0.85) > 1e-8, seen  # sensitivity to a scale is linear only for small ones


@pytest.mark.parametrize(
    ("check", "effect", "message"),
    [
        (checks.moments, "varience 1%", "did you mean 'variance'"),
        (checks.moments, "1%", "no quantity and size"),
        (checks.moments, "variance -1%", "effect"),
        (checks.moments, "variance 1-2%", "no number"),
        (checks.moments, "variance 1e-9", "ask for a larger effect"),
        (checks.order, "variance 1%", "no plan for 'order'"),
    ],
)
def test_plans_that_there_are_not_are_refused(check, effect, message):
    with pytest.raises(InvalidInput, match=message):
        checks.plan(check, effect=effect)


def judged(scale: float):
    def of(n: int, seed: int, alpha: float) -> checks.CheckResult:
        return checks.moments(scale * np.random.default_rng(seed).standard_normal(n), STANDARD, alpha=alpha)

    return of


def test_two_stages_pass_at_the_screen_and_fail_at_the_confirmation(seed):
    options = {"sizes": (20_000, 60_000), "seeds": (seed, seed + 1), "alpha": 1e-8, "screen": 1e-6}
    right = checks.in_two_stages(judged(1.0), **options)
    assert right.verdict is Verdict.PASS and len(right.components) == 1 and right.alpha == 1e-8
    wrong = checks.in_two_stages(judged(1.1), **options)
    assert wrong.verdict is Verdict.FAIL
    assert [part.alpha for part in wrong.components] == pytest.approx([1e-6, 1e-2])


def test_both_stages_together_have_the_stated_level(rng, assert_rate):
    """Levels so large that the product shows: 0.2 and 0.1/0.2."""
    alarms = 0
    for _ in range(1500):
        result = checks.in_two_stages(
            lambda n, seed, alpha: checks.moments(rng.standard_normal(n), STANDARD, orders=[1], alpha=alpha),
            sizes=(50, 60), seeds=(1, 2), alpha=0.1, screen=0.2,
        )  # fmt: skip
        alarms += result.verdict is Verdict.FAIL
    assert_rate(alarms, 1500, 0.1)


def test_a_confirmation_needs_fresh_values_and_a_level() -> None:
    with pytest.raises(InvalidInput, match="fresh values"):
        checks.in_two_stages(judged(1.0), sizes=(10, 10), seeds=(1, 1))
    with pytest.raises(InvalidInput, match="nothing to confirm"):
        checks.in_two_stages(judged(1.0), sizes=(10, 10), seeds=(1, 2), alpha=0.1, screen=0.05)


def test_a_growing_sample_may_be_judged_at_every_size(rng):
    x = rng.standard_normal(200_000)
    for n in (10, 100, 1000, 20_000, 200_000):
        assert checks.density_at_any_time(x[:n], STANDARD, alpha=1e-8).verdict is not Verdict.FAIL
    assert checks.density_at_any_time(1.05 * x, STANDARD, alpha=1e-8).verdict is Verdict.FAIL
    assert checks.density_at_any_time([np.nan, 1.0], STANDARD).verdict is Verdict.FAIL


def test_the_radius_for_all_times_is_wider_by_a_third_and_gives_back_its_level() -> None:
    assert any_time_radius(10**6, 1e-8) == pytest.approx(4.1e-3, rel=0.02)
    x = STANDARD.ppf((np.arange(1000) + 0.5) / 1000)
    result = checks.density_at_any_time(x + 0.4, STANDARD, alpha=1e-3)
    at = checks.density_at_any_time(x + 0.4, STANDARD, alpha=result.p_value)
    assert at.threshold == pytest.approx(result.statistic, rel=1e-9)


def test_looking_often_does_not_raise_the_level(rng):
    """60 walks looked at 60 times each at a level of 5 %: a fixed-size band would alarm in a third of them."""
    sizes = np.unique(np.geomspace(20, 4000, 60).astype(int))
    alarms = 0
    for _ in range(60):
        x = rng.random(4000)
        alarms += any(
            checks.density_at_any_time(x[:n], Uniform(0.0, 1.0), alpha=0.05).verdict is Verdict.FAIL for n in sizes
        )
    assert stats.binom.sf(alarms - 1, 60, 0.05) > 1e-8, alarms
