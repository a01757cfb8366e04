"""One step of the laws of a chain, and many equal ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import ndtr

from fpsde.cached import cached_property
from fpsde.domain import Wall
from fpsde.laws.kernels import Kernel
from fpsde.laws.mesh import Mesh, refuse_if_too_many
from fpsde.laws.step_form import StepForm
from fpsde.laws.transition import Region, absorbed, leaks, surviving_pairs
from fpsde.panel_law import PanelLaw
from fpsde.panels import PANEL_NODES, panel_rule

#: Error of the sum of a column that counts as rounding.
ROUNDING = 1e-13


@dataclass(frozen=True, eq=False)
class Operator:
    """One step: from masses at the points ``x`` to masses on the mesh, onto walls and out of the region."""

    form: StepForm
    row: np.ndarray  #: the constants of the step
    x: np.ndarray
    region: Region
    mesh: Mesh
    cuts: int
    again: bool  #: whether the next step is the same

    @cached_property
    def kernel(self) -> Kernel:
        return self.form.kernel(self.x, self.row, cuts=self.cuts)

    @cached_property
    def step(self) -> Any:
        """Masses to masses at the nodes of the mesh."""
        pairs = surviving_pairs(self.kernel, self.mesh.nodes, self.region)
        pairs = replace(pairs, q=pairs.q * self.mesh.weights[pairs.j])
        return pairs.assembled() if self.again else pairs

    @property
    def dense(self) -> np.ndarray:
        """``step`` as a matrix; the points are then the nodes of the mesh."""
        return self.step if isinstance(self.step, np.ndarray) else self.step.toarray()

    @cached_property
    def shown(self) -> Any:
        """Masses to the density on the panels that the law is returned on: finer, so that polynomials resolve it."""
        seen = self.form.kernel(self.x, self.row, cuts=self.cuts, seen=True) if self.form.sees_other else self.kernel
        return surviving_pairs(seen, self.mesh.halved.nodes, self.region)

    def law(self, shown: np.ndarray, walls: np.ndarray, kept: float) -> PanelLaw:
        """Return the law of what has not leaked, from what ``shown`` made of the masses before the step."""
        ends = zip((self.region.low, self.region.high), (walls / kept).tolist(), self.region.walls, strict=True)
        atoms = tuple((end, mass) for end, mass, wall in ends if wall is Wall.ABSORBING)
        return PanelLaw(self.mesh.halved.faces, shown.reshape(-1, PANEL_NODES) / kept, atoms)

    @property
    def fold(self) -> np.ndarray:
        """The distance of the fold of the steps from each point."""
        return self.kernel.fold

    @cached_property
    def losses(self) -> np.ndarray:
        """Masses to what leaks low and high, what the low and high wall take, what lies beyond the fold, ``(5, n)``."""
        taken = np.zeros((2, len(self.kernel.x)))
        if self.region.absorbing:
            taken = absorbed(self.kernel, *_with_beyond(self.kernel, self.mesh, self.region), self.region)
        return np.vstack([leaks(self.kernel, self.region), taken, ndtr(-self.kernel.fold)])


def _with_beyond(kernel: Kernel, mesh: Mesh, region: Region) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes and weights of the mesh, continued beyond absorbing walls as far as steps reach."""
    low, high = (float(ends(end)) for ends, end in zip((np.min, np.max), kernel.reach, strict=True))
    walls = region.walls
    if walls[1] is Wall.REFLECTING:
        low = min(low, 2 * region.high - high)
    if walls[0] is Wall.REFLECTING:
        high = max(high, 2 * region.low - low)
    faces = [mesh.faces]
    if walls[0] is Wall.ABSORBING and low < region.low:
        faces.insert(0, continued(region.low, low, mesh.faces[1] - mesh.faces[0])[:0:-1])
    if walls[1] is Wall.ABSORBING and high > region.high:
        faces.append(continued(region.high, high, mesh.faces[-1] - mesh.faces[-2])[1:])
    return panel_rule(np.concatenate(faces))


def continued(end: float, upto: float, width: float) -> np.ndarray:
    """Return faces of panels of about a width from ``end`` up to another point, both included."""
    n = int(np.ceil(abs(upto - end) / width))
    refuse_if_too_many(n)
    return np.linspace(end, upto, n + 1)


def leaps(operator: Operator, mass: np.ndarray, n_steps: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Take many equal steps by squaring: yield the masses after some of them, and the losses up to then.

    The losses ``(4,)`` are what leaked low and high, and what the walls took. Masses and losses sum to the mass at the
    start: that the columns of the matrix sum to one is held where they miss it by rounding, which else adds up.
    """
    n = len(mass)
    matrix = np.eye(n + 4)
    matrix[:n, :n], matrix[n:, :n] = operator.dense, operator.losses[:4]
    matrix = _stochastic(matrix)
    state = np.concatenate([mass, np.zeros(4)])
    for bit in range(n_steps.bit_length()):
        if n_steps >> bit & 1:
            state = matrix @ state
            yield state[:n], state[n:]
        if n_steps >> (bit + 1):
            matrix = _stochastic(matrix @ matrix)


def _stochastic(matrix: np.ndarray) -> np.ndarray:
    sums = matrix.sum(axis=0)
    return matrix / np.where(np.abs(sums - 1) <= ROUNDING, sums, 1.0)
