"""Data seen through noise, x = signal x0 + level z with z ~ N(0, I): what a model may predict of it, and the posterior.

All functions are written with operators, so that numbers, arrays and traced components go through the same formulas.
``signal`` and ``level`` are sqrt(alpha_bar) and sqrt(1 - alpha_bar) where the variance is preserved, 1 and sigma where
it explodes; no formula here needs more than level > 0 and, where it divides by the signal, signal > 0.
"""

from __future__ import annotations

import enum
from typing import Any, NamedTuple

from fpsde.errors import InvalidInput


class Prediction(enum.Enum):
    """What a denoiser may predict of x = signal x0 + level z; each of them gives the others."""

    DATA = "x0"  #: E[x0 | x]
    NOISE = "eps"  #: E[z | x] = (x - signal x0)/level
    VELOCITY = "v"  #: signal eps - level x0 (Salimans & Ho, ICLR (2022), appendix D)
    SCORE = "score"  #: grad log p(x) = -eps/level


class NoiseStep(NamedTuple):
    """A step towards the data, from (signal, level) to (next_signal, next_level), each a number or an array of steps.

    ``fresh`` is the variance of x given the less noisy x' of the forward chain, level^2 - (signal/next_signal)^2
    next_level^2: beta where the variance is preserved. It is given, since that difference cancels.
    """

    signal: Any
    level: Any
    next_signal: Any
    next_level: Any
    fresh: Any


def data_of(kind: Prediction, value: Any, x: Any, *, signal: Any, level: Any) -> Any:
    """Return E[x0 | x] from a prediction of the given kind at x. Raises InvalidInput for another kind."""
    match kind:
        case Prediction.DATA:
            return value
        case Prediction.NOISE:
            return (x - level * value) / signal
        case Prediction.VELOCITY:
            return (signal * x - level * value) / (signal**2 + level**2)
        case Prediction.SCORE:
            return (x + level**2 * value) / signal
    raise _unknown(kind)


def prediction_of(kind: Prediction, x0: Any, x: Any, *, signal: Any, level: Any) -> Any:
    """Return the prediction of the given kind at x that says the same as E[x0 | x] = ``x0``.

    Raises InvalidInput for another kind.
    """
    if kind is Prediction.DATA:
        return x0
    noise = (x - signal * x0) / level
    match kind:
        case Prediction.NOISE:
            return noise
        case Prediction.VELOCITY:
            return signal * noise - level * x0
        case Prediction.SCORE:
            return -noise / level
    raise _unknown(kind)


def posterior_mean(x: Any, x0: Any, step: Any) -> Any:
    """Return the mean of the next, less noisy x' given x and x0.

        E[x' | x, x0] = next_signal fresh/level^2 x0 + (signal/next_signal) (next_level/level)^2 x

    With alpha_bar, the mean of Ho, Jain & Abbeel (2020), eq. 7. ``step`` has the fields of a :class:`NoiseStep`.
    """
    kept = step.next_level / step.level
    return step.next_signal * (step.fresh / step.level**2) * x0 + step.signal / step.next_signal * kept**2 * x


def posterior_variance(step: Any) -> Any:
    """Return the variance of the next, less noisy x' given x and x0: fresh (next_level/level)^2.

    With alpha_bar, beta (1 - alpha_bar')/(1 - alpha_bar) of Ho, Jain & Abbeel (2020), eq. 7.
    """
    return step.fresh * (step.next_level / step.level) ** 2


def _unknown(kind: Any) -> InvalidInput:
    names = ", ".join(f"Prediction.{one.name}" for one in Prediction)
    return InvalidInput(f"{kind!r} is no kind of prediction; give one of {names}")
