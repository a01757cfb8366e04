"""Transport that keeps a known stationary law exactly: Klein-Kramers, and other flows along the levels of an energy.

With p_s = exp(-E/T)/Z and noise along one axis, the drift is that of detailed balance, D grad log p_s + div D, and a
rest c with div(c p_s) = 0. If c = a (d_2 E, -d_1 E), then p_s c is the curl of the stream function psi = -a T p_s:

    p_s c_1 = d_2 psi,      p_s c_2 = -d_1 psi,

and the stationary flux through a face is the difference of psi at its two corners, so that it adds up to zero around
every cell. Each flux is carried by p/p_s of the cell it leaves (upwind): rates are not negative, p_s at the cell
centres is stationary to round-off, and the order is 1. On the ends of the grid psi is zero: nothing flows through them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import sympy as sp

from fpsde.fokker_planck.bernoulli import bernoulli
from fpsde.fokker_planck.plane.generator import Edges, centres, neighbours, volumes
from fpsde.fokker_planck.sides import Sides
from fpsde.functions import PARAMETER
from fpsde.grid import Grid
from fpsde.printing import numpy_function
from fpsde.symbolic import real_symbol


@dataclass(frozen=True, eq=False)
class Stream:
    """A law exp(-E/T)/Z and the rest a (d_2 E, -d_1 E) of its drift; ``reduced`` is E/T at points (2, n), ``turn`` a T.

    Its stream function is -``turn`` p_s.
    """

    reduced: Callable[[np.ndarray], np.ndarray]
    turn: float

    def edges(self, grid: Grid, d: np.ndarray, noisy: int, sides: tuple[Sides, Sides]) -> list[Edges]:
        """Return the edges along both axes, with the noise ``d`` (2, 2, n) along the axis ``noisy``."""
        out = [self._carried(grid, axis, sides) for axis in (0, 1)]
        return [*out, self._balanced(grid, noisy, d[noisy, noisy], periodic=sides[noisy].periodic)]

    def _balanced(self, grid: Grid, axis: int, d: np.ndarray, *, periodic: bool) -> Edges:
        """Return jumps in detailed balance with p_s: D p_s changes by e^w along an edge."""
        tails, heads, length, h = neighbours(grid, axis, periodic=periodic)
        energy = self.reduced(centres(grid))
        w = energy[tails] - energy[heads] + np.log(d[heads] / d[tails])
        q = tuple(d[cells] / (h[cells] * length) for cells in (tails, heads))
        return Edges((1 - axis, axis), tails, heads, bernoulli(-w) * q[0], bernoulli(w) * q[1], w)

    def _carried(self, grid: Grid, axis: int, sides: tuple[Sides, Sides]) -> Edges:
        """Return upwind jumps with the flux that psi gives each face across ``axis`` in the stationary law."""
        tails, heads, _, _ = neighbours(grid, axis, periodic=sides[axis].periodic)
        corners = np.stack([x.ravel() for x in np.meshgrid(*grid.axes, indexing="ij")])
        inner = _inner_corners(grid, sides)
        energy = self.reduced(corners).reshape(inner.shape)
        i, j = np.unravel_index(tails, grid.shape)
        ends = ((i + 1, j), (i + 1, j + 1)) if axis == 0 else ((i + 1, j + 1), (i, j + 1))
        own, volume = self.reduced(centres(grid)), volumes(grid)

        def flux(cells: np.ndarray) -> np.ndarray:
            """The mass per time through each face, as a part of the mass of these cells."""
            low, high = (np.where(inner[end], np.exp(own[cells] - energy[end]), 0.0) for end in ends)
            return self.turn * (low - high) / volume[cells]

        up, down = np.maximum(flux(tails), 0.0), np.maximum(-flux(heads), 0.0)
        return Edges((1 - axis, axis), tails, heads, up, down, np.zeros_like(up))


def _inner_corners(grid: Grid, sides: tuple[Sides, Sides]) -> np.ndarray:
    """Return which corners of cells lie inside the grid, or on the seam of a periodic axis."""
    inner = [np.ones(len(faces), dtype=bool) for faces in grid.axes]
    for flags, side in zip(inner, sides, strict=True):
        if not side.periodic:
            flags[[0, -1]] = False
    return np.logical_and.outer(*inner)


def stream_of(process: Any) -> Stream | None:
    """Return the stream of a process, or None if it states no energy or its drift is not of the form above."""
    if getattr(process, "energy", None) is None or process.time_dependent or "temperature" not in process.params:
        return None
    return None if np.ndim(process.params["temperature"]) else _of_statement(process)


@lru_cache(maxsize=256)
def _of_statement(process: Any) -> Stream | None:
    s, values = process.statement, process.parameter_values()
    turn, reduced = _symbolic(s)
    if turn is None:
        return None
    functions = numpy_function([*s.x, s.t, *s.parameters], [reduced, turn])

    def energy(x: np.ndarray) -> np.ndarray:
        return np.broadcast_to(functions(*x, 0.0, *values)[0], x[0].shape).astype(float)

    return Stream(energy, float(functions(0.0, 0.0, 0.0, *values)[1]))


def _symbolic(s: Any) -> tuple[sp.Expr | None, sp.Expr]:
    """Return a T, or None, and E/T of a statement."""
    temperature = real_symbol(f"{PARAMETER}_temperature")
    reduced = s.energy / temperature
    slope = [sp.diff(reduced, x) for x in s.x]
    rest = [
        s.ito_drift[i] - sum(sp.diff(s.diffusivity[i, j], s.x[j]) - s.diffusivity[i, j] * slope[j] for j in (0, 1))
        for i in (0, 1)
    ]
    if slope[1] == 0:
        return None, reduced
    turn = sp.simplify(rest[0] / slope[1])
    if turn.free_symbols & {*s.x, s.t} or sp.simplify(rest[1] + turn * slope[0]) != 0:
        return None, reduced
    return turn, reduced
