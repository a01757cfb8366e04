"""The ladder of a diffusion model with an exact denoiser: each schedule and each sampler, judged rung by rung.

0  the schedule: every level follows from the one before, and the bound is where it must be
1  particles of the sampler against its exact law: sampling error alone
2  the exact law against the data: it comes nearer as steps are halved
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import product
from os import cpu_count
from typing import Any

import numpy as np

from fpsde.checks import POWER, SESSION_ALPHA, Budget, CheckResult, Verdict, agreement
from fpsde.checks.design import Design
from fpsde.checks.zero_means import zero_means
from fpsde.ddpm.bounds import variational_bound
from fpsde.ddpm.floors import mean_of, prior_gap
from fpsde.ddpm.pushed_mass import MEANS, JudgedModel, ModelLaw, model_law
from fpsde.ddpm.samplers import Sampler, starting_points
from fpsde.ddpm.toys import toy_data
from fpsde.errors import InvalidInput, NotConverged, UnstableStep, unknown_name
from fpsde.gaussian_mixture import GaussianMixture
from fpsde.known_law import KnownLaw
from fpsde.processes.denoising import denoising_box
from fpsde.processes.noise_schedules import NoiseSchedule
from fpsde.processes.schedule_formulas import (
    cosine_schedule,
    karras_schedule,
    linear_schedule,
    quadratic_schedule,
    reciprocal_schedule,
    scaled_linear_schedule,
    sigmoid_schedule,
    sub_variance_preserving_schedule,
    variance_exploding_schedule,
    variance_preserving_schedule,
)
from fpsde.processes.timesteps import trailing_timesteps
from fpsde.progress import progress_bar
from fpsde.provenance import environment
from fpsde.schemes.correctors import predictor_corrector
from fpsde.schemes.denoising import ancestral, ddim
from fpsde.schemes.heun_flow import karras
from fpsde.schemes.scheme import Scheme
from fpsde.validation import integer, seed64

#: Levels of the long schedules, of which a run keeps some.
LONG = 1000
#: Name: the schedule of so many steps.
SCHEDULES: dict[str, Callable[[int], NoiseSchedule]] = {
    "linear": lambda n: _kept(linear_schedule(LONG), n),
    "scaled_linear": lambda n: _kept(scaled_linear_schedule(LONG), n),
    "quadratic": lambda n: _kept(quadratic_schedule(LONG), n),
    "cosine": lambda n: _kept(cosine_schedule(LONG), n),
    "sigmoid": lambda n: _kept(sigmoid_schedule(LONG), n),
    "reciprocal": lambda n: _kept(reciprocal_schedule(LONG).subset(range(1, LONG)), n),  # at T no signal is left
    "vp": lambda n: variance_preserving_schedule(np.linspace(0, 1, n + 1)[1:]),
    "sub_vp": lambda n: sub_variance_preserving_schedule(np.linspace(0, 1, n + 1)[1:]),
    "ve": lambda n: variance_exploding_schedule(n, sigma_min=0.05),
    "karras": lambda n: karras_schedule(n, sigma_min=0.05),
}
#: Heun's first step errs by a part of the noise that it starts from, and needs levels that are not too far apart: it
#: starts at the noise of the other schedules where the last of 1000 steps has more than a hundred times as much.
HIGHEST = 160.0
HEUN_SCHEDULES: dict[str, Callable[[int], NoiseSchedule]] = {
    "cosine": lambda n: _kept(cosine_schedule(LONG), n, HIGHEST),
}
#: Name: the sampler.
SAMPLERS: dict[str, Callable[[], Scheme]] = {
    "ddim": ddim,
    "ddim(0.5)": lambda: ddim(0.5),
    "ancestral": ancestral,
    "ancestral(1)": lambda: ancestral(1.0),
    "karras": karras,
    "karras(0.2)": lambda: karras(0.2),
    "predictor_corrector": lambda: predictor_corrector(size=0.1),
}
#: Schedules that are judged in the plane if none is named.
PLANE = ("linear",)
#: Data that are judged if none is named.
DATA = ("gaussian", "mixture", "anisotropic")
#: Steps, by the number of components; the law is looked at with half and with twice as many, too.
STEPS = {1: 10, 2: 8}
#: To what KL(data || p_theta) settles, in nats, by half as many steps, these, and twice as many; and how much of it may
#: be left by most steps: of the larger of the two others, since one alone may be near the data by chance (between too
#: much spread and too little), or so much in nats.
ACCURACIES, LEFT, NEAR = (0.02, 5e-3, 5e-3), 0.25, 0.03
#: Round-off of the levels of a schedule, relative to the largest; and what a bound and an entropy are known to.
ROUNDING, NATS = 1e-12, 1e-8
#: Waves along which particles are looked at, in standard deviations of the data, by the number of components.
WAVES = {1: ((1,), (2,), (3,)), 2: ((1, 0), (0, 1), (1, 1), (1, -1), (2, 0), (0, 2))}


@dataclass(frozen=True)
class Rung:
    """What was judged, on which rung, and how it went."""

    data: str
    schedule: str
    sampler: str  #: empty where the schedule is judged
    edge: int
    result: CheckResult


@dataclass(frozen=True)
class Ladder:
    """All rungs of a session, decided within one false-alarm budget ``alpha``."""

    rungs: tuple[Rung, ...]
    seed: int
    alpha: float

    @property
    def holds(self) -> bool:
        """Whether every check that applies was judged and passed."""
        return {rung.result.verdict for rung in self.rungs} <= {Verdict.PASS, Verdict.NOT_APPLICABLE}

    @property
    def exit_code(self) -> int:
        """0 if all hold, 1 if a check failed, 2 if none did but one is underpowered or could not be judged."""
        if self.holds:
            return 0
        return 1 if any(rung.result.verdict is Verdict.FAIL for rung in self.rungs) else 2

    def as_dict(self) -> dict[str, Any]:
        """Return the ladder as JSON can hold it, with the keys of ``fpsde.verify``'s reports."""
        checks = [
            {"process": rung.data, "schedule": rung.schedule, "scheme": rung.sampler, "edge": rung.edge}
            | rung.result.as_dict()
            for rung in self.rungs
        ]
        provenance = {"alpha": self.alpha, **environment()}
        return {"holds": self.holds, "seed": self.seed, "checks": checks, "provenance": provenance}


@dataclass(frozen=True)
class Defects:
    """Deliberate errors, of the scheme as particles take it, of the scheme itself, and of the predicted noise."""

    particles: Callable[[Scheme], Scheme] = lambda scheme: scheme
    stated: Callable[[Scheme], Scheme] = lambda scheme: scheme
    predicted: float = 1.0  #: what multiplies the noise that the denoiser predicts


def verify_samplers(
    data: tuple[str, ...] = DATA,
    *,
    schedules: tuple[str, ...] | None = None,
    samplers: tuple[str, ...] = tuple(SAMPLERS),
    n_particles: int = 100_000,
    seed: int = 0,
    alpha: float = SESSION_ALPHA,
    defects: Defects | None = None,
    everything: bool = False,
    progress: bool = False,
) -> Ladder:
    """Return the ladder of toy data, schedules and samplers by name, each sampler with the exact denoiser of the data.

    On the line all schedules are judged if none is named; in the plane, where a law takes seconds to a minute, the
    linear one unless ``everything`` is asked for. On the cosine schedule Heun's steps (``karras``) start at the noise
    of the others. Laws that do not settle, or fold, are *not judged*, and the result says why.
    Raises InvalidInput for unknown names, and numbers out of range.
    """
    for kind, names, known in (("schedule", schedules or (), SCHEDULES), ("sampler", samplers, SAMPLERS)):
        for name in names:
            if name not in known:
                raise unknown_name(kind, name, known)
    laws = {name: toy_data(name).law for name in data}
    n, wrong = integer("n_particles", n_particles, least=2), defects or Defects()
    asked = [
        (name, law, schedule)
        for name, law in laws.items()
        for schedule in schedules or (PLANE if law.dim == 2 and not everything else tuple(SCHEDULES))
    ]
    each = Budget(alpha).share(len(asked) * len(samplers))[0]
    turns = list(product(asked, samplers))

    def judged(turn: tuple) -> list[tuple[int, CheckResult]]:
        (_, law, schedule), sampler = turn
        return list(_of_sampler(law, _levels(schedule, sampler), sampler, n, seed64(seed), each, wrong))

    rungs: list[Rung] = []
    with progress_bar("samplers", total=len(turns), shown=progress) as show, ThreadPoolExecutor(cpu_count()) as pool:
        for k, (((name, law, schedule), sampler), found) in enumerate(zip(turns, pool.map(judged, turns), strict=True)):
            if k % len(samplers) == 0:
                rungs += [Rung(name, schedule, "", 0, r) for r in _of_schedule(law, SCHEDULES[schedule](_steps(law)))]
            rungs += [Rung(name, schedule, sampler, edge, result) for edge, result in found]
            show(k + 1)
    return Ladder(tuple(rungs), seed, alpha)


def _kept(schedule: NoiseSchedule, n: int, highest: float = math.inf) -> NoiseSchedule:
    """Return n of the levels with noise up to ``highest``."""
    return schedule.subset(trailing_timesteps(int(np.sum(schedule.sigmas <= highest)) - 1, n))


def _levels(schedule: str, sampler: str) -> Callable[[int], NoiseSchedule]:
    """Return the levels that a sampler goes down, by their number."""
    return (HEUN_SCHEDULES if sampler.startswith("karras") else SCHEDULES).get(schedule, SCHEDULES[schedule])


def _steps(law: KnownLaw) -> int:
    if law.dim not in STEPS:
        raise InvalidInput(f"the data have {law.dim} components; exact laws of samplers are known of one or two")
    return STEPS[law.dim]


def _of_schedule(law: KnownLaw, schedule: NoiseSchedule) -> Iterator[CheckResult]:
    """Yield whether levels follow from each other, and whether the bound is the entropy and what is left at the end."""
    a, squares = schedule.signals, schedule.levels**2
    follows = (a[1:] / a[:-1]) ** 2 * squares[:-1] + schedule.fresh
    yield _named("levels", agreement(follows / squares[1:], 1.0, accuracy=ROUNDING))
    if law.dim == 1 and np.all(schedule.scales == 1):
        entropy = -mean_of(law, 1e-6, lambda x: law.log_density(x, 1.0, 1e-6))
        least = entropy + prior_gap(law, schedule).kullback_leibler
        total = variational_bound(law, schedule).total
        if isinstance(law, GaussianMixture) and len(law.weights) == 1:
            yield _named("bound", agreement(total, least, accuracy=NATS, unit="nats"))
        else:
            yield _named("bound", agreement(min(total, least), least, accuracy=NATS, unit="nats"))


def _named(check: str, result: CheckResult) -> CheckResult:
    return replace(result, check=check)


def _of_sampler(
    law: KnownLaw,
    schedule: Callable[[int], NoiseSchedule],
    sampler: str,
    n: int,
    seed: int,
    alpha: float,
    wrong: Defects,
) -> Iterator[tuple[int, CheckResult]]:
    """Yield the verdicts of the particles and of the law."""
    scheme, steps = wrong.stated(SAMPLERS[sampler]()), _steps(law)

    def denoiser(y: np.ndarray, level: float) -> np.ndarray:
        return y + wrong.predicted * (law.denoiser(y, level) - y)

    boxes = [denoising_box(denoiser, schedule(k), dim=law.dim) for k in (steps // 2, steps, 2 * steps)]
    pairs = zip(boxes, ACCURACIES, strict=True)
    try:
        coarsest, coarse, fine = (model_law(box, scheme, law, tolerance=accuracy) for box, accuracy in pairs)
    except (NotConverged, UnstableStep, InvalidInput) as error:
        for edge, check in ((1, "particles"), (2, "law")):
            yield edge, CheckResult(check, Verdict.NOT_JUDGED, detail=str(error))
        return
    start = starting_points(schedule(steps), n, dim=law.dim, seed=seed)
    *_, x = Sampler(boxes[1], wrong.particles(scheme)).trajectory(start, seed=seed)
    yield (
        1,
        zero_means("particles", dict(_waves(x, coarse.law, law)), Design.of(alpha=alpha, power=POWER, tolerance=MEANS)),
    )
    yield 2, _nearer(coarsest, coarse, fine)


def _waves(x: np.ndarray, p: ModelLaw, law: KnownLaw) -> Iterator[tuple[str, np.ndarray]]:
    """Yield waves along some directions at particles (d, n), less their means under the law: means that must be 0."""
    middle, scales = law.mean[:, None], np.sqrt(np.diag(law.covariance))[:, None]
    mass = p.expectation(lambda at: np.ones(at.shape[1]))
    for k in WAVES[law.dim]:
        for f in (np.cos, np.sin):

            def wave(at: np.ndarray, k: tuple = k, f: Callable = f) -> np.ndarray:
                return f(np.array(k) @ ((at - middle) / scales))

            yield f"{f.__name__} {'/'.join(map(str, k))}", wave(x) - p.expectation(wave) / mass


def _nearer(coarsest: JudgedModel, coarse: JudgedModel, fine: JudgedModel) -> CheckResult:
    """Return whether twice as many steps leave no more than a part of KL(data || law)."""
    accuracy = max(coarse.accuracy, coarsest.accuracy) + fine.accuracy
    said = " -> ".join(f"{one.divergence:.4g}" for one in (coarsest, coarse, fine))
    detail = f"KL(data || law) = {said} as steps are halved"
    threshold = max(LEFT * max(coarse.divergence, coarsest.divergence), NEAR) + accuracy
    holds = math.isfinite(fine.divergence) and fine.divergence <= threshold
    return CheckResult(
        "law", Verdict.PASS if holds else Verdict.FAIL,
        fine.divergence if math.isfinite(fine.divergence) else None,
        threshold if math.isfinite(threshold) else None,
        accuracy, 0.0, threshold + accuracy if math.isfinite(threshold) else None,
        unit="nats", detail=detail,
    )  # fmt: skip


def summary(ladder: Ladder) -> str:
    """Return the verdict of the whole session in a sentence."""
    counts = {verdict.value: sum(rung.result.verdict is verdict for rung in ladder.rungs) for verdict in Verdict}
    said = ", ".join(f"{n} {name}" for name, n in counts.items() if n)
    return f"{len(ladder.rungs)} checks: {said}. P(false alarm) <= {ladder.alpha:g}, seed {ladder.seed}."
