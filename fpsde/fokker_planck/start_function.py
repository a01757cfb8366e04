"""A function of the starting point, as the backward equation gives it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsde.errors import InvalidInput
from fpsde.fokker_planck.sides import Sides
from fpsde.grid import Grid
from fpsde.jit import kernel
from fpsde.validation import finite_array


@dataclass(frozen=True, eq=False)
class StartFunction:
    """``values`` (n,) at increasing points ``x`` (n,); between them a monotone cubic, which overshoots nowhere.

    At a point it is its value, to the last bit: a probability at a wall is 0 or 1.

    ``ends`` (n,) says where a piece of the line ends, as at a target: the function has a kink there, and the cubics on
    either side know nothing of each other. ``turn`` is the length of a ring, round which x is turned back into its
    points; None on a line.
    """

    x: np.ndarray
    values: np.ndarray
    ends: np.ndarray
    turn: float | None = None

    @classmethod
    def of(cls, pieces: Sequence[tuple[np.ndarray, np.ndarray]], turn: float | None = None) -> StartFunction:
        """Return the function through the points of pieces from left to right, each (x, values), of two points or more.

        Where one begins at the last point of the one before, both have the same value there.
        """
        x, values = (np.concatenate(rows) for rows in zip(*pieces, strict=True))
        ends = np.zeros(len(x), dtype=bool)
        last = np.cumsum([len(points) for points, _ in pieces]) - 1
        ends[last] = ends[0] = ends[last[:-1] + 1] = True
        new = np.append(True, x[1:] > x[:-1])
        return cls(x[new], values[new], ends[new], turn)

    def __call__(self, x: Any) -> np.ndarray:
        """Return the values at ``x``, same shape; InvalidInput beyond the grid."""
        at = finite_array("x", x)
        if self.turn is not None:
            at = self.x[0] + (at - self.x[0]) % self.turn
        gap = self.x[1] - self.x[0], self.x[-1] - self.x[-2]  # the outermost points may be centres
        if np.any(at < self.x[0] - gap[0]) or np.any(at > self.x[-1] + gap[1]):
            raise InvalidInput(
                f"x from {at.min()} to {at.max()} reaches beyond the points [{self.x[0]}, {self.x[-1]}] of this "
                "function; extend the grid"
            )
        return monotone_cubic(self.x, self.values, self.ends, at.ravel()).reshape(at.shape)


def with_ends(
    grid: Grid, sides: Sides, u: np.ndarray, at_ends: Sequence[float] | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the centres of the cells and the absorbing ends of a grid, and the values there: ``u``, ``at_ends``.

    ``u`` has the values of one function ``(n,)``, or of several that agree at the ends ``(..., n)``.
    """
    (low, high), n = sides.absorbing, u.shape[-1]
    points, values = np.empty(n + low + high), np.empty((*u.shape[:-1], n + low + high))
    ends = float(at_ends[0]), float(at_ends[1])
    put_between(grid.faces, low, high, u.reshape(-1, n), ends, points, values.reshape(-1, len(points)))
    return points, values


@kernel()
def put_between(faces, low, high, u, ends, points, values):
    """Write what :func:`with_ends` returns; ``low`` and ``high`` say which ends of the grid absorb."""
    n, before = len(faces) - 1, 1 if low else 0
    for i in range(n):
        points[before + i] = 0.5 * (faces[i + 1] + faces[i])
        for k in range(len(u)):
            values[k, before + i] = u[k, i]
    if low:
        points[0], values[:, 0] = faces[0], ends[0]
    if high:
        points[-1], values[:, -1] = faces[n], ends[1]


@kernel()
def cubic_at(x, values, at):
    """Return the value at one place of the function through the points of one piece."""
    ends = np.zeros(len(x), np.bool_)
    ends[0] = ends[-1] = True
    return cubic_between(x, values, ends, at)


@kernel()
def monotone_cubic(x, values, ends, at):
    """Return at places ``at`` (m,) the cubic Hermite interpolant with the slopes of :func:`slope_at`, ``(m,)``.

    (Fritsch & Butland, SIAM J. Sci. Stat. Comput. 5 (1984) 300.) Beyond the first and the last point the outermost
    cubics go on.
    """
    out = np.empty(len(at))
    for k in range(len(at)):
        out[k] = cubic_between(x, values, ends, at[k])
    return out


@kernel()
def interval_of(x, at):
    """Return i of the interval between points i and i + 1 of increasing ``x`` in which a place lies, or is nearest."""
    low, high = 0, len(x) - 1
    while high - low > 1:
        middle = (low + high) // 2
        if x[middle] <= at:
            low = middle
        else:
            high = middle
    return low


@kernel()
def cubic_between(x, values, ends, at):
    """Return what :func:`monotone_cubic` does at one place; it reads the two points on each side of it."""
    i = interval_of(x, at)
    h, s = x[i + 1] - x[i], at - x[i]
    secant = (values[i + 1] - values[i]) / h
    low, high = slope_at(x, values, ends, i, 1), slope_at(x, values, ends, i + 1, -1)
    second = (3.0 * secant - 2.0 * low - high) / h
    third = (low + high - 2.0 * secant) / (h * h)
    return values[i + 1] if s == h else values[i] + s * (low + s * (second + s * third))


@kernel()
def slope_at(x, values, ends, i, side):
    """Return the slope at point i of the cubic towards the next point on a ``side``, 1 (up) or -1 (down).

    Inside a piece the harmonic mean of the secants on both sides, weighed by their lengths, or 0 where they differ in
    sign. At the end of a piece that of the parabola through three points, held within 0 and three secants.
    """
    h, secant = abs(x[i + side] - x[i]), (values[i + side] - values[i]) / (x[i + side] - x[i])
    if not ends[i]:
        before, other = abs(x[i] - x[i - side]), (values[i] - values[i - side]) / (x[i] - x[i - side])
        if np.sign(secant) * np.sign(other) <= 0:
            return 0.0
        near, far = h + 2.0 * before, before + 2.0 * h
        return (near + far) / (near / secant + far / other)
    if ends[i + side]:
        return secant
    after, other = abs(x[i + 2 * side] - x[i + side]), (values[i + 2 * side] - values[i + side])
    other /= x[i + 2 * side] - x[i + side]
    slope = ((2.0 * h + after) * secant - h * other) / (h + after)
    if np.sign(slope) != np.sign(secant):
        return 0.0
    if np.sign(secant) != np.sign(other) and abs(slope) > 3.0 * abs(secant):
        return 3.0 * secant
    return slope
