"""Mixtures of normal laws with any covariances, and what becomes of them under noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsde.arrays import beside
from fpsde.cached import cached_property
from fpsde.density import Law, Mixture, Normal
from fpsde.errors import InvalidInput
from fpsde.known_law import REACH, KnownLaw, picked, refuse_weights, shares, total
from fpsde.optional import optional
from fpsde.symbolic import Parameters
from fpsde.validation import finite_array

special = optional("scipy.special")


@dataclass(frozen=True, eq=False)
class GaussianMixture(KnownLaw):
    """sum_k weights[k] N(means[k], covariances[k]): ``weights`` (K,), ``means`` (K, d), ``covariances`` (K, d, d).

    With noise it is sum_k weights[k] N(signal means[k], signal^2 covariances[k] + level^2 I). Log-density, score and
    denoiser are written with operators: they take arrays (d, n) of the host or of a device, and tuples of d components
    while a step is traced.

    Raises InvalidInput unless the weights are positive and sum to 1, and the covariances are symmetric and positive.
    """

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray

    def __post_init__(self) -> None:
        for name, ndim in (("weights", 1), ("means", 2), ("covariances", 3)):
            object.__setattr__(self, name, finite_array(name, getattr(self, name), ndim=ndim))
        K, d = self.means.shape
        if self.weights.shape != (K,) or self.covariances.shape != (K, d, d):
            raise InvalidInput(
                f"weights {self.weights.shape}, means {self.means.shape}, covariances {self.covariances.shape}; "
                "(K,), (K, d) and (K, d, d) are needed"
            )
        refuse_weights(self.weights)
        asymmetry = np.abs(self.covariances - self.covariances.transpose(0, 2, 1)).max()
        if asymmetry > 1e-12 * np.abs(self.covariances).max() or np.any(self.spreads <= 0):
            raise InvalidInput("covariances must be symmetric with positive eigenvalues; a sharp point is no density")

    @property
    def uniforms(self) -> int:  # type: ignore[override]
        return 1 + self.dim

    @property
    def dim(self) -> int:
        return self.means.shape[1]

    @property
    def mean(self) -> np.ndarray:
        return self.weights @ self.means

    @property
    def covariance(self) -> np.ndarray:
        apart = self.means - self.mean
        return (self.weights * apart.T) @ apart + np.tensordot(self.weights, self.covariances, axes=1)

    @property
    def params(self) -> dict[str, np.ndarray]:
        """The parameters that :func:`mixture_log_density` reads; ``axes`` are there where a covariance leans."""
        values, axes = self._axes
        params = {"weights": self.weights, "means": self.means, "variances": values}
        return params if axes is None else params | {"axes": axes}

    @cached_property
    def _axes(self) -> tuple[np.ndarray, np.ndarray | None]:
        """The eigenvalues (K, d) of the covariances and their axes (K, d, d), one in each column.

        The axes are None where all covariances are diagonal: the eigenvalues are then those of the components in turn.
        """
        variances = self.variances
        if np.all(self.covariances == variances[:, :, None] * np.eye(self.dim)):
            return variances, None
        values, axes = np.linalg.eigh(self.covariances)
        return values, axes

    @property
    def spreads(self) -> np.ndarray:
        """The eigenvalues (K, d) of the covariances."""
        return self._axes[0]

    @property
    def variances(self) -> np.ndarray:
        """The variances (K, d) of the components in each part."""
        return np.einsum("kii->ki", self.covariances)

    def extent(self, level: float) -> tuple[np.ndarray, np.ndarray, float]:
        reach = REACH * np.sqrt(self.variances + level**2)
        finest = math.sqrt(float(self.spreads.min()) + level**2)
        return (self.means - reach).min(axis=0), (self.means + reach).max(axis=0), finest

    def factors(self, axis: int, x: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray] | None:
        values, axes = self._axes
        if axes is not None:
            return None
        v = values[:, [axis]] + level**2
        apart = x - self.means[:, [axis]]
        densities = np.exp(-0.5 * apart**2 / v) / np.sqrt(2 * math.pi * v)
        return densities, -apart / v * densities

    def draw(self, u: np.ndarray) -> np.ndarray:
        k, z = picked(self.weights, u[0]), special.ndtri(u[1:])
        values, axes = self._axes
        scaled = np.sqrt(values[k]).T * z
        return self.means[k].T + (scaled if axes is None else np.einsum("nij,jn->in", axes[k], scaled))

    def log_density(self, x: Any, signal: Any, level: Any) -> Any:
        logs, *_ = _parts(x, Parameters(**self.params), signal, level)
        return total(logs) - 0.5 * self.dim * math.log(2 * math.pi)

    def score(self, x: Any, signal: Any, level: Any) -> Any:
        p = Parameters(**self.params)
        logs, along, variances = _parts(x, p, signal, level)
        return _turned_back(shares(logs), [-a / v for a, v in zip(along, variances, strict=True)], p, x)

    def denoised(self, x: Any, signal: Any, level: Any) -> Any:
        """Return sum_k share_k (mean_k + signal S_k (signal^2 S_k + level^2)^-1 (x - signal mean_k)).

        This is Tweedie's formula without its difference of large numbers where there is much noise.
        """
        p = Parameters(**self.params)
        logs, along, variances = _parts(x, p, signal, level)
        values, means = _columns(p.variances, x), _columns(p.means, x)
        pulled = [signal * values[:, j] * a / v for j, (a, v) in enumerate(zip(along, variances, strict=True))]
        parts = shares(logs)
        moved = _turned_back(parts, pulled, p, x)
        return _like(x, [np.add.reduce(parts * means[:, i]) + moved[i] for i in range(self.dim)])

    def noised(self, signal: float, level: float) -> GaussianMixture:
        """Return the law of signal x0 + level z."""
        return GaussianMixture(
            self.weights, signal * self.means, signal**2 * self.covariances + level**2 * np.eye(self.dim)
        )

    def component(self, i: int) -> Law:
        """Return the law of component i."""
        stds = np.sqrt(self.variances[:, i])
        parts = [Normal(float(m), float(s)) for m, s in zip(self.means[:, i], stds, strict=True)]
        return Mixture(self.weights.tolist(), parts)

    def pdf(self, x: Any) -> np.ndarray:
        """Return the density at ``x`` (d, n), (n,), in 1/volume; one component may be given as x (n,).

        Raises InvalidInput for another shape.
        """
        x = np.asarray(x, dtype=float)
        if x.ndim == 1 and self.dim == 1:
            x = x[None]
        if x.ndim != 2 or len(x) != self.dim:
            line = ", or (n,)" if self.dim == 1 else ""
            raise InvalidInput(f"x has shape {x.shape}; ({self.dim}, n) is needed{line}: give an array of n points")
        return np.exp(self.log_density(x, 1.0, 0.0))

    def line_law(self, signal: float, level: float) -> Law:
        return self.noised(signal, level).component(0) if self.dim == 1 else super().line_law(signal, level)


def round_mixture(weights: Any, means: Any, stds: Any) -> GaussianMixture:
    """Return sum_k weights[k] N(means[k], stds[k]^2 I): ``means`` (K, d), ``stds`` (K,).

    Raises InvalidInput unless the stds are positive, and as :class:`GaussianMixture`.
    """
    means, stds = finite_array("means", means, ndim=2), finite_array("stds", stds, ndim=1)
    if np.any(stds <= 0):
        raise InvalidInput(f"stds={stds.tolist()} must be positive; a sharp point is no density")
    return GaussianMixture(weights, means, stds[:, None, None] ** 2 * np.eye(means.shape[1]))


def mixture_log_density(x: Any, p: Any) -> Any:
    """Return log q(x) + (d/2) log 2 pi of the mixture whose ``params`` are p, for a tuple of d components.

    Its gradient is the score; ``langevin_of(mixture_log_density, dim=d, params=mixture.params)`` samples the mixture.
    """
    return total(_parts(x, p, 1.0, 0.0)[0])


def _parts(x: Any, p: Any, signal: Any, level: Any) -> tuple[Any, list[Any], list[Any]]:
    """Return the log of each part but for (d/2) log 2 pi, x - mean along its axes, and the variances along them."""
    weights, means, values = (_columns(v, x) for v in (p.weights, p.means, p.variances))
    d = range(len(x))
    along = apart = [x[i] - signal * means[:, i] for i in d]
    if "axes" in vars(p):
        axes = _columns(p.axes, x)
        along = [sum(axes[:, i, j] * apart[i] for i in d) for j in d]
    variances = [signal**2 * values[:, j] + level**2 for j in d]
    logs = np.log(weights) - 0.5 * sum(np.log(v) + a**2 / v for a, v in zip(along, variances, strict=True))
    return logs, along, variances


def _turned_back(parts: Any, along: list[Any], p: Any, x: Any) -> Any:
    """Return sum_k parts[k] times the vector that has components ``along`` the axes of part k."""
    if "axes" in vars(p):
        axes, d = _columns(p.axes, x), range(len(x))
        along = [sum(axes[:, i, j] * along[j] for j in d) for i in d]
    return _like(x, [np.add.reduce(parts * one) for one in along])


def _columns(values: Any, x: Any) -> Any:
    """Return an array (K, ...) that broadcasts against components of x: (K, ..., 1) where they are arrays (n,)."""
    if not getattr(x[0], "ndim", 0):
        return values
    return beside(values.reshape((*values.shape, 1)), x[0])


def _like(x: Any, components: list[Any]) -> Any:
    """Return components as an array where ``x`` is one, else as a tuple."""
    return tuple(components) if isinstance(x, tuple) or x.dtype == object else np.stack(components)
