"""MALA: an Euler-Maruyama step as a proposal, which Metropolis's rule accepts or rejects."""

from math import inf
from typing import Any

import numpy as np

from fpsde.errors import Unsuited
from fpsde.schemes.advance import Advance
from fpsde.schemes.inputs import DW, UNIFORM
from fpsde.schemes.noise_types import NoiseType, is_black_box
from fpsde.schemes.scheme import Orders, Scheme
from fpsde.symbolic import components


def _step(model: Any, x: Any, t: Any, dt: Any, noise: Any, aux: Any) -> Any:
    _refuse_unsuited(model.process)
    y = model.staged(x + model.drift(x, t) * dt + model.noise(x, t, noise.dw))
    sigma = np.diagonal(model.sigma(x, t))
    # the increments that would lead back from y to x
    back = [(a - b - mu * dt) / s for a, b, mu, s in zip(x, y, model.drift(y, t), sigma, strict=True)]
    proposals = sum(dw * dw - w * w for dw, w in zip(noise.dw, back, strict=True)) / (2.0 * dt)
    gain = (model.energy(x, t) - model.energy(y, t)) / model.p.temperature
    # a proposal whose energy is not a number compares as false: it is rejected
    accepted = np.log(noise.uniform[0]) < gain + proposals
    moved = components([np.where(accepted, b, a) for a, b in zip(x, y, strict=True)])
    return Advance(moved, aux={"accepted": aux["accepted"] + np.where(accepted, 1.0, 0.0)})


def _refuse_unsuited(process: Any) -> None:
    if not _has_own_noise(process):
        raise Unsuited(
            f"mala proposes in every component by noise of its own, and that of {process.name} is none; a diagonal "
            "sigma without zeros is needed"
        )
    if np.ndim(process.params.get("temperature", ())) != 0:
        raise Unsuited(
            f"mala samples exp(-energy/temperature), and {process.name} has not one number temperature among its "
            "parameters; give params={'temperature': ...}, or take overdamped(potential)"
        )


def _has_own_noise(process: Any) -> bool:
    """Whether sigma is diagonal and none of its entries is known to be zero."""
    if is_black_box(process):
        return process.sigma_is_diagonal
    sigma = process.statement.sigma
    return sigma.rows == sigma.cols and sigma.is_diagonal() and all(e != 0 for e in sigma.diagonal())


#: The target is exp(-energy/temperature); the drift only proposes, so a wrong or a tamed one costs acceptance and no
#: bias. A rejected particle stays; ``accepted`` counts the steps that moved it: ``Moments(of="accepted")``.
mala = Scheme(
    name="mala",
    equation=(
        "y = x + mu(x) dt + sigma dW;  x' = y with probability min(1, pi(y) q(x|y) / (pi(x) q(y|x))), else x' = x;  "
        "pi = exp(-energy/temperature), q(y|x) = N(x + mu(x) dt, sigma^2 dt)"
    ),
    step=_step,
    inputs=(DW, UNIFORM),
    convention="Itô",
    strong=None,
    weak=Orders(additive=1.0, commutative=None, general=None),
    stationary=inf,
    wall_order=None,
    noise=frozenset({NoiseType.ADDITIVE}),
    conditions=(
        "a process with an energy and a temperature, sigma diagonal without zeros and free of x; the stationary law "
        "is exact at every dt"
    ),
    evaluations=2,
    source="Roberts & Tweedie, Bernoulli 2 (1996) 341; Roberts & Rosenthal, J. R. Stat. Soc. B 60 (1998) 255",
    scalars=("accepted",),
)
