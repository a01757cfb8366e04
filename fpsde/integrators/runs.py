"""From shards to what the caller gets: the results of the observers, and runs merged with one another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fpsde.arrays import host
from fpsde.ensemble import Ensemble, Trajectories
from fpsde.errors import InvalidInput
from fpsde.integrators.observers import Scene, Taken
from fpsde.integrators.paths import Paths, joined_paths
from fpsde.integrators.plan import Plan
from fpsde.integrators.shards import Shard, merged_shards
from fpsde.integrators.tallies import tree_total
from fpsde.schemes.tracked import Tracked


@dataclass(frozen=True, eq=False)
class Run:
    """A run as it can be merged with others: the raw shard, and what reads it."""

    plan: Plan
    scene: Scene
    names: dict[str, tuple[int, ...]]
    observers: tuple[Any, ...]
    looked: tuple[int, ...]  #: how many looks each of them takes
    whole: Shard
    positions: bool
    requested: int
    paths: tuple[Trajectories, ...]

    @property
    def followed(self) -> list[Paths]:
        return [one for one in self.observers if isinstance(one, Paths)]

    @property
    def asked(self) -> list[Any]:
        """What the observers are and which paths were asked for, to compare with another run."""
        paths = [([int(one) for one in paths.particles], paths.of) for paths in self.followed]
        return [[type(one) for one in self.observers], paths]


def merged(runs: Sequence[Ensemble]) -> Ensemble:
    """Return runs of one process, scheme, seed and observers with disjoint particle ids as one run.

    The bits are those of a single run, however the ids are cut into ranges at multiples of 512
    (``simulate(..., first_particle=...)``). InvalidInput if the runs differ, overlap, or are cut elsewhere.
    """
    parts = [run.shards for run in runs if isinstance(run, Ensemble)] if isinstance(runs, Sequence) else []
    if not parts or len(parts) < len(runs):
        raise InvalidInput("merged() takes a list of the ensembles that simulate() returned, one at least")
    for part in parts:
        if part.plan.fingerprint != parts[0].plan.fingerprint or part.asked != parts[0].asked:
            differ = parts[0].plan.differences(part.plan.fingerprint, part.plan.provenance) or ["observers"]
            raise InvalidInput(f"the runs differ in {', '.join(differ)}; only particles of one run can be merged")
    whole = merged_shards([part.whole for part in parts])
    paths = tuple(
        joined_paths(one, same, whole.ranges)
        for one, *same in zip(parts[0].followed, *(part.paths for part in parts), strict=True)
    )
    requested = sum(part.requested for part in parts)
    return ensemble_of(replace(parts[0], whole=whole, paths=paths, requested=requested))


def ensemble_of(run: Run) -> Ensemble:
    """Return what a run says to its caller."""
    plan, whole = run.plan, run.whole
    d, n = plan.layout.dim, whole.count
    rows = {row: k for k, row in enumerate(plan.layout.kept)}
    named = run.names.items() if run.positions else ()
    values = {name: host(whole.kept[[rows[row] for row in own]]) for name, own in named}
    return Ensemble(
        t=float(plan.constants.times[-1]),
        n_particles=n,
        requested=run.requested,
        held=whole.kept[:d] if run.positions else None,
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


def _results(run: Run, values: dict[str, np.ndarray]) -> tuple[Any, ...]:
    """Return the result of each observer, in their order."""
    plan, n = run.plan, run.whole.count
    total, tables = tree_total(run.whole.tally.nodes), iter(run.whole.tally.counts)
    takes = [
        Taken(plan.constants.times[look.steps], n, next(tables) if look.places else rows)
        for look, rows in zip(plan.looks.all, plan.looks.rows(total, host(run.whole.copies)), strict=True)
    ]
    out: list[Any] = []
    for one, size in zip(run.observers, run.looked, strict=True):
        if isinstance(one, Tracked):
            out.append(values[one.name][0] if run.positions else None)
        elif isinstance(one, Paths):
            out.append(run.paths[len([p for p in run.observers[: len(out)] if isinstance(p, Paths)])])
        else:
            out.append(one.read(run.scene, takes[:size]))
            takes = takes[size:]
    return tuple(out)
