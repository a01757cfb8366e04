"""Derivative-free Milstein: its step is the formula, and it goes to Milstein's with dt."""

from __future__ import annotations

import numpy as np
import pytest
from bare_steps import both_steps
from plain_twins import COMMUTING, DIAGONAL, SCALAR

from fpsde.schemes import milstein, milstein_derivative_free

T, DT = 0.2, 0.1


def by_hand(twin, x, w, pairs):
    """Kloeden & Platen (1992), eq. (11.1.7), with (dW_j dW_k - delta_jk dt)/2 in place of the double integrals."""
    a, b = twin.a(x, T), twin.b(x, T)
    out = x + a * DT + np.einsum("ijn,jn->in", b, w)
    for j, k in pairs:
        support = x + a * DT + b[:, j] * np.sqrt(DT)
        out = out + (twin.b(support, T)[:, k] - b[:, k]) * (w[j] * w[k] - (j == k) * DT) / (2 * np.sqrt(DT))
    return out


@pytest.mark.parametrize(
    ("twin", "pairs"),
    [
        (SCALAR, [(0, 0)]),
        pytest.param(DIAGONAL, [(0, 0), (1, 1)], marks=pytest.mark.slow),
        (COMMUTING, [(0, 0), (0, 1), (1, 0), (1, 1)]),
    ],
    ids=["scalar", "diagonal", "commuting"],
)
def test_the_step_is_the_formula(twin, pairs, seed):
    x, z, compiled, arrays = both_steps(milstein_derivative_free, twin.process, seed, t=T, dt=DT)
    exact = by_hand(twin, x, np.sqrt(DT) * z, pairs)
    np.testing.assert_allclose(compiled, exact, rtol=1e-14, atol=2e-14)
    np.testing.assert_allclose(arrays, exact, rtol=1e-14, atol=2e-14)
    assert np.max(np.abs(compiled - by_hand(twin, x, np.sqrt(DT) * z, pairs[:-1]))) > 1e-3


@pytest.mark.parametrize(
    "twin",
    [pytest.param(SCALAR, marks=pytest.mark.slow), pytest.param(DIAGONAL, marks=pytest.mark.slow), COMMUTING],
    ids=["scalar", "diagonal", "commuting"],
)
def test_it_goes_to_milstein_like_dt_to_the_three_halves(twin, seed):
    """The difference quotient is off by sqrt(dt), its double integral is of size dt."""
    gaps = []
    for dt in (1e-4, 1e-6):
        steps = [
            both_steps(scheme, twin.process, seed, t=T, dt=dt)[2] for scheme in (milstein_derivative_free, milstein)
        ]
        gaps.append(np.max(np.abs(steps[0] - steps[1])))
    assert gaps[0] / gaps[1] == pytest.approx(100**1.5, rel=0.1)
