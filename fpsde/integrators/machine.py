"""The machine that advances a chunk of particles: compiled steps in the compiled loop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsde.integrators.loop import LANES, driver
from fpsde.noise import Normals
from fpsde.numba_text import compiled


@dataclass(frozen=True, eq=False)
class Record:
    """What the loop fills for one chunk, beside the state."""

    sums: np.ndarray  #: (slots, blocks, POWERS)
    counts: np.ndarray  #: (places,)
    copies: np.ndarray  #: (slots, n)
    exploded: np.ndarray  #: (n,): number of the step after which a particle was not finite, or -1


class Machine(ABC):
    """What advances the particles of a chunk: plain data, so that it goes to another process with its plan."""

    dtype: np.dtype  #: of the state
    normals: Normals

    @property
    @abstractmethod
    def identity(self) -> str:
        """Text that says which step it takes, for the fingerprint of a run."""

    @abstractmethod
    def advance(self, plan: Any, state: np.ndarray, record: Record, *, first: int, count: int, steps: range) -> None:
        """Advance ``state`` (rows, n), n a multiple of LANES, in place, and take the looks that are due."""


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

    def advance(self, plan: Any, state: np.ndarray, record: Record, *, first: int, count: int, steps: range) -> None:
        r = plan.weights.shape[1]
        z = np.empty((r * self.normals.per_block, LANES), self.normals.value)
        coarse = np.empty((r, LANES), self.normals.value)
        loop, step, fill = self.functions
        loop(
            step, fill, state, count, first, steps.start, plan.constants.rows(steps.start, steps.stop), *plan.keys,
            plan.weights, z, coarse, plan.layout.observed, plan.layout.dim, plan.looks.due(steps.start, steps.stop),
            plan.looks.integers, plan.looks.reals, record.sums, record.counts, record.copies, record.exploded,
        )  # fmt: skip
