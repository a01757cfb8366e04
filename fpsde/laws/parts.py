"""Steps that are made of parts, taken together again so that each has the noise of one part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from fpsde.schemes.advance import Advance
from fpsde.schemes.scheme import Scheme


def noisy_parts(scheme: Scheme) -> tuple[Scheme, ...]:
    """Return the steps that a scheme is made of, with the noise of one part each; none where there is one noise alone.

    A sum over the noise of several parts has as many points as the product of theirs, a product of operators their sum.
    """
    groups: list[list[Scheme]] = []
    for part in scheme.parts:
        if not groups or (part.inputs and any(other.inputs for other in groups[-1])):
            groups.append([])
        groups[-1].append(part)
    return () if len(groups) < 2 else tuple(_together(group) for group in groups)


def _together(parts: Sequence[Scheme]) -> Scheme:
    inputs = next((part.inputs for part in parts if part.inputs), ())
    return replace(parts[0], step=partial(_in_turn, [part.step for part in parts]), inputs=inputs)


def _in_turn(steps: Sequence[Callable[..., Any]], model: Any, x: Any, t: Any, dt: Any, noise: Any) -> Any:
    for step in steps:
        moved = step(model, x, t, dt, noise)
        x = moved.x if isinstance(moved, Advance) else moved
    return x
