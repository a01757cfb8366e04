"""Mixtures of round normal laws in d dimensions, and the variance-preserving process that starts from one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsde.density import Law, Mixture, Normal, Point
from fpsde.errors import InvalidInput
from fpsde.processes.beta_schedules import BetaSchedule, linear_beta
from fpsde.processes.moments import point
from fpsde.processes.noising import integral_of, noised
from fpsde.processes.process import Exact, Process, Setting
from fpsde.symbolic import Parameters
from fpsde.validation import finite_array


@dataclass(frozen=True, eq=False)
class NormalMixture:
    """sum_k weights[k] N(means[k], stds[k]^2 I) in d dimensions: ``weights`` (K,), ``means`` (K, d), ``stds`` (K,).

    Raises InvalidInput unless the weights are positive and sum to 1 and the stds are positive.
    """

    weights: np.ndarray
    means: np.ndarray
    stds: np.ndarray

    def __post_init__(self) -> None:
        for name, ndim in (("weights", 1), ("means", 2), ("stds", 1)):
            object.__setattr__(self, name, finite_array(name, getattr(self, name), ndim=ndim))
        sizes = {name: len(getattr(self, name)) for name in ("weights", "means", "stds")}
        if len(set(sizes.values())) > 1:
            raise InvalidInput(f"a mixture needs one weight, mean and std for each part; given are {sizes}")
        if np.any(self.weights <= 0) or abs(self.weights.sum() - 1) > 1e-12:
            raise InvalidInput(f"weights={self.weights.tolist()} must be positive and sum to 1")
        if np.any(self.stds <= 0):
            raise InvalidInput(f"stds={self.stds.tolist()} must be positive")

    @property
    def dim(self) -> int:
        """The number d of components."""
        return self.means.shape[1]

    @property
    def params(self) -> dict[str, np.ndarray]:
        """The parameters that :func:`mixture_log_density` reads."""
        return {"weights": self.weights, "means": self.means, "stds": self.stds}

    @property
    def mean(self) -> np.ndarray:
        """The mean, (d,)."""
        return self.weights @ self.means

    @property
    def covariance(self) -> np.ndarray:
        """The covariance, (d, d)."""
        apart = self.means - self.mean
        return (self.weights * apart.T) @ apart + self.weights @ self.stds**2 * np.eye(self.dim)

    def component(self, i: int) -> Law:
        """Return the law of component i."""
        return Mixture(self.weights.tolist(), [Normal(m, s) for m, s in zip(self.means[:, i], self.stds, strict=True)])

    def pdf(self, x: Any) -> np.ndarray:
        """Return the density at ``x`` (d, n), (n,)."""
        columns = tuple(np.asarray(x, dtype=float))
        with np.errstate(divide="ignore"):  # the density is 0 in float64 far from all means
            return np.exp(mixture_log_density(columns, Parameters(**self.params))) / (2 * math.pi) ** (self.dim / 2)

    def blurred(self, scale: float, variance: float) -> NormalMixture:
        """Return the law of scale X + N(0, variance I)."""
        return NormalMixture(self.weights, scale * self.means, np.sqrt(scale**2 * self.stds**2 + variance))


def mixture_log_density(x: Any, p: Any) -> Any:
    """Return log q(x) + (d/2) log 2 pi of the mixture with p.weights, p.means, p.stds, for a tuple of d components.

    Its gradient is the score; ``langevin_of(mixture_log_density, dim=d, params=mixture.params)`` samples the mixture.
    """
    density = 0.0
    for weight, mean, std in zip(p.weights, p.means, p.stds, strict=True):
        distance2 = sum((x_i - m) ** 2 for x_i, m in zip(x, mean, strict=True))
        density = density + weight / std ** len(x) * np.exp(-distance2 / (2 * std**2))
    return np.log(density)


#: Data in the plane without a symmetry that could hide an error.
THREE_NORMALS = NormalMixture(
    weights=np.array([0.2, 0.5, 0.3]),
    means=np.array([[-1.5, 0.5], [1.0, 1.2], [0.4, -1.0]]),
    stds=np.array([0.3, 0.5, 0.2]),
)


def noised_mixture(beta: BetaSchedule | None = None, data: NormalMixture = THREE_NORMALS) -> Process:
    """Return the variance-preserving process of a schedule in d dimensions, started from a mixture.

        dX = -beta(t)/2 X dt + sqrt(beta(t)) dW,    abar = exp(-int_0^t beta)
        X_t ~ sum_k weights[k] N(sqrt(abar) means[k], (abar stds[k]^2 + 1 - abar) I)

    ``exact.marginal(data, t)`` is that mixture, so its score is known at every time. In one dimension this is
    :func:`~fpsde.processes.noising.variance_preserving`, whose ``data`` is any law. Source: Song et al., Score-Based
    Generative Modeling through SDEs (2021), eqs. 11 and 29.
    """
    schedule = linear_beta() if beta is None else beta
    integral, d = integral_of(schedule), data.dim
    if d < 2:
        raise InvalidInput("data have one component; for these take fpsde.variance_preserving(beta, data)")

    def marginal(initial: Any, t: float) -> NormalMixture:
        if not isinstance(initial, NormalMixture):
            raise InvalidInput(f"no closed form from {initial!r}; start from a NormalMixture")
        return initial.blurred(math.exp(-integral(t) / 2), -math.expm1(-integral(t)))

    def mean(x0: Any, t: float) -> np.ndarray:
        return math.exp(-integral(t) / 2) * point(x0, d)

    def variance(t: float) -> float:
        return -math.expm1(-integral(t))

    def component(i: int, x0: Any, t: float) -> Law:
        at = float(mean(x0, t)[i])
        return Normal(at, math.sqrt(variance(t))) if t > 0 else Point(at)

    def with_values(*, data: NormalMixture, **params: float) -> Process:
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
        arguments={"data": data, **schedule.params},
    )
