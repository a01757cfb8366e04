"""Currents and thermodynamics of a law on cells (Schnakenberg, Rev. Mod. Phys. 48 (1976) 571), on lines and planes.

Across an edge from cell i to cell j, with forward flow a = Q_ji m_i and backward flow b = Q_ij m_j:

    J = a - b,      entropy production = sum over edges of (a - b) log(a/b) >= 0.

It is the sum of the rate of change of the entropy S = -sum m log(m/v) of the system (v: volumes of the cells) and of
what flows into the medium. The free energy, relative to equilibrium and in units of kT, is F = sum m log(m/m_s); it
never rises, where probability circulates neither, and under detailed balance -dF/dt is the entropy production.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsde.density import CellLaw
from fpsde.errors import InvalidInput
from fpsde.fokker_planck.generator import Generator
from fpsde.fokker_planck.stationary_law import stationary_masses
from fpsde.grid import Grid
from fpsde.joint_law import JointCellLaw

#: Flows below it count as nothing: the mass of a cell beside them may have underflowed to zero.
NOTHING = 1e-290
#: Negative masses down to minus this part of the largest are round-off; edges beside them count as nothing.
ROUND_OFF = 1e-14


@dataclass(frozen=True, eq=False)
class Edges:
    """Edges (m,) between cells ``tails`` and ``heads``, with the rates ``up`` from tail to head and ``down`` back.

    ``volumes`` (n,) are those of the cells.
    """

    tails: np.ndarray
    heads: np.ndarray
    up: np.ndarray
    down: np.ndarray
    volumes: np.ndarray


@dataclass(frozen=True)
class Balance:
    """What a law does on its way; entropies in units of k_B, so that rates are in 1/time.

    entropy_production
        the total; infinite where mass meets an edge that it can cross one way only
    system, medium
        rate of change of the entropy of the law itself (by the inner edges), and entropy given to the medium; their sum
        is ``entropy_production``
    free_energy
        relative entropy to the stationary law of the coefficients at that time; None where a wall absorbs
    """

    entropy_production: float
    system: float
    medium: float
    free_energy: float | None


@dataclass(frozen=True)
class Thermodynamics(Balance):
    """The :class:`Balance` of a law on a line or a ring, and its currents.

    faces, currents
        where currents are read, and the net mass that passes there to the right per time: ``(n + 1,)``, the two ends
        included (mass into an absorbing wall on the low side counts as negative; the seam of a ring is at both ends)
    """

    faces: np.ndarray
    currents: np.ndarray


def masses_of(law: Any, kind: type[CellLaw] | type[JointCellLaw], grid: Grid) -> np.ndarray:
    """Return the masses of a ``law`` on the cells of ``grid``, flat.

    Raises InvalidInput unless it is of that ``kind`` and on this grid, with masses that are not negative beyond
    round-off: these have no entropy.
    """
    same = isinstance(law, kind) and all(np.array_equal(*axes) for axes in zip(law.grid.axes, grid.axes, strict=True))
    if not same:
        raise InvalidInput(
            f"thermodynamics needs a law on the cells of this solver's grid, not {type(law).__name__}; "
            "give one of evolve or stationary"
        )
    masses = law.masses.ravel()
    if masses.min() < -ROUND_OFF * masses.max():
        raise InvalidInput(
            f"a mass is {masses.min():.3g}, where the largest is {masses.max():.3g}: negative masses have no entropy; "
            "give a law of evolve or stationary"
        )
    return masses


def balance(edges: Edges, masses: np.ndarray, stationary: np.ndarray | None) -> Balance:
    """Return entropy production and free energy of cell ``masses`` (n,), with the ``stationary`` ones or None."""
    tails, heads, volumes = edges.tails, edges.heads, edges.volumes
    ahead, back = edges.up * masses[tails], edges.down * masses[heads]
    seen = (np.maximum(ahead, back) > NOTHING) & (np.minimum(masses[tails], masses[heads]) >= 0)
    density = masses / volumes
    current = (ahead - back)[seen]

    def summed(up: np.ndarray, down: np.ndarray) -> float:
        """Return the sum of J log(up/down), where J = 0 counts as nothing."""
        some = current != 0
        with np.errstate(divide="ignore"):
            return float(current[some] @ (np.log(up[seen][some]) - np.log(down[seen][some])))

    return Balance(
        entropy_production=summed(ahead, back),
        system=summed(density[tails], density[heads]),
        medium=summed(edges.up * volumes[tails], edges.down * volumes[heads]),
        free_energy=None if stationary is None else relative_entropy(masses, stationary),
    )


def thermodynamics(generator: Generator, masses: np.ndarray) -> Thermodynamics:
    """Return currents, entropy production and free energy of cell ``masses`` (n,) on a line or a ring."""
    n = len(masses) if generator.periodic else len(masses) - 1
    tails = np.arange(n)
    heads = (tails + 1) % len(masses)
    edges = Edges(tails, heads, generator.right[:n], generator.left[heads], generator.grid.widths)
    found = balance(edges, masses, None if max(generator.exits) > 0 else stationary_masses(generator))
    return Thermodynamics(**vars(found), faces=generator.grid.faces, currents=face_currents(generator, masses))


def face_currents(generator: Generator, masses: np.ndarray) -> np.ndarray:
    """Return the net mass that crosses each face to the right per time, ``(n + 1,)``, walls and seam at the ends."""
    current = generator.currents(masses)
    low = current[-1] if generator.periodic else -generator.exits[0] * masses[0]
    high = current[-1] if generator.periodic else generator.exits[1] * masses[-1]
    return np.concatenate([[low], current[:-1], [high]])


def relative_entropy(masses: np.ndarray, reference: np.ndarray) -> float:
    """Return sum m log(m/r); infinite where m > 0 = r."""
    some = masses > 0
    with np.errstate(divide="ignore"):
        return float(masses[some] @ (np.log(masses[some]) - np.log(reference[some])))
