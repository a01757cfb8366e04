"""Milstein without derivatives: the slope of the noise along itself is a difference quotient over sqrt(dt)."""

from typing import Any

import numpy as np

from fpsde.schemes.inputs import DW
from fpsde.schemes.noise_types import NoiseType
from fpsde.schemes.scheme import Orders, Scheme


def _step(model: Any, x: Any, t: Any, dt: Any, noise: Any) -> Any:
    sqrt_dt, dw = np.sqrt(dt), noise.dw
    drift = model.drift(x, t) * dt
    channels = range(len(dw))
    sigma = [model.channel(k, x, t) for k in channels]
    moved = x + drift + model.noise(x, t, dw)
    for j in channels:
        support = x + drift + sigma[j] * sqrt_dt
        for k in channels:
            # along a channel that k does not meet the slope is zero
            if model.meets(j, k):
                slope = (model.channel(k, support, t) - sigma[k]) / sqrt_dt
                moved = moved + 0.5 * slope * (dw[j] * dw[k] - (dt if j == k else 0.0))
    return moved


milstein_derivative_free = Scheme(
    name="milstein_derivative_free",
    equation=(
        "x' = x + mu dt + sigma dW + sum_jk (sigma_k(Y_j) - sigma_k) (dW_j dW_k - delta_jk dt) / (2 sqrt(dt)),  "
        "Y_j = x + mu dt + sigma_j sqrt(dt)"
    ),
    step=_step,
    inputs=(DW,),
    convention="Itô",
    strong=Orders(additive=1.0, commutative=1.0, general=None),
    weak=Orders(additive=1.0, commutative=1.0, general=None),
    stationary=1.0,
    wall_order=None,
    noise=frozenset({NoiseType.COMMUTATIVE}),
    conditions="sigma twice continuously differentiable; noise that commutes (scalar, diagonal of its own x_j, ...)",
    evaluations=1,
    source="Kloeden & Platen (1992), eqs. (11.1.3), (11.1.7)",
)
