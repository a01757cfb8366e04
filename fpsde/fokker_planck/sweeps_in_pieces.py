"""Few long lines on a GPU: each is cut into pieces that threads eliminate side by side, as on the CPU one long line is.

A thousand lines of a plane, with a thread for each, leave a device idle, and each thread waits for memory at every
cell. So the cells of a piece, all but its last, are eliminated by a thread of their own; the last cells of the pieces,
and what cells are left over, are a ring (``elimination.py``), which one thread for each line solves. Nothing is
subtracted, so that every mass keeps its digits; cyclic reduction, which also has a thread for each cell, does not.
"""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar

import numpy as np

from fpsde.arrays import Device
from fpsde.cuda_translation import VIEWS, translated
from fpsde.fokker_planck import elimination, tridiagonal
from fpsde.fokker_planck.sweeps import SweepsOnGpu
from fpsde.fokker_planck.tridiagonal import WEIGHT
from fpsde.optional import optional

schemes = optional("fpsde.schemes.kernel")

#: From so many lines on each has one thread: they fill a device by themselves.
ENOUGH_LINES = 2**15
#: Lines of fewer cells are not cut.
CUT = 64
#: Threads that are launched as one block.
THREADS = 128

_KERNELS = """\
// Cell i of line j of m is at i * m + j; piece k has the cells k * size up to (k + 1) * size - 1.
struct Cut {{
    i64 n, m, pieces, size, ends;
    __device__ Cut(i64 n, i64 m, i64 pieces) :
        n(n), m(m), pieces(pieces), size(n / pieces), ends(n - pieces * (n / pieces - 1)) {{}}
    __device__ Cells<double> piece(double* p, i64 k, i64 j) const {{ return {{p + k * size * m + j, m, size}}; }}
    __device__ Cells<double> ring(double* p, i64 j) const {{ return {{p + j, m, ends}}; }}
    __device__ i64 cell(i64 end) const {{ return end < pieces ? (end + 1) * size - 1 : end + pieces * (size - 1); }}
    __device__ i64 before(i64 end) const {{ return end == 0 ? ends - 1 : end - 1; }}
    __device__ auto rows(double* factors, i64 k, i64 j) const {{
        return several(piece(factors, k, j), piece(factors + n * m, k, j), piece(factors + 2 * n * m, k, j),
            piece(factors + 3 * n * m, k, j), piece(factors + 4 * n * m, k, j));
    }}
    __device__ auto ring_rows(double* factors, i64 j) const {{
        const i64 row = ends * m;
        return several(ring(factors, j), ring(factors + row, j), ring(factors + 2 * row, j),
            ring(factors + 3 * row, j), ring(factors + 4 * row, j));
    }}
}};
DEV i64 thread() {{ return i64(blockIdx.x) * blockDim.x + threadIdx.x; }}

// seen (4, pieces, m) is what eliminate returns.
extern "C" __global__ void __launch_bounds__({threads}) eliminate_pieces(
    double* rates, double* exits, double a, double* factors, double* seen, i64 n, i64 m, i64 pieces)
{{
    const Cut cut(n, m, pieces);
    const i64 k = thread() / m, j = thread() % m;
    if (k >= pieces) return;
    double* const right = rates + n * m;
    const double kept = k == 0 ? 1.0 + a * exits[j] : 1.0;
    const double from_before = a * right[(k == 0 ? n - 1 : k * cut.size - 1) * m + j];
    const auto found = eliminate(cut.piece(rates, k, j), cut.piece(right, k, j), a, kept, from_before, 1.0, true,
        cut.rows(factors, k, j));
    for (int q = 0; q < 4; ++q) seen[(q * pieces + k) * m + j] = found[q];
}}

// sides (3, ends, m) are the rates in the ring of ends times a, to the left and to the right, and its column sums.
extern "C" __global__ void __launch_bounds__({threads}) gather_ends(
    double* rates, double* exits, double a, double* seen, double* sides, i64 n, i64 m, i64 pieces)
{{
    const Cut cut(n, m, pieces);
    const i64 j = thread(), last = cut.ends - 1;
    if (j >= m) return;
    double* const kept = seen + j;
    double* const returned = kept + pieces * m;
    double* const on = returned + pieces * m;
    double* const back_on = on + pieces * m;
    const auto to_left = cut.ring(sides, j), to_right = cut.ring(sides + cut.ends * m, j);
    const auto sums = cut.ring(sides + 2 * cut.ends * m, j);
    for (i64 i = 0; i <= last; ++i) {{
        const i64 at_cell = cut.cell(i) * m + j;
        to_left[i] = i < pieces ? back_on[i * m] : a * rates[at_cell];
        to_right[i] = i == last ? on[0] : i + 1 < pieces ? on[(i + 1) * m] : a * rates[n * m + at_cell];
        sums[i] = i < pieces ? kept[i * m] : 1.0;
    }}
    for (i64 k = 0; k < pieces; ++k) sums[cut.before(k)] += returned[k * m];
    sums[last] += a * exits[m + j];
}}

// ring (5, ends, m) are the factors of the ring.
extern "C" __global__ void __launch_bounds__({threads}) eliminate_ends(
    double* sides, double* ring, i64 n, i64 m, i64 pieces)
{{
    const Cut cut(n, m, pieces);
    const i64 j = thread(), last = cut.ends - 1;
    if (j >= m) return;
    const auto to_right = cut.ring(sides + cut.ends * m, j), sums = cut.ring(sides + 2 * cut.ends * m, j);
    const auto rows = cut.ring_rows(ring, j);
    const auto found = eliminate(cut.ring(sides, j), to_right, 1.0, sums[0], to_right[last], sums, true, rows);
    rows[1][last] = 1.0 / (found[0] + found[1]);
}}

// row (2, pieces, m) is what forth returns.
extern "C" __global__ void __launch_bounds__({threads}) forth_in_pieces(
    double* factors, double* b, double* row, i64 n, i64 m, i64 pieces)
{{
    const Cut cut(n, m, pieces);
    const i64 k = thread() / m, j = thread() % m;
    if (k >= pieces) return;
    const auto piece = cut.piece(b, k, j);
    const auto found = forth(cut.rows(factors, k, j), piece, piece, true);
    for (int q = 0; q < 2; ++q) row[(q * pieces + k) * m + j] = found[q];
}}

extern "C" __global__ void __launch_bounds__({threads}) solve_ends(
    double* ring, double* b, double* row, double* ends, i64 n, i64 m, i64 pieces)
{{
    const Cut cut(n, m, pieces);
    const i64 j = thread();
    if (j >= m) return;
    const auto end = cut.ring(ends, j);
    for (i64 i = 0; i < cut.ends; ++i) end[i] = b[cut.cell(i) * m + j] + (i < pieces ? row[i * m + j] : 0.0);
    for (i64 k = 0; k < pieces; ++k) end[cut.before(k)] += row[(pieces + k) * m + j];
    solve_whole(cut.ring_rows(ring, j), end, true);
    for (i64 i = 0; i < cut.ends; ++i) b[cut.cell(i) * m + j] = end[i];
}}

extern "C" __global__ void __launch_bounds__({threads}) back_in_pieces(
    double* factors, double* b, double* ends, i64 n, i64 m, i64 pieces)
{{
    const Cut cut(n, m, pieces);
    const i64 k = thread() / m, j = thread() % m;
    if (k >= pieces) return;
    const auto end = cut.ring(ends, j);
    back(cut.rows(factors, k, j), cut.piece(b, k, j), end[k], end[cut.before(k)], true);
}}

// masses + aQ times a share of the masses at each of three times, a thread for each cell: what crosses its faces.
extern "C" __global__ void __launch_bounds__({threads}) carry(
    double* rates, double* rates_between, double* rates_after, double* exits, double* exits_between,
    double* exits_after, double a, double share, double share_between, double share_after, double* first,
    double* between, double* after, double* masses, double* new_masses, double* lost, i64 n, i64 m)
{{
    const i64 i = thread() / m, j = thread() % m, row = n * m;
    if (i >= n) return;
    const i64 below = (i == 0 ? n - 1 : i - 1) * m + j, here = i * m + j, above = (i == n - 1 ? 0 : i + 1) * m + j;
    double* const rate[3] = {{rates, rates_between, rates_after}};
    double* const walls[3] = {{exits, exits_between, exits_after}};
    double* const mass[3] = {{first, between, after}};
    const double shares[3] = {{share, share_between, share_after}};
    double in = 0.0, on = 0.0, low = 0.0, high = 0.0;
    for (int s = 0; s < 3; ++s) {{
        if (shares[s] == 0.0) continue;
        const double part = shares[s] * a, own = mass[s][here];
        in += part * net(rate[s][row + below], mass[s][below], rate[s][here], own);
        on += part * net(rate[s][row + here], own, rate[s][above], mass[s][above]);
        if (i == 0) low += part * walls[s][j] * own;
        if (i == n - 1) high += part * walls[s][m + j] * own;
    }}
    new_masses[here] = ((masses[here] + (in - on)) - low) - high;
    if (i == 0) lost[j] = low;
    if (i == n - 1) lost[m + j] = high;
}}
"""


@cache
def program_in_pieces() -> str:
    """Return the CUDA C++ text of steps on lines in pieces."""
    return "\n".join(
        [
            "// Generated by fpsde: the functions are those that Numba compiles.",
            schemes.cuda_prelude("float64") + VIEWS,
            translated([elimination.eliminate, elimination.solve_whole, tridiagonal.net]),
            _KERNELS.format(threads=THREADS),
        ]
    )


def best_pieces(n: int) -> int:
    """Return the number of pieces with the fewest cells one after another: those of a piece, and the ring of ends."""
    return min(range(2, n // 2 + 1), key=lambda pieces: n // pieces + n - pieces * (n // pieces - 1))


class SweepsInPieces(SweepsOnGpu):
    """The lines in pieces; the same numbers to round-off."""

    threads: ClassVar[int] = THREADS

    def __init__(self, rates: np.ndarray, exits: np.ndarray, device: Device, *, fast: bool) -> None:
        super().__init__(rates, exits, device, fast=fast)
        n = self.shape[1]
        self._pieces = best_pieces(n)
        self._ends = n - self._pieces * (n // self._pieces - 1)
        self._row, self._at_ends = self._empty(2, self._pieces), self._empty(self._ends)

    def _factorised(self, a: float) -> tuple[Any, Any]:
        """Return the factors of the pieces and those of the ring of ends."""
        factors, ring = self._empty(5, self.shape[1]), self._empty(5, self._ends)
        seen, sides, q = self._empty(4, self._pieces), self._empty(3, self._ends), (self.rates, self.exits)
        self._launch_cut("eliminate_pieces", self._pieces, *q, np.float64(a), factors, seen)
        self._launch_cut("gather_ends", 1, *q, np.float64(a), seen, sides)
        self._launch_cut("eliminate_ends", 1, sides, ring)
        return factors, ring

    def _solve(self, a: float, b: Any) -> None:
        """Replace b by (I - aQ)^-1 b."""
        factors, ring = self.factors(a)
        self._launch_cut("forth_in_pieces", self._pieces, factors, b, self._row)
        self._launch_cut("solve_ends", 1, ring, b, self._row, self._at_ends)
        self._launch_cut("back_in_pieces", self._pieces, factors, b, self._at_ends)

    def tr_bdf2(self, a: float, masses: Any) -> tuple[Any, Any]:
        between = masses.copy()
        self._solve(a, between)
        moved = masses + 2 * WEIGHT * (between - masses)
        self._solve(a, moved)
        return self._carried((self, self), a, (2 * WEIGHT, 1.0), (between, moved), masses)

    def tr_bdf2_between(self, middle: SweepsOnGpu, end: SweepsOnGpu, a: float, masses: Any) -> tuple[Any, Any]:
        assert isinstance(middle, SweepsInPieces) and isinstance(end, SweepsInPieces)
        between, _ = self._carried((self,), a, (1.0,), (masses,), masses)
        middle._solve(a, between)
        after, _ = self._carried((self, middle), a, (WEIGHT, WEIGHT), (masses, between), masses)
        end._solve(a, after)
        return self._carried((self, middle, end), a, (WEIGHT, WEIGHT, 1.0), (masses, between, after), masses)

    def _carried(
        self, at: tuple[SweepsInPieces, ...], a: float, shares: tuple[float, ...], moved: tuple[Any, ...], masses: Any
    ) -> tuple[Any, Any]:
        """Return ``masses`` and aQ times a share of those ``moved``, of each time; and what entered the walls."""
        new, lost, n = self._empty(self.shape[1]), self._empty(2), self.shape[1]
        times, unused = (*at, *at[-1:] * 2)[:3], 3 - len(at)
        given = (
            *(one.rates for one in times), *(one.exits for one in times), np.float64(a),
            *map(np.float64, (*shares, *[0.0] * unused)), *moved, *[masses] * unused, masses, new, lost,
        )  # fmt: skip
        self._launch(program_in_pieces(), "carry", n * self._width, *given, np.int64(n), np.int64(self._width))
        return new, lost

    def backward_euler(self, dt: float, masses: Any) -> Any:
        self._solve(dt, masses)
        return dt * self.exits * masses[:, :: self.shape[1] - 1]

    def _launch_cut(self, kernel: str, threads: int, *arguments: Any) -> None:
        """Launch a kernel with so many threads for each line."""
        sizes = (np.int64(self.shape[1]), np.int64(self._width), np.int64(self._pieces))
        self._launch(program_in_pieces(), kernel, threads * self._width, *arguments, *sizes)


def sweeps_on_gpu(rates: np.ndarray, exits: np.ndarray, device: Device, *, fast: bool) -> SweepsOnGpu:
    """Return the lines on a device: in pieces where they are few and long."""
    m, _, n = rates.shape
    return (SweepsInPieces if m < ENOUGH_LINES and n >= CUT else SweepsOnGpu)(rates, exits, device, fast=fast)
