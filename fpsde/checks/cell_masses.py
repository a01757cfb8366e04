"""The door for the masses of cells, and for what is allowed on each."""

from __future__ import annotations

from typing import Any

import numpy as np

from fpsde.checks.design import Design
from fpsde.errors import InvalidInput
from fpsde.validation import finite_array


def masses_and_tolerance(
    n_j: np.ndarray, masses: Any, tolerance: Any, **options: Any
) -> tuple[np.ndarray, np.ndarray, Design]:
    """Return masses and tolerances, both ``(n_cells,)`` as the counts ``n_j``, and the design with ``options``.

    A tolerance that is an array holds one bound for each cell; the design has none then.
    """
    p, by_cell = finite_array("masses", masses, ndim=1), isinstance(tolerance, np.ndarray)
    if n_j.shape != p.shape:
        raise InvalidInput(f"{len(n_j)} counts for {len(p)} masses; give one mass for each count, outer cells included")
    design = Design.of(tolerance=0.0 if by_cell else tolerance, **options)
    return p, _by_cell(tolerance, len(p)) if by_cell else np.full(len(p), design.tau), design


def _by_cell(tolerance: np.ndarray, n_cells: int) -> np.ndarray:
    tau = finite_array("tolerance", tolerance, ndim=1)
    if len(tau) != n_cells or np.any(tau < 0):
        raise InvalidInput(
            f"tolerance has {len(tau)} entries, the least {tau.min()}, for {n_cells} cells; "
            f"give one bound >= 0 for each"
        )
    return tau
