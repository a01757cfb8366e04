"""Processes whose paths are known: X_t is a function of t and W_t. The standard problems of strong convergence."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from fpsde.domain import Interval
from fpsde.processes.allowed import Allowed
from fpsde.processes.charts import Chart, known_on_chart
from fpsde.processes.process import Process
from fpsde.processes.transitions import gaussian, setting_of
from fpsde.validation import POSITIVE, REAL

#: Where tanh and arctan take their values; the ends are out of reach.
BETWEEN_ONES = Interval(-1.0, 1.0)
QUARTER_TURNS = Interval(-math.pi / 2, math.pi / 2)

TANH = Chart(
    forward=np.tanh,
    backward=lambda x: 0.5 * (np.log1p(x) - np.log1p(-x)),
    slope=lambda x: 1 / ((1 - x) * (1 + x)),
)
ARCTAN = Chart(forward=np.arctan, backward=np.tan, slope=lambda x: 1 / np.cos(x) ** 2)
SINH = Chart(forward=np.sinh, backward=np.arcsinh, slope=lambda x: 1 / np.sqrt(1 + x**2))
CUBE = Chart(
    forward=lambda y: y**3,
    backward=lambda x: np.sign(x) * np.abs(x) ** (1 / 3),
    slope=lambda x: np.abs(x) ** (-2 / 3) / 3,
)


_SPREAD = Allowed(a=POSITIVE)
_STIFF_TANH = Allowed(alpha=REAL, beta=POSITIVE)
_ADDITIVE = Allowed(alpha=POSITIVE, beta=POSITIVE)


def _sampled(chart: Chart, by: Callable[[Any, Any, Any], Any]) -> Callable:
    """Return ``sample`` of a process on a chart: ``by(p, dt, dw)`` is how far g^-1(X) moves in a step."""
    return lambda x, t, dt, z, p: chart.moved(x, by(p, dt, np.sqrt(dt) * z))


def tanh_process(a: float = 0.5) -> Process:
    """Return the process X = tanh(a W), also called cubic.

        dX = -a^2 X (1 - X^2) dt + a (1 - X^2) dW on (-1, 1),    X_t = tanh(artanh x0 + a W_t)

    Unit of a: 1/sqrt(time). There is no stationary law. Raises InvalidInput unless a > 0. Source: Kloeden & Platen,
    Numerical Solution of Stochastic Differential Equations (1992), section 4.4.
    """
    (a,) = _SPREAD.numbers(a)
    known = known_on_chart(TANH, drift=0.0, sigma=a, domain=BETWEEN_ONES)
    return Process(
        drift=lambda x, t, p: -(p.a**2) * x * (1 - x**2),
        sigma=lambda x, t, p: p.a * (1 - x**2),
        params={"a": a},
        domain=BETWEEN_ONES,
        name="tanh_process",
        equation="dX = -a^2 X (1 - X^2) dt + a (1 - X^2) dW",
        exact=known,
        setting=setting_of(known, 0.3, t_end=0.05 / a**2, n_steps=40),
        sample=_sampled(TANH, lambda p, dt, dw: p.a * dw),
        factory=tanh_process,
        allowed=_SPREAD,
        arguments={"a": a},
    )


def stiff_tanh(alpha: float = 1.0, beta: float = 0.5) -> Process:
    """Return a process whose drift and noise are stiff for large alpha and beta.

        dX = -(alpha + beta^2 X) (1 - X^2) dt + beta (1 - X^2) dW on (-1, 1)
        X_t = tanh(artanh x0 - alpha t + beta W_t)

    Units: alpha 1/time, beta 1/sqrt(time). There is no stationary law. Raises InvalidInput unless beta > 0. Source:
    Abdulle & Cirilli, SIAM J. Sci. Comput. 30 (2008) 997.
    """
    alpha, beta = _STIFF_TANH.numbers(alpha, beta)
    known = known_on_chart(TANH, drift=-alpha, sigma=beta, domain=BETWEEN_ONES)
    t_end = 0.2 / max(abs(alpha), 4 * beta**2)
    return Process(
        drift=lambda x, t, p: -(p.alpha + p.beta**2 * x) * (1 - x**2),
        sigma=lambda x, t, p: p.beta * (1 - x**2),
        params={"alpha": alpha, "beta": beta},
        domain=BETWEEN_ONES,
        name="stiff_tanh",
        equation="dX = -(alpha + beta^2 X) (1 - X^2) dt + beta (1 - X^2) dW",
        exact=known,
        setting=setting_of(known, 0.3, t_end=t_end, n_steps=40),
        sample=_sampled(TANH, lambda p, dt, dw: -p.alpha * dt + p.beta * dw),
        factory=stiff_tanh,
        allowed=_STIFF_TANH,
        arguments={"alpha": alpha, "beta": beta},
    )


def arctan_process(a: float = 0.5) -> Process:
    """Return the process X = arctan(a W), also called wave.

        dX = -a^2 sin X cos^3 X dt + a cos^2 X dW on (-pi/2, pi/2),    X_t = arctan(tan x0 + a W_t)

    Unit of a: 1/sqrt(time). There is no stationary law. Raises InvalidInput unless a > 0. Source: Kloeden & Platen,
    Numerical Solution of Stochastic Differential Equations (1992), section 4.4.
    """
    (a,) = _SPREAD.numbers(a)
    known = known_on_chart(ARCTAN, drift=0.0, sigma=a, domain=QUARTER_TURNS)
    return Process(
        drift=lambda x, t, p: -(p.a**2) * np.sin(x) * np.cos(x) ** 3,
        sigma=lambda x, t, p: p.a * np.cos(x) ** 2,
        params={"a": a},
        domain=QUARTER_TURNS,
        name="arctan_process",
        equation="dX = -a^2 sin X cos^3 X dt + a cos^2 X dW",
        exact=known,
        setting=setting_of(known, 0.6, t_end=0.125 / a**2, n_steps=40),
        sample=_sampled(ARCTAN, lambda p, dt, dw: p.a * dw),
        factory=arctan_process,
        allowed=_SPREAD,
        arguments={"a": a},
    )


def sinh_process() -> Process:
    """Return the process X = sinh(t + W).

        dX = (X/2 + sqrt(X^2 + 1)) dt + sqrt(X^2 + 1) dW,    X_t = sinh(arsinh x0 + t + W_t)

    From 0, E p(arsinh X_t) = t^3 - 3 t^2 + 2 t with p(y) = y^3 - 6 y^2 + 8 y, the usual functional in tests of weak
    order two. There is no stationary law. Source: Debrabant & Rößler, Families of efficient second order Runge-Kutta
    methods for the weak approximation of Itô stochastic differential equations (2009; arXiv:1303.5103).
    """
    known = known_on_chart(SINH, drift=1.0, sigma=1.0)
    return Process(
        drift=lambda x, t, p: x / 2 + np.sqrt(x**2 + 1),
        sigma=lambda x, t, p: np.sqrt(x**2 + 1),
        name="sinh_process",
        equation="dX = (X/2 + sqrt(X^2 + 1)) dt + sqrt(X^2 + 1) dW",
        exact=known,
        setting=setting_of(known, 0.0, t_end=0.5, n_steps=40),
        sample=_sampled(SINH, lambda p, dt, dw: dt + dw),
        factory=sinh_process,
    )


def cube_root() -> Process:
    """Return a process whose coefficients are not Lipschitz at 0.

        dX = (X^(1/3)/3 + 6 X^(2/3)) dt + X^(2/3) dW,    X_t = (x0^(1/3) + 2 t + W_t/3)^3

    with real roots: X^(1/3) has the sign of X, X^(2/3) >= 0. The density has a pole at 0. There is no stationary law.
    Source: Tocino & Ardanuy, J. Comput. Appl. Math. 138 (2002) 219.
    """
    known = known_on_chart(CUBE, drift=2.0, sigma=1 / 3)
    return Process(
        drift=lambda x, t, p: CUBE.backward(x) / 3 + 6 * np.abs(x) ** (2 / 3),
        sigma=lambda x, t, p: np.abs(x) ** (2 / 3),
        name="cube_root",
        equation="dX = (X^(1/3)/3 + 6 X^(2/3)) dt + X^(2/3) dW",
        exact=known,
        setting=setting_of(known, 1.0, t_end=0.5, n_steps=40),
        sample=_sampled(CUBE, lambda p, dt, dw: 2 * dt + dw / 3),
        factory=cube_root,
    )


def additive_time_dependent(alpha: float = 1.0, beta: float = 0.5) -> Process:
    """Return a linear process with additive noise that fades in time.

        dX = (beta/sqrt(1 + t) - X/(2 (1 + t))) dt + alpha beta/sqrt(1 + t) dW
        X_t = (x0 + beta (t + alpha W_t))/sqrt(1 + t)

    It shows at which times of a step a scheme reads its coefficients; tests of strong order take alpha = 0.1 and
    beta = 0.05. t is in units of its own. Raises InvalidInput unless alpha > 0 and beta > 0. Source: Rößler, SIAM J.
    Numer. Anal. 48 (2010) 922, section 7.
    """
    alpha, beta = _ADDITIVE.numbers(alpha, beta)
    known = replace(
        gaussian(
            scale=lambda t: 1 / math.sqrt(1 + t),
            shift=lambda t: beta * t / math.sqrt(1 + t),
            variance=lambda t: (alpha * beta) ** 2 * t / (1 + t),
        ),
        path=lambda x0, t, w: (x0 + beta * (t + alpha * w)) / np.sqrt(1 + t),
    )
    return Process(
        drift=lambda x, t, p: p.beta / np.sqrt(1 + t) - x / (2 * (1 + t)),
        sigma=lambda x, t, p: p.alpha * p.beta / np.sqrt(1 + t),
        params={"alpha": alpha, "beta": beta},
        name="additive_time_dependent",
        equation="dX = (beta/sqrt(1 + t) - X/(2 (1 + t))) dt + alpha beta/sqrt(1 + t) dW",
        exact=known,
        setting=setting_of(known, 1.0, t_end=1.0, n_steps=40),
        sample=lambda x, t, dt, z, p: (
            (np.sqrt(1 + t) * x + p.beta * (dt + p.alpha * np.sqrt(dt) * z)) / np.sqrt(1 + t + dt)
        ),
        factory=additive_time_dependent,
        allowed=_ADDITIVE,
        arguments={"alpha": alpha, "beta": beta},
    )
