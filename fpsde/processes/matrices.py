"""Numbers, vectors and symmetric positive definite matrices as factors of vectors: masses, mobilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fpsde.errors import InvalidInput
from fpsde.validation import finite_array

#: A symmetric matrix whose smallest eigenvalue is below this part of its largest is singular in float64.
SINGULAR = 1e-14


def square_matrix(name: str, value: Any, dim: int | None = None) -> np.ndarray:
    """Return ``value`` as a finite matrix ``(d, d)``, of d = ``dim`` rows if it is given."""
    matrix = finite_array(name, value, ndim=2)
    if matrix.shape[0] != matrix.shape[1] or dim not in (None, len(matrix)):
        needed = "(d, d)" if dim is None else f"({dim}, {dim})"
        raise InvalidInput(f"{name} has shape {matrix.shape}; {needed} is needed")
    return matrix


def positive_factor(name: str, value: Any, dim: int) -> float | np.ndarray:
    """Return ``value`` as a number > 0, a vector ``(dim,)`` of them, or a symmetric positive definite matrix."""
    given = finite_array(name, value)
    if given.ndim < 2:
        return _positive_entries(name, given, dim)
    matrix = square_matrix(name, given, dim)
    if not np.allclose(matrix, matrix.T, rtol=1e-13, atol=0):
        raise InvalidInput(
            f"{name} is not symmetric: {name} - {name}^T is as large as {np.abs(matrix - matrix.T).max()}"
        )
    lowest, *_, highest = np.linalg.eigvalsh(matrix) if dim > 1 else (matrix[0, 0],) * 2
    if lowest <= SINGULAR * abs(highest):
        kind = "singular" if abs(lowest) <= SINGULAR * abs(highest) else "not positive definite"
        raise InvalidInput(
            f"{name} is {kind}: its eigenvalues go from {lowest:.6g} to {highest:.6g}; all must be positive"
        )
    return matrix


def positive_entries(name: str, value: Any, dim: int) -> float | np.ndarray:
    """Return ``value`` as a number > 0 or a vector ``(dim,)`` of them."""
    return _positive_entries(name, finite_array(name, value), dim)


def _positive_entries(name: str, given: np.ndarray, dim: int) -> float | np.ndarray:
    if given.shape not in ((), (dim,)):
        raise InvalidInput(
            f"{name} has shape {given.shape}; a number, or one for each of {dim} component(s), is needed"
        )
    if np.any(given <= 0):
        raise InvalidInput(f"{name}={given.tolist()} must be positive" + (" in every component" if given.ndim else ""))
    return given if given.ndim else float(given)


def _is_array(factor: Any) -> bool:
    return isinstance(factor, np.ndarray) and factor.ndim > 0  # a traced component is no array


def entry(factor: Any, i: int) -> Any:
    """Return the factor of component i: that of a vector, or the number itself."""
    return factor[i] if _is_array(factor) else factor


def times(factor: Any, vector: Sequence[Any]) -> list[Any]:
    """Return a number, a vector (entry by entry) or a matrix, times the components of a vector."""
    if not _is_array(factor) or factor.ndim < 2:
        return [entry(factor, i) * v for i, v in enumerate(vector)]
    return [sum((row[j] * v for j, v in enumerate(vector)), 0.0) for row in factor]


def lower_triangle(matrix: Any, scale: Any) -> list[list[Any]]:
    """Return scale times a lower triangular matrix of components, with plain zeros above the diagonal."""
    return [[scale * value if j <= i else 0.0 for j, value in enumerate(row)] for i, row in enumerate(matrix)]


def diagonal(entries: Sequence[Any]) -> list[list[Any]]:
    """Return a diagonal matrix of components, with plain zeros elsewhere."""
    return [[value if i == j else 0.0 for j in range(len(entries))] for i, value in enumerate(entries)]
