"""The schemes whose orders are measured: all that have a name, and one of each factory that has a parameter."""

from __future__ import annotations

from fpsde.schemes import SCHEMES, drift_implicit, sgld
from fpsde.schemes.scheme import Scheme

#: By the name under which the tables of problems have them.
MEASURED: dict[str, Scheme] = {**SCHEMES, "drift_implicit_0.75": drift_implicit(0.75), "sgld": sgld(lambda x: 0.6)}
