"""Steps of a generator that depends on time, with the coefficients, the fluxes and the steps in one compiled loop."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from fpsde.fokker_planck.coefficient_kernel import coefficient_kernel
from fpsde.fokker_planck.edges import QUICK_RULE, EdgePoints
from fpsde.fokker_planck.elimination import factorise
from fpsde.fokker_planck.fluxes import scharfetter_gummel
from fpsde.fokker_planck.generator import Generator
from fpsde.fokker_planck.initial import Start
from fpsde.fokker_planck.propagator import CHUNK, Propagator
from fpsde.fokker_planck.sides import Sides
from fpsde.fokker_planck.tridiagonal import GAMMA, STAGE, march
from fpsde.grid import Grid
from fpsde.jit import kernel
from fpsde.optional import optional
from fpsde.processes.process import Process

types = optional("numba.core.types")


@cache
def type_of_coefficients() -> Any:
    """Return the type of the function of a :class:`CoefficientKernel`."""
    f8 = types.float64
    return types.FunctionType(types.int64(f8[:, ::1], f8[:, ::1], f8, f8[::1], f8[::1], f8[::1]))


def printed(process: Any) -> bool:
    """Return whether the statement of a process says all: a stand-in may differ from the one that it passes on."""
    return isinstance(process, Process) and not process.tables


class DrivenPropagator(Propagator):
    """The cells of a line or a ring whose coefficients depend on time, by the Scharfetter-Gummel flux.

    ``process`` has a traced ``statement`` and no tables; ``parameters`` take the place of its own. Differs from
    :class:`Propagator` in speed alone.
    """

    def __init__(
        self,
        process: Any,
        grid: Grid,
        sides: Sides,
        generator: Callable[[float], Generator],
        start: Start,
        fringe: tuple[int, int],
        parameters: np.ndarray | None = None,
    ):
        super().__init__(generator, start, constant=False, fringe=fringe)
        edges = EdgePoints.of(grid, sides, QUICK_RULE)
        own = coefficient_kernel(process, edges.points[None])
        self._coefficients = own if parameters is None else own.with_parameters(parameters)
        self._edges = edges.geometry

    def _march(self, t: float, dt: float, done: int, n_steps: int) -> tuple[int, int, float]:
        it = self._coefficients
        tried = min(n_steps - done, max(1, CHUNK // it.points.shape[1]))
        taken, least = _driver()(
            it.function, it.points, it.table, it.parameters, *self._edges, t, dt, done, tried,
            self.masses, self.absorbed, self._floor, self._fringe, self.extremes,
        )  # fmt: skip
        if taken < tried and not np.isfinite(least):
            for stage in (0.0, GAMMA, 1.0):  # raises the error that says where coefficients are out of range
                self._generator(t + (done + taken + stage) * dt)
        self.n_steps += taken
        return taken, tried, least


@cache
def _driver() -> Callable[..., tuple[int, float]]:
    f8, i8, flag = types.float64, types.int64, types.boolean
    signature = types.Tuple((i8, f8))(
        type_of_coefficients(), f8[:, ::1], f8[:, ::1], f8[::1],  # the process
        f8[::1], f8[::1], f8[:, ::1], flag, flag[::1],  # its grid
        f8, f8, i8, i8,  # the times
        f8[::1], f8[::1], f8, i8[::1], f8[::1],  # the masses
    )  # fmt: skip
    return kernel(signature)(march_driven)


def march_driven(
    coefficients: Any,
    points: Any,  # (1, n + n_nodes (n + 2)), and what comes with them: see EdgePoints
    table: Any,
    parameters: Any,
    weights: Any,
    lengths: Any,
    per_edge: Any,
    periodic: Any,
    absorbs: Any,
    t: Any,
    dt: Any,
    first: Any,  # steps from t at which the march begins
    n_steps: Any,
    masses: Any,
    absorbed: Any,
    floor: Any,
    fringe: Any,
    extremes: Any,
) -> Any:
    """Take up to ``n_steps`` steps of TR-BDF2, as :func:`march` does, with Q at the three times of each step."""
    n, size = len(masses), points.shape[1]
    ratio, d, w = np.empty(size - n), np.empty(n), np.empty(n)
    rates, exits = np.empty((3, 2, n)), np.empty((3, 2))
    a = STAGE * dt
    least = np.inf
    for done in range(n_steps):
        begin = t + (first + done) * dt
        for stage in range(3):
            if stage == 0 and done > 0:
                rates[0], exits[0] = rates[2], exits[2]
                continue
            time = begin if stage == 0 else begin + GAMMA * dt if stage == 1 else t + (first + done + 1) * dt
            bad = coefficients(points, table, time, parameters, ratio, d)
            scharfetter_gummel(
                ratio, d, weights, lengths, per_edge, periodic, absorbs, rates[stage], exits[stage].reshape(2, 1), w
            )
            if bad > 0:  # a rate out of range, with D in it, fills the masses with NaN
                return done, np.nan
        middle = factorise(rates[1, 0], rates[1, 1], exits[1, 0], exits[1, 1], a)
        end = factorise(rates[2, 0], rates[2, 1], exits[2, 0], exits[2, 1], a)
        taken, least = march(rates, exits, a, middle, end, masses, absorbed, 1, floor, fringe, extremes)
        if taken == 0:
            return done, least
    return n_steps, least
