"""The order of an error that has no sampling noise: e(h) = a0 + c h^p + (next order), with the intercept a0 judged.

A log-log slope within some tolerance is the wrong test: a noise variance wrong by 1 % leaves Euler-Maruyama on a
stationary Ornstein-Uhlenbeck process a slope of 0.78, which passes |slope - 1| < 0.4; the intercept reads 0.01. So:

*Order.* From three consecutive levels, (e1 - e2)/(e2 - e3) = (h1^p - h2^p)/(h2^p - h3^p), solved for p: the intercept
cancels. The window orders p + O(h) are extrapolated to h = 0; the interval is the limit +- 3 times the correction.

*Intercept.* With the order known, three levels give a0, c and the coefficient of h^(p+1) exactly. If the error goes to
zero, these a0 fall at least like h^(p+1) as the windows get finer. The bound is 3 times what that fall still allows,
|a0_coarse - a0_fine|/(r^(p+1) - 1), plus the round-off of the errors amplified by the extrapolation; where the order is
not the expected one, plus what the order's interval changes of a0.

The factor 3 is Roache's (1998) for an order that is not taken for granted. Corrections are those of the last two pairs
of windows, the larger one, so that one lucky crossing proves nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsde.checks.radii import solve_between
from fpsde.checks.result import CheckResult, Verdict, combined
from fpsde.errors import InvalidInput
from fpsde.validation import finite, finite_array, positive

#: Orders that an interval must tell apart.
CANDIDATES = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0)
#: Errors of O(1) quantities up to this size are round-off.
ROUND_OFF = 1e-13
#: Roache's safety factor where the order is itself in question.
SAFETY = 3.0
#: Orders looked for, and the largest effect of round-off on a window order that is still read.
LOWEST, STEEPEST = 1e-3, 16.0
READABLE = 0.1
LEVELS = 4


@dataclass(frozen=True)
class OrderResult(CheckResult):
    """A :class:`CheckResult` with the fit e(h) = intercept + constant h^order; ``low``, ``high`` bound the order.

    ``alpha`` is 0: nothing is random. ``n`` is the number of levels.
    """

    order: float | None = None
    low: float | None = None
    high: float | None = None
    intercept: float | None = None
    constant: float | None = None


def order(
    dts: Any, errors: Any, *, expected: float, floor: float = ROUND_OFF, candidates: Sequence[float] = CANDIDATES
) -> OrderResult:
    """Return whether ``errors`` go to zero like dt^expected.

    PASS: the intercept is within its bound, and the order's interval holds ``expected`` and no other candidate; or all
    errors are at most ``floor`` ("equal to round-off", no order is printed). FAIL: the intercept is above its bound
    (biased at order 0), the interval misses ``expected``, or the finest errors do not fall like a power. UNDERPOWERED:
    the interval holds another candidate too, or too few levels show an order.

    Parameters
    ----------
    dts : (n,) at least 4 step sizes, strictly decreasing or increasing
    errors : (n,) differences from the exact value, signed (better) or norms; same unit throughout
    floor : absolute size of the round-off in ``errors``
    candidates : orders that must be told apart

    Method and sources: see the module.
    """
    levels = refinement("dts", dts, least=LEVELS)
    return _order("order", levels, errors, expected=expected, floor=floor, candidates=candidates)


def grid_order(
    widths: Any, values: Any, *, expected: float, floor: float = ROUND_OFF, candidates: Sequence[float] = CANDIDATES
) -> OrderResult:
    """Return whether the errors of a grid solution go to zero like width^expected.

    ``values`` are errors (n,), judged as in :func:`order`; or, where the exact solution is not known, solutions
    (n, n_points) at common points: then the sup-norms of successive differences give the order, and no intercept is
    seen (a consistently wrong solver converges to its own limit).
    """
    levels = refinement("widths", widths, least=LEVELS)
    judged = _self_order if np.ndim(values) == 2 else _order
    return judged("grid order", levels, values, expected=expected, floor=floor, candidates=candidates)


def refinement(name: str, widths: Any, *, least: int) -> tuple[np.ndarray, bool]:
    """Return step sizes from coarse to fine, and whether they were given from fine to coarse."""
    h = finite_array(name, widths, ndim=1)
    if len(h) < least:
        raise InvalidInput(f"{name} has {len(h)} levels; at least {least} are needed")
    if np.any(h <= 0) or not (np.all(np.diff(h) < 0) or np.all(np.diff(h) > 0)):
        raise InvalidInput(f"{name}={h.tolist()}; give positive sizes, strictly decreasing or strictly increasing")
    return (h[::-1], True) if h[0] < h[-1] else (h, False)


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


def _windows(h: np.ndarray, differences: np.ndarray, floor: float) -> list[tuple[float, float, float]]:
    """Return (finest h, order, effect of round-off on it) of each window of three levels that is above round-off."""
    found = []
    for i in range(len(h) - 2):
        d = np.abs(differences[i : i + 2])
        blur = float(np.sum(2 * floor / d)) / math.log(h[i] / h[i + 1]) if np.all(d > 0) else math.inf
        if blur <= READABLE:
            found.append((float(h[i + 2]), window_order(h[i : i + 3], differences[i : i + 2]), blur))
    return found


def _limit(h: Sequence[float], values: Sequence[float], q: float) -> tuple[float, float]:
    """Return the limit at h = 0 of values with errors O(h^q), and the size of its correction."""
    (h1, h2), (v1, v2) = h[-2:], values[-2:]
    correction = (v2 - v1) / ((h1 / h2) ** q - 1)
    size = abs(correction)
    if len(values) > 2:
        earlier = (v1 - values[-3]) / ((h[-3] / h1) ** q - 1)
        size = max(size, abs(earlier) * (h2 / h1) ** q)
    return v2 + correction, size


def in_order(name: str, values: Any, levels: tuple[np.ndarray, bool], *, ndim: int) -> np.ndarray:
    """Return one value or row of values for each level of :func:`refinement`, from coarse to fine."""
    array, (h, backwards) = finite_array(name, values, ndim=ndim), levels
    if len(array) != len(h):
        raise InvalidInput(f"{len(array)} {name} for {len(h)} levels; give one for each")
    return array[::-1] if backwards else array


def _order(
    check: str,
    levels: tuple[np.ndarray, bool],
    errors: Any,
    *,
    expected: float,
    floor: float,
    candidates: Sequence[float],
) -> OrderResult:
    h, e = levels[0], in_order("errors", errors, levels, ndim=1)
    expected, floor = positive("expected", expected), _checked_floor(floor)
    if np.all(np.abs(e) <= floor):
        return _at_round_off(check, float(np.max(np.abs(e))), floor, len(h))
    p, half, verdict = _judged_order(f"{check}: exponent", h, e[:-1] - e[1:], expected, floor, candidates)
    known = math.isnan(p) or abs(p - expected) <= half
    orders = (expected,) if known else (p, p - half, p + half)
    bias, intercept, constant = _judged_intercept(f"{check}: intercept", h, e, orders, floor)
    parts = [bias, verdict] if bias.verdict is Verdict.FAIL else [verdict, bias]
    return _with_fit(combined(parts), p, half, intercept, constant)


def _checked_floor(floor: Any) -> float:
    value = finite("floor", floor)
    if value < 0:
        raise InvalidInput(f"floor={value} is negative; give the size of the round-off in the errors, 0 or more")
    return value


def _at_round_off(check: str, largest: float, floor: float, levels: int) -> OrderResult:
    return OrderResult(
        check,
        Verdict.PASS,
        largest,
        floor,
        floor,
        0.0,
        2 * floor,
        levels,
        detail=f"equal to round-off: no error exceeds {largest:.2g} (floor {floor:.2g}), so there is no order to print",
    )


def _with_fit(
    result: CheckResult, p: float, half: float, intercept: float | None, constant: float | None
) -> OrderResult:
    seen, low, high = (None, None, None) if math.isnan(p) else (p, p - half, p + half)
    fields = {name: getattr(result, name) for name in CheckResult.__dataclass_fields__}
    return OrderResult(**fields, order=seen, low=low, high=high, intercept=intercept, constant=constant)


def _judged_order(
    check: str, h: np.ndarray, differences: np.ndarray, expected: float, floor: float, candidates: Sequence[float]
) -> tuple[float, float, CheckResult]:
    """Return the order at h = 0 (nan where none is seen), the half width of its interval, and the verdict on it."""
    windows = _windows(h, differences, floor)
    told = ", ".join("none" if math.isnan(p) else f"{p:.3f}" for _, p, _ in windows)
    if windows and math.isnan(windows[-1][1]):
        text = f"the errors do not fall like a power of h: window orders, coarse to fine, are {told}"
        return math.nan, math.inf, CheckResult(check, Verdict.FAIL, alpha=0.0, n=len(h), detail=text)
    if len(windows) < 2 or math.isnan(windows[-2][1]):
        text = (
            f"an order needs two neighbouring windows of three levels above round-off (floor {floor:.2g}) that show "
            f"one; there are {len(windows)}, with orders ({told}): take smaller steps, "
            f"or larger ones where round-off is met"
        )
        return math.nan, math.inf, CheckResult(check, Verdict.UNDERPOWERED, alpha=0.0, n=len(h), detail=text)
    windows = windows[max(i for i in range(-1, len(windows)) if i < 0 or math.isnan(windows[i][1])) + 1 :]
    p, correction = _limit([h_i for h_i, _, _ in windows], [p_i for _, p_i, _ in windows], 1.0)
    half = SAFETY * correction + windows[-1][2]
    near = [c for c in candidates if c != expected and abs(c - p) <= half]
    verdict = Verdict.FAIL if abs(p - expected) > half else Verdict.UNDERPOWERED if near else Verdict.PASS
    text = f"order is {p:.3f}, between {p - half:.3f} and {p + half:.3f}, expected {expected:g} (window orders {told})"
    if verdict is Verdict.UNDERPOWERED:
        text += f"; it could also be {', '.join(f'{c:g}' for c in near)}: take smaller steps"
    result = CheckResult(check, verdict, abs(p - expected), half, 0.0, 0.0, 2 * half, len(h), unit="order", detail=text)
    return p, half, result


def _judged_intercept(
    check: str, h: np.ndarray, e: np.ndarray, orders: Sequence[float], floor: float
) -> tuple[CheckResult, float, float]:
    """Return the verdict on the intercept, the intercept itself and the constant c, all of the finest window.

    ``orders`` holds the order used, then others that it could be: what they change of the intercept is allowed too.
    """
    p, a0 = orders[0], [_intercepts(h, e, order) for order in orders]
    _, allowed = _limit(list(h[2:]), a0[0], p + 1)
    to_a0, to_c, _ = _three_level_fit(h[-3:], p)
    amplified = floor * float(np.abs(to_a0).sum())
    bound = SAFETY * allowed + amplified + max(abs(other[-1] - a0[0][-1]) for other in a0)
    found = a0[0][-1]
    verdict = Verdict.FAIL if abs(found) > bound else Verdict.PASS
    meaning = f"does not go to zero: biased at order 0 by {found:.4g}" if verdict is Verdict.FAIL else "goes to zero"
    detail = f"the error {meaning}; intercept {found:.4g}, at most {bound:.2g} for an error of order {p:.3g}"
    result = CheckResult(
        check, verdict, abs(found), bound, amplified, 0.0, 2 * bound, len(h), unit="errors", detail=detail
    )
    return result, found, float(to_c @ e[-3:])


def _intercepts(h: np.ndarray, e: np.ndarray, p: float) -> list[float]:
    """Return the intercept of each window of three levels, coarse to fine."""
    return [float(_three_level_fit(h[i : i + 3], p)[0] @ e[i : i + 3]) for i in range(len(h) - 2)]


def _three_level_fit(h: np.ndarray, p: float) -> np.ndarray:
    """Return the rows that turn three errors into a0, c and d of a0 + c h^p + d h^(p+1), (3, 3)."""
    s = h / h[0]
    rows = np.linalg.inv(np.column_stack([np.ones(3), s**p, s ** (p + 1)]))
    return rows / np.array([1.0, h[0] ** p, h[0] ** (p + 1)])[:, None]


def _self_order(
    check: str,
    levels: tuple[np.ndarray, bool],
    solutions: Any,
    *,
    expected: float,
    floor: float,
    candidates: Sequence[float],
) -> OrderResult:
    h, values = levels[0], in_order("solutions", solutions, levels, ndim=2)
    expected, floor = positive("expected", expected), _checked_floor(floor)
    steps = np.max(np.abs(np.diff(values, axis=0)), axis=1)
    if np.all(steps <= floor):
        return _at_round_off(check, float(steps.max()), floor, len(h))
    p, half, verdict = _judged_order(f"{check}: exponent", h, steps, expected, floor, candidates)
    return _with_fit(combined([verdict]), p, half, None, None)
