"""The variational bound and the floors of losses: tables to their digits, identities, and independent oracles."""

import numpy as np
import pytest

import fpsde
from fpsde.checks import distances
from fpsde.ddpm import (
    Boxes,
    GaussianMixture,
    ReverseVariance,
    denoising_errors,
    loss_floor,
    noise_floors,
    prior_gap,
    refuse_short_schedule,
    round_mixture,
    toy_data,
    variational_bound,
)
from fpsde.density import Normal
from fpsde.errors import InvalidInput
from fpsde.processes.denoising import prior_std

G, MIXTURE = toy_data("gaussian").law, toy_data("mixture").law
LINEAR = fpsde.linear_schedule()
TABLE = {
    "1000": (LINEAR, 2.018e-5, 0.725812, 1.295737, 0.840481),
    "100, beta x 10": (fpsde.schedule_of_betas(np.linspace(1e-3, 0.2, 100)), 1.020e-5, 0.725802, 1.998001, 0.758828),
    "50": (fpsde.linear_schedule(50), 0.37630, 1.102095, 3.379237, 1.114150),
}
ENTROPY = 0.5 * np.log(2 * np.pi * np.e * 0.25)


@pytest.mark.parametrize("name", TABLE)
def test_bounds_of_normal_data_are_those_of_the_table(name) -> None:
    """diffusion.md, 5.4, with the small variance of t = 2 at t = 1 of both fixed ones."""
    schedule, gap, *totals = TABLE[name]
    for kind, total in zip(
        (ReverseVariance.OPTIMAL, ReverseVariance.SMALL, ReverseVariance.LARGE), totals, strict=True
    ):
        assert variational_bound(G, schedule, variance=kind).total == pytest.approx(total, abs=6e-7)
    assert prior_gap(G, schedule).kullback_leibler == pytest.approx(gap, rel=5e-4)


def test_the_parts_of_a_bound() -> None:
    bound = variational_bound(G, LINEAR)
    assert (bound.prior, bound.steps.sum(), bound.data) == pytest.approx((2.522e-5, 3.912168, -3.186382), rel=2e-4)
    literal = LINEAR.fresh  # beta_1 at t = 1, as the formula reads
    assert variational_bound(G, LINEAR, variance=literal).total == pytest.approx(0.726904, abs=6e-7)


@pytest.mark.parametrize("schedule", [LINEAR, fpsde.cosine_schedule(37), LINEAR.subset([3, 10, 80, 400, 999])])
@pytest.mark.parametrize("dim", [1, 2])
def test_the_optimal_bound_is_entropy_and_what_is_left_at_the_end(schedule, dim) -> None:
    law = round_mixture([1.0], [[1.0, -0.7][:dim]], [0.5])
    found = variational_bound(law, schedule).total
    assert found == pytest.approx(dim * ENTROPY + prior_gap(law, schedule).kullback_leibler, abs=2e-12)
    beyond = variational_bound(law, schedule, errors=1.01 * denoising_errors(law, schedule))
    assert beyond.total > found + 1e-4


def test_the_bound_is_that_of_the_joint_law_of_the_chain(seed) -> None:
    """E log q(x_1..T | x0) - log p(x_0..T) for five steps, from the covariance of all x_t, with any variances."""
    schedule = LINEAR.subset([40, 200, 350, 700, 1000])
    variances = np.random.default_rng(seed).uniform(0.01, 0.5, size=5)
    bars = schedule.alpha_bars
    mean = np.sqrt(bars)
    cov = np.array(
        [
            [np.sqrt(bars[max(s, t)] / bars[min(s, t)]) * (1 - 0.75 * bars[min(s, t)]) for s in range(6)]
            for t in range(6)
        ]
    )
    total = 0.5 * (np.log(2 * np.pi) + cov[5, 5] + mean[5] ** 2)
    for t in range(1, 6):
        alpha = bars[t] / bars[t - 1]
        total -= 0.5 * np.log(2 * np.pi * np.e * (1 - alpha))
        c0, ct = np.sqrt(bars[t - 1]) * (1 - alpha) / (1 - bars[t]), np.sqrt(alpha) * (1 - bars[t - 1]) / (1 - bars[t])
        pull = 0.25 * np.sqrt(bars[t]) / (1 - 0.75 * bars[t])  # E[x0 | x_t] = 1 + pull (x_t - sqrt(abar))
        slope, shift = c0 * pull + ct, c0 * (1 - pull * np.sqrt(bars[t]))
        residual = cov[t - 1, t - 1] - 2 * slope * cov[t - 1, t] + slope**2 * cov[t, t]
        residual += (mean[t - 1] - slope * mean[t] - shift) ** 2
        total += 0.5 * (np.log(2 * np.pi * variances[t - 1]) + residual / variances[t - 1])
    assert variational_bound(G, schedule, variance=variances).total == pytest.approx(total, rel=1e-11)


def test_the_bound_of_a_mixture_is_above_its_entropy() -> None:
    schedule = LINEAR.subset(fpsde.trailing_timesteps(1000, 25))
    least = 1.180775 + prior_gap(MIXTURE, schedule).kullback_leibler
    errors = denoising_errors(MIXTURE, schedule)
    kinds = ReverseVariance.OPTIMAL, ReverseVariance.SMALL, ReverseVariance.LARGE
    optimal, small, large = (variational_bound(MIXTURE, schedule, variance=k, errors=errors).total for k in kinds)
    assert least < optimal < min(small, large)


def test_floors_are_those_of_the_table() -> None:
    """diffusion.md, 5.5, of t uniform on 1..1000; of the mixture at t = 0, 100, 500 of its count from 0."""
    assert loss_floor(round_mixture([1.0], [[0.0]], [1.0]), LINEAR) == pytest.approx(0.27551, abs=5e-6)
    assert loss_floor(G, LINEAR) == pytest.approx(0.17305, abs=5e-6)
    assert noise_floors(MIXTURE, LINEAR.sigmas[[1, 101, 501]]) == pytest.approx([0.9994, 0.6689, 0.1130], abs=5e-5)


@pytest.mark.slow
def test_floors_between_nodes_are_those_at_every_level() -> None:
    """By panels at each of 20 levels, and the mean that the interpolation gives for all of them."""
    schedule = LINEAR.subset(fpsde.linspace_timesteps(1000, 20))
    each = []
    for sigma in schedule.sigmas[1:]:
        law = MIXTURE.line_law(1.0, sigma)
        each.append(1 - sigma**2 * law.expectation(lambda x, s=sigma: MIXTURE.score(x[None], 1.0, s)[0] ** 2))
    np.testing.assert_allclose(noise_floors(MIXTURE, schedule.sigmas[1:]), each, atol=1e-9)
    errors = denoising_errors(MIXTURE, schedule)
    np.testing.assert_allclose(errors, schedule.sigmas[1:] ** 2 * each, rtol=2e-5)
    assert np.all(errors < MIXTURE.covariance[0, 0]) and np.all(np.diff(errors) > 0)


def test_floors_in_the_plane_add_up_over_independent_components() -> None:
    """Two mixtures side by side, turned or not, and a box."""
    weights, means, variances = [0.3, 0.7], [-1.5, 1.0], [0.09, 0.25]
    pairs = [(i, j) for i in range(2) for j in range(2)]
    both = GaussianMixture(
        np.array([weights[i] * weights[j] for i, j in pairs]),
        np.array([[means[i], 0.5 * means[j]] for i, j in pairs]),
        np.array([np.diag([variances[i], 0.25 * variances[j]]) for i, j in pairs]),
    )
    c, s = np.cos(0.5), np.sin(0.5)
    R = np.array([[c, -s], [s, c]])
    turned = GaussianMixture(both.weights, both.means @ R.T, R @ both.covariances @ R.T)
    half = round_mixture([0.3, 0.7], [[-0.75], [0.5]], [0.15, 0.25])
    at = np.array([0.4, 1.1])
    expected = noise_floors(MIXTURE, at) + noise_floors(half, at)
    np.testing.assert_allclose(noise_floors(both, at), expected, atol=1e-6)
    np.testing.assert_allclose(noise_floors(turned, at), expected, atol=1e-6)
    square = Boxes(np.ones(1), np.array([[-0.5, 0.0]]), np.array([[1.5, 1.0]]))
    sides = [Boxes(np.ones(1), np.array([[a]]), np.array([[b]])) for a, b in ((-0.5, 1.5), (0.0, 1.0))]
    np.testing.assert_allclose(noise_floors(square, at), sum(noise_floors(one, at) for one in sides), atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["moons", "checkerboard", "anisotropic", "laplace", "uniform"])
def test_floors_of_all_timesteps_leave_errors_that_grow_with_the_noise(name) -> None:
    law = toy_data(name).law
    floors = noise_floors(law, LINEAR.sigmas[1:])
    assert np.all((floors > 0) & (floors < law.dim))
    assert np.all(np.diff(denoising_errors(law, LINEAR)) > 0)
    at = LINEAR.sigmas[[1, 137, 700]]
    np.testing.assert_allclose(floors[[0, 136, 699]], noise_floors(law, at), atol=1e-5)


def test_how_far_the_end_is_from_the_prior() -> None:
    schedule = LINEAR.subset([100, 300])
    gap = prior_gap(MIXTURE, schedule)
    end = MIXTURE.line_law(schedule.signals[-1], schedule.levels[-1])
    assert gap.kullback_leibler == pytest.approx(distances.kullback_leibler(end, Normal(0.0, 1.0)), rel=1e-8)
    bar = schedule.alpha_bars[-1]
    assert gap.snr == pytest.approx(bar / (1 - bar), rel=1e-12)
    product = Boxes(np.ones(1), np.array([[-0.5, -0.5]]), np.array([[1.5, 1.5]]))
    one = Boxes(np.ones(1), np.array([[-0.5]]), np.array([[1.5]]))
    assert prior_gap(product, schedule).kullback_leibler == pytest.approx(
        2 * prior_gap(one, schedule).kullback_leibler, abs=1e-6
    )
    for other in (fpsde.schedule_of_sigmas([1.0, 4.0]), fpsde.sub_variance_preserving_schedule([0.2, 0.4])):
        for law in (G, MIXTURE):
            end = law.line_law(other.signals[-1], other.levels[-1])
            exact, off = (distances.kullback_leibler(end, Normal(0.0, f * prior_std(other))) for f in (1.0, 1.01))
            assert prior_gap(law, other).kullback_leibler == pytest.approx(exact, rel=1e-7)
            assert prior_gap(law, other).kullback_leibler != pytest.approx(off, rel=1e-4)
    assert refuse_short_schedule(MIXTURE, LINEAR) == prior_gap(MIXTURE, LINEAR)
    with pytest.raises(
        InvalidInput, match=r"T=50 is too small for this schedule: at T the signal-to-noise ratio is 1.52"
    ):
        refuse_short_schedule(G, fpsde.linear_schedule(50))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: variational_bound(G, fpsde.karras_schedule()), r"preserve the variance and leave some signal"),
        (lambda: variational_bound(G, fpsde.reciprocal_schedule(9)), r"preserve the variance and leave some signal"),
        (
            lambda: variational_bound(G, fpsde.linear_schedule(9), variance=np.ones(8)),
            r"variance has 8 entries, the lea",
        ),
        (lambda: variational_bound(G, fpsde.linear_schedule(9), errors=np.zeros(9)), r"9 positive ones are needed"),
        (lambda: prior_gap(G, fpsde.reciprocal_schedule(9)), r"no signal is left at the last timestep"),
        (
            lambda: noise_floors(round_mixture([0.5, 0.5], np.eye(3)[:2], [1, 1]), np.ones(2)),
            r"the law has 3 components",
        ),
    ],
)
def test_bad_bounds_are_refused(make, message) -> None:
    with pytest.raises(InvalidInput, match=message):
        make()
