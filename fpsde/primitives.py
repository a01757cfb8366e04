"""The words of the kernel text that Python lacks, as Numba intrinsics: fused multiply-add, selection, bits."""

from __future__ import annotations

from typing import Any

import numpy as np

from fpsde.jit import inlined, intrinsic
from fpsde.optional import installed, optional

ir, types = optional("llvmlite.ir"), optional("numba.core.types")

#: What ``from fpsde.primitives import *`` of a generated file takes.
__all__ = [
    "abs_", "false_", "fma_", "from_bits", "inlined", "rint_", "s32", "sqrt_",
    "to_bits", "true_", "u32", "u64", "where", "wide_vectors",
]  # fmt: skip

u32, u64, s32 = np.uint32, np.uint64, np.int32
true_, false_ = True, False


@intrinsic
def wide_vectors(typing: Any) -> Any:
    """Ask LLVM for the widest vectors of the processor in the function around this call.

    For recent Intel processors LLVM prefers 256 bits although they have 512, which costs these loops a third of their
    speed. The attribute is LLVM's own (clang's -mprefer-vector-width=512), but llvmlite lists no attributes with
    values, so it goes in as text. Processors without such registers ignore it; the bits of results are the same.
    """

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.void(), build


@intrinsic
def fma_(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """a * b + c, rounded once."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        values = [context.cast(builder, v, t, signature.return_type) for v, t in zip(args, signature.args, strict=True)]
        return builder.fma(*values)

    return a(a, b, c), build


@intrinsic
def where(typing: Any, condition: Any, a: Any, b: Any) -> Any:
    """``a`` if the condition holds, else ``b``, without a branch."""
    result = typing.unify_types(a, b)

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        flag, first, second = args
        first, second = (context.cast(builder, v, t, result) for v, t in ((first, a), (second, b)))
        flag = context.cast(builder, flag, signature.args[0], types.boolean)
        return builder.select(flag, first, second)

    return result(condition, a, b), build


if not installed("numba"):
    where = np.where  # in portable kernels


def _bitcast(target: dict[str, str]) -> Any:
    def define(typing: Any, x: Any) -> Any:
        def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.bitcast(args[0], context.get_value_type(signature.return_type))

        return getattr(types, target[x.name])(x), build

    return define


to_bits = intrinsic(_bitcast({"float32": "uint32", "float64": "uint64"}))
from_bits = intrinsic(_bitcast({"uint32": "float32", "uint64": "float64"}))


def _unary(llvm_name: str) -> Any:
    def define(typing: Any, x: Any) -> Any:
        def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            kind = context.get_value_type(signature.return_type)
            function = builder.module.declare_intrinsic(llvm_name, [kind], ir.FunctionType(kind, [kind]))
            return builder.call(function, args)

        return x(x), build

    return define


sqrt_ = intrinsic(_unary("llvm.sqrt"))
abs_ = intrinsic(_unary("llvm.fabs"))
rint_ = intrinsic(_unary("llvm.rint"))
