"""What the two ends of a grid are: a wall of the domain, or a cut through it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fpsde.domain import Interval, Wall
from fpsde.errors import InvalidInput
from fpsde.grid import Grid

#: A grid end within this fraction of the grid's length of a domain end is that end.
SAME_POINT = 1e-12
#: One cell in so many, at each cut end, is watched: what lies there is about what would lie beyond.
FRINGE = 50


@dataclass(frozen=True)
class Sides:
    """The walls at the two ends of a grid, and whether each end cuts the domain.

    At a cut there is more domain beyond the grid. The flux through it is set to zero, which is right as long as no
    mass comes near; that is watched during a run.
    """

    walls: tuple[Wall, Wall]
    cut: tuple[bool, bool]

    @property
    def periodic(self) -> bool:
        return self.walls[0] is Wall.PERIODIC

    @property
    def absorbing(self) -> tuple[bool, bool]:
        return self.walls[0] is Wall.ABSORBING, self.walls[1] is Wall.ABSORBING

    def atoms(self, grid: Grid, absorbed: np.ndarray) -> tuple[tuple[float, float], ...]:
        """Return (place, mass) of the mass on each wall that absorbs; ``absorbed`` (2,) has an entry for each end."""
        if not any(self.absorbing):
            return ()
        ends = zip(grid.faces[[0, -1]].tolist(), absorbed.tolist(), self.absorbing, strict=True)
        return tuple((x, mass) for x, mass, absorbs in ends if absorbs)

    def fringe(self, cells: int) -> tuple[int, int]:
        """Return how many of the outermost of ``cells`` are watched at each end: none at an end of the domain."""
        watched = max(1, cells // FRINGE)
        return watched * self.cut[0], watched * self.cut[1]


def sides_of(domain: Interval, grid: Grid) -> Sides:
    """Return what the ends of ``grid`` are in ``domain``; InvalidInput if the grid leaves it or half fills a circle."""
    low, high = float(grid.faces[0]), float(grid.faces[-1])
    slack = SAME_POINT * (high - low)
    if low < domain.low - slack or high > domain.high + slack:
        raise InvalidInput(
            f"the grid [{low}, {high}] reaches outside of the domain ({domain.low}, {domain.high}); "
            "give a grid that lies inside the domain"
        )
    at_low, at_high = low - domain.low <= slack, domain.high - high <= slack
    if domain.periodic and not (at_low and at_high):
        raise InvalidInput(
            f"the grid [{low}, {high}] does not fill the periodic domain [{domain.low}, {domain.high}]; "
            "give a grid between the same two ends"
        )
    walls = domain.low_wall if at_low else Wall.NONE, domain.high_wall if at_high else Wall.NONE
    return Sides(walls, (not at_low, not at_high))
