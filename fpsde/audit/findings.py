"""What an audit returns: a verdict for each level of the chain of laws, the first level that fails, and what is off."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fpsde.checks import CheckResult, Verdict, combined_verdict

#: The chain of laws, in the order in which it is judged: what needs no sample comes first.
ALGEBRA, PROBE, LAW, ORDER, MARGINALS, END = LEVELS = (
    "algebra",
    "affine probe",
    "exact law",
    "order",
    "marginals",
    "end law",
)


class Quantity(enum.Enum):
    """What is off."""

    SHAPE = "shape of the result"
    FINITE = "finite values"
    DETERMINISM = "determinism"
    SEED = "seed"
    COUPLING = "independence of particles"
    SERIAL = "serial dependence"
    MEAN = "mean coefficient"
    VARIANCE = "variance"
    GRID = "step grid"
    LAST = "last step"
    NOISE = "law of the noise"
    LAW = "shape of the law"
    ORDER = "order"
    MASS = "mass"
    SIGN = "positivity"
    WEIGHT = "weights"
    TABLE = "table of values"
    UNIT = "unit"


@dataclass(frozen=True)
class Level:
    """One level: its verdict (None: not reachable through this door), what is off, and what was seen, in words.

    ``results`` are the checks that decided it.
    """

    name: str
    verdict: Verdict | None
    quantity: Quantity | None = None
    detail: str = ""
    results: tuple[CheckResult, ...] = ()

    @property
    def said(self) -> str:
        """The verdict in words."""
        return "not reachable" if self.verdict is None else self.verdict.value

    def as_dict(self) -> dict[str, Any]:
        """Return the record as JSON can hold it."""
        return {
            "level": self.name,
            "verdict": self.said,
            "quantity": None if self.quantity is None else self.quantity.value,
            "detail": self.detail,
            "checks": [result.as_dict() for result in self.results],
        }


@dataclass(frozen=True)
class Audit:
    """The audit of one piece of code: ``levels`` in the order of the chain; after the first failure none is judged.

    ``subject`` is what the code claims to be. ``alpha`` bounds the probability that right code fails.
    """

    subject: str
    door: str
    levels: tuple[Level, ...]
    alpha: float

    @property
    def verdict(self) -> Verdict:
        """FAIL if a level fails, else UNDERPOWERED if one is, PASS if every level that was judged holds."""
        return combined_verdict(level.verdict for level in self.levels if level.verdict is not None)

    @property
    def holds(self) -> bool:
        """Whether no level fails and at least one was judged."""
        return self.verdict is Verdict.PASS

    @property
    def deciding(self) -> Level | None:
        """The first level that has the verdict of the whole, where that is no pass."""
        return None if self.holds else next((one for one in self.levels if one.verdict is self.verdict), None)

    @property
    def level(self) -> str | None:
        """The name of the first level that does not hold."""
        return None if self.deciding is None else self.deciding.name

    @property
    def quantity(self) -> Quantity | None:
        """What is off there."""
        return None if self.deciding is None else self.deciding.quantity

    @property
    def exit_code(self) -> int:
        """0 if it holds, 1 if a level fails, 2 else."""
        return 0 if self.holds else 1 if self.verdict is Verdict.FAIL else 2

    @property
    def detail(self) -> str:
        """What was seen at the level that decides, in words; empty where all hold."""
        return "" if self.deciding is None else f"{self.deciding.name}: {self.deciding.detail}"

    def as_dict(self) -> dict[str, Any]:
        """Return {"verdict", "level", "quantity", "levels": [...]}, what the audit was of, and the fields of a check.

        So ``fpsde_check(fpsde.audit.step, my_step, claim)`` in a test, and the reports of a session, take it as one.
        """
        as_check = CheckResult(f"audit of {self.subject}", self.verdict, alpha=self.alpha, detail=self.detail)
        return as_check.as_dict() | {
            "verdict": self.verdict.value,
            "level": self.level,
            "quantity": None if self.quantity is None else self.quantity.value,
            "levels": [level.as_dict() for level in self.levels],
            "subject": self.subject,
            "door": self.door,
            "alpha": self.alpha,
        }

    def __str__(self) -> str:
        """One line for each level."""
        head = f"{self.subject}, handed over as {self.door}: {self.verdict.value}"
        if self.deciding is not None:
            head += f" at the level {self.level!r}" + (f": {self.quantity.value} is off" if self.quantity else "")
        unknown = [one.name for one in self.levels if one.verdict is Verdict.NOT_JUDGED]
        if self.holds and unknown:
            head += f" at every level that could be judged; not judged: {', '.join(unknown)}"
        return "\n".join([head, *(f"  {one.name:13s}{one.said:15s}{one.detail}" for one in self.levels)])


Judge = Callable[[], Level]


def judged(subject: str, door: str, judges: dict[str, Judge | str], alpha: float) -> Audit:
    """Return the audit: levels are judged in order until one fails; a string says why a level cannot be reached."""
    found: list[Level] = []
    for name in LEVELS:
        judge = judges.get(name, f"{door} does not reach it")
        failed = next((one.name for one in found if one.verdict is Verdict.FAIL), None)
        if isinstance(judge, str):
            found.append(Level(name, None, detail=judge))
        elif failed:
            found.append(Level(name, Verdict.NOT_JUDGED, detail=f"the level {failed!r} fails"))
        else:
            found.append(judge())
    return Audit(subject, door, tuple(found), alpha)


def fails(name: str, quantity: Quantity, detail: str) -> Level:
    """Return a level that fails without sampling."""
    return Level(name, Verdict.FAIL, quantity, detail)


def holds(name: str, detail: str) -> Level:
    """Return a level that holds without sampling."""
    return Level(name, Verdict.PASS, detail=detail)


def of_checks(name: str, results: Sequence[CheckResult], quantity_of: Callable[[CheckResult], Quantity]) -> Level:
    """Return the level that several checks decide; the first that fails says what is off."""
    verdict = combined_verdict(result.verdict for result in results)
    first = next((result for result in results if result.verdict is verdict), results[0])
    quantity = quantity_of(first) if verdict is Verdict.FAIL else None
    names = "; ".join(result.check for result in results)
    detail = names if verdict is Verdict.PASS else f"{first.check}: {first.detail}"
    return Level(name, verdict, quantity, detail, tuple(results))
