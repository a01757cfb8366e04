"""Processes that follow a gradient: overdamped Langevin dynamics of a potential, or of a log-density."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import sympy as sp

from fpsde.density import Law
from fpsde.domain import LINE, Interval, Wall
from fpsde.errors import InvalidInput
from fpsde.model_functions import call
from fpsde.printing import numpy_function
from fpsde.processes.allowed import Allowed
from fpsde.processes.gibbs import gibbs_law, ring_velocity
from fpsde.processes.matrices import entry, lower_triangle, positive_factor, times
from fpsde.processes.process import Exact, Process, Setting
from fpsde.processes.transitions import starting_law, window_of
from fpsde.symbolic import Parameters, Traced, components, real_symbol, unwrap
from fpsde.validation import integer, positive

#: What the factories here name themselves.
_OWN = ("temperature", "mobility", "root_mobility")


def overdamped(
    potential: Callable,
    temperature: float = 1.0,
    *,
    dim: int = 1,
    mobility: Any = None,
    params: Mapping[str, Any] | None = None,
    domain: Interval | tuple[Interval, ...] = LINE,
    setting: Setting | None = None,
    name: str = "overdamped",
    equation: str | None = None,
    allowed: Allowed | None = None,
) -> Process:
    """Return the overdamped Langevin process of a potential.

        dX = -M grad U(X) dt + sqrt(2 temperature) M^(1/2) dW,    stationary law exp(-U/temperature)/Z

    ``potential`` is U(x, p) (or U(x), or U(x, t, p)), written with operators and NumPy ufuncs; the force is derived.
    With ``dim = 1``, x is the component itself; with d > 1, a tuple of d components. ``params`` are p, by name.
    ``temperature`` is kT at unit friction, in (unit of x)^2/time, as U is. ``mobility`` is M: a number, d numbers or a
    symmetric positive definite matrix ``(d, d)``, without a unit; left out, M = 1. It preconditions the dynamics and
    leaves the stationary law as it is (M^(1/2) is the Cholesky factor).

    U is stated as the process's ``energy`` where exp(-U/temperature)/Z is stationary: not with a U that depends on
    time, an absorbing wall, or a periodic end at which U jumps; in one dimension, if the integral Z exists. There the
    stationary law is carried too (:func:`fpsde.processes.gibbs.gibbs_law`), also on a periodic ``domain`` where U
    changes by a constant in each turn; the mean ``velocity`` comes with it. Without ``setting``, a run in one
    dimension starts at the stationary 20 % quantile and lasts four relaxation times of a well. ``allowed`` states the
    values of temperature and params for which U is meant, as of Process.

    Raises InvalidInput unless temperature > 0, if U cannot be traced, for a mobility of a wrong shape, not symmetric
    or singular, and for a parameter named as one of the arguments.
    """
    dim = integer("dim", dim, least=1)
    params = dict(params or {})
    refuse_names(params, _OWN)
    arguments = {"temperature": positive("temperature", temperature), **params}
    derived = {}
    if mobility is not None:
        arguments["mobility"] = positive_factor("mobility", mobility, dim)
        if np.ndim(mobility) == 2:
            derived["root_mobility"] = np.linalg.cholesky(arguments["mobility"])
    formula = ("dX = -U'(X) dt" if dim == 1 else "dX = -grad U(X) dt") + " + sqrt(2 temperature) dW"
    if mobility is not None:
        formula = "dX = -mobility grad U(X) dt + sqrt(2 temperature) mobility^(1/2) dW"

    def with_values(**values: Any) -> Process:
        kT, m = values.pop("temperature"), values.pop("mobility", None)
        return overdamped(
            potential,
            kT,
            dim=dim,
            mobility=m,
            params=values,
            domain=domain,
            setting=setting,
            name=name,
            equation=equation,
            allowed=allowed,
        )

    process = Process(
        drift=_drift(potential, moved=mobility is not None),
        sigma=_sigma(dim, 0 if mobility is None else np.ndim(mobility) + 1),
        dim=dim,
        params={**arguments, **derived},
        domain=domain,
        name=name,
        equation=formula if equation is None else equation,
        potential=potential,
        factory=with_values,
        allowed=allowed,
        arguments=arguments,
    )
    energy = potential if may_be_gibbs(potential, process.params, process.intervals) else None
    if dim > 1:
        start = tuple(point_inside(interval) for interval in process.intervals)
        return replace(process, energy=energy, setting=setting or Setting(start))
    reduced = reduced_energy(potential, process.params)
    law = None if reduced is None else gibbs_law(reduced, process.intervals[0])
    known = Exact() if law is None else Exact(stationary=lambda: law)
    if reduced and law and process.intervals[0].periodic:
        spreading, ring = float(process.diffusivity(0.0)), process.intervals[0]
        known = replace(known, velocity=lambda: ring_velocity(reduced, ring, law, diffusivity=spreading))
    return replace(
        process,
        energy=None if law is None else energy,
        exact=known,
        setting=_completed(setting or _fair_setting(process, law), law, process.intervals[0]),
    )


def refuse_names(params: Mapping[str, Any], taken: Iterable[str]) -> None:
    """Raise InvalidInput for a parameter that bears the name of an argument."""
    for name in taken:
        if name in params:
            raise InvalidInput(f"params holds a {name}, which is an argument of its own; give it as {name}=...")


def potential_at(potential: Callable, x: Any, t: Any, p: Any) -> sp.Expr:
    """Return U(x, t, p) as an expression; InvalidInput where it is not one number."""
    value = call(potential, x, t, p)
    if not isinstance(value, Traced) and np.ndim(value) > 0:
        raise InvalidInput(
            f"a potential returns one number, and {getattr(potential, '__name__', repr(potential))} returned "
            f"{len(value)}: give the potential itself, from which the forces are derived"
        )
    return unwrap(value)


def force_of(potential: Callable, x: Any, t: Any, p: Any) -> list[Traced]:
    """Return -dU/dx_i for each component; x is a component, or a tuple of them."""
    u = potential_at(potential, x, t, p)
    return [Traced(-sp.diff(u, x_i.expr)) for x_i in (x if isinstance(x, tuple) else (x,))]


def _drift(potential: Callable, *, moved: bool) -> Callable:
    """Return the model function -M grad U."""

    def drift(x: Any, t: Any, p: Any) -> Any:
        force = force_of(potential, x, t, p)
        if moved:
            force = times(p.mobility, force)
        return tuple(force) if isinstance(x, tuple) else force[0]

    return drift


def _sigma(dim: int, kind: int) -> Callable:
    """Return the model function sqrt(2 temperature) M^(1/2); ``kind``: 0 no M, 1 a number, 2 a vector, 3 a matrix."""

    def sigma(x: Any, t: Any, p: Any) -> Any:
        if kind == 3:
            return lower_triangle(p.root_mobility, np.sqrt(2 * p.temperature))
        entries = [np.sqrt(2 * p.temperature * (entry(p.mobility, i) if kind else 1)) for i in range(dim)]
        return tuple(entries) if dim > 1 else entries[0]

    return sigma


def langevin_of(
    log_density: Callable,
    temperature: float = 1.0,
    *,
    dim: int = 1,
    mobility: Any = None,
    params: Mapping[str, Any] | None = None,
    domain: Interval | tuple[Interval, ...] = LINE,
    setting: Setting | None = None,
    name: str = "langevin",
) -> Process:
    """Return the Langevin process of a log-density.

        dX = M grad log q(X) dt + sqrt(2 temperature) M^(1/2) dW,    stationary law q^(1/temperature)/Z

    ``log_density`` is log q(x, p), up to an additive constant. Temperature 1 samples q itself; noise sigma = delta is
    temperature = delta^2/2. Everything else is as for :func:`overdamped`, with U = -log q.
    """

    def potential(x: Any, t: Any, p: Any) -> Any:
        return -call(log_density, x, t, p)

    equation = "dX = (log q)'(X) dt + sqrt(2 temperature) dW" if dim == 1 and mobility is None else None
    return overdamped(
        potential,
        temperature,
        dim=dim,
        mobility=mobility,
        params=params,
        domain=domain,
        setting=setting,
        name=name,
        equation=equation,
    )


def numeric_potential(potential: Callable, params: Mapping[str, Any], dim: int) -> tuple[sp.Expr, tuple, sp.Symbol]:
    """Return U at the values of the parameters as an expression, with the symbols of its components and of time."""
    x, t = tuple(real_symbol(f"x{i}") for i in range(dim)), real_symbol("t")
    at = Traced(x[0]) if dim == 1 else tuple(components(x))
    return potential_at(potential, at, Traced(t), Parameters(**params)), x, t


def reduced_energy(potential: Callable, params: Mapping[str, Any]) -> Callable[[np.ndarray], np.ndarray] | None:
    """Return U/temperature in one dimension as a function of arrays; None where U depends on time."""
    u, x, t = numeric_potential(potential, params, 1)
    if t in u.free_symbols:
        return None
    values = numpy_function(x, [u / params["temperature"]])
    return lambda points: np.broadcast_to(values(points)[0], points.shape)


def may_be_gibbs(potential: Callable, params: Mapping[str, Any], intervals: tuple[Interval, ...]) -> bool:
    """Whether exp(-U/temperature) carries no current: no time, no absorbing wall, no jump of U at a periodic end."""
    u, x, t = numeric_potential(potential, params, len(intervals))
    if t in u.free_symbols or any(Wall.ABSORBING in (i.low_wall, i.high_wall) for i in intervals):
        return False
    values = numpy_function(x, [u])
    for k, interval in enumerate(intervals):
        if interval.periodic:
            ends = [_probes(intervals, {k: end}) for end in (interval.low, interval.high)]
            low, high = (np.broadcast_to(values(*at)[0], len(at[0])) for at in ends)
            if not np.allclose(low, high, rtol=1e-9, atol=1e-9):
                return False
    return True


def _probes(intervals: tuple[Interval, ...], fixed: Mapping[int, float]) -> list[np.ndarray]:
    """Return a few points of the domain, ``(d, n)``, with some components fixed."""
    parts = np.array([0.13, 0.37, 0.58, 0.91])
    spread = [np.roll(parts, k) for k in range(len(intervals))]
    free = [i.low + s * i.length if math.isfinite(i.length) else s for i, s in zip(intervals, spread, strict=True)]
    return [np.full(len(parts), fixed[k]) if k in fixed else at for k, at in enumerate(free)]


def _fair_setting(process: Process, law: Law | None) -> Setting:
    """Return a run of four times tau = D/E mu^2 = 1/(M E U''), or of the time to spread where U is flat."""
    if law is None:
        return Setting(x0=point_inside(process.intervals[0]))
    diffusivity = process.diffusivity(law.mean)
    with np.errstate(divide="ignore"):
        by_force = diffusivity / np.asarray(law.expectation(lambda x: process.ito_drift(x) ** 2))
    tau = float(np.minimum(by_force, law.variance / diffusivity))
    return Setting(x0=float(law.ppf(0.2)), t_end=4 * tau, dt=tau / 20)


def point_inside(domain: Interval) -> float:
    """Return a point of the domain to start from."""
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
    if law is None or isinstance(setting.x0, tuple):
        return setting
    return replace(setting, window=window_of([law, starting_law(setting.x0)]))
