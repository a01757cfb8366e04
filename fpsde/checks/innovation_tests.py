"""Innovations: are the increments of paths the steps of the Euler-Maruyama scheme that they claim to be?

    z_k = (X_{k+1} - X_k - b(X_k, t_k) h_k) / (sigma(X_k, t_k) sqrt(h_k))

are independent N(0, 1) for the scheme at any step size, exactly: no autocorrelation, no bias, nothing to allow for.
Drift b and sigma are stated again here, by the caller, as plain functions of arrays.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import special

from fpsde.checks.budget import SESSION_ALPHA
from fpsde.checks.design import POWER, Design, bad_values, not_applicable
from fpsde.checks.independence import CHAIN_KURTOSIS, correlation_result
from fpsde.checks.moment_tests import moment_result
from fpsde.checks.result import CheckResult, combined
from fpsde.checks.samples import CentredSums, inner
from fpsde.checks.smooth_test import ORDER, mode_sums, smooth_result
from fpsde.density import Normal
from fpsde.errors import InvalidInput
from fpsde.validation import increasing

#: Distances in steps and in particles at which correlations are sought, up to half of what there is: powers of two,
#: where blocks and lanes repeat.
STEP_LAGS = (1, 2, 4, 8)
PARTICLE_LAGS = tuple(2**k for k in range(11))
N_COMPONENTS = 6

Coefficient = Callable[[np.ndarray, float], Any]


def innovations(
    x: Any,
    times: Any,
    *,
    drift: Coefficient,
    sigma: Coefficient,
    alpha: float = SESSION_ALPHA,
    power: float = POWER,
    effect: float | None = None,
) -> CheckResult:
    """Return whether the innovations of the paths are independent and N(0, 1).

    Components, each at an equal share of ``alpha``: smooth test, mean, variance (chi^2), correlation between steps,
    between particles, and with the state. All steps of all particles count: n = n_steps * n_particles.

    Parameters
    ----------
    x : (n_steps + 1, n_particles) paths; times : (n_steps + 1,) strictly increasing
    drift, sigma : functions (x, t) of x (n_particles,) that return (n_particles,) or a number; sigma multiplies dW
    power, effect : UNDERPOWERED unless a relative error of the variance of size ``effect`` is seen with this power

    Raises InvalidInput for shapes that disagree, and where sigma is zero on the paths (that step has no innovation).
    Paths with NaN or infinite values FAIL.
    """
    design = Design.of(alpha=alpha, power=power, effect=effect)
    paths, grid = _checked_paths(x, times)
    n_bad = int(np.count_nonzero(~np.isfinite(paths)))
    if n_bad:
        return bad_values("innovations", n_bad, paths.size, design)
    tally = _Tally(paths.shape[1], len(grid) - 1)
    for k in range(len(grid) - 1):
        here = paths[k].astype(np.float64)
        tally.add(here, _one_step(here, paths[k + 1], float(grid[k]), float(grid[k + 1]), drift, sigma))
    return combined(_results(tally, design.divided(N_COMPONENTS)), alpha=alpha)


def _checked_paths(x: Any, times: Any) -> tuple[np.ndarray, np.ndarray]:
    paths, grid = np.asarray(x), increasing("times", times)
    if paths.dtype.kind != "f":
        raise InvalidInput(f"paths have dtype {paths.dtype}; give real floating-point numbers")
    if paths.ndim != 2 or paths.shape[0] != len(grid) or len(grid) < 2 or paths.shape[1] < 1:
        raise InvalidInput(
            f"paths have shape {paths.shape} and times {grid.shape}; give x (n_steps + 1, n_particles) and times "
            f"(n_steps + 1,), with at least one step and one particle"
        )
    return paths, grid


def _one_step(
    x: np.ndarray, after: np.ndarray, t: float, t_after: float, drift: Coefficient, sigma: Coefficient
) -> np.ndarray:
    """Return z (n_particles,) of the step from t to t_after."""
    h = t_after - t
    b, s = (_on_particles(name, f(x, t), x, t) for name, f in (("drift", drift), ("sigma", sigma)))
    if np.any(s == 0):
        i = int(np.argmax(s == 0))
        raise InvalidInput(
            f"sigma is zero at x = {x[i]:g}, t = {t:g}: that step has no innovation; "
            f"judge paths on which sigma is not zero"
        )
    return (after - x - b * h) / (s * math.sqrt(h))


def _on_particles(name: str, value: Any, x: np.ndarray, t: float) -> np.ndarray:
    array = np.asarray(value, dtype=np.float64)
    if array.shape not in ((), x.shape):
        raise InvalidInput(
            f"{name} returned shape {array.shape} for x of shape {x.shape}; return one value for each particle"
        )
    if not np.all(np.isfinite(array)):
        raise InvalidInput(
            f"{name} is not finite on the paths at t = {t:g}; give coefficients that are finite where the paths go"
        )
    return np.broadcast_to(array, x.shape)


@dataclass
class _Tally:
    """Sums over all innovations seen so far: one pass, memory of a few steps."""

    n_particles: int
    n_steps: int
    powers: np.ndarray = field(default_factory=lambda: np.zeros(2))
    modes: np.ndarray = field(default_factory=lambda: np.zeros(ORDER))
    with_state: float = 0.0
    n_with_state: int = 0
    past: deque[np.ndarray] = field(default_factory=lambda: deque(maxlen=max(STEP_LAGS)))

    def __post_init__(self) -> None:
        self.step_lags = [lag for lag in STEP_LAGS if 2 * lag <= self.n_steps]
        self.particle_lags = [lag for lag in PARTICLE_LAGS if 2 * lag <= self.n_particles]
        self.between_steps = np.zeros(len(self.step_lags))
        self.between_particles = np.zeros(len(self.particle_lags))

    def add(self, x: np.ndarray, z: np.ndarray) -> None:
        """Count the innovations ``z`` of the step that left from ``x``."""
        self.powers += z.sum(), inner(z, z)
        self.modes += mode_sums(special.ndtr(z))
        self.between_steps += [inner(z, self.past[-lag]) if lag <= len(self.past) else 0.0 for lag in self.step_lags]
        self.between_particles += [inner(z[lag:], z[:-lag]) for lag in self.particle_lags]
        self.past.append(z)
        spread = float(np.std(x))
        if spread > 0:  # given the past, sum z (x - mean)/std is N(0, n): exact for any law of x
            self.with_state += inner(z, x - x.mean()) / spread
            self.n_with_state += len(x)


def _results(tally: _Tally, design: Design) -> list[CheckResult]:
    n, plain = tally.n_particles * tally.n_steps, design.without_effect()
    sums, law = CentredSums(n, 0.0, tuple(tally.powers.tolist())), Normal(0.0, 1.0)
    steps = [
        (float(total), tally.n_particles * (tally.n_steps - lag), f"correlation of steps k and k+{lag}")
        for lag, total in zip(tally.step_lags, tally.between_steps, strict=True)
    ]
    particles = [
        (float(total), tally.n_steps * (tally.n_particles - lag), f"correlation of particles i and i+{lag}")
        for lag, total in zip(tally.particle_lags, tally.between_particles, strict=True)
    ]
    state = [(tally.with_state, tally.n_with_state, "correlation of z with x")] if tally.n_with_state else []
    return [
        smooth_result("innovations", tally.modes, n, plain),
        moment_result("innovations", sums, law, 1, plain),
        moment_result("innovations", sums, law, 2, design),
        _correlations("between steps", steps, plain),
        _correlations("between particles", particles, plain),
        _correlations("with the state", state, plain, kurtosis=0.0),
    ]


def _correlations(
    what: str, products: list[tuple[float, int, str]], design: Design, *, kurtosis: float = CHAIN_KURTOSIS
) -> CheckResult:
    check = f"innovations: correlation {what}"
    if not products:
        return not_applicable(check, None, f"the paths have no pairs to correlate {what}")
    return correlation_result(check, products, design, kurtosis=kurtosis)
