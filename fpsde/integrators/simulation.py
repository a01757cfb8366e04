"""simulate(): particles on the CPU."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.progress import Progress

from fpsde.domain import Interval, Wall
from fpsde.ensemble import Counts, Ensemble, PowerSums
from fpsde.errors import InvalidInput
from fpsde.integrators.compiled import compiled, fill_source, step_source
from fpsde.integrators.initial import Start, start_of
from fpsde.integrators.loop import LANES, POWERS, driver
from fpsde.integrators.observers import Observer, Schedule, scheduled
from fpsde.noise import MAX_BLOCK, Normals
from fpsde.processes.process import Process
from fpsde.provenance import environment
from fpsde.schemes.models import ArrayModel
from fpsde.schemes.scheme import Scheme
from fpsde.schemes.tracing import TracedStep, constant_rows, traced_step
from fpsde.symbolic import components
from fpsde.validation import integer, seed64, time_grid

#: Blocks of LANES particles in the largest chunk that a thread takes at once; a power of two: sums then combine alike.
CHUNK_BLOCKS = 64
#: Steps between two looks at whether the run was interrupted.
SEGMENT = 1024
#: Fine steps in a step, at most: their weights are one array.
MOST_FINE = 2**20
#: Share of the machine's memory that a run may ask for.
MEMORY_SHARE = 0.8


@dataclass(frozen=True)
class _Chunk:
    """What one chunk of particles gives, beside what goes to its place in :class:`_Results`."""

    first: int
    count: int
    sums: np.ndarray  # (n_moments, d, POWERS)
    not_finite: int
    failed: int
    absorbed: np.ndarray  # (d, 2)


@dataclass(frozen=True)
class _Results:
    """Where the chunks put their particles and add their counts, so that nothing is held twice."""

    x: np.ndarray  # (d, n), or (d, 0) if positions are not kept
    snapshots: np.ndarray  # (n_snapshots, d, n)
    tables: np.ndarray  # (n_histograms, d, bins + 3)
    chunks: list[_Chunk]
    lock: threading.Lock


@dataclass(frozen=True)
class _Run:
    """All that is the same for every chunk of a run."""

    process: Process
    scheme: Scheme
    step: TracedStep
    times: np.ndarray
    schedule: Schedule
    start: Start
    seed: int
    n_particles: int
    dtype: np.dtype
    normals: Normals
    weights: np.ndarray
    kernels: tuple[Any, Any, Any]  # driver, step, fill
    results: _Results
    stop: threading.Event


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
    observers: Sequence[Observer] = (),
    dtype: Any = np.float64,
    normals: Normals = Normals.FLOAT32,
    refinement: int = 1,
    threads: int | None = None,
    keep_positions: bool = True,
    progress: bool = False,
) -> Ensemble:
    """Return an ensemble of ``n_particles`` independent particles advanced by ``scheme`` from time 0 to ``t_end``.

    Every number depends on (seed, particle id, step) alone, so the result has the same bits for any number of threads.
    Ctrl-C returns the particles that are finished (``interrupted`` says so); nothing is kept of the others.

    Parameters
    ----------
    process, scheme : what is simulated, and by which one-step map.
    x0 : number(s), law(s), positions ``(d, n)`` or a ``Sampler``; see :func:`fpsde.integrators.initial.start_of`.
    t_end, dt : horizon and step in the process's unit of time (dt divides t_end); or ``times``, any increasing grid.
    n_particles : how many; 10**9 need 8 GB for their positions in float64, unless ``keep_positions`` is False.
    seed : 0 <= seed < 2**64.
    observers : :class:`Moments`, :class:`Histogram`, :class:`Snapshots`, at most one of each.
    dtype : float64 or float32, of the state. normals : grade of the noise; FLOAT64 needs a float64 state.
    refinement : each step takes the sum of this many finer increments: the same Brownian path read with a coarser step.

    Raises
    ------
    InvalidInput          if an argument is outside of what is said here, or the run does not fit in memory
    BackendUnavailable    if no compiled kernel can be written to disk
    """
    if not isinstance(process, Process) or not isinstance(scheme, Scheme):
        raise InvalidInput(
            f"simulate takes a Process and a Scheme, not {type(process).__name__} and {type(scheme).__name__}; "
            "fpsde.process_named and fpsde.scheme_named find them by name"
        )
    grid = time_grid(t_end=t_end, dt=dt, times=times)
    n, seed = integer("n_particles", n_particles, least=1), seed64(seed)
    kind = _state_type(dtype, normals)
    step = traced_step(scheme, process)
    constant_rows(step, process, grid, last=1)  # the tables are checked before any work
    sub, r = integer("refinement", refinement, least=1), len(step.normals)
    if sub > MOST_FINE or (len(grid) - 1) * sub * r >= MAX_BLOCK * normals.per_block:
        raise InvalidInput(
            f"refinement={sub} with {len(grid) - 1} steps of {r} normals; "
            f"at most {MOST_FINE}, and 2**48 blocks of normals in all"
        )
    weights = step.coarsening(sub)
    schedule = scheduled(observers, grid, dim=process.dim, dtype=kind)
    workers = integer("threads", threads if threads is not None else os.cpu_count() or 1, least=1)
    _refuse_if_too_large(n, process.dim, schedule, kind, keep_positions, workers)
    start = start_of(x0, process, n_particles=n, seed=seed)
    kernels = (
        driver(kind.name, normals),
        compiled("step", step_source(step, kind.name, normals)).step,
        compiled("normals", fill_source(normals)).fill,
    )
    results = _empty_results(process.dim, n, schedule, kind, keep_positions)
    run = _Run(
        process,
        scheme,
        step,
        grid,
        schedule,
        start,
        seed,
        n,
        kind,
        normals,
        weights,
        kernels,
        results,
        threading.Event(),
    )
    _in_threads(run, workers, progress)
    provenance = {
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
    return _ensemble(run, keep_positions, provenance)


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


def _refuse_if_too_large(n: int, d: int, schedule: Schedule, kind: np.dtype, keep: bool, workers: int) -> None:
    particles = n * kind.itemsize * d * (keep + len(schedule.times[2]))
    counts = 8 * d * len(schedule.times[1]) * (schedule.bins + 3) * (1 + 5 * workers)
    have = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if particles + counts > MEMORY_SHARE * have:
        raise InvalidInput(
            f"{n} particles need {particles / 2**30:.1f} GiB for positions and snapshots and {counts / 2**30:.1f} GiB "
            f"for histograms, of {have / 2**30:.1f} GiB on this machine; pass keep_positions=False, or take fewer "
            "particles, snapshots or bins"
        )


def _empty_results(d: int, n: int, schedule: Schedule, kind: np.dtype, keep: bool) -> _Results:
    _, n_histograms, n_snapshots = (len(t) for t in schedule.times)
    return _Results(
        x=np.empty((d, n if keep else 0), kind),
        snapshots=np.empty((n_snapshots, d, n), kind),
        tables=np.zeros((n_histograms, d, schedule.bins + 3), np.int64),
        chunks=[],
        lock=threading.Lock(),
    )


def _in_threads(run: _Run, workers: int, progress: bool) -> None:
    """Run all chunks; Ctrl-C stops those that are under way."""
    blocks = -(-run.n_particles // LANES)
    size = 1
    while size < CHUNK_BLOCKS and size * workers * 4 < blocks:
        size *= 2
    firsts = range(0, run.n_particles, size * LANES)
    with _bar(len(firsts), progress) as advance, ThreadPoolExecutor(workers) as pool:
        waiting: set[Future] = set()
        try:
            for first in firsts:
                waiting.add(pool.submit(_chunk, run, first, min(size * LANES, run.n_particles - first)))
                if len(waiting) >= 4 * workers:
                    waiting = _collect(waiting, advance)
            while waiting:
                waiting = _collect(waiting, advance)
        except KeyboardInterrupt:
            run.stop.set()
        except BaseException:
            run.stop.set()
            raise


def _collect(waiting: set[Future], advance: Any) -> set[Future]:
    finished, rest = wait(waiting, return_when=FIRST_COMPLETED)
    for future in finished:
        future.result()
    advance(len(finished))
    return rest


@contextmanager
def _bar(total: int, shown: bool) -> Iterator[Any]:
    if not shown:
        yield lambda n: None
        return
    with Progress() as bar:
        task = bar.add_task("particles", total=total)
        yield lambda n: bar.update(task, advance=n)


def _chunk(run: _Run, first: int, count: int) -> None:
    """Run all steps of the particles ``first`` .. ``first + count`` and keep what they give, unless stopped."""
    step, schedule, d = run.step, run.schedule, run.step.dim
    x = _started(run, first, count)
    padded = x.shape[1]
    blocks = padded // LANES
    n_moments, n_histograms, n_snapshots = (len(t) for t in schedule.times)
    sums = np.zeros((n_moments, d, blocks, POWERS))
    tables = np.zeros((n_histograms, d, 4, schedule.bins + 3), np.int64)
    snapshots = np.zeros((n_snapshots, d, padded), run.dtype)
    r = run.weights.shape[1]
    z = np.empty((r * run.normals.per_block, LANES), run.normals.value)
    coarse = np.empty((r, LANES), run.normals.value)
    loop, one_step, fill = run.kernels
    keys = np.uint32(run.seed & 0xFFFFFFFF), np.uint32(run.seed >> 32)
    n_steps = len(run.times) - 1
    for s in range(0, n_steps, SEGMENT):
        if run.stop.is_set():
            return
        constants = constant_rows(step, run.process, run.times, first=s, last=min(s + SEGMENT, n_steps))
        when = np.ascontiguousarray(schedule.when[:, s : s + SEGMENT])
        loop(
            one_step, fill, x, count, first, s, constants, *keys, run.weights, z, coarse, step.observed,
            when, schedule.centres, sums, schedule.low, schedule.scale, tables, snapshots,
        )  # fmt: skip
    _keep(run, first, x[:, :count], paired_sum(sums, axis=2), tables.sum(axis=2), snapshots[:, :, :count])


def _started(run: _Run, first: int, count: int) -> np.ndarray:
    """Return the state ``(rows, n)`` at the start, n a multiple of LANES; the last particle fills up the last block."""
    d = run.step.dim
    state = np.zeros((len(run.step.state), -(-count // LANES) * LANES), run.dtype)
    state[:d, :count] = run.start(first, count)
    state[:d, count:] = state[:d, count - 1 : count]
    if run.scheme.start is not None:
        given = run.scheme.start(ArrayModel(run.process), components(list(state[:d])), run.times[0])
        for row, name in enumerate(run.scheme.auxiliary, start=1):
            for i in range(d):
                state[row * d + i] = given[name][i]
    return state


def _keep(
    run: _Run, first: int, state: np.ndarray, sums: np.ndarray, tables: np.ndarray, snapshots: np.ndarray
) -> None:
    """Keep what a chunk gives. Workers do it, whom Ctrl-C does not reach: a chunk is kept whole or not at all."""
    step, results, count = run.step, run.results, state.shape[1]
    seen = state[step.observed : step.observed + step.dim]
    here = slice(first, first + count)
    if results.x.size:
        results.x[:, here] = seen
    results.snapshots[:, :, here] = snapshots
    chunk = _Chunk(
        first,
        count,
        sums,
        not_finite=int(np.count_nonzero(~np.isfinite(seen).all(axis=0))),
        failed=int(np.count_nonzero(state[-1])) if step.flagged else 0,
        absorbed=np.array([_on_walls(state[i], interval) for i, interval in enumerate(run.process.intervals)]),
    )
    with results.lock:
        results.tables[...] += tables
        results.chunks.append(chunk)


def _on_walls(x: np.ndarray, interval: Interval) -> tuple[int, int]:
    """Return how many particles are on the low and the high wall, where these absorb."""
    low, high = x.dtype.type(interval.low), x.dtype.type(interval.high)
    return (
        int(np.count_nonzero(x <= low)) if interval.low_wall is Wall.ABSORBING else 0,
        int(np.count_nonzero(x >= high)) if interval.high_wall is Wall.ABSORBING else 0,
    )


def paired_sum(values: np.ndarray, *, axis: int) -> np.ndarray:
    """Return the sum along an axis by a fixed binary tree on the index, the same for any cut at a power of two."""
    v = np.moveaxis(values, axis, 0)
    while len(v) > 1:
        if len(v) % 2:
            v = np.concatenate([v, np.zeros_like(v[:1])])
        v = v[0::2] + v[1::2]
    return v[0]


def _ensemble(run: _Run, keep: bool, provenance: dict[str, Any]) -> Ensemble:
    results, schedule = run.results, run.schedule
    chunks = sorted(results.chunks, key=lambda chunk: chunk.first)
    if not chunks:
        raise KeyboardInterrupt("the run was interrupted before any particle was finished")
    n = sum(chunk.count for chunk in chunks)
    ids = (
        slice(None) if n == run.n_particles else np.concatenate([np.arange(c.first, c.first + c.count) for c in chunks])
    )
    sums = paired_sum(np.stack([chunk.sums for chunk in chunks]), axis=0)
    faces = np.stack(
        [np.linspace(lo, hi, schedule.bins + 1) for lo, hi in zip(schedule.low, schedule.high, strict=True)]
    )
    return Ensemble(
        t=float(run.times[-1]),
        n_particles=n,
        requested=run.n_particles,
        x=results.x[:, ids] if keep else None,
        moments=tuple(
            PowerSums(float(t), n, schedule.centres, s) for t, s in zip(schedule.times[0], sums, strict=True)
        ),
        histograms=tuple(
            Counts(float(t), faces, c[:, 1:-2], c[:, 0], c[:, -2], c[:, -1])
            for t, c in zip(schedule.times[1], results.tables, strict=True)
        ),
        snapshots=tuple((float(t), x[:, ids]) for t, x in zip(schedule.times[2], results.snapshots, strict=True)),
        not_finite=sum(chunk.not_finite for chunk in chunks),
        failed=sum(chunk.failed for chunk in chunks),
        absorbed=tuple((int(low), int(high)) for low, high in np.sum([chunk.absorbed for chunk in chunks], axis=0)),
        provenance=provenance,
    )
