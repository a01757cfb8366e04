"""Trapezoidal steps of the Stratonovich form: Euler-Heun and Heun."""

from typing import Any

from fpsde.schemes.inputs import DW
from fpsde.schemes.scheme import Orders, Scheme


def _euler_heun(model: Any, x: Any, t: Any, dt: Any, noise: Any) -> Any:
    kick = model.noise(x, t, noise.dw)
    return x + model.stratonovich_drift(x, t) * dt + 0.5 * (kick + model.noise(x + kick, t + dt, noise.dw))


def _heun(model: Any, x: Any, t: Any, dt: Any, noise: Any) -> Any:
    first = model.stratonovich_drift(x, t) * dt + model.noise(x, t, noise.dw)
    second = model.stratonovich_drift(x + first, t + dt) * dt + model.noise(x + first, t + dt, noise.dw)
    return x + 0.5 * (first + second)


euler_heun = Scheme(
    name="euler_heun",
    equation="x' = x + f(x, t) dt + (sigma(x, t) + sigma(Y, t + dt)) dW / 2,  Y = x + sigma(x, t) dW",
    step=_euler_heun,
    inputs=(DW,),
    convention="Stratonovich",
    strong=Orders(additive=1.0, commutative=1.0, general=0.5),
    weak=Orders(additive=1.0, commutative=1.0, general=1.0),
    stationary=1.0,
    wall_order=None,
    conditions="f is the Stratonovich drift; f continuously, sigma twice continuously differentiable",
    evaluations=1,
    source="Gard, Introduction to Stochastic Differential Equations (1988); Rümelin, SIAM J. Numer. Anal. 19 (1982)",
)

heun = Scheme(
    name="heun",
    equation=(
        "x' = x + (f(x, t) + f(Y, t + dt)) dt / 2 + (sigma(x, t) + sigma(Y, t + dt)) dW / 2,  "
        "Y = x + f(x, t) dt + sigma(x, t) dW"
    ),
    step=_heun,
    inputs=(DW,),
    convention="Stratonovich",
    strong=Orders(additive=1.0, commutative=1.0, general=0.5),
    weak=Orders(additive=2.0, commutative=1.0, general=1.0),
    stationary=2.0,
    wall_order=None,
    conditions="f is the Stratonovich drift; f and sigma twice continuously differentiable",
    evaluations=2,
    source="Rümelin, SIAM J. Numer. Anal. 19 (1982) 604",
)
