"""Coefficients of a process as one compiled loop over points, printed from its statement.

The text is that of the particle kernels, elementary functions included. An expression is taken apart by what it
depends on: parts without x (schedules, driving forces) are computed once for each call, and costly parts without t
once for all calls, as a table over the points. What is left for each point and time is little but arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import sympy as sp

from fpsde import elementary
from fpsde.numba_text import compiled, decorated, header
from fpsde.printing import lines

#: Counted while D is in the registers; a test that may end the loop would keep it from being vectorised.
_OUT_OF_RANGE = "bad += not ((d_i > T(0.0)) & (d_i < T(np.inf)))"
#: The same in CUDA C++, and a NaN by its bits.
_IN_RANGE, _NAN = "(d_i > T(0.0)) & (d_i * T(0.0) == T(0.0))", f"from_bits(U({0x7FF8 << 48}))"

_TYPES = """\
f8, f8s, table_type = types.float64, types.float64[::1], types.float64[:, ::1]
"""


@dataclass(frozen=True, eq=False)
class CoefficientKernel:
    """``function(x, table, t, c, ratio, d)`` writes what an axis has at the points x (dim, n) and the time t.

    ``d`` (l,) is D at the first l points, and ``ratio`` (n - l,) is mu/D at the others, mu where there is no noise. It
    returns at how many points D is not positive and finite. ``table`` (k, n) is what depends on x alone, and ``c`` are
    the values of the process's parameters. ``prepare(x, c, table)`` writes the table for other values.
    """

    function: Callable[..., int]
    prepare: Callable[..., None]
    points: np.ndarray
    table: np.ndarray
    parameters: np.ndarray

    def with_parameters(self, values: np.ndarray) -> CoefficientKernel:
        """Return the kernel of other values, of points that are one call."""
        table = np.empty_like(self.table)
        self.prepare(self.points, values, table)
        return replace(self, table=table, parameters=values)


def coefficient_kernel(process: Any, points: np.ndarray, axis: int = 0) -> CoefficientKernel:
    """Return the kernel of a process that has a ``statement`` and no tables, at ``points`` (..., dim, n).

    The table is then ``(..., k, n)``: each of the places before the last two is a call of its own.
    """
    size, source = coefficient_source(process, axis)
    module, parameters = compiled("coefficients", source), process.parameter_values()
    table = np.empty((*points.shape[:-2], size, points.shape[-1]))
    for i in np.ndindex(points.shape[:-2]):
        module.prepare(points[i], parameters, table[i])
    return CoefficientKernel(module.coefficients, module.prepare, points, table, parameters)


def silent(process: Any, axis: int) -> bool:
    """Return whether there is no noise along an axis: mass then moves along it upwind."""
    return bool(process.statement.diffusivity[axis, axis] == 0)


@dataclass(frozen=True)
class _Parts:
    """Lines of the common text, apart by what they depend on; ``moving`` and ``still`` are the same at all points."""

    points: list[str]  #: names of the components of a point
    constants: list[str]  #: names of the parameters
    moving: list[str]
    still: list[str]  #: those of ``moving`` that are the same at all times
    tabled: list[str]  #: the same at all times
    rows: list[str]  #: names of what is tabled and used in the next two
    centre: list[str]  #: D
    node: list[str]  #: mu/D, or mu where there is no noise, and D
    noisy: bool


@lru_cache(maxsize=256)
def _parts(process: Any, axis: int) -> _Parts:
    s = process.statement
    mu, d = s.ito_drift[axis], s.diffusivity[axis, axis]
    outputs = sp.symbols("ratio_i d_i", real=True)
    before: dict[Any, sp.Symbol] = {}  # the same at all points
    tabled: dict[Any, sp.Symbol] = {}  # the same at all times
    results = [
        _apart(e, set(s.x), before, _numbered("h"), _always) for e in (mu if silent(process, axis) else mu / d, d)
    ]
    moving = {s.t, *(name for e, name in before.items() if e.has(s.t))}
    results = [_apart(e, moving, tabled, _numbered("g"), _costly) for e in results]
    return _Parts(
        points=[symbol.name for symbol in s.x],
        constants=[symbol.name for symbol in s.parameters],
        moving=_lines(before),
        still=_lines({e: name for e, name in before.items() if name not in moving}),
        tabled=_lines(tabled),
        rows=[name.name for name in tabled.values()],
        centre=lines([(outputs[1], results[1])]),
        node=lines(list(zip(outputs, results, strict=True))),
        noisy=not silent(process, axis),
    )


@lru_cache(maxsize=256)
def coefficient_source(process: Any, axis: int = 0) -> tuple[int, str]:
    """Return the number of rows of the table and the whole generated file."""
    parts = _parts(process, axis)
    constants = [f"{name} = c[{i}]" for i, name in enumerate(parts.constants)]
    inputs = [(name, f"points[{i}]") for i, name in enumerate(parts.points)]
    rows = [(name, f"table[{i}]") for i, name in enumerate(parts.rows)]
    text = _function(
        "prepare(points, c, table)",
        "types.void(table_type, f8s, table_type)",
        [*constants, *parts.still],
        _loop("points.shape[1]", inputs, parts.tabled, rows),
    )
    centres, nodes = (_part([*inputs, *rows], cut) for cut in ("[:first]", "[first:]"))
    text += _function(
        "coefficients(points, table, t, c, ratio, d)",
        "types.int64(table_type, table_type, f8, f8s, f8s, f8s)",
        [*constants, *parts.moving, "first, bad = len(d), 0"],
        _loop("first", centres, [*parts.centre, _OUT_OF_RANGE], [("d_i", "d")]),
        _loop("len(ratio)", nodes, [*parts.node, _OUT_OF_RANGE], [("ratio_i", "ratio")]),
        ["return bad"],
    )
    functions = elementary.used(text, elementary.functions(elementary.FLOAT64))
    return len(parts.rows), header("float64") + _TYPES + decorated(functions) + text


@lru_cache(maxsize=256)
def cuda_coefficients(process: Any, axis: int = 0) -> str:
    """Return the same as CUDA C++ text, for one point: ``centre_at(x0, ..., t, c, step)``, D, and ``node_at``.

    The latter is mu/D, or mu where there is no noise; ``c[i * step]`` are the parameters. Both are NaN where there is
    noise whose D is not positive and finite there. Nothing is tabled: a device computes a function about as soon as it
    reads a number.
    """
    parts = _parts(process, axis)
    given = ", ".join(f"const T {name}" for name in (*parts.points, "t"))
    constants = [f"{name} = c[{i} * step]" for i, name in enumerate(parts.constants)]
    text = ""
    for name, body, result in (("centre_at", parts.centre, "d_i"), ("node_at", parts.node, "ratio_i")):
        inside = _declared([*constants, *parts.moving, *parts.tabled, *body])
        returned = f"where({_IN_RANGE}, {result}, {_NAN})" if parts.noisy else result
        head = f"DEV T {name}({given}, const T* c, const i64 step) {{"
        text += "\n".join([head, *(f"    {line}" for line in inside), f"    return {returned};", "}", ""])
    return text


def _declared(assignments: list[str]) -> list[str]:
    """Return lines in C++ dress; parts that are printed by themselves use names of shared expressions again."""
    known: set[str] = set()
    out = []
    for line in assignments:
        name = line.partition(" = ")[0]
        out.append(f"{line};" if name in known else f"T {line};")
        known.add(name)
    return out


def _function(head: str, signature: str, *parts: list[str]) -> str:
    body = (f"    {line}" for part in parts for line in part)
    return "\n".join([f"@kernel({signature})", f"def {head}:", *body, ""])


#: A name in a loop, and the array whose entries it stands for.
Entry = tuple[str, str]


def _part(entries: list[Entry], cut: str) -> list[Entry]:
    return [(name, f"{array}{cut}") for name, array in entries]


def _loop(size: str, read: list[Entry], inside: list[str], written: list[Entry]) -> list[str]:
    """Return a loop over arrays of one size.

    Each is named before it: where an index is a sum, which may be negative for all that is known, no loop is
    vectorised.
    """
    return [
        *(f"{name}_at = {array}" for name, array in (*read, *written)),
        f"for k in range({size}):",
        *(f"    {name} = {name}_at[k]" for name, _ in read),
        *(f"    {line}" for line in inside),
        *(f"    {name}_at[k] = {name}" for name, _ in written),
    ]


def _lines(named: dict[Any, sp.Symbol]) -> list[str]:
    return lines([(name, e) for e, name in named.items()]) if named else []


def _numbered(letter: str) -> Callable[[int], sp.Symbol]:
    return lambda k: sp.Symbol(f"{letter}{k}", real=True)


def _always(e: Any) -> bool:
    return True


def _costly(e: Any) -> bool:
    """Return whether an expression holds more than sums and products and whole powers."""
    return e.has(sp.Function) or any(not power.exp.is_Integer for power in e.atoms(sp.Pow))


def _apart(
    e: Any,
    without: set[Any],
    found: dict[Any, sp.Symbol],
    name: Callable[[int], sp.Symbol],
    worth: Callable[[Any], bool],
) -> Any:
    """Return the expression with its largest parts free of ``without``, where they are worth it, named in ``found``."""
    if e.is_Atom:
        return e
    if isinstance(e, sp.Expr) and not e.free_symbols & without:
        return found.setdefault(e, name(len(found))) if worth(e) else e
    if e.is_Add or e.is_Mul:
        free = [a for a in e.args if not a.free_symbols & without]
        rest = [a for a in e.args if a.free_symbols & without]
        together = [e.func(*free)] if free else []
        return e.func(*(_apart(a, without, found, name, worth) for a in (*together, *rest)))
    return e.func(*(_apart(a, without, found, name, worth) for a in e.args))
