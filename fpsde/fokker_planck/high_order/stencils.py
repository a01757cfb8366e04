"""Central differences of even orders on equal cells, and cell averages against values at the centres.

With the cell width as the unit of length and a reach of half the order,

    f'_i  ~ sum_k first_k (f_(i+k) - f_(i-k)),             f''_i ~ second_0 f_i + sum_k second_k (f_(i+k) + f_(i-k)),
    average_i ~ average_0 f_i + sum_k average_k (f_(i+k) + f_(i-k))    and    value_i likewise, from the averages,

all exact on polynomials one degree below the order and more. Weights of differences: Fornberg, Math. Comp. 51 (1988)
699, table 1. With the second difference s = f_(i+1) - 2 f_i + f_(i-1), as an operator, and y = s/4, a derivative is
2 asinh(sqrt y), the average of a cell sqrt(y)/asinh(sqrt y), and the value at its centre from averages the inverse of
that (Hildebrand, Introduction to Numerical Analysis (1956), 5.3): power series in y, cut where the order ends.

Beyond a cut end everything is zero.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import numpy as np

from fpsde.cached import cached_property
from fpsde.errors import InvalidInput
from fpsde.fokker_planck.totals import distance
from fpsde.jit import kernel
from fpsde.validation import as_given

#: The orders there are.
ORDERS = (4, 6, 8, 10)


@dataclass(frozen=True, eq=False)
class Stencils:
    """Weights from the centre outward: ``first`` (reach,), ``second`` (reach + 1,), ``average``, ``value`` (reach,)."""

    order: int
    first: np.ndarray
    second: np.ndarray
    average: np.ndarray
    value: np.ndarray

    @property
    def reach(self) -> int:
        """How many cells away the farthest weight is."""
        return len(self.first)

    @cached_property
    def distances(self) -> tuple[int, ...]:
        """The distances from 1 to the reach: a tuple, of which compiled code knows the length."""
        return tuple(range(1, self.reach + 1))

    @cached_property
    def stiffness(self) -> float:
        """The largest of -second^ and first^2 - second^, over all waves on the grid.

        Times D_11/h_1^2 + D_22/h_2^2 it bounds the symbol of all second derivatives: a mixed one is at most their mean.
        """
        k, waves = np.arange(1, self.reach + 1), np.linspace(0, np.pi, 721)[:, None]
        slope = 2 * np.sin(k * waves) @ self.first
        curvature = self.second[0] + 2 * np.cos(k * waves) @ self.second[1:]
        return float(np.max([-curvature, slope**2 - curvature]))


def stencils_of(order: int) -> Stencils:
    """Return the stencils of one of ``ORDERS``; InvalidInput for any other."""
    if not isinstance(order, (int, np.integer)) or order not in ORDERS:
        raise InvalidInput(f"order={as_given(order)} is not one of {', '.join(map(str, ORDERS))}; evolve is of order 2")
    return _stencils(int(order))


@cache
def _stencils(order: int) -> Stencils:
    reach = order // 2
    factorial = math.factorial
    first = [
        Fraction((-1) ** (k + 1) * factorial(reach) ** 2, k * factorial(reach - k) * factorial(reach + k))
        for k in range(1, reach + 1)
    ]
    second = [2 * weight / k for k, weight in enumerate(first, 1)]
    value = [Fraction((-1) ** j * factorial(2 * j), 4**j * factorial(j) ** 2 * (2 * j + 1)) for j in range(reach)]
    average = [Fraction(1)]
    for j in range(1, reach):
        average.append(-sum((value[i] * average[j - i] for i in range(1, j + 1)), Fraction(0)))
    return Stencils(
        order,
        first=np.array(first, dtype=float),
        second=np.array([-2 * sum(second), *second], dtype=float),
        average=_weights(average),
        value=_weights(value),
    )


def _weights(series: list[Fraction]) -> np.ndarray:
    """Return the weights, from the centre outward, of the power series in y = s/4 with these coefficients."""
    terms = len(series)
    exact = [
        sum(Fraction((-1) ** (j + k) * math.comb(2 * j, j + k), 4**j) * series[j] for j in range(k, terms))
        for k in range(terms)
    ]
    return np.array(exact, dtype=float)


def sloped_along(values: np.ndarray, weights: np.ndarray, axis: int, periodic: bool) -> np.ndarray:
    """Return the antisymmetric sum with ``weights`` (first) along an axis: the slope, per width of a cell."""
    shape, out = values.shape, np.empty(values.shape)
    inner = math.prod(shape[axis + 1 :])
    rows = (-1, shape[axis] * inner)
    weights = np.concatenate([[0.0], weights])
    sum_of_neighbours(np.ascontiguousarray(values).reshape(rows), inner, weights, -1.0, periodic, out.reshape(rows))
    return out


@kernel()
def smoothed(values, weights, rings):
    """Return the symmetric sums with ``weights`` (average or value) along both axes of a plane ``(n, m)``.

    A line is one row. ``rings`` says which of the two axes is periodic.
    """
    n, m = values.shape
    along = np.empty((n, m))
    sum_of_neighbours(values, 1, weights, 1.0, rings[1], along)
    if n == 1:
        return along
    out = np.empty((1, n * m))
    sum_of_neighbours(along.reshape(1, n * m), m, weights, 1.0, rings[0], out)
    return out.reshape(n, m)


@kernel()
def values_at_centres(masses, weights, fourth, sixth, rings):
    """Return the values of a plane ``(n, m)``, and how much of the mass other weights, of orders 4 and 6, move."""
    of_four, of_six = smoothed(masses, fourth, rings), smoothed(masses, sixth, rings)
    differ = distance(of_four.ravel(), of_six.ravel())
    if len(weights) == len(fourth):
        return of_four, differ
    if len(weights) == len(sixth):
        return of_six, differ
    return smoothed(masses, weights, rings), differ


@kernel()
def sum_of_neighbours(values, inner, weights, sign, periodic, out):
    """Write weights_0 f_i + sum_k weights_k (f_(i+k) + sign f_(i-k)) for rows of blocks of ``inner`` numbers."""
    size = values.shape[1]
    for row in range(len(values)):
        f, total = values[row], out[row]
        for i in range(size):
            total[i] = weights[0] * f[i]
        for k in range(1, len(weights)):
            up, down, away = weights[k], sign * weights[k], k * inner
            for i in range(size - away):
                total[i] += up * f[i + away]
            for i in range(size - away):
                total[i + away] += down * f[i]
            if periodic:
                for i in range(away):
                    total[size - away + i] += up * f[i]
                    total[i] += down * f[size - away + i]
