"""The density of the chain that the variational bound is a bound of: its last step has noise, too."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special

from fpsde.ddpm.bounds import ReverseVariance, fixed_variances
from fpsde.ddpm.moves import in_pieces, taken_apart
from fpsde.ddpm.moving_cells import moving_densities
from fpsde.ddpm.samplers import Sampler
from fpsde.errors import InvalidInput, NotConverged
from fpsde.processes.denoising import denoising_box, prior_std
from fpsde.processes.noise_schedules import NoiseSchedule
from fpsde.schemes.denoising import ancestral
from fpsde.validation import finite_array, positive

#: Pairs of a point and a node that are summed at once.
PAIRS = 2**21


def chain_log_density(
    denoiser: Callable[[np.ndarray, float], Any],
    x: Any,
    schedule: NoiseSchedule,
    *,
    variance: ReverseVariance = ReverseVariance.SMALL,
    tolerance: float = 1e-6,
) -> np.ndarray:
    """Return log p_theta at ``x`` (d, n), (n,), of the chain of reverse steps with the variances s_t^2, d = 1 or 2.

        p(x0) = int N(x0; D(x_1), s_1^2 I) p(x_1) dx_1

    with the exact law of x_1 on points, which are doubled until no value changes by more than ``tolerance`` nats. What
    the variational bound is above E[-log p_theta] is then its exact gap: the mean of
    KL(q(x_1..T|x0) || p(x_1..T|x0)) over the data. ``denoiser`` is D(y, sigma) in float64.

    Raises InvalidInput for other points, the optimal variance, less than three steps, and schedules that do not
    preserve the variance; NotConverged where the points are too many, or do not settle.
    """
    points = finite_array("x", x, ndim=2)
    s2, d, tolerance = fixed_variances(schedule, variance), len(points), positive("tolerance", tolerance)
    if d > 2 or np.any(schedule.scales != 1) or schedule.n_steps < 3:
        raise InvalidInput(
            f"x has shape {points.shape} for {schedule.n_steps} steps; (1, n) or (2, n), and three steps or more that "
            "preserve the variance are needed"
        )
    box = denoising_box(denoiser, schedule, dim=d, last=1)
    moves, _ = taken_apart(Sampler(box, ancestral(float(variance is ReverseVariance.LARGE))))
    signal, sigma = float(schedule.signals[1]), float(schedule.sigmas[1])
    before, change = np.full(points.shape[1], math.inf), math.inf
    for density in moving_densities(d, prior_std(schedule), moves, last=math.sqrt(s2[0])):
        middles = in_pieces(lambda y: np.asarray(denoiser(y / signal, sigma)), density.cells.points)
        found = _mixed(points, middles, np.log(density.cells.weights) + density.log_density, float(s2[0]))
        change = float(np.max(np.abs(found - before)))
        if change <= tolerance:
            return found
        before = found
    raise NotConverged(f"log p_theta settled to {change:.2g} nats, not to tolerance={tolerance:g}; allow more")


def _mixed(x: np.ndarray, middles: np.ndarray, logs: np.ndarray, variance: float) -> np.ndarray:
    """Return the log-density at ``x`` (d, n) of the mixture of N(middles[:, j], variance I) with log weights (N,)."""
    few = max(1, PAIRS // len(logs))
    found = []
    for start in range(0, x.shape[1], few):
        some = x[:, start : start + few]
        squares = sum((to[:, None] - middle) ** 2 for to, middle in zip(some, middles, strict=True))
        found.append(special.logsumexp(logs - 0.5 * squares / variance, axis=1))
    return np.concatenate(found) - 0.5 * len(x) * math.log(2 * math.pi * variance)
