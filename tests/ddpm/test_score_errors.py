"""Diagnostics of scores: closed errors of a shifted one, regions, the score's own equation, and its curl."""

from typing import Any

import numpy as np
import pytest
from scipy.special import ndtr

from fpsde.ddpm import (
    Denoiser,
    EnergyNetwork,
    NetworkShape,
    curl,
    equation_residual,
    error_map,
    excess_errors,
    fisher_divergences,
    new_network,
    round_mixture,
    toy_data,
)
from fpsde.ddpm.denoiser import scaling_of
from fpsde.errors import InvalidInput

GAUSSIAN, MIXTURE, PLANE = (toy_data(name).law for name in ("gaussian", "mixture", "anisotropic"))
SIGMAS = np.array([0.1, 1.0, 5.0])


def scaled(law: Any, scale: float) -> Any:
    """The exact denoiser, the noise that it predicts times ``scale``."""
    return lambda y, sigma: y + scale * (law.denoised(y, 1.0, sigma) - y)


def test_errors_of_a_scaled_noise_are_those_of_the_exact_one() -> None:
    """eps = 1.1 eps*: E|eps - eps*|^2 = 0.01 E|eps*|^2 = 0.01 sigma^2/(s^2 + sigma^2) for a normal law."""
    found = excess_errors(scaled(GAUSSIAN, 1.1), GAUSSIAN, SIGMAS)
    share = 0.01 * SIGMAS**2 / (0.25 + SIGMAS**2)
    np.testing.assert_allclose(found / SIGMAS**2, share, rtol=1e-8)
    np.testing.assert_allclose(
        fisher_divergences(scaled(GAUSSIAN, 1.1), GAUSSIAN, SIGMAS), share / SIGMAS**2, rtol=1e-8
    )
    np.testing.assert_allclose(excess_errors(scaled(MIXTURE, 1.0), MIXTURE, SIGMAS), 0.0, atol=1e-25)


def test_a_map_shows_where_a_score_is_wrong() -> None:
    """An error on one side alone is seen there, and the cells add up to the error of all."""

    def one_sided(y: Any, sigma: float) -> Any:
        return MIXTURE.denoised(y, 1.0, sigma) + np.where(y > MIXTURE.mean[0], 0.1, 0.0)

    faces = np.linspace(-8.0, 8.0, 33)
    found = error_map(one_sided, MIXTURE, SIGMAS, faces)
    assert found.shape == (3, 32)
    np.testing.assert_allclose(found[1, 16:20], 0.01, rtol=1e-10)
    assert np.nanmax(found[:, :16]) < 1e-25
    assert np.isnan(found[0, 0])
    with pytest.raises(InvalidInput, match="strictly increase"):
        error_map(one_sided, MIXTURE, SIGMAS, faces[::-1])


def test_a_map_of_the_plane_shows_the_side_where_a_score_is_wrong() -> None:
    """The second component of D is wrong by 0.1 where the first of x is above its mean."""

    def one_sided(y: Any, sigma: float) -> Any:
        return PLANE.denoised(y, 1.0, sigma) + np.where(y[0] > PLANE.mean[0], 0.1, 0.0) * np.array([[0.0], [1.0]])

    (found,) = error_map(one_sided, PLANE, [0.5], np.linspace(-6.0, 6.0, 25))
    assert found.shape == (24, 24)
    np.testing.assert_allclose(found[12:18, 8:16], 0.04, rtol=1e-10)  # (0.1/0.5)^2
    assert np.nanmax(found[:12]) < 1e-25
    assert np.isnan(found[0, 0])


def test_a_map_of_the_plane_adds_up_to_the_error_of_all() -> None:
    """Round normal data: E|eps - eps*|^2 of a scaled noise is 0.01 E|eps*|^2 = 0.01 * 2 sigma^2/(s^2 + sigma^2)."""
    law = round_mixture([1.0], [[1.0, -2.0]], [0.5])
    (found,) = error_map(scaled(law, 1.1), law, [0.5], np.linspace(-8.0, 8.0, 65))
    mass = np.diff(ndtr(np.linspace(-8.0, 8.0, 65)))
    total = np.nansum(found * mass[:, None] * mass)
    assert total == pytest.approx(2 * 0.01 * 0.25 / (0.25 + 0.25), rel=1e-8)
    assert total != pytest.approx(1.001 * 0.01, rel=1e-4)


@pytest.mark.parametrize("law", [MIXTURE, PLANE], ids=["line", "plane"])
def test_scores_obey_their_equation(law: Any) -> None:
    x = law.draw(np.random.default_rng(2).random((law.uniforms, 40)))
    left, moved = equation_residual(scaled(law, 1.0), x, 0.4)
    size = np.abs(moved).max()
    assert np.abs(left).max() < 1e-5 * size
    wrong, _ = equation_residual(scaled(law, 1.01), x, 0.4)
    assert np.abs(wrong).max() > 3e-3 * size


def test_a_gradient_has_no_curl_and_a_network_has_one(seed: int) -> None:
    shape, x = NetworkShape(2, width=16, depth=2), np.random.default_rng(3).normal(size=(2, 30))
    network = new_network(shape, seed=seed, dtype=np.float64)
    network = type(network)(shape, network.parameters + 0.1 * np.random.default_rng(4).normal(size=shape.size))
    plain = Denoiser(network, scaling_of(PLANE))
    gradient = Denoiser(EnergyNetwork(shape, network.parameters), scaling_of(PLANE))
    assert curl(scaled(PLANE, 1.0), x, 0.5).max() < 1e-5
    assert curl(gradient, x, 0.5).max() < 1e-8 < 1e-3 < curl(plain, x, 0.5).max()
