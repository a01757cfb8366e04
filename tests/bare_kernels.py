"""The compiled pieces of a run, called one by one: the generator, and one step of a block."""

from __future__ import annotations

from typing import Any

import numpy as np

from fpsde.integrators.compiled import fill_source, step_source
from fpsde.integrators.loop import LANES
from fpsde.noise import Normals
from fpsde.numba_text import compiled
from fpsde.schemes.tracing import constant_rows, traced_step


def fill_of(normals: Normals, mutate: Any = None) -> Any:
    """Return the compiled generator; ``mutate`` changes its text first."""
    source = fill_source(normals)
    return compiled("normals", source if mutate is None else mutate(source)).fill


def block_of(
    normals: Normals, *, seed: int, first: int = 0, block: int = 0, purpose: int = 0, fill: Any = None
) -> np.ndarray:
    """Return the normals ``(per_block, LANES)`` of one block of the particles ``first``, ``first + 1``, ..."""
    z = np.empty((normals.per_block, LANES), normals.value)
    run = fill or fill_of(normals)
    run(z, np.uint64(first), np.uint64(block), np.uint64(purpose), np.uint32(seed & 0xFFFFFFFF), np.uint32(seed >> 32))
    return z


def rows_of(normals: Normals, rows: Any, *, seed: int, first: int = 0, fill: Any = None) -> np.ndarray:
    """Return the normals of flat rows, ``(len(rows), LANES)``, by the formula of the layout: block row // per_block."""
    per_block = normals.per_block
    blocks = {
        b: block_of(normals, seed=seed, first=first, block=b, fill=fill) for b in {row // per_block for row in rows}
    }
    return np.array([blocks[row // per_block][row % per_block] for row in rows])


def one_step(
    scheme: Any, process: Any, state: Any, z: Any, *, times: Any, s: int = 0, dtype: str = "float64"
) -> np.ndarray:
    """Return the state ``(rows, LANES)`` after the compiled step ``s``, from ``state`` and normals ``z`` (r, LANES)."""
    normals = Normals.FLOAT64 if dtype == "float64" else Normals.FLOAT32
    step = traced_step(scheme, process)
    run = compiled("step", step_source(step, dtype, normals)).step
    w = np.array(np.broadcast_to(state, (len(step.state), LANES)), dtype=dtype).ravel()
    run(w, np.ascontiguousarray(z, dtype=normals.value), constant_rows(process, np.asarray(times, dtype=float))[s])
    return w.reshape(-1, LANES)
