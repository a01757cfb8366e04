"""The Fokker-Planck operator of one component as the generator of a Markov chain on cells.

    dp/dt = -(mu p)' + (D p)'' = -J',      J = mu p - (D p)'                        (Ito form)

On the edge between the centres of cells i and i + 1, with q = D p and w = integral of mu/D along the edge, the flux
that is exact where J and mu/D are constant is (Scharfetter & Gummel 1969; Chang & Cooper 1970 for constant D)

    J = [B(-w) q_i - B(w) q_(i+1)] / (x_(i+1) - x_i),      B(z) = z / (e^z - 1).

It needs no derivative of D, and vanishes where q_(i+1) = e^w q_i: the stationary law (1/D) exp(integral of mu/D) is
exact at the cell centres. Rates are not negative and each column sums to zero but for what leaves through an absorbing
wall, so that exp(tQ) and (I - aQ)^-1 are positive and keep mass. Second order in the cell width while w is moderate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsde.errors import InvalidInput
from fpsde.fokker_planck.coefficients import diffusivity_at, half_cell_coefficients
from fpsde.fokker_planck.sides import sides_of
from fpsde.grid import Grid
from fpsde.jit import kernel
from fpsde.validation import finite


def half_cell_rule(points: int) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes and weights of a Gauss rule on (0, 1), for each half cell."""
    nodes, weights = np.polynomial.legendre.leggauss(points)
    return 0.5 * (1 + nodes), 0.5 * weights


#: Eight points to an edge leave nothing of the error of integrating mu/D, so the stationary law is exact at centres.
HALF_NODES, HALF_WEIGHTS = half_cell_rule(4)
#: Where coefficients depend on time there is no such law, and four points, of order 4, cost half as much.
DRIVEN_NODES, DRIVEN_WEIGHTS = half_cell_rule(2)
#: Below it B is its series to z^10 (the next term is below 1e-16).
SERIES = 0.25


def bernoulli(z: Any) -> np.ndarray:
    """Return B(z) = z / (e^z - 1), same shape as ``z``, to a few units in the last place; 0 where it underflows."""
    z = np.asarray(z, dtype=float)
    return _each(z.ravel()).reshape(z.shape)


@kernel()
def _each(z):
    out = np.empty(len(z))
    for i in range(len(z)):
        out[i] = _bernoulli(z[i])
    return out


@kernel()
def _bernoulli(z):
    if abs(z) < SERIES:
        v = z * z
        even = 1 / 12 + v * (-1 / 720 + v * (1 / 30240 + v * (-1 / 1209600 + v * (1 / 47900160))))
        return 1 - z / 2 + v * even
    return z / np.expm1(z)


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
            if np.shape(rates) != self.grid.shape:
                raise InvalidInput(f"{name} has shape {np.shape(rates)}, the grid {self.grid.shape}; they must agree")
            if not (np.min(rates) >= 0 and np.max(rates) < np.inf):
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
    def diag(self) -> np.ndarray:
        """The diagonal ``(n,)``: minus the total rate out of each cell."""
        out = self.left + self.right
        out[0] += self.exits[0]
        out[-1] += self.exits[1]
        return -out

    @property
    def open_rates(self) -> tuple[np.ndarray, np.ndarray]:
        """The rates to the left and to the right on a line, each ``(n,)``, those into absorbing walls included."""
        left, right = self.left.copy(), self.right.copy()
        left[0], right[-1] = self.exits
        return left, right

    @property
    def max_rate(self) -> float:
        """The largest total rate out of a cell, max |Q_ii|, 1/time."""
        return float(np.max(-self.diag))

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

    def dense(self) -> np.ndarray:
        """Return Q as an array ``(n, n)``, for oracles on small grids."""
        q = np.diag(self.diag) + np.diag(self.lower, -1) + np.diag(self.upper, 1)
        q[-1, 0] += self.left[0]
        q[0, -1] += self.right[-1]
        return q


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
    d = diffusivity_at(process, grid.centres, t)
    driven = process.time_dependent
    nodes, weights = (DRIVEN_NODES, DRIVEN_WEIGHTS) if driven else (HALF_NODES, HALF_WEIGHTS)
    mu, d_around = half_cell_coefficients(process, grid, t, nodes)
    rates, exits, w = np.empty((2, *grid.shape)), np.empty(2), np.empty(grid.shape)
    with np.errstate(over="ignore"):
        scharfetter_gummel(
            mu, d_around, weights, d, grid.widths, sides.periodic, np.array(sides.absorbing), rates, exits, w
        )
    low, high = exits.tolist()
    return Generator(grid, rates[0], rates[1], (low, high), w if sides.periodic else w[:-1], sides.periodic)


@kernel()
def scharfetter_gummel(mu, d_around, weights, d, widths, periodic, absorbs, rates, exits, w):
    """Write the rates to the left and to the right (2, n), those into walls (2,), and the exponents of the edges (n,).

    ``mu`` and ``d_around`` (2, n_nodes, n) are the coefficients at the nodes of the lower and upper half of each cell,
    with ``weights`` (n_nodes,), and ``d`` (n,) is D at the centres. Edge i joins cell i to i + 1; the last is the seam.
    """
    n = len(d)
    half = 0.5 * widths
    to_low, to_high = np.zeros(n), np.zeros(n)  # integrals of mu/D over the halves of each cell
    for k in range(len(weights)):
        for i in range(n):
            to_low[i] += weights[k] * (half[i] * mu[0, k, i] / d_around[0, k, i])
            to_high[i] += weights[k] * (half[i] * mu[1, k, i] / d_around[1, k, i])
    for i in range(n):
        after = i + 1 if i < n - 1 else 0
        w[i] = to_high[i] + to_low[after]
        down = _bernoulli(abs(w[i]))
        up = down + abs(w[i])  # B(-|w|)
        if w[i] < 0:
            down, up = up, down
        length = half[i] + half[after]
        rates[1, i] = up * (d[i] / widths[i]) / length  # q = D p for a unit of mass in the cell
        rates[0, after] = down * (d[after] / widths[after]) / length
    exits[:] = 0.0
    if absorbs[0]:
        exits[0] = _bernoulli(to_low[0]) * (d[0] / widths[0]) / half[0]
    if absorbs[1]:
        exits[1] = _bernoulli(-to_high[n - 1]) * (d[n - 1] / widths[n - 1]) / half[n - 1]
    if not periodic:
        rates[0, 0] = 0.0
        rates[1, n - 1] = 0.0
