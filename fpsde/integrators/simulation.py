"""simulate(): particles on the CPU or on GPUs."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import numpy as np

from fpsde.backend import Backend
from fpsde.ensemble import Ensemble
from fpsde.errors import InvalidInput, uncalled
from fpsde.integrators.checkpoint import opened
from fpsde.integrators.execution import Work, done
from fpsde.integrators.initial import start_of
from fpsde.integrators.looks import joined
from fpsde.integrators.loop import LANES
from fpsde.integrators.memory import MEMORY_SHARE, gib, machine_memory
from fpsde.integrators.observers import Observer, Scene
from fpsde.integrators.paths import Paths, joined_paths
from fpsde.integrators.plan import Plan
from fpsde.integrators.runs import Run, ensemble_of
from fpsde.integrators.shards import CHUNK_BLOCKS
from fpsde.integrators.steps import Step, constants_of, layout_of, names_of, state_start, step_of
from fpsde.noise import MAX_BLOCK, Normals
from fpsde.processes.black_box import BlackBox
from fpsde.processes.process import Process
from fpsde.provenance import environment
from fpsde.schemes.scheme import Scheme
from fpsde.schemes.tracked import Tracked
from fpsde.validation import integer, longest_step, seed64, time_grid

#: Ids are below this: the loop counts them in 64 bits with a sign.
MOST_ID = 2**62
#: Fine steps in a step, at most: their weights are one array.
MOST_FINE = 2**20
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
        that the bits are meant to be equal; with several GPUs the shards are dealt out among them. ``GPU_FAST`` fuses
        products into sums. Positions stay on a single device until ``Ensemble.x`` is asked for.

    Raises
    ------
    InvalidInput          if an argument is outside of what is said here, or the run does not fit in memory; if the
                          checkpoint is one of another run, or damaged
    BackendUnavailable    if no compiled kernel, or no checkpoint, can be written to disk, the executor loses a shard,
                          or CuPy, the driver or a GPU is missing where one was asked for
    """
    if not isinstance(process, Process | BlackBox) or not isinstance(scheme, Scheme):
        raise InvalidInput(
            f"simulate takes a Process and a Scheme, not {type(process).__name__} and {type(scheme).__name__}; "
            f"{uncalled(process) or uncalled(scheme) or 'process_named and scheme_named of fpsde find them by name'}"
        )
    grid = time_grid(t_end=t_end, dt=dt, times=times)
    n, seed = integer("n_particles", n_particles, least=1), seed64(seed)
    first = 0 if first_particle is None else _whole_blocks("first_particle", first_particle, least=0)
    if first + n > MOST_ID:
        raise InvalidInput(f"first_particle={first} and n_particles={n}; ids go up to 2**62")
    if executor is not None and not isinstance(executor, Executor):
        raise InvalidInput(f"executor={executor!r}; give a concurrent.futures.Executor, such as a ProcessPoolExecutor")
    kind = _state_type(dtype, normals)
    if not isinstance(backend, Backend):
        raise InvalidInput(f"backend={backend!r}; give fpsde.Backend.CPU, fpsde.Backend.GPU or fpsde.Backend.GPU_FAST")
    tracked = _all_tracked(observers, process, scheme, grid)
    step = step_of(process, scheme, tracked, kind, normals, backend)
    constants = constants_of(process, grid)
    constants.rows(0, 1)  # the tables are checked before any work
    weights = _weights(step, refinement, len(grid) - 1, normals)
    names = names_of(step, scheme, tracked)
    returned = {name: rows for name, rows in names.items() if name not in scheme.internal}
    scene = Scene(grid, process.dim, step.observed, names, kind)
    looks = joined([one.looks(scene) for one in observers if isinstance(one, Observer)])
    workers = integer("threads", threads if threads is not None else step.machine.workers, least=1)
    plan = Plan(
        machine=step.machine,
        layout=layout_of(step, returned, keep=keep_positions),
        constants=constants,
        looks=looks,
        weights=weights,
        seed=seed,
        provenance={
            **_provenance(process, scheme, seed, len(grid) - 1, longest_step(grid, dt), kind, normals, weights),
            "backend": backend.value,
            **step.machine.provenance,
            **environment(),
        },
    )
    followed = [one for one in observers if isinstance(one, Paths)]
    if first_particle is None:
        _refuse_paths_of_nobody(followed, n)
    _refuse_if_too_large(n, plan, workers, sum(one.bytes(scene, [(first, n)]) for one in followed))
    step.machine.refuse_too_many(n, plan)
    placed = start_of(x0, process, n_particles=n, seed=seed, first=first)
    start = state_start(scheme, step, tracked, placed, grid[0], kind)
    size = _shard_size(shard_size, n, workers, plan, alone=checkpoint is None and executor is None)
    saved = None if checkpoint is None else opened(checkpoint, plan, start, first=first, n=n, shard_size=size)
    if saved is not None and shard_size is None:
        size = saved.shard_size
    if saved is not None and size != saved.shard_size:
        raise InvalidInput(
            f"shard_size={size}, but the checkpoint has shards of {saved.shard_size}; leave it out to go on"
        )
    # before the others, so that Ctrl-C among these finds the paths there
    paths = [one.followed(scene, plan, start, [(first, n)]) for one in followed]
    work = Work(plan, start, first, n, size, saved)
    whole = done(work, threads=workers, executor=executor, progress=progress)
    finished = tuple(joined_paths(one, [its], whole.ranges) for one, its in zip(followed, paths, strict=True))
    return ensemble_of(Run(plan, scene, returned, tuple(observers), whole, keep_positions, n, finished))


def _whole_blocks(name: str, value: Any, *, least: int) -> int:
    number = integer(name, value, least=least)
    if number % LANES:
        raise InvalidInput(
            f"{name}={number} is not a multiple of {LANES}; particles are cut at whole blocks of {LANES}"
        )
    return number


def _shard_size(given: int | None, n: int, workers: int, plan: Plan, *, alone: bool) -> int:
    """Return the particles in a shard: as said, or so that there are several for each worker."""
    if given is not None:
        return _whole_blocks("shard_size", given, least=LANES)
    blocks, size = -(-n // LANES), 1
    most = plan.machine.chunk_blocks(plan, CHUNK_BLOCKS) if alone else SHARD // LANES
    while size < most and size * workers * plan.machine.shards_each < blocks:
        size *= 2
    return size * LANES


def _all_tracked(observers: Any, process: Process | BlackBox, scheme: Scheme, grid: np.ndarray) -> tuple[Tracked, ...]:
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


def _refuse_paths_of_nobody(followed: Sequence[Paths], n: int) -> None:
    """Raise InvalidInput for paths that are all beyond a whole run; a part of a larger one may hold none of them."""
    for one in followed:
        if not one.ids([(0, n)]).size:
            raise InvalidInput(f"particles={list(one.particles)} of Paths; the {n} of this run are 0 .. {n - 1}")


def _weights(step: Step, refinement: Any, n_steps: int, normals: Normals) -> np.ndarray:
    sub, r = integer("refinement", refinement, least=1), step.normals
    if sub > MOST_FINE or n_steps * sub * r >= MAX_BLOCK * normals.per_block:
        raise InvalidInput(
            f"refinement={sub} with {n_steps} steps of {r} normals; "
            f"at most {MOST_FINE}, and 2**48 blocks of normals in all"
        )
    return step.coarsening(sub)


def _provenance(
    process: Process | BlackBox,
    scheme: Scheme,
    seed: int,
    n_steps: int,
    dt: float,
    kind: np.dtype,
    normals: Normals,
    weights: np.ndarray,
) -> dict[str, Any]:
    return {
        "process": process.name,
        "scheme": scheme.name,
        "seed": seed,
        "n_steps": n_steps,
        "dt": dt,
        "dtype": kind.name,
        "normals": normals.value,
        "normals_cut_off": normals.cut_off,
        "refinement": weights.shape[0],
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


def _refuse_if_too_large(n: int, plan: Plan, workers: int, paths: int) -> None:
    particles = n * plan.machine.dtype.itemsize * (len(plan.layout.kept) + plan.looks.copy_rows) + paths
    blocks = min(CHUNK_BLOCKS, -(-n // LANES))
    # of each worker: what its loop fills, and the shard that it makes of this
    counts = plan.looks.count_bytes * (1 + 2 * workers) + plan.looks.sum_bytes * blocks * (1 + workers)
    have = machine_memory()
    if particles + counts > MEMORY_SHARE * have:
        raise InvalidInput(
            f"{n} particles need {gib(particles)} for positions, snapshots and paths and {gib(counts)} for histograms "
            f"and sums, of {gib(have)} on this machine; pass "
            "keep_positions=False, or take fewer particles, paths, snapshots, times or bins"
        )
