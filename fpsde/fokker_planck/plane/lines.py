"""Steps on many lines, or rings, that lie side by side in a plane: bundles of ``LANES`` of them in vector registers.

``rates`` (n_bundles, 2, n, LANES) are those to the left and to the right, ``exits`` (n_bundles, 2, LANES) those into
the walls. Where the number of lines is no multiple of ``LANES`` the last lanes are empty: rates of zero, or of other
lines, and no masses. A plane is ``(n_1, n_2)``, and its lines along an axis are numbered along the other one.

Lines need not be those of an axis: each may move a few cells to the side for every one that it goes ahead, and where it
leaves the plane it goes on at the opposite side, where another line begins: rates of zero keep the two apart, or, on a
plane that is periodic there, they are one. So lines along a diagonal fill the plane as straight ones do, and on a plane
that is periodic along both axes they are fewer and longer rings. Where they lie is said by a ``way``: see
:func:`way_along` and :func:`way_round`.
"""

from __future__ import annotations

import math

import numpy as np

from fpsde.fokker_planck.elimination import factorise_lanes
from fpsde.fokker_planck.lanes import LANES, at, eight, put, put_eight
from fpsde.fokker_planck.tridiagonal import back_in_stages, backward_euler, tr_bdf2_still
from fpsde.jit import kernel

#: Axis along which lines go, and for each place on them the cell of that axis and how far they have moved to the side.
Way = tuple[int, np.ndarray, np.ndarray]


def straight(axis: int) -> Way:
    """Return the way of the lines of an axis, which needs no list of places."""
    return axis, np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)


def way_along(offset: tuple[int, int], shape: tuple[int, ...], axis: int) -> Way:
    """Return the way of the lines through cells that lie apart by ``offset``, which is positive along ``axis``.

    Line k has at place s the cell ``ahead[s]`` of ``axis``, and the cell ``k + aside[s]`` of the other one, counted
    round. With an offset of more than one cell along the axis, a line ends where the axis does and goes on as another.
    """
    step, side = offset[axis], offset[1 - axis]
    if (step, side) == (1, 0):
        return straight(axis)
    ahead = np.concatenate([np.arange(first, shape[axis], step) for first in range(min(step, shape[axis]))])
    return axis, ahead, ahead // step * side % shape[1 - axis]


def way_round(offset: tuple[int, int], shape: tuple[int, ...], axis: int) -> Way | None:
    """Return the way of the rings through cells that lie apart by ``offset`` on a plane that is periodic both ways.

    Each of them comes back to its first cell after lcm(n_1/gcd(n_1, e_1), n_2/gcd(n_2, e_2)) cells. It meets every cell
    of ``axis`` if e has no divisor in common with their number along it, so that rings are told apart by where they
    cross the first one; None if it has.
    """
    step, side = offset[axis], offset[1 - axis]
    if math.gcd(step, shape[axis]) > 1:
        return None
    if side == 0:
        return straight(axis)
    places = np.arange(math.lcm(shape[axis], shape[1 - axis] // math.gcd(side, shape[1 - axis])))
    return axis, places * step % shape[axis], places * side % shape[1 - axis]


def lines_of(way: Way, shape: tuple[int, ...]) -> int:
    """Return how many lines, or rings, a way has on a plane."""
    axis, ahead, _ = way
    return shape[0] * shape[1] // len(ahead) if len(ahead) else shape[1 - axis]


def cells_on(way: Way, shape: tuple[int, ...]) -> np.ndarray:
    """Return the flat indices of the cells on each line, ``(n_lines, n)``."""
    axis, ahead, aside = way
    if not len(ahead):
        ahead, aside = np.arange(shape[axis]), np.zeros(shape[axis], dtype=np.int64)
    across = (np.arange(lines_of(way, shape))[:, None] + aside) % shape[1 - axis]
    return ahead * shape[1] + across if axis == 0 else across * shape[1] + ahead


def bundles_of(n_lines: int) -> int:
    """Return how many bundles so many lines make."""
    return -(-n_lines // LANES)


def in_bundles(lines: np.ndarray, empty: np.ndarray | float = 0.0) -> np.ndarray:
    """Return values ``(n_lines, ..., n)``, a number for each line and place, as bundles ``(n_bundles, ..., n, LANES)``.

    Lanes without a line hold what is ``empty``.
    """
    out = np.empty((bundles_of(len(lines)), *lines.shape[1:], LANES))
    for lane in range(LANES):  # reads along the lines: a transpose reads across them, and takes ten times as long
        held = lines[lane::LANES]
        out[: len(held), ..., lane], out[len(held) :, ..., lane] = held, empty
    return out


def side_by_side(values: np.ndarray) -> np.ndarray:
    """Return values ``(k, n_lines, n)`` as bundles ``(n_bundles, k, n LANES)``; empty lanes hold those of the last."""
    bundles = in_bundles(values.swapaxes(0, 1), empty=values[:, -1])
    return bundles.reshape(*bundles.shape[:2], -1)


@kernel()
def factorise_lines(rates, exits, a, factors):
    """Write the factors of I - aQ of each bundle, ``(n_bundles, 3, n, LANES)``, of rings ``(n_bundles, 5, ...)``."""
    for k in range(len(rates)):
        factorise_lanes(rates[k, 0], rates[k, 1], exits[k], a, factors[k])


@kernel()
def tr_bdf2_lines(rates, exits, a, factors, way, masses, new):
    """Write to ``new`` the masses after a step of TR-BDF2 on each line; return what entered the two walls, ``(2,)``.

    Q stays the same during the step. ``masses`` and ``new`` are planes, and may be one.
    """
    lost, entered = np.zeros(2), np.empty((len(rates), 2))
    tr_bdf2_bundles(rates, exits, a, factors, way, masses, new, 0, len(rates), entered)
    add_rows(entered, lost)
    return lost


@kernel()
def add_rows(rows, total):
    """Add rows to a ``total``, one after another: NumPy's sums have an order of their own."""
    for each in rows:
        total += each


@kernel()
def tr_bdf2_bundles(rates, exits, a, factors, way, masses, new, first, end, entered):
    """Do what :func:`tr_bdf2_lines` does for the bundles from ``first`` to before ``end``.

    What enters the walls from each of them goes to its row of ``entered`` (n_bundles, 2).
    """
    scratch = np.empty((3, rates.shape[2], LANES))
    for k in range(first, end):
        tr_bdf2_bundle(rates[k], exits[k], a, factors[k], way, k, masses, new, scratch, entered[k])


@kernel()
def tr_bdf2_bundle(rates, exits, a, factors, way, k, masses, new, scratch, entered):
    """Do what :func:`tr_bdf2_lines` does for bundle ``k``, whose ``rates``, ``exits`` and ``factors`` are given.

    ``scratch`` (3, n, LANES) is room to work in.
    """
    lines, moved, between, lost = scratch[0], scratch[1], scratch[2], np.empty((2, LANES))
    take(masses, way, k, lines)
    tr_bdf2_still(rates, exits, a, factors, lines, moved, between, lost)
    give(moved, way, k, new)
    entered[0], entered[1] = lost[0].sum(), lost[1].sum()


@kernel()
def backward_euler_lines(exits, dt, factors, way, masses):
    """Take a step of backward Euler on each line of a plane in place; return what entered the two walls, ``(2,)``."""
    count, _, n, lanes = factors.shape
    lost, lines = np.zeros(2), np.empty((n, lanes))
    for k in range(count):
        take(masses, way, k, lines)
        entered = np.zeros((2, lanes))
        backward_euler(exits[k], dt, factors[k], lines, entered)
        give(lines, way, k, masses)
        lost[0] += entered[0].sum()
        lost[1] += entered[1].sum()
    return lost


@kernel()
def back_on_lines(exits, a, factors, way, at_walls, values, stages):
    """Replace values on a plane by their means after :func:`tr_bdf2_lines`, or in one stage after backward Euler.

    See :func:`back_in_stages`; ``at_walls`` (n_bundles, 2, LANES) are the values at the ends of the lines.
    """
    count, _, n, lanes = factors.shape
    lines, before = np.empty((n, lanes)), np.empty((n, lanes))
    for k in range(count):
        take(values, way, k, lines)
        back_in_stages(exits[k], a, factors[k], at_walls[k], lines, before, stages)
        give(lines, way, k, values)


@kernel()
def take(plane, way, k, lines):
    """Write to ``lines`` (n, LANES) bundle ``k`` of the lines of a plane on a way; zeros to empty lanes."""
    axis, ahead, aside = way
    n, lanes = lines.shape
    across, first, turned = plane.shape[1 - axis], k * lanes, len(ahead) > 0
    held = min(lanes, plane.size // n - first)
    if held < lanes:
        lines[:] = 0.0
    if axis == 0:
        for i in range(n):
            row, j = (ahead[i], around(first + aside[i], across)) if turned else (i, first)
            if held == lanes and j + lanes <= across:
                put(lines, i, eight(plane, row * across + j))
            else:
                for l in range(held):  # noqa: E741
                    lines[i, l] = plane[row, around(j + l, across)]
    elif turned:
        for i in range(n):
            for l in range(held):  # noqa: E741
                lines[i, l] = plane[around(first + l + aside[i], across), ahead[i]]
    else:
        for l in range(held):  # noqa: E741
            for i in range(n):
                lines[i, l] = plane[first + l, i]


@kernel()
def give(lines, way, k, plane):
    """Write the lanes of bundle ``k`` that are not empty back to the plane."""
    axis, ahead, aside = way
    n, lanes = lines.shape
    across, first, turned = plane.shape[1 - axis], k * lanes, len(ahead) > 0
    held = min(lanes, plane.size // n - first)
    if axis == 0:
        for i in range(n):
            row, j = (ahead[i], around(first + aside[i], across)) if turned else (i, first)
            if held == lanes and j + lanes <= across:
                put_eight(plane, row * across + j, at(lines, i))
            else:
                for l in range(held):  # noqa: E741
                    plane[row, around(j + l, across)] = lines[i, l]
    elif turned:
        for i in range(n):
            for l in range(held):  # noqa: E741
                plane[around(first + l + aside[i], across), ahead[i]] = lines[i, l]
    else:
        for l in range(held):  # noqa: E741
            for i in range(n):
                plane[first + l, i] = lines[i, l]


@kernel()
def around(j, n):
    """Return a place 0 <= j < 2 n, counted round."""
    return j - n if j >= n else j
