"""Where the density of a chain of two components begins: at its start, or where the first steps make one of a point.

Noise along one axis makes a line of a point. Letters without noise bend it to a curve x(zeta), zeta ~ N(0, 1), and the
next noise along an axis i, from a(zeta) with variance s^2(zeta), spreads it: with j the other axis,

    p(y_j, y_i) = phi(zeta) / |a_j'(zeta)| N(y_i; a_i(zeta), s^2(zeta)),     a_j(zeta) = y_j
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.polynomial import Chebyshev

from fpsde.errors import InvalidInput
from fpsde.joint_law import JointNormal
from fpsde.laws.normal_step import AFFINE, NormalStep
from fpsde.laws.plane_lines import REACH, normal_density
from fpsde.laws.plane_operator import Plane

#: Nodes in zeta, the relative size that the last coefficients there must have fallen to, and the solution for zeta:
#: points of a table, corrections by Newton's method.
SERIES, RESOLVED, TABLE, CORRECTIONS = 96, 1e-11, 1001, 4

Curve = Callable[[np.ndarray], np.ndarray]  #: zeta (k,) -> points (2, k)


@dataclass(frozen=True, eq=False)
class Beginning:
    """The first density: after so many letters of a step, at the nodes of a plane, and its narrowest widths."""

    step: int
    letter: int
    density: Callable[[Plane], np.ndarray]
    widths: np.ndarray


def beginning(steps: Sequence[NormalStep], start: JointNormal, when: np.ndarray) -> Beginning:
    """Return where the density begins of a chain whose step is made of ``steps``, one after the other.

    InvalidInput where a curve turns back, or where no density comes about by the end of the time grid ``when``.
    """
    if np.any(start.covariance):
        density = partial(Plane.normal, mean=start.mean, covariance=start.covariance)
        return Beginning(0, 0, density, np.sqrt(np.diag(start.covariance)))
    zeta = np.polynomial.chebyshev.chebpts1(SERIES) * REACH
    curve: Curve = partial(_standing, start.mean)
    for n, k in itertools.product(range(len(when) - 1), range(len(steps))):
        t, dt, step = float(when[n]), float(when[n + 1] - when[n]), steps[k]
        A, C = step.at(curve(zeta), t, dt)
        still = np.ptp(A, axis=1) <= AFFINE * np.maximum(1.0, np.abs(A).max(axis=1))
        after = (n, k + 1) if k + 1 < len(steps) else (n + 1, 0)
        if not np.any(C):
            curve = partial(_moved, curve, step, t, dt)
            continue
        if np.all(C[0, 0] * C[1, 1] > C[0, 1] ** 2) and np.all(still):
            density = partial(Plane.normal, mean=A[:, 0], covariance=C[:, :, 0])
            return Beginning(*after, density, np.sqrt(np.diag(C[:, :, 0])))
        along = [i for i in (0, 1) if np.any(C[i, i])]
        if len(along) > 1:
            raise InvalidInput(
                "noise that is singular, and not along one axis, gives a step from a point no density; take a "
                "splitting, whose letters act along one axis each, or a start with a density"
            )
        i, j = along[0], 1 - along[0]
        if not still[j]:
            series = _rising(lambda zeta: step.at(curve(zeta), t, dt)[0][j], j)  # noqa: B023
            return Beginning(*after, partial(_spread, curve, step, t, dt, i, series), _widths(zeta, A, C, i))
        slope = float(A[i, 0] - A[i, -1]) / float(zeta[0] - zeta[-1])
        middle = float(np.mean(A[i]))
        if np.ptp(C[i, i]) or np.abs(A[i] - middle - slope * zeta).max() > AFFINE * max(1.0, np.abs(A[i]).max()):
            raise InvalidInput(
                "the noise of two letters meets along one axis, and the second one does not make a normal law of the "
                "first one's; give a start with a density"
            )
        base = np.where(np.arange(2) == i, middle, A[:, 0])
        curve = partial(_line, base, np.where(np.arange(2) == i, np.sqrt(slope**2 + C[i, i, 0]), 0.0))
    raise InvalidInput(
        "from a point these steps end on a curve, which has no density, to the end of the run; take more steps, or a "
        "start with a density, such as a JointNormal"
    )


def _standing(point: np.ndarray, zeta: np.ndarray) -> np.ndarray:
    return np.repeat(point[:, None], len(zeta), axis=1)


def _line(base: np.ndarray, slopes: np.ndarray, zeta: np.ndarray) -> np.ndarray:
    return base[:, None] + slopes[:, None] * zeta


def _moved(curve: Curve, step: NormalStep, t: float, dt: float, zeta: np.ndarray) -> np.ndarray:
    return step.at(curve(zeta), t, dt)[0]


def _spread(curve: Curve, step: NormalStep, t: float, dt: float, i: int, series: Chebyshev, plane: Plane) -> np.ndarray:
    """Return the density that noise along axis ``i`` makes of a curve, at the nodes of a plane.

    ``series`` is a_j(zeta) along the other axis.
    """
    j = 1 - i
    line, other = plane.lines[j], plane.lines[i]
    slopes, table = series.deriv(), np.linspace(-REACH, REACH, TABLE)
    values = series(table)
    rises = 1 if values[-1] > values[0] else -1
    p = np.zeros((len(line), len(other)))
    for image in line.images(values, 0.0):
        y = line.nodes + image
        inside = (y > values.min()) & (y < values.max())
        zeta = np.interp(y[inside], values[::rises], table[::rises])
        for _ in range(CORRECTIONS):
            zeta = np.clip(zeta - (series(zeta) - y[inside]) / slopes(zeta), -REACH, REACH)
        A, C = step.at(curve(zeta), t, dt)
        p[inside] += (normal_density(zeta, 0.0, 1.0) / np.abs(slopes(zeta)) * other.normal(A[i], C[i, i])).T
    return p if j == 0 else p.T


def _rising(f: Callable[[np.ndarray], np.ndarray], j: int) -> Chebyshev:
    """Return f on [-REACH, REACH] as a series; InvalidInput where it is not smooth enough for one, or turns back."""
    found = Chebyshev.interpolate(f, SERIES - 1, domain=[-REACH, REACH])
    sizes = np.abs(found.coef)
    if sizes[-4:].max() > RESOLVED * sizes.max():
        raise InvalidInput(
            "from a point the first steps end on a curve that is not smooth enough; take a smaller dt, or a start with "
            "a density"
        )
    slopes = found.deriv()(np.linspace(-REACH, REACH, TABLE))
    if not (np.all(slopes > 0) or np.all(slopes < 0)):
        raise InvalidInput(
            f"from a point the chain lies on a curve that turns back along axis {j}: the density has an edge there; "
            "take a smaller dt, or a start with a density"
        )
    return found


def _widths(zeta: np.ndarray, A: np.ndarray, C: np.ndarray, i: int) -> np.ndarray:
    """Return the standard deviations along each axis given the other one, the smallest of where the chain may be."""
    near = np.abs(zeta) < 0.5 * REACH
    slopes = np.abs(np.gradient(A, zeta, axis=1))[:, near]
    s = np.sqrt(C[i, i, near])
    given = np.min(slopes[1 - i] * s / np.hypot(slopes[i], s))
    return np.array([np.min(s), given]) if i == 0 else np.array([given, np.min(s)])
