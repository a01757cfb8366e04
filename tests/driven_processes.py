"""Processes whose coefficients depend on time, for tests of Fokker-Planck solvers on the CPU and on a GPU."""

from __future__ import annotations

import numpy as np

from fpsde.domain import LINE, Interval
from fpsde.processes.process import Process


def kicked(*domain: Interval) -> Process:
    """Return a process with costly parts in x, in t and in both, whose noise swings along both axes."""
    return Process(
        drift=lambda x, t, p: (
            np.sin(4 * t) - x[0] + 0.5 * x[1],
            -x[1] - p.k * np.cos(3 * t) * np.tanh(x[0]) + np.where(x[0] > t, 0.3, -0.1),
        ),
        sigma=lambda x, t: (1.0 + 0.4 * np.sin(5 * t), 0.9 + 0.2 * np.sin(x[0])),
        dim=2,
        params={"k": 0.5},
        domain=domain or (LINE, LINE),
        name="kicked",
    )
