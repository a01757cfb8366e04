"""Tamed Euler: no step of the drift is longer than one unit, so a superlinear drift cannot make the chain explode."""

from typing import Any

import numpy as np

from fpsde.schemes.inputs import DW
from fpsde.schemes.scheme import Orders, Scheme


def _step(model: Any, x: Any, t: Any, dt: Any, noise: Any) -> Any:
    drift = model.drift(x, t)
    length = np.sqrt(sum(a * a for a in drift))
    return x + drift * dt / (1.0 + dt * length) + model.noise(x, t, noise.dw)


tamed_euler = Scheme(
    name="tamed_euler",
    equation="x' = x + mu dt / (1 + |mu| dt) + sigma dW",
    step=_step,
    inputs=(DW,),
    convention="Itô",
    strong=Orders(additive=1.0, commutative=0.5, general=0.5),
    weak=Orders(additive=1.0, commutative=1.0, general=1.0),
    stationary=1.0,
    wall_order=1.0,
    conditions=(
        "drift one-sided Lipschitz with a derivative of at most polynomial growth, sigma Lipschitz; "
        "the strong order of the paper is 1/2, and 1 for additive noise where the drift has bounded derivatives"
    ),
    evaluations=1,
    source="Hutzenthaler, Jentzen & Kloeden, Ann. Appl. Probab. 22 (2012) 1611",
)
