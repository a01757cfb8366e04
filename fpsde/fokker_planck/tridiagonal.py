"""Steps of TR-BDF2 and of backward Euler for a generator Q on a line or a ring of cells.

``tr_bdf2`` and what it is made of take numbers or lanes (see ``at``): one line, or lines side by side, whose masses are
``(n, LANES)``; two ends, or two rows of them.
"""

from __future__ import annotations

import numpy as np

from fpsde.fokker_planck.elimination import rows_of_lanes, solve, solve_transposed_lanes, solved, solved_last
from fpsde.fokker_planck.lanes import LANES, at, eight, put, smaller
from fpsde.jit import inlined, kernel

#: TR-BDF2 (Bank et al., IEEE Trans. CAD 4 (1985) 436) with the parameter that gives both stages one matrix.
GAMMA = 2 - np.sqrt(2)
STAGE = GAMMA / 2  # a / dt in the I - aQ of both stages
WEIGHT = 1 / (GAMMA * (2 - GAMMA))  # of the first two of the three terms of the step


@kernel()
def tr_bdf2(rates, exits, a, middle, end, masses, new, current, lost):
    """Write to ``new`` (n,) the masses after a step of TR-BDF2, to ``lost`` (2,) what entered the low and high wall.

    With Q_0, Q_1, Q_2 the generators at the start, after GAMMA dt and at the end of the step, and a = STAGE dt,

        u = m + a (Q_0 m + Q_1 u),      m_new = m + a (WEIGHT (Q_0 m + Q_1 u) + Q_2 m_new).

    Both are solved with the factors of I - a Q_1 and I - a Q_2 (``middle``, ``end``). Then m_new is written once more
    as its equation says, in differences of edge currents: round-off in the solves repeats itself in every step of
    a long run, and would let the mass drift. ``rates`` are those to the left and to the right (2, n) at the three
    times, ``exits`` (2,) those into the low and the high wall; ``current`` (n + 1,) is room to work in.
    """
    current[:] = 0.0
    lost[:] = 0.0
    add_currents(rates[0], exits[0], a, masses, current, lost)
    move(masses, current, lost, new)
    solve(middle, new)
    add_currents(rates[1], exits[1], a, new, current, lost)
    current *= WEIGHT
    lost *= WEIGHT
    move(masses, current, lost, new)
    solve(end, new)
    add_currents(rates[2], exits[2], a, new, current, lost)
    move(masses, current, lost, new)


@kernel()
def tr_bdf2_still(rates, exits, a, factors, masses, new, between, lost):
    """As :func:`tr_bdf2`, of lines side by side whose Q stays the same during the step: in half of the work.

    Then a (Q m + Q u) = 2 aQ v with v = (I - aQ)^-1 m, and

        m_new = (I - aQ)^-1 w = m + aQ (2 WEIGHT v + m_new),      w = m + 2 WEIGHT (v - m).

    ``rates`` (2, n, LANES), ``exits`` (2, LANES) and ``factors`` are those of Q, ``between`` (n, LANES) is room for w.
    Whatever is known of a cell is done while it is in the registers: as sweeps of their own, these would wait for
    memory most of the time.
    """
    if len(factors) == 5:  # each with loops of its own: a question in every cell would cost more than the answer
        _still(rates, exits, a, factors, masses, new, between, lost, True)
    else:
        _still(rates, exits, a, factors, masses, new, between, lost, False)


@inlined
def _still(rates, exits, a, factors, masses, new, between, lost, ring):
    left, right = rates[0], rates[1]
    last, whole = len(masses) - 1, rows_of_lanes(factors)
    end = solved_last(whole, masses, new, ring)
    put(between, last, second_stage(at(masses, last), end))
    v = end
    for i in range(last - 1, -1, -1):
        v = solved(whole, new, i, v, end, ring)
        put(between, i, second_stage(at(masses, i), v))
    end = solved_last(whole, between, new, ring)
    # p = 2 WEIGHT v + m_new of the cells, and what its currents carry, from the last face to the first
    p_last = at(between, last) + (2 * WEIGHT - 1) * at(masses, last) + end
    u, p_after, out = end, p_last, 0.0 * end
    for i in range(last - 1, -1, -1):
        u = solved(whole, new, i, u, end, ring)
        p = at(between, i) + (2 * WEIGHT - 1) * at(masses, i) + u
        through = a * net(at(right, i), p, at(left, i + 1), p_after)
        put(new, i + 1, at(masses, i + 1) + (through - out))
        p_after, out = p, through
    seam = a * net(at(right, last), p_last, at(left, 0), p_after)  # zero on a line
    put(lost, 0, a * at(exits, 0) * p_after)
    put(lost, 1, a * at(exits, 1) * p_last)
    put(new, 0, (at(masses, 0) + (seam - out)) - at(lost, 0))
    put(new, last, (at(new, last) - seam) - at(lost, 1))


@inlined
def second_stage(m, v):
    """Return what is solved for in the second stage of :func:`tr_bdf2_still`, w, from m and v."""
    return m + 2 * WEIGHT * (v - m)


@kernel()
def back_in_stages(exits, a, factors, at_walls, values, before, stages):
    """Replace values u (n, LANES) by their means after :func:`tr_bdf2_still`, in two ``stages``: its transpose.

    What enters a wall counts with its value f there, ``at_walls`` (2, LANES). With E the rates into the walls,

        v = (I - aQ^T)^-1 (u + aEf),      u_before = (I - aQ^T)^-1 (w + aEf),      w = u + 2 WEIGHT (v - u).

    In one stage it is v, the mean after :func:`backward_euler`. ``factors`` are those of the step ahead; ``before``
    (n, LANES) is room for u.
    """
    last = len(values) - 1
    for stage in range(stages):
        for i in range(last + 1):
            if stage == 0:
                put(before, i, at(values, i))
            else:
                put(values, i, second_stage(at(before, i), at(values, i)))
        put(values, 0, at(values, 0) + a * at(exits, 0) * at(at_walls, 0))
        put(values, last, at(values, last) + a * at(exits, 1) * at(at_walls, 1))
        solve_transposed_lanes(factors, values)


@inlined
def net(right, here, left, ahead):
    """Return the mass per time that crosses a face to the right, from the cells at its sides and the rates there."""
    return right * here - left * ahead


@kernel()
def march(rates, exits, a, middle, end, masses, absorbed, n_steps, floor, fringe, extremes):
    """Take up to ``n_steps`` steps of TR-BDF2 in place; return (steps taken, smallest mass after the last one tried).

    ``rates`` (3, 2, n) are those to the left and to the right at the three times, ``exits`` (3, 2) those into the low
    and the high wall. A step that would leave a mass below ``floor``, or a NaN, is not taken and ends the march.
    ``extremes`` (3,) keeps the smallest mass of a cell, and the largest that the outermost ``fringe`` (2,) cells at
    either end ever held.
    """
    n = len(masses)
    new, current, lost = np.empty(n), np.empty(n + 1), np.empty(2)
    least = np.inf
    for done in range(n_steps):
        tr_bdf2(rates, exits, a, middle, end, masses, new, current, lost)
        least = smallest(new)
        if not least >= floor:  # a NaN fills every cell, and is not >= anything
            return done, least
        masses[:] = new
        absorbed += lost
        extremes[0] = min(extremes[0], least)
        extremes[1] = max(extremes[1], masses[: fringe[0]].sum())
        extremes[2] = max(extremes[2], masses[n - fringe[1] :].sum())
    return n_steps, least


@kernel()
def add_currents(rates, exits, a, masses, current, lost):
    """Add a times the mass per time that crosses each face to the right, ``(n + 1,)``, or enters a wall, ``(2,)``."""
    left, right = rates[0], rates[1]  # as an iterable they would not be known to be contiguous
    n = len(masses)
    seam = a * net(at(right, n - 1), at(masses, n - 1), at(left, 0), at(masses, 0))  # zero on a line
    put(current, 0, at(current, 0) + seam)
    put(current, n, at(current, n) + seam)
    for i in range(1, n):
        crossing = net(at(right, i - 1), at(masses, i - 1), at(left, i), at(masses, i))
        put(current, i, at(current, i) + a * crossing)
    put(lost, 0, at(lost, 0) + a * at(exits, 0) * at(masses, 0))
    put(lost, 1, at(lost, 1) + a * at(exits, 1) * at(masses, n - 1))


@kernel()
def move(masses, current, lost, out):
    """Write to ``out`` the masses after the currents have carried them."""
    last = len(masses) - 1
    for i in range(last + 1):
        put(out, i, at(masses, i) + (at(current, i) - at(current, i + 1)))
    put(out, 0, at(out, 0) - at(lost, 0))
    put(out, last, at(out, last) - at(lost, 1))


@kernel()
def smallest(values):
    """Return the smallest value; NaN if the first are NaN."""
    n, least = len(values), values[0]
    if n >= LANES:
        lanes, row = eight(values, 0), np.empty((1, LANES))
        for i in range(LANES, n - LANES + 1, LANES):
            lanes = smaller(eight(values, i), lanes)
        put(row, 0, smaller(eight(values, n - LANES), lanes))
        values = row[0]
    for value in values:
        least = smaller(value, least)
    return least


@kernel()
def backward_euler(exits, dt, end, masses, absorbed):
    """Take one step of backward Euler in place: (I - dt Q) m_new = m. Positive for every dt; order 1."""
    solve(end, masses)
    put(absorbed, 0, at(absorbed, 0) + dt * at(exits, 0) * at(masses, 0))
    put(absorbed, 1, at(absorbed, 1) + dt * at(exits, 1) * at(masses, len(masses) - 1))
