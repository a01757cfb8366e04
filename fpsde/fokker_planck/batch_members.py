"""The members of a batch: their generators at a time, and what carries them where coefficients depend on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np

from fpsde.arrays import Device
from fpsde.errors import InvalidInput
from fpsde.fokker_planck.batch_lines import AssembledLines, ByTime, LinesOfTimes
from fpsde.fokker_planck.coefficient_kernel import coefficient_kernel
from fpsde.fokker_planck.driven import DrivenPropagator, printed
from fpsde.fokker_planck.edges import EDGE_RULE, QUICK_RULE, EdgePoints
from fpsde.fokker_planck.fluxes import scharfetter_gummel
from fpsde.fokker_planck.generator import Generator, assemble
from fpsde.fokker_planck.initial import Start
from fpsde.fokker_planck.propagator import Propagator
from fpsde.fokker_planck.rates_on_gpu import RatesOnGpu
from fpsde.fokker_planck.sides import Sides
from fpsde.fokker_planck.stepper import Stepper
from fpsde.grid import Grid
from fpsde.optional import installed
from fpsde.processes.parameter_sets import ParameterSets


def generators_of(parameters: ParameterSets, grid: Grid, sides: Sides, build: Any, t: float) -> list[Generator]:
    """Return the generator of each member: by one compiled function of all where ``build`` is :func:`assemble`.

    Where Numba is not installed each is built by itself, in milliseconds.
    Raises InvalidInput as ``build`` does, and says of which member.
    """
    process = parameters.process
    compiled = build is assemble and installed("numba")
    together = compiled and printed(process) and parameters.differ_in_numbers_alone()
    made = _together(parameters, grid, sides, t) if together else _one_by_one(parameters, grid, build, t)
    out: list[Generator] = []
    for k in range(len(parameters)):
        with parameters.named(k):
            out.append(next(made))
    return out


def _one_by_one(parameters: ParameterSets, grid: Grid, build: Any, t: float) -> Iterator[Generator]:
    for k in range(len(parameters)):
        yield _built(parameters.member(k), parameters.process, grid, build, t)


def _built(member: Any, process: Any, grid: Grid, build: Any, t: float) -> Generator:
    if member.domain != process.domain:
        raise InvalidInput(f"its domain {member.domain} is not {process.domain}, that of the process")
    return build(member, grid, t)


def _together(parameters: ParameterSets, grid: Grid, sides: Sides, t: float) -> Iterator[Generator]:
    """Yield the generators that :func:`assemble` makes, to round-off, without a process for each."""
    rule = QUICK_RULE if parameters.process.time_dependent else EDGE_RULE
    edges = EdgePoints.of(grid, sides, rule)
    kernel = coefficient_kernel(parameters.process, edges.points[None])
    n, size = grid.shape[0], len(edges.points)
    for k, values in enumerate(parameters.vectors()):
        ratio, d = np.empty(size - n), np.empty(n)
        own = kernel.with_parameters(values)
        bad = own.function(own.points, own.table, t, values, ratio, d)
        if bad > 0 or not np.isfinite(ratio).all():
            assemble(parameters.member(k), grid, t)  # says where they are out of range
        rates, exits, w = np.empty((2, n)), np.empty((2, 1)), np.empty(n)
        with np.errstate(over="ignore"):
            scharfetter_gummel(ratio, d, *edges.geometry, rates, exits, w)
        low, high = exits[:, 0].tolist()
        yield Generator(grid, rates[0], rates[1], (low, high), w if sides.periodic else w[:-1], sides.periodic)


@dataclass(frozen=True, eq=False)
class MembersInTime:
    """Members of one ``process`` whose coefficients depend on time.

    ``vectors`` (m, k) are their parameters where they differ in these alone and the process states all, None elsewhere;
    ``generator(k, t)`` assembles that of one of them, and ``named(k)`` has errors say which one it is.
    """

    process: Any
    grid: Grid
    sides: Sides
    count: int
    vectors: np.ndarray | None
    generator: Callable[[int, float], Generator]
    named: Callable[[int], AbstractContextManager[Any]]

    @classmethod
    def of(cls, parameters: ParameterSets, grid: Grid, sides: Sides, build: Any) -> MembersInTime:
        """Return those of a batch."""
        process, known = parameters.process, cache(parameters.member)

        def generator(k: int, t: float) -> Generator:
            return _built(known(k), process, grid, build, t)

        alike = build is assemble and printed(process) and parameters.differ_in_numbers_alone()
        vectors = parameters.vectors() if alike else None
        return cls(process, grid, sides, len(parameters), vectors, generator, parameters.named)

    def on_device(self, device: Device, *, fast: bool) -> LinesOfTimes:
        """Return their lines, with rates that are computed there, or assembled on the host where they have to be."""

        def made(which: np.ndarray) -> ByTime:
            if self.vectors is None:
                shape = len(which), self.grid.shape[0]
                return AssembledLines(
                    lambda t: [self._told(k, t) for k in which.tolist()], shape, self.sides, device, fast=fast
                )
            return RatesOnGpu.of(
                self.process, self.grid, self.sides, device, fast=fast, parameters=self.vectors[which]
            )  # fmt: skip

        return LinesOfTimes(made, np.arange(self.count), self._told)

    def _told(self, k: int, t: float) -> Generator:
        with self.named(k):
            return self.generator(k, t)

    def propagator(self, k: int, start: Start, fringe: tuple[int, int]) -> Stepper:
        """Return what carries one of them on the CPU."""
        generator = partial(self.generator, k)
        if self.vectors is None:
            return Propagator(generator, start, constant=False, fringe=fringe)
        return DrivenPropagator(
            self.process, self.grid, self.sides, generator, start, fringe, parameters=self.vectors[k]
        )
