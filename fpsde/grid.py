"""Cells on which densities are represented: a box cut along each axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fpsde.cached import cached_property
from fpsde.errors import InvalidInput
from fpsde.memory import MEMORY_SHARE, gib, machine_memory
from fpsde.validation import finite, increasing, integer

#: Equal cells are wider than this fraction of the farther bound, so that their faces, of which each is rounded by less
#: than half of it, increase.
ROUNDED = 2.0**-49
#: The smallest number that float64 has in full.
SMALLEST = float(np.finfo(float).tiny)
#: So many float64 numbers may be asked for on this machine.
ROOM = MEMORY_SHARE * machine_memory() / 8


@dataclass(frozen=True, eq=False)
class Grid:
    """A box of cells; ``axes[k]`` holds the cell faces ``(n_k + 1,)`` along component k, strictly increasing.

    ``shape`` are the numbers of cells ``(n_1, ..., n_d)``.
    """

    axes: tuple[np.ndarray, ...]
    shape: tuple[int, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.axes:
            raise InvalidInput("a grid needs at least one axis; none was given")
        checked = tuple([increasing(f"axes[{k}]", faces) for k, faces in enumerate(self.axes)])
        for k, faces in enumerate(checked):
            if len(faces) < 4:
                raise InvalidInput(f"axis {k} has {len(faces) - 1} cells; at least 3 are needed")
        self._take(checked)

    @classmethod
    def checked(cls, *axes: np.ndarray) -> Grid:
        """Return the grid of faces that are known to be what a grid needs, and to be its own."""
        return object.__new__(cls)._take(axes)

    def _take(self, axes: tuple[np.ndarray, ...]) -> Grid:
        """Return this grid with ``axes`` that have been checked."""
        for faces in axes:
            faces.setflags(write=False)
        object.__setattr__(self, "axes", axes)
        object.__setattr__(self, "shape", tuple([len(faces) - 1 for faces in axes]))
        if len(axes) > 1:  # the faces of one are there
            refuse_more_than_fits(self.shape)
        return self

    @classmethod
    def uniform(cls, *bounds: tuple[float, float], cells: int | Sequence[int]) -> Grid:
        """Return equal cells between the ``bounds`` (low, high) of each axis; ``cells`` per axis."""
        if isinstance(cells, int) or not isinstance(cells, (Sequence, np.ndarray)):  # the first is seen at once
            counts = [cells] * len(bounds)
        else:
            counts = list(cells)
        if len(counts) != len(bounds):
            raise InvalidInput(f"{len(bounds)} axes but {len(counts)} cell counts; give one count for each axis")
        if not counts:
            return cls(())  # which is refused
        return cls.checked(*[_equal_cells(b, n) for b, n in zip(bounds, counts, strict=True)])

    @classmethod
    def graded(cls, bounds: tuple[float, float], *, cells: int, at: float, ratio: float) -> Grid:
        """Return cells in one dimension that are narrowest at ``at`` and widen smoothly, to ``ratio`` times as wide.

            x = at + c sinh(s),    equal steps of s,    c = (the longer of the two sides) / sqrt(ratio^2 - 1)

        Widths change by O(h) from cell to cell, so that schemes of order 2 on equal cells keep it. ``at`` lies between
        the ``bounds`` (low, high), ends included; ``ratio`` is above 1. Raises InvalidInput otherwise.
        """
        low, high = (float(end) for end in _equal_cells(bounds, cells)[[0, -1]])
        centre, widest = finite("at", at), finite("ratio", ratio)
        if not (low <= centre <= high and widest > 1):
            raise InvalidInput(f"at={centre} must lie in [{low}, {high}] and ratio={widest} be above 1")
        c = max(centre - low, high - centre) / np.sqrt(widest**2 - 1)
        first, last = np.arcsinh([(low - centre) / c, (high - centre) / c])
        faces = centre + c * np.sinh(np.linspace(first, last, cells + 1))
        faces[[0, -1]] = low, high
        return cls((faces,))

    def __repr__(self) -> str:
        sides = " x ".join(f"[{faces[0]:g}, {faces[-1]:g}]" for faces in self.axes)
        return f"<Grid {sides} in {' x '.join(map(str, self.shape))} cells>"

    @property
    def dim(self) -> int:
        return len(self.axes)

    @cached_property
    def lines(self) -> tuple[Grid, ...]:
        """The grid of each axis by itself."""
        return tuple(Grid.checked(faces) for faces in self.axes)

    @cached_property
    def faces(self) -> np.ndarray:
        """The cell faces ``(n + 1,)`` of a one-dimensional grid."""
        if len(self.axes) != 1:
            raise InvalidInput(f"this needs a grid of one dimension; the grid has {self.dim}")
        return self.axes[0]

    @cached_property
    def centres(self) -> np.ndarray:
        """The cell centres ``(n,)`` of a one-dimensional grid."""
        return 0.5 * (self.faces[1:] + self.faces[:-1])

    @cached_property
    def widths(self) -> np.ndarray:
        """The cell widths ``(n,)`` of a one-dimensional grid."""
        return self.faces[1:] - self.faces[:-1]


def _equal_cells(bounds: tuple[float, float], cells: int) -> np.ndarray:
    if not (isinstance(bounds, tuple) and len(bounds) == 2) and np.shape(bounds) != (2,):
        raise InvalidInput(f"grid bounds {bounds!r} are not a pair; give (low, high) for each axis")
    low, high = finite("low", bounds[0]), finite("high", bounds[1])
    if not low < high:
        raise InvalidInput(f"grid bounds ({low}, {high}) are empty; low must be below high")
    count = integer("cells", cells, least=3)
    refuse_more_than_fits((count,))
    width, finest = (high - low) / count, max(ROUNDED * max(-low, high), SMALLEST)
    if not finest < width < np.inf:
        raise InvalidInput(
            f"{count} cells between {low} and {high} are {width:.3g} wide, where float64 holds faces that are more "
            f"than {finest:.3g} apart, and lengths that are finite; give other bounds, or fewer cells"
        )
    faces = np.arange(count + 1.0)  # and what np.linspace does, in a third of its time
    faces *= width
    faces += low
    faces[-1] = high
    return faces


def refuse_more_than_fits(shape: tuple[int, ...], arrays: int = 1) -> None:
    """Raise InvalidInput where so many ``arrays`` with a number for each cell do not fit in the machine's memory."""
    numbers = arrays * math.prod(shape)
    if numbers > ROOM:
        raise InvalidInput(
            f"a grid of {' by '.join(map(str, shape))} cells needs {gib(8 * numbers)} at least, of "
            f"{gib(machine_memory())} on this machine; take fewer cells"
        )


def refuse_other_than_process_and_grid(who: str, process: Any, grid: Any, example: str) -> None:
    """Raise InvalidInput unless there are a process, with its coefficients, and a grid; ``example`` makes one."""
    if not isinstance(grid, Grid) or not hasattr(process, "ito_drift"):
        raise InvalidInput(
            f"{who} takes a Process and a Grid, not {type(process).__name__} and {type(grid).__name__}; "
            f"{example} makes a grid"
        )
