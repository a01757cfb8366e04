"""NumPy, SymPy and Numba, and one compiled function from the cache: what is paid before anything of fpsde is.

A program that ``cold_start`` runs; nothing imports it.
"""

from __future__ import annotations

import numba
import numpy as np
import sympy


@numba.njit(cache=True)
def first(x):
    """Return the first entry."""
    return x[0]


assert first(np.ones(3)) == float(sympy.Integer(1))
