"""Orders and intercepts of errors without noise, e(h) = a0 + c h^p + (next power), from three levels at a time.

*Order.* (e1 - e2)/(e2 - e3) = (h1^p - h2^p)/(h2^p - h3^p), solved for p: the intercept cancels. The orders of
successive windows are p + O(h); they are extrapolated to h = 0. What may still be wrong with the limit is bounded
twice: by 3 times its last correction, and by 4 times its change from the last pair of windows but one to the last. The
first bound is wide where the steps are large, the second where the coarsest window is out of line.

*Intercept.* With the order known, three levels give a0, c and the coefficient of the next power h^q exactly; q = p + 1,
or p + 1/2 where half orders are expected. If the error goes to zero, these a0 fall at least like h^q from window to
window, so the finest one is bounded by what that fall allows, |a0_coarse - a0_fine|/(r^q - 1).

The factor 3 is Roache's for an order that is not taken for granted (see ``richardson``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from fpsde.checks.radii import solve_between
from fpsde.errors import InvalidInput
from fpsde.richardson import SAFETY, lacking
from fpsde.validation import finite_array

#: A factor of safety for a limit already extrapolated: an expansion in h^(1/2) needs 2.4 of it, its next term more.
SAFETY_OF_LIMIT = 4.0
#: Orders looked for.
LOWEST, STEEPEST = 1e-3, 16.0
#: Largest effect of round-off on the order of a window that is still read.
READABLE = 0.1
#: No order is stated more sharply than this: where next-order terms nearly cancel, or a sup-norm changes its place, the
#: orders of the windows stand still for a while short of their limit, and their differences say too little.
SHARPEST = 0.01


@dataclass(frozen=True)
class Window:
    """Three successive levels: the finest h, the order that they show (nan: none), and what round-off does to it."""

    h: float
    order: float
    blur: float


def refinement(name: str, widths: Any, *, least: int) -> tuple[np.ndarray, bool]:
    """Return step sizes from coarse to fine, and whether they were given from fine to coarse."""
    h = finite_array(name, widths, ndim=1)
    if len(h) < least:
        raise InvalidInput(f"{name} has {len(h)} levels; at least {least} are needed")
    if np.any(h <= 0) or not (np.all(np.diff(h) < 0) or np.all(np.diff(h) > 0)):
        raise InvalidInput(f"{name}={h.tolist()}; give positive sizes, strictly decreasing or strictly increasing")
    return (h[::-1], True) if h[0] < h[-1] else (h, False)


def in_order(name: str, values: Any, levels: tuple[np.ndarray, bool], *, ndim: int) -> np.ndarray:
    """Return one value or row of values for each level of :func:`refinement`, from coarse to fine."""
    array, (h, backwards) = finite_array(name, values, ndim=ndim), levels
    if len(array) != len(h):
        raise InvalidInput(f"{len(array)} {name} for {len(h)} levels; give one for each")
    return array[::-1] if backwards else array


def window_order(h: np.ndarray, differences: np.ndarray) -> float:
    """Return the order of three levels from the differences (e1 - e2, e2 - e3); nan where no p in (0, 16) fits."""
    ratio = differences[0] / differences[1] if differences[1] else math.nan
    if not ratio > 0:
        return math.nan

    def excess(p: float) -> float:
        return math.log((h[0] / h[1]) ** p - 1) - math.log(1 - (h[2] / h[1]) ** p) - math.log(ratio)

    if excess(LOWEST) > 0 or excess(STEEPEST) < 0:
        return math.nan
    return solve_between(excess, LOWEST, STEEPEST)


def readable_windows(h: np.ndarray, differences: np.ndarray, floor: float) -> list[Window]:
    """Return the windows, coarse to fine, whose differences are well above the round-off ``floor`` of the errors."""
    found = []
    for i in range(len(h) - 2):
        d = np.abs(differences[i : i + 2])
        blur = float(np.sum(2 * floor / d)) / math.log(h[i] / h[i + 1]) if np.all(d > 0) else math.inf
        if blur <= READABLE:
            found.append(Window(float(h[i + 2]), window_order(h[i : i + 3], differences[i : i + 2]), blur))
    return found


def limit_order(windows: Sequence[Window]) -> tuple[float, float, float]:
    """Return the limit at h = 0 of at least two window orders, and a narrow and a wide bound on its error."""
    h, orders, blur = [w.h for w in windows], [w.order for w in windows], windows[-1].blur
    corrections = _corrections(h, orders, 1.0)
    limits = [p + correction for p, correction in zip(orders[1:], corrections, strict=True)]
    first = SAFETY * abs(corrections[-1])
    if len(limits) == 1:
        return limits[0], max(first, SHARPEST) + blur, max(first, SHARPEST) + blur
    second = SAFETY_OF_LIMIT * abs(limits[-1] - limits[-2]) / (h[-2] / h[-1] - 1)
    narrow, wide = (max(bound, SHARPEST) + blur for bound in sorted((first, second)))
    return limits[-1], narrow, wide


def finest_fit(h: np.ndarray, e: np.ndarray, powers: tuple[float, float]) -> tuple[float, float, float]:
    """Return a0 and c of a0 + c h^p + d h^q on the three finest levels, and the round-off of a0 per unit of it in e."""
    to_a0, to_c, _ = _three_level_fit(h[-3:], powers)
    return float(to_a0 @ e[-3:]), float(to_c @ e[-3:]), float(np.abs(to_a0).sum())


def allowed_intercept(h: np.ndarray, e: np.ndarray, powers: tuple[float, float]) -> float:
    """Return the a0 of the finest window that is left of an error that goes to zero, judged by the coarser windows.

    Of the last two falls the larger one counts, so that one lucky crossing proves nothing.
    """
    a0 = [float(_three_level_fit(h[i : i + 3], powers)[0] @ e[i : i + 3]) for i in range(len(h) - 2)]
    until_finest = (h[-1] / h[3:]) ** powers[1]
    return float(np.max(np.abs(until_finest * _corrections(h[2:].tolist(), a0, powers[1]))[-2:]))


def _corrections(h: Sequence[float], values: Sequence[float], q: float) -> list[float]:
    """Return what each value but the first still lacks of its limit at h = 0, if its error is O(h^q) (Richardson)."""
    pairs = zip(pairwise(h), pairwise(values), strict=True)
    return [lacking(coarse, fine, h1 / h2, q) for (h1, h2), (coarse, fine) in pairs]


def _three_level_fit(h: np.ndarray, powers: tuple[float, float]) -> np.ndarray:
    """Return the rows that turn three errors into a0, c and d of a0 + c h^p + d h^q, (3, 3)."""
    exponents = np.array([0.0, *powers])
    rows = np.linalg.inv((h / h[0])[:, None] ** exponents)
    return rows / h[0] ** exponents[:, None]
