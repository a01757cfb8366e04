"""Products with L of a plane, each fused with the step of a three-term recurrence that it serves.

A plane lies in memory row after row, each with as many places before its cells as the stencils reach, and so many rows
more below and above: zeros, or on a ring, which has such places behind its cells too, the cells of the other end. So
every neighbour of every cell is a fixed number of places away, and eight cells side by side are taken at once, whatever
the length of a row. That is a multiple of eight, and the first begins with a line of the cache: neighbours in other
rows then never lie in two lines, which would cost a product a seventh more. What is differenced, and differences along
rows, are written a block and a few rows ahead of what reads them, which finds them in the nearest cache. Weights are
tuples: how many there are is known while the text is compiled, for each order anew, and no loop over them is left.

A D that is the same in all cells is a factor of the weights, and what is differenced is then p itself: half as much
goes through the caches, which is what a product costs, and neighbours along a row are read once for both derivatives.
How many rows of coefficients there are tells the compiler which of the two it is.
"""

from __future__ import annotations

import math

import numpy as np

from fpsde.fokker_planck.high_order.differences import Differences
from fpsde.fokker_planck.lanes import LANES, eight, fused, put_eight
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
        self._row = row_length(self._shape[1], self._reach, self._rings[1])
        self._places = (self._shape[0] + 2 * self._reach) * self._row + BEYOND
        mu, d, count = operator.drift, operator.diffusivity, len(operator.widths)
        coefficients, rate, noise = laid_out_coefficients(
            mu.reshape(count, -1), d.reshape(count, count, -1), operator.widths, *operator.plane, self._row, self._reach
        )
        once, twice = stencils.first.tolist(), stencils.second.tolist()
        sums = zip((once, once, twice, twice), (1.0, noise[2], noise[0], noise[1]), strict=True)
        weights = tuple([tuple([factor * weight for weight in of]) for of, factor in sums])
        room = tuple(aligned(1 + len(coefficients), self._places))
        self._operator = tuple(coefficients), (*self._shape, self._row), self._rings, weights, room
        self._cell = math.prod(operator.widths)
        self.half_width = 0.5 * stencils.stiffness * rate

    def laid_out(self, values: np.ndarray) -> np.ndarray:
        """Return values of the cells in the layout of this module, and two more rows of zeros, ``(3, places)``."""
        flat = aligned(3, self._places)
        lay_out(values.reshape(self._shape), self._row, self._reach, self._rings, flat[0])
        return flat

    def values(self, flat: np.ndarray) -> np.ndarray:
        """Return the values of the cells ``(n_1, n_2)`` out of that layout."""
        return self._inner(flat).copy()

    def _inner(self, flat: np.ndarray) -> np.ndarray:
        (n, m), reach = self._shape, self._reach
        return flat[:-BEYOND].reshape(n + 2 * reach, -1)[reach : reach + n, reach : reach + m]

    def times(self, values: np.ndarray) -> np.ndarray:
        """Return L ``values``, flat as they are."""
        newer, older, total = self.laid_out(values)
        advance(self._operator, older, newer, total, 1.0, 1.0, 0.0, 1.0)
        return self.values(total).reshape(values.shape)

    def series(
        self, values: np.ndarray, weights: np.ndarray, ratios: np.ndarray, tolerance: float
    ) -> tuple[np.ndarray, float, int, float]:
        """Return sum_k weights_k S_k ``values``, what may be missing of it, the products taken, and the last growth.

        S_k = T_k(x_0 (1 + L/r))/T_k(x_0) with the half width r, ``ratios`` T_k(x_0)/T_(k+1)(x_0), and ``weights`` of
        the sum one. So many terms are taken as ``tolerance`` needs; growth is that of log |S_k p| for each product.
        """
        newer, older, total = self.laid_out(values)
        error, products, growth = expanded(
            self._operator, self.half_width, self._cell, older, newer, total, weights, ratios, tolerance
        )
        return self.values(total).reshape(values.shape), error, products, growth


@kernel()
def advance(operator, older, newer, total, weight, scale, shift, keep):
    """Replace ``older`` by (scale L + shift) newer - keep older, and add that to ``total`` with its weight."""
    coefficients, (n, m, row), rings, (once, mixed_once, twice_1, twice_2), room = operator
    reach, known = len(once), len(coefficients)
    even = known == 2
    rows = begin = reach * row
    end, size = begin + n * row, 2 * begin + n * row
    made, made_last = (0, size) if rings[0] else (begin, end)
    crossed, crossed_last = (reach, size) if rings[0] else (begin, end)
    inward_1, inward_2 = coefficients[0], coefficients[1]
    flow, across, along = room[0], room[1], room[2]
    first, second, mixed = (newer, newer, newer) if even else (room[known - 2], room[known - 1], room[known])
    for block in range(begin, end, AT_A_TIME):
        stop = min(block + AT_A_TIME, end)
        while made < min(stop + rows + 2 * LANES + reach, made_last):
            p = eight(newer, made)
            put_eight(flow, made, eight(inward_2, made) * p)
            if not even:
                put_eight(first, made, eight(coefficients[known - 3], made) * p)
                put_eight(second, made, eight(coefficients[known - 2], made) * p)
                put_eight(mixed, made, eight(coefficients[known - 1], made) * p)
            made += LANES
        while crossed < min(stop + rows + LANES, crossed_last):
            slope = eight(inward_1, crossed) * eight(newer, crossed)
            change = twice_2[0] * eight(second, crossed)
            for k in range(1, reach + 1):
                up, down = crossed + k, crossed - k
                slope = fused(mixed_once[k - 1], eight(mixed, up) - eight(mixed, down), slope)
                change = fused(twice_2[k], eight(second, up) + eight(second, down), change)
                change = fused(once[k - 1], eight(flow, up) - eight(flow, down), change)
            put_eight(across, crossed, slope)
            put_eight(along, crossed, change)
            crossed += LANES
        for i in range(block, stop, LANES):
            change = fused(twice_1[0], eight(first, i), eight(along, i))
            for k in range(1, reach + 1):
                up, down = i + k * row, i - k * row
                change = fused(twice_1[k], eight(first, up) + eight(first, down), change)
                change = fused(once[k - 1], eight(across, up) - eight(across, down), change)
            new = fused(scale, change, fused(shift, eight(newer, i), -keep * eight(older, i)))
            put_eight(older, i, new)
            put_eight(total, i, fused(weight, new, eight(total, i)))
    close_rings(older, n, m, row, reach, rings)


@kernel()
def row_length(m, reach, ring):
    """Return the places of a row of m cells: a ring has neighbours at both ends, other rows those of the next."""
    places = m + (2 if ring else 1) * reach
    return places + -places % LANES


@kernel()
def aligned(count, places):
    """Return zeros ``(count, places)`` of so many eights of places, which begin with a line of the cache."""
    room = np.zeros(count * places + LANES)
    skipped = -(room.ctypes.data // room.itemsize) % LANES
    return room[skipped : skipped + count * places].reshape(count, places)


@kernel()
def lay_out(values, row, reach, rings, flat):
    """Write a plane ``(n, m)`` to the rows of ``flat`` with what lies beyond their ends."""
    n, m = values.shape
    for i in range(n):
        begin = (reach + i) * row + reach
        for j in range(m):
            flat[begin + j] = values[i, j]
    close_rings(flat, n, m, row, reach, rings)


@kernel()
def laid_out_coefficients(mu, d, widths, shape, rings, row, reach):
    """Return rows of -mu_1, -mu_2 in units of the cells (1/time), the largest D_11 + D_22, and factors of the weights.

    The factors are D_11, D_22, 2 D_12 where D is the same in all cells; else ones, and D comes in three rows more.
    Coefficients are given as mu ``(dim, n)`` and D ``(dim, dim, n)``; a line is one row of cells, without a first axis.
    """
    n, m = shape
    last = len(mu) - 1
    units = 1 / widths[0] ** 2, 1 / widths[-1] ** 2, 2 / (widths[0] * widths[-1])
    even = same_everywhere(d)
    flat = aligned(2 if even else 5, (n + 2 * reach) * row + BEYOND)
    rate, factors = 0.0, (1.0, 1.0, 1.0)
    if even:
        factors = (last * d[0, 0, 0] * units[0], d[last, last, 0] * units[1], last * d[0, last, 0] * units[2])
        rate = factors[0] + factors[1]
    for i in range(n):
        cell, place = i * m, (reach + i) * row + reach
        for j in range(m):
            flat[0, place + j] = -last * mu[0, cell + j] / widths[0]
            flat[1, place + j] = -mu[last, cell + j] / widths[-1]
        if not even:
            for j in range(m):
                flat[2, place + j] = last * d[0, 0, cell + j] * units[0]
                flat[3, place + j] = d[last, last, cell + j] * units[1]
                flat[4, place + j] = last * d[0, last, cell + j] * units[2]
                rate = max(rate, flat[2, place + j] + flat[3, place + j])
    for values in flat:
        close_rings(values, n, m, row, reach, rings)
    return flat, rate, factors


@kernel()
def same_everywhere(d):
    """Return whether D ``(dim, dim, n)`` is the same in all cells; others are counted, which is vectorised."""
    others = 0
    for i in range(len(d)):
        for j in range(i + 1):
            for k in range(d.shape[2]):
                others += d[i, j, k] != d[i, j, 0]
    return others == 0


@kernel()
def close_rings(flat, n, m, row, reach, rings):
    """Write what lies beyond the ends of the n rows of a plane: zeros, or on a ring the cells of the other end.

    Whole rows beyond the first and the last are zeros as they are, unless they belong to a ring.
    """
    begin, end = reach * row, (reach + n) * row
    flat[begin : begin + reach] = 0.0
    for low in range(begin, end, row):
        high = low + m
        for j in range(high + reach, low + row + reach):
            flat[j] = 0.0
        if rings[1]:
            for j in range(reach):
                flat[low + j] = flat[high + j]
                flat[high + reach + j] = flat[low + reach + j]
    if rings[0]:
        for j in range(begin):
            flat[j] = flat[n * row + j]
            flat[end + j] = flat[begin + j]


@kernel()
def integral_of_size(flat, shape, reach, cell):
    """Return the sum of |values| of the cells, times ``cell``."""
    n, m, row = shape
    total, whole = 0.0, m - m % 4
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
        size = integral_of_size(newer, operator[1], len(operator[3][0]), cell)
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
