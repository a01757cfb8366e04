"""One step of a chain of two components as an operator on densities at equally spaced nodes of a plane.

    p'(y) = sum_j h_1 h_2 N(y; A(x_j), C(x_j)) p(x_j)           a step x' = A(x) + B(x) z with noise along both axes

    p'(y_i) = sum_l h_i N(y_i; a + c x_l, s^2) p(x_l)           a step along one axis, a, c and s by line
    p'(y_i) = sum_l sinc((y_i - a - x_l)/h_i) p(x_l)            the same without noise, which shifts each line

For a smooth density that decays before the ends, or has a period, the sums converge exponentially with the nodes: the
first is the trapezoid rule, the last interpolates (:mod:`fpsde.laws.plane_lines`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from fpsde.errors import InvalidInput
from fpsde.laws.normal_step import AFFINE, NormalStep
from fpsde.laws.plane_lines import FAR, Line, joint_densities

#: Entries of a kernel that is no product of two, 0.5 GiB.
MOST_ENTRIES = 2**26
#: Nodes of a line that are moved at once.
STRETCH = 64


@dataclass(frozen=True, eq=False)
class Operator:
    """What a step makes of a density ``(n_1, n_2)``, and the probability to leave the box from each node."""

    of: Callable[[np.ndarray], np.ndarray]
    out: np.ndarray


@dataclass(frozen=True, eq=False)
class Plane:
    """The product of two lines of nodes."""

    lines: tuple[Line, Line]

    @classmethod
    def of(
        cls, ends: Sequence[tuple[float, float]], counts: Sequence[int], *, periodic: Sequence[bool] = (False, False)
    ) -> Plane:
        """Return lines of about so many nodes each, between the ``ends`` (low, high)."""
        first, second = (Line.of(*end, n, periodic=ring) for end, n, ring in zip(ends, counts, periodic, strict=True))
        return cls((first, second))

    @property
    def shape(self) -> tuple[int, int]:
        first, second = self.lines
        return len(first), len(second)

    @property
    def volume(self) -> float:
        """The area that belongs to a node."""
        first, second = self.lines
        return first.spacing * second.spacing

    @property
    def points(self) -> np.ndarray:
        """All nodes, ``(2, n_1 n_2)``; the second axis runs first."""
        return np.stack([g.ravel() for g in np.meshgrid(*(line.nodes for line in self.lines), indexing="ij")])

    def normal(self, mean: np.ndarray, covariance: np.ndarray) -> np.ndarray:
        """Return the density of N(mean, covariance) at the nodes, ``(n_1, n_2)``."""
        found = np.zeros(self.shape)
        for first, second in joint_densities(self.lines, mean[:, None], covariance[:, :, None]):
            found += first * second[..., 0]
        return found


def operator(step: NormalStep, plane: Plane, t: float, dt: float, *, to: Plane | None = None) -> Operator:
    """Return the operator of one step, from densities on a plane to those on ``to``: the same plane if left out.

    A step along one axis alone stays on its plane: InvalidInput where another one is given.
    """
    x, onto = plane.points, plane if to is None else to
    A, C = step.at(x, t, dt)
    out = sum(line.lost(A[i], C[i, i]) for i, line in enumerate(onto.lines))
    still = [bool(np.all(C[i, i] == 0) and np.all(A[i] == x[i])) for i in (0, 1)]
    if any(still) and to is not None:
        raise InvalidInput("a step along one axis alone stays on its plane")
    of = _along(0 if still[1] else 1, A, C, plane) if any(still) else _along_both(A, C, plane, onto)
    return Operator(of, np.reshape(out, plane.shape))


def widths(step: NormalStep, plane: Plane, t: float, dt: float) -> np.ndarray:
    """Return the smallest standard deviation of the noise along each axis, infinite where none acts."""
    _, C = step.at(plane.points, t, dt)
    return np.array([float(np.sqrt(np.min(C[i, i]))) if np.any(C[i, i] > 0) else np.inf for i in (0, 1)])


def _along_both(A: np.ndarray, C: np.ndarray, plane: Plane, to: Plane) -> Callable[[np.ndarray], np.ndarray]:
    if not np.all(C[0, 0] * C[1, 1] > C[0, 1] ** 2):
        raise InvalidInput(
            "noise that is singular, and not along one axis, gives a step no density; take a splitting, whose letters "
            "act along one axis each, or a scheme with noise along both"
        )
    if np.all(C[0, 1] == 0):
        return _by_products(A, C, plane, to)
    n = A.shape[1]
    entries = n * to.shape[0] * to.shape[1]
    if entries > MOST_ENTRIES:
        raise InvalidInput(
            f"correlated noise needs a kernel of {entries * 8 / 2**30:.1f} GiB on {n} nodes, more than "
            f"{MOST_ENTRIES * 8 / 2**30:g}; take a smaller box, a larger dt or a wider tolerance"
        )
    K = np.zeros((*to.shape, n))
    for first, second in joint_densities(to.lines, A, C):
        K += np.multiply(first[:, None], second, out=second)
    K *= plane.volume
    return lambda p: K @ p.ravel()


def _by_products(A: np.ndarray, C: np.ndarray, plane: Plane, to: Plane) -> Callable[[np.ndarray], np.ndarray]:
    """Return what a step with independent noise along the axes makes of a density: its kernel is a product of two.

    A stretch of a line of nodes along the second axis reaches a rectangle alone.
    """
    first, second = to.lines
    a, b, c, d = (values.reshape(plane.shape) for values in (A[0], A[1], C[0, 0], C[1, 1]))
    pieces = []
    for j, start in product(range(plane.shape[0]), range(0, plane.shape[1], STRETCH)):
        at = (j, slice(start, start + STRETCH))
        rows, G1 = reached(first, a[at], c[at])
        columns, G2 = reached(second, b[at], d[at])
        pieces.append((at, rows, columns, plane.volume * G1, np.ascontiguousarray(G2.T)))

    def of(p: np.ndarray) -> np.ndarray:
        out = np.zeros(to.shape)
        for at, rows, columns, G1, G2 in pieces:
            out[rows, columns] += (G1 * p[at]) @ G2
        return out

    return of


def reached(line: Line, mean: np.ndarray, variance: np.ndarray) -> tuple[slice, np.ndarray]:
    """Return the nodes that normal laws reach, and their densities there."""
    far = np.sqrt(FAR * variance)
    nodes = line.within(float(np.min(mean - far)), float(np.max(mean + far)))
    return nodes, replace(line, nodes=line.nodes[nodes]).normal(mean, variance)


def _along(i: int, A: np.ndarray, C: np.ndarray, plane: Plane) -> Callable[[np.ndarray], np.ndarray]:
    """Return what a step along axis i makes of a density, line by line: x_i' = a + c x_i + s z."""
    ends, variances = (np.moveaxis(values.reshape(plane.shape), i, 1) for values in (A[i], C[i, i]))  # (lines, n_i)
    line = plane.lines[i]
    h = line.spacing
    if np.all(variances > 0):
        M = np.ascontiguousarray(np.moveaxis(h * line.normal(ends, variances), 0, 1))  # (lines, to, from)
    elif np.any(variances > 0) or np.max(np.abs(np.diff(ends, axis=1) - h)) > AFFINE * np.abs(ends).max():
        raise InvalidInput("a part without noise along an axis shifts lines; this one stretches them")
    else:
        M = line.shifted(ends)

    def of(p: np.ndarray) -> np.ndarray:
        lines = np.moveaxis(p, i, 1)
        return np.moveaxis(np.matmul(M, lines[:, :, None])[:, :, 0], 1, i)

    return of
