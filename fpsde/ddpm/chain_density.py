"""The density of the chain that the variational bound is a bound of: its last step has noise, too."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special

from fpsde.ddpm.bounds import ReverseVariance, fixed_variances
from fpsde.ddpm.sampler_laws import sampler_law
from fpsde.density import PanelLaw, panel_rule
from fpsde.errors import InvalidInput
from fpsde.processes.denoising import denoising_box
from fpsde.processes.noise_schedules import NoiseSchedule
from fpsde.schemes.denoising import ancestral
from fpsde.validation import finite_array


def chain_log_density(
    denoiser: Callable[[np.ndarray, float], Any],
    x: Any,
    schedule: NoiseSchedule,
    *,
    variance: ReverseVariance = ReverseVariance.SMALL,
    tolerance: float = 1e-10,
) -> np.ndarray:
    """Return log p_theta at ``x`` (1, n), (n,), of the chain of reverse steps with the variances s_t^2, on the line.

        p(x0) = int N(x0; D(x_1), s_1^2) p(x_1) dx_1

    with the exact law of x_1. What the variational bound is above E[-log p_theta] is then its exact gap: the mean of
    KL(q(x_1..T|x0) || p(x_1..T|x0)) over the data. ``denoiser`` is D(y, sigma) in float64.

    Raises InvalidInput for other points, the optimal variance, less than three steps, and schedules that do not
    preserve the variance; errors of :func:`~fpsde.ddpm.sampler_laws.sampler_law`.
    """
    points = finite_array("x", x, ndim=2)
    s2 = fixed_variances(schedule, variance)
    if len(points) != 1 or np.any(schedule.scales != 1) or schedule.n_steps < 3:
        raise InvalidInput(
            f"x has shape {points.shape} for {schedule.n_steps} steps; (1, n), and three steps or more that preserve "
            "the variance are needed"
        )
    box = denoising_box(denoiser, schedule, dim=1, last=1)
    law = sampler_law(box, ancestral(float(variance is ReverseVariance.LARGE)), tolerance=tolerance)
    assert isinstance(law, PanelLaw)  # for the type checker: all steps have noise
    nodes, weights = panel_rule(law.faces)
    masses = weights * law.values.ravel()
    middles = np.asarray(denoiser(nodes[None] / float(schedule.signals[1]), float(schedule.sigmas[1])))[0]
    seen = masses > 0
    squares = (points[0][:, None] - middles[seen]) ** 2 / s2[0]
    return special.logsumexp(np.log(masses[seen]) - 0.5 * squares, axis=1) - 0.5 * math.log(2 * math.pi * s2[0])
