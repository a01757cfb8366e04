"""The text of a step: one body, printed once, that the Numba kernel and the CUDA kernel share line for line."""

from __future__ import annotations

from typing import Any

import sympy as sp

from fpsde import elementary
from fpsde.printing import cuda_line, lines
from fpsde.schemes.tracing import TracedStep

#: What CUDA C++ text needs before it: types, and the words of the text that the language lacks.
CUDA_PRELUDE = """\
typedef {real} T; typedef {word} U;
typedef unsigned int u32; typedef unsigned long long u64; typedef int s32;
#define DEV __device__ static inline
#define where(c, a, b) ((c) ? (a) : (b))
#define true_ true
#define false_ false
DEV T fma_(T a, T b, T c) {{ return fma{f}(a, b, c); }}
DEV T sqrt_(T x) {{ return sqrt{f}(x); }}
DEV T abs_(T x) {{ return fabs{f}(x); }}
DEV T rint_(T x) {{ return rint{f}(x); }}
DEV U to_bits(T x) {{ U u; memcpy(&u, &x, sizeof u); return u; }}
DEV T from_bits(U u) {{ T x; memcpy(&x, &u, sizeof x); return x; }}
"""


def body_lines(step: TracedStep) -> list[str]:
    """Return the step as text lines; the new state is left in ``next0``, ``next1``, ..."""
    results = [(sp.Symbol(f"next{i}", real=True), output) for i, output in enumerate(step.outputs)]
    return lines([*step.assignments, *results])


def library(body: list[str], dtype: str) -> str:
    """Return the elementary functions that the body uses, in common text."""
    return elementary.used("\n".join(body), elementary.functions(elementary.precision(dtype)))


def _reads(step: TracedStep, *, constant: str, state: str, normal: str) -> tuple[list[str], list[str]]:
    """Return the lines that read the constants, and those that read state and noise; only what the step uses."""
    used: set[Any] = set().union(
        *(sp.sympify(e).free_symbols for e in (*step.outputs, *(e for _, e in step.assignments)))
    )
    groups = ((constant, step.constants), (state, step.state), (normal, step.normals))
    first, *rest = (
        [f"{s.name} = {form.format(i=i)}" for i, s in enumerate(symbols) if s in used] for form, symbols in groups
    )
    return first, [line for group in rest for line in group]


def numba_step(step: TracedStep, *, lanes: int) -> str:
    """Return the Python text of ``step(w, z, c)``: one step of ``lanes`` particles, in place.

    ``w`` (rows * lanes,) is the state, ``z`` (normals, lanes) the noise, ``c`` the constants of the step.
    """
    body = body_lines(step)
    constants, reads = _reads(step, constant="T(c[{i}])", state=f"w[{{i}} * {lanes} + l]", normal="T(z[{i}, l])")
    stores = [f"w[{i} * {lanes} + l] = next{i}" for i in range(len(step.outputs))]
    loop = [f"        {line}" for line in [*reads, *body, *stores]]
    return (
        "\n".join(["def step(w, z, c):", *(f"    {r}" for r in constants), f"    for l in range({lanes}):", *loop])
        + "\n"
    )


def numba_source(step: TracedStep, *, dtype: str, lanes: int = 512) -> str:
    """Return the elementary functions that a step uses, and the step, as Python text for Numba."""
    return library(body_lines(step), dtype) + "\n" + numba_step(step, lanes=lanes)


def cuda_prelude(dtype: str) -> str:
    """Return the opening of CUDA C++ text in one precision."""
    real, word, f = (
        ("double", "unsigned long long", "")
        if elementary.precision(dtype).bits == 64
        else ("float", "unsigned int", "f")
    )
    return CUDA_PRELUDE.format(real=real, word=word, f=f)


def cuda_source(step: TracedStep, *, dtype: str) -> str:
    """Return the step of one particle as CUDA C++ text: ``step(T* w, const T* z, const T* c)``.

    ``w`` (rows,) is the state, ``z`` (normals,) the noise, ``c`` the constants, rounded to ``T`` as the CPU's kernel
    reads them; compile with ``--fmad=false``.
    """
    body = body_lines(step)
    constants, reads = _reads(step, constant="T(c[{i}])", state="w[{i}]", normal="T(z[{i}])")
    text = [f"    {cuda_line(line)}" for line in [*constants, *reads]] + [f"    const auto {line};" for line in body]
    stores = [f"    w[{i}] = next{i};" for i in range(len(step.outputs))]
    functions = elementary.cuda(library(body, dtype))
    return (
        cuda_prelude(dtype)
        + functions
        + "DEV void step(T* w, const T* z, const T* c) {\n"
        + "\n".join([*text, *stores])
        + "\n}\n"
    )
