"""The stationary masses of a generator on a plane, without factoring the singular Q.

Under detailed balance m_j / m_i = Q_ji / Q_ij along every edge: the masses are products of such ratios along a tree
that reaches every cell, and that no edge then carries a current says whether there was detailed balance. Otherwise they
are found by inverse iteration, m -> (I - tau Q)^-1 m with a huge tau: a step of backward Euler, whose matrix is never
singular and leaves of a mode with rate lambda the part 1/(1 + tau lambda).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fpsde.errors import NotConverged
from fpsde.fokker_planck.plane.generator import PlaneGenerator, volumes
from fpsde.fokker_planck.plane.propagator import implicit_factors
from fpsde.fokker_planck.stationary_law import residual
from fpsde.jit import kernel

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


def _by_ratios(q: PlaneGenerator) -> np.ndarray:
    """Return what the masses are if the currents along the edges of a tree vanish; NaN where they cannot."""
    root = int(np.argmin(q.out_rates))  # a cell like many others: far from the corners where the rates are extreme
    logs = _log_ratios(q.tails, q.heads, q.up, q.down, root, q.size)
    masses = np.exp(logs - logs.max())
    return masses / masses.sum()


@kernel()
def _log_ratios(tails, heads, up, down, root, n):
    """Return log(m_i / m_root) ``(n,)`` along the shortest ways from the root; NaN where no edges lead both ways."""
    first = np.zeros(n + 2, dtype=np.int64)  # first[i + 1]: where the edges at cell i begin, once they are sorted in
    for e in range(len(tails)):
        first[tails[e] + 2] += 1
        first[heads[e] + 2] += 1
    for i in range(n):
        first[i + 2] += first[i + 1]
    at = np.empty(2 * len(tails), dtype=np.int64)
    for e in range(len(tails)):
        for i in (tails[e], heads[e]):
            at[first[i + 1]] = e
            first[i + 1] += 1
    logs, queue = np.full(n, np.nan), np.empty(n, dtype=np.int64)
    logs[root], queue[0], found = 0.0, root, 1
    for k in range(n):
        if k == found:
            break
        i = queue[k]
        for e in at[first[i] : first[i + 1]]:
            ahead = tails[e] == i
            j = heads[e] if ahead else tails[e]
            if np.isnan(logs[j]) and up[e] > 0 and down[e] > 0:
                rise = np.log(up[e]) - np.log(down[e])
                logs[j] = logs[i] + (rise if ahead else -rise)
                queue[found] = j
                found += 1
    return logs


def _by_iteration(q: PlaneGenerator) -> np.ndarray:
    tau = HUGE / q.max_rate
    return settled(q, implicit_factors(q, tau).solve, tau)


def settled(q: PlaneGenerator, solve: Callable[[np.ndarray], np.ndarray], tau: float) -> np.ndarray:
    """Return the masses that steps of backward Euler of length ``tau`` settle in; ``solve`` takes one of them.

    Raises NotConverged as :func:`plane_stationary`.
    """
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
