"""The exact law p_theta of samplers: closed forms of normal data, other code on the line, particles in the plane."""

from itertools import product
from typing import Any

import numpy as np
import pytest

import fpsde
from fpsde import checks
from fpsde.checks import distances
from fpsde.checks.design import Design
from fpsde.checks.zero_means import zero_means
from fpsde.ddpm import (
    GaussianMixture,
    ModelLaw,
    Sampler,
    annealed_chain,
    exact_chain,
    model_law,
    network_chain,
    round_mixture,
    sampler_law,
    starting_points,
    toy_data,
    train,
)
from fpsde.ddpm.pushed_mass import JudgedModel
from fpsde.density import Normal
from fpsde.errors import InvalidInput
from fpsde.joint_law import JointNormal
from fpsde.laws import joint_scheme_law
from fpsde.processes import denoising_box, denoising_chain

LINEAR = fpsde.linear_schedule()
GAUSSIAN, MIXTURE = toy_data("gaussian").law, toy_data("mixture").law
PASS, FAIL = checks.Verdict.PASS, checks.Verdict.FAIL
TILTED = GaussianMixture(np.ones(1), np.array([[1.0, -0.5]]), np.array([[[0.5, 0.3], [0.3, 0.4]]]))


def trailing(n: int) -> Any:
    return LINEAR.subset(fpsde.trailing_timesteps(1000, n))


def box_of(law: Any, schedule: Any, *, scale: float = 1.0, last: int = 0) -> Any:
    """The exact denoiser as a black box, its predicted noise times ``scale``."""

    def denoiser(y: Any, level: float) -> Any:
        return y + scale * (law.denoised(y, 1.0, level) - y)

    return denoising_box(denoiser, schedule, dim=law.dim, last=last)


def normal_divergence(p: JointNormal, q: JointNormal) -> float:
    """KL(p || q) of normal laws."""
    apart, inverse = q.mean - p.mean, np.linalg.inv(q.covariance)
    ratio = np.linalg.slogdet(q.covariance)[1] - np.linalg.slogdet(p.covariance)[1]
    return 0.5 * float(np.trace(inverse @ p.covariance) + apart @ inverse @ apart - len(p.mean) + ratio)


@pytest.mark.parametrize(
    "scheme",
    [fpsde.ddim(), fpsde.ancestral(), pytest.param(fpsde.ddim(0.4), marks=pytest.mark.slow)],
    ids=lambda s: getattr(s, "name", None),
)
def test_on_normal_data_the_divergence_is_that_of_two_normal_laws(scheme: Any) -> None:
    """By the closed recursion, also of a denoiser whose noise is 1 % too large, which is further off."""
    schedule, found = trailing(10), []
    for scale in (1.0, 1.01):

        def denoiser(x: Any, level: Any, p: Any, scale: float = scale) -> Any:
            return x + scale * (GAUSSIAN.denoised((x,), 1.0, level)[0] - x)

        end = sampler_law(denoising_chain(denoiser, schedule), scheme)
        exact = normal_divergence(JointNormal([1.0], [[0.25]]), JointNormal([end.mean], [[end.variance]]))
        judged = model_law(box_of(GAUSSIAN, schedule, scale=scale), scheme, GAUSSIAN, tolerance=1e-5)
        assert judged.divergence == pytest.approx(exact, rel=1e-6)
        assert judged.cross_entropy == pytest.approx(exact + 0.5 * np.log(2 * np.pi * np.e * 0.25), rel=1e-6)
        found.append(exact)
    assert abs(found[1] / found[0] - 1) > 1e-3


#: Samplers whose steps are made of parts: noise before a flow, of some steps alone, and one step after another.
IN_PARTS = [
    fpsde.karras(0.2),
    fpsde.karras(0.3, low=0.5, high=20.0, noise_scale=1.01),
    fpsde.predictor_corrector(size=0.1),
    fpsde.predictor_corrector(fpsde.karras(0.1), size=0.1),
]


@pytest.mark.parametrize("scheme", IN_PARTS, ids=lambda s: s.name)
def test_a_sampler_of_several_parts_has_the_law_of_the_recursion(scheme: Any) -> None:
    """On normal data, to round-off of sums; with another churn or corrector it is another law."""
    chain = exact_chain(GAUSSIAN, trailing(6))
    judged = model_law(chain, scheme, GAUSSIAN, tolerance=1e-5)
    for other, agrees in ((scheme, True), (fpsde.karras(0.21), False), (fpsde.predictor_corrector(size=0.11), False)):
        end = sampler_law(chain, other)
        exact = normal_divergence(JointNormal([1.0], [[0.25]]), JointNormal([end.mean], [[end.variance]]))
        assert (abs(judged.divergence - exact) < 1e-9) == agrees


@pytest.mark.parametrize("spread", [0.0, 0.5], ids=["langevin", "sgld"])
def test_annealed_dynamics_have_the_law_of_their_recursion(spread: float) -> None:
    """diffusion.md, 6.14: A = 1 - e/(2 (s^2 + sigma^2)), V' = A^2 V + e; noise of the gradient adds its own."""
    levels = np.geomspace(3.0, 0.1, 6)
    chain = annealed_chain(GAUSSIAN, levels, step=0.02, steps_per_level=3)
    scheme = fpsde.sgld(lambda x: spread) if spread else fpsde.euler_maruyama
    mean, variance = 0.0, 9.0
    for sigma in np.repeat(levels, 3):
        e = 0.02 * (sigma / 0.1) ** 2
        kept = 1 - e / (2 * (0.25 + sigma**2))
        mean, variance = kept * mean + 1 - kept, kept**2 * variance + e + spread**2
    judged = model_law(chain, scheme, GAUSSIAN, tolerance=1e-5)
    for factor, agrees in ((1.0, True), (1.001, False)):
        end = JointNormal([mean], [[factor * variance]])
        exact = normal_divergence(JointNormal([1.0], [[0.25]]), end)
        assert (abs(judged.divergence - exact) < 1e-9) == agrees


def particles_agree(x: np.ndarray, judged: Any) -> bool:
    """Whether means of waves over particles (d, n) are those of a law at nodes, at the level 1e-8."""
    waves = {}
    for k, i, wave in product((1, 2, 3), range(len(x)), (np.cos, np.sin)):
        mean = judged.law.expectation(lambda at, k=k, i=i, wave=wave: wave(k * at[i]))
        waves[f"{wave.__name__} {k} {i}"] = wave(k * x[i]) - mean
    return zero_means("waves", waves, Design.of(alpha=1e-8, power=0.9, tolerance=1e-4)).verdict is PASS


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mixture", "anisotropic"])
@pytest.mark.parametrize("scheme", IN_PARTS, ids=lambda s: s.name)
def test_particles_have_the_law_of_a_sampler_of_several_parts(name: str, scheme: Any, seed: int) -> None:
    """Drawn closer together by 5 % they have not."""
    law, schedule, n = toy_data(name).law, trailing(8), 200_000
    chain = exact_chain(law, schedule)
    *_, x = Sampler(chain, scheme).trajectory(starting_points(schedule, n, dim=law.dim, seed=seed), seed=seed)
    judged, middle = model_law(chain, scheme, law, tolerance=5e-3), x.mean(axis=1, keepdims=True)
    assert particles_agree(x, judged)
    assert not particles_agree(middle + 0.95 * (x - middle), judged)


@pytest.mark.slow
def test_annealed_particles_in_the_plane_have_the_law_of_the_nodes(seed: int) -> None:
    """With noise of the gradient; a law with less of it is another one."""
    law, n = toy_data("anisotropic").law, 100_000
    chain = annealed_chain(law, np.geomspace(2.0, 0.2, 5), step=0.02, steps_per_level=4)
    start = [Normal(0.0, 2.0)] * 2
    run = fpsde.simulate(
        chain, fpsde.sgld(lambda x: (0.3, 0.3)), x0=start, t_end=20.0, dt=1.0, n_particles=n, seed=seed
    )
    for spread, agrees in ((0.3, True), (0.15, False)):
        judged = model_law(chain, fpsde.sgld(lambda x, s=spread: (s, s)), law)
        assert particles_agree(run.x, judged) == agrees


@pytest.mark.slow
def test_halved_cells_and_nodes_of_the_prior_see_one_law() -> None:
    """Heun's flow on the line; noise too small to matter before the first step makes it a chain of moves at nodes."""
    law, schedule = MIXTURE, trailing(12)
    chain = exact_chain(law, schedule)
    by_cells = model_law(chain, fpsde.karras(), law)
    by_nodes = model_law(chain, fpsde.karras(1e-4, low=100.0), law, tolerance=2e-3)
    assert by_cells.divergence == pytest.approx(by_nodes.divergence, abs=2e-3)
    assert abs(model_law(chain, fpsde.ddim(), law).divergence - by_cells.divergence) > 0.02


@pytest.mark.parametrize(
    ("scheme", "tolerance"),
    [pytest.param(fpsde.ddim(), 1e-4, marks=pytest.mark.slow), (fpsde.ancestral(), 1e-6)],
    ids=lambda s: getattr(s, "name", None),
)
def test_in_the_plane_the_divergence_is_that_of_two_normal_laws(scheme: Any, tolerance: float) -> None:
    """A normal law whose axes are turned: steps with noise, the last one without, and steps without noise alone."""
    schedule = trailing(5)
    run = {"x0": JointNormal([0.0, 0.0], np.eye(2)), "t_end": 5.0, "dt": 1.0}
    end = joint_scheme_law(exact_chain(TILTED, schedule), scheme, **run).law
    exact = normal_divergence(JointNormal(TILTED.means[0], TILTED.covariances[0]), end)
    judged = model_law(box_of(TILTED, schedule), scheme, TILTED, tolerance=tolerance)
    assert judged.divergence == pytest.approx(exact, abs=5e-6)
    assert judged.accuracy <= tolerance
    assert judged.law.masses.sum() == pytest.approx(1.0, abs=1e-7)
    means = [judged.law.expectation(lambda x, i=i: x[i]) for i in (0, 1)]
    np.testing.assert_allclose(means, end.mean, atol=1e-6)
    assert judged.law.expectation(lambda x: x[0] * x[1]) - means[0] * means[1] == pytest.approx(
        end.covariance[0, 1], abs=1e-6
    )


@pytest.mark.slow
def test_on_the_mixture_two_codes_agree() -> None:
    """Images of nodes, and quantiles with a distance of laws."""
    schedule = trailing(10)
    by_quantiles = sampler_law(exact_chain(MIXTURE, schedule), fpsde.ddim())
    found = model_law(box_of(MIXTURE, schedule), fpsde.ddim(), MIXTURE, tolerance=1e-5)
    exact = distances.kullback_leibler(MIXTURE.line_law(1.0, 0.0), by_quantiles)
    assert found.divergence == pytest.approx(exact, abs=1e-5)
    assert model_law(box_of(MIXTURE, schedule, scale=1.01), fpsde.ddim(), MIXTURE).divergence > exact + 1e-3


@pytest.mark.slow
def test_a_box_and_a_traced_chain_have_one_law_on_the_mixture() -> None:
    x, schedule = np.linspace(-2.5, 2.5, 11), trailing(10)
    laws = [
        sampler_law(chain, fpsde.ancestral(), tolerance=1e-9)
        for chain in (exact_chain(MIXTURE, schedule, last=1), box_of(MIXTURE, schedule, last=1))
    ]
    np.testing.assert_allclose(laws[0].pdf(x), laws[1].pdf(x), rtol=1e-8)


def test_divergences_see_mass_where_the_other_law_has_none() -> None:
    x = np.linspace(-4.0, 6.0, 2001)
    upper = np.where(x > 1.0, np.log(2) + GAUSSIAN.log_density(x[None], 1.0, 0.0), -np.inf)
    half = ModelLaw(x[None], upper, np.full(x.shape, 0.005))
    assert half.divergence_from(GAUSSIAN) == np.inf and half.cross_entropy(GAUSSIAN) == np.inf
    assert half.divergence_to(GAUSSIAN) == pytest.approx(np.log(2), rel=5e-3)
    assert half.mass_of(GAUSSIAN) == pytest.approx(1.0, abs=1e-9)
    uniform = fpsde.ddpm.Boxes(np.ones(1), np.array([[-0.5]]), np.array([[1.5]]))
    assert half.divergence_to(uniform) == np.inf


def test_samplers_without_such_a_law() -> None:
    schedule = trailing(3)
    with pytest.raises(InvalidInput, match="has 3 components"):
        model_law(box_of(round_mixture([1.0], [[0.0] * 3], [1.0]), schedule), fpsde.ddim(), GAUSSIAN)
    with pytest.raises(InvalidInput, match=r"turns .* of the mass over"):
        model_law(denoising_box(lambda y, level: -y, schedule, dim=1), fpsde.ddim(), GAUSSIAN)
    with pytest.raises(InvalidInput, match="no process from noise to data"):
        model_law(fpsde.ornstein_uhlenbeck(), fpsde.euler_maruyama, GAUSSIAN)
    with pytest.raises(InvalidInput, match="reads a drift in time"):
        sampler_law(box_of(GAUSSIAN, schedule), fpsde.euler_maruyama, corrector=fpsde.langevin_corrector(0.1))


@pytest.mark.slow
def test_particles_in_the_plane_have_the_law_of_the_nodes(seed: int) -> None:
    """Three normals that share no axis, 12 ancestral steps: masses of cells; 2 % less noise is seen."""
    law, schedule, n = toy_data("anisotropic").law, trailing(12), 40_000
    sampler = Sampler(exact_chain(law, schedule), fpsde.ancestral())
    judged = model_law(sampler.chain, sampler.scheme, law, tolerance=1e-3)
    *_, x = sampler.trajectory(starting_points(schedule, n, dim=2, seed=seed), seed=seed)
    faces = [np.linspace(-2.5, 2.5, 9), np.linspace(-2.0, 2.5, 9)]
    masses = np.histogram2d(*judged.law.points, bins=faces, weights=judged.law.masses)[0]
    moments = [judged.law.expectation(f) for f in (lambda x: x[0], lambda x: x[1], lambda x: x[0] * x[1])]
    for scale, agrees in ((1.0, True), (0.97, False)):
        y = judged.law.expectation(lambda x: x[0]), judged.law.expectation(lambda x: x[1])
        shifted = scale * (x - np.array(y)[:, None]) + np.array(y)[:, None]
        counts = np.histogram2d(*shifted, bins=faces)[0]
        apart = (counts / n - masses) / np.sqrt(masses * (1 - masses) / n + 1e-12)
        assert (np.abs(apart[masses > 1e-3]).max() < 6.5 + 1.0) == agrees
    seen = [x[0].mean(), x[1].mean(), (x[0] * x[1]).mean()]
    np.testing.assert_allclose(seen, moments, atol=0.05)


@pytest.mark.slow
def test_a_network_of_a_minute_is_within_a_hundredth_of_a_nat(seed: int) -> None:
    """KL(data || p_theta) of the mixture by 50 of Heun's steps; noise that is 1 % too large is seen."""
    found = train(MIXTURE, LINEAR, seed=seed, steps=3000, stop=0.002)
    schedule = trailing(50)
    judged = model_law(network_chain(found.denoiser, schedule), fpsde.karras(), MIXTURE)
    assert judged.divergence <= 0.01
    exact = model_law(exact_chain(MIXTURE, schedule), fpsde.karras(), MIXTURE, tolerance=1e-5)
    scaled = model_law(box_of(MIXTURE, schedule, scale=1.01), fpsde.karras(), MIXTURE, tolerance=1e-5)
    assert exact.divergence < min(judged.divergence, scaled.divergence)


@pytest.mark.slow
def test_a_network_in_the_plane_has_a_law_that_is_settled_after_fifty_steps(seed: int) -> None:
    """KL to 1e-3 by doubled nodes; particles of the network have that law, drawn 5 % closer they have not."""
    law, schedule, n = toy_data("anisotropic").law, trailing(50), 50_000
    chain = network_chain(train(law, LINEAR, seed=seed, steps=1500, stop=0.02).denoiser, schedule)
    judged = model_law(chain, fpsde.ancestral(), law)
    assert judged.accuracy <= 1e-3
    assert model_law(exact_chain(law, schedule), fpsde.ancestral(), law).divergence < judged.divergence < 0.2
    start = starting_points(schedule, n, dim=2, seed=seed)
    *_, x = Sampler(chain, fpsde.ancestral()).trajectory(start, seed=seed)
    middle = x.mean(axis=1, keepdims=True)
    assert particles_agree(x, judged)
    assert not particles_agree(middle + 0.95 * (x - middle), judged)


def test_a_verdict_is_shown_without_its_points():
    law: Any = np.zeros(1000)
    shown = "<JudgedModel: KL(data || p_theta)=0.25 nats, settled to 0.0001; cross_entropy=1.5>"
    assert repr(JudgedModel(law, 0.25, 1.5, 1e-4)) == shown


def test_a_law_that_is_not_known_under_noise_is_refused() -> None:
    with pytest.raises(
        InvalidInput, match=r"Normal\(centre=0.5, std=0.5\) is no law that is known under noise.*round_mixture"
    ):
        model_law(exact_chain(GAUSSIAN, trailing(4)), fpsde.ddim(), Normal(0.5, 0.5))  # type: ignore[arg-type]


def test_the_density_of_a_mixture_takes_points_on_the_line_and_refuses_other_shapes() -> None:
    x = np.array([-1.0, 0.5])
    expected = MIXTURE.line_law(1.0, 0.0).pdf(x)
    np.testing.assert_allclose(MIXTURE.pdf(x), expected, rtol=1e-13)
    np.testing.assert_allclose(MIXTURE.pdf(x[None]), expected, rtol=1e-13)
    with pytest.raises(InvalidInput, match=r"x has shape \(2, 2\); \(1, n\) is needed, or \(n,\)"):
        MIXTURE.pdf(np.zeros((2, 2)))
    with pytest.raises(InvalidInput, match=r"x has shape \(2,\); \(2, n\) is needed: give"):
        TILTED.pdf(x)
