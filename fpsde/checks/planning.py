"""How many values a check needs: the smallest sample whose resolution is the effect that must be seen.

The resolution is the check's own (it does not depend on the data), so a plan and the result that it leads to agree.

*Two stages.* A screen at level gamma and, only where it fails, a confirmation on fresh values at level alpha/gamma:
both fail with probability alpha where nothing is wrong. This is the valid form of running a failed test again; the
screen needs some third of the values.

*At any time.* The distance sup|F_n - F| stays below

    0.85 sqrt((ln ln(e n) + 0.8 ln(1612/alpha))/n)

for all n at once with probability 1 - alpha: a sample that grows over many runs may be judged after each of them.

Sources: Howard & Ramdas (2022, Bernoulli 28, 1704), Corollary 2, for the last; the rest follows from ``radii``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fpsde.checks.band_test import band_result
from fpsde.checks.budget import SESSION_ALPHA
from fpsde.checks.design import POWER, Design, bad_values, judge
from fpsde.checks.distribution import density, sup_distance_of
from fpsde.checks.independence import correlation, correlation_result
from fpsde.checks.moment_tests import moment_result, moments, null_sums
from fpsde.checks.radii import point_radius
from fpsde.checks.result import CheckResult, Verdict
from fpsde.checks.samples import sample_of
from fpsde.checks.smooth_test import ORDER, scale_sensitivity, smooth_result
from fpsde.checks.two_samples import effective_pairs, same_law, two_band_result
from fpsde.density import Law, Normal
from fpsde.errors import InvalidInput, unknown_name
from fpsde.validation import positive, probability

#: No sample is larger than this.
LARGEST = 10**15


@dataclass(frozen=True)
class Plan:
    """``n`` values let ``check`` see ``effect`` with ``power`` at level ``alpha``, and resolve ``resolution``."""

    check: str
    effect: str
    n: int
    alpha: float
    power: float
    resolution: float

    def __str__(self) -> str:
        """Return the plan in a sentence."""
        return (
            f"{self.check}: n = {self.n:,} for {self.effect} with probability {self.power:g} at level {self.alpha:g} "
            f"(resolution {self.resolution:.3g})"
        )


Resolution = Callable[[int, Law, Design], CheckResult]


def _moment(order: int) -> Resolution:
    return lambda n, law, design: moment_result("plan", null_sums(n, law), law, order, design.divided(2))


def _scale(n: int, law: Law, design: Design) -> CheckResult:
    """Return the smooth test of a right sample, with its resolution as a relative error of the variance."""
    result = smooth_result("plan", np.zeros(ORDER), n, design.divided(2))
    seen = math.inf if result.resolution is None else result.resolution / scale_sensitivity(law)
    return replace(result, resolution=seen if math.isfinite(seen) else None)


#: What each check can be planned for: the result of the check for a right sample of n values.
QUANTITIES: dict[Callable[..., CheckResult], dict[str, Resolution]] = {
    moments: {"mean": _moment(1), "variance": _moment(2)},
    density: {
        "variance": _scale,
        "distribution": lambda n, law, design: band_result("plan", 0.0, 0.0, n, design.divided(2)),
    },
    same_law: {
        "variance": lambda n, law, design: _scale(effective_pairs(n, n), law, design),
        "distribution": lambda n, law, design: two_band_result("plan", 0.0, 0.0, n, n, design.divided(2)),
    },
    correlation: {"correlation": lambda n, law, design: correlation_result("plan", [(0.0, n, "")], design)},
}


def plan(
    check: Callable[..., CheckResult],
    *,
    effect: str,
    law: Law | None = None,
    alpha: float = SESSION_ALPHA,
    power: float = POWER,
) -> Plan:
    """Return the smallest sample with which ``check`` sees ``effect``.

    Parameters
    ----------
    check : ``checks.moments``, ``checks.density``, ``checks.correlation``, or ``checks.same_law``, whose two samples
        have as many values each
    effect : a quantity and its size: "variance 1%" (of the law's), "mean 0.01" (standard deviations of the law),
        "distribution 0.001" (sup|F_true - F|), "correlation 0.01"
    law : the law to be judged by, N(0, 1) unless given
    alpha, power : as the check is going to be asked

    Raises InvalidInput for a check, quantity or size that there is no plan for, with those that there are.
    """  # fmt: skip
    design = Design.of(alpha=alpha, power=power)
    if check not in QUANTITIES:
        known = ", ".join(f"checks.{f.__name__}" for f in QUANTITIES)
        raise InvalidInput(f"there is no plan for {getattr(check, '__name__', check)!r}; there are plans for {known}")
    quantity, size = _effect(effect, QUANTITIES[check])
    by_size, target = QUANTITIES[check][quantity], Normal(0.0, 1.0) if law is None else law

    def resolution(n: int) -> float:
        result = by_size(n, target, design)
        known = result.verdict is Verdict.PASS and result.resolution is not None
        return float(result.resolution) if known else math.inf  # type: ignore[arg-type]

    n = _smallest(lambda n: resolution(n) <= size, effect)
    return Plan(check.__name__, effect, n, alpha, power, resolution(n))


def _effect(text: str, known: dict[str, Any]) -> tuple[str, float]:
    """Return the quantity and the size in "variance 1%"."""
    match = re.fullmatch(r"\s*([a-z]+)\s+([-+.\deE]+)\s*(%?)\s*", text)
    if match is None:
        raise InvalidInput(f"effect={text!r} is no quantity and size; write one such as {next(iter(known))} 1%")
    if match[1] not in known:
        raise unknown_name("quantity", match[1], known)
    try:
        size = float(match[2])
    except ValueError:
        raise InvalidInput(f"effect={text!r}: {match[2]!r} is no number; write one such as {match[1]} 1%") from None
    return match[1], positive("effect", size) * (0.01 if match[3] else 1.0)


def _smallest(enough: Callable[[int], bool], effect: str) -> int:
    """Return the smallest n with ``enough(n)``, which is true from some n on."""
    high = 4
    while not enough(high):
        high *= 2
        if high > LARGEST:
            raise InvalidInput(f"no sample of up to {LARGEST:g} values shows {effect}; ask for a larger effect")
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def in_two_stages(
    judged: Callable[..., CheckResult],
    *,
    sizes: tuple[int, int],
    seeds: tuple[int, int],
    alpha: float = SESSION_ALPHA,
    screen: float = 0.05,
) -> CheckResult:
    """Return a check made in two stages: FAIL only where a screen and its confirmation on fresh values both fail.

    Parameters
    ----------
    judged : function (n, seed, alpha) that draws n values with a seed and returns a check of them at level alpha
    sizes, seeds : of the screen and of the confirmation; two different seeds
    alpha : false-alarm probability of the whole: ``screen`` times the level of the confirmation
    screen : level of the screen

    ``components`` of the result are the stages. Raises InvalidInput for equal seeds and where screen <= alpha.
    """
    level, first_level = probability("alpha", alpha), probability("screen", screen)
    if first_level <= level:
        raise InvalidInput(
            f"screen={screen} leaves nothing to confirm at alpha={alpha}; give a larger one, such as 0.05"
        )
    if seeds[0] == seeds[1]:
        raise InvalidInput(f"seeds={seeds} give one sample twice; the confirmation needs fresh values")
    stages = [judged(sizes[0], seeds[0], first_level)]
    if stages[0].verdict is Verdict.FAIL:
        stages.append(judged(sizes[1], seeds[1], level / first_level))
    last = stages[-1]
    told = "the screen holds" if len(stages) == 1 else f"the screen failed at level {first_level:g}"
    return replace(last, alpha=level, components=tuple(stages), detail=f"{told}; {last.detail}")


def any_time_radius(n: int, alpha: float) -> float:
    """Return r_n with P(sup|F_n - F| > r_n for any n) <= alpha."""
    return 0.85 * math.sqrt((math.log(math.log(math.e * n)) + 0.8 * math.log(1612 / alpha)) / n)


def density_at_any_time(
    sample: Any,
    law: Law,
    *,
    alpha: float = SESSION_ALPHA,
    tolerance: Any = 0.0,
    power: float = POWER,
    effect: float | None = None,
) -> CheckResult:
    """Return whether ``sample`` comes from ``law``, by a distance that may be asked for as often as the sample grows.

    Ask after each batch with all values so far: the probability that a right sampler ever fails is ``alpha`` in all.
    The rest as in ``density``.
    """
    design, data = Design.of(alpha=alpha, power=power, tolerance=tolerance, effect=effect), sample_of(sample)
    if data.n_bad:
        return bad_values("density at any time", data.n_bad, data.n, design)
    distance, where = sup_distance_of(data, law)
    threshold = design.tau + any_time_radius(data.n, design.alpha)
    return judge(
        "density at any time", abs(distance), design, threshold=threshold, n=data.n, largest=1.0,
        resolution=threshold + point_radius(data.n, design.beta),
        p_value=_ever(abs(distance) - design.tau, data.n), unit="probability",
        detail=f"largest difference is {abs(distance):.3g}, at x = {where:.4g}",
    )  # fmt: skip


def _ever(distance: float, n: int) -> float:
    """Return the level at which ``distance`` is the radius: the probability of ever being as far away as this now."""
    exponent = ((max(distance, 0.0) / 0.85) ** 2 * n - math.log(math.log(math.e * n))) / 0.8
    return min(1.0, 1612 * math.exp(-exponent)) if exponent > 0 else 1.0
