"""``fpsde ddpm``: what is trained goes on, what is sampled stands beside the exact denoiser, exit codes."""

import json
from pathlib import Path

import numpy as np
import pytest

import fpsde
from fpsde.cli import main
from fpsde.ddpm import NetworkShape, new_network, saved_denoiser, toy_data, train
from fpsde.errors import InvalidInput

SHORT = fpsde.linear_schedule(1000)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A network on normal data, for which it is exact before it is trained."""
    file = tmp_path_factory.mktemp("ddpm") / "net.npz"
    start = new_network(NetworkShape(1, width=16, depth=1), seed=1, dtype=np.float64)
    train(toy_data("gaussian").law, SHORT, seed=0, steps=1, look=1, network=start, batch=16, checkpoint=file)
    return file


def test_a_network_that_is_exact_ends_where_the_exact_denoiser_does(trained, tmp_path, capsys) -> None:
    arguments = ["ddpm", "sample", "gaussian", "--checkpoint", str(trained), "--points", "2000"]
    assert main([*arguments, "--steps", "13", "--out", str(tmp_path), "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["rms_distance"] < 1e-3  # one step of training at a rate of 3e-5
    assert found["variance"]["network"] == pytest.approx(found["variance"]["exact denoiser"], rel=1e-2)
    assert found["variance"]["data"] == [0.25]
    assert np.load(tmp_path / "ddpm-gaussian.npy").shape == (1, 2000)
    assert (tmp_path / "ddpm-gaussian.png").stat().st_size > 10_000
    # of the mixture it knows the wrong things: the same question fails to be near
    assert main([*arguments[:2], "mixture", *arguments[3:], "--steps", "5", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["rms_distance"] > 0.1


def test_training_says_how_far_the_floor_is_and_goes_on(tmp_path, capsys) -> None:
    arguments = ["ddpm", "train", "gaussian", "--checkpoint", str(tmp_path / "net.npz")]
    assert main([*arguments, "--steps", "1", "--stop", "1e-12"]) == 1
    assert "above the exact floor 0.17305: not reached" in capsys.readouterr().out
    assert main([*arguments, "--steps", "1", "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["reached"] and found["floor"] == pytest.approx(0.17305, abs=5e-6)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["train", "moonz"], "did you mean 'moons'"),
        (["sample", "gaussian", "--sampler", "ddmi"], "did you mean 'ddim'"),
        (["sample", "gaussian", "--checkpoint", "missing.npz"], "missing.npz cannot be read"),
        (["train", "gaussian", "--steps", "0"], "steps=0"),
    ],
)
def test_what_cannot_be_done(arguments, says, capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["ddpm", *arguments]) == 2
    assert says in capsys.readouterr().err


def test_a_network_is_not_asked_beyond_its_levels(trained) -> None:
    saved_denoiser(trained, SHORT.subset([1, 1000]))
    with pytest.raises(InvalidInput, match="trained between the levels"):
        saved_denoiser(trained, fpsde.schedule_of_sigmas([0.02, 80.0, 1000.0]))
