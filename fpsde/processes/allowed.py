"""What the parameters of a process may be, stated once: its factory reads it, and a batch all of its members by it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from fpsde.errors import InvalidInput, unknown_name
from fpsde.user_code import raised_at
from fpsde.validation import REAL, Range, within


@dataclass(frozen=True)
class Condition:
    """What several parameters have to obey together: 2 kappa theta >= sigma^2, for instance.

    Parameters
    ----------
    holds : function of p, the parameters by name, written with operators and NumPy ufuncs: of numbers, or of arrays
        ``(m,)`` for m members of a batch. It is asked where each of them is in its own range.
    words : function of p, of numbers: what is said where it does not hold.
    """

    holds: Callable[[Any], Any]
    words: Callable[[Any], str]


@dataclass(frozen=True, init=False)
class Allowed:
    """The values that the parameters of a process may have: a :class:`~fpsde.validation.Range` for each by name.

        Allowed(Condition(...), ..., kappa=POSITIVE, theta=POSITIVE, sigma=POSITIVE)

    Arrays have each of their entries in the range. All values that are allowed give processes of the same formulas
    and walls.
    """

    conditions: tuple[Condition, ...]
    ranges: Mapping[str, Range]

    def __init__(self, *conditions: Condition, **ranges: Range) -> None:
        given = (*conditions, *ranges.values())
        wrong = [one for one in given if not (isinstance(one, Condition | Range) and callable(one.holds))]
        if wrong or any(isinstance(one, Range) for one in conditions):
            raise InvalidInput(
                "Allowed takes Conditions and, by the name of a parameter, a Range such as fpsde.POSITIVE; "
                f"not {(wrong or conditions)[0]!r}"
            )
        object.__setattr__(self, "conditions", conditions)
        object.__setattr__(self, "ranges", ranges)

    def numbers(self, *values: Any) -> tuple[float, ...]:
        """Return the numbers of all parameters, in the order in which they are stated; InvalidInput for a wrong one."""
        named = zip(self.ranges.items(), values, strict=True)
        given = {name: within(name, value, allowed) for (name, allowed), value in named}
        self._refuse_together(given)
        return tuple(given.values())

    def refuse(self, values: Mapping[str, Any]) -> None:
        """Raise InvalidInput for finite numbers and arrays, by name, that are not allowed."""
        for name, allowed in self.ranges.items():
            for value in np.ravel(values[name]).tolist():
                within(name, value, allowed)
        self._refuse_together(values)

    def _refuse_together(self, values: Mapping[str, Any]) -> None:
        p = SimpleNamespace(**values)
        for condition in self.conditions:
            if not _said(condition, p):
                raise InvalidInput(condition.words(p))

    def of_each(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return whether the values of each of m members, finite arrays ``(m, ...)`` by name, are allowed: ``(m,)``."""
        good = [
            np.all(_said(self.ranges.get(name, REAL), v), axis=tuple(range(1, v.ndim)))
            for name, v in values.items()
        ]
        out = np.logical_and.reduce(good)
        p = SimpleNamespace(**values)
        for condition in self.conditions:
            out = out & _said(condition, p)
        return out


def _said(one: Condition | Range, given: Any) -> Any:
    """Return whether it holds for numbers, or for each member of arrays; InvalidInput where it cannot be asked."""
    try:
        with np.errstate(all="ignore"):
            return one.holds(given)
    except (TypeError, ValueError, AttributeError) as error:
        raise InvalidInput(
            f"{raised_at(error)}: {error}; write holds with operators and NumPy's functions, which take the arrays of "
            "all members of a batch too: & in place of and, (v > 0) & (v < 1) in place of 0 < v < 1"
        ) from error


def refuse_forbidden(allowed: Any, params: Mapping[str, Any], name: str) -> None:
    """Raise InvalidInput for parameters of a process that are not allowed, or for what states it not of them."""
    if not isinstance(allowed, Allowed):
        raise InvalidInput(f"allowed={allowed!r}; give fpsde.Allowed(theta=fpsde.POSITIVE, ...)")
    for one in allowed.ranges:
        if one not in params:
            raise unknown_name(f"parameter of {name}", one, params)
    allowed.refuse(params)
