"""The one decorator through which every Numba kernel of fpsde is compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba


def kernel(signature: Any = None) -> Callable[[Callable[..., Any]], Any]:
    """Return a decorator that compiles a function with Numba under the settings that all of fpsde shares.

    ``signature`` (a Numba signature or a list of them) compiles at once and fixes the types; without it the types of
    the first call decide, and nothing is compiled before it is needed. The settings, and why:

    - ``cache=True``: compiled code is kept on disk, so that a fresh process pays milliseconds instead of seconds;
    - ``error_model="numpy"``: 1/0 is inf and 0/0 is nan as in NumPy, and no hidden test of the divisor stops LLVM
      from vectorising a loop;
    - ``nogil=True``: kernels touch no Python object, so threads run them side by side;
    - ``fastmath=False``: reordered or contracted arithmetic would make results depend on the machine and would
      optimise tests for NaN away;
    - ``boundscheck=False``: arguments are checked once at the public door; a check per element would double the time.
    """

    def compiled(function: Callable[..., Any]) -> Any:
        settings = {"cache": True, "error_model": "numpy", "nogil": True, "fastmath": False, "boundscheck": False}
        return numba.njit(function, **settings) if signature is None else numba.njit(signature, **settings)(function)

    return compiled
