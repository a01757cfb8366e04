"""Processes beside the same coefficients as plain NumPy functions, one of each class of noise, for formulas by hand.

Components, channels and times are all unequal, so that a swapped index or a wrong node is seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fpsde.processes.process import Process
from fpsde.processes.statement import STRATONOVICH


@dataclass(frozen=True, eq=False)
class Twin:
    """A process, its Itô drift ``a`` and Stratonovich drift ``f`` (x, t) -> (d, n), and ``b`` (x, t) -> (d, m, n)."""

    process: Process
    a: Callable
    f: Callable
    b: Callable


def _drift(x, t):
    return (x[1] - 0.6 * x[0], np.sin(x[0]) - x[1] + 0.3 * t)


def _stacked(rows, x):
    return np.array([[np.broadcast_to(v, x[0].shape) for v in row] for row in rows])


def _a(x, t):
    return np.array(_drift(x, t))


#: matrix noise, three channels, the time alone in it
ADDITIVE = Twin(
    Process(drift=_drift, sigma=lambda x, t: ((0.3, 0.1 * np.exp(-t), 0.0), (0.2, 0.6, 0.4 * t)), dim=2),
    a=_a,
    f=_a,
    b=lambda x, t: _stacked([[0.3, 0.1 * np.exp(-t), 0.0], [0.2, 0.6, 0.4 * t]], x),
)

#: one channel for each component, the time alone in it
SEPARATE = Twin(
    Process(drift=_drift, sigma=lambda x, t: (0.3 + 0.2 * t, 0.6 * np.exp(-t)), dim=2),
    a=_a,
    f=_a,
    b=lambda x, t: _stacked([[0.3 + 0.2 * t, 0.0], [0.0, 0.6 * np.exp(-t)]], x),
)

#: stated in Stratonovich form
DIAGONAL = Twin(
    Process(
        drift=_drift,
        sigma=lambda x, t: (0.4 + 0.2 * np.sin(x[0]), 0.6 * np.cos(x[1] + t)),
        dim=2,
        interpretation=STRATONOVICH,
    ),
    a=lambda x, t: (
        _a(x, t) + 0.5 * np.array([(0.4 + 0.2 * np.sin(x[0])) * 0.2 * np.cos(x[0]), -0.18 * np.sin(2 * (x[1] + t))])
    ),
    f=_a,
    b=lambda x, t: _stacked([[0.4 + 0.2 * np.sin(x[0]), 0.0], [0.0, 0.6 * np.cos(x[1] + t)]], x),
)

#: one channel in two components
SCALAR = Twin(
    Process(drift=_drift, sigma=lambda x, t: ((0.5 * x[1] + 0.2 * t,), (np.cos(x[0]),)), dim=2),
    a=_a,
    f=lambda x, t: _a(x, t) - 0.5 * np.array([0.5 * np.cos(x[0]), -np.sin(x[0]) * (0.5 * x[1] + 0.2 * t)]),
    b=lambda x, t: _stacked([[0.5 * x[1] + 0.2 * t], [np.cos(x[0])]], x),
)

#: growth and rotation of the plane, which commute
COMMUTING = Twin(
    Process(drift=_drift, sigma=lambda x, t: ((0.3 * x[0], -0.2 * x[1]), (0.3 * x[1], 0.2 * x[0])), dim=2),
    a=_a,
    f=lambda x, t: _a(x, t) - 0.5 * (0.3**2 - 0.2**2) * x,
    b=lambda x, t: _stacked([[0.3 * x[0], -0.2 * x[1]], [0.3 * x[1], 0.2 * x[0]]], x),
)

#: three channels, no two of which commute
GENERAL = Twin(
    Process(
        drift=_drift,
        sigma=lambda x, t: ((0.3 * x[1], np.sin(x[0]), 0.2 * t), (0.6 * x[0], 0.2 * x[1], np.cos(x[0]))),
        dim=2,
    ),
    a=_a,
    f=lambda x, t: (
        _a(x, t)
        - 0.5
        * np.array(
            [
                0.18 * x[0] + np.sin(x[0]) * np.cos(x[0]),
                0.18 * x[1] + 0.04 * x[1] - 0.2 * t * np.sin(x[0]),
            ]
        )
    ),
    b=lambda x, t: _stacked([[0.3 * x[1], np.sin(x[0]), 0.2 * t], [0.6 * x[0], 0.2 * x[1], np.cos(x[0])]], x),
)

#: the second channel moves what the first one reads, and reads nothing that the first one moves
ONE_WAY = Twin(
    Process(drift=_drift, sigma=lambda x, t: ((0.0, 0.5 + 0.2 * t), (np.cos(x[0]), 0.0)), dim=2),
    a=_a,
    f=_a,
    b=lambda x, t: _stacked([[0.0, 0.5 + 0.2 * t], [np.cos(x[0]), 0.0]], x),
)

TWINS = {
    "additive": ADDITIVE,
    "separate": SEPARATE,
    "diagonal": DIAGONAL,
    "scalar": SCALAR,
    "commuting": COMMUTING,
    "general": GENERAL,
}
