"""The chain of laws on a double well: particles in their noise band, and the laws of scheme and process."""

from __future__ import annotations

import argparse
from pathlib import Path

from matplotlib.figure import Figure

import fpsde
from fpsde.plotting import chain_figure, save


def draw(n_particles: int = 2_000_000) -> Figure:
    """Return the figure of Euler-Maruyama with a coarse step, whose bias is seen beside the noise."""
    report = fpsde.verify(
        fpsde.double_well(), fpsde.euler_maruyama, x0=0.3, t_end=1.0, dt=0.05, n_particles=n_particles
    )
    return chain_figure(report.chains[0], bins=80)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--particles", type=int, default=2_000_000)
    save(draw(options.parse_args().particles), Path(__file__).with_suffix(".png"))
