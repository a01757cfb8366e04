"""The co-normal D n of a reflecting wall: the direction in which correlated noise is reflected.

No flux through a wall of component i is  n.(mu p - div(D p)) = 0;  its process is pushed back along D n, so that while
the wall moves x_i by l, it moves x_j by l D_ij/D_ii. Where c_j = D_ij/D_ii is the same everywhere, the wall leaves
y_j = x_j - c_j x_i alone, and the noise of y_j is uncorrelated with that of x_i: mirroring x_i and shifting x_j is the
symmetrised step of (x_i, y), of the same weak order, and exact where the coefficients are constant. A direction that
changes along the wall would cost half an order (it is known at the start of a step only), so it is refused; one that
changes in time does not.

Source: Gobet, Ann. Inst. H. Poincaré Probab. Statist. 37 (2001) 695; Bossy, Gobet & Talay, J. Appl. Probab. 41 (2004)
877.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import sympy as sp

from fpsde.errors import Unsuited
from fpsde.schemes.noise_types import is_black_box
from fpsde.schemes.walls import reflects

#: Correlation coefficient below which constant noise of a black box is uncorrelated: rounding of the product.
UNCORRELATED = 1e-14


@lru_cache(maxsize=256)
def conormals(process: Any) -> Mapping[int, Mapping[int, Any]]:
    """Return D_ij/D_ii where it is not zero, by i and j, for each component i with a reflecting wall.

    The ratios are expressions in the symbols of the statement, or numbers for a black box. Raises Unsuited where there
    is no reflection that is right: x_i without noise of its own, a ratio that depends on x or is not known, and walls
    of both components, which would be a wedge.
    """
    walled = [i for i, interval in enumerate(process.intervals) if reflects(interval)]
    ratios = _of_black_box if is_black_box(process) else _of_statement
    out = {i: ratios(process, i) for i in walled}
    for i, row in out.items():
        for j in row:
            interval = process.intervals[j]
            if interval.walled and not interval.periodic:
                raise Unsuited(
                    f"components {i} and {j} of {process.name} have correlated noise and meet in a corner of two "
                    "walls, a wedge in which no step here is right; give one of them no wall, or state noise that is "
                    "uncorrelated"
                )
    return out


def _of_statement(process: Any, i: int) -> dict[int, sp.Expr]:
    D, x = process.statement.diffusivity, process.statement.x
    if D[i, i] == 0:
        raise _without_noise(process, i)
    found = {}
    for j in range(len(x)):
        ratio = sp.Integer(0) if j == i or D[i, j] == 0 else sp.simplify(D[i, j] / D[i, i])
        if ratio.free_symbols & set(x):
            raise Unsuited(
                f"the noise of components {i} and {j} of {process.name} is correlated, and D_{i}{j}/D_{i}{i} = {ratio} "
                f"depends on x; a reflecting wall of component {i} needs it to be 0, or the same everywhere"
            )
        if ratio != 0:
            found[j] = ratio
    return found


def _of_black_box(process: Any, i: int) -> dict[int, float]:
    sigma = process.constant_sigma
    if sigma is None and process.sigma_is_diagonal:
        return {}
    if sigma is None:
        raise Unsuited(
            f"component {i} of {process.name} has a reflecting wall, and whether its noise is correlated with that of "
            "others cannot be seen in a function sigma (x, t) -> (d, m, n); give sigma as an array (d, m), or noise "
            "with one channel for each component"
        )
    if not np.any(sigma[i]):
        raise _without_noise(process, i)
    if process.sigma_is_diagonal:
        return {}
    D = 0.5 * sigma @ sigma.T
    size = np.sqrt(D[i, i] * np.diagonal(D))
    return {j: float(D[i, j] / D[i, i]) for j in range(len(D)) if j != i and abs(D[i, j]) > UNCORRELATED * size[j]}


def _without_noise(process: Any, i: int) -> Unsuited:
    return Unsuited(
        f"component {i} of {process.name} has a reflecting wall and no noise of its own: the wall would have to turn a "
        "velocity, which no step here does; put no wall there, and a steep potential in its place"
    )
