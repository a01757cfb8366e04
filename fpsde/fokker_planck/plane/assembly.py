"""The Fokker-Planck operator of two components as the generator of a Markov chain on cells.

    dp/dt = -d_i(mu_i p) + d_i d_j(D_ij p)                                          (Ito form)

Pointwise D = sum_k rho_k e_k e_k^T with vectors e_k between cells and rho_k >= 0, so that d_i d_j(D_ij p) is the sum of
the second derivatives of rho_k p along e_k; with mu = sum_k c_k e_k the equation falls into one-dimensional ones, each
with the flux of Scharfetter and Gummel (see ``generator``) along e_k. The c_k that balance the Peclet numbers, with
minimal sum of c_k^2 / rho_k, have c_k/rho_k = e_k.(D^-1 mu), whatever the e_k are: w is the integral of D^-1 mu along
the edge, and the law exp(-U) of a constant D with mu = -D grad U is exact at the cell centres. For a D without D_12 the
e_k are the axes, on any grid; otherwise those of ``lattice``, on equal cells. Order 2 in the cell width.

Where there is no noise along an axis, mass moves along it upwind, with order 1; if the process states its stationary
law, so that this law is exact (see ``stream``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fpsde.domain import Wall
from fpsde.errors import InvalidInput
from fpsde.fokker_planck.bernoulli import bernoulli
from fpsde.fokker_planck.plane.coefficients import Coefficients, noisy_axes, plane_sides
from fpsde.fokker_planck.plane.generator import Edges, PlaneGenerator, Share, neighbours
from fpsde.fokker_planck.plane.lattice import offsets_and_weights
from fpsde.fokker_planck.plane.stream import Stream, stream_of
from fpsde.fokker_planck.seven_points import NEIGHBOURS, seven_point_weight
from fpsde.fokker_planck.sides import Sides
from fpsde.grid import Grid
from fpsde.validation import finite

#: Cells are equal if their widths differ by less than this part.
EQUAL = 1e-9
#: The fluxes, for provenance.
FITTED, UPWIND = "Scharfetter-Gummel", "Scharfetter-Gummel, upwind along the axis without noise"

#: A function that builds the generator of a process on a grid at a time, as :func:`assemble_plane` does.
AssemblePlane = Callable[[Any, Grid, float], PlaneGenerator]


def assemble_plane(process: Any, grid: Grid, t: float = 0.0) -> PlaneGenerator:
    """Return the generator of a ``process`` of two components on a two-dimensional ``grid`` at time ``t``.

    ``process`` has ``ito_drift(x, t)`` (2, n), ``diffusivity(x, t)`` (2, 2, n) at points x (2, n), ``intervals`` and
    ``name``. The total flux is zero through a reflecting wall, an end that cannot be reached, and an end of the grid
    inside the domain (with correlated noise this reflects along D n, the co-normal); an absorbing wall holds D p = 0; a
    periodic seam is an edge like any other.

    Raises
    ------
    InvalidInput
        if the grid leaves the domain; if mu or D is not finite, or D not positive semi-definite, somewhere (it says
        where); if D has no noise along an axis at some points only, along both axes, or along a direction that is no
        axis; if noise is correlated and the cells are not equal; for a reflecting wall across an axis without noise.
    """
    return generator_of(Coefficients(process, grid, finite("t", t), plane_sides(process, grid)))


def generator_of(read: Coefficients) -> PlaneGenerator:
    """Return the generator whose coefficients ``read`` reads, as :func:`assemble_plane`."""
    grid, d = read.grid, read.d
    if d[0, 1].any():
        return _correlated(read)
    noisy = noisy_axes(d)
    _refuse_silence(read, noisy)
    stream = stream_at(read)
    if stream is not None:
        edges = stream.edges(grid, d, noisy.index(True), read.sides)
        return PlaneGenerator(grid, edges, np.zeros((4, d.shape[-1])), UPWIND)
    parts = [(_noisy_axis if noisy[axis] else _silent_axis)(read, axis) for axis in (0, 1)]
    families, exits = [edges for edges, _ in parts], np.concatenate([exits for _, exits in parts])
    return PlaneGenerator(grid, families, exits, FITTED if all(noisy) else UPWIND)


def stream_at(read: Coefficients) -> Stream | None:
    """Return the stream that keeps the law that a process states, if there is no noise along an axis, and no exit."""
    if all(noisy_axes(read.d)) or any(any(side.absorbing) for side in read.sides):
        return None
    return stream_of(read.process)


def _refuse_silence(read: Coefficients, noisy: tuple[bool, bool]) -> None:
    if not any(noisy):
        raise InvalidInput(
            f"{read.process.name} has no noise on this grid at t={read.t}; its law obeys no such equation"
        )
    for axis, sides in enumerate(read.sides):
        if not noisy[axis] and Wall.REFLECTING in sides.walls:
            raise InvalidInput(
                f"component {axis} of {read.process.name} has a reflecting wall and no noise: the wall would have to "
                "turn a velocity; put no wall there, and a steep potential in its place"
            )


def _next(axis: int) -> tuple[int, int]:
    """Return the offset to the next cell of an axis."""
    return (1 - axis, axis)


def jumps(offset: tuple[int, int], tails: np.ndarray, heads: np.ndarray, q: tuple, w: np.ndarray) -> Edges:
    """Return edges with the flux B(-w) q_tail p_tail - B(w) q_head p_head, ``q`` being the pair of (m,)."""
    return Edges(offset, tails, heads, bernoulli(-w) * q[0], bernoulli(w) * q[1], w)


def _noisy_axis(read: Coefficients, axis: int) -> tuple[Edges, np.ndarray]:
    """Return the edges along an axis with noise, and the exits at its ends ``(2, n)``."""
    x, rate = read.x, read.d[axis, axis]
    read.refuse_silent(axis, x, read.d)
    tails, heads, length, h = neighbours(read.grid, axis, periodic=read.sides[axis].periodic)
    w = read.axis_exponents(axis, x[:, tails], length)
    q = tuple(rate[cells] / (h[cells] * length) for cells in (tails, heads))

    def leaving(cells: np.ndarray, half: np.ndarray) -> np.ndarray:
        outwards = read.axis_exponents(axis, x[:, cells], half)
        return bernoulli(-outwards) * rate[cells] / (h[cells] * np.abs(half))

    return jumps(_next(axis), tails, heads, q, w), _exits(read, axis, h, leaving)


def _silent_axis(read: Coefficients, axis: int) -> tuple[Edges, np.ndarray]:
    """Return the upwind edges along an axis without noise, and the exits at its ends ``(2, n)``."""
    x = read.x
    tails, heads, length, h = neighbours(read.grid, axis, periodic=read.sides[axis].periodic)
    mu = read.axis_drifts(axis, x[:, tails], length)
    up, down = np.maximum(mu, 0.0) / h[tails], np.maximum(-mu, 0.0) / h[heads]

    def leaving(cells: np.ndarray, half: np.ndarray) -> np.ndarray:
        outwards = np.sign(half) * read.axis_drifts(axis, x[:, cells], half)
        return np.maximum(outwards, 0.0) / h[cells]

    return Edges(_next(axis), tails, heads, up, down, np.zeros_like(up)), _exits(read, axis, h, leaving)


def _exits(read: Coefficients, axis: int, h: np.ndarray, leaving: Callable) -> np.ndarray:
    out = np.zeros((2, len(h)))
    if not any(read.sides[axis].absorbing):
        return out
    ids = np.moveaxis(np.arange(len(h)).reshape(read.grid.shape), axis, 0)
    for side, absorbs in enumerate(read.sides[axis].absorbing):
        if absorbs:
            cells = ids[-side]
            out[side, cells] = leaving(cells, (0.5 if side else -0.5) * h[cells])
    return out


def _correlated(read: Coefficients) -> PlaneGenerator:
    d = read.d
    read.refuse_singular(read.x, d)
    h = equal_widths(read.process, read.grid)
    jumping = _to_neighbours(read, h)
    if min(rho.min() for _, rho in jumping) < 0:
        jumping = _to_lattice(read, h)
    families: list[Edges] = []
    leaving, exits = list[Share](), np.zeros((4, d.shape[-1]))
    for offset, rho in jumping:
        if rho.any():
            for sign in (-1, 1):
                leaving += _lattice_exits(read, h, rho, sign * offset, len(families))
            families.append(_lattice_edges(read, h, rho, offset))
    for _, wall, cells, rates in leaving:
        exits[wall, cells] += rates
    shares = [each._replace(part=_part(each.part, exits[each.wall, each.cells])) for each in leaving]
    return PlaneGenerator(read.grid, families, exits, FITTED, shares)


def _part(rates: np.ndarray, of: np.ndarray) -> np.ndarray:
    """Return rates over their sums; 0 where a sum is, as where the drift away from a wall makes rates underflow."""
    return np.divide(rates, of, out=np.zeros_like(of), where=of > 0)


#: Offsets of jumps and their weights (n,); one offset may come twice.
Jumps = list[tuple[np.ndarray, np.ndarray]]


def _to_neighbours(read: Coefficients, h: np.ndarray) -> Jumps:
    """Return the jumps of the seven-point stencil; there are negative weights where it is not enough."""
    beside = [0.5 * beside_walls(read.grid, read.sides, axis).ravel() for axis in (0, 1)]
    return [(np.array(e), seven_point_weight(e, read.d, h, beside[e.index(1) ^ 1])) for e in NEIGHBOURS]


def _to_lattice(read: Coefficients, h: np.ndarray) -> Jumps:
    """Return the jumps along Selling's vectors, which are as long as noise is narrow."""
    d = read.d
    scaled = d[0, 0] / h[0] ** 2, d[0, 1] / (h[0] * h[1]), d[1, 1] / h[1] ** 2
    vectors, weights = offsets_and_weights(*scaled)
    jumping = [
        (offset, np.where((vectors == offset[:, None]).all(axis=1), weights, 0.0).sum(axis=0))
        for offset in _distinct(vectors)
    ]
    walls = [(np.array(_next(1 - axis)), _along_walls(read, scaled, vectors, weights, axis)) for axis in (0, 1)]
    return jumping + walls


def beside_walls(grid: Grid, sides: tuple[Sides, Sides], axis: int) -> np.ndarray:
    """Return which cells lie beside a wall without flux across ``axis``, ``(n_1, n_2)``."""
    found = np.zeros(grid.shape, dtype=bool)
    for side, absorbs in enumerate(sides[axis].absorbing):
        if not (sides[axis].periodic or absorbs):
            np.moveaxis(found, axis, 0)[-side] = True
    return found


def _distinct(vectors: np.ndarray) -> np.ndarray:
    """Return the different ones ``(m, 2)`` of integer vectors ``(3, 2, n)``: as numbers, faster than as rows."""
    far = 2 * int(np.abs(vectors).max()) + 1
    pairs = np.unique(vectors[:, 0] * far + vectors[:, 1])
    second = (pairs + far // 2) % far - far // 2
    return np.stack([(pairs - second) // far, second], axis=1)


def equal_widths(process: Any, grid: Grid) -> np.ndarray:
    """Return the widths of the cells ``(2,)`` of a grid for correlated noise; InvalidInput where they are not equal."""
    widths = [np.diff(faces) for faces in grid.axes]
    for axis, h in enumerate(widths):
        if h.max() - h.min() > EQUAL * h.max():
            raise InvalidInput(
                f"the noise of {process.name} is correlated, and the cells along axis {axis} are {h.min():.6g} to "
                f"{h.max():.6g} wide; its positive stencil needs equal cells: give Grid.uniform(...)"
            )
    return np.array([h.mean() for h in widths])


def _shifted(read: Coefficients, cells: np.ndarray, offset: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the cells that lie at ``offset`` from ``cells``, and whether the grid has them."""
    inside = np.ones(len(cells), dtype=bool)
    index = []
    for k, (start, n) in enumerate(zip(np.unravel_index(cells, read.grid.shape), read.grid.shape, strict=True)):
        there = start + offset[k]
        if not read.sides[k].periodic:
            inside &= (there >= 0) & (there < n)
        index.append(there % n)
    return np.ravel_multi_index(tuple(index), read.grid.shape), inside


def _lattice_edges(read: Coefficients, h: np.ndarray, rho: np.ndarray, offset: np.ndarray) -> Edges:
    cells = np.arange(len(rho))
    heads, inside = _shifted(read, cells, offset)
    used = inside & ((rho > 0) | (rho[heads] > 0))
    tails, heads = cells[used], heads[used]
    w = read.exponents(read.x[:, tails], np.outer(offset * h, np.ones(len(tails))))
    return jumps((int(offset[0]), int(offset[1])), tails, heads, (rho[tails], rho[heads]), w)


def _lattice_exits(read: Coefficients, h: np.ndarray, rho: np.ndarray, offset: np.ndarray, family: int) -> list[Share]:
    """Return what leaves cells whose jump along ``offset`` meets an absorbing wall first: rates in place of parts."""
    found = []
    index = np.unravel_index(np.arange(len(rho)), read.grid.shape)
    reach = np.full((2, len(rho)), np.inf)  # the part of the jump up to the end of each axis that it points to
    for axis in (0, 1):
        to_wall = index[axis] + 0.5 if offset[axis] < 0 else read.grid.shape[axis] - index[axis] - 0.5
        if offset[axis] and not read.sides[axis].periodic:
            reach[axis] = to_wall / abs(offset[axis])
    for axis, other in ((0, 1), (1, 0)):
        side = int(offset[axis] > 0)
        met = (reach[axis] < 1) & ((reach[axis] < reach[other]) | ((reach[axis] == reach[other]) & (axis == 0)))
        cells = np.flatnonzero(met & (rho > 0))
        if read.sides[axis].absorbing[side] and len(cells):
            part = reach[axis][cells]
            w = read.exponents(read.x[:, cells], np.outer(offset * h, part))
            found.append(Share(family, 2 * axis + side, cells, bernoulli(-w) * rho[cells] / part))
    return found


def _along_walls(read: Coefficients, d: tuple, vectors: np.ndarray, weights: np.ndarray, axis: int) -> np.ndarray:
    """Return the weights ``(n,)`` of additional jumps along the walls across ``axis``, in the cells beside them.

    The jumps that would cross a wall without flux are left out. For a test function u with n.D grad u = 0 on the wall,
    and so u_xy = -(D_12/D_11) u_yy there, the others miss u_yy sum_e rho_e |a| (b^2 - a b D_12/D_11) / 2 over the
    e = (a, b), in units of the cells. Jumps along the wall with half that sum as their weight put it back: the wall is
    of order 2 where D_12/D_11 is the same all along it and every |a| is 1, as in the seven-point stencil, and of order
    1 elsewhere. The weight is then not negative (Cauchy-Schwarz); where a wider stencil makes it so, nothing is added.
    """
    a, b = vectors[:, axis], vectors[:, 1 - axis]
    missing = (weights * np.abs(a) * (b * b - a * b * d[1] / d[2 * axis])).sum(axis=0)
    return np.where(beside_walls(read.grid, read.sides, axis).ravel(), np.maximum(0.5 * missing, 0.0), 0.0)
