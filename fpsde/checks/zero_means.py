"""Means that must be zero: one test for every statement of the form E g(particle) = 0.

Values g_1..g_n of independent particles with mean zero; t = mean/(s/sqrt(n)), s the sample's own standard deviation.
Its tails are Student's with n - 1 degrees of freedom where g is normal. With skewness gamma and k = gamma/sqrt(n),

    h(t) = t + k t^2/3 + k^2 t^3/27

has none to the next order (and grows with t for any k), so that both tails together are taken as

    P(|t| > c) = P(T_{n-1} > h(c)) + P(T_{n-1} < h(-c)),

with gamma estimated from the sample; first terms: the factor exp(-+ gamma c^3/(3 sqrt(n))) of large deviations. Where
that exponent exceeds 1 the sample is too small for the level: no PASS is given, and for a FAIL the tail is taken larger
by the exponent (measured for squares of normal values, n = 100 and 400, levels 1e-2 to 1e-4: the tail alone is too
small by up to 3.4, less than the exponent throughout). Several means share the level equally; a tolerance bounds
|E g|, in the unit of g.

Sources: Hall (1992, J. R. Statist. Soc. B 54, 221: the transformation); Jing, Shao & Wang (2003, Ann. Probab. 31, 2167:
tails of self-normalised sums).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import special

from fpsde.checks.design import Design, bad_values, judge, not_applicable
from fpsde.checks.radii import solve_between
from fpsde.checks.result import CheckResult, Verdict, combined
from fpsde.checks.wording import plus_minus
from fpsde.errors import InvalidInput

#: Values in the unit of g.
UNIT = "unit of the function"
#: Largest exponent of the correction for skewness that is relied on.
LARGEST_EXPONENT = 1.0


def zero_means(check: str, values: Mapping[str, Any], design: Design) -> CheckResult:
    """Return whether each of the means is zero: ``values`` holds the g (n,) of every particle by name.

    FAIL where a value is NaN or infinite. Raises InvalidInput without functions, and for arrays of other shapes.
    """
    if not values:
        raise InvalidInput(f"{check}: there are no functions to take a mean of; give at least one")
    each = design.divided(len(values))
    return combined([_one_mean(f"{check}: {name}", g, each) for name, g in values.items()], alpha=design.alpha)


def _one_mean(check: str, values: Any, design: Design) -> CheckResult:
    g = np.asarray(values, dtype=np.float64)
    if g.ndim != 1 or len(g) < 2:
        raise InvalidInput(f"{check} has values of shape {g.shape}; give one number for each particle, (n,), n > 1")
    n_bad, n = int(np.count_nonzero(~np.isfinite(g))), len(g)
    if n_bad:
        return bad_values(check, n_bad, n, design)
    mean, spread = float(np.mean(g)), float(np.std(g, ddof=1))
    if spread == 0:
        return _constant(check, mean, n, design)
    error, skewness = spread / math.sqrt(n), float(np.mean(((g - mean) / spread) ** 3))
    cut, exponent = student_cut(n, design.alpha, skewness)
    missed = error * float(-special.stdtrit(n - 1, design.beta))
    result = judge(
        check, abs(mean), design, threshold=design.tau + cut * error, resolution=design.tau + cut * error + missed, n=n,
        p_value=min(1.0, max(1.0, exponent) * skewed_tail(max(0.0, abs(mean) - design.tau) / error, n, skewness)),
        unit=UNIT, detail=f"the mean is {plus_minus(mean, error, sign=True)}",
    )  # fmt: skip
    if exponent <= LARGEST_EXPONENT or result.verdict is Verdict.FAIL:
        return result
    note = f"; n = {n} is too small for the tails at this level: skewness {skewness:.3g}"
    return replace(result, verdict=Verdict.UNDERPOWERED, detail=result.detail + note)


def _constant(check: str, value: float, n: int, design: Design) -> CheckResult:
    """Return the result where all particles have one value: it is the mean, whatever the sample."""
    if abs(value) <= design.tau:
        return not_applicable(check, n, f"all values are {value:.6g}: there is no spread to compare with")
    return judge(
        check, abs(value), design, threshold=design.tau, resolution=design.tau, p_value=0.0, n=n, unit=UNIT,
        detail=f"all values are {value:.6g}",
    )  # fmt: skip


def student_cut(n: int, alpha: float, skewness: float) -> tuple[float, float]:
    """Return c with P(|t| > c) = alpha for a mean of n values, and the exponent of the correction for skewness."""
    plain = float(-special.stdtrit(n - 1, 0.5 * alpha))
    exponent = abs(skewness) * plain**3 / (3 * math.sqrt(n))
    if exponent == 0:
        return plain, exponent
    level, high = alpha / max(1.0, exponent), 2 * plain
    while skewed_tail(high, n, skewness) > level:
        high *= 2
    return solve_between(lambda c: skewed_tail(c, n, skewness) / level - 1, 0.0, high), exponent


def skewed_tail(t: float, n: int, skewness: float) -> float:
    """Return P(|T| > t) for the mean of n values with this skewness, t >= 0: it falls as t grows."""
    k = abs(skewness) / math.sqrt(n)
    up, down = (abs(t + sign * k * t**2 / 3 + k**2 * t**3 / 27) for sign in (1, -1))
    return float(special.stdtr(n - 1, -up) + special.stdtr(n - 1, -down))
