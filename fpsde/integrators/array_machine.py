"""The machine for black boxes: steps as array code on a chunk at a time, with the generator's own normals."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsde.cached import cached_property
from fpsde.integrators.loop import INTACT, LANES, coarsening, look, mark_exploded
from fpsde.integrators.machine import Machine, Record, Stopped
from fpsde.noise import Normals
from fpsde.numba_text import compiled
from fpsde.schemes.array_step import ArrayStep


def hash_of(step: ArrayStep, dtype: np.dtype) -> str:
    """Return a hash of what one step makes of a few states.

    Parameters, which have their own hash, are of no run: a member of a batch and its single run have the same hash.
    Where a function refuses them they are those that the process states, and the two runs have a hash each.
    """
    own = step.model.process.parameter_values()
    try:
        found = _one_step(step, dtype, np.linspace(0.5, 1.0, own.size))
    except Exception:  # whatever the functions of a user raise
        found = _one_step(step, dtype, own)
    return hashlib.sha256(np.ascontiguousarray(found).tobytes()).hexdigest()


def _one_step(step: ArrayStep, dtype: np.dtype, parameters: np.ndarray) -> np.ndarray:
    state = np.linspace(-1.0, 1.0, step.state_rows * LANES).reshape(-1, LANES).astype(dtype)
    z = np.linspace(-2.0, 2.0, step.normals * LANES).reshape(-1, LANES)
    with np.errstate(all="ignore"):
        return step.advance(state, z, 0.0, 0.01, parameters=step.spread(parameters[None], LANES, dtype))


@dataclass(frozen=True, eq=False)
class OnArrays(Machine):
    """A step on arrays; what observers look at goes through the same compiled functions as in the compiled loop."""

    step: ArrayStep
    fill_source: str
    dtype: np.dtype
    normals: Normals

    @cached_property
    def identity(self) -> str:
        """The generator, and a hash of what one step makes of a few states: two networks give two of them."""
        return self.fill_source + hash_of(self.step, self.dtype)

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
        times, observed, dim = plan.constants.times, plan.layout.observed, plan.layout.dim
        due = plan.looks.due(steps.start, steps.stop)
        scratch, places = np.empty((2, LANES)), np.empty((2, LANES), np.int32)
        parameters = self.step.spread(plan.constants.parameters, state.shape[1], self.dtype)
        share = state.shape[1] // LANES // plan.members
        for s in steps:
            if stop():
                raise Stopped
            z = self._normals(plan, first, state.shape[1], s)
            t = float(times[s])
            state[...] = self.step.advance(state, z, t, float(times[s + 1]) - t, parameters=parameters)
            for b in range(state.shape[1] // LANES):
                here = slice(b * LANES, (b + 1) * LANES)
                w = np.ascontiguousarray(state[:, here]).ravel()
                mark_exploded(w, observed, dim, INTACT, s + 1, record.exploded[here])
                if np.any(due[s - steps.start] >= 0):
                    look(
                        w, min(LANES, count - b % share * LANES), b, plan.looks.integers, plan.looks.reals,
                        due[s - steps.start], record.sums, record.counts[b // share], record.copies, scratch, places,
                    )  # fmt: skip

    def _normals(self, plan: Any, first: int, n: int, s: int) -> np.ndarray:
        """Return the normals ``(r, n)`` of a step."""
        fill = compiled("normals", self.fill_source).fill
        r, coarsen = plan.weights.shape[1], coarsening(self.normals)
        z, acc = np.empty((self.normals.per_block, LANES), self.normals.value), np.empty((r, LANES))
        # in the type of the state, as the compiled step reads them
        out, one = np.empty((r, n), self.dtype), np.empty((r, LANES), self.normals.value)
        for block in range(0, n, LANES):
            coarsen(fill, z, acc, one, np.uint64(first + block), s, plan.weights, *plan.keys)
            out[:, block : block + LANES] = one
        return out
