"""The law of a chain whose steps are affine, x' = a_n x + c_n + b_n z:  scale X_0 + shift + std Z, by recursion."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from fpsde.density import Law, Mixture, Normal, Point, Uniform
from fpsde.domain import LINE, Interval
from fpsde.errors import InvalidInput, UnstableStep
from fpsde.laws.step_form import StepForm
from fpsde.smoothed import SmoothedUniform, affine_image

#: Size of a law beyond which a chain has exploded: higher moments of it overflow.
EXPLODED = 1e60


def is_closed(form: StepForm, initial: Law, domain: Interval) -> bool:
    """Return whether the law has a closed form: an affine step, a domain without ends, an initial law with an image."""
    return form.affine is not None and domain == LINE and _has_image(initial)


def _has_image(law: Law) -> bool:
    if isinstance(law, Mixture):
        return all(_has_image(part) for part in law.laws)
    return isinstance(law, (Point, Normal, Uniform, SmoothedUniform))


def closed_laws(form: StepForm, initial: Law, *, times: np.ndarray, steps: Sequence[int]) -> dict[int, Law]:
    """Return the law after each number of ``steps``, exact to round-off.

    scale' = a scale,   shift' = a shift + c,   std'^2 = a^2 std^2 + b^2
    """
    a, c, b = _coefficients(form, times)
    scale, shift, variance = 1.0, 0.0, 0.0
    laws: dict[int, Law] = {}
    wanted = set(steps)
    for n in range(len(times) - 1):
        scale, shift, variance = a[n] * scale, a[n] * shift + c[n], a[n] ** 2 * variance + b[n] ** 2
        if not max(abs(scale), abs(shift), variance) < EXPLODED:
            raise UnstableStep(
                f"{form.process.name} with dt={times[n + 1] - times[n]:.6g} explodes: a step is x' = {a[n]:.3g} x + "
                f"..., and after {n + 1} steps the mean is {shift:.3g}, the variance {variance:.3g}; take a smaller dt"
            )
        if n + 1 in wanted:
            laws[n + 1] = affine_image(initial, scale=scale, shift=shift, std=math.sqrt(variance))
    return laws


def _coefficients(form: StepForm, times: np.ndarray) -> list[list[float]]:
    """Return a, c and b of every step."""
    assert form.affine is not None
    rows = form.rows(times)
    with np.errstate(all="ignore"):
        values = np.stack([np.broadcast_to(v, len(rows)) for v in form.affine(*rows.T)])
    bad = ~np.isfinite(values).all(axis=0)
    if bad.any():
        n = int(np.argmax(bad))
        a, c, b = values[:, n]
        raise InvalidInput(
            f"the step at t={times[n]:.6g} with dt={times[n + 1] - times[n]:.6g} is x' = {a} x + {c} + {b} z, not "
            f"finite; the conditions of {form.scheme.name}: {form.scheme.conditions}"
        )
    return values.tolist()
