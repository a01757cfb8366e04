"""A network as a denoiser: it predicts the velocity of data that are scaled to unit variance."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fpsde.arrays import beside, module_of
from fpsde.ddpm.network import Network
from fpsde.errors import InvalidInput
from fpsde.known_law import KnownLaw
from fpsde.signal_and_noise import Prediction, data_of
from fpsde.validation import finite_array, positive


@dataclass(frozen=True, eq=False)
class Scaling:
    """The data as a network sees them: (x0 - mean)/std, with ``mean`` (d,) and one number ``std``.

    y = (x0 + sigma z - mean)/std becomes a y = a (x0 - mean)/std + s z, with the signal a and level s of

        a = 1/sqrt(1 + r^2),   s = r/sqrt(1 + r^2),   r = sigma/std

    so that it has unit variance at all levels, and so has the velocity a z - s (x0 - mean)/std that the network learns.
    Predictions in these units are those of Karras et al. (2022), table 1, with sigma_data = std, but for a sign.
    """

    mean: np.ndarray
    std: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", finite_array("mean", self.mean, ndim=1))
        object.__setattr__(self, "std", positive("std", self.std))

    def signal_and_level(self, sigma: Any) -> tuple[Any, Any]:
        """Return a and s at ``sigma`` > 0, a number or an array."""
        size = np.hypot(self.std, sigma)
        return self.std / size, sigma / size


def scaling_of(law: KnownLaw) -> Scaling:
    """Return the scaling to the mean of a law and the root mean square of its standard deviations."""
    return Scaling(law.mean, math.sqrt(float(np.trace(law.covariance)) / law.dim))


@dataclass(frozen=True, eq=False)
class Denoiser:
    """D(x, level) = E[x0 | x0 + level z = x] by a network; ``law.denoiser`` is the exact one.

    ``fpsde.denoising_box(denoiser, schedule, dim=d)`` is the process that samplers take steps of.
    """

    network: Network
    scaling: Scaling

    def __call__(self, x: Any, level: Any) -> Any:
        """Return D (d, n) at points (d, n); ``level`` > 0 is a number, or one for each point (n,).

        Points may lie on the host or on a GPU (NumPy or CuPy): the network works where they do, in the precision of its
        parameters, and they are returned in their own. InvalidInput for another number of components.
        """
        seen, a, s, features = self.inputs(x, level)
        here = self.with_parameters(beside(self.network.parameters, x))
        velocity = here.network(features).astype(x.dtype)
        mean = module_of(x).asarray(self.scaling.mean, dtype=x.dtype)[:, None]
        return mean + self.scaling.std * data_of(Prediction.VELOCITY, velocity, seen, signal=a, level=s)

    def in_float64(self) -> Denoiser:
        """Return the same denoiser with its parameters in float64: differences of it then have a meaning."""
        return self.with_parameters(self.network.parameters.astype(np.float64))

    def with_parameters(self, parameters: Any) -> Denoiser:
        """Return the same denoiser with other parameters (size,), or with the same ones elsewhere."""
        return replace(self, network=replace(self.network, parameters=parameters))

    def inputs(self, x: Any, level: Any) -> tuple[Any, Any, Any, Any]:
        """Return the scaled points (d, n), their signal and level (n,), and the features of the network."""
        if x.ndim != 2 or len(x) != self.network.shape.dim:
            raise InvalidInput(f"x has shape {x.shape}; ({self.network.shape.dim}, n) is needed, component first")
        xp, dtype = module_of(x), self.network.parameters.dtype
        a, s = self.scaling.signal_and_level(xp.asarray(level, dtype=x.dtype) + xp.zeros(x.shape[1:], dtype=x.dtype))
        seen = a * (x - xp.asarray(self.scaling.mean, dtype=x.dtype)[:, None]) / self.scaling.std
        return seen, a, s, self.network.shape.features(seen.astype(dtype), xp.log(s / a).astype(dtype))
