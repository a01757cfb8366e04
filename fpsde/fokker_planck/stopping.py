"""A process that is stopped at levels or intervals: the pieces of the line or ring between them, each with its grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from fpsde.cached import cached_property
from fpsde.domain import Interval, Wall
from fpsde.errors import InvalidInput
from fpsde.fokker_planck.sides import Sides
from fpsde.grid import Grid
from fpsde.jit import kernel
from fpsde.validation import as_given, finite, increasing

#: What is shorter than this fraction of the grid has no length.
NOTHING = 1e-12
#: A piece gets at least so many cells, however short it is.
FEWEST = 3


@dataclass(frozen=True)
class Stopped:
    """``process`` on ``domain``, a part of its own: where the process has no end, it is stopped (an absorbing wall)."""

    process: Any
    domain: Interval
    dim: int = 1

    @property
    def name(self) -> str:
        return self.process.name

    @property
    def time_dependent(self) -> bool:
        return self.process.time_dependent

    def ito_drift(self, x: np.ndarray, t: float) -> np.ndarray:
        return self.process.ito_drift(self._at_home(x), t)

    def diffusivity(self, x: np.ndarray, t: float) -> np.ndarray:
        return self.process.diffusivity(self._at_home(x), t)

    def _at_home(self, x: np.ndarray) -> np.ndarray:
        """Return x, turned back into the domain of a ring."""
        own = self.process.domain
        return own.low + (x - own.low) % own.length if own.periodic else x


@dataclass(frozen=True, eq=False)
class Piece:
    """A process, the ``whole``, from ``low`` to ``high``: two stops, or a stop and an end of the grid of all ``faces``.

    ``stops`` are their numbers, None for an end, and ``ends`` is what the ends of the grid are.
    """

    whole: Any
    faces: np.ndarray
    ends: Sides
    low: float
    high: float
    stops: tuple[int | None, int | None]

    @cached_property
    def process(self) -> Stopped:
        """The process on this part of its domain."""
        domain, (low, high) = self.whole.domain, self.sides.cut
        return Stopped(
            self.whole,
            Interval(domain.low if low else self.low, domain.high if high else self.high, *self.sides.walls),
        )

    @cached_property
    def grid(self) -> Grid:
        """The cells of the piece: they have the widths of the grid's own, moved so that the stop is at a face.

        The last cell is as wide as its neighbours, and errors shrink regularly when the grid is refined.
        """
        faces, increase = faces_between(self.faces, self.low, self.high)
        return Grid.checked(faces) if increase else Grid((faces,))

    @cached_property
    def sides(self) -> Sides:
        """What the ends of the piece are: a stop is an absorbing wall."""
        (low, high), walls, cut = self.stops, self.ends.walls, self.ends.cut
        return Sides(
            (walls[0] if low is None else Wall.ABSORBING, walls[1] if high is None else Wall.ABSORBING),
            (low is None and cut[0], high is None and cut[1]),
        )


@kernel()
def number_of(faces, x):
    """Return where x lies between ``faces`` (n + 1,) by their numbers: i + 1/2 is in the middle of cell i."""
    i = min(max(np.searchsorted(faces, x, side="right") - 1, 0), len(faces) - 2)
    return i + (x - faces[i]) / (faces[i + 1] - faces[i])


@kernel()
def faces_between(faces, low, high):
    """Return places (m,) at equally spaced numbers of ``faces``, as :func:`number_of`, from ``low`` to ``high``.

    And whether they increase: a piece may be so short that rounding makes them one.
    """
    first, last = number_of(faces, low), number_of(faces, high)
    places = np.empty(max(FEWEST, int(np.rint(last - first))) + 1)
    for k in range(len(places)):
        number = first + k * ((last - first) / (len(places) - 1))
        i = min(max(int(number), 0), len(faces) - 2)
        places[k] = faces[i] + (number - i) * (faces[i + 1] - faces[i])
    places[0], places[-1] = low, high
    increase = True
    for k in range(len(places) - 1):
        increase &= places[k] < places[k + 1]
    return places, increase


def stop(name: str, where: Any, grid: Grid) -> tuple[float, float]:
    """Return a level or an interval (low, high) as an interval; InvalidInput unless it lies on the grid."""
    if isinstance(where, float) or np.ndim(where) == 0:  # the first is seen at once
        low = high = finite(name, where)
    else:
        low, high = increasing(name, where)[[0, -1]].tolist()
        if len(where) != 2:
            raise InvalidInput(
                f"{name}={as_given(where)} has {len(where)} numbers; give a level, or an interval (low, high)"
            )
    first, last = float(grid.faces[0]), float(grid.faces[-1])
    if not first <= low <= high <= last:
        given = f"{low}" if low == high else f"({low}, {high})"
        raise InvalidInput(
            f"{name}={given} does not lie on the grid [{first}, {last}]; extend the grid, or move {name}"
        )
    return low, high


def pieces(process: Any, grid: Grid, ends: Sides, stops: Sequence[tuple[float, float]]) -> list[Piece]:
    """Return the pieces of the grid outside of the ``stops``, which are disjoint, at least one, and sorted.

    ``ends`` is what the ends of the grid are.
    """
    faces, (low_end, high_end) = grid.faces, grid.faces[[0, -1]].tolist()
    numbers: list[int | None] = list(range(len(stops)))
    if ends.periodic:
        turn = process.domain.length
        high_end, turned = high_end + turn, (stops[0][0] + turn, stops[0][1] + turn)
        faces = np.concatenate([faces, faces[1:] + turn])
        around, marks = [*stops, turned], [*numbers, 0]
    else:
        around = [(-np.inf, low_end), *stops, (high_end, np.inf)]
        marks = [None, *numbers, None]
    found = []
    for ((_, low), (high, _)), between in zip(pairwise(around), pairwise(marks), strict=True):
        if high - low > NOTHING * (high_end - low_end):
            found.append(Piece(process, faces, ends, low, high, between))
    return found
