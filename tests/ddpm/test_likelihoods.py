"""Likelihoods that agree: closed densities, the probability flow, weighted paths, the exact chain, the bound."""

from typing import Any

import numpy as np
import pytest

import fpsde
from fpsde.ddpm import (
    Direction,
    GaussianMixture,
    Probes,
    ReverseVariance,
    chain_log_density,
    denoising_errors,
    divergence,
    exact_chain,
    flow_log_likelihood,
    model_law,
    network_chain,
    toy_data,
    train,
    variational_bound,
    weighted_bound,
)
from fpsde.ddpm.score_errors import excess_errors
from fpsde.errors import InvalidInput
from fpsde.joint_law import JointNormal
from fpsde.laws import joint_scheme_law

LINEAR = fpsde.linear_schedule()
GAUSSIAN, MIXTURE = toy_data("gaussian").law, toy_data("mixture").law
TILTED = GaussianMixture(np.ones(1), np.array([[1.0, -0.5]]), np.array([[[0.5, 0.3], [0.3, 0.4]]]))
SHORT = LINEAR.subset(fpsde.trailing_timesteps(1000, 10))
KINDS = ReverseVariance.SMALL, ReverseVariance.LARGE


def exact(law: Any, scale: float = 1.0) -> Any:
    """The exact denoiser, the noise that it predicts times ``scale``."""
    return lambda y, sigma: y + scale * (law.denoised(y, 1.0, sigma) - y)


def test_the_trace_by_probes_has_the_variance_of_theory() -> None:
    """diffusion.md, 5.5: 2.56 for signs (here over all four of them), 12.56 for normals, about the exact trace -3."""
    A = np.array([[-1.0, 0.8], [0.8, -2.0]])
    signs = np.array([[[a], [b]] for a in (-1.0, 1.0) for b in (-1.0, 1.0)])
    x = np.array([[0.3], [-0.2]])
    each = np.array([divergence(lambda x: A @ x, x, scale=1.0, probes=z[None])[0] for z in signs])
    assert divergence(lambda x: A @ x, x, scale=1.0)[0] == pytest.approx(-3.0, rel=1e-10)
    assert (each.mean(), each.var()) == (pytest.approx(-3.0, rel=1e-10), pytest.approx(2.56, rel=1e-10))
    n = 40_000
    for direction, variance in ((Direction.RADEMACHER, 2.56), (Direction.NORMAL, 12.56)):
        drawn = Probes(1, 3, direction).drawn(2, n)
        found = divergence(lambda x: A @ x, np.zeros((2, n)), scale=1.0, probes=drawn)
        assert found.mean() == pytest.approx(-3.0, abs=7 * (variance / n) ** 0.5)
        assert found.var() == pytest.approx(variance, rel=0.15)  # 6 standard errors of the heavier of both
    np.testing.assert_array_equal(drawn[:, :, 5:9], Probes(1, 3, direction).drawn(2, 4, first=5))


def test_the_flow_has_the_density_of_the_data_under_its_least_noise() -> None:
    """In the plane, to the mismatch of the prior; a denoiser whose noise is 1 % too large is seen."""
    x = np.array([[0.4, 1.0, 1.9], [-0.9, -0.5, 0.6]])
    density = TILTED.log_density(x, 1.0, float(SHORT.sigmas[1]))
    found = flow_log_likelihood(exact(TILTED), x, SHORT)
    np.testing.assert_allclose(found, density, atol=5e-3)
    s2 = 1 / SHORT.signals[-1] ** 2  # by hand: the flow of a normal law from its own marginal, to the prior's variance
    spreads, axes = np.linalg.eigh(TILTED.covariances[0])
    low, high = (spreads + SHORT.sigmas[k] ** 2 for k in (1, -1))
    y = TILTED.means[0][:, None] + axes @ ((axes.T @ (x - TILTED.means[0][:, None])) * np.sqrt(high / low)[:, None])
    by_hand = 0.5 * np.sum(np.log(high / low)) - 0.5 * np.sum(y**2, axis=0) / s2 - np.log(2 * np.pi * s2)
    np.testing.assert_allclose(found, by_hand, atol=1e-5)
    assert np.abs(flow_log_likelihood(exact(TILTED, 1.01), x, SHORT) - by_hand).max() > 1e-2


@pytest.mark.slow
def test_probes_leave_the_flow_without_bias(seed: int) -> None:
    """In the mean over many; a point has its own probes, so copies of one point are draws."""
    x = np.repeat([[0.4], [-0.9]], 400, axis=1)
    drawn = flow_log_likelihood(exact(TILTED), x, SHORT, probes=Probes(1, seed), rtol=1e-5)
    right = flow_log_likelihood(exact(TILTED), x[:, :1], SHORT)[0]
    error = drawn.std() / 20
    assert error > 0.01  # it is an estimate
    assert abs(drawn.mean() - right) < 6 * error


def test_weighted_paths_of_normal_data_are_between_bound_and_density(seed: int) -> None:
    """The mean log-weight is the bound, the log of the mean weight the density of the chain, both known exactly."""
    n, paths = 400, 200
    x = toy_data("gaussian").sample(n, seed=seed)
    found = weighted_bound(exact(GAUSSIAN), x, SHORT, paths=paths, seed=seed, variance=ReverseVariance.LARGE)
    bound = -variational_bound(GAUSSIAN, SHORT, variance=ReverseVariance.LARGE).total
    error = found.variational.std() / n**0.5
    assert abs(found.variational.mean() - bound) < 6 * error
    worse = variational_bound(
        GAUSSIAN, SHORT, variance=ReverseVariance.LARGE, errors=1.3 * denoising_errors(GAUSSIAN, SHORT)
    )
    assert abs(found.variational.mean() + worse.total) > 6 * error
    density = chain_log_density(exact(GAUSSIAN), x, SHORT, variance=ReverseVariance.LARGE)
    assert np.all(found.variational < found.importance)
    spread = np.exp(found.log_weights - found.log_weights.max(axis=0))
    relative = spread.std(axis=0) / spread.mean(axis=0) / paths**0.5
    assert np.median(np.abs(found.importance - density) / relative) < 1.5  # 0.67 for normal errors of this size
    assert np.median(np.abs(found.variational - density) / relative) > 1.5


def test_the_chain_of_normal_data_is_normal() -> None:
    """Against the recursion of its reverse steps, the last of which has noise."""
    for kind in KINDS:
        mean, variance = 0.0, 1.0
        s2 = fpsde.ddpm.bounds.fixed_variances(SHORT, kind)
        for t in range(10, 0, -1):
            step = SHORT.step(t)
            gain = step.next_signal * step.fresh / step.level**2
            pull = 0.25 * step.signal / (0.25 * step.signal**2 + step.level**2)  # D = 1 + pull (x - signal)
            kept = step.signal / step.next_signal * (step.next_level / step.level) ** 2 + gain * pull
            mean, variance = kept * mean + gain * (1 - pull * step.signal), kept**2 * variance + s2[t - 1]
        x = np.array([[-0.3, 0.9, 1.8]])
        expected = -0.5 * (x[0] - mean) ** 2 / variance - 0.5 * np.log(2 * np.pi * variance)
        np.testing.assert_allclose(chain_log_density(exact(GAUSSIAN), x, SHORT, variance=kind), expected, atol=1e-8)


def test_the_chain_of_normal_data_is_normal_in_the_plane() -> None:
    """Axes that are turned, against the recursion of the steps before the last one; other variances are seen."""
    schedule, x = LINEAR.subset(fpsde.trailing_timesteps(1000, 4)), np.array([[0.4, 1.0, 1.9], [-0.9, -0.5, 0.6]])
    mean, S = TILTED.means[0], TILTED.covariances[0]
    start = JointNormal([0.0, 0.0], np.eye(2))
    before = joint_scheme_law(
        exact_chain(TILTED, schedule, last=1), fpsde.ancestral(1.0), x0=start, t_end=3.0, dt=1.0
    ).law  # fmt: skip
    pull = S @ np.linalg.inv(S + schedule.sigmas[1] ** 2 * np.eye(2))  # D = mean + pull (x/signal - mean)
    middle = mean + pull @ (before.mean / schedule.signals[1] - mean)
    for kind, agrees in ((ReverseVariance.LARGE, True), (ReverseVariance.SMALL, False)):
        s2 = fpsde.ddpm.bounds.fixed_variances(schedule, ReverseVariance.LARGE)[0]
        covariance = pull @ before.covariance @ pull.T / schedule.signals[1] ** 2 + s2 * np.eye(2)
        apart = x - middle[:, None]
        exact_log = -0.5 * np.sum(apart * np.linalg.solve(covariance, apart), axis=0)
        exact_log -= 0.5 * np.linalg.slogdet(covariance)[1] + np.log(2 * np.pi)
        found = chain_log_density(exact(TILTED), x, schedule, variance=kind)
        assert np.allclose(found, exact_log, atol=1e-6) == agrees


@pytest.mark.slow
def test_four_likelihoods_of_the_mixture_agree(seed: int) -> None:
    """Of the exact denoiser and a trained one, over the data: bound >= weighted >= chain, and the flow is near both."""
    law, u = MIXTURE.line_law(1.0, 0.0), (np.arange(300) + 0.5) / 300
    x = law.ppf(u)[None]
    trained = train(MIXTURE, LINEAR, seed=seed, steps=3000, stop=0.002).denoiser.in_float64()
    for denoiser in (exact(MIXTURE), trained):
        errors = denoising_errors(MIXTURE, SHORT) + excess_errors(denoiser, MIXTURE, SHORT.sigmas[1:])
        bound = variational_bound(MIXTURE, SHORT, variance=ReverseVariance.LARGE, errors=errors).total
        chain = -chain_log_density(denoiser, x, SHORT, variance=ReverseVariance.LARGE).mean()
        weighted = weighted_bound(denoiser, x, SHORT, paths=300, seed=seed, variance=ReverseVariance.LARGE)
        assert bound - 0.01 > -weighted.importance.mean() > chain - 0.01
        assert -weighted.importance.mean() == pytest.approx(chain, abs=0.03)
        assert -weighted.variational.mean() == pytest.approx(bound, abs=0.05)
        flow = -flow_log_likelihood(denoiser, x, LINEAR.subset(fpsde.trailing_timesteps(1000, 50))).mean()
        assert flow == pytest.approx(1.180775, abs=0.04)
    many = LINEAR.subset(fpsde.trailing_timesteps(1000, 50))
    judged = model_law(
        network_chain(train(MIXTURE, LINEAR, seed=seed, steps=500, stop=None).denoiser, many), fpsde.karras(), MIXTURE
    )
    assert 1.18 < judged.cross_entropy < 1.25


def test_likelihoods_that_are_refused() -> None:
    x = np.zeros((1, 2))
    with pytest.raises(InvalidInput, match="no signal"):
        flow_log_likelihood(exact(GAUSSIAN), x, fpsde.reciprocal_schedule(9))
    with pytest.raises(InvalidInput, match="preserve the variance"):
        weighted_bound(exact(GAUSSIAN), x, fpsde.karras_schedule(9), paths=2, seed=1)
    with pytest.raises(InvalidInput, match="SMALL"):
        weighted_bound(exact(GAUSSIAN), x, SHORT, paths=2, seed=1, variance=ReverseVariance.OPTIMAL)
    with pytest.raises(InvalidInput, match=r"\(2, n\), and three steps"):
        chain_log_density(exact(GAUSSIAN), np.zeros((3, 2)), SHORT)
    with pytest.raises(InvalidInput, match="count"):
        Probes(0, 1)
