"""Processes in named potentials: two wells, a tilted washboard, Müller and Brown's surface; some also underdamped."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from fpsde.domain import Interval, Wall
from fpsde.processes.allowed import Allowed
from fpsde.processes.gradient import overdamped
from fpsde.processes.langevin import underdamped
from fpsde.processes.linear_systems import linear_laws
from fpsde.processes.process import Process, Setting
from fpsde.validation import POSITIVE, REAL, positive

ONE_TURN = Interval.between(0.0, 2 * math.pi, Wall.PERIODIC)

_WELL = Allowed(temperature=POSITIVE)
_TILTED_WELL = Allowed(tilt=REAL, temperature=POSITIVE)
_WASHBOARD = Allowed(amplitude=REAL, tilt=REAL, temperature=POSITIVE)
_LANGEVIN = {"temperature": POSITIVE, "friction": POSITIVE, "mass": POSITIVE}


def _duffing(x: Any) -> Any:
    return x**4 / 4 - x**2 / 2


def _washboard(x: Any, p: Any) -> Any:
    return -p.amplitude * np.cos(x) - p.tilt * x


def double_well(temperature: float = 0.25) -> Process:
    """Return the overdamped process in U = (x^2 - 1)^2: wells at -1 and 1, barrier 1 at 0.

    dX = -4 X (X^2 - 1) dt + sqrt(2 temperature) dW. Raises InvalidInput unless temperature > 0.
    """
    return overdamped(
        lambda x: (x**2 - 1) ** 2,
        temperature,
        setting=Setting(x0=0.3, t_end=1.0, dt=0.02),
        name="double_well",
        allowed=_WELL,
        equation="dX = -4 X (X^2 - 1) dt + sqrt(2 temperature) dW",
    )


def duffing_well(temperature: float = 0.5) -> Process:
    """Return the overdamped process in U = x^4/4 - x^2/2: wells at -1 and 1, barrier 1/4 at 0.

    dX = (X - X^3) dt + sqrt(2 temperature) dW. Raises InvalidInput unless temperature > 0.
    """
    return overdamped(
        _duffing,
        temperature,
        setting=Setting(x0=0.3, t_end=2.0, dt=0.05),
        name="duffing_well",
        allowed=_WELL,
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
        allowed=_TILTED_WELL,
        equation="dX = (X - X^3 - tilt) dt + sqrt(2 temperature) dW",
    )


def washboard(amplitude: float = 1.0, tilt: float = 0.5, temperature: float = 0.4) -> Process:
    """Return the overdamped process on the ring (0, 2 pi) in U = -amplitude cos x - tilt x, driven round by the tilt.

    dX = (tilt - amplitude sin X) dt + sqrt(2 temperature) dW. Its stationary law carries a current (Stratonovich's
    double integral); it is not computed, ``exact.stationary`` is None, where U rises and falls by more than 16 000
    temperatures in a turn. Raises InvalidInput unless temperature > 0.
    """
    return overdamped(
        _washboard,
        temperature,
        params={"amplitude": amplitude, "tilt": tilt},
        domain=ONE_TURN,
        setting=Setting(x0=1.0, t_end=2.0, dt=0.05),
        name="washboard",
        allowed=_WASHBOARD,
        equation="dX = (tilt - amplitude sin X) dt + sqrt(2 temperature) dW",
    )


def duffing(temperature: float = 0.5, friction: float = 1.0, mass: float = 1.0) -> Process:
    """Return the Duffing oscillator with noise: underdamped dynamics in U = x^4/4 - x^2/2, with Gibbs's law.

        dX = V dt,    dV = ((X - X^3)/mass - friction V) dt + sqrt(2 friction temperature/mass) dW

    Raises InvalidInput unless all three are positive. Source: Duffing, Erzwungene Schwingungen (1918).
    """
    return underdamped(
        _duffing,
        temperature,
        friction=friction,
        mass=mass,
        setting=Setting((0.3, 0.0), t_end=4.0, dt=0.1),
        name="duffing",
        allowed=Allowed(**_LANGEVIN),
        equation="dX = V dt,  dV = ((X - X^3)/mass - friction V) dt + sqrt(2 friction temperature/mass) dW",
    )


def underdamped_washboard(
    amplitude: float = 1.0, tilt: float = 0.5, temperature: float = 0.4, friction: float = 1.0, mass: float = 1.0
) -> Process:
    """Return underdamped dynamics on the ring (0, 2 pi) in U = -amplitude cos x - tilt x.

        dX = V dt,    dV = ((tilt - amplitude sin X)/mass - friction V) dt + sqrt(2 friction temperature/mass) dW

    At tilt 0 it has Gibbs's law; driven, neither its law nor its mean velocity are known (for large friction the
    velocity is that of :func:`washboard`, divided by mass and friction). Raises InvalidInput unless temperature,
    friction and mass are positive. Source: Risken, The Fokker-Planck Equation (1989), chapter 11.
    """
    return underdamped(
        _washboard,
        temperature,
        friction=friction,
        mass=mass,
        params={"amplitude": amplitude, "tilt": tilt},
        domain=ONE_TURN,
        setting=Setting((1.0, 0.0), t_end=4.0, dt=0.1),
        name="underdamped_washboard",
        allowed=Allowed(amplitude=REAL, tilt=REAL, **_LANGEVIN),
        equation=(
            "dX = V dt,  dV = ((tilt - amplitude sin X)/mass - friction V) dt + sqrt(2 friction temperature/mass) dW"
        ),
    )


def underdamped_oscillator(
    stiffness: float = 1.0, temperature: float = 1.0, friction: float = 1.0, mass: float = 1.0
) -> Process:
    """Return the harmonic oscillator with friction and noise, U = stiffness x^2/2, whose law at a time is known.

        dX = V dt,    dV = (-stiffness X/mass - friction V) dt + sqrt(2 friction temperature/mass) dW

    It is the linear system with A = [[0, -1], [stiffness/mass, friction]]: a Gaussian law at every time, and N(0,
    temperature/stiffness) x N(0, temperature/mass) in the end. Raises InvalidInput unless all four are positive.
    Source: Risken, The Fokker-Planck Equation (1989), section 10.2.
    """
    stiffness = positive("stiffness", stiffness)
    process = underdamped(
        lambda x, p: p.stiffness * x**2 / 2,
        temperature,
        friction=friction,
        mass=mass,
        params={"stiffness": stiffness},
        setting=Setting((1.0, 0.0), t_end=4.0, dt=0.1),
        name="underdamped_oscillator",
        allowed=Allowed(stiffness=POSITIVE, **_LANGEVIN),
        equation="dX = V dt,  dV = (-stiffness X/mass - friction V) dt + sqrt(2 friction temperature/mass) dW",
    )
    kT, friction, mass = (float(process.params[name]) for name in ("temperature", "friction", "mass"))
    A = np.array([[0.0, -1.0], [stiffness / mass, friction]])
    B = np.array([[0.0], [math.sqrt(2 * friction * kT / mass)]])
    return replace(process, exact=linear_laws(A, B), factory=underdamped_oscillator)


#: Amplitudes (energy), and per term a (x - x0)^2 + b (x - x0)(y - y0) + c (y - y0)^2 with its centre.
_MUELLER_BROWN = (
    (-200.0, -1.0, 0.0, -10.0, 1.0, 0.0),
    (-100.0, -1.0, 0.0, -10.0, 0.0, 0.5),
    (-170.0, -6.5, 11.0, -6.5, -0.5, 1.5),
    (15.0, 0.7, 0.6, 0.7, -1.0, 1.0),
)


def mueller_brown(temperature: float = 10.0) -> Process:
    """Return the overdamped process on Müller and Brown's surface in two dimensions, which has three minima.

        U = sum_k A_k exp(a_k (x - x_k)^2 + b_k (x - x_k)(y - y_k) + c_k (y - y_k)^2)
        dX = -grad U(X) dt + sqrt(2 temperature) dW

    Minima -146.700 at (-0.558, 1.442), -108.167 at (0.623, 0.028) and -80.768 at (-0.050, 0.467); saddles -40.665 at
    (-0.822, 0.624) and -72.249 at (0.212, 0.293). Raises InvalidInput unless temperature > 0. Source: Müller & Brown,
    Theor. Chim. Acta 53 (1979) 75.
    """

    def potential(x: Any) -> Any:
        u = 0.0
        for amplitude, a, b, c, x_k, y_k in _MUELLER_BROWN:
            dx, dy = x[0] - x_k, x[1] - y_k
            u = u + amplitude * np.exp(a * dx**2 + b * dx * dy + c * dy**2)
        return u

    return overdamped(
        potential,
        temperature,
        dim=2,
        setting=Setting((-0.55, 1.4), t_end=0.02, dt=2e-4),
        name="mueller_brown",
        allowed=_WELL,
        equation="dX = -grad U(X) dt + sqrt(2 temperature) dW",
    )
