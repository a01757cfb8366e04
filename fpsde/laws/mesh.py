"""Gauss-Legendre panels as wide as the kernel is where they lie: sums over their nodes integrate it to round-off.

One rule serves all: panels need no coordinate in which the kernel has equal width, end at walls and at kinks, and hold
the law as it is returned (:class:`fpsde.panel_law.PanelLaw`). With ``WIDTH`` standard deviations the product of two
kernels is integrated to 1e-14; that is 3.6 nodes for each, where the trapezoid rule takes 2 with equal noise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fpsde.cached import cached_property
from fpsde.errors import NotConverged
from fpsde.laws.kernels import NOISE_NEEDED
from fpsde.laws.step_form import StepForm
from fpsde.panels import PANEL_NODES, panel_rule

#: Width of the widest panels, in local standard deviations of the kernel.
WIDTH = 4.5
#: Fewest panels of a region.
FEWEST = 4
#: Nodes beyond which a law is refused: its sparse matrix takes about 150 entries for each.
MOST_NODES = 40_000
#: Intervals with which the search for panels begins.
FIRST = 16


@dataclass(frozen=True, eq=False)
class Mesh:
    """Panels between ``faces`` (n + 1,)."""

    faces: np.ndarray

    @cached_property
    def rule(self) -> tuple[np.ndarray, np.ndarray]:
        """Nodes and weights, ``(n_nodes,)``."""
        return panel_rule(self.faces)

    @property
    def nodes(self) -> np.ndarray:
        return self.rule[0]

    @property
    def weights(self) -> np.ndarray:
        return self.rule[1]

    @cached_property
    def halved(self) -> Mesh:
        """Each panel cut in two."""
        middles = 0.5 * (self.faces[1:] + self.faces[:-1])
        return Mesh(np.insert(self.faces, np.arange(1, len(self.faces)), middles))


def kernel_widths(form: StepForm, rows: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return at the increasing points ``x`` the scale on which the kernels of the steps with these ``rows`` vary.

    A kernel has the width B in the end of the step; in its start x, B/|A'| and, three deviations off, B/(3 |B'|).
    """
    a, b = form.spread(x[:, None], rows.T[:, None, :])
    with np.errstate(all="ignore"):
        slope = np.abs(np.gradient(a, x, axis=0)) + 3 * np.abs(np.gradient(b, x, axis=0))
        return (b / np.maximum(1.0, slope)).min(axis=1)


def laid(widths: Callable[[np.ndarray], np.ndarray], low: float, high: float) -> Mesh:
    """Return the mesh on (low, high) whose panels are about ``WIDTH`` times ``widths(x)`` wide.

    Intervals are halved until each holds at most one such panel; between their points 1/width is then taken for linear,
    and faces are put at equal steps of its integral, the number of panels up to x.
    """
    faces = np.linspace(low, high, FIRST + 1)
    while True:
        x = np.interp(np.arange(4 * len(faces) - 3) / 4, np.arange(len(faces)), faces)
        panels = _panels_between(x, widths(x))
        crowded = np.flatnonzero(panels.reshape(-1, 4).sum(axis=1) > 1)
        if not len(crowded):
            break
        refuse_if_too_many(len(faces) // 2)
        faces = np.insert(faces, crowded + 1, 0.5 * (faces[crowded] + faces[crowded + 1]))
    upto = np.concatenate([[0.0], np.cumsum(panels)])
    n = max(FEWEST, int(np.ceil(upto[-1])))
    refuse_if_too_many(n)
    faces = np.interp(np.linspace(0, upto[-1], n + 1), upto, x)
    faces[0], faces[-1] = low, high
    return Mesh(faces)


def _panels_between(x: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """Return how many panels belong between neighbouring points of the table."""
    good = (widths > 0) & np.isfinite(widths)
    if not good.all():
        at = x[np.argmin(good)]
        raise NotConverged(f"no finite noise at x={at:.6g}, between {x[0]:.6g} and {x[-1]:.6g}; {NOISE_NEEDED}")
    per_length = 1 / (WIDTH * widths)
    return 0.5 * (per_length[1:] + per_length[:-1]) * np.diff(x)


def refuse_if_too_many(n_panels: int) -> None:
    """Raise NotConverged if panels have more nodes than a law may take."""
    if n_panels * PANEL_NODES > MOST_NODES:
        raise NotConverged(
            f"the law needs {n_panels * PANEL_NODES} nodes, of at most {MOST_NODES}: its kernel is narrow beside the "
            "box; take a larger dt (nodes grow as dt^(-1/2)) or a smaller box"
        )
