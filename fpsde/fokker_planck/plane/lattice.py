"""A diffusivity tensor as a sum of jumps along integer vectors, with weights that are not negative.

Every symmetric positive definite D of two dimensions has an obtuse superbase of the lattice: integer vectors of
determinant 1 with b_0 + b_1 + b_2 = 0 and <b_i, D b_j> <= 0. Then (Selling 1874)

    D = sum_k rho_k e_k e_k^T,      e_k = b_k turned by a right angle,   rho_k = -<b_i, D b_j> >= 0.

Where D is diagonally dominant these are the seven-point stencil: the two axes and one diagonal. Otherwise the vectors
grow with the anisotropy. Source: Fehrenbach & Mirebeau, J. Math. Imaging Vis. 49 (2014) 123, section 2.
"""

from __future__ import annotations

import numpy as np

from fpsde.errors import InvalidInput

#: Reductions of a superbase before D counts as singular along a direction that is no lattice vector.
MOST_REDUCTIONS = 64


def offsets_and_weights(d11: np.ndarray, d12: np.ndarray, d22: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the vectors e ``(3, 2, n)`` and weights rho ``(3, n)`` of n tensors, in units of the cell widths.

    Each e has a positive first component, or a first component 0 and a positive second one. Raises InvalidInput for
    a tensor that needs vectors of more than ``MOST_REDUCTIONS`` reductions.
    """
    n = len(d11)
    base = np.empty((3, 2, n), dtype=np.int64)
    base[0], base[1], base[2] = np.array([[1], [0]]), np.array([[0], [1]]), np.array([[-1], [-1]])
    for _ in range(MOST_REDUCTIONS):
        products = _products(base, d11, d12, d22)
        wrong = np.argmax(products, axis=0)
        worst = np.take_along_axis(products, wrong[None], axis=0)[0]
        todo = np.flatnonzero(worst > 0)
        if not len(todo):
            return _canonical(base), -products
        _reduce(base, wrong, todo)
    i = int(todo[0])
    raise InvalidInput(
        f"the diffusivity [[{d11[i]:.6g}, {d12[i]:.6g}], [{d12[i]:.6g}, {d22[i]:.6g}]] in units of the cells is too "
        "narrow for a positive stencil; turn the coordinates so that its axes are those of the grid"
    )


def _products(base: np.ndarray, d11: np.ndarray, d12: np.ndarray, d22: np.ndarray) -> np.ndarray:
    """Return <b_i, D b_j> for the pairs opposite to k = 0, 1, 2, ``(3, n)``."""
    pairs = ((1, 2), (2, 0), (0, 1))
    return np.array(
        [
            d11 * base[i, 0] * base[j, 0]
            + d22 * base[i, 1] * base[j, 1]
            + d12 * (base[i, 0] * base[j, 1] + base[i, 1] * base[j, 0])
            for i, j in pairs
        ]
    )


def _reduce(base: np.ndarray, wrong: np.ndarray, todo: np.ndarray) -> None:
    """Replace (b_i, b_j, b_k) by (-b_i, b_j, b_i - b_j) in place, where k is the index in ``wrong``."""
    k = wrong[todo]
    i, j = (k + 1) % 3, (k + 2) % 3
    b_i, b_j = base[i, :, todo], base[j, :, todo]
    base[i, :, todo], base[k, :, todo] = -b_i, b_i - b_j


def _canonical(base: np.ndarray) -> np.ndarray:
    e = np.stack([-base[:, 1], base[:, 0]], axis=1)
    backwards = (e[:, 0] < 0) | ((e[:, 0] == 0) & (e[:, 1] < 0))
    return np.where(backwards[:, None], -e, e)
