"""Moments of a sample against those of a law, with the law's own exact variance.

M_k = mean (X - mu)^k about the law's mean mu has mean mu_k and variance (mu_2k - mu_k^2)/n under the law, exactly.
Statistic: |M_k - mu_k|/sd^k, a number without unit: for k = 2 the relative error of the variance.

Critical values: tails of the third Pearson type with the null's skewness, in ``radii``; for the variance of a normal
law that is chi^2 with n degrees of freedom, exactly. Where n is too small for these tails to be right within 10 % at
the level used (``radii.size_for_tail``), Markov's inequality, which always holds, can still prove a FAIL, but no PASS
is given.

Tolerance: tau bounds |E M_k - mu_k|/sd^k; the critical value is that of the folded law |tau/se + S|. A law off by tau
may also be wider: for k > 1 the standard error is taken 1 + tau sd^k/mu_k times larger (1 + tau for odd k).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fpsde.checks.budget import SESSION_ALPHA
from fpsde.checks.design import POWER, Design, bad_values, judge, not_applicable
from fpsde.checks.radii import (
    certain_cut,
    certain_tail,
    normal_radius,
    size_for_tail,
    two_sided_cut,
    two_sided_tail,
)
from fpsde.checks.result import CheckResult, Verdict, combined
from fpsde.checks.samples import CentredSums, centred_sums
from fpsde.checks.wording import plus_minus
from fpsde.density import Law, Normal
from fpsde.errors import InvalidInput
from fpsde.validation import integer

HIGHEST = 4
NAMES = {1: "mean", 2: "variance", 3: "third moment", 4: "fourth moment"}
#: Sums that lose more than this share of a standard error to cancellation are refused.
LOST = 0.1


def moments(
    sample: Any,
    law: Law,
    *,
    orders: Sequence[int] = (1, 2),
    alpha: float = SESSION_ALPHA,
    tolerance: Any = 0.0,
    power: float = POWER,
    effect: float | None = None,
) -> CheckResult:
    """Return whether the central moments of ``sample`` are those of ``law``; one component for each order.

    Parameters
    ----------
    sample : array (n,) or (1, n), an object with one as ``.x``, or the ``ensemble.PowerSums`` of an observer (one
        component, any centre); independent values
    orders : different numbers from 1 to 4; each gets an equal share of ``alpha``
    tolerance : bound on |E M_k - mu_k|/sd^k for every order, a number or (name, value) pairs that add
    power, effect : UNDERPOWERED unless an error of this size (same scale) is seen with this power

    NOT_APPLICABLE where the law has no moment of order 2k (the statistic has no variance), or no spread at all.
    Raises InvalidInput for other orders, or for power sums about a centre too far away to hold the moment.
    """  # fmt: skip
    design = Design.of(alpha=alpha, power=power, tolerance=tolerance, effect=effect)
    chosen, centre = _checked_orders(orders), law.mean if math.isfinite(law.mean) else 0.0
    sums = centred_sums(sample, centre=centre, highest=max(chosen))
    if sums.n_bad:
        return bad_values("moments", sums.n_bad, sums.n, design)
    return combined([moment_result("moments", sums, law, k, design.divided(len(chosen))) for k in chosen], alpha=alpha)


def _checked_orders(orders: Sequence[int]) -> list[int]:
    chosen = [integer("order", k, least=1) for k in orders]
    if not chosen or len(set(chosen)) < len(chosen) or max(chosen) > HIGHEST:
        raise InvalidInput(f"orders={tuple(orders)}; give different orders from 1 to {HIGHEST}, such as (1, 2)")
    return chosen


def null_sums(n: int, law: Law) -> CentredSums:
    """Return the power sums about its mean of a sample whose first two moments are those of the law."""
    return CentredSums(n, law.mean, (0.0, n * law.central_moment(2)))


@dataclass(frozen=True)
class _Cut:
    """Where one moment is cut: threshold, p-value and resolution; ``needed`` is the sample size that they rest on."""

    threshold: float
    p_value: float
    resolution: float
    needed: float


def moment_result(check: str, sums: CentredSums, law: Law, k: int, design: Design) -> CheckResult:
    """Return the result for one order ``k``."""
    name, spread = f"{check}: {NAMES[k]}", law.central_moment(2)
    mu_k, mu_2k = law.central_moment(k) if k > 1 else 0.0, law.central_moment(2 * k)
    if not all(map(math.isfinite, (spread, mu_k, mu_2k))):
        return not_applicable(name, sums.n, f"the law has no finite moment of order {2 * k}")
    if spread <= 0 or mu_2k <= mu_k**2:
        return not_applicable(
            name, sums.n, "under the law this moment does not vary: there is no spread to compare with"
        )
    sd = math.sqrt(spread)
    error = math.sqrt((mu_2k - mu_k**2) / sums.n) / sd**k
    signed = _about(sums, law.mean, k, scale=sd, error=error) - mu_k / sd**k
    cut = _cut(abs(signed), error, sums.n, law, k, design)
    result = judge(
        name, abs(signed), design, threshold=cut.threshold, resolution=cut.resolution, p_value=cut.p_value, n=sums.n,
        unit=f"standard deviations of the law, power {k}",
        detail=_wording(k, signed, error, mu_k / sd**k, (sums.sums[0] / sums.n + sums.centre - law.mean) / sd),
    )  # fmt: skip
    return _without_limit(result, cut.needed) if sums.n < cut.needed else result


def _without_limit(result: CheckResult, needed: float) -> CheckResult:
    """Return the result cut by Markov's inequality, which can show an error but not the absence of one."""
    verdict = Verdict.FAIL if result.verdict is Verdict.FAIL else Verdict.UNDERPOWERED
    note = (
        f"; n = {result.n} is too small for the tails at this level ({needed:.2g} needed), cut by Markov's inequality"
    )
    return replace(result, verdict=verdict, detail=result.detail + note)


def _about(sums: CentredSums, centre: float, k: int, *, scale: float, error: float) -> float:
    """Return mean ((X - centre)/scale)^k from power sums about another centre."""
    if len(sums.sums) < k:
        raise InvalidInput(
            f"power sums to order {len(sums.sums)} were given for moment {k}; give sums of (x - c)^j to j = {k}"
        )
    shift = (sums.centre - centre) / scale
    if np.finfo(float).eps * (1 + abs(shift)) ** k > LOST * error:
        raise InvalidInput(
            f"power sums about {sums.centre:g}, {abs(shift):.3g} standard deviations from the law's mean {centre:g}, "
            f"lose moment {k} to cancellation; take them about a centre nearer to the mean"
        )
    raw = [1.0, *(s / sums.n / scale ** (j + 1) for j, s in enumerate(sums.sums[:k]))]
    return math.fsum(math.comb(k, j) * shift ** (k - j) * raw[j] for j in range(k + 1))


def _cut(size: float, error: float, n: int, law: Law, k: int, design: Design) -> _Cut:
    """Return the cut of a statistic with standard error ``error``: a Pearson III tail, or Markov's for small n."""
    relative, (gamma, kappa) = _spread_per_error(law, k), _shape(law, k)
    wide = error * (1 + design.tau * relative)
    bias, exact = design.tau / wide, isinstance(law, Normal) and k <= 2
    needed = 0.0 if exact else size_for_tail(gamma, kappa, two_sided_cut(design.alpha, bias=bias) - bias)
    if n >= needed:
        skewness = gamma / math.sqrt(n)
        threshold = wide * two_sided_cut(design.alpha, bias=bias, skewness=skewness)
        p_value = two_sided_tail(size / wide, bias=bias, skewness=skewness)
        missed = error * normal_radius(design.beta)
    else:
        threshold = design.tau + wide * certain_cut(design.alpha, n, kappa)
        p_value = certain_tail((size - design.tau) / wide, n, kappa)
        missed = error * certain_cut(design.beta, n, kappa)
    # An error e may widen the statistic too: e = threshold + missed (1 + e relative).
    room = 1 - missed * relative
    return _Cut(threshold, p_value, (threshold + missed) / room if room > 0 else math.inf, needed)


def _spread_per_error(law: Law, k: int) -> float:
    """Return by what share the standard error of M_k may grow for each unit of error in it: stretching for even k."""
    if k == 1:
        return 0.0
    return 1.0 if k % 2 else law.central_moment(2) ** (k / 2) / law.central_moment(k)


def _shape(law: Law, k: int) -> tuple[float, float]:
    """Return skewness and excess kurtosis of (X - mu)^k under the law; (0, inf) where they do not exist."""
    m1, m2, m3, m4 = (law.central_moment(k * j) if k * j > 1 else 0.0 for j in (1, 2, 3, 4))
    variance = m2 - m1**2
    skewness = (m3 - 3 * m2 * m1 + 2 * m1**3) / variance**1.5
    kurtosis = (m4 - 4 * m3 * m1 + 6 * m2 * m1**2 - 3 * m1**4) / variance**2 - 3
    return (skewness, kurtosis) if math.isfinite(skewness) and math.isfinite(kurtosis) else (0.0, math.inf)


def _wording(k: int, signed: float, error: float, standard: float, shift: float) -> str:
    off = plus_minus(signed, error, sign=True)
    if k == 1:
        return f"mean is off by {off} standard deviations of the law"
    if k > 2:
        return f"{NAMES[k]} about the law's mean is off by {off} standard deviations^{k} from {standard:.4g}"
    own = f" ({1 + signed - shift**2:.4g} about the sample's own mean)" if shift**2 > error else ""
    return f"variance is {plus_minus(1 + signed, error)} times that of the law{own}"
