"""Currents and thermodynamics of a law on the cells of a plane; the formulas stand in ``fokker_planck.thermodynamics``.

Where there is no noise along an axis, mass moves along it one way only. Its entropy production is then that of the
reversal of velocities, which edges between cells do not know: it is not finite here, and refused.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fpsde.errors import InvalidInput
from fpsde.fokker_planck.plane.generator import PlaneGenerator, centres, volumes
from fpsde.fokker_planck.plane.stationary import plane_stationary
from fpsde.fokker_planck.thermodynamics import NOTHING, Balance, Edges, balance


@dataclass(frozen=True)
class PlaneThermodynamics(Balance):
    """The :class:`~fpsde.fokker_planck.thermodynamics.Balance` of a law on a plane, and its currents.

    tails, heads, currents
        the two cells of each edge (flat, in C order of the grid), and the net mass that passes from one to the other
        per time, each ``(m,)``; walls are not among them
    current_density
        its mean in each cell, ``(2, n_1, n_2)``, in 1/(length time)
    """

    tails: np.ndarray
    heads: np.ndarray
    currents: np.ndarray
    current_density: np.ndarray


def plane_thermodynamics(q: PlaneGenerator, masses: np.ndarray) -> PlaneThermodynamics:
    """Return currents, entropy production and free energy of flat cell ``masses`` (n,).

    Raises InvalidInput where mass meets an edge that it can cross one way only.
    """
    _refuse_one_way(q, masses)
    found = balance(
        Edges(q.tails, q.heads, q.up, q.down, volumes(q.grid)),
        masses,
        None if q.exits.any() else plane_stationary(q)[0],
    )
    return PlaneThermodynamics(
        **vars(found),
        tails=q.tails,
        heads=q.heads,
        currents=q.currents(masses),
        current_density=q.current_density(masses),
    )


def _refuse_one_way(q: PlaneGenerator, masses: np.ndarray) -> None:
    flows = np.maximum(q.up * masses[q.tails], q.down * masses[q.heads])
    one_way = np.flatnonzero((np.minimum(q.up, q.down) == 0) & (flows > NOTHING))
    if len(one_way):
        k = int(one_way[np.argmax(flows[one_way])])
        cells = (q.tails[k], q.heads[k]) if q.down[k] == 0 else (q.heads[k], q.tails[k])
        begin, end = (tuple(centres(q.grid)[:, cell].tolist()) for cell in cells)
        raise InvalidInput(
            f"mass passes from x={begin} to {end} and cannot come back ({len(one_way)} of {len(q.up)} edges are open "
            "one way only): its entropy production is not finite. There must be noise along both axes, whose "
            "directions do not change from cell to cell where it is correlated"
        )
