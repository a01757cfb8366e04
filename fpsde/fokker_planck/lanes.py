"""Eight complex numbers in two vector registers, as a type of compiled code: real and imaginary parts apart.

LLVM does not find the vectors in a loop over eight lanes inside of a recurrence over cells: it must assume that the
arrays of one cell overlap those of the next. With lanes as values nothing is left to find, and the recurrences of eight
systems cost what the latency of one costs. Inside kernels:

    z = load(rows, i)      z, 0.5 * z, z + w, z - w, z + 0.5, z * w, 1.0 / z      store(rows, i, z)      real_sum(z)

``rows`` is a contiguous array of float64 whose row i holds ``(2, LANES)`` numbers (:func:`split`).
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

LANES = 8
_PART = ir.VectorType(ir.DoubleType(), LANES)
_PAIR = ir.LiteralStructType([_PART, _PART])

#: (real part, imaginary part), each a vector while code is built.
Parts = tuple[Any, Any]


def split(z: np.ndarray) -> np.ndarray:
    """Return complex numbers ``(..., LANES)`` as rows ``(..., 2, LANES)`` of float64."""
    return np.stack([z.real, z.imag], axis=-2)


class _ComplexLanes(types.Type):
    def __init__(self) -> None:
        super().__init__(name="ComplexLanes")


COMPLEX_LANES = _ComplexLanes()


@register_model(_ComplexLanes)
class _Model(models.PrimitiveModel):
    def __init__(self, manager: Any, fe_type: Any) -> None:
        super().__init__(manager, fe_type, _PAIR)


def _parts(builder: Any, kind: Any, value: Any) -> Parts:
    """Return the parts of lanes, or of a real number in every lane."""
    if kind == COMPLEX_LANES:
        return builder.extract_value(value, 0), builder.extract_value(value, 1)
    one = builder.insert_element(ir.Constant(_PART, ir.Undefined), value, _index(0))
    return builder.shuffle_vector(one, one, _positions([0] * LANES)), None


def _joined(builder: Any, parts: Parts) -> Any:
    pair = builder.insert_value(ir.Constant(_PAIR, ir.Undefined), parts[0], 0)
    return builder.insert_value(pair, parts[1], 1)


def _index(i: int) -> Any:
    return ir.Constant(ir.IntType(32), i)


def _positions(order: list[int]) -> Any:
    return ir.Constant(ir.VectorType(ir.IntType(32), len(order)), order)


def _sum(b: Any, z: Parts, w: Parts) -> Parts:
    return b.fadd(z[0], w[0]), _either(b.fadd, z[1], w[1])


def _difference(b: Any, z: Parts, w: Parts) -> Parts:
    return b.fsub(z[0], w[0]), _either(b.fsub, z[1], w[1]) if z[1] is not None else b.fneg(w[1])


def _either(combine: Callable[..., Any], one: Any, other: Any) -> Any:
    """Return the combination of two imaginary parts, of which a real number has none."""
    if one is None or other is None:
        return one if other is None else other
    return combine(one, other)


def _product(b: Any, z: Parts, w: Parts) -> Parts:
    if z[1] is None or w[1] is None:
        real, (re, im) = (z[0], w) if z[1] is None else (w[0], z)
        return b.fmul(real, re), b.fmul(real, im)
    re = b.fsub(b.fmul(z[0], w[0]), b.fmul(z[1], w[1]))
    return re, b.fadd(b.fmul(z[0], w[1]), b.fmul(z[1], w[0]))


def _quotient(b: Any, a: Parts, z: Parts) -> Parts:
    """a / z with a real ``a``."""
    scale = b.fdiv(a[0], b.fadd(b.fmul(z[0], z[0]), b.fmul(z[1], z[1])))
    return b.fmul(z[0], scale), b.fneg(b.fmul(z[1], scale))


def _define(operation: Any, build: Callable[[Any, Parts, Parts], Parts], kinds: tuple[tuple[Any, Any], ...]) -> None:
    """Give an operator of Python the meaning ``build`` for lanes."""

    @infer_global(operation)
    class _Typing(AbstractTemplate):
        def generic(self, args: Any, kws: Any) -> Any:
            return signature(COMPLEX_LANES, *args) if tuple(args) in kinds else None

    for pair in kinds:

        @lower_builtin(operation, *pair)
        def _lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            operands = (_parts(builder, kind, value) for kind, value in zip(sig.args, args, strict=True))
            return _joined(builder, build(builder, *operands))


_MIXED = (COMPLEX_LANES, COMPLEX_LANES), (COMPLEX_LANES, types.float64), (types.float64, COMPLEX_LANES)
for _operation, _build in ((operator.add, _sum), (operator.sub, _difference), (operator.mul, _product)):
    _define(_operation, _build, _MIXED)
_define(operator.truediv, _quotient, ((types.float64, COMPLEX_LANES),))


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
