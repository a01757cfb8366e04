"""Laws whose densities are known with any amount of noise added: x = signal x0 + level z, x0 from the data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from fpsde.density import Law
from fpsde.errors import InvalidInput

#: Standard deviations of the noise that an extent leaves on each side.
REACH = 8.5


class KnownLaw(ABC):
    """A law of data x0 in d dimensions, and the laws of signal x0 + level z, z ~ N(0, I), in closed form.

    Points are ``(d, n)``, component first; ``signal`` > 0 and ``level`` >= 0 are numbers. Log-density, score and
    denoiser compute where their points lie, on the host or on a device; all else is of the host.
    """

    uniforms: int  #: uniform numbers in (0, 1) that one draw takes

    @property
    @abstractmethod
    def dim(self) -> int:
        """The number d of components."""

    @property
    @abstractmethod
    def mean(self) -> np.ndarray:
        """E x0, (d,)."""

    @property
    @abstractmethod
    def covariance(self) -> np.ndarray:
        """The covariance of x0, (d, d)."""

    @abstractmethod
    def draw(self, u: np.ndarray) -> np.ndarray:
        """Return draws of x0 (d, n) from ``u`` (uniforms, n), uniform in (0, 1)."""

    @abstractmethod
    def log_density(self, x: Any, signal: Any, level: Any) -> Any:
        """Return log p of signal x0 + level z at ``x``, (n,), normalised."""

    @abstractmethod
    def score(self, x: Any, signal: Any, level: Any) -> Any:
        """Return grad log p of signal x0 + level z at ``x``, (d, n)."""

    @abstractmethod
    def extent(self, level: float) -> tuple[np.ndarray, np.ndarray, float]:
        """Return corners (d,) of a box beyond which x0 + level z has no mass that counts, and its finest length."""

    def factors(self, axis: int, x: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the factor of component ``axis`` in each part of the density of x0 + level z, and its slope, (K, n).

        None where the parts are no products over components; the density is sum_k weights[k] prod of the factors.
        """
        return None

    def denoised(self, x: Any, signal: Any, level: Any) -> Any:
        """Return E[x0 | signal x0 + level z = x], (d, n), by Tweedie's formula (x + level^2 score)/signal."""
        return (x + level**2 * self.score(x, signal, level)) / signal

    def denoiser(self, x: Any, level: Any) -> Any:
        """Return E[x0 | x0 + level z = x], (d, n): the exact denoiser, asked as a trained one is."""
        return self.denoised(x, 1.0, level)

    def line_law(self, signal: float, level: float) -> Law:
        """Return the law of signal x0 + level z where d = 1. InvalidInput elsewhere."""
        raise InvalidInput(f"{type(self).__name__} has {self.dim} components; one law on the line is of one component")


def total(logs: Any) -> Any:
    """Return log sum_k exp(logs[k]) over the first axis, without overflow: arrays (K, n), or K traced components."""
    if logs.dtype == object:  # traced: the one function that is printed in a stable form
        return np.logaddexp.reduce(logs)
    top = logs.max(axis=0)
    top = np.where(top > -np.inf, top, 0.0)  # where every part is 0
    with np.errstate(divide="ignore"):
        return top + np.log(np.exp(logs - top).sum(axis=0))


def shares(logs: Any) -> Any:
    """Return exp(logs[k])/sum_j exp(logs[j]) over the first axis, the probabilities of the parts given x."""
    return np.exp(logs - total(logs))


def picked(weights: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Return which part each uniform number picks, (n,)."""
    return np.searchsorted(np.cumsum(weights)[:-1], u, side="right")


def refuse_weights(weights: np.ndarray) -> None:
    """Raise InvalidInput unless weights are positive and sum to 1."""
    if np.any(weights <= 0) or abs(weights.sum() - 1) > 1e-12:
        raise InvalidInput(f"weights={weights.tolist()} must be positive and sum to 1 (the sum is {weights.sum()})")
