"""Divergence of exact sampler laws from the data, by the number of steps, with an exact denoiser."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from fpsde.commands.ddpm_figures import samplers
from fpsde.ddpm import toy_data
from fpsde.plotting import save


def draw(numbers: tuple[int, ...] = (6, 12, 24, 48)) -> Figure:
    """Return KL(data || law) of five samplers against their numbers of steps, on a mixture of two normals."""
    return samplers(toy_data("mixture").law, numbers=numbers)


if __name__ == "__main__":
    save(draw(), Path(__file__).with_suffix(".png"))
