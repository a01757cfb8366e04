"""A run on disk, shard by shard: arrays and JSON, nothing pickled, each file written whole or not at all.

run.json                  which run it is, and the size of a shard
shard-FIRST.npz           the arrays of a finished shard
shard-FIRST.json          its ids, and the SHA-256 of the arrays; written last, so a shard is there once this is
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fpsde.errors import BackendUnavailable, InvalidInput
from fpsde.integrators.loop import POWERS
from fpsde.integrators.plan import Plan
from fpsde.integrators.shards import Shard, StartState
from fpsde.integrators.tallies import Tally
from fpsde.validation import finite
from fpsde.writing import made_folder, put_whole

#: Particles whose starting points tell one run from another, at either end.
LOOKED_AT = 512


@dataclass(frozen=True)
class Checkpoint:
    """A folder of finished shards of one run."""

    folder: Path
    shard_size: int

    def finished(self, first: int) -> bool:
        """Return whether the shard that begins at a particle is there."""
        return self._named(first, ".json").exists()

    def load(self, first: int) -> Shard:
        """Return a finished shard; InvalidInput if its file is not what was written."""
        path = self._named(first, ".npz")
        said = _said(self._named(first, ".json"))
        try:
            content = path.read_bytes()
        except OSError as error:
            raise _damaged(path, str(error)) from error
        if hashlib.sha256(content).hexdigest() != said.get("sha256"):
            raise _damaged(path, "its checksum is not the one that was written")
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return _shard_of(dict(arrays))

    def save(self, part: Shard) -> None:
        """Keep a finished shard."""
        first, count = part.ranges[0]
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **_arrays_of(part))
        content = buffer.getvalue()
        put_whole(self._named(first, ".npz"), content)
        said = {"first": first, "count": count, "sha256": hashlib.sha256(content).hexdigest()}
        put_whole(self._named(first, ".json"), json.dumps(said).encode())

    def _named(self, first: int, suffix: str) -> Path:
        return self.folder / f"shard-{first:015d}{suffix}"


def particles_in(folder: Path | str) -> int:
    """Return how many particles the finished shards in a folder hold; 0 where there is none."""
    return sum(_said(path).get("count", 0) for path in Path(folder).glob("shard-*.json"))


def _said(path: Path) -> dict[str, Any]:
    """Return what the JSON of a finished shard says."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise _damaged(path.with_suffix(".npz"), str(error)) from error


def _damaged(path: Path, why: str) -> InvalidInput:
    return InvalidInput(f"{path} is damaged: {why}; delete it and its .json, and the shard is computed again")


def opened(folder: Path | str, plan: Plan, start: StartState, *, first: int, n: int, shard_size: int) -> Checkpoint:
    """Return the checkpoint of a run in a folder, begun if there is none; one of another run is refused."""
    folder = made_folder(Path(folder))
    mine = {
        "fingerprint": plan.fingerprint,
        "start": _hash_of_start(start, first, n),
        "first_particle": first,
        "n_particles": n,
    }
    path = folder / "run.json"
    if not path.exists():
        put_whole(path, json.dumps({**mine, "shard_size": shard_size, "run": plan.provenance}, indent=1).encode())
        return Checkpoint(folder, shard_size)
    try:
        there = json.loads(path.read_text())
    except OSError as error:
        raise BackendUnavailable(f"{path} cannot be read ({error}); name another folder") from error
    except ValueError as error:
        raise InvalidInput(f"{path} is no run.json of fpsde ({error}); name another folder") from error
    other = [name for name, value in mine.items() if there.get(name) != value]
    if other:
        raise InvalidInput(f"{folder} holds the checkpoint of another run: {_difference(there, plan, other, n)}")
    return Checkpoint(folder, int(finite("shard_size", there["shard_size"])))


def _difference(there: dict[str, Any], plan: Plan, other: list[str], n: int) -> str:
    """Return in words how the run on disk differs from the one asked for."""
    was: dict[str, Any] = there.get("run", {})
    changed = [f"{k} {was.get(k)!r} there, {v!r} here" for k, v in plan.provenance.items() if was.get(k) != v]
    if "n_particles" in other:
        changed.append(f"n_particles {there.get('n_particles')} there, {n} here")
    what = "; ".join(changed) or f"they differ in {', '.join(other)} (parameters, observers, kernel or x0)"
    return f"{what}. Give it the same arguments to go on, or name another folder"


def _hash_of_start(start: StartState, first: int, n: int) -> str:
    ends = [(first, min(n, LOOKED_AT)), (first + max(0, n - LOOKED_AT), min(n, LOOKED_AT))]
    return hashlib.sha256(b"".join(np.ascontiguousarray(start(*end)).tobytes() for end in ends)).hexdigest()


def _arrays_of(part: Shard) -> dict[str, np.ndarray]:
    tally = part.tally
    return {
        "ranges": np.array(part.ranges),
        "kept": part.kept,
        "copies": part.copies,
        "node_places": np.array(sorted(tally.nodes)),
        "nodes": np.array([tally.nodes[place] for place in sorted(tally.nodes)]),
        "exploded": np.array([tally.exploded, *(tally.first_exploded or ())]),
        "failed": np.array(tally.failed),
        "absorbed": tally.absorbed,
        **{f"counts{k}": table for k, table in enumerate(tally.counts)},
    }


def _shard_of(arrays: dict[str, np.ndarray]) -> Shard:
    exploded, *first = (int(v) for v in arrays["exploded"])
    places = [(int(level), int(index)) for level, index in arrays["node_places"]]
    nodes = arrays["nodes"].reshape(len(places), -1, POWERS)
    return Shard(
        ranges=tuple((int(a), int(b)) for a, b in arrays["ranges"]),
        kept=arrays["kept"],
        copies=arrays["copies"],
        tally=Tally(
            nodes=dict(zip(places, nodes, strict=True)),
            counts=tuple(arrays[f"counts{k}"] for k in range(sum(name.startswith("counts") for name in arrays))),
            exploded=exploded,
            first_exploded=(first[0], first[1]) if first else None,
            failed=int(arrays["failed"]),
            absorbed=arrays["absorbed"],
        ),
    )
