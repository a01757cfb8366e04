"""The CUDA text of noise and steps, compiled by g++ behind a shim, against the Numba kernel bit for bit.

No GPU is needed: ``__device__`` is defined away and one loop takes the place of the threads. What is equal here is the
text, not the device; the same comparison on a device needs one.
"""

from __future__ import annotations

import ctypes
import hashlib
import shutil
import subprocess
from functools import cache

import numpy as np
import pytest
from bare_kernels import all_steps
from bare_processes import MODELS
from test_elementary import ONE, applied, arguments

from fpsde import elementary, noise
from fpsde.integrators.compiled import LANES
from fpsde.noise import Normals
from fpsde.schemes.kernel import cuda_prelude
from fpsde.schemes.tracing import constant_rows, traced_step

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is needed to run the CUDA text without a GPU")

FIRST_ID = 12_345_678_901
PARTICLES, STEPS = 2 * LANES, 300
FLAGS = ("-O2", "-ffp-contract=off", "-std=c++17", "-Wall", "-Werror", "-Wno-unused-function", "-Wno-unused-variable")

SHIM = "#include <cmath>\n#include <cstring>\n#define __device__\n"
FILL = """
DEV void fill(T* n, u64 particle, u64 block, u64 purpose, u32 key0, u32 key1) {{
    const u32 a0 = u32(particle), b0 = u32(particle >> 32), c0 = u32(block), d0 = u32((block >> 32) | (purpose << 16));
    {body}
    {stores}
}}
"""
RUN = """
extern "C" void run_{name}({name}::T* state, const double* constants, long n, long steps, long n_constants,
                           unsigned long long first, unsigned int key0, unsigned int key1) {{
    for (long i = 0; i < n; ++i) {{
        {name}::T w[{rows}], z[{r}];
        for (int k = 0; k < {rows}; ++k) w[k] = state[k * n + i];
        for (long s = 0; s < steps; ++s) {{
            for (int j = 0; j < {r}; ++j) {{
                const unsigned long long row = (unsigned long long)s * {r} + j;
                noise::T block[{per_block}];
                noise::fill(block, first + i, row / {per_block}, 0, key0, key1);
                z[j] = {name}::T(block[row % {per_block}]);
            }}
            {name}::step(w, z, constants + s * n_constants);
        }}
        for (int k = 0; k < {rows}; ++k) state[k * n + i] = w[k];
    }}
}}
"""


def fill_text(normals):
    """Return the generator as C++: one block of normals."""
    body = [*noise.key_lines(), *noise.philox_lines(), *noise.normal_lines(normals)]
    library = elementary.used("\n".join(body), elementary.functions(elementary.precision(normals.value)))
    lines = "\n    ".join(f"const auto {line};" for line in body)
    stores = " ".join(f"n[{i}] = n{i};" for i in range(normals.per_block))
    return cuda_prelude(normals.value) + elementary.cuda(library) + FILL.format(body=lines, stores=stores)


def identifier(name):
    return "model_" + name.replace(" ", "_").replace("-", "_")


def program(names, dtype, normals):
    """Return the whole C++ text that runs some models: each in its own namespace, all with one generator."""
    text = f"{SHIM}namespace noise {{\n{fill_text(normals)}}}\n"
    for name in names:
        scheme, process, _, _ = MODELS[name]
        step = traced_step(scheme, process)
        text += f"namespace {identifier(name)} {{\n{scheme.kernel_source(process, cuda=True, dtype=dtype)}}}\n"
        text += RUN.format(
            name=identifier(name), rows=len(step.state), r=len(step.normals), per_block=normals.per_block
        )
    return text


@cache
def built(text, folder, flags=FLAGS):
    """Return the compiled program as a library."""
    name = folder / hashlib.sha256((text + str(flags)).encode()).hexdigest()[:16]
    name.with_suffix(".cpp").write_text(text)
    subprocess.run(
        ["g++", *flags, "-shared", "-fPIC", "-o", name.with_suffix(".so"), name.with_suffix(".cpp")], check=True
    )
    return ctypes.CDLL(str(name.with_suffix(".so")))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("cuda_text")


def pointer(a):
    return a.ctypes.data_as(ctypes.c_void_p)


def both(name, library, dtype, normals, seed):
    """Return the states after all steps by g++ and by Numba."""
    scheme, process, start, dt = MODELS[name]
    times = np.arange(STEPS + 1) * dt
    x = (np.asarray(start, float)[:, None] + np.linspace(0, 0.3, PARTICLES)).astype(dtype)
    step = traced_step(scheme, process)
    state = np.zeros((len(step.state), PARTICLES), dtype)
    state[: len(x)] = x
    constants = np.ascontiguousarray(constant_rows(process, times))
    getattr(library, f"run_{identifier(name)}")(
        pointer(state),
        pointer(constants),
        ctypes.c_long(PARTICLES),
        ctypes.c_long(STEPS),
        ctypes.c_long(constants.shape[1]),
        ctypes.c_ulonglong(FIRST_ID),
        ctypes.c_uint(seed & 0xFFFFFFFF),
        ctypes.c_uint(seed >> 32),
    )
    return state, all_steps(scheme, process, x, times=times, seed=seed, first=FIRST_ID, dtype=dtype, normals=normals)


#: With the fine normals, which are one text for all models, three models are enough.
FEW = ("ornstein-uhlenbeck", "absorbing", "two dimensions")
GRADES = {
    "f64": ("float64", Normals.FLOAT32, tuple(MODELS)),
    "f32": ("float32", Normals.FLOAT32, tuple(MODELS)),
    "f64 fine": ("float64", Normals.FLOAT64, FEW),
}


@pytest.mark.parametrize(
    ("grade", "name"), [(grade, name) for grade, (_, _, names) in GRADES.items() for name in names]
)
def test_the_cuda_text_and_the_numba_kernel_agree_bit_for_bit(grade, name, seed, folder):
    dtype, normals, names = GRADES[grade]
    by_text, by_numba = both(name, built(program(names, dtype, normals), folder), dtype, normals, seed)
    assert np.all(np.isfinite(by_numba)) and np.unique(by_numba[0]).size > 10
    np.testing.assert_array_equal(by_text, by_numba)


def test_contraction_by_the_compiler_would_be_seen(seed, folder):
    library = built(
        program(["double well"], "float64", Normals.FLOAT32),
        folder,
        ("-O2", "-ffp-contract=fast", "-mfma", "-std=c++17"),
    )
    by_text, by_numba = both("double well", library, "float64", Normals.FLOAT32, seed)
    assert not np.array_equal(by_text, by_numba)
    np.testing.assert_allclose(by_text, by_numba, rtol=1e-6)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("T(4.0)", "T(4.000000000000001)"),
        ("u32(eq & u32(2))", "u32(eq & u32(1))"),
        ("u64(3528531795)", "u64(3528531793)"),
    ],
    ids=["last digit of a constant", "sign of a normal", "a multiplier"],
)
def test_a_change_of_one_digit_or_sign_in_the_text_is_seen(before, after, seed, folder):
    text = program(["double well"], "float64", Normals.FLOAT32)
    assert before in text
    by_text, by_numba = both(
        "double well", built(text.replace(before, after), folder), "float64", Normals.FLOAT32, seed
    )
    assert not np.array_equal(by_text, by_numba)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_all_elementary_functions_agree_bit_for_bit(dtype, seed, folder):
    loops = "".join(
        f'extern "C" void v{name}(const T* x, T* y, long n) {{ for (long i = 0; i < n; ++i) y[i] = {name}(x[i]); }}\n'
        for name in ONE
    )
    library = built(
        SHIM + cuda_prelude(dtype) + elementary.cuda(elementary.functions(elementary.precision(dtype))) + loops, folder
    )
    for name in ONE:
        x = arguments(name, dtype, np.random.default_rng(seed), 5000)
        x = np.concatenate([x, np.array([np.nan, np.inf, -np.inf, 0.0, -1.0], dtype)])
        found = np.empty_like(x)
        getattr(library, f"v{name}")(pointer(x), pointer(found), ctypes.c_long(x.size))
        np.testing.assert_array_equal(found, applied(name, x, dtype=dtype), err_msg=name)
