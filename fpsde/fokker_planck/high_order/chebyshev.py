"""exp(tL) p by an expansion in Chebyshev polynomials of L: nothing but products, about sqrt(t max|L|) of them.

With the spectrum of L near [-2 r, 0], tau = t r and T_0, T_1, ... the Chebyshev polynomials of 1 + L/r,

    exp(tL) p = e^-tau [I_0(tau) p + 2 sum_k I_k(tau) T_k p],        T_(k+1) p = 2 (1 + L/r) T_k p - T_(k-1) p

(Tal-Ezer, SIAM J. Numer. Anal. 23 (1986) 11). The weights are positive and sum to one: what is left of their sum, times
the largest |T_k p| met, bounds what the terms left off would move. Those taken are scaled to the sum one again, so that
what L leaves alone, mass and a stationary law, is met to round-off however few they are.

L is not symmetric: where drift dominates at the edge of a grid, T_k p may grow to about exp(t max mu^2/4D) before it
falls, and with it round-off. The growth is watched, and an interval is taken in pieces, twice as many until round-off
does no harm. Confined steeply, a law needs many (some thousand products in a quartic well, where a plane of the same
cells with linear drift takes a hundred).
"""

from __future__ import annotations

import numpy as np

from fpsde.errors import NotConverged
from fpsde.fokker_planck.high_order.differences import Differences
from fpsde.fokker_planck.high_order.product import Product
from fpsde.jit import kernel

#: Pieces are no shorter than this in units of 1/r, and no more than this: beyond it round-off is not what is wrong.
SHORTEST, MOST_PIECES = 1.0, 2**12
#: Where the recurrence for the weights begins, and above which it is scaled back.
SMALL, LARGE = 1e-300, 1e200


def carried_by_products(
    operator: Differences, values: np.ndarray, t: float, tolerance: float
) -> tuple[np.ndarray, float, int]:
    """Return the values after a time ``t``, what the expansion may have moved of the mass, and the number of products.

    Raises NotConverged where round-off stays above ``tolerance`` however many pieces there are.
    """
    product = Product(operator)
    pieces, used = 1, 0
    while True:
        found, error, products = _in_pieces(product, values, t, pieces, tolerance)
        used += products
        if error <= tolerance:
            return found, error, used
        pieces *= 2
        if pieces > MOST_PIECES or t * product.half_width / pieces < SHORTEST:
            raise NotConverged(
                f"tolerance={tolerance:g} is not reached: in {pieces // 2} pieces the expansion may still move "
                f"{error:.3g} of the mass (time {t:.6g}, {used} products); allow a larger tolerance, or use evolve"
            )


def _in_pieces(
    product: Product, values: np.ndarray, t: float, pieces: int, tolerance: float
) -> tuple[np.ndarray, float, int]:
    """Return values, error and products after equal pieces of ``t``, or of the first so many that it was too large."""
    weights = chebyshev_weights(t * product.half_width / pieces)
    error, used = 0.0, 0
    for _ in range(pieces):
        values, moved, products = product.series(values, weights, tolerance / pieces)
        error += moved
        used += products
        if not error <= tolerance:
            break
    return values, error, used


@kernel()
def chebyshev_weights(tau):
    """Return e^-tau I_0, 2 e^-tau I_1, 2 e^-tau I_2, ..., until their sum is one to the last digit.

    By the recurrence I_(k-1) = I_(k+1) + (2 k/tau) I_k downward, scaled to the sum one (Miller's algorithm, DLMF 3.6).
    """
    count = 40 + int(10 * np.sqrt(tau))
    weights = np.zeros(count)
    after, now = 0.0, SMALL
    for k in range(count - 1, -1, -1):
        weights[k] = now if k == 0 else 2 * now
        after, now = now, after + (2 * k / tau) * now
        if now > LARGE:
            weights[k:] /= LARGE
            after, now = after / LARGE, now / LARGE
    return weights / weights.sum()
