"""Noise schedules: how much signal and how much noise x_t holds at t = 0, 1, ..., T, as tables in float64."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsde.errors import InvalidInput
from fpsde.processes.beta_schedules import refuse_no_betas
from fpsde.signal_and_noise import NoiseStep
from fpsde.validation import finite_array


@dataclass(frozen=True, eq=False)
class NoiseSchedule:
    """x_t = signals[t] x_0 + levels[t] z,  z ~ N(0, I),  t = 0, ..., T; at t = 0 it is the data.

    ``log_alpha_bars`` (T + 1,) hold log alpha_bar_t, with alpha_bar = signal^2/(signal^2 + level^2): they start with 0
    and fall; the last may be -inf (no signal is left). ``scales`` (T + 1,) are sqrt(signal^2 + level^2): ones where the
    variance is preserved. ``timesteps`` (T + 1,) name the levels: 0, ..., T, or those that :meth:`subset` kept.

    The logarithm is what is stored: 1 - alpha_bar and 1 - alpha_bar_t/alpha_bar_t' then keep all their digits.
    Raises InvalidInput for logarithms that do not start with 0 or do not fall, and scales that are not positive.
    """

    log_alpha_bars: np.ndarray
    scales: np.ndarray
    timesteps: np.ndarray

    def __post_init__(self) -> None:
        logs = np.asarray(self.log_alpha_bars, dtype=float)
        if logs.ndim != 1 or len(logs) < 2 or logs[0] != 0 or not np.all(logs[1:] < logs[:-1]):
            raise InvalidInput(
                f"log_alpha_bars={logs} of shape {logs.shape}; give log alpha_bar_t at t = 0, ..., T in one dimension, "
                "which starts with 0 and falls"
            )
        scales = finite_array("scales", self.scales, ndim=1)
        if len(scales) != len(logs) or np.any(scales <= 0) or scales[0] != 1:
            raise InvalidInput(f"scales={scales}; give {len(logs)} positive numbers, of which the first is 1")
        object.__setattr__(self, "log_alpha_bars", logs)
        object.__setattr__(self, "scales", scales)

    @property
    def n_steps(self) -> int:
        """T."""
        return len(self.log_alpha_bars) - 1

    @property
    def alpha_bars(self) -> np.ndarray:
        """alpha_bar_t, (T + 1,)."""
        return np.exp(self.log_alpha_bars)

    @property
    def signals(self) -> np.ndarray:
        """The factor of x_0 in x_t, (T + 1,)."""
        return self.scales * np.exp(0.5 * self.log_alpha_bars)

    @property
    def levels(self) -> np.ndarray:
        """The standard deviation of the noise in x_t, (T + 1,)."""
        return self.scales * np.sqrt(-np.expm1(self.log_alpha_bars))

    @property
    def sigmas(self) -> np.ndarray:
        """levels/signals, (T + 1,): the noise as Karras et al. count it; inf where no signal is left."""
        with np.errstate(over="ignore"):
            return np.sqrt(np.expm1(-self.log_alpha_bars))

    @property
    def log_snr(self) -> np.ndarray:
        """log(signal^2/level^2), (T + 1,): inf at t = 0."""
        with np.errstate(divide="ignore"):
            return self.log_alpha_bars - np.log(-np.expm1(self.log_alpha_bars))

    @property
    def fresh(self) -> np.ndarray:
        """The variance of x_t given x_{t-1}, (T,), of t = 1, ..., T: beta_t where the variance is preserved."""
        ratios = self.log_alpha_bars[1:] - self.log_alpha_bars[:-1]
        return self.scales[1:] ** 2 * -np.expm1(ratios)

    def step(self, t: Any) -> NoiseStep:
        """Return the step from t to t - 1, for one t = 1, ..., T or an array of them (by index, not by name)."""
        given = np.asarray(t)
        if given.dtype.kind not in "iu" or np.any(given < 1) or np.any(given > self.n_steps):
            raise InvalidInput(f"t={t!r}; give whole numbers from 1 to {self.n_steps}")
        signals, levels = self.signals, self.levels
        return NoiseStep(signals[t], levels[t], signals[given - 1], levels[given - 1], self.fresh[given - 1])

    def subset(self, timesteps: Sequence[int] | np.ndarray) -> NoiseSchedule:
        """Return the schedule that keeps these timesteps, given by name in any order, and 0.

        Its steps are longer: ``fresh`` is 1 - alpha_bar_t/alpha_bar_t' of the timesteps that follow each other.
        Raises InvalidInput for timesteps that are not in the schedule, are named twice, or are none.
        """
        asked = finite_array("timesteps", timesteps, ndim=1)
        unknown = [t for t in asked.tolist() if t not in self.timesteps or t == 0]
        if unknown:
            raise InvalidInput(
                f"timesteps {unknown[:5]} are not in the schedule, whose {self.n_steps} timesteps go from "
                f"{self.timesteps[1]} to {self.timesteps[-1]}"
            )
        kept = np.concatenate([[0], np.sort(asked)])
        if np.any(np.diff(kept) == 0):
            raise InvalidInput(f"timesteps={asked.tolist()} names one twice; give each once")
        at = np.searchsorted(self.timesteps, kept)
        return NoiseSchedule(self.log_alpha_bars[at], self.scales[at], self.timesteps[at])


def preserving_schedule(log_alpha_bars: np.ndarray) -> NoiseSchedule:
    """Return the variance-preserving schedule with log alpha_bar_t (T + 1,) at t = 0, ..., T."""
    return NoiseSchedule(log_alpha_bars, np.ones(len(log_alpha_bars)), np.arange(len(log_alpha_bars)))


def schedule_of_betas(betas: Sequence[float] | np.ndarray) -> NoiseSchedule:
    """Return the variance-preserving schedule alpha_bar_t = prod_{s <= t} (1 - beta_s) of ``betas`` (T,).

    Raises InvalidInput unless 0 < beta_t < 1; the last one may be 1, after which no signal is left.
    """
    betas = refuse_no_betas(betas, last_may_be_1=True)
    with np.errstate(divide="ignore"):  # log 0 = -inf where the last beta is 1
        return preserving_schedule(np.concatenate([[0.0], np.cumsum(np.log1p(-betas))]))


def schedule_of_sigmas(sigmas: Sequence[float] | np.ndarray) -> NoiseSchedule:
    """Return the variance-exploding schedule x_t = x_0 + sigma_t z of increasing ``sigmas`` (T,), sigma_0 = 0 left out.

    Raises InvalidInput unless they are positive and increase.
    """
    sigmas = finite_array("sigmas", sigmas, ndim=1)
    if sigmas[0] <= 0 or np.any(np.diff(sigmas) <= 0):
        raise InvalidInput(f"sigmas from {sigmas[0]} to {sigmas[-1]} must be positive and increase")
    squares = np.concatenate([[0.0], sigmas**2])
    return NoiseSchedule(-np.log1p(squares), np.sqrt(1 + squares), np.arange(len(squares)))
