"""``fpsde ddpm``: what is trained goes on, what is sampled stands beside the exact denoiser, exit codes."""

import json
from pathlib import Path

import numpy as np
import pytest

import fpsde
from fpsde.checks import Verdict
from fpsde.cli import main
from fpsde.commands.ddpm_figures import bound, score_errors
from fpsde.commands.ddpm_sampled import Descent, descent_figure, verdicts
from fpsde.ddpm import (
    Denoiser,
    NetworkShape,
    ReverseVariance,
    Sampler,
    exact_box,
    new_network,
    round_mixture,
    saved_denoiser,
    scaling_of,
    starting_points,
    toy_data,
    train,
    variational_bound,
)
from fpsde.errors import InvalidInput

SHORT = fpsde.linear_schedule(1000)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A network on normal data, for which it is exact before it is trained."""
    file = tmp_path_factory.mktemp("ddpm") / "net.npz"
    start = new_network(NetworkShape(1, width=16, depth=1), seed=1, dtype=np.float64)
    train(toy_data("gaussian").law, SHORT, seed=0, steps=1, look=1, network=start, batch=16, checkpoint=file)
    return file


def test_a_network_that_is_exact_ends_where_the_exact_denoiser_does(trained, capsys) -> None:
    arguments = ["ddpm", "sample", "gaussian", "--checkpoint", str(trained), "--points", "2000"]
    assert main([*arguments, "--sampler", "karras", "--steps", "13", "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["rms_distance"] < 1e-3  # one step of training at a rate of 3e-5
    assert found["variance"]["network"] == pytest.approx(found["variance"]["exact denoiser"], rel=1e-2)
    assert found["variance"]["data"] == [0.25]
    assert [found["checks"][name]["verdict"] for name in ("network", "exact denoiser")] == ["pass", "pass"]
    # of the mixture it knows the wrong things: the same question fails to be near
    assert main([*arguments[:2], "mixture", *arguments[3:], "--sampler", "karras", "--steps", "20", "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["rms_distance"] > 0.1
    assert [found["checks"][name]["verdict"] for name in ("network", "exact denoiser")] == ["fail", "pass"]


def test_points_in_the_plane_are_judged_against_a_sample_and_drawn_level_by_level(seed) -> None:
    data = toy_data("anisotropic")
    x = data.sample(4000, seed=seed)
    found = {
        "network": Descent((0,), (1.3 * x,), x[None, :, :3]),
        "exact denoiser": Descent((0,), (x,), x[None, :, :3]),
    }
    judged = verdicts(data, found, seed)
    assert [one.verdict for one in judged.values()] == [Verdict.FAIL, Verdict.PASS]
    start = starting_points(SHORT.subset([20, 500, 1000]), 30, dim=2, seed=1)
    descent = Descent.of(Sampler(exact_box(data.law, SHORT.subset([20, 500, 1000])), fpsde.ddim()), start, 2)
    assert descent.steps == (0, 1, 2, 3) and descent.paths.shape == (4, 2, 12)
    np.testing.assert_array_equal(descent.paths[-1], descent.last[:, :12])
    figure = descent_figure(data, SHORT.subset([20, 500, 1000]), {"exact denoiser": descent}, title="three steps")
    assert [panel.get_title() for panel in figure.axes[:4]] == ["t = 1000", "t = 500", "t = 20", "t = 0"]
    figure.draw_without_rendering()
    boxes = [panel.get_position() for panel in figure.axes]
    np.testing.assert_allclose([box.y0 for box in boxes[:4]], boxes[0].y0, atol=1e-3)  # panels stand in line
    np.testing.assert_allclose([box.height for box in boxes], boxes[0].height, atol=1e-3)
    (said,) = figure.legends[0].get_texts()
    assert said.get_text() == "whole paths of 12 points, from t = 1000 to 0"
    (low, high), last = figure.axes[3].get_xlim(), descent.paths[:, 0]
    assert low < last.min() and last.max() < high


def test_training_says_how_far_the_floor_is_and_goes_on(tmp_path, capsys) -> None:
    arguments = ["ddpm", "train", "gaussian", "--checkpoint", str(tmp_path / "net.npz")]
    assert main([*arguments, "--steps", "1", "--stop", "1e-12"]) == 1
    assert "above the exact floor 0.17305: not reached" in capsys.readouterr().out
    assert main([*arguments, "--steps", "1", "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["reached"] and found["floor"] == pytest.approx(0.17305, abs=5e-6)


def test_the_picture_of_the_bound_says_its_three_totals(trained, tmp_path, capsys) -> None:
    """Those of 100 steps, to three digits; a network of other data is refused."""
    (panel,) = bound(toy_data("gaussian").law).axes
    schedule = SHORT.subset(fpsde.trailing_timesteps(1000, 100))
    totals = [
        variational_bound(toy_data("gaussian").law, schedule, variance=kind).total
        for kind in (ReverseVariance.SMALL, ReverseVariance.LARGE, ReverseVariance.OPTIMAL)
    ]
    said = [text.get_text() for text in panel.get_legend().get_texts()]
    assert all(f": {total:.3f} = " in text for total, text in zip(totals, said, strict=True))
    assert main(["ddpm", "figures", "moons", "--checkpoint", str(trained), "--out", str(tmp_path)]) == 2
    assert "holds a network of dim=1, moons has 2" in capsys.readouterr().err


def test_the_map_of_a_network_in_the_plane_has_a_panel_for_each_level() -> None:
    """The exact denoiser of round normal data is the network before it is trained: nothing to see but round-off."""
    law = round_mixture([1.0], [[1.0, -2.0]], [0.5])
    network = new_network(NetworkShape(2, width=4, depth=1), seed=1, dtype=np.float64)
    wrong = type(network)(network.shape, network.parameters + 0.05)
    for one, shown in ((network, 0), (wrong, 60 * 60)):
        panels = score_errors(law, Denoiser(one, scaling_of(law))).axes[:4]
        assert [panel.get_title() for panel in panels] == ["σ = 0.1", "σ = 0.3", "σ = 1", "σ = 3"]
        assert np.count_nonzero(panels[2].collections[0].get_array() > 1e-6) == shown


@pytest.mark.slow
def test_all_pictures_are_drawn(trained, tmp_path, capsys) -> None:
    arguments = ["ddpm", "figures", "gaussian", "--checkpoint", str(trained), "--out", str(tmp_path)]
    assert main(arguments) == 0
    names = ("forward", "samplers", "score-errors", "bound", "p-theta")
    assert all((tmp_path / f"ddpm-{name}.png").stat().st_size > 10_000 for name in names)
    assert main(["ddpm", "sample", *arguments[2:], "--points", "200"]) == 0
    assert "network, against the data: density: smooth test: " in capsys.readouterr().out
    assert np.load(tmp_path / "ddpm-gaussian.npy").shape == (1, 200)
    assert (tmp_path / "ddpm-gaussian.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["train", "moonz"], "did you mean 'moons'"),
        (["sample", "gaussian", "--sampler", "ddmi"], "did you mean 'ddim'"),
        (["sample", "gaussian", "--checkpoint", "missing.npz"], "missing.npz does not exist; `fpsde ddpm train"),
        (["train", "gaussian", "--steps", "0"], "steps=0"),
        (["sample", "gaussian", "--steps", "0"], "--steps 0 levels of 1000; give --steps 1 to 1000"),
        (["sample", "gaussian", "--steps", "1001"], "give --steps 1 to 1000"),
        (["sample", "gaussian", "--points", "0"], "--points 0; draw at least 1"),
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
