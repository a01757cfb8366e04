"""What is seen of the particles during a run, at times that the caller names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsde.errors import InvalidInput
from fpsde.validation import finite, finite_array, increasing, integer


@dataclass(frozen=True)
class Moments:
    """Sums of (x - centre)^k, k = 1 .. 4, at ``times`` (default: the end). A centre near the mean keeps digits."""

    times: Sequence[float] | np.ndarray | None = None
    centre: float | Sequence[float] = 0.0


@dataclass(frozen=True)
class Histogram:
    """Counts in ``bins`` equal cells of (low, high), and below, above and NaN, at ``times`` (default: the end)."""

    low: float
    high: float
    bins: int = 256
    times: Sequence[float] | np.ndarray | None = None

    def __post_init__(self) -> None:
        if not finite("low", self.low) < finite("high", self.high):
            raise InvalidInput(f"Histogram({self.low}, {self.high}) is empty; low must be below high")
        integer("bins", self.bins, least=1)


@dataclass(frozen=True)
class Snapshots:
    """The positions themselves at ``times``; memory grows with their number."""

    times: Sequence[float] | np.ndarray


Observer = Moments | Histogram | Snapshots


@dataclass(frozen=True)
class Schedule:
    """The observers of a run on its time grid: ``when[k, s]`` is the index of what kind k sees after step s, or -1."""

    when: np.ndarray  #: (3, n_steps) int64
    times: tuple[np.ndarray, ...]  #: the times of each kind, in order
    centres: np.ndarray  #: (d,)
    low: np.ndarray  #: (d,)
    high: np.ndarray  #: (d,)
    bins: int

    @property
    def scale(self) -> np.ndarray:
        """Bins per unit of x, (d,), rounded up so far that ``high`` itself (a wall with an atom, say) lies above."""
        scale = self.bins / (self.high - self.low)
        return np.where((self.high - self.low) * scale < self.bins, np.nextafter(scale, np.inf), scale)


def scheduled(observers: Sequence[Observer], times: np.ndarray, *, dim: int, dtype: Any = np.float64) -> Schedule:
    """Return the schedule of ``observers`` (one of each kind at most) on the time grid of a run with a state type."""
    by_kind: dict[type, Any] = {}
    if not isinstance(observers, Sequence):
        raise InvalidInput(f"observers={observers!r}; give a list of observers, [Moments(...)] for one")
    for observer in observers:
        if not isinstance(observer, Moments | Histogram | Snapshots):
            raise InvalidInput(f"{observer!r} is not an observer; give Moments, Histogram or Snapshots")
        if type(observer) in by_kind:
            raise InvalidInput(
                f"two observers of the kind {type(observer).__name__} were given; give one with all its times"
            )
        by_kind[type(observer)] = observer
    when = np.full((3, len(times) - 1), -1, dtype=np.int64)
    seen = []
    for k, kind in enumerate((Moments, Histogram, Snapshots)):
        steps = _steps_of(by_kind[kind], times) if kind in by_kind else np.empty(0, dtype=int)
        when[k, steps - 1] = np.arange(len(steps))
        seen.append(times[steps])
    histogram, moments = by_kind.get(Histogram, Histogram(0.0, 1.0, 1)), by_kind.get(Moments, Moments())
    centre = finite_array("centre", moments.centre)
    if centre.shape not in ((), (dim,)):
        raise InvalidInput(
            f"centre={moments.centre} of Moments has shape {centre.shape}; "
            f"give one number, or one for each of {dim} component(s)"
        )
    # an end moves down to the state's type, so that a wall there and the particles on it lie on one side of it
    ends = (float(histogram.low), float(histogram.high))
    low, high = (np.full(dim, min(end, float(np.dtype(dtype).type(end)))) for end in ends)
    return Schedule(when, tuple(seen), np.full(dim, centre), low, high, int(histogram.bins))


def _steps_of(observer: Observer, times: np.ndarray) -> np.ndarray:
    """Return the indices of the observer's times on the grid, refusing those that are not on it."""
    wanted = times[-1:] if observer.times is None else increasing(f"times of {type(observer).__name__}", observer.times)
    steps = np.clip(np.searchsorted(times, wanted), 1, len(times) - 1)
    steps = steps - (np.abs(times[steps - 1] - wanted) < np.abs(times[steps] - wanted))
    off = np.abs(times[steps] - wanted) > 1e-9 * max(abs(times[0]), abs(times[-1]))
    if np.any(off | (steps < 1)):
        bad = wanted[off | (steps < 1)][0]
        raise InvalidInput(
            f"{type(observer).__name__} at t={bad} is not the end of a step; "
            f"the grid runs from {times[0]} to {times[-1]} with steps near {np.diff(times)[0]:.6g}"
        )
    if np.any(np.diff(steps) == 0):
        raise InvalidInput(
            f"two times of {type(observer).__name__} name one step, which ends at "
            f"t={times[steps[:-1][np.diff(steps) == 0][0]]}; give each step once"
        )
    return steps
