"""The variational bound on -log p(x0), term by term, exactly: what the losses of a diffusion model add up to."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass

import numpy as np

from fpsde.ddpm.floors import denoising_errors
from fpsde.errors import InvalidInput
from fpsde.known_law import KnownLaw
from fpsde.processes.noise_schedules import NoiseSchedule
from fpsde.signal_and_noise import NoiseStep, posterior_mean, posterior_variance
from fpsde.validation import finite_array


class ReverseVariance(enum.Enum):
    """The variance s_t^2 of the reverse step from t to t - 1, the same in all components."""

    SMALL = "small"  #: that of the posterior, beta (1 - alpha_bar')/(1 - alpha_bar); at t = 1 that of t = 2
    LARGE = "large"  #: beta; at t = 1 the small one of t = 2, as in OpenAI's code
    OPTIMAL = "optimal"  #: the small one plus the error of the mean: the least bound


@dataclass(frozen=True, eq=False)
class Bound:
    """E[-log p(x0)] <= prior + sum(steps) + data, in nats.

    ``prior`` is L_T = E KL(q(x_T|x0) || N(0, I)), ``steps`` (T - 1,) are L_{t-1} = E KL(q(x_{t-1}|x_t, x0) || p) of
    t = 2, ..., T, and ``data`` is L_0 = E[-log p(x0|x1)]. Source: Ho, Jain & Abbeel (2020), eq. 5.
    """

    prior: float
    steps: np.ndarray
    data: float

    @property
    def total(self) -> float:
        """The bound itself."""
        return math.fsum([self.prior, *self.steps, self.data])


def variational_bound(
    law: KnownLaw,
    schedule: NoiseSchedule,
    *,
    variance: ReverseVariance | np.ndarray = ReverseVariance.OPTIMAL,
    errors: np.ndarray | None = None,
) -> Bound:
    """Return the bound of reverse steps N(E[x' | x, x0 = xhat], s_t^2 I) with a denoiser xhat, averaged over the data.

        L_T     = (alpha_bar E|x0|^2 - d alpha_bar - d log(1 - alpha_bar))/2
        L_{t-1} = (d (v/s^2 - 1 - log(v/s^2)) + c^2 e_t/s^2)/2,    c = sqrt(alpha_bar') beta/(1 - alpha_bar)
        L_0     = (d log(2 pi s_1^2) + e_1/s_1^2)/2

    with the posterior variance v and the errors e_t = E|x0 - xhat(x_t, t)|^2, t = 1, ..., T. ``errors`` (T,) are those
    of the exact denoiser, :func:`~fpsde.ddpm.floors.denoising_errors`, if left out. ``variance`` is a
    :class:`ReverseVariance`, or numbers s_t^2 (T,).

    For normal data with the optimal variances the bound is the entropy of the data plus KL(q(x_T) || N(0, I)).
    Raises InvalidInput where the variance is not preserved or no signal is left, and for numbers that are not
    positive; errors of :func:`~fpsde.ddpm.floors.denoising_errors`.
    """
    if np.any(schedule.scales != 1) or schedule.signals[-1] == 0 or schedule.n_steps < 2:
        raise InvalidInput("the bound is that of at least two steps which preserve the variance and leave some signal")
    e = denoising_errors(law, schedule) if errors is None else _positive("errors", errors, schedule)
    d, step = law.dim, schedule.step(np.arange(1, schedule.n_steps + 1))
    v, gain = posterior_variance(step), posterior_mean(0.0, 1.0, step)
    s2 = _variances(variance, schedule, v, gain**2 * e / d)
    second_moment = float(np.trace(law.covariance) + law.mean @ law.mean)
    bar, log_noise = float(schedule.alpha_bars[-1]), 2 * math.log(float(schedule.levels[-1]))
    ratio, terms = v[1:] / s2[1:], _factors(step, s2) * e
    return Bound(
        prior=0.5 * (bar * second_moment - d * bar - d * log_noise),
        steps=0.5 * d * (ratio - 1 - np.log(ratio)) + terms[1:],
        data=0.5 * d * math.log(2 * math.pi * s2[0]) + terms[0],
    )


def bound_weights(schedule: NoiseSchedule, *, variance: ReverseVariance = ReverseVariance.SMALL) -> np.ndarray:
    """Return the weights w_t (T,) that make a loss of the bound: sum_t w_t E|z - eps|^2 is all of it that eps changes.

        w_t = c^2 sigma^2/(2 s_t^2),    c = sqrt(alpha_bar') beta/(1 - alpha_bar)

    with sigma = level/signal, so that sigma^2 E|z - eps|^2 is the error of x0. Raises InvalidInput for the optimal
    variance, which is none before the denoiser is, and where no signal is left.
    Source: Ho, Jain & Abbeel (2020), eq. 12.
    """
    step = schedule.step(np.arange(1, schedule.n_steps + 1))
    return _factors(step, fixed_variances(schedule, variance)) * schedule.sigmas[1:] ** 2


def fixed_variances(schedule: NoiseSchedule, variance: ReverseVariance) -> np.ndarray:
    """Return s_t^2 (T,) of the small or the large variance. InvalidInput for the optimal one, and without signal."""
    if variance not in (ReverseVariance.SMALL, ReverseVariance.LARGE):
        raise InvalidInput(f"variance={variance!r}; give ReverseVariance.SMALL or ReverseVariance.LARGE")
    if schedule.signals[-1] == 0 or schedule.n_steps < 2:
        raise InvalidInput("the bound is that of at least two steps which leave some signal")
    v = posterior_variance(schedule.step(np.arange(1, schedule.n_steps + 1)))
    return _variances(variance, schedule, v, np.zeros(len(v)))


def _factors(step: NoiseStep, s2: np.ndarray) -> np.ndarray:
    """Return what multiplies the error of x0 in each term of the bound, from the reverse variances ``s2``."""
    return 0.5 * posterior_mean(0.0, 1.0, step) ** 2 / s2


def _variances(
    kind: ReverseVariance | np.ndarray, schedule: NoiseSchedule, v: np.ndarray, spread: np.ndarray
) -> np.ndarray:
    """Return s_t^2 at t = 1, ..., T; ``v`` are the posterior variances, ``spread`` what the error of the mean adds."""
    if kind is ReverseVariance.SMALL:
        return np.concatenate([v[1:2], v[1:]])
    if kind is ReverseVariance.LARGE:
        return np.concatenate([v[1:2], schedule.fresh[1:]])
    if kind is ReverseVariance.OPTIMAL:
        return v + spread
    return _positive("variance", kind, schedule)


def _positive(name: str, values: np.ndarray, schedule: NoiseSchedule) -> np.ndarray:
    given = finite_array(name, values, ndim=1)
    if len(given) != schedule.n_steps or np.any(given <= 0):
        raise InvalidInput(
            f"{name} has {len(given)} entries, the least {given.min():.4g}; {schedule.n_steps} positive ones are needed"
        )
    return given
