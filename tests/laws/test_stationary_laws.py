"""Stationary laws of chains: closed forms, a matrix written here, long runs; and the leak of chains without one."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fpsde.density import Normal, Uniform
from fpsde.domain import Interval, Wall
from fpsde.errors import InvalidInput, NotConverged, UnstableStep
from fpsde.laws import Method, scheme_law, stationary_scheme_law
from fpsde.processes import brownian, double_well, ornstein_uhlenbeck
from fpsde.processes.process import Process
from fpsde.schemes import euler_maruyama, heun, implicit_euler, milstein, platen_weak2

POINTS = np.linspace(-2, 2, 41)
OU = ornstein_uhlenbeck(theta=2.0, mean=0.3, sigma=0.8)


def well(temperature: float, noise: float = 1.0) -> Process:
    return Process(
        drift=lambda x, t, p: -4 * x * (x**2 - 1),
        sigma=lambda x, t, p: p.noise * np.sqrt(2 * p.kT),
        params={"kT": temperature, "noise": noise},
        name="well",
    )


def by_matrix(temperature: float, dt: float, half: float, n: int = 401):
    """The quasi-stationary masses on a grid of (-half, half), and the leak: trapezoid rule, eigenvector."""
    x, h = np.linspace(-half, half, n, retstep=True)
    mean, std = x - 4 * x * (x**2 - 1) * dt, math.sqrt(2 * temperature * dt)
    matrix = h * np.exp(-0.5 * ((x[:, None] - mean) / std) ** 2) / (std * math.sqrt(2 * math.pi))
    matrix[[0, -1]] /= 2
    values, vectors = np.linalg.eig(matrix)
    k = int(np.argmax(values.real))
    mass = vectors[:, k].real / vectors[:, k].real.sum()
    return x, mass, 1 - float(values[k].real)


@pytest.mark.parametrize("dt", [0.02, 0.05])
def test_euler_on_a_double_well_is_the_eigenvector_of_its_kernel(dt):
    found = stationary_scheme_law(double_well(), euler_maruyama, dt=dt)
    assert found.method is Method.OPERATOR
    assert found.accuracy < 1e-12
    x, mass, _ = by_matrix(0.25, dt, 2.6)
    for k in (2, 4, 6):
        assert found.law.moment(k) == pytest.approx(float(mass @ x**k), rel=1e-11)
    assert found.law.mean == pytest.approx(0.0, abs=1e-12)
    louder = stationary_scheme_law(well(0.25, noise=1.001), euler_maruyama, dt=dt).law
    assert louder.moment(2) != pytest.approx(float(mass @ x**2), rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("scheme", [euler_maruyama, heun], ids=lambda s: s.name)
def test_a_long_run_ends_in_the_stationary_law(scheme):
    found = stationary_scheme_law(double_well(), scheme, dt=0.02)
    run = scheme_law(double_well(), scheme, x0=-1.0, t_end=20_000.0, dt=0.02)  # a million steps
    np.testing.assert_allclose(run.law.cdf(POINTS), found.law.cdf(POINTS), atol=1e-12)
    early = scheme_law(double_well(), scheme, x0=-1.0, t_end=20.0, dt=0.02)
    assert np.abs(early.law.cdf(POINTS) - found.law.cdf(POINTS)).max() > 1e-6


def test_many_steps_taken_by_squaring_are_those_taken_one_by_one():
    run = {"x0": -1.0, "t_end": 90.0, "dt": 0.02}
    leapt = scheme_law(double_well(), euler_maruyama, **run)
    walked = scheme_law(double_well(), euler_maruyama, at=np.arange(1.0, 90.0), **run)
    np.testing.assert_allclose(leapt.law.cdf(POINTS), walked.law.cdf(POINTS), atol=1e-13)
    short = scheme_law(double_well(), euler_maruyama, x0=-1.0, t_end=89.98, dt=0.02)
    assert np.abs(leapt.law.cdf(POINTS) - short.law.cdf(POINTS)).max() > 1e-8


def test_mass_absorbed_in_many_steps_is_counted():
    on = brownian(0.0, 0.2, domain=Interval.between(0.0, 1.0, Wall.ABSORBING))
    law = scheme_law(on, euler_maruyama, x0=0.3, t_end=100.0, dt=0.01).law
    k = np.arange(1, 40)
    left = 2 * np.sin(0.3 * np.pi * k) * np.exp(-0.02 * (np.pi * k) ** 2 * 100) * (1 - np.cos(np.pi * k)) / (np.pi * k)
    assert sum(mass for _, mass in law.atoms) == pytest.approx(1 - left.sum(), abs=1e-8)
    assert law.mass == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("box", [None, (-4.0, 4.5)])
def test_an_affine_chain_keeps_a_gaussian(box):
    dt = 0.1
    found = stationary_scheme_law(OU, euler_maruyama, dt=dt, box=box)
    assert found.method is (Method.RECURSION if box is None else Method.OPERATOR)
    exact = Normal(0.3, 0.8 / math.sqrt(2 * 2.0) / math.sqrt(1 - 0.5 * 2.0 * dt))
    np.testing.assert_allclose(found.law.cdf(POINTS), exact.cdf(POINTS), atol=1e-13 if box is None else 1e-12)


@pytest.mark.parametrize("wall", [Wall.REFLECTING, Wall.PERIODIC])
def test_between_walls_brownian_motion_is_uniform_in_the_end(wall):
    found = stationary_scheme_law(brownian(0.0, 0.5, domain=Interval.between(0.0, 1.0, wall)), euler_maruyama, dt=0.02)
    x = np.linspace(0, 1, 21)
    np.testing.assert_allclose(found.law.cdf(x), Uniform(0.0, 1.0).cdf(x), atol=1e-12)
    assert found.leak.largest == 0


def test_a_chain_that_leaves_every_box_has_a_quasi_stationary_law_with_its_leak():
    found = stationary_scheme_law(well(0.25), euler_maruyama, dt=0.1)
    x, mass, leak = by_matrix(0.25, 0.1, 2.6)  # whatever lies further out leaves at once
    assert 1e-11 < found.leak.largest < 1e-10
    assert found.leak.largest == pytest.approx(leak, rel=0.02)
    assert found.law.moment(2) == pytest.approx(float(mass @ x**2), rel=1e-9)
    with pytest.raises(UnstableStep, match=r"leaks: .* a law is given up to 1e-10 a step"):
        stationary_scheme_law(well(1.0), euler_maruyama, dt=0.1)


def test_the_leak_out_of_a_stated_box_is_in_the_result():
    box = (-2.05, 2.05)
    found = stationary_scheme_law(well(0.25), euler_maruyama, dt=0.01, box=box)
    x, h = np.linspace(*box, 1601, retstep=True)
    mean, std = x - 4 * x * (x**2 - 1) * 0.01, math.sqrt(2 * 0.25 * 0.01)
    outside = np.array([math.erfc((box[1] - m) / std / math.sqrt(2)) / 2 for m in mean])
    leak = 2 * h * float(found.law.pdf(x) @ outside)
    assert found.leak.largest == pytest.approx(leak, rel=1e-3)
    assert 0 < leak < 1e-10


@pytest.mark.parametrize(
    ("process", "scheme", "dt", "error", "message"),
    [
        (brownian(0.1, 0.5), euler_maruyama, 0.1, UnstableStep, "no stationary density: a step is x' = 1 x"),
        (OU, euler_maruyama, 1.5, UnstableStep, "no stationary density: a step is x' = -2 x"),
        (OU, euler_maruyama, -0.1, InvalidInput, "dt=-0.1 must be positive"),
        (OU, platen_weak2, 0.1, InvalidInput, "takes discrete noise"),
        (
            Process(drift=lambda x, t, p: -x + np.sin(t), sigma=lambda x, t, p: 1.0, name="forced"),
            euler_maruyama,
            0.1,
            InvalidInput,
            "the coefficients of forced depend on time",
        ),
        (
            brownian(0.0, 0.5, domain=Interval.between(0.0, 1.0, Wall.ABSORBING)),
            euler_maruyama,
            0.1,
            InvalidInput,
            "ends on an absorbing wall",
        ),
        (double_well(), implicit_euler, 0.1, NotConverged, "or the step fails"),
    ],
)
def test_what_has_no_stationary_law_is_refused(process, scheme, dt, error, message):
    with pytest.raises(error, match=message):
        stationary_scheme_law(process, scheme, dt=dt)


def test_milstein_keeps_what_euler_does_where_noise_is_additive():
    one, other = (stationary_scheme_law(double_well(), s, dt=0.02).law for s in (euler_maruyama, milstein))
    np.testing.assert_array_equal(one.cdf(POINTS), other.cdf(POINTS))
