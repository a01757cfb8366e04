"""What a trained network samples, exactly, beside the data: its density by mass pushed through the chain."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from fpsde.commands.ddpm_figures import p_theta
from fpsde.ddpm import toy_data, train
from fpsde.plotting import save
from fpsde.processes import linear_schedule


def draw(stop: float = 0.003) -> Figure:
    """Return p_theta of a network that was trained until its loss is within ``stop`` of the exact floor."""
    data = toy_data("mixture")
    return p_theta(data, train(data.law, linear_schedule(1000), seed=0, stop=stop).denoiser)


if __name__ == "__main__":
    save(draw(), Path(__file__).with_suffix(".png"))
