"""Edge 3: the Fokker-Planck solution against the laws that are known. It is judged first, and gives the reference."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fpsde import checks
from fpsde.checks import CheckResult, Verdict
from fpsde.corners import Corners
from fpsde.density import Law
from fpsde.domain import Wall
from fpsde.errors import InvalidInput, NotConverged
from fpsde.fokker_planck.refinement import evolve_refined
from fpsde.fokker_planck.results import Evolution
from fpsde.fokker_planck.solver import FokkerPlanck
from fpsde.grid import Grid
from fpsde.panel_law import PanelLaw
from fpsde.processes.process import Process
from fpsde.question import Question, Reference, blind, bounded, projected

#: Cells of the coarsest grid, and how often it is halved; time steps are halved with them.
CELLS, LEVELS = 100, 4
#: Time steps on the coarsest grid.
STEPS = 50
#: Negative mass, relative to all of it, that is round-off.
NEGATIVE = 1e-14
#: Mass of a known law outside of the window up to which it fits.
FITS = 1e-7
#: Errors of distribution functions up to this size are round-off.
ROUND_OFF = 1e-12
#: Panels on which a stationary law is found by quadrature; its error is read from half of them.
PANELS = 1024


def solver_edge(q: Question, corners: Corners) -> tuple[list[CheckResult], Reference]:
    """Return the verdicts on the solver, and the reference that edge 2 may use.

    Raises InvalidInput where the window does not hold or resolve the law.
    """
    exact = closed_form(q)
    faces = np.linspace(*q.window, CELLS + 1)
    if q.process.tables and exact is not None:
        detail = "coefficients that jump from step to step have no order in time"
        return [CheckResult("closed form", Verdict.NOT_APPLICABLE, detail=detail)], _closed(exact, faces)
    solvers = [corners.solver(q.process, Grid.uniform(q.window, cells=CELLS * 2**k)) for k in range(LEVELS)]
    try:
        runs = [s.evolve(q.x0, t_end=q.t_end, dt=q.t_end / (STEPS * 2**k)) for k, s in enumerate(solvers)]
    except InvalidInput as error:
        return _spilled(q, solvers[-1], exact, faces, error)
    rows, widths = _invariants(runs[-1]), [(faces[1] - faces[0]) / 2**k for k in range(LEVELS)]
    found = np.array([run.law.cdf(faces) for run in runs])
    stationary = _against_stationary(q.process, solvers, faces, widths)
    if exact is not None:
        order = checks.grid_order(widths, projected(found - exact.cdf(faces)), expected=2.0, floor=ROUND_OFF)
        return [*rows, replace(order, check="closed form"), *stationary], _closed(exact, faces)
    order = checks.grid_order(widths, found, expected=2.0, floor=ROUND_OFF)
    refined = evolve_refined(solvers[1], q.x0, t_end=q.t_end, dt=q.t_end / (2 * STEPS))
    reference = Reference(
        law=refined.law,
        faces=refined.faces,
        cdf=refined.cdf,
        tau=refined.tau_cdf,
        source="Fokker-Planck, extrapolated",
        proven=any(row.verdict is Verdict.PASS for row in stationary),
    )
    return [*rows, replace(order, check="grid convergence"), *stationary], reference


def closed_form(q: Question) -> Law | None:
    """Return the law of the process at ``t_end`` where it is known from this start."""
    exact = q.process.exact
    if exact.law is not None and q.x0 is q.process.setting.x0:
        return exact.law(q.t_end)
    if q.point is not None:
        return exact.transition(q.point, q.t_end) if exact.transition else None
    return exact.marginal(q.x0, q.t_end) if exact.marginal and isinstance(q.x0, Law) else None


def stationary_by_quadrature(process: Process, window: tuple[float, float], *, panels: int = PANELS) -> PanelLaw | None:
    """Return the stationary law  (1/D) exp(int mu/D) / Z  between the ends of the window, from the coefficients alone.

    None where the process has no such law (time dependence, an absorbing wall, a ring) or the integral fails.
    """
    walls = {process.intervals[0].low_wall, process.intervals[0].high_wall}
    if process.time_dependent or walls & {Wall.ABSORBING, Wall.PERIODIC}:
        return None
    faces = np.linspace(*window, panels + 1)
    with np.errstate(all="ignore"):
        slope = PanelLaw.from_density(lambda x: process.ito_drift(x) / process.diffusivity(x), faces)
        x = np.linspace(*window, 8 * panels + 1)[1:-1]
        top = np.max(slope.cdf(x) - np.log(process.diffusivity(x)))
        law = PanelLaw.from_density(
            lambda x: np.exp(slope.cdf(x) - top) / process.diffusivity(x), faces, normalise=True
        )
    return law if np.isfinite(law.values).all() else None


def _closed(exact: Law, faces: np.ndarray) -> Reference:
    return Reference(exact, faces, exact.cdf(faces), 1e-13, "closed form", proven=True)


def _invariants(run: Evolution) -> list[CheckResult]:
    allowed = 1e-13 * np.sqrt(run.n_steps) + abs(run.outside)
    return [
        bounded("mass", run.mass_error, allowed, "mass lost or made, absorbing walls counted"),
        bounded("positivity", max(0.0, -run.minimum), NEGATIVE, "most negative cell of the whole run"),
    ]


def _against_stationary(
    process: Process, solvers: list[FokkerPlanck], faces: np.ndarray, widths: list[float]
) -> list[CheckResult]:
    """Judge the solver's stationary law by the closed form, or by quadrature; nothing where there is none."""
    window, floor = (float(faces[0]), float(faces[-1])), ROUND_OFF
    law: Law | None = process.exact.stationary() if process.exact.stationary and not process.time_dependent else None
    if law is None:
        law, half = (stationary_by_quadrature(process, window, panels=n) for n in (PANELS, PANELS // 2))
        if law is None or half is None:
            return []
        floor = max(floor, 10 * float(np.max(np.abs(law.cdf(faces) - half.cdf(faces)))))
    try:
        errors = np.array([s.stationary().law.cdf(faces) for s in solvers]) - law.cdf(faces)
    except (InvalidInput, NotConverged) as error:
        return [CheckResult("stationary law", Verdict.NOT_APPLICABLE, detail=str(error))]
    order = replace(checks.grid_order(widths, projected(errors), expected=2.0, floor=floor), check="stationary law")
    if blind(order, floor):
        detail = f"quadrature of the stationary law is good to {floor:.1g} only, and no error exceeds that"
        return [CheckResult("stationary law", Verdict.NOT_APPLICABLE, detail=detail)]
    return [order]


def _spilled(
    q: Question, finest: FokkerPlanck, exact: Law | None, faces: np.ndarray, error: InvalidInput
) -> tuple[list[CheckResult], Reference]:
    """Judge a solver that refuses its grid: wrong if the law that is known fits there and finer cells do not help."""
    known = exact if exact is not None else q.process.exact.stationary and q.process.exact.stationary()
    if known is None or known.cdf(faces[0]) + 1 - known.cdf(faces[-1]) > FITS:
        raise error
    try:
        finest.evolve(q.x0, t_end=q.t_end, dt=q.t_end / (STEPS * 2 ** (LEVELS - 1)))
    except InvalidInput:
        detail = f"the law that is known lies within [{faces[0]:g}, {faces[-1]:g}], but: {error}"
        row, source = CheckResult("mass", Verdict.FAIL, detail=detail), "closed form" if exact is not None else "none"
        return [row], replace(_closed(known, faces), source=source)
    raise InvalidInput(
        f"{CELLS} cells do not resolve {q.process.name} on [{faces[0]:g}, {faces[-1]:g}]; give a narrower window "
        f"(window=(low, high), or --window LOW HIGH)"
    ) from error
