"""Somebody else's functions as functions of NumPy arrays: positions (d, n), whatever arrays and layout they take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsde.arrays import brought
from fpsde.errors import InvalidInput

#: Makes an array of another library from a NumPy array: ``torch.as_tensor``, ``jax.numpy.asarray``, ``cupy.asarray``.
ToLibrary = Callable[[np.ndarray], Any]


class WrongShape(Exception):
    """What came back has no shape of positions; the message says which shape was needed."""


@dataclass(frozen=True)
class Layout:
    """How the code holds ``rows`` components of n particles: (n,) for one, else (rows, n), or (n, rows)."""

    batch_first: bool = False
    arrays: ToLibrary | None = None

    def out(self, values: np.ndarray) -> Any:
        """Return rows (r, n) as the code takes them: a copy, so that it may be overwritten."""
        shaped = values[0] if len(values) == 1 and not self.batch_first else values.T if self.batch_first else values
        copied = np.array(shaped, order="C")
        return copied if self.arrays is None else self.arrays(copied)

    def back(self, values: Any, rows: int, n: int) -> np.ndarray:
        """Return what the code gave back as (rows, n), in its own precision. Raises WrongShape."""
        given = as_array("the result", values)
        needed = (n, rows) if self.batch_first else (rows, n)
        if given.shape == (n,) and rows == 1:
            return given[None]
        if given.shape != needed:
            raise WrongShape(f"shape {given.shape} came back where {needed} was needed")
        return given.T if self.batch_first else given


def as_array(name: str, values: Any) -> np.ndarray:
    """Return an array of any library as NumPy's, in its own precision; InvalidInput for what holds no real numbers."""
    try:
        array = np.asarray(brought(name, values))
    except (TypeError, ValueError, RuntimeError) as error:
        raise InvalidInput(
            f"{name} cannot be read as an array ({error}); return a NumPy array, or one with __array__ or DLPack"
        ) from error
    if array.dtype.kind not in "fiu":
        raise InvalidInput(f"{name} has dtype {array.dtype}; real numbers are needed")
    return array if array.dtype.kind == "f" else array.astype(np.float64)
