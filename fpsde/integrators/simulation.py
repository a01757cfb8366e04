"""simulate(): particles on the CPU."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fpsde.ensemble import Ensemble, Trajectories
from fpsde.errors import InvalidInput
from fpsde.integrators.checkpoint import opened
from fpsde.integrators.compiled import fill_source, step_source
from fpsde.integrators.execution import Work, done
from fpsde.integrators.initial import Start, start_of
from fpsde.integrators.looks import joined
from fpsde.integrators.loop import LANES
from fpsde.integrators.machine import Compiled
from fpsde.integrators.observers import Observer, Scene, Taken
from fpsde.integrators.paths import Paths, joined_paths
from fpsde.integrators.plan import Constants, Layout, Plan
from fpsde.integrators.shards import CHUNK_BLOCKS, Shard, StartState, merged_shards
from fpsde.integrators.tallies import tree_total
from fpsde.noise import MAX_BLOCK, Normals
from fpsde.processes.process import Process
from fpsde.provenance import environment
from fpsde.schemes.models import ArrayModel
from fpsde.schemes.scheme import Scheme
from fpsde.schemes.tracing import TracedStep, traced_step
from fpsde.schemes.tracked import Tracked
from fpsde.symbolic import components
from fpsde.validation import integer, seed64, time_grid

#: Fine steps in a step, at most: their weights are one array.
MOST_FINE = 2**20
#: Share of the machine's memory that a run may ask for.
MEMORY_SHARE = 0.8
#: Particles in a shard of a checkpoint or of an executor, at most, unless the caller says.
SHARD = 2**20


def simulate(
    process: Process,
    scheme: Scheme,
    *,
    x0: Any,
    t_end: float | None = None,
    dt: float | None = None,
    times: Sequence[float] | np.ndarray | None = None,
    n_particles: int,
    seed: int,
    observers: Sequence[Observer | Tracked] = (),
    dtype: Any = np.float64,
    normals: Normals = Normals.FLOAT32,
    refinement: int = 1,
    first_particle: int = 0,
    keep_positions: bool = True,
    threads: int | None = None,
    executor: Executor | None = None,
    checkpoint: Path | str | None = None,
    shard_size: int | None = None,
    progress: bool = False,
) -> Ensemble:
    """Return an ensemble of ``n_particles`` independent particles advanced by ``scheme`` from time 0 to ``t_end``.

    Every number depends on (seed, particle id, step) alone, so the result has the same bits for any number of threads,
    any shards, any executor, and after any interruption. Ctrl-C returns the particles that are finished
    (``interrupted`` says so); nothing is kept of the others.

    Parameters
    ----------
    process, scheme : what is simulated, and by which one-step map.
    x0 : number(s), law(s), positions ``(d, n)`` or a ``Sampler``; see :func:`fpsde.integrators.initial.start_of`.
    t_end, dt : horizon and step in the process's unit of time (dt divides t_end); or ``times``, any increasing grid.
    n_particles : how many; 10**9 need 8 GB for their positions in float64, unless ``keep_positions`` is False.
    seed : 0 <= seed < 2**64.
    observers : :class:`Moments`, :class:`Histogram`, :class:`FirstPassage` ..., and :class:`Tracked` functions.
    dtype : float64 or float32, of the state. normals : grade of the noise; FLOAT64 needs a float64 state.
    refinement : each step takes the sum of this many finer increments: the same Brownian path read with a coarser step.
    first_particle : id of the first particle, a multiple of 512: runs with disjoint ids can be :func:`merged`.
    executor : any ``concurrent.futures.Executor`` runs the shards (a process pool, or a cluster through its own), in
        place of ``threads`` of this process.
    checkpoint : a folder that keeps finished shards; the same call goes on from it, after ``kill -9`` too.
    shard_size : particles in a shard, a multiple of 512; it decides no bit of the result.

    Raises
    ------
    InvalidInput          if an argument is outside of what is said here, or the run does not fit in memory; if the
                          checkpoint is one of another run, or damaged
    BackendUnavailable    if no compiled kernel, or no checkpoint, can be written to disk
    """
    if not isinstance(process, Process) or not isinstance(scheme, Scheme):
        raise InvalidInput(
            f"simulate takes a Process and a Scheme, not {type(process).__name__} and {type(scheme).__name__}; "
            "fpsde.process_named and fpsde.scheme_named find them by name"
        )
    grid = time_grid(t_end=t_end, dt=dt, times=times)
    n, seed = integer("n_particles", n_particles, least=1), seed64(seed)
    first = _whole_blocks("first_particle", first_particle, least=0)
    kind = _state_type(dtype, normals)
    tracked = _all_tracked(observers, process, scheme, grid)
    step = traced_step(scheme, process, tracked)
    constants = Constants(grid, process.parameter_values(), dict(process.tables), process.intervals, process.name)
    constants.rows(0, 1)  # the tables are checked before any work
    weights = _weights(step, refinement, len(grid) - 1, normals)
    names = _names(step, scheme, tracked)
    scene = Scene(grid, process.dim, step.observed, names, kind)
    looks = joined([one.looks(scene) for one in observers if isinstance(one, Observer)])
    workers = integer("threads", threads if threads is not None else os.cpu_count() or 1, least=1)
    plan = Plan(
        machine=Compiled(step_source(step, kind.name, normals), fill_source(normals), kind, normals),
        layout=_layout(step, names, keep=keep_positions),
        constants=constants,
        looks=looks,
        weights=weights,
        seed=seed,
        provenance=_provenance(process, scheme, seed, grid, kind, normals, weights),
    )
    _refuse_if_too_large(n, plan, workers)
    placed = start_of(x0, process, n_particles=n, seed=seed, first=first)
    start = state_start(process, scheme, step, tracked, placed, grid[0], kind)
    size = _shard_size(shard_size, n, workers, whole=checkpoint is None and executor is None)
    saved = None if checkpoint is None else opened(checkpoint, plan, start, first=first, n=n, shard_size=size)
    if saved is not None and shard_size is None:
        size = saved.shard_size
    if saved is not None and size != saved.shard_size:
        raise InvalidInput(
            f"shard_size={size}, but the checkpoint has shards of {saved.shard_size}; leave it out to go on"
        )
    work = Work(plan, start, first, n, size, saved)
    whole = done(work, threads=workers, executor=executor, progress=progress)
    paths = tuple(one.followed(scene, plan, start, whole.ranges) for one in observers if isinstance(one, Paths))
    return _ensemble(Shards(plan, scene, names, tuple(observers), whole, keep_positions, n, paths))


@dataclass(frozen=True, eq=False)
class Shards:
    """A run as it can be merged with others: the raw shard, and what reads it."""

    plan: Plan
    scene: Scene
    names: dict[str, tuple[int, ...]]
    observers: tuple[Any, ...]
    whole: Shard
    positions: bool
    requested: int
    paths: tuple[Trajectories, ...]


def merged(runs: Sequence[Ensemble]) -> Ensemble:
    """Return runs of one process, scheme, seed and observers with disjoint particle ids as one run.

    The bits are those of a single run, however the ids are cut into ranges at multiples of 512
    (``simulate(..., first_particle=...)``). InvalidInput if the runs differ, overlap, or are cut elsewhere.
    """
    parts = [run.shards for run in runs]
    if not parts or not all(isinstance(part, Shards) for part in parts):
        raise InvalidInput("merged() takes a list of the ensembles that simulate() returned, one at least")
    if any(part.plan.fingerprint != parts[0].plan.fingerprint for part in parts):
        what = [part.plan.provenance for part in parts]
        differ = sorted({k for w in what for k in w if w[k] != what[0].get(k)}) or ["parameters, observers or times"]
        raise InvalidInput(f"the runs differ in {', '.join(differ)}; only particles of one run can be merged")
    whole = merged_shards([part.whole for part in parts])
    paths = tuple(joined_paths(same) for same in zip(*(part.paths for part in parts), strict=True))
    requested = sum(part.requested for part in parts)
    return _ensemble(replace(parts[0], whole=whole, paths=paths, requested=requested))


def _whole_blocks(name: str, value: Any, *, least: int) -> int:
    number = integer(name, value, least=least)
    if number % LANES:
        raise InvalidInput(
            f"{name}={number} is not a multiple of {LANES}; particles are cut at whole blocks of {LANES}"
        )
    return number


def _shard_size(given: int | None, n: int, workers: int, *, whole: bool) -> int:
    """Return the particles in a shard: as said, or so that there are several for each worker."""
    if given is not None:
        return _whole_blocks("shard_size", given, least=LANES)
    blocks, size = -(-n // LANES), 1
    while size < (CHUNK_BLOCKS if whole else SHARD // LANES) and size * workers * 4 < blocks:
        size *= 2
    return size * LANES


def _all_tracked(observers: Any, process: Process, scheme: Scheme, grid: np.ndarray) -> tuple[Tracked, ...]:
    """Return all that must be tracked, each name once."""
    if not isinstance(observers, Sequence):
        raise InvalidInput(f"observers={observers!r}; give a list of observers, [Moments(...)] for one")
    out: list[Tracked] = []
    for one in observers:
        if not isinstance(one, Observer | Tracked):
            raise InvalidInput(
                f"{one!r} is not an observer; give Moments, Histogram, FirstPassage ... or a Tracked function"
            )
        out += [one] if isinstance(one, Tracked) else one.tracked(process, grid)
    names = [one.name for one in out] + [*scheme.auxiliary, *scheme.scalars]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidInput(f"{', '.join(twice)} names two tracked values of this run; give each a name=... of its own")
    return tuple(out)


def _names(step: TracedStep, scheme: Scheme, tracked: Sequence[Tracked]) -> dict[str, tuple[int, ...]]:
    """Return the rows of the state by name: the scheme's auxiliary state, and what is tracked."""
    d = step.dim
    rows = {name: tuple(range(d * (k + 1), d * (k + 2))) for k, name in enumerate(scheme.auxiliary)}
    first = d * (1 + len(scheme.auxiliary))
    rows |= {name: (first + k,) for k, name in enumerate(scheme.scalars)}
    return rows | {one.name: (step.tracked + k,) for k, one in enumerate(tracked)}


def _layout(step: TracedStep, names: dict[str, tuple[int, ...]], *, keep: bool) -> Layout:
    seen = range(step.observed, step.observed + step.dim)
    kept = (*seen, *(row for rows in names.values() for row in rows)) if keep else ()
    return Layout(len(step.state), step.dim, step.observed, step.flagged, kept)


def _weights(step: TracedStep, refinement: Any, n_steps: int, normals: Normals) -> np.ndarray:
    sub, r = integer("refinement", refinement, least=1), len(step.normals)
    if sub > MOST_FINE or n_steps * sub * r >= MAX_BLOCK * normals.per_block:
        raise InvalidInput(
            f"refinement={sub} with {n_steps} steps of {r} normals; "
            f"at most {MOST_FINE}, and 2**48 blocks of normals in all"
        )
    return step.coarsening(sub)


def state_start(
    process: Process,
    scheme: Scheme,
    step: TracedStep,
    tracked: Sequence[Tracked],
    placed: Start,
    t: float,
    dtype: np.dtype,
) -> StartState:
    """Return the function that gives the whole state ``(rows, count)`` at the start of a range of ids."""
    names = _names(step, scheme, tracked)

    def state(first: int, count: int) -> np.ndarray:
        out = np.zeros((len(step.state), count), dtype)
        x = out[: step.dim]
        x[...] = placed(first, count)
        if scheme.start is not None:
            for name, value in scheme.start(ArrayModel(process), components(list(x)), float(t)).items():
                for row, component in zip(names[name], np.atleast_1d(value), strict=True):
                    out[row] = component
        out[step.observed : step.observed + step.dim] = x
        for one in tracked:
            out[names[one.name]] = one.start
        return out

    return state


def _provenance(
    process: Process,
    scheme: Scheme,
    seed: int,
    grid: np.ndarray,
    kind: np.dtype,
    normals: Normals,
    weights: np.ndarray,
) -> dict[str, Any]:
    return {
        "process": process.name,
        "scheme": scheme.name,
        "seed": seed,
        "n_steps": len(grid) - 1,
        "dt": float(np.max(np.diff(grid))),
        "dtype": kind.name,
        "normals": normals.value,
        "normals_cut_off": normals.cut_off,
        "refinement": weights.shape[0],
        "backend": "cpu",
        **environment(),
    }


def _state_type(dtype: Any, normals: Normals) -> np.dtype:
    try:
        kind = np.dtype(dtype)
    except TypeError:
        raise InvalidInput(f"dtype={dtype!r} is not a type; give numpy.float64 or numpy.float32") from None
    if kind.name not in ("float64", "float32"):
        raise InvalidInput(f"dtype={kind.name} is not one that kernels run in; give numpy.float64 or numpy.float32")
    if not isinstance(normals, Normals):
        raise InvalidInput(f"normals={normals!r}; give fpsde.Normals.FLOAT32 or fpsde.Normals.FLOAT64")
    if normals is Normals.FLOAT64 and kind.name == "float32":
        raise InvalidInput(
            "normals=FLOAT64 with dtype=float32 would throw their digits away; "
            "use dtype=numpy.float64 or Normals.FLOAT32"
        )
    return np.dtype(kind.name)  # in the machine's byte order


def _refuse_if_too_large(n: int, plan: Plan, workers: int) -> None:
    particles = n * plan.machine.dtype.itemsize * (len(plan.layout.kept) + plan.looks.copy_rows)
    counts = plan.looks.count_bytes * (1 + workers)
    have = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if particles + counts > MEMORY_SHARE * have:
        raise InvalidInput(
            f"{n} particles need {particles / 2**30:.1f} GiB for positions and snapshots and {counts / 2**30:.1f} GiB "
            f"for histograms, of {have / 2**30:.1f} GiB on this machine; pass keep_positions=False, or take fewer "
            "particles, snapshots or bins"
        )


def _ensemble(run: Shards) -> Ensemble:
    """Return what a run says to its caller."""
    plan, whole = run.plan, run.whole
    d, n = plan.layout.dim, whole.count
    rows = {row: k for k, row in enumerate(plan.layout.kept)}
    values = {name: whole.kept[[rows[row] for row in own]] for name, own in run.names.items()} if run.positions else {}
    return Ensemble(
        t=float(plan.constants.times[-1]),
        n_particles=n,
        requested=run.requested,
        x=whole.kept[:d] if run.positions else None,
        values={name: value if len(value) > 1 else value[0] for name, value in values.items()},
        observers=run.observers,
        results=_results(run, values),
        not_finite=whole.tally.exploded,
        first_not_finite=whole.tally.first_exploded,
        failed=whole.tally.failed,
        absorbed=tuple((int(low), int(high)) for low, high in whole.tally.absorbed),
        provenance=plan.provenance,
        shards=run,
    )


def _results(run: Shards, values: dict[str, np.ndarray]) -> tuple[Any, ...]:
    """Return the result of each observer, in their order."""
    plan, n = run.plan, run.whole.count
    total, tables = tree_total(run.whole.tally.nodes), iter(run.whole.tally.counts)
    takes = [
        Taken(plan.constants.times[look.steps], n, next(tables) if look.places else rows)
        for look, rows in zip(plan.looks.all, plan.looks.rows(total, run.whole.copies), strict=True)
    ]
    out: list[Any] = []
    for one in run.observers:
        if isinstance(one, Tracked):
            out.append(values[one.name][0] if run.positions else None)
        elif isinstance(one, Paths):
            out.append(run.paths[len([p for p in run.observers[: len(out)] if isinstance(p, Paths)])])
        else:
            size = len(one.looks(run.scene))
            out.append(one.read(run.scene, takes[:size]))
            takes = takes[size:]
    return tuple(out)
