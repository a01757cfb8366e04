"""Rates of a Markov chain on cells from the coefficients on their edges.

On the edge between the centres of cells i and i + 1, with q = D p and w = integral of mu/D along the edge, the flux
that is exact where J and mu/D are constant is (Scharfetter & Gummel 1969; Chang & Cooper 1970 for constant D)

    J = [B(-w) q_i - B(w) q_(i+1)] / (x_(i+1) - x_i),      B(z) = z / (e^z - 1).

It needs no derivative of D, and vanishes where q_(i+1) = e^w q_i: the stationary law (1/D) exp(integral of mu/D) is
exact at the cell centres. Second order in the cell width while w is moderate. Where there is no noise it is upwind.
"""

from __future__ import annotations

import numpy as np

from fpsde.fokker_planck.bernoulli import bernoulli_of, doubled, doublings_to
from fpsde.fokker_planck.lanes import LANES, at, eight, larger, put, put_eight, smaller
from fpsde.jit import kernel
from fpsde.primitives import where


@kernel(portable=True)
def frozen_fluxes(mu, d, weights, lengths, per_edge, periodic, absorbs, rates, exits, w):
    """Write what :func:`scharfetter_gummel` writes, from mu at the nodes in place of mu/D."""
    ratio = np.empty(len(mu))
    among_nodes = d[len(d) - len(mu) :]
    for i in range(len(mu)):
        ratio[i] = mu[i] / among_nodes[i]
    scharfetter_gummel(ratio, d, weights, lengths, per_edge, periodic, absorbs, rates, exits, w)


@kernel(portable=True)
def scharfetter_gummel(ratio, d, weights, lengths, per_edge, periodic, absorbs, rates, exits, w):
    """Write the rates to the left and to the right (2, n), those into walls (2, step), and the exponents of the edges.

    Cells of ``step`` lines may lie side by side: edge i, with the exponent ``w[i]``, joins cell i to i + step, and the
    last edges are seams. ``d`` begins with D at the n centres; ``ratio``, ``(n_nodes (n + 2 step),)`` in all, is mu/D
    at each node with its ``weights`` (n_nodes,) on all edges, and on the ways from the first cells to the low wall and
    from the last to the high one; ``lengths`` (n + 2 step,) are theirs, with signs. ``per_edge`` (2, n) is
    1 / (length * width) of an edge and the cell before and after it.
    """
    n, step = len(w), exits.shape[1]
    last, size = n - step, n + 2 * step
    whole = (n if step % LANES == 0 else last) // LANES * LANES
    largest, most = np.zeros((1, LANES)), 0.0
    lanes = at(largest, 0)
    for i in range(0, whole, LANES):
        z = eight(lengths, i) * eight_means(ratio, weights, size, i)
        put_eight(w, i, z)
        lanes = larger(larger(z, 0.0 - z), lanes)
    for i in range(whole, n):
        w[i] = lengths[i] * along_edge(ratio, weights, size, i)
        most = larger(abs(w[i]), most)
    put(largest, 0, lanes)
    doublings = doublings_to(max(most, largest.max()))
    part = 0.5**doublings
    b = np.empty(n)  # B(|w|)
    if doublings < 0:
        for i in range(n):
            b[i] = bernoulli_of(abs(w[i]))
    left, right = rates[0], rates[1]
    before, after = per_edge[0], per_edge[1]
    for i in range(0, whole, LANES):
        z, head = eight(w, i), head_of(i, step, last)
        known = doubled(part * larger(z, 0.0 - z), doublings) if doublings >= 0 else eight(b, i)
        q = eight(d, i) * eight(before, i), eight(d, head) * eight(after, i)
        up, down = both_ways(z, known, q[0], q[1])
        put_eight(right, i, up)
        put_eight(left, head, down)
    for i in range(whole, n):
        head = head_of(i, step, last)
        known = doubled(part * abs(w[i]), doublings) if doublings >= 0 else b[i]
        right[i], left[head] = both_ways(w[i], known, d[i] * before[i], d[head] * after[i])
    if not periodic:
        left[:step] = 0.0
        right[last:] = 0.0
    exits[:] = 0.0
    for side in range(2):
        if absorbs[side]:
            for i in range(step):
                k = n + side * step + i
                outwards = lengths[k] * along_edge(ratio, weights, size, k)
                exits[side, i] = into_wall(outwards, d[side * last + i], lengths[k])


@kernel(portable=True)
def head_of(edge, step, last):
    """Return the cell at the upper end of an edge, the first of its line if the edge is the seam."""
    return edge + step if edge < last else edge - last


@kernel(portable=True)
def both_ways(w, small, before, after):
    """Return the rates along an edge and back: B(-w) and B(w), of which ``small`` is that of |w|, times q at its ends.

    B(-|w|) = B(|w|) + |w|.
    """
    return (small + larger(w, 0.0)) * before, (small - smaller(w, 0.0)) * after


@kernel(portable=True)
def into_wall(outwards, d, length):
    """Return the rate into an absorbing wall, where q = 0, from ``outwards``, the integral of mu/D on the way there."""
    return bernoulli_of(-outwards) * d / (2.0 * length * length)


@kernel(portable=True)
def frozen_edge(w, d, d_ahead, before, after):
    """Return the rates along one edge and back; ``before`` and ``after`` are what it has in ``per_edge``."""
    return both_ways(w, bernoulli_of(larger(w, 0.0 - w)), d * before, d_ahead * after)


@kernel()
def upwind(mu, weights, lengths, per_edge, periodic, absorbs, rates, exits):
    """Write the rates to the left and to the right (2, n), and those into walls (2, step), where there is no noise.

    Mass moves with the mean of mu along an edge, in its direction. Arguments as of :func:`scharfetter_gummel`, with
    ``mu`` in place of mu/D.
    """
    n, step = rates.shape[1], exits.shape[1]
    last, size = n - step, n + 2 * step
    mean = np.empty(size)
    for i in range(size):
        mean[i] = along_edge(mu, weights, size, i)
    left, right = rates[0], rates[1]
    before, after = per_edge[0], per_edge[1]
    down = left[step:]
    for i in range(last):
        right[i], down[i] = upwind_edge(mean[i], lengths[i], before[i], after[i])
    for i in range(last, n):
        right[i], left[i - last] = upwind_edge(mean[i], lengths[i], before[i], after[i])
    if not periodic:
        left[:step] = 0.0
        right[last:] = 0.0
    for side in range(2):
        for i in range(step):
            k = n + side * step + i
            exits[side, i] = carried_into_wall(mean[k], lengths[k]) if absorbs[side] else 0.0


@kernel(portable=True)
def ahead(speed):
    """Return the speed of what moves ahead: nothing where it is negative."""
    return where(speed < 0.0, 0.0, speed)


@kernel(portable=True)
def upwind_edge(mean, length, before, after):
    """Return the rates along one edge and back where there is no noise, as :func:`upwind` writes them."""
    return ahead(mean) * (length * before), ahead(0.0 - mean) * (length * after)


@kernel(portable=True)
def carried_into_wall(mean, length):
    """Return the rate into an absorbing wall where there is no noise; a length has the sign of the way there."""
    return ahead(mean / (2.0 * length))


@kernel(portable=True)
def along_edge(values, weights, size, i):
    """Return the mean along edge ``i`` of what is given at each node on all of the edges, ``(n_nodes size,)``."""
    mean = weights[0] * values[i]
    for k in range(1, len(weights)):
        mean += weights[k] * values[k * size + i]
    return mean


@kernel(portable=True)
def eight_means(values, weights, size, i):
    """As :func:`along_edge`, of the eight edges from ``i`` on."""
    mean = weights[0] * eight(values, i)
    for k in range(1, len(weights)):
        mean = mean + weights[k] * eight(values, k * size + i)
    return mean
