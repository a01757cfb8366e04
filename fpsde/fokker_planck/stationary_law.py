"""The stationary masses of a generator on a line or a ring, without factoring the singular Q.

Cells are censored one by one from the left (Grassmann, Taksar & Heyman 1985): what jumps into a censored cell is sent
where it would leave to. On a line this is the product of rate ratios, m_(i+1) / m_i = right_i / left_(i+1); on a ring,
driven or not, it is the cyclic formula. Nothing is subtracted, and all is done in logarithms, because the masses of one
well may lie hundreds of decades below those of another.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from fpsde.errors import InvalidInput
from fpsde.fokker_planck.generator import Generator
from fpsde.jit import kernel


class Jumping(Protocol):
    """A generator, of a line or of a plane."""

    def apply(self, masses: np.ndarray) -> np.ndarray: ...

    @property
    def out_rates(self) -> np.ndarray: ...


def residual(q: Jumping, masses: np.ndarray, rate: complex = 0.0) -> float:
    """Return sum |Q m + rate m|, 0 for a mode that decays with this rate, over that at which |m| jumps; inf for NaN."""
    value = float(np.abs(q.apply(masses) + rate * masses).sum() / (q.out_rates @ np.abs(masses)))
    return value if np.isfinite(value) else np.inf


def stationary_masses(generator: Generator) -> np.ndarray:
    """Return the masses ``(n,)`` with Q m = 0 and sum 1; exits are not part of Q here.

    Raises
    ------
    InvalidInput
        if a rate between neighbours has underflowed to zero (Peclet number above 745): the cells on both sides of it
        cannot be weighed against each other.
    """
    inner = np.minimum(generator.lower, generator.upper)
    if not np.all(inner > 0):
        i = int(np.argmin(inner))
        raise InvalidInput(
            f"the rates across the edge at x={generator.grid.faces[i + 1]} are {generator.lower[i]:.3g} up and "
            f"{generator.upper[i]:.3g} down (Peclet number {abs(generator.exponents[i]):.3g}); "
            "no stationary law can be found through a zero: use narrower cells or a smaller box"
        )
    with np.errstate(divide="ignore"):
        logs = log_stationary(np.log(generator.left), np.log(generator.right))
    masses = np.exp(logs - logs.max())
    return masses / masses.sum()


def reversible_logs(generator: Generator) -> np.ndarray:
    """Return logarithms of the unnormalised masses ``(n,)`` in detailed balance on a line: sums of rate ratios."""
    return reversible(generator.left, generator.right)


@kernel()
def reversible(left, right):
    """Return what :func:`reversible_logs` returns, from the rates to the left and to the right."""
    logs = np.empty(len(left))
    logs[0] = 0.0
    for i in range(1, len(left)):
        logs[i] = logs[i - 1] + (np.log(right[i - 1]) - np.log(left[i]))
    return logs


@kernel()
def log_stationary(left, right):
    """Return logarithms of unnormalised stationary masses ``(n,)``, given those of the rates to the left and right."""
    last = len(left) - 1
    log_m = np.zeros(last + 1)
    out = np.empty(last)  # total rate out of each cell once those before it are censored
    entry = np.empty(last)  # rate from the last cell into it, likewise
    to_last, from_last = left[0], right[last]
    for i in range(last):
        if i == last - 1:
            from_last = log_sum(from_last, left[last])
        out[i] = log_sum(right[i], to_last)
        entry[i] = from_last
        from_last += right[i] - out[i]
        to_last += left[i + 1] - out[i]
    for i in range(last - 1, -1, -1):
        from_next = left[i + 1] + log_m[i + 1] if i < last - 1 else -np.inf
        log_m[i] = log_sum(from_next, entry[i]) - out[i]
    return log_m


@kernel()
def log_sum(a, b):
    """Return log(e^a + e^b); minus infinity stands for zero."""
    high, low = max(a, b), min(a, b)
    return high if low == -np.inf else high + np.log1p(np.exp(low - high))
