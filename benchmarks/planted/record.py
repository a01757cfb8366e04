"""What is planted: a name, where the defect was met, and its audit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fpsde.audit import Audit


@dataclass(frozen=True)
class Planted:
    """A piece of code by the family that it belongs to; ``right`` code must pass, every other must fail.

    ``source`` is a report of the defect (repository and number), a page, or the mistake in words.
    """

    family: str
    name: str
    source: str
    audited: Callable[[], Audit]
    right: bool = False
