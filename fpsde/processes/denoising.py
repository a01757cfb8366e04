"""Processes from noise to data, in unit steps down the levels of a noise schedule: what samplers take steps of."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsde.density import Normal
from fpsde.errors import InvalidInput
from fpsde.noise_class import NoiseType
from fpsde.processes.black_box import BlackBox
from fpsde.processes.noise_schedules import NoiseSchedule
from fpsde.processes.process import Process, Setting
from fpsde.signal_and_noise import NoiseStep, Prediction, prediction_of
from fpsde.validation import integer

#: Rounding of signal^2 + level^2 = 1.
PRESERVED = 1e-9


def denoising_chain(
    denoiser: Callable,
    schedule: NoiseSchedule,
    *,
    last: int = 0,
    dim: int = 1,
    params: Mapping[str, Any] | None = None,
    name: str = "denoising_chain",
) -> Process:
    """Return the process that goes from the noise of a schedule to its data, as unit steps from t = T to ``last``.

        dX = (log(a'/a) X + fresh score(X)) dt + sqrt(fresh) dW  on [n, n + 1),    score(x) = (a D(x/a, s/a) - x)/s^2

    with signal a and level s at t = T - n, signal a' at t - 1, and ``fresh`` the variance of x_t given x_{t-1} (beta
    where the variance is preserved). Its steps of unit time are the samplers: ``fpsde.ddim(eta)``, ``fpsde.ancestral``,
    ``fpsde.karras``, ``fpsde.predictor_corrector``, and euler_maruyama. They read the tables ``signal``, ``level``,
    ``next_signal``, ``next_level`` and ``fresh`` (T - last,), and the denoiser at levels of their own.

    ``denoiser`` is D(x, level, p) = E[x0 | x0 + level z = x], of component(s) written with operators. ``last`` is the
    index of the level that the chain ends in: 0 is the data, 1 the last level with noise. ``setting`` starts in
    N(0, 1) where the variance is preserved, in N(0, level_T^2) where it explodes.

    Raises InvalidInput for a denoiser that cannot be traced, ``last`` outside of [0, T), and a schedule that leaves no
    signal at T, from which no level s/a can be read.
    Sources: Sohl-Dickstein et al. (2015); Ho, Jain & Abbeel (2020); Song et al. (2021), eq. 6.
    """
    d, steps = integer("dim", dim, least=1), _steps(schedule, last)

    def drift(x: Any, p: Any) -> Any:
        parts = (x,) if d == 1 else x
        data = denoiser(x / p.signal if d == 1 else tuple(x_i / p.signal for x_i in x), p.level / p.signal, p)
        pairs = zip(parts, (data,) if d == 1 else data, strict=True)
        found = tuple(_drift(x_i, x0, p) for x_i, x0 in pairs)
        return found[0] if d == 1 else found

    return Process(
        drift=drift,
        sigma=lambda x, p: np.sqrt(p.fresh) if d == 1 else (np.sqrt(p.fresh),) * d,
        dim=d,
        params=params or {},
        tables=steps._asdict(),
        name=name,
        equation="dX = (log(a'/a) X + fresh score(X)) dt + sqrt(fresh) dW on [n, n + 1)",
        setting=Setting(
            x0=Normal(0.0, prior_std(schedule)) if d == 1 else (0.0,) * d, t_end=float(len(steps.level)), dt=1.0
        ),
        denoiser=denoiser,
    )


def denoising_box(
    denoiser: Callable, schedule: NoiseSchedule, *, dim: int, last: int = 0, name: str = "denoising_box"
) -> BlackBox:
    """Return :func:`denoising_chain` of a denoiser on arrays, a trained network for instance, as a black box.

    ``denoiser`` is D(x, level) -> (d, n) of x (d, n) and a number, where x lies; if it pickles, the box does. Errors as
    there, and of a BlackBox.
    """
    down = _Down(denoiser, _steps(schedule, last))
    return BlackBox(
        down.drift,
        down.sigma,
        dim,
        noise=NoiseType.ADDITIVE,
        name=name,
        tables=down.steps._asdict(),
        denoiser=denoiser,
    )


@dataclass(frozen=True, eq=False)
class _Down:
    """The coefficients of a way down the levels, as functions that pickle."""

    denoiser: Callable
    steps: NoiseStep

    def drift(self, x: Any, t: float) -> Any:
        p = self._at(t)
        return _drift(x, self.denoiser(x / p.signal, p.level / p.signal), p)

    def sigma(self, x: Any, t: float) -> Any:
        return np.sqrt(self._at(t).fresh)

    def _at(self, t: float) -> NoiseStep:
        n = min(int(np.floor(t + 1e-9)), len(self.steps.level) - 1)
        return NoiseStep(*(values[n] for values in self.steps))


def prior_std(schedule: NoiseSchedule) -> float:
    """Return the standard deviation that sampling starts with: 1 where the variance is preserved, else level_T."""
    return _prior_std(float(schedule.signals[-1]), float(schedule.levels[-1]))


def prior_of(chain: Process | BlackBox) -> float:
    """Return the standard deviation that sampling starts with, of a process from noise to data.

    Annealed Langevin dynamics, which adds its noise to data that keep their size, starts at its first noise level.
    """
    if "noise_level" in chain.tables:
        return float(chain.tables["noise_level"][0])
    if not {"signal", "level"} <= set(chain.tables):
        raise InvalidInput(f"{chain.name} is no process from noise to data; give one such as fpsde.denoising_chain")
    return _prior_std(float(chain.tables["signal"][0]), float(chain.tables["level"][0]))


def _prior_std(signal: float, level: float) -> float:
    return 1.0 if math.hypot(signal, level) <= 1 + PRESERVED else level


def _drift(x: Any, x0: Any, p: Any) -> Any:
    score = prediction_of(Prediction.SCORE, x0, x, signal=p.signal, level=p.level)
    return np.log(p.next_signal / p.signal) * x + p.fresh * score


def _steps(schedule: NoiseSchedule, last: int) -> NoiseStep:
    """Return the steps from T down to ``last``, each field an array."""
    if not isinstance(schedule, NoiseSchedule):
        raise InvalidInput(f"schedule={schedule!r} is no NoiseSchedule; give one such as fpsde.linear_schedule()")
    T, end = schedule.n_steps, integer("last", last, least=0)
    if end >= T:
        raise InvalidInput(f"last={end} leaves no step of a schedule of {T}; give 0 <= last < {T}")
    if schedule.signals[-1] == 0:
        raise InvalidInput(
            "the schedule leaves no signal at its last timestep, from which no denoiser can start; take a subset "
            "without it"
        )
    return schedule.step(np.arange(T, end, -1))
