"""simulate_batch(): one run for each of many parameter values or initial laws, side by side in the same kernels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fpsde.backend import Backend
from fpsde.ensemble import Ensemble
from fpsde.errors import InvalidInput
from fpsde.integrators.checkpoint import opened
from fpsde.integrators.execution import Work, carrying, finish
from fpsde.integrators.initial import start_of, starts_by_id
from fpsde.integrators.loop import LANES
from fpsde.integrators.observers import Observer
from fpsde.integrators.packs import PACKS, Deal, GatheredPacks, StartOfEach, pack, pack_members
from fpsde.integrators.paths import Paths
from fpsde.integrators.plan import Plan
from fpsde.integrators.preparation import Prepared, first_id, prepared
from fpsde.integrators.runs import Run, ensemble_of
from fpsde.integrators.shards import StartState
from fpsde.memory import MEMORY_SHARE, gib, machine_memory
from fpsde.noise import Normals
from fpsde.processes.black_box import BlackBox
from fpsde.processes.parameter_sets import ParameterSets
from fpsde.processes.process import Process
from fpsde.schemes.scheme import Scheme
from fpsde.schemes.tracked import Tracked
from fpsde.validation import integer


@dataclass(frozen=True, eq=False)
class Batch:
    """The members of a batch: ``batch[m]`` is the :class:`~fpsde.ensemble.Ensemble` of member m, made when asked for.

    It has the bits of the single run

        simulate(process.with_params(**values of m), scheme, ..., seed=seed, first_particle=batch.first_particle(m))

    and is merged as that run is (:func:`fpsde.merged`): with runs of the same values and other ids; not with the single
    run itself, which has its ids, nor with members of other values.
    """

    params: Mapping[str, np.ndarray]  #: by name, (members,) or (members, ...): what varies
    seed: int
    finished: tuple[int, ...]  #: the members that are whole; after Ctrl-C not all of them
    _size: int
    _ready: Prepared
    _deal: Deal
    _start: StartState
    _gathered: GatheredPacks

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Ensemble]:
        return (self[m] for m in range(len(self)))

    def __getitem__(self, member: int) -> Ensemble:
        m = self._number(member)
        if m not in self._gathered:
            raise InvalidInput(
                f"member {m} was not finished before the batch was interrupted; those in batch.finished were"
            )
        ready, n = self._ready, self._deal.count
        plan, ids = ready.plan.of(m, m + 1), [(self._deal.id_of(m), n)]
        followed = [one for one in ready.observers if isinstance(one, Paths)]
        paths = tuple(one.followed(ready.scene, plan, self._start, ids) for one in followed)
        shard, keeps = self._gathered.shard(m), bool(plan.layout.kept)
        return ensemble_of(
            Run(plan, ready.scene, ready.returned, ready.observers, ready.looked, shard, keeps, n, paths)
        )

    def _number(self, member: Any) -> int:
        m = integer("member", member, least=0)
        if m >= len(self):
            raise InvalidInput(f"member {m} of a batch of {len(self)}; they count from 0 to {len(self) - 1}")
        return m

    def __repr__(self) -> str:
        made, names = self._ready.plan.provenance, ", ".join(self.params) or "initial laws"
        of = f"{len(self.finished)} of {len(self)} (interrupted)" if self.interrupted else f"{len(self)}"
        return (
            f"<Batch {of} members of {self._deal.count} particles each of {made['process']} by {made['scheme']}, "
            f"which differ in {names}; seed={self.seed}>"
        )

    @property
    def interrupted(self) -> bool:
        """Whether the batch was stopped before all members were finished."""
        return len(self.finished) < len(self)

    def first_particle(self, member: int) -> int:
        """Return the id of the first particle of a member; Paths names particles by their ids."""
        return self._deal.id_of(self._number(member))


def simulate_batch(
    process: Process | BlackBox,
    scheme: Scheme,
    *,
    params: Mapping[str, Any] | None = None,
    x0: Any = None,
    starts: Sequence[Any] | None = None,
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
    progress: bool = False,
    backend: Backend = Backend.CPU,
) -> Batch:
    """Return one run for each of many parameter values, or initial laws, which share step, times and observers.

    The members go through the kernels side by side, thousands in one launch on a GPU. Each has ``n_particles`` of its
    own, and whole blocks of 512 ids, so that fewer than 512 cost as much as 512: with
    ``stride`` = n_particles rounded up to a multiple of 512, member m has the ids from first_particle + m stride on.
    No two members share noise, and each has the bits of its single run; see :class:`Batch`. Ctrl-C returns the members
    that are finished.

    The functions of a ``BlackBox`` are called with the particles of many members at once, and with their parameters,
    ``(n,)`` of a number, where they take p. Its members have the bits of their single runs where a function gives each
    particle the same bits beside any others: NumPy's functions of each element do, a product of matrices need not.

    Parameters
    ----------
    params : arrays by the names of the process's ``params``: (members,) for a number, (members, *shape) for an array.
        Run-time values: nothing is compiled for them.
    x0 : where every member starts, as in :func:`~fpsde.integrators.simulation.simulate`; or
    starts : one such x0 for each member, in its place.
    executor : runs packs of whole members, in place of ``threads`` of this process.
    checkpoint : a folder that keeps finished packs; the same call goes on from it.

    All others are those of ``simulate``. Walls, tables and horizon are those of the process, the same for all members.

    Raises
    ------
    InvalidInput          if the lengths of ``params`` and ``starts`` differ, a name is no parameter of the process, a
                          value is not finite, a parameter decides what is not in the kernel (a wall, say), or the
                          batch does not fit in memory; and as ``simulate`` does.
                          Members are held against what the process says its parameters may be (``allowed``: all of
                          the catalogue say so). Where it does not, its factory is asked for each of up to 256 members;
                          of more, for those with the least and the greatest value of each parameter, so that a
                          combination of values that ``with_params`` refuses may run
    BackendUnavailable    as ``simulate`` does; ``finished`` of an error in mid-run is the batch of what is finished
    """
    n = integer("n_particles", n_particles, least=1)
    ready = prepared(
        process, scheme, t_end=t_end, dt=dt, times=times, seed=seed, observers=observers, dtype=dtype, normals=normals,
        refinement=refinement, keep_positions=keep_positions, backend=backend,
    )  # fmt: skip
    varied = None if params is None else ParameterSets.of(process, params)
    size = _members(varied, x0, starts)
    if varied is not None and not varied.differ_in_numbers_alone():
        raise InvalidInput(
            f"{', '.join(varied.values)} of {process.name} decide more than numbers of its kernel (formulas, walls or "
            "tables, which all members share); call simulate for each"
        )
    parameters = np.tile(process.parameter_values(), (size, 1)) if varied is None else varied.vectors()
    plan = replace(ready.plan, constants=replace(ready.plan.constants, parameters=parameters))
    ready = replace(ready, plan=plan)
    deal = Deal(first_id(first_particle, n), n)
    first_id(deal.first, size * deal.share)
    workers = integer("threads", threads if threads is not None else plan.machine.workers, least=1)
    if executor is None:
        plan = replace(plan, machine=plan.machine.shared_by(workers))
    together = min(pack_members(plan, deal), -(-size // (workers * plan.machine.shards_each)))
    _refuse_if_too_large(size, deal, together, plan, workers)
    start = _start(process, ready, deal, x0, starts)
    gathered = GatheredPacks(plan, deal)
    ids, size_of_pack = size * deal.share, together * deal.share
    saved = None
    if checkpoint is not None:
        saved = opened(
            checkpoint, plan, start, first=deal.first, n=ids, shard_size=size_of_pack, form=PACKS, each=n
        )  # fmt: skip
        size_of_pack = saved.shard_size
    work = Work(partial(pack, deal=deal), plan, start, deal.first, ids, size_of_pack, saved)
    values = {} if varied is None else varied.values

    def batch(found: GatheredPacks) -> Batch:
        its = replace(ready, plan=found.plan)
        return Batch(values, plan.seed, found.members, size, its, deal, start, found)

    def rescued() -> Batch | None:
        found = gathered.rescued()
        return None if found is None else batch(found)

    with carrying(gathered, rescued, _words):
        finish(work, gathered, threads=workers, executor=executor, progress=progress)
    return batch(gathered)


def _words(part: Batch) -> str:
    """Return what is said of a part of a batch that an error carries."""
    return (
        f"{len(part.finished)} of {len(part)} members are finished: they are in the batch `finished` of this error, "
        "which names them"
    )


def _members(varied: ParameterSets | None, x0: Any, starts: Any) -> int:
    """Return how many members there are; InvalidInput where that, or where they start, is not clear."""
    if (x0 is None) == (starts is None):
        raise InvalidInput("give x0, where every member starts, or starts, an x0 for each of them: one of the two")
    if starts is None:
        if varied is None:
            raise InvalidInput("nothing varies in this batch; give params, starts, or both, or call simulate")
        return len(varied)
    listed = starts.ndim > 0 if isinstance(starts, np.ndarray) else isinstance(starts, Sequence)
    if not listed or isinstance(starts, str) or not len(starts):
        raise InvalidInput(f"starts={starts!r}; give a list of initial laws or positions, one for each member")
    if varied is not None and len(varied) != len(starts):
        raise InvalidInput(f"params have {len(varied)} values and starts {len(starts)}; one for each member is needed")
    return len(starts)


def _start(
    process: Process | BlackBox, ready: Prepared, deal: Deal, x0: Any, starts: Sequence[Any] | None
) -> StartState:
    """Return the function that gives the whole state of a range of ids at the start."""
    of = partial(start_of, process=process, n_particles=deal.count, seed=ready.plan.seed)
    if starts is None and ready.scheme.start is None and starts_by_id(x0, process.dim):
        return ready.start(of(x0, first=deal.first))
    rows = ready.plan.constants.parameters
    placed = []
    for m in range(len(rows)):
        try:
            placed.append(of(x0 if starts is None else starts[m], first=deal.id_of(m)))
        except InvalidInput as error:
            if starts is None:
                raise
            raise InvalidInput(f"member {m} (starts[{m}]): {error}") from None
    return StartOfEach(deal, lambda m: ready.with_numbers(rows[m]).start(placed[m]))


def _refuse_if_too_large(size: int, deal: Deal, together: int, plan: Plan, workers: int) -> None:
    """Raise InvalidInput, the size said, where the results of all members, or what makes them, do not fit in memory."""
    looks, layout = plan.looks, plan.layout
    # snapshots are kept with what fills up their blocks
    kept = size * plan.machine.dtype.itemsize * (deal.count * len(layout.kept) + deal.share * looks.copy_rows)
    levels = (deal.share // LANES).bit_length()
    results = size * (looks.count_bytes + 2 * levels * looks.sum_bytes)
    at_work = workers * together * (looks.count_bytes + deal.share * plan.machine.dtype.itemsize * layout.rows)
    have = machine_memory()
    if kept + results + at_work > MEMORY_SHARE * have:
        raise InvalidInput(
            f"{size} members of {deal.count} particles need {gib(kept)} for positions and snapshots and "
            f"{gib(results + at_work)} for histograms and sums, of {gib(have)} on this machine; pass "
            "keep_positions=False, or take fewer members, particles, snapshots, times or bins"
        )
    in_parts = min(size, workers * together) * deal.count
    plan.machine.refuse_too_many(size * deal.count, plan.of(0, together), in_parts=in_parts)
