"""weak_order(): the order of the errors of expectations, measured without sampling."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsde import checks
from fpsde.checks import OrderResult
from fpsde.errors import InvalidInput
from fpsde.laws import scheme_law
from fpsde.laws.backward_chain import BackwardChain
from fpsde.laws.backward_equation import process_expectations
from fpsde.laws.extent import extent_of
from fpsde.laws.extrapolated import extrapolated_expectations
from fpsde.laws.frame import Observable
from fpsde.laws.levels import Level, exact_level, levels, point_of, refuse_walls, settled
from fpsde.laws.scheme_forms import has_kinks
from fpsde.processes.process import Process
from fpsde.provenance import environment
from fpsde.schemes.scheme import Scheme
from fpsde.validation import finite_array, positive, whole_steps

#: Round-off of an expectation that is exact otherwise, per step, as a share of its size.
ROUND_OFF = 2e-16
#: No error is taken to be known better than that.
FLOOR = 1e-13
#: Share of an error up to which it need not be known better, however small the tolerance.
SHARE = 1e-4


@dataclass(frozen=True, eq=False)
class WeakOrder:
    """The errors E u(X_h) - E u(X) of one observable by step size, and the verdict on their order.

    ``accuracy`` is the last change of an error, by step size, when the frame was made finer and wider.
    """

    observable: str
    dts: np.ndarray
    errors: np.ndarray
    exact: float  #: E u(X) of the process
    accuracy: np.ndarray
    theory: float  #: the order that the scheme claims
    result: OrderResult
    provenance: Mapping[str, Any]


def weak_order(
    process: Process,
    scheme: Scheme,
    *,
    dts: Sequence[float],
    observables: Mapping[str, Observable] | None = None,
    x0: float | Sequence[float] | None = None,
    t_end: float | None = None,
    tolerance: float = 1e-10,
) -> dict[str, WeakOrder]:
    """Return for each observable u whether E u(X_h) - E u(X) at ``t_end`` falls like the order that is claimed.

    Both expectations are computed by backward operators, without sampling: where steps are affine and u a polynomial,
    exactly; elsewhere in a frame that is made finer and wider until no error changes by more than ``tolerance`` (or by
    1e-4 of itself). E u(X) is that of the backward equation, on axes with ends extrapolated from short steps. Where a
    step in one component has kinks in x (tamed_euler's), E u(X_h) is read off the law of :func:`fpsde.scheme_law`.

    Parameters
    ----------
    observables : functions of the components, by name; each maps arrays to an array. Left out: the square of the first
        component or, where that is periodic, its longest cosine.
    dts : at least four steps, strictly decreasing, that divide ``t_end``.
    x0, t_end : the point of the start and the horizon, in place of those of the process's setting.
    tolerance : of the errors, in the unit of u.

    Raises
    ------
    InvalidInput   walls other than seams; more than two components, unless everything is a polynomial; a scheme that
                   claims no weak order on the process, or whose positions alone are no chain
    NotConverged   errors that do not settle: an observable with kinks, a dt at which the chain is unstable
    UnstableStep   pilot particles that explode
    """
    theory = scheme.weak_order(process)
    if math.isinf(theory):
        raise InvalidInput(f"{scheme.name} claims to be exact on {process.name}: it has no order to measure")
    refuse_walls(process)
    tolerance, horizon = positive("tolerance", tolerance), positive("t_end", t_end or process.setting.t_end)
    start = point_of(process, process.setting.x0 if x0 is None else x0)
    steps = finite_array("dts", dts, ndim=1)
    numbers = [whole_steps(horizon, dt) for dt in steps]
    named = usual_observable(process) if observables is None else observables
    if not named:
        raise InvalidInput("no observables; give functions of the components by name, such as {'x^2': lambda x: x**2}")

    def at(level: Level) -> tuple[np.ndarray, np.ndarray]:
        """The expectations of the chains ``(levels, k)``, and those of the process ``(k,)``."""
        frame, found = level.frame, by_density
        if found is None:
            chain = BackwardChain(scheme, process, frame, nodes=level.nodes)
            found = np.array([chain.expectations(functions, start, t_end=horizon, n_steps=n) for n in numbers])
        if frame.endless and frame.energy is None:
            return found, process_expectations(process, frame, functions, start, t_end=horizon)
        fewest = 2 * min(numbers)
        exact, _ = extrapolated_expectations(
            process, frame, functions, start, t_end=horizon, fewest=fewest, nodes=level.nodes
        )
        return found, exact

    functions, by_density = list(named.values()), None
    polynomials = exact_level(process, scheme, functions, start)
    if polynomials is not None:
        found, exact = at(polynomials)
        errors = found - exact
        accuracy = ROUND_OFF * np.array(numbers)[:, None] * np.maximum(1.0, np.abs(found))
    else:
        extent = extent_of(process, x0=start, t_end=horizon, dt=float(np.min(steps)))
        if has_kinks(scheme, process):
            laws = [scheme_law(process, scheme, x0=start[0], t_end=horizon, dt=float(dt)).law for dt in steps]
            by_density = np.array([[law.expectation(u) for u in functions] for law in laws])

        def errors_at(level: Level) -> tuple[np.ndarray, np.ndarray]:
            found, exact = at(level)
            return found - exact, exact

        (errors, exact), (accuracy, _) = settled(
            levels(process, scheme, extent),
            errors_at,
            lambda errors: np.maximum(tolerance, SHARE * np.abs(errors)),
            f"the errors of {scheme.name} on {process.name}",
            f"tolerance={tolerance:g}; allow more, take smaller steps or a smoother observable",
        )
    provenance = {
        "process": process.name,
        "scheme": scheme.name,
        "x0": start,
        "t_end": horizon,
        "tolerance": tolerance,
        **environment(),
    }
    return {
        name: WeakOrder(
            name,
            steps,
            errors[:, i],
            float(exact[i]),
            accuracy[:, i],
            theory,
            judged(steps, errors[:, i], accuracy[:, i], theory),
            provenance,
        )
        for i, name in enumerate(named)
    }


def usual_observable(process: Process) -> dict[str, Observable]:
    """Return the observable where none is given, by its name: one to which drift and noise contribute."""
    first = process.intervals[0]
    if not first.periodic:
        return {"x^2": lambda *x: x[0] ** 2}
    return {f"cos(2 pi x/{first.length:.4g})": lambda *x: np.cos(2 * math.pi / first.length * x[0])}


def judged(dts: np.ndarray, errors: np.ndarray, accuracy: np.ndarray, theory: float) -> OrderResult:
    """Return the verdict on the order of errors ``(levels,)`` that are known to ``accuracy``."""
    # an error at a large step need not be known better than at the smallest one, as a share of itself
    sizes = np.maximum(np.abs(errors), np.finfo(float).tiny)
    floor = float(np.max(accuracy * np.minimum(1.0, np.min(sizes) / sizes)))
    return checks.order(dts, errors, expected=theory, floor=max(floor, FLOOR))
