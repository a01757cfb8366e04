"""The function B(z) = z / (e^z - 1) of the Scharfetter-Gummel flux."""

from __future__ import annotations

from typing import Any

import numpy as np

from fpsde.fokker_planck.lanes import fused
from fpsde.jit import kernel
from fpsde.numba_text import elementary_function
from fpsde.optional import installed
from fpsde.primitives import where

#: Up to here the polynomial in :func:`near_zero` is off by 2e-17 at most.
NEAR_ZERO = 2.0
#: Each doubling adds a unit or two in the last place.
MOST_DOUBLINGS = 1
_expm1 = elementary_function("expm1_")


def bernoulli(z: Any) -> np.ndarray:
    """Return B(z) = z / (e^z - 1), same shape as ``z``, to a few units in the last place; 0 where it underflows."""
    z = np.asarray(z, dtype=float)
    if not installed("numba"):
        return bernoulli_of(z)  # the same text, on all of them at once
    return _each(z.ravel()).reshape(z.shape)


@kernel()
def _each(z):
    out = np.empty(len(z))
    for i in range(len(z)):
        out[i] = bernoulli_of(z[i])
    return out


@kernel(portable=True)
def bernoulli_of(z):
    """Return B(z) of a number."""
    return where(z == 0.0, 1.0, z / _expm1(z))


@kernel(portable=True)
def near_zero(z):
    """Return B(z) = (z/2) coth(z/2) - z/2 for |z| <= ``NEAR_ZERO``, without a division: it takes less time.

    The first part, even in z, is the polynomial in u = z^2 that meets it at the 11 Chebyshev nodes of (0, 4).
    """
    u = z * z
    even = fused(u, -1.270941380639994e-16, 7.813567911741728e-15)
    for c in (
        -3.350338287376218e-13, 1.3369819972385211e-11, -5.283923158321537e-10, 2.087672076039273e-08,
        -8.267195459482287e-07, 3.3068783053492134e-05, -0.0013888888888849836, 0.08333333333333294, 1.0,
    ):  # fmt: skip
        even = fused(u, even, c)
    return even - 0.5 * z


@kernel(portable=True)
def doublings_to(z):
    """Return how often :func:`doubled` must double to reach z >= 0; -1 where that is too often, or z is NaN."""
    within = NEAR_ZERO
    for count in range(MOST_DOUBLINGS + 1):
        if z <= within:
            return count
        within *= 2.0
    return -1


@kernel(portable=True)
def doubled(part, count):
    """Return B(z), z >= 0, from the ``part`` 2^-count z <= ``NEAR_ZERO``: B(2 z) = 2 B(z)^2 / (2 B(z) + z)."""
    b = near_zero(part)
    for _ in range(count):
        twice = 2.0 * b
        b = twice * b / (twice + part)
        part = 2.0 * part
    return b
