"""The drift and the diffusivity of a process at points inside cells, refused where a generator cannot use them."""

from __future__ import annotations

from typing import Any

import numpy as np

from fpsde.errors import InvalidInput
from fpsde.grid import Grid
from fpsde.jit import kernel

#: A determinant of D above minus this part of D_11 D_22 is zero but for round-off.
ROUND_OFF = 1e-12
#: The largest number below zero: what lies above it is not negative.
LEAST = np.nextafter(0.0, -1.0)


def half_cell_coefficients(process: Any, grid: Grid, t: float, nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mu and D in the lower and the upper half of each cell, each ``(2 n_nodes n,)``: halves, nodes, cells.

    ``nodes`` (n_nodes,) lie in (0, 1), counted from the centre of a cell outward: no end of a cell is ever read.
    """
    x = np.empty(2 * len(nodes) * grid.shape[0])
    place_in_halves(grid.faces, nodes, x)
    return drift_and_diffusivity(process, x, t)


@kernel()
def place_in_halves(faces, nodes, x):
    """Write where :func:`half_cell_coefficients` reads, ``(2 n_nodes n,)``."""
    halves = x.reshape(2, len(nodes), len(faces) - 1)
    for k in range(len(nodes)):
        for i in range(len(faces) - 1):
            centre, step = 0.5 * (faces[i + 1] + faces[i]), nodes[k] * (0.5 * (faces[i + 1] - faces[i]))
            halves[0, k, i], halves[1, k, i] = centre - step, centre + step


def drift_and_diffusivity(
    process: Any, x: np.ndarray, t: float, *, drift_from: int = 0, may_vanish: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return mu at the points ``x`` from one on, and D at all of them.

    Raises InvalidInput, with the place, where mu is not finite, or D not finite and positive (or it ``may_vanish``).
    """
    bound, must = (LEAST, "be finite and not negative") if may_vanish else (0.0, "be finite and positive")
    moving = x[drift_from:]
    mu, d = _filling(moving, process.ito_drift(moving, t)), _filling(x, process.diffusivity(x, t))
    if unusable(mu, d, bound):
        if beyond(mu, -np.inf):
            raise _refusal(~np.isfinite(mu), moving, t, f"the drift of {process.name}", mu, "be finite")
        bad = ~(np.isfinite(d) & (d > bound))
        raise _refusal(bad, x, t, f"the diffusivity of {process.name}", d, must)
    return mu, d


def indefinite(d: np.ndarray) -> np.ndarray:
    """Return where D ``(1, 1, ...)`` or ``(2, 2, ...)`` is not positive semi-definite, ``(n,)``."""
    return below_zero(np.ascontiguousarray(d).reshape(len(d), len(d), -1))


@kernel(portable=True)
def below_zero(d):
    """As :func:`indefinite`, of D ``(1, 1, n)`` or ``(2, 2, n)``."""
    found = np.empty(d.shape[2], np.bool_)
    for i in range(d.shape[2]):
        if len(d) == 1:
            found[i] = d[0, 0, i] < 0
        else:
            product = d[0, 0, i] * d[1, 1, i]
            determinant = product - d[0, 1, i] * d[1, 0, i]
            found[i] = (d[0, 0, i] < 0) | (d[1, 1, i] < 0) | (determinant < -ROUND_OFF * product)
    return found


def _filling(x: np.ndarray, values: Any) -> np.ndarray:
    values = np.asarray(values, dtype=float)
    filled = values if values.shape == x.shape else np.broadcast_to(values, x.shape)
    return np.ascontiguousarray(filled)


@kernel(portable=True)
def unusable(mu, d, bound):
    """Return at how many points mu is not finite, or D not finite and above ``bound``."""
    return beyond(mu, -np.inf) + beyond(d, bound)


@kernel(portable=True)
def beyond(values, bound):
    """Return how many values are not above ``bound`` and finite.

    They are counted: a test that may end the loop, or a smallest value, would keep it from being vectorised.
    """
    count = 0
    for i in range(len(values)):
        count += not ((values[i] > bound) & (values[i] < np.inf))
    return count


def _refusal(bad: np.ndarray, x: np.ndarray, t: float, what: str, values: np.ndarray, must: str) -> InvalidInput:
    worst = int(np.argmin(np.where(bad, x, np.inf)))
    return InvalidInput(
        f"{what} is {values[worst]} at x={x[worst]}, t={t} ({np.count_nonzero(bad)} of {len(x)} points); "
        f"inside the grid it must {must}"
    )
