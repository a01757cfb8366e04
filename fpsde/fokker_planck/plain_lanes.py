"""The words of ``lanes.py`` on NumPy's arrays, for portable kernels where Numba is not installed."""

from __future__ import annotations

from typing import Any

import numpy as np

from fpsde.optional import not_installed

LANES = 8


def split(z: np.ndarray) -> np.ndarray:
    """Return complex numbers ``(..., LANES)`` as rows ``(..., 2, LANES)`` of float64."""
    return np.stack([z.real, z.imag], axis=-2)


def at(cells: Any, i: int) -> Any:
    """Return the number, or the lanes, of cell ``i``."""
    return cells if np.ndim(cells) == 0 else cells[i]


def put(cells: Any, i: int, value: Any) -> None:
    """Write the number, or the lanes, of cell ``i``."""
    cells[i] = value


def eight(flat: np.ndarray, first: int) -> np.ndarray:
    """Return the lanes that lie side by side from place ``first`` on."""
    return flat.ravel()[first : first + LANES]


def put_eight(flat: np.ndarray, first: int, x: np.ndarray) -> None:
    """Write lanes side by side from place ``first`` on; ``flat`` is contiguous."""
    flat.reshape(-1)[first : first + LANES] = x


def smaller(x: Any, y: Any) -> Any:
    """Return the smaller of two, lane by lane; the second where one is not a number."""
    return np.where(x < y, x, y)


def larger(x: Any, y: Any) -> Any:
    """Return the larger of two, lane by lane; the second where one is not a number."""
    return np.where(x > y, x, y)


def fused(x: Any, y: Any, z: Any) -> Any:
    """Return x * y + z, rounded twice: the one word whose bits are not those of compiled code."""
    return x * y + z


def _compiled_alone(*_: Any) -> Any:
    raise not_installed("numba")


#: Of complex lanes, which no portable kernel has.
load = store = real_sum = _compiled_alone
