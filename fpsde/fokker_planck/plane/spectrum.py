"""The slowest modes of a generator on a plane, by Arnoldi iteration on (sigma - Q)^-1 with a small sigma > 0.

That matrix is never singular, and its inverse averages: it is the mean state after an exponential time of rate sigma.
What stays for ever is projected out, so that sigma need not be small against the rates that are sought. Under detailed
balance Q^T is symmetric in the scalar product <u, v> = sum m_s u v, in which Lanczos iteration runs; a rate is then
read from the dissipation of its mode,

    lambda = (sum over edges of m_tail up (l_head - l_tail)^2 + sum of exits m l^2) / sum m l^2,

which subtracts nothing and is off by the square of the error of l. Of modes whose rates are near one another iteration
finds mixtures; they are the singular vectors of what is squared here, and the rates the squares of its singular values,
which keep their digits where eigenvalues of the sum would not. Otherwise the modes of Q and of Q^T are found by
Arnoldi iteration, in this order: the nearest to zero first, of which the slowest are kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fpsde.cached import cached_property
from fpsde.errors import InvalidInput, NotConverged
from fpsde.fokker_planck.modes import Decay, averaging_weights
from fpsde.fokker_planck.plane.backward import transposed
from fpsde.fokker_planck.plane.generator import PlaneGenerator
from fpsde.fokker_planck.plane.propagator import Factors, factors
from fpsde.fokker_planck.plane.stationary import balanced_masses, plane_stationary
from fpsde.fokker_planck.results import doubts_about
from fpsde.fokker_planck.spectrum import Spectrum
from fpsde.grid import Grid
from fpsde.joint_law import JointCellLaw
from fpsde.optional import optional
from fpsde.validation import as_given, finite_array, integer

sparse, krylov = optional("scipy.sparse"), optional("scipy.sparse.linalg")

#: max|Q_ii| / sigma.
SHIFT = 1e6
#: Without detailed balance so many more modes are found as were asked for, nearest to zero: slow ones may oscillate.
SPARE = 12
#: Modes within this part of the farthest one found are left out: a group of equal rates may be cut there.
MARGIN = 1e-3

#: Rates ``(count,)``, left and right vectors ``(count, n)``, and how they were found.
_Found = tuple[np.ndarray, np.ndarray, np.ndarray, str]


@dataclass(frozen=True)
class PlaneModes(Decay):
    """The slowest modes of a plane, ``left`` and ``right`` of shape (count, n_1, n_2).

    peclet
        for each mode and axis ``(count, 2)``: the largest |integral of D^-1 mu| over an edge where |r| is; far above 1
        it is a mode of the cells
    turns
        length of the plane along each axis that is periodic; None along the others
    """

    peclet: np.ndarray
    turns: tuple[float | None, float | None]

    def _start(self, x0: Any) -> np.ndarray:
        if isinstance(x0, JointCellLaw) or np.ndim(x0) == 2:
            masses = finite_array("x0", getattr(x0, "masses", x0))
            if masses.shape != self.grid.shape:
                raise InvalidInput(f"x0 has shape {masses.shape}, the grid {self.grid.shape}; give masses of its cells")
            return masses
        if not hasattr(x0, "__len__") or len(x0) != 2:
            raise InvalidInput(
                f"x0={as_given(x0)} is no start of two components; give a pair of points or laws, or masses"
            )
        axes = zip(x0, self.grid.axes, self.turns, strict=True)
        return np.multiply.outer(*(averaging_weights(part, Grid((faces,)), turn) for part, faces, turn in axes))

    def _doubts_of_cells(self) -> tuple[str, ...]:
        worst = int(np.argmax(self.peclet.max(axis=1)))
        found = doubts_about(tuple(self.peclet[worst].tolist()), (np.inf, np.inf))
        return tuple(f"mode {worst + 1}, {doubt}" for doubt in found)


def plane_spectrum(q: PlaneGenerator, count: int) -> Spectrum:
    """Return the ``count`` slowest modes, flat; one more where the last is half of a pair.

    Raises InvalidInput for more modes than a quarter of the cells, NotConverged where the iteration does not converge.
    """
    most = q.size // 4
    count = integer("count", count, least=1)
    if count > most:
        raise InvalidInput(f"count={count} modes were asked for; of {q.size} cells at most {most} are found")
    absorbed, balanced = bool(q.exits.any()), balanced_masses(q)
    weights = plane_stationary(replace(q, exits=np.zeros_like(q.exits)))[0] if balanced is None else balanced
    stay = None if absorbed else weights
    try:
        values, left, right, method = (
            _of_driven(q, count, stay) if balanced is None else _of_balanced(q, count, stay, weights)
        )
    except (RuntimeError, np.linalg.LinAlgError) as error:  # of ARPACK; of modes that coalesce
        raise NotConverged(f"the {count} slowest modes were not found: {error}; ask for fewer, or for more") from error
    size = np.sqrt(np.abs(left) ** 2 @ weights)[:, None]
    size = size * np.array([_phase(one, r) for one, r in zip(left, right, strict=True)])[:, None]
    return Spectrum(values, left / size, right * size, stay, method)


def _phase(left: np.ndarray, right: np.ndarray) -> complex:
    """Return left/|left| in the last cell where |right| is more than half of its largest: the sign of a mode."""
    i = int(np.flatnonzero(np.abs(right) > 0.5 * np.abs(right).max())[-1])
    return left[i] / np.abs(left[i])


@dataclass(frozen=True)
class _Averages:
    """(sigma - Q^T)^-1 and (sigma - Q)^-1, where ``stay`` (n,), what stays for ever, is projected out."""

    q: PlaneGenerator
    stay: np.ndarray | None

    @property
    def sigma(self) -> float:
        return self.q.max_rate / SHIFT

    @cached_property
    def _factors(self) -> Factors:
        return factors(sparse.csc_array(self.sigma * sparse.eye_array(self.q.size, format="csc") - self.q.matrix))

    def back(self, u: np.ndarray) -> np.ndarray:
        mean = transposed(self._factors, u)
        return mean if self.stay is None else mean - self.stay @ mean

    def ahead(self, m: np.ndarray) -> np.ndarray:
        mean = self._factors.solve(m)
        return mean if self.stay is None else mean - mean.sum() * self.stay


def _of_balanced(q: PlaneGenerator, count: int, stay: np.ndarray | None, weights: np.ndarray) -> _Found:
    averages = _Averages(q, stay)
    w = np.maximum(weights, np.finfo(float).tiny)  # masses that underflow carry nothing
    mass = sparse.diags_array(w, format="csc")
    inverse = krylov.LinearOperator((q.size, q.size), matvec=lambda m: averages.back(m.ravel() / w), dtype=float)
    start = np.random.default_rng(0).uniform(-1, 1, q.size)
    _, vectors = krylov.eigsh(-mass @ q.matrix.T, count, mass, sigma=-averages.sigma, OPinv=inverse, v0=start)
    left = np.array([averages.back(vector) for vector in vectors.T])
    left = left[np.argsort((_slopes(q, weights, left) ** 2).sum(axis=1) / (left**2 @ weights))]
    left = np.linalg.solve(np.linalg.cholesky(left * weights @ left.T), left)  # slow ones first: none gets a fast part
    turn, sizes, _ = np.linalg.svd(_slopes(q, weights, left), full_matrices=False)
    left = turn.T[::-1] @ left
    return sizes[::-1] ** 2, left, left * weights, "Lanczos iteration in the stationary law"


def _slopes(q: PlaneGenerator, weights: np.ndarray, left: np.ndarray) -> np.ndarray:
    """Return what the dissipation of functions ``left`` (count, n) is the sum of squares of, ``(count, m + n)``."""
    change = left[:, q.heads] - left[:, q.tails]
    return np.hstack([
        change * np.sqrt(q.up * weights[q.tails]), left * np.sqrt(q.exits.sum(axis=0) * weights),
    ])  # fmt: skip


def _of_driven(q: PlaneGenerator, count: int, stay: np.ndarray | None) -> _Found:
    averages, spare = _Averages(q, stay), min(2 * count + SPARE, q.size - 3)
    (found, left), (again, right) = (
        _nearest(mean, averages.sigma, q.size, spare) for mean in (averages.back, averages.ahead)
    )
    reach = (1 - MARGIN) * min(np.abs(found).max(), np.abs(again).max())
    order = np.lexsort((-found.imag, found.real))  # of a pair the positive frequency first
    order = order[np.abs(found[order]) < reach]
    found, left, right = found[order], left[order], right[np.abs(again) < reach]
    right = np.linalg.solve(right @ left.T, right)  # of equal rates, those that belong together
    if count < len(found) and found[count] == found[count - 1].conj():
        count += 1
    if count > len(found):
        raise RuntimeError(f"{len(found)} were")
    left, right = left[:count], right[:count]
    values = -np.array([one @ q.apply(r) for one, r in zip(left, right, strict=True)])
    turning = found[:count].imag != 0
    values = np.where(turning, values, values.real)
    if not turning.any():
        values, left, right = values.real, left.real, right.real
    return values, left, right, f"Arnoldi iteration, modes with |lambda| < {reach:.6g}"


def _nearest(
    mean: Callable[[np.ndarray], np.ndarray], sigma: float, n: int, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the lambda nearest to zero, where ``mean`` has the eigenvalues 1/(sigma + lambda), and eigenvectors."""
    start = np.random.default_rng(0).uniform(-1, 1, n)
    inverse = krylov.LinearOperator((n, n), matvec=lambda v: mean(v.ravel()), dtype=float)
    theta, vectors = krylov.eigs(inverse, count, v0=mean(start))
    return 1 / theta - sigma, vectors.T
