"""The stationary masses of a generator on a plane, without factoring the singular Q.

Under detailed balance m_j / m_i = Q_ji / Q_ij along every edge: the masses are products of such ratios along a tree
that reaches every cell, and that no edge then carries a current says whether there was detailed balance. Otherwise they
are found by inverse iteration, m -> (I - tau Q)^-1 m with a huge tau: a step of backward Euler, whose matrix is never
singular and leaves of a mode with rate lambda the part 1/(1 + tau lambda).
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import breadth_first_order

from fpsde.errors import NotConverged
from fpsde.fokker_planck.plane.generator import PlaneGenerator, volumes
from fpsde.fokker_planck.plane.propagator import implicit_factors

#: tau max|Q_ii|: a mode may be this much slower than the fastest cell, and round-off leaves the matrix ten digits.
HUGE = 1e10
#: A residual that counts as round-off, and the most iterations that may lead to it.
ROUND_OFF, MOST_ITERATIONS = 1e-13, 100
#: Net over gross currents that count as round-off: rounding adds up along the way from the root to a cell.
BALANCED = 1e-12


def plane_stationary(q: PlaneGenerator) -> tuple[np.ndarray, str]:
    """Return the masses ``(n,)`` with Q m = 0 and sum 1, and how they were found; exits must be zero.

    Raises NotConverged where the iteration does not settle: there is more than one stationary law, or one mode is
    slower than ``HUGE`` times the fastest cell.
    """
    masses = balanced_masses(q)
    return (_by_iteration(q), "inverse iteration") if masses is None else (masses, "rate ratios")


def balanced_masses(q: PlaneGenerator) -> np.ndarray | None:
    """Return the masses ``(n,)`` that are in detailed balance along all edges (whatever the exits), or None."""
    masses = _by_ratios(q)
    gross = float(q.up @ masses[q.tails] + q.down @ masses[q.heads])
    return masses if float(np.abs(q.currents(masses)).sum()) < BALANCED * gross else None


def residual(q: PlaneGenerator, masses: np.ndarray) -> float:
    """Return the sum of |Q m| over cells, divided by the rate at which all of the mass jumps; inf for a NaN."""
    value = float(np.abs(q.apply(masses)).sum() / (q.out_rates @ masses))
    return value if np.isfinite(value) else np.inf


def _by_ratios(q: PlaneGenerator) -> np.ndarray:
    """Return what the masses are if the currents along the edges of a tree vanish; NaN where they cannot."""
    root = int(np.argmin(q.out_rates))  # a cell like many others: far from the corners where the rates are extreme
    order, parents = breadth_first_order(q.matrix, root, directed=False, return_predecessors=True)
    if len(order) < q.size:
        return np.full(q.size, np.nan)
    children = order[1:]
    up, down = _entries(q.matrix, children, parents[children]), _entries(q.matrix, parents[children], children)
    if not min(up.min(), down.min()) > 0:
        return np.full(q.size, np.nan)
    logs = np.zeros(q.size)
    logs[children] = np.log(up) - np.log(down)
    parents[root] = root
    while np.any(parents != root):  # adds along the way to the root, doubling its reach every time
        logs += logs[parents]
        parents = parents[parents]
    masses = np.exp(logs - logs.max())
    return masses / masses.sum()


def _entries(matrix: sparse.csc_array, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    return np.asarray(matrix[rows, columns]).ravel()


def _by_iteration(q: PlaneGenerator) -> np.ndarray:
    tau = HUGE / q.max_rate
    solve = implicit_factors(q, tau).solve
    masses = volumes(q.grid) / volumes(q.grid).sum()
    for _ in range(MOST_ITERATIONS):
        new = solve(masses)
        new /= new.sum()
        moved = float(np.abs(new - masses).sum())
        masses = new
        if moved < ROUND_OFF * HUGE**0.5 and residual(q, masses) < ROUND_OFF:
            return masses
    raise NotConverged(
        f"after {MOST_ITERATIONS} steps of {tau:.3g} in time the law still moves by {moved:.3g} in each, and has the "
        f"residual {residual(q, masses):.3g}: parts of the grid do not communicate, or too slowly; take a smaller box"
    )
