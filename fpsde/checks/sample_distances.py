"""Distances of samples with error bars: numbers for figures and tables, not verdicts.

A distance of two samples is positive even where their laws are equal. So each estimate comes with its **floor**: the
mean of the same number over samples of the same sizes that were made by relabelling the points of both, where the laws
are equal by construction; and with the standard error by the jackknife that leaves out one of K blocks at a time,

    error^2 = (K - 1)/K sum_k (D_(k) - mean D_(.))^2,

which holds where the distance is well above its floor (near it D is not smooth in the data, and the floor is the
message). A distance is any function of two arrays (d, n), (d, m):

    wasserstein1      integral |F_n - G_m| dx, one component                                   (unit of x)
    sliced_wasserstein  root mean square over directions of the L2 distance of the quantile functions; one component: W2
    energy_distance   2 E|X - Y| - E|X - X'| - E|Y - Y'|, which ``energy`` judges
    mmd(scale)        maximum mean discrepancy: distance of mean embeddings, kernel exp(-|x - y|^2/(2 scale^2))
    transport(p)      W_p in any number of components, by linear programming: needs POT, time n^3
    binned(distance, grid)  any of ``distances`` (total variation, divergences, Hellinger) of histograms, one component

Sources: Efron & Stein (1981, Ann. Statist. 9, 586: jackknife); Bonneel et al. (2015, J. Math. Imaging Vis. 51, 22:
sliced); Gretton et al. (2012, JMLR 13, 723: MMD); Flamary et al. (2021, JMLR 22, 78: POT).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats
from scipy.spatial.distance import cdist

from fpsde.checks.energy_test import permuted_energies
from fpsde.checks.projection_tests import axes_and_diagonals
from fpsde.checks.samples import points_of
from fpsde.checks.wording import plus_minus
from fpsde.density import CellLaw
from fpsde.errors import InvalidInput
from fpsde.grid import Grid
from fpsde.optional import optional
from fpsde.validation import integer, positive, seed64

ot = optional("ot", package="POT")

#: Blocks of the jackknife, and relabellings of which the floor is the mean.
BLOCKS, RELABELLINGS = 20, 20

#: Of samples (d, n) and (d, m).
Distance = Callable[[np.ndarray, np.ndarray], float]


@dataclass(frozen=True)
class Estimate:
    """A distance with its standard error, and the mean ``floor`` of what equal laws show in samples of these sizes."""

    value: float
    error: float
    floor: float

    def __str__(self) -> str:
        """Return "0.503 +- 0.012 (equal laws: 0.041)"."""
        return f"{plus_minus(self.value, self.error)} (equal laws: {self.floor:.2g})"


def estimated(distance: Distance, a: Any, b: Any, *, seed: int = 0) -> Estimate:
    """Return the ``distance`` of two samples (d, n) and (d, m), or (n,) and (m,), with its error and its floor.

    ``b`` may be a function (n, generator) that draws as many points of a law as ``a`` has. ``seed`` is that of the
    relabellings and of what is drawn. Raises InvalidInput for shapes that disagree, fewer than 40 points, and values
    that are NaN or infinite.
    """
    rng = np.random.default_rng(seed64(seed))
    x, bad_x = points_of(a)
    y, bad_y = points_of(b(x.shape[1], rng) if callable(b) else b)
    if len(x) != len(y) or min(x.shape[1], y.shape[1]) < 2 * BLOCKS or bad_x + bad_y:
        raise InvalidInput(
            f"samples of shapes {x.shape} and {y.shape} with {bad_x + bad_y} NaN or infinite values; give finite "
            f"points of as many components, {2 * BLOCKS} or more of each"
        )
    return Estimate(float(distance(x, y)), _jackknife(distance, x, y, rng), _floor(distance, x, y, rng))


def _jackknife(distance: Distance, x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> float:
    left_out = [np.array_split(rng.permutation(points.shape[1]), BLOCKS) for points in (x, y)]
    pairs = zip(*left_out, strict=True)
    without = np.array([distance(np.delete(x, i, axis=1), np.delete(y, j, axis=1)) for i, j in pairs])
    return math.sqrt((BLOCKS - 1) / BLOCKS * float(np.sum((without - without.mean()) ** 2)))


def _floor(distance: Distance, x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> float:
    n, every = x.shape[1], np.hstack([x, y])
    relabelled = (rng.permutation(every, axis=1) for _ in range(RELABELLINGS))
    return float(np.mean([distance(points[:, :n], points[:, n:]) for points in relabelled]))


def wasserstein1(x: np.ndarray, y: np.ndarray) -> float:
    """Return the integral of |F_n - G_m| of samples of one component."""
    return float(stats.wasserstein_distance(*_one_component(x, y)))


def sliced_wasserstein(x: np.ndarray, y: np.ndarray) -> float:
    """Return (mean of W_2^2 along axes and diagonals of every two of them)^(1/2)."""
    along = axes_and_diagonals(len(x)) if len(x) > 1 else np.ones((1, 1))
    return math.sqrt(float(np.mean([_squared_quantile_distance(a @ x, a @ y) for a in along])))


def _squared_quantile_distance(x: np.ndarray, y: np.ndarray) -> float:
    """Return the integral over u of (F_n^-1 - G_m^-1)^2: both are steps, which end at k/n and at k/m."""
    n, m = len(x), len(y)
    ends = np.union1d(np.arange(1, n + 1) / n, np.arange(1, m + 1) / m)
    middle = ends - 0.5 * np.diff(ends, prepend=0.0)
    i, j = (np.minimum((middle * size).astype(np.int64), size - 1) for size in (n, m))
    return float(np.sum(np.diff(ends, prepend=0.0) * (np.sort(x)[i] - np.sort(y)[j]) ** 2))


def energy_distance(x: np.ndarray, y: np.ndarray) -> float:
    """Return 2 E|X - Y| - E|X - X'| - E|Y - Y'| over the points; memory (n + m)^2."""
    return float(permuted_energies(x, y, 0, np.random.default_rng(0))[0])


def mmd(scale: float) -> Distance:
    """Return the distance of mean embeddings for a Gaussian kernel of this width; memory n^2."""
    width = positive("scale", scale)

    def mean_kernel(x: np.ndarray, y: np.ndarray) -> float:
        return float(np.mean(np.exp(-0.5 * cdist(x.T, y.T, "sqeuclidean") / width**2)))

    def distance(x: np.ndarray, y: np.ndarray) -> float:
        return math.sqrt(max(0.0, mean_kernel(x, x) + mean_kernel(y, y) - 2 * mean_kernel(x, y)))

    return distance


def transport(p: int = 2) -> Distance:
    """Return W_p by linear programming, (min over couplings of E|X - Y|^p)^(1/p). Needs POT."""
    power = integer("p", p, least=1)

    def distance(x: np.ndarray, y: np.ndarray) -> float:
        return float(ot.emd2([], [], cdist(x.T, y.T) ** power, numItermax=10**7)) ** (1 / power)

    return distance


def binned(distance: Callable[[CellLaw, CellLaw], float], grid: Grid) -> Distance:
    """Return a distance of laws taken of the histograms of two samples of one component on a grid.

    What binning hides is not in it. Raises InvalidInput where the grid does not hold all values.
    """

    def in_cells(values: np.ndarray) -> CellLaw:
        counts, _ = np.histogram(values, grid.faces)
        if counts.sum() < len(values):
            raise InvalidInput(
                f"{len(values) - counts.sum()} of {len(values)} values lie beside the grid, which goes from "
                f"{grid.faces[0]:g} to {grid.faces[-1]:g}; give a wider one"
            )
        return CellLaw(grid, counts / len(values))

    return lambda x, y: distance(*map(in_cells, _one_component(x, y)))


def _one_component(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if len(x) > 1:
        raise InvalidInput(f"this distance takes one component, and there are {len(x)}; give one, such as x[0]")
    return x[0], y[0]
