"""From data to noise: closed marginals of the chain, the three SDEs on all edges; annealed Langevin on known scores."""

import numpy as np
import pytest

import fpsde
from fpsde.ddpm import annealed_chain, toy_data
from fpsde.density import Mixture, Normal
from fpsde.laws import scheme_law
from fpsde.processes import ddpm_chain
from fpsde.schemes import ddpm_step, euler_maruyama


@pytest.mark.parametrize("schedule", [fpsde.linear_schedule(200), fpsde.cosine_schedule(50)])
def test_the_law_of_the_chain_is_the_marginal_of_the_data(schedule) -> None:
    """Part by part at several t: sqrt(abar) m, abar s^2 + 1 - abar with abar the product of 1 - beta."""
    data, T = toy_data("mixture"), schedule.n_steps
    at = [1, 7, T // 2, T]
    chain = ddpm_chain(schedule.fresh, data.marginal())
    laws = scheme_law(chain, ddpm_step, x0=data.marginal(), t_end=float(T), dt=1.0, at=at).laws
    euler = scheme_law(chain, euler_maruyama, x0=data.marginal(), t_end=float(T), dt=1.0, at=at).laws
    for t, law, other in zip(at, laws, euler, strict=True):
        exact = data.marginal(schedule.alpha_bars[t])
        assert isinstance(law, Mixture)
        for part, other_part, known in zip(law.laws, other.laws, exact.laws, strict=True):
            assert (part.centre, part.std) == (
                pytest.approx(known.centre, rel=1e-11),
                pytest.approx(known.std, rel=1e-12),
            )
            assert other_part.std != pytest.approx(known.std, rel=1e-9)


@pytest.mark.parametrize("name", ["variance_preserving", "sub_variance_preserving", "variance_exploding"])
def test_levels_of_a_schedule_are_those_of_its_sde(name) -> None:
    """The tables at some times, and the moments that the process states there."""
    process, times = fpsde.process_named(name), np.array([0.1, 0.35, 1.0])
    if name == "variance_exploding":
        levels = np.sqrt((0.1 * 20**times) ** 2 - 0.01)
        schedule = fpsde.schedule_of_sigmas(levels)
    else:
        make = getattr(fpsde, f"{name}_schedule")
        schedule = make(times, fpsde.linear_beta())
    for k, t in enumerate(times, 1):
        assert process.exact.mean(1.0, t) == pytest.approx(schedule.signals[k], rel=1e-12)
        assert process.exact.variance(1.0, t) == pytest.approx(schedule.levels[k] ** 2, rel=1e-11)
        law = process.exact.marginal(process.setting.x0, t)
        known = toy_data("mixture").law.line_law(float(schedule.signals[k]), float(schedule.levels[k]))
        x = np.linspace(-2, 2, 9)
        np.testing.assert_allclose(law.pdf(x), known.pdf(x), rtol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["variance_preserving", "sub_variance_preserving", "variance_exploding"])
def test_particles_chain_and_fokker_planck_agree_on_the_sde(name) -> None:
    report = fpsde.verify(fpsde.process_named(name), euler_maruyama, n_particles=200_000)
    assert "all edges hold" in str(report)


def test_annealed_langevin_on_normal_data_is_the_recursion() -> None:
    """diffusion.md, 6.14: A = 1 - e_i/(2(s^2 + sigma_i^2)), V' = A^2 V + e_i, e_i = step sigma_i^2/sigma_L^2."""
    chain = annealed_chain(toy_data("gaussian").law, [2.0, 0.7, 0.2], step=0.02, steps_per_level=5)
    law = scheme_law(chain, euler_maruyama, x0=Normal(0.0, 2.0), t_end=15.0, dt=1.0).law
    mean, variance = 0.0, 4.0
    for sigma in np.repeat([2.0, 0.7, 0.2], 5):
        e = 0.02 * sigma**2 / 0.04
        A = 1 - e / (2 * (0.25 + sigma**2))
        mean, variance = 1 + A * (mean - 1), A**2 * variance + e
    assert (law.mean, law.variance) == (pytest.approx(mean, rel=1e-12), pytest.approx(variance, rel=1e-12))
    plane = annealed_chain(toy_data("anisotropic").law, [2.0, 0.7], step=0.1, steps_per_level=1)
    x = np.array([[0.3, -1.0], [0.2, 0.9]])
    score = toy_data("anisotropic").law.score(x, 1.0, 2.0)
    np.testing.assert_allclose(plane.ito_drift(x, 0.0), 0.5 * 0.1 * (2.0 / 0.7) ** 2 * score, rtol=1e-12)
