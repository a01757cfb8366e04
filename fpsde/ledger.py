"""The checks of one test: each at its share of the false-alarm probability that the test may spend.

A session divides its probability before the first test, so a share is known when a check is made and its verdict is
final at once. Within a test, k declared checks get alpha/k each; where none are declared, the k-th gets
alpha/(k (k + 1)), and these add up to alpha for any number of them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fpsde.errors import InvalidInput


def shares(weights: Mapping[str, float], alpha: float) -> dict[str, float]:
    """Return the level of each test of a session: alpha_i = alpha w_i / sum(w)."""
    total = sum(weights.values())
    return {test: alpha * weight / total for test, weight in weights.items()}


def share_of_check(k: int, alpha: float, declared: int | None) -> float:
    """Return the level of the k-th check, k = 1, 2, ..., of a test that may spend ``alpha``."""
    return alpha / (k * (k + 1)) if declared is None else alpha / declared


class CheckFailed(AssertionError):
    """A check found a difference."""


class CheckUnderpowered(AssertionError):
    """A check could not have seen the difference that it is there for, or has no meaning: neither pass nor fail."""


@dataclass
class Ledger:
    """The checks of one test, each recorded when it is made; a check that does not hold raises.

    ``alpha`` is what the test may spend, ``declared`` the number of checks that share it equally, ``seed`` the seed of
    the test, ``replay`` the line that repeats it. ``record`` is called with each result as a dictionary.
    """

    alpha: float
    seed: int
    replay: str
    declared: int | None = None
    record: Callable[[dict[str, Any]], None] = lambda row: None
    results: list[Any] = field(default_factory=list)
    levels_given: int = 0

    def __call__(self, check: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Return the result of ``check(*arguments, **options)``, made at the next level of this test.

        ``check`` is any function of :mod:`fpsde.checks`, or one of your own that returns a record of that form; it gets
        ``alpha`` if it takes one. Raises CheckFailed and CheckUnderpowered where it does not hold, and InvalidInput
        where more checks are made than were declared, or a level is chosen by hand.
        """
        __tracebackhide__ = True  # a failure points at the line of the test
        if "alpha" in options:
            raise InvalidInput(
                f"alpha={options['alpha']!r}, but the level of a check is its share of the session's; leave it out, "
                f"and give the test a larger share with @pytest.mark.fpsde(weight=...)"
            )
        if "alpha" in inspect.signature(check).parameters:
            options["alpha"] = self._next_level()
        result = check(*arguments, **options)
        self.results.append(result)
        self.record(result.as_dict())
        self._raise_unless_it_holds(result)
        return result

    def _next_level(self) -> float:
        if self.declared is not None and self.levels_given >= self.declared:
            raise InvalidInput(
                f"this test declares checks={self.declared} and makes another one; declare as many as it makes, "
                f"@pytest.mark.fpsde(checks={self.declared + 1})"
            )
        self.levels_given += 1
        return share_of_check(self.levels_given, self.alpha, self.declared)

    def _raise_unless_it_holds(self, result: Any) -> None:
        __tracebackhide__ = True
        if not result.holds:
            kind = CheckFailed if result.verdict.value == "fail" else CheckUnderpowered
            raise kind("\n".join([str(result), result.detail, f"seed {self.seed}; again: {self.replay}"]))
