"""The modes of a generator: how each departure from the stationary law decays.

On a line, and on a ring that is not driven, there is detailed balance: lambda_k are real and r_k = m_s l_k (see
``modes``). On a driven ring they may be complex, in pairs: oscillations that decay.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsde.errors import InvalidInput
from fpsde.fokker_planck.birth_death import decay_rates, left_eigenvector
from fpsde.fokker_planck.generator import Generator
from fpsde.fokker_planck.modes import Decay, averaging_weights
from fpsde.fokker_planck.results import doubts_about
from fpsde.fokker_planck.stationary_law import stationary_masses
from fpsde.optional import optional
from fpsde.validation import integer

linalg = optional("scipy.linalg")

#: A ring is taken for driven where its rates round the ring, one way over the other, differ by more than this.
DRIVEN = 1e-9
#: Cells of the largest ring whose modes are computed: a dense eigenvalue problem, 24 bytes n^2 and about 25 n^3 steps.
LARGEST_RING = 2000


@dataclass(frozen=True)
class Modes(Decay):
    """The slowest modes of a line or ring: eigenvalues are complex only on a driven ring.

    peclet
        for each mode: the largest |integral of mu/D| over an edge where |r| is; far above 1 it is a mode of the cells
    turn
        length of a ring; None on a line
    """

    peclet: np.ndarray
    turn: float | None

    def _start(self, x0: Any) -> np.ndarray:
        return averaging_weights(x0, self.grid, self.turn)

    def _doubts_of_cells(self) -> tuple[str, ...]:
        worst = int(np.argmax(self.peclet))
        return tuple(f"mode {worst + 1}: {doubt}" for doubt in doubts_about(float(self.peclet[worst]), np.inf))


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
