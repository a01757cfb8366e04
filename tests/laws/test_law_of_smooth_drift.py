"""Laws by the transition operator on the line, against quadrature written here and closed forms of the process."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import integrate, special, stats

from fpsde.density import Mixture, Normal, Point, Uniform
from fpsde.integrators import Histogram, simulate
from fpsde.laws import Method, scheme_law
from fpsde.noise import Normals
from fpsde.processes import benes
from fpsde.processes.process import Process
from fpsde.schemes import euler_maruyama, milstein

DT, X0 = 0.05, -1.0
POINTS = np.linspace(-1.9, 1.9, 39)


def well(temperature: float, noise: float = 1.0) -> Process:
    return Process(
        drift=lambda x, t, p: -4 * x * (x**2 - 1),
        sigma=lambda x, t, p: p.noise * np.sqrt(2 * p.kT),
        params={"kT": temperature, "noise": noise},
        name="well",
    )


def well_law(n_steps: int, x0=X0, temperature: float = 0.25, noise: float = 1.0, **options):
    return scheme_law(well(temperature, noise), euler_maruyama, x0=x0, t_end=n_steps * DT, dt=DT, **options)


def well_mean(x):
    return x - 4 * x * (x**2 - 1) * DT


WELL_STD = math.sqrt(2 * 0.25 * DT)


def trapezoid_cdf(n_steps: int, y: np.ndarray) -> np.ndarray:
    """F after n steps of the well from X0: the trapezoid rule on a fixed grid, the last step by the normal integral."""
    x, h = np.linspace(-3, 3, 401, retstep=True)
    p = np.exp(-0.5 * ((x - well_mean(X0)) / WELL_STD) ** 2) / (WELL_STD * math.sqrt(2 * math.pi))
    kernel = np.exp(-0.5 * ((x[:, None] - well_mean(x)) / WELL_STD) ** 2) / (WELL_STD * math.sqrt(2 * math.pi))
    for _ in range(n_steps - 2):
        p = h * kernel @ p
    return h * special.ndtr((y[:, None] - well_mean(x)) / WELL_STD) @ p


def test_the_first_step_from_a_point_is_the_kernel():
    law = well_law(1).law
    np.testing.assert_allclose(law.cdf(POINTS), special.ndtr((POINTS - well_mean(X0)) / WELL_STD), atol=1e-14)
    np.testing.assert_allclose(law.pdf(POINTS), Normal(well_mean(X0), WELL_STD).pdf(POINTS), atol=1e-12)


def test_two_steps_agree_with_adaptive_quadrature():
    law = well_law(2).law
    first = Normal(well_mean(X0), WELL_STD)
    for y in np.linspace(-1.6, 0.2, 10):
        f = lambda x, y=y: first.pdf(x) * special.ndtr((y - well_mean(x)) / WELL_STD)  # noqa: E731
        breaks = first.centre + first.std * np.arange(-9, 10, 3)
        parts = [integrate.quad(f, *pair, epsabs=1e-15, epsrel=1e-13)[0] for pair in itertools.pairwise(breaks)]
        assert float(law.cdf(y)) == pytest.approx(math.fsum(parts), abs=1e-12)


def test_a_hundred_steps_agree_with_the_trapezoid_rule_on_a_fixed_grid():
    found = well_law(100)
    assert found.method is Method.OPERATOR
    assert found.accuracy < 1e-12
    assert np.abs(found.law.cdf(POINTS) - trapezoid_cdf(100, POINTS)).max() < 1e-12
    assert found.law.mass == pytest.approx(1, abs=1e-12)
    assert found.leak.total < 1e-14


def test_one_per_cent_more_noise_is_another_law():
    wrong = well_law(100, noise=1.01).law
    assert np.abs(wrong.cdf(POINTS) - trapezoid_cdf(100, POINTS)).max() > 1e-3


def test_what_is_claimed_of_accuracy_is_what_more_nodes_change():
    rough, fine = well_law(40, tolerance=1e-6), well_law(40)
    assert fine.n_nodes >= rough.n_nodes > 0
    assert np.abs(rough.law.cdf(POINTS) - fine.law.cdf(POINTS)).max() <= 1e-6


def test_the_law_of_a_mixture_is_the_mixture_of_laws():
    parts, weights = [Point(-1.2), Normal(0.3, 0.1), Uniform(0.2, 1.4)], [0.2, 0.5, 0.3]
    together = well_law(7, x0=Mixture(weights, parts)).law
    apart = sum(w * well_law(7, x0=part).law.cdf(POINTS) for w, part in zip(weights, parts, strict=True))
    np.testing.assert_allclose(together.cdf(POINTS), apart, atol=1e-12)


def test_a_law_in_the_middle_continues_to_the_same_end():
    whole = well_law(30, at=[0.5, 1.0])
    assert whole.times == pytest.approx((0.5, 1.0))
    middle = whole.laws[1]
    rest = scheme_law(well(0.25), euler_maruyama, x0=middle, t_end=10 * DT, dt=DT)
    np.testing.assert_allclose(rest.law.cdf(POINTS), whole.law.cdf(POINTS), atol=1e-12)


def test_the_law_at_the_start_is_the_initial_law():
    start = Normal(0.3, 0.1)
    assert well_law(3, x0=start, at=[0.0, 0.15]).laws[0] is start


def test_milstein_is_euler_where_sigma_is_constant():
    law = scheme_law(well(0.25), milstein, x0=X0, t_end=1.0, dt=DT).law
    np.testing.assert_allclose(law.cdf(POINTS), well_law(20).law.cdf(POINTS), atol=1e-13)


def test_a_non_uniform_grid_composes_its_steps():
    process = Process(drift=lambda x, t, p: -np.sin(x) * (1 + t), sigma=lambda x, t, p: 0.5 + 0.3 * t)
    times = np.array([0.0, 0.1, 0.15, 0.4])
    law = scheme_law(process, euler_maruyama, x0=0.4, times=times).law
    x, h = np.linspace(-4, 4, 2001, retstep=True)
    p = None
    for t, dt in zip(times, np.diff(times), strict=False):
        start = np.array([0.4]) if p is None else x
        mass = np.array([1.0]) if p is None else h * p
        mean, std = start - np.sin(start) * (1 + t) * dt, (0.5 + 0.3 * t) * math.sqrt(dt)
        p = np.exp(-0.5 * ((x[:, None] - mean) / std) ** 2) @ mass / (std * math.sqrt(2 * math.pi))
    np.testing.assert_allclose(law.pdf(x), p, atol=1e-11)
    assert np.abs(law.pdf(x) - np.roll(p, 1)).max() > 1e-3


@pytest.mark.parametrize("observable", [np.cos, np.tanh, lambda x: np.exp(-(x**2))], ids=["cos", "tanh", "gauss"])
def test_eulers_weak_order_is_one_and_its_intercept_zero_without_sampling(observable):
    process = benes()
    exact = process.exact.transition(0.5, 1.0).expectation(observable)
    dt = np.array([0.02, 0.01, 0.005])
    laws = [scheme_law(process, euler_maruyama, x0=0.5, t_end=1.0, dt=h).law for h in dt]
    errors = np.array([law.expectation(observable) - exact for law in laws])
    orders = np.log2(errors[:-1] / errors[1:])
    assert np.all((orders > 0.95) & (orders < 1.05))
    constant, slope, _ = np.polynomial.polynomial.polyfit(dt, errors, 2)
    assert abs(constant) < 1e-3 * abs(slope * dt[-1])


def test_a_kinked_and_a_jumping_drift_keep_the_accuracy():
    drifts = {"kink": lambda x: -x - np.abs(x), "jump": lambda x: -np.sign(x)}
    for drift in drifts.values():
        process = Process(drift=lambda x, t, p, f=drift: f(x), sigma=lambda x, t, p: 1.0)
        law = scheme_law(process, euler_maruyama, x0=0.3, t_end=0.2, dt=0.1).law
        first = Normal(0.3 + 0.1 * float(drift(0.3)), math.sqrt(0.1))
        for y in (-0.5, 0.1, 0.6):
            f = lambda x, y=y, g=drift, p=first: p.pdf(x) * special.ndtr((y - x - 0.1 * g(x)) / p.std)  # noqa: E731
            halves = [integrate.quad(f, a, b, epsabs=1e-14, epsrel=1e-13)[0] for a, b in ((-3, 0.0), (0.0, 3))]
            assert float(law.cdf(y)) == pytest.approx(sum(halves), abs=1e-12)


@pytest.mark.slow
def test_a_hundred_million_particles_follow_the_law_and_not_one_with_noise_off_by_a_tenth_of_a_percent(seed):
    n, steps, bins = 10**8, 40, 60
    run = simulate(
        well(0.25),
        euler_maruyama,
        x0=X0,
        t_end=steps * DT,
        dt=DT,
        n_particles=n,
        seed=seed,
        observers=[Histogram(-2.0, 2.0, bins)],
        normals=Normals.FLOAT64,
        keep_positions=False,
    )
    (found,) = run.results[0]
    counts = np.concatenate([found.below, found.counts[0], found.above])
    faces = np.concatenate([[-5.0], found.faces[0], [5.0]])
    true, off = (well_law(steps, noise=noise).law.cell_masses(faces) for noise in (1.0, 1.001))
    assert counts.sum() == n

    def chi2(masses):
        return float(((counts - n * masses) ** 2 / (n * masses)).sum())

    def score(masses, other):
        """A standard normal where ``masses`` are right, with the most power where ``other`` are."""
        s = other / masses - 1
        return float((counts - n * masses) @ s / math.sqrt(n * masses @ s**2))

    assert chi2(true) < stats.chi2.isf(1e-8, bins + 1)
    assert abs(score(true, off)) < stats.norm.isf(1e-8 / 2)
    assert abs(score(off, true)) > stats.norm.isf(1e-8 / 2)
