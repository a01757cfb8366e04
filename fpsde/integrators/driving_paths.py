"""The Brownian paths that drive a run, as arrays: increments at any resolution, and the Lévy areas of two channels."""

from __future__ import annotations

from typing import Any

import numpy as np

from fpsde.errors import InvalidInput
from fpsde.integrators.compiled import fill_source
from fpsde.integrators.loop import LANES, coarsening
from fpsde.memory import MEMORY_SHARE, gib, machine_memory
from fpsde.noise import Normals
from fpsde.numba_text import compiled
from fpsde.schemes.inputs import DW
from fpsde.validation import finite_array, integer, positive, seed64


def increments(
    *,
    seed: int,
    dt: float,
    n_steps: int,
    n_particles: int,
    channels: int = 1,
    refinement: int = 1,
    first_particle: int = 0,
    normals: Normals = Normals.FLOAT32,
) -> np.ndarray:
    """Return the increments dW that ``simulate`` gives to a scheme whose one input is dW, ``(channels, n_steps, n)``.

    Steps of ``dt`` made of ``refinement`` finer ones: with refinement=k and dt=k h they are the sums of k increments
    of the path that dt=h, refinement=1 gives. Unit: sqrt(time). For teaching, for tests of other codes on the same
    path, and for what no kernel computes; a run itself never stores them.

    Raises InvalidInput for numbers outside of what is said here, and for more increments than fit in memory.
    """
    r, sub = integer("channels", channels, least=1), integer("refinement", refinement, least=1)
    steps, n = integer("n_steps", n_steps, least=1), integer("n_particles", n_particles, least=1)
    first, key = integer("first_particle", first_particle, least=0), seed64(seed)
    if not isinstance(normals, Normals):
        raise InvalidInput(f"normals={normals!r}; give fpsde.Normals.FLOAT32 or fpsde.Normals.FLOAT64")
    size = 3 * 8 * r * steps * n  # while the blocks are cut off and scaled there are copies
    if size > MEMORY_SHARE * machine_memory():
        raise InvalidInput(
            f"{r} channel(s), n_steps={steps} and n_particles={n} need {gib(size)} for increments, of "
            f"{gib(machine_memory())} on this machine; take fewer, or runs of simulate(), which do not store them"
        )
    assert DW.weights is not None
    weights = np.ascontiguousarray(np.einsum("kab,ij->kij", DW.weights(sub), np.eye(r)))
    fill, coarsen = compiled("normals", fill_source(normals)).fill, coarsening(normals)
    z, acc = np.empty((normals.per_block, LANES), normals.value), np.empty((r, LANES))
    one = np.empty((r, LANES), normals.value)
    out = np.empty((r, steps, -(-n // LANES) * LANES))
    keys = np.uint32(key & 0xFFFFFFFF), np.uint32(key >> 32)
    for block in range(0, out.shape[2], LANES):
        for s in range(steps):
            coarsen(fill, z, acc, one, np.uint64(first + block), s, weights, *keys)
            out[:, s, block : block + LANES] = one
    return np.sqrt(positive("dt", dt)) * out[:, :, :n]


def levy_areas(dw: Any, *, steps: int) -> np.ndarray:
    """Return the Lévy area of two channels over each stretch of ``steps`` steps, ``(n_steps // steps, n)``.

        A = (1/2) int (W_1 dW_2 - W_2 dW_1),    W_1, W_2 from the start of the stretch

    from increments ``dw`` (2, n_steps, n) by the sums of the polygon through them, which is the conditional mean of A
    given these increments; what is missing has variance (stretch) dt/4. The areas of a longer stretch are those of its
    parts, and half of W_1 dW_2 - W_2 dW_1 between them. Unit: time. Var A = (stretch)^2/4 (Lévy 1951).

    Raises InvalidInput unless dw is (2, n_steps, n) and ``steps`` divides n_steps.
    """
    given = finite_array("dw", dw, ndim=3)
    count = integer("steps", steps, least=1)
    if given.shape[0] != 2 or given.shape[1] % count:
        raise InvalidInput(
            f"dw has shape {given.shape} and steps={count}; (2, n_steps, n) with n_steps a multiple of it is needed"
        )
    parts = given.reshape(2, -1, count, given.shape[2])
    before = np.cumsum(parts, axis=2) - parts
    return 0.5 * np.sum(before[0] * parts[1] - before[1] * parts[0], axis=1)
