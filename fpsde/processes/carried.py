"""Mixtures that a flow carries along, as manufactured processes: one breathes on the line, one turns in the plane."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fpsde.density import Law, Mixture, Normal
from fpsde.gaussian_mixture import GaussianMixture, mixture_log_density
from fpsde.processes.allowed import Allowed
from fpsde.processes.mixtures import THREE_NORMALS
from fpsde.processes.prescribed_law import manufactured
from fpsde.processes.process import Process
from fpsde.symbolic import Parameters
from fpsde.validation import REAL, Range

#: What moves on the line, at rest: without a symmetry that could hide an error.
WEIGHTS, NORMALS = (0.4, 0.6), (Normal(-1.0, 0.5), Normal(1.0, 0.6))

_BELOW_ONE = Range(
    lambda v: np.abs(v) < 1, "must lie strictly between -1 and 1: the scale and the noise stay positive"
)
_BREATHING = Allowed(shift=REAL, breath=_BELOW_ONE, modulation=_BELOW_ONE)
_TURNING = Allowed(rate=REAL, correlation=REAL)


def breathing_mixture(shift: float = 0.5, breath: float = 0.3, modulation: float = 0.4) -> Process:
    """Return a process on the line whose law is a mixture q of two normals that moves and breathes.

        X_t has the law of m(t) + s(t) Q,    m = shift sin 2t,    s = 1 + breath sin 3t,    Q ~ q
        v = m' + (x - m) s'/s,    sigma = 0.8 (1 + modulation cos x)

    Raises InvalidInput unless |breath| < 1 and |modulation| < 1.
    """
    shift, breath, modulation = _BREATHING.numbers(shift, breath, modulation)

    def centre(t: Any, p: Any) -> Any:
        return p.shift * np.sin(2 * t)

    def scale(t: Any, p: Any) -> Any:
        return 1 + p.breath * np.sin(3 * t)

    def log_density(x: Any, t: Any, p: Any) -> Any:
        parts = [
            math.log(w / q.std) - ((x - centre(t, p)) / scale(t, p) - q.mean) ** 2 / (2 * q.std**2)
            for w, q in zip(WEIGHTS, NORMALS, strict=True)
        ]
        return np.logaddexp(*parts) - np.log(scale(t, p))

    def velocity(x: Any, t: Any, p: Any) -> Any:
        widening = 3 * p.breath * np.cos(3 * t) / scale(t, p)
        return 2 * p.shift * np.cos(2 * t) + (x - centre(t, p)) * widening

    def law(t: float, p: Any) -> Law:
        m, s = float(centre(t, p)), float(scale(t, p))
        return Mixture(WEIGHTS, [Normal(m + s * q.mean, s * q.std) for q in NORMALS])

    return manufactured(
        log_density,
        lambda x, t, p: 0.8 * (1 + p.modulation * np.cos(x)),
        velocity=velocity,
        params={"shift": shift, "breath": breath, "modulation": modulation},
        law=law,
        allowed=_BREATHING,
        name="breathing_mixture",
        equation="dX = (v + D' + D (log p)') dt + 0.8 (1 + modulation cos X) dW,  p = q((x - m)/s)/s,  "
        "m = shift sin 2t,  s = 1 + breath sin 3t,  v = m' + (x - m) s'/s",
    )


def turning_mixture(rate: float = 1.5, correlation: float = 0.5) -> Process:
    """Return a process in the plane whose law is a mixture q of three normals that turns around the origin.

        X_t has the law of R(rate t) Q,    R(a) the rotation by the angle a,    Q ~ q,    v = rate (-x_1, x_0)
        sigma = 0.8 [[1, 0], [correlation (1 + sin(x_0)/2), 1]]

    The noise is correlated, and the current never stops. Raises InvalidInput for numbers that are not finite.
    """
    rate, correlation = _TURNING.numbers(rate, correlation)
    at_rest = Parameters(**THREE_NORMALS.params)

    def log_density(x: Any, t: Any, p: Any) -> Any:
        c, s = np.cos(p.rate * t), np.sin(p.rate * t)
        return mixture_log_density((c * x[0] + s * x[1], c * x[1] - s * x[0]), at_rest)

    def law(t: float, p: Any) -> GaussianMixture:
        c, s = math.cos(p.rate * t), math.sin(p.rate * t)
        means = THREE_NORMALS.means @ np.array([[c, s], [-s, c]])
        return GaussianMixture(THREE_NORMALS.weights, means, THREE_NORMALS.covariances)  # they are round

    return manufactured(
        log_density,
        lambda x, t, p: ((0.8, 0.0), (0.8 * p.correlation * (1 + 0.5 * np.sin(x[0])), 0.8)),
        velocity=lambda x, t, p: (-p.rate * x[1], p.rate * x[0]),
        dim=2,
        params={"rate": rate, "correlation": correlation},
        law=law,
        allowed=_TURNING,
        name="turning_mixture",
        equation="dX = (v + div D + D grad log p) dt + 0.8 [[1, 0], [correlation (1 + sin(X_0)/2), 1]] dW,  "
        "v = rate (-X_1, X_0),  p a mixture that turns at the rate v",
    )
