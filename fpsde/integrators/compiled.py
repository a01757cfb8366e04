"""The generated files of a run: its step, and its normals."""

from __future__ import annotations

from fpsde import elementary, noise
from fpsde.integrators.loop import LANES
from fpsde.noise import Normals
from fpsde.numba_text import decorated, header, widened
from fpsde.schemes.kernel import body_lines, library, numba_step
from fpsde.schemes.tracing import TracedStep


def step_source(step: TracedStep, dtype: str, normals: Normals) -> str:
    """Return the whole generated file of a step."""
    functions = decorated(library(body_lines(step), dtype))
    signature = f"@kernel(types.void(types.{dtype}[::1], types.{normals.value}[:, ::1], types.float64[::1]))"
    return header(dtype) + functions + f"\n{signature}\n" + widened(numba_step(step, lanes=LANES))


def fill_source(normals: Normals) -> str:
    """Return the whole generated file of the normals: one block of them for each of the lanes."""
    dtype = normals.value
    body = noise.philox_lines() + noise.normal_lines(normals)
    functions = decorated(elementary.used("\n".join(body), elementary.functions(elementary.precision(dtype))))
    start = ["particle = u64(first_id + u64(l))", *noise.counter_lines()]
    stores = [f"z[{i}, l] = n{i}" for i in range(normals.per_block)]
    loop = [f"        {line}" for line in [*start, *body, *stores]]
    integers = ", ".join(f"types.{kind}" for kind in ("uint64", "uint64", "uint64", "uint32", "uint32"))
    signature = f"@kernel(types.void(types.{dtype}[:, ::1], {integers}))"
    text = [
        "def fill(z, first_id, block, purpose, key0, key1):",
        *(f"    {line}" for line in noise.key_lines()),
        f"    for l in range({LANES}):",
        *loop,
    ]
    return header(dtype) + functions + f"\n{signature}\n" + widened("\n".join(text)) + "\n"
