"""How steep mu/D is on the cells of a line or a ring, where a law lies."""

from __future__ import annotations

from fpsde.fokker_planck.totals import total
from fpsde.jit import kernel

#: It is read where at least this fraction of the mass lies on either side.
BULK = 1e-6


@kernel(portable=True)
def steepest_on_line(faces, w, masses, periodic):
    """Return what :func:`steepest_edge` and :func:`steepest_change` do."""
    return steepest_edge(w, masses, periodic), steepest_change(faces, w, masses, periodic)


@kernel(portable=True)
def steepest_edge(w, masses, periodic):
    """Return the largest |w| over the edges with more than ``BULK`` of the mass on either side; over all of a ring."""
    largest, below, whole = 0.0, 0.0, total(masses)
    for i in range(len(w)):
        below += masses[i]
        if periodic or (below > BULK and whole - below > BULK):
            largest = max(largest, abs(w[i]))
    return largest


@kernel(portable=True)
def steepest_change(faces, w, masses, periodic):
    """Return the largest h^2/l^2 over the cells with more than ``BULK`` on each side; over all of a ring.

    Cell i lies between the edges i - 1 and i, at which slopes are w over the distance of two centres.
    """
    n = len(masses)
    largest, below, whole = 0.0, masses[0], total(masses)
    slope = w[n - 1] / (0.5 * (faces[n] - faces[n - 1] + faces[1] - faces[0])) if periodic else 0.0
    for i in range(n if periodic else n - 1):
        below += masses[i] if i > 0 else 0.0
        before, h = slope, faces[i + 1] - faces[i]
        after = faces[i + 2] - faces[i + 1] if i < n - 1 else faces[1] - faces[0]
        slope = w[i] / (0.5 * (h + after))
        if periodic or (i > 0 and below > BULK and whole - below > BULK):
            largest = max(largest, abs(slope - before) * h)
    return largest
