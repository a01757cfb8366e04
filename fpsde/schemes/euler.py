"""Euler-Maruyama."""

from typing import Any

from fpsde.schemes.inputs import DW
from fpsde.schemes.scheme import Orders, Scheme


def _step(model: Any, x: Any, t: Any, dt: Any, noise: Any) -> Any:
    return x + model.drift(x, t) * dt + model.noise(x, t, noise.dw)


euler_maruyama = Scheme(
    name="euler_maruyama",
    equation="x' = x + mu(x, t) dt + sigma(x, t) dW",
    step=_step,
    inputs=(DW,),
    convention="Itô",
    strong=Orders(additive=1.0, commutative=0.5, general=0.5),
    weak=Orders(additive=1.0, commutative=1.0, general=1.0),
    stationary=1.0,
    wall_order=1.0,
    conditions=(
        "coefficients Lipschitz and of linear growth; "
        "on a superlinear drift the chain is transient and its raw moments diverge"
    ),
    evaluations=1,
    source="Maruyama, Rend. Circ. Mat. Palermo 4 (1955) 48; Kloeden & Platen (1992), eq. (10.2.4)",
)
