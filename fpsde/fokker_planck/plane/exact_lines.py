"""Strang steps of a plane whose factors are exact: exp(t L) of every line, as a matrix of probabilities.

    m(t + dt) = exp(dt/2 L_1) exp(dt L_2) exp(dt/2 L_1) m(t)            (Strang, SIAM J. Numer. Anal. 5 (1968) 506)

What is left of the error in time is that of the splitting, of order 2 in dt, and none where the two directions do not
know of each other: then L_1 and L_2 commute, and a step of any length is exact. No number is ever negative, so that no
step is refused, a point needs no damped start, and an axis without noise no short steps.

The probabilities to go from cell to cell in a short time are sums of terms that are not negative (uniformisation), and
those of twice the time are the square of the matrix: its cost grows as the logarithm of max|L_ii| t. Their sums from
each cell, walls included, are one. Round-off in them would double with each square, and is divided out.

Lines that are alike share a matrix, and are multiplied by it at once: a step takes two to seven times as long as one of
TR-BDF2 (on 128 and 512 cells along each axis). Where each line differs from the next there are as many matrices as
lines, and a step takes 30 to 40 times as long (128). The other exact factor at hand, the rational approximation of
order 16, costs three times as much as TR-BDF2 whatever the lines; but it is wrong where drift carries mass over many
cells in a step (in one trial a mass fell to -0.6 of the largest), leaves dips below zero, and loses 2e-14 of the mass a
step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsde.cached import Kept
from fpsde.errors import InvalidInput
from fpsde.fokker_planck.exact_in_time import uniformise
from fpsde.fokker_planck.initial import Start
from fpsde.fokker_planck.plane.generator import PlaneGenerator
from fpsde.fokker_planck.plane.propagator import AXES, Offset, StrangPropagator
from fpsde.fokker_planck.stepper import KEPT
from fpsde.jit import kernel

#: Jumps in the time whose matrix is summed, and not squared.
FEW_JUMPS = 32.0
#: Numbers in the matrices of an axis, at most: a quarter of a gigabyte, and half a minute or so.
MOST_NUMBERS = 2**25
#: Digits to which the length of a step is read: lengths that round-off alone tells apart have one matrix.
DIGITS = 14


@dataclass(frozen=True, eq=False)
class DistinctLines:
    """The lines of an axis that differ: rates ``(k, 2, n)``, exits ``(k, 2)``, and which lines are like each of them.

    Raises InvalidInput where their matrices would have more than ``MOST_NUMBERS`` numbers.
    """

    rates: np.ndarray
    exits: np.ndarray
    alike: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, q: PlaneGenerator, axis: int) -> DistinctLines:
        """Return those of a generator whose edges lie along the axes."""
        rates, exits = q.lines(axis)
        n_lines, _, n = rates.shape
        alike: dict[bytes, list[int]] = {}
        for k in range(n_lines):
            alike.setdefault(rates[k].tobytes() + exits[k].tobytes(), []).append(k)
        numbers = len(alike) * (n + 2) ** 2
        if numbers > MOST_NUMBERS:
            raise InvalidInput(
                f"along axis {axis} {len(alike)} of {n_lines} lines of {n} cells differ, and their exponentials have "
                f"{numbers:.3g} numbers, where {MOST_NUMBERS:.3g} are allowed: use Stepping.SPLIT, or fewer cells"
            )
        first = [lines[0] for lines in alike.values()]
        return cls(rates[first], exits[first], tuple(np.array(lines) for lines in alike.values()))

    def probabilities(self, t: float) -> np.ndarray:
        """Return the probabilities ``(k, n + 2, n + 2)`` to go in a time from cell (row) to cell or wall (column).

        The last two are the walls, at the low and at the high end, which nothing leaves.
        """
        n = self.rates.shape[2]
        rate = float((self.rates.sum(axis=1) + _at_ends(self.exits, n)).max())
        squares = int(np.ceil(np.log2(max(rate * t / FEW_JUMPS, 1.0)))) if rate > 0 else 0
        out = np.tile(np.eye(n + 2), (len(self.rates), 1, 1))
        if rate > 0:
            sum_jumps(self.rates, self.exits, rate, t / 2**squares, out)
        for _ in range(squares):
            out /= out.sum(axis=2, keepdims=True)
            out = out @ out
        return out / out.sum(axis=2, keepdims=True)


def _at_ends(exits: np.ndarray, n: int) -> np.ndarray:
    """Return the exits ``(k, 2)`` of lines as rates out of each of their cells, ``(k, n)``."""
    out = np.zeros((len(exits), n))
    out[:, 0], out[:, -1] = exits.T
    return out


@kernel()
def sum_jumps(rates, exits, rate, t, out):
    """Replace each row of ``out`` (k, n + 2, n + 2), a law on a line and its walls, by that after a time t."""
    n = rates.shape[2]
    for k in range(len(rates)):
        for i in range(n):
            uniformise(rates[k, 0], rates[k, 1], exits[k], rate, t, 1, out[k, i, :n], out[k, i, n:])


class LineMatrices:
    """The matrices of the lines of each axis of a generator, for the times that were last asked for."""

    def __init__(self, q: PlaneGenerator):
        self._distinct = tuple(DistinctLines.of(q, axis) for axis in (0, 1))
        self._matrices: Kept[np.ndarray] = Kept(KEPT)

    def along(self, axis: int, t: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield each matrix of :meth:`DistinctLines.probabilities`, and the lines of the axis to which it belongs."""
        matrices = self._matrices.get(self._probabilities, axis, float(f"{t:.{DIGITS - 1}e}"))
        return zip(matrices, self._distinct[axis].alike, strict=True)

    def _probabilities(self, axis: int, t: float) -> np.ndarray:
        return self._distinct[axis].probabilities(t)


class ExactSplitPropagator(StrangPropagator):
    """The cells of a plane with constant coefficients in Strang steps of exact factors."""

    def __init__(self, generator: Callable[[float], PlaneGenerator], start: Start, *, fringe: np.ndarray):
        super().__init__(generator, start, constant=True, fringe=fringe)
        self._matrices = LineMatrices(self._at(0.0))

    def _swept(self, t: float, offset: Offset, dt: float, masses: Any) -> tuple[np.ndarray, np.ndarray]:
        axis = AXES.index(offset)
        lines = masses.T if axis == 0 else masses
        moved, n = np.empty((len(lines), lines.shape[1] + 2)), lines.shape[1]
        for matrix, alike in self._matrices.along(axis, dt):
            moved[alike] = lines[alike] @ matrix[:n]
        return (moved[:, :n].T if axis == 0 else moved[:, :n]), moved[:, n:].sum(axis=0)
