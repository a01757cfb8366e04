"""Solves with I - aQ for a generator Q on a line or a ring of cells.

Elimination follows Grassmann, Taksar & Heyman (Oper. Res. 33 (1985) 1107): cells are eliminated from left to right, and
each pivot is rebuilt from the known column sum (1, plus what leaves through an absorbing wall) and the open rates. No
number is ever subtracted, so every entry of (I - aQ)^-1 b with b >= 0 keeps its relative accuracy, far tails included,
and nothing needs pivoting. The last cell is kept to the end: it collects the fill of the two corners of a ring, which
is zero on a line.

A recurrence over cells waits for each division. So a long line is cut into ``LANES`` pieces that are eliminated side by
side, all but their last cells; these, and the few cells that are left over, are a ring of their own. In each piece the
last cell of the piece before stands where on a ring the last cell does: the fill is what a ring has.

``eliminate``, ``forth`` and ``back`` take numbers or lanes (see ``at``): one line, its pieces, or lines side by side.
"""

from __future__ import annotations

import numpy as np

from fpsde.fokker_planck.lanes import LANES, at, put
from fpsde.jit import inlined, kernel

#: Cells from which on a line is cut into pieces: below it, the ring of their ends costs more than they save.
CUT = 16 * LANES


@kernel()
def factorise(left, right, low_exit, high_exit, a):
    """Return the factors ``(5, n)`` of I - aQ: rows pass-right, 1/pivot, pass-left, and the two fills of a ring.

    ``left`` and ``right`` (n,) are contiguous. A pivot that is not positive (only where an exit rate is negative)
    leaves a negative or infinite 1/pivot.
    """
    n = len(left)
    factors = np.empty((5, n))
    if n < CUT:
        whole = rows(factors, 0, n)
        kept, returned, _, _ = eliminate(left, right, a, 1.0 + a * low_exit, a * right[n - 1], 1.0, True, whole)
        factors[1, n - 1] = 1.0 / (kept + (returned + a * high_exit))
        return factors
    length = n // LANES
    n_ends, after = n - LANES * (length - 1), LANES * length
    first, before = np.ones((1, LANES)), np.empty((1, LANES))
    first[0, 0] += a * low_exit
    for k in range(LANES):
        before[0, k] = a * right[k * length - 1]  # of the first piece, the last of all cells
    kept, returned, on, back_on = eliminate(
        pieces(left), pieces(right), a, at(first, 0), at(before, 0), 1.0, True, rows_of_pieces(factors)
    )
    seen = np.empty((4, LANES))
    for k, lanes in enumerate((kept, returned, on, back_on)):
        put(seen, k, lanes)
    # the ring of the ends: rates times a, and column sums
    to_left, to_right, sums = np.empty(n_ends), np.empty(n_ends), np.ones(n_ends)
    to_left[LANES:], to_right[LANES:] = a * left[after:], a * right[after:]
    to_left[:LANES], sums[:LANES] = seen[3], seen[0]
    to_right[LANES - 1] = a * right[after - 1]
    for k in range(LANES):
        to_right[k - 1], sums[k - 1] = seen[2, k], sums[k - 1] + seen[1, k]
    sums[n_ends - 1] += a * high_exit
    ends = rows(factors, LANES * (length - 1), n)
    kept_end, returned_end, _, _ = eliminate(to_left, to_right, 1.0, sums[0], to_right[n_ends - 1], sums, True, ends)
    factors[1, n - 1] = 1.0 / (kept_end + returned_end)
    return factors


@kernel()
def solve(factors, b):
    """Replace ``b``, contiguous, by (I - aQ)^-1 b.

    ``b`` (n,) with the factors ``(5, n)`` of a line or a ring, or (n, LANES) with those of lines side by side,
    ``(3, n, LANES)``, or of rings, ``(5, n, LANES)``.
    """
    if b.ndim == 2:
        solve_lanes(factors, b)
        return
    n = len(b)
    if n < CUT:
        solve_whole(rows(factors, 0, n), b, True)
        return
    length = n // LANES
    n_ends, after = n - LANES * (length - 1), LANES * length
    inner, lanes = rows_of_pieces(factors), pieces(b)
    on, collected = forth(inner, lanes, lanes, True)
    row, ends = np.empty((2, LANES)), np.empty(n_ends)
    put(row, 0, on)
    put(row, 1, collected)
    ends[LANES:] = b[after:]
    for k in range(LANES):
        ends[k] = b[(k + 1) * length - 1] + row[0, k]
    for k in range(LANES):
        ends[k - 1] += row[1, k]
    solve_whole(rows(factors, LANES * (length - 1), n), ends, True)
    b[after:] = ends[LANES:]
    for k in range(LANES):
        b[(k + 1) * length - 1] = ends[k]
        row[0, k], row[1, k] = ends[k], ends[k - 1]
    back(inner, lanes, at(row, 0), at(row, 1), True)


@kernel()
def pieces(cells):
    """Return the pieces of a line as the lanes of rows, a view ``(length, LANES)``."""
    length = len(cells) // LANES
    return cells[: LANES * length].reshape(LANES, length).T


@kernel()
def rows(factors, begin, end):
    """Return the rows of factors ``(5, n)`` from one cell to another."""
    return (
        factors[0, begin:end], factors[1, begin:end], factors[2, begin:end], factors[3, begin:end],
        factors[4, begin:end],
    )  # fmt: skip


@kernel()
def rows_of_pieces(factors):
    """Return the rows of factors with the cells of the pieces in lanes, each ``(length, LANES)``.

    The last of them, and what follows, are the factors of the ring of the ends.
    """
    length = factors.shape[1] // LANES
    a, b, c, d, e = rows(factors, 0, LANES * length)
    shape = (length, LANES)
    return a.reshape(shape), b.reshape(shape), c.reshape(shape), d.reshape(shape), e.reshape(shape)


@kernel()
def factorise_lanes(left, right, exits, a, factors):
    """Write the factors ``(3, n, LANES)`` of lines side by side, or ``(5, n, LANES)`` of rings.

    ``left`` and ``right`` are ``(n, LANES)``, and ``exits`` ``(2, LANES)``, the rates into the low and the high wall.
    """
    last, ring, whole = len(left) - 1, len(factors) == 5, rows_of_lanes(factors)
    first, before = 1.0 + a * at(exits, 0), a * at(right, last)
    kept, returned, _, _ = eliminate(left, right, a, first, before, 1.0, ring, whole)
    put(factors[1], last, 1.0 / (kept + (returned + a * at(exits, 1))))


@kernel()
def rows_of_lanes(factors):
    """Return five rows of the factors of lines side by side; the last two are read on rings alone."""
    fills = 3 if len(factors) == 5 else 0
    return factors[0], factors[1], factors[2], factors[fills], factors[fills + 1]


@kernel()
def solve_lanes(factors, b):
    """As :func:`solve`, of lines or rings side by side."""
    solve_whole(rows_of_lanes(factors), b, len(factors) == 5)


@kernel()
def solve_transposed_lanes(factors, b):
    """Replace ``b`` by the solution of (I - aQ)^T u = b, of lines or rings side by side."""
    on, inverse, back_on, to_row, from_row = rows_of_lanes(factors)
    solve_whole((back_on, inverse, on, from_row, to_row), b, len(factors) == 5)


@kernel()
def solve_whole(factors, b, closed):
    """Replace ``b`` by the solution on whole lines, ``closed`` to rings or not; ``factors`` are the five rows."""
    end = solved_last(factors, b, b, closed)
    put(b, len(b) - 1, end)
    back(factors, b, end, end, closed)


@inlined
def solved_last(factors, b, out, closed):
    """Eliminate all cells but the last, from ``b`` to ``out``; return the solution of the last cell."""
    last = len(b) - 1
    on, collected = forth(factors, b, out, closed)
    return ((at(b, last) + on) + collected) * at(factors[1], last)


@kernel()
def eliminate(left, right, a, kept, from_before, sums, closed, factors):
    """Eliminate all cells but the last; write the five rows of factors for them.

    ``kept`` is the column sum of the first cell and ``sums`` are those of the others; ``from_before`` is a times the
    rate into the first cell from the cell that stands before it, if the line is ``closed`` by one. Returns what is
    then the column sum of the last cell, what is added to that of the cell before, and a times the rates from the cell
    before to the last cell and back.
    """
    pass_right, inverse, pass_left, to_row, from_row = factors
    to_before = a * at(left, 0)
    returned = 0.0 * kept
    for i in range(len(left) - 1):
        to_next, to_here = a * at(right, i), a * at(left, i + 1)
        out = kept + to_next
        if closed:
            out = out + to_before
        pivot = 1.0 / out
        on, here = to_next * pivot, to_here * pivot
        put(pass_right, i, on)
        put(inverse, i, pivot)
        put(pass_left, i, here)
        if closed:
            put(to_row, i, to_before * pivot)
            put(from_row, i, from_before * pivot)
            returned = returned + from_before * kept * pivot
            from_before = from_before * on
            to_before = to_before * here
        kept = at(sums, i + 1) + here * kept
    return kept, returned, from_before, to_before


@inlined
def forth(factors, b, out, closed):
    """Eliminate all cells but the last, from ``b`` to ``out``, which may be one.

    Returns what goes on to the last cell, and to the cell before the first.
    """
    pass_right, to_row = factors[0], factors[3]
    on = 0.0 * at(b, 0)
    collected = on
    for i in range(len(b) - 1):
        y = at(b, i) + on
        put(out, i, y)
        on = at(pass_right, i) * y
        if closed:
            collected = collected + at(to_row, i) * y
    return on, collected


@kernel()
def back(factors, b, end, before, closed):
    """Write the solution to all cells but the last, from that of the last cell, ``end``, and of the cell before."""
    u = end
    for i in range(len(b) - 2, -1, -1):
        u = solved(factors, b, i, u, before, closed)
        put(b, i, u)


@inlined
def solved(factors, b, i, after, before, closed):
    """Return the solution of cell ``i`` from that of the next cell, ``after``, and of the cell before the first."""
    inverse, pass_left, from_row = factors[1], factors[2], factors[4]
    y = at(inverse, i) * at(b, i)
    if closed:
        y = y + at(from_row, i) * before
    return y + at(pass_left, i) * after
