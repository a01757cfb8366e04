"""The schemes whose orders are measured: all that have a name, and one of each factory that has a parameter."""

from __future__ import annotations

from typing import Any

from fpsde.schemes import SCHEMES, drift_implicit, sgld
from fpsde.schemes.scheme import Scheme


def _gradient_noise(x: Any) -> Any:
    """0.6 in each component: a number for one, a tuple for several."""
    return (0.6,) * len(x) if isinstance(x, tuple) else 0.6


#: By the name under which the tables of problems have them.
MEASURED: dict[str, Scheme] = {**SCHEMES, "drift_implicit_0.75": drift_implicit(0.75), "sgld": sgld(_gradient_noise)}
