"""The noise schedules of the literature, each a :class:`~fpsde.processes.noise_schedules.NoiseSchedule`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np

from fpsde.errors import InvalidInput
from fpsde.optional import optional
from fpsde.processes.beta_schedules import BetaSchedule, linear_beta
from fpsde.processes.noise_schedules import (
    NoiseSchedule,
    preserving_schedule,
    schedule_of_betas,
    schedule_of_sigmas,
)
from fpsde.validation import increasing, integer, positive, probability

special = optional("scipy.special")

#: The range of the argument of the logistic function in :func:`sigmoid_schedule`.
SIGMOID_REACH = 6.0


def linear_schedule(n_steps: int = 1000, *, beta_first: float = 1e-4, beta_last: float = 0.02) -> NoiseSchedule:
    """Return beta_t in equal steps from ``beta_first`` to ``beta_last``.

    Raises InvalidInput unless 0 < beta_first < beta_last < 1. Source: Ho, Jain & Abbeel (2020), section 4.
    """
    return schedule_of_betas(np.linspace(*_rising(beta_first, beta_last), _steps(n_steps)))


def scaled_linear_schedule(
    n_steps: int = 1000, *, beta_first: float = 0.00085, beta_last: float = 0.012
) -> NoiseSchedule:
    """Return sqrt(beta_t) in equal steps.

    Raises InvalidInput unless 0 < beta_first < beta_last < 1. Source: the code of Rombach et al. (2022), whose ends
    these are. With the ends of :func:`linear_schedule` it is :func:`quadratic_schedule`.
    """
    low, high = _rising(beta_first, beta_last)
    return schedule_of_betas(np.linspace(low**0.5, high**0.5, _steps(n_steps)) ** 2)


def quadratic_schedule(n_steps: int = 1000, *, beta_first: float = 1e-4, beta_last: float = 0.02) -> NoiseSchedule:
    """Return :func:`scaled_linear_schedule`, beta_t quadratic in t, with the ends of :func:`linear_schedule`.

    It is "quad" in the code of Ho, Jain & Abbeel (2020) and of Song, Meng & Ermon (2021). What the paper of the latter
    calls quadratic is a choice of timesteps: :func:`~fpsde.processes.timesteps.quadratic_timesteps`.
    Raises InvalidInput unless 0 < beta_first < beta_last < 1.
    """
    return scaled_linear_schedule(n_steps, beta_first=beta_first, beta_last=beta_last)


def sigmoid_schedule(n_steps: int = 1000, *, beta_first: float = 1e-4, beta_last: float = 0.02) -> NoiseSchedule:
    """Return beta_t = beta_first + (beta_last - beta_first) s(u), s the logistic function, u in equal steps on [-6, 6].

    Raises InvalidInput unless 0 < beta_first < beta_last < 1. Source: the code of Song, Meng & Ermon (2021).
    """
    low, high = _rising(beta_first, beta_last)
    u = np.linspace(-SIGMOID_REACH, SIGMOID_REACH, _steps(n_steps))
    return schedule_of_betas(low + (high - low) * special.expit(u))


def cosine_schedule(n_steps: int = 1000, *, offset: float = 0.008, beta_most: float = 0.999) -> NoiseSchedule:
    """Return alpha_bar_t = f(t)/f(0), f(t) = cos^2(pi/2 (t/T + offset)/(1 + offset)), with no beta above ``beta_most``.

    f(T) = 0, so the last beta would be 1: the paper's bound keeps some signal, and is the only change that it makes
    for T in use. Raises InvalidInput for offset <= 0 or beta_most outside of (0, 1).
    Source: Nichol & Dhariwal (2021), eq. 17.
    """
    s, most = positive("offset", offset), probability("beta_most", beta_most)
    half_pi, T = np.pi / 2, _steps(n_steps)
    angles = half_pi * (np.arange(T + 1) / T + s) / (1 + s)
    # cos^2 b/cos^2 a = 1 - sin(b - a) sin(b + a)/cos^2 a, which does not cancel where beta is small
    betas = np.sin(np.diff(angles)) * np.sin(angles[1:] + angles[:-1]) / np.cos(angles[:-1]) ** 2
    return schedule_of_betas(np.minimum(betas, most))


def reciprocal_schedule(n_steps: int = 1000) -> NoiseSchedule:
    """Return beta_t = 1/(T - t + 1): every step takes 1/T of alpha_bar, which is 1 - t/T, and none is left at T.

    Source: Sohl-Dickstein et al. (2015), section 2.4.1.
    """
    return schedule_of_betas(reciprocal_betas(n_steps))


def reciprocal_betas(n_steps: int) -> np.ndarray:
    """Return beta_t = 1/(T - t + 1), (T,)."""
    return 1 / np.arange(_steps(n_steps), 0, -1.0)


def variance_preserving_schedule(
    times: Sequence[float] | np.ndarray, beta: BetaSchedule | None = None
) -> NoiseSchedule:
    """Return the levels of the variance-preserving SDE at increasing ``times`` (T,): alpha_bar = exp(-int_0^t beta).

    ``beta`` defaults to :func:`~fpsde.processes.beta_schedules.linear_beta`. Raises InvalidInput for times that do not
    increase, or are not in (0, t_end] of the schedule. Source: Song et al. (2021), eq. 29.
    """
    return preserving_schedule(-_spent(times, beta))


def sub_variance_preserving_schedule(
    times: Sequence[float] | np.ndarray, beta: BetaSchedule | None = None
) -> NoiseSchedule:
    """Return the levels of the sub-VP SDE at increasing ``times`` (T,): signal exp(-B/2), level 1 - exp(-B).

    B = int_0^t beta. Arguments and errors are those of :func:`variance_preserving_schedule`.
    Source: Song et al. (2021), eq. 29.
    """
    spent = _spent(times, beta)
    square = np.expm1(-spent) ** 2 * np.exp(spent)  # of level/signal
    scales = np.sqrt(np.exp(-spent) + np.expm1(-spent) ** 2)
    return NoiseSchedule(-np.log1p(square), scales, np.arange(len(spent)))


def variance_exploding_schedule(
    n_steps: int = 1000, *, sigma_min: float = 0.01, sigma_max: float = 50.0
) -> NoiseSchedule:
    """Return sigma_t in equal ratios from ``sigma_min`` at t = 1 to ``sigma_max`` at T, with sigma_0 = 0.

    Raises InvalidInput unless 0 < sigma_min < sigma_max. Sources: Song & Ermon (2019); Song et al. (2021), eq. 30.
    """
    low, high = _sigmas(sigma_min, sigma_max)
    return schedule_of_sigmas(geometric_levels(low, high, _steps(n_steps)))


def karras_schedule(
    n_steps: int = 18, *, sigma_min: float = 0.002, sigma_max: float = 80.0, rho: float = 7.0
) -> NoiseSchedule:
    """Return sigma_t^(1/rho) in equal steps from ``sigma_min`` at t = 1 to ``sigma_max`` at T, with sigma_0 = 0.

    Raises InvalidInput unless 0 < sigma_min < sigma_max and rho > 0. Source: Karras et al. (2022), eq. 5.
    """
    low, high = _sigmas(sigma_min, sigma_max)
    rho = positive("rho", rho)
    return schedule_of_sigmas(np.linspace(low ** (1 / rho), high ** (1 / rho), _steps(n_steps)) ** rho)


def geometric_levels(low: float, high: float, n: int) -> np.ndarray:
    """Return n numbers from ``low`` to ``high`` in equal ratios, with these ends to the last bit."""
    levels = np.exp(np.linspace(math.log(low), math.log(high), n))
    levels[0], levels[-1] = low, high
    return levels


def _spent(times: Sequence[float] | np.ndarray, beta: BetaSchedule | None) -> np.ndarray:
    """Return the integral of the rate from 0 to 0 and to each time, (T + 1,)."""
    schedule, given = linear_beta() if beta is None else beta, increasing("times", times)
    if given[0] <= 0 or given[-1] > schedule.t_end * (1 + 1e-12):
        raise InvalidInput(
            f"times from {given[0]} to {given[-1]}; the rate is known on (0, {schedule.t_end}], and t = 0 is the data"
        )
    p = SimpleNamespace(**schedule.params)
    return np.concatenate([[0.0], np.broadcast_to(schedule.integral(given, p), given.shape)])


def _steps(n_steps: int) -> int:
    return integer("n_steps", n_steps, least=2)


def _rising(first: float, last: float) -> tuple[float, float]:
    low, high = probability("beta_first", first), probability("beta_last", last)
    if low >= high:
        raise InvalidInput(f"beta_first={low}, beta_last={high}: this schedule promises betas that increase")
    return low, high


def _sigmas(sigma_min: float, sigma_max: float) -> tuple[float, float]:
    low, high = positive("sigma_min", sigma_min), positive("sigma_max", sigma_max)
    if low >= high:
        raise InvalidInput(f"sigma_min={low} must be below sigma_max={high}")
    return low, high
