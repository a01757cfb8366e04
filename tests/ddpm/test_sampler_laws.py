"""Exact laws of samplers: the product of cosines, the tables of Gaussian data and of the mixture, orders."""

from dataclasses import replace

import numpy as np
import pytest

import fpsde
from fpsde import checks
from fpsde.checks import distances
from fpsde.ddpm import Sampler, exact_chain, flow_by_rk45, sampler_law, starting_points, toy_data
from fpsde.density import Mixture, Normal
from fpsde.errors import InvalidInput
from fpsde.joint_law import JointNormal
from fpsde.laws import joint_scheme_law, scheme_law
from fpsde.processes import linear_beta, reverse_of, variance_preserving

LINEAR, SPREAD = fpsde.linear_schedule(), 0.5
GAUSSIAN, MIXTURE = toy_data("gaussian").law, toy_data("mixture").law
PASS, FAIL = checks.Verdict.PASS, checks.Verdict.FAIL


def trailing(n):
    return LINEAR.subset(fpsde.trailing_timesteps(1000, n))


def law_of(schedule, scheme, start=None, law=GAUSSIAN):
    return sampler_law(exact_chain(law, schedule), scheme, x0=start)


@pytest.mark.parametrize("n", [5, 13, 50, 200])
def test_ddim_on_normal_data_is_a_product_of_cosines(n) -> None:
    """sd_out/sd = prod cos(theta_i - theta_{i+1}), theta = arctan(sigma/s), from the exact marginal, to 1e-12."""
    schedule = trailing(n)
    exact = GAUSSIAN.line_law(schedule.signals[-1], schedule.levels[-1]).laws[0]
    product = np.prod(np.cos(np.diff(np.arctan(schedule.sigmas / SPREAD))))
    law = law_of(schedule, fpsde.ddim(), exact)
    assert law.std / SPREAD == pytest.approx(product, rel=1e-12)
    assert law.mean == pytest.approx(1.0, abs=1e-12)
    assert law_of(schedule, fpsde.ddim(0.2), exact).std / SPREAD != pytest.approx(product, rel=1e-4)
    if n == 200:
        assert product == pytest.approx(0.985249, abs=5e-7)


@pytest.mark.parametrize(
    ("n", "scheme", "ratio"),
    [
        (5, fpsde.ddim(), 0.5251),
        (10, fpsde.ddim(), 0.7399),
        (20, fpsde.ddim(), 0.8627),
        (100, fpsde.ddim(), 0.9709),
        (50, fpsde.ancestral(), 0.8882),
        (50, fpsde.ancestral(1.0), 1.0234),
        (50, fpsde.ddim(1.0), 0.8882),
        (1000, fpsde.ancestral(), 0.9922),
        (1000, fpsde.ancestral(1.0), 1.0015),
    ],
)
def test_standard_deviations_from_the_prior_are_those_of_the_table(n, scheme, ratio) -> None:
    """diffusion.md, 5.3, from N(0, 1); by the recursion of scheme_law where the chain is long."""
    chain = exact_chain(GAUSSIAN, trailing(n))
    law = scheme_law(chain, scheme, x0=Normal(0.0, 1.0), t_end=float(n), dt=1.0).law
    assert law.std / SPREAD == pytest.approx(ratio, abs=5e-5)


@pytest.mark.parametrize(
    ("n", "euler", "heun"), [(18, -0.154, 5.53e-2), (36, -0.0780, 1.22e-2), (72, -0.0392, 2.87e-3)]
)
def test_karras_ladder_on_normal_data_is_that_of_the_table(n, euler, heun) -> None:
    """diffusion.md, 5.3: sd ratio - 1, from the exact start."""
    schedule = fpsde.karras_schedule(n)
    start = Normal(1.0, np.hypot(SPREAD, 80.0))
    for scheme, expected in ((fpsde.ddim(), euler), (fpsde.karras(), heun)):
        assert law_of(schedule, scheme, start).std / SPREAD - 1 == pytest.approx(expected, rel=4e-3)


def test_an_anisotropic_normal_law_has_one_product_for_each_axis() -> None:
    covariance = np.array([[0.5, 0.3], [0.3, 0.4]])
    law = fpsde.ddpm.GaussianMixture(np.ones(1), np.array([[1.0, -0.5]]), covariance[None])
    schedule = trailing(13)
    a, s = schedule.signals[-1], schedule.levels[-1]
    start = JointNormal(a * law.means[0], a**2 * covariance + s**2 * np.eye(2))
    out = joint_scheme_law(exact_chain(law, schedule), fpsde.ddim(), x0=start, t_end=13.0, dt=1.0).law
    values, axes = np.linalg.eigh(covariance)
    kept = [np.prod(np.cos(np.diff(np.arctan(schedule.sigmas / np.sqrt(v))))) for v in values]
    np.testing.assert_allclose(out.covariance, axes @ np.diag(values * np.square(kept)) @ axes.T, rtol=1e-11)
    np.testing.assert_allclose(out.mean, [1.0, -0.5], rtol=1e-11)


@pytest.mark.parametrize(("n", "fraction", "distance"), [(10, 0.0, 0.182), (10, 1.0, 0.139), (20, 1.0, 0.067)])
def test_ancestral_sampling_of_the_mixture_is_as_far_as_the_table_says(n, fraction, distance) -> None:
    """diffusion.md, 5.3: Wasserstein-1 at the last level with noise, by the transition operator."""
    schedule = trailing(n)
    law = sampler_law(exact_chain(MIXTURE, schedule, last=1), fpsde.ancestral(fraction), tolerance=1e-9)
    target = MIXTURE.line_law(schedule.signals[1], schedule.levels[1])
    assert distances.wasserstein1(law, target) == pytest.approx(distance, abs=5.5e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n", "fraction", "distance"),
    [(20, 0.0, 0.100), (50, 0.0, 0.048), (50, 1.0, 0.025), (100, 0.0, 0.027), (100, 1.0, 0.012)],
)
def test_ancestral_sampling_of_the_mixture_comes_closer_as_the_table_says(n, fraction, distance) -> None:
    schedule = trailing(n)
    law = sampler_law(exact_chain(MIXTURE, schedule, last=1), fpsde.ancestral(fraction), tolerance=1e-9)
    target = MIXTURE.line_law(schedule.signals[1], schedule.levels[1])
    assert distances.wasserstein1(law, target) == pytest.approx(distance, abs=5.5e-4)


#: N: L2 distance to F0^-1(F_T(x)) at 4000 midpoint quantiles, of Euler (DDIM) and Heun (diffusion.md, 5.1).
ROWS = {10: (2.870e-1, 1.566e-1), 20: (1.528e-1, 2.860e-2), 40: (8.268e-2, 6.728e-3), 80: (4.439e-2, 1.678e-3)}
FINE = {160: (2.334e-2, 4.203e-4), 320: (1.200e-2, 1.044e-4)}
LOG_ROWS = {20: (1.623e-1, 4.078e-2), 80: (4.736e-2, 2.445e-3)}


def flow_error(schedule, scheme, quantiles=4000):
    """The strong error of a sampler without noise: the exact flow on the line is the increasing map of the laws."""
    u = (np.arange(quantiles) + 0.5) / quantiles
    start = MIXTURE.line_law(1.0, float(schedule.levels[-1])).ppf(u)
    out = Sampler(exact_chain(MIXTURE, schedule), scheme).flow(start[None])[0]
    return np.sqrt(np.mean((out - MIXTURE.line_law(1.0, 0.0).ppf(u)) ** 2))


def log_ladder(n):
    return fpsde.variance_exploding_schedule(n, sigma_min=0.002, sigma_max=80.0)


@pytest.mark.parametrize(
    ("make", "rows"), [(fpsde.karras_schedule, ROWS), (log_ladder, LOG_ROWS)], ids=["rho 7", "log"]
)
def test_flows_on_the_mixture_are_as_exact_as_the_table_says(make, rows) -> None:
    for n, expected in rows.items():
        found = [flow_error(make(n), scheme) for scheme in (fpsde.ddim(), fpsde.karras())]
        assert found == pytest.approx(expected, rel=6e-4)


def test_heun_is_of_order_two() -> None:
    """2.00 +- 0.02 by the three finest of these ladders; Euler's slope is still far below 1, as the table has it."""
    ladders = [fpsde.karras_schedule(n) for n in (80, 160, 320)]
    heun = np.array([flow_error(ladder, fpsde.karras(), 500) for ladder in ladders])
    assert np.all(np.abs(np.log2(heun[:-1] / heun[1:]) - 2) < 0.02)
    euler = [flow_error(ladder, fpsde.ddim(), 500) for ladder in ladders[:2]]
    assert np.log2(euler[0] / euler[1]) == pytest.approx(0.93, abs=0.01)


@pytest.mark.slow
def test_flows_on_fine_ladders_are_as_exact_as_the_table_says() -> None:
    for n, expected in FINE.items():
        found = [flow_error(fpsde.karras_schedule(n), scheme) for scheme in (fpsde.ddim(), fpsde.karras())]
        assert found == pytest.approx(expected, rel=6e-4)


def test_an_adaptive_method_follows_the_flow_both_ways() -> None:
    u = (np.arange(50) + 0.5) / 50
    low, high = (MIXTURE.line_law(1.0, sigma).ppf(u)[None] for sigma in (0.01, 80.0))

    def denoiser(y, sigma):
        return MIXTURE.denoised(y, 1.0, sigma)

    np.testing.assert_allclose(flow_by_rk45(denoiser, high, sigma=80.0, to=0.01), low, atol=2e-7)
    np.testing.assert_allclose(flow_by_rk45(denoiser, low, sigma=0.01, to=80.0), high, atol=2e-5)
    with pytest.raises(InvalidInput, match=r"does not return the shape \(1, 50\)"):
        flow_by_rk45(lambda y, sigma: y[0], high, sigma=80.0, to=0.01)


def test_the_law_of_ddim_on_the_mixture_is_an_image_of_quantiles() -> None:
    """Against particles of the generator, and the density against the slope of the distribution function."""
    schedule = trailing(10)
    chain = exact_chain(MIXTURE, schedule)
    law = sampler_law(chain, fpsde.ddim())
    x = np.array([-1.6, -0.9, 0.4, 1.2])
    np.testing.assert_allclose(law.cdf(law.ppf(np.array([0.1, 0.6]))), [0.1, 0.6], atol=1e-12)
    np.testing.assert_allclose(law.pdf(x), (law.cdf(x + 1e-4) - law.cdf(x - 1e-4)) / 2e-4, rtol=1e-5)
    assert law.expectation(lambda x: np.ones_like(x)) == pytest.approx(1.0, abs=1e-12)
    assert float(law.mean) == pytest.approx(0.26932, abs=5e-6)


def test_particles_of_a_sampler_have_its_law_and_are_those_of_simulate(seed) -> None:
    """The whole chain, last step without noise included; 1 % less noise is seen."""
    schedule, n = trailing(10), 20_000
    sampler = Sampler(exact_chain(MIXTURE, schedule), fpsde.ancestral(1.0))
    law = sampler_law(sampler.chain, sampler.scheme, tolerance=1e-6)
    x = starting_points(schedule, n, dim=1, seed=seed)
    *_, out = sampler.trajectory(x, seed=seed)
    assert checks.density(out[0], law, alpha=1e-8).verdict is PASS
    assert checks.density(0.98 * out[0] - 0.02, law, alpha=1e-8).verdict is FAIL
    *_, moved = sampler.trajectory(x[:, 600:700], seed=seed, first=600)
    np.testing.assert_array_equal(moved, out[:, 600:700])
    box = fpsde.denoising_box(MIXTURE.denoiser, schedule, dim=1)
    run = fpsde.simulate(
        box, sampler.scheme, x0=x[0, :512], t_end=10.0, dt=1.0, n_particles=512, seed=seed,
        normals=fpsde.Normals.FLOAT64,
    )  # fmt: skip
    np.testing.assert_allclose(run.x[0], out[0, :512], rtol=1e-11, atol=1e-12)


def reverse_diffusion(law, noise=1.0):
    """The reverse of the VP process from a mixture on the line, at beta 0.1 .. 20, as a process in time."""
    beta = linear_beta(0.1, 20.0)
    forward = variance_preserving(beta, Mixture(law.weights.tolist(), law.line_law(1.0, 0.0).laws))

    def log_density(x, t, p):
        spent = beta.integral(t, p)
        return law.log_density((x,), np.exp(-spent / 2), np.sqrt(-np.expm1(-spent)))

    return reverse_of(forward, log_density, t_end=1.0, noise=noise), forward


def by_plain_operator(n, x):
    """The density at ``x`` of Euler's chain by the trapezoid rule on [-9, 9], with all written out."""
    grid = np.linspace(-9, 9, 901)
    h, p = (1 - 1e-3) / n, np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi)
    for k in range(n):
        t = 1 - k * h
        beta, spent = 0.1 + 19.9 * t, 0.1 * t + 9.95 * t**2
        a, s2 = np.exp(-spent / 2), -np.expm1(-spent)
        parts = [(w, a * m, a**2 * v + s2) for w, m, v in ((0.3, -1.5, 0.09), (0.7, 1.0, 0.25))]
        q = [w * np.exp(-((grid - m) ** 2) / (2 * v)) / np.sqrt(v) for w, m, v in parts]
        score = sum(-(grid - m) / v * q_k for q_k, (_, m, v) in zip(q, parts, strict=True)) / sum(q)
        mean = grid + h * beta * (grid / 2 + score)
        to = x if k == n - 1 else grid
        p = np.exp(-((to[:, None] - mean) ** 2) / (2 * h * beta)) @ p * 0.02 / np.sqrt(2 * np.pi * h * beta)
    return p


def check_reverse_diffusion(n, w1, tv, kl):
    """Against the plain operator, and the table of diffusion.md, 5.2, whose last digits are off by up to 0.05 %."""
    reverse, forward = reverse_diffusion(MIXTURE)
    end, target = 1.0 - 1e-3, forward.exact.marginal(forward.setting.x0, 1e-3)
    run = {"x0": Normal(0.0, 1.0), "t_end": end, "dt": end / n, "tolerance": 1e-9}
    law = scheme_law(reverse, fpsde.euler_maruyama, **run).law
    x = np.linspace(-3, 3, 41)
    np.testing.assert_allclose(law.pdf(x), by_plain_operator(n, x), rtol=1e-7, atol=1e-9)
    assert distances.wasserstein1(law, target) == pytest.approx(w1, rel=6e-4)
    assert distances.total_variation(law, target) == pytest.approx(tv, rel=6e-4)
    assert distances.kullback_leibler(target, law) == pytest.approx(kl, rel=6e-4)


def test_euler_on_the_reverse_diffusion_is_as_far_as_the_table_says() -> None:
    check_reverse_diffusion(25, 2.690e-2, 3.635e-2, 6.610e-3)


@pytest.mark.slow
def test_euler_on_the_reverse_diffusion_gains_an_order_in_w1_and_tv_and_two_in_kl() -> None:
    check_reverse_diffusion(50, 1.241e-2, 1.692e-2, 1.561e-3)
    check_reverse_diffusion(100, 6.011e-3, 8.237e-3, 3.908e-4)


def test_euler_on_the_reverse_diffusion_of_normal_data_is_the_recursion() -> None:
    """diffusion.md, 6.7 and 5.2: A = 1 + h beta (1/2 - 1/v); relative error of the variance 3.27e-2 at N = 50."""
    reverse, forward = reverse_diffusion(GAUSSIAN)
    end, n = 1.0 - 1e-3, 50
    h, mean, variance = end / n, 0.0, 1.0
    for k in range(n):
        t = 1.0 - k * h
        beta, spent = 0.1 + 19.9 * t, 0.1 * t + 9.95 * t**2
        m, v = np.exp(-spent / 2), 1 - 0.75 * np.exp(-spent)
        A = 1 + h * beta * (0.5 - 1 / v)
        mean, variance = A * mean + h * beta * m / v, A**2 * variance + h * beta
    law = scheme_law(reverse, fpsde.euler_maruyama, x0=Normal(0.0, 1.0), t_end=end, dt=end / n).law
    assert (law.mean, law.variance) == (pytest.approx(mean, rel=1e-11), pytest.approx(variance, rel=1e-11))
    exact = forward.exact.marginal(Normal(1.0, 0.5), 1e-3).variance
    assert law.variance / exact - 1 == pytest.approx(3.27e-2, abs=5e-5)


def test_the_flow_in_time_keeps_the_mismatch_of_the_prior() -> None:
    """diffusion.md, 5.2 and 6.7: Euler's sd error at N = 50 from N(0, 1); the mean error tends to -3.3e-3.

    The flow carries the mean that x_T has, and the prior has not: -mu a_T s/sqrt(a_T^2 s^2 + 1 - a_T^2).
    """
    flow, forward = reverse_diffusion(GAUSSIAN, noise=0.0)
    end, exact = 1.0 - 1e-3, forward.exact.marginal(Normal(1.0, 0.5), 1e-3)

    def error(scheme, n):
        law = joint_scheme_law(flow, scheme, x0=Normal(0.0, 1.0), t_end=end, dt=end / n).law
        return law.mean[0] - exact.mean, np.sqrt(law.covariance[0, 0] / exact.variance) - 1

    assert error(fpsde.euler_maruyama, 50)[1] == pytest.approx(-8.34e-3, abs=6e-6)
    left, sd = error(fpsde.heun, 100)
    a_end = np.exp(-10.05 / 2)
    assert left == pytest.approx(-a_end * 0.5 / np.sqrt(1 - 0.75 * a_end**2), rel=4e-2)
    assert abs(sd) < 4e-4


CORRECTED, CORRECTOR = fpsde.predictor_corrector(size=0.3), fpsde.langevin_corrector(0.3)


def test_a_corrector_takes_its_turn_after_each_step() -> None:
    """On normal data the two in turn have the law of the one scheme of both."""
    schedule = trailing(4)
    chain = exact_chain(GAUSSIAN, schedule)
    in_turn, at_once = sampler_law(chain, fpsde.ancestral(), corrector=CORRECTOR), sampler_law(chain, CORRECTED)
    assert (in_turn.mean, in_turn.std) == (
        pytest.approx(at_once.mean, rel=1e-11),
        pytest.approx(at_once.std, rel=1e-11),
    )
    assert at_once.std != pytest.approx(law_of(schedule, fpsde.ancestral()).std, rel=1e-3)


@pytest.mark.slow
def test_corrected_particles_of_the_mixture_have_the_law_of_both_in_turn(seed) -> None:
    """Which without the corrector they have not."""
    schedule, n = trailing(6), 20_000
    chain = exact_chain(MIXTURE, schedule)
    law = sampler_law(chain, fpsde.ancestral(), corrector=CORRECTOR, tolerance=1e-7)
    *_, out = Sampler(chain, CORRECTED).trajectory(starting_points(schedule, n, dim=1, seed=seed), seed=seed)
    assert checks.density(out[0], law, alpha=1e-8).verdict is PASS
    alone = sampler_law(chain, fpsde.ancestral(), tolerance=1e-7)
    assert checks.density(out[0], alone, alpha=1e-8).verdict is FAIL


#: A sampler that mirrors what it makes: no step of it increases.
TURNED = replace(fpsde.ddim(), step=lambda *a: -fpsde.ddim().step(*a))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Sampler(exact_chain(GAUSSIAN, trailing(5)), fpsde.ddim()).step(np.zeros((1, 3)), 5, np.zeros((1, 3))),
         r"i=5 is no step of 5; give 0 to 4"),
        (lambda: Sampler(exact_chain(GAUSSIAN, trailing(5)), fpsde.ddim()).step(np.zeros(3), 0, np.zeros((1, 3))),
         r"x has shape \(3,\), z \(1, 3\); \(1, n\) and \(1, n\) are needed"),
        (lambda: law_of(trailing(5), fpsde.predictor_corrector(size=0.1), law=MIXTURE), r"takes 2 normals a step"),
        (lambda: sampler_law(exact_chain(toy_data("anisotropic").law, trailing(5)), fpsde.ddim()),
         r"has 2 components; laws on the line are of one"),
        (lambda: law_of(fpsde.karras_schedule(3), TURNED, law=MIXTURE), r"does not increase between"),
    ],
)  # fmt: skip
def test_bad_runs_of_samplers_are_refused(make, message) -> None:
    with pytest.raises(InvalidInput, match=message):
        make()
