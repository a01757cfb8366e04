"""Heun's step for the probability flow of a diffusion model, with and without a raise of the noise before it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Any

import numpy as np

from fpsde.errors import InvalidInput
from fpsde.schemes.from_noise import refuse_without_denoiser, sampler_scheme
from fpsde.schemes.scheme import Scheme
from fpsde.validation import finite, positive


def karras(churn: float = 0.0, *, low: float = 0.0, high: float = inf, noise_scale: float = 1.0) -> Scheme:
    """Return Heun's step for the probability flow in sigma = s/a and y = x/a, after a raise of the noise.

        r = (1 + churn) sigma where low <= sigma <= high, else sigma,    y_0 = y + noise_scale sqrt(r^2 - sigma^2) z
        d = (y_0 - D(y_0, r))/r,    y_1 = y_0 + (sigma' - r) d,    d' = (y_1 - D(y_1, sigma'))/sigma'
        y' = y_0 + (sigma' - r)(d + d')/2, and y_1 where sigma' = 0

    ``churn`` is the gamma of the paper, min(S_churn/N, sqrt(2) - 1) for N steps; 0 has no noise. Order 2 in the steps
    of a smooth ladder of sigma. Raises InvalidInput for a negative churn, low > high, or noise_scale <= 0.
    Source: Karras et al. (2022), algorithms 1 and 2.
    """
    gamma, low, high_end = finite("churn", churn), finite("low", low), float(high)
    if gamma < 0 or not low <= high_end:
        raise InvalidInput(f"churn={churn}, low={low}, high={high}: churn is not negative, and low is below high")
    rise = _Rise(gamma, low, high_end, positive("noise_scale", noise_scale))
    name, source = f"karras({gamma:g})" if gamma else "karras", "Karras et al. (2022), algorithm 2"
    step: Callable = partial(_flow, rise)
    parts: tuple[Scheme, ...] = ()
    if gamma:
        rising = sampler_scheme(f"rise of {name}", _RISE, partial(_raised, rise), source=source, evaluations=0)
        flow = sampler_scheme(f"flow of {name}", _FLOW, step, source=source, evaluations=2, inputs=())
        step, parts = partial(_in_turn, (rising, flow)), (rising, flow)
    return sampler_scheme(name, f"{_RISE};  {_FLOW}", step, source=source, evaluations=2, parts=parts)


_RISE = "y_0 = y + noise_scale sqrt(r^2 - sigma^2) z"
_FLOW = "y' = y_0 + (sigma' - r)(d + d')/2,  y = x/a, sigma = s/a"


@dataclass(frozen=True)
class _Rise:
    """By what part ``churn`` the noise is raised before a step, and where."""

    churn: float
    low: float
    high: float
    noise_scale: float

    def at(self, sigma: Any) -> Any:
        """Return gamma where the noise is ``sigma``."""
        bounded = self.churn and (self.low > 0 or self.high < inf)
        return np.where((sigma >= self.low) & (sigma <= self.high), self.churn, 0.0) if bounded else self.churn


def _raised(rise: _Rise, model: Any, x: Any, t: Any, dt: Any, noise: Any) -> Any:
    """Return x with more noise, still in units of the level that the step starts at."""
    refuse_without_denoiser(model)
    gamma = rise.at(model.p.level / model.p.signal)
    return x + rise.noise_scale * model.p.level * np.sqrt(gamma * (2 + gamma)) * noise.z


def _flow(rise: _Rise, model: Any, x: Any, t: Any, dt: Any, noise: Any) -> Any:
    """Return Heun's step for the flow, from the raised noise."""
    refuse_without_denoiser(model)
    p = model.p
    sigma, after = p.level / p.signal, p.next_level / p.next_signal
    raised = sigma * (1 + rise.at(sigma))
    y = model.staged(x / p.signal)
    d = (y - model.denoised(y, raised)) / raised
    euler = model.staged(y + (after - raised) * d)
    # a level of 0 is not divided by: the slope there is not read
    slope = (euler - model.denoised(euler, after)) / np.where(after > 0, after, 1.0)
    return p.next_signal * np.where(after > 0, y + (after - raised) * (d + slope) / 2, euler)


def _in_turn(parts: tuple[Scheme, ...], model: Any, x: Any, t: Any, dt: Any, noise: Any) -> Any:
    for part in parts:
        x = part.step(model, x, t, dt, noise)
    return x
