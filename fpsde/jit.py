"""The decorators through which everything that Numba compiles for fpsde goes.

Where Numba is not installed the functions are there, so that what runs on a GPU can be loaded, and say so when called;
the few that prepare a run on a GPU are then plain Python (``portable``).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from fpsde.optional import installed, not_installed, optional

numba, extending = optional("numba"), optional("numba.extending")


def _uncompiled(function: Callable[..., Any]) -> Any:
    @wraps(function)
    def absent(*given: Any) -> Any:
        raise not_installed("numba")

    absent.py_func = function  # type: ignore[attr-defined] # as Numba's own have it
    return absent


def _plain(function: Callable[..., Any]) -> Any:
    @wraps(function)
    def plain(*given: Any) -> Any:
        with np.errstate(all="ignore"):  # compiled code does not warn
            return function(*given)

    plain.py_func = function  # type: ignore[attr-defined] # as Numba's own have it
    return plain


def inlined(function: Callable[..., Any]) -> Any:
    """As :func:`kernel`, for the small functions of a generated file; they must be inlined to vectorise."""
    if not installed("numba"):
        return _uncompiled(function)
    return numba.njit(error_model="numpy", forceinline=True)(function)


def intrinsic(function: Callable[..., Any]) -> Any:
    """Return the Numba intrinsic that a function defines."""
    return extending.intrinsic(function) if installed("numba") else _uncompiled(function)


def kernel(signature: Any = None, *, portable: bool = False) -> Callable[[Callable[..., Any]], Any]:
    """Return a decorator that compiles a function with Numba under the settings that all of fpsde shares.

    ``signature`` (a Numba signature or a list of them) compiles at once and fixes the types; without it the types of
    the first call decide, and nothing is compiled before it is needed. What is ``portable`` is plain Python where Numba
    is not installed: a hundred times as slow, for what a run on a GPU does once. The settings, and why:

    - ``cache=True``: compiled code is kept on disk, so that a fresh process pays milliseconds instead of seconds;
    - ``error_model="numpy"``: 1/0 is inf and 0/0 is nan as in NumPy, and no hidden test of the divisor stops LLVM
      from vectorising a loop;
    - ``nogil=True``: kernels touch no Python object, so threads run them side by side;
    - ``fastmath=False``: reordered or contracted arithmetic would make results depend on the machine and would
      optimise tests for NaN away;
    - ``boundscheck=False``: arguments are checked once at the public door; a check per element would double the time.
    """

    def compiled(function: Callable[..., Any]) -> Any:
        if not installed("numba"):
            return _plain(function) if portable else _uncompiled(function)
        settings = {"cache": True, "error_model": "numpy", "nogil": True, "fastmath": False, "boundscheck": False}
        return numba.njit(function, **settings) if signature is None else numba.njit(signature, **settings)(function)

    return compiled
