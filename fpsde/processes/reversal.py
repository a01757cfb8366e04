"""Time reversed, and the noise taken out: the reverse diffusion and the probability flow of a process with known law.

With the current velocity v and the osmotic velocity u of :mod:`fpsde.processes.osmotic`, mu = v + u, every process

    dX = (v + eta^2 u) dt + eta sigma dW

has the same law p(x, t) from the same start, and with -v in place of v it runs through it backwards.
Sources: Anderson, Stoch. Proc. Appl. 12 (1982) 313; Song et al., Score-Based Generative Modeling through SDEs (2021),
eqs. 6 and 13.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fpsde.errors import InvalidInput
from fpsde.model_functions import call, trace
from fpsde.processes.gradient import refuse_names
from fpsde.processes.osmotic import osmotic_velocity
from fpsde.processes.prescribed_law import manufactured
from fpsde.processes.process import Process
from fpsde.processes.statement import ito_drift_of, sigma_matrix
from fpsde.symbolic import Traced
from fpsde.validation import finite, positive


def reverse_of(
    process: Process,
    log_density: Callable,
    *,
    t_end: float,
    noise: float = 1.0,
    law: Callable[[float, Any], Any] | None = None,
    params: Mapping[str, Any] | None = None,
) -> Process:
    """Return the process that runs backwards from ``t_end`` through the laws of ``process``.

        dY = (-v + noise^2 u) ds + noise sigma dW,    coefficients at the time t = t_end - s,    Y_s ~ p(., t_end - s)

    ``log_density`` is log p(x, t, p) of the process's law at time t, up to a constant: its gradient is the score.
    ``noise`` 1 is Anderson's reverse diffusion, 0 the probability flow run backwards; both have the same laws.
    ``params`` are further p that log_density reads, by name. ``law(t, p)`` is the law of the process where it is known;
    if left out, that of a manufactured process is taken, or in one dimension found by quadrature.

    Raises InvalidInput unless log_density obeys the process's Fokker-Planck equation (with the place where it does
    not), for a negative noise, tables read by step, and as :func:`fpsde.processes.prescribed_law.manufactured`.
    """
    level, t_end = finite("noise", noise), positive("t_end", t_end)
    if level < 0:
        raise InvalidInput(f"noise={level} is negative; 1 is the reverse diffusion, 0 the probability flow")
    _refuse_tables(process)
    refuse_names(params or {}, [*process.params, "reverse_noise"])
    known = law or _law_of(process)

    def then(t: Any) -> Any:
        return t_end - t

    def sigma(x: Any, t: Any, p: Any) -> Any:
        return _scaled(process, p.reverse_noise, x, then(t), p)

    def velocity(x: Any, t: Any, p: Any) -> Any:
        v = _current_velocity(process, log_density, x, then(t), p)
        return tuple(-v_i for v_i in v) if process.dim > 1 else -v[0]

    return manufactured(
        lambda x, t, p: call(log_density, x, then(t), p),
        sigma,
        velocity=velocity,
        dim=process.dim,
        params={**process.params, **(params or {}), "reverse_noise": level},
        domain=process.domain,
        law=None if known is None else lambda t, p: known(then(t), p),
        t_end=t_end,
        name=f"reverse_{process.name}",
        equation="dY = (-v + reverse_noise^2 u) ds + reverse_noise sigma dW,  t = t_end - s",
    )


def probability_flow_of(
    process: Process,
    log_density: Callable,
    *,
    t_end: float = 1.0,
    law: Callable[[float, Any], Any] | None = None,
    params: Mapping[str, Any] | None = None,
) -> Process:
    """Return the process without noise that has the laws of ``process``:  dX/dt = v(X, t),  v = mu - u.

    ``log_density``, ``law`` and ``params`` are as for :func:`reverse_of`, ``t_end`` is the end of its setting. Raises
    InvalidInput as it does.
    """
    _refuse_tables(process)
    refuse_names(params or {}, process.params)

    def velocity(x: Any, t: Any, p: Any) -> Any:
        v = _current_velocity(process, log_density, x, t, p)
        return tuple(v) if process.dim > 1 else v[0]

    return manufactured(
        log_density,
        (lambda x: (0.0,) * process.dim) if process.dim > 1 else (lambda x: 0.0),
        velocity=velocity,
        dim=process.dim,
        params={**process.params, **(params or {})},
        domain=process.domain,
        law=law or _law_of(process),
        t_end=t_end,
        name=f"probability_flow_of_{process.name}",
        equation="dX/dt = v(X, t)",
    )


def _current_velocity(process: Process, log_density: Callable, x: Any, t: Any, p: Any) -> list[Traced]:
    """Return v = mu - u of the process for each component."""
    d = process.dim
    symbols = tuple(x_i.expr for x_i in (x if d > 1 else (x,)))
    drift = tuple(np.atleast_1d(trace(process.drift, x, t, p, shape=(d,) if d > 1 else ())))
    mu = ito_drift_of(drift, sigma_matrix(process.sigma, (x, t, p), d), symbols, process.interpretation)
    u = osmotic_velocity(log_density, process.sigma, x, t, p)
    return [Traced(mu_i - u_i) for mu_i, u_i in zip(mu, u, strict=True)]


def _scaled(process: Process, factor: Any, x: Any, t: Any, p: Any) -> Any:
    """Return factor sigma as rows."""
    b = sigma_matrix(process.sigma, (x, t, p), process.dim)
    rows = [[factor * Traced(b[i, j]) for j in range(b.shape[1])] for i in range(b.shape[0])]
    return rows if process.dim > 1 or b.shape[1] > 1 else rows[0][0]


def _law_of(process: Process) -> Callable[[float, Any], Any] | None:
    """Return the law of a process that is stated together with its start."""
    known = process.exact.law
    return None if known is None else lambda t, p: known(t)


def _refuse_tables(process: Process) -> None:
    if process.tables:
        raise InvalidInput(
            f"{process.name} reads {sorted(process.tables)} by step, which has no reverse in continuous time; state "
            "the process with a rate beta(t)"
        )
