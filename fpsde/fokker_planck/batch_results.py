"""What the solver returns for many values of the parameters of a process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsde.density import CellLaw
from fpsde.errors import InvalidInput
from fpsde.fokker_planck.results import doubts_about
from fpsde.fokker_planck.sides import Sides
from fpsde.grid import Grid
from fpsde.validation import integer


@dataclass(frozen=True, eq=False)
class BatchEvolution:
    """Laws of m members at ``times``, and how well each was computed.

    params
        the values of the parameters, ``(m, ...)`` for each name
    masses, absorbed
        cell masses ``(n_times, m, n)``, and mass on the low and high wall ``(n_times, m, 2)`` (0 where none absorbs)
    mass_error, minimum, n_steps, n_refused
        of each member, ``(m,)``, as in :class:`~fpsde.fokker_planck.results.LawsInTime`
    edge
        largest mass that lay in the outermost cells at the low and high end where they cut the domain, ``(m, 2)``
    time_error
        largest mass of a member that the last halving of dt moved, or that uniformisation leaves off; None where dt was
        given
    outside
        mass of the initial law that the grid does not hold
    peclet, cells_per_length
        of each member, ``(m,)``, as in :class:`~fpsde.fokker_planck.results.Evolution`
    """

    grid: Grid
    params: Mapping[str, np.ndarray]
    times: tuple[float, ...]
    masses: np.ndarray
    absorbed: np.ndarray
    mass_error: np.ndarray
    minimum: np.ndarray
    time_error: float | None
    outside: float
    edge: np.ndarray
    dt: float | None
    n_steps: np.ndarray
    n_refused: np.ndarray
    peclet: np.ndarray
    cells_per_length: np.ndarray
    sides: Sides
    provenance: dict[str, Any]

    def __repr__(self) -> str:
        return (
            f"<BatchEvolution of {len(self)} members of {self.provenance['process']} on {self.grid.shape[0]} cells, "
            f"which differ in {', '.join(self.params)}; at {len(self.times)} time(s) up to {self.times[-1]:g}>"
        )

    def __len__(self) -> int:
        return self.masses.shape[1]

    def laws(self, member: int) -> tuple[CellLaw, ...]:
        """Return the laws of a member at all times; InvalidInput where there is no such member."""
        k = integer("member", member, least=0)
        if k >= len(self):
            raise InvalidInput(f"member={k}; members are numbered from 0 to {len(self) - 1}")
        rows = zip(self.masses[:, k], self.absorbed[:, k], strict=True)
        return tuple(CellLaw(self.grid, masses, self.sides.atoms(self.grid, absorbed)) for masses, absorbed in rows)

    def law(self, member: int) -> CellLaw:
        """Return the law of a member at the last time."""
        return self.laws(member)[-1]

    @property
    def doubts(self) -> tuple[str, ...]:
        """What is wrong with the grid for the members for which it is worst, in words and numbers."""
        return doubts_about(float(self.peclet.max()), float(self.cells_per_length.min()))
