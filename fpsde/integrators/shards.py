"""One shard: the particles of a range of ids from start to end, and what is kept of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fpsde.arrays import host
from fpsde.domain import Interval, Wall
from fpsde.errors import InvalidInput
from fpsde.integrators.loop import LANES
from fpsde.integrators.machine import Record
from fpsde.integrators.plan import Plan
from fpsde.integrators.tallies import Tally, tree_nodes

#: Blocks of LANES particles that go through the loop together, at most.
CHUNK_BLOCKS = 64
#: Steps that are handed over together: their constants and the times of their looks are arrays.
SEGMENT = 1024
#: (first_id, count) -> the state (rows, count) at the start, or (rows, 1) where all of them start alike
StartState = Callable[[int, int], np.ndarray]


@dataclass(frozen=True, eq=False)
class Shard:
    """What some ranges of ids give: rows kept of each particle, copies taken on the way, and their tally."""

    ranges: tuple[tuple[int, int], ...]  #: (first id, how many), in order
    kept: Any  #: (rows, n), on the host or on a device
    copies: Any  #: (slots, n)
    tally: Tally

    @property
    def count(self) -> int:
        return sum(count for _, count in self.ranges)


def shard(plan: Plan, start: StartState, *, first: int, count: int, stop: Callable[[], bool] = bool) -> Shard:
    """Return the shard of the particles ``first`` .. ``first + count``; Stopped as soon as ``stop()`` says so."""
    gathered = Gathered(plan, first=first, count=count)
    size = LANES * plan.machine.chunk_blocks(plan, CHUNK_BLOCKS)
    for begin in range(first, first + count, size):
        gathered.add(_chunk(plan, start, begin, min(size, first + count - begin), stop))
    return gathered.shard


@dataclass(eq=False)
class Gathered:
    """Shards of one range of ids, put together as they come, from any thread."""

    plan: Plan
    first: int
    count: int
    _ranges: list[tuple[int, int]] = field(default_factory=list)
    _done: int = 0
    _tally: Tally | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        machine, kept, copied = self.plan.machine, len(self.plan.layout.kept), self.plan.looks.copy_rows
        self._kept = machine.empty((kept, self.count if kept else 0))
        self._copies = machine.empty((copied, self.count if copied else 0))

    def add(self, part: Shard) -> None:
        """Put a shard to its place."""
        column = 0
        kept, copies = (self.plan.machine.gathered(one) for one in (part.kept, part.copies))
        for first, count in part.ranges:
            for whole, own in ((self._kept, kept), (self._copies, copies)):
                if whole.size:
                    whole[:, first - self.first : first - self.first + count] = own[:, column : column + count]
            column += count
        with self._lock:
            self._ranges.extend(part.ranges)
            self._done += part.count
            self._tally = part.tally if self._tally is None else self._tally + part.tally

    @property
    def done(self) -> int:
        """How many particles are finished."""
        return self._done

    @property
    def shard(self) -> Shard:
        """What has come so far, as one shard."""
        with self._lock:
            if self._tally is None:
                raise KeyboardInterrupt("the run was interrupted before any particle was finished")
            ranges, tally = tuple(_joined(sorted(self._ranges))), self._tally
        kept_of_each = self._kept.shape[1] or self._copies.shape[1]
        if not kept_of_each or sum(count for _, count in ranges) == self.count:
            return Shard(ranges, self._kept, self._copies, tally)
        ids = np.concatenate([np.arange(first, first + count) for first, count in ranges]) - self.first
        ids = self.plan.machine.index(ids)
        kept, copies = (a[:, ids] if a.shape[1] else a for a in (self._kept, self._copies))
        return Shard(ranges, kept, copies, tally)


def merged_shards(shards: Sequence[Shard]) -> Shard:
    """Return disjoint shards as one, its particles in the order of their ids; InvalidInput where they overlap."""
    ordered = sorted(shards, key=lambda one: one.ranges)
    ranges = [pair for one in ordered for pair in one.ranges]
    for (first, count), (following, _) in zip(sorted(ranges), sorted(ranges)[1:], strict=False):
        if first + count > following:
            raise InvalidInput(f"particle {following} is in two of the runs; runs with disjoint ids can be merged")
        if (first + count) % LANES:
            raise InvalidInput(
                f"a run ends at particle {first + count} and another begins at {following}; cut at multiples of "
                f"{LANES} particles, at which sums merge to the same bits"
            )
    arrays = ([host(getattr(one, name)) for one in ordered] for name in ("kept", "copies"))
    kept, copies = (np.concatenate(parts, axis=1) for parts in arrays)
    tally = ordered[0].tally
    for one in ordered[1:]:
        tally = tally + one.tally
    if ranges != sorted(ranges) and (kept.shape[1] or copies.shape[1]):
        ids = np.concatenate([np.arange(first, first + count) for first, count in ranges])
        order = np.argsort(ids)
        kept, copies = (a[:, order] if a.shape[1] else a for a in (kept, copies))
    return Shard(tuple(_joined(sorted(ranges))), kept, copies, tally)


def _joined(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return ordered ranges of ids, those that follow on one another as one."""
    out = ranges[:1]
    for first, count in ranges[1:]:
        if sum(out[-1]) == first:
            out[-1] = (out[-1][0], out[-1][1] + count)
        else:
            out.append((first, count))
    return out


def _chunk(plan: Plan, start: StartState, first: int, count: int, stop: Callable[[], bool]) -> Shard:
    """Run all steps of the particles ``first`` .. ``first + count``."""
    with plan.machine.at(first) as machine:
        state = machine.load(start(first, count), -(-count // LANES) * LANES)
        record = machine.empty_record(plan, state.shape[1])
        for s in range(0, plan.n_steps, SEGMENT):
            steps = range(s, min(s + SEGMENT, plan.n_steps))
            machine.advance(plan, state, record, first=first, count=count, steps=steps, stop=stop)
        return _taken(plan, state, machine.read(record), first, count)


def _taken(plan: Plan, state: Any, record: Record, first: int, count: int) -> Shard:
    """Return what a chunk has at the end, as a shard: arrays of particles lie where the machine has them."""
    exploded = record.exploded[:count]
    nodes = tree_nodes(np.moveaxis(record.sums, 1, 0), first // LANES)
    tally = Tally(
        nodes={place: host(node) for place, node in nodes.items()},
        counts=tuple(plan.looks.tables(host(record.counts))),
        exploded=int(np.count_nonzero(exploded >= 0)),
        first_exploded=_first(exploded, first),
        failed=int(np.count_nonzero(state[-1, :count])) if plan.layout.flagged else 0,
        absorbed=np.array([on_walls(state[i, :count], wall) for i, wall in enumerate(plan.constants.intervals)]),
    )
    kept = state[list(plan.layout.kept), :count] if plan.layout.kept else state[:0, :count]
    return Shard(((first, count),), kept, record.copies[:, :count], tally)


def _first(exploded: Any, first: int) -> tuple[int, int] | None:
    """Return (step, particle) of the first explosion."""
    found = np.flatnonzero(exploded >= 0)
    if not found.size:
        return None
    k = found[np.argmin(exploded[found])]
    return int(exploded[k]), first + int(k)


def on_walls(x: np.ndarray, interval: Interval) -> tuple[int, int]:
    """Return how many particles are on the low and the high wall, where these absorb."""
    low, high = x.dtype.type(interval.low), x.dtype.type(interval.high)
    return (
        int(np.count_nonzero(x <= low)) if interval.low_wall is Wall.ABSORBING else 0,
        int(np.count_nonzero(x >= high)) if interval.high_wall is Wall.ABSORBING else 0,
    )


def given_start(start: StartState, first: int, count: int) -> StartState:
    """Return a start that brings the state of these ids along, for a worker that cannot draw it."""
    state = start(first, count)
    if np.all(state == state[:, :1]):  # all from one point: one column says it
        state = state[:, :1].copy()
    return Brought(state, first)


@dataclass(frozen=True, eq=False)
class Brought:
    """States ``(rows, n)`` of the ids from ``first`` on, computed elsewhere; a single column is for all of them."""

    state: np.ndarray
    first: int

    def __call__(self, first: int, count: int) -> np.ndarray:
        if self.state.shape[1] == 1:
            return self.state
        return self.state[:, first - self.first : first - self.first + count]
