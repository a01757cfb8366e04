"""Milstein: the Itô-Taylor scheme of strong order 1, for noise that commutes."""

from typing import Any

from fpsde.schemes.inputs import DW
from fpsde.schemes.noise_types import NoiseType
from fpsde.schemes.scheme import Orders, Scheme


def _step(model: Any, x: Any, t: Any, dt: Any, noise: Any) -> Any:
    moved = x + model.drift(x, t) * dt + model.noise(x, t, noise.dw)
    # the double integrals I(j,k) and I(k,j) have one factor where noise commutes, and their sum is dW_j dW_k
    for (i, j, k), slope in model.along_noise(x, t).items():
        moved[i] = moved[i] + 0.5 * slope * (noise.dw[j] * noise.dw[k] - (dt if j == k else 0.0))
    return moved


milstein = Scheme(
    name="milstein",
    equation="x' = x + mu dt + sigma dW + (1/2) sum_jk (L^j sigma_k) (dW_j dW_k - delta_jk dt)",
    step=_step,
    inputs=(DW,),
    convention="Itô",
    strong=Orders(additive=1.0, commutative=1.0, general=None),
    weak=Orders(additive=1.0, commutative=1.0, general=None),
    stationary=1.0,
    wall_order=1.0,
    noise=frozenset({NoiseType.COMMUTATIVE}),
    conditions="sigma continuously differentiable; noise that commutes (scalar, diagonal of its own x_j, ...)",
    evaluations=1,
    source="Milstein, Theory Probab. Appl. 19 (1975) 557; Kloeden & Platen (1992), eqs. (10.3.1), (10.3.16)",
)
