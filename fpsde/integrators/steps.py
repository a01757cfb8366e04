"""The step of a run: what takes it, which rows its state has, and what these hold at the start."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fpsde.arrays import gpus
from fpsde.backend import Backend
from fpsde.integrators.array_machine import OnArrays
from fpsde.integrators.compiled import fill_source, step_source
from fpsde.integrators.cuda_text import cuda_program
from fpsde.integrators.gpu_array_machine import ArraysOnGpu, look_program, normals_program
from fpsde.integrators.gpu_machine import OnGpu
from fpsde.integrators.initial import OnePoint, Start
from fpsde.integrators.machine import Compiled, Machine
from fpsde.integrators.plan import Constants, Layout
from fpsde.integrators.shards import StartState
from fpsde.noise import Normals
from fpsde.processes.black_box import BlackBox
from fpsde.processes.process import Process
from fpsde.schemes.array_models import ArrayModel, BlackBoxModel
from fpsde.schemes.array_step import array_step
from fpsde.schemes.scheme import Scheme
from fpsde.schemes.tracing import traced_step
from fpsde.schemes.tracked import Tracked
from fpsde.symbolic import components


@dataclass(frozen=True, eq=False)
class Step:
    """One step of a run: what takes it, and the layout of its state."""

    machine: Machine
    model: ArrayModel | BlackBoxModel  #: with which the state begins
    rows: int  #: of the state
    normals: int  #: that it takes for each particle
    dim: int
    observed: int
    tracked: int
    flagged: bool
    coarsening: Callable[[int], np.ndarray]


def step_of(
    process: Process | BlackBox,
    scheme: Scheme,
    tracked: tuple[Tracked, ...],
    dtype: np.dtype,
    normals: Normals,
    backend: Backend,
) -> Step:
    """Return the step of a scheme, compiled for where it runs, or of a black box on arrays."""
    source = fill_source(normals)
    if isinstance(process, BlackBox):
        here = array_step(scheme, process, tracked)
        if backend is Backend.CPU:
            machine: Machine = OnArrays(here, source, dtype, normals)
        else:
            looks = look_program(here, dtype=dtype.name, normals=normals)
            drawn = normals_program(here, dtype=dtype.name, normals=normals)
            machine = ArraysOnGpu(looks, backend is Backend.GPU_FAST, dtype, normals, gpus(), here, drawn)
        layout = (here.dim, here.observed, here.tracked, here.flagged, here.coarsening)
        return Step(machine, here.model, here.state_rows, here.normals, *layout)
    traced = traced_step(scheme, process, tracked)
    if backend is Backend.CPU:
        machine = Compiled(step_source(traced, dtype.name, normals), source, dtype, normals)
    else:
        program = cuda_program(traced, dtype=dtype.name, normals=normals)
        machine = OnGpu(program, backend is Backend.GPU_FAST, dtype, normals, gpus())
    layout = (traced.dim, traced.observed, traced.tracked, traced.flagged, traced.coarsening)
    return Step(machine, ArrayModel(process), len(traced.state), len(traced.normals), *layout)


def constants_of(process: Process | BlackBox, grid: np.ndarray) -> Constants:
    """Return what the steps of a run read besides state and noise."""
    return Constants(grid, process.parameter_values()[None], dict(process.tables), process.intervals, process.name)


def names_of(step: Step, scheme: Scheme, tracked: Sequence[Tracked]) -> dict[str, tuple[int, ...]]:
    """Return the rows of the state by name: the scheme's auxiliary state, and what is tracked."""
    d = step.dim
    rows = {name: tuple(range(d * (k + 1), d * (k + 2))) for k, name in enumerate(scheme.auxiliary)}
    first = d * (1 + len(scheme.auxiliary))
    rows |= {name: (first + k,) for k, name in enumerate(scheme.scalars)}
    return rows | {one.name: (step.tracked + k,) for k, one in enumerate(tracked)}


def layout_of(step: Step, names: dict[str, tuple[int, ...]], *, keep: bool) -> Layout:
    """Return the layout of the state; with ``keep`` what is seen and what has a name is kept of each particle."""
    seen = range(step.observed, step.observed + step.dim)
    kept = (*seen, *(row for rows in names.values() for row in rows)) if keep else ()
    return Layout(step.rows, step.dim, step.observed, step.flagged, kept)


def state_start(
    scheme: Scheme,
    step: Step,
    tracked: Sequence[Tracked],
    placed: Start,
    t: float,
    dtype: np.dtype,
) -> StartState:
    """Return the function that gives the whole state ``(rows, count)`` at the start of a range of ids."""
    names = names_of(step, scheme, tracked)

    def state(first: int, count: int) -> np.ndarray:
        count = 1 if isinstance(placed, OnePoint) else count  # one column says it
        out = np.zeros((step.rows, count), dtype)
        x = out[: step.dim]
        x[...] = placed(first, count)
        if scheme.start is not None:
            for name, value in scheme.start(step.model, components(list(x)), float(t)).items():
                for row, component in zip(names[name], np.atleast_1d(value), strict=True):
                    out[row] = component
        out[step.observed : step.observed + step.dim] = x
        for one in tracked:
            out[names[one.name]] = one.start
        return out

    return state
