"""Solutions of Fokker-Planck equations, asked on grids that are halved."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from fpsde import checks
from fpsde.audit.claimed import claim
from fpsde.audit.findings import ALGEBRA, END, LEVELS, ORDER, Audit, Judge, Level, Quantity, fails, holds, judged
from fpsde.audit.foreign import as_array
from fpsde.checks import Verdict
from fpsde.density import CellLaw
from fpsde.edge_solver import CELLS
from fpsde.grid import Grid
from fpsde.processes.process import Process
from fpsde.question import projected
from fpsde.schemes import euler_maruyama
from fpsde.validation import positive, refuse_no_function

#: How often the grid is halved, less one.
GRIDS = 5
#: Mass that may be lost or made, and negative mass, of all of it.
MASS, NEGATIVE = 1e-8, 1e-12
ROUND_OFF = 1e-12
#: Share of the error of the variance from which on the mean (in standard deviations) is off: a drift moves both.
CLEAR = 0.1


def solution(
    solve: Callable[[np.ndarray], Any],
    process: Process,
    *,
    x0: Any = None,
    t_end: float | None = None,
    window: tuple[float, float] | None = None,
    order: float = 2.0,
    positive_everywhere: bool = True,
    tolerance: float = 1e-3,
) -> Audit:
    """Return the audit of ``solve(faces)``: the masses (n,) of the cells between ``faces`` (n + 1,) at ``t_end``.

    Algebra: shapes, mass 1 to 1e-8, no negative mass. Order: of the distribution function on 100, 200, ..., 1600
    equal cells of the ``window``, against the closed form or fpsde's own extrapolated solution, with its intercept: a
    wrong drift or diffusivity does not go away. End law: on the finest grid within ``tolerance``. The time step is the
    solver's own business, and must fall with the cells. ``positive_everywhere=False`` claims no positivity.

    Raises InvalidInput for what is no function or process, and errors of the reference.
    """
    refuse_no_function("the code", solve, "solve(faces)")
    allowed = positive("tolerance", tolerance)
    stated = claim(process, euler_maruyama, x0=x0, t_end=t_end, window=window)
    low, high = stated.question.window

    @cache
    def masses() -> list[np.ndarray]:
        return [as_array("the solution", solve(np.linspace(low, high, CELLS * 2**k + 1))) for k in range(GRIDS)]

    def invariants() -> Level:
        for k, m in enumerate(masses()):
            cells = CELLS * 2**k
            if m.shape != (cells,):
                return fails(
                    ALGEBRA, Quantity.SHAPE, f"shape {m.shape} came back for {cells} cells; ({cells},) is needed"
                )
            if not np.isfinite(m).all():
                return fails(ALGEBRA, Quantity.FINITE, f"{cells} cells: some masses are NaN or infinite")
            if abs(m.sum() - 1) > MASS:
                return fails(ALGEBRA, Quantity.MASS, f"{cells} cells hold the mass {m.sum():.8g}")
            if positive_everywhere and m.min() < -NEGATIVE:
                return fails(ALGEBRA, Quantity.SIGN, f"{cells} cells: the most negative holds {m.min():.3g}")
        return holds(ALGEBRA, f"{GRIDS} grids hold the mass 1" + (", none of it negative" * positive_everywhere))

    @cache
    def errors() -> np.ndarray:
        reference = stated.solved[1]
        found = [CellLaw(Grid((np.linspace(low, high, len(m) + 1),)), m) for m in masses()]
        return np.array([law.cdf(reference.faces) for law in found]) - reference.cdf

    def orders() -> Level:
        reference = stated.solved[1]
        widths = [(high - low) / (CELLS * 2**k) for k in range(GRIDS)]
        result = checks.grid_order(widths, projected(errors()), expected=order, floor=max(ROUND_OFF, 2 * reference.tau))
        off = result.verdict is Verdict.FAIL
        return Level(ORDER, result.verdict, _what_is_off() if off else None, result.detail, (result,))

    def _what_is_off() -> Quantity:
        """Return what the finest solution differs in, if its error does not go away with the cells."""
        sizes = np.abs(errors()).max(axis=1)
        if sizes[-1] < 0.75 * sizes[-2]:
            return Quantity.ORDER
        law, right = CellLaw(Grid((np.linspace(low, high, len(masses()[-1]) + 1),)), masses()[-1]), stated.solved[1].law
        mean = abs(law.mean - right.mean) / math.sqrt(right.variance)
        return Quantity.MEAN if mean > CLEAR * abs(law.variance / right.variance - 1) else Quantity.VARIANCE

    def end() -> Level:
        off = float(np.abs(errors()[-1]).max())
        told = f"the distribution function on the finest grid is off by {off:.3g}, {allowed:g} is allowed"
        return holds(END, told) if off <= allowed else fails(END, Quantity.LAW, told)

    judges: dict[str, Judge | str] = dict.fromkeys(LEVELS, "masses at the end are all that comes back")
    judges |= {ALGEBRA: invariants, ORDER: orders, END: end}
    return judged(f"a solution of {process.name}", "solve(faces)", judges, 0.0)
