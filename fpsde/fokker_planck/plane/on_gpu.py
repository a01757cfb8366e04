"""Split steps of a plane on a GPU: the masses stay there, and what is read after each step is a few numbers."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from fpsde.arrays import Device
from fpsde.cached import Kept
from fpsde.fokker_planck.initial import Start
from fpsde.fokker_planck.plane.generator import PlaneGenerator
from fpsde.fokker_planck.plane.lines import Way, cells_on
from fpsde.fokker_planck.plane.propagator import AXES, Offset, SplitPropagator, ways_of
from fpsde.fokker_planck.rates_on_gpu import RatesOnGpu
from fpsde.fokker_planck.sides import Sides
from fpsde.fokker_planck.sweeps import SweepsOnGpu
from fpsde.fokker_planck.sweeps_in_pieces import sweeps_on_gpu
from fpsde.fokker_planck.tridiagonal import STAGE
from fpsde.grid import Grid

#: Makes the lines of an offset between cells at a time.
LinesAt = Callable[[float, Offset], SweepsOnGpu]


def lines_on_gpu(q: PlaneGenerator, device: Device, *, fast: bool) -> dict[Offset, SweepsOnGpu]:
    """Return the lines of each offset of the edges of a generator.

    Raises InvalidInput where it is no sum of operators on lines.
    """
    return {offset: sweeps_on_gpu(*q.lines_on(way, offset), device, fast=fast) for offset, way in ways_of(q).items()}


def driven_lines_on_gpu(process: Any, grid: Grid, sides: tuple[Sides, ...], device: Device, *, fast: bool) -> LinesAt:
    """Return the lines at any time of a process that has a ``statement``, whose rates are computed on the device."""
    parameters = process.parameter_values()[None]
    first, second = (
        RatesOnGpu.of(process, grid, sides[axis], device, fast=fast, parameters=parameters, axis=axis)
        for axis in (0, 1)
    )
    return lambda t, offset: (first, second)[AXES.index(offset)].lines(t)


def assembled_lines_on_gpu(generator: Callable[[float], PlaneGenerator], device: Device, *, fast: bool) -> LinesAt:
    """Return the lines at any time, of a generator that is assembled on the host for each."""
    known = lru_cache(maxsize=2)(lambda t: lines_on_gpu(generator(t), device, fast=fast))
    return lambda t, offset: known(t)[offset]


class SplitPropagatorOnGpu(SplitPropagator):
    """The cells of a plane on a device; see :class:`SplitPropagator`.

    Lines of other offsets are turned into the memory layout of those along the first axis, and back. Where those that
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
        self._ways: Kept[dict[Offset, Way]] = Kept(2)
        self._places: dict[tuple[Offset, int], tuple[Any, Any]] = {}
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
        return AXES if self._computed else super()._offsets(t)

    def _swept(self, t: float, offset: Offset, dt: float, masses: Any) -> tuple[Any, np.ndarray]:
        lines = self._lines_at(t, offset)
        moved, lost = lines.tr_bdf2(STAGE * dt, self._turned(t, offset, masses)[None])
        return self._back(t, offset, moved[0]), lines.entered(lost)

    def _damped(self, t: float, offset: Offset, dt: float, masses: Any) -> tuple[Any, np.ndarray]:
        lines, along = self._lines_at(t, offset), self._turned(t, offset, masses)[None]
        lost = lines.backward_euler(dt, along)
        return self._back(t, offset, along[0]), lines.entered(lost)

    def _turned(self, t: float, offset: Offset, plane: Any) -> Any:
        """Return the masses on the lines of an offset, ``(n, n_lines)``."""
        if offset in AXES:
            return plane if offset == AXES[0] else self._there(plane.T)
        return plane.reshape(-1)[self._placed(t, offset)[0]]

    def _back(self, t: float, offset: Offset, lines: Any) -> Any:
        """Return the plane of what lies on the lines of an offset."""
        if offset in AXES:
            return lines if offset == AXES[0] else self._there(lines.T)
        return lines.reshape(-1)[self._placed(t, offset)[1]]

    def _placed(self, t: float, offset: Offset) -> tuple[Any, Any]:
        """Return the cell of each place on the lines of a diagonal, and the place of each cell, on the device.

        The axis on which the lines go may change in time, with the edges that there are at a seam.
        """
        way = self._ways.get(lambda t: ways_of(self._at(t)), t)[offset]
        if (offset, way[0]) not in self._places:
            cells = cells_on(way, self._cells).T
            places = np.empty(cells.size, dtype=np.int64)
            places[cells.ravel()] = np.arange(cells.size)
            self._places[offset, way[0]] = self._there(cells), self._there(places.reshape(self._cells))
        return self._places[offset, way[0]]
