"""Does an error without sampling noise go to zero, and with the order that is claimed?

A log-log slope within some tolerance is the wrong test: a noise variance wrong by 1 % leaves Euler-Maruyama on a
stationary Ornstein-Uhlenbeck process a slope of 0.78, which passes |slope - 1| < 0.4; the intercept reads 0.01. So
order and intercept are judged apart, with the estimates and bounds of ``order_fit``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsde.checks.order_fit import (
    LOWEST,
    Window,
    allowed_intercept,
    finest_fit,
    in_order,
    limit_order,
    readable_windows,
    refinement,
)
from fpsde.checks.result import CheckResult, Verdict, combined
from fpsde.errors import InvalidInput
from fpsde.richardson import SAFETY
from fpsde.validation import finite, positive

#: Orders that an interval must tell apart.
CANDIDATES = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0)
#: Errors of O(1) quantities up to this size are round-off.
ROUND_OFF = 1e-13
LEVELS = 4


@dataclass(frozen=True)
class OrderResult(CheckResult):
    """A :class:`CheckResult` with the fit e(h) = intercept + constant h^order; ``low``, ``high`` bound the order, and
    ``intercept_low``, ``intercept_high`` the intercept of an error that goes to zero with it.

    ``alpha`` is 0: nothing is random. ``n`` is the number of levels.
    """

    order: float | None = None
    low: float | None = None
    high: float | None = None
    intercept: float | None = None
    intercept_low: float | None = None
    intercept_high: float | None = None
    constant: float | None = None


def order(
    dts: Any, errors: Any, *, expected: float, floor: float = ROUND_OFF, candidates: Sequence[float] = CANDIDATES
) -> OrderResult:
    """Return whether ``errors`` go to zero like dt^expected.

    FAIL: the intercept exceeds 3 times what is left of an error that goes to zero (biased at order 0); the wider
    interval of the order misses ``expected``; or the finest errors do not fall like a power. UNDERPOWERED: the narrower
    interval holds another candidate, another candidate is nearer, or too few levels show an order. PASS otherwise, and
    where all errors are at most ``floor`` ("equal to round-off": no order is given).

    Parameters
    ----------
    dts : (n,) at least 4 step sizes, strictly decreasing or increasing
    errors : (n,) differences from the exact value, signed (better) or norms; one unit throughout
    floor : absolute size of the round-off in ``errors``, the error of the exact value included
    candidates : orders that must be told apart

    Raises InvalidInput for fewer or unsorted levels, and for errors that are not finite. Source: see ``order_fit``.
    """
    claim = _Claim.of("order", expected, floor, candidates)
    levels = refinement("dts", dts, least=LEVELS)
    return _judged_errors(claim, levels[0], in_order("errors", errors, levels, ndim=1))


def grid_order(
    widths: Any, values: Any, *, expected: float, floor: float = ROUND_OFF, candidates: Sequence[float] = CANDIDATES
) -> OrderResult:
    """Return whether the errors of a grid solution go to zero like width^expected.

    ``values`` are errors (n,), judged as in :func:`order`; or, where the exact solution is not known, solutions
    (n, n_points) at common points: then the sup-norms of successive differences give the order, and no intercept is
    seen (a consistently wrong solver converges to its own limit).
    """
    claim = _Claim.of("grid order", expected, floor, candidates)
    levels = refinement("widths", widths, least=LEVELS)
    if np.ndim(values) == 2:
        return _judged_solutions(claim, levels[0], in_order("solutions", values, levels, ndim=2))
    return _judged_errors(claim, levels[0], in_order("errors", values, levels, ndim=1))


@dataclass(frozen=True)
class _Claim:
    """The order that is claimed, the round-off in the errors, and the orders that it must be told apart from."""

    check: str
    expected: float
    floor: float
    others: tuple[float, ...]

    @classmethod
    def of(cls, check: str, expected: Any, floor: Any, candidates: Sequence[float]) -> _Claim:
        order, size = positive("expected", expected), finite("floor", floor)
        if size < 0:
            raise InvalidInput(f"floor={size} is negative; give the size of the round-off in the errors, 0 or more")
        return cls(check, order, size, tuple(float(c) for c in candidates if c != order))

    @property
    def step(self) -> float:
        """How far the next power of h is: half orders come with expansions in h^(1/2)."""
        return 1.0 if self.expected.is_integer() else 0.5


@dataclass(frozen=True)
class _Exponent:
    """The order at h = 0, nan where none is seen, the half width of its interval, and the verdict on it."""

    order: float
    half: float
    result: CheckResult


def _judged_errors(claim: _Claim, h: np.ndarray, e: np.ndarray) -> OrderResult:
    if np.all(np.abs(e) <= claim.floor):
        return _at_round_off(claim, float(np.max(np.abs(e))), len(h))
    exponent = _judged_exponent(claim, h, e[:-1] - e[1:])
    bias, intercept, constant = _judged_intercept(claim, h, e, exponent)
    parts = [bias, exponent.result] if bias.verdict is Verdict.FAIL else [exponent.result, bias]
    return _with_fit(combined(parts), exponent, (intercept, bias.threshold or 0.0), constant)


def _judged_solutions(claim: _Claim, h: np.ndarray, solutions: np.ndarray) -> OrderResult:
    steps = np.max(np.abs(np.diff(solutions, axis=0)), axis=1)
    if np.all(steps <= claim.floor):
        return _at_round_off(claim, float(steps.max()), len(h))
    exponent = _judged_exponent(claim, h, steps)
    return _with_fit(combined([exponent.result]), exponent, None, None)


def _at_round_off(claim: _Claim, largest: float, levels: int) -> OrderResult:
    text = (
        f"equal to round-off: no error exceeds {largest:.2g} (floor {claim.floor:.2g}), so there is no order to print"
    )
    return OrderResult(
        claim.check, Verdict.PASS, largest, claim.floor, claim.floor, 0.0, 2 * claim.floor, levels, detail=text
    )


def _with_fit(
    result: CheckResult, exponent: _Exponent, intercept: tuple[float, float] | None, constant: float | None
) -> OrderResult:
    p, half = exponent.order, exponent.half
    seen, low, high = (None, None, None) if math.isnan(p) else (p, p - half, p + half)
    fields = {name: getattr(result, name) for name in CheckResult.__dataclass_fields__}
    a0, a0_low, a0_high = (None, None, None) if intercept is None else _around(*intercept)
    return OrderResult(
        **fields,
        order=seen,
        low=low,
        high=high,
        intercept=a0,
        intercept_low=a0_low,
        intercept_high=a0_high,
        constant=constant,
    )


def _around(value: float, half: float) -> tuple[float, float, float]:
    return value, value - half, value + half


def _judged_exponent(claim: _Claim, h: np.ndarray, differences: np.ndarray) -> _Exponent:
    windows = readable_windows(h, differences, claim.floor)
    told = ", ".join("none" if math.isnan(w.order) else f"{w.order:.3f}" for w in windows) or "none"
    settled = _settled(windows)
    if windows and not settled:
        text = f"the errors do not fall like a power of h: window orders, coarse to fine, are {told}"
        return _unseen(claim, Verdict.FAIL, len(h), text)
    if len(settled) < 2:
        text = (
            f"an order needs two neighbouring windows of three levels above round-off (floor {claim.floor:.2g}) that "
            f"show one; window orders are {told}: take smaller steps, or larger ones where round-off is met"
        )
        return _unseen(claim, Verdict.UNDERPOWERED, len(h), text)
    p, narrow, wide = limit_order(settled)
    off = abs(p - claim.expected)
    half = narrow if off <= narrow else wide
    near = [c for c in claim.others if abs(c - p) <= max(narrow, off)]
    verdict = Verdict.FAIL if off > half else Verdict.UNDERPOWERED if near else Verdict.PASS
    also = f"; it may as well be {', '.join(f'{c:g}' for c in near)}: take smaller steps"
    text = (
        f"order is {p:.3f}, between {p - half:.3f} and {p + half:.3f}, expected {claim.expected:g} (window orders "
        f"{told})" + (also if verdict is Verdict.UNDERPOWERED else "")
    )
    name = f"{claim.check}: exponent"
    return _Exponent(
        p, half, CheckResult(name, verdict, off, half, 0.0, 0.0, 2 * half, len(h), unit="order", detail=text)
    )


def _settled(windows: list[Window]) -> list[Window]:
    """Return the windows after the last one that shows no order."""
    silent = [i for i, window in enumerate(windows) if math.isnan(window.order)]
    return windows[silent[-1] + 1 :] if silent else windows


def _unseen(claim: _Claim, verdict: Verdict, levels: int, text: str) -> _Exponent:
    result = CheckResult(f"{claim.check}: exponent", verdict, alpha=0.0, n=levels, detail=text)
    return _Exponent(math.nan, math.inf, result)


def _judged_intercept(
    claim: _Claim, h: np.ndarray, e: np.ndarray, exponent: _Exponent
) -> tuple[CheckResult, float, float]:
    """Return the verdict on the intercept, the intercept itself and the constant c, all of the finest window.

    The order is the expected one, unless another was found: then what its interval changes of the intercept is allowed.
    """
    found, half = exponent.order, exponent.half
    known = math.isnan(found) or abs(found - claim.expected) <= half
    p, *others = [claim.expected] if known else [found, max(found - half, LOWEST), found + half]
    powers = (p, p + claim.step)
    a0, c, amplified = finest_fit(h, e, powers)
    spread = max((abs(finest_fit(h, e, (other, other + claim.step))[0] - a0) for other in others), default=0.0)
    round_off = claim.floor * amplified
    bound = SAFETY * allowed_intercept(h, e, powers) + spread + round_off
    verdict = Verdict.FAIL if abs(a0) > bound else Verdict.PASS
    meaning = f"does not go to zero: biased at order 0 by {a0:.4g}" if verdict is Verdict.FAIL else "goes to zero"
    text = f"the error {meaning}; intercept {a0:.4g}, at most {bound:.2g} for an error of order {p:.3g}"
    name = f"{claim.check}: intercept"
    result = CheckResult(name, verdict, abs(a0), bound, round_off, 0.0, 2 * bound, len(h), unit="errors", detail=text)
    return result, a0, c
