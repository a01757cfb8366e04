"""Expectations of chains of several components, or on a ring, by their backward operator in frames of axes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fpsde.laws.backward_chain import BackwardChain
from fpsde.laws.extent import extent_of
from fpsde.laws.frame import Observable
from fpsde.laws.levels import Level, exact_level, levels, refuse_walls, settled
from fpsde.laws.scheme_laws import ROUND_OFF
from fpsde.processes.process import Process
from fpsde.schemes.scheme import Scheme


def frame_expectation(
    process: Process,
    scheme: Scheme,
    f: Observable,
    x0: Sequence[float],
    *,
    t_end: float,
    n_steps: int,
    tolerance: float,
) -> tuple[float, float, int]:
    """Return E f(X_n) from ``x0``, what it changed by on the last level relative to max(1, |value|), and the nodes.

    Exact where steps are affine and f a polynomial; else in frames that are made finer and wider until it settles.
    """
    refuse_walls(process)

    def at(level: Level) -> tuple[np.ndarray, np.ndarray]:
        chain = BackwardChain(scheme, process, level.frame, nodes=level.nodes)
        found = chain.expectations([f], x0, t_end=t_end, n_steps=n_steps)
        return found, np.array([level.frame.nodes.shape[1]])

    polynomials = exact_level(process, scheme, [f], x0)
    if polynomials is not None:
        (value,), (nodes,) = at(polynomials)
        return float(value), ROUND_OFF * n_steps, int(nodes)
    (found, (nodes,)), (change, _) = settled(
        levels(process, scheme, extent_of(process, x0=x0, t_end=t_end, dt=t_end / n_steps)),
        at,
        lambda value: tolerance * np.maximum(1.0, np.abs(value)),
        f"the expectation of {scheme.name} on {process.name}",
        f"tolerance={tolerance:g}; allow more, take smaller steps or a smoother f",
    )
    return float(found[0]), float(change[0] / max(1.0, abs(found[0]))), int(nodes)
