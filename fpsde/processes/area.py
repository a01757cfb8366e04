"""The Lévy area of two Brownian motions: the smallest process whose channels do not commute."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fpsde.density import FrozenLaw, Law, Normal, Point
from fpsde.errors import InvalidInput
from fpsde.optional import optional
from fpsde.processes.moments import point
from fpsde.processes.process import Exact, Process, Setting
from fpsde.processes.transitions import elapsed

scipy = optional("scipy")


def levy_area() -> Process:
    """Return two Brownian motions and the area between their path and its chord.

        dX = dW_1,    dY = dW_2,    dA = (X dW_2 - Y dW_1)/2

    From (0, 0, a0), A_t - a0 has the density sech(pi a/t)/t and the variance t^2/4. That law is symmetric: a wrong sign
    of A is seen only path by path, beside a finer path of the same W. Source: Lévy, Wiener's random function, and other
    Laplacian random functions, Proc. 2nd Berkeley Symp. (1951) 171.
    """
    return Process(
        drift=lambda x, t, p: (0.0, 0.0, 0.0),
        sigma=lambda x, t, p: ((1.0, 0.0), (0.0, 1.0), (-x[1] / 2, x[0] / 2)),
        dim=3,
        name="levy_area",
        equation="dX = dW_1,  dY = dW_2,  dA = (X dW_2 - Y dW_1)/2",
        exact=Exact(mean=_mean, covariance=_covariance, component=_component),
        setting=Setting((0.0, 0.0, 0.0), t_end=1.0, dt=0.025),
        factory=levy_area,
    )


def _mean(x0: Any, t: float) -> np.ndarray:
    elapsed(t)
    return point(x0, 3)


def _covariance(x0: Any, t: float) -> np.ndarray:
    """From d E A X = -y0/2, d E A Y = x0/2 and d E A^2 = E(X^2 + Y^2)/4."""
    (x, y, _), t = point(x0, 3), elapsed(t)
    return t * np.array([[1, 0, -y / 2], [0, 1, x / 2], [-y / 2, x / 2, (x**2 + y**2 + t) / 4]])


def _component(i: int, x0: Any, t: float) -> Law:
    start, t = point(x0, 3), elapsed(t)
    if i not in (0, 1, 2):
        raise InvalidInput(f"component {i} of levy_area; it has 0 (X), 1 (Y) and 2 (A)")
    if t == 0:
        return Point(float(start[i]))
    if i < 2:
        return Normal(float(start[i]), math.sqrt(t))
    if np.any(start[:2] != 0):
        raise InvalidInput(f"the law of the area is known from X = Y = 0 only; x0={start.tolist()}")
    return FrozenLaw(scipy.stats.hypsecant(loc=start[2], scale=t / math.pi))
