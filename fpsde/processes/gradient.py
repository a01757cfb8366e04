"""Processes that follow a gradient: overdamped Langevin dynamics of a potential, or of a log-density."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import sympy as sp

from fpsde.density import Law
from fpsde.domain import LINE, Interval
from fpsde.errors import InvalidInput
from fpsde.printing import numpy_function
from fpsde.processes.gibbs import gibbs_law
from fpsde.processes.process import Exact, Process, Setting
from fpsde.processes.transitions import starting_law, window_of
from fpsde.symbolic import Parameters, Traced, call, real_symbol, unwrap
from fpsde.validation import positive


def overdamped(
    potential: Callable,
    temperature: float = 1.0,
    *,
    params: Mapping[str, Any] | None = None,
    domain: Interval = LINE,
    setting: Setting | None = None,
    name: str = "overdamped",
    equation: str = "dX = -U'(X) dt + sqrt(2 temperature) dW",
) -> Process:
    """Return the overdamped Langevin process of a potential.

        dX = -U'(X) dt + sqrt(2 temperature) dW,    stationary law exp(-U/temperature)/Z

    ``potential`` is U(x, p) (or U(x), or U(x, t, p)), written with operators and NumPy ufuncs; the force is derived.
    ``params`` are p, by name. ``temperature`` is kT at unit friction, in (unit of x)^2/time, as U is. The stationary
    law is carried where there is one (:func:`fpsde.processes.gibbs.gibbs_law`); on a periodic ``domain`` U may change
    by a constant in each turn. Without ``setting``, a run starts at the stationary 20 % quantile and lasts four
    relaxation times of a well.

    Raises InvalidInput unless temperature > 0, if U cannot be traced, and for a parameter named ``temperature``.
    """
    params = dict(params or {})
    if "temperature" in params:
        raise InvalidInput("params holds a temperature, which is an argument of its own; give it as temperature=...")
    arguments = {"temperature": positive("temperature", temperature), **params}

    def with_values(**values: Any) -> Process:
        kT = values.pop("temperature")
        return overdamped(potential, kT, params=values, domain=domain, setting=setting, name=name, equation=equation)

    process = Process(
        drift=_force(potential),
        sigma=lambda x, t, p: np.sqrt(2 * p.temperature),
        params=arguments,
        domain=domain,
        name=name,
        equation=equation,
        factory=with_values,
        arguments=arguments,
    )
    law = _stationary(potential, process)
    return replace(
        process,
        exact=Exact() if law is None else Exact(stationary=lambda: law),
        setting=_completed(setting or _fair_setting(process, law), law, domain),
    )


def _force(potential: Callable) -> Callable:
    """Return the model function -dU/dx."""

    def force(x: Any, t: Any, p: Any) -> Any:
        return Traced(-sp.diff(unwrap(call(potential, x, t, p)), x.expr))

    return force


def langevin_of(
    log_density: Callable,
    temperature: float = 1.0,
    *,
    params: Mapping[str, Any] | None = None,
    domain: Interval = LINE,
    setting: Setting | None = None,
    name: str = "langevin",
) -> Process:
    """Return the Langevin process of a log-density.

        dX = (log q)'(X) dt + sqrt(2 temperature) dW,    stationary law q^(1/temperature)/Z

    ``log_density`` is log q(x, p), up to an additive constant. Temperature 1 samples q itself; noise sigma = delta is
    temperature = delta^2/2. Everything else is as for :func:`overdamped`, with U = -log q.
    """

    def potential(x: Any, t: Any, p: Any) -> Any:
        return -call(log_density, x, t, p)

    equation = "dX = (log q)'(X) dt + sqrt(2 temperature) dW"
    return overdamped(
        potential, temperature, params=params, domain=domain, setting=setting, name=name, equation=equation
    )


def _stationary(potential: Callable, process: Process) -> Law | None:
    x, t = real_symbol("x"), real_symbol("t")
    u = unwrap(call(potential, Traced(x), Traced(t), Parameters(**process.params)))
    if t in u.free_symbols:
        return None
    values = numpy_function([x], [u / process.params["temperature"]])
    return gibbs_law(lambda points: np.broadcast_to(values(points)[0], points.shape), process.intervals[0])


def _fair_setting(process: Process, law: Law | None) -> Setting:
    """Return a run of four times tau = temperature/E U'^2 = 1/E U'', or of the time to spread where U is flat."""
    if law is None:
        return Setting(x0=_point_inside(process.intervals[0]))
    temperature = process.params["temperature"]
    with np.errstate(divide="ignore"):
        by_force = temperature / np.asarray(law.expectation(lambda x: process.ito_drift(x) ** 2))
    tau = float(np.minimum(by_force, law.variance / temperature))
    return Setting(x0=float(law.ppf(0.2)), t_end=4 * tau, dt=tau / 20)


def _point_inside(domain: Interval) -> float:
    low, high = domain.low, domain.high
    if math.isfinite(domain.length):
        return low + 0.3 * domain.length
    return low + 1.0 if math.isfinite(low) else high - 1.0 if math.isfinite(high) else 0.0


def _completed(setting: Setting, law: Law | None, domain: Interval) -> Setting:
    """Return the setting with a window, where it has none and one is known: the domain, or what holds the law."""
    if setting.window is not None:
        return setting
    if math.isfinite(domain.length):
        return replace(setting, window=(domain.low, domain.high))
    return setting if law is None else replace(setting, window=window_of([law, starting_law(setting.x0)]))
