"""The three edges of the chain of laws, each judged by what can differ on it.

particles --1-- law of the scheme --2-- law of the process --3-- closed form, stationary law
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fpsde import checks
from fpsde.checks import CheckResult, Verdict
from fpsde.corners import Corners
from fpsde.density import Law, Point
from fpsde.ensemble import Ensemble
from fpsde.errors import InvalidInput, NotConverged, UnstableStep
from fpsde.fokker_planck import evolve_refined
from fpsde.grid import Grid
from fpsde.integrators import Snapshots
from fpsde.laws import SchemeLaw
from fpsde.processes.process import Process
from fpsde.schemes import Scheme, euler_maruyama

#: Cells of the coarsest Fokker-Planck grid, and how often it is halved; time steps are halved with them.
CELLS, FP_LEVELS = 100, 4
#: Fokker-Planck time steps on the coarsest grid.
FP_STEPS = 50
#: The step of the scheme is halved this often in the study of its order.
DT_LEVELS = 5
#: Particles whose whole paths are kept for the innovations.
PATHS = 2**14
#: Sampling checks of edge 1 that share its level.
SAMPLING_CHECKS = 4
#: Negative mass, relative to all of it, that is round-off.
NEGATIVE = 1e-14
#: Mass of a known law outside of the window up to which it fits.
FITS = 1e-7
#: Probability of leaving the domain during a run up to which it counts as never left.
LEAK = 1e-12


@dataclass(frozen=True)
class Question:
    """What is asked: does ``scheme`` with step ``dt`` up to ``t_end`` agree with the process, corner by corner?"""

    process: Process
    scheme: Scheme
    x0: float | Law
    t_end: float
    dt: float
    window: tuple[float, float]
    n_particles: int
    seed: int
    alpha: float

    @property
    def n_steps(self) -> int:
        return round(self.t_end / self.dt)

    def times(self, refined: int = 1) -> np.ndarray:
        """The step grid ``(n + 1,)``, with each step cut into ``refined``."""
        return np.linspace(0.0, self.t_end, self.n_steps * refined + 1)


@dataclass(frozen=True)
class Reference:
    """The distribution function of the process at ``faces``, good to ``tau``; ``law`` is what it was read from."""

    law: Law
    faces: np.ndarray
    cdf: np.ndarray
    tau: float
    source: str


def solver_edge(q: Question, corners: Corners) -> tuple[list[CheckResult], Reference]:
    """Judge edge 3, the Fokker-Planck solution against what is known, and return the reference that edge 2 may use."""
    exact = _closed_form(q)
    if q.process.tables and exact is not None:
        faces = np.linspace(*q.window, CELLS + 1)
        jumps = CheckResult(
            "closed form",
            Verdict.NOT_APPLICABLE,
            detail="coefficients that jump from step to step have no order in time",
        )
        return [jumps], Reference(exact, faces, exact.cdf(faces), 1e-13, "closed form")
    grids = [Grid.uniform(q.window, cells=CELLS * 2**k) for k in range(FP_LEVELS)]
    solvers = [corners.solver(q.process, grid) for grid in grids]
    faces = grids[0].faces
    try:
        runs = [s.evolve(q.x0, t_end=q.t_end, dt=q.t_end / (FP_STEPS * 2**k)) for k, s in enumerate(solvers)]
    except InvalidInput as error:
        return _spilled(q, exact, faces, error)
    found = np.array([run.law.cdf(faces) for run in runs])
    widths = [float(grid.widths[0]) for grid in grids]
    last = runs[-1]
    rows = [
        _bounded(
            "mass",
            last.mass_error,
            1e-13 * np.sqrt(last.n_steps) + abs(last.outside),
            "mass lost or made, absorbing walls counted",
        ),
        _bounded("positivity", max(0.0, -last.minimum), NEGATIVE, "most negative cell of the whole run"),
    ]
    if exact is not None:
        errors = found - exact.cdf(faces)
        rows.append(_named("closed form", checks.grid_order(widths, projected(errors), expected=2.0, floor=1e-12)))
        reference = Reference(exact, faces, exact.cdf(faces), 1e-13, "closed form")
    else:
        rows.append(_named("grid convergence", checks.grid_order(widths, found, expected=2.0, floor=1e-12)))
        refined = evolve_refined(solvers[1], q.x0, t_end=q.t_end, dt=q.t_end / (FP_STEPS * 2))
        reference = Reference(refined.law, refined.faces, refined.cdf, refined.tau_cdf, "Fokker-Planck, extrapolated")
    if q.process.exact.stationary is not None and not q.process.time_dependent:
        stationary = q.process.exact.stationary()
        errors = np.array([s.stationary().law.cdf(faces) for s in solvers]) - stationary.cdf(faces)
        rows.append(_named("stationary law", checks.grid_order(widths, projected(errors), expected=2.0, floor=1e-12)))
    return rows, reference


def scheme_edge(q: Question, corners: Corners, reference: Reference, *, sound: bool) -> list[CheckResult]:
    """Judge edge 2: the law of the scheme goes to the law of the process like dt^p, with no intercept."""
    if not sound and reference.source != "closed form":
        return [
            CheckResult(
                "weak order",
                Verdict.NOT_JUDGED,
                detail="the Fokker-Planck solution that it would be judged by fails on edge 3",
            )
        ]
    walled = q.process.intervals[0].walled and not q.process.intervals[0].periodic
    try:
        expected = q.scheme.weak_order(additive=q.process.additive, walled=walled)
        laws = [law_of(q, corners, refined=2**k) for k in range(DT_LEVELS)]
    except InvalidInput as error:
        return [CheckResult("weak order", Verdict.NOT_APPLICABLE, detail=str(error))]
    except UnstableStep as error:
        return [CheckResult("weak order", Verdict.FAIL, detail=f"the law of the scheme leaves every box: {error}")]
    except NotConverged as error:
        return [CheckResult("weak order", Verdict.NOT_JUDGED, detail=str(error))]
    errors = np.array([law.law.cdf(reference.faces) for law in laws]) - reference.cdf
    floor = reference.tau + max(law.accuracy for law in laws)
    dts = [q.dt / 2**k for k in range(DT_LEVELS)]
    order = checks.order(dts, projected(errors), expected=expected, floor=floor)
    leak = _bounded(
        "stays in the domain",
        laws[0].leak.total,
        LEAK,
        f"probability of leaving the domain or the box in {q.n_steps} steps",
    )
    return [_named("weak order", order), leak]


def sampling_edge(q: Question, corners: Corners, law: SchemeLaw) -> tuple[list[CheckResult], Ensemble]:
    """Judge edge 1: the particles follow the law of their own scheme, with nothing forgiven."""
    alpha = q.alpha / SAMPLING_CHECKS
    process = corners.claimed(q.process)
    seed = particle_seed(q, "end")
    run = corners.particles(process, q.scheme, x0=q.x0, times=q.times(), n_particles=q.n_particles, seed=seed)
    u = law.law.cdf(run.positions[0])
    half = len(u) // 2
    rows = [
        checks.density(run, law.law, alpha=alpha),
        checks.moments(run, law.law, orders=(1, 2), alpha=alpha),
        _named("independence", checks.correlation(u[: 2 * half : 2], u[1 : 2 * half : 2], alpha=alpha)),
        _innovations(q, corners, process, alpha),
    ]
    return rows, run


def law_of(q: Question, corners: Corners, *, refined: int = 1) -> SchemeLaw:
    """Return the law of the scheme at ``t_end``, with each step cut into ``refined``.

    What a table holds for a step then holds for each of its parts.
    """
    process = corners.claimed(q.process)
    if process.tables:
        process = replace(process, tables={name: np.repeat(values, refined) for name, values in process.tables.items()})
    return corners.law(process, q.scheme, x0=q.x0, times=q.times(refined))


def particle_seed(q: Question, purpose: str) -> int:
    """Return the generator's key for one use in one question, so that no two of a session share their noise."""
    text = f"{q.seed} {q.process.name} {q.scheme.name} {purpose}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def projected(errors: np.ndarray) -> np.ndarray:
    """Return one signed number for each level: the part of the error functions ``(levels, n)`` along the coarsest one.

    It has the size of the coarsest error's largest value; where that leading error does not vanish, neither does its
    projection, and a sign is kept that a norm would lose.
    """
    lead = errors[0]
    size = float(lead @ lead)
    return np.zeros(len(errors)) if size == 0 else errors @ lead * (np.max(np.abs(lead)) / size)


def _closed_form(q: Question) -> Law | None:
    exact = q.process.exact
    point = q.x0.at if isinstance(q.x0, Point) else q.x0
    if not isinstance(point, Law):
        return exact.transition(float(point), q.t_end) if exact.transition else None
    return exact.marginal(point, q.t_end) if exact.marginal else None


def _innovations(q: Question, corners: Corners, process: Process, alpha: float) -> CheckResult:
    """Judge the increments of whole paths, where the step is x + mu dt + sigma dW and no wall changes it."""
    if q.scheme is not euler_maruyama or process.intervals[0].walled:
        return CheckResult("innovations", Verdict.NOT_APPLICABLE, detail="the step is not x + mu dt + sigma dW alone")
    times = q.times()
    n = min(PATHS, q.n_particles)
    seed, observers = particle_seed(q, "paths"), (Snapshots(times[1:]),)
    run = corners.particles(process, q.scheme, x0=q.x0, times=times, n_particles=n, seed=seed, observers=observers)
    paths = np.stack([x[0] for _, x in run.snapshots])
    return checks.innovations(paths, times[1:], drift=process.ito_drift, sigma=process.noise_coefficient, alpha=alpha)


def _spilled(
    q: Question, exact: Law | None, faces: np.ndarray, error: InvalidInput
) -> tuple[list[CheckResult], Reference]:
    """Judge a solver that refuses its grid: wrong if the law that is known fits there, else the grid is too small."""
    known = exact if exact is not None else q.process.exact.stationary and q.process.exact.stationary()
    if known is None or known.cdf(faces[0]) + 1 - known.cdf(faces[-1]) > FITS:
        raise error
    row = CheckResult(
        "mass", Verdict.FAIL, detail=f"the law that is known lies within [{faces[0]:g}, {faces[-1]:g}], but: {error}"
    )
    return [row], Reference(
        known, faces, known.cdf(faces), np.inf, "closed form" if exact is not None else "stationary law"
    )


def _named(name: str, result: Any) -> Any:
    return replace(result, check=name)


def _bounded(name: str, value: float, bound: float, what: str) -> CheckResult:
    """Return a deterministic check: a number that must not exceed its bound."""
    verdict = Verdict.PASS if value <= bound else Verdict.FAIL
    return CheckResult(name, verdict, statistic=value, threshold=bound, tolerance=bound, detail=f"{what}: {value:.2g}")
