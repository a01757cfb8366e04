"""Leimkuhler-Matthews: Euler-Maruyama with the noise of two steps averaged, in a form without memory."""

from typing import Any

from fpsde.schemes.advance import Advance
from fpsde.schemes.equilibrium import reversible
from fpsde.schemes.inputs import DW
from fpsde.schemes.noise_types import NoiseType
from fpsde.schemes.scheme import Orders, Scheme, StationaryOrder


def _step(model: Any, x: Any, t: Any, dt: Any, noise: Any, aux: Any) -> Any:
    half = 0.5 * model.noise(x, t, noise.dw)
    place = x + half
    return Advance(x + model.drift(place, t) * dt + 2.0 * half, aux={"place": place})


def _seen(x: Any, aux: Any) -> Any:
    return aux["place"]


leimkuhler_matthews = Scheme(
    name="leimkuhler_matthews",
    equation="y' = y + mu(x, t) dt + sigma dW,  seen at x = y + sigma dW/2:  x' = x + mu dt + sigma (dW + dW')/2",
    step=_step,
    inputs=(DW,),
    convention="Itô",
    strong=Orders(additive=0.5, commutative=None, general=None),
    weak=Orders(additive=1.0, commutative=None, general=None),
    stationary=StationaryOrder(reversible, order=2.0, elsewhere=1.0),
    wall_order=None,
    noise=frozenset({NoiseType.ADDITIVE}),
    conditions=(
        "drift Lipschitz; made for stationary laws: what is seen lacks half of its last increment, and the drift of "
        "the step that follows it; stationary order 2 for a drift -D grad U with D = sigma sigma^T/2 constant and not "
        "singular, 1 for every other one (a current that does not vanish, underdamped dynamics)"
    ),
    evaluations=1,
    source="Leimkuhler & Matthews, Appl. Math. Res. Express (2013) 34, arXiv:1203.5428",
    auxiliary=("place",),
    internal=("place",),
    observed=_seen,
)
