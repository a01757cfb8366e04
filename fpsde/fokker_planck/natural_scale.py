"""The generator in natural scale: cells weighed by the speed measure, edges by the scale function.

With Phi the integral of mu/D, the speed density is rho = e^Phi/D (the stationary density, not normalised) and the scale
density is e^-Phi. Rates between neighbouring cells are (Feller, Trans. AMS 77 (1954) 1)

    right_i = k_(i+1/2) / m_i,   left_(i+1) = k_(i+1/2) / m_(i+1),
    m_i = integral of rho over cell i,     1/k_(i+1/2) = integral of e^-Phi from centre i to centre i + 1.

So stationary masses are those of the cells, not centre values; splitting probabilities and committors are exact at the
centres; and slow rates lose a factor of 50 in error against Scharfetter-Gummel where barriers are resolved. Fast modes
are slightly worse, and cells over which Phi changes by more than about 1 are much worse: the mass of such a cell lies
at one of its faces.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fpsde.errors import InvalidInput
from fpsde.fokker_planck.coefficients import half_cell_coefficients
from fpsde.fokker_planck.generator import Generator
from fpsde.fokker_planck.sides import sides_of
from fpsde.grid import Grid
from fpsde.validation import finite

#: Gauss rule on (0, 1) for each half cell, and from values at its nodes the integrals from 0 to each node.
_LEGENDRE, _WEIGHTS = np.polynomial.legendre.leggauss(8)
NODES, WEIGHTS = 0.5 * (1 + _LEGENDRE), 0.5 * _WEIGHTS
_POWERS = np.arange(1, len(NODES) + 1)
TO_NODES = np.linalg.solve((NODES[:, None] ** (_POWERS - 1)).T, (NODES[:, None] ** _POWERS / _POWERS).T).T


def scale_speed(process: Any, grid: Grid, t: float = 0.0) -> Generator:
    """Return the generator of ``process`` on ``grid`` at time ``t`` by scale function and speed measure.

    It takes what :func:`~fpsde.fokker_planck.generator.assemble` takes, and is given to
    ``FokkerPlanck(process, grid, assemble=scale_speed)``. Order 2 in the cell width. Phi is integrated from the centre
    of a cell to its own neighbours only, so its size elsewhere does not matter: a barrier or a wall of a thousand kT is
    as good as any. Where the coefficients depend on time the rates are those of the frozen coefficients.

    Raises
    ------
    InvalidInput
        if the grid is not of one dimension, or leaves the domain; mu or D is not finite, or D not positive, somewhere
        inside; or Phi changes so much over a cell (about 700) that a rate underflows.
    """
    if grid.dim != 1:
        raise InvalidInput(f"scale_speed takes a grid of one dimension, not {grid.dim}; in two, give speed_measure")
    sides = sides_of(process.domain, grid)
    half = 0.5 * grid.widths
    mu, d = half_cell_coefficients(process, grid, finite("t", t), NODES)
    phi, (to_low, to_high) = outward_integrals(half, mu / d)
    w = to_high - _next(to_low)  # Phi at centre i + 1 minus Phi at centre i; the last edge is the seam
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        mass = half * np.einsum("k,skn->n", WEIGHTS, np.exp(phi) / d)  # each relative to rho at the centre
        low, high = half * np.einsum("k,skn->sn", WEIGHTS, np.exp(-phi))
        below = _next(low)
        right = 1 / (mass * (high + np.exp(-w) * below))
        back = 1 / (_next(mass) * (np.exp(w) * high + below))  # the rate back over the edge above each cell
        left = np.concatenate([back[-1:], back[:-1]])
        exits = 1 / (mass[[0, -1]] * (low[0], high[-1]))
    if not sides.periodic:
        w, left[0], right[-1] = w[:-1], 0.0, 0.0
    _refuse_underflow(grid, back, right, w)
    out = tuple(float(rate) if absorbs else 0.0 for rate, absorbs in zip(exits, sides.absorbing, strict=True))
    return Generator(grid, left, right, (out[0], out[1]), w, sides.periodic, "scale function and speed measure")


def outward_integrals(half: np.ndarray, slope: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return integrals from the centre of each cell outward: to the nodes of its halves ``(2, n_nodes, n)``, and ends.

    Those to the two ends are ``(2, n)``. ``slope`` (2, n_nodes, n) is given at ``NODES`` of the lower and upper half,
    whose lengths are ``half`` (n,).
    """
    rise = half * np.array([-1.0, 1.0])[:, None, None] * slope
    return TO_NODES @ rise, WEIGHTS @ rise


def _next(values: np.ndarray) -> np.ndarray:
    """Return what the next cell has; after the last comes the first."""
    return np.concatenate([values[1:], values[:1]])


def _refuse_underflow(grid: Grid, back: np.ndarray, right: np.ndarray, w: np.ndarray) -> None:
    n = len(w)
    if not (right[:n].min() > 0 and back[:n].min() > 0):  # false for nan as well
        i = int(np.argmin((right[:n] > 0) & (back[:n] > 0)))
        raise InvalidInput(
            f"the integral of mu/D changes by {w[i]:.3g} between the centres at x={grid.centres[i]:.6g} and "
            f"{grid.centres[(i + 1) % len(back)]:.6g}; in natural scale about 1 is a good change and 700 the largest: "
            "use narrower cells or a smaller box"
        )
