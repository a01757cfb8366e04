"""The samplers of diffusion models as one-step maps: from x at (signal a, level s) to x' at (a', s'), with less noise.

All read the denoiser D = E[x0 | x] of a process from noise to data and nothing else of it, so that one statement serves
every schedule and every parametrisation: x0 = D(x/a, s/a), eps = (x - a x0)/s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from types import SimpleNamespace
from typing import Any

import numpy as np

from fpsde.errors import InvalidInput
from fpsde.schemes.inputs import Per, Z
from fpsde.schemes.scheme import Scheme
from fpsde.signal_and_noise import Prediction, posterior_mean, posterior_variance, prediction_of
from fpsde.symbolic import components
from fpsde.validation import finite, positive

_Z = replace(Z, per=Per.COMPONENT)
_CONDITIONS = "a process from noise to data (it states its denoiser), in steps of unit time; z has no dt-refinement"


def _sampler(
    name: str,
    equation: str,
    step: Callable,
    *,
    source: str,
    evaluations: int = 1,
    inputs: tuple = (_Z,),
    parts: tuple[Scheme, ...] = (),
) -> Scheme:
    """Return the scheme of a sampler. It claims no order: its levels are those of a table."""
    return Scheme(
        name=name, equation=equation, step=step, inputs=inputs, convention="Itô", strong=None, weak=None,
        wall_order=None, conditions=_CONDITIONS, evaluations=evaluations, source=source, parts=parts,
    )  # fmt: skip


def ddim(eta: float = 0.0) -> Scheme:
    """Return the step of denoising diffusion implicit models.

        x' = a' x0 + sqrt(s'^2 - v) eps + sqrt(v) z,    v = eta^2 fresh (s'/s)^2

    ``eta`` 0 has no noise, and is Euler's step for the probability flow in s/a; 1 is :func:`ancestral`. With alpha_bar
    the paper's eqs. 12 and 16. Raises InvalidInput unless 0 <= eta <= 1.
    Source: Song, Meng & Ermon, ICLR (2021).
    """
    eta = _share("eta", eta)
    return _sampler(
        f"ddim({eta:g})" if eta else "ddim",
        "x' = a' x0 + sqrt(s'^2 - v) eps + sqrt(v) z,  v = eta^2 fresh (s'/s)^2",
        partial(_ddim, eta),
        source="Song, Meng & Ermon, ICLR (2021), eqs. 12, 16",
    )


def _ddim(eta: float, model: Any, x: Any, t: Any, dt: Any, noise: Any) -> Any:
    x0, p = _data(model, x), model.p
    eps = prediction_of(Prediction.NOISE, x0, x, signal=p.signal, level=p.level)
    kept = p.next_level * np.sqrt(1 - eta**2 * p.fresh / p.level**2)
    return p.next_signal * x0 + kept * eps + eta * np.sqrt(posterior_variance(p)) * noise.z


def ancestral(fraction: float | Callable = 0.0) -> Scheme:
    """Return the ancestral step: the posterior of x' with the denoiser in place of x0.

        x' = E[x' | x, x0] + sqrt(v) z,    v = fresh (s'/s)^(2 (1 - fraction)),    no noise where s' = 0

    ``fraction`` 0 is the small variance (that of the posterior), 1 the large one (fresh: beta where the variance is
    preserved), between them log v is interpolated; a function (x, level, p) gives a learned
    fraction for each component, at x/a and s/a as the denoiser does.
    Raises InvalidInput unless 0 <= fraction <= 1 where it is a number.
    Sources: Ho, Jain & Abbeel (2020), algorithm 2; Nichol & Dhariwal (2021), eq. 15.
    """
    learned = callable(fraction)
    share = fraction if learned else _share("fraction", fraction)
    return _sampler(
        "ancestral" if learned or not share else f"ancestral({share:g})",
        "x' = E[x' | x, x0] + sqrt(v) z,  v = fresh (s'/s)^(2 (1 - fraction))",
        partial(_ancestral, share),
        source="Ho, Jain & Abbeel (2020), algorithm 2; Nichol & Dhariwal (2021), eq. 15",
    )


def _ancestral(fraction: Any, model: Any, x: Any, t: Any, dt: Any, noise: Any) -> Any:
    x0, p = _data(model, x), model.p
    share = fraction
    if callable(fraction):
        place, level = x / p.signal, p.level / p.signal
        given = fraction(place[0] if len(x) == 1 else tuple(place), level, p)
        share = components([given] if len(x) == 1 else list(given))
    std = np.sqrt(p.fresh) * (p.next_level / p.level) ** (1 - share)
    return posterior_mean(x, x0, p) + np.where(p.next_level > 0, std, 0.0) * noise.z


def karras(churn: float = 0.0, *, low: float = 0.0, high: float = inf, noise_scale: float = 1.0) -> Scheme:
    """Return Heun's step for the probability flow in sigma = s/a and y = x/a, after a raise of the noise.

        r = (1 + churn) sigma where low <= sigma <= high, else sigma,    y_0 = y + noise_scale sqrt(r^2 - sigma^2) z
        d = (y_0 - D(y_0, r))/r,    y_1 = y_0 + (sigma' - r) d,    d' = (y_1 - D(y_1, sigma'))/sigma'
        y' = y_0 + (sigma' - r)(d + d')/2, and y_1 where sigma' = 0

    ``churn`` is the gamma of the paper, min(S_churn/N, sqrt(2) - 1) for N steps; 0 has no noise. Order 2 in the steps
    of a smooth ladder of sigma. Raises InvalidInput for a negative churn, low > high, or noise_scale <= 0.
    Source: Karras et al. (2022), algorithms 1 and 2.
    """
    gamma, low, high_end = finite("churn", churn), finite("low", low), float(high)
    if gamma < 0 or not low <= high_end:
        raise InvalidInput(f"churn={churn}, low={low}, high={high}: churn is not negative, and low is below high")
    rise = _Rise(gamma, low, high_end, positive("noise_scale", noise_scale))
    name, source = f"karras({gamma:g})" if gamma else "karras", "Karras et al. (2022), algorithm 2"
    step: Callable = partial(_flow, rise)
    parts: tuple[Scheme, ...] = ()
    if gamma:
        rising = _sampler(f"rise of {name}", _RISE, partial(_raised, rise), source=source, evaluations=0)
        flow = _sampler(f"flow of {name}", _FLOW, step, source=source, evaluations=2, inputs=())
        step, parts = partial(_in_turn, (rising, flow)), (rising, flow)
    return _sampler(name, f"{_RISE};  {_FLOW}", step, source=source, evaluations=2, parts=parts)


_RISE = "y_0 = y + noise_scale sqrt(r^2 - sigma^2) z"
_FLOW = "y' = y_0 + (sigma' - r)(d + d')/2,  y = x/a, sigma = s/a"


@dataclass(frozen=True)
class _Rise:
    """By what part ``churn`` the noise is raised before a step, and where."""

    churn: float
    low: float
    high: float
    noise_scale: float

    def at(self, sigma: Any) -> Any:
        """Return gamma where the noise is ``sigma``."""
        bounded = self.churn and (self.low > 0 or self.high < inf)
        return np.where((sigma >= self.low) & (sigma <= self.high), self.churn, 0.0) if bounded else self.churn


def _raised(rise: _Rise, model: Any, x: Any, t: Any, dt: Any, noise: Any) -> Any:
    """Return x with more noise, still in units of the level that the step starts at."""
    _refuse_without_denoiser(model)
    gamma = rise.at(model.p.level / model.p.signal)
    return x + rise.noise_scale * model.p.level * np.sqrt(gamma * (2 + gamma)) * noise.z


def _flow(rise: _Rise, model: Any, x: Any, t: Any, dt: Any, noise: Any) -> Any:
    """Return Heun's step for the flow, from the raised noise."""
    _refuse_without_denoiser(model)
    p = model.p
    sigma, after = p.level / p.signal, p.next_level / p.next_signal
    raised = sigma * (1 + rise.at(sigma))
    y = model.staged(x / p.signal)
    d = (y - model.denoised(y, raised)) / raised
    euler = model.staged(y + (after - raised) * d)
    # a level of 0 is not divided by: the slope there is not read
    slope = (euler - model.denoised(euler, after)) / np.where(after > 0, after, 1.0)
    return p.next_signal * np.where(after > 0, y + (after - raised) * (d + slope) / 2, euler)


def langevin_corrector(size: float) -> Scheme:
    """Return a step of Langevin dynamics at the level that a sampler's step leads to: the corrector of samplers.

        x' = x + delta score(x) + sqrt(2 delta) z,    delta = size s'^2,    score = (a' D(x/a', s'/a') - x)/s'^2

    It keeps the level, and does nothing where s' = 0. The paper's rule delta = 2 (r |z|/|score|)^2, which couples all
    particles, is size = 2 r^2 in high dimensions, where |score| is about |z|/s'. Raises InvalidInput for size <= 0.
    Source: Song et al. (2021), algorithms 4 and 5.
    """
    return _sampler(
        "langevin_corrector",
        "x' = x + size s'^2 score(x) + sqrt(2 size) s' z, at the next level",
        partial(_correction, positive("size", size)),
        source="Song et al. (2021), algorithms 4 and 5",
    )


def _correction(size: float, model: Any, x: Any, t: Any, dt: Any, noise: Any) -> Any:
    _refuse_without_denoiser(model)
    p = model.p
    x0 = model.denoised(x / p.next_signal, p.next_level / p.next_signal)
    moved = x + size * (p.next_signal * x0 - x)  # s'^2 score = a' x0 - x
    # a level of 0 leaves nothing to correct, and a network has no value there
    return np.where(p.next_level > 0, moved, x) + np.sqrt(2 * size) * p.next_level * noise.z


def predictor_corrector(predictor: Scheme | None = None, *, size: float) -> Scheme:
    """Return a sampler's step followed by :func:`langevin_corrector` at the level that it reached.

    ``predictor`` is a sampler, :func:`ancestral` if left out. Raises InvalidInput for a scheme that is no sampler, or
    size <= 0. Source: Song et al. (2021), algorithms 2 to 5.
    """
    first, second = ancestral() if predictor is None else predictor, langevin_corrector(size)
    if not is_sampler(first):
        raise InvalidInput(f"predictor={predictor!r} is no sampler; give one such as fpsde.ancestral()")
    return _sampler(
        f"predictor_corrector({first.name})",
        f"{first.equation};  then {second.equation}",
        partial(_corrected, first.step, second.step),
        source="Song et al. (2021), algorithms 2 to 5",
        evaluations=first.evaluations + second.evaluations,
        inputs=(*first.inputs, replace(_Z, name="corrector")),
        parts=(*(first.parts or (first,)), second),
    )


def _corrected(first: Callable, second: Callable, model: Any, x: Any, t: Any, dt: Any, noise: Any) -> Any:
    moved = model.staged(first(model, x, t, dt, noise))
    return second(model, moved, t, dt, SimpleNamespace(z=noise.corrector))


def _in_turn(parts: tuple[Scheme, ...], model: Any, x: Any, t: Any, dt: Any, noise: Any) -> Any:
    for part in parts:
        x = part.step(model, x, t, dt, noise)
    return x


def is_sampler(scheme: Any) -> bool:
    """Return whether this is a scheme of this module: its steps read tables and denoiser, and no drift in time."""
    return isinstance(scheme, Scheme) and scheme.conditions == _CONDITIONS


def _data(model: Any, x: Any) -> Any:
    """Return E[x0 | x] at the level of the step."""
    _refuse_without_denoiser(model)
    return model.staged(model.denoised(x / model.p.signal, model.p.level / model.p.signal))


def _refuse_without_denoiser(model: Any) -> None:
    if model.process.denoiser is None:
        model.denoised(None, None)  # raises Unsuited before a table is read that is not there


def _share(name: str, value: Any) -> float:
    number = finite(name, value)
    if not 0 <= number <= 1:
        raise InvalidInput(f"{name}={number} must lie in [0, 1]")
    return number
