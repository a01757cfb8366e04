"""How far a network in training is above the exact floor of its loss, and what was seen of that on the way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fpsde.ddpm.batches import Batch, Batches
from fpsde.ddpm.network import Network

#: The points that a network is measured at: so many levels, so many points of each, with ids from the first one on.
LEVELS, EACH, FIRST_MEASURED = 64, 64, 2**63


@dataclass(frozen=True, eq=False)
class Looks:
    """What was seen on the way: after ``steps`` (k,), the mean loss of the batches since the look before, and how far
    the averaged parameters were above the floor, (loss - floor)/floor, measured against the exact denoiser."""

    steps: np.ndarray
    losses: np.ndarray
    excesses: np.ndarray

    @staticmethod
    def none() -> Looks:
        """Return that nothing was seen yet."""
        return Looks(np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0))

    @property
    def taken(self) -> int:
        """The number of steps that were taken."""
        return int(self.steps[-1]) if len(self.steps) else 0

    def and_then(self, step: int, loss: float, excess: float) -> Looks:
        """Return these looks and one more."""
        return Looks(np.append(self.steps, step), np.append(self.losses, loss), np.append(self.excesses, excess))


def measured(batches: Batches, network: Network) -> Batch:
    """Return points with the *exact* velocity: their loss is how far a network is above the exact floor.

    E|z - eps|^2 = min E|z - eps|^2 + E|eps* - eps|^2: the noise of z is left out.
    """
    u, x0, z = batches.draws(np.arange(LEVELS * EACH, dtype=np.uint64) + np.uint64(FIRST_MEASURED))
    t = np.repeat(batches.strata(u[:LEVELS]), EACH)
    sigmas = batches.schedule.sigmas[t]
    x = x0 + sigmas * z
    parts = [slice(k, k + EACH) for k in range(0, len(t), EACH)]
    exact = [batches.law.denoised(x[:, at], 1.0, float(sigmas[at][0])) for at in parts]
    return batches.batch(t, x0, z, data=np.concatenate(exact, axis=1), network=network)
