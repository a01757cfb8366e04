"""Beneš's process: a drift that is not linear, and a law that is known all the same."""

from __future__ import annotations

import math

import numpy as np

from fpsde.density import Law, Mixture, Normal
from fpsde.optional import optional
from fpsde.processes.process import Process
from fpsde.processes.transitions import known_from_points, setting_of

special = optional("scipy.special")


def benes() -> Process:
    """Return Beneš's process.

        dX = tanh(X) dt + dW,    p = (cosh x/cosh x0) e^{-t/2} N(x; x0, t)

    which is the mixture of N(x0 + t, t) and N(x0 - t, t) with weights e^{+-x0}/(2 cosh x0). There is no stationary law.
    Source: Beneš, Stochastics 5 (1981) 65.
    """
    known = known_from_points(_law)
    return Process(
        drift=lambda x, t, p: np.tanh(x),
        sigma=lambda x, t, p: 1.0,
        name="benes",
        equation="dX = tanh(X) dt + dW",
        exact=known,
        setting=setting_of(known, 0.5, t_end=2.0, n_steps=40),
        factory=benes,
    )


def _law(x0: float, t: float) -> Law:
    both = [(float(special.expit(2 * s * x0)), Normal(x0 + s * t, math.sqrt(t))) for s in (1, -1)]
    seen = [(weight, law) for weight, law in both if weight > 0]  # far from 0 float64 holds one of them only
    return Mixture([weight for weight, _ in seen], [law for _, law in seen])
