"""Newton's method for the equation of an implicit step, unrolled: a kernel has no loop with a test."""

from __future__ import annotations

from typing import Any

import numpy as np

from fpsde.errors import Unsuited
from fpsde.symbolic import Traced, components

#: Corrections of every step. Each about squares the relative error.
CORRECTIONS = 6
#: The last correction may be this part of the terms of its equation; it is above float32's rounding, and in float64 the
#: error that is left is then about its square.
SMALL = 2.0**-20
#: Components at most: the elimination of d unknowns is d^3/3 lines of text in every correction.
MOST = 6


def solved(model: Any, known: Any, scale: Any, t: Any, *, start: Any) -> tuple[Any, Any]:
    """Return y with  y = known + scale mu(y, t),  (d,), and for each component whether it was not found.

    Newton from ``start``, with the derivative of the drift; the linear equations by elimination without pivots, which
    holds where 1 - scale dmu/dx is positive definite: for every dissipative drift. Not found is a component whose last
    correction is more than 2^-20 of |start| + |known| + |y|, or not a number. Raises Unsuited for more than 6
    components.
    """
    d = len(known)
    if d > MOST:
        raise Unsuited(
            f"{model.process.name} has {d} components; an implicit step is unrolled for at most {MOST}: take an "
            "explicit scheme, or state components that do not meet as processes of their own"
        )
    y = start
    for _ in range(CORRECTIONS):
        residual = model.staged(known + scale * model.drift(y, t) - y)
        slopes = model.drift_jacobian(y, t)
        matrix = [[float(i == j) - scale * slopes[i, j] for j in range(d)] for i in range(d)]
        correction = _eliminated(model, matrix, residual)
        y = model.staged(y + correction)
    size = np.fabs(start) + np.fabs(known) + np.fabs(y)
    # so written, a correction that is not a number counts as too large
    return y, components([~(np.fabs(c) <= SMALL * s) for c, s in zip(correction, size, strict=True)])


def _eliminated(model: Any, matrix: list[list[Any]], right: Any) -> Any:
    """Return the solution of matrix y = right by Gaussian elimination, leaving out what is zero by its form."""
    d = len(right)
    rows = [model.staged([*row, b]) for row, b in zip(matrix, right, strict=True)]
    for j in range(d):
        for i in range(j + 1, d):
            if not _is_zero(rows[i][j]):
                factor = model.staged([rows[i][j] / rows[j][j]])[0]
                pairs = zip(rows[i][j + 1 :], rows[j][j + 1 :], strict=True)
                rows[i][j + 1 :] = model.staged([p - factor * q for p, q in pairs])
    y: list[Any] = [0.0] * d
    for i in reversed(range(d)):
        rest = sum((rows[i][j] * y[j] for j in range(i + 1, d) if not _is_zero(rows[i][j])), 0.0)
        y[i] = model.staged([(rows[i][d] - rest) / rows[i][i]])[0]
    return components(y)


def _is_zero(e: Any) -> bool:
    return isinstance(e, Traced) and e.expr == 0
