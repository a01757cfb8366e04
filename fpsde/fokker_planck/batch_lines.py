"""Lines side by side as a batch steps them: with rates that stay, or with those of each time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from fpsde.arrays import Device
from fpsde.fokker_planck.generator import Generator
from fpsde.fokker_planck.sides import Sides
from fpsde.fokker_planck.sweeps import Sweeps, SweepsOnCpu, SweepsOnGpu
from fpsde.fokker_planck.sweeps_in_pieces import sweeps_on_gpu
from fpsde.fokker_planck.tridiagonal import GAMMA, STAGE

#: Makes lines side by side of their rates ``(m, 2, n)`` and exits ``(m, 2)``.
MakeSweeps = Callable[[np.ndarray, np.ndarray], Sweeps]


def sweeps_on(device: Device | None, *, fast: bool) -> MakeSweeps:
    """Return what makes lines on a device, or on the CPU."""
    return SweepsOnCpu if device is None else lambda rates, exits: sweeps_on_gpu(rates, exits, device, fast=fast)


def rates_and_exits(members: Sequence[Generator]) -> tuple[np.ndarray, np.ndarray]:
    """Return the rates ``(m, 2, n)`` and the exits ``(m, 2)`` of generators."""
    return np.array([(q.left, q.right) for q in members]), np.array([q.exits for q in members])


class Lines(ABC):
    """Lines side by side in time, ``count`` of them."""

    count: int
    alike: Sweeps  #: lines of whatever rates: how their masses are laid out

    @abstractmethod
    def at(self, t: float) -> Sweeps:
        """Return the lines with their rates at ``t``."""

    @abstractmethod
    def step(self, begin: float, end: float, dt: float, masses: Any) -> tuple[Any, Any]:
        """Return the masses after a step of TR-BDF2, and what entered the two walls."""

    @abstractmethod
    def some(self, which: np.ndarray) -> Lines:
        """Return the lines of these numbers."""

    @abstractmethod
    def refuse(self, k: int, *times: float) -> None:
        """Raise InvalidInput where coefficients of line ``k`` are out of range at one of the times."""


class LinesThatStay(Lines):
    """Lines whose rates do not depend on time."""

    def __init__(self, make: MakeSweeps, rates: np.ndarray, exits: np.ndarray) -> None:
        self._make, self._rates, self._exits = make, rates, exits
        self.alike, self.count = make(rates, exits), len(rates)

    def at(self, t: float) -> Sweeps:
        return self.alike

    def step(self, begin: float, end: float, dt: float, masses: Any) -> tuple[Any, Any]:
        return self.alike.tr_bdf2(STAGE * dt, masses)

    def some(self, which: np.ndarray) -> LinesThatStay:
        return LinesThatStay(self._make, self._rates[which], self._exits[which])

    def refuse(self, k: int, *times: float) -> None:
        """Their coefficients were read when they were made."""


def lines_that_stay(members: Sequence[Generator], device: Device | None, *, fast: bool) -> LinesThatStay:
    """Return the lines of generators, on a device or on the CPU."""
    return LinesThatStay(sweeps_on(device, fast=fast), *rates_and_exits(members))


class ByTime(Protocol):
    """Lines on a device at any time; ``alike`` are some, of whatever rates."""

    @property
    def alike(self) -> SweepsOnGpu: ...

    def lines(self, t: float) -> SweepsOnGpu:
        """Return the lines with their rates at ``t``."""


class LinesOfTimes(Lines):
    """Lines on a device whose rates depend on time.

    ``made(which)`` makes those of some numbers, and ``generator(k, t)`` assembles that of one of them.
    """

    def __init__(
        self,
        made: Callable[[np.ndarray], ByTime],
        which: np.ndarray,
        generator: Callable[[int, float], Generator],
    ) -> None:
        self._made, self._which, self._generator = made, which, generator
        by_time = made(which)
        self._kept, self.alike, self.count = lru_cache(maxsize=3)(by_time.lines), by_time.alike, len(which)

    def at(self, t: float) -> SweepsOnGpu:
        return self._kept(t)

    def step(self, begin: float, end: float, dt: float, masses: Any) -> tuple[Any, Any]:
        first, middle, last = (self._kept(t) for t in (begin, begin + GAMMA * dt, end))
        return first.tr_bdf2_between(middle, last, STAGE * dt, masses)

    def some(self, which: np.ndarray) -> LinesOfTimes:
        return LinesOfTimes(self._made, self._which[which], self._generator)

    def refuse(self, k: int, *times: float) -> None:
        for t in times:
            self._generator(int(self._which[k]), t)


class AssembledLines:
    """Lines on a device at any time, of generators that are assembled on the host."""

    def __init__(
        self,
        generators: Callable[[float], list[Generator]],
        shape: tuple[int, int],
        sides: Sides,
        device: Device,
        *,
        fast: bool,
    ) -> None:
        m, n = shape
        self._generators, self._sides = generators, sides
        self.alike = sweeps_on_gpu(np.zeros((m, 2, n)), np.zeros((m, 2)), device, fast=fast)

    def lines(self, t: float) -> SweepsOnGpu:
        rates, exits = (self.alike.load(values) for values in rates_and_exits(self._generators(t)))
        return self.alike.with_rates(rates, exits, ring=self._sides.periodic, absorb=any(self._sides.absorbing))
