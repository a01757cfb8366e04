"""Equations carried by spectral derivatives, particles by array code, and divergences of normal vectors."""

import math

import numpy as np
import pytest

from fpsde import checks
from fpsde.claims.equations import Line, particles
from fpsde.claims.normal_paths import PathPair, normal_divergence
from fpsde.ddpm import round_mixture
from fpsde.density import Normal, Point
from fpsde.laws import scheme_law
from fpsde.processes import ddpm_chain, linear_schedule, ornstein_uhlenbeck
from fpsde.schemes import ddpm_step, euler_maruyama

LINE = Line((-8.0, 8.0), nodes=128)


def test_derivatives_and_masses_are_those_of_the_function() -> None:
    p = Normal(0.3, 0.8)
    assert np.abs(LINE.d(p.pdf(LINE.x)) + (LINE.x - 0.3) / 0.64 * p.pdf(LINE.x)).max() < 1e-11
    faces = LINE.grid.faces
    assert np.abs(LINE.law(p.pdf(LINE.x)).masses - p.cell_masses(faces)).max() < 1e-13
    assert np.abs(p.pdf(LINE.x) * 0.125 - p.cell_masses(faces)).max() > 1e-5  # values at the centres are not averages


def test_the_heat_equation_spreads_a_normal_law_and_a_wrong_one_does_not() -> None:
    (found,) = LINE.carried(lambda q, t: LINE.d(LINE.d(q)), Normal(0.0, 0.7), times=[0.5])
    exact = Normal(0.0, math.sqrt(0.49 + 1.0)).pdf(LINE.x)
    assert np.abs(found - exact).max() < 1e-8 and abs(LINE.mass(found) - 1) < 1e-9
    (wrong,) = LINE.carried(lambda q, t: 1.01 * LINE.d(LINE.d(q)), Normal(0.0, 0.7), times=[0.5])
    assert np.abs(wrong - exact).max() > 1e-3


def test_particles_follow_the_exact_law_of_their_scheme(seed) -> None:
    process = ornstein_uhlenbeck()
    x = particles(process, euler_maruyama, Point(1.0), n=20_000, seed=seed, t_end=0.5, dt=0.25)
    law = scheme_law(process, euler_maruyama, x0=1.0, t_end=0.5, dt=0.25).law
    assert checks.density(x, law, alpha=1e-8).holds
    assert not checks.density(x, Normal(law.mean + 0.1 * math.sqrt(law.variance), law.std), alpha=1e-8).holds
    table = ddpm_chain(np.array([0.3, 0.5]))
    y = particles(table, ddpm_step, np.full(20_000, 2.0), n=20_000, seed=seed + 1)
    assert checks.density(y, Normal(2 * math.sqrt(0.35), math.sqrt(0.65)), alpha=1e-8).holds


def test_the_divergence_of_normal_vectors_is_that_of_its_independent_parts() -> None:
    one, two = Normal(0.2, 0.7), Normal(-0.1, 1.1)
    parts = [checks.distances.kullback_leibler(one, two), checks.distances.kullback_leibler(two, one)]
    m1, m2 = np.array([0.2, -0.1]), np.array([-0.1, 0.2])
    s1, s2 = np.diag([0.49, 1.21]), np.diag([1.21, 0.49])
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])  # a rotation changes nothing
    found = normal_divergence(turn @ m1, turn @ s1 @ turn.T, turn @ m2, turn @ s2 @ turn.T)
    assert found == pytest.approx(sum(parts), abs=1e-10)


def test_paths_of_a_pair_of_chains_have_its_covariances(seed) -> None:
    law, pair = Normal(0.8, 0.6), PathPair.of(round_mixture([1.0], [[0.8]], [0.6]), linear_schedule(4, beta_last=0.5))
    mean, covariance = pair.forward(law)
    rng = np.random.default_rng(seed)
    paths = pair.draw_from(law.ppf(rng.random(40_000)), rng)
    assert np.abs(np.cov(paths) - covariance).max() < 0.03 and np.abs(paths.mean(axis=1) - mean).max() < 0.03
    back_mean, back = pair.backward()
    x = paths[:, :3] - back_mean[:, None]
    size = len(x) * math.log(2 * math.pi) + np.linalg.slogdet(back)[1]
    joint = -0.5 * (np.sum(x * np.linalg.solve(back, x), axis=0) + size)
    assert np.abs(pair.log_backward(paths[:, :3]) - joint).max() < 1e-9
