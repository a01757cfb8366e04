"""Runs against the exact law of their own scheme: no tolerance, a stated level, and a wrong scheme beside each."""

from __future__ import annotations

import numpy as np
import pytest
from bare_processes import between
from scipy import special, stats

from fpsde.density import Normal, Point, Uniform
from fpsde.domain import Wall
from fpsde.integrators import Moments, simulate
from fpsde.noise import Normals
from fpsde.processes.process import Process
from fpsde.schemes import ddpm_step, euler_maruyama, milstein

#: Level of each test.
ALPHA = 1e-8
THETA, MEAN, SIGMA = 1.3, 0.4, 0.7
N = 10**6


def linear(sigma=SIGMA, theta=THETA):
    return Process(
        drift=lambda x, p: p.theta * (p.mean - x),
        sigma=lambda x, p: p.sigma,
        params={"theta": theta, "mean": MEAN, "sigma": sigma},
    )


def recursion(start, dts):
    """Return mean and variance of Euler-Maruyama: m' = m + theta (mu - m) dt, v' = (1 - theta dt)^2 v + sigma^2 dt."""
    m, v, out = start.mean, start.variance, []
    for dt in dts:
        m, v = m + THETA * (MEAN - m) * dt, (1 - THETA * dt) ** 2 * v + SIGMA**2 * dt
        out.append((m, v))
    return np.array(out)


def p_of(z):
    return 2 * stats.norm.sf(np.abs(z))


def p_values(run, exact):
    """Return the p-values of means and variances of a Gaussian chain: standard errors sqrt(v/n) and v sqrt(2/n)."""
    out = []
    for moments, (m, v) in zip(run.moments, exact, strict=True):
        about = (
            moments.sums[0, 1] / moments.n
            - 2 * (m - moments.centre[0]) * moments.sums[0, 0] / moments.n
            + (m - moments.centre[0]) ** 2
        )
        out += [p_of((moments.mean[0] - m) / np.sqrt(v / moments.n)), p_of((about - v) / (v * np.sqrt(2 / moments.n)))]
    return np.array(out)


def euler_run(process, seed, *, x0=-0.5, dtype=np.float64, normals=Normals.FLOAT32):
    times = np.array([0.1, 0.5, 1.0, 2.0])
    run = simulate(
        process,
        euler_maruyama,
        x0=x0,
        t_end=2.0,
        dt=0.1,
        n_particles=N,
        seed=seed,
        dtype=dtype,
        normals=normals,
        observers=[Moments(times, centre=0.3)],
        keep_positions=False,
    )
    return run, np.rint(times / 0.1).astype(int) - 1


@pytest.mark.parametrize(
    ("dtype", "normals"),
    [(np.float64, Normals.FLOAT32), (np.float64, Normals.FLOAT64), (np.float32, Normals.FLOAT32)],
    ids=["f64", "f64 fine", "f32"],
)
@pytest.mark.parametrize("start", [Point(-0.5), Normal(0.2, 0.6)], ids=["point", "normal"])
def test_euler_on_a_linear_process_has_the_moments_of_its_recursion(start, dtype, normals, seed):
    run, at = euler_run(linear(), seed, x0=start, dtype=dtype, normals=normals)
    assert p_values(run, recursion(start, [0.1] * 20)[at]).min() > ALPHA


@pytest.mark.parametrize(
    "wrong",
    [linear(sigma=SIGMA * 1.01), linear(theta=THETA * 1.01), linear(sigma=SIGMA * 0.99)],
    ids=["noise 1 % up", "drift 1 % up", "noise 1 % down"],
)
def test_a_scheme_that_is_wrong_by_one_percent_is_seen(wrong, seed):
    run, at = euler_run(wrong, seed)
    assert p_values(run, recursion(Point(-0.5), [0.1] * 20)[at]).min() < ALPHA


def test_the_exact_process_in_place_of_the_scheme_is_seen(seed):
    """The recursion of the scheme, not the law of the process: at dt = 0.1 they differ."""
    run, at = euler_run(linear(), seed)
    t = 0.1 * (at + 1)
    process = np.column_stack(
        [MEAN + (-0.5 - MEAN) * np.exp(-THETA * t), SIGMA**2 / (2 * THETA) * -np.expm1(-2 * THETA * t)]
    )
    assert p_values(run, process).min() < ALPHA


def test_fourth_moments_are_those_of_a_gaussian(seed):
    run, at = euler_run(linear(), seed)
    m, v = recursion(Point(-0.5), [0.1] * 20)[at][-1]
    s = run.moments[-1].sums[0] / N
    shift = 0.3 - m  # x - m = (x - centre) + shift
    third = s[2] + 3 * shift * s[1] + 3 * shift**2 * s[0] + shift**3
    fourth = s[3] + 4 * shift * s[2] + 6 * shift**2 * s[1] + 4 * shift**3 * s[0] + shift**4
    assert p_of(third / np.sqrt(15 * v**3 / N)) > ALPHA and p_of((fourth - 3 * v**2) / np.sqrt(96 * v**4 / N)) > ALPHA


def test_a_non_uniform_grid_has_the_moments_of_its_recursion(seed):
    times = np.array([0.0, 0.3, 0.35, 0.9, 1.0])
    run = simulate(
        linear(), euler_maruyama, x0=-0.5, times=times, n_particles=N, seed=seed, observers=[Moments(times[1:])]
    )
    assert p_values(run, recursion(Point(-0.5), np.diff(times))).min() > ALPHA
    assert p_values(run, recursion(Point(-0.5), [0.25] * 4)).min() < ALPHA


def test_positions_have_the_gaussian_law_of_the_recursion(seed):
    x = simulate(linear(), euler_maruyama, x0=-0.5, t_end=1.0, dt=0.1, n_particles=N, seed=seed).x[0]
    m, v = recursion(Point(-0.5), [0.1] * 10)[-1]
    assert stats.kstest(x, Normal(m, np.sqrt(v)).cdf).pvalue > ALPHA
    assert stats.kstest(x, Normal(m, np.sqrt(v) * 1.02).cdf).pvalue < ALPHA


def test_geometric_brownian_motion_has_the_discrete_moments_of_euler_and_of_milstein(seed):
    """One step multiplies E x by 1 + mu h and E x^2 by (1 + mu h)^2 + s^2 h, Milstein adds s^4 h^2/2."""
    mu, s, h, steps = 0.1, 0.6, 0.5, 2
    process = Process(drift=lambda x: mu * x, sigma=lambda x: s * x)
    for scheme, extra in ((euler_maruyama, 0.0), (milstein, 0.5 * s**4 * h**2)):
        run = simulate(process, scheme, x0=1.0, t_end=1.0, dt=h, n_particles=N, seed=seed)
        x = run.x[0]
        second = ((1 + mu * h) ** 2 + s**2 * h + extra) ** steps
        assert p_of((x.mean() - (1 + mu * h) ** steps) / np.sqrt(x.var() / N)) > ALPHA
        assert p_of(((x**2).mean() - second) / np.sqrt((x**2).var() / N)) > ALPHA
        if extra:  # Euler's second moment is not Milstein's
            z = ((x**2).mean() - ((1 + mu * h) ** 2 + s**2 * h) ** steps) / np.sqrt((x**2).var() / N)
            assert abs(z) > 4


def test_the_noising_chain_keeps_the_variance_of_its_table(seed):
    betas = np.linspace(1e-4, 0.02, 200)
    process = Process(
        drift=lambda x, t, p: -0.5 * p.beta * x,
        sigma=lambda x, p: np.sqrt(p.beta),
        tables={"beta": betas},
        rate=lambda t, p: p.beta,
    )
    kept = np.cumprod(1 - betas)[-1]
    forms = {
        ddpm_step: (0.5 * np.sqrt(kept), kept / 12 + 1 - kept),
        euler_maruyama: (0.5 * np.prod(1 - betas / 2), _euler_variance(betas)),
    }
    for scheme, (mean, variance) in forms.items():
        x = simulate(process, scheme, x0=Uniform(0.0, 1.0), t_end=200.0, dt=1.0, n_particles=200_000, seed=seed).x[0]
        assert p_of((x.mean() - mean) / np.sqrt(variance / x.size)) > ALPHA
        spread = np.sqrt(((x - x.mean()) ** 2).var() / x.size)
        assert p_of((np.mean((x - mean) ** 2) - variance) / spread) > ALPHA
        assert p_of((np.mean((x - mean) ** 2) - variance * 1.05) / spread) < ALPHA


def _euler_variance(betas):
    v = 1 / 12
    for beta in betas:
        v = (1 - beta / 2) ** 2 * v + beta
    return v


def test_reflected_brownian_motion_becomes_uniform(seed):
    process = Process(drift=lambda x: 0.0, sigma=lambda x: 1.0, domain=between(Wall.REFLECTING, low=-0.7, high=0.9))
    x = simulate(process, euler_maruyama, x0=0.0, t_end=6.0, dt=0.1, n_particles=200_000, seed=seed).x[0]
    assert stats.kstest(x, Uniform(-0.7, 0.9).cdf).pvalue > ALPHA  # exp(-pi^2 t/(2 L^2)) = 1e-5 is left
    assert stats.kstest(x, Uniform(-0.7, 0.93).cdf).pvalue < ALPHA


def test_brownian_motion_on_a_ring_is_a_wrapped_normal(seed):
    process = Process(drift=lambda x: 2.0, sigma=lambda x: 0.5, domain=between(Wall.PERIODIC, low=-0.7, high=0.9))
    x = simulate(process, euler_maruyama, x0=0.1, t_end=1.0, dt=0.1, n_particles=200_000, seed=seed).x[0]
    turns = np.arange(-6, 7) * 1.6

    def law(y, centre=2.1):
        return np.sum(
            special.ndtr((y[:, None] - centre + turns) / 0.5) - special.ndtr((-0.7 - centre + turns) / 0.5), 1
        )

    assert stats.kstest(x, law).pvalue > ALPHA
    assert stats.kstest(x, lambda y: law(y, 2.16)).pvalue < ALPHA
