"""Networks, exact denoisers, training, samplers and likelihoods on arrays of a device: the numbers of the host.

The device is NumPy in arrays that refuse what CuPy's refuse: nothing goes there or comes back by itself.
"""

import json

import numpy as np
import pytest
from emulated_gpu import DeviceArray, DeviceModule, EmulatedGpu

import fpsde
from fpsde import arrays
from fpsde.arrays import host
from fpsde.cli import main
from fpsde.ddpm import (
    BinomialChain,
    Denoiser,
    EnergyNetwork,
    Network,
    NetworkShape,
    Probes,
    Sampler,
    chain_log_density,
    curl,
    divergence,
    energy,
    equation_residual,
    exact_box,
    exact_chain,
    flow_by_rk45,
    flow_log_likelihood,
    new_network,
    places,
    scaling_of,
    starting_points,
    toy_data,
    train,
    weighted_bound,
)
from fpsde.errors import BackendUnavailable, InvalidInput
from fpsde.schemes.array_step import ArrayStep

SHAPE = NetworkShape(2, width=7, depth=2, waves=3)
SAMPLERS = [fpsde.ddim(0.5), fpsde.ancestral(), fpsde.karras(churn=0.2), fpsde.euler_maruyama]
MOONS, SHORT = toy_data("moons").law, fpsde.linear_schedule().subset([1, 60, 300, 1000])
X = np.array([[0.3, -0.2, 1.0], [0.1, 0.0, -0.7]])


@pytest.fixture(autouse=True)
def device(monkeypatch, tmp_path):
    """CuPy is the device that refuses what CuPy refuses, and there is one such GPU."""
    monkeypatch.setattr(arrays, "_cupy", DeviceModule)
    monkeypatch.setattr(places, "gpus", lambda: (EmulatedGpu(tmp_path),))


def network_of(kind, seed):
    return kind(SHAPE, 0.5 * np.random.default_rng(seed).normal(size=SHAPE.size).astype(np.float32))


@pytest.fixture
def denoiser(seed):
    """A network with random parameters."""
    return Denoiser(network_of(Network, seed), scaling_of(MOONS))


def same(there, here):
    """Hold that an array lies on the device, and has the bits of one of the host."""
    assert isinstance(there, DeviceArray)
    np.testing.assert_array_equal(there.get(), here)


def test_the_device_refuses_what_cupy_refuses():
    with pytest.raises(TypeError, match="host in an operation"):
        DeviceArray(X) + X
    with pytest.raises(TypeError, match="implicit conversion"):
        np.asarray(DeviceArray(X))
    with pytest.raises(NotImplementedError, match=r"no logaddexp\.reduce"):
        np.logaddexp.reduce(DeviceArray(X))


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda scheme: scheme.name)
def test_a_step_of_a_sampler_has_there_the_bits_that_it_has_on_the_host(sampler, denoiser, seed):
    box = fpsde.denoising_box(denoiser, fpsde.linear_schedule(20), dim=2)
    step, rng = ArrayStep(sampler, box), np.random.default_rng(seed)
    state, z = rng.normal(size=(step.state_rows, 9)), rng.normal(size=(step.normals, 9))
    for t in (0.0, 19.0):
        there = step.advance(DeviceArray(state.copy()), DeviceArray(z), t, 1.0)
        here = step.advance(state, z, t, 1.0)
        assert np.abs(here - state).max() > 1e-3
        same(there, here)


def test_parameters_and_points_may_lie_apart(denoiser):
    there = denoiser.with_parameters(DeviceArray(denoiser.network.parameters))
    right = denoiser(X, 0.5)
    for asked in (denoiser, there):
        np.testing.assert_array_equal(asked(X, 0.5), right)
        same(asked(DeviceArray(X), 0.5), right)


@pytest.mark.parametrize("name", ["mixture", "anisotropic", "moons", "uniform", "laplace", "checkerboard"])
def test_laws_of_toy_data_compute_there(name):
    data, x = toy_data(name), np.linspace(-1.5, 1.7, 12)
    points = x[None] if data.dim == 1 else x.reshape(2, -1)
    for bar in (1.0, 0.6):
        same(data.log_density(DeviceArray(points), bar), data.log_density(points, bar))
        if bar < 1:
            same(data.score(DeviceArray(points), bar), data.score(points, bar))
            same(data.denoised(DeviceArray(points), bar), data.denoised(points, bar))
    same(data.law.denoiser(DeviceArray(points), 0.5), data.law.denoiser(points, 0.5))


@pytest.mark.parametrize("kind", [Network, EnergyNetwork])
def test_value_and_gradient_are_those_of_the_host(kind, seed):
    here, rng = network_of(kind, seed), np.random.default_rng(seed)
    features = rng.normal(size=(SHAPE.layers[0][1], 5)).astype(np.float32)
    slopes = rng.normal(size=(2, 5)).astype(np.float32)
    there, out = kind(SHAPE, DeviceArray(here.parameters)), np.empty(SHAPE.size, np.float32)
    value, pull = here.with_gradient(features)
    value_there, pull_there = there.with_gradient(DeviceArray(features))
    same(value_there, value)
    same(pull_there(DeviceArray(slopes), into := DeviceArray(out.copy())), pull(slopes, out))
    same(into, out)
    if kind is EnergyNetwork:
        named = (Denoiser(one, scaling_of(MOONS)) for one in (there, here))
        same(energy(next(named), DeviceArray(X), 0.5), energy(next(named), X, 0.5))


@pytest.mark.parametrize("kind", [Network, EnergyNetwork])
def test_a_training_there_ends_in_the_bits_of_the_host_also_after_it_was_resumed(kind, tmp_path, seed):
    given = dict(seed=3, stop=None, batch=32, look=20, network=network_of(kind, seed))
    here = train(MOONS, SHORT, steps=40, **given)
    train(MOONS, SHORT, steps=20, backend=fpsde.Backend.GPU, checkpoint=tmp_path / "net.npz", **given)
    there = train(MOONS, SHORT, steps=40, backend=fpsde.Backend.GPU, checkpoint=tmp_path / "net.npz", **given)
    same(there.denoiser.network.parameters, here.denoiser.network.parameters)
    assert there.looks.excesses.tolist() == here.looks.excesses.tolist() and len(here.looks.steps) == 2
    assert (there.provenance["backend"], here.provenance["backend"]) == ("gpu", "cpu")
    back = train(MOONS, SHORT, steps=20, backend=fpsde.Backend.CPU, **given | {"network": there.denoiser.network})
    assert isinstance(back.denoiser.network.parameters, np.ndarray)


def test_trajectories_and_flows_go_where_the_points_lie(denoiser):
    start = starting_points(SHORT, 6, dim=2, seed=4)
    for box in (exact_box(MOONS, SHORT), fpsde.denoising_box(denoiser, SHORT, dim=2)):
        sampler = Sampler(box, fpsde.ancestral())
        for there, here in zip(
            sampler.trajectory(DeviceArray(start), seed=5), sampler.trajectory(start, seed=5), strict=True
        ):
            same(there, here)
        flow = Sampler(box, fpsde.ddim())
        same(flow.flow(DeviceArray(start)), flow.flow(start))
    formulas = Sampler(exact_chain(toy_data("mixture").law, SHORT), fpsde.ddim())
    with pytest.raises(InvalidInput, match=r"made of formulas: give an exact_box"):
        formulas.flow(DeviceArray(start))
    with pytest.raises(InvalidInput, match="1 of 12 values that are NaN"):
        flow.flow(DeviceArray(np.where(start == start[0, 0], np.nan, start)))


def test_likelihoods_and_diagnostics_are_those_of_the_host(denoiser):
    exact = denoiser.in_float64()
    there = exact.with_parameters(DeviceArray(exact.network.parameters))
    given = dict(paths=3, seed=2)
    found, right = (weighted_bound(exact, x, SHORT, **given) for x in (DeviceArray(X), X))
    same(found.importance, right.importance)
    assert np.all(right.importance > right.log_weights.mean(axis=0))
    for probes in (None, Probes(2, 7).drawn(2, 3)):
        spreads = (divergence(lambda at: exact(at, 0.5), x, scale=0.5, probes=probes) for x in (DeviceArray(X), X))
        same(*spreads)
    same(curl(there, DeviceArray(X), 0.5), curl(exact, X, 0.5))
    for one, other in zip(equation_residual(there, DeviceArray(X), 0.5), equation_residual(exact, X, 0.5), strict=True):
        same(one, other)


def test_what_is_of_the_host_copies_its_points_or_says_so(denoiser):
    """Adaptive steps are SciPy's and densities of chains quadrature: on the host, wherever the network lies."""
    exact = denoiser.in_float64()
    there = exact.with_parameters(DeviceArray(exact.network.parameters))
    given = dict(sigma=0.5, to=0.4, rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(flow_by_rk45(there, DeviceArray(X), **given), flow_by_rk45(exact, X, **given))
    pair = fpsde.schedule_of_sigmas([0.4, 0.5])
    found, right = (flow_log_likelihood(exact, x, pair, rtol=1e-3, atol=1e-3) for x in (DeviceArray(X), X))
    np.testing.assert_array_equal(found, right)
    with pytest.raises(InvalidInput, match="x is no array of the host"):
        chain_log_density(exact, DeviceArray(X[:1]), SHORT)


def test_bits_are_diffused_there(seed):
    chain, rng = BinomialChain(np.array([0.1, 0.3])), np.random.default_rng(seed)
    x, u, share = rng.integers(0, 2, (4, 6)), rng.uniform(size=(4, 6)), rng.uniform(size=(4, 6))
    same(chain.step(DeviceArray(x), 2, DeviceArray(u)), chain.step(x, 2, u))
    same(chain.posterior(DeviceArray(x), DeviceArray(share), 2), chain.posterior(x, share, 2))


def test_the_command_trains_and_samples_there(tmp_path, capsys):
    file = ["--checkpoint", str(tmp_path / "net.npz")]
    arguments = {"train": ["--steps", "1", "--stop", "9"], "sample": ["--steps", "3", "--points", "50"]}
    for job in arguments:
        said = []
        for backend in ("gpu", "cpu"):
            assert main(["ddpm", job, "gaussian", *file, *arguments[job], "--backend", backend, "--json", "-"]) == 0
            said.append(json.loads(capsys.readouterr().out))
        assert said[0] == said[1]


def test_without_a_gpu_nothing_falls_back_on_the_host(monkeypatch, tmp_path, capsys):
    monkeypatch.undo()
    with pytest.raises(BackendUnavailable, match="a GPU needs CuPy"):
        train(MOONS, SHORT, seed=1, backend=fpsde.Backend.GPU)
    assert main(["ddpm", "train", "moons", "--backend", "gpu", "--checkpoint", str(tmp_path / "n.npz")]) == 2
    assert "a GPU needs CuPy" in capsys.readouterr().err
    with pytest.raises(InvalidInput, match=r"array code takes fpsde.Backend.CPU or fpsde.Backend.GPU"):
        train(MOONS, SHORT, seed=1, backend=fpsde.Backend.GPU_FAST)


def test_a_new_network_is_of_the_host_until_it_is_brought(seed):
    parameters = new_network(SHAPE, seed=seed % 2**32).parameters
    with places.working_on(fpsde.Backend.GPU) as bring:
        same(bring(parameters), parameters)
        assert bring(moved := DeviceArray(parameters)) is moved
    with places.working_on(fpsde.Backend.CPU) as bring:
        assert bring(parameters) is parameters and np.array_equal(bring(moved), host(moved))
