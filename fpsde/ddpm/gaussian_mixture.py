"""Mixtures of normal laws with any covariances, and what becomes of them under noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import special

from fpsde.ddpm.known_law import REACH, KnownLaw, picked, refuse_weights, shares, total
from fpsde.density import Law, Mixture, Normal
from fpsde.errors import InvalidInput
from fpsde.validation import finite_array


@dataclass(frozen=True, eq=False)
class GaussianMixture(KnownLaw):
    """sum_k weights[k] N(means[k], covariances[k]): ``weights`` (K,), ``means`` (K, d), ``covariances`` (K, d, d).

    With noise it is sum_k weights[k] N(signal means[k], signal^2 covariances[k] + level^2 I). Log-density, score and
    denoiser are written with operators: they take arrays (d, n), and tuples of d components while a step is traced.

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
        if asymmetry > 1e-12 * np.abs(self.covariances).max() or np.any(self._axes[0] <= 0):
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

    @cached_property
    def _axes(self) -> tuple[np.ndarray, np.ndarray]:
        """The eigenvalues (K, d) of the covariances and their axes (K, d, d), one in each column."""
        return np.linalg.eigh(self.covariances)

    @property
    def spreads(self) -> np.ndarray:
        """The eigenvalues (K, d) of the covariances."""
        return self._axes[0]

    def extent(self, level: float) -> tuple[np.ndarray, np.ndarray, float]:
        reach = REACH * np.sqrt(np.einsum("kii->ki", self.covariances) + level**2)
        finest = math.sqrt(float(self.spreads.min()) + level**2)
        return (self.means - reach).min(axis=0), (self.means + reach).max(axis=0), finest

    def factors(self, axis: int, x: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray] | None:
        variances = np.einsum("kii->ki", self.covariances)
        if np.any(self.covariances != variances[:, :, None] * np.eye(self.dim)):
            return None
        v = variances[:, [axis]] + level**2
        apart = x - self.means[:, [axis]]
        values = np.exp(-0.5 * apart**2 / v) / np.sqrt(2 * math.pi * v)
        return values, -apart / v * values

    def draw(self, u: np.ndarray) -> np.ndarray:
        k, z = picked(self.weights, u[0]), special.ndtri(u[1:])
        values, axes = self._axes
        return self.means[k].T + np.einsum("nij,nj,jn->in", axes[k], np.sqrt(values[k]), z)

    def log_density(self, x: Any, signal: Any, level: Any) -> Any:
        return total(self._parts(x, signal, level)[0]) - 0.5 * self.dim * math.log(2 * math.pi)

    def score(self, x: Any, signal: Any, level: Any) -> Any:
        logs, along, variances = self._parts(x, signal, level)
        slopes = [-a / v for a, v in zip(along, variances, strict=True)]
        return self._turned_back(shares(logs), slopes, x)

    def denoised(self, x: Any, signal: Any, level: Any) -> Any:
        """Return sum_k share_k (mean_k + signal S_k (signal^2 S_k + level^2)^-1 (x - signal mean_k)).

        This is Tweedie's formula without its difference of large numbers where there is much noise.
        """
        logs, along, variances = self._parts(x, signal, level)
        values = self._columns(self._axes[0], x)
        pulled = [signal * values[:, j] * a / v for j, (a, v) in enumerate(zip(along, variances, strict=True))]
        means = self._columns(self.means, x)
        parts = shares(logs)
        moved = self._turned_back(parts, pulled, x)
        return _like(x, [np.add.reduce(parts * means[:, i]) + moved[i] for i in range(self.dim)])

    def line_law(self, signal: float, level: float) -> Law:
        if self.dim != 1:
            return super().line_law(signal, level)
        stds = np.sqrt(signal**2 * self.covariances[:, 0, 0] + level**2)
        parts = [Normal(float(signal * m), float(s)) for m, s in zip(self.means[:, 0], stds, strict=True)]
        return Mixture(self.weights.tolist(), parts)

    def _parts(self, x: Any, signal: Any, level: Any) -> tuple[Any, list[Any], list[Any]]:
        """Return the log of each part but for (d/2) log 2 pi, x - mean along its axes, and the variances along them."""
        values, axes = (self._columns(v, x) for v in self._axes)
        means, weights = self._columns(self.means, x), self._columns(self.weights, x)
        d = range(self.dim)
        apart = [x[i] - signal * means[:, i] for i in d]
        along = [sum(axes[:, i, j] * apart[i] for i in d) for j in d]
        variances = [signal**2 * values[:, j] + level**2 for j in d]
        logs = np.log(weights) - 0.5 * sum(np.log(v) + a**2 / v for a, v in zip(along, variances, strict=True))
        return logs, along, variances

    def _turned_back(self, parts: Any, along: list[Any], x: Any) -> Any:
        """Return sum_k parts[k] times the vector that has components ``along`` the axes of part k."""
        axes, d = self._columns(self._axes[1], x), range(self.dim)
        return _like(x, [np.add.reduce(parts * sum(axes[:, i, j] * along[j] for j in d)) for i in d])

    @staticmethod
    def _columns(values: np.ndarray, x: Any) -> np.ndarray:
        """Return an array (K, ...) that broadcasts against components of x: (K, ..., 1) where they are arrays (n,)."""
        return values.reshape(values.shape + (1,) * getattr(x[0], "ndim", 0))


def _like(x: Any, components: list[Any]) -> Any:
    """Return components as an array where ``x`` is one, else as a tuple."""
    return np.stack(components) if isinstance(x, np.ndarray) and x.dtype != object else tuple(components)


def round_mixture(weights: Any, means: Any, stds: Any) -> GaussianMixture:
    """Return sum_k weights[k] N(means[k], stds[k]^2 I): ``means`` (K, d), ``stds`` (K,). Errors of GaussianMixture."""
    means, stds = finite_array("means", means, ndim=2), finite_array("stds", stds, ndim=1)
    return GaussianMixture(weights, means, stds[:, None, None] ** 2 * np.eye(means.shape[1]))
