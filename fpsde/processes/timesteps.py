"""Which timesteps of a schedule a sampler visits, by name: subsets of 1, ..., T."""

from __future__ import annotations

import math

import numpy as np

from fpsde.errors import InvalidInput
from fpsde.validation import integer


def leading_timesteps(n_steps: int, n_kept: int) -> np.ndarray:
    """Return 1 + k floor(T/N), k = 0, ..., N - 1: the most noisy levels are left out. InvalidInput unless N <= T."""
    T, N = _counts(n_steps, n_kept)
    return 1 + np.arange(N) * (T // N)


def trailing_timesteps(n_steps: int, n_kept: int) -> np.ndarray:
    """Return round(T - k T/N), k = 0, ..., N - 1, increasing: T itself is kept. InvalidInput unless N <= T.

    Source: Lin et al., Common Diffusion Noise Schedules and Sample Steps are Flawed (2024), section 3.3.
    """
    T, N = _counts(n_steps, n_kept)
    return np.rint(T - np.arange(N) * (T / N)).astype(int)[::-1]


def linspace_timesteps(n_steps: int, n_kept: int) -> np.ndarray:
    """Return round(1 + k (T - 1)/(N - 1)), k = 0, ..., N - 1: 1 and T are kept. InvalidInput unless 2 <= N <= T."""
    T, N = _counts(n_steps, n_kept, least=2)
    return np.rint(np.linspace(1, T, N)).astype(int)


def quadratic_timesteps(n_steps: int, n_kept: int) -> np.ndarray:
    """Return 1 + floor(0.8 T (k/(N - 1))^2), k = 0, ..., N - 1: dense near the data, the last fifth is left out.

    InvalidInput unless 2 <= N <= 1 + sqrt(0.8 T): more of them would name timesteps twice.
    Source: Song, Meng & Ermon (2021), appendix D.2, tau_i = floor(c i^2), and their code, which has the 0.8.
    """
    T, N = _counts(n_steps, n_kept, least=2)
    if 5 * (N - 1) ** 2 > 4 * T:
        raise InvalidInput(
            f"n_kept={N} quadratic timesteps of n_steps={T} would name some twice; give at most "
            f"{1 + math.isqrt(4 * T // 5)}"
        )
    return 1 + (4 * T * np.arange(N) ** 2) // (5 * (N - 1) ** 2)


def _counts(n_steps: int, n_kept: int, *, least: int = 1) -> tuple[int, int]:
    T, N = integer("n_steps", n_steps, least=1), integer("n_kept", n_kept, least=least)
    if N > T:
        raise InvalidInput(f"n_kept={N} timesteps of n_steps={T}; there are not so many")
    return T, N
