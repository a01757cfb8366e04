"""The random inputs of one step as nodes and weights: expectations over the noise are weighted sums.

Gauss-Hermite nodes for the normals, every value of the two- and three-point variables. Where a step accepts or rejects,
what it leads to has a kink in z, so panels take the place of the nodes; the uniform variable that decides is left out.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Sequence

import numpy as np

from fpsde.schemes.inputs import UNIFORM, RandomInput

#: Gauss-Hermite nodes for each normal, by the number of continuous normals of a step.
NODES = {0: 1, 1: 48, 2: 20, 3: 12, 4: 8}
#: Panels on [-REACH, REACH] where a step accepts or rejects, and Gauss-Legendre nodes on each.
PANELS, POINTS, REACH = 128, 4, 9.0

Inputs = Sequence[tuple[RandomInput, int]]


def noise_rule(
    inputs: Inputs, nodes: int | None = None, *, without: Collection[int] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """Return normals ``(r, n)`` of a step and weights ``(n,)``, whose weighted sums are expectations.

    ``inputs`` are the kinds of a step with how many of each it takes. ``nodes`` replaces the number of nodes for each
    normal, or of panels where a step accepts or rejects. The two normals of a uniform variable are left at zero: a
    chain takes what they decide with its probability. So are the normals in the rows ``without``, which are not summed.
    """
    if nodes is None:
        nodes = PANELS if row_of_uniform(inputs) is not None else NODES[continuous_normals(inputs)]
    one_normal = _panels(nodes) if row_of_uniform(inputs) is not None else np.polynomial.hermite_e.hermegauss(nodes)
    gauss = list(zip(one_normal[0], one_normal[1] / one_normal[1].sum(), strict=True))
    rows: list[list[tuple[float, float]]] = []
    for kind, count in inputs:
        one = [(0.0, 1.0)] if kind is UNIFORM else gauss if kind.support is None else _discrete(kind)
        rows += [one] * (kind.normals * count)
    for row in without:
        rows[row] = [(0.0, 1.0)]
    product = list(itertools.product(*rows))
    points = np.array([[z for z, _ in values] for values in product]).T.reshape(len(rows), len(product))
    return points, np.array([math.prod(w for _, w in values) for values in product])


def continuous_normals(inputs: Inputs) -> int:
    """Return how many normals of a step are continuous."""
    return len(continuous_rows(inputs))


def continuous_rows(inputs: Inputs) -> list[int]:
    """Return the rows of the continuous normals of a step: neither discrete nor those of a uniform variable."""
    kinds = [kind for kind, count in inputs for _ in range(kind.normals * count)]
    return [row for row, kind in enumerate(kinds) if kind.support is None and kind is not UNIFORM]


def row_of_uniform(inputs: Inputs) -> int | None:
    """Return the first row of the uniform variable among the normals of a step, or None where it takes none."""
    row = 0
    for kind, count in inputs:
        if kind is UNIFORM:
            return row
        row += kind.normals * count
    return None


def _panels(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return Gauss-Legendre nodes on n panels, and weights with the density of a standard normal."""
    z, w = np.polynomial.legendre.leggauss(POINTS)
    half = REACH / n
    middles = half * (2 * np.arange(n) + 1) - REACH
    points = (middles[:, None] + half * z).ravel()
    return points, np.tile(w, n) * np.exp(-0.5 * points**2)


def _discrete(kind: RandomInput) -> list[tuple[float, float]]:
    """Return a normal that gives each value of a discrete variable, with the probability of the value."""
    found = []
    for value, probability in kind.support or ():
        z = next(z for z in (-2.0, 0.0, 2.0) if kind.form((np.float64(z),), 1.0, 1.0) == value)
        found.append((z, probability))
    return found
