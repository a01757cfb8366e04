"""Densities of samplers at equally spaced nodes of boxes that move and shrink with the chain, on the line and plane."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from fpsde.ddpm.moves import Move
from fpsde.errors import NotConverged
from fpsde.laws.normal_step import NormalStep
from fpsde.laws.plane_lines import Line
from fpsde.laws.plane_operator import STRETCH, Plane, operator, reached

#: Spacing of the nodes in standard deviations of the noise, by the number of components (the trapezoid rule errs by
#: 1e-10 of a normal law at 0.9, by 1e-4 at 1.4); each level has about twice as many nodes as the last.
WIDEST, LEVELS = {1: 0.9, 2: 1.4}, 9
#: Pilots along an axis that look for the slope of a move, by the number of components; and the least slope.
PILOTS, TINY = {1: 201, 2: 33}, 1e-6
#: Part of the last noise that the last nodes are apart as if it were all.
END = 0.6
#: Fewest nodes along an axis on the first level, and most in all, by the number of components.
FEWEST, MOST = {1: 128, 2: 48}, {1: 2**15, 2: 2**20}
#: Standard deviations of the start that a box holds, by the number of components: a law that is too narrow must reach
#: the tails of the data. And of the noise beyond where the middles of a step lie.
START_REACH, REACH = {1: 24.0, 2: 12.0}, 9.0
#: Part of the largest density below which a node does not widen the next box.
FAINT = 1e-30
#: Densities below which a product with kernels is out of a double's range, and a hundred times as slow.
UNDERFLOW = 1e-150


@dataclass(frozen=True, eq=False)
class Nodes:
    """The nodes of one line, or of a plane of two."""

    lines: tuple[Line, ...]

    @property
    def volume(self) -> float:
        """What belongs to a node."""
        return math.prod(line.spacing for line in self.lines)

    @property
    def points(self) -> np.ndarray:
        """All nodes, (d, n); the last axis runs first."""
        return np.stack([g.ravel() for g in np.meshgrid(*(line.nodes for line in self.lines), indexing="ij")])

    def normal(self, std: float) -> np.ndarray:
        """Return the density of N(0, std^2 I) at the nodes, (n_1,) or (n_1, n_2)."""
        factors = [line.normal(0.0, std**2) for line in self.lines]
        return factors[0] if len(factors) == 1 else np.multiply.outer(*factors)


def moving_densities(
    dim: int, std: float, moves: Sequence[Move], *, last: float | None = None
) -> Iterator[tuple[Nodes, np.ndarray]]:
    """Yield nodes and the density there, (n_1,) or (n_1, n_2), after all ``moves`` from N(0, std^2 I), ever finer.

        p'(y) = h sum_j N(y; A(x_j), C(x_j)) p(x_j),    h the volume between nodes

    The density after a move is as smooth as its noise, and what it is summed with as the noise of the next move, seen
    from where that starts: nodes are a part of both apart, after the last move of ``last`` (a part of its noise, if
    left out: what is read from the nodes may be sharper than they). The sums are the trapezoid rule, with an error that
    falls exponentially. A box covers what the one before sends to it.
    NotConverged where too many nodes are needed.
    """
    noises = [std, *(move.noise(dim) for move in moves)]
    end = END * noises[-1] if last is None else last
    for level in range(LEVELS):
        spacing = WIDEST[dim] / 2 ** (level / dim)
        ends = [(-START_REACH[dim] * std, START_REACH[dim] * std)] * dim
        nodes = _nodes(ends, spacing, min(std, _seen(moves[0], noises[1], ends)))
        p = nodes.normal(std)
        for n, move in enumerate(moves, start=1):
            A, C = move.at(nodes.points)
            reach, seen = REACH * noises[n], A[:, p.ravel() > FAINT * p.max()]
            ends = [(float(mean.min()) - reach, float(mean.max()) + reach) for mean in seen]
            after = end if n == len(moves) else _seen(moves[n], noises[n + 1], ends)
            to = _nodes(ends, spacing, min(noises[n], after))
            nodes, p = to, _moved(A, C, nodes, p, to)
            p[p < UNDERFLOW] = 0.0
        yield nodes, p


def _seen(move: Move, noise: float, ends: list[tuple[float, float]]) -> float:
    """Return how wide the noise of a move is as a function of where it starts: the noise over the slope of A.

    The slope is the largest between pilots in the box. Where it is larger between them, finer levels find out.
    """
    axes = [np.linspace(*end, PILOTS[len(ends)]) for end in ends]
    pilots = np.stack(np.meshgrid(*axes, indexing="ij"))
    means = move.at(pilots.reshape(len(ends), -1))[0].reshape(pilots.shape)
    slopes = [np.abs(np.diff(means, axis=i + 1)).max() / (axis[1] - axis[0]) for i, axis in enumerate(axes)]
    return noise / max(*slopes, TINY)


def _moved(A: np.ndarray, C: np.ndarray, nodes: Nodes, p: np.ndarray, to: Nodes) -> np.ndarray:
    """Return the density at the nodes ``to`` after a move to N(A, C) from each node."""
    if p.ndim == 2:
        move = NormalStep(lambda x, t, dt: (A, C))
        return operator(move, Plane(nodes.lines), 0.0, 1.0, to=Plane(to.lines)).of(p)  # type: ignore[arg-type]
    out = np.zeros(len(to.lines[0]))
    for start in range(0, len(p), STRETCH):
        at = slice(start, start + STRETCH)
        rows, G = reached(to.lines[0], A[0, at], C[0, 0, at])
        out[rows] += nodes.volume * (G @ p[at])
    return out


def _nodes(ends: list[tuple[float, float]], spacing: float, noise: float) -> Nodes:
    dim, most = len(ends), MOST[len(ends)]
    fewest = round(FEWEST[dim] * WIDEST[dim] / spacing)
    counts = [max(fewest, math.ceil((high - low) / (spacing * noise))) + 1 for low, high in ends]
    if math.prod(counts) > most:
        raise NotConverged(
            f"{' by '.join(map(str, counts))} nodes are needed where a step has noise of {noise:.3g}; at most "
            f"{most} are taken: take fewer or longer steps, or a wider tolerance"
        )
    return Nodes(tuple(Line.of(*end, n, periodic=False) for end, n in zip(ends, counts, strict=True)))
