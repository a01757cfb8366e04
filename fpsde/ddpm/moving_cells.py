"""Densities of samplers at Gauss's points of cells that move with the mass, halved where the next step is steep.

    p'(y) = sum_j w_j N(y; A(x_j), C(x_j)) p(x_j),      w_j the weights of the rule

On the line and in the plane. The density after a move is as smooth as its noise: cells are a few standard deviations
wide, and lie where there is mass. As a function of where the next move starts, its kernel is as wide as its noise over
the slope of A: cells in which this is less are halved, and only they; they get log p by interpolation. The slope is
large between parts of the data alone, so few cells are halved often.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from fpsde.ddpm.gauss_cells import GaussCells, joined, onto_halves
from fpsde.ddpm.moves import Move
from fpsde.errors import InvalidInput, NotConverged
from fpsde.laws.plane_lines import normal_density

#: By the number of components: points of the rule along an axis; sides of the cells in standard deviations of the noise
#: (the rule errs by some 1e-10 of a normal law on the line, by 1e-3 in the plane, and by less than 1e-5 on the next
#: level); each level has about twice as many points as the last.
ORDER, WIDEST, LEVELS = {1: 16, 2: 8}, {1: 8.0, 2: 8.0}, 9
#: Part of the last noise of which the last cells are as wide as if it were all: what is read there may be sharper.
END = 0.6
#: Most points, by the number of components.
MOST = {1: 2**18, 2: 2**24}
#: Standard deviations of the start that the first cells cover, by the number of components: a law that is too narrow
#: must reach the tails of the data. And of the noise that are covered around where mass is sent.
START_REACH, REACH = {1: 24.0, 2: 13.5}, 9.0
#: Parts of the largest density, by the number of components: cells below the first are left out, and below the second
#: are not halved, since what a steep step sends from there is as faint.
FAINT, RESOLVED = {1: 1e-120, 2: 1e-40}, {1: 1e-120, 2: 1e-15}
#: What stands for a density out of a double's range, which has a logarithm.
LEAST = 1e-300


@dataclass(frozen=True, eq=False)
class CellDensity:
    """A density at the points of cells: its logarithm, (cells, points of a cell)."""

    cells: GaussCells
    logs: np.ndarray

    @property
    def log_density(self) -> np.ndarray:
        """The logarithm at all points, (n,)."""
        return self.logs.ravel()

    @property
    def masses(self) -> np.ndarray:
        """The mass that each point stands for, (n,)."""
        return self.cells.weights * np.exp(self.log_density)

    def only(self, which: np.ndarray) -> CellDensity:
        """Return the density in some of the cells."""
        return CellDensity(self.cells.only(which), self.logs[which])

    def halved(self) -> CellDensity:
        """Return the density in the halved cells, its logarithm interpolated."""
        return CellDensity(self.cells.halved(), onto_halves(self.logs, len(self.cells.middles), self.cells.order))


def moving_densities(
    dim: int, std: float, moves: Sequence[Move], *, last: float | None = None
) -> Iterator[CellDensity]:
    """Yield the density after all ``moves`` from N(0, std^2 I), in ever smaller cells.

    After the last move cells are as wide as if its noise were ``last`` (a part of it, if left out).
    InvalidInput for correlated noise; NotConverged where too many points are needed.
    """
    noises = [move.noise(dim) for move in moves]
    end = END * noises[-1] if last is None else last
    for level in range(LEVELS):
        width = WIDEST[dim] / 2 ** (level / dim)
        density = _start(dim, std, width)
        for move, noise, after in zip(moves, noises, [*noises[:-1], min(noises[-1], end)], strict=True):
            density, A, C = _resolved(density, move, noise, width)
            density = _moved(density.masses, A, C, noise, width * after)
        yield density


def _start(dim: int, std: float, width: float) -> CellDensity:
    cells = GaussCells.of_box(dim, START_REACH[dim] * std, math.ceil(2 * START_REACH[dim] / width), order=ORDER[dim])
    logs = -0.5 * np.sum((cells.points / std) ** 2, axis=0) - dim * math.log(math.sqrt(2 * math.pi) * std)
    return CellDensity(cells, logs.reshape(len(cells.halves), -1))


def _resolved(
    density: CellDensity, move: Move, noise: float, width: float
) -> tuple[CellDensity, np.ndarray, np.ndarray]:
    """Return a density in cells over which A changes by no more than ``width`` of the noise along an axis, A and C.

    The slope is looked at between the points of a cell. Where it is larger between them, finer levels find out.
    """
    d = len(density.cells.middles)
    least = float(density.logs.max()) + math.log(RESOLVED[d])
    done: list[tuple[CellDensity, np.ndarray, np.ndarray]] = []
    found = 0
    while len(density.cells.halves):
        _refuse_many(found + density.logs.size, d, noise)
        A, C = move.at(density.cells.points)
        steep = (_changes(A, density.cells.order) > width * noise) & (density.logs.max(axis=1) > least)
        flat = np.repeat(~steep, density.logs.shape[1])
        done.append((density.only(~steep), A[:, flat], C[:, :, flat]))
        found += int(np.sum(flat))
        density = density.only(steep).halved()
    whole = CellDensity(joined([one.cells for one, *_ in done]), np.concatenate([one.logs for one, *_ in done]))
    return whole, np.concatenate([A for _, A, _ in done], axis=1), np.concatenate([C for *_, C in done], axis=2)


def _changes(A: np.ndarray, order: int) -> np.ndarray:
    """Return by how much a component of A (d, n) would change across each cell, (cells,), at its largest slope."""
    d = len(A)
    at, _ = np.polynomial.legendre.leggauss(order)
    values = A.reshape(d, -1, *[order] * d)
    found = []
    for axis in range(2, 2 + d):
        across = np.moveaxis(np.diff(values, axis=axis), axis, -1) / (0.5 * np.diff(at))
        found.append(np.abs(across).max(axis=(0, *range(2, 2 + d))))
    return np.maximum.reduce(found)


def _moved(masses: np.ndarray, A: np.ndarray, C: np.ndarray, noise: float, side: float) -> CellDensity:
    """Return the sum of masses[j] N(A_j, C_j) in cells of this ``side``, those that have mass.

    What is sent to one cell reaches a block of cells around it, whose points are a product of lines.
    """
    d, reach = len(A), math.ceil(REACH * noise / side)
    if d == 2 and np.any(C[0, 1] != 0):
        raise InvalidInput("the noise of a step is correlated; give a sampler with independent noise along the axes")
    order, some = ORDER[d], masses > FAINT[d] * masses.max()
    masses, A, C = masses[some], A[:, some], C[:, :, some]
    places = np.floor(A / side).astype(int)
    low = places.min(axis=1) - reach
    places -= low[:, None]
    shape = places.max(axis=1) + reach + 1
    _refuse_many(math.prod(shape.tolist()) * order**d, d, noise)
    at = 0.5 * (1 + np.polynomial.legendre.leggauss(order)[0])
    lines = [side * (low[i] + np.arange(n)[:, None] + at).ravel() for i, n in enumerate(shape)]
    p, variances = np.zeros([n * order for n in shape]), np.einsum("iij->ij", C)
    where = np.ravel_multi_index(tuple(places), tuple(shape))
    sorted_ = np.argsort(where, kind="stable")
    for group in np.split(sorted_, np.flatnonzero(np.diff(where[sorted_])) + 1):
        block = tuple(slice((i - reach) * order, (i + reach + 1) * order) for i in places[:, group[0]])
        factors = [
            normal_density(line[along, None], mean, variance, far=math.inf)
            for line, along, mean, variance in zip(lines, block, A[:, group], variances[:, group], strict=True)
        ]
        p[block] += factors[0] @ masses[group] if d == 1 else (factors[0] * masses[group]) @ factors[1].T
    split = p.reshape([n for count in shape for n in (count, order)])
    p = np.moveaxis(split, range(0, 2 * d, 2), range(d)).reshape(-1, order**d)
    top = p.max(axis=1)
    kept = np.flatnonzero(top > FAINT[d] * top.max())
    corners = low[:, None] + np.stack(np.unravel_index(kept, tuple(shape)))
    cells = GaussCells(side * (corners + 0.5), np.full(len(kept), 0.5 * side), order)
    return CellDensity(cells, np.log(np.maximum(p[kept], LEAST)))


def _refuse_many(n: int, dim: int, noise: float) -> None:
    if n > MOST[dim]:
        raise NotConverged(
            f"{n} points are needed where a step has noise of {noise:.3g}; at most {MOST[dim]} are taken: take fewer "
            "or longer steps, or a wider tolerance"
        )
