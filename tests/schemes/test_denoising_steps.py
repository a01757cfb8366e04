"""The steps of samplers against the algorithms of their papers, written by hand in alpha_bar or sigma."""

import numpy as np
import pytest
from bare_kernels import LANES, one_step

import fpsde
from fpsde.errors import InvalidInput, Unsuited
from fpsde.processes import denoising_box, denoising_chain
from fpsde.schemes.array_step import array_step
from fpsde.schemes.tracing import traced_step

PRESERVING = fpsde.cosine_schedule(13).subset([1, 4, 5, 9, 12])
EXPLODING = fpsde.karras_schedule(5)


def bent(x, level):
    """A denoiser that is none of any data: every term of a step shows."""
    return np.stack(
        [0.4 * np.sin(x[0]) + 0.1 * x[1] / (1 + level), 0.3 * x[1] * np.cos(x[0]) - 0.2 * level / (1 + level)]
    )


def traced(x, level, p):
    return (
        0.4 * np.sin(x[0]) + 0.1 * x[1] / (1 + level),
        0.3 * x[1] * np.cos(x[0]) - 0.2 * level / (1 + level),
    )


def predicted(x, bar):
    """x0 and eps of the denoiser at alpha_bar."""
    x0 = bent(x / np.sqrt(bar), np.sqrt((1 - bar) / bar))
    return x0, (x - np.sqrt(bar) * x0) / np.sqrt(1 - bar)


def ddim_by_hand(x, bar, lower, z, eta):
    """Song, Meng & Ermon (2021), eqs. 12 and 16; ``lower`` is the alpha_bar that comes next."""
    x0, eps = predicted(x, bar)
    sd = eta * np.sqrt((1 - lower) / (1 - bar)) * np.sqrt(1 - bar / lower)
    return np.sqrt(lower) * x0 + np.sqrt(1 - lower - sd**2) * eps + sd * z


def ancestral_by_hand(x, bar, lower, z, share):
    """Ho, Jain & Abbeel (2020), algorithm 2, in eps; variances of Nichol & Dhariwal (2021), eq. 15."""
    alpha = bar / lower
    beta, small = 1 - alpha, (1 - lower) / (1 - bar) * (1 - alpha)
    mean = (x - beta / np.sqrt(1 - bar) * predicted(x, bar)[1]) / np.sqrt(alpha)
    if lower == 1:
        return mean
    return mean + np.sqrt(np.exp(share * np.log(beta) + (1 - share) * np.log(small))) * z


def karras_by_hand(x, sigma, after, z, gamma, noise=1.0):
    """Karras et al. (2022), algorithm 2."""
    raised = sigma * (1 + gamma)
    x = x + noise * np.sqrt(raised**2 - sigma**2) * z
    d = (x - bent(x, raised)) / raised
    moved = x + (after - raised) * d
    if after == 0:
        return moved
    return x + (after - raised) * (d + (moved - bent(moved, after)) / after) / 2


def learned(x, level, p):
    return 0.5 + 0.4 * np.sin(x[0]), level / (1 + level)


def share_by_hand(x, bar):
    return np.stack(np.broadcast_arrays(*learned(x / np.sqrt(bar), np.sqrt((1 - bar) / bar), None)))


PAPERS = {
    "ddim": (fpsde.ddim(), lambda *a: ddim_by_hand(*a, eta=0.0)),
    "ddim, eta 0.6": (fpsde.ddim(0.6), lambda *a: ddim_by_hand(*a, eta=0.6)),
    "ancestral, small": (fpsde.ancestral(), lambda *a: ancestral_by_hand(*a, share=0.0)),
    "ancestral, large": (fpsde.ancestral(1.0), lambda *a: ancestral_by_hand(*a, share=1.0)),
    "ancestral, between": (fpsde.ancestral(0.3), lambda *a: ancestral_by_hand(*a, share=0.3)),
    "ancestral, learned": (
        fpsde.ancestral(learned),
        lambda x, bar, lower, z: ancestral_by_hand(x, bar, lower, z, share_by_hand(x, bar)),
    ),
}


def start(seed, rows=2, n=7):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(2, n)), rng.normal(size=(rows, n))


@pytest.mark.parametrize("name", PAPERS)
def test_a_step_in_alpha_bar_is_that_of_the_paper(name, seed) -> None:
    """On the traced denoiser and on arrays, at every step of strided timesteps, the last one included."""
    scheme, by_hand = PAPERS[name]
    x, z = start(seed)
    bars = PRESERVING.alpha_bars[::-1]
    both = denoising_chain(traced, PRESERVING, dim=2), denoising_box(bent, PRESERVING, dim=2)
    steps = [array_step(scheme, process) for process in both]
    for n in range(5):
        for step in steps:
            found, expected = step.advance(x, z, float(n), 1.0), by_hand(x, bars[n], bars[n + 1], z)
            np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-12)
            assert np.abs(found - by_hand(x, bars[n], bars[n + 1] - 1e-5, z)).max() > 1e-9


@pytest.mark.parametrize(
    ("scheme", "gammas", "noise"),
    [
        (fpsde.karras(), [0.0] * 5, 1.0),
        (fpsde.karras(0.3, noise_scale=1.007), [0.3] * 5, 1.007),
        (fpsde.karras(0.3, low=0.05, high=30.0), [0.0, 0.3, 0.3, 0.3, 0.0], 1.0),
    ],
)
def test_heuns_step_is_that_of_karras(scheme, gammas, noise, seed) -> None:
    x, z = start(seed)
    sigmas = EXPLODING.sigmas[::-1]
    assert [0.05 <= s <= 30 for s in sigmas[:-1]] == [False, True, True, True, False]
    for process in (denoising_chain(traced, EXPLODING, dim=2), denoising_box(bent, EXPLODING, dim=2)):
        step = array_step(scheme, process)
        for n in range(5):
            expected = karras_by_hand(x, sigmas[n], sigmas[n + 1], z, gammas[n], noise)
            np.testing.assert_allclose(step.advance(x, z, float(n), 1.0), expected, rtol=1e-11, atol=1e-12)


def test_a_corrector_is_langevins_step_at_the_new_level(seed) -> None:
    x, z = start(seed, rows=4)
    bars = PRESERVING.alpha_bars[::-1]
    step = array_step(fpsde.predictor_corrector(fpsde.ddim(0.6), size=0.07), denoising_box(bent, PRESERVING, dim=2))
    for n in range(5):
        moved = ddim_by_hand(x, bars[n], bars[n + 1], z[:2], eta=0.6)
        if bars[n + 1] < 1:
            delta, score = 0.07 * (1 - bars[n + 1]), -predicted(moved, bars[n + 1])[1] / np.sqrt(1 - bars[n + 1])
            moved = moved + delta * score + np.sqrt(2 * delta) * z[2:]
        np.testing.assert_allclose(step.advance(x, z, float(n), 1.0), moved, rtol=1e-11, atol=1e-12)


def test_eulers_step_is_the_reverse_diffusion(seed) -> None:
    """x + log(a'/a) x + beta score + sqrt(beta) z, with the score -eps/sqrt(1 - alpha_bar)."""
    x, z = start(seed)
    chain, box = denoising_chain(traced, PRESERVING, dim=2), denoising_box(bent, PRESERVING, dim=2)
    bars = PRESERVING.alpha_bars[::-1]
    for n in range(5):
        beta, score = 1 - bars[n] / bars[n + 1], -predicted(x, bars[n])[1] / np.sqrt(1 - bars[n])
        by_hand = x + 0.5 * np.log(bars[n + 1] / bars[n]) * x + beta * score + np.sqrt(beta) * z
        for process in (chain, box):
            found = array_step(fpsde.euler_maruyama, process).advance(x, z, float(n), 1.0)
            np.testing.assert_allclose(found, by_hand, rtol=1e-11, atol=1e-12)


def test_ddim_with_all_its_noise_is_the_ancestral_step(seed) -> None:
    x, z = start(seed)
    chain = denoising_chain(traced, PRESERVING, dim=2)
    for n in range(5):
        pair = [array_step(s, chain).advance(x, z, float(n), 1.0) for s in (fpsde.ddim(1.0), fpsde.ancestral())]
        np.testing.assert_allclose(*pair, rtol=1e-12, atol=1e-13)


def test_ddim_is_eulers_step_in_sigma(seed) -> None:
    """y = x/a moves by (sigma' - sigma)(y - D)/sigma, on every schedule."""
    x, z = start(seed)
    for schedule in (PRESERVING, EXPLODING, fpsde.sub_variance_preserving_schedule([0.1, 0.4, 0.8])):
        step = array_step(fpsde.ddim(), denoising_chain(traced, schedule, dim=2))
        T = schedule.n_steps
        for n in range(T):
            a, s = schedule.signals[T - n], schedule.sigmas[T - n]
            lower, after = schedule.signals[T - n - 1], schedule.sigmas[T - n - 1]
            y = x / a + (after - s) * (x / a - bent(x / a, s)) / s
            np.testing.assert_allclose(step.advance(x, z, float(n), 1.0), lower * y, rtol=1e-11, atol=1e-12)


def test_the_compiled_step_is_array_code(seed) -> None:
    rng = np.random.default_rng(seed)
    chain, scheme = denoising_chain(traced, EXPLODING, dim=2), fpsde.karras(0.3, high=30.0)
    x, z = rng.normal(size=(2, LANES)), rng.normal(size=(2, LANES))
    compiled = one_step(scheme, chain, x, z, times=np.arange(6.0), s=2)
    np.testing.assert_allclose(compiled, array_step(scheme, chain).advance(x, z, 2.0, 1.0), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: fpsde.ddim(1.1), r"eta=1.1 must lie in \[0, 1\]"),
        (lambda: fpsde.ancestral(-0.1), r"fraction=-0.1 must lie in"),
        (lambda: fpsde.karras(-0.1), r"churn=-0.1, low=0.0, high=inf: churn is not negative"),
        (lambda: fpsde.karras(low=2.0, high=1.0), r"low is below high"),
        (lambda: fpsde.predictor_corrector(size=0.0), r"size=0.0 must be positive"),
        (lambda: fpsde.predictor_corrector(fpsde.heun, size=0.1), r"is no sampler; give one such as fpsde.ancestral"),
        (lambda: denoising_chain(traced, PRESERVING, dim=2, last=5), r"last=5 leaves no step of a schedule of 5"),
        (
            lambda: denoising_chain(traced, fpsde.reciprocal_schedule(5), dim=2),
            r"leaves no signal at its last timestep",
        ),
        (lambda: denoising_chain(traced, 1000, dim=2), r"schedule=1000 is no NoiseSchedule"),
        (lambda: denoising_chain(lambda x: x, PRESERVING), r"denoiser takes \(x, level, p\)"),
        (lambda: denoising_chain(lambda x, level, p: x * p.fresh, PRESERVING), r"reads \['table_fresh'\]"),
        (
            lambda: denoising_box(lambda x, level: x[0], PRESERVING, dim=2),
            r"shape \(4,\) for x of shape|cannot reshape|retu",
        ),
    ],
)
def test_bad_samplers_are_refused(make, message) -> None:
    with pytest.raises(InvalidInput, match=message):
        make()


def test_a_process_without_denoiser_is_refused() -> None:
    for scheme in (fpsde.ddim(), fpsde.karras(), fpsde.ancestral(1.0), fpsde.predictor_corrector(size=0.1)):
        with pytest.raises(Unsuited, match=r"states no denoiser; this scheme needs a process from noise to data"):
            traced_step(scheme, fpsde.ornstein_uhlenbeck())
