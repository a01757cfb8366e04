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
from fpsde.fokker_planck.coefficients import beyond, half_cell_coefficients
from fpsde.fokker_planck.generator import Generator
from fpsde.fokker_planck.sides import sides_of
from fpsde.grid import Grid
from fpsde.jit import kernel
from fpsde.numba_text import elementary_function
from fpsde.validation import finite

#: Gauss rule on (0, 1) for each half cell, and from values at its nodes the integrals from 0 to each node.
_LEGENDRE, _WEIGHTS = np.polynomial.legendre.leggauss(8)
NODES, WEIGHTS = 0.5 * (1 + _LEGENDRE), 0.5 * _WEIGHTS
_POWERS = np.arange(1, len(NODES) + 1)
TO_NODES = np.ascontiguousarray(
    np.linalg.solve((NODES[:, None] ** (_POWERS - 1)).T, (NODES[:, None] ** _POWERS / _POWERS).T).T
)
_exp = elementary_function("exp_")


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
    mu, d = half_cell_coefficients(process, grid, finite("t", t), NODES)
    rates, w, low, high, bad = rates_in_natural_scale(grid.faces, mu, d, TO_NODES, WEIGHTS, sides.periodic)
    left, right = rates[0], rates[1]
    if bad:
        raise _underflow(grid, left, right, w)
    out = low if sides.absorbing[0] else 0.0, high if sides.absorbing[1] else 0.0
    return Generator(grid, left, right, out, w, sides.periodic, "scale function and speed measure")


@kernel()
def rates_in_natural_scale(faces, mu, d, to_nodes, weights, periodic):
    """Return the rates to the left and to the right (2, n), and w over the edge above each cell, the last on a ring.

    Further the rates out through a low and a high wall, and how many rates are not positive and finite. ``mu`` and
    ``d`` are those of ``half_cell_coefficients`` at ``NODES``.
    """
    n, n_nodes = len(faces) - 1, len(weights)
    d = d.reshape(2, n_nodes, n)
    half, slope = np.empty(n), mu.reshape(2, n_nodes, n) / d
    rates, w = np.empty((2, n)), np.empty(n)
    left, right = rates[0], rates[1]
    for i in range(n):
        half[i] = 0.5 * (faces[i + 1] - faces[i])
    phi, ends = np.empty((2, n_nodes, n)), np.empty((2, n))
    integrate_outward(half, slope, to_nodes, weights, phi, ends)
    mass, scale = np.zeros(n), np.zeros((2, n))  # each relative to its density at the centre
    for s in range(2):
        for k in range(n_nodes):
            here, noise, weight, in_half = phi[s, k], d[s, k], weights[k], scale[s]
            for i in range(n):
                mass[i] += weight * half[i] * (_exp(here[i]) / noise[i])
                in_half[i] += weight * half[i] * _exp(-here[i])
    for i in range(n):
        j = i + 1 if i + 1 < n else 0
        w[i] = ends[1, i] - ends[0, j]  # Phi at centre j minus Phi at centre i
        right[i] = 1.0 / (mass[i] * (scale[1, i] + _exp(-w[i]) * scale[0, j]))
        left[j] = 1.0 / (mass[j] * (_exp(w[i]) * scale[1, i] + scale[0, j]))
    inner = 0 if periodic else 1
    bad = beyond(left[inner:], 0.0) + beyond(right[: n - inner], 0.0)
    if not periodic:
        left[0] = right[n - 1] = 0.0
    return rates, w[: n - inner], 1.0 / (mass[0] * scale[0, 0]), 1.0 / (mass[n - 1] * scale[1, n - 1]), bad


def outward_integrals(half: np.ndarray, slope: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return integrals from the centre of each cell outward: to the nodes of its halves ``(2, n_nodes, n)``, and ends.

    Those to the two ends are ``(2, n)``. ``slope`` (2, n_nodes, n) is given at ``NODES`` of the lower and upper half,
    whose lengths are ``half`` (n,).
    """
    phi, ends = np.empty(slope.shape), np.empty((2, slope.shape[2]))
    integrate_outward(np.ascontiguousarray(half), np.ascontiguousarray(slope), TO_NODES, WEIGHTS, phi, ends)
    return phi, ends


@kernel()
def integrate_outward(half, slope, to_nodes, weights, phi, ends):
    """Write what :func:`outward_integrals` returns."""
    ends[:], phi[:] = 0.0, 0.0
    for s in range(2):
        for k in range(len(weights)):
            rise = slope[s, k]
            for i in range(len(half)):
                rise_i = (half[i] if s == 1 else -half[i]) * rise[i]
                ends[s, i] += weights[k] * rise_i
            for j in range(len(weights)):
                to_node, at = to_nodes[j, k], phi[s, j]
                for i in range(len(half)):
                    at[i] += to_node * ((half[i] if s == 1 else -half[i]) * rise[i])


def _underflow(grid: Grid, left: np.ndarray, right: np.ndarray, w: np.ndarray) -> InvalidInput:
    back = np.roll(left, -1)
    fine = [np.isfinite(rates) & (rates > 0) for rates in (right[: len(w)], back[: len(w)])]
    i = int(np.argmin(fine[0] & fine[1]))
    return InvalidInput(
        f"the integral of mu/D changes by {w[i]:.3g} between the centres at x={grid.centres[i]:.6g} and "
        f"{grid.centres[(i + 1) % len(right)]:.6g}; in natural scale about 1 is a good change and 700 the largest: "
        "use narrower cells or a smaller box"
    )
