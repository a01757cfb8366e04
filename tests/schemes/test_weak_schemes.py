"""Platen and RI1, of weak order 2: the steps are the formulas, and moments are exact over the discrete noise."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from bare_steps import both_steps
from local_expansion import coefficients, outcomes
from plain_twins import ONE_WAY, TWINS

from fpsde.processes.process import Process
from fpsde.schemes import platen_weak2, ri1, roessler
from fpsde.schemes.inputs import THREE_POINT, TWO_POINT
from fpsde.schemes.tracing import traced_step

T, DT = 0.2, 0.1
ROOT = np.sqrt(DT)
ALL = {**TWINS, "one way": ONE_WAY}


def discrete(z, m):
    """Return the three-point dW (m, n), and V (m, m, n) of the two-point normals: V_jk = -V_kj, V_jj = -dt.

    Where no channels meet a step reads no two-point normals, and any V does.
    """
    dw = THREE_POINT.form((z[:m],), ROOT, DT)
    v = np.zeros((m, m, z.shape[1]))
    two_point = z[m:] if len(z) > m else np.ones((m * (m - 1) // 2, z.shape[1]))
    for (j, k), one in zip(itertools.combinations(range(m), 2), two_point, strict=True):
        v[j, k] = TWO_POINT.form((one,), ROOT, DT) * ROOT
        v[k, j] = -v[j, k]
    v[np.arange(m), np.arange(m)] = -DT
    return dw, v


def platen_by_hand(twin, x, z):
    """Kloeden & Platen (1992), eq. (15.1.3), whose drifted supports are taken at t + dt."""
    a, b = twin.a(x, T), twin.b(x, T)
    m = b.shape[1]
    dw, v = discrete(z, m)
    kick = np.einsum("ijn,jn->in", b, dw)
    out = x + 0.5 * (twin.a(x + a * DT + kick, T + DT) + a) * DT
    for j in range(m):
        up = twin.b(x + a * DT + b[:, j] * ROOT, T + DT)[:, j]
        down = twin.b(x + a * DT - b[:, j] * ROOT, T + DT)[:, j]
        out = out + 0.25 * ((up + down + 2 * b[:, j]) * dw[j] + (up - down) * (dw[j] ** 2 + v[j, j]) / ROOT)
        for r in set(range(m)) - {j}:
            up, down = (twin.b(x + sign * b[:, r] * ROOT, T)[:, j] for sign in (1, -1))
            out = out + 0.25 * ((up + down - 2 * b[:, j]) * dw[j] + (up - down) * (dw[j] * dw[r] + v[r, j]) / ROOT)
    return out


def ri1_by_hand(twin, x, z):
    """Rößler (2009), with the stages H0, H^(k) and H-hat^(k) of its tableau RI1."""
    b = twin.b(x, T)
    m = b.shape[1]
    dw, v = discrete(z, m)
    double = 0.5 * (dw[:, None] * dw[None] + v)  # [l, k]: int dW_l dW_k
    A0, B0, c0 = [[], [2 / 3], [-1 / 3, 1]], [0, 1, 0], [0, 2 / 3, 2 / 3]
    drifts = []
    for row, weight, c in zip(A0, B0, c0, strict=True):
        stage = x + sum(w * a * DT for w, a in zip(row, drifts, strict=True))
        drifts.append(twin.a(stage + weight * np.einsum("ijn,jn->in", b, dw), T + c * DT))
    out = x + (drifts[0] / 4 + drifts[1] / 2 + drifts[2] / 4) * DT
    beta = [[1 / 2, 1 / 4, 1 / 4], [0, 1 / 2, -1 / 2], [-1 / 2, 1 / 4, 1 / 4], [0, 1 / 2, -1 / 2]]
    for k in range(m):
        other = [j for j in range(m) if j != k]
        for i, (A1, B, c1) in enumerate(zip([0, 1, 1], [0, 1, -1], [0, 1, 1], strict=True)):
            h = x + A1 * drifts[0] * DT + B * b[:, k] * ROOT
            hat = x + B * sum((b[:, j] * double[j, k] for j in other), np.zeros_like(x)) / ROOT
            out = out + twin.b(h, T + c1 * DT)[:, k] * (beta[0][i] * dw[k] + beta[1][i] * double[k, k] / ROOT)
            out = out + twin.b(hat, T)[:, k] * (beta[2][i] * dw[k] + beta[3][i] * ROOT)
    return out


#: Noise in which terms of the general formula vanish.
MORE = ("diagonal", "scalar", "one way")


@pytest.mark.parametrize("name", ["general", *(pytest.param(n, marks=pytest.mark.slow) for n in MORE)])
@pytest.mark.parametrize(
    ("scheme", "formula"), [(platen_weak2, platen_by_hand), (ri1, ri1_by_hand)], ids=["platen_weak2", "ri1"]
)
def test_the_step_is_the_formula(scheme, formula, name, seed):
    """With separate channels too, where the step leaves out the terms that vanish."""
    twin = ALL[name]
    x, z, compiled, arrays = both_steps(scheme, twin.process, seed, t=T, dt=DT)
    exact = formula(twin, x, z)
    np.testing.assert_allclose(compiled, exact, rtol=1e-14, atol=2e-14)
    np.testing.assert_allclose(arrays, exact, rtol=1e-14, atol=2e-14)


def test_only_channels_that_meet_take_a_two_point_variable():
    normals = {name: len(traced_step(platen_weak2, ALL[name].process).normals) for name in ALL}
    assert normals == {
        "additive": 3, "separate": 2, "diagonal": 2, "scalar": 1, "commuting": 3, "general": 6, "one way": 3,
    }  # fmt: skip


@pytest.mark.parametrize("mu", [-0.7, 0.4])
def test_platen_multiplies_a_geometric_brownian_motion_by_its_factor(mu, seed):
    """x' = x [1 + mu h + mu^2 h^2/2 + s (1 + mu h) dW + s^2 (dW^2 - h)/2], and the moments that follow exactly."""
    s, h = 0.9, DT
    process = Process(drift=lambda x: mu * x, sigma=lambda x: s * x)
    x, z, compiled, _ = both_steps(platen_weak2, process, seed, t=T, dt=h)
    dw = THREE_POINT.form((z[0],), np.sqrt(h), h)
    grown = 1 + mu * h + 0.5 * mu**2 * h**2
    factor = grown + s * (1 + mu * h) * dw + 0.5 * s**2 * (dw**2 - h)
    np.testing.assert_allclose(compiled[0], x[0] * factor, rtol=1e-14, atol=1e-14)
    after = outcomes(platen_weak2, process, np.array([1.0]), t=T, dt=h)
    assert after.mean(after.x[0]).real == pytest.approx(grown, rel=1e-14)
    second = grown**2 + s**2 * (1 + mu * h) ** 2 * h + 0.5 * s**4 * h**2
    assert after.mean(after.x[0] ** 2).real == pytest.approx(second, rel=1e-14)


# --- second moments of a linear system without commutation, exact over the noise: dX = A X dt + sum_k B_k X dW_k


def linear(m, seed):
    """Return a linear process in the plane with m channels, A and B."""
    rng = np.random.default_rng(seed)
    A, B = rng.normal(size=(2, 2)), rng.normal(size=(m, 2, 2))

    def times(M, x):
        return [M[i, 0] * x[0] + M[i, 1] * x[1] for i in (0, 1)]

    process = Process(
        drift=lambda x: tuple(times(A, x)), sigma=lambda x: np.array([times(b, x) for b in B], object).T, dim=2
    )
    return process, A, B


def second_moment_errors(scheme, m, seed):
    """Return the largest errors of the coefficients of dt^0, dt^1, dt^2 of E x' x'^T over one step."""
    process, A, B = linear(m, seed)
    x = np.array([0.7, -0.4])

    def moments(dt):
        after = outcomes(scheme, process, x, t=0.0, dt=dt)
        return after.mean(after.x[:, None] * after.x[None])

    exact = [np.outer(x, x)]
    for k in (1, 2):
        S = exact[-1]
        exact.append((A @ S + S @ A.T + sum(b @ S @ b.T for b in B)) / k)
    return [np.max(np.abs(found - wanted)) for found, wanted in zip(coefficients(moments, 4)[::2], exact, strict=True)]


@pytest.mark.parametrize("m", [2, 3])
@pytest.mark.parametrize("scheme", [platen_weak2, ri1], ids=lambda scheme: scheme.name)
def test_second_moments_are_of_weak_order_2_without_commutation(scheme, m, seed):
    assert max(second_moment_errors(scheme, m, seed)) < 1e-10


def shared(dw, two_point, sqrt_dt, *, pairs):
    """Return double integrals with one two-point variable V_j for each channel, in all its pairs (j, k), j < k."""
    return {
        (a, b): 0.5 * (dw[j] * dw[k] + sign * two_point[j] * sqrt_dt)
        for j, k in pairs
        for a, b, sign in ((j, k, 1.0), (k, j, -1.0))
    }


def test_two_point_variables_shared_by_pairs_lose_the_order_from_three_channels_on(seed, monkeypatch):
    monkeypatch.setattr(roessler, "double_integrals", shared)
    thrifty = replace(ri1, inputs=(THREE_POINT, TWO_POINT))
    assert max(second_moment_errors(thrifty, 2, seed)) < 1e-10
    *lower, second = second_moment_errors(thrifty, 3, seed)
    assert max(lower) < 1e-10 and second > 1e-4  # how large it is depends on the matrices that the seed gives
