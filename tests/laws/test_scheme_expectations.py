"""Expectations of chains whatever their noise: sums over the noise of two steps, closed recursions, laws."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from order_problems import altered

from fpsde.convergence.weak_problems import A, B, linear_noise_system
from fpsde.density import Normal
from fpsde.domain import Interval, Wall
from fpsde.errors import InvalidInput, NotConverged, UnstableStep
from fpsde.laws import joint_scheme_law, scheme_expectation, scheme_law, stationary_scheme_law
from fpsde.processes import (
    brownian,
    double_well,
    ornstein_uhlenbeck,
    process_named,
    underdamped,
    washboard,
)
from fpsde.processes.process import Process
from fpsde.schemes import (
    SCHEMES,
    aboba,
    baoab,
    euler_maruyama,
    heun,
    mala,
    platen_weak2,
    ri1,
    tamed_euler,
)
from fpsde.schemes.array_step import array_step

DT, X0 = 0.1, 0.4


def waves(loud: float = 1.0, *, varies: bool = True) -> Process:
    return Process(
        drift=lambda x, t, p: -np.sin(2 * x) - 0.3 * x + 0.2 * np.cos(3 * t),
        sigma=(lambda x, t, p: p.loud * (0.7 + 0.2 * np.sin(x))) if varies else (lambda x, t, p: p.loud * 0.7),
        params={"loud": loud},
        name="waves",
    )


ADDITIVE = {"sra1", "sra3", "leimkuhler_matthews"}
# tamed_euler has a kink where the drift vanishes: its expectations are not sums over nodes of the noise
OTHERS = {"mala", "ddpm_step", "exact_sampling", "tamed_euler", "baoab", "aboba", "obabo", "obab", "oabao", "lf_middle"}
NAMES = [name for name in SCHEMES if name not in OTHERS]


def bump(x):
    return np.exp(-((x - 0.2) ** 2)) * np.cos(x)


def after_two_steps(scheme, on, f):
    """E f(X_2) by the product of the rules of all inputs of two steps, run as array code."""
    step = array_step(scheme, on)
    rows = []
    for kind, count in step.inputs:
        n = {1: 40, 2: 20}[step.normals] if kind.support is None else 0
        gauss = np.polynomial.hermite_e.hermegauss(n) if n else (np.array([-2.0, 0.0, 2.0]), np.array([1, 4, 1]) / 6)
        if kind.name == "two_point":
            gauss = (np.array([-2.0, 2.0]), np.array([0.5, 0.5]))
        rows += [gauss] * (kind.normals * count)
    z = np.stack([g.ravel() for g in np.meshgrid(*[r[0] for r in rows * 2], indexing="ij")])
    w = np.prod(np.meshgrid(*[r[1] / r[1].sum() for r in rows * 2], indexing="ij"), axis=0).ravel()
    state = np.zeros((step.state_rows, z.shape[1]))
    state[0] = X0
    state = step.advance(state, z[: step.normals], 0.0, DT)
    state = step.advance(state, z[step.normals :], DT, DT)
    return float(w @ f(state[step.observed]))


#: Long steps whose terms those of the others hold as well.
LONG = {"sriw1", "sra3", "implicit_euler", "trapezoidal", "split_step_backward_euler"}


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in LONG else n for n in NAMES])
def test_two_steps_agree_with_the_sum_over_their_noise(name):
    scheme, varies = SCHEMES[name], name not in ADDITIVE
    found = scheme_expectation(waves(varies=varies), scheme, bump, x0=X0, t_end=2 * DT, dt=DT)
    assert found.accuracy < 1e-12
    exact = after_two_steps(scheme, waves(varies=varies), bump)
    assert found.value == pytest.approx(exact, abs=1e-12)
    louder = scheme_expectation(waves(1.001, varies=varies), scheme, bump, x0=X0, t_end=2 * DT, dt=DT)
    assert louder.value != pytest.approx(exact, abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["euler_maruyama", "heun", "leimkuhler_matthews"])
def test_it_is_the_expectation_under_the_law_where_there_is_a_density(name):
    scheme, on = SCHEMES[name], waves(varies=name not in ADDITIVE)
    run = {"x0": Normal(0.3, 0.2), "t_end": 0.5, "dt": DT}
    found = scheme_expectation(on, scheme, bump, **run)
    assert found.value == pytest.approx(scheme_law(on, scheme, **run).law.expectation(bump), abs=2e-12)


@pytest.mark.parametrize("scheme", [platen_weak2, ri1], ids=lambda s: s.name)
@pytest.mark.parametrize("k", [1, 2, 3])
def test_moments_of_geometric_brownian_motion_with_discrete_noise_are_powers(scheme, k):
    # a step multiplies x by a variable with three values
    on = Process(drift=lambda x, t, p: 0.3 * x, sigma=lambda x, t, p: 0.2 * x, name="gbm on the line")
    n, dt, step = 50, 0.1, array_step(scheme, on)
    factors = step.advance(np.ones((1, 3)), np.array([[-2.0, 0.0, 2.0]]), 0.0, dt)[0]
    exact = (np.array([1, 4, 1]) / 6 @ factors**k) ** n
    found = scheme_expectation(on, scheme, lambda x: x**k, x0=1.0, t_end=n * dt, dt=dt, box=(0.01, 400.0))
    assert found.value == pytest.approx(exact, rel=1e-11)
    assert np.exp((0.3 * k + 0.02 * k * (k - 1)) * n * dt) != pytest.approx(exact, rel=1e-6)  # that of the process


def test_the_second_moment_of_platens_scheme_on_a_linear_drift_is_a_recursion():
    theta, sigma, dt, n = 2.0, 0.8, 0.1, 40
    a, b = 1 - theta * dt + 0.5 * (theta * dt) ** 2, sigma * (1 - 0.5 * theta * dt)
    second = 0.7**2
    for _ in range(n):
        second = a**2 * second + b**2 * dt
    on = ornstein_uhlenbeck(theta=theta, mean=0.0, sigma=sigma)
    found = scheme_expectation(on, platen_weak2, lambda x: x**2, x0=0.7, t_end=n * dt, dt=dt)
    assert found.value == pytest.approx(second, rel=1e-12)


def test_every_path_of_two_steps_of_three_values_is_counted():
    on = double_well()
    x = X0
    paths = []
    step = array_step(ri1, on)
    for a, b in itertools.product(((-2.0, 1 / 6), (0.0, 2 / 3), (2.0, 1 / 6)), repeat=2):
        state = step.advance(np.array([[x]]), np.array([[a[0]]]), 0.0, 0.05)
        state = step.advance(state, np.array([[b[0]]]), 0.05, 0.05)
        paths.append(a[1] * b[1] * bump(state[0, 0]))
    found = scheme_expectation(on, ri1, bump, x0=x, t_end=0.1, dt=0.05)
    assert found.value == pytest.approx(sum(paths), abs=1e-13)


def test_on_a_ring_a_wave_falls_as_its_increments_say():
    """x' = x + c t + s W: E cos(2 x) = exp(-2 s^2 t) cos(2 (x0 + c t)), for Euler's chain as well."""
    turns = Interval.between(0.0, 2 * np.pi, Wall.PERIODIC)
    on = Process(drift=lambda x: 0.8, sigma=lambda x: 0.6, domain=turns)
    found, louder = (
        scheme_expectation(on, scheme, lambda x: np.cos(2 * x), x0=0.3, t_end=1.0, dt=0.25)
        for scheme in (euler_maruyama, altered(euler_maruyama, lambda v: 1.001 * v))
    )
    exact = np.exp(-2 * 0.36) * np.cos(2 * (0.3 + 0.8))
    assert found.value == pytest.approx(exact, abs=1e-12) and found.accuracy <= 1e-9 and found.leak is None
    assert louder.value != pytest.approx(exact, rel=1e-4)


def test_of_several_components_polynomials_are_exact_where_steps_are_affine():
    """Second moments of Euler's chain: M' = (1 + A h) M (1 + A h)^T + h sum_k B_k M B_k^T."""
    linear = linear_noise_system(A, B)
    found = scheme_expectation(linear, euler_maruyama, lambda x, y: x * y, x0=(1.0, 0.5), t_end=1.0, dt=0.1)
    moved, M = np.eye(2) + 0.1 * np.array(A), np.outer([1.0, 0.5], [1.0, 0.5])
    for _ in range(10):
        M = moved @ M @ moved.T + 0.1 * sum(np.array(b) @ M @ np.array(b).T for b in B)
    assert found.value == pytest.approx(M[0, 1], rel=1e-12)


@pytest.mark.slow
def test_of_two_components_axes_are_made_finer_until_the_value_settles():
    """BAOAB on an oscillator is normal: E cos(x - v) is exp(-variance/2) cos(mean) of x - v."""
    oscillator = underdamped(lambda x: x**2 / 2, 1.0)
    options = {"x0": (0.6, -0.2), "t_end": 1.2, "dt": 0.4}
    law, along = joint_scheme_law(oscillator, baoab, **options).law, np.array([1.0, -1.0])
    exact = np.exp(-0.5 * along @ law.covariance @ along) * np.cos(along @ law.mean)
    found, other = (
        scheme_expectation(oscillator, scheme, lambda x, v: np.cos(x - v), tolerance=1e-7, **options)
        for scheme in (baoab, aboba)
    )
    assert found.value == pytest.approx(exact, abs=1e-7) and found.accuracy <= 1e-7
    assert other.value != pytest.approx(exact, abs=1e-4)


def test_a_step_may_fold():
    on = double_well()
    with pytest.raises(NotConverged, match="fold"):
        scheme_law(on, heun, x0=-1.0, t_end=1.0, dt=0.05)
    found = scheme_expectation(on, heun, lambda x: x**2, x0=-1.0, t_end=1.0, dt=0.05)
    law = scheme_law(on, heun, x0=-1.0, t_end=1.0, dt=0.05, tolerance=1e-4).law
    assert found.value == pytest.approx(law.expectation(lambda x: x**2), abs=1e-5)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"f": np.abs}, NotConverged, "allow tolerance="),
        ({"scheme": tamed_euler}, NotConverged, "allow tolerance="),
        ({"process": double_well(temperature=1.0), "dt": 0.1, "t_end": 10.0}, UnstableStep, "leaks"),
        (
            {"process": brownian(0.5, 0.8, domain=Interval.between(0.0, 1.0, Wall.REFLECTING))},
            InvalidInput,
            "expectations have kinks",
        ),
        ({"process": washboard(), "x0": Normal(0.0, 1.0)}, InvalidInput, "a law at the start"),
        ({"process": washboard(), "box": (-1.0, 1.0)}, InvalidInput, "leave it out"),
        ({"process": process_named("noncommuting_linear")}, InvalidInput, "x0 has 1 components"),
        ({"scheme": mala}, InvalidInput, "mala on double_well rejects"),
        ({"dt": 0.3}, InvalidInput, "does not divide"),
        ({"tolerance": -1.0}, InvalidInput, "tolerance=-1.0 must be positive"),
    ],
)
def test_what_has_no_expectation_here_is_refused(changes, error, message):
    given = {"process": double_well(), "scheme": euler_maruyama, "f": bump, "x0": 0.1, "t_end": 1.0, "dt": 0.05}
    given |= changes
    with pytest.raises(error, match=message):
        scheme_expectation(given.pop("process"), given.pop("scheme"), given.pop("f"), **given)


@pytest.mark.parametrize("scheme", [euler_maruyama, heun], ids=lambda s: s.name)
def test_a_hundred_thousand_steps_end_in_the_stationary_law(scheme):
    on = double_well()
    found = scheme_expectation(on, scheme, lambda x: x**2, x0=-1.0, t_end=2000.0, dt=0.02)
    kept = stationary_scheme_law(on, scheme, dt=0.02).law.moment(2)
    assert found.value == pytest.approx(kept, rel=1e-12)
    early = scheme_expectation(on, scheme, lambda x: x**2, x0=-1.0, t_end=2.0, dt=0.02)
    assert early.value != pytest.approx(kept, rel=1e-6)
