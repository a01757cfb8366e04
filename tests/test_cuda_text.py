"""The elementary functions as CUDA text, compiled by g++ behind a shim, against the Numba kernels bit for bit.

Whole runs of the CUDA text: ``test_gpu_text.py``.
"""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from emulated_gpu import FLAGS, NEEDS_COMPILER, built, compiler_is_missing
from test_elementary import ONE, applied, arguments

from fpsde import elementary
from fpsde.schemes.kernel import cuda_prelude

pytestmark = pytest.mark.skipif(compiler_is_missing(), reason=NEEDS_COMPILER)


STRICT = (*FLAGS, "-ffp-contract=off")


def pointer(a):
    return a.ctypes.data_as(ctypes.c_void_p)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_all_elementary_functions_agree_bit_for_bit(dtype, seed, tmp_path):
    loops = "".join(
        f'extern "C" void v{name}(const T* x, T* y, long n) {{ for (long i = 0; i < n; ++i) y[i] = {name}(x[i]); }}\n'
        for name in ONE
    )
    functions = elementary.cuda(elementary.functions(elementary.precision(dtype)))
    library = built(cuda_prelude(dtype) + functions + loops, tmp_path, STRICT)
    for name in ONE:
        x = arguments(name, dtype, np.random.default_rng(seed), 5000)
        x = np.concatenate([x, np.array([np.nan, np.inf, -np.inf, 0.0, -1.0], dtype)])
        found = np.empty_like(x)
        getattr(library, f"v{name}")(pointer(x), pointer(found), ctypes.c_long(x.size))
        np.testing.assert_array_equal(found, applied(name, x, dtype=dtype), err_msg=name)
