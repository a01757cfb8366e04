"""Laws of steps that are no polynomials of one normal, against sums over the noise of two whole steps."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fpsde.density import Normal
from fpsde.domain import Interval, Wall
from fpsde.errors import NotConverged
from fpsde.integrators import simulate
from fpsde.laws import Method, scheme_law
from fpsde.processes import double_well, ornstein_uhlenbeck
from fpsde.processes.process import Process
from fpsde.schemes import (
    heun,
    implicit_euler,
    leimkuhler_matthews,
    sgld,
    split_step_backward_euler,
    sra1,
    sra3,
    sriw1,
    trapezoidal,
)
from fpsde.schemes.array_step import array_step

DT, X0 = 0.1, 0.4


def process(louder: float = 1.0, *, varies: bool = False, forced: bool = True) -> Process:
    return Process(
        drift=(lambda x, t, p: -np.sin(2 * x) - 0.3 * x + 0.2 * np.cos(3 * t))
        if forced
        else (lambda x, t, p: -np.sin(2 * x) - 0.3 * x),
        sigma=(lambda x, t, p: p.loud * (0.7 + 0.2 * np.sin(x))) if varies else (lambda x, t, p: p.loud * 0.7),
        params={"loud": louder},
        name="waves",
    )


ADDITIVE, MULTIPLICATIVE = process(), process(varies=True)
CASES = {
    "heun": (heun, ADDITIVE),
    "heun, multiplicative": (heun, MULTIPLICATIVE),
    "sra1": (sra1, ADDITIVE),
    "sra3": (sra3, ADDITIVE),
    "sriw1": (sriw1, MULTIPLICATIVE),
    "implicit_euler": (implicit_euler, MULTIPLICATIVE),
    "trapezoidal": (trapezoidal, ADDITIVE),
    "split_step_backward_euler": (split_step_backward_euler, MULTIPLICATIVE),
    "leimkuhler_matthews": (leimkuhler_matthews, ADDITIVE),
    "sgld": (sgld(lambda x: 0.5 + 0.1 * np.cos(x)), MULTIPLICATIVE),
}
OBSERVABLES = {
    "x": lambda x: x,
    "x^2": lambda x: x**2,
    "cos 3x": lambda x: np.cos(3 * x),
    "bump": lambda x: np.exp(-x * x),
}


def averages_after_two_steps(scheme, on, dt=DT):
    """E u(X_2) by the tensor product of Gauss-Hermite rules over all normals of two steps run as array code."""
    step = array_step(scheme, on)
    z, w = np.polynomial.hermite_e.hermegauss({1: 40, 2: 16}[step.normals])
    grids = np.meshgrid(*[z] * (2 * step.normals), indexing="ij")
    weights = np.prod(np.meshgrid(*[w / w.sum()] * (2 * step.normals), indexing="ij"), axis=0).ravel()
    normals = np.stack([g.ravel() for g in grids])
    state = np.zeros((step.state_rows, normals.shape[1]))
    state[0] = X0
    state = step.advance(state, normals[: step.normals], 0.0, dt)
    state = step.advance(state, normals[step.normals :], dt, dt)
    return {name: float(weights @ u(state[step.observed])) for name, u in OBSERVABLES.items()}


def differences(scheme, on, law):
    exact = averages_after_two_steps(scheme, on)
    return [abs(law.expectation(u) - exact[name]) for name, u in OBSERVABLES.items()]


#: Long steps whose terms those of the others hold as well.
LONG = {"sriw1", "sra3", "implicit_euler", "trapezoidal", "split_step_backward_euler"}


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in LONG else n for n in CASES])
def test_two_steps_agree_with_the_sum_over_their_noise(name):
    scheme, on = CASES[name]
    found = scheme_law(on, scheme, x0=X0, t_end=2 * DT, dt=DT)
    assert found.method is Method.OPERATOR
    assert found.accuracy < 1e-12
    assert max(differences(scheme, on, found.law)) < 1e-11
    louder = process(1.001, varies=on is MULTIPLICATIVE)  # noise that is 0.1 % too loud
    assert max(differences(scheme, louder, found.law)) > 1e-5


QUICK = {"heun, multiplicative", "leimkuhler_matthews"}  # the others take seconds to compile


@pytest.mark.parametrize("name", [pytest.param(k, marks=() if k in QUICK else pytest.mark.slow) for k in CASES])
def test_particles_follow_the_law(name, seed):
    scheme, varies = CASES[name][0], CASES[name][1] is MULTIPLICATIVE
    on, off = (process(louder, varies=varies, forced=False) for louder in (1.0, 1.02))
    run = {"x0": X0, "t_end": 10 * DT, "dt": DT}
    n = 1_000_000
    radius = math.sqrt(math.log(2 / 1e-8) / (2 * n))  # Dvoretzky, Kiefer, Wolfowitz, Massart
    x = np.sort(simulate(on, scheme, n_particles=n, seed=seed, **run).x.ravel())
    points = np.linspace(-3, 3, 601)
    empirical = np.searchsorted(x, points, side="right") / n
    assert np.abs(empirical - scheme_law(on, scheme, **run).law.cdf(points)).max() < radius
    assert np.abs(empirical - scheme_law(off, scheme, tolerance=1e-8, **run).law.cdf(points)).max() > radius


def test_leimkuhler_and_matthews_see_the_exact_gaussian_of_a_harmonic_well():
    on = ornstein_uhlenbeck(theta=2.0, mean=0.0, sigma=0.8)
    found = scheme_law(on, leimkuhler_matthews, x0=0.0, t_end=20.0, dt=0.2)
    exact = Normal(0.0, 0.8 / 2.0)
    x = np.linspace(-1.5, 1.5, 61)
    np.testing.assert_allclose(found.law.cdf(x), exact.cdf(x), atol=1e-12)
    assert np.abs(found.law.cdf(x) - Normal(0.0, 0.4 * 1.001).cdf(x)).max() > 1e-4


def test_the_trapezoidal_rule_keeps_the_variance_of_a_harmonic_well_and_backward_euler_does_not():
    on, dt = ornstein_uhlenbeck(theta=2.0, mean=0.0, sigma=0.8), 0.2
    kept, lost = (scheme_law(on, s, x0=0.0, t_end=20.0, dt=dt).law for s in (trapezoidal, implicit_euler))
    assert kept.variance == pytest.approx(0.16, rel=1e-11)
    assert lost.variance == pytest.approx(0.16 / (1 + 0.5 * 2.0 * dt), rel=1e-11)


def test_a_fold_within_reach_is_refused_with_a_step_that_works():
    with pytest.raises(NotConverged, match=r"of a step of heun lies beyond the fold .* it works with dt=") as error:
        scheme_law(double_well(), heun, x0=-1.0, t_end=0.5, dt=0.05)
    dt = float(str(error.value).rsplit("=", 1)[1])
    assert scheme_law(double_well(), heun, x0=-1.0, t_end=0.5, dt=dt).accuracy < 1e-12


def test_noise_that_meets_a_kink_is_refused():
    kinked = Process(drift=lambda x, t, p: -abs(x), sigma=lambda x, t, p: 1.0, name="kinked")
    with pytest.raises(NotConverged, match="the step of heun on kinked is not smooth in its noise"):
        scheme_law(kinked, heun, x0=0.1, t_end=0.2, dt=0.1)


@pytest.mark.parametrize("scheme", [heun, leimkuhler_matthews], ids=lambda s: s.name)
def test_on_a_ring_the_law_is_that_on_the_line_wound_up(scheme):
    def on(domain):
        return Process(drift=lambda x, t, p: 0.4 - np.sin(x), sigma=lambda x, t, p: 0.9, domain=domain, name="ring")

    run = {"x0": 1.0, "t_end": 1.0, "dt": 0.2}
    ring = Interval.between(0.0, 2 * math.pi, Wall.PERIODIC)
    wound, line = (scheme_law(on(domain), scheme, **run).law for domain in (ring, Interval()))
    x = np.linspace(0.1, 6.2, 40)
    turns = 2 * math.pi * np.arange(-3, 4)
    np.testing.assert_allclose(wound.pdf(x), line.pdf(x[:, None] + turns).sum(axis=1), atol=1e-11)
    assert np.abs(wound.pdf(x) - line.pdf(x)).max() > 1e-3
