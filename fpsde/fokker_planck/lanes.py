"""Eight numbers in vector registers, as a type of compiled code: real ones, or complex ones with their parts apart.

LLVM does not find the vectors in a loop over eight lanes inside of a recurrence over cells: it must assume that the
arrays of one cell overlap those of the next. With lanes as values nothing is left to find, and the recurrences of eight
systems cost what the latency of one costs. Inside kernels, for complex numbers:

    z = load(rows, i)      z, 0.5 * z, z + w, z - w, z + 0.5, z * w, 1.0 / z      store(rows, i, z)      real_sum(z)

``rows`` is a contiguous array of float64 whose row i holds ``(2, LANES)`` numbers (:func:`split`).

For real numbers the same text serves one system and eight (``+ - * /``, lanes with lanes and with a number):

    x = at(cells, i)      put(cells, i, x)

``cells`` (n,) holds a number for each cell; ``(n, LANES)``, contiguous, a row of lanes; the transpose of a contiguous
``(LANES, n)`` gathers a row from the eight. A number stands for an array that has it in every cell.

Eight neighbours in a contiguous array of float64, from place i of its memory on, are lanes too:

    x = eight(flat, i)      put_eight(flat, i, x)

Numbers and lanes may also go through

    smaller(x, y)      larger(x, y)      fused(x, y, z)
"""

from __future__ import annotations

from fpsde.fokker_planck.plain_lanes import LANES, at, put, split
from fpsde.optional import installed

if installed("numba"):
    from fpsde.fokker_planck.vector_lanes import (
        eight,
        fused,
        larger,
        load,
        put_eight,
        real_sum,
        smaller,
        store,
    )  # fmt: skip
else:
    from fpsde.fokker_planck.plain_lanes import (
        eight,
        fused,
        larger,
        load,
        put_eight,
        real_sum,
        smaller,
        store,
    )  # fmt: skip

__all__ = [
    "LANES", "at", "eight", "fused", "larger", "load", "put", "put_eight", "real_sum", "smaller", "split", "store",
]  # fmt: skip
