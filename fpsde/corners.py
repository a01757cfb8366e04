"""The three corners of the chain of laws as replaceable parts: particles, the law of the scheme, the density solver."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fpsde.ensemble import Ensemble
from fpsde.fokker_planck.solver import FokkerPlanck
from fpsde.grid import Grid
from fpsde.integrators import simulate
from fpsde.laws import SchemeLaw, scheme_law
from fpsde.processes.process import Process
from fpsde.schemes import Scheme


@dataclass(frozen=True)
class Corners:
    """How each corner is computed.

    ``claimed`` is what particles and scheme get for the process judged, ``stated`` what they get for its scheme.
    """

    particles: Callable[..., Ensemble] = simulate
    law: Callable[..., SchemeLaw] = scheme_law
    solver: Callable[[Any, Grid], FokkerPlanck] = FokkerPlanck
    claimed: Callable[[Process], Process] = lambda process: process
    stated: Callable[[Scheme], Scheme] = lambda scheme: scheme
