"""One step of a Metropolised chain: a density that moves, and the mass that is rejected and stays where it is.

    p'(y) = int q(y|x) a(x, y) p(x) dx + r(y) p(y),    r(x) = 1 - int q(y|x) a(x, y) dy,    a = min(1, e^gain)

In y, and in x, the integrand has a kink where the gain vanishes: between the two points themselves, and at other zeros.
Since gain(x, y) = -gain(y, x) both integrals have the same ones, and panels are cut there.
"""

from __future__ import annotations

import numpy as np

from fpsde.cached import cached_property
from fpsde.laws.kernels import REACH
from fpsde.laws.metropolis_form import MetropolisForm
from fpsde.laws.transition_operator import Operator, continued
from fpsde.panel_law import PanelLaw
from fpsde.panels import PANEL_NODES, panel_rule, panel_weights

#: Halvings of the brackets of the zeros of the gain.
HALVINGS = 52


class MetropolisOperator(Operator):
    """From masses at the nodes of the mesh to masses there; ``x`` are the nodes, and then points that carry atoms."""

    form: MetropolisForm

    @cached_property
    def step(self) -> np.ndarray:
        """Masses to masses, of nodes and atoms."""
        n, w = len(self.mesh.nodes), self.mesh.weights
        matrix = np.diag(1 - self._leaving.sum(axis=0))  # what stays
        matrix[:n, :n] += w[:, None] * self._moving / w
        matrix[:n, n:] += w[:, None] * self._flow(self.x[None, n:], self.mesh.nodes[:, None])
        return matrix

    @property
    def shown(self) -> np.ndarray:
        """Masses as they are after the step."""
        return self.step

    def law(self, shown: np.ndarray, walls: np.ndarray, kept: float) -> PanelLaw:
        """Return the law of what has not leaked: a density, and atoms."""
        n = len(self.mesh.nodes)
        values = (shown[:n] / self.mesh.weights / kept).reshape(-1, PANEL_NODES)
        atoms = zip(self.x[n:].tolist(), (shown[n:] / kept).tolist(), strict=True)
        return PanelLaw(self.mesh.faces, values, tuple(atoms))

    @property
    def fold(self) -> np.ndarray:
        """There is none."""
        return np.full(len(self.x), np.inf)

    @cached_property
    def losses(self) -> np.ndarray:
        """Masses to what leaks low and high, and to nothing else, ``(5, n)``."""
        low, _, high = self._leaving
        return np.vstack([low, high, np.zeros((3, len(self.x)))])

    def _flow(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return q(y|x) a(x, y)."""
        a, b = self.form.spread(x, self.row)
        z = (y - a) / b
        near = np.abs(z) <= REACH
        gain = self.form.gain(np.broadcast_to(x, z.shape), np.where(near, y, x), self.row)
        density = np.exp(np.minimum(gain, 0.0) - 0.5 * z**2) / (b * np.sqrt(2 * np.pi))
        return np.where(near, density, 0.0)

    @cached_property
    def _faces(self) -> np.ndarray:
        """The panels of the mesh, continued beyond its ends as far as proposals reach."""
        faces, widths = self.mesh.faces, np.diff(self.mesh.faces)
        a, b = self.form.spread(self.x, self.row)
        low, high = float(np.min(a - REACH * b)), float(np.max(a + REACH * b))
        below = continued(faces[0], min(low, faces[0]), widths[0])[:0:-1]
        above = continued(faces[-1], max(high, faces[-1]), widths[-1])[1:]
        return np.concatenate([below, faces, above])

    @cached_property
    def _cut(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """For each zero of a gain, from the point with index j: j, the zero, the panel that it lies in.

        All but the point itself are zeros of gain(x, s)/(s - x), which tells those close by apart from it.
        """
        s, x = np.union1d(panel_rule(self._faces)[0], self._faces), self.x
        slopes = self.form.short_gain(x, self.row)
        a, b = self.form.spread(x, self.row)

        def sign(j: np.ndarray, at: np.ndarray) -> np.ndarray:
            z = (at - a[j]) / b[j]
            gain = self.form.gain(np.broadcast_to(x[j], z.shape), at, self.row)
            return np.where(
                np.abs(z) > REACH, 0.0, np.where(at == x[j], np.sign(slopes[j]), np.sign(gain * (at - x[j])))
            )

        signs = sign(np.arange(len(x))[:, None], s[None])
        j, k = np.nonzero(signs[:, :-1] * signs[:, 1:] < 0)
        low, high, before = s[k], s[k + 1], signs[j, k]
        for _ in range(HALVINGS):
            middle = 0.5 * (low + high)
            same = sign(j, middle) == before
            low, high = np.where(same, middle, low), np.where(same, high, middle)
        j, at = np.concatenate([j, np.arange(len(x))]), np.concatenate([0.5 * (low + high), x])
        panel = np.clip(np.searchsorted(self._faces, at, side="right") - 1, 0, len(self._faces) - 2)
        return j, at, panel

    @cached_property
    def _parts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Quadrature on the panels that are cut: the point j, the panel, nodes and weights ``(k, PANEL_NODES)``."""
        j, at, panel = self._cut
        order = np.lexsort((at, panel, j))
        j, at, panel = j[order], at[order], panel[order]
        first = np.append(True, (j[1:] != j[:-1]) | (panel[1:] != panel[:-1]))
        last = np.append(first[1:], True)
        before = np.where(first, self._faces[panel], np.append(0.0, at[:-1]))
        starts = np.concatenate([before, at[last]])
        ends = np.concatenate([at, self._faces[panel[last] + 1]])
        j, panel = np.concatenate([j, j[last]]), np.concatenate([panel, panel[last]])
        nodes, weights = panel_rule(np.array([0.0, 1.0]))
        return (
            j,
            panel,
            starts[:, None] + np.multiply.outer(ends - starts, nodes),
            np.multiply.outer(ends - starts, weights),
        )

    @cached_property
    def _leaving(self) -> np.ndarray:
        """The probabilities to move from each point below, within and above the mesh, ``(3, n)``."""
        s, w = panel_rule(self._faces)
        flow = (self._flow(self.x[:, None], s[None]) * w).reshape(len(self.x), -1, PANEL_NODES).sum(axis=2)
        j, panel, nodes, weights = self._parts
        flow[j, panel] = 0.0
        np.add.at(flow, (j, panel), (self._flow(self.x[j, None], nodes) * weights).sum(axis=1))
        first = int(np.searchsorted(self._faces, self.mesh.faces[0]))
        inside = slice(first, first + len(self.mesh.faces) - 1)
        return np.stack([flow[:, :first].sum(axis=1), flow[:, inside].sum(axis=1), flow[:, inside.stop :].sum(axis=1)])

    @cached_property
    def _moving(self) -> np.ndarray:
        """The density at the nodes that arrives from values of a density at the nodes, ``(n, n)``."""
        y, n = self.mesh.nodes, len(self.mesh.nodes)
        matrix = (self._flow(y[None], y[:, None]) * self.mesh.weights).reshape(n, -1, PANEL_NODES)
        first = int(np.searchsorted(self._faces, self.mesh.faces[0]))
        j, panel, nodes, weights = self._parts
        panel = panel - first
        inside = (j < n) & (panel >= 0) & (panel < matrix.shape[1])
        j, panel, nodes, weights = j[inside], panel[inside], nodes[inside], weights[inside]
        matrix[j, panel] = 0.0
        flow = self._flow(nodes, y[j, None]) * weights
        # a part ends at a face: its nodes are in the panel whatever rounding says
        at = np.clip(nodes, self.mesh.faces[panel, None], np.nextafter(self.mesh.faces[panel + 1], -np.inf)[:, None])
        _, basis = panel_weights(self.mesh.faces, at.ravel())
        parts = np.einsum("kq,kql->kl", flow, basis.reshape(*nodes.shape, PANEL_NODES))
        np.add.at(matrix, (j, panel), parts)
        return matrix.reshape(n, n)
