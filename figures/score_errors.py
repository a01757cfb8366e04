"""Where a trained network is wrong: the error of its score in the plane, at four levels of noise."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from fpsde.commands.ddpm_figures import score_errors
from fpsde.ddpm import toy_data, train
from fpsde.plotting import save
from fpsde.processes import linear_schedule


def draw(stop: float = 0.02) -> Figure:
    """Return the map of a network that was trained on two moons until its loss is ``stop`` above its floor."""
    law = toy_data("moons").law
    return score_errors(law, train(law, linear_schedule(1000), seed=0, stop=stop).denoiser)


if __name__ == "__main__":
    save(draw(), Path(__file__).with_suffix(".png"))
