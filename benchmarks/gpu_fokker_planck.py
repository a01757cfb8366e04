"""How fast are Fokker-Planck equations on a GPU? Steps of many lines and of planes, beside one thread of the CPU.

    python benchmarks/gpu_fokker_planck.py [--quick] [--json FILE]

A rate is cells x steps a second; of a plane a step is a Strang step, three sweeps. Generators are made beforehand, but
in the row that says so; the rates of a driven plane are computed for each step. Needs a GPU with CuPy, and Numba for
the CPU beside it. With --json the file is written after each table.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import gpu
import harness
import numpy as np
from harness import Contest, Contestant, Goal, Sense

from fpsde.backend import Backend
from fpsde.fokker_planck import FokkerPlanck, Stepping
from fpsde.fokker_planck.batch import BatchStepper
from fpsde.fokker_planck.batch_lines import LinesThatStay, sweeps_on
from fpsde.fokker_planck.initial import Start
from fpsde.fokker_planck.sweeps import device_of
from fpsde.grid import Grid
from fpsde.processes.process import Process

DT = 1 / 256
#: Times the rate of the CPU that a plane of a thousand cells a side should reach: twenty times two cores, at the most
#: forty times one.
PLANE_GOAL, GOAL_SIDE = 40.0, 1024
LINE = Process(
    drift=lambda x, t, p: -p.theta * x, sigma=lambda x: 1.0, params={"theta": 1.0}, name="ornstein_uhlenbeck"
)
PLANE = Process(drift=lambda x: (-x[0], -x[1]), sigma=lambda x: ((1.0, 0.0), (0.0, 1.0)), dim=2, name="plane")
#: Coefficients that cost something, and hardly move masses: along each axis they vary in x and in t.
DRIVEN = Process(
    drift=lambda x, t: (-x[0] + 0.01 * np.sin(4 * t) * x[1], -x[1] - 0.01 * np.tanh(x[0] - t)),
    sigma=lambda x, t: (1.0 + 0.01 * np.sin(5 * t), 1.0 + 0.01 * np.cos(x[0])),
    dim=2,
    name="driven plane",
)


@dataclass(frozen=True)
class Size:
    """How large the runs are."""

    lines: int
    cells: tuple[int, ...]  #: of a line
    sides: tuple[int, ...]  #: cells along each axis of a plane
    steps: int
    rounds: int


FULL = Size(lines=4096, cells=(200, 1000), sides=(512, 1024, 2048), steps=20, rounds=5)
QUICK = Size(lines=20, cells=(40, 70), sides=(24, 70), steps=2, rounds=2)


def grids(cells: int, dim: int) -> Grid:
    """Return the box of the runs in ``dim`` dimensions, with so many cells along each axis."""
    return Grid.uniform(*[(-3.0, 3.0)] * dim, cells=(cells,) * dim)


def stationary(grid: Grid) -> np.ndarray:
    """Return the masses of exp(-x^2) along each axis, which steps leave where they are."""
    one = np.exp(-(grid.lines[0].centres ** 2))
    return one / one.sum()


def of_lines(size: Size, cells: int) -> list[Contestant]:
    """Return steps of lines with other rates each, and a whole call, on the GPU and on the CPU."""
    grid = grids(cells, 1)
    solver, theta = FokkerPlanck(LINE, grid), np.linspace(0.9, 1.1, size.lines)
    members = [FokkerPlanck(LINE.with_params(theta=t), grid).generator() for t in theta[:: size.lines // 16].tolist()]
    rates = np.array([(q.left, q.right) for q in members])[np.arange(size.lines) % len(members)]
    exits, masses = np.zeros((size.lines, 2)), np.tile(stationary(grid), (size.lines, 1))
    work = float(size.lines * cells * size.steps)

    def stepping(backend: Backend) -> Callable[[], Any]:
        lines = LinesThatStay(sweeps_on(device_of(backend)[0], fast=False), rates, exits)
        stepper = BatchStepper(lines, masses, np.zeros(size.lines), (0, 0), str)
        return lambda: stepper.advance(0.0, DT, size.steps)

    def whole(backend: Backend) -> Any:
        horizon = size.steps * DT
        return solver.evolve_batch(0.3, {"theta": theta}, t_end=horizon, dt=DT, backend=backend)

    return [
        Contestant(f"{name}{how}", run, work)
        for backend, how in ((Backend.GPU, ""), (Backend.CPU, " on the CPU"))
        for name, run in (
            ("steps", stepping(backend)),
            ("evolve_batch with its generators", lambda b=backend: whole(b)),
        )
    ]


def of_planes(process: Process, size: Size, side: int) -> list[Contestant]:
    """Return Strang steps of a plane on the GPU and on the CPU; driven rates are computed anew for each."""
    grid = grids(side, 2)
    solver, one = FokkerPlanck(process, grid), stationary(grid)
    start = Start(np.multiply.outer(one, one).ravel(), np.zeros(4), 0.0)
    device, fast = device_of(Backend.GPU)
    there, here = (solver.steps(start, stepping=Stepping.SPLIT, device=each, fast=fast) for each in (device, None))

    def steps(stepper: Any) -> Callable[[], None]:
        return lambda: stepper.advance(0.0, DT, size.steps)

    work = float(side**2 * size.steps)
    return [
        Contestant(name, steps(each.propagator()), work)
        for name, each in (("steps", there), ("steps on the CPU", here))
    ]


def tables(size: Size) -> dict[str, Callable[[], list[Contestant]]]:
    """Return what makes the contestants of each table, by its name."""
    return {
        **{f"{size.lines} lines of {n} cells": lambda n=n: of_lines(size, n) for n in size.cells},
        **{f"plane of {n} x {n} cells": lambda n=n: of_planes(PLANE, size, n) for n in size.sides},
        **{f"driven plane of {n} x {n} cells": lambda n=n: of_planes(DRIVEN, size, n) for n in size.sides},
    }  # fmt: skip


def goals(found: dict[str, Contest]) -> list[Goal]:
    """Return the goal of the benchmark with what was measured."""
    contest = found.get(f"plane of {GOAL_SIDE} x {GOAL_SIDE} cells")
    here, there = (gpu.named(contest, name) for name in ("steps", "steps on the CPU"))
    times = None if here is None or there is None else harness.ratio(here, there)
    claim = f"plane of {GOAL_SIDE} x {GOAL_SIDE} cells, times one thread of the CPU"
    return [Goal(claim, times and times.paired, Sense.AT_LEAST, PLANE_GOAL, also=times and times.of_medians)]


def report(size: Size, card: dict[str, Any], console: Any, file: str | None) -> dict[str, Any]:
    """Measure, print the tables, and return the record; it is written after each table."""
    record: dict[str, Any] = {
        "benchmark": "gpu_fokker_planck", "device": card, "environment": harness.environment(), "size": asdict(size),
        "contests": [], "failed": {}, "goals": [],
    }  # fmt: skip
    found: dict[str, Contest] = {}
    for name, made in tables(size).items():
        gpu.forget_arrays()
        found[name], failed = gpu.measured(name, made, size.rounds)
        record["contests"].append(harness.contest_record(found[name]))
        record["failed"] |= {name: failed} if failed else {}
        record["goals"] = [harness.goal_record(goal) for goal in goals(found)]
        if found[name].timings:
            console.print(harness.rates_table(found[name], unit=1e6, heading="10⁶ cell-steps/s"))
        for who, why in failed.items():
            console.print(f"{name}, {who} failed: {why}")
        if file not in (None, "-"):
            harness.write_json(record, file)
    console.print(harness.goals_table(goals(found)))
    return record


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the tables, and write the record; the exit status of :func:`gpu.measure`."""
    return gpu.measure(__doc__ or "", report, (QUICK, FULL), arguments)


if __name__ == "__main__":
    harness.on_one_thread()
    sys.exit(main())
