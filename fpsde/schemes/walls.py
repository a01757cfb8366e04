"""What the walls do to a particle after a step, written like a scheme: with operators and NumPy ufuncs.

Reflecting: the position is mirrored at the wall (symmetrised Euler; Bossy, Gobet & Talay, J. Appl. Probab. 41 (2004)
877): weak order 1. Absorbing: a particle whose end points are inside may have crossed in between; given both ends, the
Brownian bridge crosses a wall at b with probability exp(-2 (b - x)(b - x')/(sigma^2 dt)) (Gobet, Stoch. Proc. Appl. 87
(2000) 167): weak order 1, against 1/2 without it. An absorbed particle stays exactly on the wall.

Each component has its own walls. What a wall does to components whose noise is correlated with it: ``conormal.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsde.domain import Interval, Wall


def mirrored(interval: Interval, moved: Any, low: Any, high: Any) -> Any:
    """Return ``moved`` mirrored at the reflecting walls of the interval until it is inside."""
    if interval.low_wall is Wall.REFLECTING and interval.high_wall is Wall.REFLECTING:
        length = high - low
        turned = low + np.fabs((moved - low) - 2.0 * length * np.rint((moved - low) / (2.0 * length)))
        return np.minimum(turned, high)  # rounding may leave it a last bit above
    if interval.low_wall is Wall.REFLECTING:
        return low + np.fabs(moved - low)
    if interval.high_wall is Wall.REFLECTING:
        return high - np.fabs(high - moved)
    return moved


def wound(moved: Any, low: Any, high: Any) -> Any:
    """Return ``moved`` by whole turns of the circle [low, high) inside of it."""
    middle, length = 0.5 * (low + high), high - low
    turned = moved - length * np.rint((moved - middle) / length)
    # rounding may leave it a last bit outside
    turned = np.where(turned < low, turned + length, turned)
    return np.where(turned >= high, low, turned)


def crossing(x: Any, moved: Any, wall: Any, variance: Any) -> Any:
    """Return the probability that a Brownian bridge from ``x`` to ``moved``, of this variance, touches ``wall``."""
    return np.exp(-2.0 * np.maximum((wall - x) * (wall - moved), 0.0) / variance)


@dataclass(frozen=True)
class WallForm:
    """How a scheme treats walls: every scheme as ``CORRECTED``, but for the negative controls of ``controls.py``."""

    reflected: Callable[..., Any]  #: (interval, moved, low, high) -> where the reflecting walls put a particle
    touched: Callable[..., Any]  #: (x, moved, wall, variance) -> probability that an absorbing wall was touched


CORRECTED = WallForm(reflected=mirrored, touched=crossing)


def applied(
    interval: Interval,
    x: Any,
    moved: Any,
    *,
    low: Any,
    high: Any,
    variance: Any,
    uniform: Any,
    form: WallForm = CORRECTED,
) -> Any:
    """Return ``moved`` after the walls of ``interval`` at ``low`` and ``high``.

    ``x`` is the position before the step, ``variance`` the variance sigma(x, t)^2 dt of the step and ``uniform`` a
    uniform variable; the last two are read at absorbing walls only.
    """
    if interval.periodic:
        return wound(moved, low, high)
    moved = form.reflected(interval, moved, low, high)
    if absorbs(interval):
        return _absorbed(interval, x, moved, low, high, variance, uniform, form)
    return moved


def absorbs(interval: Interval) -> bool:
    """Return whether a wall of the interval absorbs (the step then needs a uniform variable)."""
    return Wall.ABSORBING in (interval.low_wall, interval.high_wall)


def reflects(interval: Interval) -> bool:
    """Return whether a wall of the interval reflects."""
    return Wall.REFLECTING in (interval.low_wall, interval.high_wall)


def _absorbed(
    interval: Interval, x: Any, moved: Any, low: Any, high: Any, variance: Any, uniform: Any, form: WallForm
) -> Any:
    """Absorb at the low wall if U < p_low, at the high one if p_low <= U < p_low + (1 - p_low) p_high; stay there."""
    taken = 0.0
    out = moved
    for wall, kind in ((low, interval.low_wall), (high, interval.high_wall)):
        if kind is Wall.ABSORBING:
            p = form.touched(x, moved, wall, variance)
            upto = taken + (1.0 - taken) * p
            out = np.where((uniform >= taken) & (uniform < upto), wall, out)
            taken = upto
    # what was absorbed stays; and U may round to 1, which would let a particle that is outside go free
    if interval.low_wall is Wall.ABSORBING:
        out = np.where((x <= low) | (out <= low), low, out)
    if interval.high_wall is Wall.ABSORBING:
        out = np.where((x >= high) | (out >= high), high, out)
    return out
