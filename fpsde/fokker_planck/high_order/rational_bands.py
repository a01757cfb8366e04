"""exp(tL) p on a line by the rational approximation of degree 16 of ``rational.py``, for an L of a few bands.

Eight systems (theta_j - tL) u = p, one in each lane, are eliminated without pivoting, which costs the same for any t
and however stiff L is. The central differences of L obey detailed balance only to their order, so that nothing is known
of where its spectrum lies: an interval is taken in one piece and in two, in two and in four, until that moves no more
than is wanted. (Unsound pieces are seen by it: the approximation r obeys r(x) = r(x/2)^2 only where both are the
exponential.)
"""

from __future__ import annotations

import numpy as np

from fpsde.errors import NotConverged
from fpsde.fokker_planck.high_order.differences import Differences
from fpsde.fokker_planck.lanes import LANES, load, real_sum, store
from fpsde.fokker_planck.rational import LIMIT, THETA, UNIT, WEIGHT
from fpsde.fokker_planck.totals import distance
from fpsde.jit import kernel

#: An interval is cut into no more pieces than this.
MOST_PIECES = 2**10


def carried_by_bands(
    operator: Differences, values: np.ndarray, t: float, tolerance: float
) -> tuple[np.ndarray, float, int]:
    """Return the values after a time ``t``, the mass that twice the pieces move, and the number of solves.

    Raises NotConverged where that stays above ``tolerance``.
    """
    found = np.empty(values.shape)
    error, pieces, used = refined(operator.bands, values, t, operator.widths[0], tolerance, found)
    if not error <= tolerance:
        raise NotConverged(
            f"tolerance={tolerance:g} is not reached: {pieces} pieces instead of {pieces // 2} still move "
            f"{error:.3g} of the mass (time {t:.6g}); allow a larger tolerance, or use evolve"
        )
    return found, error, used


@kernel()
def refined(bands, values, t, cell, tolerance, found):
    """Write to ``found`` the values after a time t, in the fewest pieces that move what is wanted, or the most allowed.

    Return the mass that twice the pieces moved, their number, and that of all solves.
    """
    coarse, pieces, used = values.copy(), 1, 1
    exponential_of_bands(bands, t, coarse)
    while True:
        pieces *= 2
        used += pieces
        found[:] = values
        for _ in range(pieces):
            exponential_of_bands(bands, t / pieces, found)
        error = UNIT * pieces + 0.5 * cell * distance(found, coarse)
        if error <= tolerance or 2 * pieces > MOST_PIECES:
            return error, pieces, used
        coarse[:] = found


@kernel()
def exponential_of_bands(bands, t, p):
    """Replace p ``(n,)`` by exp(tL) p, where L p_i = sum_k bands[reach + k, i] p_(i+k), bands that are zero beyond.

    To row i of theta/t - L so much of the ``reach`` rows above (``factors``, the nearest first) is added that nothing
    is left before the pivot. ``right`` is what it then has in the columns behind the pivot, with the sign turned.
    """
    n, reach = len(p), len(bands) // 2
    inverse, y, factors = np.empty((n, 2, LANES)), np.empty((n, 2, LANES)), np.empty((reach + 1, 2, LANES))
    right = np.empty((n * (reach + 1), 2, LANES))  # (reach + 1) i + k: in column i + k
    theta, weight = (1.0 / t) * load(THETA, 0), (1.0 / t) * load(WEIGHT, 0)
    zero = 0.0 * theta
    for i in range(n):
        above = min(i, reach)
        for j in range(above, 0, -1):
            entry = zero + bands[reach - j, i]
            for k in range(j + 1, above + 1):
                entry = entry + load(factors, k) * load(right, (reach + 1) * (i - k) + k - j)
            store(factors, j, entry * load(inverse, i - j))
        here, pivot = zero + p[i], theta - bands[reach, i]
        for k in range(1, above + 1):
            factor = load(factors, k)
            here = here + factor * load(y, i - k)
            pivot = pivot - factor * load(right, (reach + 1) * (i - k) + k)
        store(y, i, here)
        store(inverse, i, 1.0 / pivot)
        for j in range(1, reach + 1):
            entry = zero + bands[reach + j, i]
            for k in range(1, min(above, reach - j) + 1):
                entry = entry + load(factors, k) * load(right, (reach + 1) * (i - k) + k + j)
            store(right, (reach + 1) * i + j, entry)
    for i in range(n - 1, -1, -1):
        u = load(y, i)
        for k in range(1, min(reach, n - 1 - i) + 1):
            u = u + load(right, (reach + 1) * i + k) * load(y, i + k)
        u = u * load(inverse, i)
        store(y, i, u)
        p[i] = LIMIT * p[i] + real_sum(weight * u)
