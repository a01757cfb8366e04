"""Tamed Euler: its step is the formula, and no step of the drift is longer than one unit."""

from __future__ import annotations

import numpy as np
import pytest
from bare_kernels import LANES, one_step
from bare_processes import ou
from bare_steps import both_steps
from plain_twins import GENERAL

from fpsde.laws import scheme_law
from fpsde.processes.process import Process
from fpsde.schemes import euler_maruyama, tamed_euler

T, DT = 0.2, 0.1


def test_the_step_is_the_formula(seed):
    twin = GENERAL
    x, z, compiled, arrays = both_steps(tamed_euler, twin.process, seed, t=T, dt=DT)
    a = twin.a(x, T)
    length = np.hypot(*a)  # of the whole drift: taming by components is another scheme
    exact = x + a * DT / (1 + DT * length) + np.einsum("ijn,jn->in", twin.b(x, T), np.sqrt(DT) * z)
    np.testing.assert_allclose(compiled, exact, rtol=2e-15, atol=8e-15)
    np.testing.assert_allclose(arrays, exact, rtol=2e-15, atol=8e-15)
    assert np.max(np.abs(compiled - exact - a * DT / (1 + DT * np.abs(a)) + a * DT / (1 + DT * length))) > 1e-4


def test_a_superlinear_drift_does_not_make_it_explode():
    """|x' - x| < 1 without noise, however large the drift; Euler-Maruyama goes from 1e3 to -1e8."""
    cubic = Process(drift=lambda x: -(x**3), sigma=lambda x: 1.0)
    x = np.linspace(-1e3, 1e3, LANES)
    z = np.zeros((1, LANES))
    tamed = one_step(tamed_euler, cubic, x, z, times=[0.0, DT])[0]
    assert np.all(np.abs(tamed - x) <= 1.0) and np.all(np.abs(tamed) < 1e3)
    assert np.max(np.abs(one_step(euler_maruyama, cubic, x, z, times=[0.0, DT])[0])) > 9e7


def test_its_exact_law_sees_the_kink_where_the_drift_vanishes():
    """|mu| has a kink at the mean: quadrature over it would settle to 1e-9 only."""
    law = scheme_law(ou(), tamed_euler, x0=0.1, t_end=0.5, dt=0.05)
    assert law.accuracy < 1e-12
    a = 1.3 * (0.4 - 0.1)
    one = scheme_law(ou(), tamed_euler, x0=0.1, t_end=0.05, dt=0.05).law
    assert one.mean == pytest.approx(0.1 + 0.05 * a / (1 + 0.05 * a), rel=1e-12)
