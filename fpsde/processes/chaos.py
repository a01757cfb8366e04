"""Lorenz's equations with additive noise: no closed form, but a fair load."""

from __future__ import annotations

from fpsde.processes.allowed import Allowed
from fpsde.processes.process import Process, Setting
from fpsde.validation import POSITIVE, REAL

_ALLOWED = Allowed(prandtl=POSITIVE, rayleigh=REAL, aspect=POSITIVE, sigma=POSITIVE)


def lorenz(prandtl: float = 10.0, rayleigh: float = 28.0, aspect: float = 8 / 3, sigma: float = 3.0) -> Process:
    """Return Lorenz's equations with additive noise in each component.

        dX = prandtl (Y - X) dt + sigma dW_1
        dY = (X (rayleigh - Z) - Y) dt + sigma dW_2
        dZ = (X Y - aspect Z) dt + sigma dW_3

    Lorenz calls the first three parameters sigma, r and b. No law is known. Unit of sigma: (unit of x)/sqrt(time).
    Raises InvalidInput unless prandtl, aspect and sigma are positive. Source: Lorenz, J. Atmos. Sci. 20 (1963) 130,
    eqs. 25-27.
    """
    values = dict(zip(_ALLOWED.ranges, _ALLOWED.numbers(prandtl, rayleigh, aspect, sigma), strict=True))
    return Process(
        drift=lambda x, t, p: (
            p.prandtl * (x[1] - x[0]),
            x[0] * (p.rayleigh - x[2]) - x[1],
            x[0] * x[1] - p.aspect * x[2],
        ),
        sigma=lambda x, t, p: (p.sigma, p.sigma, p.sigma),
        dim=3,
        params=values,
        name="lorenz",
        equation=(
            "dX = prandtl (Y - X) dt + sigma dW_1,  dY = (X (rayleigh - Z) - Y) dt + sigma dW_2,  "
            "dZ = (X Y - aspect Z) dt + sigma dW_3"
        ),
        setting=Setting((1.0, 0.0, 0.0), t_end=1.0, dt=0.005),
        factory=lorenz,
        allowed=_ALLOWED,
        arguments=values,
    )
