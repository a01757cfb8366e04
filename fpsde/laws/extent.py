"""How far a process reaches: the ends beyond which it is found with a probability of exp(-depth) only."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from fpsde.domain import Interval
from fpsde.errors import InvalidInput, UnstableStep
from fpsde.printing import numpy_function
from fpsde.processes.process import Process

#: Particles of the pilot, the times at which it is looked at, and the two probabilities beyond its quantiles.
PILOTS, LOOKS, TAILS = 4096, 16, (0.02, 0.0005)
#: Powers b of a distance |z|^b from the median, z a normal quantile, that are believed: a normal law has b = 1.
POWERS = (0.3, 2.0)
#: Points along an axis at which an energy is looked at, the first half width, and its growth until it holds the depth.
POINTS, FIRST_HALF, WIDER, WIDENINGS = 201, 2.0, 1.25, 40


@dataclass(frozen=True, eq=False)
class Extent:
    """``ends(depth)`` gives (low, high) of each component; ``energy`` is that of the stationary law, or None."""

    ends: Callable[[float], list[tuple[float, float]]]
    energy: Callable[[np.ndarray], np.ndarray] | None


def extent_of(process: Process, *, x0: Sequence[float] | None, t_end: float, dt: float) -> Extent:
    """Return how far a process reaches from ``x0`` up to ``t_end``, or in its stationary law where x0 is None.

    Where the stationary law is exp(-energy/temperature)/Z the energy tells it, up to ``depth`` temperatures above where
    it starts; elsewhere the tails of a small ensemble that takes steps of ``dt``, extrapolated.
    """
    energy = stationary_energy(process)
    if energy is not None:
        return _of_energy(process, energy, x0)
    if x0 is None:
        raise InvalidInput(f"{process.name} states no energy: its stationary law is not known in closed form")
    return Extent(_of_pilots(process, x0, t_end=t_end, dt=dt), None)


def stationary_energy(process: Process) -> Callable[[np.ndarray], np.ndarray] | None:
    """Return energy/temperature as a function (d, n) -> (n,), or None where exp(-energy/temperature) is not stated."""
    s = process.statement
    if s.energy is None or process.time_dependent:
        return None
    values = numpy_function((*s.x, *s.parameters), (s.energy,))
    numbers, temperature = process.parameter_values(), process.params["temperature"]
    return lambda x: np.broadcast_to(values(*x, *numbers)[0] / temperature, x.shape[1:])


def _of_energy(process: Process, energy: Callable, x0: Sequence[float] | None) -> Extent:
    middle = np.zeros(process.dim) if x0 is None else np.asarray(x0, dtype=float)

    def lattice(half: float) -> tuple[list[np.ndarray], np.ndarray]:
        """Points along each axis, up to ``half`` from the middle where it is no ring, and the energy at all of them."""
        lines = []
        for interval, m in zip(process.intervals, middle, strict=True):
            low, high = max(m - half, interval.low), min(m + half, interval.high)
            if interval.periodic:
                low, high = interval.low, interval.high
            lines.append(np.linspace(low, high, POINTS))
        with np.errstate(all="ignore"):
            return lines, energy(np.stack(np.meshgrid(*lines, indexing="ij")))

    def ends(depth: float) -> list[tuple[float, float]]:
        half = FIRST_HALF
        for _ in range(WIDENINGS):
            lines, e = lattice(half)
            start = np.min(e) if x0 is None else max(np.min(e), float(energy(middle)))
            inside = e <= start + depth
            found = [_within(line, i, inside, process.intervals[i]) for i, line in enumerate(lines)]
            held = [end for end in found if end is not None]
            if len(held) == len(found):
                return held
            half *= WIDER
        raise InvalidInput(f"the energy of {process.name} does not rise by {depth:g} temperatures within {half:.3g}")

    lowest = float(np.min(lattice(FIRST_HALF)[1]))
    return Extent(ends, lambda x: energy(x) - lowest)


def _within(line: np.ndarray, i: int, inside: np.ndarray, interval: Interval) -> tuple[float, float] | None:
    """Return the ends of axis ``i`` between which all of the inside lies; None where it may go on beyond the line."""
    if interval.periodic:
        return interval.low, interval.high
    reached = np.flatnonzero(inside.any(axis=tuple(k for k in range(inside.ndim) if k != i)))
    if reached[0] == 0 or reached[-1] == len(line) - 1:
        return None
    return float(line[reached[0] - 1]), float(line[reached[-1] + 1])


def _of_pilots(
    process: Process, x0: Sequence[float], *, t_end: float, dt: float
) -> Callable[[float], list[tuple[float, float]]]:
    """Return the ends by the quantiles of a small ensemble that follows the process from ``x0``."""
    rng = np.random.default_rng(PILOTS)
    n = max(LOOKS, math.ceil(t_end / dt))
    h, looks = t_end / n, set(np.linspace(0, n, LOOKS + 1).astype(int)[1:].tolist())
    x = np.repeat(np.reshape(np.asarray(x0, dtype=float), (-1, 1)), PILOTS, axis=1)
    seen = []
    for k in range(n):
        with np.errstate(all="ignore"):
            at = x if process.dim > 1 else x[0]
            mu = np.reshape(process.ito_drift(at, k * h), x.shape)
            sigma = np.reshape(process.noise_coefficient(at, k * h), (process.dim, process.channels, -1))
            x = (
                x
                + mu * h
                + np.einsum("ijn,jn->in", sigma, np.sqrt(h) * rng.standard_normal((process.channels, PILOTS)))
            )
        if not np.isfinite(x).all():
            lost = np.count_nonzero(~np.isfinite(x).all(axis=0))
            raise UnstableStep(
                f"{lost} of {PILOTS} pilot particles of {process.name} left the domain or the finite numbers within "
                f"{k + 1} steps of {h:.4g}; take a smaller dt"
            )
        if k + 1 in looks:
            seen.append(np.quantile(x, (0.5, *TAILS, *(1 - p for p in TAILS)), axis=1))
    median, *quantiles = np.moveaxis(np.array(seen), 0, -1)  # (d, looks) each
    near_below, far_below, near_above, far_above = quantiles

    def ends(depth: float) -> list[tuple[float, float]]:
        low = np.min(median - _reach(median - near_below, median - far_below, depth), axis=1)
        high = np.max(median + _reach(near_above - median, far_above - median, depth), axis=1)
        return [
            (max(float(a), interval.low), min(float(b), interval.high))
            for a, b, interval in zip(low, high, process.intervals, strict=True)
        ]

    return ends


def _reach(near: np.ndarray, far: np.ndarray, depth: float) -> np.ndarray:
    """Return the distance beyond which exp(-depth) is left, if distances are c |z|^b in normal quantiles z."""
    z1, z2, z = np.abs(ndtri([*TAILS, math.exp(-depth)]))
    b = np.clip(np.log(far / near) / np.log(z2 / z1), *POWERS)
    return far * (z / z2) ** b
