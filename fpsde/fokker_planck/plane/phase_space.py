"""The Klein-Kramers equation: recognising it in the coefficients of a process, and reading what it is made of.

    p_t = -v p_x - (f(x, t) p)_v + (g v p + D p_v)_v,      dX = V dt,  dV = (f(X, t) - g V) dt + sqrt(2 D) dW

Underdamped dynamics of one position in a potential, a mass m, a friction g and a temperature kT is f = -U'/m and
D = g kT/m; integrated Brownian motion is f = g = 0. (Risken, The Fokker-Planck Equation (1989), eq. 10.4.)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fpsde.errors import InvalidInput
from fpsde.fokker_planck.plane.coefficients import Coefficients
from fpsde.fokker_planck.sides import Sides
from fpsde.grid import Grid

#: Coefficients of the form above miss it by no more than this fraction of the largest.
ROUND_OFF = 1e-10


@dataclass(frozen=True, eq=False)
class PhaseSpace:
    """f ``(n_1,)`` at the centres of positions at time ``t``, g (1/time) and D (velocity^2/time) of a process."""

    process: Any
    grid: Grid
    sides: tuple[Sides, Sides]
    t: float
    force: np.ndarray
    friction: float
    noise: float

    @property
    def flux(self) -> str:
        """How positions and velocities are represented, for provenance."""
        return "trigonometric polynomials"

    @property
    def families(self) -> tuple[()]:
        """No edges: nothing here is upwinded, so there is no Peclet number."""
        return ()

    def at(self, t: float) -> PhaseSpace:
        """Return the same at another time; InvalidInput if more than f depends on time."""
        if not self.process.time_dependent:
            return self
        found = phase_space(Coefficients(self.process, self.grid, t, self.sides))
        for name in ("friction", "noise"):
            before, now = getattr(self, name), None if found is None else getattr(found, name)
            if now is None or abs(now - before) > ROUND_OFF * abs(before):
                raise InvalidInput(
                    f"the {name} of {self.process.name} is {before:g} at t={self.t:g} and {now} at t={t:g}; here only "
                    "the force may depend on time: give an order, or use evolve"
                )
        assert found is not None
        return replace(found, friction=self.friction, noise=self.noise)


def phase_space(read: Coefficients) -> PhaseSpace | None:
    """Return f, g and D of a process whose equation is that of Klein and Kramers on the cells of its grid, else None.

    The first component must be the position and the second its velocity. InvalidInput where coefficients are not
    finite.
    """
    d, grid = read.d, read.grid
    if d[0].any() or d[1, 0].any():
        return None
    noise = float(d[1, 1].mean())
    if not _small(d[1, 1] - noise, d[1, 1]):
        return None
    v = grid.lines[1].centres
    speed, change = read.mu.reshape(2, *grid.shape)
    friction = float((change[:, 0] - change[:, -1]).mean() / (v[-1] - v[0]))
    forces = change + friction * v
    force = forces.mean(axis=1)
    if not _small(speed - v, v) or not _small(forces - force[:, None], change):
        return None
    return PhaseSpace(read.process, grid, read.sides, read.t, force, friction, noise)


def _small(difference: np.ndarray, beside: np.ndarray) -> bool:
    return bool(np.abs(difference).max() <= ROUND_OFF * np.abs(beside).max())
