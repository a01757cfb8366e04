"""Laws under an affine map with Gaussian noise: X -> scale X + shift + std Z, the step of every linear process."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsde.density import Law, Mixture, Normal, Point, Uniform
from fpsde.errors import InvalidInput
from fpsde.optional import optional
from fpsde.panels import panel_rule
from fpsde.validation import finite, positive

special = optional("scipy.special")

#: (width of the uniform part)/std below which differences of primitives cancel, and 16 Gauss-Legendre nodes are exact.
NARROW = 2.0
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)


@dataclass(frozen=True)
class SmoothedUniform(Law):
    """The law of U + std Z, with U uniform on (low, high) and Z standard normal.

    F(x) = (std/w)(G((x - low)/std) - G((x - high)/std)) with w = high - low, G(u) = u Phi(u) + phi(u) the primitive of
    Phi. It is evaluated in the lower half and mirrored, so both tails keep their relative accuracy.
    """

    low: float
    high: float
    std: float

    def __post_init__(self) -> None:
        Uniform(self.low, self.high)
        positive("std", self.std)

    @property
    def centre(self) -> float:
        return 0.5 * (self.low + self.high)

    @property
    def width(self) -> float:
        return self.high - self.low

    def cdf(self, x: Any) -> np.ndarray:
        x = np.asarray(x, dtype=float)
        below = self._average(special.ndtr, _primitive_of_cdf, x)
        return np.where(x > self.centre, 1.0 - below, below)

    def pdf(self, x: Any) -> np.ndarray:
        return self._average(_standard_density, special.ndtr, np.asarray(x, dtype=float)) / self.std

    def _average(self, f: Callable, primitive: Callable, x: np.ndarray) -> np.ndarray:
        """Return the mean of f(u) over u from (x - high)/std to (x - low)/std, with x mirrored into the lower half."""
        distance, half = np.abs(x - self.centre) / self.std, 0.5 * self.width / self.std
        if 2 * half < NARROW:
            return 0.5 * np.tensordot(f(half * _NODES - distance[..., None]), _WEIGHTS, axes=1)
        return (primitive(half - distance) - primitive(-half - distance)) / (2 * half)

    def range(self) -> tuple[float, float]:
        return self.low - 9 * self.std, self.high + 9 * self.std

    def expectation(self, f: Callable[[np.ndarray], np.ndarray]) -> float:
        low, high = self.range()
        edges = [np.linspace(at - 9 * self.std, at + 9 * self.std, 37) for at in (self.low, self.high)]
        x, w = panel_rule(np.unique(np.concatenate([*edges, np.linspace(low, high, 65)])))
        return float(np.sum(w * self.pdf(x) * f(x)))

    def moment(self, k: int) -> float:
        return sum(math.comb(k, j) * self.centre ** (k - j) * self.central_moment(j) for j in range(k + 1))

    def central_moment(self, k: int) -> float:
        half, normal = 0.5 * self.width, Normal(0.0, self.std)
        even = range(0, k + 1, 2)
        return sum(math.comb(k, j) * half**j / (j + 1) * normal.central_moment(k - j) for j in even)


def _standard_density(u: np.ndarray) -> np.ndarray:
    return np.exp(-0.5 * u**2) / math.sqrt(2 * math.pi)


def _primitive_of_cdf(u: np.ndarray) -> np.ndarray:
    return u * special.ndtr(u) + _standard_density(u)


def affine_image(initial: Law, *, scale: float, shift: float, std: float) -> Law:
    """Return the law of ``scale`` X + ``shift`` + ``std`` Z, with X of law ``initial`` and Z standard normal.

    Closed form for Point, Normal, Uniform, :class:`SmoothedUniform` and Mixtures of them. ``scale`` may be negative or
    zero, ``std`` zero. Raises InvalidInput for any other law.
    """
    scale, shift, std = finite("scale", scale), finite("shift", shift), finite("std", std)
    if std < 0:
        raise InvalidInput(f"std={std} must not be negative")
    return _image(initial, scale, shift, std)


def _image(initial: Law, scale: float, shift: float, std: float) -> Law:
    match initial:
        case Mixture():
            return Mixture(initial.weights, [_image(law, scale, shift, std) for law in initial.laws])
        case Point():
            return _normal(scale * initial.at + shift, std)
        case Normal():
            return _normal(scale * initial.centre + shift, math.hypot(scale * initial.std, std))
        case Uniform() | SmoothedUniform():
            own = initial.std if isinstance(initial, SmoothedUniform) else 0.0
            return _uniform(scale * initial.low + shift, scale * initial.high + shift, math.hypot(scale * own, std))
    raise InvalidInput(
        f"the affine image of a {type(initial).__name__} has no closed form here; "
        "start from Point, Normal, Uniform, SmoothedUniform or a Mixture of these"
    )


def _normal(centre: float, std: float) -> Law:
    return Normal(centre, std) if std else Point(centre)


def _uniform(one_end: float, other_end: float, std: float) -> Law:
    low, high = min(one_end, other_end), max(one_end, other_end)
    if low == high:
        return _normal(low, std)
    return SmoothedUniform(low, high, std) if std else Uniform(low, high)
