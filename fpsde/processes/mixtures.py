"""The variance-preserving process in d dimensions that starts from a mixture of normal laws."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fpsde.density import Law, Normal, Point
from fpsde.errors import InvalidInput
from fpsde.gaussian_mixture import GaussianMixture, round_mixture
from fpsde.processes.beta_schedules import BetaSchedule, linear_beta
from fpsde.processes.moments import point
from fpsde.processes.noising import integral_of, noised
from fpsde.processes.process import Exact, Process, Setting

#: Data in the plane without a symmetry that could hide an error.
THREE_NORMALS = round_mixture([0.2, 0.5, 0.3], [[-1.5, 0.5], [1.0, 1.2], [0.4, -1.0]], [0.3, 0.5, 0.2])


def noised_mixture(beta: BetaSchedule | None = None, data: GaussianMixture = THREE_NORMALS) -> Process:
    """Return the variance-preserving process of a schedule in d dimensions, started from a mixture.

        dX = -beta(t)/2 X dt + sqrt(beta(t)) dW,    abar = exp(-int_0^t beta)
        X_t ~ sum_k weights[k] N(sqrt(abar) means[k], abar covariances[k] + (1 - abar) I)

    ``exact.marginal(data, t)`` is that mixture, so its score is known at every time. In one dimension this is
    :func:`~fpsde.processes.noising.variance_preserving`, whose ``data`` is any law. Source: Song et al., Score-Based
    Generative Modeling through SDEs (2021), eqs. 11 and 29.
    """
    schedule = linear_beta() if beta is None else beta
    integral, d = integral_of(schedule), data.dim
    if d < 2:
        raise InvalidInput("data have one component; for these take fpsde.variance_preserving(beta, data)")

    def marginal(initial: Any, t: float) -> GaussianMixture:
        if not isinstance(initial, GaussianMixture):
            raise InvalidInput(f"no closed form from {initial!r}; start from a GaussianMixture")
        return initial.noised(math.exp(-integral(t) / 2), math.sqrt(-math.expm1(-integral(t))))

    def mean(x0: Any, t: float) -> np.ndarray:
        return math.exp(-integral(t) / 2) * point(x0, d)

    def variance(t: float) -> float:
        return -math.expm1(-integral(t))

    def component(i: int, x0: Any, t: float) -> Law:
        at = float(mean(x0, t)[i])
        return Normal(at, math.sqrt(variance(t))) if t > 0 else Point(at)

    def with_values(*, data: GaussianMixture, **params: float) -> Process:
        return noised_mixture(schedule.remade(**params), data)

    def sample(x: Any, t: Any, dt: Any, z: Any, p: Any) -> Any:
        return tuple(noised(schedule, x_i, t, dt, z_i, p) for x_i, z_i in zip(x, z, strict=True))

    return Process(
        drift=lambda x, t, p: tuple(-0.5 * schedule.rate(t, p) * x_i for x_i in x),
        sigma=lambda x, t, p: tuple(np.sqrt(schedule.rate(t, p)) for _ in x),
        dim=d,
        params=schedule.params,
        name="noised_mixture",
        equation="dX = -beta(t)/2 X dt + sqrt(beta(t)) dW",
        exact=Exact(
            marginal=marginal,
            mean=mean,
            covariance=lambda x0, t: variance(t) * np.eye(len(point(x0, d))),
            component=component,
            stationary_mean=lambda: np.zeros(d),
            stationary_covariance=lambda: np.eye(d),
            stationary_component=lambda i: Normal(0.0, 1.0),
        ),
        setting=Setting(tuple(data.mean), t_end=schedule.t_end, dt=schedule.t_end / 100),
        rate=schedule.rate,
        sample=sample,
        factory=with_values,
        allowed=schedule.allowed,
        arguments={"data": data, **schedule.params},
    )
