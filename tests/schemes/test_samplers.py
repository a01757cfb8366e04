"""Steps made for stationary laws, and exact ones: Leimkuhler-Matthews, stochastic gradients, exact sampling."""

from __future__ import annotations

import numpy as np
import pytest
from bare_kernels import LANES, one_step
from bare_laws import affine_form, distance_to_half_steps, run_text, stationary_covariance
from scipy import stats

from fpsde.errors import InvalidInput, Unsuited
from fpsde.processes import (
    BlackBox,
    double_well,
    linear_system,
    lorenz,
    mueller_brown,
    nonnormal_ou,
    overdamped,
    rotating_ou,
    underdamped_oscillator,
    washboard,
)
from fpsde.processes.process import Process
from fpsde.schemes import euler_maruyama, exact_sampling, leimkuhler_matthews, sgld
from fpsde.schemes.tracing import constant_rows, traced_step


def harmonic(k=1.7, kT=0.6):
    return Process(drift=lambda x, p: -p.k * x, sigma=lambda x, p: np.sqrt(2 * p.kT), params={"k": k, "kT": kT})


# --- Leimkuhler-Matthews


@pytest.mark.parametrize("a", [0.01, 0.5, 1.9])
def test_leimkuhler_matthews_has_the_exact_variance_on_a_harmonic_well(a):
    relative = {
        s: stationary_covariance(s, harmonic(), a / 1.7)[0, 0] * 1.7 / 0.6
        for s in (leimkuhler_matthews, euler_maruyama)
    }
    assert relative[leimkuhler_matthews] == pytest.approx(1, rel=1e-11)
    assert relative[euler_maruyama] == pytest.approx(1 / (1 - a / 2), rel=1e-11)


def test_what_is_seen_is_the_euler_chain_with_the_noise_of_two_steps_averaged(seed):
    """X' = X + mu(X) dt + sigma (dW + dW')/2, in the two-dimensional form with correlated noise."""

    def sigma(t):
        return [[0.5, 0.3 - t, 0.0], [0.1, -0.2, 0.4 + 2 * t]]

    process = Process(drift=lambda x, t: (-np.sin(x[0]) + t, x[0] - x[1] ** 3), sigma=lambda x, t: sigma(t), dim=2)
    rng = np.random.default_rng(seed)
    state, z = np.zeros((6, LANES)), rng.normal(size=(2, 3, LANES))
    state[:2] = rng.normal(size=(2, LANES))
    first = one_step(leimkuhler_matthews, process, state, z[0], times=[0.0, 0.2, 0.4])
    second = one_step(leimkuhler_matthews, process, first, z[1], times=[0.0, 0.2, 0.4], s=1)
    x = first[4:]
    drift = np.array([-np.sin(x[0]), x[0] - x[1] ** 3])
    noise = np.sqrt(0.2) * np.einsum("kij,kjn->in", [sigma(0.0), sigma(0.2)], z) / 2
    np.testing.assert_allclose(second[4:], x + drift * 0.2 + noise, rtol=1e-13, atol=1e-14)


def stationary_bias(scheme, h):
    """Return E x^2 - 1.0417972965 of what is seen, for V = x^4/4 - x^2/2 at kT = 1, given that no chain has escaped.

    Transition operator on Chebyshev nodes of [-4.6, 4.6] by Gauss-Hermite; its left eigenvector is the law.
    """
    process = Process(drift=lambda x: x - x**3, sigma=lambda x: np.sqrt(2.0))
    step = traced_step(scheme, process)
    row = constant_rows(process, np.array([0.0, h]))[0]
    n, edge = 140, 4.6
    theta = (np.arange(n) + 0.5) * np.pi / n
    nodes, weights = edge * np.cos(theta), (-1.0) ** np.arange(n) * np.sin(theta)
    z, w = np.polynomial.hermite_e.hermegauss(60)
    w = w / w.sum()
    state = np.zeros((len(step.state), n * 60))
    state[0] = np.repeat(nodes, 60)
    after = run_text(step, row, state, np.tile(z, n)[None])
    y, seen = after[0], after[step.observed].reshape(n, 60)
    inside = np.abs(y) < edge
    terms = weights / (np.where(inside, y, 0.0)[:, None] - nodes)
    basis = terms / terms.sum(axis=1, keepdims=True) * inside[:, None]
    operator = np.einsum("q,iqj->ij", w, basis.reshape(n, 60, n))
    values, vectors = np.linalg.eig(operator.T)
    law = np.real(vectors[:, np.argmax(np.real(values))])
    law = law / law.sum()
    return float(np.sum(law[:, None] * w * seen**2)) - 1.0417972965


def test_the_bias_on_a_double_well_is_that_of_the_literature_and_of_second_order():
    """Euler's is of first order; the table's numbers were computed by another program."""
    table = {leimkuhler_matthews: (-3.454e-4, -8.117e-5), euler_maruyama: (-1.177e-2, -5.631e-3)}
    for scheme, biases in table.items():
        found = [stationary_bias(scheme, h) for h in (0.05, 0.025)]
        np.testing.assert_allclose(found, biases, rtol=1e-3)
        assert np.log2(found[0] / found[1]) == pytest.approx(scheme.stationary_order(harmonic()), abs=0.1)


def test_a_current_or_noise_on_velocities_alone_costs_an_order_and_the_claim_says_so():
    """Exactly: covariances of linear systems, of which the second of each pair rests in equilibrium."""
    for process, order in (
        (rotating_ou(omega=1.0), 1.0),
        (rotating_ou(omega=0.0), None),
        (nonnormal_ou(), 1.0),
        (linear_system([[1.2, 0.3], [0.6, 0.9]], [[1.0, 0.0], [0.0, np.sqrt(2.0)]]), None),
        (underdamped_oscillator(), 1.0),
    ):
        exact = process.exact.stationary_covariance()
        biases = [
            np.max(np.abs(stationary_covariance(leimkuhler_matthews, process, dt) - exact)) for dt in (0.02, 0.01)
        ]
        assert leimkuhler_matthews.stationary_order(process) == (order or 2.0)
        if order is None:  # nothing is left of the bias of a linear force
            assert max(biases) < 1e-13
        else:
            assert np.log2(biases[0] / biases[1]) == pytest.approx(order, abs=0.1)


@pytest.mark.parametrize(
    ("process", "rests"),
    [
        (lambda: double_well(), True),
        (lambda: mueller_brown(), True),
        (
            lambda: overdamped(lambda x: x[0] ** 2 * x[1] ** 2 + x[0] ** 2, dim=2, mobility=[[2.0, 0.5], [0.5, 1.0]]),
            True,
        ),
        (lambda: washboard(tilt=0.0), True),
        (lambda: washboard(tilt=0.5), False),
        (lambda: Process(drift=lambda x, t: -x + np.sin(t), sigma=lambda x: 1.0), False),
        (lambda: Process(drift=lambda x: -x, sigma=lambda x: (1.0,), dim=1), True),
        (lambda: lorenz(), False),
        (lambda: BlackBox(lambda x, t: -x, 1.0, dim=2), False),
    ],
)
def test_what_rests_in_equilibrium_is_read_off_the_statement(process, rests):
    assert leimkuhler_matthews.stationary_order(process()) == (2.0 if rests else 1.0)


def test_paths_as_seen_come_within_half_an_increment_of_those_of_the_process():
    """The price of the stationary law: strong order 1/2 where Euler-Maruyama has 1."""
    for scheme, order in ((leimkuhler_matthews, 0.5), (euler_maruyama, 1.0)):
        coarse, fine = (distance_to_half_steps(scheme, harmonic(), n) for n in (64, 128))
        assert scheme.strong.additive == order and np.log2(coarse / fine) == pytest.approx(order, abs=0.1)


def test_leimkuhler_matthews_takes_additive_noise_alone():
    with pytest.raises(Unsuited, match="leimkuhler_matthews takes additive noise"):
        traced_step(leimkuhler_matthews, Process(drift=lambda x: -x, sigma=lambda x: x))


# --- stochastic gradients


def test_the_minibatch_step_is_the_formula(seed):
    process = Process(
        drift=lambda x, t, p: (-p.k * x[0] + t, x[0] - x[1]),
        sigma=lambda x, t: ((0.5, 0.1 * x[1], 0.0), (0.0, 0.3, t)),
        dim=2,
        params={"k": 1.4},
    )
    scheme = sgld(lambda x, t, p: (p.k + x[1] ** 2, 0.3 * t))
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=(2, LANES)), rng.normal(size=(5, LANES))
    t, dt = 0.2, 0.3 - 0.2
    dw = np.sqrt(dt) * z[:3]
    exact = np.array(
        [
            x[0] + (-1.4 * x[0] + t + (1.4 + x[1] ** 2) * z[3]) * dt + 0.5 * dw[0] + 0.1 * x[1] * dw[1],
            x[1] + (x[0] - x[1] + 0.3 * t * z[4]) * dt + 0.3 * dw[1] + t * dw[2],
        ]
    )
    np.testing.assert_allclose(one_step(scheme, process, x, z, times=[0.2, 0.3]), exact, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("dt", [0.5, 0.05, 0.005])
def test_minibatches_heat_a_harmonic_well_by_dt_s2_over_2(dt):
    """The variance is that of Euler-Maruyama at temperature kT + dt s^2/2, exactly."""
    s = 2.0
    heated = stationary_covariance(euler_maruyama, harmonic(kT=0.6 + dt * s**2 / 2), dt)
    np.testing.assert_allclose(stationary_covariance(sgld(lambda x: s), harmonic(), dt), heated, rtol=1e-11)


def test_without_minibatch_noise_it_is_euler():
    with_none, euler = affine_form(sgld(lambda x: 0.0), harmonic(), 0.1), affine_form(euler_maruyama, harmonic(), 0.1)
    np.testing.assert_array_equal(with_none.M, euler.M)
    np.testing.assert_array_equal(with_none.N, np.concatenate([euler.N, [[0.0]]], axis=1))


def test_minibatch_noise_has_one_number_for_each_component():
    process = Process(drift=lambda x: (-x[0], -x[1]), sigma=lambda x: (1.0, 1.0), dim=2)
    for wrong in (lambda x: 0.3, lambda x: (0.1, 0.2, 0.3), lambda x: x[0]):
        with pytest.raises(InvalidInput, match="a standard deviation for each of 2 components is needed"):
            traced_step(sgld(wrong), process)


def test_minibatch_noise_has_no_refinement():
    with pytest.raises(InvalidInput, match="the random input 'gradient' has no dt-refinement"):
        traced_step(sgld(lambda x: 0.3), harmonic()).coarsening(2)


# --- exact sampling

OU = Process(
    drift=lambda x, p: (-p.k * x[0], -2 * x[1]),
    sigma=lambda x, p: (p.s, 0.4),
    dim=2,
    params={"k": 0.7, "s": 0.5},
    sample=lambda x, t, dt, z, p: (
        np.exp(-p.k * dt) * x[0] + p.s * np.sqrt(-np.expm1(-2 * p.k * dt) / (2 * p.k)) * z[0],
        np.exp(-2 * dt) * x[1] + 0.4 * np.sqrt(-np.expm1(-4 * dt) / 4) * z[1],
    ),
)


@pytest.mark.parametrize("dt", [1e-3, 0.3, 40.0])
def test_an_exact_step_has_the_law_of_the_process_at_every_dt(dt):
    form = affine_form(exact_sampling, OU, dt)
    np.testing.assert_allclose(form.M, np.diag(np.exp([-0.7 * dt, -2 * dt])), rtol=1e-13, atol=1e-15)
    exact = [0.25 / 1.4 * -np.expm1(-1.4 * dt), 0.04 * -np.expm1(-4 * dt)]
    np.testing.assert_allclose(form.N @ form.N.T, np.diag(exact), rtol=1e-12, atol=1e-18)
    np.testing.assert_allclose(stationary_covariance(exact_sampling, OU, dt), np.diag([0.25 / 1.4, 0.04]), rtol=1e-11)


def test_the_compiled_exact_step_is_the_formula(seed):
    gbm = Process(
        drift=lambda x: 0.2 * x,
        sigma=lambda x: 0.3 * x,
        sample=lambda x, t, dt, z, p: x * np.exp((0.2 - 0.045) * dt + 0.3 * np.sqrt(dt) * z),
    )
    z = np.random.default_rng(seed).normal(size=LANES)
    found = one_step(exact_sampling, gbm, [[1.7]], z[None], times=[0.0, 0.5])[0]
    np.testing.assert_allclose(found, 1.7 * np.exp(0.0775 + 0.3 * np.sqrt(0.5) * z), rtol=1e-13)
    assert stats.lognorm(0.3 * np.sqrt(0.5), scale=1.7 * np.exp(0.0775)).cdf(found) == pytest.approx(
        stats.norm.cdf(z), abs=1e-12
    )


def test_a_process_without_a_transition_is_refused():
    with pytest.raises(
        Unsuited, match=r"states no transition that can be drawn; the scheme needs Process\(..., sample=...\)"
    ):
        traced_step(exact_sampling, harmonic())
