"""Overdamped processes in named potentials: two wells, and a tilted washboard."""

from __future__ import annotations

import math

import numpy as np

from fpsde.domain import Interval, Wall
from fpsde.processes.gradient import overdamped
from fpsde.processes.process import Process, Setting


def double_well(temperature: float = 0.25) -> Process:
    """Return the overdamped process in U = (x^2 - 1)^2: wells at -1 and 1, barrier 1 at 0.

    dX = -4 X (X^2 - 1) dt + sqrt(2 temperature) dW. Raises InvalidInput unless temperature > 0.
    """
    return overdamped(
        lambda x: (x**2 - 1) ** 2,
        temperature,
        setting=Setting(x0=0.3, t_end=1.0, dt=0.02),
        name="double_well",
        equation="dX = -4 X (X^2 - 1) dt + sqrt(2 temperature) dW",
    )


def duffing_well(temperature: float = 0.5) -> Process:
    """Return the overdamped process in U = x^4/4 - x^2/2: wells at -1 and 1, barrier 1/4 at 0.

    dX = (X - X^3) dt + sqrt(2 temperature) dW. Raises InvalidInput unless temperature > 0.
    """
    return overdamped(
        lambda x: x**4 / 4 - x**2 / 2,
        temperature,
        setting=Setting(x0=0.3, t_end=2.0, dt=0.05),
        name="duffing_well",
        equation="dX = (X - X^3) dt + sqrt(2 temperature) dW",
    )


def tilted_well(tilt: float = 0.1, temperature: float = 0.1) -> Process:
    """Return the overdamped process in U = x^4/4 - x^2/2 + tilt x: the left well is the deeper one for tilt > 0.

    dX = (X - X^3 - tilt) dt + sqrt(2 temperature) dW. Raises InvalidInput unless temperature > 0.
    """
    return overdamped(
        lambda x, p: x**4 / 4 - x**2 / 2 + p.tilt * x,
        temperature,
        params={"tilt": tilt},
        setting=Setting(x0=0.3, t_end=2.0, dt=0.05),
        name="tilted_well",
        equation="dX = (X - X^3 - tilt) dt + sqrt(2 temperature) dW",
    )


def washboard(amplitude: float = 1.0, tilt: float = 0.5, temperature: float = 0.4) -> Process:
    """Return the overdamped process on the ring (0, 2 pi) in U = -amplitude cos x - tilt x, driven round by the tilt.

    dX = (tilt - amplitude sin X) dt + sqrt(2 temperature) dW. Its stationary law carries a current (Stratonovich's
    double integral). Raises InvalidInput unless temperature > 0.
    """
    return overdamped(
        lambda x, p: -p.amplitude * np.cos(x) - p.tilt * x,
        temperature,
        params={"amplitude": amplitude, "tilt": tilt},
        domain=Interval.between(0.0, 2 * math.pi, Wall.PERIODIC),
        setting=Setting(x0=1.0, t_end=2.0, dt=0.05),
        name="washboard",
        equation="dX = (tilt - amplitude sin X) dt + sqrt(2 temperature) dW",
    )
