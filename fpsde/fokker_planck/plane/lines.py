"""The kernels of one line, or ring, on many of them that lie side by side, one after the other.

``rates`` (n_lines, 2, n) are those to the left and to the right, ``exits`` (n_lines, 2), ``masses`` (n_lines, n).
"""

from __future__ import annotations

import numpy as np

from fpsde.fokker_planck.elimination import factorise
from fpsde.fokker_planck.tridiagonal import backward_euler, tr_bdf2
from fpsde.jit import kernel


@kernel()
def factorise_lines(rates, exits, a):
    """Return the factors of I - aQ of each line, ``(n_lines, 5, n)``."""
    n_lines, _, n = rates.shape
    factors = np.empty((n_lines, 5, n))
    for k in range(n_lines):
        factors[k] = factorise(rates[k, 0], rates[k, 1], exits[k, 0], exits[k, 1], a)
    return factors


@kernel()
def tr_bdf2_lines(rates, exits, a, factors, masses, new):
    """Write to ``new`` the masses after a step of TR-BDF2 on each line; return what entered the two walls, ``(2,)``.

    Q stays the same during the step.
    """
    n_lines, n = masses.shape
    lost, entered, current = np.zeros(2), np.empty(2), np.empty(n + 1)
    for k in range(n_lines):
        q, out, f = rates[k], exits[k], factors[k]
        tr_bdf2((q, q, q), (out, out, out), a, f, f, masses[k], new[k], current, entered)
        lost += entered
    return lost


@kernel()
def backward_euler_lines(exits, dt, factors, masses):
    """Take a step of backward Euler on each line in place; return what entered the two walls, ``(2,)``."""
    lost = np.zeros(2)
    for k in range(len(masses)):
        backward_euler(exits[k], dt, factors[k], masses[k], lost)
    return lost
