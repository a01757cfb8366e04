"""A run on disk, shard by shard: arrays and JSON, nothing pickled, each file written whole or not at all.

run.json                  which run it is, and the size of a shard
shard-FIRST.npz           the arrays of a finished shard
shard-FIRST.json          its ids, and the SHA-256 of the arrays; written last, so a shard is there once this is
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fpsde.arrays import host
from fpsde.errors import BackendUnavailable, InvalidInput
from fpsde.integrators.loop import POWERS
from fpsde.integrators.plan import Plan
from fpsde.integrators.shards import Shard, StartState
from fpsde.integrators.tallies import Tally
from fpsde.validation import integer
from fpsde.writing import made_folder, put_whole

#: Particles whose starting points tell one run from another: in stretches of so many, spread over the run, and how many
#: stretches. A run of up to 2**20 particles is looked at whole.
STRETCH, STRETCHES = 512, 2048


@dataclass(frozen=True)
class Form:
    """How a part of a run becomes arrays, and is made of them again."""

    arrays: Callable[[Any], dict[str, np.ndarray]]
    part: Callable[[dict[str, np.ndarray]], Any]


@dataclass(frozen=True)
class Checkpoint:
    """A folder of finished parts of one run, shards or packs of members."""

    folder: Path
    shard_size: int
    form: Form

    def finished(self, first: int) -> bool:
        """Return whether the shard that begins at a particle is there."""
        return self._named(first, ".json").exists()

    def load(self, first: int, count: int) -> Any:
        """Return a finished part; InvalidInput if its file is not what was written."""
        path = self._named(first, ".npz")
        said = _said(self._named(first, ".json"))
        try:
            content = path.read_bytes()
        except OSError as error:
            raise _damaged(path, str(error)) from error
        if hashlib.sha256(content).hexdigest() != said.get("sha256"):
            raise _damaged(path, "its checksum is not the one that was written")
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            part = self.form.part(dict(arrays))
        if part.ranges != ((first, count),):
            raise _damaged(path, f"it holds other particles than the {count} from {first} on")
        return part

    def save(self, part: Any) -> None:
        """Keep a finished part."""
        first, count = part.ranges[0]
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **self.form.arrays(part))
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
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise _damaged(path.with_suffix(".npz"), str(error)) from error


def _damaged(path: Path, why: str) -> InvalidInput:
    return InvalidInput(f"{path} is damaged: {why}; delete it and its .json, and the shard is computed again")


def opened(
    folder: Path | str,
    plan: Plan,
    start: StartState,
    *,
    first: int,
    n: int,
    shard_size: int,
    form: Form,
    each: int | None = None,
) -> Checkpoint:
    """Return the checkpoint of a run in a folder, begun if there is none; of a batch, of ``each`` particles a member.

    InvalidInput if it is one of another run; the starting points of runs of more than 2**20 particles are compared for
    2**20 of them, spread over the run.
    """
    if not isinstance(folder, (str, os.PathLike)):
        raise InvalidInput(f"checkpoint={folder!r}; give the path of a folder")
    folder = made_folder(Path(folder))
    mine = {"x0": _hash_of_start(start, first, n), "first_particle": first, "n_particles": n, "particles_each": each}
    path = folder / "run.json"
    if not path.exists():
        said = {**mine, "fingerprint": plan.fingerprint, "shard_size": shard_size, "run": plan.provenance}
        put_whole(path, json.dumps(said, indent=1).encode())
        return Checkpoint(folder, shard_size, form)
    try:
        there = json.loads(path.read_text())
        fingerprint, run, size = there["fingerprint"], there["run"], integer("shard_size", there["shard_size"], least=1)
    except OSError as error:
        raise BackendUnavailable(f"{path} cannot be read ({error}); name another folder") from error
    except (ValueError, TypeError, LookupError) as error:
        raise InvalidInput(f"{path} is no run.json of fpsde ({error!r}); name another folder") from error
    if {"fingerprint": plan.fingerprint, **mine} != {name: there.get(name) for name in ("fingerprint", *mine)}:
        numbers = [name for name in mine if name != "x0" and there.get(name) != mine[name]]
        other = [f"{name} ({there.get(name)} there, {mine[name]} here)" for name in numbers]
        other += plan.differences(fingerprint, run)
        if set(other) <= {"observers"} and there.get("x0") != mine["x0"]:  # else the start may differ by what else does
            other.append("x0")
        raise InvalidInput(
            f"{folder} holds the checkpoint of another run, which differs in {', '.join(other)}; give the same "
            "arguments to go on, or name another folder"
        )
    return Checkpoint(folder, size, form)


def _hash_of_start(start: StartState, first: int, n: int) -> str:
    """Return a hash of the starting points, of all or of enough of them."""
    digest = hashlib.sha256()
    for begin in sorted({n * k // STRETCHES // STRETCH * STRETCH for k in range(STRETCHES)} | {max(0, n - STRETCH)}):
        digest.update(np.ascontiguousarray(start(first + begin, min(STRETCH, n - begin))).data)
    return digest.hexdigest()


def _arrays_of(part: Shard) -> dict[str, np.ndarray]:
    return {
        "ranges": np.array(part.ranges),
        "kept": host(part.kept),
        "copies": host(part.copies),
        **tally_arrays(part.tally),
    }


def _shard_of(arrays: dict[str, np.ndarray]) -> Shard:
    return Shard(ranges_of(arrays), arrays["kept"], arrays["copies"], tally_of(arrays))


def ranges_of(arrays: dict[str, np.ndarray]) -> tuple[tuple[int, int], ...]:
    """Return (first id, how many) of each range of ids of a part."""
    return tuple((int(a), int(b)) for a, b in arrays["ranges"])


#: Of the shards of a single run.
SHARDS = Form(_arrays_of, _shard_of)


def tally_arrays(tally: Tally) -> dict[str, np.ndarray]:
    """Return a tally as arrays."""
    return {
        "node_places": np.array(sorted(tally.nodes)),
        "nodes": np.array([tally.nodes[place] for place in sorted(tally.nodes)]),
        "exploded": np.array([tally.exploded, *(tally.first_exploded or ())]),
        "failed": np.array(tally.failed),
        "absorbed": tally.absorbed,
        **{f"counts{k}": table for k, table in enumerate(tally.counts)},
    }


def tally_of(arrays: dict[str, np.ndarray]) -> Tally:
    """Return the tally that these arrays were made of."""
    exploded, *first = (int(v) for v in arrays["exploded"])
    places = [(int(level), int(index)) for level, index in arrays["node_places"]]
    nodes = arrays["nodes"].reshape(len(places), -1, POWERS)
    return Tally(
        nodes=dict(zip(places, nodes, strict=True)),
        counts=tuple(arrays[f"counts{k}"] for k in range(sum(name.startswith("counts") for name in arrays))),
        exploded=exploded,
        first_exploded=(first[0], first[1]) if first else None,
        failed=int(arrays["failed"]),
        absorbed=arrays["absorbed"],
    )
