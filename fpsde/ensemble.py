"""What a run of particles returns: positions, and what the observers saw on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsde.errors import InvalidInput


@dataclass(frozen=True)
class PowerSums:
    """Sums over the particles at one time: ``sums[i, k-1]`` = sum (x_i - centre_i)^k for k = 1 .. 4, component i."""

    time: float
    n: int
    centre: np.ndarray  #: (d,)
    sums: np.ndarray  #: (d, 4)

    @property
    def mean(self) -> np.ndarray:
        """The sample mean, ``(d,)``."""
        return self.centre + self.sums[:, 0] / self.n

    @property
    def variance(self) -> np.ndarray:
        """The sample variance (divisor n), ``(d,)``."""
        return self.sums[:, 1] / self.n - (self.sums[:, 0] / self.n) ** 2


@dataclass(frozen=True)
class Counts:
    """A histogram at one time: integer counts in equal bins, and beside them."""

    time: float
    faces: np.ndarray  #: (d, bins + 1)
    counts: np.ndarray  #: (d, bins), int64
    below: np.ndarray  #: (d,), particles below the first face
    above: np.ndarray  #: (d,), particles at or above the last face
    nan: np.ndarray  #: (d,), particles that are not a number


@dataclass(frozen=True)
class Ensemble:
    """A finished (or interrupted) run.

    ``x`` are the positions ``(d, n)`` at time ``t``, or None if not kept. ``n_particles`` counts what is finished.
    """

    t: float
    n_particles: int
    requested: int
    x: np.ndarray | None
    moments: tuple[PowerSums, ...]
    histograms: tuple[Counts, ...]
    snapshots: tuple[tuple[float, np.ndarray], ...]
    not_finite: int  #: particles whose position is NaN or infinite at the end
    failed: int  #: particles for which the scheme raised its failure flag
    absorbed: tuple[tuple[int, int], ...]  #: particles on the low and the high absorbing wall, for each component
    provenance: Mapping[str, Any]

    @property
    def interrupted(self) -> bool:
        """Whether the run was stopped before all particles were finished."""
        return self.n_particles < self.requested

    @property
    def positions(self) -> np.ndarray:
        """The positions ``(d, n)`` at the end; InvalidInput if they were not kept."""
        if self.x is None:
            raise InvalidInput("the positions of this run were not kept; run it with keep_positions=True")
        return self.x

    def snapshot(self, time: float) -> np.ndarray:
        """Return the positions ``(d, n)`` seen at ``time``."""
        for t, x in self.snapshots:
            if abs(t - time) <= 1e-9 * max(1.0, abs(time)):
                return x
        raise InvalidInput(f"no snapshot at t={time}; there are {[t for t, _ in self.snapshots]}")
