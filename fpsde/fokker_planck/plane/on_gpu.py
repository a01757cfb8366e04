"""Split steps of a plane on a GPU: the masses stay there, and what is read after each step is a few numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fpsde.arrays import Device
from fpsde.fokker_planck.initial import Start
from fpsde.fokker_planck.plane.generator import PlaneGenerator
from fpsde.fokker_planck.plane.propagator import SplitPropagator
from fpsde.fokker_planck.sweeps import SweepsOnGpu
from fpsde.fokker_planck.sweeps_in_pieces import sweeps_on_gpu
from fpsde.fokker_planck.tridiagonal import STAGE


def lines_on_gpu(q: PlaneGenerator, device: Device, *, fast: bool) -> tuple[SweepsOnGpu, SweepsOnGpu]:
    """Return the lines of both axes of a generator whose edges lie along them."""
    first, second = (sweeps_on_gpu(*q.lines(axis), device, fast=fast) for axis in (0, 1))
    return first, second


class SplitPropagatorOnGpu(SplitPropagator):
    """The cells of a plane with constant coefficients on a device; see :class:`SplitPropagator`.

    Lines along the second axis are turned into the memory layout of those along the first, and back.
    """

    def __init__(
        self,
        generator: Callable[[float], PlaneGenerator],
        start: Start,
        *,
        fringe: np.ndarray,
        device: Device,
        lines: tuple[SweepsOnGpu, SweepsOnGpu],
    ):
        super().__init__(generator, start, constant=True, fringe=fringe)
        self._device, self._along = device, lines
        self._fringe, self.masses = self._there(fringe), self._there(self.masses)

    def _there(self, values: Any) -> Any:
        with self._device.current():
            return self._device.array(values)

    def _swept(self, t: float, axis: int, dt: float, masses: Any) -> tuple[Any, np.ndarray]:
        lines = self._along[axis]
        moved, lost = lines.tr_bdf2(STAGE * dt, self._turned(axis, masses)[None])
        return self._turned(axis, moved[0]), lines.entered(lost)

    def _damped(self, t: float, axis: int, dt: float, masses: Any) -> tuple[Any, np.ndarray]:
        lines, along = self._along[axis], self._turned(axis, masses)[None]
        lost = lines.backward_euler(dt, along)
        return self._turned(axis, along[0]), lines.entered(lost)

    def _turned(self, axis: int, plane: Any) -> Any:
        return self._there(plane.T) if axis == 1 else plane
