"""Brownian motion and the Ornstein-Uhlenbeck process."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from fpsde.density import Normal
from fpsde.domain import LINE, Interval, Wall
from fpsde.processes.allowed import Allowed
from fpsde.processes.process import Exact, Process
from fpsde.processes.transitions import gaussian, setting_of
from fpsde.processes.walls import brownian_between_walls, walled_setting
from fpsde.validation import POSITIVE, REAL

_BROWNIAN = Allowed(drift=REAL, sigma=POSITIVE)
_ORNSTEIN_UHLENBECK = Allowed(theta=POSITIVE, mean=REAL, sigma=POSITIVE)


def brownian(drift: float = 0.5, sigma: float = 0.8, *, domain: Interval = LINE) -> Process:
    """Return Brownian motion with drift.

        dX = drift dt + sigma dW,    X_t = x0 + drift t + sigma W_t on the line

    ``domain`` may have reflecting, absorbing or periodic walls; :mod:`fpsde.processes.walls` says which laws are known
    then. Units: drift (unit of x)/time, sigma (unit of x)/sqrt(time).

    Raises InvalidInput unless sigma > 0, and for a finite end without a wall.
    """
    drift, sigma = _BROWNIAN.numbers(drift, sigma)
    free = domain == LINE
    if free:
        known = _free(drift, sigma)
        setting = setting_of(known, 0.3, t_end=1.0, n_steps=20)
    else:
        known = brownian_between_walls(drift, sigma, domain)
        setting = walled_setting(known, drift=drift, sigma=sigma, domain=domain)
    return Process(
        drift=lambda x, t, p: p.drift,
        sigma=lambda x, t, p: p.sigma,
        params={"drift": drift, "sigma": sigma},
        domain=domain,
        name=_name(domain),
        equation="dX = drift dt + sigma dW",
        exact=known,
        setting=setting,
        sample=(lambda x, t, dt, z, p: x + p.drift * dt + p.sigma * np.sqrt(dt) * z) if free else None,
        factory=brownian,
        allowed=_BROWNIAN,
        arguments={"drift": drift, "sigma": sigma, "domain": domain},
    )


def _name(domain: Interval) -> str:
    """Return "brownian", with the walls that there are: brownian_reflecting, brownian_reflecting_absorbing."""
    walls = dict.fromkeys(w.value for w in (domain.low_wall, domain.high_wall) if w is not Wall.NONE)
    return "_".join(["brownian", *walls])


def _free(drift: float, sigma: float) -> Exact:
    known = gaussian(scale=lambda t: 1.0, shift=lambda t: drift * t, variance=lambda t: sigma**2 * t)
    return replace(known, path=lambda x0, t, w: x0 + drift * t + sigma * w)


def _relaxed(x: Any, t: Any, dt: Any, z: Any, p: Any) -> Any:
    """Return X_{t+dt} of the Ornstein-Uhlenbeck process from X_t = x and a standard normal."""
    variance = -(p.sigma**2) * np.expm1(-2 * p.theta * dt) / (2 * p.theta)
    return p.mean + (x - p.mean) * np.exp(-p.theta * dt) + np.sqrt(variance) * z


def ornstein_uhlenbeck(theta: float = 2.0, mean: float = 0.5, sigma: float = 0.8) -> Process:
    """Return the Ornstein-Uhlenbeck process.

        dX = theta (mean - X) dt + sigma dW
        X_t ~ N(mean + (x0 - mean) e^{-theta t}, v (1 - e^{-2 theta t})),  X_oo ~ N(mean, v),  v = sigma^2/(2 theta)

    Units: theta 1/time, mean (unit of x), sigma (unit of x)/sqrt(time).

    Raises InvalidInput unless theta > 0 and sigma > 0. Source: Uhlenbeck & Ornstein, Phys. Rev. 36 (1930) 823.
    """
    theta, mean, sigma = _ORNSTEIN_UHLENBECK.numbers(theta, mean, sigma)
    stationary = Normal(mean, sigma / math.sqrt(2 * theta))
    known = gaussian(
        scale=lambda t: math.exp(-theta * t),
        shift=lambda t: -mean * math.expm1(-theta * t),
        variance=lambda t: -(stationary.std**2) * math.expm1(-2 * theta * t),
    )
    return Process(
        drift=lambda x, t, p: p.theta * (p.mean - x),
        sigma=lambda x, t, p: p.sigma,
        params={"theta": theta, "mean": mean, "sigma": sigma},
        name="ornstein_uhlenbeck",
        equation="dX = theta (mean - X) dt + sigma dW",
        exact=replace(known, stationary=lambda: stationary),
        setting=setting_of(known, mean - 1.5 * stationary.std, t_end=2 / theta, n_steps=40),
        sample=_relaxed,
        factory=ornstein_uhlenbeck,
        allowed=_ORNSTEIN_UHLENBECK,
        arguments={"theta": theta, "mean": mean, "sigma": sigma},
    )
