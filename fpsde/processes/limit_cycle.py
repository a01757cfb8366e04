"""A noisy limit cycle whose stationary law is known: friction that depends on the energy alone."""

from __future__ import annotations

import math

import numpy as np

from fpsde.optional import optional
from fpsde.processes.allowed import Allowed
from fpsde.processes.process import Exact, Process, Setting
from fpsde.validation import POSITIVE, REAL

special = optional("scipy.special")

_ALLOWED = Allowed(friction=POSITIVE, excess=REAL, temperature=POSITIVE)


def energy_van_der_pol(friction: float = 1.0, excess: float = 1.0, temperature: float = 0.25) -> Process:
    """Return an oscillator of van der Pol's type: driven below the energy ``excess``, damped above it.

        dX = V dt,    dV = (-X - friction (H - excess) V) dt + sqrt(2 friction temperature) dW,    H = (X^2 + V^2)/2
        stationary law exp(-G(H)/temperature)/Z,    G = (H - excess)^2/2

    Without noise its orbits go to the circle H = excess, for excess > 0. As areas of the plane are 2 pi dH, H is
    N(excess, temperature) cut at 0, and E X^2 = E V^2 = E H. Any friction g(H) leads to G' = g. With x and t scaled by
    the oscillator, H has no unit; friction is 1/time. Raises InvalidInput unless friction and temperature are
    positive. Source: Caughey, Adv. Appl. Mech. 11 (1971) 209, on friction that depends on the energy.
    """
    friction, excess, temperature = _ALLOWED.numbers(friction, excess, temperature)
    values = {"friction": friction, "excess": excess, "temperature": temperature}
    mean_energy = _mean_above_zero(excess, math.sqrt(temperature))
    return Process(
        drift=lambda x, t, p: (x[1], -x[0] - p.friction * ((x[0] ** 2 + x[1] ** 2) / 2 - p.excess) * x[1]),
        sigma=lambda x, t, p: ((0.0,), (np.sqrt(2 * p.friction * p.temperature),)),
        dim=2,
        params=values,
        name="energy_van_der_pol",
        equation="dX = V dt,  dV = (-X - friction (H - excess) V) dt + sqrt(2 friction temperature) dW",
        exact=Exact(
            stationary_mean=lambda: np.zeros(2),
            stationary_covariance=lambda: mean_energy * np.eye(2),
        ),
        setting=Setting((1.0, 0.0), t_end=5.0, dt=0.025),
        energy=lambda x, t, p: ((x[0] ** 2 + x[1] ** 2) / 2 - p.excess) ** 2 / 2,
        factory=energy_van_der_pol,
        allowed=_ALLOWED,
        arguments=values,
    )


def _mean_above_zero(mean: float, std: float) -> float:
    """Return the mean of N(mean, std^2) cut at 0: mean + std phi(a)/Phi(a), a = mean/std."""
    a = mean / std
    return mean + std * math.exp(-(a**2) / 2 - special.log_ndtr(a)) / math.sqrt(2 * math.pi)
