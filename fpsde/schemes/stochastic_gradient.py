"""Stochastic-gradient Langevin dynamics: Euler-Maruyama with a drift that is known up to noise of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from fpsde.errors import InvalidInput
from fpsde.model_functions import call
from fpsde.schemes.inputs import DW, Per, Z
from fpsde.schemes.scheme import Orders, Scheme
from fpsde.symbolic import components


def sgld(gradient_noise: Callable) -> Scheme:
    """Return Euler-Maruyama with minibatch noise on the drift, as a stated model.

        x' = x + (mu(x, t) + s(x, t) xi) dt + sigma dW,      xi ~ N(0, 1) for each component, new in every step

    ``gradient_noise`` is s(x, t, p), or fewer of these arguments: the standard deviation of the estimate of the drift,
    one number for each component, in (unit of x)/time. For a sum over N data of which minibatches hold n, it is about
    N sd/sqrt(n), where sd is the spread of the terms.

    The law is that of Euler-Maruyama with sigma^2 + s^2 dt in place of sigma^2 in each component: for constant s and a
    gradient drift, to first order in dt, the stationary law is hotter by dt s^2/2 (unit mobility). So the bias is of
    order 1, as Euler's own; no strong order is claimed, since xi has no dt-refinement.

    Raises InvalidInput, when the scheme meets a process, for a function that does not give one number per component.
    Source: Welling & Teh, ICML (2011), eq. (4); Vollmer, Zygalakis & Teh, J. Mach. Learn. Res. 17 (2016) 159.
    """

    return Scheme(
        name="sgld",
        equation="x' = x + (mu(x, t) + s(x, t) xi) dt + sigma(x, t) dW",
        step=partial(_step, gradient_noise),
        inputs=(DW, replace(Z, name="gradient", per=Per.COMPONENT)),
        convention="Itô",
        strong=None,
        weak=Orders(additive=1.0, commutative=1.0, general=1.0),
        stationary=1.0,
        wall_order=None,
        conditions="as of euler_maruyama; s bounded or of linear growth; xi has no dt-refinement",
        evaluations=1,
        source="Welling & Teh, ICML (2011), eq. (4)",
    )


def _step(gradient_noise: Callable, model: Any, x: Any, t: Any, dt: Any, noise: Any) -> Any:
    estimate = model.drift(x, t) + _spread(gradient_noise, model, x, t) * noise.gradient
    return x + estimate * dt + model.noise(x, t, noise.dw)


def _spread(gradient_noise: Callable, model: Any, x: Any, t: Any) -> Any:
    given = call(gradient_noise, x[0] if len(x) == 1 else tuple(x), t, model.p)
    values = [given] if len(x) == 1 else given
    if not isinstance(values, (tuple, list, np.ndarray)) or len(values) != len(x):
        raise InvalidInput(
            f"the gradient noise returned {given}; a standard deviation for each of {len(x)} components is needed"
        )
    return components(list(values))
