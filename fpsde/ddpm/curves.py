"""Data along curves in the plane: a point of the curve plus normal noise, as mixtures of round normals.

The density of c(u) + width z, u uniform on (0, 1), is the integral of N(x; c(u), width^2 I) over u. Gauss-Legendre
quadrature, with nodes closer than the width, gives it to about 1e-12 of its height: the data are that mixture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from fpsde.errors import InvalidInput
from fpsde.gaussian_mixture import GaussianMixture, round_mixture
from fpsde.validation import finite_array, integer, positive

Curve = Callable[[np.ndarray], np.ndarray]
#: The widest gaps between nodes, and those that the curves of this file leave at most, in widths.
WIDEST, GAP = 0.9, 0.8


def along_curves(curves: Sequence[Curve], *, width: float, nodes: int) -> GaussianMixture:
    """Return the law of c(u) + width z, with one of the curves picked at random and u uniform on (0, 1).

    A curve maps u (n,) to points (2, n); ``nodes`` are quadrature nodes on each. InvalidInput where neighbours are
    further apart than 0.9 widths, beyond which the error exp(-2 pi^2 (width/gap)^2) of the sum is above 1e-10.
    """
    width, m = positive("width", width), integer("nodes", nodes, least=2)
    u, w = np.polynomial.legendre.leggauss(m)
    points = [np.asarray(curve(0.5 + 0.5 * u), dtype=float) for curve in curves]
    gap = max(float(np.hypot(*np.diff(at, axis=1)).max()) for at in points)
    if gap > WIDEST * width:
        raise InvalidInput(
            f"nodes={m} leaves gaps of {gap:.3g} on a curve of width {width}; take at least {round(m * gap / width)}"
        )
    weights = np.tile(0.5 * w, len(points)) / len(points)
    return round_mixture(weights / weights.sum(), np.concatenate(points, axis=1).T, np.full(len(weights), width))


def two_moons(width: float = 0.1) -> GaussianMixture:
    """Return two half circles, (cos pi u, sin pi u) and (1 - cos pi u, 1/2 - sin pi u), of the given width."""

    def upper(u: np.ndarray) -> np.ndarray:
        return np.stack([np.cos(np.pi * u), np.sin(np.pi * u)])

    return along_curves([upper, lambda u: np.array([[1.0], [0.5]]) - upper(u)], width=width, nodes=_nodes(np.pi, width))


def swiss_roll(width: float = 0.05) -> GaussianMixture:
    """Return the roll (t cos t, t sin t)/10, t = (3 pi/2)(1 + 2u), of the given width."""

    def roll(u: np.ndarray) -> np.ndarray:
        t = 1.5 * np.pi * (1 + 2 * u)
        return 0.1 * t * np.stack([np.cos(t), np.sin(t)])

    return along_curves([roll], width=width, nodes=_nodes(0.45 * np.pi * 3 * np.pi, width))


def rings(radii: Sequence[float] = (0.5, 1.2), width: float = 0.08) -> GaussianMixture:
    """Return circles around the origin, each picked with the same probability, of the given width."""
    sizes = finite_array("radii", radii, ndim=1)
    if np.any(sizes <= 0):
        raise InvalidInput(f"radii={sizes.tolist()} must be positive")

    def circle(r: float) -> Curve:
        return lambda u: r * np.stack([np.cos(2 * np.pi * u), np.sin(2 * np.pi * u)])

    nodes = _nodes(2 * np.pi * float(sizes.max()), width)
    return along_curves([circle(float(r)) for r in sizes], width=width, nodes=nodes)


def spirals(arms: int = 2, width: float = 0.05) -> GaussianMixture:
    """Return ``arms`` spirals r = 0.2 + u, angle 3 pi u + 2 pi k/arms, of the given width."""
    n = integer("arms", arms, least=1)

    def arm(k: int) -> Curve:
        def points(u: np.ndarray) -> np.ndarray:
            angle = 3 * np.pi * u + 2 * np.pi * k / n
            return (0.2 + u) * np.stack([np.cos(angle), np.sin(angle)])

        return points

    return along_curves([arm(k) for k in range(n)], width=width, nodes=_nodes(1.2 * 3 * np.pi, width))


def pinwheel(arms: int = 5, width: float = 0.08) -> GaussianMixture:
    """Return ``arms`` bent arms: radius r ~ N(1, 0.3^2), angle 2 pi k/arms + r, and normal noise of the given width.

    The normal law of r is summed in equal steps over 7 standard deviations on either side.
    """
    n, width = integer("arms", arms, least=1), positive("width", width)
    longest = 0.3 * np.hypot(1, 1 + 0.3 * 7)  # what a step in standard deviations moves a point of the arm
    scores = np.linspace(-7, 7, 1 + int(np.ceil(14 * longest / (GAP * width))))
    weights = np.exp(-0.5 * scores**2)
    r = 1 + 0.3 * scores
    angles = [r + 2 * np.pi * k / n for k in range(n)]
    means = np.concatenate([r * np.stack([np.cos(a), np.sin(a)]) for a in angles], axis=1).T
    return round_mixture(np.tile(weights / (n * weights.sum()), n), means, np.full(len(means), width))


def _nodes(length: float, width: float) -> int:
    """Return a number of Gauss-Legendre nodes on a curve of this length that are closer than ``GAP`` widths."""
    return int(np.ceil(0.5 * np.pi * length / (GAP * positive("width", width))))
