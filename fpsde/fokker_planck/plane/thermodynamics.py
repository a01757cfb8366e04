"""Currents and thermodynamics of a law on the cells of a plane; the formulas stand in ``fokker_planck.thermodynamics``.

Where there is no noise along an axis, mass moves along it one way only, and the log-ratios of such edges are infinite.
In the equation of Klein and Kramers it is positions that move so, with velocities that turn round when time does, and
so does the force: neither produces entropy. All of it comes from friction and noise, whose edges are open both ways and
in detailed balance with Gibbs's law (see ``stream``):

    entropy production = sum over these edges of J log(a/b),      of order 2 in the cell width.

The free energy falls by it, and by what upwinding loses, of order 1. Where the edges open both ways do carry a current
in the stationary law (a force that is no gradient among them), the two cannot be told apart, and the law is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fpsde.errors import InvalidInput
from fpsde.fokker_planck.plane.generator import PlaneGenerator, centres, volumes
from fpsde.fokker_planck.plane.stationary import BALANCED, plane_stationary
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

    Raises InvalidInput where mass meets an edge that it can cross one way only, unless those that it can cross both
    ways carry no current in the stationary law.
    """
    stationary = None if q.exits.any() else plane_stationary(q)[0]
    counted = _counted(q, masses, stationary)
    edges = Edges(q.tails[counted], q.heads[counted], q.up[counted], q.down[counted], volumes(q.grid))
    found = balance(edges, masses, stationary)
    return PlaneThermodynamics(
        **vars(found),
        tails=q.tails,
        heads=q.heads,
        currents=q.currents(masses),
        current_density=q.current_density(masses),
    )


def _counted(q: PlaneGenerator, masses: np.ndarray, stationary: np.ndarray | None) -> np.ndarray:
    """Return which edges ``(m,)`` produce entropy: all, or those open both ways if the others are reversed in time."""
    both = np.minimum(q.up, q.down) > 0
    flows = np.maximum(q.up * masses[q.tails], q.down * masses[q.heads])
    one_way = np.flatnonzero(~both & (flows > NOTHING))
    if not len(one_way):
        return np.ones_like(both)
    if stationary is not None:
        ahead, back = (q.up * stationary[q.tails])[both], (q.down * stationary[q.heads])[both]
        if np.abs(ahead - back).sum() < BALANCED * (ahead + back).sum():
            return both
    k = int(one_way[np.argmax(flows[one_way])])
    cells = (q.tails[k], q.heads[k]) if q.down[k] == 0 else (q.heads[k], q.tails[k])
    begin, end = (tuple(centres(q.grid)[:, cell].tolist()) for cell in cells)
    raise InvalidInput(
        f"mass passes from x={begin} to {end} and cannot come back ({len(one_way)} of {len(q.up)} edges are open one "
        "way only): its entropy production is not finite. There must be noise along both axes, whose directions do not "
        "change from cell to cell where it is correlated; or noise in detailed balance with the stationary law, as of "
        "Klein and Kramers in a potential"
    )
