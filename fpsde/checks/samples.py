"""The door for samples of one real variable. Values that are NaN or infinite are counted, never dropped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsde.ensemble import PowerSums
from fpsde.errors import InvalidInput
from fpsde.validation import finite, integer

#: Values worked on at a time, so that the temporaries of a pass stay in cache.
CHUNK = 1 << 15


@dataclass(frozen=True)
class Sample:
    """Independent values ``(n,)`` in the precision they came in, of which ``n_bad`` are NaN or infinite."""

    values: np.ndarray
    n_bad: int

    @property
    def n(self) -> int:
        return len(self.values)


def pieces(n: int) -> Iterator[slice]:
    """Return slices that cover range(n) in order, a cacheful each."""
    return (slice(start, min(start + CHUNK, n)) for start in range(0, n, CHUNK))


def inner(a: np.ndarray, b: np.ndarray) -> float:
    """Return the sum of a b over (n,), not by BLAS: its threads stall by a hundred times on a machine that is busy."""
    return float(np.einsum("i,i->", a, b))


def sample_of(data: Any) -> Sample:
    """Return the sample in an array ``(n,)`` or ``(1, n)``, or in an object that has one as ``.x``."""
    if getattr(data, "x", data) is None:
        raise InvalidInput("the run kept no positions (x is None); keep them, or judge its histogram or its moments")
    given = np.asarray(getattr(data, "x", data))
    if given.dtype.kind not in "fiu":
        raise InvalidInput(f"the sample has dtype {given.dtype}; give real numbers (float32 or float64)")
    if given.size == 0:
        raise InvalidInput(f"the sample is empty (shape {given.shape}); give at least one value")
    if given.ndim == 2 and given.shape[0] == 1:
        given = given[0]
    if given.ndim != 1:
        raise InvalidInput(f"the sample has shape {given.shape}; give one component, (n,) or (1, n), such as x[0]")
    values = given if given.dtype.kind == "f" else given.astype(np.float64)
    return Sample(values, int(np.count_nonzero(~np.isfinite(values))))


def points_of(data: Any) -> tuple[np.ndarray, int]:
    """Return points ``(d, n)`` in float64, from ``(d, n)``, ``(n,)`` or an object with one as ``.x``; and how many
    numbers are NaN or infinite.
    """
    if getattr(data, "x", data) is None:
        raise InvalidInput("the run kept no positions (x is None); keep them")
    given = np.asarray(getattr(data, "x", data))
    if given.dtype.kind not in "fiu" or given.ndim not in (1, 2) or given.shape[-1] < 2:
        raise InvalidInput(
            f"the sample has dtype {given.dtype} and shape {given.shape}; give real numbers, (d, n) or (n,), n > 1"
        )
    x = np.atleast_2d(given).astype(np.float64)
    return x, int(np.count_nonzero(~np.isfinite(x)))


def cell_counts(counts: Any, n_bad: Any) -> tuple[np.ndarray, int]:
    """Return histogram counts ``(n_cells,)`` as int64 and the number in no cell; floats and negatives are refused."""
    array, bad = np.asarray(counts), integer("n_bad", n_bad, least=0)
    if array.dtype.kind not in "iu" or array.ndim != 1 or array.size == 0:
        raise InvalidInput(
            f"counts have dtype {array.dtype} and shape {array.shape}; give whole numbers, shape (n_cells,)"
        )
    if int(array.min()) < 0:
        raise InvalidInput(f"counts[{int(array.argmin())}]={int(array.min())} is negative; counts are 0 or more")
    if int(array.sum()) + bad < 1:
        raise InvalidInput(f"the {array.size} counts are all 0; a histogram holds at least one particle")
    return array.astype(np.int64), bad


def one_component(name: str, values: np.ndarray) -> np.ndarray:
    """Return the only row of an observer's record ``(1, ...)``."""
    if len(values) != 1:
        raise InvalidInput(f"{name} hold {len(values)} components; build a record of one of them, such as {name}[:1]")
    return np.asarray(values[0])


@dataclass(frozen=True)
class CentredSums:
    """Sums of (x - centre)^k for k = 1 .. len(sums) over ``n`` values, of which ``n_bad`` are NaN or infinite."""

    n: int
    centre: float
    sums: tuple[float, ...]
    n_bad: int = 0


def centred_sums(data: Any, *, centre: float, highest: int) -> CentredSums:
    """Return the power sums of a sample about ``centre`` up to ``highest``, or those of an observer about its own.

    Where an observer's sums are not finite, at least one particle was not: it is counted as one.
    """
    if not isinstance(data, PowerSums):
        return _summed(sample_of(data), centre, highest)
    sums = one_component("sums", np.atleast_2d(data.sums))
    at = finite("centre", one_component("centre", np.atleast_1d(data.centre)))
    bad = not np.all(np.isfinite(sums))
    return CentredSums(integer("n", data.n, least=1), at, tuple(sums.tolist()), int(bad))


def _summed(sample: Sample, centre: float, highest: int) -> CentredSums:
    if sample.n_bad:
        return CentredSums(sample.n, centre, (), sample.n_bad)
    sums = np.zeros(highest)
    for part in pieces(sample.n):
        y = sample.values[part].astype(np.float64) - centre
        power = np.ones_like(y)
        for k in range(highest):
            power *= y
            sums[k] += power.sum()
    return CentredSums(sample.n, centre, tuple(sums.tolist()))
