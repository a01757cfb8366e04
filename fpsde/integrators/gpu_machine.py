"""The machine that advances a chunk of particles on a GPU: the generated kernel, and what its arrays hold."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from fpsde.arrays import FAST, STRICT, Device, host
from fpsde.errors import InvalidInput
from fpsde.integrators.cuda_text import KERNEL, THREADS, WARPS
from fpsde.integrators.looks import Looks
from fpsde.integrators.loop import INTACT, LANES, POWERS
from fpsde.integrators.machine import Machine, Record, Stopped
from fpsde.memory import MEMORY_SHARE, gib
from fpsde.noise import Normals

#: Seconds that a launch may take: a display driver ends kernels after two, and Ctrl-C waits for one.
LONGEST_LAUNCH = 0.2
#: Steps of the first launch, and how many times as many the next one takes while launches are short.
FIRST_LAUNCH, GROWTH = 1, 4
#: Normals of a chunk in one step, at most, since no launch is shorter than a step: small devices make 1e10 a second.
STEP_NORMALS = 2**32
#: Blocks of LANES particles that go through the kernel together: enough to fill the largest device several times.
CHUNK_BLOCKS = 2**13
#: Tables that blocks count in by turns, so that atomics on one bin do not wait for each other, and their bytes at most.
COUNT_COPIES, COUNT_BYTES = 16, 2**27
#: Share of the free memory that the chunks under way may take.
CHUNK_SHARE = 0.25
_TURNS = itertools.count()


def _count_copies(plan: Any) -> int:
    return max(1, min(COUNT_COPIES, COUNT_BYTES // max(plan.members * plan.looks.count_bytes, 1)))


@dataclass(eq=False)
class Pace:
    """How many steps a launch takes, by what the ones before it took; the first one compiles."""

    steps: int

    def timed(self, steps: int, seconds: float) -> None:
        """Make launches longer where one was short, and shorter where one was too long."""
        if seconds > LONGEST_LAUNCH:
            self.steps = max(1, steps // 2)
        elif steps == self.steps and seconds < LONGEST_LAUNCH / (2 * GROWTH):
            self.steps *= GROWTH


@dataclass(frozen=True, eq=False)
class OnGpu(Machine):
    """The CUDA text of a run and where it runs; with several devices chunks are dealt out in turn."""

    text: str
    fast: bool
    dtype: np.dtype
    normals: Normals
    devices: tuple[Device, ...]
    shards_each: ClassVar[int] = 1  # a device is full with many particles only
    threads_each: int = field(default=1, kw_only=True)  #: that share the memory of a device
    paces: dict[tuple[Device, int], Pace] = field(default_factory=dict, kw_only=True)  #: by device and particles

    @property
    def identity(self) -> str:
        return " ".join([self.text, *self._options])

    @property
    def provenance(self) -> dict[str, Any]:
        return {"devices": [device.name for device in self.devices]}

    @property
    def _options(self) -> tuple[str, ...]:
        return FAST if self.fast else STRICT

    @property
    def workers(self) -> int:
        return len(self.devices)

    def chunk_blocks(self, plan: Any, usual: int) -> int:
        """Return the blocks of a chunk: a power of two, so that chunks are whole subtrees, for which there is room."""
        sub, normals, _ = plan.weights.shape
        fit = self._room * CHUNK_SHARE / self.threads_each / self._block_bytes(plan)
        most = min(fit, STEP_NORMALS / (LANES * max(sub * normals, 1)))
        out = CHUNK_BLOCKS
        while out > max(1, most):
            out //= 2
        return out

    @property
    def _room(self) -> int:
        return min(device.memory() for device in self.devices)

    def _block_bytes(self, plan: Any) -> int:
        rows = self.dtype.itemsize * (plan.layout.rows + plan.looks.copy_rows)
        return LANES * (rows + 8) + WARPS * plan.looks.sum_bytes

    def shared_by(self, threads: int) -> OnGpu:
        return replace(self, threads_each=-(-threads // len(self.devices)))

    def refuse_too_many(self, n: int, plan: Any, *, in_parts: int) -> None:
        rows = len(plan.layout.kept) + plan.looks.copy_rows
        held = n + in_parts if len(self.devices) == 1 else 0  # of several they go to the host
        kept, room = held * self.dtype.itemsize * rows, self._room
        counts = plan.looks.count_bytes * _count_copies(plan) * plan.members * self.threads_each
        least = kept + counts + self._block_bytes(plan) * self.threads_each
        if least > MEMORY_SHARE * room:
            raise InvalidInput(
                f"{n} particles need {gib(kept)} for positions and snapshots and {gib(counts)} for histograms, of "
                f"{gib(room)} that are free on {self.devices[0].name}; pass keep_positions=False, or take fewer "
                "particles, snapshots or bins, smaller shards, or fewer threads to a device"
            )

    @contextmanager
    def at(self, first: int) -> Iterator[OnGpu]:
        # processes of a pool have numbers in a row: they begin at different devices
        device = self.devices[(next(_TURNS) + os.getpid()) % len(self.devices)]
        with device.current():
            yield replace(self, devices=(device,))

    def load(self, state: np.ndarray, n: int) -> Any:
        device, given = self.devices[0], state.shape[1]
        out = device.full((len(state), n), 0.0, self.dtype)
        out[:, :given] = device.array(state)
        out[:, given:] = out[:, given - 1 : given]
        return out

    def empty_record(self, plan: Any, n: int) -> Record:
        device, looks = self.devices[0], plan.looks
        return Record(
            sums=device.full((looks.sum_rows, n // LANES, WARPS, POWERS), 0.0, np.float64),
            counts=device.full((plan.members, _count_copies(plan), looks.count_places), 0, np.int64),
            copies=device.full((looks.copy_rows, n if looks.copy_rows else 0), 0.0, self.dtype),
            exploded=device.full((n,), INTACT, np.int64),
        )

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
        """Advance the state in launches that are short enough: each is timed."""
        pace = self.paces.setdefault((self.devices[0], state.shape[1]), Pace(FIRST_LAUNCH))
        begin = steps.start
        while begin < steps.stop:
            if stop():
                raise Stopped
            end = min(begin + pace.steps, steps.stop)
            started = time.perf_counter()
            self._launch(plan, state, record, first, count, range(begin, end))
            pace.timed(end - begin, time.perf_counter() - started)
            begin = end

    def _launch(self, plan: Any, state: Any, record: Record, first: int, count: int, steps: range) -> None:
        constants = plan.constants.rows(steps.start, steps.stop)
        parameters, keys = plan.constants.parameters, plan.keys
        self._run(self.text, state, record, plan.looks, plan.weights, constants, parameters, keys, first, count, steps)

    def _run(
        self,
        text: str,
        state: Any,
        record: Record,
        looks: Looks,
        weights: np.ndarray,
        constants: np.ndarray,
        parameters: np.ndarray,
        keys: tuple[np.uint32, np.uint32],
        first: int,
        count: int,
        steps: range,
    ) -> None:
        """Launch a text for some steps: those of the run, or what it needs beside array code."""
        device, n = self.devices[0], state.shape[1]
        due = looks.due(steps.start, steps.stop)
        i8 = np.int64
        arguments = (
            state, i8(n), i8(n // len(parameters)), i8(count), np.uint64(first), i8(steps.start), i8(len(steps)),
            device.array(constants.astype(self.dtype)), device.array(parameters.astype(self.dtype)), *keys,
            device.array(weights), i8(weights.shape[0]),
            device.array(due), device.array(np.any(due >= 0, axis=1)),
            device.array(looks.integers), device.array(looks.reals), i8(due.shape[1]),
            record.sums, record.counts, i8(record.counts.shape[2]), i8(record.counts.shape[1]), record.copies,
            record.exploded,
        )  # fmt: skip
        options = self._options
        device.launch(text, KERNEL, options=options, blocks=n // THREADS, threads=THREADS, arguments=arguments)

    def read(self, record: Record) -> Record:
        """Return what was recorded as the CPU's loop has it: the rest of each block's tree, and one table of counts."""
        sums = record.sums
        while sums.shape[2] > 1:
            half = sums.shape[2] // 2
            sums = sums[:, :, :half] + sums[:, :, half:]
        return replace(record, sums=sums[:, :, 0], counts=record.counts.sum(axis=1))

    def gathered(self, values: Any) -> Any:
        if len(self.devices) > 1:
            return host(values)
        with self.devices[0].current():
            return self.devices[0].array(values)

    def empty(self, shape: tuple[int, ...]) -> Any:
        """Return room for what is kept of each particle: on the device, or on the host where there are several."""
        if len(self.devices) > 1:
            return np.empty(shape, self.dtype)
        with self.devices[0].current():
            return self.devices[0].full(shape, 0.0, self.dtype)

    def settle(self) -> None:
        if len(self.devices) == 1:
            with self.devices[0].current():
                self.devices[0].wait()

    def index(self, ids: np.ndarray) -> Any:
        return self.gathered(ids)
