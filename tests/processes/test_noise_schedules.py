"""Noise schedules against their formulas in 50 digits; subsets of timesteps; what they refuse."""

import mpmath as mp
import numpy as np
import pytest
from scipy.integrate import quad

import fpsde
from fpsde.errors import InvalidInput
from fpsde.processes import linear_beta
from fpsde.processes.noise_schedules import NoiseSchedule

T = 40


def logistic(u):
    return 1 / (1 + mp.exp(-u))


def even(low, high, t):
    return mp.mpf(low) + (mp.mpf(high) - mp.mpf(low)) * mp.mpf(t - 1) / (T - 1)


def bumps(t):
    return mp.cos(mp.pi / 2 * (mp.mpf(t) / T + mp.mpf("0.008")) / mp.mpf("1.008")) ** 2


#: Name: the schedule, and beta_t in 50 digits.
BY_BETA = {
    "linear": (fpsde.linear_schedule(T), lambda t: even("1e-4", "0.02", t)),
    "scaled linear": (
        fpsde.scaled_linear_schedule(T),
        lambda t: even(mp.sqrt(mp.mpf("0.00085")), mp.sqrt(mp.mpf("0.012")), t) ** 2,
    ),
    "quadratic": (
        fpsde.quadratic_schedule(T),
        lambda t: even(mp.sqrt(mp.mpf("1e-4")), mp.sqrt(mp.mpf("0.02")), t) ** 2,
    ),
    "sigmoid": (
        fpsde.sigmoid_schedule(T),
        lambda t: mp.mpf("1e-4") + mp.mpf("0.0199") * logistic(even(-6, 6, t)),
    ),
    "cosine": (fpsde.cosine_schedule(T), lambda t: min(1 - bumps(t) / bumps(t - 1), mp.mpf("0.999"))),
    "reciprocal": (fpsde.reciprocal_schedule(T), lambda t: mp.mpf(1) / (T - t + 1)),
}


@pytest.mark.parametrize("name", BY_BETA)
def test_a_schedule_of_betas_is_the_product_of_what_is_kept(name) -> None:
    """alpha_bar_t = prod (1 - beta_s), and 1 - alpha_bar_t/alpha_bar_t' of strided steps, to the last digits."""
    schedule, beta = BY_BETA[name]
    with mp.workdps(50):
        betas = [beta(t) for t in range(1, T + 1)]
        bars = [mp.mpf(1)]
        for one in betas:
            bars.append(bars[-1] * (1 - one))
        strided = [1, 2, 7, 8, T - 1]
        exact = [float(1 - bars[t] / bars[s]) for s, t in zip([0, *strided], strided, strict=False)]
        noise = [float(mp.sqrt(1 - bar)) for bar in bars]
        signals = [float(mp.sqrt(bar)) for bar in bars]
    np.testing.assert_allclose(schedule.fresh, [float(b) for b in betas], rtol=2e-12)
    np.testing.assert_allclose(schedule.signals, signals, rtol=1e-13, atol=1e-300)
    np.testing.assert_allclose(schedule.levels, noise, rtol=1e-13)
    np.testing.assert_allclose(schedule.subset(strided).fresh, exact, rtol=2e-12)
    assert schedule.subset(strided).timesteps.tolist() == [0, *strided]
    np.testing.assert_allclose(schedule.alpha_bars, np.square(signals), rtol=2e-13, atol=1e-300)


def test_the_difference_that_cancels_is_not_taken() -> None:
    """1 - alpha_bar of a first beta of 1e-12 would lose 4 digits, and in float32 beta = 1e-4 loses 1e-3."""
    betas = [1e-12, 2e-12, 1e-4]
    np.testing.assert_allclose(fpsde.schedule_of_betas(betas).fresh, betas, rtol=1e-15)
    bars = np.cumprod(1 - np.array(betas))
    assert abs(1 - bars[1] / bars[0] - 2e-12) > 1e-5 * 2e-12
    narrow = fpsde.linear_schedule().alpha_bars.astype(np.float32)
    assert abs((1 - narrow[1] / narrow[0]) / 1e-4 - 1) > 1e-5


def test_the_ends_of_the_schedule_of_ho() -> None:
    """diffusion.md, 5.4: KL(N(sqrt(abar), 1 - 0.75 abar) || N(0, 1)) = 2.018e-5 at T."""
    schedule = fpsde.linear_schedule()
    bar = schedule.alpha_bars[-1]
    assert (schedule.n_steps, schedule.log_snr[0]) == (1000, np.inf)
    variance = 1 - 0.75 * bar
    assert 0.5 * (bar + variance - 1 - np.log(variance)) == pytest.approx(2.018e-5, rel=3e-4)
    assert schedule.log_snr[-1] == pytest.approx(np.log(bar / (1 - bar)), rel=1e-14)
    np.testing.assert_allclose(schedule.sigmas, schedule.levels / schedule.signals, rtol=1e-13)


def test_the_schedule_of_2015_leaves_no_signal_at_the_end() -> None:
    schedule = fpsde.reciprocal_schedule(10)
    np.testing.assert_allclose(schedule.alpha_bars, 1 - np.arange(11) / 10, rtol=1e-14, atol=1e-300)
    assert (schedule.signals[-1], schedule.levels[-1], schedule.sigmas[-1]) == (0.0, 1.0, np.inf)
    assert schedule.log_snr[-1] == -np.inf


@pytest.mark.parametrize("make", [fpsde.variance_preserving_schedule, fpsde.sub_variance_preserving_schedule])
def test_levels_of_an_sde_solve_its_equation_of_moments(make) -> None:
    """a' = -beta/2 a and V' = -beta V + g^2, with g^2 = beta or beta (1 - exp(-2B)) (Song et al. 2021, section 3.4)."""
    beta = linear_beta(0.1, 20.0)
    times = np.linspace(0.02, 1.0, 30)
    schedule = make(times, beta)
    p = fpsde.variance_preserving(beta).params

    def rate(t):
        return p["beta_min"] + (p["beta_max"] - p["beta_min"]) * t

    def spent(t):
        return quad(rate, 0, t, epsabs=1e-14)[0]

    sub = make is fpsde.sub_variance_preserving_schedule
    for k in (1, 7, 30):
        t = times[k - 1]
        grown = quad(
            lambda s, t=t: rate(s) * (-np.expm1(-2 * spent(s)) if sub else 1.0) * np.exp(spent(s) - spent(t)),
            0, t, epsabs=1e-13, limit=200,
        )[0]  # fmt: skip
        assert schedule.signals[k] == pytest.approx(np.exp(-spent(t) / 2), rel=1e-12)
        assert schedule.levels[k] ** 2 == pytest.approx(grown, rel=1e-10)
    assert np.all(schedule.scales[1:] < 1) if sub else np.all(schedule.scales == 1)


def test_variance_exploding_levels_are_the_sigmas_and_the_signal_stays() -> None:
    karras = fpsde.karras_schedule(18)
    by_hand = [
        (80 ** (1 / 7) + i / 17 * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7 for i in range(18)
    ]  # Karras et al. (2022), eq. 5
    np.testing.assert_allclose(karras.levels, [0.0, *by_hand[::-1]], rtol=1e-13)
    np.testing.assert_allclose(karras.signals, 1.0, rtol=1e-14)
    np.testing.assert_allclose(karras.fresh, np.diff(karras.levels**2), rtol=1e-12)
    song = fpsde.variance_exploding_schedule(10, sigma_min=0.01, sigma_max=50.0)
    np.testing.assert_allclose(song.sigmas[1:], 0.01 * 5000 ** (np.arange(10) / 9), rtol=1e-13)


def test_timesteps_are_those_of_the_spacings() -> None:
    """Those of diffusers, which count from 0, for N = 10; and N = 13, which does not divide 1000, by hand."""
    assert fpsde.leading_timesteps(1000, 10).tolist() == [1, 101, 201, 301, 401, 501, 601, 701, 801, 901]
    assert fpsde.trailing_timesteps(1000, 10).tolist() == [100, 200, 300, 400, 500, 600, 700, 800, 900, 1000]
    assert fpsde.linspace_timesteps(1000, 10).tolist() == [1, 112, 223, 334, 445, 556, 667, 778, 889, 1000]
    assert fpsde.leading_timesteps(1000, 13)[[0, 1, -1]].tolist() == [1, 77, 913]
    trailing = [77, 154, 231, 308, 385, 462, 538, 615, 692, 769, 846, 923, 1000]
    assert fpsde.trailing_timesteps(1000, 13).tolist() == trailing
    assert fpsde.linspace_timesteps(1000, 13)[[0, 1, -2, -1]].tolist() == [1, 84, 917, 1000]
    in_floats = 1 + (np.linspace(0, np.sqrt(1000 * 0.8), 29) ** 2).astype(int)  # 29 is the most that are apart
    assert fpsde.quadratic_timesteps(1000, 29).tolist() == in_floats.tolist()
    assert fpsde.quadratic_timesteps(1000, 5).tolist() == [1, 51, 201, 451, 801]


def test_a_subset_of_a_subset_is_named_by_the_first_schedule() -> None:
    whole = fpsde.linear_schedule(100)
    part = whole.subset([90, 10, 50])
    assert part.subset([50, 90]).timesteps.tolist() == [0, 50, 90]
    step = part.step(2)
    assert (step.signal, step.next_level) == (whole.signals[50], whole.levels[10])
    assert step.fresh == pytest.approx(1 - np.prod(1 - whole.fresh[10:50]), rel=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: fpsde.schedule_of_betas([0.1, 1.2]), r"betas\[1\]=1.2, and 0 more of 2, do not lie strictly between"),
        (lambda: fpsde.schedule_of_betas([1.0, 0.1]), r"betas\[0\]=1.0"),
        (lambda: fpsde.schedule_of_betas([0.1, np.nan]), r"NaN"),
        (lambda: fpsde.linear_schedule(beta_first=0.02, beta_last=1e-4), r"this schedule promises betas that increase"),
        (lambda: fpsde.scaled_linear_schedule(beta_last=1.0), r"beta_last=1.0 must lie strictly between 0 and 1"),
        (lambda: fpsde.linear_schedule(1), r"n_steps=1 must be at least 2"),
        (lambda: fpsde.cosine_schedule(offset=0.0), r"offset=0.0 must be positive"),
        (lambda: fpsde.schedule_of_sigmas([1.0, 0.5]), r"must be positive and increase"),
        (lambda: fpsde.karras_schedule(sigma_min=90.0), r"sigma_min=90.0 must be below sigma_max=80.0"),
        (lambda: fpsde.karras_schedule(rho=0.0), r"rho=0.0 must be positive"),
        (lambda: fpsde.variance_preserving_schedule([0.0, 0.5]), r"times from 0.0 to 0.5; the rate is known on \(0, 1"),
        (lambda: fpsde.variance_preserving_schedule([0.5, 1.5]), r"times from 0.5 to 1.5"),
        (
            lambda: fpsde.linear_schedule(9).subset([3, 10]),
            r"timesteps \[10.0\] are not in the schedule, whose 9 times",
        ),
        (lambda: fpsde.linear_schedule(9).subset([0, 3]), r"timesteps \[0.0\] are not in the schedule"),
        (lambda: fpsde.linear_schedule(9).subset([3, 3]), r"names one twice"),
        (lambda: fpsde.linear_schedule(9).step(0), r"give whole numbers from 1 to 9"),
        (lambda: fpsde.linear_schedule(9).step(2.0), r"give whole numbers from 1 to 9"),
        (lambda: fpsde.trailing_timesteps(10, 11), r"n_kept=11 timesteps of n_steps=10; there are not so many"),
        (lambda: fpsde.quadratic_timesteps(1000, 30), r"n_kept=30 quadratic .* would name some twice; give at most 29"),
        (lambda: fpsde.linspace_timesteps(10, 1), r"n_kept=1 must be at least 2"),
        (lambda: NoiseSchedule(np.array([0.0, -1, -0.5]), np.ones(3), np.arange(3)), r"starts with 0 and falls"),
        (lambda: NoiseSchedule(np.array([0.0, -1]), np.array([1, -1]), np.arange(2)), r"give 2 positive numbers"),
    ],
)
def test_bad_schedules_are_refused_with_their_numbers(make, message) -> None:
    with pytest.raises(InvalidInput, match=message):
        make()
