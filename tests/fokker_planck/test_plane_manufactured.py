"""Laws of a plane that were chosen first: variable D, drift, rotation and time, inside and in the cells at the walls.

With J and p such that dp/dt = -div J, the drift mu_i = (J_i + d_i(D_ii p))/p has the law p.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from fpsde.domain import Interval, Wall
from fpsde.fokker_planck import FokkerPlanck, PlaneFokkerPlanck, assemble_plane
from fpsde.grid import Grid

PI, TURN = np.pi, 0.3
SIZE = PI**2 / 4
COUNTS = (24, 32, 44, 60)


def sines(x):
    return np.sin(PI * x[0]), np.sin(PI * x[1]), np.cos(PI * x[0]), np.cos(PI * x[1])


def between(faces, kind):
    """Return the integrals of sin(pi x) or cos(pi x) over cells."""
    return np.diff(-np.cos(PI * faces) if kind == "sin" else np.sin(PI * faces)) / PI


@dataclass(frozen=True)
class Chosen:
    """What a solver asks of a process on the unit square, and the masses that it must find."""

    drift: Any
    noise: Any
    masses: Any
    wall: Wall
    name: str = "chosen"
    dim: int = 2
    energy: None = None
    time_dependent: bool = True

    @property
    def intervals(self):
        return (Interval.between(0, 1, self.wall),) * 2

    def ito_drift(self, x, t):
        return np.stack(self.drift(x, t))

    def diffusivity(self, x, t):
        first, second = (d + 0 * x[0] for d in self.noise(x, t))
        return np.array([[first, 0 * first], [0 * first, second]])


def reflected():
    """p = 1 + e^-t cos cos / 2; J = -grad Phi + curl psi, Phi = e^-t cos cos / (4 pi^2), psi = TURN sin sin."""

    def noise(x, t):
        swing = 1 + 0.5 * np.sin(3 * t)
        return (0.2 - 0.1 * np.sin(2 * x[0] + x[1])) * swing, 0.15 + 0.05 * np.cos(3 * x[1])

    def drift(x, t):
        a, b, c, d = sines(x)
        e, swing = 0.5 * np.exp(-t), 1 + 0.5 * np.sin(3 * t)
        p, (first, second) = 1 + e * c * d, noise(x, t)
        flux = e * a * d / (2 * PI) + TURN * PI * a * d, e * c * b / (2 * PI) - TURN * PI * c * b
        bend = -0.2 * np.cos(2 * x[0] + x[1]) * swing, -0.15 * np.sin(3 * x[1])
        slope = -e * PI * a * d, -e * PI * c * b
        return tuple((j + s * p + n * q) / p for j, s, n, q in zip(flux, bend, (first, second), slope, strict=True))

    def masses(grid, t):
        waves = np.multiply.outer(*(between(faces, "cos") for faces in grid.axes))
        return np.multiply.outer(*map(np.diff, grid.axes)) + 0.5 * np.exp(-t) * waves

    return Chosen(drift, noise, masses, Wall.REFLECTING)


def absorbed():
    """p = SIZE e^-t sin sin; D = 1/(2 pi^2) at the walls, where p vanishes; J = -grad p/(2 pi^2) + curl(TURN p^2)."""

    def noise(x, t):
        bump = 0.3 * np.sin(PI * x[0]) ** 2 * (1 + 0.5 * np.sin(3 * t))
        return (1 + bump) / (2 * PI**2), 1 / (2 * PI**2)

    def drift(x, t):
        a, b, c, d = sines(x)
        e, strength = SIZE * np.exp(-t), 0.3 * (1 + 0.5 * np.sin(3 * t))
        return 3 * strength * a * c / (2 * PI) + 2 * TURN * e * PI * a * d, -2 * TURN * e * PI * c * b

    def masses(grid, t):
        return SIZE * np.exp(-t) * np.multiply.outer(*(between(faces, "sin") for faces in grid.axes))

    return Chosen(drift, noise, masses, Wall.ABSORBING)


def equal(n):
    return Grid.uniform((0, 1), (0, 1), cells=n)


def graded(n):
    """Cells three times as wide at one end of an axis as at the other."""
    return Grid(tuple(Grid.graded((0, 1), cells=n, at=at, ratio=3.0).faces for at in (0.0, 1.0)))


def errors(process, grid=equal, **options):
    """Return mean relative errors of the density inside, and in the cells at the walls, on finer and finer grids."""
    inside, at_walls = [], []
    for n in COUNTS:
        solver = FokkerPlanck(process, grid(n), **options)
        found = solver.evolve(process.masses(solver.grid, 0.0), t_end=0.3, dt=1.2 / n)
        assert found.mass_error < 1e-13 and found.minimum >= 0
        error = np.abs(found.law.masses / process.masses(solver.grid, 0.3) - 1)
        inside.append(error[1:-1, 1:-1].mean())
        error[1:-1, 1:-1] = 0
        at_walls.append(error.sum() / (4 * n - 4))
    return inside, at_walls


def orders(found):
    """Return the orders seen between one grid and the next."""
    return np.log(np.array(found[:-1]) / found[1:]) / np.log(np.array(COUNTS[1:]) / COUNTS[:-1])


@pytest.mark.parametrize("make", [reflected, absorbed])
@pytest.mark.parametrize("grid", [equal, graded])
def test_the_density_is_of_order_two_inside_and_in_the_cells_at_walls(make, grid):
    for observed in map(orders, errors(make(), grid)):
        assert np.all((observed > 1.8) & (observed < 2.2)) and 1.9 < observed[-1] < 2.1, observed


def far_walls(process, grid, t=0.0):
    """Walls that absorb at a whole cell's distance from the centres."""
    q = assemble_plane(process, grid, t)
    return replace(q, exits=q.exits / 2)


def walls_that_let_through(process, grid, t=0.0):
    """Zero gradient in place of zero flux: what the drift carries to a wall leaves."""
    q, n = assemble_plane(process, grid, t), grid.shape[0]
    outwards = np.zeros((4, n, n))
    for side, axis, end in ((0, 0, 0), (1, 0, -1), (2, 1, 0), (3, 1, -1)):
        middles = 0.5 * (grid.axes[1 - axis][1:] + grid.axes[1 - axis][:-1])
        at = np.full(n, grid.axes[axis][end])
        mu = process.ito_drift(np.stack([at, middles] if axis == 0 else [middles, at]), t)[axis]
        np.moveaxis(outwards[side], axis, 0)[end] = np.maximum(mu if end else -mu, 0) * n
    return replace(q, exits=outwards.reshape(4, -1))


def test_walls_of_order_one_and_walls_that_let_through_are_flagged():
    assert PlaneFokkerPlanck(absorbed(), Grid.uniform((0, 1), (0, 1), cells=5)).generator().exits.any()
    for observed in map(orders, errors(absorbed(), assemble=far_walls)):
        assert np.all(observed < 1.2), observed
    leaking = FokkerPlanck(reflected(), Grid.uniform((0, 1), (0, 1), cells=22), assemble=walls_that_let_through)
    found = leaking.evolve(reflected().masses(leaking.grid, 0.0), t_end=0.3, dt=0.03)
    assert found.absorbed[-1].sum() > 0.01
