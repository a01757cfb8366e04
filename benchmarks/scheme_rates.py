"""What schemes and dimensions cost beside Euler-Maruyama in one dimension, and how long a scheme takes to compile."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Callable
from typing import Any

import harness
import numpy as np
from harness import Contest, Contestant, Goal, Sense, Timing

from fpsde.generated import CACHE_VARIABLE
from fpsde.integrators import simulate
from fpsde.integrators.compiled import step_source
from fpsde.noise import Normals
from fpsde.numba_text import compiled
from fpsde.processes import (
    Process,
    double_well,
    geometric_brownian,
    langevin_of,
    ornstein_uhlenbeck,
    underdamped_of,
)
from fpsde.schemes import SCHEMES, Scheme, ddpm_step, euler_maruyama
from fpsde.schemes.tracing import traced_step

#: The names of the rows that goals speak of.
BASE, ULA = "Ornstein–Uhlenbeck, euler_maruyama", "double well, euler_maruyama"
BAOAB, MALA = "double well, underdamped, baoab", "double well, mala"
MILSTEIN, SRIW1 = "−tanh x, σ = 1 + sin(x)/2, milstein", "geometric Brownian, sriw1"
MIXTURE = "score of 8 normals in 2-D, euler_maruyama"
LINEAR, NOISE_ONLY = "d = 16, linear drift", "d = 16, no drift"

#: Share of the rate of a row that another must reach: (row, of which, share).
SHARES = [
    (BAOAB, BASE, 0.5),
    (MILSTEIN, BASE, 0.2),
    (MALA, ULA, 0.25),
    (SRIW1, BASE, 0.15),
    (LINEAR, NOISE_ONLY, 0.6),
]
MIXTURE_GOAL = 7e7  # a core
COMPILE_GOAL = 5.0
DIMENSION = 16


def contest(*, particles: int, steps: int, rounds: int, threads: int, dt: float) -> Contest:
    """Return the rates of schemes, each on a process on which all of its terms act."""

    def entry(name: str, process: Process, scheme: Scheme, x0: Any = 0.3, share: float = 1.0) -> Contestant:
        n = max(512 * threads, round(particles * share))
        options = {"t_end": steps * dt, "dt": dt, "n_particles": n, "seed": 1, "threads": threads}
        return Contestant(
            name, lambda: simulate(process, scheme, x0=x0, keep_positions=False, **options), work=float(n * steps)
        )

    well, gbm = double_well(), geometric_brownian()
    multiplicative = Process(drift=lambda x, t, p: -np.tanh(x), sigma=lambda x, t, p: 1 + 0.5 * np.sin(x))
    entries = [
        entry(BASE, ornstein_uhlenbeck(), euler_maruyama),
        entry(ULA, well, euler_maruyama),
        entry(MALA, well, SCHEMES["mala"]),
        entry("double well, leimkuhler_matthews", well, SCHEMES["leimkuhler_matthews"]),
        entry("double well, implicit_euler", well, SCHEMES["implicit_euler"], share=1 / 4),
        entry("double well, sra1", well, SCHEMES["sra1"]),
        entry(BAOAB, underdamped_of(well, friction=1.0), SCHEMES["baoab"], x0=(0.3, 0.0)),
        entry(MILSTEIN, multiplicative, SCHEMES["milstein"]),
        entry("geometric Brownian, heun", gbm, SCHEMES["heun"]),
        entry(SRIW1, gbm, SCHEMES["sriw1"]),
        entry("geometric Brownian, platen_weak2", gbm, SCHEMES["platen_weak2"]),
        entry("geometric Brownian, ri1", gbm, SCHEMES["ri1"]),
        entry(MIXTURE, mixture(), euler_maruyama, x0=(0.1, 0.2), share=1 / 8),
        entry(NOISE_ONLY, coupled(linear=False), euler_maruyama, x0=0.1, share=1 / 16),
        entry(LINEAR, coupled(linear=True), euler_maruyama, x0=0.1, share=1 / 16),
    ]
    for one in entries:
        one.run()
    return Contest("schemes and dimensions", harness.measure(entries, rounds=rounds))


def mixture() -> Process:
    """Return the Langevin process of eight normals in the plane."""
    angle = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    params = {"w": np.full(8, 1 / 8), "a": 2 * np.cos(angle), "b": 2 * np.sin(angle), "s": np.linspace(0.4, 0.6, 8)}

    def log_density(x: Any, p: Any) -> Any:
        distances = ((x[0] - p.a) ** 2 + (x[1] - p.b) ** 2) / (2 * p.s**2)
        return np.log(np.sum(p.w / p.s**2 * np.exp(-distances)))

    return langevin_of(log_density, dim=2, params=params)


def coupled(*, linear: bool) -> Process:
    """Return a process of sixteen components, each with noise of its own: driven by all of them, or by noise alone."""
    A = np.eye(DIMENSION) + np.random.default_rng(1).normal(size=(DIMENSION, DIMENSION)) / 10

    def drift(x: Any, t: Any, p: Any) -> Any:
        if not linear:
            return (0.0,) * DIMENSION
        return tuple(-sum(p.A[i, j] * x[j] for j in range(DIMENSION)) for i in range(DIMENSION))

    return Process(drift=drift, sigma=lambda x, p: (p.s,) * DIMENSION, dim=DIMENSION, params={"A": A, "s": 1.0})


def compilation(*, schemes: int | None) -> Contest:
    """Return what it takes to compile the step of each scheme (or of the first few) anew, kernels in a fresh folder."""
    timings = []
    with tempfile.TemporaryDirectory(prefix="fpsde-benchmark-") as folder:
        kept = os.environ.get(CACHE_VARIABLE)
        os.environ[CACHE_VARIABLE] = folder
        try:
            for scheme in list(SCHEMES.values())[:schemes]:
                once = Contestant(scheme.name, _fresh(scheme, _example(scheme)))
                timings += harness.measure([once], rounds=1)
        finally:
            os.environ.pop(CACHE_VARIABLE) if kept is None else os.environ.update({CACHE_VARIABLE: kept})
    return Contest("compiling a scheme", tuple(timings))


def _fresh(scheme: Scheme, process: Process) -> Callable[[], Any]:
    """Return a function that traces and compiles the scheme, a new text each time."""
    changes = itertools.count()

    def run() -> Any:
        source = step_source(traced_step(scheme, process), "float64", Normals.FLOAT32)
        return compiled("step", f"{source}\n# {scheme.name} {next(changes)}\n")

    return run


def _example(scheme: Scheme) -> Process:
    """Return a process that a scheme takes: the first of a few that it does not refuse."""
    well = double_well()
    planar = Process(
        drift=lambda x: (x[1] - x[0] ** 3, -x[0]), sigma=lambda x: ((1.0, 0.2 * x[1]), (0.3 * x[0], 1.0)), dim=2
    )
    noising = Process(drift=lambda x: -x, sigma=lambda x: np.sqrt(2.0), rate=lambda t: 2.0)
    if scheme is ddpm_step:
        return noising
    for process in (planar, underdamped_of(well), geometric_brownian(), well, ornstein_uhlenbeck()):
        try:
            traced_step(scheme, process)
        except ValueError:
            continue
        return process
    raise LookupError(f"no process of the benchmark suits {scheme.name}; add one")


def goals(rates: Contest, compile_times: Contest, *, threads: int) -> list[Goal]:
    """Return the goals on schemes, dimensions and compilation."""
    out = []
    for row, other, share in SHARES:
        found = harness.ratio(rates[row], rates[other])
        out.append(Goal(f"{row} / {other}", found.paired, Sense.AT_LEAST, share, also=found.of_medians))
    mixed = harness.spread(rates[MIXTURE].rates / threads)
    out.append(Goal(f"{MIXTURE}, a core", mixed.median, Sense.AT_LEAST, MIXTURE_GOAL, "/s", also=mixed.best))
    slowest = max(compile_times.timings, key=_seconds)
    claim = f"slowest scheme to compile, {slowest.name}"
    return [*out, Goal(claim, _seconds(slowest), Sense.AT_MOST, COMPILE_GOAL, "s", also=min(slowest.seconds))]


def _seconds(timing: Timing) -> float:
    return float(np.median(timing.seconds))
