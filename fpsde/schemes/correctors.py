"""Correctors: steps of Langevin dynamics at the level that a sampler's step has reached."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from fpsde.errors import InvalidInput
from fpsde.schemes.denoising import ancestral
from fpsde.schemes.from_noise import Z_EACH, is_sampler, refuse_without_denoiser, sampler_scheme
from fpsde.schemes.scheme import Scheme
from fpsde.validation import positive


def langevin_corrector(size: float) -> Scheme:
    """Return a step of Langevin dynamics at the level that a sampler's step leads to: the corrector of samplers.

        x' = x + delta score(x) + sqrt(2 delta) z,    delta = size s'^2,    score = (a' D(x/a', s'/a') - x)/s'^2

    It keeps the level, and does nothing where s' = 0. The paper's rule delta = 2 (r |z|/|score|)^2, which couples all
    particles, is size = 2 r^2 in high dimensions, where |score| is about |z|/s'. Raises InvalidInput for size <= 0.
    Source: Song et al. (2021), algorithms 4 and 5.
    """
    return sampler_scheme(
        "langevin_corrector",
        "x' = x + size s'^2 score(x) + sqrt(2 size) s' z, at the next level",
        partial(_correction, positive("size", size)),
        source="Song et al. (2021), algorithms 4 and 5",
    )


def _correction(size: float, model: Any, x: Any, t: Any, dt: Any, noise: Any) -> Any:
    refuse_without_denoiser(model)
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
    return sampler_scheme(
        f"predictor_corrector({first.name})",
        f"{first.equation};  then {second.equation}",
        partial(_corrected, first.step, second.step),
        source="Song et al. (2021), algorithms 2 to 5",
        evaluations=first.evaluations + second.evaluations,
        inputs=(*first.inputs, replace(Z_EACH, name="corrector")),
        parts=(*(first.parts or (first,)), second),
    )


def _corrected(first: Callable, second: Callable, model: Any, x: Any, t: Any, dt: Any, noise: Any) -> Any:
    moved = model.staged(first(model, x, t, dt, noise))
    return second(model, moved, t, dt, SimpleNamespace(z=noise.corrector))
