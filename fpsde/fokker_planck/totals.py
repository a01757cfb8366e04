"""Sums and extremes of cell masses: totals and how far they depart, distances, how deep masses fall."""

from __future__ import annotations

import numpy as np

from fpsde.jit import kernel


@kernel(portable=True)
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


@kernel(portable=True)
def departure(masses, absorbed, counts, start, absorbed_at_start):
    """Return the largest |total - total at the start|, over times: masses ``(n_times, n)``, walls ``(n_times, m)``.

    ``counts`` (m,) says of which walls the mass counts; what the others took is lost.
    """
    began, largest = total(start) + total(absorbed_at_start), 0.0
    for k in range(len(masses)):
        now = total(masses[k])
        for i in range(len(counts)):
            now += absorbed[k, i] if counts[i] else 0.0
        largest = np.maximum(largest, abs(now - began))  # nan stays
    return largest


@kernel()
def largest_of(masses):
    """Return the largest mass ``(n,)``, of four that do not wait for one another."""
    a, b, c, d = masses[0], masses[0], masses[0], masses[0]
    n = len(masses) - len(masses) % 4
    for i in range(0, n, 4):
        a = max(a, masses[i])
        b = max(b, masses[i + 1])
        c = max(c, masses[i + 2])
        d = max(d, masses[i + 3])
    for i in range(n, len(masses)):
        a = max(a, masses[i])
    return max(max(a, b), max(c, d))


@kernel()
def distance(one, other):
    """Return the sum of |differences| of two arrays ``(n,)``."""
    found = 0.0
    for i in range(len(one)):
        found += abs(one[i] - other[i])
    return found


@kernel()
def deepest(masses, absorbed):
    """Return the lowest mass of a cell, ``(n_times, n)``, as a fraction of the largest at its time.

    ``absorbed`` (n_times, m) are masses on walls, which may be the largest.
    """
    found = np.inf
    for k in range(len(masses)):
        least, largest = masses[k, 0], masses[k, 0]
        for i in range(masses.shape[1]):
            least, largest = min(least, masses[k, i]), max(largest, masses[k, i])
        for i in range(absorbed.shape[1]):
            largest = max(largest, absorbed[k, i])
        found = min(found, least / largest)
    return found
