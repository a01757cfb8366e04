"""Paths of a noising chain on normal data and of its reverse: normal vectors, whose divergences are closed forms."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fpsde.ddpm import GaussianMixture
from fpsde.density import Normal
from fpsde.processes import NoiseSchedule
from fpsde.signal_and_noise import posterior_mean


def normal_divergence(m1: np.ndarray, s1: np.ndarray, m2: np.ndarray, s2: np.ndarray) -> float:
    """Return KL(N(m1, s1) || N(m2, s2)) in nats: half of tr(s2^-1 s1) - d + |m2 - m1|^2_{s2^-1} + log det s2/det s1."""
    away, (_, log1), (_, log2) = m2 - m1, np.linalg.slogdet(s1), np.linalg.slogdet(s2)
    trace = float(np.trace(np.linalg.solve(s2, s1)))
    return 0.5 * (trace - len(m1) + float(away @ np.linalg.solve(s2, away)) + float(log2 - log1))


@dataclass(frozen=True, eq=False)
class PathPair:
    """Forward and reverse chains on normal data, whose paths are normal vectors.

    q: x_t = a_t x_{t-1} + sqrt(b_t) z from the data, and p: x_{t-1} = A_t x_t + C_t + s_t z from N(0, 1).

    All arrays are (T,), of t = 1, ..., T; p has the posterior mean with ``factor`` times the exact denoiser.
    """

    data: GaussianMixture
    schedule: NoiseSchedule
    kept: np.ndarray  #: a_t
    fresh: np.ndarray  #: b_t
    slopes: np.ndarray  #: A_t
    offsets: np.ndarray  #: C_t
    variances: np.ndarray  #: s_t^2

    @classmethod
    def of(cls, data: GaussianMixture, schedule: NoiseSchedule, factor: float = 1.0) -> PathPair:
        step = schedule.step(np.arange(1, schedule.n_steps + 1))
        at = np.array([[0.0], [1.0]])
        denoised = np.array(
            [data.denoised(at.T, a, s)[0] for a, s in zip(schedule.signals[1:], schedule.levels[1:], strict=True)]
        ).T
        base, one = posterior_mean(at, factor * denoised, step)
        kept = schedule.signals[1:] / schedule.signals[:-1]
        return cls(data, schedule, kept, schedule.fresh, one - base, base, schedule.fresh)

    def scaled(self, factor: float) -> PathPair:
        return PathPair.of(self.data, self.schedule, factor)

    def forward(self, law: Normal) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and covariance of (x_0, ..., x_T) under q."""
        means, rows = [law.centre], [law.std * np.eye(len(self.kept) + 1)[0]]
        for t, (a, b) in enumerate(zip(self.kept, self.fresh, strict=True), start=1):
            means.append(a * means[-1])
            rows.append(a * rows[-1] + math.sqrt(b) * np.eye(len(self.kept) + 1)[t])
        return _of_rows(means, rows)

    def backward(self) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and covariance of (x_0, ..., x_T) under p."""
        T = len(self.kept)
        means, rows = [0.0], [np.eye(T + 1)[T]]
        for t in range(T - 1, -1, -1):
            means.insert(0, self.slopes[t] * means[0] + self.offsets[t])
            rows.insert(0, self.slopes[t] * rows[0] + math.sqrt(self.variances[t]) * np.eye(T + 1)[t])
        return _of_rows(means, rows)

    def draw_from(self, x0: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return paths (T + 1, n) of q from x_0."""
        paths = [x0]
        for a, b in zip(self.kept, self.fresh, strict=True):
            paths.append(a * paths[-1] + math.sqrt(b) * rng.standard_normal(len(x0)))
        return np.array(paths)

    def log_forward(self, x: np.ndarray) -> np.ndarray:
        """Return log q(x_1, ..., x_T | x_0) of paths, (n,)."""
        return _log_normal(x[1:] - self.kept[:, None] * x[:-1], self.fresh)

    def log_backward(self, x: np.ndarray) -> np.ndarray:
        """Return log p(x_0, ..., x_T) of paths, (n,)."""
        apart = x[:-1] - self.slopes[:, None] * x[1:] - self.offsets[:, None]
        return _log_normal(apart, self.variances) + _log_normal(x[-1:], np.ones(1))


def _of_rows(means: list, rows: list) -> tuple[np.ndarray, np.ndarray]:
    factors = np.array(rows)
    return np.array(means), factors @ factors.T


def _log_normal(apart: np.ndarray, variances: np.ndarray) -> np.ndarray:
    """Return the sum over rows of log N(apart; 0, variance)."""
    v = variances[:, None]
    return np.sum(-0.5 * apart**2 / v - 0.5 * np.log(2 * np.pi * v), axis=0)
