"""Walls: closed forms where the scheme is exact at them, and particles stepped here, by NumPy, where it is not."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.special import ndtr

from fpsde.density import Normal
from fpsde.domain import Interval, Wall
from fpsde.laws import scheme_law
from fpsde.processes.process import Process
from fpsde.schemes import euler_maruyama, milstein

NONE, REFLECTING, ABSORBING, PERIODIC = Wall.NONE, Wall.REFLECTING, Wall.ABSORBING, Wall.PERIODIC
SIGMA, X0, T_END, DT = 0.8, 0.3, 0.5, 0.05
STD = SIGMA * math.sqrt(T_END)
POINTS = np.linspace(0.0, 1.0, 41)


def brownian(domain: Interval, drift: float = 0.0, sigma: float = SIGMA) -> Process:
    return Process(
        drift=lambda x, t, p: p.drift,
        sigma=lambda x, t, p: p.sigma,
        params={"drift": drift, "sigma": sigma},
        domain=domain,
    )


def law_of(process: Process, scheme=euler_maruyama, **options):
    return scheme_law(process, scheme, x0=X0, t_end=T_END, dt=DT, **options)


def images(first: float, second: float, period: float):
    """Sum of P(X in (0, y]) over Gaussians centred at first + k period and at second + k period."""

    def cdf(y):
        centres = [c + k * period for c in (first, second) for k in range(-8, 9)]
        return sum(ndtr((y - c) / STD) - ndtr(-c / STD) for c in centres)

    return cdf


def test_a_reflecting_interval_is_exact_on_driftless_motion():
    found = law_of(brownian(Interval.between(0.0, 1.0, REFLECTING)))
    exact = images(X0, -X0, 2.0)(POINTS)
    assert np.abs(found.law.cdf(POINTS) - exact).max() < 1e-12
    assert found.leak.total == 0.0
    assert found.law.mass == pytest.approx(1, abs=1e-13)
    wrong = law_of(brownian(Interval.between(0.0, 1.0, REFLECTING), sigma=1.01 * SIGMA)).law
    assert np.abs(wrong.cdf(POINTS) - exact).max() > 1e-4


def test_one_reflecting_wall_is_exact_on_driftless_motion():
    above = law_of(brownian(Interval(low=0.0, low_wall=REFLECTING))).law
    np.testing.assert_allclose(above.cdf(POINTS), ndtr((POINTS - X0) / STD) - ndtr((-POINTS - X0) / STD), atol=1e-12)
    below = law_of(brownian(Interval(high=1.0, high_wall=REFLECTING))).law
    np.testing.assert_allclose(
        below.cdf(POINTS), ndtr((POINTS - X0) / STD) + 1 - ndtr((2 - POINTS - X0) / STD), atol=1e-12
    )


@pytest.mark.parametrize("drift", [0.0, 0.7])
def test_a_circle_is_exact_on_motion_with_drift(drift):
    found = law_of(brownian(Interval.between(0.0, 1.0, PERIODIC), drift))
    centres = X0 + drift * T_END + np.arange(-8, 9)
    exact = (ndtr((POINTS[:, None] - centres) / STD) - ndtr(-centres / STD)).sum(axis=1)
    assert np.abs(found.law.cdf(POINTS) - exact).max() < 1e-12
    wrong = law_of(brownian(Interval.between(0.0, 1.0, PERIODIC), drift, sigma=1.01 * SIGMA)).law
    assert np.abs(wrong.cdf(POINTS) - exact).max() > 1e-4


@pytest.mark.parametrize("drift", [0.0, -0.6, 0.7])
@pytest.mark.parametrize("side", [-1, 1])
def test_one_absorbing_wall_is_exact_on_motion_with_drift(drift, side):
    # the wall at 0 absorbs what starts at X0 above it; with side = -1 the picture is mirrored
    domain = Interval(low=0.0, low_wall=ABSORBING) if side > 0 else Interval(high=0.0, high_wall=ABSORBING)
    found = scheme_law(brownian(domain, side * drift), euler_maruyama, x0=side * X0, t_end=T_END, dt=DT)
    middle, weight = drift * T_END, math.exp(-2 * drift * X0 / SIGMA**2)
    survived = ndtr((X0 + middle) / STD) - weight * ndtr((middle - X0) / STD)
    ((at, mass),) = found.law.atoms
    assert at == 0.0
    assert mass == pytest.approx(1 - survived, abs=1e-12)
    y = np.linspace(0.01, 1.5, 30)
    density = Normal(X0 + middle, STD).pdf(y) - weight * Normal(middle - X0, STD).pdf(y)
    np.testing.assert_allclose(found.law.pdf(side * y), density, atol=1e-11)
    assert found.law.mass == pytest.approx(1, abs=1e-12)


def test_between_two_absorbing_walls_the_mean_stays_but_for_bridges_that_touch_both():
    found = law_of(brownian(Interval.between(0.0, 1.0, ABSORBING)))
    assert found.law.mass == pytest.approx(1, abs=1e-12)
    assert [at for at, _ in found.law.atoms] == [0.0, 1.0]
    assert found.law.mean == pytest.approx(X0, abs=1e-9)


WALLED = [pair for pair in itertools.product([NONE, REFLECTING, ABSORBING], repeat=2) if pair != (NONE, NONE)] + [
    (PERIODIC, PERIODIC)
]


@pytest.mark.parametrize("walls", WALLED, ids=lambda pair: "-".join(w.value for w in pair))
@pytest.mark.parametrize("scheme", [euler_maruyama, milstein], ids=lambda s: s.name)
def test_particles_stepped_by_numpy_follow_the_law(walls, scheme, seed):
    low, high = (0.0 if walls[0] is not NONE else -np.inf), (1.0 if walls[1] is not NONE else np.inf)
    process = Process(
        drift=lambda x, t, p: -2 * np.sin(3 * x) - 0.5,
        sigma=lambda x, t, p: 0.6 + 0.1 * np.cos(2 * np.pi * x),
        domain=Interval(low, high, *walls),
    )
    found = scheme_law(process, scheme, x0=X0, t_end=0.2, dt=0.02)
    assert found.accuracy < 1e-12
    assert found.law.mass == pytest.approx(1, abs=1e-12)
    rng = np.random.default_rng(seed)
    n = 200_000
    radius = math.sqrt(math.log(2 / 1e-7) / (2 * n))  # Dvoretzky, Kiefer, Wolfowitz, Massart
    x = np.sort(particles(walls, scheme is milstein, 0.02, 10, n, rng))
    points = np.linspace(-1, 2, 601)
    empirical = np.searchsorted(x, points, side="right") / n
    assert np.abs(empirical - found.law.cdf(points)).max() < radius
    louder = np.sort(particles(walls, scheme is milstein, 0.02, 10, n, rng, noise=1.1))
    empirical = np.searchsorted(louder, points, side="right") / n
    assert np.abs(empirical - found.law.cdf(points)).max() > radius


def particles(walls, is_milstein, dt, n_steps, n, rng, noise=1.0):
    """Independent code: walls at 0 and 1, an absorbed particle stays on the wall."""
    x, free = np.full(n, X0), np.ones(n, dtype=bool)
    for _ in range(n_steps):
        sigma, slope = noise * (0.6 + 0.1 * np.cos(2 * np.pi * x)), -noise * 0.2 * np.pi * np.sin(2 * np.pi * x)
        dw = rng.normal(0.0, math.sqrt(dt), n)
        y = x + (-2 * np.sin(3 * x) - 0.5) * dt + sigma * dw
        if is_milstein:
            y += 0.5 * sigma * slope * (dw**2 - dt)
        if walls[0] is PERIODIC:
            y = np.mod(y, 1.0)
        if walls == (REFLECTING, REFLECTING):
            y = np.mod(y, 2.0)
            y = np.where(y > 1, 2 - y, y)
        elif walls[0] is REFLECTING:
            y = np.abs(y)
        elif walls[1] is REFLECTING:
            y = 1 - np.abs(1 - y)
        for wall, kind, outside in ((0.0, walls[0], y < 0), (1.0, walls[1], y > 1)):
            if kind is ABSORBING:
                p = np.where(outside, 1.0, np.exp(-2 * (wall - x) * (wall - y) / (sigma**2 * dt)))
                hit = free & (rng.random(n) < p)
                x, free = np.where(hit, wall, x), free & ~hit
        x = np.where(free, y, x)
    return x


def test_a_law_that_starts_on_an_absorbing_wall_stays_there():
    found = scheme_law(brownian(Interval.between(0.0, 1.0, ABSORBING)), euler_maruyama, x0=0.0, t_end=T_END, dt=DT)
    assert dict(found.law.atoms)[0.0] == pytest.approx(1, abs=1e-12)


def test_the_law_of_absorbed_particles_continues():
    process = brownian(Interval.between(0.0, 1.0, ABSORBING))
    whole = scheme_law(process, euler_maruyama, x0=X0, t_end=T_END, dt=DT, at=[0.2])
    rest = scheme_law(process, euler_maruyama, x0=whole.laws[0], t_end=T_END - 0.2, dt=DT)
    np.testing.assert_allclose(rest.law.cdf(POINTS), whole.law.cdf(POINTS), atol=1e-12)


def test_noise_wider_than_the_domain_is_summed_over_many_images():
    found = scheme_law(
        brownian(Interval.between(0.0, 1.0, REFLECTING), sigma=30.0), euler_maruyama, x0=0.3, t_end=0.1, dt=0.05
    )
    np.testing.assert_allclose(found.law.cdf(POINTS), POINTS, atol=1e-12)
