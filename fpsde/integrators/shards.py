"""One shard: the particles of a range of ids from start to end, and what is kept of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from fpsde.arrays import host, readable
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
        self.plan.machine.settle()
        with self._lock:
            self._ranges.extend(part.ranges)
            self._done += part.count
            self._tally = part.tally if self._tally is None else self._tally + part.tally

    @property
    def done(self) -> int:
        """How many particles are finished."""
        return self._done

    def rescued(self) -> tuple[Plan, Shard] | None:
        """Return what has come before a failure, with its plan, or None where nothing of it can be read.

        Rows of particles that lie on a device are lost with it: what is left is the run that keeps none of them.
        """
        plan = without_lost_rows(self.plan, self._kept, self._copies)
        if plan is None or self._tally is None:
            return None
        if plan is self.plan:
            return plan, self.shard
        none = np.empty((0, 0), plan.machine.dtype)
        return plan, Shard(tuple(_joined(sorted(self._ranges))), none, none, self._tally)

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


def without_lost_rows(plan: Plan, kept: Any, copies: Any) -> Plan | None:
    """Return the plan of what can still be read: of all, of all but what was kept of each particle, or of nothing.

    Looks that are copies of particles are lost where these lie on a lost device.
    """
    if readable(kept) and readable(copies):
        return plan
    return None if plan.looks.copy_rows else replace(plan, layout=replace(plan.layout, kept=()))


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
    """Run all steps of the particles ``first`` .. ``first + count`` of one run."""
    kept, copies, (tally,) = side_by_side(plan, start, first, count, stop)
    return Shard(((first, count),), kept[:, 0], copies[:, 0], tally)


def side_by_side(
    plan: Plan, start: StartState, first: int, count: int, stop: Callable[[], bool]
) -> tuple[Any, Any, list[Tally]]:
    """Run all steps of ``count`` particles of each member of the plan; the ids of each begin with a block of its own.

    Return what is kept, (rows, members, count), copies, (slots, members, count), and the tally of each member.
    """
    share = -(-count // LANES) * LANES
    with plan.machine.at(first) as machine:
        state = machine.load(start(first, (plan.members - 1) * share + count), plan.members * share)
        record = machine.empty_record(plan, state.shape[1])
        for s in range(0, plan.n_steps, SEGMENT):
            steps = range(s, min(s + SEGMENT, plan.n_steps))
            machine.advance(plan, state, record, first=first, count=count, steps=steps, stop=stop)
        return _taken(plan, state, machine.read(record), first, count)


def _taken(plan: Plan, state: Any, record: Record, first: int, count: int) -> tuple[Any, Any, list[Tally]]:
    """Return what members have at the end: arrays of particles lie where the machine has them."""
    members, share = plan.members, state.shape[1] // plan.members
    blocks = share // LANES
    state = state.reshape(-1, members, share)
    real = state[:, :, :count]
    exploded = record.exploded.reshape(members, share)[:, :count]
    # several trees are added up on the host: each begins at another block, and so has other nodes
    sums = record.sums if members == 1 else host(record.sums)
    counts = host(record.counts)
    lost = host(np.count_nonzero(exploded >= 0, axis=1))
    failed = host(np.count_nonzero(real[-1], axis=1)) if plan.layout.flagged else np.zeros(members, np.int64)
    absorbed = np.array([on_walls(real[i], wall) for i, wall in enumerate(plan.constants.intervals)])
    tallies = []
    for k in range(members):
        nodes = tree_nodes(np.moveaxis(sums[:, k * blocks : (k + 1) * blocks], 1, 0), first // LANES + k * blocks)
        tally = Tally(
            nodes={place: host(node) for place, node in nodes.items()},
            counts=tuple(plan.looks.tables(counts[k])),
            exploded=int(lost[k]),
            first_exploded=_first(exploded[k], first + k * share) if lost[k] else None,
            failed=int(failed[k]),
            absorbed=absorbed[:, :, k],
        )
        tallies.append(tally)
    kept = state[list(plan.layout.kept), :, :count] if plan.layout.kept else real[:0]
    slots = plan.looks.copy_rows
    copies = record.copies.reshape(slots, members, share if slots else 0)[:, :, :count]
    return kept, copies, tallies


def _first(exploded: Any, first: int) -> tuple[int, int]:
    """Return (step, particle) of the first explosion, where there is one."""
    found = np.flatnonzero(exploded >= 0)
    k = found[np.argmin(exploded[found])]
    return int(exploded[k]), first + int(k)


def on_walls(x: Any, interval: Interval) -> tuple[np.ndarray, np.ndarray]:
    """Return how many particles of each member, x (members, n), are on the low and the high wall that absorb."""
    low, high = x.dtype.type(interval.low), x.dtype.type(interval.high)
    none = np.zeros(len(x), np.int64)
    return (
        host(np.count_nonzero(x <= low, axis=1)) if interval.low_wall is Wall.ABSORBING else none,
        host(np.count_nonzero(x >= high, axis=1)) if interval.high_wall is Wall.ABSORBING else none,
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
