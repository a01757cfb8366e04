"""Manufactured processes: the law is chosen, and the drift that has it follows.

    mu_i = v_i + d_j D_ij + D_ij d_j log p,    where  dp/dt + d_i(v_i p) = 0

One choice of p judges particles, Fokker-Planck solutions, the reverse process and the probability flow, with variable
and correlated noise, and in time. Source: Roache, J. Fluids Eng. 124 (2002) 4, for the method.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import sympy as sp

from fpsde.density import Law
from fpsde.domain import LINE, Interval, Wall
from fpsde.errors import InvalidInput
from fpsde.model_functions import trace
from fpsde.printing import numpy_function
from fpsde.processes.allowed import Allowed
from fpsde.processes.gibbs import gibbs_law
from fpsde.processes.gradient import numeric_potential, point_inside
from fpsde.processes.osmotic import osmotic_velocity
from fpsde.processes.process import Exact, Process, Setting
from fpsde.processes.transitions import elapsed, window_of
from fpsde.symbolic import Parameters, Traced, components
from fpsde.validation import integer, positive

#: The continuity equation is asked to hold to this part of its largest term, at so many points and times.
CONTINUITY, PROBES = 1e-9, 64
#: Places where log p is so far below its largest value are not asked at.
DEEPEST = 600.0


def manufactured(
    log_density: Callable,
    sigma: Callable,
    *,
    velocity: Callable | None = None,
    dim: int = 1,
    params: Mapping[str, Any] | None = None,
    domain: Interval | tuple[Interval, ...] = LINE,
    law: Callable[[float, Any], Any] | None = None,
    t_end: float = 1.0,
    name: str = "manufactured",
    equation: str = "dX = (v + div D + D grad log p) dt + sigma dW",
    allowed: Allowed | None = None,
) -> Process:
    """Return the process with noise ``sigma`` whose law at time t is p(x, t) when it starts in p(x, 0).

        mu_i = v_i + d_j D_ij + D_ij d_j log p,    D = sigma sigma^T/2,    dp/dt + d_i(v_i p) = 0

    ``log_density`` is log p(x, t, p), up to a constant in x and t; ``velocity`` the current velocity v(x, t, p), one
    number for each component: 0 if left out, for a p that stands still without a current. Both and ``sigma`` are
    written as the functions of :class:`~fpsde.processes.process.Process` are, and ``params`` are p, by name;
    derivatives are taken from them. ``law(t, p)`` is the law of X_t where it is known in closed form; in one dimension
    it is otherwise found by quadrature of p. It is ``exact.law(t)``, and ``exact.stationary()`` in one dimension where
    nothing depends on time. The setting starts in it, with d > 1 in its mean, and takes 50 steps up to ``t_end``.
    ``allowed`` states the values of ``params`` for which all this holds, as of Process.

    Raises InvalidInput where p and v do not obey dp/dt + d_i(v_i p) = 0 (with the place), where v leads through a wall,
    for an absorbing wall, and as Process does.
    """
    d, params, t_end = integer("dim", dim, least=1), dict(params or {}), positive("t_end", t_end)
    intervals = domain if isinstance(domain, tuple) else (domain,) * d
    given = velocity if velocity is not None else lambda x: 0.0 if d == 1 else (0.0,) * d

    def drift(x: Any, t: Any, p: Any) -> Any:
        v = np.atleast_1d(trace(given, x, t, p, shape=() if d == 1 else (d,)))
        mu = [Traced(v_i + u_i) for v_i, u_i in zip(v, osmotic_velocity(log_density, sigma, x, t, p), strict=True)]
        return mu[0] if d == 1 else tuple(mu)

    def with_values(**values: Any) -> Process:
        return manufactured(
            log_density,
            sigma,
            velocity=velocity,
            dim=d,
            params=values,
            domain=domain,
            law=law,
            t_end=t_end,
            name=name,
            equation=equation,
            allowed=allowed,
        )

    process = Process(
        drift=drift,
        sigma=sigma,
        dim=d,
        params=params,
        domain=domain,
        name=name,
        equation=equation,
        factory=with_values,
        allowed=allowed,
        arguments=params,
    )
    _refuse_sources(log_density, given, params, intervals, t_end)
    p = Parameters(**params)
    if law is not None:
        at = partial(_known, law, p)
    elif d == 1:
        at = partial(law_of_density, log_density, params, intervals[0])
    else:
        return replace(process, setting=_setting(tuple(map(point_inside, intervals)), t_end))
    return replace(process, **prescribed(at, process, t_end))


def prescribed(law: Callable[[float], Any], process: Process, t_end: float) -> dict[str, Any]:
    """Return ``exact`` and ``setting`` of a process whose law at each time is ``law(t)``."""
    start = law(0.0)
    if process.dim > 1:
        return {"exact": Exact(law=law), "setting": _setting(tuple(map(float, start.mean)), t_end)}
    exact = Exact(law=law, stationary=None if process.time_dependent else lambda: start)
    interval = process.intervals[0]
    window = (interval.low, interval.high)
    if not math.isfinite(interval.length):
        window = window_of([law(t_end * k / 8) for k in range(9)])
    return {"exact": exact, "setting": replace(_setting(start, t_end), window=window)}


def _setting(x0: Any, t_end: float) -> Setting:
    # a study of the order halves the step four times, so the first one need not be small
    return Setting(x0=x0, t_end=t_end, dt=t_end / 20)


def _known(law: Callable[[float, Any], Any], p: Any, t: float) -> Any:
    return law(elapsed(t), p)


def law_of_density(log_density: Callable, params: Mapping[str, Any], interval: Interval, t: float) -> Law:
    """Return the law on ``interval`` with the density exp(log_density)/Z at time ``t``, by quadrature."""
    e, x, time = numeric_potential(log_density, params, 1)
    values = numpy_function(x, [-e.subs(time, elapsed(t))])
    law = gibbs_law(lambda points: np.broadcast_to(values(points)[0], points.shape), interval)
    if law is None:
        raise InvalidInput(f"exp(log_density) has no integral at t={t}, or none that float64 holds; give a density")
    return law


def _refuse_sources(
    log_density: Callable, velocity: Callable, params: Mapping[str, Any], intervals: tuple[Interval, ...], t_end: float
) -> None:
    """Raise InvalidInput unless d(log p)/dt + d_i v_i + v_i d_i log p = 0, and no mass goes through a wall."""
    d = len(intervals)
    if any(Wall.ABSORBING in (interval.low_wall, interval.high_wall) for interval in intervals):
        raise InvalidInput("a manufactured law keeps its mass; an absorbing wall takes it: give reflecting walls")
    log_p, x, t = numeric_potential(log_density, params, d)
    at = Traced(x[0]) if d == 1 else tuple(components(x))
    v = np.atleast_1d(trace(velocity, at, Traced(t), Parameters(**params), shape=() if d == 1 else (d,)))
    terms = [sp.diff(log_p, t)]
    terms += [e for v_i, x_i in zip(v, x, strict=True) for e in (sp.diff(v_i, x_i), v_i * sp.diff(log_p, x_i))]
    values = numpy_function([*x, t], [log_p, *terms])
    points, times = _probes(intervals, t_end)
    with np.errstate(all="ignore"):
        depth, *sizes = (np.broadcast_to(value, times.shape) for value in values(*points, times))
    off, most = np.sum(sizes, axis=0), 1.0 + np.max(np.abs(sizes), axis=0)
    bad = (depth > depth.max() - DEEPEST) & ~(np.abs(off) <= CONTINUITY * most)
    if bad.any():
        k = int(np.argmax(bad))
        raise InvalidInput(
            f"dp/dt + div(v p) is {off[k]:.3g} p, not 0, at x={points[:, k].tolist()}, t={times[k]:.3g}: give the "
            "velocity that carries this density, and the density with its normalisation where that depends on time"
        )
    for i, interval in enumerate(intervals):
        for end, wall in ((interval.low, interval.low_wall), (interval.high, interval.high_wall)):
            if wall is Wall.REFLECTING:
                _refuse_flow(numpy_function([*x, t], [v[i]]), i, end, points, times)


def _refuse_flow(v: Callable, i: int, end: float, points: np.ndarray, times: np.ndarray) -> None:
    """Raise InvalidInput where the current velocity v_i leads through the wall at x_i = ``end``."""
    at_wall = np.where(np.arange(len(points))[:, None] == i, end, points)
    through = np.abs(np.broadcast_to(v(*at_wall, times)[0], times.shape))
    if through.max() > CONTINUITY:
        raise InvalidInput(
            f"the velocity leads through the wall at {end}: component {i} is {through.max():.3g} there; "
            "it must vanish at reflecting walls"
        )


def _probes(intervals: tuple[Interval, ...], t_end: float) -> tuple[np.ndarray, np.ndarray]:
    """Return points of the domain ``(d, n)`` and times ``(n,)`` that fill it evenly (multiples of roots of primes)."""
    roots = [math.sqrt(sp.prime(i + 1)) for i in range(len(intervals) + 1)]
    times, *shares = np.modf(np.outer(roots, np.arange(1, PROBES + 1)))[0]
    points = [_spread(share, interval) for share, interval in zip(shares, intervals, strict=True)]
    return np.stack(points), t_end * times


def _spread(share: np.ndarray, interval: Interval) -> np.ndarray:
    """Return the points at these shares of an interval, or of a piece of one that has no length."""
    if math.isfinite(interval.length):
        return interval.low + interval.length * share
    half = 2.0 if math.isinf(interval.low) and math.isinf(interval.high) else 0.9
    return point_inside(interval) + half * (2 * share - 1)
