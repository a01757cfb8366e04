"""Coefficients of a process as one compiled loop over points, printed from its statement.

The text is that of the particle kernels, elementary functions included. An expression is taken apart by what it
depends on: parts without x (schedules, driving forces) are computed once for each call, and costly parts without t
once for all calls, as a table over the points. What is left for each point and time is little but arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import sympy as sp

from fpsde import elementary
from fpsde.fokker_planck.seven_points import seven_point_weight
from fpsde.numba_text import compiled, decorated, header
from fpsde.printing import lines
from fpsde.symbolic import Traced, unwrap

#: Counted while D is in the registers; a test that may end the loop would keep it from being vectorised.
_OUT_OF_RANGE = "bad += not ((d_i > T(0.0)) & (d_i < T(np.inf)))"
#: Of a weight, which may be zero.
_BELOW_ZERO = _OUT_OF_RANGE.replace(">", ">=")
#: Of a weight along a diagonal: counted in the same loop, since a search for the first of them reads one at a time.
_MOVES = "some += d_i != T(0.0)"
#: The first in CUDA C++, and a NaN by its bits.
_IN_RANGE, _NAN = "(d_i > T(0.0)) & (d_i * T(0.0) == T(0.0))", f"from_bits(U({0x7FF8 << 48}))"

#: What a kernel returns where the weights along a diagonal are zero at all of its first points.
STILL = -1

_TYPES = """\
f8, f8s, table_type = types.float64, types.float64[::1], types.float64[:, ::1]
"""


@dataclass(frozen=True, eq=False)
class CoefficientKernel:
    """``function(x, table, t, c, ratio, d)`` writes what an axis has at the points x (dim, n) and the time t.

    ``d`` (l,) is D at the first l points, and ``ratio`` (n - l,) is mu/D at the others, mu where there is no noise. It
    returns at how many points D is not positive and finite, or ``STILL``. ``table`` (k, n) is what depends on x alone,
    and ``c`` are the values of the process's parameters. ``prepare(x, c, table)`` writes the table for other values.
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


#: An axis; or in a plane the cells between those that an edge joins, (1, 0), (0, 1) or (1, +-1).
Along = int | tuple[int, int]


def coefficient_kernel(
    process: Any, points: np.ndarray, along: Along = 0, widths: Sequence[float] = ()
) -> CoefficientKernel:
    """Return the kernel of a process that has a ``statement`` and no tables, at ``points`` (..., dim, n).

    The table is then ``(..., k, n)``: each of the places before the last two is a call of its own.

    Along an offset e of cells of the plane with these ``widths`` h, in place of D stands the weight rho of the jumps
    along it (1/time) in the seven-point stencil, and in place of mu/D the integral of D^-1 mu along the edge,
    (D^-1 mu)_k e_k h_k; where the stencil is not enough, a weight is negative. ``points`` have a third row: what
    :func:`~fpsde.fokker_planck.seven_points.seven_point_weight` takes as ``beside``. It is det D that must be
    positive at the nodes. Where all weights along a diagonal are zero no ratio is written.
    """
    size, source = coefficient_source(process, along)
    module, parameters = compiled("coefficients", source), np.append(process.parameter_values(), widths)
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
    node: list[str]  #: mu/D, or mu where there is no noise, and D (along an offset det D)
    noisy: bool


#: The third row of points in a plane, and the widths of its cells.
_BESIDE, _WIDTHS = sp.Symbol("beside_wall", real=True), sp.symbols("width_1 width_2", positive=True)


def _jumps(statement: Any, offset: tuple[int, int]) -> tuple[Any, Any]:
    """Return the integral of D^-1 mu and the weight along an offset."""
    mu, d, h, e = statement.ito_drift, statement.diffusivity, _WIDTHS, offset
    pulls = d[1, 1] * mu[0] - d[0, 1] * mu[1], d[0, 0] * mu[1] - d[0, 1] * mu[0]
    pull = (e[0] * h[0] * pulls[0] + e[1] * h[1] * pulls[1]) / _determinant(statement)
    traced = {(i, j): Traced(d[i, j]) for i in (0, 1) for j in (0, 1)}
    return pull, unwrap(seven_point_weight(offset, traced, [Traced(width) for width in h], Traced(_BESIDE)))


def _determinant(statement: Any) -> Any:
    d = statement.diffusivity
    return d[0, 0] * d[1, 1] - d[0, 1] ** 2


@lru_cache(maxsize=256)
def _parts(process: Any, along: Along) -> _Parts:
    s = process.statement
    points, constants = s.x, s.parameters
    if isinstance(along, int):
        mu, d = s.ito_drift[along], s.diffusivity[along, along]
        ratio, at_nodes = mu if silent(process, along) else mu / d, d
    else:
        ratio, d = _jumps(s, along)
        points, constants = (*points, _BESIDE), (*constants, *_WIDTHS)
        at_nodes = _determinant(s)
    outputs = sp.symbols("ratio_i d_i", real=True)
    before: dict[Any, sp.Symbol] = {}  # the same at all points
    tabled: dict[Any, sp.Symbol] = {}  # the same at all times
    results = [_apart(e, set(points), before, _numbered("h"), _always) for e in (ratio, d, at_nodes)]
    moving = {s.t, *(name for e, name in before.items() if e.has(s.t))}
    results = [_apart(e, moving, tabled, _numbered("g"), _costly) for e in results]
    return _Parts(
        points=[symbol.name for symbol in points],
        constants=[symbol.name for symbol in constants],
        moving=_lines(before),
        still=_lines({e: name for e, name in before.items() if name not in moving}),
        tabled=_lines(tabled),
        rows=[name.name for name in tabled.values()],
        centre=lines([(outputs[1], results[1])]),
        node=lines(list(zip(outputs, (results[0], results[2]), strict=True))),
        noisy=not (isinstance(along, int) and silent(process, along)),
    )


@lru_cache(maxsize=256)
def coefficient_source(process: Any, along: Along = 0) -> tuple[int, str]:
    """Return the number of rows of the table and the whole generated file."""
    parts, on_axis = _parts(process, along), isinstance(along, int) or 0 in along
    beyond, counted = _OUT_OF_RANGE if isinstance(along, int) else _BELOW_ZERO, [] if on_axis else [_MOVES]
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
        [*constants, *parts.moving, "first, bad = len(d), 0", *([] if on_axis else ["some = 0"])],
        _loop("first", centres, [*parts.centre, beyond, *counted], [("d_i", "d")]),
        [] if on_axis else ["if some == 0:", f"    return {STILL}"],
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
