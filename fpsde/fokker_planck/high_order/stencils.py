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

from dataclasses import dataclass

import numpy as np

from fpsde.errors import InvalidInput

REACH = 3


@dataclass(frozen=True)
class Stencils:
    """The weights of one order: ``first`` (3,) and ``second``, ``average``, ``value`` (4,), from the centre outward."""

    order: int
    first: tuple[float, ...]
    second: tuple[float, ...]
    average: tuple[float, ...]
    value: tuple[float, ...]

    @property
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


def widened(values: np.ndarray, axis: int, periodic: bool) -> np.ndarray:
    """Return ``values`` with ``REACH`` more at both ends of an axis: zeros, or on a ring those of the other end."""
    n = values.shape[axis]
    if periodic:
        return np.take(values, np.arange(-REACH, n + REACH) % n, axis=axis)
    shape = list(values.shape)
    shape[axis] = REACH
    nothing = np.zeros(shape)
    return np.concatenate([nothing, values, nothing], axis=axis)


def sloped_along(values: np.ndarray, weights: tuple[float, ...], axis: int, periodic: bool) -> np.ndarray:
    """Return the antisymmetric sum with ``weights`` (first) along an axis: the slope, per width of a cell."""
    n, wide = values.shape[axis], np.moveaxis(widened(values, axis, periodic), axis, 0)
    total = np.zeros_like(wide[:n])
    for k, weight in enumerate(weights, start=1):
        total += weight * (wide[REACH + k : REACH + k + n] - wide[REACH - k : REACH - k + n])
    return np.moveaxis(total, 0, axis)


def smoothed_along(values: np.ndarray, weights: tuple[float, ...], axis: int, periodic: bool) -> np.ndarray:
    """Return the symmetric sum with ``weights`` (average or value) along an axis."""
    n, wide = values.shape[axis], np.moveaxis(widened(values, axis, periodic), axis, 0)
    total = weights[0] * wide[REACH : REACH + n]
    for k in range(1, REACH + 1):
        if weights[k]:
            total += weights[k] * (wide[REACH + k : REACH + k + n] + wide[REACH - k : REACH - k + n])
    return np.moveaxis(total, 0, axis)
