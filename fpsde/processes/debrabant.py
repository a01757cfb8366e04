"""Debrabant & Rößler's problem in four dimensions: four channels that do not commute, and known second moments."""

from __future__ import annotations

from typing import Any

import numpy as np

from fpsde.processes.matrices import times
from fpsde.processes.moments import moments_of
from fpsde.processes.process import Exact, Process, Setting

#: The drift matrix.
A = np.array([[243, -54, 23, -65], [54, -243, 65, -23], [5, -61, 324, -72], [61, -5, 72, -324]]) / 154
#: Channel k has the noise vectors[k] sqrt(x_i^2 + x_j^2 + c_k), (i, j) = pairs[k].
PAIRS = ((1, 2), (3, 0), (0, 1), (2, 3))
CONSTANTS = (2 / 23, 1 / 11, 1 / 9, 3 / 29)
VECTORS = np.array(
    [
        [1 / 13, 1 / 14, 1 / 13, 1 / 15],
        [1 / 14, 1 / 16, 1 / 16, 1 / 12],
        [1 / 6, 1 / 5, 1 / 5, 1 / 6],
        [1 / 8, 1 / 9, 1 / 8, 1 / 9],
    ]
) / np.array([[9], [8], [12], [14]])


def debrabant_roessler() -> Process:
    """Return a process in four dimensions with four channels of noise that do not commute.

        dX = A X dt + sum_k v_k sqrt(X_i^2 + X_j^2 + c_k) dW_k    (A, v_k, c_k and (i, j) of channel k: see the module)

    (1, 1, 8, 1)/8, where it starts, is an eigenvector of A: E X_t = e^{2 t} x0, whatever the noise is. The squares of
    the noise are quadratic in X, so E X X^T obeys a closed linear equation too, which sees the noise.
    Source: Debrabant & Rößler, Families of efficient second order Runge-Kutta methods for the weak approximation of
    Itô stochastic differential equations (2009; arXiv:1303.5103), with the coefficients that
    StochasticDiffEq.jl tests (test/weak_convergence/PL1WM.jl).
    """

    def sigma(x: Any, t: Any, p: Any) -> Any:
        sizes = [np.sqrt(x[i] ** 2 + x[j] ** 2 + c) for (i, j), c in zip(PAIRS, CONSTANTS, strict=True)]
        return [[VECTORS[k, i] * size for k, size in enumerate(sizes)] for i in range(4)]

    mean, covariance = moments_of(lambda m: A @ m, _spreading, 4)
    return Process(
        drift=lambda x, t, p: times(A, x),
        sigma=sigma,
        dim=4,
        name="debrabant_roessler",
        equation="dX = A X dt + sum_k v_k sqrt(X_i^2 + X_j^2 + c_k) dW_k",
        exact=Exact(mean=mean, covariance=covariance),
        setting=Setting((1 / 8, 1 / 8, 1.0, 1 / 8), t_end=1.0, dt=0.025),
        factory=debrabant_roessler,
    )


def _spreading(m: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return E sigma sigma^T = sum_k v_k v_k^T (E X_i^2 + E X_j^2 + c_k)."""
    sizes = [second[i, i] + second[j, j] + c for (i, j), c in zip(PAIRS, CONSTANTS, strict=True)]
    return (VECTORS.T * sizes) @ VECTORS
