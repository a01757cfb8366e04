"""Losses of a denoiser as weights by level: all are sum_t w_t E|z - eps(x_t, t)|^2/(T d), t uniform on 1, ..., T.

Another prediction changes the weight and nothing else: |x0 - xhat|^2 = sigma^2 |z - eps|^2 with sigma = level/signal,
and the score's error is |z - eps|^2/level^2. So denoising score matching over scales of noise, whose errors Song &
Ermon (2019, eq. 5) weight by sigma^2, is :func:`simple_weights` on ``fpsde.variance_exploding_schedule``.
:func:`~fpsde.ddpm.bounds.bound_weights` are those of the variational bound.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fpsde.ddpm.floors import noise_floors
from fpsde.errors import InvalidInput
from fpsde.known_law import KnownLaw
from fpsde.processes.noise_schedules import NoiseSchedule
from fpsde.validation import finite_array, positive

#: Weights (T,) of the levels t = 1, ..., T of a schedule.
Weights = Callable[[NoiseSchedule], np.ndarray]


def simple_weights(schedule: NoiseSchedule) -> np.ndarray:
    """Return w_t = 1: the simple loss of Ho, Jain & Abbeel (2020), eq. 14."""
    return np.ones(schedule.n_steps)


def min_snr_weights(schedule: NoiseSchedule, *, gamma: float = 5.0) -> np.ndarray:
    """Return w_t = min(SNR, gamma)/SNR, with SNR = signal^2/level^2: the error of x0 weighted by min(SNR, gamma).

    Raises InvalidInput unless gamma > 0. Source: Hang et al., ICCV (2023), section 3.4.
    """
    return np.exp(np.minimum(0.0, np.log(positive("gamma", gamma)) - schedule.log_snr[1:]))


def weights_of(weights: Weights, schedule: NoiseSchedule) -> np.ndarray:
    """Return the weights (T,) at the levels of a schedule; InvalidInput unless they are T numbers >= 0."""
    found = finite_array("weights", weights(schedule), ndim=1)
    if len(found) != schedule.n_steps or np.any(found < 0) or not np.any(found):
        raise InvalidInput(
            f"weights gave {len(found)} numbers from {found.min():.4g} to {found.max():.4g}; {schedule.n_steps} are "
            "needed, none negative and one positive"
        )
    return found


def weighted_floor(law: KnownLaw, schedule: NoiseSchedule, *, weights: Weights = simple_weights) -> float:
    """Return the least loss of these weights, that of the exact denoiser: sum_t w_t min E|z - eps|^2/(T d).

    Errors of :func:`~fpsde.ddpm.floors.noise_floors`.
    """
    return float(np.mean(weights_of(weights, schedule) * noise_floors(law, schedule.sigmas[1:]))) / law.dim
