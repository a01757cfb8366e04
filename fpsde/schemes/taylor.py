"""Milstein: the Itô-Taylor scheme of strong order 1."""

from typing import Any

from fpsde.schemes.inputs import DW
from fpsde.schemes.scheme import Orders, Scheme


def _step(model: Any, x: Any, t: Any, dt: Any, noise: Any) -> Any:
    correction = 0.5 * model.sigma_sigma_x(x, t) * (noise.dw * noise.dw - dt)
    return x + model.drift(x, t) * dt + model.noise(x, t, noise.dw) + correction


milstein = Scheme(
    name="milstein",
    equation="x' = x + mu dt + sigma dW + (1/2) sigma sigma_x (dW^2 - dt)",
    step=_step,
    inputs=(DW,),
    convention="Itô",
    strong=Orders(additive=1.0, multiplicative=1.0),
    weak=Orders(additive=1.0, multiplicative=1.0),
    wall_order=1.0,
    conditions="sigma continuously differentiable; diagonal noise with sigma_jj a function of x_j and t alone",
    evaluations=1,
    source="Milstein, Theory Probab. Appl. 19 (1975) 557; Kloeden & Platen (1992), eq. (10.3.1)",
)
