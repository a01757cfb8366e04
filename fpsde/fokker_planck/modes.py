"""What the modes of a generator say about laws and observables, on lines, rings and planes alike.

    Q r_k = -lambda_k r_k,     Q^T l_k = -lambda_k l_k,     l_j . r_k = delta_jk

A law decays as m(t) = m_s + sum_k r_k (l_k . m(0)) e^(-lambda_k t), an observable as <f>(t) = f . m(t).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsde.density import Law, Point
from fpsde.errors import InvalidInput
from fpsde.fokker_planck.initial import HELD
from fpsde.grid import Grid
from fpsde.validation import finite, finite_array


@dataclass(frozen=True)
class Decay(ABC):
    """The slowest modes, in the order of their decay, on cells of ``grid``.

    eigenvalues
        lambda_k ``(count,)``, 1/time: real under detailed balance, or complex (by real part, pairs together)
    left
        eigenfunctions of the backward equation at the cell centres ``(count, *grid.shape)``, with sum |l_k|^2 m_s = 1
    right
        eigenvectors of the forward equation as masses of cells, of the same shape; m_s l_k under detailed balance
    stationary
        masses of the stationary law, which is not counted as a mode; None where a wall absorbs
    residual
        for each mode: sum |Q r + lambda r|, divided by the rate at which |r| jumps
    edge
        for each mode: the largest part of |r| in the outermost cells at any end, where they cut the domain; a mode with
        more than about 1e-6 there is one of the box
    """

    grid: Grid
    eigenvalues: np.ndarray
    left: np.ndarray
    right: np.ndarray
    stationary: np.ndarray | None
    residual: np.ndarray
    edge: np.ndarray
    provenance: dict[str, Any]

    @property
    def gap(self) -> float:
        """The spectral gap: the rate of the slowest decay, Re lambda_1, 1/time."""
        return float(self.eigenvalues[0].real)

    @property
    def doubts(self) -> tuple[str, ...]:
        """What is wrong with the grid, in words and numbers; empty where nothing is."""
        found = [
            f"mode {k + 1} has {edge:.2g} of its weight at a cut end of the grid (above {HELD:g}: it is one of the box)"
            "; extend the grid"
            for k, edge in enumerate(self.edge)
            if edge > HELD
        ]
        return (*found, *self._doubts_of_cells())

    def relaxation(self, f: Callable[..., Any], x0: Any, *, times: Any) -> np.ndarray:
        """Return E f(X_t) at ``times`` (n_times,) from ``x0``, by these modes alone.

        ``f`` takes and returns arrays, of each component. ``x0`` is a point or a law; of two components a pair of them,
        or masses of cells. What is left out decays at least as fast as the first mode left out: give more modes for
        early times. Raises InvalidInput for a start off the grid.
        """
        values, start = self._at_centres(f), self._start(x0)
        rest = 0.0 if self.stationary is None else float(start.sum() * np.sum(values * self.stationary))
        return rest + self._sum(_rows(self.right * values) * _rows(self.left * start), times)

    def autocorrelation(self, f: Callable[..., Any], *, times: Any) -> np.ndarray:
        """Return the stationary covariance of f(X_0) and f(X_t) at ``times`` >= 0, by these modes alone.

        At t = 0 it falls short of the variance of f by what the modes left out carry.
        """
        if self.stationary is None:
            raise InvalidInput("a wall absorbs, so there is no stationary law to correlate in; use relaxation")
        values = self._at_centres(f)
        return self._sum(_rows(self.right * values) * _rows(self.left * (values * self.stationary)), times)

    def _at_centres(self, f: Callable[..., Any]) -> np.ndarray:
        middles = [0.5 * (faces[1:] + faces[:-1]) for faces in self.grid.axes]
        return np.broadcast_to(f(*np.meshgrid(*middles, indexing="ij")), self.grid.shape)

    def _sum(self, weights: np.ndarray, times: Any) -> np.ndarray:
        t = finite_array("times", times)
        return np.real(np.exp(-t[..., None] * self.eigenvalues) @ weights)

    @abstractmethod
    def _start(self, x0: Any) -> np.ndarray:
        """Return weights of the cells, by which functions at their centres are averaged over the start."""

    @abstractmethod
    def _doubts_of_cells(self) -> tuple[str, ...]:
        """What is wrong with the width of the cells."""


def _rows(values: np.ndarray) -> np.ndarray:
    """Return the sum over cells of each row."""
    return values.reshape(len(values), -1).sum(axis=1)


def averaging_weights(x0: Any, grid: Grid, turn: float | None) -> np.ndarray:
    """Return weights ``(n,)`` of values at the centres that average a function over a start on a line, or on a ring.

    They are masses of cells, and at a point those of linear interpolation; ``turn`` is the length of a ring. Raises
    InvalidInput for a point off the grid.
    """
    law, faces = x0 if isinstance(x0, Law) else Point(finite("x0", x0)), grid.faces
    for at, mass in law.atoms:
        if not faces[0] <= at <= faces[-1]:
            raise InvalidInput(
                f"the start has the mass {mass:.3g} at x={at:g}, outside of the grid [{faces[0]:g}, {faces[-1]:g}]; "
                "extend the grid, or start inside of it"
            )
    weights = law.cell_masses(faces)
    for at, mass in law.atoms:
        weights = weights - mass * ((faces[:-1] < at) & (at <= faces[1:]))
    ring = turn is not None
    knots = np.concatenate([grid.centres[-1:] - turn, grid.centres, grid.centres[:1] + turn]) if ring else grid.centres
    for at, mass in law.atoms:
        number = float(np.interp(at, knots, np.arange(len(knots))))
        low = min(int(number), len(knots) - 2)
        for knot, part in ((low, low + 1 - number), (low + 1, number - low)):
            weights[(knot - ring) % len(weights)] += mass * part
    return weights
