"""The drift and the diffusivity of a process at points inside cells, refused where a generator cannot use them."""

from __future__ import annotations

from typing import Any

import numpy as np

from fpsde.errors import InvalidInput
from fpsde.grid import Grid


def half_cell_coefficients(process: Any, grid: Grid, t: float, nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mu and D in the lower and the upper half of each cell, each ``(2, n_nodes, n)``.

    ``nodes`` (n_nodes,) lie in (0, 1), counted from the centre of a cell outward: no end of a cell is ever read.
    """
    steps = nodes[:, None] * (0.5 * grid.widths)
    x = np.stack([grid.centres - steps, grid.centres + steps]).ravel()
    shape = (2, len(nodes), -1)
    return drift_at(process, x, t).reshape(shape), diffusivity_at(process, x, t).reshape(shape)


def drift_at(process: Any, x: np.ndarray, t: float) -> np.ndarray:
    """Return mu at the points ``x``; InvalidInput, with the place, where it is not finite."""
    mu = np.broadcast_to(np.asarray(process.ito_drift(x, t), dtype=float), x.shape)
    _refuse_where(~np.isfinite(mu), x, t, f"the drift of {process.name}", mu, "be finite")
    return mu


def diffusivity_at(process: Any, x: np.ndarray, t: float) -> np.ndarray:
    """Return D at the points ``x``; InvalidInput, with the place, where it is not finite and positive."""
    d = np.broadcast_to(np.asarray(process.diffusivity(x, t), dtype=float), x.shape)
    _refuse_where(~(np.isfinite(d) & (d > 0)), x, t, f"the diffusivity of {process.name}", d, "be finite and positive")
    return d


def _refuse_where(bad: np.ndarray, x: np.ndarray, t: float, what: str, values: np.ndarray, must: str) -> None:
    if bad.any():
        worst = int(np.argmin(np.where(bad, x, np.inf)))
        raise InvalidInput(
            f"{what} is {values[worst]} at x={x[worst]}, t={t} ({np.count_nonzero(bad)} of {len(x)} points); "
            f"inside the grid it must {must}"
        )
