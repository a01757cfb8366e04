"""The CUDA text of a run: one thread for each particle takes all steps and all looks of a launch.

Noise, step and what a look makes of a number are the text that the CPU's kernels are printed from; what is written here
is the loop around them. A warp has the lanes t * 16 + g of a block of 512 ids, t = 0 .. 31: the upper five levels of
the tree on these lanes are then shuffles within the warp, in the CPU's order, and the lower four are left to whoever
reads the sums. So no warp waits for another one.
"""

from __future__ import annotations

import inspect

from fpsde import elementary, noise
from fpsde.integrators import loop
from fpsde.integrators.loop import LANES, OF_ONE_PARTICLE
from fpsde.noise import Normals, Purpose
from fpsde.schemes.kernel import cuda_prelude, cuda_source
from fpsde.schemes.tracing import FIRST_PARAMETER, TracedStep

#: Threads in a warp, warps in a block of LANES ids, threads that are launched as one block.
WARP = 32
WARPS = LANES // WARP
THREADS = 128
#: The name of the kernel in the text.
KERNEL = "advance_particles"

_CONSTANTS = (
    *("LANES", "POWERS", "TABLES", "INTACT", "DOOMED"),
    *("SUMS", "PRODUCTS", "COUNTS", "JOINT_COUNTS", "COPIES"),
    *("KIND", "ROW", "OTHER_ROW", "BINS", "OTHER_BINS", "FIRST"),
)

_LOOP = """\
typedef model::T T;
typedef long long i64;

// Adds v over the threads of a warp by the upper levels of the tree; the sum is that of its first thread.
DEV double warp_sum(double v) {{
    for (int half = WARP / 2; half > 0; half /= 2) v += __shfl_down_sync(0xffffffffu, v, half);
    return v;
}}

// The state is in registers, which have no index at run time.
DEV T row_of(const T* w, i64 row) {{
    T v = w[0];
    #pragma unroll
    for (int i = 1; i < ROWS; ++i) v = row == i ? w[i] : v;
    return v;
}}

DEV bool is_finite(const T* w) {{
    T worst = T(0.0);
    #pragma unroll
    for (int i = OBSERVED; i < OBSERVED + DIM; ++i) worst += T(0.0) * w[i];
    return worst == T(0.0);
}}

extern "C" __global__ void __launch_bounds__({threads}, 1) {kernel}(
    T* x,                            // (ROWS, n) state, in place; n is a multiple of LANES
    i64 n,
    i64 share,                       // particles of each member, a multiple of LANES
    i64 count,                       // of which so many are real; the rest of its last block is padding
    u64 first_id,
    i64 first_step,
    i64 n_steps,
    const T* constants,              // (n_steps, CONSTANTS)
    const T* parameters,             // (members, PARAMETERS), in the place of those among the constants
    u32 key0,
    u32 key1,
    const double* weights,           // (sub, NORMALS, NORMALS)
    i64 sub,
    const i64* due,                  // (n_steps, n_looks): number of the time at which look k is due, or -1
    const unsigned char* anything,   // (n_steps,): whether any look is due
    const i64* looks,                // (n_looks, 6)
    const double* reals,             // (n_looks, 4)
    i64 n_looks,
    double* sums,                    // (slots, blocks, WARPS, POWERS)
    u64* counts,                     // (members, count_copies, places)
    i64 places,
    i64 count_copies,
    T* copies,                       // (slots, n)
    i64* exploded)                   // (n,)
{{
    const u64 thread = u64(blockIdx.x) * blockDim.x + threadIdx.x;
    const int t = int(thread % WARP), g = int(thread / WARP % WARPS);
    const i64 b = i64(thread / LANES), lane = t * WARPS + g, i = b * LANES + lane;
    const i64 member = i / share;
    const bool real = i % share < count;
    const u64 particle = first_id + u64(i);
    u64* const own_counts = counts + (member * count_copies + b % count_copies) * places;
    i64 lost = exploded[i];
    T w[ROWS];
    // a second time only where the particle is not finite at the end, to find the step at which it exploded
    for (int again = 0; again < 2; ++again) {{
        #pragma unroll
        for (int k = 0; k < ROWS; ++k) w[k] = x[k * n + i];
        noise::T normals[PER_BLOCK] = {{}};
        u64 row = u64(first_step) * u64(sub) * NORMALS;
        for (i64 s = 0; s < n_steps; ++s) {{
            T z[NORMALS > 0 ? NORMALS : 1] = {{}};
            double total[NORMALS > 0 ? NORMALS : 1];
            if (sub != 1) {{
                #pragma unroll
                for (int j = 0; j < NORMALS; ++j) total[j] = 0.0;
            }}
            for (i64 k = 0; k < sub; ++k) {{
                #pragma unroll
                for (int j = 0; j < NORMALS; ++j) {{
                    const int place = int(row % PER_BLOCK);
                    if (place == 0 || (s == 0 && k == 0 && j == 0))
                        noise::fill(normals, particle, row / PER_BLOCK, {purpose}, key0, key1);
                    noise::T normal = normals[0];
                    #pragma unroll
                    for (int q = 1; q < PER_BLOCK; ++q) normal = place == q ? normals[q] : normal;
                    ++row;
                    if (sub == 1) {{
                        z[j] = T(normal);
                    }} else {{
                        #pragma unroll
                        for (int r = 0; r < NORMALS; ++r) {{
                            const double weight = weights[(k * NORMALS + r) * NORMALS + j];
                            if (weight != 0.0) total[r] += weight * double(normal);
                        }}
                    }}
                }}
            }}
            if (sub != 1) {{
                #pragma unroll
                for (int j = 0; j < NORMALS; ++j) z[j] = T(noise::T(total[j]));
            }}
            T c[CONSTANTS > 0 ? CONSTANTS : 1] = {{}};
            #pragma unroll
            for (int k = 0; k < CONSTANTS; ++k) {{
                const int q = k - FIRST_PARAMETER;
                c[k] = q >= 0 && q < PARAMETERS ? parameters[member * PARAMETERS + q] : constants[s * CONSTANTS + k];
            }}
            model::step(w, z, c);
            if (again) {{
                if (lost == DOOMED && !is_finite(w)) lost = first_step + s + 1;
                continue;
            }}
            if (!anything[s]) continue;
            for (i64 k = 0; k < n_looks; ++k) {{
                const i64 slot = due[s * n_looks + k];
                if (slot < 0) continue;
                const i64* const how = looks + 6 * k;
                const double* const real_of = reals + 4 * k;
                const i64 kind = how[KIND];
                const T seen = row_of(w, how[ROW]);
                if (kind == SUMS || kind == PRODUCTS) {{
                    double* const sum = sums + (((how[FIRST] + slot) * (n / LANES) + b) * WARPS + g) * POWERS;
                    const T other = row_of(w, how[OTHER_ROW]);
                    const double d = real ? double(seen) - real_of[0] : 0.0;
                    for (int p = 0; p < (kind == SUMS ? POWERS : 1); ++p) {{
                        const double v = kind == SUMS ? look::power_of(d, p)
                            : real ? look::product_of(seen, other, real_of[0], real_of[1]) : 0.0;
                        const double total_of_warp = warp_sum(v);
                        if (t == 0) sum[p] = total_of_warp;
                    }}
                }} else if (kind == COPIES) {{
                    copies[(how[FIRST] + slot) * n + i] = seen;
                }} else if (real) {{
                    const i64 bins = how[BINS] + 3, place = look::bin_of(seen, real_of[0], real_of[1], how[BINS]);
                    i64 at = how[FIRST];
                    if (kind == COUNTS) {{
                        at += (slot * TABLES + t % TABLES) * bins + place;  // those of a warp come together
                    }} else {{
                        const T other = row_of(w, how[OTHER_ROW]);
                        const i64 other_place = look::bin_of(other, real_of[2], real_of[3], how[OTHER_BINS]);
                        at += (slot * bins + place) * (how[OTHER_BINS] + 3) + other_place;
                    }}
                    atomicAdd(own_counts + at, 1ull);
                }}
            }}
        }}
        if (again || lost != INTACT || is_finite(w)) break;
        lost = DOOMED;
    }}
    #pragma unroll
    for (int k = 0; k < ROWS; ++k) x[k * n + i] = w[k];
    exploded[i] = lost;
}}
"""


def cuda_program(step: TracedStep, *, dtype: str, normals: Normals) -> str:
    """Return the whole CUDA C++ text of a run: noise, step, looks, and the kernel that takes them."""
    numbers = {
        **{name: getattr(loop, name) for name in _CONSTANTS},
        "WARP": WARP,
        "WARPS": WARPS,
        "ROWS": len(step.state),
        "OBSERVED": step.observed,
        "DIM": step.dim,
        "NORMALS": len(step.normals),
        "PER_BLOCK": normals.per_block,
        "CONSTANTS": len(step.constants),
        "FIRST_PARAMETER": FIRST_PARAMETER,
        "PARAMETERS": step.parameters,
    }
    return "\n".join(
        [
            "// Generated by fpsde: noise, step and looks are the text of the CPU's kernels.",
            f"enum {{ {', '.join(f'{name} = {value}' for name, value in numbers.items())} }};",
            f"namespace noise {{\n{_fill(normals)}}}",
            f"namespace model {{\n{cuda_source(step, dtype=dtype)}}}",
            f"namespace look {{\n{cuda_prelude('float64')}{_of_one_particle()}}}",
            "typedef unsigned int u32; typedef unsigned long long u64;",
            _LOOP.format(threads=THREADS, kernel=KERNEL, purpose=int(Purpose.INCREMENTS)),
        ]
    )


def _fill(normals: Normals) -> str:
    """Return the generator as C++: one block of normals of one particle."""
    body = [*noise.key_lines(), *noise.counter_lines(), *noise.philox_lines(), *noise.normal_lines(normals)]
    library = elementary.used("\n".join(body), elementary.functions(elementary.precision(normals.value)))
    lines = [f"    const auto {line};" for line in body]
    stores = [f"    n[{i}] = n{i};" for i in range(normals.per_block)]
    head = "DEV void fill(T* n, u64 particle, u64 block, u64 purpose, u32 key0, u32 key1) {"
    return cuda_prelude(normals.value) + elementary.cuda(library) + "\n".join([head, *lines, *stores, "}"]) + "\n"


def _of_one_particle() -> str:
    """Return as C++ what a look makes of the numbers of one particle."""
    return elementary.cuda("".join(inspect.getsource(one.py_func) for one in OF_ONE_PARTICLE))
