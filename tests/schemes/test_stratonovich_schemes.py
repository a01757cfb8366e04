"""Euler-Heun and Heun: their steps are the formulas of the Stratonovich form."""

from __future__ import annotations

import numpy as np
import pytest
from bare_steps import both_steps
from plain_twins import TWINS

from fpsde.schemes import euler_heun, heun

T, DT = 0.2, 0.1


def times(b, w):
    return np.einsum("ijn,jn->in", b, w)


def euler_heun_by_hand(twin, x, w, *, f):
    y = x + times(twin.b(x, T), w)
    return x + f(x, T) * DT + 0.5 * times(twin.b(x, T) + twin.b(y, T + DT), w)


def heun_by_hand(twin, x, w, *, f):
    y = x + f(x, T) * DT + times(twin.b(x, T), w)
    return x + 0.5 * (f(x, T) + f(y, T + DT)) * DT + 0.5 * times(twin.b(x, T) + twin.b(y, T + DT), w)


@pytest.mark.parametrize("name", ["additive", "diagonal", "general"])
@pytest.mark.parametrize(
    ("scheme", "formula"), [(euler_heun, euler_heun_by_hand), (heun, heun_by_hand)], ids=["euler_heun", "heun"]
)
def test_the_step_is_the_formula(scheme, formula, name, seed):
    twin = TWINS[name]
    x, z, compiled, arrays = both_steps(scheme, twin.process, seed, t=T, dt=DT)
    exact = formula(twin, x, np.sqrt(DT) * z, f=twin.f)
    np.testing.assert_allclose(compiled, exact, rtol=4e-15, atol=8e-15)
    np.testing.assert_allclose(arrays, exact, rtol=4e-15, atol=8e-15)
    if name != "additive":  # the Itô drift in its place is another scheme
        assert np.max(np.abs(compiled - formula(twin, x, np.sqrt(DT) * z, f=twin.a))) > 1e-3
