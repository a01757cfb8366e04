"""Axes that hold functions of the state by their values at nodes, and the functions by which they are interpolated.

Trigonometric polynomials on a ring, Hermite's polynomials on a line, Chebyshev's on a segment: for smooth functions
they converge exponentially with the nodes, and what lies in their span is exact.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Axis:
    """Nodes on one component, and functions x (n,) -> (n, n_nodes) that interpolate values at the nodes."""

    nodes: np.ndarray
    basis: Callable[[np.ndarray], np.ndarray]
    derivative: Callable[[np.ndarray], np.ndarray]  #: of the basis

    @functools.cached_property
    def inverse(self) -> np.ndarray:
        """The coefficients of the function that is 1 at one node and 0 at the others, by columns."""
        return np.linalg.inv(self.basis(self.nodes))

    def at(self, x: np.ndarray) -> np.ndarray:
        """Return the weights ``(n, n_nodes)`` that the values at the nodes have at ``x``."""
        return self.basis(x) @ self.inverse

    @functools.cached_property
    def slopes(self) -> np.ndarray:
        """The matrix that differentiates values at the nodes."""
        return self.derivative(self.nodes) @ self.inverse


def ring(n: int, *, low: float = 0.0, length: float = 2 * math.pi) -> Axis:
    """Return an axis for functions of period ``length``, with nodes from ``low`` on; ``n`` is odd."""
    k = 2 * math.pi / length * np.arange(1, n // 2 + 1)

    def basis(x: np.ndarray) -> np.ndarray:
        phase = np.outer(x - low, k)
        return np.concatenate([np.ones((len(x), 1)), np.cos(phase), np.sin(phase)], axis=1)

    def derivative(x: np.ndarray) -> np.ndarray:
        phase = np.outer(x - low, k)
        return np.concatenate([np.zeros((len(x), 1)), -k * np.sin(phase), k * np.cos(phase)], axis=1)

    return Axis(low + length * np.arange(n) / n, basis, derivative)


def gaussian_line(n: int, scale: float) -> Axis:
    """Return an axis for polynomials of degree n - 1 at the Gauss-Hermite nodes of N(0, scale^2)."""
    norms = 1 / np.sqrt([math.factorial(k) for k in range(n)])

    def basis(x: np.ndarray) -> np.ndarray:
        return np.polynomial.hermite_e.hermevander(x / scale, n - 1) * norms

    def derivative(x: np.ndarray) -> np.ndarray:
        lower = np.concatenate([np.zeros((len(x), 1)), basis(x)[:, :-1]], axis=1)  # he_k' = sqrt(k) he_(k-1)
        return lower * np.sqrt(np.arange(n)) / scale

    return Axis(scale * np.polynomial.hermite_e.hermegauss(n)[0], basis, derivative)


def polynomial_line(degree: int) -> Axis:
    """Return an axis for polynomials of a low ``degree``: moments of linear systems, exactly."""
    return gaussian_line(degree + 1, 1.0)


def segment(low: float, high: float, n: int) -> Axis:
    """Return an axis of Chebyshev nodes on [low, high]; what leaves it is put on its end."""

    def scaled(x: np.ndarray) -> np.ndarray:
        return np.clip((2 * x - low - high) / (high - low), -1.0, 1.0)

    def basis(x: np.ndarray) -> np.ndarray:
        return np.polynomial.chebyshev.chebvander(scaled(x), n - 1)

    def derivative(x: np.ndarray) -> np.ndarray:
        slopes = np.polynomial.chebyshev.chebder(np.eye(n), axis=0)
        return np.polynomial.chebyshev.chebval(scaled(x), slopes).T * 2 / (high - low)

    return Axis(0.5 * (low + high) - 0.5 * (high - low) * np.cos(np.pi * (np.arange(n) + 0.5) / n), basis, derivative)


# --- products of axes: nodes, and values at them, run over the last axis first


def nodes_of(axes: Sequence[Axis]) -> np.ndarray:
    """Return the nodes of a product of axes, ``(d, n_nodes)``."""
    return np.stack([g.ravel() for g in np.meshgrid(*(axis.nodes for axis in axes), indexing="ij")])


def values_at(axes: Sequence[Axis], f: Callable[..., Any]) -> np.ndarray:
    """Return ``f`` of the components at the nodes, ``(n_nodes,)``."""
    x = nodes_of(axes)
    return np.array(np.broadcast_to(f(*x), x.shape[1:]), dtype=float)


def weights_at(axes: Sequence[Axis], point: Sequence[float]) -> np.ndarray:
    """Return the weights ``(n_nodes,)`` that the values at the nodes have at one point ``(d,)``."""
    return functools.reduce(np.kron, [axis.at(np.array([x]))[0] for axis, x in zip(axes, point, strict=True)])
