"""What must not change along a path, and sets that must not be left.

A conserved quantity is judged without statistics: no particle may be further from where it started than is allowed for
round-off. Leaving a set is judged by the exact binomial limit on the number of particles outside.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from fpsde.checks.agreement_test import agreement
from fpsde.checks.binomial_test import binomial_result
from fpsde.checks.budget import SESSION_ALPHA
from fpsde.checks.design import POWER, Design, bad_values, tolerance_of
from fpsde.checks.result import CheckResult
from fpsde.checks.samples import points_of
from fpsde.errors import InvalidInput
from fpsde.validation import finite


def conserved(values: Any, *, tolerance: Any) -> CheckResult:
    """Return whether a quantity keeps its value: |values[k] - values[0]| <= tolerance at all times, for all particles.

    Parameters
    ----------
    values : (m, n), the quantity at m times, m > 1, of n particles or paths (an energy, a norm, a total mass); (m,) is
        one path
    tolerance : positive, a number or (name, value) pairs that add: of k steps, round-off of order sqrt(k) eps |value|

    Nothing is random: ``alpha`` is 0, as in ``agreement``, which judges the numbers. NaN and infinite values make it
    FAIL.
    """
    q = np.asarray(values, dtype=np.float64)
    if q.ndim not in (1, 2) or len(q) < 2 or q.size < 2:
        raise InvalidInput(f"values have shape {q.shape}; give (m, n) or (m,) with two times or more")
    paths = q.reshape(len(q), -1)
    result = agreement(paths[1:], paths[:1], accuracy=tolerance, unit="unit of the quantity")
    bad = int(np.count_nonzero(~np.isfinite(q)))
    if bad:
        return bad_values("conserved", bad, q.size, Design(alpha=0.0, beta=0.0))
    change = np.abs(paths[1:] - paths[0])
    time, particle = (int(i) for i in np.unravel_index(int(np.argmax(change)), change.shape))
    told = (
        f"particle {particle} goes from {paths[0, particle]:.6g} to {paths[time + 1, particle]:.6g} at time {time + 1}"
    )
    return replace(
        result, check="conserved", n=paths.shape[1], detail=f"{told}; {tolerance_of(tolerance)[0]:.3g} allowed"
    )


def inside(
    sample: Any,
    contains: Callable[[np.ndarray], Any],
    *,
    allowed: float = 0.0,
    alpha: float = SESSION_ALPHA,
    power: float = POWER,
    effect: float | None = None,
) -> CheckResult:
    """Return whether points stay in a set, but for a probability of at most ``allowed``.

    Parameters
    ----------
    sample : (n,) or (d, n), or an object with one as ``.x``; independent points
    contains : function of x (n,), or (d, n) for d > 1, that returns (n,) bool: whether each is in the set
    allowed : probability of being outside, in [0, 1); with 0 one point outside is a FAIL
    power, effect : UNDERPOWERED unless a probability of being outside of ``effect`` is seen with this power

    NaN and infinite values make it FAIL.
    """
    design, mass = Design.of(alpha=alpha, power=power, effect=effect), finite("allowed", allowed)
    if not 0 <= mass < 1:
        raise InvalidInput(f"allowed={mass} is no probability of being outside; give 0 or more, below 1")
    x, n_bad = points_of(sample)
    if n_bad:
        return bad_values("inside", n_bad, x.size, design)
    held = np.asarray(contains(x if len(x) > 1 else x[0]))
    if held.dtype != bool or held.shape != x.shape[1:]:
        raise InvalidInput(
            f"contains returned dtype {held.dtype} and shape {held.shape} for {x.shape[1]} points; return one bool each"
        )
    outside, n = np.array([np.count_nonzero(~held)]), x.shape[1]
    none, tau = np.zeros(1), np.array([mass])  # no mass, known within what is allowed
    return binomial_result("inside", outside, none, n, tau=tau, names=["the outside"], design=design)
