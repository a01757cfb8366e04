"""What a run of particles returns: positions, and what the observers saw on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsde.arrays import host
from fpsde.cached import cached_property
from fpsde.errors import InvalidInput
from fpsde.validation import probability


@dataclass(frozen=True)
class PowerSums:
    """Sums over the particles at one time: ``sums[i, k-1]`` = sum (x_i - centre_i)^k for k = 1 .. 4, component i."""

    time: float
    n: int
    centre: np.ndarray  #: (d,)
    sums: np.ndarray  #: (d, 4)

    @property
    def mean(self) -> np.ndarray:
        """The sample mean, ``(d,)``."""
        return self.centre + self.sums[:, 0] / self.n

    @property
    def variance(self) -> np.ndarray:
        """The sample variance (divisor n), ``(d,)``."""
        return self.sums[:, 1] / self.n - (self.sums[:, 0] / self.n) ** 2

    @property
    def mean_error(self) -> np.ndarray:
        """The standard error of the mean, sqrt(m_2/n), ``(d,)``."""
        return np.sqrt(self.variance / self.n)

    @property
    def variance_error(self) -> np.ndarray:
        """The standard error of the variance for large n, sqrt((m_4 - m_2^2)/n) with central moments m_k, ``(d,)``."""
        a1, a2, a3, a4 = self.sums.T / self.n
        m4 = a4 - 4 * a1 * a3 + 6 * a1**2 * a2 - 3 * a1**4
        return np.sqrt(np.maximum(m4 - self.variance**2, 0.0) / self.n)  # a point may have -1e-17


@dataclass(frozen=True)
class ProductSums:
    """Sums over the particles at one time: ``sums[i]`` of (x_i - c_i), ``products[i, j]`` of (x_i - c_i)(x_j - c_j)."""

    time: float
    n: int
    centre: np.ndarray  #: (d,)
    sums: np.ndarray  #: (d,)
    products: np.ndarray  #: (d, d)

    @property
    def mean(self) -> np.ndarray:
        """The sample mean, ``(d,)``."""
        return self.centre + self.sums / self.n

    @property
    def covariance(self) -> np.ndarray:
        """The sample covariance (divisor n), ``(d, d)``."""
        mean = self.sums / self.n
        return self.products / self.n - np.outer(mean, mean)


@dataclass(frozen=True)
class Counts:
    """A histogram at one time: integer counts in equal bins, and beside them."""

    time: float
    faces: np.ndarray  #: (d, bins + 1)
    counts: np.ndarray  #: (d, bins), int64
    below: np.ndarray  #: (d,), particles below the first face
    above: np.ndarray  #: (d,), particles at or above the last face
    nan: np.ndarray  #: (d,), particles that are not a number

    def quantile(self, q: float) -> np.ndarray:
        """Return the sample quantile of each component, ``(d,)``, to within the width of a bin.

        The counts are taken as even within a bin. InvalidInput where it lies beside the bins, or particles are NaN.
        """
        q = probability("q", q)
        out = np.empty(len(self.counts))
        for i, counts in enumerate(self.counts):
            n = int(counts.sum() + self.below[i] + self.above[i] + self.nan[i])
            wanted, reached = q * n, self.below[i] + np.cumsum(counts)
            if self.nan[i] or wanted < self.below[i] or wanted > reached[-1]:
                raise InvalidInput(
                    f"the {q} quantile of component {i} is not in the bins: of {n} particles {self.below[i]} are "
                    f"below {self.faces[i, 0]}, {self.above[i]} above {self.faces[i, -1]}, {self.nan[i]} NaN; "
                    "take wider bins"
                )
            k = int(np.searchsorted(reached, wanted))
            share = (wanted - (reached[k] - counts[k])) / max(counts[k], 1)
            out[i] = self.faces[i, k] + share * (self.faces[i, k + 1] - self.faces[i, k])
        return out


@dataclass(frozen=True)
class JointCounts:
    """A histogram of two components at one time."""

    time: float
    faces: tuple[np.ndarray, ...]  #: (bins + 1,) of each axis
    counts: np.ndarray  #: (bins, other bins), int64
    outside: int  #: particles beside the rectangle, NaN among them


@dataclass(frozen=True, eq=False)
class Trajectories:
    """Whole paths of a few particles."""

    times: np.ndarray  #: (n_steps + 1,), the start included
    particles: np.ndarray  #: their ids
    x: np.ndarray  #: (particles, d, n_steps + 1)


@dataclass(frozen=True, eq=False)
class Ensemble:
    """A finished (or interrupted) run.

    ``n_particles`` counts what is finished.
    """

    t: float
    n_particles: int
    requested: int
    held: Any  #: the positions where they were computed, ``x`` or an array of the GPU that had them
    values: Mapping[str, np.ndarray]  #: by name, (n,) or (d, n): what was tracked, and the scheme's auxiliary state
    observers: tuple[Any, ...]
    results: tuple[Any, ...]  #: of each of ``observers``
    not_finite: int  #: particles whose position became NaN or infinite for good
    first_not_finite: tuple[int, int] | None  #: (step, particle) where that happened first; steps count from 1
    failed: int  #: particles for which the scheme raised its failure flag
    absorbed: tuple[tuple[int, int], ...]  #: particles on the low and the high absorbing wall, for each component
    provenance: Mapping[str, Any]
    shards: Any = None  #: what :func:`fpsde.merged` merges

    def __repr__(self) -> str:
        return f"<Ensemble {self}>"

    def __str__(self) -> str:
        made = self.provenance
        name, scheme = made.get("process", "process"), made.get("scheme", "a scheme")
        lost = [
            f"{count} {what}"
            for count, what in (
                (self.not_finite, f"exploded, the first in step {self.first_not_finite and self.first_not_finite[0]}"),
                (self.failed, "failed: the scheme did not solve its step"),
                (sum(map(sum, self.absorbed)), "on absorbing walls"),
            )
            if count
        ]
        of = f" of {self.requested} (interrupted)" if self.interrupted else ""
        kept = "positions not kept" if self.held is None else f"x {self.held.shape}"
        seen = [type(one).__name__ for one in self.observers]
        return "; ".join(
            [
                f"{self.n_particles}{of} particles of {name} by {scheme} at t={self.t:g}",
                *([f"dt={made['dt']:g}, seed={made['seed']}"] if {"dt", "seed"} <= made.keys() else []),
                kept,
                *([f"results of {', '.join(seen)}"] if seen else []),
                *lost,
            ]
        )

    @cached_property
    def x(self) -> np.ndarray | None:
        """The positions ``(d, n)`` at time ``t``, or None if not kept; copied from a GPU when first asked for."""
        return None if self.held is None else host(self.held)

    @property
    def interrupted(self) -> bool:
        """Whether the run was stopped before all particles were finished."""
        return self.n_particles < self.requested

    def whole(self) -> Ensemble:
        """Return this run; raises KeyboardInterrupt if it was stopped, for whom a part of its particles is no use."""
        if self.interrupted:
            raise KeyboardInterrupt
        return self

    @property
    def positions(self) -> np.ndarray:
        """The positions ``(d, n)`` at the end; InvalidInput if they were not kept."""
        if self.x is None:
            raise InvalidInput("the positions of this run were not kept; run it with keep_positions=True")
        return self.x

    def result(self, observer: Any) -> Any:
        """Return what ``observer`` (one of those given to the run) saw."""
        for given, result in zip(self.observers, self.results, strict=True):
            if given is observer:
                return result
        raise InvalidInput(f"{observer!r} is none of the {len(self.observers)} observers of this run")

    def _first(self, kind: str) -> Any:
        for given, result in zip(self.observers, self.results, strict=True):
            if type(given).__name__ == kind:
                return result
        return ()

    @property
    def moments(self) -> tuple[PowerSums, ...]:
        """What the first ``Moments`` of the run saw, one for each time."""
        return self._first("Moments")

    @property
    def histograms(self) -> tuple[Counts, ...]:
        """What the first ``Histogram`` of the run saw, one for each time."""
        return self._first("Histogram")

    @property
    def snapshots(self) -> tuple[tuple[float, np.ndarray], ...]:
        """What the first ``Snapshots`` of the run saw, (time, positions) for each time."""
        return self._first("Snapshots")

    def snapshot(self, time: float) -> np.ndarray:
        """Return the positions ``(d, n)`` seen at ``time``."""
        for t, x in self.snapshots:
            if abs(t - time) <= 1e-9 * max(1.0, abs(time)):
                return x
        raise InvalidInput(f"no snapshot at t={time}; there are {[t for t, _ in self.snapshots]}")
