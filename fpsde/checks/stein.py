"""A sample against a law of which only the score is known: generator moments (Stein's identity).

For the density p with score s = grad log p, the generator of the diffusion that keeps p,

    A f = laplace f + s . grad f,      E_p A f = 0

for every smooth f whose p grad f vanishes at infinity. The functions here are monomials up to the second degree in
y = (x - centre)/scale, and cos(w y_i), sin(w y_i) for fixed frequencies w; each mean is tested by ``zero_means`` in
time and memory O(n), where kernel forms of the same identity cost O(n^2).

What it cannot see: a wrong weight of modes far apart, on each of which the score is right. Use ``density`` where the
law is known.

Sources: Stein (1972, Proc. 6th Berkeley Symp. 2, 583); Barbour (1990, Probab. Theory Relat. Fields 84, 297: the
generator); Gorham & Mackey (2015, NeurIPS 28).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fpsde.checks.budget import SESSION_ALPHA
from fpsde.checks.design import POWER, Design, bad_values
from fpsde.checks.result import CheckResult
from fpsde.checks.zero_means import zero_means
from fpsde.errors import InvalidInput
from fpsde.validation import finite_array, positive

#: Frequencies of the waves along each axis, in 1/scale.
FREQUENCIES = (1.0, 2.0)


def score(
    sample: Any,
    score: Callable[[np.ndarray], Any],
    *,
    centre: Any = 0.0,
    scale: float = 1.0,
    alpha: float = SESSION_ALPHA,
    tolerance: Any = 0.0,
    power: float = POWER,
    effect: float | None = None,
) -> CheckResult:
    """Return whether ``sample`` comes from the law with this score.

    Parameters
    ----------
    sample : (n,) or (d, n), or an object with one as ``.x``; independent values
    score : function of x that returns grad log p in the shape of x
    centre, scale : where the law is and how wide, a number or (d,) and a number; chosen without looking at the sample
    tolerance : bound on scale^2 |E A f| for every function, a number or (name, value) pairs that add
    power, effect : UNDERPOWERED unless a mean of this size (same unit) is seen with this power

    NaN and infinite values make it FAIL. Raises InvalidInput for other shapes.
    """  # fmt: skip
    design, width = Design.of(alpha=alpha, power=power, tolerance=tolerance, effect=effect), positive("scale", scale)
    given = np.asarray(getattr(sample, "x", sample), dtype=np.float64)
    if given.ndim not in (1, 2) or given.shape[-1] < 2:
        raise InvalidInput(f"the sample has shape {given.shape}; give (n,) or (d, n) with more than one value")
    if n_bad := int(np.count_nonzero(~np.isfinite(given))):
        return bad_values("score", n_bad, given.size, design)
    s = np.asarray(score(given), dtype=np.float64)
    if s.shape != given.shape:
        raise InvalidInput(
            f"score returned shape {s.shape} for x of shape {given.shape}; return the gradient, same shape"
        )
    x = np.atleast_2d(given)
    at = np.broadcast_to(finite_array("centre", np.atleast_1d(centre), ndim=1), (len(x),))
    y, pull = (x - at[:, None]) / width, width * np.atleast_2d(s)
    return zero_means("score", _polynomials(y, pull) | _waves(y, pull), design)


def _polynomials(y: np.ndarray, s: np.ndarray) -> dict[str, np.ndarray]:
    """Return A f for y_i and y_i y_j: s_i, and 2 delta_ij + s_i y_j + s_j y_i."""
    d = len(y)
    first = {f"A {_name(i, d)}": s[i] for i in range(d)}
    second = {
        f"A {_name(i, d)} {_name(j, d)}": 2.0 * (i == j) + s[i] * y[j] + s[j] * y[i]
        for i in range(d)
        for j in range(i, d)
    }
    return first | second


def _waves(y: np.ndarray, s: np.ndarray) -> dict[str, np.ndarray]:
    """Return A cos(w y_i) = -w^2 cos - w s_i sin, and A sin(w y_i) = -w^2 sin + w s_i cos."""
    out = {}
    for i in range(len(y)):
        for w in FREQUENCIES:
            c, sine, name = np.cos(w * y[i]), np.sin(w * y[i]), f"({w:g} {_name(i, len(y))})"
            out[f"A cos{name}"] = -w * w * c - w * s[i] * sine
            out[f"A sin{name}"] = -w * w * sine + w * s[i] * c
    return out


def _name(i: int, d: int) -> str:
    return "y" if d == 1 else f"y{i}"
