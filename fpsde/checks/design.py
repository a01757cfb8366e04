"""What a check is designed for, and the rule that turns its statistic into a verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from fpsde.checks.result import CheckResult, Verdict
from fpsde.errors import InvalidInput
from fpsde.validation import finite, positive, probability

#: Probability with which an error of the stated resolution is seen, where the caller states none.
POWER = 0.999
#: Distance from one up to which a mass is that of a whole law.
WHOLE = 1e-6


@dataclass(frozen=True)
class Design:
    """Level ``alpha``, miss probability ``beta``, tolerance ``tau`` with its parts, and the ``effect`` to be seen."""

    alpha: float
    beta: float
    tau: float = 0.0
    parts: tuple[tuple[str, float], ...] = ()
    effect: float | None = None

    @classmethod
    def of(cls, *, alpha: Any, power: Any, tolerance: Any = 0.0, effect: Any = None) -> Design:
        """Return the design that a caller asks for, refusing what no check can be designed for."""
        beta = 1 - probability("power", power)
        if beta > 0.5:
            raise InvalidInput(f"power={power} is below one half; give one that a check can be relied on for, as 0.999")
        tau, parts = tolerance_of(tolerance)
        return cls(
            probability("alpha", alpha), beta, tau, parts, None if effect is None else positive("effect", effect)
        )

    def divided(self, n_checks: int) -> Design:
        """Return the design of each of ``n_checks`` components at equal shares of the level."""
        return replace(self, alpha=self.alpha / n_checks)

    def scaled(self, factor: float) -> Design:
        """Return the design for a statistic that moves by at most ``factor`` for each unit of the tolerance."""
        return replace(self, tau=factor * self.tau, parts=tuple((name, factor * value) for name, value in self.parts))

    def about(self, tau: float) -> Design:
        """Return the design with the tolerance ``tau`` of another statistic, its parts in the same proportion."""
        return self.scaled(tau / self.tau) if self.tau else replace(self, tau=tau)

    def without_effect(self) -> Design:
        """Return the design of a component that the declared effect does not speak of."""
        return replace(self, effect=None)


def tolerance_of(tolerance: Any) -> tuple[float, tuple[tuple[str, float], ...]]:
    """Return the total tolerance and its parts, from one number or from (name, value) pairs; bounds add linearly."""
    single = not isinstance(tolerance, Sequence) or isinstance(tolerance, str)
    pairs = [("stated", tolerance)] if single else tolerance
    parts = tuple((str(name), finite(f"tolerance {name!r}", value)) for name, value in pairs)
    for name, value in parts:
        if value < 0:
            raise InvalidInput(f"tolerance {name!r}={value} is negative; a tolerance is a bound: give 0 or more")
    return math.fsum(value for _, value in parts), tuple(part for part in parts if part[1] > 0)


def whole_mass(name: str, mass: float) -> None:
    """Refuse a law that is no probability: its mass is not one within ``WHOLE``."""
    if not abs(mass - 1) <= WHOLE:
        raise InvalidInput(
            f"{name} hold {mass:.9g} in all, not 1: give a law that is whole (a density divided by its integral, a "
            f"grid that reaches all of it, what was absorbed in cells of its own)"
        )


def judge(
    check: str,
    statistic: float,
    design: Design,
    *,
    threshold: float,
    resolution: float,
    p_value: float,
    n: int,
    unit: str,
    detail: str,
    largest: float = math.inf,
) -> CheckResult:
    """Return the result for a statistic cut at ``threshold``.

    FAIL above the threshold or where the statistic is not finite. UNDERPOWERED where no sample could pass the threshold
    (it is not below ``largest``), or where the resolution exceeds the declared effect. PASS otherwise.
    """  # fmt: skip
    verdict, note = _verdict(statistic, threshold, resolution, largest, design.effect)
    return CheckResult(
        check, verdict, _known(statistic), _known(threshold), design.tau, design.alpha, _known(resolution), n,
        p_value=p_value if math.isfinite(statistic) else 0.0, unit=unit, parts=design.parts,
        detail=f"{detail}; {_cut_in_words(threshold, design)}{note}",
    )  # fmt: skip


def _cut_in_words(threshold: float, design: Design) -> str:
    """Return where the threshold comes from: "cut at 0.0069 (0.001 allowed, 0.0059 sampling at level 5e-07)"."""
    allowed = f"{design.tau:.3g} allowed, " if design.tau else ""
    return f"cut at {threshold:.3g} ({allowed}{threshold - design.tau:.3g} for sampling at level {design.alpha:.3g})"


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _verdict(
    statistic: float, threshold: float, resolution: float, largest: float, effect: float | None
) -> tuple[Verdict, str]:
    if not math.isfinite(statistic):
        return Verdict.FAIL, f"; the statistic is {statistic}"
    if statistic > threshold:
        return Verdict.FAIL, ""
    if threshold >= largest:
        return (
            Verdict.UNDERPOWERED,
            f"; it cannot fail: nothing exceeds {largest:.3g}, and the cut is at {threshold:.3g}",
        )
    if effect is not None and resolution > effect:
        return Verdict.UNDERPOWERED, f"; it sees {resolution:.3g}, not the {effect:.3g} asked for: take a larger sample"
    return Verdict.PASS, ""


def bad_values(check: str, n_bad: int, n: int, design: Design) -> CheckResult:
    """Return the FAIL for a sample with values that are NaN or infinite: no law on the real line gives any."""
    detail = f"{n_bad} of {n} values are NaN or infinite; nothing was dropped, and nothing else was judged"
    return CheckResult(
        f"{check}: finite values", Verdict.FAIL, n_bad, 0.0, 0.0, design.alpha, 1.0, n, p_value=0.0, unit="values",
        detail=detail,
    )  # fmt: skip


def not_applicable(check: str, n: int | None, reason: str) -> CheckResult:
    """Return the result of a component whose question has no meaning here."""
    return CheckResult(check, Verdict.NOT_APPLICABLE, n=n, detail=reason)
