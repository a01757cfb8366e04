"""Stochastic Runge-Kutta schemes for additive noise, strong order 1.5: SRA1 and SRA3."""

from collections.abc import Callable
from functools import partial
from typing import Any

from fpsde.schemes.inputs import DW_I10
from fpsde.schemes.noise_types import NoiseType
from fpsde.schemes.scheme import Orders, Scheme
from fpsde.schemes.tableau import SRA1, SRA3, Tableau, total
from fpsde.symbolic import components


def _step(tableau: Tableau, model: Any, x: Any, t: Any, dt: Any, noise: Any) -> Any:
    dw = components([w for w, _ in noise.dw_i10])
    i10_dt = components([i10 / dt for _, i10 in noise.dw_i10])
    times = [t + float(c) * dt for c in tableau.c1]
    shifts = [model.noise(x, time, i10_dt) for time in times]
    drifts: list[Any] = []
    for a, b, c in zip(tableau.A0, tableau.B0, tableau.c0, strict=True):
        drifts.append(model.drift(x + total(a, drifts) + total(b, shifts), t + float(c) * dt) * dt)
    kicks = [model.noise(x, time, dw) for time in times]
    return x + total(tableau.alpha, drifts) + total(tableau.beta[0], kicks) + total(tableau.beta[1], shifts)


def additive_step(tableau: Tableau) -> Callable[..., Any]:
    """Return the step of a tableau: stages of the drift in x and t, stages of the noise in t alone."""
    return partial(_step, tableau)


_EQUATION = (
    "H_i = x + sum_j A0_ij mu(H_j, t + c0_j dt) dt + sum_j B0_ij sigma(t + c1_j dt) I10/dt,  "
    "x' = x + sum_i alpha_i mu(H_i, t + c0_i dt) dt + sum_i sigma(t + c1_i dt) (beta1_i dW + beta2_i I10/dt)"
)
_CONDITIONS = "additive noise; mu twice continuously differentiable"

sra1 = Scheme(
    name="sra1",
    equation=_EQUATION,
    step=additive_step(SRA1),
    inputs=(DW_I10,),
    convention="Itô",
    strong=Orders(additive=1.5, commutative=None, general=None),
    weak=Orders(additive=2.0, commutative=None, general=None),
    stationary=2.0,
    wall_order=None,
    noise=frozenset({NoiseType.ADDITIVE}),
    conditions=_CONDITIONS,
    evaluations=2,
    source="Rößler, SIAM J. Numer. Anal. 48 (2010) 922, SRA1",
)

sra3 = Scheme(
    name="sra3",
    equation=_EQUATION,
    step=additive_step(SRA3),
    inputs=(DW_I10,),
    convention="Itô",
    strong=Orders(additive=1.5, commutative=None, general=None),
    weak=Orders(additive=2.0, commutative=None, general=None),
    stationary=2.0,
    wall_order=None,
    noise=frozenset({NoiseType.ADDITIVE}),
    conditions=_CONDITIONS + "; without noise it is of order 3",
    evaluations=3,
    source="Rößler, SIAM J. Numer. Anal. 48 (2010) 922, SRA3",
)
