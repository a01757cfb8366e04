"""A claim of a note as an experiment: what is claimed, what was computed, and the verdict that follows from it."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from fpsde.checks import CheckResult, Verdict, combined_verdict
from fpsde.errors import InvalidInput, unknown_name
from fpsde.ledger import share_of_check
from fpsde.validation import finite, integer

#: Checks by what they look at.
Checks = Mapping[str, CheckResult]
#: Draws on the axes of a figure of matplotlib.
Draw = Callable[[Any], None]


class Ruling(enum.Enum):
    """What an experiment found of a claim."""

    HOLDS = "holds"  #: every check of the claim as written passes
    HOLDS_IF = "holds if"  #: they pass where its condition is met, and fail where it is not
    FAILS = "fails"  #: as written it fails a check; the corrected formula, where there is one, passes
    UNDERPOWERED = "underpowered"  #: the samples are too small to say
    IN_DOUBT = "in doubt"  #: the corrected formula fails too, or a check had no meaning: look at the experiment


@dataclass(frozen=True, eq=False)
class Evidence:
    """What an experiment computed: checks of the claim as written (where there is a condition, inside of it), outside
    of its condition, of the corrected formula, and of rivals, which the same checks must refuse; and its figure.
    """

    written: Checks
    draw: Draw
    outside: Checks = field(default_factory=dict)
    corrected: Checks = field(default_factory=dict)
    rivals: Checks = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.written:
            raise InvalidInput("an experiment without a check of the claim as written shows nothing; give one")

    @property
    def ruling(self) -> Ruling:
        """The verdict on the claim, from the verdicts of the checks alone."""
        inside, right = _of(self.written), _of(self.corrected)
        if inside is Verdict.FAIL:
            return Ruling.FAILS if not self.corrected or right is Verdict.PASS else _undecided(right)
        if inside is not Verdict.PASS:
            return _undecided(inside)
        if any(result.verdict is not Verdict.FAIL for result in self.rivals.values()):
            return Ruling.UNDERPOWERED
        if not self.outside:
            return Ruling.HOLDS
        beyond = {result.verdict for result in self.outside.values()}
        if beyond <= {Verdict.PASS, Verdict.FAIL}:  # one case that passes outside: there the condition is not needed
            return Ruling.HOLDS_IF if beyond == {Verdict.FAIL} else Ruling.HOLDS
        return _undecided(*(beyond - {Verdict.PASS, Verdict.FAIL}))


def _of(results: Checks) -> Verdict:
    return combined_verdict(result.verdict for result in results.values())


def _undecided(*verdicts: Verdict) -> Ruling:
    return Ruling.UNDERPOWERED if Verdict.UNDERPOWERED in verdicts else Ruling.IN_DOUBT


class Lab:
    """What an experiment works with: ``p``, its parameters by name, a ``seed``, and levels for its checks."""

    def __init__(self, parameters: Mapping[str, float], *, seed: int, alpha: float) -> None:
        self.p = SimpleNamespace(**parameters)
        self.seed = seed
        self._alpha, self._given = alpha, 0

    def level(self) -> float:
        """Return the false-alarm probability of the next check: all levels together stay below that of the claim."""
        self._given += 1
        return share_of_check(self._given, self._alpha, None)


@dataclass(frozen=True, eq=False)
class Claim:
    """A claim and its experiment. Formulas are LaTeX, one a line; ``derivation`` is three sentences with $formulas$.

    ``parameters`` can be changed; those in ``small`` make the experiment a quick one. Where a claim is expected to
    hold, ``twist`` is among the parameters: it multiplies the one thing that is claimed, so that any other value than
    1 makes a claim that must fail.
    """

    id: str
    title: str
    statement: str
    correction: str
    condition: str
    derivation: tuple[str, str, str]
    parameters: Mapping[str, float]
    small: Mapping[str, float]
    experiment: Callable[[Lab], Evidence]

    def set(self, settings: Mapping[str, float], *, reduced: bool = False) -> dict[str, float]:
        """Return the parameters of a run: its own, in the ``reduced`` size if asked for, and ``settings`` over them.

        Raises InvalidInput for a name that is none of them, a number that is not finite, and a count that is not whole.
        """
        values = {**self.parameters, **(self.small if reduced else {})}
        for name, value in settings.items():
            if name not in values:
                raise unknown_name(f"parameter of {self.id}", name, values)
            whole = isinstance(values[name], int)
            values[name] = integer(name, value, least=1) if whole else finite(name, value)
        return values


def claim(
    id: str,
    title: str,
    *,
    statement: str,
    derivation: tuple[str, str, str],
    correction: str = "",
    condition: str = "",
    small: Mapping[str, float] | None = None,
    **parameters: float,
) -> Callable[[Callable[[Lab], Evidence]], Claim]:
    """Return the decorator that makes a :class:`Claim` of its experiment; further arguments are its parameters."""

    def of(experiment: Callable[[Lab], Evidence]) -> Claim:
        return Claim(id, title, statement, correction, condition, derivation, parameters, dict(small or {}), experiment)

    return of
