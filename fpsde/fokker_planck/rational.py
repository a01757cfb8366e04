"""Masses at later times by a rational approximation of the exponential: no steps of time, and O(cells) for any time.

With the best approximation r of degree 16 to e^x on (-inf, 0] (Cody, Meinardus & Varga, J. Approx. Theory 2 (1969) 50),

    exp(tQ) m ~ a_0 m + 2 Re sum_j a_j (tQ - theta_j)^-1 m,      |r(x) - e^x| <= 2.2e-16,

poles theta_j and residues a_j of Pusa, Nucl. Sci. Eng. 182 (2016) 297. Rounded to doubles they leave 5e-15, and the sum
of partial fractions cancels to about 3e-14. It is accurate where the spectrum lies near the negative real axis: on a
line there is detailed balance, and it lies on it. (A driven ring has complex eigenvalues.) An interval is carried in
two halves: what one factor leaves of the fast modes, a_0 = 2e-16 of a point start, is taken away by the other.

The eight systems are eliminated side by side, one in each lane (``lanes.py``). As in ``tridiagonal.py`` each pivot is
rebuilt from the known column sum, theta_j, and the open rates: the mass, and cells of very different rates, keep their
digits.
"""

from __future__ import annotations

import numpy as np

from fpsde.errors import InvalidInput
from fpsde.fokker_planck.evolution import Trace
from fpsde.fokker_planck.exact_in_time import ROUND_OFF, seen
from fpsde.fokker_planck.generator import Generator
from fpsde.fokker_planck.initial import HELD, Start
from fpsde.fokker_planck.lanes import LANES, load, real_sum, split, store
from fpsde.fokker_planck.stationary_law import reversible
from fpsde.fokker_planck.totals import deepest
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
THETA = split(POLES)
WEIGHT, AT_WALL = split(-2 * RESIDUES), split(-2 * RESIDUES / POLES)  # of 1 / (theta - x), twice the real part
#: Mass that round-off may move in an interval: partial fractions, large against their sum, leave 3e-14 of each mode.
UNIT = 1e-13
#: Masses below minus this fraction of the largest are no round-off.
NEGATIVE = 1e-15


def trace_by_rational_approximation(
    generator: Generator, start: Start, times: np.ndarray, fringe: tuple[int, int]
) -> Trace:
    """Return the masses at ``times[1:]``, counted from ``times[0]``, on a line, each interval in two halves.

    ``time_error`` is the mass by which that differs from intervals in one piece, and what round-off may move, summed
    over the intervals. An error of the approximation differs by as much as itself, as r(x) and r(x/2)^2 part wherever
    r(x) and e^x do.

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
    moved, dip = found.time_error or 0.0, deepest(found.masses, found.absorbed)
    if not (moved < ROUND_OFF and dip >= -NEGATIVE):
        i = int(np.argmax(start.masses))
        raise InvalidInput(
            f"an interval in two halves moves {moved:.3g} of the mass, where at most {ROUND_OFF:g} may, and masses "
            f"fall to {dip:.3g} of the largest, where {-NEGATIVE:g} is round-off: drift carries the start at "
            f"x={generator.grid.centres[i]:.6g} too fast for the rational approximation; "
            "use evolve, or evolve_by_uniformisation"
        )
    return found


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
    sound = (found.time_error or 0.0) <= tolerance and deepest(found.masses, found.absorbed) >= -NEGATIVE
    return found if sound else None


def stays_off_ends(generator: Generator, start: Start, fringe: tuple[int, int]) -> bool:
    """Return whether no more than ``HELD`` of the mass ever is in the watched cells of either end.

    With m_s in detailed balance, masses below c m_s stay so for all time. Of a start, what exceeds c m_s moves, at the
    worst, to that end as a whole; c is such that the rest puts HELD/2 there. False where a rate has underflowed to zero
    and nothing can be said.
    """
    return not any(fringe) or held(generator.left, generator.right, start.masses, *fringe)


@kernel()
def held(left, right, masses, low, high):
    """Return what :func:`stays_off_ends` returns where the first ``low`` and the last ``high`` cells are watched."""
    n = len(masses)
    for i in range(1, n):
        if not (right[i - 1] > 0.0 and left[i] > 0.0):
            return False
    logs = reversible(left, right)
    stationary = np.exp(logs - logs.max())
    at_end = max(stationary[:low].sum(), stationary[n - high :].sum())
    above = 0.0
    for i in range(n):
        above += max(at_end * masses[i] - HELD / 2 * stationary[i], 0.0)
    return above <= HELD / 2 * at_end


def carried(generator: Generator, start: Start, times: np.ndarray, fringe: tuple[int, int]) -> Trace:
    """Return what :func:`trace_by_rational_approximation` returns, however large its error is."""
    rates, lengths = generator.open_rates, (times[1:] - times[:-1]).tolist()
    rows, walls, moved = np.empty((len(lengths), len(start.masses))), np.empty((len(lengths), 2)), 0.0
    before, absorbed = start.masses, start.absorbed
    for k, dt in enumerate(lengths):
        rows[k], walls[k] = before, absorbed
        before, absorbed = rows[k], walls[k]
        moved += UNIT + 0.5 * in_halves(*rates, dt, before, absorbed)
    return seen(rows, walls, start, times, fringe, n_steps=2 * len(lengths), time_error=moved)


@kernel()
def in_halves(left, right, t, masses, absorbed):
    """Carry masses ``(n,)`` and absorbed mass ``(2,)`` over two times t/2; return the L1 distance from t in one piece.

    ``left`` and ``right`` (n,) are the rates out of each cell, ``left[0]`` and ``right[-1]`` those into the walls.
    """
    inverse, y = np.empty((len(masses), 2, LANES)), np.empty((len(masses), 2, LANES))
    whole, lost = masses.copy(), absorbed.copy()
    eliminate(left, right, t, inverse)
    exponential(left, right, t, inverse, y, whole, lost)
    eliminate(left, right, t / 2, inverse)
    for _ in range(2):
        exponential(left, right, t / 2, inverse, y, masses, absorbed)
    return np.abs(whole - masses).sum() + np.abs(lost - absorbed).sum()


@kernel()
def eliminate(left, right, t, inverse):
    """Write the inverse pivots of theta/t - Q ``(n, 2, LANES)``, one pole theta in each lane."""
    theta = (1.0 / t) * load(THETA, 0)
    kept = theta + left[0]  # of the pivot: what does not go on to the next cell
    for i in range(len(left)):
        pivot = 1.0 / (kept + right[i])
        store(inverse, i, pivot)
        if i < len(left) - 1:
            kept = theta + left[i + 1] * (kept * pivot)


@kernel()
def exponential(left, right, t, inverse, y, masses, absorbed):
    """Replace masses and absorbed mass by those after a time t, with what :func:`eliminate` wrote; ``y`` is scratch.

    Solves (theta/t - Q) u = m for each pole; a wall's mass is that of a state with no way out, rate * u t/theta.
    """
    weight, at_wall = (1.0 / t) * load(WEIGHT, 0), load(AT_WALL, 0)
    on = 0.0 * weight
    for i in range(len(masses)):
        solved = (on + masses[i]) * load(inverse, i)
        store(y, i, solved)
        on = right[i] * solved
    absorbed[1] += real_sum(at_wall * on)
    back = 0.0 * weight
    for i in range(len(masses) - 1, -1, -1):
        u = load(y, i) + back * load(inverse, i)
        masses[i] = LIMIT * masses[i] + real_sum(weight * u)
        back = left[i] * u
    absorbed[0] += real_sum(at_wall * back)
