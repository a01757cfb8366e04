"""What a step with more than a new position returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Advance:
    """New positions ``x`` (d,), new auxiliary state by name, and the condition(s) under which the step failed."""

    x: Any
    aux: Mapping[str, Any] = field(default_factory=dict)
    failed: Any = None
