"""Rößler's Runge-Kutta scheme RI1 of weak order 2: five evaluations of each channel, however many there are.

The double integrals take one two-point variable for each pair of channels, as Kloeden & Platen's do. With one for each
channel, shared by its pairs, E I(1,2) I(1,3) would be dt^2/4 in place of 0, and from three channels on that do not
commute the weak order 1 (tests/schemes/test_weak_schemes.py).
"""

from dataclasses import replace
from typing import Any

import numpy as np

from fpsde.schemes.inputs import THREE_POINT, TWO_POINT, Per
from fpsde.schemes.platen import double_integrals, with_itself, with_others
from fpsde.schemes.scheme import Orders, Scheme


def _step(model: Any, x: Any, t: Any, dt: Any, noise: Any) -> Any:
    sqrt_dt, dw = np.sqrt(dt), noise.three_point
    channels = range(len(dw))
    sigma = [model.channel(k, x, t) for k in channels]
    integrals = double_integrals(dw, noise.two_point, sqrt_dt, pairs=model.met_pairs())
    first = model.drift(x, t) * dt
    second = model.drift(x + 2.0 / 3.0 * first + model.noise(x, t, dw), t + 2.0 / 3.0 * dt) * dt
    third = model.drift(x - 1.0 / 3.0 * first + second, t + 2.0 / 3.0 * dt) * dt
    moved = x + 0.25 * first + 0.5 * second + 0.25 * third
    for k in channels:
        moved = moved + with_itself(model, k, sigma[k], x + first, t, dt, dw[k])
        # where channel k meets no other channel its last two terms vanish
        met = [j for j in channels if j != k and model.meets(j, k)]
        if met:
            shift = sum(sigma[j] * integrals[j, k] for j in met) / sqrt_dt
            moved = moved + with_others(model, k, sigma[k], x, shift, t, dw[k], sqrt_dt)
    return moved


ri1 = Scheme(
    name="ri1",
    equation=(
        "x' = x + [mu(x) + 2 mu(H_2) + mu(H_3)] dt/4 + sum_k [(sigma_k(K+_k) + sigma_k(K-_k) + 2 sigma_k) dW_k "
        "+ (sigma_k(K+_k) - sigma_k(K-_k)) (dW_k^2 - dt)/sqrt(dt) + (sigma_k(G+_k) + sigma_k(G-_k) - 2 sigma_k) dW_k "
        "+ 2 (sigma_k(G+_k) - sigma_k(G-_k)) sqrt(dt)]/4,  H_2 = x + (2/3) mu dt + sigma dW, "
        "H_3 = x - mu dt/3 + mu(H_2) dt, K+-_k = x + mu dt +- sigma_k sqrt(dt), "
        "G+-_k = x +- sum_(j != k) sigma_j I(j,k)/sqrt(dt); dW three-point, I(j,k) = (dW_j dW_k + V_jk)/2, V two-point"
    ),
    step=_step,
    inputs=(THREE_POINT, replace(TWO_POINT, per=Per.PAIR)),
    convention="Itô",
    strong=None,
    weak=Orders(additive=2.0, commutative=2.0, general=2.0),
    stationary=2.0,
    wall_order=None,
    conditions="mu and sigma six times continuously differentiable with bounded derivatives; discrete noise: no paths",
    evaluations=3,
    source="Rößler, SIAM J. Numer. Anal. 47 (2009) 1713, RI1",
)
