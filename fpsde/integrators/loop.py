"""The loop over blocks of particles and steps: noise, step, what observers look at. One driver for every model.

A block of ``LANES`` particles runs all its steps while its state and noise stay in the first-level cache. The step and
the generator come in as compiled functions, so this file is compiled once for an installation and never for a model.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from fpsde.jit import kernel
from fpsde.noise import Normals
from fpsde.optional import optional
from fpsde.primitives import inlined, s32, where

numba, types = optional("numba"), optional("numba.core.types")


#: Particles that a kernel advances together: their state and noise stay in the first-level cache. It stands here since
#: Numba's cache of the loop looks at the stamp of this file and of no other.
LANES = 512
#: Powers of (x - centre) that a look at moments sums.
POWERS = 4
#: Tables that a look at counts fills in turn, so that neighbours in one bin do not wait for each other.
TABLES = 4
#: The kinds of looks; the columns of ``looks`` and ``reals`` that they read are beside each.
SUMS = 0  #: row, -, -, -, first slot       | centre
PRODUCTS = 1  #: row, other row, -, -, first slot | centre, other centre
COUNTS = 2  #: row, -, bins, -, first place     | low, scale
JOINT_COUNTS = 3  #: row, other row, bins, other bins, first place | low, scale, other low, other scale
COPIES = 4  #: row, -, -, -, first slot
KIND, ROW, OTHER_ROW, BINS, OTHER_BINS, FIRST = range(6)
#: What ``exploded`` holds of a particle that is finite, and of one that is not and whose step is still to be found.
INTACT, DOOMED = -1, -2


# What a look makes of the numbers of one particle, in the words that the CUDA text shares.


@inlined
def power_of(d, k):
    """Return d^(k + 1) for k = 0 .. 3, each from d and its square."""
    square = d * d
    return where((k == 1) | (k == 3), square, d) * where(k >= 2, square, 1.0)


@inlined
def product_of(a, b, centre_a, centre_b):
    """Return the product of two deviations."""
    return (a - centre_a) * (b - centre_b)


@inlined
def bin_of(x, low, scale, bins):
    """Return the bin of a number: 0 below, 1 .. bins inside, bins + 1 above, bins + 2 NaN."""
    y = (x - low) * scale
    beyond = s32(s32(bins) + s32(1))
    place = where(y < 0.0, s32(0), where(y < bins, s32(s32(y) + s32(1)), beyond))
    return where(y == y, place, s32(beyond + s32(1)))


#: The three, as text of the common words once :func:`fpsde.elementary.cuda` has dressed them.
OF_ONE_PARTICLE = (power_of, product_of, bin_of)


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
            p[l] = power_of(d[l], k)
        out[k] = halved(p)


@kernel()
def product_sum(a: Any, b: Any, count: int, centre_a: float, centre_b: float, p: Any) -> Any:
    """Return sum (a - centre_a) (b - centre_b) over the first ``count`` lanes."""
    for l in range(LANES):  # noqa: E741
        p[l] = product_of(a[l], b[l], centre_a, centre_b) if l < count else 0.0
    return halved(p)


@kernel()
def place_bins(seen: Any, low: float, scale: float, bins: int, places: Any) -> None:
    """Write the bin of each lane."""
    for l in range(LANES):  # noqa: E741
        places[l] = bin_of(seen[l], low, scale, bins)


@kernel()
def look(
    w: Any,  # (rows * LANES,) state of a block
    here: Any,  # particles of it that are real
    b: Any,  # which block of the chunk it is
    looks: Any,  # (K, 6) integers: what is looked at, see the kinds
    reals: Any,  # (K, 4)
    slots: Any,  # (K,): number of the time at which look k is due, or -1
    sums: Any,  # (slots, blocks, POWERS)
    counts: Any,  # (places,) integers: tables one after the other
    copies: Any,  # (slots, n)
    scratch: Any,  # (2, LANES)
    places: Any,  # (2, LANES) int32
) -> None:
    """Take every look that is due after a step at one block."""
    for k in range(looks.shape[0]):
        if slots[k] < 0:
            continue
        row = looks[k, ROW]
        kind = looks[k, KIND]
        a = w[row * LANES : (row + 1) * LANES]
        if kind == SUMS:
            power_sums(a, here, reals[k, 0], scratch, sums[looks[k, FIRST] + slots[k], b])
        elif kind == PRODUCTS:
            other = looks[k, OTHER_ROW]
            pair = w[other * LANES : (other + 1) * LANES]
            sums[looks[k, FIRST] + slots[k], b, 0] = product_sum(a, pair, here, reals[k, 0], reals[k, 1], scratch[0])
        elif kind == COUNTS:
            size = looks[k, BINS] + 3
            first = looks[k, FIRST] + slots[k] * TABLES * size
            place_bins(a, reals[k, 0], reals[k, 1], looks[k, BINS], places[0])
            for l in range(here):  # noqa: E741
                counts[first + (l & (TABLES - 1)) * size + places[0, l]] += 1
        elif kind == JOINT_COUNTS:
            other = looks[k, OTHER_ROW]
            width = looks[k, OTHER_BINS] + 3
            first = looks[k, FIRST] + slots[k] * (looks[k, BINS] + 3) * width
            place_bins(a, reals[k, 0], reals[k, 1], looks[k, BINS], places[0])
            pair = w[other * LANES : (other + 1) * LANES]
            place_bins(pair, reals[k, 2], reals[k, 3], looks[k, OTHER_BINS], places[1])
            for l in range(here):  # noqa: E741
                counts[first + places[0, l] * width + places[1, l]] += 1
        else:
            for l in range(LANES):  # noqa: E741
                copies[looks[k, FIRST] + slots[k], b * LANES + l] = a[l]


@kernel()
def mark_exploded(w: Any, observed: int, dim: int, before: int, now: int, exploded: Any) -> Any:
    """Write ``now`` for each particle that is not finite and has ``before`` there; return whether there is one."""
    found = False
    for i in range(observed, observed + dim):
        seen = w[i * LANES : (i + 1) * LANES]
        worst = 0.0
        for l in range(LANES):  # noqa: E741
            worst += 0.0 * seen[l]  # NaN as soon as one is not finite
        if worst != worst:
            for l in range(LANES):  # noqa: E741
                if exploded[l] == before and not np.isfinite(seen[l]):
                    found = True
                    exploded[l] = now
    return found


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
    count: Any,  # particles of each member that are real; the rest of its last block is padding
    first_id: Any,
    first_step: Any,
    constants: Any,  # (n_steps, n_constants); the columns of the parameters are overwritten with those of each member
    parameters: Any,  # (members, P): the blocks are dealt out among the members in equal shares
    first_parameter: Any,  # column of the first parameter among the constants
    key0: Any,
    key1: Any,
    weights: Any,  # (sub, r, r)
    z: Any,  # (r * normals in a block, LANES) scratch
    coarse: Any,  # (r, LANES) scratch
    observed: Any,  # first row that observers see
    dim: Any,  # and how many
    due: Any,  # (n_steps, K): number of the time at which look k is due after each step, or -1
    looks: Any,
    reals: Any,
    sums: Any,
    counts: Any,  # (members, places)
    copies: Any,
    exploded: Any,  # (n,): number of the step after which a particle was not finite, or -1
) -> None:
    """Run all steps of a chunk of particles."""
    rows = x.shape[0]
    sub, r = weights.shape[0], weights.shape[1]
    per_block = max(z.shape[0] // max(r, 1), 1)
    w = np.empty(rows * LANES, x.dtype)
    acc = np.empty((r, LANES))
    scratch = np.empty((2, LANES))
    places = np.empty((2, LANES), np.int32)
    anything = np.zeros(constants.shape[0], np.bool_)
    for s in range(due.shape[0]):
        for k in range(due.shape[1]):
            anything[s] |= due[s, k] >= 0
    share = x.shape[1] // LANES // parameters.shape[0]
    for b in range(x.shape[1] // LANES):
        member = b // share
        if b % share == 0:
            for s in range(constants.shape[0]):
                for q in range(parameters.shape[1]):
                    constants[s, first_parameter + q] = parameters[member, q]
        particle = np.uint64(first_id + b * LANES)
        here = min(LANES, count - b % share * LANES)
        lost = exploded[b * LANES : (b + 1) * LANES]
        # a second time only where particles are not finite at the end, to find the step at which each of them exploded
        for again in range(2):
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
                if again == 1:
                    mark_exploded(w, observed, dim, DOOMED, now + 1, lost)
                elif anything[s]:
                    look(w, here, b, looks, reals, due[s], sums, counts[member], copies, scratch, places)
            if again == 1 or not mark_exploded(w, observed, dim, INTACT, DOOMED, lost):
                break
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
def coarsening(normals: Normals) -> Any:
    """Return ``coarsened``, compiled for Python to call with the generator of a grade of normals.

    Without stated types Numba would keep one compilation for each generator that it has ever met, each of which it
    compiles again when it looks whether one fits: seconds for each process that ever ran.
    """
    noise = _numba(normals.value)
    f8, u4 = types.float64, types.uint32
    signature = types.void(
        types.FunctionType(fill_signature(normals)), noise[:, ::1], f8[:, ::1], noise[:, ::1],
        types.uint64, types.int64, f8[:, :, ::1], u4, u4,
    )  # fmt: skip
    return kernel(signature)(coarsened.py_func)


@cache
def driver(dtype: str, normals: Normals) -> Any:
    """Return the compiled loop for a state type and a grade of normals."""
    real, noise = _numba(dtype), _numba(normals.value)
    f8, i8, u4 = types.float64, types.int64, types.uint32
    signature = types.void(
        types.FunctionType(step_signature(dtype, normals)), types.FunctionType(fill_signature(normals)),
        real[:, ::1], i8, i8, i8, f8[:, ::1], f8[:, ::1], i8, u4, u4, f8[:, :, ::1], noise[:, ::1], noise[:, ::1],
        i8, i8, i8[:, ::1], i8[:, ::1], f8[:, ::1], f8[:, :, ::1], i8[:, ::1], real[:, ::1], i8[::1],
    )  # fmt: skip
    return kernel(signature)(_drive)
