"""Log-likelihoods of a denoiser: along its probability flow, and from below by weighted paths of the chain."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from fpsde.arrays import beside, brought
from fpsde.ddpm.bounds import ReverseVariance, fixed_variances
from fpsde.ddpm.divergences import Probes, divergence
from fpsde.ddpm.probability_flow import flow_by_rk45
from fpsde.errors import InvalidInput
from fpsde.known_law import total
from fpsde.noise import Purpose, uniforms
from fpsde.processes.denoising import prior_std
from fpsde.processes.noise_schedules import NoiseSchedule
from fpsde.signal_and_noise import posterior_mean, posterior_variance
from fpsde.validation import finite_array, finite_placed, integer, seed64


def flow_log_likelihood(
    denoiser: Callable[[np.ndarray, float], Any],
    x0: Any,
    schedule: NoiseSchedule,
    *,
    probes: Probes | None = None,
    rtol: float = 1e-6,
    atol: float = 1e-8,
) -> np.ndarray:
    """Return log p at ``x0`` (d, n), (n,), of what the probability flow makes of the prior, by change of variables.

        log p(x0) = log N(y_T; 0, (prior/a_T)^2 I) + int (d - div D(y, sigma)) d(log sigma),    dy/d(log sigma) = y - D

    from sigma_1, the least level of the schedule, to sigma_T. It is the log-density of x0 + sigma_1 z, what the flow
    can say; the prior is N(0, I) where the variance is preserved, N(0, level_T^2 I) where it explodes.

    ``denoiser`` is D(y, sigma) of y (d, n), in float64: derivatives are differences. The divergence is exact if
    ``probes`` is None, else estimated along the same probes all the way, which leaves the estimate without bias.
    The steps are SciPy's, on the host: points of a device are copied there.
    Errors of :func:`~fpsde.ddpm.probability_flow.flow_by_rk45`. Sources: Song et al. (2021), eqs. 39, 40.
    """
    points = finite_array("x0", brought("x0", x0), ndim=2)
    d, n = points.shape
    drawn = None if probes is None else probes.drawn(d, n)
    low, high = float(schedule.sigmas[1]), float(schedule.sigmas[-1])
    if not math.isfinite(high):
        raise InvalidInput("the schedule leaves no signal at its last timestep; take a subset without it")

    def extended(state: np.ndarray, sigma: float) -> np.ndarray:
        """The denoiser, and below it what makes the last row grow by d - div D."""
        y = state[:d]
        spread = divergence(lambda at: np.asarray(denoiser(at, sigma)), y, scale=sigma, probes=drawn)
        return np.concatenate([np.asarray(denoiser(y, sigma)), (state[d] - (d - spread))[None]])

    end = flow_by_rk45(extended, np.concatenate([points, np.zeros((1, n))]), sigma=low, to=high, rtol=rtol, atol=atol)
    std = prior_std(schedule) / float(schedule.signals[-1])
    return end[d] - 0.5 * np.sum((end[:d] / std) ** 2, axis=0) - d * math.log(math.sqrt(2 * math.pi) * std)


@dataclass(frozen=True, eq=False)
class WeightedBound:
    """``log_weights`` (K, n): log p(x_0..T)/q(x_1..T | x_0) on K paths from each of n points."""

    log_weights: Any

    @property
    def variational(self) -> Any:
        """The mean of the log-weights, (n,): the variational bound on log p(x0), up to sampling."""
        return self.log_weights.mean(axis=0)

    @property
    def importance(self) -> Any:
        """The log of the mean weight, (n,): in expectation a bound that rises to log p(x0) with K."""
        return total(self.log_weights) - math.log(len(self.log_weights))


def weighted_bound(
    denoiser: Callable[[np.ndarray, float], Any],
    x0: Any,
    schedule: NoiseSchedule,
    *,
    paths: int,
    seed: int,
    variance: ReverseVariance = ReverseVariance.SMALL,
) -> WeightedBound:
    """Return the weights of ``paths`` forward paths from each point ``x0`` (d, n) in the chain of reverse steps.

        log w = log p(x_T)/q(x_T|x0) + sum_{t >= 2} log p(x_{t-1}|x_t)/q(x_{t-1}|x_t, x0) + log p(x0|x1)

    with p(x_{t-1}|x_t) = N(E[x_{t-1} | x_t, x0 = D], s_t^2 I), s_t^2 the small or the large variances of
    :class:`~fpsde.ddpm.bounds.ReverseVariance`. Paths are drawn by counter, and brought to where the
    points lie. The mean of -log w over data is the variational bound
    (:func:`~fpsde.ddpm.bounds.variational_bound`).
    Raises InvalidInput where the variance is not preserved or no signal is left, and for the optimal variance.
    Sources: Ho, Jain & Abbeel (2020), eq. 5; Burda, Grosse & Salakhutdinov, ICLR (2016), eq. 8.
    """
    points, K = finite_placed("x0", x0, ndim=2), integer("paths", paths, least=1)
    d, n = points.shape
    if np.any(schedule.scales != 1) or schedule.signals[-1] == 0:
        raise InvalidInput("the bound is that of steps which preserve the variance and leave some signal")
    s2 = fixed_variances(schedule, variance)
    ids = np.arange(K * n, dtype=np.uint64)
    u = uniforms(seed64(seed), Purpose.PROBES, particles=ids, count=d * schedule.n_steps)
    z = beside(special.ndtri(u).reshape(schedule.n_steps, d, K * n), points)
    data = np.tile(points, (1, K))
    a, s = float(schedule.signals[-1]), float(schedule.levels[-1])
    x = a * data + s * z[-1]
    logs = 0.5 * np.sum(z[-1] ** 2 - x**2, axis=0) + d * math.log(s)
    for t in range(schedule.n_steps, 0, -1):
        step = schedule.step(t)
        guess = denoiser(x / step.signal, step.level / step.signal)
        apart = posterior_mean(0.0, data - guess, step)
        if t == 1:
            break
        v, noise = posterior_variance(step), z[t - 2]
        moved = np.sqrt(v) * noise
        logs += 0.5 * np.sum(noise**2 - (moved + apart) ** 2 / s2[t - 1], axis=0) + 0.5 * d * math.log(v / s2[t - 1])
        x = posterior_mean(x, data, step) + moved
    logs -= 0.5 * np.sum((data - guess) ** 2, axis=0) / s2[0] + 0.5 * d * math.log(2 * math.pi * s2[0])
    return WeightedBound(logs.reshape(K, n))
