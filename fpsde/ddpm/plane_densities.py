"""Densities of samplers in the plane, at nodes of boxes that move and shrink with the chain."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fpsde.ddpm.samplers import Sampler
from fpsde.errors import NotConverged
from fpsde.laws.normal_step import NormalStep
from fpsde.laws.plane_operator import Plane, operator
from fpsde.processes.denoising import prior_of

#: Spacing of the nodes in standard deviations of the noise, level by level: each has about twice as many nodes.
SPACINGS = tuple(0.9 / 2 ** (k / 2) for k in range(6))
#: Fewest nodes along an axis of the first level, and most of a plane.
FEWEST, MOST = 64, 2**18
#: Standard deviations of the start, and of the noise beyond where a step's middle may lie, that a plane holds.
START_REACH, REACH = 12.0, 7.5
#: Part of the largest density below which a node does not widen the next plane.
FAINT = 1e-20


def plane_densities(sampler: Sampler, noisy: int) -> Iterator[tuple[Plane, np.ndarray]]:
    """Yield the plane and the density (n_1, n_2) after the first ``noisy`` steps, level by level of refinement.

        p'(y) = h_1 h_2 sum_j N(y; A(x_j), C(x_j)) p(x_j)

    The density after a step is as smooth as its noise, so each plane has nodes at a part of the noise before and after
    it: a density is summed by the trapezoid rule, with an error that falls exponentially. It covers what the plane
    before sends to it. NotConverged where more than 2^18 nodes are needed.
    """
    step, std = NormalStep.of(sampler.scheme, sampler.chain), prior_of(sampler.chain)
    for spacing in SPACINGS:
        yield _density(step, noisy, std, spacing)


def _density(step: NormalStep, noisy: int, std: float, spacing: float) -> tuple[Plane, np.ndarray]:
    noises = [std, *(_noise(step, n) for n in range(noisy))]
    fewest = round(FEWEST * SPACINGS[0] / spacing)
    ends = [(-START_REACH * std, START_REACH * std)] * 2
    plane = _plane(ends, spacing * min(noises[:2]), fewest)
    p = plane.normal(np.zeros(2), std**2 * np.eye(2))
    for n in range(noisy):
        points = plane.points[:, p.ravel() > FAINT * p.max()]
        middles, _ = step.at(points, float(n), 1.0)
        reach = REACH * noises[n + 1]
        ends = [(float(m.min()) - reach, float(m.max()) + reach) for m in middles]
        to = _plane(ends, spacing * min(noises[n + 1 : n + 3]), fewest)
        p, plane = operator(step, plane, float(n), 1.0, to=to).of(p), to
    return plane, p


def _noise(step: NormalStep, n: int) -> float:
    """Return the standard deviation of the noise of step n, the least of both axes, in the middle of the plane."""
    _, C = step.at(np.zeros((2, 1)), float(n), 1.0)
    return float(np.sqrt(min(C[0, 0, 0], C[1, 1, 0])))


def _plane(ends: list[tuple[float, float]], spacing: float, fewest: int) -> Plane:
    counts = [max(fewest, int(np.ceil((high - low) / spacing))) + 1 for low, high in ends]
    if counts[0] * counts[1] > MOST:
        raise NotConverged(
            f"{counts[0]} by {counts[1]} nodes are needed for a noise of {spacing:.3g} and a half; at most {MOST} are "
            "taken: take fewer or longer steps"
        )
    return Plane.of(ends, counts)
