"""A scheme on a process, walls included, as SymPy assignments: what kernels print and exact laws read."""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import SimpleNamespace
from typing import Any

import numpy as np
import sympy as sp

from fpsde.domain import Interval, Wall
from fpsde.errors import InvalidInput
from fpsde.schemes import walls
from fpsde.schemes.advance import Advance
from fpsde.schemes.inputs import UNIFORM, RandomInput
from fpsde.schemes.models import StagedModel
from fpsde.schemes.tracked import Tracked
from fpsde.symbolic import Components, Traced, components, real_symbol, unwrap


@dataclass(frozen=True)
class TracedStep:
    """One step as assignments of real symbols, in order; ``outputs`` are the new values of the state.

    The state is the positions ``x``, then the auxiliary components, then what observers see (where a scheme observes
    something else than x), then what is tracked, then the failure flag. ``normals`` are raw standard normals in the
    order of the rows of the noise buffer; ``constants`` are what a step reads besides: t, dt, sqrt_dt, parameters,
    tables, walls.
    """

    state: tuple[sp.Symbol, ...]
    normals: tuple[sp.Symbol, ...]
    constants: tuple[sp.Symbol, ...]
    assignments: tuple[tuple[sp.Symbol, Any], ...]
    outputs: tuple[Any, ...]
    dim: int
    observed: int  #: index in the state of the first component that observers see
    tracked: int  #: index in the state of the first tracked value
    flagged: bool  #: whether the last component of the state is the failure flag
    inputs: tuple[tuple[RandomInput, int], ...]  #: each random input with how many of it a step takes

    @cached_property
    def expanded(self) -> tuple[Any, ...]:
        """The outputs as expressions of state, normals and constants alone, every stage substituted."""
        return tuple(substituted(e, self.assignments) for e in self.outputs)

    def coarsening(self, sub: int) -> np.ndarray:
        """Return the weights ``(sub, r, r)`` that make the normals of a step from those of ``sub`` finer ones.

        Raises InvalidInput where an input of the scheme has no refinement.
        """
        r = len(self.normals)
        out = np.zeros((sub, r, r))
        row = 0
        for kind, count in self.inputs:
            if kind.weights is None and sub > 1:
                raise InvalidInput(
                    f"the random input {kind.name!r} has no dt-refinement; "
                    f"refinement={sub} must be 1 for this scheme and these walls"
                )
            block = np.eye(kind.normals)[None] if kind.weights is None else kind.weights(sub)
            for _ in range(count):
                out[:, row : row + kind.normals, row : row + kind.normals] = block
                row += kind.normals
        return out


def substituted(e: Any, assignments: tuple[tuple[sp.Symbol, Any], ...]) -> Any:
    """Return ``e`` with the assigned symbols replaced by what they stand for, last first."""
    e = sp.sympify(e)
    for symbol, value in reversed(assignments):
        e = e.xreplace({symbol: value})
    return e


def wall_symbols(process: Any) -> list[tuple[Interval, Traced, Traced]]:
    """Return for each component its interval and the symbols of its two ends (run-time values of the kernel)."""
    return [
        (interval, Traced(real_symbol(f"low{i}")), Traced(real_symbol(f"high{i}")))
        for i, interval in enumerate(process.intervals)
    ]


def traced_step(scheme: Any, process: Any, tracked: Sequence[Tracked] = ()) -> TracedStep:
    """Return the scheme's step on the process, with its walls and what is tracked on the way.

    Raises Unsuited (an InvalidInput) where the scheme has no form on the process.
    """
    scheme.refuse_unsuited(process)
    model = StagedModel(process)
    s = process.statement
    d = process.dim
    t, dt, sqrt_dt = (Traced(real_symbol(name)) for name in ("t", "dt", "sqrt_dt"))
    bounds = wall_symbols(process)
    uniforms = [i for i, (interval, *_) in enumerate(bounds) if walls.absorbs(interval)]
    inputs = [(kind, kind.per.count(d, process.channels)) for kind in scheme.inputs]
    inputs += [(UNIFORM, len(uniforms))] if uniforms else []
    normals, values = _inputs(inputs, sqrt_dt, dt)
    wall_uniforms = dict(zip(uniforms, values.pop(), strict=True)) if uniforms else {}
    noise = SimpleNamespace(**{kind.name: value for (kind, _), value in zip(inputs, values, strict=False)})

    x = components(list(s.x))
    aux: dict[str, Any] = {
        name: components([real_symbol(f"aux_{name}{i}") for i in range(d)]) for name in scheme.auxiliary
    }
    aux |= {name: Traced(real_symbol(f"aux_{name}")) for name in scheme.scalars}
    result = scheme.step(model, x, t, dt, noise, *((aux,) if aux else ()))
    advance = result if isinstance(result, Advance) else Advance(result)
    moved = [
        _walled(model, interval, low, high, x, i, advance.x[i], t, dt, wall_uniforms.get(i))
        for i, (interval, low, high) in enumerate(bounds)
    ]
    carried = [v for name in aux for v in _listed(aux[name])]
    moved = [*moved, *(v for name in aux for v in _listed(advance.aux[name]))]
    moved = _held(bounds, x, [*x, *carried], moved)
    state = [*s.x, *(unwrap(v) for v in carried)]
    outputs = [unwrap(v) for v in moved]
    observed = 0
    if scheme.observed is not None:
        observed = len(state)
        state += [real_symbol(f"seen{i}") for i in range(d)]
        outputs += [unwrap(v) for v in scheme.observed(components(moved[:d]), _by_name(aux, moved[d:]))]
    first_tracked = len(state)
    if tracked:
        before = components(state[observed : observed + d])
        after = components([model.named(e) for e in outputs[observed : observed + d]])
        for k, one in enumerate(tracked):
            value = Traced(real_symbol(f"tracked{k}"))
            more = (_by_name(aux, moved[d:]),) if one.reads_state else ()
            state.append(unwrap(value))
            outputs.append(unwrap(one.update(value, before, after, t, dt, model.p, *more)))
    if scheme.may_fail:
        flag: Any = Traced(real_symbol("failed"))
        conditions = advance.failed if isinstance(advance.failed, np.ndarray) else [advance.failed]
        outputs.append(unwrap(np.where(functools.reduce(operator.or_, conditions), 1.0, flag)))
        state.append(unwrap(flag))
    walled = [unwrap(v) for interval, low, high in bounds if interval.walled for v in (low, high)]
    constants = (unwrap(t), unwrap(dt), unwrap(sqrt_dt), *s.parameters, *s.tables, *walled)
    return TracedStep(
        tuple(state),
        normals,
        constants,
        tuple(model.assignments),
        tuple(outputs),
        d,
        observed,
        first_tracked,
        scheme.may_fail,
        tuple(inputs),
    )


def _inputs(
    kinds: list[tuple[RandomInput, int]], sqrt_dt: Traced, dt: Traced
) -> tuple[tuple[sp.Symbol, ...], list[Components]]:
    """Return the raw normals of a step, and for each kind its values ``(count,)``."""
    normals: list[sp.Symbol] = []
    values = []
    for kind, count in kinds:
        column = []
        for _ in range(count):
            z = [real_symbol(f"z{len(normals) + k}") for k in range(kind.normals)]
            normals += z
            column.append(kind.form(tuple(Traced(v) for v in z), sqrt_dt, dt))
        values.append(components(column))
    return tuple(normals), values


def _by_name(aux: Mapping[str, Any], values: Sequence[Any]) -> dict[str, Any]:
    """Return ``values`` in the shapes and under the names of ``aux``."""
    out, first = {}, 0
    for name, like in aux.items():
        size = len(_listed(like))
        out[name] = components(list(values[first : first + size])) if isinstance(like, np.ndarray) else values[first]
        first += size
    return out


def _listed(value: Any) -> list[Any]:
    """Return the values of auxiliary state: of each component, or the one of a particle."""
    return list(value) if isinstance(value, np.ndarray) else [value]


def _held(bounds: list, x: Components, state: list[Any], moved: list[Any]) -> list[Any]:
    """Return the moved state, or the old one where an absorbing wall already holds the particle, in any component."""
    held = [v <= low for v, (interval, low, _) in zip(x, bounds, strict=True) if interval.low_wall is Wall.ABSORBING]
    held += [
        v >= high for v, (interval, _, high) in zip(x, bounds, strict=True) if interval.high_wall is Wall.ABSORBING
    ]
    if not held or len(state) == 1:  # a single component is held by its own wall
        return moved
    stopped = functools.reduce(operator.or_, held)
    return [np.where(stopped, old, new) for old, new in zip(state, moved, strict=True)]


def _walled(
    model: StagedModel,
    interval: Interval,
    low: Any,
    high: Any,
    x: Any,
    i: int,
    moved: Any,
    t: Any,
    dt: Any,
    uniform: Any,
) -> Any:
    if not interval.walled:
        return moved
    moved = Traced(model.named(moved))
    variance = (
        sum((s * s for s in model.sigma(x, t)[i] if unwrap(s) != 0), Traced(sp.Integer(0))) * dt
        if walls.absorbs(interval)
        else None
    )
    return walls.applied(interval, x[i], moved, low=low, high=high, variance=variance, uniform=uniform)


def constant_rows(
    step: TracedStep, process: Any, times: np.ndarray, *, first: int = 0, last: int | None = None
) -> np.ndarray:
    """Return what each of the steps ``first`` .. ``last`` reads besides state and noise: ``(steps, n_constants)``."""
    for name, values in process.tables.items():
        if len(values) != len(times) - 1:
            raise InvalidInput(
                f"table {name!r} of {process.name} has {len(values)} entries, the run {len(times) - 1} steps; "
                "they must be equal"
            )
    here = slice(first, len(times) - 1 if last is None else last)
    dt = np.diff(times[here.start : here.stop + 1])
    ends = [end for interval in process.intervals if interval.walled for end in (interval.low, interval.high)]
    same = np.tile(np.concatenate([process.parameter_values(), ends]), (len(dt), 1))
    n = len(process.parameter_values())
    tables = [values[here] for values in process.tables.values()]
    return np.column_stack([times[here], dt, np.sqrt(dt), same[:, :n], *tables, same[:, n:]])
