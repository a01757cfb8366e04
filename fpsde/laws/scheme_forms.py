"""The form of a scheme's step on a process in one dimension: a polynomial of its noise, or a monotone map of it."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from functools import lru_cache
from typing import Any

from fpsde.domain import LINE
from fpsde.errors import InvalidInput
from fpsde.laws.box_form import box_form
from fpsde.laws.metropolis_form import metropolis_form
from fpsde.laws.monotone_form import monotone_form
from fpsde.laws.polynomial_form import polynomial_form
from fpsde.laws.step_form import StepForm
from fpsde.laws.valued_form import valued_form
from fpsde.processes.black_box import BlackBox
from fpsde.schemes.scheme import Scheme
from fpsde.schemes.tracing import traced_step
from fpsde.schemes.walls import CORRECTED


@lru_cache(maxsize=64)
def step_form(scheme: Scheme, process: Any) -> StepForm:
    """Return the form of a scheme's step on a process; InvalidInput says what is possible where it has none."""
    if process.dim != 1:
        raise InvalidInput(
            f"{process.name} has dim={process.dim}; scheme_law takes processes of one dimension, and joint_scheme_law "
            "affine chains of any"
        )
    if isinstance(process, BlackBox):
        return box_form(scheme, process)
    interval = process.intervals[0]
    if interval.walled:
        traced_step(scheme, process)  # a scheme that has no form at these walls is refused with its own words
        if scheme.wall_form is not CORRECTED:
            raise InvalidInput(f"{scheme.name} has walls of its own kind; scheme_law knows the corrected ones only")
    free = replace(process, domain=LINE)
    step = traced_step(scheme, free)
    rejecting = metropolis_form(scheme, free, step)
    if rejecting is not None and interval.walled:
        raise InvalidInput(f"{scheme.name} on {process.name} rejects; scheme_law knows that on the whole line only")
    form = rejecting or polynomial_form(scheme, free, step)
    if form is not None:
        return form
    if interval.walled and not interval.periodic:
        raise InvalidInput(
            f"the step of {scheme.name} on {process.name} is no polynomial of degree 2 in one standard normal; at "
            "walls scheme_law takes those alone, such as that of euler_maruyama"
        )
    return monotone_form(valued_form(scheme, free, step))


def has_kinks(scheme: Scheme, process: Any) -> bool:
    """Return whether a step in one component is not smooth in x, such as that of tamed_euler where the drift is zero.

    Interpolation between nodes then settles slowly; laws on panels that end at the kinks do not.
    """
    with contextlib.suppress(InvalidInput):
        return step_form(scheme, process).switches is not None
    return False
