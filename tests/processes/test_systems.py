"""Processes of several components: formulas as stated, moments that obey the generator, stationary laws, refusals."""

from dataclasses import replace

import numpy as np
import pytest
import sympy as sp
from scipy import integrate

from fpsde.density import FrozenLaw, Normal, Point
from fpsde.errors import InvalidInput
from fpsde.model_functions import call
from fpsde.processes import (
    CATALOGUE,
    debrabant_roessler,
    energy_van_der_pol,
    levy_area,
    linear_noise,
    linear_system,
    lorenz,
    mueller_brown,
    noncommuting_linear,
    nonnormal_ou,
    process_named,
    rotating_ou,
    underdamped_oscillator,
)

NAMES = [name for name, make in CATALOGUE.items() if make().dim > 1]
ROOT = np.sqrt(2.0)
#: Name: (x, Itô drift at x, sigma at x) with the default parameters, by hand.
BY_HAND = {
    "rotating_ou": ((0.5, 2.0), (1.5, -2.5), ROOT * np.eye(2)),
    "nonnormal_ou": ((0.5, 2.0), (7.5, -4.0), np.eye(2)),
    "commuting_linear": ((1.0, 2.0), (0.25, -1.875), [[0.625, 0.40625], [0.0625, 0.21875]]),
    "noncommuting_linear": (
        (1.0, 2.0),
        (-273 / 512, -1 / 160 + ROOT / 4 - 785 / 256),
        [[1 / 4, 1 / 16], [(1 - 2 * ROOT) / 2, 0.225]],
    ),
    "kubo_oscillator": ((0.5, 2.0), (-2.0 - 0.0625, 0.5 - 0.25), [[-1.0], [0.25]]),
    "levy_area": ((0.5, 2.0, 7.0), (0, 0, 0), [[1, 0], [0, 1], [-1.0, 0.25]]),
    "debrabant_roessler": (
        (0.0, 1.0, 0.0, 0.0),
        (-54 / 154, -243 / 154, -61 / 154, -5 / 154),
        1 / np.array([[13, 14, 6, 8], [14, 16, 5, 9], [13, 16, 5, 8], [15, 12, 6, 9]])
        * np.sqrt([25 / 23, 1 / 11, 10 / 9, 3 / 29]) / [9, 8, 12, 14],
    ),
    "underdamped_oscillator": ((0.5, 2.0), (2.0, -2.5), [[0.0], [ROOT]]),
    "duffing": ((0.5, 2.0), (2.0, 0.375 - 2.0), [[0.0], [1.0]]),
    "underdamped_washboard": ((0.5, 2.0), (2.0, 0.5 - np.sin(0.5) - 2.0), [[0.0], [np.sqrt(0.8)]]),
    "energy_van_der_pol": ((0.5, 2.0), (2.0, -0.5 - 2 * (2.125 - 1)), [[0.0], [np.sqrt(0.5)]]),
    "mueller_brown": (
        (0.0, 0.5),
        tuple(-np.sum(row) for row in (
            [-200 * np.exp(-1 - 2.5) * 2, 0, -170 * np.exp(-6.5 * 1.25 - 5.5) * (-6.5 - 11),
             15 * np.exp(0.7 * 1.25 - 0.3) * (1.4 - 0.3)],
            [-200 * np.exp(-1 - 2.5) * -10, 0, -170 * np.exp(-6.5 * 1.25 - 5.5) * (13 + 5.5),
             15 * np.exp(0.7 * 1.25 - 0.3) * (-0.7 + 0.6)],
        )),
        np.sqrt(20) * np.eye(2),
    ),
    "noised_mixture": ((0.5, 2.0), (-0.025, -0.1), np.sqrt(0.1) * np.eye(2)),
    "lorenz": ((1.0, 2.0, 3.0), (10.0, 23.0, -6.0), 3 * np.eye(3)),
}  # fmt: skip
#: u_0 = D_00 dlog q/dx_0 + D_01 dlog q/dx_1,  u_1 = dD_01/dx_0 + D_01 dlog q/dx_0 + D_11 dlog q/dx_1 at t = 0.
AT = np.array([0.5, 0.8])
PARTS = ((0.2, np.array([-1.5, 0.5]), 0.3), (0.5, np.array([1.0, 1.2]), 0.5), (0.3, np.array([0.4, -1.0]), 0.2))
DENSITIES = [w / s**2 * np.exp(-np.sum((AT - m) ** 2) / (2 * s**2)) for w, m, s in PARTS]
SCORE = sum(q * (m - AT) / s**2 for q, (_, m, s) in zip(DENSITIES, PARTS, strict=True)) / sum(DENSITIES)
LEAN = 0.4 * (1 + 0.5 * np.sin(0.5))
TURNING = np.array([[0.8, 0.0], [LEAN, 0.8]])
BY_HAND["turning_mixture"] = (
    tuple(AT),
    tuple(1.5 * np.array([-0.8, 0.5]) + TURNING @ TURNING.T / 2 @ SCORE + [0.0, 0.8 * 0.2 * np.cos(0.5) / 2]),
    TURNING,
)


def test_every_system_is_written_by_hand() -> None:
    assert set(NAMES) == BY_HAND.keys()


@pytest.mark.parametrize("name", NAMES)
def test_coefficients_are_the_formulas_written_by_hand(name) -> None:
    process, (x, drift, sigma) = process_named(name), BY_HAND[name]
    at = np.array(x)[:, None]
    assert process.ito_drift(at)[:, 0] == pytest.approx(np.array(drift), rel=1e-13, abs=1e-14)
    assert process.noise_coefficient(at)[..., 0] == pytest.approx(np.array(sigma), rel=1e-13, abs=1e-14)
    assert process.name == name
    assert process.equation.startswith("dX = ")


@pytest.mark.parametrize("name", NAMES)
def test_a_setting_is_a_run_of_20_to_200_whole_steps(name) -> None:
    process = process_named(name)
    setting = process.setting
    steps = setting.t_end / setting.dt
    assert len(setting.x0) == process.dim
    assert 20 <= round(steps) <= 200
    assert steps == pytest.approx(round(steps), rel=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_can_be_changed(name) -> None:
    process = process_named(name)
    for parameter, value in process.params.items():
        changed = process.with_params(**{parameter: 0.9 * np.asarray(value)})
        assert np.array_equal(changed.params[parameter], 0.9 * np.asarray(value))
        assert (changed.name, changed.equation) == (process.name, process.equation)
        at = np.array(BY_HAND[name][0])[:, None]
        both = [[p.ito_drift(at, 0.1), p.noise_coefficient(at, 0.1)] for p in (process, changed)]
        assert not all(np.array_equal(a, b) for a, b in zip(*both, strict=True))


def of_generator(process, t=0.0):
    """Return the polynomials L x_i and L x_i x_j, by (i,) and (i, j), with numbers for the parameters and the time."""
    s = process.statement
    numbers = {**dict(zip(s.parameters, process.parameter_values(), strict=True)), s.t: t}
    mu = [e.subs(numbers) for e in s.ito_drift]
    spread = (s.sigma * s.sigma.T).subs(numbers)
    one = {(i,): sp.Poly(sp.expand(mu[i]), *s.x) for i in range(process.dim)}
    two = {
        (i, j): sp.Poly(sp.expand(mu[i] * s.x[j] + mu[j] * s.x[i] + spread[i, j]), *s.x)
        for i in range(process.dim)
        for j in range(i + 1)
    }
    return {**one, **two}


def mean_of(polynomial, mean, second):
    """Return E of a polynomial of degree 2 from E x_i and E x_i x_j."""
    total = 0.0
    for powers, coefficient in polynomial.terms():
        at = [i for i, power in enumerate(powers) for _ in range(power)]
        moment = {0: lambda at: 1.0, 1: lambda at: mean[at[0]], 2: lambda at: second[at[0], at[1]]}[len(at)]
        total += float(coefficient) * moment(at)
    return total


def louder(process):
    return replace(
        process, sigma=lambda x, t, p: np.multiply(1.01, call(process.sigma, x, t, p)).tolist(), factory=None
    )


FIRST = np.array([1 / 280, -4 / 105, 1 / 5, -4 / 5, 0, 4 / 5, -1 / 5, 4 / 105, -1 / 280])
GENERAL = linear_system([[1.0, -0.3, 0.2], [0.4, 0.8, 0.0], [-0.1, 0.5, 1.5]], [[0.7, 0.1], [0.0, 0.4], [0.3, -0.2]])
UNSTABLE = linear_system([[-0.5, 1.0], [0.0, 0.2]], [[1.0], [0.5]])
THREE = linear_noise(np.diag([-1.0, -0.5, 0.1]) + 0.2, [np.diag([0.3, 0.1, 0.2]), np.full((3, 3), 0.1)])
MOMENTS = {p.name: p for p in (make() for make in CATALOGUE.values()) if p.exact.covariance is not None}
MOMENTS |= {"linear_system": GENERAL, "linear_system, unstable": UNSTABLE, "linear_noise": THREE}


@pytest.mark.parametrize("name", MOMENTS)
def test_moments_obey_the_generator(name) -> None:
    """d/dt E f = E L f for f = x_i and x_i x_j, by central differences of order 8."""
    process = MOMENTS[name]
    x0, t, h = 0.7 + np.arange(process.dim) / 3, 0.6, 0.01

    def moments(at):
        mean = process.exact.mean(x0, at)
        return mean, process.exact.covariance(x0, at) + np.outer(mean, mean)

    mean, second = moments(t)
    means, seconds = (np.array(m) for m in zip(*(moments(t + k * h) for k in range(-4, 5)), strict=True))
    rates = {1: np.tensordot(FIRST, means, 1) / h, 2: np.tensordot(FIRST, seconds, 1) / h}

    def worst(other):
        return max(abs(mean_of(f, mean, second) - rates[len(at)][at]) for at, f in of_generator(other, t).items())

    assert worst(process) < 1e-9
    assert worst(louder(process)) > 1e-5
    assert process.exact.mean(x0, 0.0) == pytest.approx(x0)
    assert process.exact.covariance(x0, 0.0) == pytest.approx(np.zeros((process.dim, process.dim)), abs=1e-15)


@pytest.mark.parametrize(
    "process", [GENERAL, rotating_ou(), nonnormal_ou(), underdamped_oscillator(2.0, 0.7, 1.3, 0.6)]
)
def test_a_stationary_covariance_stands_still(process) -> None:
    mean, S = process.exact.stationary_mean(), process.exact.stationary_covariance()

    def worst(other):
        return max(abs(mean_of(f, mean, S + np.outer(mean, mean))) for f in of_generator(other).values())

    assert worst(process) < 1e-14
    assert worst(louder(process)) > 1e-3
    x0 = np.arange(process.dim) - 0.5
    assert process.exact.covariance(x0, 60.0) == pytest.approx(S, abs=1e-12)
    for i in range(process.dim):
        assert process.exact.stationary_component(i) == Normal(0.0, np.sqrt(S[i, i]))
        law = process.exact.component(i, x0, 0.7)
        assert law.mean == pytest.approx(process.exact.mean(x0, 0.7)[i])
        assert law.variance == pytest.approx(process.exact.covariance(x0, 0.7)[i, i])
        assert process.exact.component(i, x0, 0.0) == Point(x0[i])


def test_the_three_systems_are_what_they_are_for() -> None:
    """Rotating: S = I with a current; not normal: grows first; unstable: no stationary law."""
    S = rotating_ou(1.0, 3.0).exact.stationary_covariance()
    assert S == pytest.approx(np.eye(2), abs=1e-15)
    assert np.linalg.norm(nonnormal_ou().exact.mean([0.0, 1.0], 0.5)) > 0.95
    assert np.linalg.norm(nonnormal_ou(shear=0.0).exact.mean([0.0, 1.0], 0.5)) < 0.4
    assert UNSTABLE.exact.stationary_covariance is None
    oscillator = underdamped_oscillator(2.0, 0.7, 1.3, 0.6).exact.stationary_covariance()
    assert oscillator == pytest.approx(np.diag([0.7 / 2.0, 0.7 / 0.6]), abs=1e-15)


def test_second_moments_without_commutation_decay_at_the_known_rates() -> None:
    exact = noncommuting_linear().exact
    for t in (0.5, 1.0, 3.0):
        mean, covariance = exact.mean([1.0, 1.0], t), exact.covariance([1.0, 1.0], t)
        assert covariance[0, 0] + mean[0] ** 2 == pytest.approx(np.exp(-t), rel=1e-13)
    p = noncommuting_linear().params
    rates = np.kron(p["A"], np.eye(2)) + np.kron(np.eye(2), p["A"]) + sum(np.kron(b, b) for b in p["B"])
    assert np.sort(np.linalg.eigvals(rates).real) == pytest.approx([-2.5, -2.0, -2.0, -1.0], abs=1e-9)


def test_the_start_of_debrabant_and_roessler_is_an_eigenvector() -> None:
    x0 = np.array([1, 1, 8, 1]) / 8
    assert debrabant_roessler().exact.mean(x0, 0.7) == pytest.approx(np.exp(1.4) * x0, rel=1e-12)
    assert debrabant_roessler().exact.mean(x0[::-1], 0.7) != pytest.approx(np.exp(1.4) * x0[::-1], rel=1e-2)


def test_the_area_has_levys_law() -> None:
    """E exp(i u A_t) = 1/cosh(u t/2): Lévy's formula."""
    process, t = levy_area(), 1.3
    law = process.exact.component(2, [0.0, 0.0, 0.4], t)
    assert isinstance(law, FrozenLaw)
    assert law.variance == pytest.approx(process.exact.covariance([0.0, 0.0, 0.4], t)[2, 2], rel=1e-12)
    for u in (0.5, 2.0):
        assert law.expectation(lambda a, u=u: np.cos(u * (a - 0.4))) == pytest.approx(1 / np.cosh(u * t / 2), abs=1e-10)
        assert law.expectation(lambda a, u=u: np.cos(u * (a - 0.4))) != pytest.approx(
            1 / np.cosh(u * t / 1.98), abs=1e-4
        )
    assert process.exact.component(1, [0.2, 0.3, 0.4], t) == Normal(0.3, np.sqrt(t))
    assert process.exact.component(2, [0.2, 0.3, 0.4], 0.0) == Point(0.4)


def test_energy_and_covariance_of_the_limit_cycle() -> None:
    process = energy_van_der_pol(1.3, 0.6, 0.4)

    def moment(power):
        def weighted(v, x):
            h = (x**2 + v**2) / 2
            return x**power * np.exp(-((h - 0.6) ** 2) / 2 / 0.4)

        return integrate.dblquad(weighted, -4, 4, -4, 4, epsabs=1e-11)[0]

    expected = moment(2) / moment(0)
    assert process.exact.stationary_covariance() == pytest.approx(expected * np.eye(2), rel=1e-9)
    assert energy_van_der_pol(1.3, 0.606, 0.4).exact.stationary_covariance()[0, 0] != pytest.approx(expected, rel=1e-3)
    assert energy_van_der_pol(excess=-30.0).exact.stationary_covariance()[0, 0] == pytest.approx(0.25 / 30, rel=1e-3)


def test_the_published_stationary_points_of_mueller_and_brown() -> None:
    """Their positions, energies and kinds, to the three digits that are published."""
    process = mueller_brown()
    s = process.statement
    energy = sp.lambdify(s.x, s.energy)
    points = {
        (-0.558, 1.442): (-146.700, "minimum"),
        (0.623, 0.028): (-108.167, "minimum"),
        (-0.050, 0.467): (-80.768, "minimum"),
        (-0.822, 0.624): (-40.665, "saddle"),
        (0.212, 0.293): (-72.249, "saddle"),
    }
    hessian = sp.lambdify(s.x, sp.hessian(s.energy, s.x))
    for x, (depth, kind) in points.items():
        curvature = np.array(hessian(*x))
        moved = np.linalg.solve(curvature, process.ito_drift(np.array(x)[:, None])[:, 0])
        assert np.abs(moved).max() < 6e-4  # Newton's step to the exact place
        assert energy(*x) == pytest.approx(depth, abs=2e-3)
        assert (np.linalg.eigvalsh(curvature)[0] > 0) == (kind == "minimum")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: linear_system([[1.0, 2.0]], [[1.0]]), r"A has shape \(1, 2\); \(d, d\) is needed"),
        (lambda: linear_system(np.eye(2), [[1.0]]), r"B has shape \(1, 1\); \(2, m\) is needed"),
        (lambda: linear_system(np.eye(2), [1.0, 1.0]), r"B has shape \(2,\); 2 dimension"),
        (lambda: linear_system([[np.nan]], [[1.0]]), r"A has 1 of 1 values that are NaN"),
        (lambda: linear_system([[1.0]], [[1.0]]), r"A has one row; .* is fpsde.ornstein_uhlenbeck"),
        (lambda: linear_noise(np.eye(2), np.eye(2)), r"B has shape \(2, 2\); 3 dimension"),
        (lambda: linear_noise(np.eye(2), [np.eye(3)]), r"A has shape \(2, 2\) and B \(1, 3, 3\)"),
        (lambda: linear_noise([[1.0]], [[[1.0]]]), r"with d >= 2 are needed"),
        (lambda: rotating_ou(theta=-1.0), r"theta=-1.0 must be positive"),
        (lambda: nonnormal_ou(shear=np.inf), r"shear=inf is not finite"),
        (lambda: process_named("kubo_oscillator", sigma="a"), r"sigma='a' is not a number"),
        (lambda: process_named("commuting_linear", beta=1.0), r"unknown parameter of commuting_linear 'beta'"),
        (lambda: lorenz(aspect=0.0), r"aspect=0.0 must be positive"),
        (lambda: energy_van_der_pol(temperature=0.0), r"temperature=0.0 must be positive"),
        (lambda: underdamped_oscillator(stiffness=-1.0), r"stiffness=-1.0 must be positive"),
        (lambda: mueller_brown(temperature=-1.0), r"temperature=-1.0 must be positive"),
        (lambda: levy_area().exact.component(3, [0, 0, 0], 1.0), r"component 3 of levy_area; it has 0"),
        (lambda: levy_area().exact.component(2, [0.1, 0, 0], 1.0), r"known from X = Y = 0 only"),
        (lambda: levy_area().exact.mean([0.0, 0.0], 1.0), r"x0 has 2 components; 3 are needed"),
        (lambda: rotating_ou().exact.covariance([0.0, 0.0], -1.0), r"t=-1.0 must not be negative"),
    ],
)
def test_bad_matrices_values_and_starts_are_refused_with_their_numbers(make, message) -> None:
    with pytest.raises(InvalidInput, match=message):
        make()
