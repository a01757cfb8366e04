"""The Fokker-Planck operator of one component as the generator of a Markov chain on cells.

    dp/dt = -(mu p)' + (D p)'' = -J',      J = mu p - (D p)'                        (Ito form)

On the edge between the centres of cells i and i + 1, with q = D p and w = integral of mu/D along the edge, the flux
that is exact where J and mu/D are constant is (Scharfetter & Gummel 1969; Chang & Cooper 1970 for constant D)

    J = [B(-w) q_i - B(w) q_(i+1)] / (x_(i+1) - x_i),      B(z) = z / (e^z - 1).

It needs no derivative of D, and vanishes where q_(i+1) = e^w q_i: the stationary law (1/D) exp(integral of mu/D) is
exact at the cell centres. Rates are not negative and each column sums to zero but for what leaves through an absorbing
wall, so that exp(tQ) and (I - aQ)^-1 are positive and keep mass. Second order in the cell width while w is moderate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsde.cached import cached_property
from fpsde.errors import InvalidInput
from fpsde.fokker_planck.coefficients import LEAST, beyond, drift_and_diffusivity
from fpsde.fokker_planck.elimination import factorise
from fpsde.fokker_planck.lanes import LANES, at, eight, fused, larger, put, put_eight, smaller
from fpsde.fokker_planck.sides import Sides, sides_of
from fpsde.fokker_planck.steepness import steepest_on_line
from fpsde.grid import Grid
from fpsde.jit import kernel
from fpsde.numba_text import elementary_function
from fpsde.optional import installed
from fpsde.primitives import where
from fpsde.validation import finite


def half_cell_rule(points: int) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes and weights of a Gauss rule on (0, 1), for each half cell."""
    nodes, weights = np.polynomial.legendre.leggauss(points)
    return 0.5 * (1 + nodes), 0.5 * weights


_NODES, _WEIGHTS = half_cell_rule(4)
#: Nodes on (0, 1) and weights for an edge, ``(2, n_nodes)``: eight leave nothing of the error of integrating mu/D, so
#: that the stationary law is exact at centres. Where coefficients depend on time there is no such law, and two, of
#: order 4, cost a quarter.
EDGE_RULE = np.stack([np.r_[0.5 * _NODES, 0.5 + 0.5 * _NODES], np.r_[0.5 * _WEIGHTS, 0.5 * _WEIGHTS]])
QUICK_RULE = np.stack(half_cell_rule(2))


#: Up to here the polynomial in :func:`_near_zero` is off by 2e-17 at most.
NEAR_ZERO = 2.0
#: Each doubling adds a unit or two in the last place.
MOST_DOUBLINGS = 1
_expm1 = elementary_function("expm1_")


def bernoulli(z: Any) -> np.ndarray:
    """Return B(z) = z / (e^z - 1), same shape as ``z``, to a few units in the last place; 0 where it underflows."""
    z = np.asarray(z, dtype=float)
    if not installed("numba"):
        return _bernoulli(z)  # the same text, on all of them at once
    return _each(z.ravel()).reshape(z.shape)


@kernel()
def _each(z):
    out = np.empty(len(z))
    for i in range(len(z)):
        out[i] = _bernoulli(z[i])
    return out


@kernel(portable=True)
def _bernoulli(z):
    return where(z == 0.0, 1.0, z / _expm1(z))


@kernel(portable=True)
def _near_zero(z):
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
    b = _near_zero(part)
    for _ in range(count):
        twice = 2.0 * b
        b = twice * b / (twice + part)
        part = 2.0 * part
    return b


@dataclass(frozen=True)
class Generator:
    """A one-dimensional Markov generator Q: dm/dt = Q m for the cell masses m (n,).

    ``left`` and ``right`` (n,) are the rates (1/time) from each cell to its neighbours; ``left[0]`` and ``right[-1]``
    lead across the seam of a periodic grid and are zero on all others. ``exits`` are the rates out of the first and
    the last cell through an absorbing wall. ``exponents`` are w on the n - 1 inner edges, and on the seam where there
    is one: |w| is the Peclet number of the edge. ``flux`` names the discretisation, for provenance.
    """

    grid: Grid
    left: np.ndarray
    right: np.ndarray
    exits: tuple[float, float]
    exponents: np.ndarray
    periodic: bool = False
    flux: str = "Scharfetter-Gummel"

    def __post_init__(self) -> None:
        for name, rates in (("left", self.left), ("right", self.right)):
            if rates.shape != self.grid.shape:
                raise InvalidInput(f"{name} has shape {rates.shape}, the grid {self.grid.shape}; they must agree")
            if beyond(rates, LEAST):
                i = int(np.argmin((rates >= 0) & np.isfinite(rates)))
                raise InvalidInput(
                    f"{name}[{i}]={rates[i]} at x={self.grid.centres[i]}; rates must be finite and not negative"
                )

    @property
    def lower(self) -> np.ndarray:
        """The sub-diagonal ``(n - 1,)``: the rates from cell i to i + 1."""
        return self.right[:-1]

    @property
    def upper(self) -> np.ndarray:
        """The super-diagonal ``(n - 1,)``: the rates from cell i + 1 to i."""
        return self.left[1:]

    @property
    def out_rates(self) -> np.ndarray:
        """The total rate out of each cell, -Q_ii, ``(n,)``."""
        out = self.left + self.right
        out[0] += self.exits[0]
        out[-1] += self.exits[1]
        return out

    @property
    def diag(self) -> np.ndarray:
        """The diagonal ``(n,)``: minus the total rate out of each cell."""
        return -self.out_rates

    @cached_property
    def open_rates(self) -> tuple[np.ndarray, np.ndarray]:
        """The rates to the left and to the right on a line, each ``(n,)``, those into absorbing walls included."""
        left, right = self.left.copy(), self.right.copy()
        left[0], right[-1] = self.exits
        return left, right

    @property
    def max_rate(self) -> float:
        """The largest total rate out of a cell, max |Q_ii|, 1/time."""
        return float(self.out_rates.max())

    def steepest(self, masses: np.ndarray) -> tuple[float, float]:
        """Return how steep mu/D is where the masses are, as :func:`steepest_on_line` does."""
        return steepest_on_line(self.grid.faces, self.exponents, masses, self.periodic)

    def currents(self, masses: np.ndarray) -> np.ndarray:
        """Return the mass that crosses the right-hand edge of each cell per time, ``(n,)``; the last is the seam's."""
        return self.right * masses - np.roll(self.left * masses, -1)

    def apply(self, masses: np.ndarray) -> np.ndarray:
        """Return Q m as differences of edge currents, ``(n,)``."""
        current = self.currents(masses)
        change = np.roll(current, 1) - current
        change[0] -= self.exits[0] * masses[0]
        change[-1] -= self.exits[1] * masses[-1]
        return change

    def apply_transposed(self, u: np.ndarray) -> np.ndarray:
        """Return Q^T u, ``(n,)``, in differences of u: the rate of change of a mean, going back in time."""
        change = self.right * (np.roll(u, -1) - u) + self.left * (np.roll(u, 1) - u)
        change[0] -= self.exits[0] * u[0]
        change[-1] -= self.exits[1] * u[-1]
        return change

    def earned_at_walls(self, values: np.ndarray) -> np.ndarray:
        """Return what arriving at walls adds to the rate of change of a mean, ``(n,)``: ``values`` (2,) hold there."""
        earned = np.zeros(self.grid.shape)
        earned[0] += self.exits[0] * values[0]
        earned[-1] += self.exits[1] * values[1]
        return earned

    def factors(self, a: float) -> np.ndarray:
        """Return the factors of I - aQ, ``(5, n)``, for ``solve``."""
        return factorise(np.ascontiguousarray(self.left), np.ascontiguousarray(self.right), *self.exits, a)

    def dense(self) -> np.ndarray:
        """Return Q as an array ``(n, n)``, for oracles on small grids."""
        q = np.diag(self.diag) + np.diag(self.lower, -1) + np.diag(self.upper, 1)
        q[-1, 0] += self.left[0]
        q[0, -1] += self.right[-1]
        return q


#: A function that builds the generator of a process on a grid at a time, as :func:`assemble` does.
Assemble = Callable[[Any, Grid, float], Generator]


def assemble(process: Any, grid: Grid, t: float = 0.0) -> Generator:
    """Return the Scharfetter-Gummel generator of ``process`` on ``grid`` at time ``t``.

    ``process`` has ``ito_drift(x, t)``, ``diffusivity(x, t)`` (arrays to arrays) and a ``domain``. The flux is zero
    through a reflecting wall, an end that cannot be reached, and an end of the grid inside the domain; an absorbing
    wall holds q = 0 at half a cell's distance; a periodic seam is an edge like any other. Coefficients are read at the
    centres and between them, never at an end: D may vanish there.

    Raises
    ------
    InvalidInput
        if the grid leaves the domain, or mu or D is not finite, or D not positive, somewhere inside (it says where).
    """
    sides = sides_of(process.domain, grid)
    t = finite("t", t)
    edges = EdgePoints.of(grid, sides, QUICK_RULE if process.time_dependent else EDGE_RULE)
    n, rates, exits, w = grid.shape[0], np.empty((2, *grid.shape)), np.empty((2, 1)), np.empty(grid.shape)
    mu, d = drift_and_diffusivity(process, edges.points, t, drift_from=n)
    frozen_fluxes(mu, d, *edges.geometry, rates, exits, w)
    low, high = exits[:, 0].tolist()
    return Generator(grid, rates[0], rates[1], (low, high), w if sides.periodic else w[:-1], sides.periodic)


@dataclass(frozen=True, eq=False)
class EdgePoints:
    """Where the coefficients of a line are read, ``(n + n_nodes (n + 2),)``, and what the fluxes are made of.

    First come the centres of the cells, then for each node of the rule its place on the n edges and on the way to the
    low and the high wall. Edge i joins cell i to i + 1, the last is the seam. Where there is no seam, or no wall that
    absorbs, the place is a centre, and what is read there is not used.
    """

    points: np.ndarray
    weights: np.ndarray
    lengths: np.ndarray
    per_edge: np.ndarray
    periodic: bool
    absorbs: np.ndarray

    @classmethod
    def of(cls, grid: Grid, sides: Sides, rule: np.ndarray) -> EdgePoints:
        """Return the points and the geometry of a line of cells for a ``rule`` (2, n_nodes) on (0, 1)."""
        n, periodic, absorbs = grid.shape[0], sides.periodic, np.array(sides.absorbing)
        points, lengths, per_edge = np.empty(n + rule.shape[1] * (n + 2)), np.empty(n + 2), np.empty((2, n))
        place_on_edges(grid.faces, rule[0], periodic, absorbs, points, lengths, per_edge)
        return cls(points, rule[1], lengths, per_edge, periodic, absorbs)

    @property
    def geometry(self) -> tuple[Any, ...]:
        """The arguments of :func:`scharfetter_gummel` that it gives."""
        return self.weights, self.lengths, self.per_edge, self.periodic, self.absorbs


@kernel(portable=True)
def place_on_edges(faces, nodes, periodic, absorbs, points, lengths, per_edge):
    """Write what :class:`EdgePoints` has of these names, for ``nodes`` (n_nodes,) on (0, 1)."""
    n = len(faces) - 1
    half = np.empty(n)
    for i in range(n):
        half[i] = 0.5 * (faces[i + 1] - faces[i])
        points[i] = 0.5 * (faces[i + 1] + faces[i])
    for i in range(n):
        after = half[i + 1] if i < n - 1 else half[0]
        lengths[i] = half[i] + after
        per_edge[0, i], per_edge[1, i] = 0.5 / (lengths[i] * half[i]), 0.5 / (lengths[i] * after)
    lengths[n], lengths[n + 1] = -half[0], half[n - 1]
    for k in range(len(nodes)):
        at, node = points[n + k * (n + 2) : n + (k + 1) * (n + 2)], nodes[k]
        for i in range(n):
            at[i] = points[i] + node * lengths[i]
        at[n - 1] = points[n - 1] + node * lengths[n - 1] * periodic
        at[n] = points[0] + node * lengths[n] * absorbs[0]
        at[n + 1] = points[n - 1] + node * lengths[n + 1] * absorbs[1]
        if periodic and at[n - 1] > faces[n]:  # the seam leads on to where the grid begins
            at[n - 1] -= faces[n] - faces[0]


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
            b[i] = _bernoulli(abs(w[i]))
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
    return _bernoulli(-outwards) * d / (2.0 * length * length)


@kernel(portable=True)
def frozen_edge(w, d, d_ahead, before, after):
    """Return the rates along one edge and back; ``before`` and ``after`` are what it has in ``per_edge``."""
    return both_ways(w, _bernoulli(larger(w, 0.0 - w)), d * before, d_ahead * after)


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
