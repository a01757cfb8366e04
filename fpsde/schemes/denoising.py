"""The steps of diffusion models towards the data: from x at (signal a, level s) to x' at (a', s'), with less noise.

Here are those of DDPM and DDIM; :mod:`~fpsde.schemes.heun_flow` has that of Karras et al. (2022), and
:mod:`~fpsde.schemes.correctors` what Song et al. (2021) add to any of them. All read the denoiser D = E[x0 | x] of a
process from noise to data and nothing else of it, so that one statement serves every schedule and every
parametrisation: x0 = D(x/a, s/a), eps = (x - a x0)/s.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from fpsde.schemes.from_noise import refuse_without_denoiser, sampler_scheme
from fpsde.schemes.scheme import Scheme
from fpsde.signal_and_noise import Prediction, posterior_mean, posterior_variance, prediction_of
from fpsde.symbolic import components
from fpsde.validation import share


def ddim(eta: float = 0.0) -> Scheme:
    """Return the step of denoising diffusion implicit models.

        x' = a' x0 + sqrt(s'^2 - v) eps + sqrt(v) z,    v = eta^2 fresh (s'/s)^2

    ``eta`` 0 has no noise, and is Euler's step for the probability flow in s/a; 1 is :func:`ancestral`. With alpha_bar
    the paper's eqs. 12 and 16. Raises InvalidInput unless 0 <= eta <= 1.
    Source: Song, Meng & Ermon, ICLR (2021).
    """
    eta = share("eta", eta)
    return sampler_scheme(
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
    between = fraction if learned else share("fraction", fraction)
    return sampler_scheme(
        "ancestral" if learned or not between else f"ancestral({between:g})",
        "x' = E[x' | x, x0] + sqrt(v) z,  v = fresh (s'/s)^(2 (1 - fraction))",
        partial(_ancestral, between),
        source="Ho, Jain & Abbeel (2020), algorithm 2; Nichol & Dhariwal (2021), eq. 15",
    )


def _ancestral(fraction: Any, model: Any, x: Any, t: Any, dt: Any, noise: Any) -> Any:
    x0, p = _data(model, x), model.p
    if callable(fraction):
        place = x / p.signal
        given = fraction(place[0] if len(x) == 1 else tuple(place), p.level / p.signal, p)
        fraction = components([given] if len(x) == 1 else list(given))
    std = np.sqrt(p.fresh) * (p.next_level / p.level) ** (1 - fraction)
    return posterior_mean(x, x0, p) + np.where(p.next_level > 0, std, 0.0) * noise.z


def _data(model: Any, x: Any) -> Any:
    """Return E[x0 | x] at the level of the step."""
    refuse_without_denoiser(model)
    return model.staged(model.denoised(x / model.p.signal, model.p.level / model.p.signal))
