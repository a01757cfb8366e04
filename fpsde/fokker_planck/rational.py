"""Masses at later times by a rational approximation of the exponential: no steps of time, and O(cells) for any time.

With the best approximation r of degree 16 to e^x on (-inf, 0] (Cody, Meinardus & Varga, J. Approx. Theory 2 (1969) 50),

    exp(tQ) m ~ a_0 m + 2 Re sum_j a_j (tQ - theta_j)^-1 m,      |r(x) - e^x| <= 2.2e-16,

poles theta_j and residues a_j of Pusa, Nucl. Sci. Eng. 182 (2016) 297. Rounded to doubles they leave 5e-15, and the sum
of partial fractions cancels to about 3e-14. It is accurate where the spectrum lies near the negative real axis: on a
line there is detailed balance, and it lies on it. (A driven ring has complex eigenvalues.) An interval is carried in
two halves: what one factor leaves of the fast modes, a_0 = 2e-16 of a point start, is taken away by the other.

The eight systems are eliminated side by side, one in each lane. As in ``tridiagonal.py`` each pivot is rebuilt from the
known column sum, theta_j, and the open rates: the mass, and cells of very different rates, keep their digits.
"""

from __future__ import annotations

import numpy as np

from fpsde.errors import InvalidInput
from fpsde.fokker_planck.evolution import Trace
from fpsde.fokker_planck.exact_in_time import ROUND_OFF, seen
from fpsde.fokker_planck.generator import Generator
from fpsde.fokker_planck.initial import HELD, Start
from fpsde.fokker_planck.stationary_law import reversible_logs
from fpsde.jit import kernel

LIMIT = 2.1248537104952237488e-16
POLES = np.array(
    [
        -1.0843917078696988026e1 + 1.9277446167181652284e1j,
        -5.2649713434426468895e0 + 1.6220221473167927305e1j,
        5.9481522689511774808e0 + 3.5874573620183222829e0j,
        3.5091036084149180974e0 + 8.4361989858843750826e0j,
        6.4161776990994341923e0 + 1.1941223933701386874e0j,
        1.4193758971856659786e0 + 1.0925363484496722585e1j,
        4.9931747377179963991e0 + 5.9968817136039422260e0j,
        -1.4139284624888862114e0 + 1.3497725698892745389e1j,
    ]
)
RESIDUES = np.array(
    [
        -5.0901521865224915650e-7 - 2.4220017652852287970e-5j,
        2.1151742182466030907e-4 + 4.3892969647380673918e-3j,
        1.1339775178483930527e2 + 1.0194721704215856450e2j,
        1.5059585270023467528e1 - 5.7514052776421819979e0j,
        -6.4500878025539646595e1 - 2.2459440762652096056e2j,
        -1.4793007113557999718e0 + 1.7686588323782937906e0j,
        -6.2518392463207918892e1 - 1.1190391094283228480e1j,
        4.1023136835410021273e-2 - 1.5743466173455468191e-1j,
    ]
)
LANES = len(POLES)
POLES_RE, POLES_IM = POLES.real.copy(), POLES.imag.copy()
WEIGHTS_RE, WEIGHTS_IM = -2 * RESIDUES.real, -2 * RESIDUES.imag  # of 1 / (theta - x), twice the real part
#: Mass that round-off may move in an interval: partial fractions, large against their sum, leave 3e-14 of each mode.
UNIT = 1e-13
#: Masses below minus this fraction of the largest are no round-off.
NEGATIVE = 1e-15


def trace_by_rational_approximation(
    generator: Generator, start: Start, times: np.ndarray, fringe: tuple[int, int]
) -> Trace:
    """Return the masses at ``times[1:]``, counted from ``times[0]``, on a line, each interval in two halves.

    ``time_error`` is the mass by which that differs from intervals in one piece, and what round-off may move, summed
    over the intervals. An error of
    the approximation differs by as much as itself, as r(x) and r(x/2)^2 part wherever r(x) and e^x do.

    Raises InvalidInput on a ring, and where ``time_error`` exceeds ``ROUND_OFF`` or a mass is below minus
    ``NEGATIVE`` of the largest of cells and walls: the start then lies so deep in a tail that drift alone carries it,
    and the approximation, good on the real axis, is not good for that.
    """
    if generator.periodic:
        raise InvalidInput(
            "a ring may be driven, and its eigenvalues far from the negative real axis on which the rational "
            "approximation holds; use evolve, or evolve_by_uniformisation"
        )
    found = carried(generator, start, times, fringe)
    moved, dip = found.time_error or 0.0, deepest(found)
    if not (moved < ROUND_OFF and dip >= -NEGATIVE):
        i = int(np.argmax(start.masses))
        raise InvalidInput(
            f"an interval in two halves moves {moved:.3g} of the mass, where at most {ROUND_OFF:g} may, and masses "
            f"fall to {dip:.3g} of the largest, where {-NEGATIVE:g} is round-off: drift carries the start at "
            f"x={generator.grid.centres[i]:.6g} too fast for the rational approximation; "
            "use evolve, or evolve_by_uniformisation"
        )
    return found


def deepest(found: Trace) -> float:
    """Return the lowest mass of a cell, as a fraction of the largest of cells and walls at its time."""
    largest = np.maximum(found.masses.max(axis=1), found.absorbed.max(axis=1))
    return float((found.masses.min(axis=1) / largest).min())


def trace_if_sound(
    generator: Generator, start: Start, times: np.ndarray, fringe: tuple[int, int], tolerance: float
) -> Trace | None:
    """Return the trace where halving moves at most ``tolerance`` and signs and ends are as steps would have them.

    None on a ring, where the approximation is not that good, and where more than ``HELD`` may have been at a cut end of
    the grid, at whatever time.
    """
    if generator.periodic or not stays_off_ends(generator, start, fringe):
        return None
    found = carried(generator, start, times, fringe)
    return found if (found.time_error or 0.0) <= tolerance and deepest(found) >= -NEGATIVE else None


def stays_off_ends(generator: Generator, start: Start, fringe: tuple[int, int]) -> bool:
    """Return whether no more than ``HELD`` of the mass ever is in the watched cells of either end.

    With m_s in detailed balance, masses below c m_s stay so for all time. Of a start, what exceeds c m_s moves, at the
    worst, to that end as a whole; c is such that the rest puts HELD/2 there. False where a rate has underflowed to zero
    and nothing can be said.
    """
    if not any(fringe):
        return True
    if not np.all(np.minimum(generator.lower, generator.upper) > 0):
        return False
    logs = reversible_logs(generator)
    stationary = np.exp(logs - logs.max())
    at_end = max(stationary[: fringe[0]].sum(), stationary[len(logs) - fringe[1] :].sum())
    above = np.maximum(at_end * start.masses - HELD / 2 * stationary, 0.0)
    return float(above.sum()) <= HELD / 2 * at_end


def carried(generator: Generator, start: Start, times: np.ndarray, fringe: tuple[int, int]) -> Trace:
    """Return what :func:`trace_by_rational_approximation` returns, however large its error is."""
    rates = generator.left, generator.right, np.array(generator.exits)
    masses, absorbed = start.masses.copy(), start.absorbed.copy()
    rows, walls, moved = [], [], 0.0
    for dt in np.diff(times).tolist():
        whole, lost = masses.copy(), absorbed.copy()
        exponential(*rates, dt, whole, lost)
        exponential(*rates, dt / 2, masses, absorbed)
        exponential(*rates, dt / 2, masses, absorbed)
        moved += UNIT + 0.5 * float(np.abs(whole - masses).sum() + np.abs(lost - absorbed).sum())
        rows.append(masses.copy())
        walls.append(absorbed.copy())
    return seen(np.array(rows), np.array(walls), start, times, fringe, n_steps=2 * len(rows), time_error=moved)


@kernel()
def exponential(left, right, exits, t, masses, absorbed):
    """Replace masses ``(n,)`` and absorbed mass ``(2,)`` by those after a time ``t``.

    Solves (theta - tQ) u = m for each pole theta; a wall's mass is that of a state with no way out, t exit u / theta.
    """
    last = len(masses) - 1
    y = np.empty((last + 1, 2, LANES))  # real and imaginary part apart, so that lanes fill a vector
    inverse = np.empty((last + 1, 2, LANES))
    kept, u = np.empty((2, LANES)), np.empty((2, LANES))
    kept[0], kept[1] = POLES_RE + t * exits[0], POLES_IM
    u[:] = 0.0
    for i in range(last + 1):
        to_next = t * right[i] if i < last else t * exits[1]
        from_next = t * left[i + 1] if i < last else 0.0
        m = masses[i]
        for j in range(LANES):
            re, im = kept[0, j] + to_next, kept[1, j]
            size = 1.0 / (re * re + im * im)
            re, im = re * size, -im * size
            inverse[i, 0, j], inverse[i, 1, j] = re, im
            y_re, y_im = m + u[0, j], u[1, j]
            y_re, y_im = y_re * re - y_im * im, y_re * im + y_im * re
            y[i, 0, j], y[i, 1, j] = y_re, y_im
            u[0, j], u[1, j] = to_next * y_re, to_next * y_im
            re, im = from_next * re, from_next * im
            kept_re, kept_im = kept[0, j], kept[1, j]
            kept[0, j] = POLES_RE[j] + (kept_re * re - kept_im * im)
            kept[1, j] = POLES_IM[j] + (kept_re * im + kept_im * re)
    u[:] = 0.0
    for i in range(last, -1, -1):
        from_next = t * left[i + 1] if i < last else 0.0
        total = LIMIT * masses[i]
        for j in range(LANES):
            back_re, back_im = from_next * u[0, j], from_next * u[1, j]
            re, im = inverse[i, 0, j], inverse[i, 1, j]
            u_re = y[i, 0, j] + (back_re * re - back_im * im)
            u_im = y[i, 1, j] + (back_re * im + back_im * re)
            u[0, j], u[1, j] = u_re, u_im
            y[i, 0, j] = WEIGHTS_RE[j] * u_re - WEIGHTS_IM[j] * u_im
        for j in range(LANES):
            total += y[i, 0, j]
        masses[i] = total
        if i == last:
            absorbed[1] += t * exits[1] * at_wall(u)
    absorbed[0] += t * exits[0] * at_wall(u)


@kernel()
def at_wall(u):
    """Return the sum of partial fractions of u / theta, as its wall receives it."""
    total = 0.0
    for j in range(LANES):
        size = 1.0 / (POLES_RE[j] * POLES_RE[j] + POLES_IM[j] * POLES_IM[j])
        re = (u[0, j] * POLES_RE[j] + u[1, j] * POLES_IM[j]) * size
        im = (u[1, j] * POLES_RE[j] - u[0, j] * POLES_IM[j]) * size
        total += WEIGHTS_RE[j] * re - WEIGHTS_IM[j] * im
    return total
