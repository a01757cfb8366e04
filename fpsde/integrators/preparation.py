"""What every run needs before its first step: arguments checked, the step compiled, the looks laid out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fpsde.backend import Backend
from fpsde.errors import InvalidInput, uncalled
from fpsde.integrators.initial import Start
from fpsde.integrators.looks import joined
from fpsde.integrators.loop import LANES
from fpsde.integrators.observers import Observer, Scene
from fpsde.integrators.plan import Plan
from fpsde.integrators.shards import StartState
from fpsde.integrators.steps import Step, constants_of, layout_of, names_of, state_start, step_of
from fpsde.noise import MAX_BLOCK, Normals
from fpsde.processes.black_box import BlackBox
from fpsde.processes.process import Process
from fpsde.provenance import environment
from fpsde.schemes.scheme import Scheme
from fpsde.schemes.tracked import Tracked
from fpsde.validation import integer, longest_step, seed64, time_grid

#: Ids are below this: the loop counts them in 64 bits with a sign.
MOST_ID = 2**62
#: Fine steps in a step, at most: their weights are one array.
MOST_FINE = 2**20


@dataclass(frozen=True, eq=False)
class Prepared:
    """A run whose particles are still to be named and placed."""

    scheme: Scheme
    step: Step
    tracked: tuple[Tracked, ...]
    observers: tuple[Observer | Tracked, ...]
    plan: Plan
    scene: Scene
    returned: dict[str, tuple[int, ...]]  #: rows of the state that a run returns by name
    looked: tuple[int, ...]  #: how many looks each of the observers takes

    def with_numbers(self, numbers: np.ndarray) -> Prepared:
        """Return the run with other parameters, in so far as they decide where it starts."""
        return replace(self, step=replace(self.step, model=self.step.model.with_numbers(numbers)))

    def start(self, placed: Start) -> StartState:
        """Return the function that gives the whole state of a range of ids at the start."""
        return state_start(self.scheme, self.step, self.tracked, placed, self.scene.times[0], self.scene.dtype)


def prepared(
    process: Process | BlackBox,
    scheme: Scheme,
    *,
    t_end: float | None,
    dt: float | None,
    times: Sequence[float] | np.ndarray | None,
    seed: int,
    observers: Sequence[Observer | Tracked],
    dtype: Any,
    normals: Normals,
    refinement: int,
    keep_positions: bool,
    backend: Backend,
) -> Prepared:
    """Return a run of these arguments, which are those of :func:`~fpsde.integrators.simulation.simulate`, checked."""
    if not isinstance(process, Process | BlackBox) or not isinstance(scheme, Scheme):
        raise InvalidInput(
            f"simulate takes a Process and a Scheme, not {type(process).__name__} and {type(scheme).__name__}; "
            f"{uncalled(process) or uncalled(scheme) or 'process_named and scheme_named of fpsde find them by name'}"
        )
    grid, seed = time_grid(t_end=t_end, dt=dt, times=times), seed64(seed)
    kind = _state_type(dtype, normals)
    if not isinstance(backend, Backend):
        raise InvalidInput(f"backend={backend!r}; give fpsde.Backend.CPU, fpsde.Backend.GPU or fpsde.Backend.GPU_FAST")
    tracked = all_tracked(observers, process, scheme, grid)
    step = step_of(process, scheme, tracked, kind, normals, backend)
    constants = constants_of(process, grid)
    constants.rows(0, 1)  # the tables are checked before any work
    weights = _weights(step, refinement, len(grid) - 1, normals)
    names = names_of(step, scheme, tracked)
    returned = {name: rows for name, rows in names.items() if name not in scheme.internal}
    scene = Scene(grid, process.dim, step.observed, names, kind)
    groups = [one.looks(scene) if isinstance(one, Observer) else () for one in observers]
    plan = Plan(
        machine=step.machine,
        layout=layout_of(step, returned, keep=keep_positions),
        constants=constants,
        looks=joined(groups),
        weights=weights,
        seed=seed,
        provenance={
            **_provenance(process, scheme, seed, len(grid) - 1, longest_step(grid, dt), kind, normals, weights),
            "backend": backend.value,
            **step.machine.provenance,
            **environment(),
        },
    )
    return Prepared(scheme, step, tracked, tuple(observers), plan, scene, returned, tuple(map(len, groups)))


def first_id(given: Any, n: int) -> int:
    """Return the id of the first of ``n`` particles, 0 where none is given."""
    first = 0 if given is None else whole_blocks("first_particle", given, least=0)
    if first + n > MOST_ID:
        raise InvalidInput(f"first_particle={first} and n_particles={n}; ids go up to 2**62")
    return first


def whole_blocks(name: str, value: Any, *, least: int) -> int:
    """Return a number of particles, or an id, that is a multiple of a block."""
    number = integer(name, value, least=least)
    if number % LANES:
        raise InvalidInput(
            f"{name}={number} is not a multiple of {LANES}; particles are cut at whole blocks of {LANES}"
        )
    return number


def all_tracked(observers: Any, process: Process | BlackBox, scheme: Scheme, grid: np.ndarray) -> tuple[Tracked, ...]:
    """Return all that must be tracked, each name once."""
    if not isinstance(observers, Sequence):
        raise InvalidInput(f"observers={observers!r}; give a list of observers, [Moments(...)] for one")
    out: list[Tracked] = []
    for one in observers:
        if not isinstance(one, Observer | Tracked):
            raise InvalidInput(
                f"{one!r} is not an observer; give Moments, Histogram, FirstPassage ... or a Tracked function"
            )
        out += [one] if isinstance(one, Tracked) else one.tracked(process, grid)
    names = [one.name for one in out] + [*scheme.auxiliary, *scheme.scalars]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidInput(f"{', '.join(twice)} names two tracked values of this run; give each a name=... of its own")
    return tuple(out)


def _weights(step: Step, refinement: Any, n_steps: int, normals: Normals) -> np.ndarray:
    sub, r = integer("refinement", refinement, least=1), step.normals
    if sub > MOST_FINE or n_steps * sub * r >= MAX_BLOCK * normals.per_block:
        raise InvalidInput(
            f"refinement={sub} with {n_steps} steps of {r} normals; "
            f"at most {MOST_FINE}, and 2**48 blocks of normals in all"
        )
    return step.coarsening(sub)


def _provenance(
    process: Process | BlackBox,
    scheme: Scheme,
    seed: int,
    n_steps: int,
    dt: float,
    kind: np.dtype,
    normals: Normals,
    weights: np.ndarray,
) -> dict[str, Any]:
    return {
        "process": process.name,
        "scheme": scheme.name,
        "seed": seed,
        "n_steps": n_steps,
        "dt": dt,
        "dtype": kind.name,
        "normals": normals.value,
        "normals_cut_off": normals.cut_off,
        "refinement": weights.shape[0],
    }


def _state_type(dtype: Any, normals: Normals) -> np.dtype:
    try:
        kind = np.dtype(dtype)
    except TypeError:
        raise InvalidInput(f"dtype={dtype!r} is not a type; give numpy.float64 or numpy.float32") from None
    if kind.name not in ("float64", "float32"):
        raise InvalidInput(f"dtype={kind.name} is not one that kernels run in; give numpy.float64 or numpy.float32")
    if not isinstance(normals, Normals):
        raise InvalidInput(f"normals={normals!r}; give fpsde.Normals.FLOAT32 or fpsde.Normals.FLOAT64")
    if normals is Normals.FLOAT64 and kind.name == "float32":
        raise InvalidInput(
            "normals=FLOAT64 with dtype=float32 would throw their digits away; "
            "use dtype=numpy.float64 or Normals.FLOAT32"
        )
    return np.dtype(kind.name)  # in the machine's byte order
