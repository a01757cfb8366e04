"""Masses at later times without steps of time: two oracles for the step method, and for each other.

*By modes*: m(t) = sqrt(m_s) V e^(-lambda t) V^T (m(0)/sqrt(m_s)), with all eigenvectors V of the symmetrised generator.
It needs detailed balance (a line, absorbing walls included), and loses digits where m(0) lies at small m_s.

*By uniformisation* (Jensen 1953): exp(tQ) m = sum_k Poisson(k; L t) (1 + Q/L)^k m with L = max|Q_ii|. Nothing is ever
subtracted: a mass keeps its relative accuracy down to where the sum is cut, and what is missing of the total is the
truncation error. The cost is about L t products with Q.
"""

from __future__ import annotations

import numpy as np

from fpsde.errors import InvalidInput
from fpsde.fokker_planck.evolution import Trace
from fpsde.fokker_planck.generator import Generator
from fpsde.fokker_planck.initial import Start
from fpsde.fokker_planck.stationary_law import reversible_logs
from fpsde.jit import kernel
from fpsde.optional import optional

linalg = optional("scipy.linalg")

#: Largest error that round-off may make of a mass in an expansion in modes.
ROUND_OFF = 1e-10
#: Jumps L t in one sum; its Poisson weights begin at e^-256 and are cut where they fall below 1e-20.
JUMPS, NEGLIGIBLE = 256.0, 1e-20
#: A run of more jumps than this is refused: some minutes on a few hundred cells.
MOST_JUMPS = 2e8


def trace_by_modes(generator: Generator, start: Start, times: np.ndarray, fringe: tuple[int, int]) -> Trace:
    """Return the masses at ``times[1:]``, counted from ``times[0]``, by all modes of a line.

    Raises InvalidInput on a ring, and where round-off could exceed ``ROUND_OFF``: from a start far below the peak of
    the stationary law, or over very many of the shortest times of stay.
    """
    if generator.periodic:
        raise InvalidInput("a ring may be driven and is not expanded in modes here; use evolve_by_uniformisation")
    logs = reversible_logs(generator)
    root = np.exp(0.5 * (logs - logs.max()))
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        scaled = np.where(start.masses == 0, 0.0, start.masses / root)
        size = float(np.sqrt(scaled @ scaled))
    rates, vectors = linalg.eigh_tridiagonal(-generator.diag, -np.sqrt(generator.lower * generator.upper))
    closed = not max(generator.exits) > 0
    rates[0] = 0.0 if closed else max(rates[0], 0.0)
    elapsed = (times[1:] - times[0])[:, None]
    error = _round_off(size, generator.max_rate, float(rates[int(closed)]), float(elapsed[-1, 0]))
    if not error < ROUND_OFF:
        i = int(np.argmax(np.abs(scaled)))
        raise InvalidInput(
            f"an expansion in modes would be off by {error:.3g} through round-off: the start has mass at "
            f"x={generator.grid.centres[i]:.6g}, where the stationary law is {np.exp(logs[i] - logs.max()):.3g} of its "
            f"largest, and the fastest rate is {generator.max_rate:.3g}; use evolve, or evolve_by_uniformisation"
        )
    weights = vectors.T @ scaled
    masses = (np.exp(-rates * elapsed) * weights) @ vectors.T * root
    spent = np.where(rates * elapsed < 1e-8, elapsed, -np.expm1(-rates * elapsed) / np.where(rates > 0, rates, 1.0))
    stays = (spent * weights) @ vectors.T * root  # the time spent in each cell
    absorbed = start.absorbed + stays[:, [0, -1]] * np.array(generator.exits)
    return seen(masses, absorbed, start, times, fringe, n_steps=1, time_error=error)


def _round_off(size: float, fastest: float, slowest: float, t: float) -> float:
    """Return what rounding may make of a mass: exp(-tS) is that of S + E, with |E| about 2 eps max|Q_ii|.

    It multiplies a start of length ``size``, and the difference grows as t|E| until the ``slowest`` mode has decayed.
    Beside it stand the roundings of sums and roots, 8 eps.
    """
    with np.errstate(over="ignore", divide="ignore"):
        lasting = min(t, 1 / slowest) if slowest > 0 else t
        return float(np.finfo(float).eps * size * (8 + 2 * fastest * lasting))


def trace_by_uniformisation(generator: Generator, start: Start, times: np.ndarray, fringe: tuple[int, int]) -> Trace:
    """Return the masses at ``times[1:]``, counted from ``times[0]``, as sums of non-negative terms.

    Raises InvalidInput for more than ``MOST_JUMPS`` jumps of a particle in the fastest cell.
    """
    rate = generator.max_rate
    jumps = rate * (times[-1] - times[0])
    if not jumps < MOST_JUMPS:
        raise InvalidInput(
            f"max|Q_ii|={rate:.3g} makes {jumps:.3g} jumps up to t={times[-1]}, more than {MOST_JUMPS:.3g}; "
            "use evolve, or wider cells"
        )
    masses, absorbed = start.masses.copy(), start.absorbed.copy()
    rows, walls, products = [], [], 0
    for dt in np.diff(times):
        pieces = int(np.ceil(rate * dt / JUMPS))
        products += uniformise(
            generator.left, generator.right, np.array(generator.exits), rate, dt / pieces, pieces, masses, absorbed
        )
        rows.append(masses.copy())
        walls.append(absorbed.copy())
    return seen(
        np.array(rows), np.array(walls), start, times, fringe, n_steps=products, time_error=NEGLIGIBLE * products
    )


def seen(
    masses: np.ndarray,
    absorbed: np.ndarray,
    start: Start,
    times: np.ndarray,
    fringe: tuple[int, int],
    *,
    n_steps: int,
    time_error: float,
) -> Trace:
    """Return the trace of a method that looks at the masses at the times asked for alone."""
    least, at_low, at_high = least_and_at_ends(start.masses, masses, *fringe)
    return Trace(
        masses=masses,
        absorbed=absorbed,
        minimum=least,
        edge=(at_low, at_high),
        dt=None,
        n_steps=n_steps,
        n_refused=0,
        time_error=time_error,
    )


@kernel()
def least_and_at_ends(start, masses, low, high):
    """Return the smallest of masses (n_times, n), those at the ``start`` (n,) included, and the largest at the ends.

    These are sums over the first ``low`` and the last ``high`` cells.
    """
    least, at_low, at_high = start.min(), -np.inf, -np.inf
    for row in masses:
        below, above = 0.0, 0.0
        for i in range(low):
            below += row[i]
        for i in range(len(row) - high, len(row)):
            above += row[i]
        for i in range(len(row)):
            least = min(least, row[i])
        at_low, at_high = max(at_low, below), max(at_high, above)
    return least, at_low, at_high


@kernel()
def uniformise(left, right, exits, rate, dt, pieces, masses, absorbed):
    """Replace masses and absorbed mass by those after ``pieces`` times ``dt``; return the number of products."""
    n = len(masses)
    jumps = rate * dt
    stay = 1.0 - (left + right) / rate
    stay[0] -= exits[0] / rate
    stay[n - 1] -= exits[1] / rate
    for i in range(n):
        stay[i] = max(stay[i], 0.0)  # of the fastest cell: zero, but for round-off
    to_left, to_right = left / rate, right / rate
    term, new = np.empty(n), np.empty(n)
    products = 0
    for _ in range(pieces):
        term[:] = masses
        low, high = 0.0, 0.0  # absorbed by the first k jumps
        weight = np.exp(-jumps)
        masses *= weight
        k = 0
        while k <= jumps or weight > NEGLIGIBLE:
            low += exits[0] / rate * term[0]
            high += exits[1] / rate * term[n - 1]
            for i in range(1, n - 1):
                new[i] = stay[i] * term[i] + to_right[i - 1] * term[i - 1] + to_left[i + 1] * term[i + 1]
            new[0] = stay[0] * term[0] + to_right[n - 1] * term[n - 1] + to_left[1] * term[1]
            new[n - 1] = stay[n - 1] * term[n - 1] + to_right[n - 2] * term[n - 2] + to_left[0] * term[0]
            term, new = new, term
            k += 1
            weight *= jumps / k
            for i in range(n):
                masses[i] += weight * term[i]
            absorbed[0] += weight * low
            absorbed[1] += weight * high
            products += 1
    return products
