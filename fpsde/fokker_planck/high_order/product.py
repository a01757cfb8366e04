"""Products with L of a plane, each fused with the step of a three-term recurrence that it serves.

A plane lies in memory row after row, each with ``REACH`` cells more at both ends, and so many rows more below and
above: zeros, or on a ring the cells of the other end. So every neighbour of every cell is a fixed number of places
away, and eight cells side by side are taken at once, whatever the length of a row. What is differenced is written a
block and a few rows ahead of the differences that read it, which finds it in the nearest cache.
"""

from __future__ import annotations

import math

import numpy as np

from fpsde.fokker_planck.high_order.differences import Differences
from fpsde.fokker_planck.high_order.stencils import REACH
from fpsde.fokker_planck.lanes import LANES, eight, put_eight
from fpsde.jit import inlined, kernel

#: Cells whose differences are taken at a time.
AT_A_TIME = 128 * LANES
#: Places beyond the last row, which the last eight may touch.
BEYOND = 2 * LANES
#: Products between two looks at the size of the terms.
BETWEEN_LOOKS = 8
ROUND_OFF = float(np.finfo(float).eps)


class Product:
    """L of ``operator`` ready to be multiplied with, its spectrum about [-2 ``half_width``, 0] (1/time)."""

    def __init__(self, operator: Differences):
        coefficients = operator.coefficients
        self._shape = coefficients.shape[1:]
        self._rings = (False, *operator.rings)[-2:]
        laid_out = self.laid_out(coefficients)
        weights = operator.stencils.first, operator.stencils.second
        self._operator = laid_out, self._shape, self._rings, weights, np.zeros_like(laid_out)
        self._cell = math.prod(operator.widths)
        self.half_width = 0.5 * operator.stencils.stiffness * float((coefficients[2] + coefficients[3]).max())

    def laid_out(self, values: np.ndarray) -> np.ndarray:
        """Return arrays of values of the cells in the layout of this module, ``(count, places)``."""
        n, m = self._shape
        arrays = values.reshape(-1, n, m)
        flat = np.empty((len(arrays), (n + 2 * REACH) * (m + 2 * REACH) + BEYOND))
        lay_out(arrays, self._rings, flat)
        return flat

    def values(self, flat: np.ndarray) -> np.ndarray:
        """Return the values of the cells ``(n_1, n_2)`` out of that layout."""
        return self._inner(flat).copy()

    def _inner(self, flat: np.ndarray) -> np.ndarray:
        n, m = self._shape
        return flat[:-BEYOND].reshape(n + 2 * REACH, -1)[REACH : REACH + n, REACH : REACH + m]

    def times(self, values: np.ndarray) -> np.ndarray:
        """Return L ``values``, flat as they are."""
        older, total = np.zeros((2, self._operator[0].shape[1]))
        advance(self._operator, older, self.laid_out(values)[0], total, 1.0, 1.0, 0.0)
        return self.values(total).reshape(values.shape)

    def series(self, values: np.ndarray, weights: np.ndarray, tolerance: float) -> tuple[np.ndarray, float, int]:
        """Return sum_k weights_k T_k(1 + L/r) ``values``, what may be missing of it, and the products taken.

        r is the half width, and the ``weights`` sum to one. So many terms are taken as ``tolerance`` needs.
        """
        newer = self.laid_out(values)[0]
        older, total = np.zeros((2, len(newer)))
        error, products = expanded(self._operator, self.half_width, self._cell, older, newer, total, weights, tolerance)
        return self.values(total).reshape(values.shape), error, products


@kernel()
def advance(operator, older, newer, total, weight, scale, shift):
    """Replace ``older`` by (scale L + shift) newer - older, and add that to ``total`` with its weight."""
    coefficients, (n, m), rings, (once, twice), room = operator
    row = m + 2 * REACH
    reach = begin = REACH * row
    end, size = begin + n * row, 2 * begin + n * row
    made, made_last = (0, size) if rings[0] else (begin, end)
    crossed, crossed_last = (REACH, size - REACH) if rings[0] else (begin, end)
    mu_1, mu_2, d_11, d_22, d_12 = (
        coefficients[0], coefficients[1], coefficients[2], coefficients[3], coefficients[4]
    )  # fmt: skip
    flow, first, second, mixed, across = room[0], room[1], room[2], room[3], room[4]
    for block in range(begin, end, AT_A_TIME):
        stop = min(block + AT_A_TIME, end)
        while made < min(stop + reach + 2 * LANES + REACH, made_last):
            p = eight(newer, made)
            put_eight(flow, made, eight(mu_2, made) * p)
            put_eight(first, made, eight(d_11, made) * p)
            put_eight(second, made, eight(d_22, made) * p)
            put_eight(mixed, made, eight(d_12, made) * p)
            made += LANES
        while crossed < min(stop + reach + LANES, crossed_last):
            drifted = eight(mu_1, crossed) * eight(newer, crossed)
            put_eight(across, crossed, slope(mixed, crossed, 1, once) - drifted)
            crossed += LANES
        for i in range(block, stop, LANES):
            change = slope(across, i, row, once) + curvature(first, i, row, twice)
            change = change + (curvature(second, i, 1, twice) - slope(flow, i, 1, once))
            new = scale * change + (shift * eight(newer, i) - eight(older, i))
            put_eight(older, i, new)
            put_eight(total, i, eight(total, i) + weight * new)
    close_rings(older, n, m, rings)


@inlined
def slope(flat, i, step, once):
    """Return sum_k once_k (f_(+k) - f_(-k)) for eight cells from place ``i``, in steps of so many places."""
    near = once[0] * (eight(flat, i + step) - eight(flat, i - step))
    middle = once[1] * (eight(flat, i + 2 * step) - eight(flat, i - 2 * step))
    return near + (middle + once[2] * (eight(flat, i + 3 * step) - eight(flat, i - 3 * step)))


@inlined
def curvature(flat, i, step, twice):
    """Return twice_0 f + sum_k twice_k (f_(+k) + f_(-k)) for eight cells from place ``i``."""
    near = twice[0] * eight(flat, i) + twice[1] * (eight(flat, i + step) + eight(flat, i - step))
    middle = twice[2] * (eight(flat, i + 2 * step) + eight(flat, i - 2 * step))
    return near + (middle + twice[3] * (eight(flat, i + 3 * step) + eight(flat, i - 3 * step)))


@kernel()
def lay_out(arrays, rings, flat):
    """Write planes ``(count, n, m)`` to rows of ``flat`` with what lies beyond their ends."""
    count, n, m = arrays.shape
    for k in range(count):
        for i in range(n):
            begin = (REACH + i) * (m + 2 * REACH) + REACH
            for j in range(m):
                flat[k, begin + j] = arrays[k, i, j]
        close_rings(flat[k], n, m, rings)


@kernel()
def close_rings(flat, n, m, rings):
    """Write what lies beyond the ends of a plane: zeros, or on a ring the cells of the other end."""
    row = m + 2 * REACH
    for i in range(REACH, REACH + n):
        low, high = i * row, i * row + m
        for j in range(REACH):
            flat[low + j] = flat[high + j] if rings[1] else 0.0
            flat[high + REACH + j] = flat[low + REACH + j] if rings[1] else 0.0
    below, end, size = REACH * row, n * row, (n + 2 * REACH) * row
    for j in range(below):
        flat[j] = flat[end + j] if rings[0] else 0.0
        flat[end + below + j] = flat[below + j] if rings[0] else 0.0
    flat[size:] = 0.0


@kernel()
def integral_of_size(flat, shape, cell):
    """Return the sum of |values| of the cells, times ``cell``."""
    n, m = shape
    row, total = m + 2 * REACH, 0.0
    for i in range(REACH, REACH + n):
        four = np.zeros(4)  # sums that do not wait for one another
        for j in range(REACH, REACH + m):
            four[j & 3] += abs(flat[i * row + j])
        total += four.sum()
    return cell * total


@kernel()
def expanded(operator, half_width, cell, older, newer, total, weights, tolerance):
    """Write sum_k weights_k T_k p to ``total`` with so many terms as ``tolerance`` needs, p in ``newer``.

    The terms taken are scaled to the sum one. ``older`` must be zeros, both are used up, and ``cell`` is the volume of
    a cell. Return what may be missing of the integral of |p| and the number of products. Round-off is taken as one unit
    of |T_k p| for each product up to T_k p.
    """
    rest = np.zeros(len(weights) + 1)  # rest[k]: the sum of the weights from k on
    for k in range(len(weights) - 1, -1, -1):
        rest[k] = rest[k + 1] + weights[k]
    for i in range(len(newer)):
        total[i] = weights[0] * newer[i]
    k, largest, noise = 1, 0.0, 0.0
    while True:
        size = integral_of_size(newer, operator[1], cell)
        largest = max(largest, size)
        error = largest * rest[k] + noise
        if error <= tolerance or not noise <= tolerance or k + BETWEEN_LOOKS >= len(weights):
            break
        begin = k
        while k < begin + BETWEEN_LOOKS and (k == begin or not largest * rest[k] + noise <= tolerance):
            factor = 1.0 if k == 1 else 2.0
            advance(operator, older, newer, total, weights[k], factor / half_width, factor)
            older, newer = newer, older
            k += 1
        noise += ROUND_OFF * k * size * (rest[begin] - rest[k])
    for i in range(len(total)):
        total[i] /= 1.0 - rest[k]
    return error, k - 1
