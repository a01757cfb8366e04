"""Runs that an emulated GPU and a real one are asked for: every scheme, wall and observer, small."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from itertools import count

import numpy as np
from bare_processes import MODELS
from whole_runs import SAID

from fpsde.domain import LINE, Interval, Wall
from fpsde.errors import Unsuited
from fpsde.integrators import (
    Autocorrelation,
    Backend,
    Covariance,
    Crossings,
    Displacement,
    FirstPassage,
    Functional,
    Histogram,
    JointHistogram,
    Moments,
    Paths,
    Snapshots,
    Tracked,
    simulate,
    steps,
)
from fpsde.integrators.preparation import all_tracked
from fpsde.noise import Normals
from fpsde.processes.process import Process
from fpsde.schemes import SCHEMES, euler_maruyama

N, FIRST = 512 + 77, 3 * 512
WALLS = {
    "line": LINE,
    "ring": Interval(-3.0, 3.2, Wall.PERIODIC, Wall.PERIODIC),
    "reflecting": Interval(-0.9, 0.8, Wall.REFLECTING, Wall.REFLECTING),
    "absorbing": Interval(-0.7, 0.9, Wall.ABSORBING, Wall.ABSORBING),
    "mixed": Interval(-0.7, 0.9, Wall.ABSORBING, Wall.REFLECTING),
}
#: name: (scheme, process, start, dt); the walls of those that state none take turns where the scheme has a form there
CASES = {}


def walled(scheme, process, wall):
    """Return the process with a wall around its last component, or None where that has no form."""
    domain = (*(process.intervals[:-1]), WALLS[wall])
    changed = dataclasses.replace(process, domain=domain)
    try:
        scheme.refuse_unsuited(changed)
    except Unsuited:
        return None
    return changed


for k, (name, (scheme, process, start, dt)) in zip(count(), MODELS.items(), strict=False):
    if process.tables:  # twelve steps tell as much as three hundred
        process = dataclasses.replace(process, tables={table: v[:12] for table, v in process.tables.items()})
    plain = all(interval == LINE for interval in process.intervals)
    turn = walled(scheme, process, list(WALLS)[k % len(WALLS)]) or walled(scheme, process, "ring")
    CASES[name] = (scheme, turn if plain and turn is not None else process, start, dt)


#: Of the runs in single precision: every scheme on arithmetic alone, whose kernels compile in a third of a second.
LINE = Process(
    drift=lambda x: -x, sigma=lambda x: 0.7, energy=lambda x: 0.5 * x * x, params={"temperature": 0.245}, name="line"
)
OSCILLATOR = Process(
    drift=lambda x, p: (x[1], -x[0] - p.friction * x[1]), sigma=lambda x: ((0.0,), (0.7,)), dim=2,
    params={"friction": 0.5}, name="oscillator",
)  # fmt: skip
PLAIN = {}
#: The walls of those that have a form at them; the others take a ring and a line in turn.
FORMS = {"euler_maruyama": "reflecting", "milstein": "absorbing", "tamed_euler": "mixed"}

for k, (scheme, process, _, dt) in zip(count(), CASES.values(), strict=False):
    if scheme.name in SCHEMES and f"plain {scheme.name}" not in PLAIN:
        own = process.sample is not None or process.rate is not None
        kind = process if own else OSCILLATOR if process.dim == 4 else LINE
        turn = walled(scheme, kind, FORMS.get(scheme.name, ("ring", "line")[k % 2]))
        PLAIN[f"plain {scheme.name}"] = (scheme, turn or kind, [0.1] * kind.dim, dt)


def looks(times, d):
    """Return observers of d components whose looks are not in the text of a step."""
    third, end = times[len(times) // 3], times[-1]
    return [
        Moments([third, end], centre=0.1),
        Covariance([end]),
        Histogram(-1.0, 1.5, 20, times=[third, end]),
        JointHistogram((-1.0, -0.2), (1.0, 0.3), (5, 7), of=(0, d - 1)),
        Snapshots([third]),
        Paths([FIRST + 600, FIRST + 3]),
    ]


def path_observers(times, d):
    """Return observers that are updated by a function of their own, which becomes part of the step."""
    third, end = times[len(times) // 3], times[-1]
    return [
        Functional(lambda x, t: (x if d == 1 else x[0]) * t, times=[third, end]),
        FirstPassage(lambda x: (x if d == 1 else x[-1]) > 0.3, bins=8),
        Crossings(0.2, component=d - 1),
        Displacement(component=d - 1, times=[third]),
        Autocorrelation(lambda x: np.cos(x if d == 1 else x[0]), third, [third, end]),
        Tracked("largest", lambda value, before, after, t, dt, p: np.where(after[0] > value, after[0], value), -9.0),
    ]


def observers_of(name, *, every=False):
    """Return the observers of a case: all looks, and every path observer, or one in turn for every second case.

    Numba takes a third of a second to compile a path observer into a step.
    """
    times, d = times_of(case_of(name)), case_of(name)[1].dim
    if name in PLAIN:
        return looks(times, d)
    paths, k = path_observers(times, d), list(CASES).index(name)
    return looks(times, d) + (paths if every else [] if k % 2 else [paths[k // 2 % len(paths)]])


def case_of(name):
    return (CASES | PLAIN)[name]


def times_of(case):
    _, process, _, dt = case
    return np.arange(max([12, *(len(table) for table in process.tables.values())]) + 1) * dt


def run_of(name, backend, *, every=False, **changes):
    scheme, process, start, _ = case_of(name)
    arguments = dict(
        x0=np.asarray(start, float)[:, None] + np.linspace(0, 0.3, N), times=times_of(case_of(name)), n_particles=N,
        first_particle=FIRST, seed=21, observers=observers_of(name, every=every),
    )  # fmt: skip
    return simulate(process, scheme, backend=backend, **arguments | changes)


def run_of_subnormals(backend):
    """Return a run in float32 whose numbers are all below the least normal one."""
    still = Process(drift=lambda x: -x, sigma=lambda x, p: p.s, params={"s": 1e-41}, name="still")
    given = dict(x0=1e-39, t_end=1.0, dt=0.125, n_particles=1000, seed=5, dtype=np.float32, backend=backend)
    return simulate(still, euler_maruyama, **given)


def program_of(name, dtype, *, every=False):
    """Return the CUDA text that the run of a case takes."""
    scheme, process, *_ = case_of(name)
    tracked = all_tracked(observers_of(name, every=every), process, scheme, times_of(case_of(name)))
    return steps.step_of(process, scheme, tracked, np.dtype(dtype), Normals.FLOAT32, Backend.GPU).machine.text


#: The runs of the fast tests: each scheme once, and in float64 what is there for a wall or a function.
ONCE = {scheme.name: name for name, (scheme, *_) in reversed(CASES.items())}
MORE = ("reflecting", "periodic", "absorbing", "absorbing and reflecting", "every function")
RUNS = [("float64", name) for name in {**dict.fromkeys(ONCE.values()), **dict.fromkeys(MORE)}]
RUNS += [("float32", name) for name in ONCE.values()]


def said(run):
    """Return all numbers of a run; NaN equals NaN, whose sign is a compiler's choice."""
    return {name: calm(getattr(run, name)) for name in SAID}


def calm(value):
    if isinstance(value, (np.ndarray, float)):
        array = np.where(np.isnan(np.asarray(value, float)), np.nan, value)
        return array.dtype.str, array.shape, array.tobytes()
    if dataclasses.is_dataclass(value):
        return [calm(getattr(value, field.name)) for field in dataclasses.fields(value)]
    if isinstance(value, Mapping):
        return {name: calm(one) for name, one in value.items()}
    return [calm(one) for one in value] if isinstance(value, (tuple, list)) else value
