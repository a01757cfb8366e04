"""Newton's method for the equation of an implicit step, unrolled: a kernel has no loop with a test."""

from __future__ import annotations

from typing import Any

import numpy as np

from fpsde.errors import Unsuited
from fpsde.symbolic import Traced, components

#: Corrections of every step. Each about squares the relative error.
CORRECTIONS = 6
#: The residual before the last correction may be this part of its terms. It is above float32's rounding, and in float64
#: the error that is left is then about its square.
SMALL = 2.0**-20
#: Components at most: the elimination of d unknowns is d^3/3 lines of text in every correction.
MOST = 6


def solved(model: Any, known: Any, scale: Any, t: Any, *, start: Any) -> tuple[Any, Any]:
    """Return y with  y = known + scale mu(y, t),  (d,), and the condition that it was not found.

    Newton from ``start``, with the derivative of the drift; the linear equations by elimination without pivots, which
    holds where 1 - scale dmu/dx is positive definite: for every dissipative drift. It was not found if before the last
    correction sum |residual| > 2^-20 sum (|known| + |y|) over the components, or is not a number. Raises Unsuited for
    more than 6 components.
    """
    d = len(known)
    if d > MOST:
        raise Unsuited(
            f"{model.process.name} has {d} components; an implicit step is unrolled for at most {MOST}: take an "
            "explicit scheme, or state components that do not meet as processes of their own"
        )
    y = before = start
    for _ in range(CORRECTIONS):
        before = y
        residual = model.staged(known + scale * model.drift(y, t) - y)
        slopes = model.drift_jacobian(y, t)
        matrix = [[float(i == j) - scale * slopes[i, j] for j in range(d)] for i in range(d)]
        y = model.staged(y + _eliminated(model, matrix, residual))
    small = sum(np.fabs(residual)) <= SMALL * sum(np.fabs(known) + np.fabs(before))
    # not ~small: SymPy would turn it into >, which does not hold for what is not a number
    return y, np.where(small, 0.0, 1.0) > 0.0


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
