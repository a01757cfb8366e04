"""Split steps of a plane on a GPU: the masses stay there, and what is read after each step is a few numbers."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from fpsde.arrays import Device
from fpsde.errors import InvalidInput
from fpsde.fokker_planck.initial import Start
from fpsde.fokker_planck.plane.generator import PlaneGenerator
from fpsde.fokker_planck.plane.propagator import AXES, Offset, SplitPropagator
from fpsde.fokker_planck.rates_on_gpu import RatesOnGpu
from fpsde.fokker_planck.sides import Sides
from fpsde.fokker_planck.sweeps import SweepsOnGpu
from fpsde.fokker_planck.sweeps_in_pieces import sweeps_on_gpu
from fpsde.fokker_planck.tridiagonal import STAGE
from fpsde.grid import Grid

#: Makes the lines of an axis at a time.
LinesAt = Callable[[float, int], SweepsOnGpu]


def lines_on_gpu(q: PlaneGenerator, device: Device, *, fast: bool) -> tuple[SweepsOnGpu, SweepsOnGpu]:
    """Return the lines of both axes of a generator; InvalidInput where its edges lie along others."""
    if not q.along_axes:
        raise InvalidInput(
            "noise is correlated, and on a GPU steps are split along the axes alone; leave the backend out to run on "
            "the CPU"
        )
    first, second = (sweeps_on_gpu(*q.lines(axis), device, fast=fast) for axis in (0, 1))
    return first, second


def driven_lines_on_gpu(process: Any, grid: Grid, sides: tuple[Sides, ...], device: Device, *, fast: bool) -> LinesAt:
    """Return the lines at any time of a process that has a ``statement``, whose rates are computed on the device."""
    parameters = process.parameter_values()[None]
    first, second = (
        RatesOnGpu.of(process, grid, sides[axis], device, fast=fast, parameters=parameters, axis=axis)
        for axis in (0, 1)
    )
    return lambda t, axis: (first, second)[axis].lines(t)


def assembled_lines_on_gpu(generator: Callable[[float], PlaneGenerator], device: Device, *, fast: bool) -> LinesAt:
    """Return the lines at any time, of a generator that is assembled on the host for each."""
    known = lru_cache(maxsize=2)(lambda t: lines_on_gpu(generator(t), device, fast=fast))
    return lambda t, axis: known(t)[axis]


class SplitPropagatorOnGpu(SplitPropagator):
    """The cells of a plane on a device; see :class:`SplitPropagator`.

    Lines along the second axis are turned into the memory layout of those along the first, and back. Where those that
    are ``computed`` there leave a NaN, the step is taken with lines that are assembled: these say where coefficients
    are out of range, or have an axis that is silent for an instant.
    """

    def __init__(
        self,
        generator: Callable[[float], PlaneGenerator],
        start: Start,
        *,
        constant: bool,
        cells: tuple[int, ...],
        fringe: np.ndarray,
        device: Device,
        lines: LinesAt,
        computed: bool = False,
        fast: bool = False,
    ):
        super().__init__(generator, start, constant=constant, fringe=fringe)
        self._device, self._cells, self._computed = device, cells, computed
        self._lines_at: LinesAt = lru_cache(maxsize=4)(lines)
        self._assembled = assembled_lines_on_gpu(generator, device, fast=fast)
        self._fringe, self.masses = self._there(fringe), self._there(self.masses)

    def _march(self, t: float, dt: float, done: int, n_steps: int) -> tuple[int, int, float]:
        taken, tried, least = super()._march(t, dt, done, n_steps)
        if self._computed and not np.isfinite(least):
            return self._by_assembly(super()._march, t, dt, done, n_steps)
        return taken, tried, least

    def _damped_step(self, t: float, dt: float) -> tuple[Any, np.ndarray]:
        masses, lost = super()._damped_step(t, dt)
        if self._computed and not np.isfinite(float(masses.min())):
            return self._by_assembly(super()._damped_step, t, dt)
        return masses, lost

    def _by_assembly(self, take: Callable[..., Any], *given: Any) -> Any:
        computed, self._lines_at = self._lines_at, self._assembled
        try:
            return take(*given)
        finally:
            self._lines_at = computed

    def _shape(self, t: float) -> tuple[int, ...]:
        return self._cells

    def _there(self, values: Any) -> Any:
        with self._device.current():
            return self._device.array(values)

    def _offsets(self, t: float) -> tuple[Offset, ...]:
        return AXES

    def _swept(self, t: float, offset: Offset, dt: float, masses: Any) -> tuple[Any, np.ndarray]:
        axis = AXES.index(offset)
        lines = self._lines_at(t, axis)
        moved, lost = lines.tr_bdf2(STAGE * dt, self._turned(axis, masses)[None])
        return self._turned(axis, moved[0]), lines.entered(lost)

    def _damped(self, t: float, offset: Offset, dt: float, masses: Any) -> tuple[Any, np.ndarray]:
        axis = AXES.index(offset)
        lines, along = self._lines_at(t, axis), self._turned(axis, masses)[None]
        lost = lines.backward_euler(dt, along)
        return self._turned(axis, along[0]), lines.entered(lost)

    def _turned(self, axis: int, plane: Any) -> Any:
        return self._there(plane.T) if axis == 1 else plane
