"""A network that is a gradient: second derivatives by hand, no curl, an energy, training, Langevin steps."""

import numpy as np
import pytest

import fpsde
from fpsde.ddpm import (
    Denoiser,
    EnergyNetwork,
    Network,
    NetworkShape,
    Sampler,
    new_network,
    saved_denoiser,
    scaling_of,
    toy_data,
    train,
)
from fpsde.ddpm.energy_network import energy as energy_of
from fpsde.errors import InvalidInput

SHAPE = NetworkShape(2, width=7, depth=2, waves=2)


def _network(seed: int, kind=EnergyNetwork) -> Network:
    return kind(SHAPE, 0.5 * np.random.default_rng(seed).normal(size=SHAPE.size))


def _features(seed: int, n: int = 5) -> np.ndarray:
    rng = np.random.default_rng(seed + 1)
    return SHAPE.features(rng.normal(size=(2, n)), rng.normal(size=n))


def test_the_velocity_is_the_gradient_of_the_potential(seed) -> None:
    network, features, h = _network(seed), _features(seed), 1e-5
    for i in range(2):
        e = np.zeros_like(features)
        e[i] = h
        slope = (network.potential(features + e) - network.potential(features - e)) / (2 * h)
        np.testing.assert_allclose(network(features)[i], slope, rtol=0, atol=1e-8)


def test_gradients_of_the_velocity_are_those_of_central_differences(seed) -> None:
    network, features, h = _network(seed), _features(seed), 1e-5
    by, out = np.random.default_rng(seed + 2).normal(size=(2, 5)), np.empty(SHAPE.size)
    in_features = network.with_gradient(features)[1](by, out)

    def at(parameters: np.ndarray, x: np.ndarray) -> float:
        return float(np.sum(by * EnergyNetwork(SHAPE, parameters)(x)))

    steps = h * np.eye(SHAPE.size)
    found = [(at(network.parameters + e, features) - at(network.parameters - e, features)) / (2 * h) for e in steps]
    np.testing.assert_allclose(out, found, rtol=0, atol=1e-7)
    assert np.abs(1.001 * out - found).max() > 1e-4
    for place in ((0, 0), (1, 3), (4, 2)):
        e = np.zeros_like(features)
        e[place] = h
        slope = (at(network.parameters, features + e) - at(network.parameters, features - e)) / (2 * h)
        assert in_features[place] == pytest.approx(slope, abs=1e-7)


@pytest.mark.parametrize(("kind", "least", "most"), [(EnergyNetwork, 0, 1e-7), (Network, 1e-2, np.inf)])
def test_a_gradient_has_no_curl_and_another_network_has(kind, least, most, seed) -> None:
    denoiser, h = Denoiser(_network(seed, kind), scaling_of(toy_data("moons").law)), 1e-5
    x = np.random.default_rng(seed).normal(size=(2, 20))
    slopes = [(denoiser(x + e, 0.7) - denoiser(x - e, 0.7)) / (2 * h) for e in h * np.eye(2)[:, :, None]]
    curl = np.abs(slopes[0][1] - slopes[1][0]).max()
    assert least <= curl <= most


def test_the_score_is_minus_the_gradient_of_the_energy(seed) -> None:
    denoiser, h = Denoiser(_network(seed), scaling_of(toy_data("moons").law)), 1e-5
    x = np.random.default_rng(seed).normal(size=(2, 9))
    for level in (0.3, 4.0):
        steps = h * np.eye(2)[:, :, None]
        falls = np.stack([energy_of(denoiser, x - e, level) - energy_of(denoiser, x + e, level) for e in steps])
        np.testing.assert_allclose(falls / (2 * h), (denoiser(x, level) - x) / level**2, rtol=1e-6, atol=1e-7)
    with pytest.raises(InvalidInput, match="no energy"):
        energy_of(Denoiser(_network(seed, Network), denoiser.scaling), x, 1.0)


@pytest.mark.slow
def test_an_energy_is_trained_kept_and_sampled_by_langevin_steps(tmp_path) -> None:
    law, schedule = toy_data("mixture").law, fpsde.linear_schedule().subset([1, 50, 150, 300, 450, 600, 800, 1000])
    plain = new_network(NetworkShape(1, width=32, depth=2), seed=1)
    start = EnergyNetwork(plain.shape, plain.parameters)
    given = {"seed": 2, "steps": 600, "stop": 0.03, "batch": 128, "look": 50, "checkpoint": tmp_path / "energy.npz"}
    found = train(law, schedule, network=start, **given)
    assert found.reached and found.looks.excesses[0] > 0.03
    again = saved_denoiser(tmp_path / "energy.npz", schedule)
    x = np.linspace(-2, 2, 11)[None]
    np.testing.assert_array_equal(again(x, 0.5), found.denoiser(x, 0.5))
    assert np.isfinite(energy_of(again, x, 0.5)).all()
    with pytest.raises(InvalidInput, match=r"energy \(True there, False here\)"):
        train(law, schedule, network=plain, **given)
    exact = _langevin_distance(law, schedule, law.denoiser)
    assert _langevin_distance(law, schedule, again) - exact < 0.1
    assert _langevin_distance(law, schedule, Denoiser(start, again.scaling)) - exact > 0.2  # untrained


def _langevin_distance(law, schedule, denoiser) -> float:
    """The first Wasserstein distance from the data of 2000 points after 30 Langevin steps at each level."""
    sampler = Sampler(fpsde.denoising_box(denoiser, schedule, dim=1), fpsde.langevin_corrector(0.05))
    rng = np.random.default_rng(7)
    x = rng.normal(size=(1, 2000))
    for i in range(sampler.n_steps - 1):  # the last one leads to the data, where there is no noise and no step
        for _ in range(30):
            x = sampler.step(x, i, rng.normal(size=(1, 2000)))
    quantiles = law.line_law(1.0, 0.0).ppf((np.arange(2000) + 0.5) / 2000)
    return float(np.abs(np.sort(x[0]) / schedule.signals[1] - quantiles).mean())
