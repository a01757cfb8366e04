"""Platen's derivative-free scheme of weak order 2, for any noise."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fpsde.schemes.inputs import THREE_POINT, TWO_POINT, Per
from fpsde.schemes.scheme import Orders, Scheme


def _step(model: Any, x: Any, t: Any, dt: Any, noise: Any) -> Any:
    sqrt_dt, dw = np.sqrt(dt), noise.three_point
    channels = range(len(dw))
    sigma = [model.channel(k, x, t) for k in channels]
    first = model.drift(x, t) * dt
    kick = model.noise(x, t, dw)
    second = model.drift(x + first + kick, t + dt) * dt
    moved = x + 0.5 * (first + second)
    for k in channels:
        moved = moved + with_itself(model, k, sigma[k], x + first, t, dt, dw[k])
    for (j, k), product in double_integrals(dw, noise.two_point, sqrt_dt, pairs=model.met_pairs()).items():
        # where channel k does not meet channel j the two terms vanish
        if model.meets(j, k):
            moved = moved + with_others(model, k, sigma[k], x, sigma[j] * sqrt_dt, t, dw[k], product / sqrt_dt)
    return moved


def with_itself(model: Any, k: int, sigma: Any, place: Any, t: Any, dt: Any, dw: Any) -> Any:
    """Return sigma_k dW_k with its own second-order terms, from sigma_k at t + dt and place +- sigma_k sqrt(dt)."""
    sqrt_dt = np.sqrt(dt)
    up, down = (model.channel(k, place + s * sqrt_dt, t + dt) for s in (sigma, -sigma))
    return 0.25 * (up + down + 2.0 * sigma) * dw + 0.25 * (up - down) * (dw * dw - dt) / sqrt_dt


def with_others(model: Any, k: int, sigma: Any, x: Any, shift: Any, t: Any, dw: Any, weight: Any) -> Any:
    """Return the terms of channel k with others, from sigma_k at x +- shift; ``weight`` is that of their difference."""
    up, down = (model.channel(k, x + s, t) for s in (shift, -shift))
    return 0.25 * (up + down - 2.0 * sigma) * dw + 0.5 * (up - down) * weight


def double_integrals(
    dw: Any, two_point: Any, sqrt_dt: Any, *, pairs: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], Any]:
    """Return (dW_j dW_k + V_jk)/2 in place of int dW_j dW_k, by (j, k): V_jk = -V_kj is +-dt with probability 1/2.

    ``pairs`` are those of the two-point variables: the double integrals of channels that do not meet have no factor.
    Source: Kloeden & Platen (1992), eqs. (14.2.8) to (14.2.10).
    """
    out = {}
    for (j, k), sign in zip(pairs, two_point, strict=True):
        out[j, k] = 0.5 * (dw[j] * dw[k] + sign * sqrt_dt)
        out[k, j] = 0.5 * (dw[j] * dw[k] - sign * sqrt_dt)
    return out


platen_weak2 = Scheme(
    name="platen_weak2",
    equation=(
        "x' = x + (mu(Y) + mu) dt/2 + sum_k [(sigma_k(R+_k) + sigma_k(R-_k) + 2 sigma_k) dW_k "
        "+ (sigma_k(R+_k) - sigma_k(R-_k)) (dW_k^2 - dt)/sqrt(dt)]/4 "
        "+ sum_(j != k) [(sigma_k(U+_j) + sigma_k(U-_j) - 2 sigma_k) dW_k "
        "+ (sigma_k(U+_j) - sigma_k(U-_j)) (dW_j dW_k + V_jk)/sqrt(dt)]/4,  Y = x + mu dt + sigma dW, "
        "R+-_k = x + mu dt +- sigma_k sqrt(dt), U+-_j = x +- sigma_j sqrt(dt); dW three-point, V two-point"
    ),
    step=_step,
    inputs=(THREE_POINT, replace(TWO_POINT, per=Per.PAIR)),
    convention="Itô",
    strong=None,
    weak=Orders(additive=2.0, commutative=2.0, general=2.0),
    stationary=2.0,
    wall_order=None,
    conditions="mu and sigma six times continuously differentiable with bounded derivatives; discrete noise: no paths",
    evaluations=2,
    source="Kloeden & Platen (1992), eqs. (15.1.1), (15.1.3), with time as one more component",
)
