"""Affine chains: closed recursion against closed forms, and against the operator as a second route."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fpsde.density import Mixture, Normal, Point, Uniform
from fpsde.laws import Method, scheme_law
from fpsde.processes import brownian, ddpm_chain, linear_beta, ornstein_uhlenbeck, variance_preserving
from fpsde.processes.process import Process
from fpsde.schemes import ddpm_step, euler_maruyama

OU = {"theta": 2.0, "mean": 0.5, "sigma": 0.8}
INITIAL = {
    "point": Point(-0.7),
    "normal": Normal(0.2, 0.3),
    "uniform": Uniform(-1.0, 0.5),
    "mixture": Mixture([0.3, 0.7], [Point(1.0), Uniform(-0.5, 0.0)]),
}


def test_euler_on_ornstein_uhlenbeck_is_the_gaussian_of_its_recursion():
    n, dt = 37, 0.05
    found = scheme_law(ornstein_uhlenbeck(**OU), euler_maruyama, x0=-0.7, t_end=n * dt, dt=dt)
    a = 1 - OU["theta"] * dt
    mean = OU["mean"] + (-0.7 - OU["mean"]) * a**n
    variance = OU["sigma"] ** 2 * dt * (1 - a ** (2 * n)) / (1 - a**2)
    assert found.method is Method.RECURSION
    assert found.n_nodes == 0
    assert found.law.mean == pytest.approx(mean, abs=1e-14)
    assert found.law.variance == pytest.approx(variance, rel=1e-13)
    assert found.law.variance != pytest.approx(0.8**2 / 4, rel=1e-2)  # the process's own, which the scheme misses


def test_euler_on_brownian_motion_is_exact():
    law = scheme_law(brownian(0.5, 0.8), euler_maruyama, x0=0.3, t_end=1.0, dt=0.1).law
    assert law.mean == pytest.approx(0.8, abs=1e-14)
    assert law.variance == pytest.approx(0.64, rel=1e-14)


@pytest.mark.parametrize("start", INITIAL)
def test_recursion_and_operator_agree(start):
    process = ornstein_uhlenbeck(**OU)
    closed = scheme_law(process, euler_maruyama, x0=INITIAL[start], t_end=1.0, dt=0.1, at=[0.1, 0.5])
    summed = scheme_law(process, euler_maruyama, x0=INITIAL[start], t_end=1.0, dt=0.1, at=[0.1, 0.5], box=(-4, 5))
    assert (closed.method, summed.method) == (Method.RECURSION, Method.OPERATOR)
    x = np.linspace(-2, 2, 81)
    for one, other in zip((*closed.laws, closed.law), (*summed.laws, summed.law), strict=True):
        np.testing.assert_allclose(one.cdf(x), other.cdf(x), atol=1e-12)
        np.testing.assert_allclose(one.pdf(x), other.pdf(x), atol=1e-11)


def test_a_law_without_a_closed_image_goes_by_the_operator():
    process = ornstein_uhlenbeck(**OU)
    middle = scheme_law(process, euler_maruyama, x0=0.0, t_end=0.5, dt=0.1, box=(-4, 5)).law
    found = scheme_law(process, euler_maruyama, x0=middle, t_end=0.5, dt=0.1)
    straight = scheme_law(process, euler_maruyama, x0=0.0, t_end=1.0, dt=0.1).law
    assert found.method is Method.OPERATOR
    x = np.linspace(-2, 2, 41)
    np.testing.assert_allclose(found.law.cdf(x), straight.cdf(x), atol=1e-12)


def test_coefficients_that_depend_on_time_are_read_at_the_start_of_each_step():
    beta, dt, n = linear_beta(), 0.01, 100
    process = variance_preserving(beta, Uniform(0.0, 1.0))
    law = scheme_law(process, euler_maruyama, x0=Uniform(0.0, 1.0), t_end=1.0, dt=dt).law
    scale, variance = 1.0, 0.0
    for k in range(n):
        b = float(beta.rate(k * dt, process_parameters(process)))
        scale, variance = scale * (1 - b * dt / 2), variance * (1 - b * dt / 2) ** 2 + b * dt
    assert law.mean == pytest.approx(scale / 2, rel=1e-12)
    assert law.variance == pytest.approx(scale**2 / 12 + variance, rel=1e-12)


def process_parameters(process):
    return type("P", (), dict(process.params))


def test_the_seeds_own_case_ends_where_its_two_forms_do():
    betas = np.linspace(1e-4, 0.02, 1000)
    run = {"x0": Uniform(0.0, 1.0), "t_end": 1000.0, "dt": 1.0, "at": np.arange(100.0, 1001.0, 100.0)}
    ddpm = scheme_law(ddpm_chain(betas), ddpm_step, **run)
    euler = scheme_law(ddpm_chain(betas), euler_maruyama, **run)
    assert len(ddpm.laws) == 10
    abar = np.prod(1 - betas)
    assert ddpm.law.mean == pytest.approx(math.sqrt(abar) / 2, rel=1e-12)
    assert ddpm.law.variance == pytest.approx(abar / 12 + 1 - abar, rel=1e-12)
    assert (ddpm.law.mean, ddpm.law.variance) == pytest.approx((0.003176, 0.999963), abs=5e-7)
    assert (euler.law.mean, euler.law.variance) == pytest.approx((0.003231, 1.004724), abs=5e-7)


def test_the_seeds_own_case_by_the_operator():
    betas = np.linspace(1e-4, 0.02, 1000)[:150]
    run = {"x0": Uniform(0.0, 1.0), "t_end": 150.0, "dt": 1.0}
    closed = scheme_law(ddpm_chain(betas), ddpm_step, **run).law
    summed = scheme_law(ddpm_chain(betas), ddpm_step, **run, box=(-4.5, 5.5))
    x = np.linspace(-2, 2, 41)
    np.testing.assert_allclose(summed.law.cdf(x), closed.cdf(x), atol=1e-12)


def test_a_step_function_is_not_taken_for_affine():
    process = Process(drift=lambda x, t, p: np.rint(x), sigma=lambda x, t, p: 0.5)
    assert scheme_law(process, euler_maruyama, x0=0.4, t_end=0.1, dt=0.05).method is Method.OPERATOR
