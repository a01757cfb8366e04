"""Currents and thermodynamics of a law on cells (Schnakenberg, Rev. Mod. Phys. 48 (1976) 571).

Across the edge between cells i and i + 1, with forward flow a = right_i m_i and backward flow b = left_(i+1) m_(i+1):

    J = a - b,      entropy production = sum over edges of (a - b) log(a/b) >= 0.

It is the sum of the rate of change of the entropy S = -sum m log(m/h) of the system and of what flows into the medium.
The free energy, relative to equilibrium and in units of kT, is F = sum m log(m/m_s); it never rises, on a driven ring
neither, and under detailed balance -dF/dt is the entropy production.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fpsde.fokker_planck.generator import Generator
from fpsde.fokker_planck.stationary_law import stationary_masses


@dataclass(frozen=True)
class Thermodynamics:
    """What a law does on its way; entropies in units of k_B, so that rates are in 1/time.

    faces, currents
        where currents are read, and the net mass that passes there to the right per time: ``(n + 1,)``, the two ends
        included (mass into an absorbing wall on the low side counts as negative; the seam of a ring is at both ends)
    entropy_production
        the total; infinite where mass meets an edge that it can cross one way only
    system, medium
        rate of change of the entropy of the law itself (by the inner edges), and entropy given to the medium; their sum
        is ``entropy_production``
    free_energy
        relative entropy to the stationary law of the coefficients at that time; None where a wall absorbs
    """

    faces: np.ndarray
    currents: np.ndarray
    entropy_production: float
    system: float
    medium: float
    free_energy: float | None


def thermodynamics(generator: Generator, masses: np.ndarray) -> Thermodynamics:
    """Return currents, entropy production and free energy of cell ``masses`` (n,)."""
    n = len(masses) if generator.periodic else len(masses) - 1
    after = (np.arange(n) + 1) % len(masses)
    ahead, back = generator.right[:n] * masses[:n], generator.left[after] * masses[after]
    density = masses / generator.grid.widths
    forces = np.log(generator.right[:n] * generator.grid.widths[:n])
    forces = forces - np.log(generator.left[after] * generator.grid.widths[after])  # of the medium, over kT
    current = ahead - back
    system = _summed(current, density[:n], density[after])
    total = _summed(current, ahead, back)
    stationary = None if max(generator.exits) > 0 else relative_entropy(masses, stationary_masses(generator))
    return Thermodynamics(
        generator.grid.faces, face_currents(generator, masses), total, system, float(current @ forces), stationary
    )


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


def _summed(current: np.ndarray, a: np.ndarray, b: np.ndarray) -> float:
    """Return sum J log(a/b), where J = 0 counts as nothing."""
    some = current != 0
    with np.errstate(divide="ignore"):
        return float(current[some] @ (np.log(a[some]) - np.log(b[some])))
