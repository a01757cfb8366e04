"""Mean passage times and committors of a plane: the backward equation with the transpose of Q, by sparse factors.

Both solve  sum_j Q_ji u_j = -f_i  on the cells i outside of the sets that stop the process, where u is given. The
matrix is that of a chain that is killed there, which has an inverse if the sets can be reached from everywhere. A set
is made of whole cells, and u is given at their centres: the edge of the set is met to order 1 in the width of a cell.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import SuperLU

from fpsde.errors import InvalidInput, NotConverged
from fpsde.fokker_planck.plane.generator import PlaneGenerator, centres
from fpsde.fokker_planck.plane.propagator import factors
from fpsde.grid import Grid

#: A set of cells: a function (x, y) -> bool of arrays of their centres, or an array (n_1, n_2) of bool.
Region = Callable[[np.ndarray, np.ndarray], Any] | np.ndarray


def cells_in(name: str, region: Region, grid: Grid) -> np.ndarray:
    """Return which cells have their centre in a region, flat ``(n,)``; InvalidInput if none or all have."""
    found = np.asarray(region(*centres(grid)) if callable(region) else region)
    found = np.broadcast_to(found, (int(np.prod(grid.shape)),)) if callable(region) else found
    if found.dtype != bool or found.size != np.prod(grid.shape) or found.shape not in (grid.shape, (found.size,)):
        raise InvalidInput(
            f"{name} has dtype {found.dtype} and shape {found.shape}; give a function (x, y) -> bool of arrays, or an "
            f"array of bool {grid.shape}"
        )
    if found.all() or not found.any():
        raise InvalidInput(f"{name} holds {int(found.sum())} of {found.size} cells; it must hold some, and leave some")
    return found.ravel()


def stopped(q: PlaneGenerator, stops: np.ndarray, values: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Return u ``(n,)``: ``values`` on the cells of ``stops``, and Q^T u = -``source`` on the others.

    Mass that leaves through an absorbing wall brings nothing: u is 0 there. Raises NotConverged where the solution is
    not finite, because the sets cannot be reached from somewhere.
    """
    free = np.flatnonzero(~stops)
    columns = q.matrix[:, free]
    matrix = sparse.csc_array(-columns[free].T)
    given = source[free] + columns[np.flatnonzero(stops)].T @ values[stops]
    u = values.astype(float)
    with np.errstate(all="ignore"):
        try:
            u[free] = factors(matrix).solve(given)
        except RuntimeError:  # an exact zero on the diagonal of the factors
            u[free] = np.nan
    if not np.all(np.isfinite(u)):
        raise NotConverged("the target cannot be reached from some cells of the grid; it must be, from every one")
    return u


def transposed(of: SuperLU, u: np.ndarray) -> np.ndarray:
    """Return the solution of A^T v = u by the factors of A."""
    return of.solve(u, "T")  # type: ignore[call-overload]  # an argument that the stubs do not know
