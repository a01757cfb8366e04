"""Linear systems with linear noise: matrix exponentials where all matrices commute, and second moments in any case."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np

from fpsde.errors import InvalidInput
from fpsde.optional import optional
from fpsde.processes.allowed import Allowed
from fpsde.processes.linear_systems import linear_setting
from fpsde.processes.matrices import square_matrix, times
from fpsde.processes.moments import moments_of, point
from fpsde.processes.process import Exact, Process, Setting
from fpsde.processes.statement import STRATONOVICH
from fpsde.processes.transitions import elapsed
from fpsde.validation import REAL, finite_array

scipy = optional("scipy")

#: A commutator is zero up to this part of the product of the norms.
COMMUTES = 1e-13

_COMMUTING = Allowed(alpha=REAL, beta_1=REAL, beta_2=REAL)
_KUBO = Allowed(omega=REAL, sigma=REAL)


def linear_noise(A: Any, B: Any, *, name: str = "linear_noise") -> Process:
    """Return the linear system with linear noise.

        dX = A X dt + sum_k B_k X dW_k
        d/dt E X = A E X,    d/dt E X X^T = A E X X^T + E X X^T A^T + sum_k B_k E X X^T B_k^T

    ``A`` ``(d, d)`` in 1/time, ``B`` ``(m, d, d)`` in 1/sqrt(time), with d >= 2. Mean and covariance follow by matrix
    exponentials. Where all of A, B_1 .. B_m commute the path is known:

        X_t = exp((A - sum_k B_k^2/2) t + sum_k B_k W_k(t)) x0

    Raises InvalidInput for matrices of other shapes. Source: Kloeden & Platen, Numerical Solution of Stochastic
    Differential Equations (1992), section 4.8.
    """
    A = square_matrix("A", A)
    B = finite_array("B", B, ndim=3)
    d = len(A)
    if d < 2 or B.shape[1:] != A.shape:
        raise InvalidInput(f"A has shape {A.shape} and B {B.shape}; (d, d) and (m, d, d) with d >= 2 are needed")

    def with_values(**values: Any) -> Process:
        return linear_noise(**values, name=name)

    def sigma(x: Any, t: Any, p: Any) -> Any:
        columns = [times(p.B[k], x) for k in range(len(p.B))]
        return [[column[i] for column in columns] for i in range(d)]

    return Process(
        drift=lambda x, t, p: times(p.A, x),
        sigma=sigma,
        dim=d,
        params={"A": A, "B": B},
        name=name,
        equation="dX = A X dt + sum_k B_k X dW_k",
        exact=_laws(A, B),
        setting=replace(linear_setting(A), x0=(1.0,) * d),
        factory=with_values,
        allowed=Allowed(A=REAL, B=REAL),
        arguments={"A": A, "B": B},
    )


def _laws(A: np.ndarray, B: np.ndarray) -> Exact:
    mean, covariance = moments_of(
        lambda m: A @ m, lambda m, second: np.sum(B @ second @ B.transpose(0, 2, 1), axis=0), len(A)
    )
    return Exact(mean=mean, covariance=covariance, path=_path(A, B))


def _path(A: np.ndarray, B: np.ndarray) -> Callable[[Any, float, Any], np.ndarray] | None:
    """Return the path where all matrices commute, else None."""
    for a, b in combinations([A, *B], 2):
        if np.abs(a @ b - b @ a).max() > COMMUTES * np.linalg.norm(a) * np.linalg.norm(b):
            return None
    drift = A - np.sum(B @ B, axis=0) / 2

    def path(x0: Any, t: float, w: Any) -> np.ndarray:
        exponents = drift * elapsed(t) + np.einsum("kij,k...->...ij", B, np.asarray(w, dtype=float))
        return np.einsum("...ij,j->i...", scipy.linalg.expm(exponents), point(x0, len(A)))

    return path


def commuting_linear(alpha: float = 0.5, beta_1: float = 0.25, beta_2: float = 0.25) -> Process:
    """Return a linear system with two channels of noise, all of whose matrices commute.

        dX = (alpha M - 3/4) X dt + beta_1 (M + 1/2) X dW_1 + beta_2 M^2 X dW_2,    M = [[1, 1/2], [1/4, -1/2]]
        X_t = exp((A - B_1^2/2 - B_2^2/2) t + B_1 W_1 + B_2 W_2) x0    with the three matrices A, B_1, B_2 of the drift
                                                                      and of the channels

    M is not symmetric, so a transposed matrix shows. Units: alpha 1/time, beta_1 and beta_2 1/sqrt(time). Raises
    InvalidInput unless all are finite numbers. Source: as of :func:`linear_noise`.
    """
    alpha, beta_1, beta_2 = _COMMUTING.numbers(alpha, beta_1, beta_2)
    M, one = np.array([[1.0, 0.5], [0.25, -0.5]]), np.eye(2)
    parts = M, M + one / 2, M @ M  # binary fractions: that they commute is seen symbolically

    def sigma(x: Any, t: Any, p: Any) -> Any:
        first, second = times(parts[1], x), times(parts[2], x)
        return [[p.beta_1 * first[i], p.beta_2 * second[i]] for i in range(2)]

    return Process(
        drift=lambda x, t, p: [p.alpha * m - 0.75 * x_i for m, x_i in zip(times(parts[0], x), x, strict=True)],
        sigma=sigma,
        dim=2,
        params={"alpha": alpha, "beta_1": beta_1, "beta_2": beta_2},
        name="commuting_linear",
        equation="dX = (alpha M - 3/4) X dt + beta_1 (M + 1/2) X dW_1 + beta_2 M^2 X dW_2",
        exact=_laws(alpha * M - 0.75 * one, np.array([beta_1 * parts[1], beta_2 * parts[2]])),
        setting=Setting((1.0, 0.5), t_end=1.0, dt=0.025),
        factory=commuting_linear,
        allowed=_COMMUTING,
        arguments={"alpha": alpha, "beta_1": beta_1, "beta_2": beta_2},
    )


def noncommuting_linear() -> Process:
    """Return :func:`linear_noise` with two channels that do not commute, in two dimensions.

        dX = -273/512 X dt + X/4 dW_1 + X/16 dW_2
        dY = (-X/160 + (sqrt(2)/8 - 785/512) Y) dt + (1 - 2 sqrt(2))/4 Y dW_1 + (X/10 + Y/16) dW_2

    E X^2 = x0^2 e^{-t}; the second moments decay with the rates 1, 2 and 5/2. From (1, 1), E X^2 is the usual
    functional in tests of weak order two. Source: Debrabant & Rößler, Families of efficient second order Runge-Kutta
    methods for the weak approximation of Itô stochastic differential equations (2009; arXiv:1303.5103).
    """
    root = math.sqrt(2.0)
    A = [[-273 / 512, 0.0], [-1 / 160, root / 8 - 785 / 512]]
    B = [[[1 / 4, 0.0], [0.0, (1 - 2 * root) / 4]], [[1 / 16, 0.0], [1 / 10, 1 / 16]]]
    return linear_noise(A, B, name="noncommuting_linear")


def kubo_oscillator(omega: float = 1.0, sigma: float = 0.5) -> Process:
    """Return the Kubo oscillator, a rotation at a random rate, in Stratonovich form: the distance from 0 stays.

        dX = omega J X dt + sigma J X o dW,  J = [[0, -1], [1, 0]],    X_t = R(omega t + sigma W_t) x0
        E X_t = e^{-sigma^2 t/2} R(omega t) x0

    R(a) turns by a. A wrong Stratonovich correction shows as a distance that drifts. Units: omega 1/time, sigma
    1/sqrt(time). Raises InvalidInput unless both are finite numbers. Source: Kubo, Adv. Chem. Phys. 15 (1969) 101.
    """
    omega, sigma = _KUBO.numbers(omega, sigma)
    J = np.array([[0.0, -1.0], [1.0, 0.0]])
    noise = sigma * J
    # in Itô form the drift gains noise^2/2
    mean, covariance = moments_of(
        lambda m: (omega * J + noise @ noise / 2) @ m, lambda m, second: noise @ second @ noise.T, 2
    )
    return Process(
        drift=lambda x, t, p: (-p.omega * x[1], p.omega * x[0]),
        sigma=lambda x, t, p: ((-p.sigma * x[1],), (p.sigma * x[0],)),
        dim=2,
        params={"omega": omega, "sigma": sigma},
        interpretation=STRATONOVICH,
        name="kubo_oscillator",
        equation="dX = -Y (omega dt + sigma o dW),  dY = X (omega dt + sigma o dW)",
        exact=Exact(mean=mean, covariance=covariance, path=lambda x0, t, w: _turned(x0, omega * t + sigma * w[0])),
        setting=Setting((1.0, 0.5), t_end=2.0, dt=0.05),
        sample=lambda x, t, dt, z, p: _turned(x, p.omega * dt + p.sigma * np.sqrt(dt) * z[0]),
        factory=kubo_oscillator,
        allowed=_KUBO,
        arguments={"omega": omega, "sigma": sigma},
    )


def _turned(x: Any, angle: Any) -> Any:
    """Return a point of the plane, turned about 0 by ``angle``."""
    c, s = np.cos(angle), np.sin(angle)
    return c * x[0] - s * x[1], s * x[0] + c * x[1]
