"""The loss of a network, and the batches that it is taken of: functions of the seed and of their numbers alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy import special

from fpsde.arrays import module_of
from fpsde.ddpm.denoiser import Scaling
from fpsde.ddpm.network import Network
from fpsde.known_law import KnownLaw
from fpsde.noise import Purpose, uniforms
from fpsde.processes.noise_schedules import NoiseSchedule
from fpsde.signal_and_noise import Prediction, prediction_of


class Batch(NamedTuple):
    """Points, what is to be predicted at them, and weights: the loss is the mean of weights |velocity - value|^2."""

    features: Any  # (inputs, n)
    velocity: Any  # (d, n)
    weights: Any  # (n,)

    def loss_and_slopes(self, value: Any) -> tuple[Any, Any]:
        """Return the loss of a network's ``value`` (d, n), and its derivative in it (d, n)."""
        apart = value - self.velocity
        slopes = self.weights * apart
        loss = (slopes * apart).sum() / len(self.weights)
        slopes *= 2 / len(self.weights)
        return loss, slopes


@dataclass(frozen=True, eq=False)
class Batches:
    """Batches of ``size`` points of a law at the levels of a schedule, by ``weights`` (T,) of |z - eps|^2/d.

    In each batch t runs through 1, ..., T in equal strata, one point in each (Kingma et al., NeurIPS (2021), appendix
    I.1), so that a batch's loss has little variance from t. Batches are drawn on the host, by counter and in float64,
    and then brought to where the parameters of the network lie: their numbers are the same everywhere.
    """

    law: KnownLaw
    schedule: NoiseSchedule
    scaling: Scaling
    weights: np.ndarray
    size: int
    seed: int

    def drawn(self, first: int, count: int, network: Network) -> list[Batch]:
        """Return the batches of ``count`` steps from step ``first`` on, where a network's parameters lie."""
        ids = np.arange(first * self.size, (first + count) * self.size, dtype=np.uint64)
        u, x0, z = self.draws(ids)
        t = self.strata(u.reshape(count, self.size)).reshape(-1)
        made = self.batch(t, x0, z, data=x0, network=network)
        return [Batch(*(part[..., k * self.size : (k + 1) * self.size].copy() for part in made)) for k in range(count)]

    def draws(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return a uniform number (n,), the data (d, n) and normals (d, n) of some ids."""
        m, d = self.law.uniforms, self.law.dim
        u = uniforms(self.seed, Purpose.TRAINING, particles=ids, count=m + d + 1)
        return u[m + d], self.law.draw(u[:m]), special.ndtri(u[m : m + d])

    def strata(self, u: np.ndarray) -> np.ndarray:
        """Return t, one in each of the strata that the last axis of ``u`` runs through."""
        n = u.shape[-1]
        return 1 + np.minimum(self.schedule.n_steps * (np.arange(n) + u) / n, self.schedule.n_steps - 1).astype(int)

    def batch(self, t: np.ndarray, x0: np.ndarray, z: np.ndarray, *, data: np.ndarray, network: Network) -> Batch:
        """Return a batch at levels t (n,), whose velocity is that of ``data``: x0, or E[x0 | x]; made in float64."""
        xp, dtype = module_of(network.parameters), network.parameters.dtype
        scaling, sigmas = self.scaling, self.schedule.sigmas[t]
        a, s = scaling.signal_and_level(sigmas)
        mean = scaling.mean[:, None]
        seen = a * (x0 - mean) / scaling.std + s * z
        velocity = prediction_of(Prediction.VELOCITY, (data - mean) / scaling.std, seen, signal=a, level=s)
        # at fixed x an error of the velocity is one of eps times 1/a
        weights = self.weights[t - 1] * a**2 / self.law.dim
        features = network.shape.features(seen, np.log(sigmas / scaling.std))
        return Batch(*(xp.asarray(part, dtype=dtype) for part in (features, velocity, weights)))
