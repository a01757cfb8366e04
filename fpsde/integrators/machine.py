"""The machine that advances a chunk of particles: compiled steps in the compiled loop."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fpsde.integrators.loop import INTACT, LANES, driver
from fpsde.noise import Normals
from fpsde.numba_text import compiled
from fpsde.schemes.tracing import FIRST_PARAMETER


class Stopped(Exception):
    """The run was interrupted while a shard was under way."""


@dataclass(frozen=True, eq=False)
class Record:
    """What the loop fills for one chunk, beside the state."""

    sums: np.ndarray  #: (slots, blocks, POWERS)
    counts: np.ndarray  #: (members, places)
    copies: np.ndarray  #: (slots, n)
    exploded: np.ndarray  #: (n,): number of the step after which a particle was not finite, or -1


class Machine(ABC):
    """What advances the particles of a chunk: plain data, so that it goes to another process with its plan."""

    dtype: np.dtype  #: of the state
    normals: Normals
    shards_each: ClassVar[int] = 4  #: for each worker, so that none waits long for the last one

    @property
    @abstractmethod
    def identity(self) -> str:
        """Text that says which step it takes, for the fingerprint of a run."""

    @abstractmethod
    def advance(
        self,
        plan: Any,
        state: Any,
        record: Record,
        *,
        first: int,
        count: int,
        steps: range,
        stop: Callable[[], bool] = bool,
    ) -> None:
        """Advance ``state`` (rows, n) in place, and take the looks that are due.

        The members of the plan have equal shares of the n particles, a multiple of LANES each, of which the first
        ``count`` are real. Stopped where ``stop()`` says so between two pieces of work, none of which takes much more
        than a second.
        """

    @property
    def provenance(self) -> dict[str, Any]:
        """What a run says of the machine, beside the host."""
        return {}

    @property
    def workers(self) -> int:
        """How many threads run it, unless the caller says."""
        return os.cpu_count() or 1

    def chunk_blocks(self, plan: Any, usual: int) -> int:
        """Return how many blocks of LANES particles go through together, where loops on the CPU take ``usual``."""
        return usual

    def shared_by(self, threads: int) -> Machine:
        """Return the machine as so many threads run it at once."""
        return self

    def refuse_too_many(self, n: int, plan: Any, *, in_parts: int) -> None:
        """Raise InvalidInput, the size said, where ``n`` particles do not fit on what computes beside the host.

        ``in_parts`` of them lie there a second time, in the parts of the run that are under way.
        """
        return None

    # where its arrays lie: in the memory of the host, unless it says otherwise

    def at(self, first: int) -> AbstractContextManager[Machine]:
        """Return, for a ``with``, the machine of the chunk whose first particle this is."""
        return nullcontext(self)

    def load(self, state: np.ndarray, n: int) -> Any:
        """Return a state as an array of ``n`` particles that ``advance`` takes: the last of those given fills it up."""
        return padded(state, n)

    def empty_record(self, plan: Any, n: int) -> Record:
        """Return what ``advance`` fills for ``n`` particles, n a multiple of LANES."""
        return Record(
            sums=plan.looks.empty_sums(n // LANES),
            counts=plan.looks.empty_counts(plan.members),
            copies=plan.looks.empty_copies(n if plan.looks.copy_rows else 0, self.dtype),
            exploded=np.full(n, INTACT, np.int64),
        )

    def read(self, record: Record) -> Record:
        """Return a filled record in the shapes that :class:`Record` states."""
        return record

    def empty(self, shape: tuple[int, ...]) -> Any:
        """Return room for what is kept of each particle of a run."""
        return np.empty(shape, self.dtype)

    def gathered(self, values: Any) -> Any:
        """Return what was kept of a shard as an array that can be put into this room."""
        return values

    def settle(self) -> None:  # noqa: B027 - a host has nothing to wait for
        """Wait until what was put into this room is there: the thread that reads it may be another one."""

    def index(self, ids: np.ndarray) -> Any:
        """Return integers as an index into this room."""
        return ids


def padded(state: np.ndarray, n: int) -> np.ndarray:
    """Return a state with its last particle repeated until there are ``n``."""
    rest = np.repeat(state[:, -1:], n - state.shape[1], axis=1)
    return np.ascontiguousarray(np.concatenate([state, rest], axis=1))


@dataclass(frozen=True, eq=False)
class Compiled(Machine):
    """Generated sources; they are compiled, or read from the cache, where they are first called."""

    step_source: str
    fill_source: str
    dtype: np.dtype
    normals: Normals

    @property
    def identity(self) -> str:
        return self.step_source + self.fill_source

    @property
    def functions(self) -> tuple[Any, Any, Any]:
        """The loop, the step and the generator."""
        return (
            driver(self.dtype.name, self.normals),
            compiled("step", self.step_source).step,
            compiled("normals", self.fill_source).fill,
        )

    def advance(
        self,
        plan: Any,
        state: np.ndarray,
        record: Record,
        *,
        first: int,
        count: int,
        steps: range,
        stop: Callable[[], bool] = bool,
    ) -> None:
        if stop():
            raise Stopped
        r = plan.weights.shape[1]
        z = np.empty((r * self.normals.per_block, LANES), self.normals.value)
        coarse = np.empty((r, LANES), self.normals.value)
        loop, step, fill = self.functions
        loop(
            step, fill, state, count, first, steps.start, plan.constants.rows(steps.start, steps.stop),
            plan.constants.parameters, FIRST_PARAMETER, *plan.keys, plan.weights, z, coarse,
            plan.layout.observed, plan.layout.dim, plan.looks.due(steps.start, steps.stop),
            plan.looks.integers, plan.looks.reals, record.sums, record.counts, record.copies, record.exploded,
        )  # fmt: skip
