"""The probability flow of a denoiser by an adaptive Runge-Kutta method."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

from fpsde.arrays import brought
from fpsde.errors import InvalidInput, NotConverged
from fpsde.validation import finite_array, positive


def flow_by_rk45(
    denoiser: Callable[[np.ndarray, float], Any],
    y: Any,
    *,
    sigma: float,
    to: float,
    rtol: float = 1e-8,
    atol: float = 1e-10,
) -> np.ndarray:
    """Return where the probability flow carries y = x0 + sigma z from noise ``sigma`` to noise ``to``, (d, n).

        dy/d(log sigma) = y - D(y, sigma)

    by the pairs of orders 5 and 4 of Dormand and Prince, as SciPy has them. Both ways: ``to`` may be above ``sigma``,
    and is positive; the data are D(y, to) from there, or one more step of ``fpsde.ddim()``. Where the variance is
    preserved, y = x/signal and sigma = level/signal.

    ``denoiser`` is D(y, sigma), of y (d, n); all points take the same steps. They are SciPy's, on the host:
    points of a device are copied there.
    Raises InvalidInput for y that is not (d, n), and levels that are not positive; NotConverged where SciPy gives up.
    Sources: Song et al. (2021), eq. 13; Karras et al. (2022), eq. 1.
    """
    points = finite_array("y", brought("y", y), ndim=2)
    start, end = positive("sigma", sigma), positive("to", to)

    def slope(log_sigma: float, flat: np.ndarray) -> np.ndarray:
        at = flat.reshape(points.shape)
        return (at - np.asarray(denoiser(at, math.exp(log_sigma)))).ravel()

    if np.shape(denoiser(points, start)) != points.shape:
        raise InvalidInput(f"the denoiser does not return the shape {points.shape} of y")
    found = solve_ivp(slope, (math.log(start), math.log(end)), points.ravel(), rtol=rtol, atol=atol, method="RK45")
    if not found.success:
        raise NotConverged(f"the flow from sigma={start:g} to {end:g} stopped: {found.message}")
    return found.y[:, -1].reshape(points.shape)
