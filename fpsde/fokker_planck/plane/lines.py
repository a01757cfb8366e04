"""Steps on many lines, or rings, that lie side by side in a plane: bundles of ``LANES`` of them in vector registers.

``rates`` (n_bundles, 2, n, LANES) are those to the left and to the right, ``exits`` (n_bundles, 2, LANES) those into
the walls. Where the number of lines is no multiple of ``LANES`` the last lanes are empty: rates of zero, or of other
lines, and no masses. A plane is ``(n_1, n_2)``, and its lines along an axis are numbered along the other one.
"""

from __future__ import annotations

import numpy as np

from fpsde.fokker_planck.elimination import factorise_lanes
from fpsde.fokker_planck.lanes import LANES, at, eight, put, put_eight
from fpsde.fokker_planck.tridiagonal import backward_euler, tr_bdf2_still
from fpsde.jit import kernel


def bundles_of(n_lines: int) -> int:
    """Return how many bundles so many lines make."""
    return -(-n_lines // LANES)


def in_bundles(lines: np.ndarray) -> np.ndarray:
    """Return values ``(n_lines, ..., n)``, a number for each line and place, as bundles ``(n_bundles, ..., n, LANES)``.

    Empty lanes hold zeros.
    """
    count = bundles_of(len(lines))
    out = np.zeros((count * LANES, *lines.shape[1:]))
    out[: len(lines)] = lines
    return np.ascontiguousarray(np.moveaxis(out.reshape(count, LANES, *lines.shape[1:]), 1, -1))


@kernel()
def factorise_lines(rates, exits, a, factors):
    """Write the factors of I - aQ of each bundle, ``(n_bundles, 3, n, LANES)``, of rings ``(n_bundles, 5, ...)``."""
    for k in range(len(rates)):
        factorise_lanes(rates[k, 0], rates[k, 1], exits[k], a, factors[k])


@kernel()
def tr_bdf2_lines(rates, exits, a, factors, axis, masses, new):
    """Write to ``new`` the masses after a step of TR-BDF2 on each line; return what entered the two walls, ``(2,)``.

    Q stays the same during the step. ``masses`` and ``new`` are planes, and may be one.
    """
    lost, entered = np.zeros(2), np.empty((len(rates), 2))
    tr_bdf2_bundles(rates, exits, a, factors, axis, masses, new, 0, len(rates), entered)
    add_rows(entered, lost)
    return lost


@kernel()
def add_rows(rows, total):
    """Add rows to a ``total``, one after another: NumPy's sums have an order of their own."""
    for each in rows:
        total += each


@kernel()
def tr_bdf2_bundles(rates, exits, a, factors, axis, masses, new, first, end, entered):
    """Do what :func:`tr_bdf2_lines` does for the bundles from ``first`` to before ``end``.

    What enters the walls from each of them goes to its row of ``entered`` (n_bundles, 2).
    """
    scratch = np.empty((3, rates.shape[2], LANES))
    for k in range(first, end):
        tr_bdf2_bundle(rates[k], exits[k], a, factors[k], axis, k, masses, new, scratch, entered[k])


@kernel()
def tr_bdf2_bundle(rates, exits, a, factors, axis, k, masses, new, scratch, entered):
    """Do what :func:`tr_bdf2_lines` does for bundle ``k``, whose ``rates``, ``exits`` and ``factors`` are given.

    ``scratch`` (3, n, LANES) is room to work in.
    """
    lines, moved, between, lost = scratch[0], scratch[1], scratch[2], np.empty((2, LANES))
    take(masses, axis, k, lines)
    tr_bdf2_still(rates, exits, a, factors, lines, moved, between, lost)
    give(moved, axis, k, new)
    entered[0], entered[1] = lost[0].sum(), lost[1].sum()


@kernel()
def backward_euler_lines(exits, dt, factors, axis, masses):
    """Take a step of backward Euler on each line of a plane in place; return what entered the two walls, ``(2,)``."""
    count, _, n, lanes = factors.shape
    lost, lines = np.zeros(2), np.empty((n, lanes))
    for k in range(count):
        take(masses, axis, k, lines)
        entered = np.zeros((2, lanes))
        backward_euler(exits[k], dt, factors[k], lines, entered)
        give(lines, axis, k, masses)
        lost[0] += entered[0].sum()
        lost[1] += entered[1].sum()
    return lost


@kernel()
def take(plane, axis, k, lines):
    """Write to ``lines`` (n, LANES) bundle ``k`` of the lines of a plane along an axis; zeros to empty lanes."""
    n, lanes = lines.shape
    first = k * lanes
    held = min(lanes, plane.shape[1 - axis] - first)
    if held < lanes:
        lines[:] = 0.0
    if axis == 0 and held == lanes:
        for i in range(n):
            put(lines, i, eight(plane, i * plane.shape[1] + first))
    elif axis == 0:
        for i in range(n):
            for l in range(held):  # noqa: E741
                lines[i, l] = plane[i, first + l]
    else:
        for l in range(held):  # noqa: E741
            for i in range(n):
                lines[i, l] = plane[first + l, i]


@kernel()
def give(lines, axis, k, plane):
    """Write the lanes of bundle ``k`` that are not empty back to the plane."""
    n, lanes = lines.shape
    first = k * lanes
    held = min(lanes, plane.shape[1 - axis] - first)
    if axis == 0 and held == lanes:
        for i in range(n):
            put_eight(plane, i * plane.shape[1] + first, at(lines, i))
    elif axis == 0:
        for i in range(n):
            for l in range(held):  # noqa: E741
                plane[i, first + l] = lines[i, l]
    else:
        for l in range(held):  # noqa: E741
            for i in range(n):
                plane[first + l, i] = lines[i, l]
