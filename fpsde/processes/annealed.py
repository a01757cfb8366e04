"""Annealed Langevin dynamics: the score of smoothed data, followed through falling levels of noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from fpsde.density import Normal
from fpsde.errors import InvalidInput
from fpsde.model_functions import call
from fpsde.processes.process import Process, Setting
from fpsde.validation import finite_array, integer, positive

#: What the process names itself.
_OWN = ("noise_level", "step_size", "noise_levels", "step", "steps_per_level")


def annealed_langevin(
    score: Callable,
    noise_levels: Sequence[float] | np.ndarray,
    *,
    step: float,
    steps_per_level: int,
    dim: int = 1,
    params: Mapping[str, Any] | None = None,
    name: str = "annealed_langevin",
) -> Process:
    """Return annealed Langevin dynamics as a process of unit steps, of which Euler-Maruyama is the sampler.

        dX = (alpha_n/2) score(X, noise_level_n) dt + sqrt(alpha_n) dW  on [n, n + 1),
        alpha_n = step noise_level_n^2 / (last noise level)^2

    so that ``simulate(process, euler_maruyama, t_end=process.setting.t_end, dt=1.0, ...)`` takes the steps
    x' = x + (alpha_n/2) score + sqrt(alpha_n) z of the algorithm, ``steps_per_level`` of them at every level in turn.

    ``score`` is s(x, t, p), or fewer of these arguments: the gradient of the log-density of the data plus normal noise
    of standard deviation ``p.noise_level``, one number for each of ``dim`` components. ``params`` are further p, by
    name. ``noise_levels`` (L,) fall and are positive, in the unit of x; ``step`` is epsilon, in (unit of x)^2. Where
    the score has the slope -1/noise_level^2, a step multiplies deviations by 1 - step/(2 last^2), the same at all
    levels: it is stable for step < 4 last^2. The tables ``noise_level`` and ``step_size`` (L steps_per_level,) are
    read by step. ``setting`` starts in N(0, first^2). The law after the last step is known in no closed form: each
    level leaves a bias of its steps, and of the time that it lasts.

    Raises InvalidInput for levels that are not positive or do not fall, step <= 0, steps_per_level < 1, a score that
    cannot be traced, and parameters named as one of the arguments or tables.
    Source: Song & Ermon, NeurIPS (2019), arXiv:1907.05600, algorithm 1.
    """
    levels = finite_array("noise_levels", noise_levels, ndim=1)
    if not len(levels) or levels[-1] <= 0 or np.any(np.diff(levels) >= 0):
        raise InvalidInput(f"noise_levels={levels.tolist()}; give at least one, falling, all positive")
    step, each = positive("step", step), integer("steps_per_level", steps_per_level, least=1)
    d, params = integer("dim", dim, least=1), dict(params or {})
    taken = sorted(set(params) & set(_OWN))
    if taken:
        raise InvalidInput(f"params holds {taken}, which the process names itself; give them other names")
    sizes = step * (levels / levels[-1]) ** 2

    def drift(x: Any, t: Any, p: Any) -> Any:
        slope = call(score, x, t, p)
        return 0.5 * p.step_size * slope if d == 1 else tuple(0.5 * p.step_size * s for s in slope)

    def sigma(x: Any, t: Any, p: Any) -> Any:
        return np.sqrt(p.step_size) if d == 1 else (np.sqrt(p.step_size),) * d

    def with_values(**values: Any) -> Process:
        own = {key: values.pop(key) for key in ("noise_levels", "step", "steps_per_level")}
        return annealed_langevin(score, **own, dim=d, params=values, name=name)

    return Process(
        drift=drift,
        sigma=sigma,
        dim=d,
        params=params,
        tables={
            "noise_level": np.repeat(levels, each),
            "step_size": np.repeat(sizes, each),
        },
        name=name,
        equation="dX = (alpha_n/2) score(X, noise_level_n) dt + sqrt(alpha_n) dW on [n, n + 1)",
        setting=Setting(x0=Normal(0.0, float(levels[0])), t_end=float(len(levels) * each), dt=1.0),
        factory=with_values,
        arguments={"noise_levels": levels, "step": step, "steps_per_level": each, **params},
    )
