"""What is seen of the particles during a run, at times that the caller names."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsde.ensemble import Counts, JointCounts, PowerSums, ProductSums
from fpsde.errors import InvalidInput, unknown_name
from fpsde.integrators.looks import Look
from fpsde.integrators.loop import COPIES, COUNTS, JOINT_COUNTS, PRODUCTS, SUMS
from fpsde.schemes.tracked import Tracked
from fpsde.validation import finite, finite_array, increasing, integer

#: Bins of a histogram, at most: the loop counts them in 32 bits, with three places beside them.
MOST_BINS = 2**31 - 4
#: What an observer sees: all components of the position (None), one of them, or what a name stands for.
Seen = int | str | None


@dataclass(frozen=True, eq=False)
class Scene:
    """Where observers look: the time grid, the rows of the state by name, its type."""

    times: np.ndarray
    dim: int
    observed: int  #: row of the first component that observers see
    names: Mapping[str, tuple[int, ...]]  #: rows of tracked values and of the scheme's auxiliary state
    dtype: np.dtype

    def rows(self, of: Seen) -> tuple[int, ...]:
        """Return the rows that ``of`` stands for."""
        if of is None:
            return tuple(range(self.observed, self.observed + self.dim))
        if isinstance(of, str):
            if of not in self.names:
                raise unknown_name("name to observe", of, [*self.names, *(str(i) for i in range(self.dim))])
            return self.names[of]
        component = integer("of", of, least=0)
        if component >= self.dim:
            raise InvalidInput(f"of={component} is no component; the process has {self.dim}, counted from 0")
        return (self.observed + component,)

    def steps(self, what: str, times: Any) -> np.ndarray:
        """Return the numbers of the steps that end at ``times`` (None: at the end), refusing times off the grid."""
        grid = self.times
        wanted = grid[-1:] if times is None else increasing(f"times of {what}", times)
        steps = np.clip(np.searchsorted(grid, wanted), 1, len(grid) - 1)
        steps = steps - (np.abs(grid[steps - 1] - wanted) < np.abs(grid[steps] - wanted))
        off = np.abs(grid[steps] - wanted) > 1e-9 * max(abs(grid[0]), abs(grid[-1]))
        if np.any(off | (steps < 1)):
            bad = wanted[off | (steps < 1)][0]
            raise InvalidInput(
                f"{what} at t={bad} is not the end of a step; "
                f"the grid runs from {grid[0]} to {grid[-1]} with steps near {np.diff(grid[:2])[0]:.6g}"
            )
        if np.any(np.diff(steps) == 0):
            raise InvalidInput(
                f"two times of {what} name one step, which ends at "
                f"t={grid[steps[:-1][np.diff(steps) == 0][0]]}; give each step once"
            )
        return steps

    def cell(self, low: float, high: float, bins: int) -> tuple[float, float, float]:
        """Return (low, high, bins per unit), so that a particle on ``high`` (a wall with an atom, say) lies above."""
        # an end moves down to the state's type, so that a wall there and the particles on it lie on one side of it
        given = low, high
        low, high = (min(end, float(self.dtype.type(end))) for end in (float(low), float(high)))
        if not low < high:
            raise InvalidInput(f"low={given[0]}, high={given[1]} are one number in {self.dtype}; use numpy.float64")
        scale = bins / (high - low)
        return low, high, float(np.nextafter(scale, np.inf)) if (high - low) * scale < bins else scale


@dataclass(frozen=True, eq=False)
class Taken:
    """What a look has taken: sums (times, POWERS), counts (times, ...) or copies (times, n), at ``times``."""

    times: np.ndarray
    n: int
    values: np.ndarray


class Observer(ABC):
    """What may stand in ``observers``: it names looks at the state, and reads its result from what they took."""

    def tracked(self, process: Any, times: np.ndarray) -> tuple[Tracked, ...]:
        """Return what must be tracked for it, particle by particle."""
        return ()

    @abstractmethod
    def looks(self, scene: Scene) -> tuple[Look, ...]:
        """Return what the loop looks at."""

    @abstractmethod
    def read(self, scene: Scene, taken: Sequence[Taken]) -> Any:
        """Return the result from what each of the looks took."""


def per_row(name: str, value: Any, rows: tuple[int, ...], owner: str) -> np.ndarray:
    """Return one number for each row from a number, or from as many as there are rows."""
    given = finite_array(name, value)
    if given.shape not in ((), (len(rows),)):
        raise InvalidInput(
            f"{name}={value} of {owner} has shape {given.shape}; "
            f"give one number, or one for each of {len(rows)} component(s)"
        )
    return np.broadcast_to(given, (len(rows),))


@dataclass(frozen=True)
class Moments(Observer):
    """Sums of (x - centre)^k, k = 1 .. 4, at ``times`` (default: the end). A centre near the mean keeps digits.

    Its result is a :class:`~fpsde.ensemble.PowerSums` for each time. ``of`` names a component or a tracked value.
    """

    times: Sequence[float] | np.ndarray | None = None
    centre: float | Sequence[float] = 0.0
    of: Seen = None

    def looks(self, scene: Scene) -> tuple[Look, ...]:
        rows, steps = scene.rows(self.of), scene.steps("Moments", self.times)
        centres = per_row("centre", self.centre, rows, "Moments")
        return tuple(Look(SUMS, row, steps, reals=(float(c),)) for row, c in zip(rows, centres, strict=True))

    def read(self, scene: Scene, taken: Sequence[Taken]) -> tuple[PowerSums, ...]:
        centre = np.array(per_row("centre", self.centre, scene.rows(self.of), "Moments"))
        sums = np.stack([look.values for look in taken], axis=1)
        return tuple(PowerSums(float(t), taken[0].n, centre, s) for t, s in zip(taken[0].times, sums, strict=True))


@dataclass(frozen=True)
class Covariance(Observer):
    """Sums of (x_i - centre_i) and (x_i - centre_i)(x_j - centre_j) at ``times``: means and covariances.

    Its result is a :class:`~fpsde.ensemble.ProductSums` for each time. Of components of the position, or of names:
    ``Covariance(of=("work", 0))``.
    """

    times: Sequence[float] | np.ndarray | None = None
    centre: float | Sequence[float] = 0.0
    of: Seen | Sequence[Seen] = None

    def _rows(self, scene: Scene) -> tuple[int, ...]:
        several = self.of if isinstance(self.of, (list, tuple)) else (self.of,)
        return tuple(row for one in several for row in scene.rows(one))

    def looks(self, scene: Scene) -> tuple[Look, ...]:
        rows, steps = self._rows(scene), scene.steps("Covariance", self.times)
        c = per_row("centre", self.centre, rows, "Covariance")
        sums = [Look(SUMS, row, steps, reals=(float(c[i]),)) for i, row in enumerate(rows)]
        pairs = [(i, j) for i in range(len(rows)) for j in range(i)]
        products = [Look(PRODUCTS, rows[i], steps, other=rows[j], reals=(float(c[i]), float(c[j]))) for i, j in pairs]
        return (*sums, *products)

    def read(self, scene: Scene, taken: Sequence[Taken]) -> tuple[ProductSums, ...]:
        rows = self._rows(scene)
        d, times = len(rows), taken[0].times
        centre = np.array(per_row("centre", self.centre, rows, "Covariance"))
        sums = np.stack([look.values[:, 0] for look in taken[:d]], axis=1)
        products = np.zeros((len(times), d, d))
        products[:, range(d), range(d)] = np.stack([look.values[:, 1] for look in taken[:d]], axis=1)
        pairs = [(i, j) for i in range(d) for j in range(i)]
        for look, (a, b) in zip(taken[d:], pairs, strict=True):
            products[:, a, b] = products[:, b, a] = look.values[:, 0]
        return tuple(
            ProductSums(float(t), taken[0].n, centre, s, p) for t, s, p in zip(times, sums, products, strict=True)
        )


@dataclass(frozen=True)
class Histogram(Observer):
    """Counts in ``bins`` equal cells of (low, high), and below, above and NaN, at ``times`` (default: the end).

    Its result is a :class:`~fpsde.ensemble.Counts` for each time. ``of`` names a component or a tracked value.
    """

    low: float
    high: float
    bins: int = 256
    times: Sequence[float] | np.ndarray | None = None
    of: Seen = None

    def __post_init__(self) -> None:
        refuse_empty("Histogram", self.low, self.high, self.bins)

    def looks(self, scene: Scene) -> tuple[Look, ...]:
        steps, bins = scene.steps("Histogram", self.times), int(self.bins)
        low, _, scale = scene.cell(self.low, self.high, bins)
        return tuple(Look(COUNTS, row, steps, bins=bins, reals=(low, scale)) for row in scene.rows(self.of))

    def read(self, scene: Scene, taken: Sequence[Taken]) -> tuple[Counts, ...]:
        low, high, _ = scene.cell(self.low, self.high, int(self.bins))
        faces = np.tile(np.linspace(low, high, int(self.bins) + 1), (len(taken), 1))
        tables = np.stack([look.values for look in taken], axis=1)
        return tuple(
            Counts(float(t), faces, c[:, 1:-2], c[:, 0], c[:, -2], c[:, -1])
            for t, c in zip(taken[0].times, tables, strict=True)
        )


@dataclass(frozen=True)
class JointHistogram(Observer):
    """Counts in ``bins`` equal cells of a rectangle in two components (or names), at ``times`` (default: the end).

    Its result is a :class:`~fpsde.ensemble.JointCounts` for each time.
    """

    low: tuple[float, float]
    high: tuple[float, float]
    bins: tuple[int, int] = (64, 64)
    times: Sequence[float] | np.ndarray | None = None
    of: tuple[int | str, int | str] = (0, 1)

    def __post_init__(self) -> None:
        if not all(isinstance(v, (list, tuple, np.ndarray)) and len(v) == 2 for v in self._pairs()):
            raise InvalidInput(
                f"low={self.low}, high={self.high}, bins={self.bins}, of={self.of} of JointHistogram; "
                "give two of each, one for each axis"
            )
        for low, high, bins in zip(self.low, self.high, self.bins, strict=True):
            refuse_empty("JointHistogram", low, high, bins)
        if int(self.bins[0]) * int(self.bins[1]) > MOST_BINS:
            raise InvalidInput(f"bins={self.bins} of JointHistogram; at most {MOST_BINS} cells in all")

    def _pairs(self) -> tuple[Any, ...]:
        return self.low, self.high, self.bins, self.of

    def _axes(self, scene: Scene) -> list[tuple[int, int, float, float, float]]:
        """Return (row, bins, low, high, scale) of each axis."""
        out = []
        for low, high, bins, of in zip(*self._pairs(), strict=True):
            rows = scene.rows(of)
            if len(rows) != 1:
                raise InvalidInput(f"of={of!r} of JointHistogram is {len(rows)} values; name one component or value")
            out.append((rows[0], int(bins), *scene.cell(low, high, int(bins))))
        return out

    def looks(self, scene: Scene) -> tuple[Look, ...]:
        (row, bins, low, _, scale), (other, other_bins, other_low, _, other_scale) = self._axes(scene)
        return (
            Look(
                JOINT_COUNTS,
                row,
                scene.steps("JointHistogram", self.times),
                other=other,
                bins=bins,
                other_bins=other_bins,
                reals=(low, scale, other_low, other_scale),
            ),
        )

    def read(self, scene: Scene, taken: Sequence[Taken]) -> tuple[JointCounts, ...]:
        faces = tuple(np.linspace(low, high, bins + 1) for _, bins, low, high, _ in self._axes(scene))
        (look,) = taken
        return tuple(
            JointCounts(float(t), faces, c[1:-2, 1:-2], int(c.sum() - c[1:-2, 1:-2].sum()))
            for t, c in zip(look.times, look.values, strict=True)
        )


@dataclass(frozen=True)
class Snapshots(Observer):
    """The positions themselves at ``times``; memory grows with their number.

    Its result is (time, positions ``(d, n)``) for each time. ``of`` names a component or a tracked value.
    """

    times: Sequence[float] | np.ndarray
    of: Seen = None

    def looks(self, scene: Scene) -> tuple[Look, ...]:
        steps = scene.steps("Snapshots", self.times)
        return tuple(Look(COPIES, row, steps) for row in scene.rows(self.of))

    def read(self, scene: Scene, taken: Sequence[Taken]) -> tuple[tuple[float, np.ndarray], ...]:
        return tuple((float(t), np.stack([look.values[k] for look in taken])) for k, t in enumerate(taken[0].times))


def refuse_empty(what: str, low: Any, high: Any, bins: Any) -> None:
    """Raise InvalidInput unless low < high are finite and there is a bin."""
    if not finite("low", low) < finite("high", high):
        raise InvalidInput(f"{what}({low}, {high}) is empty; low must be below high")
    if integer("bins", bins, least=1) > MOST_BINS:
        raise InvalidInput(f"bins={bins} of {what}; at most {MOST_BINS}")
