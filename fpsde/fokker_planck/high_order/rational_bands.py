"""exp(tL) p on a line by the rational approximation of degree 16 of ``rational.py``, for an L of a few bands.

Eight systems (theta_j - tL) u = p, one in each lane, are eliminated without pivoting, which costs the same for any t
and however stiff L is. The central differences of L obey detailed balance only to their order, so that nothing is known
of where its spectrum lies: an interval is taken in one piece and in two, in two and in four, until that moves no more
than is wanted. (Unsound pieces are seen by it: the approximation r obeys r(x) = r(x/2)^2 only where both are the
exponential.)
"""

from __future__ import annotations

import numpy as np

from fpsde.fokker_planck.high_order.stencils import smoothed, values_at_centres
from fpsde.fokker_planck.lanes import LANES, load, real_sum, store
from fpsde.fokker_planck.rational import LIMIT, THETA, UNIT, WEIGHT
from fpsde.fokker_planck.totals import distance
from fpsde.jit import kernel

#: An interval is cut into no more pieces than this.
MOST_PIECES = 2**10


@kernel()
def masses_by_bands(bands, distances, value, average, fourth, sixth, rough, start, lengths, tolerance, masses):
    """Write the masses ``(n_times, n)`` after successive ``lengths`` of time, from ``start``; weights as of `Stencils`.

    Return how differently orders 4 and 6 place the start, more than ``rough`` and nothing is done; the mass moved and
    the number of solves in all; the number of lengths that are done, fewer than there are where the last mass moved,
    returned with its number of pieces, stays above ``tolerance``.
    """
    n, line = len(start), (False, False)
    placed, differ = values_at_centres(start.reshape(1, n), value, fourth, sixth, line)
    error, used, done, moved, pieces = 0.0, 0, 0, 0.0, 0
    values, found = placed.ravel(), np.empty((1, n))
    while done < len(lengths) and not differ > rough:
        moved, pieces, solves = refined(bands, distances, values, lengths[done], tolerance, found[0])
        if not moved <= tolerance:
            break
        values[:] = found[0]
        masses[done] = smoothed(found, average, line)[0]
        error += moved
        used += solves
        done += 1
    return differ, error, used, done, moved, pieces


@kernel()
def refined(bands, distances, values, t, tolerance, found):
    """Write to ``found`` the ``values``, of mass, after t, in the fewest pieces that move what is wanted, or the most.

    Return the mass that twice the pieces moved, their number, and that of all solves.
    """
    coarse, pieces, used = np.empty(len(values)), 1, 1
    room = room_for(len(values), len(distances))
    in_pieces(bands, distances, values, t, 1, room, coarse)
    while True:
        pieces *= 2
        used += pieces
        in_pieces(bands, distances, values, t, pieces, room, found)
        error = UNIT * pieces + 0.5 * distance(found, coarse)
        if error <= tolerance or 2 * pieces > MOST_PIECES:
            return error, pieces, used
        coarse[:] = found


@kernel()
def room_for(n, reach):
    """Return the arrays of :func:`eliminate`, and one of rows for each cell."""
    return (
        np.empty((n, 2, LANES)), np.empty((n * reach, 2, LANES)), np.empty((n * reach, 2, LANES)),
        np.empty((n, 2, LANES)),
    )  # fmt: skip


@kernel()
def in_pieces(bands, distances, values, t, pieces, room, found):
    """Write to ``found`` the values after ``pieces`` equal parts of t."""
    inverse, factors, right, y = room
    found[:] = values
    eliminate(bands, distances, t / pieces, inverse, factors, right)
    for _ in range(pieces):
        exponential(t / pieces, inverse, factors, right, y, found)


@kernel()
def eliminate(bands, distances, t, inverse, factors, right):
    """Eliminate theta/t - L, where L p_i = sum_k bands[reach + k, i] p_(i+k), bands that are zero beyond.

    To row i so much of the ``reach`` rows above (``factors``, the nearest first) is added that nothing is left before
    the pivot, of which the ``inverse`` is written. ``right`` is what the row then has in the columns behind it, with
    the sign turned. Both have, at reach i + k - 1, what joins cell i and the one k away. ``distances`` are a tuple, 1
    to reach: how many there are is known while the text is compiled, and no loop over them is left.
    """
    n, reach = bands.shape[1], len(distances)
    theta = (1.0 / t) * load(THETA, 0)
    zero = 0.0 * theta
    for i in range(n):
        here, pivot = reach * i - 1, theta - bands[reach, i]
        for j in range(reach, 0, -1):
            if j <= i:
                entry = zero + bands[reach - j, i]
                for k in range(j + 1, reach + 1):
                    if k <= i:
                        entry = entry + load(factors, here + k) * load(right, here - reach * k + k - j)
                factor = entry * load(inverse, i - j)
                pivot = pivot - factor * load(right, here - reach * j + j)
                store(factors, here + j, factor)
        store(inverse, i, 1.0 / pivot)
        for j in range(1, reach + 1):
            entry = zero + bands[reach + j, i]
            for k in range(1, reach - j + 1):
                if k <= i:
                    entry = entry + load(factors, here + k) * load(right, here - reach * k + k + j)
            store(right, here + j, entry)


@kernel()
def exponential(t, inverse, factors, right, y, p):
    """Replace p ``(n,)`` by exp(tL) p with what :func:`eliminate` wrote; ``y`` (n, 2, LANES) is scratch."""
    n, reach = len(p), len(factors) // len(p)
    weight = (1.0 / t) * load(WEIGHT, 0)
    zero = 0.0 * weight
    for i in range(n):
        here = zero + p[i]
        for k in range(1, min(i, reach) + 1):
            here = here + load(factors, reach * i - 1 + k) * load(y, i - k)
        store(y, i, here)
    for i in range(n - 1, -1, -1):
        u = load(y, i)
        for k in range(1, min(reach, n - 1 - i) + 1):
            u = u + load(right, reach * i - 1 + k) * load(y, i + k)
        u = u * load(inverse, i)
        store(y, i, u)
        p[i] = LIMIT * p[i] + real_sum(weight * u)
