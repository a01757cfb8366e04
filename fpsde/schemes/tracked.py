"""What a run carries along beside the state of a scheme: functionals, passages, values held from an earlier time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fpsde.errors import InvalidInput
from fpsde.user_code import refuse_other_arguments
from fpsde.validation import finite


@dataclass(frozen=True, eq=False)
class Tracked:
    """One number for each particle, updated after every step by a traced function.

        value' = update(value, before, after, t, dt, p)

    ``before`` and ``after`` are what observers see at the ends of the step, ``(d,)`` components each; ``t`` is the time
    before the step, ``t + dt`` that after it. ``start`` is the value before the first step, a number. With auxiliary
    state of a scheme in view, ``update`` may read it by name from ``aux`` where it takes a seventh argument.
    """

    name: str
    update: Callable[..., Any]
    start: float = 0.0
    reads_state: bool = False  #: whether ``update`` takes the auxiliary state (name -> (d,)) as its last argument

    def __post_init__(self) -> None:
        if not (isinstance(self.name, str) and self.name):
            raise InvalidInput(f"name={self.name!r} of a tracked value; give a word")
        if not callable(self.update):
            raise InvalidInput(
                f"update={self.update!r} of {self.name}; give a function of value, before, after, t, dt, p"
            )
        finite("start", self.start)
        more = ("aux",) if self.reads_state else ()
        refuse_other_arguments(
            f"update of {self.name}", self.update, ("value", "before", "after", "t", "dt", "p", *more)
        )
