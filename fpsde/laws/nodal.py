"""Laws known by their expectations of smooth functions alone, as weights at nodes: of steps with or without a density.

A function u is held by its values at the nodes of panels. One step takes it to (P u)(x_i) = sum_q w_q u(Phi(x_i, z_q)),
with the rule of the noise and u between the nodes by the polynomials of the panels; the weights of a law go by the
transpose of P, from step to step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from fpsde.cached import cached_property
from fpsde.laws.transition_operator import Operator
from fpsde.laws.valued_form import ValuedForm
from fpsde.panels import PANEL_NODES, panel_weights

#: Nodes for each normal on the first panels; halved panels have twice as many. No more than Gauss-Hermite weights fit
#: into floating point, and than make so many points of all normals together.
FIRST, MOST_OF_ONE, MOST_POINTS = 24, 128, 4096
#: Weight below which a node of the noise is left out.
NEGLIGIBLE = 1e-25


@dataclass(frozen=True, eq=False)
class NodalLaw:
    """Weights of the values at ``nodes`` in expectations; they are no masses, and some are negative."""

    nodes: np.ndarray
    weights: np.ndarray

    @property
    def mass(self) -> float:
        """The expectation of 1."""
        return float(self.weights.sum())

    def expectation(self, f: Callable[[np.ndarray], np.ndarray]) -> float:
        """Return E f(X) for a smooth f of arrays."""
        return float(self.weights @ np.broadcast_to(f(self.nodes), self.nodes.shape))


class NodalOperator(Operator):
    """One step: from weights at the points ``x`` to weights at the nodes of the mesh."""

    form: ValuedForm

    @cached_property
    def step(self) -> Any:
        """Weights to weights at the nodes of the mesh."""
        matrix = self._transposed(seen=False)
        return matrix.toarray() if self.again else matrix

    @cached_property
    def shown(self) -> Any:
        """Weights to those of what observers see."""
        return self._transposed(seen=True) if self.form.sees_other else self.step

    def law(self, shown: np.ndarray, walls: np.ndarray, kept: float) -> NodalLaw:  # type: ignore[override]
        """Return the law of what has not leaked."""
        return NodalLaw(self.mesh.nodes, shown / kept)

    @property
    def fold(self) -> np.ndarray:
        """There is none: a step may turn back."""
        return np.full(len(self.x), np.inf)

    @cached_property
    def losses(self) -> np.ndarray:
        """Weights to what leaks low and high, to no walls, and to steps that fail, ``(5, n)``."""
        y, w = self._ends(seen=False)
        out = np.zeros((5, len(self.x)))
        for k, lost in ((0, y < self.region.low), (1, y > self.region.high), (4, np.isnan(y))):
            out[k] = lost @ w
        return out

    def _ends(self, *, seen: bool) -> tuple[np.ndarray, np.ndarray]:
        """Return where steps end, (n, m), NaN where they fail, and the probabilities (m,)."""
        most = min(MOST_OF_ONE, int(MOST_POINTS ** (1 / max(1, len(self.form.summed)))))
        z, w = self.form.rule(min(FIRST << self.cuts, most))
        z, w = z[:, w > NEGLIGIBLE], w[w > NEGLIGIBLE]
        y = self.form.moved(self.x[:, None], z[:, None, :], self.row, seen=seen)
        return np.broadcast_to(y, (len(self.x), len(w))), w

    def _transposed(self, *, seen: bool) -> Any:
        y, w = self._ends(seen=seen)
        i, q = np.nonzero((y >= self.region.low) & (y <= self.region.high))
        panel, basis = panel_weights(self.mesh.faces, y[i, q])
        j = PANEL_NODES * panel[:, None] + np.arange(PANEL_NODES)
        entries = (basis * w[q, None]).ravel()
        shape = (len(self.mesh.nodes), len(self.x))
        return sparse.coo_array((entries, (j.ravel(), np.repeat(i, PANEL_NODES))), shape=shape).tocsr()
