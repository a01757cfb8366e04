"""Noise rates beta(t) of variance-preserving processes, each with its integral."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsde.errors import InvalidInput
from fpsde.processes.allowed import Allowed, Condition
from fpsde.validation import POSITIVE, REAL, finite_array, positive


@dataclass(frozen=True, eq=False)
class BetaSchedule:
    """A noise rate ``rate(t, p)`` in 1/time on (0, t_end), and ``integral(t, p)``, the integral of it from 0 to t.

    Both are written with operators, so that they take numbers and components alike; ``params`` are p, by name.
    ``remade(**params)`` returns the schedule with other values. The rate is positive on (0, t_end).
    """

    rate: Callable[[Any, Any], Any]
    integral: Callable[[Any, Any], Any]
    params: Mapping[str, float]
    t_end: float
    remade: Callable[..., BetaSchedule]
    allowed: Allowed | None = None  #: what the parameters may be, where that is stated


_CONSTANT = Allowed(beta=POSITIVE)
_RATE = Condition(
    lambda p: (p.beta_min >= 0) & (p.beta_max >= 0) & ((p.beta_min > 0) | (p.beta_max > 0)),
    lambda p: f"beta_min={p.beta_min}, beta_max={p.beta_max}: a rate is not negative, and positive somewhere",
)
_LINEAR = Allowed(_RATE, beta_min=REAL, beta_max=REAL)


def constant_beta(beta: float = 1.0, *, t_end: float = 2.0) -> BetaSchedule:
    """Return beta(t) = beta. Raises InvalidInput unless beta > 0 and t_end > 0."""
    return BetaSchedule(
        rate=lambda t, p: p.beta,
        integral=lambda t, p: p.beta * t,
        params=dict(zip(_CONSTANT.ranges, _CONSTANT.numbers(beta), strict=True)),
        t_end=positive("t_end", t_end),
        remade=lambda beta: constant_beta(beta, t_end=t_end),
        allowed=_CONSTANT,
    )


def linear_beta(beta_min: float = 0.1, beta_max: float = 20.0, *, t_end: float = 1.0) -> BetaSchedule:
    """Return beta(t) = beta_min + (beta_max - beta_min) t/t_end.

    Raises InvalidInput unless beta_min >= 0, beta_max >= 0, one of them is positive, and t_end > 0.
    Source: Song et al., Score-Based Generative Modeling through SDEs (2021), eq. 32, which has t_end = 1.
    """
    beta_min, beta_max = _LINEAR.numbers(beta_min, beta_max)
    t_end = positive("t_end", t_end)
    return BetaSchedule(
        rate=lambda t, p: p.beta_min + (p.beta_max - p.beta_min) * t / t_end,
        integral=lambda t, p: p.beta_min * t + (p.beta_max - p.beta_min) * t**2 / (2 * t_end),
        params={"beta_min": beta_min, "beta_max": beta_max},
        t_end=t_end,
        remade=lambda **params: linear_beta(**params, t_end=t_end),
        allowed=_LINEAR,
    )


def refuse_no_betas(betas: Any, *, last_may_be_1: bool = False) -> np.ndarray:
    """Return ``betas`` as an array (T,); InvalidInput unless they lie strictly between 0 and 1."""
    betas = finite_array("betas", betas, ndim=1)
    wrong = (betas <= 0) | (betas >= 1)
    if last_may_be_1:
        wrong[-1] = not 0 < betas[-1] <= 1
    outside = np.flatnonzero(wrong)
    if len(outside):
        n = outside[0]
        raise InvalidInput(
            f"betas[{n}]={betas[n]}, and {len(outside) - 1} more of {len(betas)}, do not lie strictly between 0 and 1"
        )
    return betas
