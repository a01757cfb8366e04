"""A scheme on a process, walls included, as SymPy assignments: what kernels print and exact laws read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp

from fpsde.cached import cached_property
from fpsde.errors import InvalidInput
from fpsde.schemes.assembly import Assembly, coarsening
from fpsde.schemes.inputs import RandomInput
from fpsde.schemes.models import StagedModel
from fpsde.schemes.registry import offers_the_suited
from fpsde.schemes.tracked import Tracked
from fpsde.symbolic import Traced, real_symbol, unwrap

#: Which of the constants of a step is the first parameter: t, dt and sqrt_dt stand before them.
FIRST_PARAMETER = 3


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
    parameters: int  #: how many of the constants, from FIRST_PARAMETER on, are parameters
    inputs: tuple[tuple[RandomInput, int], ...]  #: each random input with how many of it a step takes

    @cached_property
    def expanded(self) -> tuple[Any, ...]:
        """The outputs as expressions of state, normals and constants alone, every stage substituted."""
        return tuple(substituted(e, self.assignments) for e in self.outputs)

    def coarsening(self, sub: int) -> np.ndarray:
        """Return the weights ``(sub, r, r)`` that make the normals of a step from those of ``sub`` finer ones.

        Raises InvalidInput where an input of the scheme has no refinement.
        """
        return coarsening(self.inputs, sub)


def substituted(e: Any, assignments: tuple[tuple[sp.Symbol, Any], ...]) -> Any:
    """Return ``e`` with the assigned symbols replaced by what they stand for, last first."""
    e = sp.sympify(e)
    for symbol, value in reversed(assignments):
        e = e.xreplace({symbol: value})
    return e


def needed(
    assignments: Sequence[tuple[sp.Symbol, Any]], outputs: Sequence[Any]
) -> tuple[list[tuple[sp.Symbol, Any]], set[sp.Symbol]]:
    """Return the assignments that ``outputs`` rest on, in order, and the symbols that are then left to be given."""
    read = set().union(*(sp.sympify(e).free_symbols for e in outputs))
    kept = []
    for symbol, value in reversed(assignments):
        if symbol in read:
            kept.append((symbol, value))
            read = read - {symbol} | sp.sympify(value).free_symbols
    return kept[::-1], read


@offers_the_suited
def traced_step(scheme: Any, process: Any, tracked: Sequence[Tracked] = ()) -> TracedStep:
    """Return the scheme's step on the process, with its walls and what is tracked on the way.

    Raises Unsuited (an InvalidInput) where the scheme has no form on the process, or the process no formulas.
    """
    s = process.statement
    assembly = Assembly(scheme, process, tuple(tracked))
    model = StagedModel(process)
    d = process.dim
    t, dt, sqrt_dt = (real_symbol(name) for name in ("t", "dt", "sqrt_dt"))
    state = (*s.x, *(real_symbol(name) for name in assembly.rows[d:]))
    normals = tuple(real_symbol(f"z{k}") for k in range(assembly.normals))
    ends = [(real_symbol(f"low{i}"), real_symbol(f"high{i}")) for i in range(d)]
    outputs = assembly.advance(
        model,
        [Traced(symbol) for symbol in state],
        [Traced(symbol) for symbol in normals],
        t=Traced(t),
        dt=Traced(dt),
        sqrt_dt=Traced(sqrt_dt),
        ends=[(Traced(low), Traced(high)) for low, high in ends],
    )
    walled = [end for pair, interval in zip(ends, process.intervals, strict=True) if interval.walled for end in pair]
    return TracedStep(
        state=state,
        normals=normals,
        constants=(t, dt, sqrt_dt, *s.parameters, *s.tables, *walled),
        assignments=tuple(model.assignments),
        outputs=tuple(unwrap(v) for v in outputs),
        dim=d,
        observed=assembly.first_seen,
        tracked=assembly.first_tracked,
        flagged=scheme.may_fail,
        parameters=len(s.parameters),
        inputs=assembly.inputs,
    )


def constant_rows(process: Any, times: np.ndarray, *, first: int = 0, last: int | None = None) -> np.ndarray:
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
