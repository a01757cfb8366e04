"""Eight numbers in vector registers, as a type of compiled code: the words of ``lanes.py`` in LLVM's."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core.cgutils import get_or_insert_function
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, lower_cast, models, overload, register_model

from fpsde.fokker_planck.plain_lanes import LANES, at, put

_PART = ir.VectorType(ir.DoubleType(), LANES)
_PAIR = ir.LiteralStructType([_PART, _PART])

#: (real part, imaginary part), each a vector while code is built; None where all of them are real.
Parts = tuple[Any, Any]


class _ComplexLanes(types.Type):
    def __init__(self) -> None:
        super().__init__(name="ComplexLanes")


class _RealLanes(types.Type):
    def __init__(self) -> None:
        super().__init__(name="RealLanes")


COMPLEX_LANES, REAL_LANES = _ComplexLanes(), _RealLanes()


@register_model(_ComplexLanes)
class _ComplexModel(models.PrimitiveModel):
    def __init__(self, manager: Any, fe_type: Any) -> None:
        super().__init__(manager, fe_type, _PAIR)


@register_model(_RealLanes)
class _RealModel(models.PrimitiveModel):
    def __init__(self, manager: Any, fe_type: Any) -> None:
        super().__init__(manager, fe_type, _PART)


def _parts(builder: Any, kind: Any, value: Any) -> Parts:
    """Return the parts of lanes, or of a real number in every lane."""
    if kind == COMPLEX_LANES:
        return builder.extract_value(value, 0), builder.extract_value(value, 1)
    if kind == REAL_LANES:
        return value, None
    one = builder.insert_element(ir.Constant(_PART, ir.Undefined), value, _index(0))
    return builder.shuffle_vector(one, one, _positions([0] * LANES)), None


def _joined(builder: Any, parts: Parts) -> Any:
    if parts[1] is None:
        return parts[0]
    pair = builder.insert_value(ir.Constant(_PAIR, ir.Undefined), parts[0], 0)
    return builder.insert_value(pair, parts[1], 1)


def _index(i: int) -> Any:
    return ir.Constant(ir.IntType(32), i)


def _positions(order: list[int]) -> Any:
    return ir.Constant(ir.VectorType(ir.IntType(32), len(order)), order)


def _sum(b: Any, z: Parts, w: Parts) -> Parts:
    return b.fadd(z[0], w[0]), _either(b.fadd, z[1], w[1])


def _difference(b: Any, z: Parts, w: Parts) -> Parts:
    turned = w[1] if w[1] is None or z[1] is not None else b.fneg(w[1])
    return b.fsub(z[0], w[0]), _either(b.fsub, z[1], turned)


def _either(combine: Callable[..., Any], one: Any, other: Any) -> Any:
    """Return the combination of two imaginary parts, of which a real number has none."""
    if one is None or other is None:
        return one if other is None else other
    return combine(one, other)


def _product(b: Any, z: Parts, w: Parts) -> Parts:
    if z[1] is None or w[1] is None:
        real, (re, im) = (z[0], w) if z[1] is None else (w[0], z)
        return b.fmul(real, re), None if im is None else b.fmul(real, im)
    re = b.fsub(b.fmul(z[0], w[0]), b.fmul(z[1], w[1]))
    return re, b.fadd(b.fmul(z[0], w[1]), b.fmul(z[1], w[0]))


def _quotient(b: Any, a: Parts, z: Parts) -> Parts:
    """a / z with a real ``a``."""
    if z[1] is None:
        return b.fdiv(a[0], z[0]), None
    scale = b.fdiv(a[0], b.fadd(b.fmul(z[0], z[0]), b.fmul(z[1], z[1])))
    return b.fmul(z[0], scale), b.fneg(b.fmul(z[1], scale))


def _define(operation: Any, build: Callable[[Any, Parts, Parts], Parts], kinds: tuple[tuple[Any, Any], ...]) -> None:
    """Give an operator of Python the meaning ``build`` for lanes."""

    @infer_global(operation)
    class _Typing(AbstractTemplate):
        def generic(self, args: Any, kws: Any) -> Any:
            kind = COMPLEX_LANES if COMPLEX_LANES in args else REAL_LANES
            return signature(kind, *args) if tuple(args) in kinds else None

    for pair in kinds:

        @lower_builtin(operation, *pair)
        def _lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            operands = (_parts(builder, kind, value) for kind, value in zip(sig.args, args, strict=True))
            return _joined(builder, build(builder, *operands))


_REAL = (REAL_LANES, REAL_LANES), (REAL_LANES, types.float64), (types.float64, REAL_LANES)
_MIXED = (COMPLEX_LANES, COMPLEX_LANES), (COMPLEX_LANES, types.float64), (types.float64, COMPLEX_LANES)
for _operation, _build in ((operator.add, _sum), (operator.sub, _difference), (operator.mul, _product)):
    _define(_operation, _build, (*_MIXED, *_REAL))
_define(operator.truediv, _quotient, ((types.float64, COMPLEX_LANES), *_REAL))


@lower_cast(types.float64, REAL_LANES)
def _in_every_lane(context: Any, builder: Any, from_type: Any, to_type: Any, value: Any) -> Any:
    return _parts(builder, from_type, value)[0]


def _ordered(before: str) -> Any:
    """Return what chooses, lane by lane or of two numbers, x where it stands ``before`` y, and else y."""

    def define(typing: Any, x: Any, y: Any) -> Any:
        kind = REAL_LANES if REAL_LANES in (x, y) else types.float64

        def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            one, other = (context.cast(builder, value, t, kind) for value, t in zip(args, sig.args, strict=True))
            return builder.select(builder.fcmp_ordered(before, one, other), one, other)

        return kind(x, y), build

    return define


#: The smaller, or the larger, of two; the second where one is not a number.
smaller, larger = intrinsic(_ordered("<")), intrinsic(_ordered(">"))


@intrinsic
def fused(typing: Any, x: Any, y: Any, z: Any) -> Any:
    """x * y + z, rounded once."""
    kind = REAL_LANES if REAL_LANES in (x, y, z) else types.float64

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        values = [context.cast(builder, value, t, kind) for value, t in zip(args, sig.args, strict=True)]
        vector, name = values[0].type, f"v{LANES}f64" if kind == REAL_LANES else "f64"
        function = get_or_insert_function(builder.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fma.{name}")
        return builder.call(function, values)

    return kind(x, y, z), build


def _row(context: Any, builder: Any, kind: Any, array: Any, row: Any) -> list[Any]:
    """Return pointers to the real and the imaginary parts of a row."""
    data = context.make_array(kind)(context, builder, array).data
    first = builder.mul(row, ir.Constant(row.type, 2 * LANES))
    starts = first, builder.add(first, ir.Constant(row.type, LANES))
    return [builder.bitcast(builder.gep(data, [start]), _PART.as_pointer()) for start in starts]


@intrinsic
def load(typing: Any, rows: Any, row: Any) -> Any:
    """Return the lanes in a row."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        re, im = (builder.load(part, align=8) for part in _row(context, builder, sig.args[0], *args))
        return _joined(builder, (re, im))

    return COMPLEX_LANES(rows, types.intp), build


@intrinsic
def store(typing: Any, rows: Any, row: Any, z: Any) -> Any:
    """Write lanes to a row."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        array, number, value = args
        pointers, parts = _row(context, builder, sig.args[0], array, number), _parts(builder, sig.args[2], value)
        for pointer, part in zip(pointers, parts, strict=True):
            builder.store(part, pointer, align=8)
        return context.get_dummy_value()

    return types.void(rows, types.intp, z), build


@intrinsic
def real_sum(typing: Any, z: Any) -> Any:
    """Return the sum of the real parts, halves onto halves."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        part, width = builder.extract_value(args[0], 0), LANES
        while width > 1:
            width //= 2
            low, high = (
                builder.shuffle_vector(part, part, _positions(list(range(first, first + width))))
                for first in (0, width)
            )
            part = builder.fadd(low, high)
        return builder.extract_element(part, _index(0))

    return types.float64(COMPLEX_LANES), build


@intrinsic
def _load_real(typing: Any, rows: Any, row: Any) -> Any:
    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(_lanes_of(context, builder, sig.args[0], *args), align=8)

    return REAL_LANES(rows, types.intp), build


@intrinsic
def _store_real(typing: Any, rows: Any, row: Any, x: Any) -> Any:
    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        array, number, value = args
        builder.store(value, _lanes_of(context, builder, sig.args[0], array, number), align=8)
        return context.get_dummy_value()

    return types.void(rows, types.intp, REAL_LANES), build


@intrinsic
def eight(typing: Any, flat: Any, first: Any) -> Any:
    """Return the lanes that lie side by side from place ``first`` on."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(_side_by_side(context, builder, sig.args[0], *args), align=8)

    return REAL_LANES(flat, types.intp), build


@intrinsic
def put_eight(typing: Any, flat: Any, first: Any, x: Any) -> Any:
    """Write lanes side by side from place ``first`` on."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        array, number, value = args
        builder.store(value, _side_by_side(context, builder, sig.args[0], array, number), align=8)
        return context.get_dummy_value()

    return types.void(flat, types.intp, REAL_LANES), build


@intrinsic
def _gather(typing: Any, columns: Any, row: Any) -> Any:
    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        found = ir.Constant(_PART, ir.Undefined)
        for lane, place in enumerate(_across(context, builder, sig.args[0], *args)):
            found = builder.insert_element(found, builder.load(place, align=8), _index(lane))
        return found

    return REAL_LANES(columns, types.intp), build


@intrinsic
def _scatter(typing: Any, columns: Any, row: Any, x: Any) -> Any:
    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        array, number, value = args
        for lane, place in enumerate(_across(context, builder, sig.args[0], array, number)):
            builder.store(builder.extract_element(value, _index(lane)), place, align=8)
        return context.get_dummy_value()

    return types.void(columns, types.intp, REAL_LANES), build


def _lanes_of(context: Any, builder: Any, kind: Any, array: Any, row: Any) -> Any:
    """Return a pointer to a row of ``(n, LANES)``."""
    return _side_by_side(context, builder, kind, array, builder.mul(row, ir.Constant(row.type, LANES)))


def _side_by_side(context: Any, builder: Any, kind: Any, array: Any, first: Any) -> Any:
    """Return a pointer to the lanes from place ``first`` on."""
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [first]), _PART.as_pointer())


def _across(context: Any, builder: Any, kind: Any, array: Any, row: Any) -> list[Any]:
    """Return pointers to the numbers of a row of the transpose of ``(LANES, n)``."""
    made = context.make_array(kind)(context, builder, array)
    n = builder.extract_value(made.shape, 0)
    return [
        builder.gep(made.data, [builder.add(row, builder.mul(n, ir.Constant(n.type, lane)))]) for lane in range(LANES)
    ]


@overload(at)
def _at(cells, i):
    if isinstance(cells, types.Float):
        return lambda cells, i: cells
    if cells.ndim == 1:
        return lambda cells, i: cells[i]
    return {
        "C": lambda cells, i: _load_real(cells, i),
        "F": lambda cells, i: _gather(cells, i),
    }[cells.layout]


@overload(put)
def _put(cells, i, value):
    if cells.ndim == 1:

        def number(cells, i, value):
            cells[i] = value

        return number
    return {
        "C": lambda cells, i, value: _store_real(cells, i, value),
        "F": lambda cells, i, value: _scatter(cells, i, value),
    }[cells.layout]
