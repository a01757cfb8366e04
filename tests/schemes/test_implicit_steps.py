"""Implicit steps: they solve their equation, have their variances and orders, and say where they do not solve it."""

from __future__ import annotations

import numpy as np
import pytest
from bare_kernels import LANES, one_step
from bare_laws import affine_form, distance_to_half_steps, run_text, stationary_covariance
from scipy import integrate

from fpsde.errors import InvalidInput, Unsuited
from fpsde.integrators import simulate
from fpsde.processes.process import Process
from fpsde.schemes import drift_implicit, euler_maruyama, implicit_euler, split_step_backward_euler, trapezoidal
from fpsde.schemes.tracing import constant_rows, traced_step

TIMES = np.array([0.2, 0.3])
T, DT = TIMES[0], TIMES[1] - TIMES[0]


def drift(x, t):
    """Four components that all meet; dissipative."""
    return [-(x[i] ** 3) - 2 * x[i] + 0.9 * x[i - 3] - 0.7 * x[i - 1] + 0.3 * x[i - 2] * t for i in range(4)]


def sigma(x, t):
    return [0.3 + 0.1 * np.sin(x[i - 1]) * (1 + t) for i in range(4)]


FOUR = Process(drift=lambda x, t: drift(x, t), sigma=lambda x, t: sigma(x, t), dim=4)


@pytest.fixture
def moved(seed):
    def run(scheme):
        rng = np.random.default_rng(seed)
        x, z = rng.normal(size=(4, LANES)), rng.normal(size=(4, LANES))
        step = traced_step(scheme, FOUR)
        found = run_text(step, constant_rows(FOUR, TIMES)[0], np.array([*x, np.zeros(LANES)]), z)
        assert not found[-1].any()
        return x, np.sqrt(DT) * z, found[:4]

    return run


@pytest.mark.parametrize("theta", [1.0, 0.7, 0.5, 0.2])
def test_the_step_solves_its_equation(theta, moved):
    x, dw, y = moved(drift_implicit(theta))
    kick = np.array(sigma(x, T + DT / 2 if theta == 0.5 else T)) * dw
    explicit, implicit = np.array(drift(x, T)), np.array(drift(y, T + DT))
    np.testing.assert_allclose(y, x + ((1 - theta) * explicit + theta * implicit) * DT + kick, rtol=1e-13, atol=1e-13)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(y, x + explicit * DT + kick, atol=0.01)


def test_the_split_step_solves_its_equation_and_then_takes_the_noise(moved):
    x, dw, y = moved(split_step_backward_euler)
    inner = x.copy()  # by a contraction, in place of Newton's method
    for _ in range(200):
        inner = 0.5 * inner + 0.5 * (x + DT * np.array(drift(inner, T + DT)))
    np.testing.assert_allclose(inner, x + DT * np.array(drift(inner, T + DT)), rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(y, inner + np.array(sigma(inner, T)) * dw, rtol=1e-12, atol=1e-13)


def harmonic():
    return Process(drift=lambda x, p: -p.k * x, sigma=lambda x, p: np.sqrt(2 * p.kT), params={"k": 1.7, "kT": 0.6})


@pytest.mark.parametrize("dt", [0.05, 0.9, 30.0])
def test_the_variance_on_a_harmonic_well_is_exact(dt):
    a = 1.7 * dt
    table = {
        implicit_euler: 1 / (1 + a / 2),
        trapezoidal: 1.0,
        split_step_backward_euler: (1 + a) ** 2 / (1 + a / 2),
    }
    for scheme, exact in table.items():
        assert stationary_covariance(scheme, harmonic(), dt)[0, 0] * 1.7 / 0.6 == pytest.approx(exact, rel=1e-11)


def test_a_linear_drift_is_stable_at_any_step_for_theta_from_one_half():
    assert np.abs(affine_form(trapezoidal, harmonic(), 1e3).M).max() < 1
    assert np.abs(affine_form(implicit_euler, harmonic(), 1e3).M).max() < 0.01
    assert np.abs(affine_form(drift_implicit(0.4), harmonic(), 1e3).M).max() > 1
    assert np.abs(affine_form(euler_maruyama, harmonic(), 1e3).M).max() > 1


def moving():
    """A linear drift and additive noise that both depend on t."""
    return Process(drift=lambda x, t: -(1 + t) * x + np.cos(3 * t), sigma=lambda x, t: 0.5 + t)


def exact_moments(x0, t_end):
    """Return mean and variance of ``moving`` by their two ordinary equations."""
    right = lambda t, y: [-(1 + t) * y[0] + np.cos(3 * t), -2 * (1 + t) * y[1] + (0.5 + t) ** 2]  # noqa: E731
    return integrate.solve_ivp(right, (0, t_end), [x0, 0.0], rtol=1e-12, atol=1e-13).y[:, -1]


@pytest.mark.parametrize(
    "scheme",
    [
        trapezoidal,
        *(
            pytest.param(scheme, marks=pytest.mark.slow)
            for scheme in (implicit_euler, split_step_backward_euler, drift_implicit(0.7))
        ),
    ],
)
def test_mean_and_variance_have_the_weak_order_that_is_claimed(scheme):
    errors = []
    for n in (16, 32):
        x, v = 0.7, 0.0
        for s in range(n):
            form = affine_form(scheme, moving(), 1 / n, t=s / n)
            x, v = form.M[0, 0] * x + form.c[0], form.M[0, 0] ** 2 * v + form.N[0, 0] ** 2
        errors.append(np.abs([x, v] - exact_moments(0.7, 1.0)))
    orders = np.log2(np.divide(*errors))
    assert min(orders) == pytest.approx(scheme.weak.additive, abs=0.15)


@pytest.mark.parametrize("scheme", [implicit_euler, trapezoidal, split_step_backward_euler, drift_implicit(0.7)])
def test_paths_have_the_strong_order_that_is_claimed(scheme):
    coarse, fine = (distance_to_half_steps(scheme, harmonic(), n) for n in (32, 64))
    assert np.log2(coarse / fine) == pytest.approx(scheme.strong.additive, abs=0.1)


# --- where Newton's method does not arrive


def test_particles_without_a_solution_are_counted(seed):
    """y = x + dt y^2 has a solution where 4 dt x <= 1: here in one half of the particles."""
    process = Process(drift=lambda x: x**2, sigma=lambda x: 0.0)
    x0 = np.linspace(0.0, 2.0, 1000)
    run = simulate(process, implicit_euler, x0=x0, t_end=0.25, dt=0.25, n_particles=1000, seed=seed)
    near = x0 < 0.9  # Newton's method slows down beside the double root
    assert np.count_nonzero(x0 > 1) <= run.failed <= np.count_nonzero(~near)
    np.testing.assert_allclose(run.positions[0, near], (1 - np.sqrt(1 - x0[near])) / 0.5, rtol=1e-9)


@pytest.mark.parametrize("dtype", ["float64", pytest.param("float32", marks=pytest.mark.slow)])
def test_a_residual_that_is_not_small_fails_and_a_small_one_does_not(dtype, seed):
    steep = Process(drift=lambda x: -1000 * x**3, sigma=lambda x: 1.0)
    z = np.random.default_rng(seed).normal(size=(1, LANES))
    for scheme in (implicit_euler, split_step_backward_euler, trapezoidal):
        for x, failed in ((300.0, 1.0), (0.1, 0.0)):
            state = np.array([[x], [0.0]])
            found = one_step(scheme, steep, state, z, times=[0.0, 0.01], dtype=dtype)
            assert np.all(found[1] == failed)


def test_a_solution_beside_zero_is_found():
    """The residual is small beside its terms: beside a solution that is itself rounding it never would be."""
    process = Process(drift=lambda x: 0.7 - x, sigma=lambda x: 1.0)
    x = -0.07 + np.spacing(0.07) * np.arange(-LANES // 2, LANES // 2)
    found = one_step(implicit_euler, process, np.array([x, np.zeros(LANES)]), np.zeros((1, LANES)), times=[0.0, 0.1])
    assert np.max(np.abs(found[0])) < 1e-14 and not found[1].any()


def test_a_step_that_is_not_a_number_fails(seed):
    singular = Process(drift=lambda x, p: p.k * x, sigma=lambda x: 1.0, params={"k": 4.0})
    found = one_step(implicit_euler, singular, [[1.0], [0.0]], np.zeros((1, LANES)), times=[0.0, 0.25])
    assert np.all(found[1] == 1.0)


# --- what is refused


@pytest.mark.parametrize("theta", [0.0, -0.5, 1.1, np.nan, np.inf, "half"])
def test_theta_is_between_0_and_1(theta):
    with pytest.raises(InvalidInput, match="theta"):
        drift_implicit(theta)


def test_a_value_of_theta_is_one_scheme():
    assert drift_implicit() is drift_implicit(1) is implicit_euler and drift_implicit(0.5) is trapezoidal
    assert drift_implicit(0.7).name == "drift_implicit_0.7"


@pytest.mark.parametrize("scheme", [implicit_euler, split_step_backward_euler])
def test_too_many_components_are_refused(scheme):
    seven = Process(drift=lambda x: tuple(-v for v in x), sigma=lambda x: (1.0,) * 7, dim=7)
    with pytest.raises(Unsuited, match="has 7 components; an implicit step is unrolled for at most 6"):
        traced_step(scheme, seven)
