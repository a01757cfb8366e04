"""Laws given by the eigenfunctions of a reversible process: p = p_s (1 + sum_n exp(-lambda_n t) f_n(x0) f_n(x))."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsde.density import Law
from fpsde.domain import Interval
from fpsde.errors import NotConverged
from fpsde.optional import optional
from fpsde.panels import panel_rule

scipy = optional("scipy")

#: |drift| length/sigma^2 up to which the reflected series is given: the sum loses a factor exp(12) = 2e5 of 1e16.
MOST_PECLET = 12.0
#: Terms below exp(-NEGLIGIBLE) = 3e-20 are left out.
NEGLIGIBLE = 45.0
#: Terms that a series may have, and their greatest size (the loss of digits): both grow as t goes to 0.
MOST_TERMS, MOST_LOSS = 2000, 1e6


@dataclass(frozen=True, eq=False)
class SpectralLaw(Law):
    """The ``stationary`` law on (low, high) plus sum_n coefficients[n] p_s f_n.

    ``densities`` gives p_s f_n at x as (..., n), and ``integrals`` its integral from the low end up to x.
    """

    low: float
    high: float
    stationary: Law
    coefficients: np.ndarray
    densities: Callable[[np.ndarray], np.ndarray]
    integrals: Callable[[np.ndarray], np.ndarray]

    def pdf(self, x: Any) -> np.ndarray:
        x = np.asarray(x, dtype=float)
        series = self.densities(np.clip(x, self.low, self.high)) @ self.coefficients
        return self.stationary.pdf(x) + np.where((x < self.low) | (x > self.high), 0.0, series)

    def cdf(self, x: Any) -> np.ndarray:
        x = np.asarray(x, dtype=float)
        return self.stationary.cdf(x) + self.integrals(np.clip(x, self.low, self.high)) @ self.coefficients

    def range(self) -> tuple[float, float]:
        return self.low, self.high

    def expectation(self, f: Callable[[np.ndarray], np.ndarray]) -> float:
        graded = 0.5 ** np.arange(1, 60)  # towards the ends, where the density may go like a fractional power
        parts = np.concatenate([np.linspace(0, 1, 65), graded, 1 - graded])
        x, w = panel_rule(np.unique(self.low + (self.high - self.low) * parts))
        return float(np.sum(w * self.pdf(x) * f(x)))


def reflected_with_drift(x0: float, t: float, *, drift: float, sigma: float, domain: Interval, stationary: Law) -> Law:
    """Return the law at t of dX = drift dt + sigma dW between two reflecting walls, from x0.

    With y = x - low, kappa = drift/sigma^2, k = n pi/length and psi_n(y) = cos(k y) + (kappa/k) sin(k y):
    p = p_s + (2/length) sum_n e^{kappa (y - y0) - (kappa^2 + k^2) sigma^2 t/2} k^2/(k^2 + kappa^2) psi_n(y) psi_n(y0).
    The integral of e^{kappa y} psi_n is e^{kappa y} sin(k y)/k. Raises NotConverged for t too close to 0.
    """
    kappa, length, y0 = drift / sigma**2, domain.length, x0 - domain.low
    highest = math.sqrt(2 * (NEGLIGIBLE + abs(kappa) * length) / t) / sigma
    k = np.arange(1, _affordable(highest * length / math.pi, x0, t) + 1) * math.pi / length

    def psi(y: Any) -> np.ndarray:
        return np.cos(k * y) + kappa / k * np.sin(k * y)

    def densities(x: np.ndarray) -> np.ndarray:
        y = (x - domain.low)[..., None]
        return np.exp(kappa * (y - y0)) * psi(y)

    def integrals(x: np.ndarray) -> np.ndarray:
        y = (x - domain.low)[..., None]
        return np.exp(kappa * (y - y0)) * np.sin(k * y) / k

    decay = np.exp(-0.5 * (kappa**2 + k**2) * sigma**2 * t)
    coefficients = 2 / length * decay * k**2 / (k**2 + kappa**2) * psi(y0)
    return SpectralLaw(domain.low, domain.high, stationary, coefficients, densities, integrals)


def jacobi_law(x0: float, t: float, *, theta: float, mean: float, a: float, stationary: Law) -> Law:
    """Return the law at t of dX = -theta (X - mean) dt + sqrt(2 theta a X (1 - X)) dW from x0.

    p_s is Beta(A, B) with A = mean/a, B = (1 - mean)/a; f_n are the Jacobi polynomials, orthonormal in p_s, and
    lambda_n = theta n (1 + a (n - 1)). With D = theta a x (1 - x) and c = A B/((A + B)(A + B + 1)), the integral of
    p_s f_n is -D p_s f_n'/lambda_n = -sqrt(theta a c/lambda_n) times the like of p_s f_n for Beta(A + 1, B + 1) and
    degree n - 1. Raises NotConverged for t too close to 0, or x0 too far from the mean.
    Source: Karlin & Taylor, A Second Course in Stochastic Processes (1981), section 15.13.
    """
    A, B = mean / a, (1 - mean) / a
    half = 0.5 * (1 - a) / a
    highest = _affordable(math.sqrt(half**2 + NEGLIGIBLE / (theta * a * t)) - half, x0, t)
    n = np.arange(1, highest + 1)
    rates = theta * n * (1 + a * (n - 1))
    sizes = -np.sqrt(theta * a * A * B / ((A + B) * (A + B + 1)) / rates)
    derived = scipy.stats.beta(A + 1, B + 1)

    def densities(x: np.ndarray) -> np.ndarray:
        root = np.sqrt(stationary.pdf(x))
        return root[..., None] * _jacobi_polynomials(root, x, A, B, highest)[..., 1:]

    def integrals(x: np.ndarray) -> np.ndarray:
        root = np.sqrt(derived.pdf(x))
        return root[..., None] * _jacobi_polynomials(root, x, A + 1, B + 1, highest - 1) * sizes

    with np.errstate(over="ignore", invalid="ignore"):  # far from the mean, where the series is refused
        coefficients = np.exp(-rates * t) * _jacobi_polynomials(np.ones(()), np.asarray(x0), A, B, highest)[1:]
    _keeps_digits(coefficients, x0, t)
    return SpectralLaw(0.0, 1.0, stationary, coefficients, densities, integrals)


def _jacobi_polynomials(first: np.ndarray, x: np.ndarray, A: float, B: float, highest: int) -> np.ndarray:
    """Return ``first`` times the polynomials of degree 0 to ``highest`` that are orthonormal in Beta(A, B), at x.

    Multiplied by the root of the density from the start, they neither overflow nor underflow.
    """
    n = np.arange(1, highest + 1)
    s = 2 * n + A + B - 2
    centres = np.concatenate([[(A - B) / (A + B)], (A - B) * (A + B - 2) / (s * (s + 2))])
    widths = np.sqrt(4 * n * (n + A - 1) * (n + B - 1) * (n + A + B - 2) / (s**2 * (s + 1) * (s - 1)))
    out = np.empty((*x.shape, highest + 1))
    out[..., 0] = first
    for k in range(highest):
        below = widths[k - 1] * out[..., k - 1] if k else 0.0
        out[..., k + 1] = ((2 * x - 1 - centres[k]) * out[..., k] - below) / widths[k]
    return out


def _affordable(terms: float, x0: float, t: float) -> int:
    if terms > MOST_TERMS:
        raise NotConverged(
            f"the law at t={t} from x0={x0} needs {terms:.0f} eigenfunctions, and {MOST_TERMS} are allowed; "
            f"ask for t >= {t * (terms / MOST_TERMS) ** 2:.3g}"
        )
    return max(1, math.ceil(terms))


def _keeps_digits(coefficients: np.ndarray, x0: float, t: float) -> None:
    loss = float(np.max(np.abs(coefficients)))
    if not loss <= MOST_LOSS:  # NaN included
        raise NotConverged(
            f"the eigenfunction series at t={t} from x0={x0} has terms of size {loss:.3g}, which cancel; "
            "ask for a later time, or start nearer to the mean"
        )
