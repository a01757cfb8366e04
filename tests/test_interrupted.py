"""Ctrl-C in the particles of a study ends the study: part of the particles is not judged in place of all."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from fpsde import multilevel
from fpsde.chain import verify
from fpsde.convergence import strong, strong_order
from fpsde.corners import Corners
from fpsde.integrators import simulate
from fpsde.multilevel import multilevel_levels
from fpsde.processes import geometric_brownian, ornstein_uhlenbeck
from fpsde.schemes import euler_maruyama, milstein


def stopped(*given, n_particles, at, **how):
    """What simulate() returns where Ctrl-C comes during run number ``at`` of 0, 1, ...: half of the particles."""
    at[0] -= 1
    if at[0] != -1:
        return simulate(*given, n_particles=n_particles, **how)
    return replace(simulate(*given, n_particles=n_particles // 2, **how), requested=n_particles)


@pytest.mark.parametrize("at", [0, 1])
def test_a_verdict_ends_with_its_particles(at):
    corners = Corners(particles=partial(stopped, at=[at]))
    with pytest.raises(KeyboardInterrupt):
        verify(ornstein_uhlenbeck(), euler_maruyama, n_particles=10_000, corners=corners)


def test_a_strong_order_ends_with_its_paths(monkeypatch):
    monkeypatch.setattr(strong, "simulate", partial(stopped, at=[1]))
    with pytest.raises(KeyboardInterrupt):
        strong_order(geometric_brownian(), milstein, seed=1, steps=(8, 16, 32, 64), n_particles=2000)


def test_a_multilevel_study_ends_with_its_samples(monkeypatch):
    monkeypatch.setattr(multilevel, "simulate", partial(stopped, at=[1]))
    with pytest.raises(KeyboardInterrupt):
        multilevel_levels(
            geometric_brownian(), milstein, lambda x: x, x0=1.0, t_end=1.0, n_levels=2, n_samples=1000, seed=1
        )
