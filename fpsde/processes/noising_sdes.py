"""The other two noising processes of score-based models: variance exploding, and sub-variance preserving."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fpsde.density import Law
from fpsde.processes.allowed import Allowed, Condition
from fpsde.processes.beta_schedules import BetaSchedule, linear_beta
from fpsde.processes.noising import TWO_NORMALS, integral_of
from fpsde.processes.process import Process
from fpsde.processes.transitions import gaussian, setting_of
from fpsde.validation import POSITIVE

_GROWS = Condition(
    lambda p: p.sigma_min < p.sigma_max, lambda p: f"sigma_min={p.sigma_min} must be below sigma_max={p.sigma_max}"
)
_EXPLODING = Allowed(_GROWS, sigma_min=POSITIVE, sigma_max=POSITIVE)


def variance_exploding(sigma_min: float = 0.1, sigma_max: float = 2.0, data: Law = TWO_NORMALS) -> Process:
    """Return the variance-exploding process on 0 <= t <= 1, started from ``data``.

        dX = sigma(t) sqrt(2 log r) dW,    sigma(t) = sigma_min r^t,  r = sigma_max/sigma_min
        X_t = X_0 + N(0, sigma(t)^2 - sigma_min^2)

    ``data`` is a Point, Normal, Uniform, or a Mixture of these. Raises InvalidInput unless 0 < sigma_min < sigma_max.
    Source: Song et al., Score-Based Generative Modeling through SDEs (2021), eqs. 9, 29 and 30.
    """
    low, high = _EXPLODING.numbers(sigma_min, sigma_max)

    def variance(t: Any, low: Any = low, high: Any = high) -> Any:
        return low**2 * np.expm1(2 * t * np.log(high / low))

    def noised(x: Any, t: Any, dt: Any, z: Any, p: Any) -> Any:
        ratio = np.log(p.sigma_max / p.sigma_min)
        return x + p.sigma_min * np.exp(t * ratio) * np.sqrt(np.expm1(2 * dt * ratio)) * z

    known = gaussian(scale=lambda t: 1.0, shift=lambda t: 0.0, variance=lambda t: float(variance(t)))
    return Process(
        drift=lambda x: 0.0 * x,
        sigma=lambda x, t, p: (
            p.sigma_min * np.exp(t * np.log(p.sigma_max / p.sigma_min)) * np.sqrt(2 * np.log(p.sigma_max / p.sigma_min))
        ),
        params={"sigma_min": low, "sigma_max": high},
        name="variance_exploding",
        equation="dX = sigma(t) sqrt(2 log r) dW,  sigma(t) = sigma_min r^t,  r = sigma_max/sigma_min",
        exact=known,
        setting=setting_of(known, data, t_end=1.0, n_steps=100),
        sample=noised,
        factory=variance_exploding,
        allowed=_EXPLODING,
        arguments={"data": data, "sigma_min": low, "sigma_max": high},
    )


def sub_variance_preserving(beta: BetaSchedule | None = None, data: Law = TWO_NORMALS) -> Process:
    """Return the sub-variance-preserving process of a schedule, started from ``data``.

        dX = -beta(t)/2 X dt + sqrt(beta(t) (1 - exp(-2B))) dW,    B = int_0^t beta
        X_t = exp(-B/2) X_0 + N(0, (1 - exp(-B))^2)

    Its variance is below that of :func:`~fpsde.processes.noising.variance_preserving` at every time, and ends in the
    same N(0, 1). Arguments and errors are those of that process.
    Source: Song et al., Score-Based Generative Modeling through SDEs (2021), eqs. 28 and 29.
    """
    schedule = linear_beta() if beta is None else beta
    integral = integral_of(schedule)
    known = gaussian(
        scale=lambda t: math.exp(-0.5 * integral(t)),
        shift=lambda t: 0.0,
        variance=lambda t: math.expm1(-integral(t)) ** 2,
    )

    def noised(x: Any, t: Any, dt: Any, z: Any, p: Any) -> Any:
        before, after = schedule.integral(t, p), schedule.integral(t + dt, p)
        # (1 - e^-after)^2 - e^-(after - before) (1 - e^-before)^2, which cancels, is a product
        variance = np.expm1(before - after) * np.expm1(-before - after)
        return np.exp((before - after) / 2) * x + np.sqrt(variance) * z

    def with_values(*, data: Law, **params: float) -> Process:
        return sub_variance_preserving(schedule.remade(**params), data)

    return Process(
        drift=lambda x, t, p: -0.5 * schedule.rate(t, p) * x,
        sigma=lambda x, t, p: np.sqrt(schedule.rate(t, p) * -np.expm1(-2 * schedule.integral(t, p))),
        params=schedule.params,
        name="sub_variance_preserving",
        equation="dX = -beta(t)/2 X dt + sqrt(beta(t) (1 - exp(-2 int_0^t beta))) dW",
        exact=known,
        setting=setting_of(known, data, t_end=schedule.t_end, n_steps=100),
        sample=noised,
        factory=with_values,
        allowed=schedule.allowed,
        arguments={"data": data, **schedule.params},
    )
