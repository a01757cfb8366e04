"""How much arithmetic a particle-step is, counted in the text of its kernel, and how much a device can do.

An operation is one of an operator, a fused multiply-add, a selection, a square root, a rounding; casts and moves of
bits, and shifts by whole words, are free. A device issues at most one instruction for each lane of its schedulers and
clock, four schedulers of 32 lanes in a multiprocessor, so operations over that bound are a lower bound of the time: the
fraction of it that a run reaches is its part of the roofline. Double precision has a lower roof of its own on most
devices, which is not counted here.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from typing import Any

from fpsde import elementary, noise
from fpsde.noise import Normals
from fpsde.schemes.kernel import body_lines
from fpsde.schemes.tracing import traced_step

#: Instructions that a multiprocessor issues in a clock, for single threads.
ISSUED = 4 * 32
#: Calls of the text that are one operation each; every other one is a function of the library, or free.
ONE_EACH = {"fma_", "where", "sqrt_", "abs_", "rint_"}
FREE = {"T", "U", "u32", "u64", "s32", "to_bits", "from_bits"}


@cache
def _bodies(dtype: str) -> dict[str, str]:
    """Return the text of each function of the library by its name."""
    blocks = re.findall(
        r"^def (\w+)\(.*?\):\n(.*?)(?=^def |\Z)", elementary.functions(elementary.precision(dtype)), re.S | re.M
    )
    return {name: body.replace("return ", "result = ") for name, body in blocks}


def operations(text: str, dtype: str) -> int:
    """Return how many operations some lines of the common text are, functions of the library by their own lines."""
    tree = ast.parse("\n".join(line.strip() for line in text.splitlines()))
    total = 0
    for node in ast.walk(tree):
        if isinstance(node, (ast.BinOp, ast.Compare)):
            total += 0 if _by_a_word(node) else 1
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name in ONE_EACH:
                total += 1
            elif name not in FREE:
                total += operations(_bodies(dtype)[name], dtype)
    return total


def _by_a_word(node: ast.AST) -> bool:
    """Return whether this is a shift by 32 bits, which takes the other register of a pair."""
    return (
        isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.RShift | ast.LShift)
        and "(32)" in ast.unparse(node.right)
    )


def of_normal(normals: Normals) -> float:
    """Return the operations of one normal: its share of the key, the generator and Box-Muller of a block."""
    lines = [*noise.key_lines(), *noise.counter_lines(), *noise.philox_lines(), *noise.normal_lines(normals)]
    return operations("\n".join(lines), normals.value) / normals.per_block


def of_step(process: Any, scheme: Any, dtype: str, normals: Normals = Normals.FLOAT32) -> float:
    """Return the operations of one particle-step: its normals and its map."""
    step = traced_step(scheme, process)
    return len(step.normals) * of_normal(normals) + operations("\n".join(body_lines(step)), dtype)


def roof(multiprocessors: int, hertz: float) -> float:
    """Return the operations that a device issues in a second, at most."""
    return ISSUED * multiprocessors * hertz
