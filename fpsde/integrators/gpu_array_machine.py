"""The machine for black boxes on a GPU: steps as array code on arrays of the device, with the generator's own normals.

Normals and looks are the kernel of every other run, on steps that do nothing else: one puts the normals of a step into
its state, the other leaves its state as it is. So no number of them can differ from those of a compiled run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fpsde.cached import cached_property
from fpsde.integrators.array_machine import hash_of
from fpsde.integrators.cuda_text import cuda_program
from fpsde.integrators.gpu_machine import OnGpu
from fpsde.integrators.looks import Looks
from fpsde.integrators.machine import Record, Stopped
from fpsde.noise import Normals
from fpsde.schemes.array_step import ArrayStep
from fpsde.schemes.tracing import TracedStep
from fpsde.symbolic import real_symbol

#: Blocks of particles that go through a network together, at most: what its layers hold has to fit beside them.
ARRAY_BLOCKS = 2**9


def look_program(step: ArrayStep, *, dtype: str, normals: Normals) -> str:
    """Return the CUDA text that looks at the state after a step on arrays, and finds who exploded."""
    kept = tuple(real_symbol(f"w{k}") for k in range(step.state_rows))
    return cuda_program(_step(kept, (), kept, step.dim, step.observed), dtype=dtype, normals=normals)


def normals_program(step: ArrayStep, *, dtype: str, normals: Normals) -> str:
    """Return the CUDA text that writes the normals of a step, in the type of the state, as its state."""
    rows = tuple(real_symbol(f"w{k}") for k in range(step.normals))
    drawn = tuple(real_symbol(f"z{k}") for k in range(step.normals))
    return cuda_program(_step(rows, drawn, drawn, len(rows), 0), dtype=dtype, normals=normals)


def _step(state: Any, normals: Any, outputs: Any, dim: int, observed: int) -> TracedStep:
    return TracedStep(
        state=state, normals=normals, constants=(), assignments=(), outputs=outputs, dim=dim, observed=observed,
        tracked=len(state), flagged=False, parameters=0, inputs=(),
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class ArraysOnGpu(OnGpu):
    """A step on arrays of a device; ``text`` looks at what it made."""

    step: ArrayStep
    normals_text: str

    nothing: ClassVar[Looks] = Looks(())

    @cached_property
    def identity(self) -> str:
        """The texts, and a hash of what one step makes of a few states: two networks give two of them."""
        return " ".join([super().identity, self.normals_text, hash_of(self.step, self.dtype)])

    def chunk_blocks(self, plan: Any, usual: int) -> int:
        return min(super().chunk_blocks(plan, usual), ARRAY_BLOCKS)

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
        device, vectors = self.devices[0], plan.constants.parameters
        own = self.step.spread(vectors, state.shape[1], self.dtype)
        parameters = {name: device.array(v) for name, v in own.items()}
        times, none = plan.constants.times, (np.empty((1, 0)), np.empty((plan.members, 0)))
        z = device.full((self.step.normals, state.shape[1]), 0.0, self.dtype)
        for s in steps:
            if stop():
                raise Stopped
            now, t = range(s, s + 1), float(times[s])
            if self.step.normals:
                self._run(
                    self.normals_text, z, record, self.nothing, plan.weights, *none, plan.keys, first, count, now
                )  # fmt: skip
            state[...] = self.step.advance(state, z, t, float(times[s + 1]) - t, parameters=parameters)
            self._run(self.text, state, record, plan.looks, plan.weights, *none, plan.keys, first, count, now)
