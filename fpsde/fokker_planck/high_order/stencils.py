"""Central differences of order 4 and 6 on equal cells, and cell averages against values at the centres.

With the cell width as the unit of length,

    f'_i  ~ sum_k first_k (f_(i+k) - f_(i-k)),             f''_i ~ second_0 f_i + sum_k second_k (f_(i+k) + f_(i-k)),
    average_i ~ average_0 f_i + sum_k average_k (f_(i+k) + f_(i-k))    and    value_i likewise, from the averages,

all exact on polynomials one degree below the order and more. Weights of differences: Fornberg, Math. Comp. 51 (1988)
699, table 1. An average is f + f''/24 + f''''/1920 + ..., a value m - m''/24 + 7 m''''/5760 - ..., of which the second
and fourth differences are taken to the order that is left.

Beyond a cut end everything is zero. All orders have a reach of three cells, order 4 with weights of zero, so that one
loop serves both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fpsde.errors import InvalidInput
from fpsde.jit import kernel

REACH = 3


@dataclass(frozen=True)
class Stencils:
    """The weights of one order: ``first`` (3,) and ``second``, ``average``, ``value`` (4,), from the centre outward."""

    order: int
    first: tuple[float, ...]
    second: tuple[float, ...]
    average: tuple[float, ...]
    value: tuple[float, ...]

    @cached_property
    def stiffness(self) -> float:
        """The largest of -second^ and first^2 - second^, over all waves on the grid.

        Times D_11/h_1^2 + D_22/h_2^2 it bounds the symbol of all second derivatives: a mixed one is at most their mean.
        """
        k, waves = np.arange(1, REACH + 1), np.linspace(0, np.pi, 721)[:, None]
        slope = 2 * np.sin(k * waves) @ np.array(self.first)
        curvature = self.second[0] + 2 * np.cos(k * waves) @ np.array(self.second[1:])
        return float(np.max([-curvature, slope**2 - curvature]))


FOURTH = Stencils(
    4,
    first=(2 / 3, -1 / 12, 0.0),
    second=(-5 / 2, 4 / 3, -1 / 12, 0.0),
    average=(11 / 12, 1 / 24, 0.0, 0.0),
    value=(13 / 12, -1 / 24, 0.0, 0.0),
)
SIXTH = Stencils(
    6,
    first=(3 / 4, -3 / 20, 1 / 60),
    second=(-49 / 18, 3 / 2, -3 / 20, 1 / 90),
    average=(863 / 960, 77 / 1440, -17 / 5760, 0.0),
    value=(1067 / 960, -29 / 480, 3 / 640, 0.0),
)


def stencils_of(order: int) -> Stencils:
    """Return the stencils of an order, 4 or 6; InvalidInput for any other."""
    for stencils in (FOURTH, SIXTH):
        if order == stencils.order:
            return stencils
    raise InvalidInput(f"order={order!r} is not one of 4 and 6; evolve is of order 2")


def sloped_along(values: np.ndarray, weights: tuple[float, ...], axis: int, periodic: bool) -> np.ndarray:
    """Return the antisymmetric sum with ``weights`` (first) along an axis: the slope, per width of a cell."""
    return _summed_along(values, (0.0, *weights), -1.0, axis, periodic)


def smoothed_along(values: np.ndarray, weights: tuple[float, ...], axis: int, periodic: bool) -> np.ndarray:
    """Return the symmetric sum with ``weights`` (average or value) along an axis."""
    return _summed_along(values, weights, 1.0, axis, periodic)


def _summed_along(values: np.ndarray, weights: tuple[float, ...], sign: float, axis: int, periodic: bool) -> np.ndarray:
    shape, out = values.shape, np.empty(values.shape)
    inner = math.prod(shape[axis + 1 :])
    rows = (-1, shape[axis] * inner)
    sum_of_neighbours(np.ascontiguousarray(values).reshape(rows), inner, weights, sign, periodic, out.reshape(rows))
    return out


@kernel()
def sum_of_neighbours(values, inner, weights, sign, periodic, out):
    """Write weights_0 f_i + sum_k weights_k (f_(i+k) + sign f_(i-k)) for rows of blocks of ``inner`` numbers."""
    size = values.shape[1]
    for row in range(len(values)):
        f, total = values[row], out[row]
        for i in range(size):
            total[i] = weights[0] * f[i]
        for k in range(1, REACH + 1):
            up, down, away = weights[k], sign * weights[k], k * inner
            if up == 0.0:
                continue
            for i in range(size - away):
                total[i] += up * f[i + away]
            for i in range(size - away):
                total[i + away] += down * f[i]
            if periodic:
                for i in range(away):
                    total[size - away + i] += up * f[i]
                    total[i] += down * f[size - away + i]
