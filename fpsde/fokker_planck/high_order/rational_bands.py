"""exp(tL) p on a line by the rational approximation of degree 16 of ``rational.py``, for an L of seven bands.

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
    bands = operator.bands
    cell = operator.widths[0]
    coarse, pieces, used = in_pieces(bands, values, t, 1), 2, 1
    while True:
        fine = in_pieces(bands, values, t, pieces)
        used += pieces
        error = UNIT * pieces + 0.5 * cell * distance(fine, coarse)
        if error <= tolerance:
            return fine, error, used
        coarse, pieces = fine, 2 * pieces
        if pieces > MOST_PIECES:
            raise NotConverged(
                f"tolerance={tolerance:g} is not reached: {pieces // 2} pieces instead of {pieces // 4} still move "
                f"{error:.3g} of the mass (time {t:.6g}); allow a larger tolerance, or use evolve"
            )


def in_pieces(bands: np.ndarray, values: np.ndarray, t: float, pieces: int) -> np.ndarray:
    """Return the values after ``pieces`` equal parts of ``t``."""
    found = values.copy()
    for _ in range(pieces):
        exponential_of_bands(bands, t / pieces, found)
    return found


@kernel()
def exponential_of_bands(bands, t, p):
    """Replace p ``(n,)`` by exp(tL) p, where L p_i = sum_k bands[REACH + k, i] p_(i+k), bands that are zero beyond.

    To row i of theta/t - L so much of the three rows above (``_1`` the nearest) is added that nothing is left before
    the pivot. ``one``, ``two`` and ``three`` are what it then has in the columns behind the pivot, with the sign
    turned.
    """
    n = len(p)
    inverse, ones = np.empty((n, 2, LANES)), np.empty((n, 2, LANES))
    twos, y = np.empty((n, 2, LANES)), np.empty((n, 2, LANES))
    theta, weight = (1.0 / t) * load(THETA, 0), (1.0 / t) * load(WEIGHT, 0)
    zero = 0.0 * theta
    inverse_1 = inverse_2 = inverse_3 = one_1 = one_2 = one_3 = two_1 = two_2 = two_3 = y_1 = y_2 = y_3 = zero
    three_1 = three_2 = three_3 = 0.0
    for i in range(n):
        third = bands[0, i] * inverse_3
        second = (bands[1, i] + third * one_3) * inverse_2
        first = (bands[2, i] + third * two_3 + second * one_2) * inverse_1
        pivot = theta - (bands[3, i] + third * three_3 + second * two_2 + first * one_1)
        one_2, one_3, one_1 = one_1, one_2, bands[4, i] + second * three_2 + first * two_1
        two_2, two_3, two_1 = two_1, two_2, bands[5, i] + first * three_1
        three_2, three_3, three_1 = three_1, three_2, bands[6, i]
        y_2, y_3, y_1 = y_1, y_2, p[i] + third * y_3 + second * y_2 + first * y_1
        inverse_2, inverse_3, inverse_1 = inverse_1, inverse_2, 1.0 / pivot
        store(inverse, i, inverse_1)
        store(ones, i, one_1)
        store(twos, i, two_1)
        store(y, i, y_1)
    u_1 = u_2 = u_3 = zero
    for i in range(n - 1, -1, -1):
        u = (load(y, i) + load(ones, i) * u_1 + load(twos, i) * u_2 + bands[6, i] * u_3) * load(inverse, i)
        p[i] = LIMIT * p[i] + real_sum(weight * u)
        u_2, u_3, u_1 = u_1, u_2, u
