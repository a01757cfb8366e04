"""Full paths of a chosen few particles: their blocks are run again, since every number depends on (seed, id) alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fpsde.arrays import host
from fpsde.ensemble import Trajectories
from fpsde.errors import InvalidInput
from fpsde.integrators.looks import Look, Looks
from fpsde.integrators.loop import COPIES, LANES
from fpsde.integrators.machine import padded
from fpsde.integrators.observers import Observer, Scene, Seen, Taken
from fpsde.integrators.plan import Plan
from fpsde.integrators.shards import SEGMENT, StartState
from fpsde.validation import integer


@dataclass(frozen=True)
class Paths(Observer):
    """The position of each of ``particles`` (ids) after every step; memory grows with their number times the steps.

    Its result is a :class:`~fpsde.ensemble.Trajectories` of those of them that are in the run. ``of`` names a component
    or a tracked value.
    """

    particles: Sequence[int]
    of: Seen = None

    def __post_init__(self) -> None:
        if not isinstance(self.particles, (Sequence, np.ndarray)):
            raise InvalidInput(f"particles={self.particles!r} of Paths; give a list of ids")
        ids = [integer("particles", one, least=0) for one in self.particles]
        if not ids or len(set(ids)) < len(ids):
            raise InvalidInput(f"particles={self.particles} of Paths; give different ids, one at least")

    def looks(self, scene: Scene) -> tuple[Look, ...]:
        scene.rows(self.of)  # refused at the door where there is no such thing
        return ()

    def read(self, scene: Scene, taken: Sequence[Taken]) -> None:
        return None

    def ids(self, ranges: Sequence[tuple[int, int]]) -> np.ndarray:
        """Return those of the ids that are in ``ranges`` of (first, count)."""
        wanted = [int(one) for one in self.particles]
        return np.array([one for one in wanted if any(0 <= one - a < n for a, n in ranges)], dtype=np.int64)

    def bytes(self, scene: Scene, ranges: Sequence[tuple[int, int]]) -> int:
        """Return what the paths take in memory."""
        return len(self.ids(ranges)) * len(scene.rows(self.of)) * len(scene.times) * scene.dtype.itemsize

    def followed(self, scene: Scene, plan: Plan, start: StartState, ranges: Sequence[tuple[int, int]]) -> Trajectories:
        """Return the paths of those of the particles whose ids are in ``ranges`` of (first, count)."""
        rows, ids = scene.rows(self.of), self.ids(ranges)
        out = np.empty((len(ids), len(rows), plan.n_steps + 1), plan.machine.dtype)
        for block in np.unique(ids // LANES):
            here = np.flatnonzero(ids // LANES == block)
            _follow(plan, start, int(block), rows, ids[here] - block * LANES, out, here)
        return Trajectories(plan.constants.times, ids, out)


def joined_paths(asked: Paths, parts: Sequence[Trajectories], ranges: Sequence[tuple[int, int]]) -> Trajectories:
    """Return the paths of disjoint sets of particles as one, those in ``ranges``, in the order that was asked for."""
    ids, x = np.concatenate([one.particles for one in parts]), np.concatenate([one.x for one in parts])
    place = {int(one): k for k, one in enumerate(ids)}
    wanted = asked.ids(ranges)
    return Trajectories(parts[0].times, wanted, x[[place[int(one)] for one in wanted]])


def _follow(
    plan: Plan, start: StartState, block: int, rows: tuple[int, ...], lanes: np.ndarray, out: np.ndarray, here: Any
) -> None:
    """Run the particles of a block up to the last of ``lanes``, segment by segment, and copy these lanes out."""
    count = int(lanes.max()) + 1
    begin = padded(start(block * LANES, count), LANES)
    out[here, :, 0] = begin[list(rows)][:, lanes].T
    with plan.machine.at(block * LANES) as machine:
        state = machine.load(begin, LANES)
        for s in range(0, plan.n_steps, SEGMENT):
            steps = range(s, min(s + SEGMENT, plan.n_steps))
            every = np.arange(steps.start, steps.stop) + 1
            segment = replace(plan, looks=Looks(tuple(Look(COPIES, row, every) for row in rows)))
            record = machine.empty_record(segment, state.shape[1])
            machine.advance(segment, state, record, first=block * LANES, count=count, steps=steps)
            copied = host(record.copies).reshape(len(rows), len(every), -1)[:, :, lanes]
            out[here, :, s + 1 : s + 1 + len(every)] = np.moveaxis(copied, 2, 0)
