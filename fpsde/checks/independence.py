"""Correlation of streams that should be independent: z-tests on sums of products.

For independent standard normal values r = mean a b has variance 1/N. Products that overlap in a chain (a_i a_{i+l})
are still uncorrelated; the excess kurtosis of their sum is at most 18/N (fourth cumulant 48 tr A^4 of the quadratic
form), which sets the size from which the normal tail holds (``radii.size_for_tail``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fpsde.checks.budget import SESSION_ALPHA
from fpsde.checks.design import POWER, Design, bad_values, judge
from fpsde.checks.radii import normal_radius, size_for_tail, two_sided_cut, two_sided_tail
from fpsde.checks.result import CheckResult, Verdict
from fpsde.checks.samples import inner, sample_of
from fpsde.checks.wording import plus_minus
from fpsde.errors import InvalidInput

#: N times the excess kurtosis of a sum of N overlapping products of independent normal values.
CHAIN_KURTOSIS = 18.0


def correlation(
    a: Any, b: Any, *, alpha: float = SESSION_ALPHA, power: float = POWER, effect: float | None = None
) -> CheckResult:
    """Return whether two streams ``a``, ``b`` (n,) are uncorrelated: Pearson's r against N(0, 1/n).

    Asked of streams that are normal or bounded, with independent entries. NaN or infinite values make it FAIL.
    UNDERPOWERED unless a correlation of ``effect`` is seen with probability ``power``.
    """
    design = Design.of(alpha=alpha, power=power, effect=effect)
    first, second = sample_of(a), sample_of(b)
    if first.n != second.n:
        raise InvalidInput(f"streams of {first.n} and {second.n} values; give two of one length")
    if first.n_bad + second.n_bad:
        return bad_values("correlation", first.n_bad + second.n_bad, 2 * first.n, design)
    x, y = (s.values.astype(np.float64) - np.mean(s.values, dtype=np.float64) for s in (first, second))
    size = math.sqrt(inner(x, x) * inner(y, y))
    if size == 0:
        raise InvalidInput("a stream is constant, so it has no correlation; give streams that vary")
    r = inner(x, y) / size
    return correlation_result("correlation", [(r * first.n, first.n, "correlation of the two streams")], design)


def correlation_result(
    check: str, products: Sequence[tuple[float, int, str]], design: Design, *, kurtosis: float = CHAIN_KURTOSIS
) -> CheckResult:
    """Return the result for sums of products: (sum, number of pairs, name) of each, at an equal share of the level."""
    r = [total / n for total, n, _ in products]
    j = max(range(len(r)), key=lambda i: abs(r[i]) * math.sqrt(products[i][1]))
    n, name = products[j][1:]
    z, error = two_sided_cut(design.alpha / len(r)), 1 / math.sqrt(n)
    result = judge(
        check, abs(r[j]), design, threshold=z * error, resolution=(z + normal_radius(design.beta)) * error, n=n,
        largest=1.0, p_value=min(1.0, len(r) * two_sided_tail(abs(r[j]) / error)), unit="correlation",
        detail=f"{name} is {plus_minus(r[j], error, sign=True)}" + (f" (largest of {len(r)})" if len(r) > 1 else ""),
    )  # fmt: skip
    needed = size_for_tail(0.0, kurtosis, z)
    if n >= needed or result.verdict is not Verdict.PASS:
        return result
    note = f"; {n} pairs are too few for the normal tail at this level ({needed:.2g} needed)"
    return replace(result, verdict=Verdict.UNDERPOWERED, detail=result.detail + note)
