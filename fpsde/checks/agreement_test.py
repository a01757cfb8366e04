"""Numbers without sampling error against what they should be: nothing is random, and the known error is stated."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fpsde.checks.design import tolerance_of
from fpsde.checks.result import CheckResult, Verdict
from fpsde.errors import InvalidInput
from fpsde.validation import positive


def agreement(values: Any, expected: Any, *, accuracy: Any, effect: float | None = None, unit: str = "") -> CheckResult:
    """Return whether ``values`` are ``expected``: the statistic is the largest |values - expected|.

    Parameters
    ----------
    values, expected : numbers or arrays of shapes that broadcast
    accuracy : bound on the error of the difference itself, a number or (name, value) pairs that add; positive
    effect : UNDERPOWERED unless a difference of this size is seen for certain, that is, above 2 ``accuracy``

    FAIL above ``accuracy``, and where a difference is not finite. ``alpha`` is 0. Raises InvalidInput for other shapes.
    """  # fmt: skip
    tau, parts = tolerance_of(accuracy)
    positive("accuracy", tau)
    try:
        found, wanted = np.broadcast_arrays(np.asarray(values, dtype=float), np.asarray(expected, dtype=float))
    except ValueError as error:
        raise InvalidInput(f"values of shape {np.shape(values)} and expected of shape {np.shape(expected)}") from error
    if found.size == 0:
        raise InvalidInput("there are no values to compare; give at least one")
    apart = np.abs(found - wanted).ravel()
    worst = int(np.argmax(np.where(np.isfinite(apart), apart, np.inf)))
    statistic, resolution = float(apart[worst]), 2 * tau
    verdict, note = Verdict.PASS, ""
    if not statistic <= tau:
        verdict = Verdict.FAIL
    elif effect is not None and resolution > effect:
        verdict, note = Verdict.UNDERPOWERED, f"; it sees {resolution:.3g}, not the {effect:.3g} asked for"
    return CheckResult(
        "agreement", verdict, statistic if math.isfinite(statistic) else None, tau, tau, 0.0, resolution, found.size,
        unit=unit, parts=parts,
        detail=f"{found.ravel()[worst]:.8g} where {wanted.ravel()[worst]:.8g} is expected; {tau:.3g} allowed{note}",
    )  # fmt: skip
