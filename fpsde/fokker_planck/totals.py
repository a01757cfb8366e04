"""Sums of cell masses, and how far a total departs from that of the start."""

from __future__ import annotations

import numpy as np

from fpsde.jit import kernel


@kernel()
def total(masses):
    """Return the sum of masses ``(n,)``, in four sums side by side: a quarter of the time, and of the round-off."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    n = len(masses) - len(masses) % 4
    for i in range(0, n, 4):
        a += masses[i]
        b += masses[i + 1]
        c += masses[i + 2]
        d += masses[i + 3]
    for i in range(n, len(masses)):
        a += masses[i]
    return (a + b) + (c + d)


@kernel()
def departure(masses, absorbed, start, absorbed_at_start):
    """Return the largest |total - total at the start|, over times: masses ``(n_times, n)``, walls ``(n_times, m)``."""
    began, largest = total(start) + total(absorbed_at_start), 0.0
    for k in range(len(masses)):
        largest = np.maximum(largest, abs(total(masses[k]) + total(absorbed[k]) - began))  # nan stays
    return largest
