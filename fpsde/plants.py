"""Deliberately wrong copies: each plants one defect at one corner of the chain, and the chain must name its edge.

A defect of the kernel must fail edge 1 (the particles are not the scheme), one of the stated scheme edge 2 (it is no
scheme of the process), one of the solver edge 3 (the density is not that of the process).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from fpsde.corners import Corners
from fpsde.ensemble import Ensemble
from fpsde.errors import InvalidInput, unknown_name
from fpsde.fokker_planck.generator import Generator, assemble
from fpsde.fokker_planck.solver import FokkerPlanck
from fpsde.integrators import Snapshots
from fpsde.model_functions import call
from fpsde.processes.process import Exact, Process
from fpsde.processes.statement import ITO, STRATONOVICH
from fpsde.schemes import Scheme


@dataclass(frozen=True)
class Plant:
    """A defect: its name, the edge that must fail, what is done, how it enters, and whether a process shows it."""

    name: str
    edge: int
    what: str
    into: Callable[[Corners], Corners]
    visible: Callable[[Process], bool] = lambda process: True


def noise_changed(scheme: Scheme, change: Callable[[Any, Any], Any]) -> Scheme:
    """Return the scheme with ``change(value, dt)`` in place of its increments, dw or z."""

    def step(model: Any, x: Any, t: Any, dt: Any, noise: Any, *aux: Any) -> Any:
        changed = {name: change(value, dt) for name, value in vars(noise).items()}
        return scheme.step(model, x, t, dt, SimpleNamespace(**changed), *aux)

    return replace(scheme, step=step, parts=tuple(noise_changed(part, change) for part in scheme.parts))


def _running(wrong: Callable[..., Ensemble]) -> Callable[[Corners], Corners]:
    """Plant a function that runs particles wrongly, given how they are run rightly."""
    return lambda corners: replace(corners, particles=partial(wrong, corners.particles))


def _with_noise(change: Callable[[Any, Any], Any]) -> Callable[[Corners], Corners]:
    """Plant a change of the increments into the particles' scheme alone."""
    return _running(lambda simulated, process, scheme, **run: simulated(process, noise_changed(scheme, change), **run))


def _stating_noise(change: Callable[[Any, Any], Any]) -> Callable[[Corners], Corners]:
    """Plant a change of the increments into the scheme itself: particles and law have it alike."""
    return lambda corners: replace(corners, stated=lambda scheme: noise_changed(scheme, change))


def _reused(simulated: Any, process: Process, scheme: Scheme, *, n_particles: int, **run: Any) -> Ensemble:
    """Run half of the particles and hand each out twice, as a kernel does that lets two lanes read one counter."""
    half = simulated(process, scheme, n_particles=(n_particles + 1) // 2, **run)
    twice = lambda x: np.repeat(x, 2, axis=1)[:, :n_particles]  # noqa: E731
    return replace(
        half,
        n_particles=n_particles,
        requested=n_particles,
        held=twice(half.positions),
        results=tuple(tuple((t, twice(x)) for t, x in seen) for seen in half.results),
    )


def _one_step_short(
    simulated: Any, process: Process, scheme: Scheme, *, times: np.ndarray, observers: tuple = (), **run: Any
) -> Ensemble:
    """Stop one step early and call it the end."""
    seen = [Snapshots(times[1:-1]) if isinstance(observer, Snapshots) else observer for observer in observers]
    short = simulated(process, scheme, times=times[:-1], observers=seen, **run)
    ended = tuple((*seen, (float(times[-1]), short.positions)) for seen in short.results)
    return replace(short, t=float(times[-1]), results=ended)


def _claiming(change: Callable[[Process], Process]) -> Callable[[Corners], Corners]:
    return lambda corners: replace(corners, claimed=change)


def _drift_reversed(process: Process) -> Process:
    return replace(process, drift=lambda x, t, p: -call(process.drift, x, t, p), exact=Exact(), factory=None)


def _misread(process: Process) -> Process:
    other = STRATONOVICH if process.interpretation is ITO else ITO
    return replace(process, interpretation=other, exact=Exact(), factory=None)


def _zero_gradient(process: Process, grid: Any, t: float = 0.0) -> Generator:
    """The generator with dp/dx = 0 at the walls in place of zero total flux: the drift carries mass through them."""
    mu, widths = process.ito_drift(grid.faces[[0, -1]], t), grid.widths[[0, -1]]
    return replace(assemble(process, grid, t), exits=(-mu[0] / widths[0], mu[1] / widths[1]))


@dataclass(frozen=True)
class _TwiceTheDiffusivity:
    """A process to the solver, with D = sigma^2."""

    process: Process

    def __getattr__(self, name: str) -> Any:
        return getattr(self.process, name)

    def diffusivity(self, x: Any, t: float = 0.0) -> np.ndarray:
        return 2 * self.process.diffusivity(x, t)


def _solving(solver: Callable[[Process, Any], FokkerPlanck]) -> Callable[[Corners], Corners]:
    return lambda corners: replace(corners, solver=solver)


def _drifts_at_a_wall(process: Process) -> bool:
    interval = process.intervals[0]
    return (
        interval.walled
        and not interval.periodic
        and bool(np.any(process.ito_drift(np.array([interval.low, interval.high])) != 0))
    )


PLANTS: dict[str, Plant] = {
    plant.name: plant
    for plant in (
        Plant("noise*1.01", 1, "the kernel's increments are 1 % too large", _with_noise(lambda v, dt: 1.01 * v)),
        Plant("sqrt(dt)->dt", 1, "the kernel scales its normals by dt", _with_noise(lambda v, dt: v * np.sqrt(dt))),
        Plant("reused noise", 1, "two particles share each draw", _running(_reused)),
        Plant("dropped last step", 1, "the kernel stops a step early", _running(_one_step_short)),
        Plant(
            "stated noise*1.001", 2, "the scheme takes 0.1 % too much noise", _stating_noise(lambda v, dt: 1.001 * v)
        ),
        Plant("drift sign", 2, "the scheme is stated with -mu", _claiming(_drift_reversed)),
        Plant(
            "ito as stratonovich",
            2,
            "the scheme takes an Itô drift for a Stratonovich one (or the reverse)",
            _claiming(_misread),
            visible=lambda process: not process.additive,
        ),
        Plant(
            "D not halved",
            3,
            "the solver takes D = sigma^2",
            _solving(lambda process, grid: FokkerPlanck(_TwiceTheDiffusivity(process), grid)),
        ),
        Plant(
            "no-flux as zero gradient",
            3,
            "the solver's walls have dp/dx = 0 in place of zero total flux",
            _solving(lambda process, grid: FokkerPlanck(process, grid, assemble=_zero_gradient)),
            visible=_drifts_at_a_wall,
        ),
    )
}


def plant_named(name: str) -> Plant:
    """Return the plant called ``name``; InvalidInput offers the nearest one."""
    if name not in PLANTS:
        raise unknown_name("plant", name, PLANTS)
    return PLANTS[name]


def planted(plant: Plant, process: Process, *, into: Corners | None = None) -> Corners:
    """Return the corners (those of the package) with the defect in, refusing a process on which it changes nothing."""
    if not plant.visible(process):
        raise InvalidInput(
            f"{plant.name!r} ({plant.what}) changes nothing on {process.name}; choose a process on which it does"
        )
    return plant.into(into or Corners())
