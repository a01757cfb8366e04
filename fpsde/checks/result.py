"""What a check returns: a verdict, and every number needed to judge the judge.

A check rejects when statistic > threshold = tau + r(alpha): tau bounds the known deterministic difference, r is the
sampling radius. An error of size resolution = tau + r(alpha) + r(beta) is seen with probability 1 - beta, so a check
without a resolution proves nothing.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from fpsde.errors import InvalidInput
from fpsde.validation import finite


class Verdict(enum.Enum):
    """What a check found."""

    PASS = "pass"  #: no difference above the threshold, and one of the declared size would have been seen
    FAIL = "fail"
    UNDERPOWERED = "underpowered"  #: the sample cannot resolve what it should: neither pass nor fail
    NOT_JUDGED = "not judged"  #: the reference itself is in doubt
    NOT_APPLICABLE = "not applicable"  #: the question has no meaning here (a moment that does not exist)


#: Verdicts that decide a combination, the strongest first; the others are neutral.
_DECIDING = (Verdict.FAIL, Verdict.UNDERPOWERED, Verdict.PASS, Verdict.NOT_JUDGED)


@dataclass(frozen=True)
class CheckResult:
    """The outcome of one check. Numbers are finite, or None where they have no meaning.

    ``statistic``, ``threshold``, ``tolerance`` and ``resolution`` share one ``unit``. ``tolerance`` is the sum of its
    ``parts`` (name, value). ``n`` is the effective sample size. ``detail`` says what was seen, in words with numbers.
    ``components`` holds the results that a combined check was decided from; then ``alpha`` is what they spent
    together, and the other numbers are those of the one that decided.
    """

    check: str
    verdict: Verdict
    statistic: float | None = None
    threshold: float | None = None
    tolerance: float | None = None
    alpha: float | None = None
    resolution: float | None = None
    n: int | None = None
    p_value: float | None = None
    unit: str = ""
    detail: str = ""
    parts: tuple[tuple[str, float], ...] = ()
    components: tuple[CheckResult, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.verdict, Verdict):
            raise InvalidInput(f"verdict {self.verdict!r} is not one of {', '.join(str(v) for v in Verdict)}")
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and not isinstance(value, str | enum.Enum | tuple):
                object.__setattr__(self, field.name, int(value) if field.name == "n" else finite(field.name, value))

    def __str__(self) -> str:
        """Return the verdict and its numbers in one line."""
        numbers = [
            f"{name} {value:.4g}" + (f" {self.unit}" if self.unit and name == "statistic" else "")
            for name, value in (
                ("statistic", self.statistic),
                ("threshold", self.threshold),
                ("resolution", self.resolution),
                ("level", self.alpha),
            )
            if value is not None
        ]
        numbers += [] if self.n is None else [f"n {self.n}"]
        return f"{self.check}: {self.verdict.value}" + (f" ({', '.join(numbers)})" if numbers else "")

    @property
    def holds(self) -> bool:
        """Whether the verdict is a pass."""
        return self.verdict is Verdict.PASS

    def as_dict(self) -> dict[str, Any]:
        """Return the record as JSON can hold it: numbers, strings, None, lists and dictionaries of them."""
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        components = [part.as_dict() for part in self.components]
        return plain | {"verdict": self.verdict.value, "parts": dict(self.parts), "components": components}


def combined_verdict(verdicts: Iterable[Verdict]) -> Verdict:
    """Return FAIL if any fails, else UNDERPOWERED if any is, else PASS; the other verdicts are neutral."""
    given = set(verdicts)
    return next((v for v in _DECIDING if v in given), Verdict.NOT_APPLICABLE)


def combined(components: Sequence[CheckResult], *, alpha: float | None = None) -> CheckResult:
    """Return one result for several, with the verdict of :func:`combined_verdict` and the numbers of one of them.

    That one is the failure with the smallest p-value for its level, else the first with the combined verdict; its name
    says which part of the check it is ("density: distribution function"). ``alpha`` is the level of the whole.
    """
    if not components:
        raise InvalidInput("there are no results to combine; give at least one")
    verdict = combined_verdict(part.verdict for part in components)
    deciding = min((part for part in components if part.verdict is verdict), key=_surprise)
    return replace(deciding, alpha=deciding.alpha if alpha is None else alpha, components=tuple(components))


def _surprise(part: CheckResult) -> float:
    """Return a key that is smallest for the failed component that stands out most."""
    if part.verdict is not Verdict.FAIL:
        return 0.0
    return part.p_value / part.alpha if part.p_value is not None and part.alpha else -math.inf
