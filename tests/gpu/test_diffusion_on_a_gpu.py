"""Diffusion models on a real GPU: to round-off the numbers of the host, by CuPy's functions in place of NumPy's."""

from __future__ import annotations

import json

import numpy as np
import pytest

import fpsde
from fpsde.arrays import host
from fpsde.cli import main
from fpsde.ddpm import (
    EnergyNetwork,
    Network,
    NetworkShape,
    Probes,
    Sampler,
    curl,
    divergence,
    equation_residual,
    exact_box,
    new_network,
    starting_points,
    toy_data,
    train,
    weighted_bound,
)
from fpsde.ddpm.places import working_on

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("devices")]

MOONS, SHORT = toy_data("moons").law, fpsde.linear_schedule().subset([1, 60, 300, 600, 1000])
SHAPE = NetworkShape(2, width=32, depth=2)


def close(there, here, *, rtol=1e-9):
    assert type(there).__module__.startswith("cupy")
    np.testing.assert_allclose(host(there), here, rtol=rtol, atol=rtol * np.abs(here).max())


@pytest.mark.parametrize("name", ["mixture", "anisotropic", "moons", "uniform", "laplace", "checkerboard"])
def test_laws_of_toy_data_compute_there(name):
    data = toy_data(name)
    x = data.sample(500, seed=3) + 0.1
    with working_on(fpsde.Backend.GPU) as bring:
        for of in (data.log_density, data.score, data.denoised):
            close(of(bring(x), 0.6), of(x, 0.6))
            assert not np.allclose(host(of(bring(x), 0.6)), of(x, 0.601), rtol=1e-9)


@pytest.mark.parametrize("kind", [Network, EnergyNetwork])
def test_a_training_there_is_that_of_the_host_to_round_off(kind, tmp_path):
    start = kind(SHAPE, new_network(SHAPE, seed=1, dtype=np.float64).parameters)
    given = dict(seed=3, stop=None, batch=128, look=50, network=start)
    here = train(MOONS, SHORT, steps=100, **given)
    train(MOONS, SHORT, steps=50, backend=fpsde.Backend.GPU, checkpoint=tmp_path / "net.npz", **given)
    there = train(MOONS, SHORT, steps=100, backend=fpsde.Backend.GPU, checkpoint=tmp_path / "net.npz", **given)
    close(there.denoiser.network.parameters, here.denoiser.network.parameters, rtol=1e-6)
    np.testing.assert_allclose(there.looks.excesses, here.looks.excesses, rtol=1e-6)
    assert here.looks.excesses[-1] < here.looks.excesses[0]


def test_samplers_likelihoods_and_diagnostics_compute_there():
    x = starting_points(SHORT, 200, dim=2, seed=4)
    network = train(MOONS, SHORT, seed=1, steps=50, stop=None, batch=128).denoiser.in_float64()
    with working_on(fpsde.Backend.GPU) as bring:
        there = network.with_parameters(bring(network.network.parameters))
        for box in (exact_box(MOONS, SHORT), fpsde.denoising_box(there, SHORT, dim=2)):
            for scheme in (fpsde.ancestral(), fpsde.ddim(0.5), fpsde.karras()):
                sampler = Sampler(box, scheme)
                pairs = zip(sampler.trajectory(bring(x), seed=5), sampler.trajectory(x, seed=5), strict=True)
                for one, other in pairs:
                    close(one, other, rtol=1e-8)
        found, right = (weighted_bound(there, at, SHORT, paths=3, seed=2) for at in (bring(x), x))
        close(found.importance, right.importance)
        probes = Probes(2, 7).drawn(2, x.shape[1])
        spreads = (divergence(lambda at: there(at, 0.5), at, scale=0.5, probes=probes) for at in (bring(x), x))
        close(*spreads, rtol=1e-8)  # type: ignore[misc]
        close(curl(there, bring(x), 0.5), curl(there, x, 0.5), rtol=1e-6)
        close(equation_residual(there, bring(x), 0.5)[1], equation_residual(there, x, 0.5)[1], rtol=1e-6)


def test_the_command_trains_and_samples_there(tmp_path, capsys):
    file = ["--checkpoint", str(tmp_path / "net.npz"), "--backend", "gpu", "--json", "-"]
    assert main(["ddpm", "train", "mixture", *file]) == 0
    assert json.loads(capsys.readouterr().out)["reached"]
    assert main(["ddpm", "sample", "mixture", "--steps", "25", *file]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["variance"]["network"] == pytest.approx(found["variance"]["exact denoiser"], rel=0.05)
