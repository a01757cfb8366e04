"""The law of a chain whose steps are affine, x' = a_n x + c_n + b_n z:  scale X_0 + N(shift, std^2), by recursion."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from fpsde.density import Law, Mixture, Normal, Point, Uniform
from fpsde.domain import LINE
from fpsde.laws.step_form import StepForm
from fpsde.smoothed import SmoothedUniform, affine_image


def is_closed(form: StepForm, initial: Law, domain: object) -> bool:
    """Return whether the law is known in closed form: an affine step, no end of the domain, an initial law with an image."""
    return form.affine is not None and domain == LINE and _has_image(initial)


def _has_image(law: Law) -> bool:
    if isinstance(law, Mixture):
        return all(_has_image(part) for part in law.laws)
    return isinstance(law, (Point, Normal, Uniform, SmoothedUniform))


def closed_laws(form: StepForm, initial: Law, *, times: np.ndarray, steps: Sequence[int]) -> dict[int, Law]:
    """Return the law after each number of ``steps``, exact to round-off.

        scale' = a scale,   shift' = a shift + c,   std'^2 = a^2 std^2 + b^2
    """
    assert form.affine is not None
    rows = form.rows(times)
    a, c, b = (np.broadcast_to(v, len(rows)).tolist() for v in form.affine(*rows.T))
    scale, shift, variance = 1.0, 0.0, 0.0
    laws = {0: initial}
    wanted = set(steps)
    for n in range(len(rows)):
        scale, shift, variance = a[n] * scale, a[n] * shift + c[n], a[n] ** 2 * variance + b[n] ** 2
        if n + 1 in wanted:
            laws[n + 1] = affine_image(initial, scale=scale, shift=shift, std=math.sqrt(variance))
    return laws
