"""simulate(): particles on the CPU or on GPUs."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fpsde.backend import Backend
from fpsde.ensemble import Ensemble
from fpsde.errors import InvalidInput
from fpsde.integrators.checkpoint import SHARDS, opened
from fpsde.integrators.execution import Work, carrying, finish
from fpsde.integrators.initial import start_of
from fpsde.integrators.loop import LANES
from fpsde.integrators.observers import Observer
from fpsde.integrators.paths import Paths, joined_paths
from fpsde.integrators.plan import Plan
from fpsde.integrators.preparation import first_id, prepared, whole_blocks
from fpsde.integrators.runs import Run, ensemble_of
from fpsde.integrators.shards import CHUNK_BLOCKS, Gathered, Shard, shard
from fpsde.memory import MEMORY_SHARE, gib, machine_memory
from fpsde.noise import Normals
from fpsde.processes.black_box import BlackBox
from fpsde.processes.process import Process
from fpsde.schemes.scheme import Scheme
from fpsde.schemes.tracked import Tracked
from fpsde.validation import integer

#: Particles in a shard of a checkpoint or of an executor, at most, unless the caller says.
SHARD = 2**20


def simulate(
    process: Process | BlackBox,
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
    first_particle: int | None = None,
    keep_positions: bool = True,
    threads: int | None = None,
    executor: Executor | None = None,
    checkpoint: Path | str | None = None,
    shard_size: int | None = None,
    progress: bool = False,
    backend: Backend = Backend.CPU,
) -> Ensemble:
    """Return an ensemble of ``n_particles`` independent particles advanced by ``scheme`` from time 0 to ``t_end``.

    Every number depends on (seed, particle id, step) alone, so the result has the same bits for any number of threads,
    any shards, any executor, and after any interruption. Ctrl-C returns the particles that are finished
    (``interrupted`` says so); nothing is kept of the others.

    Parameters
    ----------
    process, scheme : what is simulated, and by which one-step map. A ``BlackBox`` runs as array code, on a GPU on
        arrays of CuPy, every other process as a compiled kernel.
    x0 : number(s), law(s), positions ``(d, n)`` or a ``Sampler``; see :func:`fpsde.integrators.initial.start_of`.
    t_end, dt : horizon and step in the process's unit of time (dt divides t_end); or ``times``, any increasing grid.
    n_particles : how many; 10**9 need 8 GB for their positions in float64, unless ``keep_positions`` is False.
    seed : 0 <= seed < 2**64.
    observers : :class:`Moments`, :class:`Histogram`, :class:`FirstPassage` ..., and :class:`Tracked` functions.
    dtype : float64 or float32, of the state. normals : grade of the noise; FLOAT64 needs a float64 state.
    refinement : each step takes the sum of this many finer increments: the same Brownian path read with a coarser step.
    first_particle : id of the first particle, a multiple of 512 (0 if left out): runs with disjoint ids can be
        :func:`merged`.
    executor : any ``concurrent.futures.Executor`` runs the shards (a process pool, or a cluster through its own), in
        place of ``threads`` of this process.
    checkpoint : a folder that keeps finished shards; the same call goes on from it, after ``kill -9`` too.
    shard_size : particles in a shard, a multiple of 512; it decides no bit of the result.
    backend : :class:`Backend.CPU`, or ``Backend.GPU``: CUDA kernels through CuPy, whose text is that of the CPU's, so
        that the bits are meant to be equal; with several GPUs the shards are dealt out among them. More
        ``threads`` than GPUs share the memory of each; workers of an executor do not know of one another: give it one
        for each GPU. ``GPU_FAST`` fuses products into sums. Positions stay on a single device until ``Ensemble.x`` is
        asked for. Laws and samplers draw on the host, since inverse distribution functions are not the same bits
        everywhere, and the draws are copied: 0.03 microseconds of a core for each particle and component of a normal
        law, a microsecond where Numba is not installed. Points cost nothing.

    Raises
    ------
    InvalidInput          if an argument is outside of what is said here, or the run does not fit in memory; if the
                          checkpoint is one of another run, or damaged
    BackendUnavailable    if no compiled kernel, or no checkpoint, can be written to disk, the executor loses a shard,
                          or CuPy, the driver or a GPU is missing where one was asked for, or lost in mid-run
    The error of a run that fails on its way has the particles that are finished: ``finished`` is their ensemble, to be
    :func:`merged` with a run of the others, without positions where these lay on a lost device, and None where nothing
    is left.
    """
    n = integer("n_particles", n_particles, least=1)
    first = first_id(first_particle, n)
    if executor is not None and not isinstance(executor, Executor):
        raise InvalidInput(f"executor={executor!r}; give a concurrent.futures.Executor, such as a ProcessPoolExecutor")
    ready = prepared(
        process, scheme, t_end=t_end, dt=dt, times=times, seed=seed, observers=observers, dtype=dtype, normals=normals,
        refinement=refinement, keep_positions=keep_positions, backend=backend,
    )  # fmt: skip
    plan, scene = ready.plan, ready.scene
    workers = integer("threads", threads if threads is not None else plan.machine.workers, least=1)
    if executor is None:
        plan = replace(plan, machine=plan.machine.shared_by(workers))
    followed = [one for one in observers if isinstance(one, Paths)]
    if first_particle is None:
        _refuse_paths_of_nobody(followed, n)
    size = _shard_size(shard_size, n, workers, plan, alone=checkpoint is None and executor is None)
    in_parts = min(n, workers * size)
    _refuse_if_too_large(n, plan, workers, sum(one.bytes(scene, [(first, n)]) for one in followed), in_parts=in_parts)
    plan.machine.refuse_too_many(n, plan, in_parts=in_parts)
    start = ready.start(start_of(x0, process, n_particles=n, seed=plan.seed, first=first))
    saved = None
    if checkpoint is not None:
        saved = opened(checkpoint, plan, start, first=first, n=n, shard_size=size, form=SHARDS)
    if saved is not None and shard_size is None:
        size = saved.shard_size
    if saved is not None and size != saved.shard_size:
        raise InvalidInput(
            f"shard_size={size}, but the checkpoint has shards of {saved.shard_size}; leave it out to go on"
        )
    # before the others, so that Ctrl-C among these finds the paths there
    paths = [one.followed(scene, plan, start, [(first, n)]) for one in followed]
    gathered = Gathered(plan, first=first, count=n)
    work = Work(shard, plan, start, first, n, size, saved)

    def ensemble(plan: Plan, whole: Shard) -> Ensemble:
        its = tuple(joined_paths(one, [own], whole.ranges) for one, own in zip(followed, paths, strict=True))
        keeps = bool(plan.layout.kept)
        return ensemble_of(Run(plan, scene, ready.returned, ready.observers, ready.looked, whole, keeps, n, its))

    def rescued() -> Ensemble | None:
        found = gathered.rescued()
        return None if found is None else ensemble(*found)

    with carrying(gathered, rescued, _words):
        finish(work, gathered, threads=workers, executor=executor, progress=progress)
    return ensemble(plan, gathered.shard)


def _words(part: Ensemble) -> str:
    """Return what is said of a part of a run that an error carries."""
    ranges = part.shards.whole.ranges
    ids = ", ".join(f"{first} .. {first + count - 1}" for first, count in ranges[:4]) + ", ..." * (len(ranges) > 4)
    without = "" if part.shards.positions else ", without their positions"
    return (
        f"{part.n_particles} of {part.requested} particles are finished (ids {ids}): they are the run `finished` of "
        f"this error{without}"
    )


def _shard_size(given: int | None, n: int, workers: int, plan: Plan, *, alone: bool) -> int:
    """Return the particles in a shard: as said, or so that there are several for each worker."""
    if given is not None:
        return whole_blocks("shard_size", given, least=LANES)
    blocks, size = -(-n // LANES), 1
    most = plan.machine.chunk_blocks(plan, CHUNK_BLOCKS) if alone else SHARD // LANES
    while size < most and size * workers * plan.machine.shards_each < blocks:
        size *= 2
    return size * LANES


def _refuse_paths_of_nobody(followed: Sequence[Paths], n: int) -> None:
    """Raise InvalidInput for paths that are all beyond a whole run; a part of a larger one may hold none of them."""
    for one in followed:
        if not one.ids([(0, n)]).size:
            raise InvalidInput(f"particles={list(one.particles)} of Paths; the {n} of this run are 0 .. {n - 1}")


def _refuse_if_too_large(n: int, plan: Plan, workers: int, paths: int, *, in_parts: int) -> None:
    """Raise InvalidInput, the size said, where a run does not fit in memory: ``in_parts`` of its particles lie there a
    second time, in the shards that are under way.
    """
    rows = len(plan.layout.kept) + plan.looks.copy_rows
    particles = (n + in_parts) * plan.machine.dtype.itemsize * rows + paths
    blocks = min(CHUNK_BLOCKS, -(-n // LANES))
    # of each worker: what its loop fills, and the shard that it makes of this
    counts = plan.looks.count_bytes * (1 + 2 * workers) + plan.looks.sum_bytes * blocks * (1 + workers)
    have = machine_memory()
    if particles + counts > MEMORY_SHARE * have:
        raise InvalidInput(
            f"{n} particles need {gib(particles)} for positions, snapshots and paths and {gib(counts)} for histograms "
            f"and sums, of {gib(have)} on this machine; pass "
            "keep_positions=False, or take fewer particles, paths, snapshots, times or bins, or smaller shards"
        )
