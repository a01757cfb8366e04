"""Quantities that are conserved, and sets that are not left."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from fpsde import checks
from fpsde.checks import Verdict
from fpsde.errors import InvalidInput


def turned(scheme: str) -> np.ndarray:
    """The energy along 200 steps of a harmonic oscillator, (201, 5)."""
    x, v, h = np.linspace(0.5, 1.5, 5), np.zeros(5), 0.1
    c, s = np.cos(h), np.sin(h)
    energies = [x**2 + v**2]
    for _ in range(200):
        x, v = (c * x + s * v, c * v - s * x) if scheme == "exact" else (x + h * v, v - h * x)
        energies.append(x**2 + v**2)
    return np.array(energies)


def test_a_rotation_keeps_its_energy_and_explicit_euler_does_not():
    kept = checks.conserved(turned("exact"), tolerance=1e-13)
    assert kept.verdict is Verdict.PASS and kept.resolution == 2e-13 and kept.n == 5
    lost = checks.conserved(turned("euler"), tolerance=1e-13)
    assert lost.verdict is Verdict.FAIL and "particle 4 goes from 2.25 to" in lost.detail and "time 200" in lost.detail


def test_one_particle_of_many_that_drifts_fails_beyond_the_tolerance_only():
    q = np.ones((3, 1000))
    q[1, 17] += 0.011
    assert checks.conserved(q, tolerance=[("round-off", 0.01)]).verdict is Verdict.FAIL
    assert checks.conserved(q, tolerance=0.012).verdict is Verdict.PASS
    q[1, 17] = np.nan
    assert checks.conserved(q, tolerance=1.0).verdict is Verdict.FAIL


def test_a_set_that_must_not_be_left_is_left_by_one(rng):
    x = rng.random((2, 10_000))
    assert checks.inside(x, lambda x: np.all(x >= 0, axis=0)).verdict is Verdict.PASS
    x[0, 3] = -1e-9
    result = checks.inside(x, lambda x: np.all(x >= 0, axis=0))
    assert result.verdict is Verdict.FAIL and "holds 1 of 10000" in result.detail


def test_leaving_with_the_allowed_probability_alarms_at_most_at_the_level(rng):
    p, n, alpha = 0.01, 1000, 1e-3
    counts = rng.binomial(n, p, size=60)
    for count, result in (
        (k, checks.inside(np.arange(n) - k, lambda x: x >= 0, allowed=p, alpha=alpha)) for k in counts
    ):
        assert result.verdict is (Verdict.FAIL if stats.binom.sf(count - 1, n, p) < alpha / 2 else Verdict.PASS)
        assert result.p_value == pytest.approx(min(1.0, 2 * stats.binom.sf(count - 1, n, p)), rel=1e-9)
    seen = result.resolution
    assert stats.binom.cdf(round(result.threshold * n), n, seen) == pytest.approx(1e-3, rel=1e-6)
    assert checks.inside(np.ones(n), lambda x: x > 0, effect=1e-4).verdict is Verdict.UNDERPOWERED


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: checks.conserved(x, tolerance=0.0), "accuracy=0.0 must be positive"),
        (lambda x: checks.conserved(x[:1], tolerance=1.0), "two times or more"),
        (lambda x: checks.inside(x, lambda x: x), "one bool each"),
        (lambda x: checks.inside(x, np.isfinite, allowed=1.0), "no probability"),
    ],
)
def test_questions_that_make_no_sense_are_refused(call, message):
    with pytest.raises(InvalidInput, match=message):
        call(np.linspace(0, 1, 20))


def test_points_that_are_not_finite_are_in_no_set():
    assert checks.inside([0.0, np.nan], lambda x: x > -1).verdict is Verdict.FAIL
