"""Packs of whole members of a batch: runs of one plan side by side, each with its own parameters, start and tally."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from fpsde.arrays import host
from fpsde.integrators.checkpoint import Form, ranges_of, tally_arrays, tally_of
from fpsde.integrators.loop import LANES
from fpsde.integrators.machine import padded
from fpsde.integrators.plan import Plan
from fpsde.integrators.shards import CHUNK_BLOCKS, Shard, StartState, shard, side_by_side, without_lost_rows
from fpsde.integrators.tallies import Tally

#: Bytes of counts that the members of a pack may take together.
COUNT_ROOM = 2**27


@dataclass(frozen=True)
class Deal:
    """How ids are dealt out: member m has the ``count`` ids from ``first + m * share`` on, whole blocks apart."""

    first: int
    count: int

    @property
    def share(self) -> int:
        """From the first id of a member to that of the next one."""
        return -(-self.count // LANES) * LANES

    def id_of(self, member: int) -> int:
        """Return the first id of a member."""
        return self.first + member * self.share

    def members(self, first: int, count: int) -> range:
        """Return the members whose ids lie in a range that was cut between members."""
        begin = (first - self.first) // self.share
        return range(begin, begin + count // self.share)


@dataclass(frozen=True, eq=False)
class Pack:
    """What some members give: rows kept (rows, members, n), copies (slots, members, n), and the tally of each."""

    ranges: tuple[tuple[int, int], ...]  #: (first id, how many ids, those between members included), one pair
    kept: Any  #: on the host or on a device
    copies: Any
    tallies: tuple[Tally, ...]


def pack_members(plan: Plan, deal: Deal) -> int:
    """Return how many members go through the machine together, one at least."""
    blocks = plan.machine.chunk_blocks(plan, CHUNK_BLOCKS) // (deal.share // LANES)
    return max(1, min(blocks, COUNT_ROOM // max(plan.looks.count_bytes, 1)))


def pack(plan: Plan, start: StartState, *, first: int, count: int, deal: Deal, stop: Callable[[], bool] = bool) -> Pack:
    """Return the members of a batch whose ids lie in a range; Stopped as soon as ``stop()`` says so.

    A member by itself goes through the machine part by part where it is large.
    """
    members = deal.members(first, count)
    own = plan.of(members.start, members.stop)
    if len(members) == 1:
        one = shard(own, start, first=first, count=deal.count, stop=stop)
        return Pack(((first, count),), one.kept[:, None], one.copies[:, None], (one.tally,))
    kept, copies, tallies = side_by_side(own, start, first, deal.count, stop)
    return Pack(((first, count),), kept, copies, tuple(tallies))


def _arrays_of(part: Pack) -> dict[str, np.ndarray]:
    own = {f"{k} {name}": a for k, one in enumerate(part.tallies) for name, a in tally_arrays(one).items()}
    return {"ranges": np.array(part.ranges), "kept": host(part.kept), "copies": host(part.copies), **own}


def _pack_of(arrays: dict[str, np.ndarray]) -> Pack:
    tallies: dict[int, dict[str, np.ndarray]] = {}
    for name in arrays:
        if " " in name:
            k, own = name.split(" ")
            tallies.setdefault(int(k), {})[own] = arrays[name]
    made = tuple(tally_of(tallies[k]) for k in sorted(tallies))
    return Pack(ranges_of(arrays), arrays["kept"], arrays["copies"], made)


#: Of the packs of a batch.
PACKS = Form(_arrays_of, _pack_of)


@dataclass(eq=False)
class GatheredPacks:
    """The members of a batch, put together as their packs come, from any thread."""

    plan: Plan
    deal: Deal
    _of: dict[int, Pack] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, part: Pack) -> None:
        """Put a pack to its place."""
        machine = self.plan.machine
        here = replace(part, kept=machine.gathered(part.kept), copies=machine.gathered(part.copies))
        machine.settle()
        with self._lock:
            self._of.update(dict.fromkeys(self.deal.members(*part.ranges[0]), here))

    @property
    def done(self) -> int:
        """How many ids are finished."""
        return len(self._of) * self.deal.share

    @property
    def members(self) -> tuple[int, ...]:
        """The members that are finished."""
        return tuple(sorted(self._of))

    def rescued(self) -> GatheredPacks | None:
        """Return what has come before a failure, or None where nothing of it can be read; as of a single run."""
        parts = set(self._of.values())
        plans = [without_lost_rows(self.plan, part.kept, part.copies) for part in parts]
        if not plans or None in plans:
            return None
        if all(plan is self.plan for plan in plans):
            return self
        none = np.empty((0, self.plan.members, 0), self.plan.machine.dtype)
        bare = {part: replace(part, kept=none, copies=none) for part in parts}
        plan = next(plan for plan in plans if plan is not None and plan is not self.plan)
        return GatheredPacks(plan, self.deal, {member: bare[part] for member, part in self._of.items()})

    def __contains__(self, member: int) -> bool:
        return member in self._of

    def shard(self, member: int) -> Shard:
        """Return a finished member as the shard of a single run."""
        part = self._of[member]
        k = self.deal.members(*part.ranges[0]).index(member)
        ids = ((self.deal.id_of(member), self.deal.count),)
        return Shard(ids, part.kept[:, k], part.copies[:, k], part.tallies[k])


@dataclass(frozen=True, eq=False)
class StartOfEach:
    """Where the members of a batch start: ids between two of them repeat the last particle of the one before."""

    deal: Deal
    of: Callable[[int], StartState]  #: of a member

    def __call__(self, first: int, count: int) -> np.ndarray:
        deal, parts = self.deal, []
        for member in range((first - deal.first) // deal.share, -(-(first + count - deal.first) // deal.share)):
            begin, end = max(first, deal.id_of(member)), min(first + count, deal.id_of(member) + deal.count)
            state = self.of(member)(begin, end - begin)
            parts.append(padded(state, min(first + count, deal.id_of(member + 1)) - begin))
        return np.concatenate(parts, axis=1)
