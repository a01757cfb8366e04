"""The error of a grid solution from three grids: Roache's grid-convergence index, as a tolerance for comparisons.

    p_obs:  |f_1 - f_2|/|f_2 - f_3| = (h_1^p - h_2^p)/(h_2^p - h_3^p)

The index, its order and its factors of safety stand in ``richardson``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsde.checks.order_fit import in_order, refinement, window_order
from fpsde.errors import InvalidInput, NotConverged
from fpsde.richardson import CONFIRMED_SAFETY, lacking, safety_and_order
from fpsde.validation import positive

#: Smallest refinement ratio whose differences say anything.
SMALLEST_RATIO = 1.1


@dataclass(frozen=True)
class GridConvergence:
    """``tau`` bounds the sup-norm error of the finest solution; ``order`` was observed (None: equal to round-off).

    ``asymptotic`` is GCI_12/(r^p GCI_23) with the formal order: near 1 where the grids are fine enough.
    """

    tau: float
    order: float | None
    expected: float
    safety: float
    asymptotic: float | None
    widths: tuple[float, ...]


def grid_convergence(widths: Any, solutions: Any, *, expected: float) -> GridConvergence:
    """Return the grid-convergence index of the last three of several grids.

    Parameters
    ----------
    widths : (n_grids,) at least 3, strictly decreasing or increasing; neighbours differ by a factor of 1.1 or more
    solutions : (n_grids, n_points) values at common points: the distribution function at the faces of the coarsest grid
    expected : formal order

    Raises NotConverged where the differences between grids do not fall.
    """
    levels = refinement("widths", widths, least=3)
    h, values = levels[0][-3:], in_order("solutions", solutions, levels, ndim=2)[-3:]
    if np.min(h[:-1] / h[1:]) < SMALLEST_RATIO:
        raise InvalidInput(f"widths {h.tolist()} are too close together; refine by {SMALLEST_RATIO} or more")
    coarse, fine = (float(d) for d in np.max(np.abs(np.diff(values, axis=0)), axis=1))
    return _index(h, coarse, fine, positive("expected", expected))


def _index(h: np.ndarray, coarse: float, fine: float, formal: float) -> GridConvergence:
    widths, ratio = tuple(h.tolist()), float(h[1] / h[2])
    if fine == 0:
        return GridConvergence(0.0, None, formal, CONFIRMED_SAFETY, None, widths)
    p = window_order(h, np.array([coarse, fine]))
    if math.isnan(p):
        raise NotConverged(
            f"solutions on widths {widths} differ by {coarse:.3g}, then {fine:.3g}: no order can be read; "
            f"refine the grid until the differences fall"
        )
    safety, order = safety_and_order(p, formal)
    tau = safety * lacking(0.0, fine, ratio, order)
    expected_ratio = ((h[0] / h[1]) ** formal - 1) / (1 - ratio**-formal)
    return GridConvergence(tau, p, formal, safety, coarse / fine / expected_ratio, widths)
