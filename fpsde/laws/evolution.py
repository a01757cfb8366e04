"""A chain of laws: masses at the nodes of panels, moved from step to step by the transition operator."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import ndtr

from fpsde.density import PANEL_NODES, PanelLaw, panel_rule
from fpsde.domain import Wall
from fpsde.laws.kernels import Kernel
from fpsde.laws.markov_chain import Chain
from fpsde.laws.mesh import Mesh, refuse_if_too_many
from fpsde.laws.sources import sources_of
from fpsde.laws.step_form import StepForm
from fpsde.laws.transition import Region, absorbed, leaks, surviving_pairs

#: Mass that may lie beyond the extent of a run, on each side.
BEYOND = 1e-18


@dataclass(frozen=True, eq=False)
class Run:
    """What a chain gave within a region."""

    laws: dict[int, PanelLaw]  #: by number of steps, conditioned on not having leaked
    rates: np.ndarray  #: leaks of each step at the two ends, as shares of the mass still there, (n_steps, 2)
    lost: float  #: mass that leaked in all steps together
    defect: float  #: |mass + atoms + lost - 1| at the end
    n_nodes: int  #: of the largest mesh
    extent: tuple[float, float]  #: outside of it there never was any mass to speak of
    folded: float  #: the largest mass of a step beyond the fold of its quadratic kernel
    folding: tuple[np.ndarray, np.ndarray]  #: in that step: the fold of each kernel, and the mass that starts there


@dataclass(frozen=True, eq=False)
class _Operator:
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

    @cached_property
    def shown(self) -> Any:
        """Masses to the density on the panels that the law is returned on: finer, so that polynomials resolve it."""
        seen = self.form.kernel(self.x, self.row, cuts=self.cuts, seen=True) if self.form.sees_other else self.kernel
        return surviving_pairs(seen, self.mesh.halved.nodes, self.region)

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
        faces.insert(0, _continued(region.low, low, mesh.faces[1] - mesh.faces[0])[:0:-1])
    if walls[1] is Wall.ABSORBING and high > region.high:
        faces.append(_continued(region.high, high, mesh.faces[-1] - mesh.faces[-2])[1:])
    return panel_rule(np.concatenate(faces))


def _continued(end: float, upto: float, width: float) -> np.ndarray:
    n = int(np.ceil(abs(upto - end) / width))
    refuse_if_too_many(n)
    return np.linspace(end, upto, n + 1)


def run(chain: Chain, region: Region, *, cuts: int, show: bool = True) -> Run:
    """Return the run of a chain within a region, on panels cut ``cuts`` times; ``show`` asks for its laws."""
    start = sources_of(chain.initial, chain.start_mesh, region.interval, cuts=cuts)
    x, mass = start.x, start.mass
    walls, lost, rates = np.zeros(2), 0.0, np.zeros((len(chain.rows), 2))
    folded, folding = -1.0, (x, mass)
    laws, extent, n_nodes = {}, (np.inf, -np.inf), 0
    wanted = set(chain.steps) if show else set()
    for n, row in enumerate(chain.rows):
        if not chain.repeats[n]:
            mesh = chain.mesh(n + 1, region.low, region.high, cuts=cuts)
            operator = _Operator(chain.form, row, x, region, mesh, cuts, chain.repeats[n + 1])
        losses = operator.losses @ mass
        density = operator.shown @ mass if n + 1 in wanted else None
        rates[n] = losses[:2] / (1 - lost)
        lost, walls = lost + losses[:2].sum(), walls + losses[2:4]
        if losses[4] > folded:
            folded, folding = losses[4], (operator.kernel.fold, mass)
        x, mass, n_nodes = mesh.nodes, operator.step @ mass, max(n_nodes, len(mesh.nodes))
        if not show:
            extent = _widened(extent, mesh, mass)
        if density is not None:
            laws[n + 1] = _conditioned(mesh.halved, density, walls, region, 1 - lost)
    defect = max([abs(float(mass.sum() + walls.sum() + lost) - 1), *(abs(law.mass - 1) for law in laws.values())])
    return Run(laws, rates, float(lost), defect, n_nodes, extent, float(folded), folding)


def _widened(extent: tuple[float, float], mesh: Mesh, mass: np.ndarray) -> tuple[float, float]:
    """Return the extent, widened by the panels of this mesh that carry mass."""
    panels = mass.reshape(-1, PANEL_NODES).sum(axis=1)
    empty_below = int(np.searchsorted(np.cumsum(panels), BEYOND))
    empty_above = int(np.searchsorted(np.cumsum(panels[::-1]), BEYOND))
    low, high = mesh.faces[empty_below], mesh.faces[len(panels) - empty_above]
    return min(extent[0], float(low)), max(extent[1], float(high))


def _conditioned(mesh: Mesh, density: np.ndarray, walls: np.ndarray, region: Region, kept: float) -> PanelLaw:
    """Return the law of what has not leaked."""
    ends = zip((region.low, region.high), (walls / kept).tolist(), region.walls, strict=True)
    atoms = tuple((end, mass) for end, mass, wall in ends if wall is Wall.ABSORBING)
    return PanelLaw(mesh.faces, density.reshape(-1, PANEL_NODES) / kept, atoms)
