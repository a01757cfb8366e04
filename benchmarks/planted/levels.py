"""The schedule that the diffusion models of this folder have: 1000 linear betas, of which 13 levels are kept."""

from __future__ import annotations

import numpy as np

import fpsde

BETAS = np.linspace(1e-4, 0.02, 1000)
BARS = np.cumprod(1 - BETAS)
FULL = fpsde.linear_schedule()
KEPT = FULL.subset(fpsde.trailing_timesteps(1000, 13))
NAMES = KEPT.timesteps[:0:-1].tolist()


def bar(t: int) -> float:
    """alpha_bar at the timestep t."""
    return float(BARS[t - 1])
