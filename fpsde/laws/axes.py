"""Axes that hold functions of the state by their values at nodes, and the functions by which they are interpolated.

Trigonometric polynomials on a ring, Hermite's polynomials on a line, Chebyshev's on a segment: for smooth functions
they converge exponentially with the nodes, and what lies in their span is exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fpsde.cached import cached_property

#: How softly a segment holds steps inside, in its lengths.
SOFT = 0.004


@dataclass(frozen=True, eq=False)
class Axis:
    """Nodes on one component, and functions x (n,) -> (n, n_nodes) that interpolate values at the nodes."""

    nodes: np.ndarray
    basis: Callable[[np.ndarray], np.ndarray]
    derivative: Callable[[np.ndarray], np.ndarray]  #: of the basis
    lengths: np.ndarray  #: weights of the integral over x, ``(n_nodes,)``: exact as the interpolation is
    ends: tuple[float, float] = (-math.inf, math.inf)
    held: Callable[[np.ndarray], np.ndarray] | None = None  #: on an axis with ends: where a step that ends at x is put

    @cached_property
    def inverse(self) -> np.ndarray:
        """The coefficients of the function that is 1 at one node and 0 at the others, by columns."""
        return np.linalg.inv(self.basis(self.nodes))

    def at(self, x: np.ndarray) -> np.ndarray:
        """Return the weights ``(n, n_nodes)`` that the values at the nodes have at ``x``."""
        return self.basis(x) @ self.inverse

    def inside(self, x: np.ndarray) -> np.ndarray:
        """Return where steps that end at ``x`` are put: there, but for an axis with ends."""
        return x if self.held is None else self.held(x)

    @cached_property
    def slopes(self) -> np.ndarray:
        """The matrix that differentiates values at the nodes."""
        return self.derivative(self.nodes) @ self.inverse


def ring(n: int, *, low: float = 0.0, length: float = 2 * math.pi) -> Axis:
    """Return an axis for functions of period ``length``, with nodes from ``low`` on; ``n`` is odd."""
    k = 2 * math.pi / length * np.arange(1, n // 2 + 1)

    def waves(x: np.ndarray) -> np.ndarray:
        """Return exp(i k (x - low)) as powers of the longest wave: a third of the time of sines and cosines."""
        turns = np.exp(2j * math.pi / length * (x - low))
        return np.cumprod(np.broadcast_to(turns[:, None], (len(x), len(k))), axis=1)

    def basis(x: np.ndarray) -> np.ndarray:
        wave = waves(x)
        return np.concatenate([np.ones((len(x), 1)), wave.real, wave.imag], axis=1)

    def derivative(x: np.ndarray) -> np.ndarray:
        wave = waves(x)
        return np.concatenate([np.zeros((len(x), 1)), -k * wave.imag, k * wave.real], axis=1)

    return Axis(low + length * np.arange(n) / n, basis, derivative, np.full(n, length / n), (low, low + length))


def gaussian_line(n: int, scale: float) -> Axis:
    """Return an axis for polynomials of degree n - 1 at the Gauss-Hermite nodes of N(0, scale^2)."""
    norms = 1 / np.sqrt([math.factorial(k) for k in range(n)])

    def basis(x: np.ndarray) -> np.ndarray:
        return np.polynomial.hermite_e.hermevander(x / scale, n - 1) * norms

    def derivative(x: np.ndarray) -> np.ndarray:
        lower = np.concatenate([np.zeros((len(x), 1)), basis(x)[:, :-1]], axis=1)  # he_k' = sqrt(k) he_(k-1)
        return lower * np.sqrt(np.arange(n)) / scale

    z, w = np.polynomial.hermite_e.hermegauss(n)
    return Axis(scale * z, basis, derivative, scale * w * np.exp(0.5 * z**2))


def polynomial_line(degree: int, *, scale: float = 1.0) -> Axis:
    """Return an axis for polynomials of a low ``degree``: moments of linear systems, exactly."""
    return gaussian_line(degree + 1, scale)


def segment(low: float, high: float, n: int) -> Axis:
    """Return an axis of Chebyshev nodes on [low, high]; steps that leave it are held inside.

    s = x - soft (log(1 + e^((x - high)/soft)) - log(1 + e^((low - x)/soft)))  with a ``soft`` of SOFT lengths: smooth,
    because a kink at the ends would be felt by every node, and the identity but for e^(-distance/soft) further inside.
    """
    soft = SOFT * (high - low)

    def scaled(x: np.ndarray) -> np.ndarray:
        return (2 * x - low - high) / (high - low)

    def held(x: np.ndarray) -> np.ndarray:
        inside = x - soft * (np.logaddexp(0.0, (x - high) / soft) - np.logaddexp(0.0, (low - x) / soft))
        return np.clip(inside, low, high)  # of far away, up to rounding

    def basis(x: np.ndarray) -> np.ndarray:
        return np.polynomial.chebyshev.chebvander(scaled(x), n - 1)

    def derivative(x: np.ndarray) -> np.ndarray:
        slopes = np.polynomial.chebyshev.chebder(np.eye(n), axis=0)
        return np.polynomial.chebyshev.chebval(scaled(x), slopes).T * 2 / (high - low)

    angles = np.pi * (np.arange(n) + 0.5) / n
    nodes = 0.5 * (low + high) - 0.5 * (high - low) * np.cos(angles)
    # Gauss's rule for the weight (1 - s^2)^(-1/2), of what is zero at the ends
    return Axis(nodes, basis, derivative, 0.5 * (high - low) * np.pi / n * np.sin(angles), (low, high), held)
