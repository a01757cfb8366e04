"""One step of a chain of two components as an operator on densities at equally spaced nodes of a box.

    p'(y) = sum_j h_1 h_2 N(y; A(x_j), C(x_j)) p(x_j)           a step x' = A(x) + B(x) z with noise along both axes

    p'(y_i) = sum_l h_i N(y_i; a + c x_l, s^2) p(x_l)           a step along one axis, a, c and s by line
    p'(y_i) = sum_l sinc((y_i - a - x_l)/h_i) p(x_l)            the same without noise, which shifts each line

For a smooth density that decays before the ends both sums converge exponentially with the nodes: the first is the
trapezoid rule, the second is exact for a density without frequencies above pi/h.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr

from fpsde.errors import InvalidInput
from fpsde.laws.normal_step import AFFINE, NormalStep

#: Standard deviations beyond which a normal law is nothing: 1e-18 of its density.
REACH = 9.0
#: Squares of deviations beyond which exp is 0 to a double's range: numbers that small cost a hundred times as much.
FAR = 600.0
#: Entries of a kernel that is no product of two, 0.5 GiB.
MOST_ENTRIES = 2**26


@dataclass(frozen=True, eq=False)
class Operator:
    """What a step makes of a density ``(n_1, n_2)``, and the probability to leave the box from each node."""

    of: Callable[[np.ndarray], np.ndarray]
    out: np.ndarray


@dataclass(frozen=True, eq=False)
class Plane:
    """Equally spaced nodes of a box, ``(n_1,)`` and ``(n_2,)``; they begin and end at its ends."""

    lines: tuple[np.ndarray, ...]

    @property
    def spacing(self) -> np.ndarray:
        return np.array([line[1] - line[0] for line in self.lines])

    @property
    def points(self) -> np.ndarray:
        """All nodes, ``(2, n_1 n_2)``; the second axis runs first."""
        return np.stack([g.ravel() for g in np.meshgrid(*self.lines, indexing="ij")])


def operator(step: NormalStep, plane: Plane, t: float, dt: float, *, to: Plane | None = None) -> Operator:
    """Return the operator of one step, from densities on a plane to those on ``to``: the same plane if left out.

    A step along one axis alone stays on its plane: InvalidInput where another one is given.
    """
    x, onto = plane.points, plane if to is None else to
    A, C = step.at(x, t, dt)
    out = np.zeros(x.shape[1])
    for i, line in enumerate(onto.lines):
        if np.any(C[i, i] > 0):
            s = np.sqrt(C[i, i])
            out += ndtr((line[0] - A[i]) / s) + ndtr((A[i] - line[-1]) / s)
        else:
            out += (A[i] < line[0]) | (A[i] > line[-1])
    still = [bool(np.all(C[i, i] == 0) and np.all(A[i] == x[i])) for i in (0, 1)]
    if any(still) and to is not None:
        raise InvalidInput("a step along one axis alone stays on its plane")
    of = _along(0 if still[1] else 1, A, C, plane) if any(still) else _along_both(A, C, plane, onto)
    return Operator(of, out.reshape([len(line) for line in plane.lines]))


def widths(step: NormalStep, plane: Plane, t: float, dt: float) -> np.ndarray:
    """Return the smallest standard deviation of the noise along each axis, infinite where none acts."""
    _, C = step.at(plane.points, t, dt)
    return np.array([float(np.sqrt(np.min(C[i, i]))) if np.any(C[i, i] > 0) else np.inf for i in (0, 1)])


def normal_density(y: Any, mean: Any, variance: Any) -> Any:
    """Return the density of N(mean, variance) at y; what lies so far out that it would underflow is 0."""
    square = (y - mean) ** 2 / variance
    return np.where(square < FAR, np.exp(-0.5 * np.minimum(square, FAR)), 0.0) / np.sqrt(2 * np.pi * variance)


def _along_both(A: np.ndarray, C: np.ndarray, plane: Plane, to: Plane) -> Callable[[np.ndarray], np.ndarray]:
    if not np.all(C[0, 0] * C[1, 1] > C[0, 1] ** 2):
        raise InvalidInput(
            "noise that is singular, and not along one axis, gives a step no density; take a splitting, whose letters "
            "act along one axis each, or a scheme with noise along both"
        )
    volume, n = float(np.prod(plane.spacing)), A.shape[1]
    first, second = to.lines
    if np.all(C[0, 1] == 0):
        return _by_products(A, C, plane, to)
    entries = n * len(first) * len(second)
    if entries > MOST_ENTRIES:
        raise InvalidInput(
            f"correlated noise needs a kernel of {entries * 8 / 2**30:.1f} GiB on {n} nodes, more than "
            f"{MOST_ENTRIES * 8 / 2**30:g}; take a smaller box, a larger dt or a wider tolerance"
        )
    slope = C[0, 1] / C[0, 0]
    given = A[1] + slope * (first[:, None] - A[0])  # the mean of the second component given the first
    K = normal_density(first[:, None], A[0], C[0, 0])[:, None] * normal_density(
        second[None, :, None], given[:, None], C[1, 1] - slope * C[0, 1]
    )
    return lambda p: volume * (K @ p.ravel())


def _by_products(A: np.ndarray, C: np.ndarray, plane: Plane, to: Plane) -> Callable[[np.ndarray], np.ndarray]:
    """Return what a step with independent noise along the axes makes of a density: its kernel is a product of two.

    From each line of nodes along the second axis it reaches a strip of the first one alone.
    """
    (first, second), volume = to.lines, float(np.prod(plane.spacing))
    shape = [len(line) for line in plane.lines]
    a, b, c, d = (values.reshape(shape) for values in (A[0], A[1], C[0, 0], C[1, 1]))
    strips = []
    for mean, variance, other, spread in zip(a, c, b, d, strict=True):
        far = REACH * np.sqrt(variance)
        low, high = np.searchsorted(first, [np.min(mean - far), np.max(mean + far)])
        G1 = normal_density(first[low:high, None], mean, variance)
        strips.append((slice(low, high), volume * G1, normal_density(second[:, None], other, spread).T))

    def of(p: np.ndarray) -> np.ndarray:
        out = np.zeros((len(first), len(second)))
        for density, (rows, G1, G2) in zip(p, strips, strict=True):
            out[rows] += (G1 * density) @ G2
        return out

    return of


def _along(i: int, A: np.ndarray, C: np.ndarray, plane: Plane) -> Callable[[np.ndarray], np.ndarray]:
    """Return what a step along axis i makes of a density, line by line: x_i' = a + c x_i + s z."""
    shape = tuple(len(line) for line in plane.lines)
    ends, variances = (np.moveaxis(values.reshape(shape), i, 1) for values in (A[i], C[i, i]))  # (lines, n_i)
    line, h = plane.lines[i], plane.spacing[i]
    if np.all(variances > 0):
        M = h * normal_density(line[None, :, None], ends[:, None], variances[:, None])
    elif np.any(variances > 0) or np.max(np.abs(np.diff(ends, axis=1) - h)) > AFFINE * np.abs(ends).max():
        raise InvalidInput("a part without noise along an axis shifts lines; this one stretches them")
    else:
        M = np.sinc((line[None, :, None] - ends[:, None]) / h)  # (lines, to, from)

    def of(p: np.ndarray) -> np.ndarray:
        lines = np.moveaxis(p, i, 1)
        return np.moveaxis(np.matmul(M, lines[:, :, None])[:, :, 0], 1, i)

    return of
