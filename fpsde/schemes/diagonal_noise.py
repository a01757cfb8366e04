"""The stochastic Runge-Kutta scheme SRIW1 for scalar or diagonal noise, strong order 1.5."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from fpsde.schemes.inputs import DW_I10
from fpsde.schemes.models import times_dw
from fpsde.schemes.noise_types import NoiseType
from fpsde.schemes.scheme import Orders, Scheme
from fpsde.schemes.tableau import SRIW1, Tableau, total
from fpsde.symbolic import components


def _step(tableau: Tableau, model: Any, x: Any, t: Any, dt: Any, noise: Any) -> Any:
    sqrt_dt = np.sqrt(dt)
    dw = components([w for w, _ in noise.dw_i10])
    i10_dt = components([i10 / dt for _, i10 in noise.dw_i10])
    i11 = 0.5 * (dw * dw - dt)
    i111 = dw * (dw * dw - 3.0 * dt) / 6.0
    integrals = (dw, i11 / sqrt_dt, i10_dt, i111 / dt)
    drifts: list[Any] = []
    sigmas: list[Any] = []
    shifts: list[Any] = []
    kicks: list[Any] = []
    for i in range(len(tableau.alpha)):
        stage = x + total(tableau.A0[i], drifts) + total(tableau.B0[i], shifts)
        stage_of_noise = x + total(tableau.A1[i], drifts) + total(tableau.B1[i], kicks)
        read = tableau.reads_drift(i)
        drifts.append(model.drift(stage, t + float(tableau.c0[i]) * dt) * dt if read else None)
        sigmas.append(model.sigma(stage_of_noise, t + float(tableau.c1[i]) * dt))
        shifts.append(times_dw(sigmas[i], i10_dt))
        kicks.append(times_dw(sigmas[i], components([sqrt_dt] * len(dw))))
    moved = x + total(tableau.alpha, drifts)
    for sigma, beta in zip(sigmas, zip(*tableau.beta, strict=True), strict=True):
        moved = moved + times_dw(sigma, total(beta, integrals))
    return moved


def diagonal_step(tableau: Tableau) -> Callable[..., Any]:
    """Return the step of a tableau, whose stages of the noise are all channels at once."""
    return partial(_step, tableau)


sriw1 = Scheme(
    name="sriw1",
    equation=(
        "H0_i = x + sum_j A0_ij mu(H0_j) dt + sum_j B0_ij sigma(H1_j) I10/dt,  "
        "H1_i = x + sum_j A1_ij mu(H0_j) dt + sum_j B1_ij sigma(H1_j) sqrt(dt),  x' = x + sum_i alpha_i mu(H0_i) dt "
        "+ sum_i sigma(H1_i) (beta1_i dW + beta2_i I11/sqrt(dt) + beta3_i I10/dt + beta4_i I111/dt)"
    ),
    step=diagonal_step(SRIW1),
    inputs=(DW_I10,),
    convention="Itô",
    strong=Orders(additive=1.5, commutative=1.5, general=None),
    weak=Orders(additive=2.0, commutative=1.5, general=None),
    stationary=2.0,
    wall_order=None,
    noise=frozenset({NoiseType.SCALAR, NoiseType.DIAGONAL}),
    conditions="noise scalar, or diagonal of its own x_j; mu twice, sigma three times continuously differentiable",
    evaluations=2,
    source="Rößler, SIAM J. Numer. Anal. 48 (2010) 922, SRIW1",
)
