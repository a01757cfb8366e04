"""A trained network's samplers on arrays of a device: the numbers of the host, and nothing goes there by itself."""

import numpy as np
import pytest
from emulated_gpu import DeviceArray, DeviceModule

import fpsde
from fpsde import arrays
from fpsde.ddpm import Denoiser, Network, NetworkShape, scaling_of, toy_data
from fpsde.schemes.array_step import ArrayStep

SHAPE = NetworkShape(2, width=7, depth=2, waves=3)
SAMPLERS = [fpsde.ddim(0.5), fpsde.ancestral(), fpsde.karras(churn=0.2), fpsde.euler_maruyama]


@pytest.fixture
def denoiser(seed, monkeypatch):
    """A network with random parameters, where CuPy is the device that refuses what CuPy refuses."""
    monkeypatch.setattr(arrays, "_cupy", DeviceModule)
    parameters = 0.5 * np.random.default_rng(seed).normal(size=SHAPE.size).astype(np.float32)
    return Denoiser(Network(SHAPE, parameters), scaling_of(toy_data("moons").law))


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda scheme: scheme.name)
def test_a_step_of_a_sampler_has_there_the_bits_that_it_has_on_the_host(sampler, denoiser, seed):
    box = fpsde.denoising_box(denoiser, fpsde.linear_schedule(20), dim=2)
    step, rng = ArrayStep(sampler, box), np.random.default_rng(seed)
    state, z = rng.normal(size=(step.state_rows, 9)), rng.normal(size=(step.normals, 9))
    for t in (0.0, 19.0):
        there = step.advance(DeviceArray(state.copy()), DeviceArray(z), t, 1.0)
        here = step.advance(state, z, t, 1.0)
        assert isinstance(there, DeviceArray) and np.abs(here - state).max() > 1e-3
        np.testing.assert_array_equal(there.get(), here)


def test_parameters_and_points_may_lie_apart(denoiser):
    x = np.array([[0.3, -0.2, 1.0], [0.1, 0.0, -0.7]])
    there = Denoiser(Network(SHAPE, DeviceArray(denoiser.network.parameters)), denoiser.scaling)
    right = denoiser(x, 0.5)
    for asked in (denoiser, there):
        np.testing.assert_array_equal(asked(x, 0.5), right)
        np.testing.assert_array_equal(asked(DeviceArray(x), 0.5).get(), right)
