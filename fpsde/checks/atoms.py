"""The points of a law that carry mass."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from fpsde.density import Law
from fpsde.errors import InvalidInput


@dataclass(frozen=True)
class Atoms:
    """Positions, sorted, the mass at each, and whether it lies inside the range of the law, all ``(n_atoms,)``."""

    positions: np.ndarray
    masses: np.ndarray
    inner: np.ndarray

    def __len__(self) -> int:
        return len(self.positions)

    def at(self, x: np.ndarray) -> np.ndarray:
        """Return the mass at each ``x`` itself."""
        return sum((mass * (x == at) for at, mass in self._pairs), np.zeros(len(x)))

    def up_to(self, x: np.ndarray) -> np.ndarray:
        """Return the mass of the atoms in (-inf, x]."""
        return sum((mass * (x >= at) for at, mass in self._pairs), np.zeros(len(x)))

    @property
    def _pairs(self) -> zip[tuple[float, float]]:
        return zip(self.positions, self.masses, strict=True)


def atoms_of(law: Law) -> Atoms:
    """Return the atoms of the law, those at equal positions put together."""
    if not isinstance(law, Law):
        raise InvalidInput(
            f"{law!r} is not a law; give one of fpsde's, or fpsde.FrozenLaw(d) of a frozen scipy.stats distribution d"
        )
    masses: dict[float, float] = defaultdict(float)
    for at, mass in law.atoms:
        masses[float(at)] += float(mass)
    positions, (low, high) = np.array(sorted(masses)), law.range()
    return Atoms(positions, np.array([masses[at] for at in positions]), (positions > low) & (positions < high))
