"""The network's gradients against differences, PyTorch and closed forms, and the denoiser that it makes."""

import math
import pickle

import numpy as np
import pytest

import fpsde
from fpsde.ddpm import Denoiser, Network, NetworkShape, new_network, scaling_of, toy_data
from fpsde.ddpm.adam import AdamState
from fpsde.errors import InvalidInput

SHAPE = NetworkShape(2, width=7, depth=2, waves=3)


def _network(seed: int, shape: NetworkShape = SHAPE) -> Network:
    """A network in float64 all of whose parameters are at work."""
    return Network(shape, 0.5 * np.random.default_rng(seed).normal(size=shape.size))


def _features(seed: int, n: int = 5) -> np.ndarray:
    rng = np.random.default_rng(seed + 1)
    return SHAPE.features(rng.normal(size=(2, n)), rng.normal(size=n))


def _slopes(network: Network, features: np.ndarray, by: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The derivatives of sum(by * value) in the parameters and in the features."""
    out = np.empty_like(network.parameters)
    _, pull = network.with_gradient(features)
    return out, pull(by, out)


def test_gradients_are_those_of_central_differences(seed) -> None:
    network, features = _network(seed), _features(seed)
    by = np.random.default_rng(seed + 2).normal(size=(2, 5))
    in_parameters, in_features = _slopes(network, features, by)

    def at(parameters: np.ndarray, x: np.ndarray) -> float:
        return float(np.sum(by * Network(SHAPE, parameters)(x)))

    h = 1e-5
    steps = h * np.eye(SHAPE.size)
    found = [(at(network.parameters + e, features) - at(network.parameters - e, features)) / (2 * h) for e in steps]
    np.testing.assert_allclose(in_parameters, found, rtol=0, atol=3e-8)
    assert np.abs(1.001 * in_parameters - found).max() > 1e-4
    found = np.empty_like(features)
    for at_ in np.ndindex(features.shape):
        e = np.zeros_like(features)
        e[at_] = h
        found[at_] = (at(network.parameters, features + e) - at(network.parameters, features - e)) / (2 * h)
    np.testing.assert_allclose(in_features, found, rtol=0, atol=3e-8)
    np.testing.assert_array_equal(network.with_gradient(features)[0], network(features))


def test_value_gradient_and_adam_are_those_of_pytorch(seed) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch")
    network, features = _network(seed), _features(seed, 40)
    modules = [part for units, inputs in SHAPE.layers for part in (torch.nn.Linear(inputs, units), torch.nn.SiLU())]
    theirs = torch.nn.Sequential(*modules[:-1]).double()
    torch.nn.utils.vector_to_parameters(torch.tensor(network.parameters), theirs.parameters())
    state = AdamState.begun(network.parameters)
    mine, gradient = Network(SHAPE, state.parameters), np.empty(SHAPE.size)
    optimiser = torch.optim.Adam(theirs.parameters(), lr=1.0)
    for k in range(1, 4):
        value, pull = mine.with_gradient(features)
        expected = theirs(torch.tensor(features.T))
        np.testing.assert_allclose(value, expected.detach().numpy().T, rtol=1e-12, atol=1e-13)
        optimiser.zero_grad()
        expected.square().sum().backward()
        pull(2 * value, gradient)
        slopes = np.concatenate([p.grad.numpy().ravel() for p in theirs.parameters()])
        np.testing.assert_allclose(gradient, slopes, rtol=1e-10, atol=1e-11 * np.abs(slopes).max())
        state.step(gradient, k, rate=0.3)
        optimiser.param_groups[0]["lr"] = 0.3 * k / 100  # the rate rises over 100 steps
        optimiser.step()
        after = torch.nn.utils.parameters_to_vector(theirs.parameters()).detach().numpy()
        np.testing.assert_allclose(state.parameters, after, rtol=0, atol=1e-12)


def test_the_first_step_of_adam_has_the_length_of_the_rate_against_the_gradient() -> None:
    state = AdamState.begun(np.array([1.0, 2.0, 3.0]))
    state.step(np.array([5.0, -0.1, 1e-3]), 1, rate=0.7)
    np.testing.assert_allclose(state.parameters - [1, 2, 3], -0.007 * np.array([1, -1, 1]), rtol=2e-5)


@pytest.mark.parametrize(("k", "share"), [(1, 0.01), (50, 0.5), (100, 1.0), (1000, 1.0), (4000, 0.5)])
def test_the_rate_rises_and_falls(k, share) -> None:
    one = np.ones(1)  # all gradients were 1
    state = AdamState(0 * one, (1 - 0.9 ** (k - 1)) * one, (1 - 0.999 ** (k - 1)) * one, 0 * one)
    state.step(one, k, rate=2.0)
    assert state.parameters[0] == pytest.approx(-2 * share, rel=1e-6)


def test_the_average_weights_steps_by_a_rising_power(seed) -> None:
    """The weight of step j of k is 9 (j + 1)...(j + 8)/((k + 1)...(k + 9)): about 9 (j/k)^8/k."""
    rng, state, steps = np.random.default_rng(seed), AdamState.begun(np.array([2.0])), [2.0]
    for k in range(1, 41):
        state.step(rng.normal(size=1), k, rate=1.0)
        steps.append(state.parameters[0])
    weights = np.array([9 * math.prod(range(j + 1, j + 9)) / math.prod(range(41, 50)) for j in range(41)])
    assert weights.sum() == pytest.approx(1, abs=1e-14)
    assert state.averaged[0] == pytest.approx(float(weights @ steps), rel=1e-12)


def test_a_new_network_is_a_function_of_its_seed(seed) -> None:
    shape = NetworkShape(1, width=100, depth=2)
    one, again, other = (new_network(shape, seed=s, dtype=np.float64) for s in (seed, seed, seed + 1))
    np.testing.assert_array_equal(one.parameters, again.parameters)
    assert np.mean(one.parameters == other.parameters) < 0.05  # biases and the last layer are zeros
    (first, bias), (second, _), (last, _) = one._layers(one.parameters)
    assert not bias.any() and not last.any()
    for w in (first, second):  # 6 standard errors, level 2e-9 each
        assert abs(w.var() * w.shape[1] / 2 - 1) < 6 * (2 / w.size) ** 0.5


def test_untrained_it_is_the_exact_denoiser_of_normal_data(seed) -> None:
    """A velocity of 0 says E[x0 | x] of a normal law: what is learned is what is not normal."""
    law = toy_data("gaussian").law
    denoiser = Denoiser(new_network(NetworkShape(1), seed=seed), scaling_of(law))
    x = np.linspace(-6, 6, 41)[None]
    for level in (0.01, 0.7, 30.0):
        np.testing.assert_allclose(denoiser(x, level), law.denoised(x, 1.0, level), rtol=1e-13, atol=1e-14)
    other = Denoiser(denoiser.network, scaling_of(toy_data("mixture").law))
    assert np.abs(other(x, 0.7) - law.denoised(x, 0.7, 1.0)).max() > 0.1


def test_a_denoiser_takes_a_level_for_each_point_and_drives_samplers(seed) -> None:
    law = toy_data("moons").law
    denoiser = Denoiser(_network(seed), scaling_of(law))
    x, levels = np.random.default_rng(seed).normal(size=(2, 6)), np.geomspace(0.01, 50, 6)
    alone = [denoiser(x[:, [k]], float(level))[:, 0] for k, level in enumerate(levels)]
    np.testing.assert_allclose(denoiser(x, levels), np.transpose(alone), rtol=1e-13)
    box = fpsde.denoising_box(denoiser, fpsde.linear_schedule(5), dim=2)
    sampler = fpsde.ddpm.Sampler(box, fpsde.ddim())
    assert sampler.flow(x).shape == (2, 6)
    with pytest.raises(InvalidInput, match=r"shape \(3, 6\); \(2, n\)"):
        denoiser(np.zeros((3, 6)), 1.0)


@pytest.mark.parametrize("given", [{"dim": 0}, {"width": 1.5}, {"depth": 0}, {"waves": 1}])
def test_shapes_that_are_none(given) -> None:
    with pytest.raises(InvalidInput, match=next(iter(given))):
        NetworkShape(**{"dim": 1, **given})


def test_a_network_goes_to_other_processes_as_a_box(seed) -> None:
    denoiser = Denoiser(_network(seed), scaling_of(toy_data("moons").law))
    box = fpsde.denoising_box(denoiser, fpsde.linear_schedule(20), dim=2)
    there = pickle.loads(pickle.dumps(box))
    x = np.array([[0.1, -0.5, 2.0], [0.3, 0.2, -1.0]])
    np.testing.assert_array_equal(there.drift_at(x, 3.0), box.drift_at(x, 3.0))
    assert not np.array_equal(there.drift_at(x, 3.0), box.drift_at(x, 4.0))


def test_parameters_that_do_not_fit() -> None:
    with pytest.raises(InvalidInput, match=rf"\({SHAPE.size},\) real numbers"):
        Network(SHAPE, np.zeros(SHAPE.size + 1))
    with pytest.raises(InvalidInput, match="int64"):
        Network(SHAPE, np.zeros(SHAPE.size, dtype=np.int64))
