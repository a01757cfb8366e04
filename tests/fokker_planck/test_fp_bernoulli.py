"""B(z) = z / (e^z - 1) beside its value in many digits: as it is, near zero, and by doublings."""

from __future__ import annotations

import mpmath
import numpy as np

from fpsde.fokker_planck.bernoulli import MOST_DOUBLINGS, NEAR_ZERO, bernoulli, doubled, doublings_to, near_zero


def test_bernoulli_keeps_its_digits_everywhere():
    z = np.concatenate(
        [sign * np.array([1e-300, 1e-9, 0.99e-4, 1.01e-4, 1e-3, 0.1, 1.0, 30.0, 700.0]) for sign in (-1, 1)]
    )
    with mpmath.workdps(40):
        exact = [float(mpmath.mpf(value) / mpmath.expm1(mpmath.mpf(value))) for value in z]
    np.testing.assert_allclose(bernoulli(z), exact, rtol=5e-16)
    np.testing.assert_array_equal(bernoulli(np.array([-1000.0, 0.0, 1000.0])), [1000.0, 1.0, 0.0])


def test_the_sum_of_bernoulli_near_zero_keeps_its_digits_there_and_only_there():
    def apart(z):
        exact = mpmath.mpf(z) / mpmath.expm1(mpmath.mpf(z)) if z else mpmath.mpf(1)
        return float(abs(near_zero(z) / exact - 1))

    with mpmath.workdps(40):
        assert max(apart(z) for z in np.linspace(-NEAR_ZERO, NEAR_ZERO, 2001).tolist()) < 5e-16
        assert apart(3 * NEAR_ZERO) > 1e-13


def test_bernoulli_by_doublings_keeps_its_digits_as_far_as_it_is_used():
    def apart(z, count):
        exact = mpmath.mpf(z) / mpmath.expm1(mpmath.mpf(z))
        return float(abs(doubled(0.5**count * z, count) / exact - 1))

    far = NEAR_ZERO * 2**MOST_DOUBLINGS
    with mpmath.workdps(40):
        assert max(apart(z, doublings_to(z)) for z in np.linspace(1e-3, far, 101).tolist()) < 1e-15
        assert apart(far, MOST_DOUBLINGS - 1) > 1e-14
    assert [doublings_to(z) for z in (0.0, NEAR_ZERO, far, 1.01 * far, np.nan)] == [0, 0, MOST_DOUBLINGS, -1, -1]
