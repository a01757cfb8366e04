"""Forward marginals of data with noise: particles, closed form and the Fokker-Planck solution."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from fpsde.commands.ddpm_figures import forward
from fpsde.ddpm import toy_data
from fpsde.plotting import save


def draw(n_particles: int = 100_000) -> Figure:
    """Return the densities at four times of the variance-preserving diffusion of a mixture of two normals."""
    return forward(toy_data("mixture"), 0, n_particles=n_particles)


if __name__ == "__main__":
    save(draw(), Path(__file__).with_suffix(".png"))
