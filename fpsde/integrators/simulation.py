"""simulate(): particles on the CPU."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.progress import Progress

from fpsde.ensemble import Counts, Ensemble, PowerSums
from fpsde.errors import InvalidInput
from fpsde.integrators.compiled import LANES, compiled, fill_source, step_source
from fpsde.integrators.initial import Start, start_of
from fpsde.integrators.loop import POWERS, driver
from fpsde.integrators.observers import Observer, Schedule, scheduled
from fpsde.noise import MAX_BLOCK, Normals
from fpsde.provenance import environment
from fpsde.schemes.scheme import Scheme
from fpsde.schemes.tracing import TracedStep, constant_rows, traced_step
from fpsde.validation import integer, seed64, time_grid

#: Blocks of LANES particles in the largest chunk that a thread takes at once; a power of two, so that sums combine alike.
CHUNK_BLOCKS = 64
#: Steps between two looks at whether the run was interrupted.
SEGMENT = 1024
#: Share of the machine's memory that a run may ask for.
MEMORY_SHARE = 0.8


@dataclass(frozen=True)
class _Run:
    """All that is the same for every chunk of a run."""

    process: Any
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
    stop: threading.Event


@dataclass(frozen=True)
class _Chunk:
    """What one chunk of particles gives."""

    first: int
    count: int
    state: np.ndarray  # (rows, count)
    sums: np.ndarray  # (n_moments, d, POWERS)
    tables: np.ndarray  # (n_histograms, d, bins + 3)
    snapshots: np.ndarray  # (n_snapshots, d, count)


def simulate(
    process: Any,
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
    x0 : number(s), law(s) or positions ``(d, n)``; see :func:`fpsde.integrators.initial.start_of`.
    t_end, dt : horizon and step in the process's unit of time (dt must divide t_end); or ``times``, any increasing grid.
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
    grid = time_grid(t_end=t_end, dt=dt, times=times)
    n, seed = integer("n_particles", n_particles, least=1), seed64(seed)
    kind = _state_type(dtype, normals)
    step = traced_step(scheme, process)
    constant_rows(step, process, grid, last=1)  # the tables are checked before any work
    weights = step.coarsening(integer("refinement", refinement, least=1))
    if (len(grid) - 1) * weights.shape[0] * weights.shape[1] >= MAX_BLOCK * normals.per_block:
        raise InvalidInput(f"{len(grid) - 1} steps x {weights.shape[0]} x {weights.shape[1]} normals exceed the generator's 2**48 blocks for a particle")
    schedule = scheduled(observers, grid, process.dim)
    _refuse_if_too_large(n, step, schedule, kind, keep_positions)
    start = start_of(x0, process, n_particles=n, seed=seed)
    kernels = (
        driver(kind.name, normals),
        compiled("step", step_source(step, kind.name, normals)).step,
        compiled("normals", fill_source(normals)).fill,
    )
    run = _Run(process, step, grid, schedule, start, seed, n, kind, normals, weights, kernels, threading.Event())
    workers = integer("threads", threads if threads is not None else os.cpu_count() or 1, least=1)
    chunks = _in_threads(run, workers, progress)
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
    return _ensemble(run, chunks, keep_positions, provenance)


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
        raise InvalidInput("normals=FLOAT64 with dtype=float32 would throw their digits away; use dtype=numpy.float64 or Normals.FLOAT32")
    return kind


def _refuse_if_too_large(n: int, step: TracedStep, schedule: Schedule, kind: np.dtype, keep: bool) -> None:
    per_particle = kind.itemsize * (len(step.state) * keep + step.dim * len(schedule.times[2]))
    need, have = n * per_particle, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if need > MEMORY_SHARE * have:
        raise InvalidInput(
            f"{n} particles need {need / 2**30:.1f} GiB for positions and snapshots, of {have / 2**30:.1f} GiB on this machine; "
            "pass keep_positions=False with Moments or Histogram, or fewer particles or snapshots"
        )


def _in_threads(run: _Run, workers: int, progress: bool) -> list[_Chunk]:
    """Return the finished chunks in the order of their ids."""
    blocks = -(-run.n_particles // LANES)
    size = 1
    while size < CHUNK_BLOCKS and size * workers * 4 < blocks:
        size *= 2
    firsts = range(0, run.n_particles, size * LANES)
    done: list[_Chunk] = []
    with _bar(len(firsts), progress) as advance, ThreadPoolExecutor(workers) as pool:
        waiting: set[Future] = set()
        try:
            for first in firsts:
                waiting.add(pool.submit(_chunk, run, first, min(size * LANES, run.n_particles - first)))
                if len(waiting) >= 4 * workers:
                    waiting = _collect(waiting, done, advance)
            while waiting:
                waiting = _collect(waiting, done, advance)
        except KeyboardInterrupt:
            run.stop.set()
            finished, _ = wait(waiting)
            done += [f.result() for f in finished if f.result() is not None and f.result() not in done]
        except BaseException:
            run.stop.set()
            raise
    return sorted(done, key=lambda chunk: chunk.first)


def _collect(waiting: set[Future], done: list[_Chunk], advance: Any) -> set[Future]:
    finished, rest = wait(waiting, return_when="FIRST_COMPLETED")
    done += [future.result() for future in finished]
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


def _chunk(run: _Run, first: int, count: int) -> _Chunk | None:
    """Run all steps of the particles ``first`` .. ``first + count``; None if the run was stopped."""
    step, schedule, d = run.step, run.schedule, run.step.dim
    blocks = -(-count // LANES)
    padded = blocks * LANES
    x = np.zeros((len(step.state), padded), run.dtype)
    x[:d, :count] = run.start(first, count)
    x[:d, count:] = x[:d, count - 1 : count]
    n_moments, n_histograms, n_snapshots = (len(t) for t in schedule.times)
    sums = np.zeros((n_moments, d, blocks, POWERS))
    tables = np.zeros((n_histograms, d, 4, schedule.bins + 3), np.int64)
    snapshots = np.zeros((n_snapshots, d, padded), run.dtype)
    scale = schedule.bins / (schedule.high - schedule.low)
    r = run.weights.shape[1]
    z = np.empty((r * run.normals.per_block, LANES), run.normals.value)
    coarse = np.empty((r, LANES), run.normals.value)
    loop, one_step, fill = run.kernels
    keys = np.uint32(run.seed & 0xFFFFFFFF), np.uint32(run.seed >> 32)
    n_steps = len(run.times) - 1
    for s in range(0, n_steps, SEGMENT):
        if run.stop.is_set():
            return None
        constants = constant_rows(step, run.process, run.times, first=s, last=min(s + SEGMENT, n_steps))
        when = np.ascontiguousarray(schedule.when[:, s : s + SEGMENT])
        loop(
            one_step, fill, x, count, first, s, constants, *keys, run.weights, z, coarse, step.observed,
            when, schedule.centres, sums, schedule.low, scale, tables, snapshots,
        )  # fmt: skip
    return _Chunk(first, count, x[:, :count], paired_sum(sums, axis=2), tables.sum(axis=2), snapshots[:, :, :count])


def paired_sum(values: np.ndarray, *, axis: int) -> np.ndarray:
    """Return the sum along an axis by a fixed binary tree on the index, the same for any cut at a power of two."""
    v = np.moveaxis(values, axis, 0)
    while len(v) > 1:
        if len(v) % 2:
            v = np.concatenate([v, np.zeros_like(v[:1])])
        v = v[0::2] + v[1::2]
    return v[0]


def _ensemble(run: _Run, chunks: list[_Chunk], keep: bool, provenance: dict[str, Any]) -> Ensemble:
    if not chunks:
        raise KeyboardInterrupt("the run was interrupted before any particle was finished")
    step, schedule = run.step, run.schedule
    n = sum(chunk.count for chunk in chunks)
    states = [chunk.state for chunk in chunks]
    seen = slice(step.observed, step.observed + step.dim)
    sums = paired_sum(np.stack([chunk.sums for chunk in chunks]), axis=0)
    tables = sum((chunk.tables for chunk in chunks), np.zeros_like(chunks[0].tables))
    faces = np.stack([np.linspace(lo, hi, schedule.bins + 1) for lo, hi in zip(schedule.low, schedule.high, strict=True)])
    return Ensemble(
        t=float(run.times[-1]),
        n_particles=n,
        requested=run.n_particles,
        x=np.concatenate([state[seen] for state in states], axis=1) if keep else None,
        moments=tuple(PowerSums(float(t), n, schedule.centres, s) for t, s in zip(schedule.times[0], sums, strict=True)),
        histograms=tuple(
            Counts(float(t), faces, c[:, 1:-2], c[:, 0], c[:, -2], c[:, -1]) for t, c in zip(schedule.times[1], tables, strict=True)
        ),
        snapshots=tuple(
            (float(t), np.concatenate([chunk.snapshots[k] for chunk in chunks], axis=1)) for k, t in enumerate(schedule.times[2])
        ),
        not_finite=sum(int(np.count_nonzero(~np.isfinite(state[seen]).all(axis=0))) for state in states),
        failed=sum(int(np.count_nonzero(state[-1])) for state in states) if step.flagged else 0,
        absorbed=tuple(
            (sum(int(np.count_nonzero(s[i] <= v.low)) for s in states), sum(int(np.count_nonzero(s[i] >= v.high)) for s in states))
            if v.walled and not v.periodic else (0, 0)
            for i, v in enumerate(run.process.intervals)
        ),
        provenance=provenance,
    )
