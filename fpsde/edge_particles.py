"""Edge 1: the particles follow the law of their own scheme, with nothing forgiven."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fpsde import checks
from fpsde.checks import CheckResult, Verdict
from fpsde.corners import Corners
from fpsde.density import Law
from fpsde.ensemble import Ensemble
from fpsde.integrators import Snapshots
from fpsde.laws import SchemeLaw
from fpsde.processes.process import Process
from fpsde.question import Question
from fpsde.schemes import Scheme, euler_maruyama

#: Sampling checks that share the level of the edge.
N_CHECKS = 5
#: Particles whose whole paths are kept for the innovations.
PATHS = 2**14
#: Steps from which on the 32 bits of the default normals have mixed so far that positions no longer coincide.
MIXED = 4


def particle_edge(q: Question, corners: Corners, law: SchemeLaw) -> tuple[list[CheckResult], Ensemble]:
    """Return the verdicts on the particles, and the run that was judged."""
    alpha = q.alpha / N_CHECKS
    process, scheme = corners.claimed(q.process), corners.stated(q.scheme)
    run = corners.particles(process, scheme, x0=q.x0, times=q.times(), n_particles=q.n_particles, seed=q.key("end"))
    run = run.whole()  # Ctrl-C ends the verdict with the run: a part of the particles is not what was asked for
    rows = [
        checks.density(run, law.law, alpha=alpha),
        checks.moments(run, law.law, orders=(1, 2), alpha=alpha),
        _neighbours(q, run.positions[0], law.law, alpha),
        _copies(q, run, law.law, alpha),
        _innovations(q, corners, process, scheme, alpha),
    ]
    return rows, run


def ranks(x: np.ndarray, law: Law, seed: int) -> np.ndarray:
    """Return F(x-) + V (F(x) - F(x-)) with uniform V: uniform on (0, 1) if x has the law, atoms or not."""
    u, uniform = law.cdf(x), np.random.Generator(np.random.Philox(seed))
    for at, mass in law.atoms:
        here = x == at
        u[here] -= mass * uniform.random(int(here.sum()))
    return u


def _neighbours(q: Question, x: np.ndarray, law: Law, alpha: float) -> CheckResult:
    """Judge neighbouring particles by the correlation of their ranks, which are uniform."""
    u, even = ranks(x, law, q.key("ranks")), len(x) // 2 * 2
    return replace(checks.correlation(u[:even:2], u[1:even:2], alpha=alpha), check="independence")


def _copies(q: Question, run: Ensemble, law: Law, alpha: float) -> CheckResult:
    """Judge whether noise was used twice, however far apart."""
    if q.n_steps < MIXED:
        detail = f"positions after {q.n_steps} steps have few random bits and may coincide"
        return CheckResult("distinct values", Verdict.NOT_APPLICABLE, detail=detail)
    return checks.distinct(run, law, alpha=alpha, spacing=_lattice(q))


def _lattice(q: Question) -> float:
    """Return the spacing of the lattice of positions that are a constant plus equal multiples of normals, else 0.

    Float32-grade normals below 1 are multiples of 2^-24; any dependence of a step on x mixes the lattice away.
    """
    s = q.process.statement
    mixed = not q.process.additive or any(e.free_symbols & set(s.x) for e in s.ito_drift)
    return 0.0 if mixed else 2.0**-24 * float(q.process.noise_coefficient(0.0)) * float(np.sqrt(q.dt))


def _innovations(q: Question, corners: Corners, process: Process, scheme: Scheme, alpha: float) -> CheckResult:
    """Judge the increments of whole paths, where the step is x + mu dt + sigma dW and no wall changes it."""
    if scheme is not euler_maruyama or process.intervals[0].walled:
        return CheckResult("innovations", Verdict.NOT_APPLICABLE, detail="the step is not x + mu dt + sigma dW alone")
    times, n = q.times(), min(PATHS, q.n_particles)
    run = corners.particles(
        process, scheme, x0=q.x0, times=times, n_particles=n, seed=q.key("paths"), observers=(Snapshots(times[1:]),)
    )
    paths = [x[0] for _, x in run.whole().snapshots]
    if q.point is None:
        if q.n_steps < 2:
            return CheckResult("innovations", Verdict.NOT_APPLICABLE, detail="the start of a single step is not kept")
        times = times[1:]
    else:
        paths.insert(0, np.full(n, q.point))
    return checks.innovations(
        np.stack(paths), times, drift=process.ito_drift, sigma=process.noise_coefficient, alpha=alpha
    )
