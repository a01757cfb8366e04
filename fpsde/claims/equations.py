"""Equations for a density as a note writes them, right or wrong, carried in time; and particles beside them.

Derivatives are spectral on a periodic box that holds the density, so an equation is carried to about 1e-8 and shares no
code with the Fokker-Planck solvers. Nothing is kept that the equation does not keep: neither mass nor signs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

from fpsde.cached import cached_property
from fpsde.density import CellLaw, Law
from fpsde.errors import NotConverged
from fpsde.grid import Grid
from fpsde.processes.process import Process
from fpsde.schemes.array_step import array_step
from fpsde.schemes.scheme import Scheme
from fpsde.validation import positive, time_grid

#: Relative and absolute errors that a step in time may make.
RELATIVE, ABSOLUTE = 1e-9, 1e-11
#: Particles that are advanced at once: a block stays in the cache.
BLOCK = 2**14


@dataclass(frozen=True, eq=False)
class Line:
    """Equal cells on ``window``, with the density at their centres: ``x`` (nodes,)."""

    window: tuple[float, float]
    nodes: int = 192

    @cached_property
    def grid(self) -> Grid:
        return Grid.uniform(self.window, cells=self.nodes)

    @cached_property
    def x(self) -> np.ndarray:
        return self.grid.centres

    @cached_property
    def _wave_numbers(self) -> np.ndarray:
        low, high = self.window
        k = 2 * np.pi * np.arange(self.nodes // 2 + 1) / (high - low)
        k[-1] = 0.0  # the fastest wave has no derivative on the grid
        return k

    @cached_property
    def _derivative(self) -> np.ndarray:
        """The matrix (nodes, nodes) of d/dx: for so few nodes faster than transforms back and forth."""
        waves = np.fft.rfft(np.eye(self.nodes), axis=0)
        return np.fft.irfft(1j * self._wave_numbers[:, None] * waves, n=self.nodes, axis=0)

    def d(self, f: np.ndarray) -> np.ndarray:
        """Return df/dx, exact for the waves that the nodes hold."""
        return self._derivative @ f

    def mass(self, p: np.ndarray) -> float:
        """Return the integral of a density."""
        low, high = self.window
        return float(p.mean() * (high - low))

    def law(self, p: np.ndarray) -> CellLaw:
        """Return a density as the masses of its cells: averages over the cells, exact for the waves that they hold."""
        low, high = self.window
        h = (high - low) / self.nodes
        averages = np.fft.irfft(np.sinc(self._wave_numbers * h / (2 * np.pi)) * np.fft.rfft(p), n=self.nodes)
        return CellLaw(self.grid, averages * h)

    def carried(self, equation: Callable[[np.ndarray, float], np.ndarray], start: Law, *, times: Any) -> np.ndarray:
        """Return p at ``times`` (len(times), nodes) from dp/dt = ``equation(p, t)`` and the density of ``start`` at 0.

        Raises NotConverged where the equation cannot be carried so far: it grows without bound, or is ill-posed;
        InvalidInput unless the last time is positive.
        """
        found = solve_ivp(
            lambda t, p: equation(p, t),
            (0.0, positive("the last time", times[-1])),
            start.pdf(self.x),
            method="DOP853",
            t_eval=times,
            rtol=RELATIVE,
            atol=ABSOLUTE,
        )
        if not found.success or not np.isfinite(found.y).all():
            raise NotConverged(f"the equation stops at t={found.t[-1] if len(found.t) else 0.0:g}: {found.message}")
        return found.y.T


def particles(
    process: Process,
    scheme: Scheme,
    x0: Law | np.ndarray,
    *,
    n: int,
    seed: int,
    t_end: float | None = None,
    dt: float | None = None,
) -> np.ndarray:
    """Return the positions (n,) of particles of a process of one component, by array code: nothing is compiled.

    The process has ``t_end`` in steps of ``dt``, or a table read in steps of unit time to its end. ``x0`` is a law, or
    positions (n,).
    """
    step = array_step(scheme, process)
    steps = min((len(v) for v in process.tables.values()), default=0)
    grid = time_grid(t_end=float(steps) if t_end is None else t_end, dt=1.0 if dt is None else dt)
    rng = np.random.default_rng(seed)
    out = np.empty(n)
    for first in range(0, n, BLOCK):
        some = out[first : first + BLOCK]
        state = np.zeros((step.state_rows, len(some)))
        state[0] = x0.ppf(rng.random(len(some))) if isinstance(x0, Law) else x0[first : first + BLOCK]
        for t, later in pairwise(grid):
            state = step.advance(state, rng.standard_normal((step.normals, len(some))), t, later - t)
        some[:] = state[0]
    return out
