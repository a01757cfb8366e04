"""exp(tL) p by an expansion in Chebyshev polynomials of L: nothing but products, about sqrt(t max|L|) of them.

With the spectrum of L near [-2 r, 0], tau = t r and T_0, T_1, ... the Chebyshev polynomials of 1 + L/r,

    exp(tL) p = e^-tau [I_0(tau) p + 2 sum_k I_k(tau) T_k p],        T_(k+1) p = 2 (1 + L/r) T_k p - T_(k-1) p

(Tal-Ezer, SIAM J. Numer. Anal. 23 (1986) 11). The weights are positive and sum to one: what is left of their sum, times
the largest |T_k p| met, bounds what the terms left off would move. Those taken are scaled to the sum one again, so that
what L leaves alone, mass and a stationary law, is met to round-off however few they are.

L is not symmetric: where drift dominates at the edge of a grid its eigenvalues are complex, and T_k p grows, with it
round-off, by a factor for each product. The growth is watched. Where it does harm the expansion is begun again in
damped polynomials, of the same recurrence with other factors,

    S_k = T_k(x_0 (1 + L/r))/T_k(x_0),    exp(tL) p = e^-tau [I_0(z) p + 2 sum_k I_k(z) T_k(x_0) S_k p],   z = tau/x_0

(the series of exp(z y) at y = x_0 (1 + L/r)), where x_0 = cosh g and g is the rate of the growth seen, and a little
more. S_k is one on what L leaves alone, and at most one for eigenvalues in the ellipse on [-2 r, 0] of half height
r tanh(g). This takes about tau tanh(g) products: their number grows as t. Beyond it, where the cells are coarse for
the drift at the edge, the interval is halved, as often as round-off does harm; pieces that are done stay. Confined
steeply, a law needs many products (some thousand in a quartic well).
"""

from __future__ import annotations

import math

import numpy as np

from fpsde.errors import InvalidInput, NotConverged
from fpsde.fokker_planck.high_order.differences import Differences
from fpsde.fokker_planck.high_order.product import Product
from fpsde.jit import kernel

#: Pieces are no shorter than this in units of 1/r, and no more than this: beyond it round-off is not what is wrong.
SHORTEST, MOST_PIECES = 1.0, 2**12
#: Damping is raised by so many times the growth seen, or by ``LEAST_DAMPED``; above ``MOST_DAMPED`` come pieces.
BEYOND_GROWTH, LEAST_DAMPED, MOST_DAMPED = 1.1, 0.02, 1.0
#: Expansions of more products are refused before their weights are made.
MOST_PRODUCTS = 2e6
#: Where the recurrence for the weights begins, and above which it is scaled back.
SMALL, LARGE = 1e-300, 1e200


def carried_by_products(
    operator: Differences, values: np.ndarray, t: float, tolerance: float
) -> tuple[np.ndarray, float, int]:
    """Return the values after a time ``t``, what the expansion may have moved of the mass, and the number of products.

    Raises InvalidInput without any noise, and for more than ``MOST_PRODUCTS``; NotConverged where round-off stays above
    ``tolerance`` however many pieces there are.
    """
    product = Product(operator)
    damping, pieces, left, error, used = 0.0, 1, 1, 0.0, 0
    while left:
        tau = t * product.half_width / pieces
        refuse_endless(operator, left * (10 * math.sqrt(tau) + tau * math.tanh(damping)))
        weights, ratios = chebyshev_weights(tau, damping)
        found, moved, products, growth = product.series(values, weights, ratios, tolerance / pieces)
        used += products
        if moved <= tolerance / pieces:
            values, error, left = found, error + moved, left - 1
            continue
        damping += max(BEYOND_GROWTH * growth, LEAST_DAMPED)
        if pieces == 1 and damping <= MOST_DAMPED:
            continue
        damping, pieces, left = 0.0, 2 * pieces, 2 * left
        if pieces > MOST_PIECES or t * product.half_width / pieces < SHORTEST:
            raise NotConverged(
                f"tolerance={tolerance:g} is not reached: one of {pieces // 2} pieces may still move {moved:.3g} of "
                f"the mass (time {t:.6g}, {used} products); {instead_of(operator)}"
            )
    return values, error, used


def instead_of(operator: Differences) -> str:
    """Return what to do where an expansion does not come to an end."""
    axes = range(len(operator.grid.axes))
    silent = [axis for axis in axes if not operator.diffusivity[axis, axis].any()]
    if not silent:
        return "allow a larger tolerance, take narrower cells, or use evolve"
    return (
        f"there is no noise along axis {silent[0]}, where nothing damps what central differences carry: use evolve, or "
        "leave the order out if this is Klein and Kramers's equation"
    )


def refuse_endless(operator: Differences, products: float) -> None:
    """Refuse an L without noise, of which ``products`` are none, and more than ``MOST_PRODUCTS``."""
    if products == 0.0:
        raise InvalidInput(
            "D is zero in all cells, where central differences of high order need noise that smooths what they carry; "
            "use evolve"
        )
    if not products <= MOST_PRODUCTS:
        raise InvalidInput(
            f"some {products:.3g} products of {operator.size} cells would be needed, more than {MOST_PRODUCTS:.3g}; "
            "use evolve, wider cells, or a shorter time"
        )


@kernel()
def chebyshev_weights(tau, damping):
    """Return the weights of S_0, S_1, ... in exp(tL), until their sum is one to the last digit, and the ratios.

    With x_0 = cosh ``damping`` these are 2 I_k(tau/x_0) T_k(x_0) e^-tau, half that for k = 0, and the ratios
    T_k(x_0)/T_(k+1)(x_0). By the recurrence I_(k-1) = I_(k+1) + (2 k/z) I_k downward, z = tau/x_0, scaled to the sum
    one (Miller's algorithm, DLMF 3.6).
    """
    x_0 = np.cosh(damping)
    count = 40 + int(tau * np.tanh(damping) + 10 * np.sqrt(tau))
    ratios = np.empty(count)
    ratios[0] = 1 / x_0
    for k in range(1, count):
        ratios[k] = 1 / (2 * x_0 - ratios[k - 1])
    weights = np.zeros(count)
    after, now = 0.0, SMALL
    for k in range(count - 1, -1, -1):
        weights[k] = now if k == 0 else 2 * now
        if k > 0:
            after, now = now, ratios[k - 1] * (ratios[k] * after + (2 * k * x_0 / tau) * now)
        if now > LARGE:
            weights[k:] /= LARGE
            after, now = after / LARGE, now / LARGE
    return weights / weights.sum(), ratios
