"""Toy data: the density integrates to one, draws come from it, the score is its gradient, noise is convolution."""

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

from fpsde import checks
from fpsde.ddpm import TOY_DATA, Boxes, GaussianMixture, Laplace, along_curves, round_mixture, toy_data
from fpsde.ddpm.curves import two_moons
from fpsde.errors import InvalidInput
from fpsde.panels import panel_rule

PASS, FAIL = checks.Verdict.PASS, checks.Verdict.FAIL
LINE = ["gaussian", "mixture", "uniform", "laplace"]
PLANE = [name for name in TOY_DATA if name not in LINE]
#: In the plane those of few parts; the others have a thousand, and their tests are slow.
QUICK = ["anisotropic", "moons", "checkerboard"]


def points_of(data, alpha_bar, n, seed):
    """Return points (d, n) of x_t, some of them moved into the tails."""
    rng = np.random.default_rng(seed)
    x = alpha_bar**0.5 * data.sample(n, seed=seed) + (1 - alpha_bar) ** 0.5 * rng.normal(size=(data.dim, n))
    return x + rng.normal(size=x.shape) * np.array([0.0, 0.3, 1.0])[np.arange(n) % 3]


@pytest.mark.parametrize("name", LINE)
@pytest.mark.parametrize("alpha_bar", [1.0, 0.97, 0.4, 1e-4])
def test_on_the_line_density_law_and_draws_are_one(name, alpha_bar, seed) -> None:
    data, rng = toy_data(name), np.random.default_rng(seed)
    law = data.marginal(alpha_bar)
    x = np.linspace(-2, 2.5, 31)
    np.testing.assert_allclose(data.density(x, alpha_bar), law.pdf(x), rtol=1e-11, atol=1e-15)
    h = 1e-5
    inner = x[np.abs(law.pdf(x + h) - law.pdf(x - h)) < 0.01]  # not where a density jumps
    slopes = (law.cdf(inner + h) - law.cdf(inner - h)) / (2 * h)
    np.testing.assert_allclose(slopes, law.pdf(inner), rtol=1e-5, atol=1e-9)
    sample = alpha_bar**0.5 * data.sample(20_000, seed=seed)[0] + (1 - alpha_bar) ** 0.5 * rng.normal(size=20_000)
    assert checks.density(sample, law, alpha=1e-8).verdict is PASS
    assert checks.density(1.06 * sample + 0.03, law, alpha=1e-8).verdict is FAIL
    assert (float(law.mean), float(law.variance)) == pytest.approx(
        (alpha_bar**0.5 * data.law.mean[0], alpha_bar * data.law.covariance[0, 0] + 1 - alpha_bar), rel=1e-9, abs=1e-12
    )


@pytest.mark.parametrize("name", LINE)
def test_noise_is_a_convolution(name) -> None:
    data, bar = toy_data(name), 0.6
    a, s = bar**0.5, 0.4**0.5
    for x in (-1.3, 0.2, 1.1):
        kinks = [a * k for k in (-0.5, 0.4, 1.5)]
        y, w = panel_rule(np.union1d(np.linspace(x - 12 * s, x + 12 * s, 65), kinks))
        density = data.density(y / a) / a
        found = np.sum(w * density * stats.norm.pdf(x - y, scale=s))
        assert float(data.density(np.array([x]), bar)[0]) == pytest.approx(found, rel=1e-11)
        assert float(data.density(np.array([x]), 0.6001)[0]) != pytest.approx(found, rel=1e-6)


def check_score_and_denoiser(name, seed):
    data, h = toy_data(name), 1e-5
    for bar in (0.97, 0.3):
        x = points_of(data, bar, 9, seed)
        score = data.score(x, bar)
        for i in range(data.dim):
            moved = h * np.eye(data.dim)[:, [i]]
            slope = (data.log_density(x + moved, bar) - data.log_density(x - moved, bar)) / (2 * h)
            np.testing.assert_allclose(score[i], slope, rtol=2e-6, atol=2e-6 * np.abs(score).max())
        tweedie = (x + (1 - bar) * score) / bar**0.5
        np.testing.assert_allclose(data.denoised(x, bar), tweedie, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", [*LINE, *QUICK])
def test_the_score_is_the_gradient_and_the_denoiser_is_tweedies(name, seed) -> None:
    check_score_and_denoiser(name, seed)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in PLANE if name not in QUICK])
def test_the_score_is_the_gradient_and_the_denoiser_is_tweedies_on_long_curves(name, seed) -> None:
    check_score_and_denoiser(name, seed)


def check_draws_in_the_plane(name, seed, nodes, n=20_000):
    """Counts of x_t in 7 x 7 cells and outside of them against the integral of its density over each."""
    data, bar = toy_data(name), 0.95
    x = bar**0.5 * data.sample(n, seed=seed) + (1 - bar) ** 0.5 * np.random.default_rng(seed).normal(size=(2, n))
    faces = np.linspace(-1.9, 2.1, 8)
    t, w = np.polynomial.legendre.leggauss(nodes)
    half = (faces[1] - faces[0]) / 2
    at = (faces[:-1, None] + half * (1 + t)).ravel()
    grid = np.stack(np.meshgrid(at, at, indexing="ij")).reshape(2, -1)
    values = data.density(grid, bar).reshape(7, nodes, 7, nodes)
    masses = half**2 * np.einsum("iajb,a,b->ij", values, w, w)
    assert 0.6 < masses.sum() < 1
    counts = np.histogram2d(*x, bins=(faces, faces))[0]
    inside = np.append(counts.ravel(), n - counts.sum()).astype(int)
    assert checks.cells(inside, np.append(masses.ravel(), 1 - masses.sum()), alpha=1e-8).verdict is PASS
    wider = np.histogram2d(*(1.07 * x), bins=(faces, faces))[0]
    wrong = np.append(wider.ravel(), n - wider.sum()).astype(int)
    assert checks.cells(wrong, np.append(masses.ravel(), 1 - masses.sum()), alpha=1e-8).verdict is FAIL


@pytest.mark.parametrize("name", QUICK)
def test_in_the_plane_draws_come_from_the_density(name, seed) -> None:
    check_draws_in_the_plane(name, seed, nodes=8)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in PLANE if name not in QUICK])
def test_in_the_plane_draws_come_from_the_density_on_long_curves(name, seed) -> None:
    check_draws_in_the_plane(name, seed, nodes=8, n=40_000)


def test_a_curve_is_convolved_with_a_normal_law() -> None:
    """Two moons against adaptive quadrature over the curve parameter, and against twice as many nodes."""
    law, width = two_moons(0.1), 0.1

    def upper(u):
        return np.cos(np.pi * u), np.sin(np.pi * u)

    def lower(u):
        return 1 - np.cos(np.pi * u), 0.5 - np.sin(np.pi * u)

    for x in ([0.3, 0.9], [1.05, -0.45], [-1.02, -0.05], [0.5, 0.25]):

        def height(u, curve, x=x):
            c = curve(u)
            return np.exp(-((x[0] - c[0]) ** 2 + (x[1] - c[1]) ** 2) / (2 * width**2)) / (2 * np.pi * width**2)

        exact = sum(0.5 * quad(height, 0, 1, args=(c,), epsabs=1e-13, limit=200)[0] for c in (upper, lower))
        found = float(np.exp(law.log_density(np.array(x)[:, None], 1.0, 0.0))[0])
        assert found == pytest.approx(exact, abs=1e-11)
    with pytest.raises(InvalidInput, match=r"nodes=20 leaves gaps of .* take at least"):
        along_curves([lambda u: np.stack(upper(u))], width=0.1, nodes=20)


def test_a_sample_is_a_function_of_seed_and_id() -> None:
    data = toy_data("anisotropic")
    whole = data.sample(50, seed=5)
    np.testing.assert_array_equal(whole[:, 20:], data.sample(30, seed=5, first=20))
    assert np.all(whole != data.sample(50, seed=6))


def test_the_target_of_the_exact_numbers() -> None:
    """Mean 0.25, variance 1.51450 and entropy 1.180775 nats of the mixture (diffusion.md, 5.5)."""
    data = toy_data("mixture")
    assert (data.law.mean[0], data.law.covariance[0, 0]) == (pytest.approx(0.25), pytest.approx(1.5145))
    entropy = data.marginal().expectation(lambda x: -data.log_density(x))
    assert entropy == pytest.approx(1.180775, abs=5e-7)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: toy_data("moon"), r"unknown toy data 'moon': did you mean 'moons'\?"),
        (lambda: toy_data("moons").density(np.zeros((3, 4))), r"x has shape \(3, 4\); \(2, n\) is needed"),
        (lambda: toy_data("moons").score(np.zeros((2, 4)), 1.2), r"alpha_bar=1.2 must lie in \(0, 1\]"),
        (lambda: toy_data("checkerboard").score(np.zeros((2, 4))), r"jumps, so it has no score without noise"),
        (lambda: toy_data("moons").marginal(), r"GaussianMixture has 2 components; one law on the line"),
        (lambda: toy_data("gaussian").sample(0, seed=1), r"n=0 must be at least 1"),
        (lambda: round_mixture([0.5, 0.6], np.zeros((2, 1)), [1.0, 1.0]), r"must be positive and sum to 1"),
        (lambda: round_mixture([1.0], np.zeros((1, 2)), [0.0]), r"must be positive; a sharp point is no density"),
        (lambda: GaussianMixture(np.ones(1), np.zeros((1, 2)), -np.ones((1, 2, 2))), r"positive eigenvalues"),
        (lambda: GaussianMixture(np.ones(1), np.zeros((1, 2)), np.ones((1, 2, 1))), r"\(K, d, d\) are needed"),
        (lambda: Boxes(np.ones(1), np.ones((1, 1)), np.zeros((1, 1))), r"a box is empty"),
        (lambda: round_mixture([1.0], [[np.nan]], [1.0]), r"means has 1 of 1 values that are NaN"),
        (lambda: Laplace(0.0, -1.0), r"width=-1.0 must be positive"),
    ],
)
def test_bad_data_are_refused(make, message) -> None:
    with pytest.raises(InvalidInput, match=message):
        make()
