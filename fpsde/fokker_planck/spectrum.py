"""The modes of a generator: how each departure from the stationary law decays.

    Q r_k = -lambda_k r_k,     Q^T l_k = -lambda_k l_k,     l_j . r_k = delta_jk

A law decays as m(t) = m_s + sum_k r_k (l_k . m(0)) e^(-lambda_k t), an observable as <f>(t) = f . m(t). On a line, and
on a ring that is not driven, there is detailed balance: lambda_k are real and r_k = m_s l_k. On a driven ring they may
be complex, in pairs: oscillations that decay.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import linalg

from fpsde.density import Law, Point
from fpsde.errors import InvalidInput
from fpsde.fokker_planck.birth_death import decay_rates, left_eigenvector
from fpsde.fokker_planck.generator import Generator
from fpsde.fokker_planck.initial import HELD
from fpsde.fokker_planck.results import doubts_about
from fpsde.fokker_planck.stationary_law import stationary_masses
from fpsde.grid import Grid
from fpsde.validation import finite, finite_array, integer

#: A ring is taken for driven where its rates round the ring, one way over the other, differ by more than this.
DRIVEN = 1e-9
#: Cells of the largest ring whose modes are computed: a dense eigenvalue problem, 24 bytes n^2 and about 25 n^3 steps.
LARGEST_RING = 2000


@dataclass(frozen=True)
class Modes:
    """The slowest modes, in the order of their decay.

    eigenvalues
        lambda_k > 0 ``(count,)``, 1/time: real, or complex on a driven ring (by real part, pairs together)
    left
        eigenfunctions of the backward equation at the cell centres ``(count, n)``, with sum |l_k|^2 m_s = 1
    right
        eigenvectors of the forward equation as masses of cells ``(count, n)``; m_s l_k under detailed balance
    stationary
        masses ``(n,)`` of the stationary law, which is not counted as a mode; None where a wall absorbs
    residual
        for each mode: sum |Q r + lambda r|, divided by the rate at which |r| jumps
    edge
        for each mode: the larger part of |r| in the outermost cells at either end, where they cut the domain; a mode
        with more than about 1e-6 there is one of the box
    peclet
        for each mode: the largest |integral of mu/D| over an edge where |r| is; far above 1 it is a mode of the cells
    turn
        length of a ring; None on a line
    """

    grid: Grid
    eigenvalues: np.ndarray
    left: np.ndarray
    right: np.ndarray
    stationary: np.ndarray | None
    residual: np.ndarray
    edge: np.ndarray
    peclet: np.ndarray
    turn: float | None
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
        worst = int(np.argmax(self.peclet))
        return (*found, *(f"mode {worst + 1}: {doubt}" for doubt in doubts_about(float(self.peclet[worst]), np.inf)))

    def relaxation(self, f: Callable[[np.ndarray], np.ndarray], x0: float | Law, *, times: Any) -> np.ndarray:
        """Return E f(X_t) at ``times`` (n_times,) from a point or a law ``x0``, by these modes alone.

        What is left out decays at least as fast as the first mode left out: give more modes for early times. Raises
        InvalidInput for a start off the grid.
        """
        law = x0 if isinstance(x0, Law) else Point(finite("x0", x0))
        faces, values = self.grid.faces, f(self.grid.centres)
        if law.atoms and not all(faces[0] <= at <= faces[-1] for at, _ in law.atoms):
            raise InvalidInput(f"the start {law.atoms} lies outside of the grid [{faces[0]}, {faces[-1]}]")
        masses = law.cell_masses(faces)
        for at, mass in law.atoms:
            masses = masses - mass * ((faces[:-1] < at) & (at <= faces[1:]))
        weights, total = self.left @ masses, float(masses.sum())
        for at, mass in law.atoms:
            there = [np.interp(at, self.grid.centres, mode, period=self.turn) for mode in self.left]
            weights, total = weights + mass * np.array(there), total + mass
        rest = 0.0 if self.stationary is None else total * float(values @ self.stationary)
        return rest + self._sum((self.right @ values) * weights, times)

    def autocorrelation(self, f: Callable[[np.ndarray], np.ndarray], *, times: Any) -> np.ndarray:
        """Return the stationary covariance of f(X_0) and f(X_t) at ``times`` >= 0, by these modes alone.

        At t = 0 it falls short of the variance of f by what the modes left out carry.
        """
        if self.stationary is None:
            raise InvalidInput("a wall absorbs, so there is no stationary law to correlate in; use relaxation")
        values = f(self.grid.centres)
        return self._sum((self.right @ values) * (self.left @ (values * self.stationary)), times)

    def _sum(self, weights: np.ndarray, times: Any) -> np.ndarray:
        t = finite_array("times", times)
        return np.real(np.exp(-t[..., None] * self.eigenvalues) @ weights)


@dataclass(frozen=True)
class Spectrum:
    """Eigenvalues of -Q ``(count,)``, left and right eigenvectors ``(count, n)``, stationary masses or None; how."""

    eigenvalues: np.ndarray
    left: np.ndarray
    right: np.ndarray
    stationary: np.ndarray | None
    method: str


def spectrum(generator: Generator, count: int) -> Spectrum:
    """Return the ``count`` slowest modes; on a driven ring one more where the last is half of a pair.

    Raises InvalidInput for more modes than cells allow, and for a ring of more than ``LARGEST_RING`` cells.
    """
    n = generator.grid.shape[0]
    count = integer("count", count, least=1)
    absorbed = max(generator.exits) > 0
    most = n if absorbed else n - 1
    if count > most:
        raise InvalidInput(f"count={count} modes were asked for; {n} cells have {most}")
    weights = stationary_masses(generator)
    stationary = None if absorbed else weights
    if not generator.periodic:
        rates, left = _of_line(generator, count, first=0 if absorbed else 1)
        return Spectrum(rates, *_normalised(left, weights), stationary, "bisection on the rates")
    if n > LARGEST_RING:
        raise InvalidInput(f"the modes of a ring are found on at most {LARGEST_RING} cells; the grid has {n}")
    if abs(drive(generator)) < DRIVEN:
        rates, left = _of_balanced_ring(generator, count, weights)
        return Spectrum(rates, *_normalised(left, weights), stationary, "symmetrised ring, dense")
    return Spectrum(*_of_driven_ring(generator, count, weights), stationary, "driven ring, dense")


def drive(generator: Generator) -> float:
    """Return log(product of rates to the right / product of rates to the left) round a ring: work per turn over kT."""
    return float(np.sum(np.log(generator.right) - np.log(np.roll(generator.left, -1))))


def _of_line(generator: Generator, count: int, *, first: int) -> tuple[np.ndarray, np.ndarray]:
    left, right = generator.open_rates
    rates = decay_rates(left, right, first, count)
    vectors = np.array([left_eigenvector(left, right, rate) for rate in rates])
    return rates, vectors


def _of_balanced_ring(generator: Generator, count: int, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Symmetrise by rate ratios: S_ij = sqrt(Q_ij Q_ji)."""
    q = generator.dense()
    s = np.sqrt(np.where(np.eye(len(q)), 0, q * q.T)) + np.diag(np.diag(q))
    values, vectors = linalg.eigh(-s, subset_by_index=(1, count))
    return values, vectors.T / np.sqrt(weights)


def _of_driven_ring(generator: Generator, count: int, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    values, left, right = linalg.eig(-generator.dense(), left=True, right=True)
    order = np.argsort(np.abs(values))[1:]  # all but the stationary law
    order = order[np.lexsort((-values[order].imag, values[order].real))]  # of a pair the positive frequency first
    if count < len(order) and values[order[count]] == values[order[count - 1]].conj():
        count += 1
    chosen = order[:count]
    bra, ket = left.conj().T[chosen], right.T[chosen]
    bra = bra / np.sqrt(np.abs(bra) ** 2 @ weights)[:, None]
    return values[chosen], bra, ket / np.sum(bra * ket, axis=1)[:, None]


def _normalised(left: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return l with sum l^2 m_s = 1 and l > 0 in the last cell, and r = m_s l."""
    size = np.sqrt(left**2 @ weights) * np.sign(left[:, -1])
    left = left / size[:, None]
    return left, left * weights


def residuals(generator: Generator, found: Spectrum) -> np.ndarray:
    """Return sum |Q r + lambda r| over the rate at which |r| jumps, for each mode."""
    pairs = zip(found.right, found.eigenvalues, strict=True)
    return np.array([np.abs(generator.apply(r) + rate * r).sum() / (-generator.diag @ np.abs(r)) for r, rate in pairs])
