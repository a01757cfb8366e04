"""Products with L of a plane, each fused with the step of a three-term recurrence that it serves.

A plane lies in memory row after row, each with as many cells more at both ends as the stencils reach, and so many rows
more below and above: zeros, or on a ring the cells of the other end. So every neighbour of every cell is a fixed number
of places away, and eight cells side by side are taken at once, whatever the length of a row. What is differenced is
written a block and a few rows ahead of the differences that read it, which finds it in the nearest cache. Weights are
tuples: how many there are is known while the text is compiled, for each order anew, and no loop over them is left.

A D that is the same in all cells is a factor of the weights, and what is differenced is then p itself: half as much
goes through the caches, which is what a product costs.
"""

from __future__ import annotations

import math

import numpy as np

from fpsde.fokker_planck.high_order.differences import Differences
from fpsde.fokker_planck.lanes import LANES, eight, put_eight
from fpsde.jit import kernel

#: Cells whose differences are taken at a time.
AT_A_TIME = 128 * LANES
#: Places beyond the last row, which the last eight may touch.
BEYOND = 2 * LANES
#: Products between two looks at the size of the terms.
BETWEEN_LOOKS = 8
#: Growth of the terms beyond which an expansion is given up.
GROWN = 1e4
ROUND_OFF = float(np.finfo(float).eps)


class Product:
    """L of ``operator`` ready to be multiplied with, its spectrum about [-2 ``half_width``, 0] (1/time)."""

    def __init__(self, operator: Differences):
        stencils = operator.stencils
        (self._shape, self._rings), self._reach = operator.plane, stencils.reach
        n, m = self._shape
        self._places = (n + 2 * self._reach) * (m + 2 * self._reach) + BEYOND
        mu, d, widths = operator.drift, operator.diffusivity, np.array(operator.widths)
        coefficients, count = np.zeros((5, self._places)), len(mu)
        rate, even, noise = lay_out_coefficients(
            mu.reshape(count, -1), d.reshape(count, count, -1), widths, *operator.plane, self._reach, coefficients
        )
        once, twice = stencils.first.tolist(), stencils.second.tolist()
        sums = zip((once, once, twice, twice), (1.0, noise[2], noise[0], noise[1]), strict=True)
        weights = tuple([tuple([factor * weight for weight in of]) for of, factor in sums])
        self._operator = coefficients, even, self._shape, self._rings, weights, np.zeros_like(coefficients)
        self._cell = math.prod(operator.widths)
        self.half_width = 0.5 * stencils.stiffness * rate

    def laid_out(self, values: np.ndarray) -> np.ndarray:
        """Return values of the cells in the layout of this module, ``(places,)``."""
        flat = np.empty(self._places)
        lay_out(values.reshape(self._shape), self._reach, self._rings, flat)
        return flat

    def values(self, flat: np.ndarray) -> np.ndarray:
        """Return the values of the cells ``(n_1, n_2)`` out of that layout."""
        return self._inner(flat).copy()

    def _inner(self, flat: np.ndarray) -> np.ndarray:
        (n, m), reach = self._shape, self._reach
        return flat[:-BEYOND].reshape(n + 2 * reach, -1)[reach : reach + n, reach : reach + m]

    def times(self, values: np.ndarray) -> np.ndarray:
        """Return L ``values``, flat as they are."""
        older, total = np.zeros((2, self._operator[0].shape[1]))
        advance(self._operator, older, self.laid_out(values), total, 1.0, 1.0, 0.0, 1.0)
        return self.values(total).reshape(values.shape)

    def series(
        self, values: np.ndarray, weights: np.ndarray, ratios: np.ndarray, tolerance: float
    ) -> tuple[np.ndarray, float, int, float]:
        """Return sum_k weights_k S_k ``values``, what may be missing of it, the products taken, and the last growth.

        S_k = T_k(x_0 (1 + L/r))/T_k(x_0) with the half width r, ``ratios`` T_k(x_0)/T_(k+1)(x_0), and ``weights`` of
        the sum one. So many terms are taken as ``tolerance`` needs; growth is that of log |S_k p| for each product.
        """
        newer = self.laid_out(values)
        older, total = np.zeros((2, len(newer)))
        error, products, growth = expanded(
            self._operator, self.half_width, self._cell, older, newer, total, weights, ratios, tolerance
        )
        return self.values(total).reshape(values.shape), error, products, growth


@kernel()
def advance(operator, older, newer, total, weight, scale, shift, keep):
    """Replace ``older`` by (scale L + shift) newer - keep older, and add that to ``total`` with its weight."""
    coefficients, even, (n, m), rings, (once, mixed_once, twice_1, twice_2), room = operator
    reach = len(once)
    row = m + 2 * reach
    rows = begin = reach * row
    end, size = begin + n * row, 2 * begin + n * row
    made, made_last = (0, size) if rings[0] else (begin, end)
    crossed, crossed_last = (reach, size - reach) if rings[0] else (begin, end)
    mu_1, mu_2, d_11, d_22, d_12 = (
        coefficients[0], coefficients[1], coefficients[2], coefficients[3], coefficients[4]
    )  # fmt: skip
    flow, first, second, mixed, across = room[0], room[1], room[2], room[3], room[4]
    if even:
        first, second, mixed = newer, newer, newer
    for block in range(begin, end, AT_A_TIME):
        stop = min(block + AT_A_TIME, end)
        while made < min(stop + rows + 2 * LANES + reach, made_last):
            p = eight(newer, made)
            put_eight(flow, made, eight(mu_2, made) * p)
            if not even:
                put_eight(first, made, eight(d_11, made) * p)
                put_eight(second, made, eight(d_22, made) * p)
                put_eight(mixed, made, eight(d_12, made) * p)
            made += LANES
        while crossed < min(stop + rows + LANES, crossed_last):
            drifted = eight(mu_1, crossed) * eight(newer, crossed)
            slope = mixed_once[0] * (eight(mixed, crossed + 1) - eight(mixed, crossed - 1))
            for k in range(2, reach + 1):
                slope = slope + mixed_once[k - 1] * (eight(mixed, crossed + k) - eight(mixed, crossed - k))
            put_eight(across, crossed, slope - drifted)
            crossed += LANES
        for i in range(block, stop, LANES):
            change = twice_1[0] * eight(first, i) + twice_2[0] * eight(second, i)
            for k in range(1, reach + 1):
                up, down = i + k * row, i - k * row
                slope = eight(across, up) - eight(across, down) - (eight(flow, i + k) - eight(flow, i - k))
                along = twice_1[k] * (eight(first, up) + eight(first, down))
                change = change + (once[k - 1] * slope + along)
                change = change + twice_2[k] * (eight(second, i + k) + eight(second, i - k))
            new = scale * change + (shift * eight(newer, i) - keep * eight(older, i))
            put_eight(older, i, new)
            put_eight(total, i, eight(total, i) + weight * new)
    close_rings(older, n, m, reach, rings)


@kernel()
def lay_out(values, reach, rings, flat):
    """Write a plane ``(n, m)`` to the rows of ``flat`` with what lies beyond their ends."""
    n, m = values.shape
    for i in range(n):
        begin = (reach + i) * (m + 2 * reach) + reach
        for j in range(m):
            flat[begin + j] = values[i, j]
    close_rings(flat, n, m, reach, rings)


@kernel()
def lay_out_coefficients(mu, d, widths, shape, rings, reach, flat):
    """Write mu_1, mu_2, D_11, D_22, 2 D_12 in units of the cells (1/time) to rows of ``flat``, zeros before.

    They come as mu ``(dim, n)`` and D ``(dim, dim, n)``; a line is one row of cells, without a first axis. Return the
    largest D_11 + D_22, whether D is the same in all cells, and the factors of the weights: then D_11, D_22, 2 D_12,
    else ones.
    """
    n, m = shape
    last, h = len(mu) - 1, widths[-1]
    rate, even, along, across, mixed = 0.0, True, 0.0, 0.0, 0.0
    for i in range(n):
        for j in range(m):
            cell, place = i * m + j, (reach + i) * (m + 2 * reach) + reach + j
            across = d[last, last, cell] / h**2
            flat[1, place], flat[3, place] = mu[last, cell] / h, across
            even = even and d[last, last, cell] == d[last, last, 0]
            if last > 0:
                along, mixed = d[0, 0, cell] / widths[0] ** 2, d[0, 1, cell] / (0.5 * widths[0] * h)
                flat[0, place], flat[2, place], flat[4, place] = mu[0, cell] / widths[0], along, mixed
                even = even and d[0, 0, cell] == d[0, 0, 0] and d[0, 1, cell] == d[0, 1, 0]
            rate = max(rate, along + across)
    for row in flat:
        close_rings(row, n, m, reach, rings)
    return rate, even, (along, across, mixed) if even else (1.0, 1.0, 1.0)


@kernel()
def close_rings(flat, n, m, reach, rings):
    """Write what lies beyond the ends of a plane: zeros, or on a ring the cells of the other end."""
    row = m + 2 * reach
    for i in range(reach, reach + n):
        low, high = i * row, i * row + m
        for j in range(reach):
            flat[low + j] = flat[high + j] if rings[1] else 0.0
            flat[high + reach + j] = flat[low + reach + j] if rings[1] else 0.0
    below, end, size = reach * row, n * row, (n + 2 * reach) * row
    for j in range(below):
        flat[j] = flat[end + j] if rings[0] else 0.0
        flat[end + below + j] = flat[below + j] if rings[0] else 0.0
    flat[size:] = 0.0


@kernel()
def integral_of_size(flat, shape, reach, cell):
    """Return the sum of |values| of the cells, times ``cell``."""
    n, m = shape
    row, total, whole = m + 2 * reach, 0.0, m - m % 4
    for i in range(reach, reach + n):
        begin = i * row + reach
        a, b, c, d = 0.0, 0.0, 0.0, 0.0  # sums that do not wait for one another
        for j in range(begin, begin + whole, 4):
            a += abs(flat[j])
            b += abs(flat[j + 1])
            c += abs(flat[j + 2])
            d += abs(flat[j + 3])
        for j in range(begin + whole, begin + m):
            a += abs(flat[j])
        total += (a + b) + (c + d)
    return cell * total


@kernel()
def expanded(operator, half_width, cell, older, newer, total, weights, ratios, tolerance):
    """Write sum_k weights_k S_k p to ``total`` with so many terms as ``tolerance`` needs, p in ``newer``.

    The terms taken are scaled to the sum one. ``older`` must be zeros, both are used up, and ``cell`` is the volume of
    a cell. Return what may be missing of the integral of |p|, the number of products, and how fast log |S_k p| grew at
    last. Round-off is taken as one unit of |S_k p| for each product up to S_k p. Where |S_k p| has grown by more than
    ``GROWN`` no more terms are taken.
    """
    rest = np.zeros(len(weights) + 1)  # rest[k]: the sum of the weights from k on
    for k in range(len(weights) - 1, -1, -1):
        rest[k] = rest[k + 1] + weights[k]
    x_0 = 1.0 / ratios[0]
    for i in range(len(newer)):
        total[i] = weights[0] * newer[i]
    k, largest, noise, first, growth = 1, 0.0, 0.0, 0.0, 0.0
    while True:
        size = integral_of_size(newer, operator[2], len(operator[4][0]), cell)
        if k == 1:
            first = before = size
        growth, before = np.log(size / before) / BETWEEN_LOOKS, size
        largest = max(largest, size)
        error = largest * rest[k] + noise
        if error <= tolerance or not noise <= tolerance or k + BETWEEN_LOOKS >= len(weights):
            break
        if not size <= GROWN * first:
            break
        begin = k
        while k < begin + BETWEEN_LOOKS and (k == begin or not largest * rest[k] + noise <= tolerance):
            if k == 1:  # older is nothing
                factor, keep = ratios[0] * x_0, 0.0
            else:
                factor, keep = 2 * ratios[k - 1] * x_0, ratios[k - 1] * ratios[k - 2]
            advance(operator, older, newer, total, weights[k], factor / half_width, factor, keep)
            older, newer = newer, older
            k += 1
        noise += ROUND_OFF * k * size * (rest[begin] - rest[k])
    for i in range(len(total)):
        total[i] /= 1.0 - rest[k]
    return error, k - 1, growth
