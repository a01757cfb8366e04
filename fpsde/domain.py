"""Where a process lives, and what happens at the edge of it."""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real

import numpy as np

from fpsde.errors import InvalidInput

#: (sqrt(5) - 1)/2: its multiples modulo 1 spread evenly, and no two are equal.
GOLDEN = 0.6180339887498949


class Wall(enum.Enum):
    """What happens at one end of an interval."""

    NONE = "none"  #: no wall: the end is out of reach (infinite, or an entrance boundary)
    REFLECTING = "reflecting"  #: zero total flux; particles are symmetrised
    PERIODIC = "periodic"  #: the two ends are one point
    ABSORBING = "absorbing"  #: particles that reach it stay there; density 0


@dataclass(frozen=True)
class Interval:
    """The domain ``(low, high)`` of one component, with a wall at each end."""

    low: float = -math.inf
    high: float = math.inf
    low_wall: Wall = Wall.NONE
    high_wall: Wall = Wall.NONE

    def __post_init__(self) -> None:
        for end in (self.low, self.high):
            if not isinstance(end, (float, Real)):  # the first is seen at once, the second is a protocol
                raise InvalidInput(f"domain end {end!r} is not a number; give real numbers, infinite ones included")
        if not self.low < self.high:
            raise InvalidInput(f"domain ({self.low}, {self.high}) is empty; low must be below high")
        for end, wall in ((self.low, self.low_wall), (self.high, self.high_wall)):
            if not isinstance(wall, Wall):
                raise InvalidInput(f"wall {wall!r} is not one of {', '.join(str(w) for w in Wall)}")
            if wall is not Wall.NONE and not math.isfinite(end):
                raise InvalidInput(f"a {wall.value} wall at {end} cannot be reached; give a finite end or Wall.NONE")
        if (self.low_wall is Wall.PERIODIC) != (self.high_wall is Wall.PERIODIC):
            raise InvalidInput("a periodic interval is periodic at both ends; one end alone was given")

    @classmethod
    def between(cls, low: float, high: float, wall: Wall) -> Interval:
        """Return ``(low, high)`` with the same wall at both ends."""
        return cls(low, high, wall, wall)

    @property
    def periodic(self) -> bool:
        return self.low_wall is Wall.PERIODIC

    @property
    def walled(self) -> bool:
        return self.low_wall is not Wall.NONE or self.high_wall is not Wall.NONE

    @property
    def length(self) -> float:
        return self.high - self.low


LINE = Interval()


def probes(intervals: Sequence[Interval]) -> tuple[np.ndarray, np.ndarray]:
    """Return two points inside of a box, each ``(d,)``, that differ in every component and from component to component.

    Where an interval has no end they are within one unit of its other end, or of 0.
    """
    spread = (np.arange(1, len(intervals) + 1) * GOLDEN) % 1
    return (
        np.array([_at(interval, 0.1 + 0.35 * share) for interval, share in zip(intervals, spread, strict=True)]),
        np.array([_at(interval, 0.55 + 0.35 * share) for interval, share in zip(intervals, spread, strict=True)]),
    )


def _at(interval: Interval, share: float) -> float:
    """Return the point of an interval at this share of its length, or of one unit where it has none."""
    if math.isfinite(interval.length):
        return interval.low + share * interval.length
    if math.isfinite(interval.low):
        return interval.low + share
    return interval.high - share if math.isfinite(interval.high) else 2 * share - 1
