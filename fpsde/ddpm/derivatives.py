"""Derivatives of functions of points by central differences of order 4: for denoisers of which values alone are known.

    f'(x) v = (8 (f(x + h v) - f(x - h v)) - (f(x + 2 h v) - f(x - 2 h v)))/(12 h),    h = STEP scale

``scale`` is the length on which f changes, a number or one for each point (n,); for a denoiser it is the level of
noise. In float64 the error is about 1e-7 of f'(x) where f changes on that length, and round-off 1e-14 of f/scale.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fpsde.arrays import module_of

#: The step of a difference, as a part of the length on which the function changes.
STEP = 0.02


def along(f: Callable[[Any], Any], x: Any, v: Any, *, scale: Any) -> Any:
    """Return the derivative of f, of points (d, n), at ``x`` (d, n) along ``v`` (d, n), in the shape of f(x)."""
    h = STEP * scale
    near, far = f(x + h * v) - f(x - h * v), f(x + 2 * h * v) - f(x - 2 * h * v)
    return (8 * near - far) / (12 * h)


def jacobian(f: Callable[[Any], Any], x: Any, *, scale: Any) -> Any:
    """Return df_i/dx_j at ``x`` (d, n), (k, d, n), of f from (d, n) to (k, n)."""
    xp, columns = module_of(x), []
    for j in range(len(x)):
        v = xp.zeros_like(x)
        v[j] = 1.0
        columns.append(along(f, x, v, scale=scale))
    return xp.stack(columns, axis=1)
