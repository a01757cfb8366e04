"""Schemes without their corrections at walls: negative controls of weak order 1/2, for tests of tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from fpsde.domain import Interval, Wall
from fpsde.schemes.scheme import Scheme


def projected(scheme: Scheme) -> Scheme:
    """Return the scheme with particles behind a reflecting wall put onto it, in place of being mirrored.

    Weak order 1/2 (Costantini, Pacchiarotti & Sartoretto, SIAM J. Appl. Math. 58 (1998) 73).
    """
    return _uncorrected(scheme, "projected", reflected=_onto_the_wall)


def without_crossing(scheme: Scheme) -> Scheme:
    """Return the scheme with particles absorbed only where a step ends behind a wall: crossings in between are missed.

    Weak order 1/2 (Gobet, Stoch. Proc. Appl. 87 (2000) 167).
    """
    return _uncorrected(scheme, "without_crossing", touched=_at_the_ends)


def _uncorrected(scheme: Scheme, name: str, **form: Any) -> Scheme:
    return replace(
        scheme,
        name=f"{scheme.name}_{name}",
        wall_form=replace(scheme.wall_form, **form),
        wall_order=None if scheme.wall_order is None else 0.5,
    )


def _onto_the_wall(interval: Interval, moved: Any, low: Any, high: Any) -> Any:
    if interval.low_wall is Wall.REFLECTING:
        moved = np.maximum(moved, low)
    return np.minimum(moved, high) if interval.high_wall is Wall.REFLECTING else moved


def _at_the_ends(x: Any, moved: Any, wall: Any, variance: Any) -> Any:
    return np.where((wall - x) * (wall - moved) <= 0.0, 1.0, 0.0)
