"""Products with a sparse matrix of a few entries a row on a GPU: a thread for each row, whatever the stencil is."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from fpsde.arrays import FAST, STRICT, Device
from fpsde.optional import optional

schemes = optional("fpsde.schemes.kernel")

#: Threads that are launched as one block.
THREADS = 128

_KERNEL = """\
typedef long long i64;

// Row i has the values (entries, n) in the columns (entries, n), side by side with those of other rows; a row of fewer
// entries has zeros at its end. They are added in their order, as on the CPU.
extern "C" __global__ void __launch_bounds__({threads}) product(
    const double* values, const int* columns, const double* x, double* y, i64 n, i64 entries)
{{
    const i64 i = i64(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i >= n) return;
    double sum = 0.0;
    for (i64 e = 0; e < entries; ++e) sum += values[e * n + i] * x[columns[e * n + i]];
    y[i] = sum;
}}
"""


@cache
def product_program() -> str:
    """Return the CUDA C++ text of a product."""
    return schemes.cuda_prelude("float64") + _KERNEL.format(threads=THREADS)


class MatrixOnGpu:
    """A matrix on a device, of a SciPy array in compressed rows; ``matrix @ x`` takes and gives arrays from there."""

    def __init__(self, rows: Any, device: Device, *, fast: bool) -> None:
        counts, n = np.diff(rows.indptr), rows.shape[0]
        places = np.arange(rows.nnz) - np.repeat(rows.indptr[:-1], counts)
        values, columns = np.zeros((max(1, counts.max()), n)), np.zeros((max(1, counts.max()), n), dtype=np.int32)
        at = places, np.repeat(np.arange(n), counts)
        values[at], columns[at] = rows.data, rows.indices
        self._device, self._options = device, FAST if fast else STRICT
        with device.current():
            self._values, self._columns = device.array(values), device.array(columns)

    def __matmul__(self, x: Any) -> Any:
        entries, n = self._values.shape
        with self._device.current():
            y = self._device.full((n,), 0.0, np.float64)
            self._device.launch(
                product_program(), "product", options=self._options, blocks=-(-n // THREADS), threads=THREADS,
                arguments=(self._values, self._columns, x, y, np.int64(n), np.int64(entries)), wait=False,
            )  # fmt: skip
        return y
