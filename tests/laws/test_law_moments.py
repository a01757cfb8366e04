"""Multiplicative noise: the moments of the chains are known exactly, since their steps are polynomials in the noise."""

from __future__ import annotations

import numpy as np
import pytest

from fpsde.density import Uniform
from fpsde.domain import Interval
from fpsde.laws import scheme_law
from fpsde.processes import cox_ingersoll_ross, geometric_brownian, jacobi, pearson
from fpsde.processes.process import Process
from fpsde.schemes import euler_maruyama, milstein

POSITIVE = Interval(0.0, np.inf)


def gbm(mu: float, sigma: float) -> Process:
    return Process(
        drift=lambda x, t, p: p.mu * x,
        sigma=lambda x, t, p: p.sigma * x,
        params={"mu": mu, "sigma": sigma},
        domain=POSITIVE,
    )


@pytest.mark.parametrize(("mu", "sigma", "dt"), [(0.3, 0.5, 0.05), (-0.7, 0.4, 0.02), (1.0, 0.2, 0.1)])
def test_geometric_brownian_motion_has_the_moments_of_its_factors(mu, sigma, dt):
    n = round(1 / dt)
    second = {euler_maruyama: (1 + mu * dt) ** 2 + sigma**2 * dt}
    second[milstein] = second[euler_maruyama] + sigma**4 * dt**2 / 2
    for scheme, factor in second.items():
        found = scheme_law(gbm(mu, sigma), scheme, x0=1.3, t_end=1.0, dt=dt)
        assert found.accuracy < 1e-12
        assert found.law.mean == pytest.approx(1.3 * (1 + mu * dt) ** n, rel=1e-12)
        assert found.law.moment(2) == pytest.approx(1.3**2 * factor**n, rel=1e-11)
    assert second[milstein] ** n != pytest.approx(second[euler_maruyama] ** n, rel=1e-5)


def quadratic_moments(a: float, c: float, noise: tuple[float, float, float], mean: float, second: float, n: int):
    """E X and E X^2 after n steps x' = a x + c + sqrt(q0 + q1 x + q2 x^2) z."""
    q0, q1, q2 = noise
    for _ in range(n):
        second = a * a * second + 2 * a * c * mean + c * c + q0 + q1 * mean + q2 * second
        mean = a * mean + c
    return mean, second


@pytest.mark.parametrize("x0", [0.8, Uniform(0.7, 1.1)], ids=["point", "uniform"])
def test_cox_ingersoll_ross_has_the_moments_of_its_recursion(x0):
    kappa, theta, sigma, dt, n = 2.0, 1.0, 0.4, 0.02, 50
    process = Process(
        drift=lambda x, t, p: kappa * (theta - x), sigma=lambda x, t, p: sigma * np.sqrt(x), domain=POSITIVE
    )
    start = (0.8, 0.64) if x0 == 0.8 else (x0.mean, x0.moment(2))
    a, c, noise = 1 - kappa * dt, kappa * theta * dt, (0.0, sigma**2 * dt, 0.0)
    mean, second = quadratic_moments(a, c, noise, *start, n)
    found = scheme_law(process, euler_maruyama, x0=x0, t_end=1.0, dt=dt)
    assert found.leak.largest < 1e-15
    assert (found.law.mean, found.law.moment(2)) == pytest.approx((mean, second), rel=1e-12)
    # Milstein adds (sigma sigma_x)^2 dt^2 / 2 = sigma^4 dt^2 / 8 a step
    noise = (sigma**4 * dt**2 / 8, sigma**2 * dt, 0.0)
    mean, second = quadratic_moments(a, c, noise, *start, n)
    law = scheme_law(process, milstein, x0=x0, t_end=1.0, dt=dt).law
    assert (law.mean, law.moment(2)) == pytest.approx((mean, second), rel=1e-12)


def test_jacobi_and_pearson_have_the_moments_of_their_recursions():
    theta, m, s, dt, n = 1.0, 0.4, 0.3, 0.02, 50
    inside = Process(
        drift=lambda x, t, p: -theta * (x - m),
        sigma=lambda x, t, p: s * np.sqrt(x * (1 - x)),
        domain=Interval(0.0, 1.0),
    )
    line = Process(drift=lambda x, t, p: -theta * x, sigma=lambda x, t, p: s * np.sqrt(1 + x**2))
    for process, c, noise in (
        (inside, theta * m * dt, (0.0, s**2 * dt, -(s**2) * dt)),
        (line, 0.0, (s**2 * dt, 0.0, s**2 * dt)),
    ):
        law = scheme_law(process, euler_maruyama, x0=0.3, t_end=1.0, dt=dt).law
        expected = quadratic_moments(1 - theta * dt, c, noise, 0.3, 0.09, n)
        assert (law.mean, law.moment(2)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("factory", [geometric_brownian, cox_ingersoll_ross, jacobi, pearson])
@pytest.mark.parametrize("scheme", [euler_maruyama, milstein], ids=lambda s: s.name)
def test_the_catalogue_settles_at_its_own_settings_and_stays_in_its_domain(factory, scheme):
    process = factory()
    setting = process.setting
    found = scheme_law(process, scheme, x0=setting.x0, t_end=setting.t_end, dt=setting.dt)
    assert found.accuracy < 1e-12
    assert found.leak.total < 1e-12
    assert process.intervals[0].low < found.box[0] < found.box[1] < process.intervals[0].high


def test_eulers_weak_order_on_multiplicative_noise_is_one():
    process = gbm(0.3, 0.4)
    dt = [0.02, 0.01, 0.005]
    exact = geometric_brownian(mu=0.3, sigma=0.4).exact.transition(1.0, 1.0).expectation(np.tanh)
    laws = [scheme_law(process, euler_maruyama, x0=1.0, t_end=1.0, dt=h).law for h in dt]
    errors = np.array([law.expectation(np.tanh) - exact for law in laws])
    orders = np.log2(errors[:-1] / errors[1:])
    assert np.all((orders > 0.95) & (orders < 1.05))
