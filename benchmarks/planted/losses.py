"""Defects of losses, bounds and log-densities."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

import fpsde
from fpsde import audit
from fpsde.ddpm import ReverseVariance, min_snr_weights, round_mixture, variational_bound
from planted.levels import BARS, KEPT
from planted.levels import bar as _bar
from planted.record import Planted

NORMAL = round_mixture([1.0], [[1.0]], [0.5])


def simple(
    model: Any, x0: Any, t: int, z: Any, *, bar: Any = _bar, level: Any = None, named: int = 0, power: float = 2.0
) -> Any:
    """The right simple loss, and its switches."""
    s = np.sqrt(1 - bar(t)) if level is None else level(t)
    return np.mean(np.abs(z - model(np.sqrt(bar(t)) * x0 + s * z, t + named)) ** power)


def snr(t: int) -> float:
    """The signal-to-noise ratio at t."""
    return _bar(t) / (1 - _bar(t))


def _loss(weight: Any = None, weights: Any = None, **switches: Any) -> Any:
    asked = {} if weights is None else {"weights": weights}
    w = (lambda t: 1.0) if weight is None else weight
    return lambda: audit.loss(lambda m, x, t, z: w(t) * simple(m, x, t, z, **switches), KEPT, **asked)


def velocity(sign: float = 1.0, weight: Any = None, weights: Any = None) -> Any:
    """The audit of a loss on v, which may be weighted."""

    def loss(model: Any, x0: Any, t: int, z: Any) -> Any:
        a, s = np.sqrt(_bar(t)), np.sqrt(1 - _bar(t))
        error = np.mean((a * z - sign * s * x0 - model(a * x0 + s * z, t)) ** 2)
        return error if weight is None else weight(t) * error

    asked = weights or (lambda schedule: 1 / schedule.alpha_bars[1:])  # |v error|^2 = |eps error|^2/alpha_bar
    return lambda: audit.loss(loss, KEPT, predicts=fpsde.Prediction.VELOCITY, weights=asked)


def _data_loss(weight: Any) -> Any:
    def loss(model: Any, x0: Any, t: int, z: Any) -> Any:
        x = np.sqrt(_bar(t)) * x0 + np.sqrt(1 - _bar(t)) * z
        return weight(t) * np.mean((x0 - model(x, t)) ** 2)

    return lambda: audit.loss(loss, KEPT, predicts=fpsde.Prediction.DATA)


@cache
def _terms() -> np.ndarray:
    right = variational_bound(NORMAL, KEPT, variance=ReverseVariance.SMALL)
    return np.array([right.data, *right.steps, right.prior])


def _bound(change: Any, *, total: bool = True) -> Any:
    return lambda: audit.bound(change(_terms().sum() if total else _terms().copy()), NORMAL, KEPT)


def _without(k: int) -> Any:
    def change(terms: np.ndarray) -> np.ndarray:
        terms[k] = 0.0
        return terms

    return change


def _mixture(x: Any, *, logs: bool = False) -> Any:
    parts = [
        np.log(w) - 0.5 * ((x - m) / s) ** 2 - np.log(s * np.sqrt(2 * np.pi))
        for w, m, s in ((0.3, -1.5, 0.3), (0.7, 1.0, 0.5))
    ]
    return 0.3 * parts[0] + 0.7 * parts[1] if logs else np.logaddexp(*parts)


MIXTURE = fpsde.Mixture([0.3, 0.7], [fpsde.Normal(-1.5, 0.3), fpsde.Normal(1.0, 0.5)])
LOSSES = [
    Planted("loss", name, source, audited)
    for name, source, audited in (
        (
            "min(snr, gamma) without / snr",
            "lucidrains, 2023-03 and 2026-02 (min-snr)",
            _loss(lambda t: min(snr(t), 5.0), min_snr_weights),
        ),
        (
            "min for max",
            "recurrent-interface-network-pytorch #11",
            _loss(lambda t: max(snr(t), 5.0) / snr(t), min_snr_weights),
        ),
        ("gamma 1 for 5", "a default", _loss(lambda t: min(snr(t), 1.0) / snr(t), min_snr_weights)),
        ("absolute for squared error", "l1 for l2", _loss(power=1.0)),
        ("t one too large for the model", "1 to T and 0 to T - 1", _loss(named=1)),
        ("data noised to t - 1", "index of the table", _loss(bar=lambda t: float(BARS[max(t - 2, 0)]))),
        ("variance for standard deviation", "diffusion-models-class #18", _loss(level=lambda t: 1 - _bar(t))),
        ("sign of v", "v = a eps - s x0", velocity(-1.0)),
        (
            "min(snr + 1, gamma)/(snr + 1) on v",
            "diffusers #5654",
            velocity(weight=lambda t: min(snr(t) + 1, 5.0) / (snr(t) + 1), weights=min_snr_weights),
        ),
        (
            "weights of eps on v",
            "sd-scripts #673, kohya_ss #1555",
            velocity(weight=lambda t: min(snr(t), 5.0) / snr(t), weights=min_snr_weights),
        ),
        ("error of x0 without the snr", "weights of another prediction", _data_loss(lambda t: 1.0)),
        ("root of the snr", "snr of amplitudes", _data_loss(lambda t: np.sqrt(snr(t)))),
        ("half", "1/2 in the loss and in its weights", _loss(lambda t: 0.5)),
        ("L_0 left out", "the data term", _bound(_without(0), total=False)),
        ("L_T left out", "the prior term", _bound(_without(-1), total=False)),
        ("bits for nats", "units", _bound(lambda total: total / np.log(2))),
        ("7 bits of scaling", "score_sde (offset of 8-bit data)", _bound(lambda total: total + 7 * np.log(2))),
        (
            "KL without its half",
            "pml2-book #297 (constants of a KL)",
            _bound(lambda terms: np.append(terms[:1], [*(2 * terms[1:])]), total=False),
        ),
        (
            "no normalisation",
            "iap-diffusion-labs #15",
            lambda: audit.log_density(lambda x: _mixture(x) + 0.5 * np.log(2 * np.pi), MIXTURE),
        ),
        (
            "variance for scale",
            "pyro #1643",
            lambda: audit.log_density(
                lambda x: -0.5 * ((x - 1) / 0.5**2) ** 2 - np.log(0.5**2 * np.sqrt(2 * np.pi)), fpsde.Normal(1.0, 0.5)
            ),
        ),
        (
            "sum of logs for log of the sum",
            "udlbook #184",
            lambda: audit.log_density(lambda x: _mixture(x, logs=True), MIXTURE),
        ),
        ("pixels of 255", "SafeDiffuser #9", lambda: audit.log_density(lambda x: _mixture(x) / 255, MIXTURE)),
        ("bits for nats in a density", "units", lambda: audit.log_density(lambda x: _mixture(x) / np.log(2), MIXTURE)),
    )
]
