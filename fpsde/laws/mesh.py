"""Gauss-Legendre panels as wide as the kernel is where they lie, so that sums over their nodes integrate it to round-off.

Panels need no coordinate in which the kernel has equal width, end at walls, and hold the law as it is returned
(:class:`fpsde.density.PanelLaw`). A panel of ``WIDTH`` standard deviations integrates the product of two such kernels to
1e-14: 4.3 nodes for each standard deviation, where the trapezoid rule needs 2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fpsde.density import PANEL_NODES, panel_rule
from fpsde.errors import NotConverged
from fpsde.laws.step_form import StepForm
from fpsde.laws.transition import Kernel

#: Width of the widest panels, in local standard deviations of the kernel.
WIDTH = 4.5
#: Fewest panels of a region.
FEWEST = 4
#: Nodes beyond which a law is refused: its sparse matrix takes about 150 entries for each.
MOST_NODES = 40_000
#: Points of the table in which panels are laid, and rounds in which the table itself is fitted to the kernel.
TABLE, ROUNDS = 385, 6
#: Rows of constants that are looked at together.
_CHUNK = 256


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

    @property
    def halved(self) -> Mesh:
        """Each panel cut in two."""
        middles = 0.5 * (self.faces[1:] + self.faces[:-1])
        return Mesh(np.insert(self.faces, np.arange(1, len(self.faces)), middles))


def kernel_at(form: StepForm, row: np.ndarray, x: np.ndarray) -> Kernel:
    """Return the kernel of the steps from ``x``; NotConverged where a step has no noise or is not finite."""
    a, b, c = form.coefficients(x, row)
    bad = ~(np.isfinite(a) & np.isfinite(c) & (b > 0) & (b < np.inf))
    if bad.any():
        k = int(np.argmax(bad))
        raise NotConverged(
            f"from x={x[k]:.6g} the step of {form.process.name} has mean {a[k]:.4g} and standard deviation {b[k]:.4g}, so its law has "
            "no density there; state the domain in which sigma is positive, or a box inside of it, or take a smaller dt"
        )
    return Kernel(x, a, b, c)


def kernel_widths(form: StepForm, rows: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return at the increasing points ``x`` the scale on which the kernels of all steps vary, with where they start and end.

    As a function of the end a kernel has the width B; as one of the start x, B/|A'| and, three deviations off, B/(3 |B'|).
    """
    narrowest = np.full(len(x), np.inf)
    for first in range(0, len(rows), _CHUNK):
        row = rows[first : first + _CHUNK].T[:, None, :]
        a, b, _ = form.coefficients(x[:, None], row)
        with np.errstate(all="ignore"):
            slope = np.abs(np.gradient(a, x, axis=0)) + 3 * np.abs(np.gradient(b, x, axis=0))
            narrowest = np.minimum(narrowest, (b / np.maximum(1.0, slope)).min(axis=1))
    return narrowest


def laid(widths: Callable[[np.ndarray], np.ndarray], low: float, high: float) -> Mesh:
    """Return the mesh on (low, high) whose panels are at most about ``WIDTH`` times ``widths(x)`` wide.

    The table of 1/width is refined where it is large until panels are equal steps in it (de Boor's equidistribution).
    """
    x = np.linspace(low, high, TABLE)
    for _ in range(ROUNDS):
        w = widths(x)
        if not np.all((w > 0) & np.isfinite(w)):
            k = int(np.argmin((w > 0) & np.isfinite(w)))
            raise NotConverged(
                f"the step has no finite noise at x={x[k]:.6g}, between {low:.6g} and {high:.6g}; state the domain in which sigma is "
                "positive, or a box inside of it, or take a smaller dt"
            )
        per_length = 1 / (WIDTH * w)
        count = np.concatenate([[0.0], np.cumsum(0.5 * (per_length[1:] + per_length[:-1]) * np.diff(x))])
        x, previous = np.interp(np.linspace(0, count[-1], TABLE), count, x), x
        x[0], x[-1] = low, high
    n = max(FEWEST, int(np.ceil(count[-1])))
    refuse_if_too_many(n)
    faces = np.interp(np.linspace(0, count[-1], n + 1), count, previous)
    faces[0], faces[-1] = low, high
    return Mesh(faces)


def refuse_if_too_many(n_panels: int) -> None:
    """Raise NotConverged if panels have more nodes than a law may take."""
    if n_panels * PANEL_NODES > MOST_NODES:
        raise NotConverged(
            f"the law needs more than {n_panels * PANEL_NODES} nodes, of at most {MOST_NODES}: its kernel is narrow beside the "
            "box; take a larger dt (nodes grow as dt^(-1/2)) or a smaller box"
        )
