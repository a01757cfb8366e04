"""Variance-preserving processes: data decay towards N(0, 1) at a rate beta, continuous in time or read from a table."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from fpsde.density import Law, Mixture, Normal, Uniform
from fpsde.errors import InvalidInput
from fpsde.processes.beta_schedules import BetaSchedule, linear_beta, refuse_no_betas
from fpsde.processes.process import Exact, Process
from fpsde.processes.transitions import gaussian, setting_of

#: Data without a symmetry that could hide an error: unequal weights, means not opposite, scales not 1.
TWO_NORMALS = Mixture([0.3, 0.7], [Normal(-1.5, 0.3), Normal(1.0, 0.5)])
UNIT_UNIFORM = Uniform(0.0, 1.0)


def variance_preserving(beta: BetaSchedule | None = None, data: Law = TWO_NORMALS) -> Process:
    """Return the variance-preserving process of a schedule, started from ``data``.

        dX = -beta(t)/2 X dt + sqrt(beta(t)) dW,    X_t = sqrt(abar) X_0 + N(0, 1 - abar),  abar = exp(-int_0^t beta)

    so a component N(m, s^2) of the data becomes N(sqrt(abar) m, abar s^2 + 1 - abar). ``beta`` defaults to
    :func:`~fpsde.processes.beta_schedules.linear_beta`. ``data`` is a Point, Normal, Uniform, or a Mixture of these.
    N(0, 1) is invariant. Source: Song et al., Score-Based Generative Modeling through SDEs (2021), eqs. 11 and 29.

    Raises InvalidInput for a law of the data whose image has no closed form, and for times at which beta is negative.
    """
    schedule = linear_beta() if beta is None else beta
    known = _noised(integral_of(schedule))

    def with_values(*, data: Law, **params: float) -> Process:
        return variance_preserving(schedule.remade(**params), data)

    return Process(
        drift=lambda x, t, p: -0.5 * schedule.rate(t, p) * x,
        sigma=lambda x, t, p: np.sqrt(schedule.rate(t, p)),
        params=schedule.params,
        name="variance_preserving",
        equation="dX = -beta(t)/2 X dt + sqrt(beta(t)) dW",
        exact=known,
        setting=setting_of(known, data, t_end=schedule.t_end, n_steps=100),
        rate=schedule.rate,
        sample=lambda x, t, dt, z, p: noised(schedule, x, t, dt, z, p),
        factory=with_values,
        allowed=schedule.allowed,
        arguments={"data": data, **schedule.params},
    )


def noised(schedule: BetaSchedule, x: Any, t: Any, dt: Any, z: Any, p: Any) -> Any:
    """Return X_{t+dt} from X_t = x and a standard normal: abar is that of the time between."""
    spent = schedule.integral(t + dt, p) - schedule.integral(t, p)
    return np.exp(-spent / 2) * x + np.sqrt(-np.expm1(-spent)) * z


def ddpm_chain(betas: Sequence[float] | np.ndarray | None = None, data: Law = UNIT_UNIFORM) -> Process:
    """Return the variance-preserving process whose rate is a table: beta_n during step n, from time n to n + 1.

        dX = -beta_n/2 X dt + sqrt(beta_n) dW

    Its discrete forms are steps of unit time: Euler's (1 - beta/2) x + sqrt(beta) z, and that of the denoising
    diffusion model, sqrt(1 - beta) x + sqrt(beta) z (Ho, Jain & Abbeel 2020, eq. 2). The laws carried here are those of
    the process, with abar = exp(-sum beta_n); those of the chains are in :func:`fpsde.scheme_law`.
    ``betas`` ``(n_steps,)`` defaults to linspace(1e-4, 0.02, 1000).

    Raises InvalidInput unless 0 < beta_n < 1 for all n, and for times beyond the table.
    """
    betas = refuse_no_betas(np.linspace(1e-4, 0.02, 1000) if betas is None else betas)
    known = _noised(_integral_of_table(betas))
    return Process(
        drift=lambda x, t, p: -0.5 * p.beta * x,
        sigma=lambda x, t, p: np.sqrt(p.beta),
        tables={"beta": betas},
        name="ddpm_chain",
        equation="dX = -beta_n/2 X dt + sqrt(beta_n) dW on [n, n + 1)",
        exact=known,
        setting=setting_of(known, data, t_end=float(len(betas)), n_steps=len(betas)),
        rate=lambda t, p: p.beta,
        factory=ddpm_chain,
        arguments={"betas": betas, "data": data},
    )


def _noised(integral: Callable[[float], float]) -> Exact:
    """Return the closed forms of a variance-preserving process, from the integral of its rate."""
    known = gaussian(
        scale=lambda t: math.exp(-0.5 * integral(t)),
        shift=lambda t: 0.0,
        variance=lambda t: -math.expm1(-integral(t)),
    )
    return replace(known, stationary=lambda: Normal(0.0, 1.0))


def integral_of(schedule: BetaSchedule) -> Callable[[float], float]:
    """Return int_0^t beta as a function of t, which refuses times at which beta is negative."""
    p = SimpleNamespace(**schedule.params)

    def integral(t: float) -> float:
        if schedule.rate(t, p) < 0:
            raise InvalidInput(
                f"beta = {schedule.rate(t, p):.6g} at t={t} is negative; the schedule ends at {schedule.t_end}"
            )
        return float(schedule.integral(t, p))

    return integral


def _integral_of_table(betas: np.ndarray) -> Callable[[float], float]:
    sums = np.concatenate([[0.0], np.cumsum(betas)])

    def integral(t: float) -> float:
        if not 0 <= t <= len(betas):
            raise InvalidInput(f"t={t} lies outside of the table, which holds {len(betas)} steps of unit time")
        return float(np.interp(t, np.arange(len(sums)), sums))

    return integral
