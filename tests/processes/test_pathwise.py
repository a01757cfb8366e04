"""Paths in closed form obey Itô's formula and make up the laws; samples compose to the exact moments."""

from dataclasses import replace

import numpy as np
import pytest
import sympy as sp
from scipy import special

from fpsde.model_functions import call
from fpsde.processes import (
    CATALOGUE,
    additive_time_dependent,
    brownian,
    commuting_linear,
    cube_root,
    ginzburg_landau,
    kubo_oscillator,
    linear_beta,
    linear_noise,
    noised_mixture,
    ornstein_uhlenbeck,
    process_named,
    rotating_ou,
    variance_preserving,
)
from fpsde.schemes.array_models import ArrayModel
from fpsde.symbolic import Traced, real_symbol, unwrap

#: Binary fractions, so that SymPy holds them exactly.
VALUES = {
    "brownian": {"drift": 0.5, "sigma": 0.75},
    "geometric_brownian": {"mu": 0.375, "sigma": 0.25},
    "tanh_process": {"a": 0.5},
    "stiff_tanh": {"alpha": 1.25, "beta": 0.5},
    "arctan_process": {"a": 0.5},
    "sinh_process": {},
    "cube_root": {},
    "additive_time_dependent": {"alpha": 0.75, "beta": 0.5},
    "kubo_oscillator": {"omega": 1.25, "sigma": 0.5},
}
LINE = [name for name in VALUES if name != "kubo_oscillator"]
T, W = real_symbol("time"), real_symbol("w")
#: (time, W) at which an identity is evaluated with 40 digits.
PLACES = [(sp.Rational(1, 3), sp.Rational(1, 5)), (sp.Rational(7, 8), sp.Rational(-2, 3)), (sp.Rational(3, 2), 1)]


def ito_residual(process, path):
    """Return the largest of |f_t + f_ww/2 - mu(f)| and |f_w - sigma(f)| with f = path, over components and places."""
    s = process.statement
    numbers = dict(zip(s.parameters, map(sp.Rational, process.parameter_values()), strict=True))
    place = {**dict(zip(s.x, path, strict=True)), s.t: T, **numbers}
    found = []
    for i, f in enumerate(path):
        mu = sp.nsimplify(s.ito_drift[i], rational=True).subs(place, simultaneous=True)
        sigma = sp.nsimplify(s.sigma[i, 0], rational=True).subs(place, simultaneous=True)
        residuals = f.diff(T) + f.diff(W, 2) / 2 - mu, f.diff(W) - sigma
        found += [abs(r.subs({T: t, W: w}).evalf(40)) for r in residuals for t, w in PLACES]
    return max(found)


def traced_path(process, x0):
    """Return the components of the path from x0 as rational expressions of T and W."""
    if process.dim == 1:
        path = [process.exact.path(Traced(sp.Rational(x0)), Traced(T), Traced(W))]
    else:
        path = process.exact.path([Traced(sp.Rational(v)) for v in x0], Traced(T), [Traced(W)])
    return [sp.nsimplify(unwrap(f), rational=True) for f in path]


def test_every_path_is_held_against_itos_formula() -> None:
    known = {name for name, make in CATALOGUE.items() if make().exact.path is not None}
    assert known == {*VALUES, "commuting_linear"}  # which has a test of its own


@pytest.mark.parametrize("name", VALUES)
def test_a_path_obeys_itos_formula(name) -> None:
    process = process_named(name, **VALUES[name])
    path = traced_path(process, 0.375 if process.dim == 1 else (0.75, -0.5))
    assert ito_residual(process, path) < 1e-14  # thirds are rounded as the process states them
    faster = replace(process, drift=lambda x, t, p: np.multiply(1.01, call(process.drift, x, t, p)), factory=None)
    louder = replace(process, sigma=lambda x, t, p: np.multiply(1.01, call(process.sigma, x, t, p)), factory=None)
    assert ito_residual(faster, path) > 1e-4
    assert ito_residual(louder, path) > 1e-4


def test_the_path_of_a_commuting_system_obeys_itos_formula() -> None:
    """By central differences of order 8 in t and in both W."""
    process, x0, t, w = commuting_linear(), np.array([1.0, 0.5]), 0.7, np.array([0.4, -0.9])
    first = np.array([1 / 280, -4 / 105, 1 / 5, -4 / 5, 0, 4 / 5, -1 / 5, 4 / 105, -1 / 280])
    second = np.array([-1 / 560, 8 / 315, -1 / 5, 8 / 5, -205 / 72, 8 / 5, -1 / 5, 8 / 315, -1 / 560])
    h = 0.02
    steps = h * np.arange(-4, 5)
    along = [process.exact.path(x0, t, w[:, None] + np.outer(unit, steps)) for unit in np.eye(2)]
    in_time = np.array([process.exact.path(x0, t + s, w) for s in steps]).T
    here = process.exact.path(x0, t, w)

    def residuals(other):
        mu, sigma = other.ito_drift(here), other.noise_coefficient(here)
        whole = in_time @ first / h + sum(f @ second for f in along) / (2 * h**2)
        return [np.abs(whole - mu).max(), *(np.abs(f @ first / h - sigma[:, k]).max() for k, f in enumerate(along))]

    assert max(residuals(process)) < 1e-10
    assert residuals(process.with_params(alpha=0.505))[0] > 1e-3
    assert residuals(process.with_params(beta_1=0.2525))[1] > 1e-3
    assert residuals(process.with_params(beta_2=0.2525))[2] > 1e-3


def test_the_path_of_ginzburg_and_landau_obeys_itos_formula() -> None:
    """The form in its docstring, with I = int_0^t exp(2 alpha s + 2 sigma W_s) ds as one more variable."""
    alpha, sigma, cubic = sp.Rational(3, 4), sp.Rational(1, 2), sp.Rational(5, 4)
    integral, x0 = real_symbol("integral"), sp.Rational(2, 3)
    grown = sp.exp(alpha * T + sigma * W)
    f = x0 * grown / sp.sqrt(1 + 2 * cubic * x0**2 * integral)

    def residual(process):
        s = process.statement
        place = {**dict(zip(s.parameters, map(sp.Rational, process.parameter_values()), strict=True)), s.x[0]: f}
        drift = f.diff(T) + grown**2 * f.diff(integral) + f.diff(W, 2) / 2 - s.ito_drift[0].subs(place)
        noise = f.diff(W) - s.sigma[0].subs(place)
        at = {T: sp.Rational(1, 3), W: sp.Rational(-1, 5), integral: sp.Rational(2, 5)}
        return max(abs(r.subs(at).evalf(40)) for r in (drift, noise))

    process = ginzburg_landau(0.75, 0.5, 1.25)
    assert residual(process) < 1e-35
    for changed in ({"alpha": 0.7575}, {"sigma": 0.505}, {"cubic": 1.2625}):
        assert residual(process.with_params(**changed)) > 1e-4


def test_only_matrices_that_commute_have_a_path() -> None:
    A, B = [[-1.0, 0.5], [0.25, -0.5]], [[[0.25, 0.0], [0.0, 0.25]]]
    assert linear_noise(A, B).exact.path is not None
    assert linear_noise(A, [[[0.25, 0.0], [0.0, 0.2525]]]).exact.path is None


@pytest.mark.parametrize("name", LINE)
def test_the_law_is_that_of_the_path(name) -> None:
    process, z, t = process_named(name), np.linspace(-3, 3, 13), 0.6
    x0 = 0.4
    law = process.exact.transition(x0, t)
    assert law.cdf(process.exact.path(x0, t, np.sqrt(t) * z)) == pytest.approx(special.ndtr(z), abs=1e-13)
    assert law.cdf(process.exact.path(x0, t, 1.01 * np.sqrt(t) * z)) != pytest.approx(special.ndtr(z), abs=1e-4)
    assert float(process.exact.path(x0, 0.0, 0.0)) == pytest.approx(x0, rel=1e-15)
    assert law.ppf(special.ndtr(z)) == pytest.approx(process.exact.path(x0, t, np.sqrt(t) * z), rel=1e-9)


def test_the_functional_of_debrabant_and_roessler_is_the_polynomial() -> None:
    for t in (0.5, 1.0, 2.0):
        law = process_named("sinh_process").exact.transition(0.0, t)

        def functional(x):
            y = np.arcsinh(x)
            return y**3 - 6 * y**2 + 8 * y

        assert law.expectation(functional) == pytest.approx(t**3 - 3 * t**2 + 2 * t, abs=1e-10)


def sampled(process, x, t, dt, z):
    """Return the sampled X_{t+dt} as an array, one row for each component."""
    x, z = np.atleast_1d(x).astype(float), np.atleast_1d(z).astype(float)
    model = ArrayModel(process)
    return np.array([float(v) for v in model.sample(list(x), t, dt, list(z))])


NOISING = ("variance_preserving", "sub_variance_preserving", "variance_exploding")


def test_every_sample_is_held_against_something() -> None:
    known = {name for name, make in CATALOGUE.items() if make().sample is not None}
    assert known == {*VALUES, *NOISING, "ornstein_uhlenbeck", "noised_mixture", "rotating_ou"}


@pytest.mark.parametrize("name", [name for name in VALUES if name != "additive_time_dependent"])
def test_a_sample_is_a_step_of_the_path(name) -> None:
    process, dt = process_named(name), 0.3
    for z in (-1.7, 0.0, 0.6):
        x = 0.4 if process.dim == 1 else np.array([0.4, -0.3])
        w = np.sqrt(dt) * z
        expected = np.atleast_1d(process.exact.path(x, dt, w if process.dim == 1 else [w]))
        found = sampled(process, x, 0.7, dt, [z] * process.dim)
        assert found == pytest.approx(expected, rel=1e-14)
    assert sampled(process, x, 0.7, dt, [0.61] * process.dim) != pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    "process",
    [brownian(), ornstein_uhlenbeck(), additive_time_dependent(), *(process_named(name) for name in NOISING)],
    ids=lambda process: process.name,
)
def test_two_samples_have_the_exact_mean_and_variance(process) -> None:
    """x' = a x + b + c z, read off at z = 0 and 1, and two of them in a row from time 0."""
    x0, mean, variance = 0.4, 0.4, 0.0
    for t, dt in ((0.0, 0.3), (0.3, 0.5)):
        b = sampled(process, 0.0, t, dt, 0.0)[0]
        a, c = sampled(process, 1.0, t, dt, 0.0)[0] - b, sampled(process, 0.0, t, dt, 1.0)[0] - b
        assert sampled(process, 2.0, t, dt, -1.5)[0] == pytest.approx(2 * a + b - 1.5 * c, rel=1e-13)
        mean, variance = a * mean + b, a**2 * variance + c**2
    assert mean == pytest.approx(process.exact.mean(x0, 0.8), rel=1e-13)
    assert variance == pytest.approx(process.exact.variance(x0, 0.8), rel=1e-13)
    assert variance != pytest.approx(process.exact.variance(x0, 0.808), rel=1e-5)


def test_a_sample_of_the_rotating_process_has_its_mean_and_covariance() -> None:
    process, x0, dt = rotating_ou(0.7, 1.9, 0.8), np.array([0.4, -1.1]), 0.6
    mean = sampled(process, x0, 0.0, dt, [0.0, 0.0])
    C = np.array([sampled(process, x0, 0.0, dt, unit) - mean for unit in np.eye(2)]).T
    assert mean == pytest.approx(process.exact.mean(x0, dt), rel=1e-13)
    assert C @ C.T == pytest.approx(process.exact.covariance(x0, dt), abs=1e-14)
    assert sampled(rotating_ou(0.7, -1.9, 0.8), x0, 0.0, dt, [0.0, 0.0]) != pytest.approx(mean, rel=1e-2)


def test_a_sample_in_two_dimensions_is_that_of_each_component() -> None:
    plane, line = noised_mixture(linear_beta(0.2, 3.0)), variance_preserving(linear_beta(0.2, 3.0))
    found = sampled(plane, [0.4, -1.1], 0.2, 0.3, [0.7, -0.2])
    expected = [sampled(line, x, 0.2, 0.3, z)[0] for x, z in ((0.4, 0.7), (-1.1, -0.2))]
    assert found == pytest.approx(expected, rel=1e-15)
    assert found != pytest.approx(expected[::-1], rel=1e-2)


def test_the_kubo_oscillator_keeps_its_distance() -> None:
    process, w = kubo_oscillator(), np.linspace(-2, 2, 9)
    x = process.exact.path(np.array([0.6, -0.8]), 1.3, w[None])
    assert np.hypot(*x) == pytest.approx(np.ones(9), rel=1e-14)


def test_roots_of_negative_numbers_are_real() -> None:
    process = cube_root()
    assert process.exact.path(-8.0, 0.5, 0.3) == pytest.approx((-2 + 1 + 0.1) ** 3, rel=1e-14)
    assert process.ito_drift(np.array([-8.0])) == pytest.approx([-2 / 3 + 24], rel=1e-14)
