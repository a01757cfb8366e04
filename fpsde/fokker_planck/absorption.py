"""Solves with -Q and -Q^T for a generator on a line of cells with at least one absorbing end.

Cells are eliminated from the left, each with the rate ``lost`` at which a particle in it would be absorbed on the left
before it ever passes to the right (Grassmann, Taksar & Heyman 1985). Nothing is subtracted: every entry of a solution
with a non-negative right-hand side keeps its relative accuracy, a passage over a hundred kT among them.

Here ``left[0]`` and ``right[-1]`` are the rates into an absorbing wall (zero where there is none).
"""

from __future__ import annotations

import numpy as np

from fpsde.fokker_planck.totals import total
from fpsde.jit import kernel


@kernel()
def solve_backward(left, right, source):
    """Return u with -Q^T u = source, ``(n,)``: sources are earned along the way until absorption."""
    n = len(left)
    inverse, earned = np.empty(n), np.empty(n)
    lost, income = left[0], source[0]
    for i in range(n):
        inverse[i] = 1.0 / (right[i] + lost)
        earned[i] = income
        if i < n - 1:
            back = left[i + 1] * inverse[i]
            lost = back * lost
            income = source[i + 1] + back * income
    u = np.empty(n)
    u[n - 1] = earned[n - 1] * inverse[n - 1]
    for i in range(n - 2, -1, -1):
        u[i] = (earned[i] + right[i] * u[i + 1]) * inverse[i]
    return u


@kernel()
def solve_moments(left, right, first, second):
    """Write the mean of the time until absorption, and of its square, for starts in all cells ``(n,)``.

    -Q^T tau = 1,    -Q^T tau_2 = 2 tau
    """
    first[:] = solve_backward(left, right, np.ones(len(left)))
    second[:] = solve_backward(left, right, 2.0 * first)


@kernel()
def spent_at_ends(left, right, faces, x0, low, high):
    """Return the parts of the time from the cell of ``x0`` on spent in the first ``low`` and the last ``high`` cells.

    ``faces`` (n + 1,) are those of the cells.
    """
    source = np.zeros(len(left))
    source[min(np.searchsorted(faces, x0, side="right") - 1, len(left) - 1)] = 1.0
    spent = solve_forward(left, right, source)
    whole = total(spent)
    return total(spent[:low]) / whole, total(spent[len(spent) - high :]) / whole


@kernel()
def solve_forward(left, right, source):
    """Return g with -Q g = source, ``(n,)``: the time spent in each cell if particles start as ``source``."""
    n = len(left)
    inverse, arrived = np.empty(n), np.empty(n)
    lost, inflow = left[0], source[0]
    for i in range(n):
        inverse[i] = 1.0 / (right[i] + lost)
        arrived[i] = inflow
        if i < n - 1:
            lost = left[i + 1] * inverse[i] * lost
            inflow = source[i + 1] + right[i] * inverse[i] * inflow
    g = np.empty(n)
    g[n - 1] = arrived[n - 1] * inverse[n - 1]
    for i in range(n - 2, -1, -1):
        g[i] = (arrived[i] + left[i + 1] * g[i + 1]) * inverse[i]
    return g
