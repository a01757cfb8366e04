"""The Fokker-Planck operator of one component as the generator of a Markov chain on cells.

    dp/dt = -(mu p)' + (D p)'' = -J',      J = mu p - (D p)'                        (Ito form)

The flux across an edge between cells, with its exponent w, is that of ``fluxes.py``. Rates are not negative and each
column sums to zero but for what leaves through an absorbing wall, so that exp(tQ) and (I - aQ)^-1 are positive and keep
mass.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsde.cached import cached_property
from fpsde.errors import InvalidInput
from fpsde.fokker_planck.coefficients import LEAST, beyond, drift_and_diffusivity
from fpsde.fokker_planck.edges import EDGE_RULE, QUICK_RULE, EdgePoints
from fpsde.fokker_planck.elimination import factorise
from fpsde.fokker_planck.fluxes import frozen_fluxes
from fpsde.fokker_planck.sides import sides_of
from fpsde.fokker_planck.steepness import steepest_on_line
from fpsde.grid import Grid
from fpsde.jit import kernel
from fpsde.validation import finite


@dataclass(frozen=True)
class Generator:
    """A one-dimensional Markov generator Q: dm/dt = Q m for the cell masses m (n,).

    ``left`` and ``right`` (n,) are the rates (1/time) from each cell to its neighbours; ``left[0]`` and ``right[-1]``
    lead across the seam of a periodic grid and are zero on all others. ``exits`` are the rates out of the first and
    the last cell through an absorbing wall. ``exponents`` are w on the n - 1 inner edges, and on the seam where there
    is one: |w| is the Peclet number of the edge. ``flux`` names the discretisation, for provenance.
    """

    grid: Grid
    left: np.ndarray
    right: np.ndarray
    exits: tuple[float, float]
    exponents: np.ndarray
    periodic: bool = False
    flux: str = "Scharfetter-Gummel"

    def __post_init__(self) -> None:
        for name, rates in (("left", self.left), ("right", self.right)):
            if rates.shape != self.grid.shape:
                raise InvalidInput(f"{name} has shape {rates.shape}, the grid {self.grid.shape}; they must agree")
            if beyond(rates, LEAST):
                i = int(np.argmin((rates >= 0) & np.isfinite(rates)))
                raise InvalidInput(
                    f"{name}[{i}]={rates[i]} at x={self.grid.centres[i]}; rates must be finite and not negative"
                )

    @property
    def lower(self) -> np.ndarray:
        """The sub-diagonal ``(n - 1,)``: the rates from cell i to i + 1."""
        return self.right[:-1]

    @property
    def upper(self) -> np.ndarray:
        """The super-diagonal ``(n - 1,)``: the rates from cell i + 1 to i."""
        return self.left[1:]

    @property
    def out_rates(self) -> np.ndarray:
        """The total rate out of each cell, -Q_ii, ``(n,)``."""
        out = self.left + self.right
        out[0] += self.exits[0]
        out[-1] += self.exits[1]
        return out

    @property
    def diag(self) -> np.ndarray:
        """The diagonal ``(n,)``: minus the total rate out of each cell."""
        return -self.out_rates

    @cached_property
    def open_rates(self) -> tuple[np.ndarray, np.ndarray]:
        """The rates to the left and to the right on a line, each ``(n,)``, those into absorbing walls included."""
        return opened(self.left, self.right, *self.exits)

    @property
    def max_rate(self) -> float:
        """The largest total rate out of a cell, max |Q_ii|, 1/time."""
        return float(self.out_rates.max())

    def steepest(self, masses: np.ndarray) -> tuple[float, float]:
        """Return how steep mu/D is where the masses are, as :func:`steepest_on_line` does."""
        return steepest_on_line(self.grid.faces, self.exponents, masses, self.periodic)

    def currents(self, masses: np.ndarray) -> np.ndarray:
        """Return the mass that crosses the right-hand edge of each cell per time, ``(n,)``; the last is the seam's."""
        return self.right * masses - np.roll(self.left * masses, -1)

    def apply(self, masses: np.ndarray) -> np.ndarray:
        """Return Q m as differences of edge currents, ``(n,)``."""
        current = self.currents(masses)
        change = np.roll(current, 1) - current
        change[0] -= self.exits[0] * masses[0]
        change[-1] -= self.exits[1] * masses[-1]
        return change

    def apply_transposed(self, u: np.ndarray) -> np.ndarray:
        """Return Q^T u, ``(n,)``, in differences of u: the rate of change of a mean, going back in time."""
        change = self.right * (np.roll(u, -1) - u) + self.left * (np.roll(u, 1) - u)
        change[0] -= self.exits[0] * u[0]
        change[-1] -= self.exits[1] * u[-1]
        return change

    def earned_at_walls(self, values: np.ndarray) -> np.ndarray:
        """Return what arriving at walls adds to the rate of change of a mean, ``(n,)``: ``values`` (2,) hold there."""
        earned = np.zeros(self.grid.shape)
        earned[0] += self.exits[0] * values[0]
        earned[-1] += self.exits[1] * values[1]
        return earned

    def factors(self, a: float) -> np.ndarray:
        """Return the factors of I - aQ, ``(5, n)``, for ``solve``."""
        return factorise(np.ascontiguousarray(self.left), np.ascontiguousarray(self.right), *self.exits, a)

    def dense(self) -> np.ndarray:
        """Return Q as an array ``(n, n)``, for oracles on small grids."""
        q = np.diag(self.diag) + np.diag(self.lower, -1) + np.diag(self.upper, 1)
        q[-1, 0] += self.left[0]
        q[0, -1] += self.right[-1]
        return q


@kernel(portable=True)
def opened(left, right, low_exit, high_exit):
    """Return rates to the left and to the right with those into walls, as :attr:`Generator.open_rates`."""
    left, right = left.copy(), right.copy()
    left[0], right[-1] = low_exit, high_exit
    return left, right


#: A function that builds the generator of a process on a grid at a time, as :func:`assemble` does.
Assemble = Callable[[Any, Grid, float], Generator]


def assemble(process: Any, grid: Grid, t: float = 0.0) -> Generator:
    """Return the Scharfetter-Gummel generator of ``process`` on ``grid`` at time ``t``.

    ``process`` has ``ito_drift(x, t)``, ``diffusivity(x, t)`` (arrays to arrays) and a ``domain``. The flux is zero
    through a reflecting wall, an end that cannot be reached, and an end of the grid inside the domain; an absorbing
    wall holds q = 0 at half a cell's distance; a periodic seam is an edge like any other. Coefficients are read at the
    centres and between them, never at an end: D may vanish there.

    Raises
    ------
    InvalidInput
        if the grid leaves the domain, or mu or D is not finite, or D not positive, somewhere inside (it says where).
    """
    sides = sides_of(process.domain, grid)
    t = finite("t", t)
    edges = EdgePoints.of(grid, sides, QUICK_RULE if process.time_dependent else EDGE_RULE)
    n, rates, exits, w = grid.shape[0], np.empty((2, *grid.shape)), np.empty((2, 1)), np.empty(grid.shape)
    mu, d = drift_and_diffusivity(process, edges.points, t, drift_from=n)
    frozen_fluxes(mu, d, *edges.geometry, rates, exits, w)
    low, high = exits[:, 0].tolist()
    return Generator(grid, rates[0], rates[1], (low, high), w if sides.periodic else w[:-1], sides.periodic)
