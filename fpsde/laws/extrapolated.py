"""Expectations of a process in any frame: short steps of its own coefficients, extrapolated to none at all.

The generator has no stable matrix on axes with ends, while no eigenvalue of an operator of means exceeds one. Euler's
step has  E u(X_h) - E u(X) = c_1 h + c_2 h^2 + ...  (Talay & Tubaro, Stoch. Anal. Appl. 8 (1990) 483, theorem 1), so
Richardson's table over growing numbers of steps takes away one power with each. The step is written here once more, on
the coefficients of the process: schemes are judged by the result.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from fpsde.laws.frame import Frame, Observable, applied
from fpsde.processes.process import Process

#: Numbers of steps, times the fewest.
RATIOS = (1, 2, 3, 4, 6, 8, 12, 16)


def extrapolated_expectations(
    process: Process,
    frame: Frame,
    observables: Sequence[Observable],
    x0: Sequence[float],
    *,
    t_end: float,
    fewest: int,
    nodes: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return E u(X_t) from ``x0`` at t = t_end for each u, ``(k,)``, and what the last entry of the table corrected.

    ``fewest`` steps are those of the coarsest run; ``nodes`` is the number of Gauss-Hermite nodes for each channel.
    """
    values, start = frame.holding(observables), frame.at(x0)
    rule = _gauss_hermite(process.channels, nodes)
    row: list[np.ndarray] = []
    for i, ratio in enumerate(RATIOS):
        above, row = row, [start @ _after_euler(process, frame, values, rule, t_end=t_end, n_steps=ratio * fewest)]
        for k in range(i):
            row.append(row[k] + (row[k] - above[k]) / (RATIOS[i] / RATIOS[i - k - 1] - 1))
    return row[-1], np.abs(row[-1] - row[-2])


def _gauss_hermite(channels: int, nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return normals ``(channels, n)`` and weights ``(n,)``."""
    z, w = np.polynomial.hermite_e.hermegauss(nodes)
    points = np.stack([g.ravel() for g in np.meshgrid(*[z] * channels, indexing="ij")])
    weights = np.stack([g.ravel() for g in np.meshgrid(*[w / w.sum()] * channels, indexing="ij")])
    return points, np.prod(weights, axis=0)


def _after_euler(
    process: Process,
    frame: Frame,
    values: np.ndarray,
    rule: tuple[np.ndarray, np.ndarray],
    *,
    t_end: float,
    n_steps: int,
) -> np.ndarray:
    (z, w), h, d = rule, t_end / n_steps, process.dim

    def operator(t: float) -> np.ndarray:
        def outcomes(starts: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
            x = frame.nodes[:, starts]
            at = x if d > 1 else x[0]
            mu = np.reshape(process.ito_drift(at, t), (d, -1))
            sigma = np.reshape(process.noise_coefficient(at, t), (d, process.channels, -1))
            after = (x + mu * h)[:, :, None] + np.sqrt(h) * np.einsum("ijn,jq->inq", sigma, z)
            yield np.tile(w, x.shape[1]), after.reshape(d, -1)

        return frame.matrices(outcomes, len(w))[0]

    if not process.time_dependent:
        return applied(operator(0.0), values, n_steps)
    for k in reversed(range(n_steps)):
        values = operator(k * h) @ values
    return values
