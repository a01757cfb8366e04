"""The law of an underdamped particle by a plain FFT splitting in NumPy: what fpsde's high-order mode is held against.

Strang's splitting into transport, force and the Ornstein-Uhlenbeck transition of velocities, each exact on Fourier
modes, in n and 2n steps extrapolated to dt = 0. The law is periodic in both directions; friction is constant.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from scipy import special


@dataclass(frozen=True)
class KramersProblem:
    """dX = V dt, dV = (f(X) - g V) dt + sqrt(2 g kT) dW from independent normal laws, on a box that holds it."""

    name: str
    potential: Callable[[Any], Any]
    force: Callable[[Any], Any]
    friction: float
    temperature: float
    centre: tuple[float, float]
    std: tuple[float, float]
    t_end: float
    box: tuple[tuple[float, float], tuple[float, float]]

    def start(self, cells: int) -> np.ndarray:
        """The masses of the cells at the start, ``(cells, cells)``."""
        first, second = (
            np.diff(special.ndtr((np.linspace(*ends, cells + 1) - m) / s))
            for ends, m, s in zip(self.box, self.centre, self.std, strict=True)
        )
        return np.multiply.outer(first, second)

    def error(self, masses: np.ndarray) -> float:
        """L1 distance of masses from the reference: this splitting with 160 to 640 steps, on three times the cells."""
        n = len(masses)
        return float(np.abs(masses - _reference(self, n)).sum())


#: The problem of issue 4.
DOUBLE_WELL = KramersProblem(
    "underdamped double well, t = 10",
    lambda x: (x**2 - 1) ** 2,
    lambda x: -4 * x * (x**2 - 1),
    friction=1.0,
    temperature=0.5,
    centre=(-1.0, 0.0),
    std=(0.25, float(np.sqrt(0.5))),
    t_end=10.0,
    box=((-2.3, 2.3), (-5.2, 5.2)),
)


def fft_splitting(p: KramersProblem, cells: int, steps: int) -> Callable[[], np.ndarray]:
    """The call that is timed: masses at the end by ``steps`` and twice as many, extrapolated to order 4."""
    return lambda: _averages(_extrapolated([_run(p, cells, n) for n in (steps, 2 * steps)]))


@cache
def _reference(p: KramersProblem, cells: int) -> np.ndarray:
    fine = 3 * cells
    masses = _averages(_extrapolated([_run(p, fine, n) for n in (160, 320, 640)]))
    return masses.reshape(cells, 3, cells, 3).sum(axis=(1, 3))


def _extrapolated(runs: list[np.ndarray]) -> np.ndarray:
    """Return Romberg's limit of runs, each in twice the steps of the one before, of errors in even powers of dt."""
    power = 4.0
    while len(runs) > 1:
        runs = [(power * b - a) / (power - 1) for a, b in pairwise(runs)]
        power *= 4
    return runs[0]


def _filtered(p: np.ndarray, power: int) -> np.ndarray:
    """Return p with its Fourier modes times the factors of cell averages, to a power."""
    for axis in (0, 1):
        n = p.shape[axis]
        factors = np.sinc(np.arange(n // 2 + 1) / n) ** power
        p = np.fft.irfft(np.fft.rfft(p, axis=axis) * (factors if axis else factors[:, None]), n, axis=axis)
    return p


def _averages(p: np.ndarray) -> np.ndarray:
    return _filtered(p, 1)


def _run(problem: KramersProblem, cells: int, steps: int) -> np.ndarray:
    """Return values, in masses, after steps of half a transport, half a force, O-U, half a force, half a transport."""
    dt, g, kT = problem.t_end / steps, problem.friction, problem.temperature
    (x, k), (v, q) = (_axis(ends, cells) for ends in problem.box)
    e = np.exp(-g * dt)
    modes = np.exp(1j * np.outer(v, q)) * np.exp(-0.5 * q**2 * kT * (1 - e**2)) * np.where(q == 0, 1, 2) / cells
    if cells % 2 == 0:
        modes[:, -1] /= 2
    mixing = (modes @ np.exp(-1j * np.outer(q, e * v))).real.T
    half, whole = (np.exp(-1j * np.outer(k, v * s)) for s in (dt / 2, dt))
    kick = np.exp(-1j * np.outer(problem.force(x) * dt / 2, q))

    def pushed(p: np.ndarray) -> np.ndarray:
        return np.fft.irfft(np.fft.rfft(p, axis=1) * kick, cells, axis=1)

    p = np.fft.irfft(np.fft.rfft(_filtered(problem.start(cells), -1), axis=0) * half, cells, axis=0)
    for i in range(steps):
        p = pushed(pushed(p) @ mixing)
        p = np.fft.irfft(np.fft.rfft(p, axis=0) * (whole if i < steps - 1 else half), cells, axis=0)
    return p


def _axis(ends: tuple[float, float], cells: int) -> tuple[np.ndarray, np.ndarray]:
    h = (ends[1] - ends[0]) / cells
    return ends[0] + h * (np.arange(cells) + 0.5), 2 * np.pi / (ends[1] - ends[0]) * np.arange(cells // 2 + 1)
