"""strong_order(): the order of the errors of paths, measured on one Brownian path read at all step sizes.

    e(h) = (E |X_h - X|^2)^(1/2) at the end,    log e(h) = a + p log h + b h

The levels share their paths, so their errors are correlated; the covariance of their logarithms is estimated from the
same particles (delta method), and the fit is by generalised least squares with it. The term in h takes what the next
order of the expansion adds at large steps. What is left of it is not known: the interval is wider by as much as the
order changes when the largest step is left out, and no sharper than checks.order states one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from scipy import special

from fpsde.checks import Verdict
from fpsde.checks.order_fit import SHARPEST
from fpsde.domain import LINE
from fpsde.errors import InvalidInput, UnstableStep
from fpsde.integrators import simulate
from fpsde.model_functions import call
from fpsde.noise import Normals
from fpsde.processes.process import Exact, Process
from fpsde.processes.statement import sigma_matrix
from fpsde.provenance import environment
from fpsde.schemes.scheme import Scheme
from fpsde.symbolic import Traced
from fpsde.validation import finite_array, integer, positive, probability

#: Numbers of steps of a study, and its particles.
STEPS, PARTICLES = (32, 64, 128, 256, 512, 1024), 100_000
#: Orders that an interval must tell apart, and the half width above which it is too wide to say anything.
CANDIDATES, WIDEST = (0.5, 1.0, 1.5, 2.0), 0.25
#: Levels read one Brownian path where their Brownian motions agree so far.
SAME_PATH = 1e-9
#: Where errors are this small against what the solution is, they are round-off.
ROUND_OFF = 1e-12
EXACT, SUCCESSIVE = "exact path", "successive steps"


@dataclass(frozen=True, eq=False)
class StrongOrder:
    """Root mean square errors by step size, and the verdict on their order.

    ``order``, ``low`` and ``high`` are None where the study is underpowered. ``source`` says what the paths were
    compared with: the exact path, or that of half the step, which shows an order but no wrong limit. The verdict is
    PASS where the interval holds the order that is claimed and no other, FAIL where it lies below, NOT_APPLICABLE where
    it holds a higher one (the term that limits the order drops out on this process), UNDERPOWERED where it is too wide
    or the steps are too large.
    """

    dts: np.ndarray
    errors: np.ndarray
    standard_errors: np.ndarray
    theory: float
    order: float | None
    low: float | None
    high: float | None
    constant: float  #: e(h) = constant h^order
    verdict: Verdict
    detail: str
    source: str
    provenance: Mapping[str, Any]


def strong_order(
    process: Process,
    scheme: Scheme,
    *,
    seed: int,
    x0: float | Sequence[float] | None = None,
    t_end: float | None = None,
    steps: Sequence[int] = STEPS,
    n_particles: int = PARTICLES,
    alpha: float = 1e-6,
) -> StrongOrder:
    """Return whether (E |X_h - X|^2)^(1/2) falls like the strong order that the scheme claims on the noise at hand.

    X is the exact solution where the process states it as a function of W (``exact.path``), and the scheme moves a
    component with the equation dx = dW by dW (Leimkuhler and Matthews' does not); elsewhere successive steps are
    compared, X_h with X_(h/2).

    Parameters
    ----------
    seed : of the paths.
    x0, t_end : start (a point) and horizon, in place of those of the process's setting.
    steps : numbers of steps, at least four, each twice the one before.
    n_particles : paths.
    alpha : probability that the interval of the order misses it.

    Raises
    ------
    InvalidInput   a scheme that claims no strong order on the noise of the process, or that does not refine; bad steps
    UnstableStep   paths that are not finite
    """
    theory = scheme.strong_order(process)
    if math.isinf(theory):
        raise InvalidInput(f"{scheme.name} claims to be exact on {process.name}: there is no order to measure")
    numbers = _doubling(steps)
    horizon = positive("t_end", process.setting.t_end if t_end is None else t_end)
    given: Any = process.setting.x0 if x0 is None else x0
    start = finite_array("x0", np.atleast_1d(given), ndim=1)
    if len(start) != process.dim:
        raise InvalidInput(f"x0 has {len(start)} components, {process.name} has {process.dim}; give one for each")
    count, level = integer("n_particles", n_particles, least=100), probability("alpha", alpha)
    squares, source = _squared_errors(process, scheme, start, horizon, numbers, count, seed)
    dts = horizon / np.array(numbers[: len(squares)])
    means = squares.mean(axis=1)
    if np.all(np.sqrt(means) <= ROUND_OFF * max(1.0, np.abs(start).max())):
        raise InvalidInput(f"{scheme.name} is exact on {process.name} up to round-off: there is no order to measure")
    spread = np.cov(squares / means[:, None]) / (4 * count)  # of log e
    order, half, log_constant = _fit(dts, 0.5 * np.log(means), spread, level)
    verdict, detail = _judged(order, half, theory)
    shown = verdict is not Verdict.UNDERPOWERED
    return StrongOrder(
        dts=dts,
        errors=np.sqrt(means),
        standard_errors=np.sqrt(means * np.diag(spread)),
        theory=theory,
        order=order if shown else None,
        low=order - half if shown else None,
        high=order + half if shown else None,
        constant=math.exp(log_constant),
        verdict=verdict,
        detail=detail,
        source=source,
        provenance={
            "process": process.name,
            "scheme": scheme.name,
            "x0": start.tolist(),
            "t_end": horizon,
            "n_particles": count,
            "seed": seed,
            "alpha": level,
            **environment(),
        },
    )


def with_brownian_motions(process: Process) -> Process:
    """Return the process with the Brownian motions that drive it as further components, which start at 0.

    What a scheme does to the components of the process is what it does without them.
    """
    d, m = process.dim, process.channels

    def own(x: Any) -> Any:
        return x[0] if d == 1 else tuple(x[:d])

    def drift(x: Any, t: Any, p: Any) -> Any:
        stated = call(process.drift, own(x), t, p)
        return (*((stated,) if d == 1 else stated), *(0.0,) * m)

    def sigma(x: Any, t: Any, p: Any) -> Any:
        b = sigma_matrix(process.sigma, (own(x), t, p), d)
        rows = [[Traced(b[i, k]) for k in range(m)] for i in range(d)]
        return rows + [[1.0 if i == k else 0.0 for k in range(m)] for i in range(m)]

    return replace(
        process,
        drift=drift,
        sigma=sigma,
        dim=d + m,
        domain=(*process.intervals, *(LINE,) * m),
        exact=Exact(),
        energy=None,
        potential=None,
        sample=None,
        factory=None,
    )


def _doubling(steps: Sequence[int]) -> list[int]:
    numbers = [integer("steps", n, least=1) for n in steps]
    if len(numbers) < 4 or any(fine != 2 * coarse for coarse, fine in pairwise(numbers)):
        raise InvalidInput(f"steps={numbers}; give at least four numbers, each twice the one before")
    return numbers


def _squared_errors(
    process: Process, scheme: Scheme, start: np.ndarray, t_end: float, steps: list[int], count: int, seed: int
) -> tuple[np.ndarray, str]:
    """Return |X_h - X|^2 at the end for each number of steps and each particle, ``(levels, n)``, and what X is."""
    path = process.exact.path
    simulated = process if path is None else with_brownian_motions(process)
    x0 = tuple(start) if path is None else (*start, *(0.0,) * process.channels)
    ends = []
    for n in steps:
        run = simulate(
            simulated,
            scheme,
            x0=x0 if simulated.dim > 1 else x0[0],
            t_end=t_end,
            dt=t_end / n,
            refinement=steps[-1] // n,
            n_particles=count,
            seed=seed,
            normals=Normals.FLOAT64,
        ).whole()
        if run.not_finite:
            raise UnstableStep(
                f"{run.not_finite} of {count} paths of {process.name} are not finite with {n} steps of {scheme.name}; "
                "start from more steps"
            )
        ends.append(run.positions)
    d = process.dim
    w = ends[-1][d:]
    if path is None or any(np.abs(x[d:] - w).max() > SAME_PATH for x in ends):
        return np.stack([np.sum((a[:d] - b[:d]) ** 2, axis=0) for a, b in pairwise(ends)]), SUCCESSIVE
    if d == 1 and process.channels == 1:
        exact = np.asarray(path(float(start[0]), t_end, w[0]))[None]
    else:
        exact = np.asarray(path(start, t_end, w))
    return np.stack([np.sum((x[:d] - exact) ** 2, axis=0) for x in ends]), EXACT


def _fit(h: np.ndarray, logs: np.ndarray, spread: np.ndarray, alpha: float) -> tuple[float, float, float]:
    """Return p, the half width of its interval, and a, by generalised least squares."""
    estimator = _estimator(h, spread)
    a, p, _ = estimator @ logs
    remainder = max(abs(p - (_estimator(h[1:], spread[1:, 1:]) @ logs[1:])[1]), SHARPEST)
    error = math.sqrt(float((estimator @ spread @ estimator.T)[1, 1]))
    return float(p), float(special.ndtri(1 - alpha / 2) * error + remainder), float(a)


def _estimator(h: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Return the rows ``(3, levels)`` that make a, p and b of logarithms with the covariance ``spread``."""
    rows = np.stack([np.ones(len(h)), np.log(h), h], axis=1)
    # a model of three terms is not exact: its error keeps nearly equal levels from being weighed against each other
    weights = np.linalg.inv(spread + 0.01 * np.trace(spread) / len(h) * np.eye(len(h)))
    return np.linalg.solve(rows.T @ weights @ rows, rows.T @ weights)


def _judged(order: float, half: float, theory: float) -> tuple[Verdict, str]:
    text = f"order {order:.3f}, between {order - half:.3f} and {order + half:.3f}, claimed is {theory:g}"
    held = [c for c in sorted({theory, *CANDIDATES}) if abs(c - order) <= half]
    if half > WIDEST or len(held) > 1:
        also = f"; it may be {' or '.join(f'{c:g}' for c in held)}" if len(held) > 1 else ""
        text = f"an interval of half width {half:.2g} is too wide to say{also}: take more paths, or more steps"
        return Verdict.UNDERPOWERED, text
    if theory in held:
        return Verdict.PASS, text
    if order < theory:
        return Verdict.FAIL, text
    if not held:
        return Verdict.UNDERPOWERED, text + "; no order lies there, so the steps are still too large: take more of them"
    return Verdict.NOT_APPLICABLE, text + "; what limits the order drops out on this process: take another one"
