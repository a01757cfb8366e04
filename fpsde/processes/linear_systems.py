"""Linear systems with additive noise: Ornstein-Uhlenbeck processes in d dimensions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from fpsde.density import Law, Normal, Point
from fpsde.errors import InvalidInput
from fpsde.optional import optional
from fpsde.processes.allowed import Allowed
from fpsde.processes.matrices import square_matrix, times
from fpsde.processes.moments import affine_flow, point
from fpsde.processes.process import Exact, Process, Setting
from fpsde.processes.transitions import elapsed
from fpsde.validation import POSITIVE, REAL, finite_array

scipy = optional("scipy")


_ROTATING = Allowed(theta=POSITIVE, omega=REAL, sigma=POSITIVE)
_NONNORMAL = Allowed(theta=POSITIVE, shear=REAL, sigma=POSITIVE)


def linear_system(A: Any, B: Any) -> Process:
    """Return the linear system with additive noise, the Ornstein-Uhlenbeck process in d >= 2 dimensions.

        dX = -A X dt + B dW,    X_t ~ N(e^{-A t} x0, S - e^{-A t} S e^{-A^T t}),    A S + S A^T = B B^T

    ``A`` ``(d, d)`` in 1/time, ``B`` ``(d, m)`` in (unit of x)/sqrt(time) for m channels. The law is stationary at S if
    all eigenvalues of A have positive real parts; the covariance at a time is known in any case. The density N(0, S)
    carries a current unless A B B^T is symmetric.

    Raises InvalidInput for matrices of other shapes. Source: Risken, The Fokker-Planck Equation (1989), section 6.5.
    """
    A = square_matrix("A", A)
    B = finite_array("B", B, ndim=2)
    if len(A) < 2:
        raise InvalidInput("A has one row; the linear process of one component is fpsde.ornstein_uhlenbeck")
    if len(B) != len(A):
        raise InvalidInput(f"B has shape {B.shape}; ({len(A)}, m) is needed beside A of shape {A.shape}")
    return Process(
        drift=lambda x, t, p: [-b for b in times(p.A, x)],
        sigma=lambda x, t, p: p.B,
        dim=len(A),
        params={"A": A, "B": B},
        name="linear_system",
        equation="dX = -A X dt + B dW",
        exact=linear_laws(A, B),
        setting=linear_setting(A),
        factory=linear_system,
        allowed=Allowed(A=REAL, B=REAL),
        arguments={"A": A, "B": B},
    )


def linear_laws(A: np.ndarray, B: np.ndarray) -> Exact:
    """Return the closed forms of dX = -A X dt + B dW, with the stationary law where there is one."""
    d, spread = len(A), B @ B.T

    def mean(x0: Any, t: float) -> np.ndarray:
        return scipy.linalg.expm(-A * elapsed(t)) @ point(x0, d)

    def covariance(x0: Any, t: float) -> np.ndarray:
        point(x0, d)
        return affine_flow(lambda S: spread - A @ S - S @ A.T, np.zeros((d, d)), elapsed(t))

    known = Exact(mean=mean, covariance=covariance, component=_normals(mean, covariance))
    if np.linalg.eigvals(A).real.min() <= 0:
        return known
    S = scipy.linalg.solve_continuous_lyapunov(A, spread)
    return replace(
        known,
        stationary_mean=lambda: np.zeros(d),
        stationary_covariance=lambda: S,
        stationary_component=lambda i: _normal(0.0, S[i, i]),
    )


def _normals(mean: Callable, covariance: Callable) -> Callable[[int, Any, float], Law]:
    return lambda i, x0, t: _normal(mean(x0, t)[i], covariance(x0, t)[i, i])


def _normal(mean: float, variance: float) -> Law:
    return Normal(float(mean), math.sqrt(variance)) if variance > 0 else Point(float(mean))


def linear_setting(A: np.ndarray) -> Setting:
    """Return a run from (1, 0, .. 0) of two times 1/|A|, in forty steps."""
    t_end = 2 / max(float(np.linalg.norm(A, 2)), 1e-6)
    return Setting((1.0, *(0.0,) * (len(A) - 1)), t_end=t_end, dt=t_end / 40)


def rotating_ou(theta: float = 1.0, omega: float = 1.0, sigma: float = math.sqrt(2.0)) -> Process:
    """Return an Ornstein-Uhlenbeck process that turns as it relaxes: its stationary law carries a current.

        dX = (-theta X + omega Y) dt + sigma dW_1,    dY = (-omega X - theta Y) dt + sigma dW_2
        X_t ~ N(e^{-theta t} R x0, v (1 - e^{-2 theta t}) I),    v = sigma^2/(2 theta)

    R turns by -omega t. N(0, v I) is stationary whatever omega is, so a solver that loses the current is not seen in
    the density. Units: theta, omega 1/time, sigma (unit of x)/sqrt(time). Raises InvalidInput unless theta > 0 and
    sigma > 0. Source: Risken, The Fokker-Planck Equation (1989), section 6.5.
    """
    theta, omega, sigma = _ROTATING.numbers(theta, omega, sigma)
    A = np.array([[theta, -omega], [omega, theta]])

    def sample(x: Any, t: Any, dt: Any, z: Any, p: Any) -> Any:
        c, s = np.cos(p.omega * dt), np.sin(p.omega * dt)
        decay, std = np.exp(-p.theta * dt), p.sigma * np.sqrt(-np.expm1(-2 * p.theta * dt) / (2 * p.theta))
        return decay * (c * x[0] + s * x[1]) + std * z[0], decay * (c * x[1] - s * x[0]) + std * z[1]

    return Process(
        drift=lambda x, t, p: (-p.theta * x[0] + p.omega * x[1], -p.omega * x[0] - p.theta * x[1]),
        sigma=lambda x, t, p: (p.sigma, p.sigma),
        dim=2,
        params={"theta": theta, "omega": omega, "sigma": sigma},
        name="rotating_ou",
        equation="dX = (-theta X + omega Y) dt + sigma dW_1,  dY = (-omega X - theta Y) dt + sigma dW_2",
        exact=linear_laws(A, sigma * np.eye(2)),
        setting=linear_setting(A),
        sample=sample,
        factory=rotating_ou,
        allowed=_ROTATING,
        arguments={"theta": theta, "omega": omega, "sigma": sigma},
    )


def nonnormal_ou(theta: float = 1.0, shear: float = 4.0, sigma: float = 1.0) -> Process:
    """Return an Ornstein-Uhlenbeck process with a drift that is not normal: it grows before it decays.

        dX = (-theta X + shear Y) dt + sigma dW_1,    dY = -2 theta Y dt + sigma dW_2

    A = [[theta, -shear], [0, 2 theta]] does not commute with A^T, so |e^{-A t}| first rises for shear > 2 theta; the
    stationary covariance solves A S + S A^T = sigma^2 I. Units: theta, shear 1/time, sigma (unit of x)/sqrt(time).
    Raises InvalidInput unless theta > 0 and sigma > 0. Source: Trefethen & Embree, Spectra and Pseudospectra (2005).
    """
    theta, shear, sigma = _NONNORMAL.numbers(theta, shear, sigma)
    A = np.array([[theta, -shear], [0.0, 2 * theta]])
    return Process(
        drift=lambda x, t, p: (-p.theta * x[0] + p.shear * x[1], -2 * p.theta * x[1]),
        sigma=lambda x, t, p: (p.sigma, p.sigma),
        dim=2,
        params={"theta": theta, "shear": shear, "sigma": sigma},
        name="nonnormal_ou",
        equation="dX = (-theta X + shear Y) dt + sigma dW_1,  dY = -2 theta Y dt + sigma dW_2",
        exact=linear_laws(A, sigma * np.eye(2)),
        setting=replace(linear_setting(A), x0=(0.0, 1.0)),
        factory=nonnormal_ou,
        allowed=_NONNORMAL,
        arguments={"theta": theta, "shear": shear, "sigma": sigma},
    )
