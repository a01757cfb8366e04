"""Defects of samplers of diffusion models, each with an exact model in it."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

import fpsde
from fpsde import audit
from planted.levels import BETAS, NAMES
from planted.levels import bar as _bar
from planted.record import Planted

SMALL = 2000


@cache
def sampler_claim(name: str = "ddim") -> Any:
    """The claims of samplers, on data in two unequal parts along 13 levels of 1000."""
    schemes = {
        "ddim": fpsde.ddim(0.5), "silent": fpsde.ddim(), "small": fpsde.ancestral(), "large": fpsde.ancestral(1.0),
        "heun": fpsde.karras(), "churn": fpsde.karras(0.2), "euler": fpsde.euler_maruyama,
    }  # fmt: skip
    return audit.denoising(schemes[name])


def bars_of(i: int) -> tuple[float, float]:
    """alpha_bar of step i and of the level that it leads to."""
    return _bar(NAMES[i]), _bar(NAMES[i + 1]) if i + 1 < len(NAMES) else 1.0


def ddim(
    x: Any,
    i: int,
    z: Any,
    *,
    model: Any = None,
    eta: float = 0.5,
    after: Any = None,
    noise: Any = np.sqrt,
    clip: float = np.inf,
) -> Any:
    """The right step of DDIM, and its switches."""
    a, b = bars_of(i)
    b = b if after is None else after(i)
    eps = (model or sampler_claim().model())(x, NAMES[i])
    x0 = np.clip((x - np.sqrt(1 - a) * eps) / np.sqrt(a), -clip, clip)
    v = eta**2 * (1 - b) / (1 - a) * (1 - a / b)
    return np.sqrt(b) * x0 + np.sqrt(max(1 - b - v, 0.0)) * eps + noise(v) * z


def ancestral(
    x: Any, i: int, z: Any, *, variance: Any = None, swapped: bool = False, last: bool = False, beta: Any = None
) -> Any:
    """The right ancestral step by the posterior of x0, and its switches; ``variance`` maps (beta, small, i) to v."""
    a, b = bars_of(i)
    eps = sampler_claim().model()(x, NAMES[i])
    x0 = (x - np.sqrt(1 - a) * eps) / np.sqrt(a)
    fresh = 1 - a / b if beta is None else beta(i)
    c0, ct = np.sqrt(b) * fresh / (1 - a), np.sqrt(a / b) * (1 - b) / (1 - a)
    small = fresh * (1 - b) / (1 - a)
    v = small if variance is None else variance(fresh, small, i)
    mean = ct * x0 + c0 * x if swapped else c0 * x0 + ct * x
    return mean + (np.sqrt(v) * z if b < 1 or last else 0.0)


def heun(
    x: Any, i: int, z: Any, *, half: float = 0.5, second: bool = True, churn: float = 0.0, noise: Any = np.sqrt
) -> Any:
    """Heun's step in sigma by hand, and its switches."""
    a, b = bars_of(i)
    s, t = np.sqrt(1 / a - 1), np.sqrt(1 / b - 1)
    data, y = sampler_claim().data, x / np.sqrt(a)
    r = s * (1 + churn)
    y = y + noise(r**2 - s**2) * z
    d = (y - data.denoised(y[None], 1.0, r)[0]) / r
    out = y + (t - r) * d
    if b < 1:
        level = t if second else r
        out = y + (t - r) * half * (d + (out - data.denoised(out[None], 1.0, level)[0]) / level)
    return np.sqrt(b) * out


def reverse_euler(
    x: Any, i: int, z: Any, *, score: float = 1.0, diffusion: Any = None, sign: float = 1.0, half: float = 1.0
) -> Any:
    """Euler's step of the reverse diffusion by hand, and its switches."""
    a, b = bars_of(i)
    fresh = 1 - a / b
    s = -sampler_claim().model()(x, NAMES[i]) / np.sqrt(1 - a)
    g2 = fresh if diffusion is None else diffusion(fresh)
    return x + sign * 0.5 * np.log(b / a) * x + half * score * g2 * s + np.sqrt(fresh) * z


def _sampler(step: Any, claim: str = "ddim", **switches: Any) -> Any:
    return lambda: audit.step(lambda x, i, z: step(x, i, z, **switches), sampler_claim(claim), n=SMALL)


def _shifted(x: Any, t: int) -> Any:
    """The model asked at the level that the step leads to."""
    names = [*NAMES[1:], NAMES[-1]]
    return sampler_claim().model()(x, names[NAMES.index(t)])


def _at_index(x: Any, t: int) -> Any:
    """The exact model at the number of steps that are left, as if that were the timestep."""
    a = _bar(len(NAMES) - NAMES.index(t))
    y, sigma = x / np.sqrt(a), np.sqrt(1 / a - 1)
    return (y - sampler_claim().data.denoised(y[None], 1.0, sigma)[0]) / sigma


def _root_of_log(x: Any, i: int, z: Any) -> Any:
    """The ancestral step whose table holds ln(beta): its root is taken, where exp(ln(beta)/2) is the scale."""
    with np.errstate(invalid="ignore"):
        return ancestral(x, i, z, variance=lambda fresh, small, i: np.log(fresh))


def _noise_of_the_level(x: Any, i: int, z: Any, *, eta: float = 0.5) -> Any:
    """DDIM whose noise is eta sqrt(1 - alpha_bar) of the level that it leaves; what is left for eps is cut at 0."""
    a, b = bars_of(i)
    eps = sampler_claim().model()(x, NAMES[i])
    x0 = (x - np.sqrt(1 - a) * eps) / np.sqrt(a)
    return np.sqrt(b) * x0 + np.sqrt(max(1 - b - eta**2 * (1 - a), 0.0)) * eps + eta * np.sqrt(1 - a) * z


def _exploding(scale: float) -> Any:
    """Euler's step of dX = sigma sqrt(2 ln r) dW, the variance-exploding process."""

    def made() -> Any:
        process = fpsde.variance_exploding()
        claim = audit.claim(process, fpsde.euler_maruyama, x0=fpsde.Normal(1.0, 0.5), t_end=1.0, dt=0.05)
        sigma = lambda i: float(process.noise_coefficient(0.0, i * 0.05))  # noqa: E731
        return audit.step(lambda x, i, z: x + scale * sigma(i) * np.sqrt(0.05) * z, claim, n=SMALL)

    return made


SAMPLERS = [
    Planted("sampler", name, source, audited)
    for name, source, audited in (
        (
            "t - 1 for the previous selected step",
            "diffusers #2076, #9261",
            _sampler(ddim, after=lambda i: _bar(max(NAMES[i] - 1, 1))),
        ),
        (
            "beta of one step where steps are skipped",
            "diffusers #3006",
            _sampler(ancestral, "small", beta=lambda i: BETAS[NAMES[i] - 1]),
        ),
        (
            "log variance without its half",
            "diffusers #2090",
            _sampler(ancestral, "small", variance=lambda f, s, i: s**2),
        ),
        ("standard deviation for variance", "diffusers #1581, #10644 (RePaint)", _sampler(ddim, noise=lambda v: v)),
        (
            "beta for the posterior variance",
            "PhysicsInformedDiffusionModels #4",
            _sampler(ancestral, "small", variance=lambda f, s, i: f),
        ),
        ("the posterior variance for beta", "fixed small for large", _sampler(ancestral, "large")),
        ("coefficients of x0 and x swapped", "eq. 7 of DDPM", _sampler(ancestral, "small", swapped=True)),
        (
            "noise in the last step",
            "t > 0 for t > 1",
            _sampler(ancestral, "large", variance=lambda f, s, i: f, last=True),
        ),
        ("sign of eps", "acids-ircam #7, #11", _sampler(ddim, model=lambda x, t: -sampler_claim().model()(x, t))),
        (
            "eps for the score",
            "s = -eps/sigma",
            _sampler(ddim, model=lambda x, t: -sampler_claim().model(fpsde.Prediction.SCORE)(x, t)),
        ),
        (
            "v for eps",
            "prediction type not set",
            _sampler(ddim, model=sampler_claim().model(fpsde.Prediction.VELOCITY)),
        ),
        ("x0 for eps", "prediction type not set", _sampler(ddim, model=sampler_claim().model(fpsde.Prediction.DATA))),
        ("x0 clipped to [-1, 1]", "clip_sample left on", _sampler(ddim, clip=1.0)),
        (
            "it ends at alpha_bar_1",
            "ControlNet #587, stablediffusion #345",
            _sampler(ddim, after=lambda i: bars_of(i)[1] if i < 12 else _bar(1)),
        ),
        ("eta 1 for 1/2", "eta not passed on", _sampler(ddim, eta=1.0)),
        ("no noise at all", "stable-diffusion-webui #1217 (eta 0 for 1)", _sampler(ddim, noise=lambda v: 0.0)),
        ("model asked at the next level", "diffusers #5832", _sampler(ddim, model=_shifted)),
        (
            "root of the log variance",
            "diffusers #14569 (fixed_large_log)",
            _sampler(_root_of_log, "large"),
        ),
        ("noise of all of 1 - alpha_bar", "CoursIA #16158", _sampler(_noise_of_the_level)),
        (
            "offset added to the level it leads to",
            "diffusers #465",
            _sampler(ddim, after=lambda i: _bar(NAMES[i + 1] + 1) if i < 12 else 1.0),
        ),
        (
            "index of the step for its timestep",
            "stablediffusion #226",
            _sampler(ddim, model=_at_index),
        ),
        (
            "churn at its largest, max for min",
            "ComfyUI #13820, Euler-Smea-Dyn-Sampler #11",
            _sampler(heun, "heun", churn=np.sqrt(2) - 1),
        ),
        ("heun without its half", "the sum of two slopes", _sampler(heun, "heun", half=1.0)),
        ("second slope at the first level", "EDM", _sampler(heun, "heun", second=False)),
        ("euler for heun", "second slope left out", _sampler(ddim, "heun", eta=0.0)),
        ("churn without its root", "gamma of EDM", _sampler(heun, "churn", churn=0.2, noise=lambda v: v)),
        ("reverse drift with the forward sign", "flow_grpo #32 (dt < 0)", _sampler(reverse_euler, "euler", sign=-1.0)),
        ("g for g^2", "the reverse diffusion", _sampler(reverse_euler, "euler", diffusion=np.sqrt)),
        ("half of the score", "probability flow for the reverse diffusion", _sampler(reverse_euler, "euler", half=0.5)),
        ("sign of the score", "lebellig/flow-matching #2", _sampler(reverse_euler, "euler", score=-1.0)),
        ("no sqrt(2 ln r)", "deepinv #775", _exploding(1 / np.sqrt(2 * np.log(1000)))),
    )
]
