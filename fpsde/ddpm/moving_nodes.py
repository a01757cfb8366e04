"""Densities of samplers at equally spaced nodes of boxes that move and shrink with the chain, on the line and plane."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fpsde.ddpm.samplers import Sampler
from fpsde.errors import NotConverged
from fpsde.laws.normal_step import NormalStep
from fpsde.laws.plane_lines import Line
from fpsde.laws.plane_operator import Plane, operator
from fpsde.processes.denoising import prior_of

#: Spacing of the nodes in standard deviations of the noise; each level has about twice as many nodes as the last.
WIDEST, LEVELS = 0.9, 9
#: Fewest nodes along an axis on the first level, and most in all, with noise and without, by the number
#: of components: images of nodes cost little on the line, and may have to be many.
FEWEST, MOST, MOST_IMAGES = {1: 128, 2: 64}, {1: 2**12 + 1, 2: 2**18}, {1: 2**15 + 1, 2: 2**18}
#: Standard deviations of the start that a box holds, by the number of components: a law that is too narrow must reach
#: the tails of the data. And of the noise beyond where the middles of a step lie.
START_REACH, REACH = {1: 24.0, 2: 12.0}, 9.0
#: Part of the largest density below which a node does not widen the next box.
FAINT = 1e-30


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


def moving_densities(sampler: Sampler, noisy: int) -> Iterator[tuple[Nodes, np.ndarray]]:
    """Yield nodes and the density there, (n_1,) or (n_1, n_2), after the first ``noisy`` steps, finer and finer.

        p'(y) = h sum_j N(y; A(x_j), C(x_j)) p(x_j),    h the volume between nodes

    The density after a step is as smooth as its noise, so each box has nodes at a part of the noise before and after
    it: densities are summed by the trapezoid rule, with an error that falls exponentially. A box covers what the one
    before sends to it. NotConverged where too many nodes are needed.
    """
    std = prior_of(sampler.chain)
    step = NormalStep.of(sampler.scheme, sampler.chain) if noisy else None
    noises = [std, *(_noise(step, sampler.chain.dim, n) for n in range(noisy) if step is not None)]
    for level in range(LEVELS):
        spacing = WIDEST / 2 ** (level / sampler.chain.dim)
        nodes = _start(sampler.chain.dim, std, spacing, noises)
        p = nodes.normal(std)
        for n in range(noisy):
            assert step is not None  # for the type checker
            to = _reached(step, nodes, p, n, spacing, noises)
            nodes, p = to, _moved(step, nodes, p, n, to)
        yield nodes, p


def _noise(step: NormalStep, dim: int, n: int) -> float:
    """Return the standard deviation of the noise of step n, the least of all axes, in the middle."""
    _, C = step.at(np.zeros((dim, 1)), float(n), 1.0)
    return math.sqrt(min(float(C[i, i, 0]) for i in range(dim)))


def _start(dim: int, std: float, spacing: float, noises: list[float]) -> Nodes:
    most = MOST if len(noises) > 1 else MOST_IMAGES
    return _nodes([(-START_REACH[dim] * std, START_REACH[dim] * std)] * dim, spacing, min(noises[:2]), most[dim])


def _reached(step: NormalStep, nodes: Nodes, p: np.ndarray, n: int, spacing: float, noises: list[float]) -> Nodes:
    """Return the nodes of the box that step n reaches."""
    middles, _ = step.at(nodes.points[:, p.ravel() > FAINT * p.max()], float(n), 1.0)
    reach = REACH * noises[n + 1]
    return _nodes(
        [(float(m.min()) - reach, float(m.max()) + reach) for m in middles],
        spacing,
        min(noises[n + 1 : n + 3]),
        MOST[len(middles)],
    )


def _moved(step: NormalStep, nodes: Nodes, p: np.ndarray, n: int, to: Nodes) -> np.ndarray:
    """Return the density after step n at the nodes ``to``."""
    if p.ndim == 2:
        return operator(step, Plane(nodes.lines), float(n), 1.0, to=Plane(to.lines)).of(p)  # type: ignore[arg-type]
    A, C = step.at(nodes.points, float(n), 1.0)
    return nodes.volume * (to.lines[0].normal(A[0], C[0, 0]) @ p)


def _nodes(ends: list[tuple[float, float]], spacing: float, noise: float, most: int) -> Nodes:
    dim = len(ends)
    fewest = round(FEWEST[dim] * WIDEST / spacing)
    counts = [max(fewest, math.ceil((high - low) / (spacing * noise))) + 1 for low, high in ends]
    if math.prod(counts) > most:
        raise NotConverged(
            f"{' by '.join(map(str, counts))} nodes are needed where a step has noise of {noise:.3g}; at most "
            f"{most} are taken: take fewer or longer steps, or a wider tolerance"
        )
    return Nodes(tuple(Line.of(*end, n, periodic=False) for end, n in zip(ends, counts, strict=True)))
