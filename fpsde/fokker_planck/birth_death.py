"""Eigenvalues and eigenvectors of a generator on a line of cells, from the ratios of its rates.

With y = m / sqrt(m_s) the generator is -G^T G, G bidiagonal: an edge has the entries sqrt(right_i), -sqrt(left_(i+1)).
The squares of these are the rates themselves. LDL^T of -Q - lambda in the form of stationary quotient differences, with
pivots d_i = right_i + s_i,

    s_0 = left_0 - lambda,      s_(i+1) = left_(i+1) s_i / d_i - lambda,

subtracts nothing but lambda, so bisection on the number of negative pivots finds each eigenvalue to its own last
digits (Demmel & Kahan, SIAM J. Sci. Stat. Comput. 11 (1990) 873; Fernando & Parlett, Numer. Math. 67 (1994) 191). The
rate over a barrier of a hundred kT, 1e-44 of the largest, is as exact as any; a solver of the matrix itself loses it.

Here ``left[0]`` and ``right[-1]`` are the rates into an absorbing wall (zero where there is none).
"""

from __future__ import annotations

import numpy as np

from fpsde.jit import kernel

#: Halvings of the logarithm of an eigenvalue between 1e-290 and 1 of the largest: the last bit, and a few to spare.
HALVINGS = 66
SMALLEST = 1e-290


@kernel()
def decay_rates(left, right, first, count):
    """Return the eigenvalues of -Q numbered ``first``, ..., ``first + count - 1`` from 0 upwards, ``(count,)``."""
    top = 2 * np.max(left + right)
    rates = np.empty(count)
    for k in range(count):
        low, high = top * SMALLEST, top
        for _ in range(HALVINGS):
            middle = np.sqrt(low) * np.sqrt(high)
            if count_below(left, right, middle) > first + k:
                high = middle
            else:
                low = middle
        rates[k] = high
    return rates


@kernel()
def count_below(left, right, shift):
    """Return the number of eigenvalues of -Q below ``shift``."""
    n = len(left)
    s = left[0] - shift
    count = 0
    for i in range(n):
        d = _pivot(right[i], s)
        if d < 0:
            count += 1
        if i < n - 1:
            s = left[i + 1] * (s / d) - shift
    return count


@kernel()
def left_eigenvector(left, right, rate):
    """Return l with Q^T l = -rate l, ``(n,)``: pivots from both ends, met where l^2 m_s is largest (Dhillon 1997)."""
    n = len(left)
    s, p = np.empty(n), np.empty(n)
    down, up = np.empty(n), np.empty(n)  # pivots from the left and from the right
    s[0], p[n - 1] = left[0] - rate, right[n - 1] - rate
    for i in range(n):
        down[i] = _pivot(right[i], s[i])
        if i < n - 1:
            s[i + 1] = left[i + 1] * (s[i] / down[i]) - rate
    for i in range(n - 1, -1, -1):
        up[i] = _pivot(left[i], p[i])
        if i > 0:
            p[i - 1] = right[i - 1] * (p[i] / up[i]) - rate
    twist = np.argmin(np.abs(s + p + rate))
    vector = np.empty(n)
    vector[twist] = 1.0
    for i in range(twist - 1, -1, -1):
        vector[i] = right[i] / down[i] * vector[i + 1]
    for i in range(twist + 1, n):
        vector[i] = left[i] / up[i] * vector[i - 1]
    return vector


@kernel()
def _pivot(rate, s):
    """Return rate + s, moved off zero by less than its round-off."""
    d = rate + s
    return d if d != 0 else 1e-17 * (rate + abs(s)) + 1e-300
