"""What is the same for every shard of a run, as plain data: it goes to another process, or to another machine."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from fpsde.integrators.looks import Looks
from fpsde.integrators.machine import Machine
from fpsde.schemes.tracing import constant_rows


@dataclass(frozen=True)
class Layout:
    """The rows of the state: where they begin, and which are kept of each particle."""

    rows: int
    dim: int
    observed: int  #: first row that observers see
    flagged: bool  #: whether the last row is the failure flag
    kept: tuple[int, ...]  #: rows that a run returns for each particle


@dataclass(frozen=True, eq=False)
class Constants:
    """What steps read besides state and noise: a time grid, and the numbers of a process."""

    times: np.ndarray
    parameters: np.ndarray
    tables: dict[str, np.ndarray]
    intervals: tuple[Any, ...]
    name: str

    def rows(self, first: int, last: int) -> np.ndarray:
        """Return the constants of the steps ``first`` .. ``last``, (last - first, n_constants)."""
        process = SimpleNamespace(
            name=self.name, tables=self.tables, intervals=self.intervals, parameter_values=lambda: self.parameters
        )
        return constant_rows(cast(Any, None), process, self.times, first=first, last=last)


@dataclass(frozen=True, eq=False)
class Plan:
    """A run but for its starting points: a shard is a function of the plan, of its ids, and of where these start."""

    machine: Machine
    layout: Layout
    constants: Constants
    looks: Looks
    weights: np.ndarray
    seed: int
    provenance: dict[str, Any]

    @property
    def n_steps(self) -> int:
        return len(self.constants.times) - 1

    @property
    def keys(self) -> tuple[np.uint32, np.uint32]:
        """The seed as the two words of the generator's key."""
        return np.uint32(self.seed & 0xFFFFFFFF), np.uint32(self.seed >> 32)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of everything that decides the numbers of a run, its starting points aside."""
        c = self.constants
        arrays = [c.times, c.parameters, *c.tables.values(), self.weights, self.looks.integers, self.looks.reals]
        arrays += [look.steps for look in self.looks.all]
        digest = hashlib.sha256()
        for array in arrays:
            digest.update(str(array.shape).encode() + np.ascontiguousarray(array).tobytes())
        words = (self.machine.identity, self.machine.dtype, repr(self.layout), repr(c.intervals), self.seed)
        digest.update(json.dumps([str(word) for word in words]).encode())
        return digest.hexdigest()
