"""Central differences as a SciPy user writes them: order 4 as a sparse matrix, sinc collocation as dense ones.

    dp/dt = -d_i(mu_i p) + D_ij d_i d_j p

on the centres of equal cells, p = 0 outside of the box. A function of Fourier's modes makes cell averages of values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np
from scipy import sparse

Box = Sequence[tuple[float, float]]


def centres(box: Box, cells: int) -> list[np.ndarray]:
    """Return the centres of equal cells along each axis."""
    faces = (np.linspace(*ends, cells + 1) for ends in box)
    return [0.5 * (f[1:] + f[:-1]) for f in faces]


def order_four(box: Box, cells: int, drift: Callable[..., Sequence[Any]], D: np.ndarray) -> Any:
    """Return the operator with differences of order 4 as a sparse matrix on C-ordered values."""
    steps = [(high - low) / cells for low, high in box]
    firsts = [_bands(cells, (1, -8, 0, 8, -1), 12 * h) for h in steps]
    seconds = [_bands(cells, (-1, 16, -30, 16, -1), 12 * h**2) for h in steps]
    d = len(box)
    grids = np.meshgrid(*centres(box, cells), indexing="ij")
    total: Any = 0
    for i, mu in enumerate(drift(*grids)):
        flow = sparse.diags(np.broadcast_to(mu, grids[0].shape).ravel())
        total = total - _along({i: firsts[i]}, d, cells) @ flow
        for j in range(d):
            if D[i][j]:
                parts = {i: seconds[i]} if i == j else {i: firsts[i], j: firsts[j]}
                total = total + D[i][j] * _along(parts, d, cells)
    return total.tocsc()


def _bands(n: int, weights: Sequence[float], scale: float) -> Any:
    return sparse.diags([w / scale for w in weights], range(-2, 3), shape=(n, n))


def _along(parts: dict[int, Any], d: int, cells: int) -> Any:
    return reduce(sparse.kron, [parts.get(axis, sparse.identity(cells)) for axis in range(d)])


def sinc_matrices(n: int, h: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the first and second derivative of sinc interpolation on n points at distance h."""
    k = np.subtract.outer(np.arange(n), np.arange(n))
    sign, divisor = (-1.0) ** k, np.where(k == 0, 1, k)
    first = np.where(k == 0, 0, sign / divisor) / h
    second = np.where(k == 0, -(np.pi**2) / 3, -2 * sign / divisor**2) / h**2
    return first, second


def averages(values: np.ndarray, power: int = 1) -> np.ndarray:
    """Return cell averages of a smooth function from its values at the centres (power -1: values from averages)."""
    for axis in range(values.ndim):
        n = values.shape[axis]
        factors = np.sinc(np.arange(n // 2 + 1) / n) ** power
        shape = [-1 if k == axis else 1 for k in range(values.ndim)]
        values = np.fft.irfft(np.fft.rfft(values, axis=axis) * factors.reshape(shape), n, axis=axis)
    return values
