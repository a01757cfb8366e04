"""The loop over blocks of particles and steps: noise, step, observers. One driver for every model.

A block of ``LANES`` particles runs all its steps while its state and noise stay in the first-level cache. The step and
the generator come in as compiled functions, so this file is compiled once for an installation and never for a model.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numba
import numpy as np
from numba import types

from fpsde.jit import kernel
from fpsde.noise import Normals

#: Particles that a kernel advances together: their state and noise stay in the first-level cache. It stands here since
#: Numba's cache of the loop looks at the stamp of this file and of no other.
LANES = 512
#: Powers of (x - centre) that the moment observer sums.
POWERS = 4


@kernel()
def halved(v: Any) -> Any:
    """Return the sum of the lanes by a fixed tree: it vectorises, and every machine adds in the same order."""
    half = LANES // 2
    while half > 0:
        for l in range(half):  # noqa: E741
            v[l] += v[l + half]
        half //= 2
    return v[0]


@kernel()
def power_sums(seen: Any, count: int, centre: float, scratch: Any, out: Any) -> None:
    """Write sum (x - centre)^k, k = 1 .. POWERS, over the first ``count`` lanes to ``out``."""
    d, p = scratch[0], scratch[1]
    for l in range(LANES):  # noqa: E741
        d[l] = seen[l] - centre if l < count else 0.0
    for k in range(POWERS):
        for l in range(LANES):  # noqa: E741
            square = d[l] * d[l]
            p[l] = (square if k % 2 else d[l]) * (square if k >= 2 else 1.0)
        out[k] = halved(p)


@kernel()
def count_bins(seen: Any, count: int, low: float, scale: float, tables: Any, places: Any) -> None:
    """Add the first ``count`` lanes to the counts: bin 0 below, 1 .. n inside, n + 1 above, n + 2 NaN.

    Four tables take the lanes in turn, so that neighbours in one bin do not wait for each other.
    """
    bins = tables.shape[1] - 3
    for l in range(LANES):  # noqa: E741
        y = (seen[l] - low) * scale
        inside = np.int32(y) + 1 if 0.0 <= y < bins else (0 if y < 0.0 else bins + 1)
        places[l] = inside if y == y else bins + 2
    for l in range(count):  # noqa: E741
        tables[l & 3, places[l]] += 1


@kernel()
def coarsened(
    fill: Any, z: Any, acc: Any, out: Any, particle: Any, step: Any, weights: Any, key0: Any, key1: Any
) -> None:
    """Write the normals ``out`` (r, LANES) of a step made of ``sub`` finer ones: z_i = sum_kj weights[k, i, j] z_kj."""
    sub, r = weights.shape[0], weights.shape[1]
    per_block = z.shape[0]
    acc[:] = 0.0
    for k in range(sub):
        for j in range(r):
            row = (step * sub + k) * r + j
            if row % per_block == 0 or (k == 0 and j == 0):
                fill(z, particle, np.uint64(row // per_block), np.uint64(0), key0, key1)
            for i in range(r):
                weight = weights[k, i, j]
                if weight != 0.0:
                    for l in range(LANES):  # noqa: E741
                        acc[i, l] += weight * z[row % per_block, l]
    for i in range(r):
        for l in range(LANES):  # noqa: E741
            out[i, l] = acc[i, l]


def _drive(
    step: Any,
    fill: Any,
    x: Any,  # (rows, n) state, in place; n is a multiple of LANES
    count: Any,  # particles that are real; the rest of the last block is padding
    first_id: Any,
    first_step: Any,
    constants: Any,  # (n_steps, n_constants)
    key0: Any,
    key1: Any,
    weights: Any,  # (sub, r, r)
    z: Any,  # (r * normals in a block, LANES) scratch
    coarse: Any,  # (r, LANES) scratch
    observed: Any,  # first row that observers see
    when: Any,  # (3, n_steps): index of the moments, histogram, snapshot taken after each step, or -1
    centres: Any,  # (d,)
    sums: Any,  # (n_moments, d, n_blocks, POWERS)
    low: Any,  # (d,)
    scale: Any,  # (d,)
    tables: Any,  # (n_histograms, d, 4, bins + 3)
    snapshots: Any,  # (n_snapshots, d, n)
) -> None:
    """Run all steps of a chunk of particles."""
    rows = x.shape[0]
    sub, r = weights.shape[0], weights.shape[1]
    per_block = z.shape[0] // r
    d = centres.shape[0]
    w = np.empty(rows * LANES, x.dtype)
    acc = np.empty((r, LANES))
    scratch = np.empty((2, LANES))
    places = np.empty(LANES, np.int32)
    for b in range(x.shape[1] // LANES):
        particle = np.uint64(first_id + b * LANES)
        here = min(LANES, count - b * LANES)
        for i in range(rows):
            w[i * LANES : (i + 1) * LANES] = x[i, b * LANES : (b + 1) * LANES]
        filled = -1
        for s in range(constants.shape[0]):
            now = first_step + s
            if sub == 1:
                group = now // per_block
                if group != filled:
                    for q in range(r):
                        fill(
                            z[q * per_block : (q + 1) * per_block],
                            particle,
                            np.uint64(group * r + q),
                            np.uint64(0),
                            key0,
                            key1,
                        )
                    filled = group
                place = (now % per_block) * r
                step(w, z[place : place + r], constants[s])
            else:
                coarsened(fill, z[:per_block], acc, coarse, particle, now, weights, key0, key1)
                step(w, coarse, constants[s])
            for i in range(d):
                seen = w[(observed + i) * LANES : (observed + i + 1) * LANES]
                if when[0, s] >= 0:
                    power_sums(seen, here, centres[i], scratch, sums[when[0, s], i, b])
                if when[1, s] >= 0:
                    count_bins(seen, here, low[i], scale[i], tables[when[1, s], i], places)
                if when[2, s] >= 0:
                    snapshots[when[2, s], i, b * LANES : (b + 1) * LANES] = seen
        for i in range(rows):
            x[i, b * LANES : (b + 1) * LANES] = w[i * LANES : (i + 1) * LANES]


def _numba(dtype: str) -> Any:
    return numba.from_dtype(np.dtype(dtype))


def step_signature(dtype: str, normals: Normals) -> Any:
    """Return the Numba type of ``step(w, z, c)``."""
    return types.void(_numba(dtype)[::1], _numba(normals.value)[:, ::1], types.float64[::1])


def fill_signature(normals: Normals) -> Any:
    """Return the Numba type of ``fill(z, first_id, block, purpose, key0, key1)``."""
    return types.void(
        _numba(normals.value)[:, ::1], types.uint64, types.uint64, types.uint64, types.uint32, types.uint32
    )


@cache
def driver(dtype: str, normals: Normals) -> Any:
    """Return the compiled loop for a state type and a grade of normals."""
    real, noise = numba.from_dtype(np.dtype(dtype)), numba.from_dtype(np.dtype(normals.value))
    f8, i8, u4 = types.float64, types.int64, types.uint32
    signature = types.void(
        types.FunctionType(step_signature(dtype, normals)), types.FunctionType(fill_signature(normals)),
        real[:, ::1], i8, i8, i8, f8[:, ::1], u4, u4, f8[:, :, ::1], noise[:, ::1], noise[:, ::1], i8,
        i8[:, ::1], f8[::1], f8[:, :, :, ::1], f8[::1], f8[::1], i8[:, :, :, ::1], real[:, :, ::1],
    )  # fmt: skip
    return kernel(signature)(_drive)
