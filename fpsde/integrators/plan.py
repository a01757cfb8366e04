"""What is the same for every shard of a run, as plain data: it goes to another process, or to another machine."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from fpsde.cached import cached_property
from fpsde.integrators.looks import Looks
from fpsde.integrators.machine import Machine
from fpsde.provenance import environment
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
    parameters: np.ndarray  #: (members, P): of the members of a batch, or of the one of a single run
    tables: dict[str, np.ndarray]
    intervals: tuple[Any, ...]
    name: str

    def rows(self, first: int, last: int) -> np.ndarray:
        """Return the constants of the steps ``first`` .. ``last``, (last - first, n_constants), with the parameters of
        the first member.
        """
        process = SimpleNamespace(
            name=self.name, tables=self.tables, intervals=self.intervals, parameter_values=lambda: self.parameters[0]
        )
        return constant_rows(process, self.times, first=first, last=last)


@dataclass(frozen=True, eq=False)
class Plan:
    """A run but for its starting points: a shard is a function of the plan, of its ids, and of where these start.

    The plan of a batch has several members, which differ in their parameters alone.
    """

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
    def members(self) -> int:
        """How many runs go through the loop side by side, each with its own parameters and counts."""
        return len(self.constants.parameters)

    def of(self, first: int, last: int) -> Plan:
        """Return the plan of some of the members."""
        return replace(self, constants=replace(self.constants, parameters=self.constants.parameters[first:last]))

    @property
    def keys(self) -> tuple[np.uint32, np.uint32]:
        """The seed as the two words of the generator's key."""
        return np.uint32(self.seed & 0xFFFFFFFF), np.uint32(self.seed >> 32)

    @cached_property
    def fingerprint(self) -> dict[str, str]:
        """A hash of each thing that decides the numbers of a run, its starting points aside, by name."""
        c, looks = self.constants, self.looks
        return {
            "times": _hash(c.times),
            "parameters": _hash(*c.parameters),
            "tables": _hash(*c.tables.values()),
            "walls": _hash(repr(c.intervals)),
            "refinement": _hash(self.weights),
            "observers": _hash(looks.integers, looks.reals, *(look.steps for look in looks.all)),
            "kernel": _hash(self.machine.identity),
            "dtype": _hash(self.machine.dtype),
            "what is kept": _hash(self.layout),
            "seed": _hash(self.seed),
        }

    def differences(self, fingerprint: Mapping[str, str], provenance: Mapping[str, Any]) -> list[str]:
        """Return in words what differs in another run, known by its fingerprint and its provenance."""
        mine = self.provenance
        here = {k: v for k, v in mine.items() if k not in environment() and provenance.get(k) != v}
        said = [f"{name} ({provenance.get(name)!r} there, {value!r} here)" for name, value in here.items()]
        return said + [k for k, v in self.fingerprint.items() if k not in here and fingerprint.get(k) != v]


def _hash(*things: Any) -> str:
    digest = hashlib.sha256()
    for thing in things:
        array = isinstance(thing, np.ndarray)
        digest.update(f"{thing.shape}".encode() if array else b"")
        digest.update(np.ascontiguousarray(thing).data if array else str(thing).encode())
    return digest.hexdigest()
