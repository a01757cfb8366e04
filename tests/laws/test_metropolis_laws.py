"""Laws of Metropolised chains: what they keep, and what they do on the way, against quadrature and particles."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import integrate

from fpsde.density import Normal
from fpsde.domain import Interval, Wall
from fpsde.errors import InvalidInput, NotConverged
from fpsde.integrators import simulate
from fpsde.laws import metropolis_run, scheme_law, stationary_scheme_law
from fpsde.processes import double_well, overdamped
from fpsde.schemes import mala
from fpsde.schemes.advance import Advance
from fpsde.symbolic import components

POINTS, T, DT, X0 = np.linspace(-2, 2, 81), 0.25, 0.05, -1.3


def flow(x, y, dt=DT):
    """q(y|x) min(1, pi(y) q(x|y)/(pi(x) q(y|x))) on the double well U = (x^2 - 1)^2, written here."""

    def log_q(x, y):
        return -((y - x + 4 * x * (x**2 - 1) * dt) ** 2) / (4 * T * dt) - 0.5 * math.log(4 * math.pi * T * dt)

    def log_pi(x):
        return -((x**2 - 1) ** 2) / T

    return np.exp(np.minimum(log_q(x, y), log_pi(y) - log_pi(x) + log_q(y, x)))


@pytest.mark.parametrize(
    "dt", [pytest.param(0.02, marks=pytest.mark.slow), 0.05, pytest.param(0.1, marks=pytest.mark.slow)]
)
def test_the_stationary_law_is_that_of_the_energy(dt):
    found = stationary_scheme_law(double_well(), mala, dt=dt)
    assert found.accuracy < 1e-12
    assert found.law.atoms == ()
    weight = integrate.quad(lambda x: math.exp(-((x**2 - 1) ** 2) / T), -2.5, 2.5, epsabs=1e-14, epsrel=1e-13)[0]
    np.testing.assert_allclose(found.law.pdf(POINTS), np.exp(-((POINTS**2 - 1) ** 2) / T) / weight, atol=1e-12)
    hotter = stationary_scheme_law(double_well(temperature=1.001 * T), mala, dt=dt).law
    assert np.abs(hotter.pdf(POINTS) - found.law.pdf(POINTS)).max() > 1e-4


def test_another_energy_is_kept_too():
    on = overdamped(lambda x, p: x**2 / 2 + 0.3 * np.cos(2 * x), temperature=0.7)
    law = stationary_scheme_law(on, mala, dt=0.3).law
    x, h = np.linspace(-9, 9, 4001, retstep=True)
    weight = np.exp(-(x**2 / 2 + 0.3 * np.cos(2 * x)) / 0.7)
    assert law.variance == pytest.approx(float(x**2 @ weight / weight.sum()), rel=1e-11)
    assert h * weight.sum() > 0


def test_one_step_leaves_an_atom_and_the_density_of_what_was_accepted():
    law = scheme_law(double_well(), mala, x0=X0, t_end=DT, dt=DT).law
    np.testing.assert_allclose(law.pdf(POINTS), flow(X0, POINTS), atol=1e-12)
    accepted = integrate.quad(lambda y: flow(X0, y), -3, 1, epsabs=1e-14, epsrel=1e-12, limit=800, points=[X0])[0]
    ((at, mass),) = law.atoms
    assert at == X0
    assert mass == pytest.approx(1 - accepted, abs=1e-11)


def test_two_steps_agree_with_adaptive_quadrature():
    law = scheme_law(double_well(), mala, x0=X0, t_end=2 * DT, dt=DT, tolerance=1e-10).law
    y = -0.9

    def quad(f, points):
        return integrate.quad(f, -2.6, 1.0, epsabs=1e-13, epsrel=1e-12, limit=800, points=points)[0]

    stays = [1 - quad(lambda s, x=x: flow(x, s), [x]) for x in (X0, y)]
    passed = quad(lambda x: flow(x, y) * flow(X0, x), [X0, y])
    exact = passed + stays[1] * flow(X0, y) + stays[0] * flow(X0, y)
    assert float(law.pdf(y)) == pytest.approx(exact, abs=1e-9)
    assert law.atoms[0][1] == pytest.approx(stays[0] ** 2, abs=1e-10)
    assert law.mass == pytest.approx(1, abs=1e-10)


def test_particles_follow_the_law_and_its_atom(seed):
    n, steps = 1_000_000, 6
    run = {"x0": X0, "t_end": steps * DT, "dt": DT}
    law = scheme_law(double_well(), mala, tolerance=1e-5, **run).law
    x = simulate(double_well(), mala, n_particles=n, seed=seed, **run).x.ravel()
    radius = math.sqrt(math.log(4 / 1e-8) / (2 * n))  # Dvoretzky, Kiefer, Wolfowitz, Massart; Hoeffding for the atom
    ((at, mass),) = law.atoms
    assert abs(np.mean(np.abs(x - at) < 1e-12) - mass) < radius
    off_grid = POINTS + 0.0123
    empirical = np.searchsorted(np.sort(x), off_grid, side="right") / n
    assert np.abs(empirical - law.cdf(off_grid)).max() < radius + 1e-5
    other = scheme_law(double_well(temperature=0.26), mala, tolerance=1e-5, **run).law
    assert np.abs(empirical - other.cdf(off_grid)).max() > radius + 1e-5


@pytest.mark.slow
def test_a_law_that_has_a_density_keeps_it_and_a_long_run_ends_in_the_stationary_law():
    on = double_well()
    law = scheme_law(on, mala, x0=Normal(-0.9, 0.2), t_end=1.0, dt=DT, tolerance=1e-5).law
    assert law.atoms == ()
    assert law.mass == pytest.approx(1, abs=1e-5)
    late = scheme_law(on, mala, x0=-1.0, t_end=5000.0, dt=DT, tolerance=1e-5).law
    kept = stationary_scheme_law(on, mala, dt=DT).law
    np.testing.assert_allclose(late.cdf(POINTS), kept.cdf(POINTS), atol=1e-5)
    assert np.abs(law.cdf(POINTS) - kept.cdf(POINTS)).max() > 0.1


def test_panels_end_where_zeros_of_the_gain_meet(monkeypatch):
    """There the probability to stay has a power 3/2, and panels across it settle to 1e-8 at best."""
    run = {"x0": -1.0, "t_end": 0.2, "dt": 0.1, "tolerance": 1e-9}
    law = scheme_law(double_well(), mala, **run)
    assert law.accuracy < 1e-9
    monkeypatch.setattr(metropolis_run, "_meetings", lambda *arguments: np.empty(0))
    with pytest.raises(NotConverged, match=r"settled to \S+e-0[78]"):
        scheme_law(double_well(), mala, **run)


@pytest.mark.slow
def test_what_is_not_reached_is_said():
    with pytest.raises(NotConverged, match="allow tolerance="):
        scheme_law(double_well(), mala, x0=X0, t_end=2 * DT, dt=DT, tolerance=1e-18)
    with pytest.raises(InvalidInput, match="the law of mala takes equal steps"):
        scheme_law(double_well(), mala, x0=X0, times=[0.0, 0.1, 0.3])
    ring = Interval.between(0.0, 2 * math.pi, Wall.PERIODIC)
    on_a_ring = overdamped(lambda x, p: np.cos(x), temperature=0.5, domain=ring)
    with pytest.raises(InvalidInput, match="on the whole line only"):
        scheme_law(on_a_ring, mala, x0=0.5, t_end=DT, dt=DT)
    with pytest.raises(InvalidInput, match="rejects by another rule"):
        scheme_law(double_well(), replace(mala, step=tossed), x0=X0, t_end=DT, dt=DT)


def tossed(model, x, t, dt, noise, aux):
    moved = np.where(noise.uniform[0] < 0.5, x[0] + noise.dw[0], x[0])
    return Advance(components([moved]), aux={"accepted": aux["accepted"]})
