"""Ways through time that SciPy has for dm/dt = Q m with a sparse matrix Q."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from scipy.integrate import solve_ivp
from scipy.linalg import solve_banded
from scipy.sparse.linalg import expm_multiply, splu

from fpsde.fokker_planck.rational import LIMIT, POLES, RESIDUES


def crank_nicolson(q: Any, m: np.ndarray, t_end: float, steps: int) -> np.ndarray:
    """Crank-Nicolson after Rannacher's four half steps of backward Euler, one sparse factorisation for both."""
    one, dt = sparse.identity(len(m), format="csc"), t_end / steps
    solve = splu(one - dt / 2 * q).solve
    explicit = (one + dt / 2 * q).tocsr()
    for _ in range(4):
        m = solve(m)
    for _ in range(steps - 2):
        m = solve(explicit @ m)
    return m


def by_ivp(q: Any, m: np.ndarray, t_end: float, steps: int, *, name: str) -> np.ndarray:
    """SciPy's stiff integrators, to a tolerance that falls with the square of ``steps``."""
    tolerance = 1e-3 / steps**2
    found = solve_ivp(lambda t, m: q @ m, (0, t_end), m, name, jac=q, rtol=tolerance, atol=tolerance / len(m))
    return found.y[:, -1]


def by_expm_multiply(q: Any, m: np.ndarray, t_end: float) -> np.ndarray:
    """SciPy's action of the matrix exponential."""
    return expm_multiply(t_end * q, m)


def by_rational_approximation(q: Any, m: np.ndarray, t_end: float, bands: int) -> np.ndarray:
    """The best rational approximation of degree 16 to the exponential, by banded solves (Pusa, 2016)."""
    scaled = t_end * q.todia()
    rows = np.zeros((2 * bands + 1, len(m)), complex)
    for offset, diagonal in zip(scaled.offsets, scaled.data, strict=True):
        rows[bands - offset] = diagonal
    found = LIMIT * m
    for pole, residue in zip(POLES, RESIDUES, strict=True):
        shifted = rows.copy()
        shifted[bands] -= pole
        found = found + 2 * (residue * solve_banded((bands, bands), shifted, m, check_finite=False)).real
    return found
