"""A chain of laws: masses at the nodes of panels, moved from step to step by the transition operator."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from fpsde.laws.markov_chain import Chain
from fpsde.laws.mesh import Mesh
from fpsde.laws.sources import sources_of
from fpsde.laws.transition import Region
from fpsde.laws.transition_operator import Operator, leaps
from fpsde.panels import PANEL_NODES

#: Mass that may lie beyond the extent of a run, on each side.
BEYOND = 1e-18
#: First steps that are taken one by one, equal steps that are worth a leap by squaring, and nodes with which they are.
ONE_BY_ONE, MANY, MOST_NODES = 128, 4096, 2048


@dataclass(frozen=True, eq=False)
class Run:
    """What a chain gave within a region."""

    laws: dict[int, Any]  #: by number of steps, conditioned on not having leaked
    rates: np.ndarray  #: largest leaks of a step at the two ends, as shares of the mass still there, (2,)
    largest: float  #: largest leak of a step at both ends together
    lost: float  #: mass that leaked in all steps together
    defect: float  #: how far mass, atoms and lost mass are from 1, at the end and in any of the laws
    n_nodes: int  #: of the largest mesh
    extent: tuple[float, float]  #: outside of it there never was any mass to speak of
    folded: float  #: the largest mass of a step beyond the fold of its kernel
    folding: tuple[np.ndarray, np.ndarray]  #: in that step: the fold of each kernel, and the mass that starts there


class Runs(Protocol):
    """What takes a chain within a region to a :class:`Run`."""

    def __call__(self, chain: Chain, region: Region, *, cuts: int, show: bool = True) -> Run: ...


@dataclass(eq=False)
class Record:
    """What is known of a run up to the step that it is at."""

    mass: np.ndarray
    walls: np.ndarray = field(default_factory=lambda: np.zeros(2))
    lost: float = 0.0
    rates: np.ndarray = field(default_factory=lambda: np.zeros(2))
    largest: float = 0.0
    folded: float = -1.0
    folding: tuple[np.ndarray, np.ndarray] = (np.empty(0), np.empty(0))
    extent: tuple[float, float] = (np.inf, -np.inf)

    def looked_at(self, operator: Operator, masses: np.ndarray, lost: np.ndarray) -> np.ndarray:
        """Note and return what the steps from ``masses`` (k, n) lose, (k, 5); ``lost`` (k,) has leaked before."""
        losses = masses @ operator.losses.T
        rates = losses[:, :2] / (1 - lost[:, None])
        self.rates = np.maximum(self.rates, rates.max(axis=0))
        self.largest = max(self.largest, float(rates.sum(axis=1).max()))
        k = int(np.argmax(losses[:, 4]))
        if losses[k, 4] > self.folded:
            self.folded, self.folding = float(losses[k, 4]), (operator.fold, masses[k])
        return losses

    def moved(self, operator: Operator, masses: np.ndarray, losses: np.ndarray) -> None:
        """Take the last of the ``masses`` (k, n) after steps that lost ``losses`` (4,) in all."""
        self.lost, self.walls, self.mass = self.lost + float(losses[:2].sum()), self.walls + losses[2:4], masses[-1]
        mesh = operator.mesh
        self.extent = widened(self.extent, mesh, np.abs(masses[:, : len(mesh.nodes)]).max(axis=0))

    def result(self, laws: dict[int, Any], n_nodes: int) -> Run:
        """Return the run that ends here."""
        end = self.mass.sum() + self.walls.sum() + self.lost
        return Run(
            laws=laws,
            rates=self.rates,
            largest=self.largest,
            lost=self.lost,
            defect=max(abs(float(e) - 1) for e in (end, *(law.mass for law in laws.values()))),
            n_nodes=n_nodes,
            extent=self.extent,
            folded=self.folded,
            folding=self.folding,
        )


def run(chain: Chain, region: Region, *, cuts: int, show: bool = True) -> Run:
    """Return the run of a chain within a region, on panels cut ``cuts`` times; ``show`` asks for its laws.

    Of steps taken by squaring, leaks are looked at after growing numbers of them.
    """
    start = sources_of(chain.initial, chain.start_mesh, region.interval, cuts=cuts)
    x, record, laws, n_nodes = start.x, Record(start.mass), {}, 0
    wanted = set(chain.steps) if show else set()
    stops = _stops(chain, wanted)
    n = 0
    while n < len(chain.rows):
        if not chain.repeats[n]:
            mesh = chain.mesh(n + 1, region.low, region.high, cuts=cuts)
            operator = chain.operator(chain.form, chain.rows[n], x, region, mesh, cuts, chain.repeats[n + 1])
            n_nodes = max(n_nodes, len(mesh.nodes))
        equal = max(1, int(stops[np.searchsorted(stops, n)]) - n)
        shown = operator.shown @ record.mass if n + 1 in wanted else None
        leaping = n >= ONE_BY_ONE and equal >= MANY and len(mesh.nodes) <= MOST_NODES
        n += leap(record, operator, equal) if leaping else walk(record, operator, min(equal, ONE_BY_ONE))
        x = mesh.nodes
        if shown is not None:
            laws[n] = operator.law(shown, record.walls, 1 - record.lost)
    return record.result(laws, n_nodes)


def _stops(chain: Chain, wanted: set[int]) -> np.ndarray:
    """Return the steps that no leap may pass: each that differs from the one before, and each that is shown, last."""
    differs = np.flatnonzero(~np.array(chain.repeats))
    return np.union1d(differs, np.array([n - 1 for n in wanted], dtype=int))


def walk(record: Record, operator: Operator, n_steps: int) -> int:
    """Take equal steps one by one."""
    masses = [record.mass]
    for _ in range(n_steps):
        masses.append(operator.step @ masses[-1])
    before = np.array(masses[:-1])
    leaked = before @ operator.losses[:2].sum(axis=0)
    losses = record.looked_at(operator, before, record.lost + np.cumsum(leaked) - leaked)
    record.moved(operator, np.array(masses[1:]), losses[:, :4].sum(axis=0))
    return n_steps


def leap(record: Record, operator: Operator, n_steps: int) -> int:
    """Take many equal steps at once."""
    before = np.zeros(4)
    for mass, losses in leaps(operator, record.mass, n_steps):
        record.looked_at(operator, record.mass[None], np.array([record.lost]))
        record.moved(operator, mass[None], losses - before)
        before = losses
    return n_steps


def widened(extent: tuple[float, float], mesh: Mesh, mass: np.ndarray) -> tuple[float, float]:
    """Return the extent, widened by the panels of this mesh that carry mass."""
    panels = mass.reshape(-1, PANEL_NODES).sum(axis=1)
    empty_below = int(np.searchsorted(np.cumsum(panels), BEYOND))
    empty_above = int(np.searchsorted(np.cumsum(panels[::-1]), BEYOND))
    low, high = mesh.faces[empty_below], mesh.faces[len(panels) - empty_above]
    return min(extent[0], float(low)), max(extent[1], float(high))
