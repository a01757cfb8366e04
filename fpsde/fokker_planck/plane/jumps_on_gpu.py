"""Products with a sparse matrix of a few entries a row on a GPU: a thread for each row, whatever the stencil is."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from fpsde.arrays import FAST, STRICT, Device
from fpsde.optional import optional

schemes = optional("fpsde.schemes.kernel")

#: Rows, columns and values of a matrix, each (k,).
Entries = tuple[np.ndarray, np.ndarray, np.ndarray]
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


def in_rows(entries: Entries, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return values and columns of the rows of a matrix, each ``(most, n)``, in the order of the columns.

    Entries of one place are added. Rows that have fewer than ``most`` have zeros at their end.
    """
    rows, columns, given = entries
    places, of = np.unique(rows.astype(np.int64) * shape[1] + columns, return_inverse=True)
    summed, row = np.bincount(of, given, len(places)), places // shape[1]
    counts = np.bincount(row, minlength=shape[0])
    number = np.arange(len(places)) - np.repeat(np.cumsum(counts) - counts, counts)
    most = max(1, counts.max())
    out, where = np.zeros((most, shape[0])), np.zeros((most, shape[0]), dtype=np.int32)
    out[number, row], where[number, row] = summed, places % shape[1]
    return out, where


class MatrixOnGpu:
    """A matrix on a device, of its entries; ``matrix @ x`` takes and gives arrays from there."""

    def __init__(self, entries: Entries, shape: tuple[int, int], *, device: Device, fast: bool) -> None:
        values, columns = in_rows(entries, shape)
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
