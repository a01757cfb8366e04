"""Laws of one real random variable: the common face that particles, schemes and solvers are compared on.

A law is a distribution function F, a density F' between its ``atoms`` (points that carry mass, such as an absorbing
wall), and what follows from them. Densities are in 1/(unit of x); masses and distribution functions have no unit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fpsde.cached import cached_property
from fpsde.errors import InvalidInput
from fpsde.grid import Grid
from fpsde.optional import optional
from fpsde.panels import panel_rule
from fpsde.validation import finite, finite_array, positive

special = optional("scipy.special")

#: Mass that :meth:`Law.range` may leave outside on each side: below it float64 sums no longer change.
TAIL = 1e-18


class Law(ABC):
    """A probability law on the real line."""

    @property
    def atoms(self) -> tuple[tuple[float, float], ...]:
        """The points that carry mass, as (position, mass)."""
        return ()

    @abstractmethod
    def cdf(self, x: Any) -> np.ndarray:
        """Return F(x) = P(X <= x), same shape as ``x``."""

    @abstractmethod
    def pdf(self, x: Any) -> np.ndarray:
        """Return the density at ``x`` (atoms excluded), same shape as ``x``."""

    @abstractmethod
    def range(self) -> tuple[float, float]:
        """Return a finite interval outside of which at most about ``TAIL`` of the mass lies on each side."""

    def cell_masses(self, faces: Any) -> np.ndarray:
        """Return the mass in each cell (faces[i], faces[i+1]], shape ``(n_cells,)``."""
        return np.diff(self.cdf(faces))

    def expectation(self, f: Callable[[np.ndarray], np.ndarray]) -> float:
        """Return E f(X): Gauss-Legendre panels over the range, plus the atoms; ``f`` takes and returns arrays."""
        faces = np.linspace(*self.range(), 129)
        x, w = panel_rule(faces)
        smooth = float(np.sum(w * self.pdf(x) * f(x)))
        return smooth + sum(mass * float(f(np.asarray(at))) for at, mass in self.atoms)

    def moment(self, k: int) -> float:
        """Return E X^k."""
        return self.expectation(lambda x: x**k)

    @cached_property
    def mean(self) -> float:
        return self.moment(1)

    @cached_property
    def variance(self) -> float:
        return self.central_moment(2)

    def central_moment(self, k: int) -> float:
        """Return E (X - E X)^k."""
        centre = self.mean
        return self.expectation(lambda x: (x - centre) ** k)

    def ppf(self, u: Any) -> np.ndarray:
        """Return the quantiles F^-1(u), by bisection to the last bits of x."""
        u = _levels(u)
        low, high = (np.full(u.shape, end) for end in self.range())
        for _ in range(60):
            middle = 0.5 * (low + high)
            below = self.cdf(middle) < u
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return 0.5 * (low + high)


def _levels(u: Any) -> np.ndarray:
    """Return ``u`` as an array of probabilities in [0, 1]."""
    u = np.asarray(u, dtype=float)
    if not np.all((u >= 0) & (u <= 1)):
        raise InvalidInput(f"a quantile needs 0 <= u <= 1; given u from {np.min(u)} to {np.max(u)}")
    return u


@dataclass(frozen=True)
class Point(Law):
    """All mass at ``at``."""

    at: float

    def __post_init__(self) -> None:
        finite("at", self.at)

    @property
    def atoms(self) -> tuple[tuple[float, float], ...]:
        return ((float(self.at), 1.0),)

    def cdf(self, x: Any) -> np.ndarray:
        return (np.asarray(x) >= self.at).astype(float)

    def pdf(self, x: Any) -> np.ndarray:
        return np.zeros(np.shape(x))

    def range(self) -> tuple[float, float]:
        return float(self.at), float(self.at)

    def ppf(self, u: Any) -> np.ndarray:
        return np.full(_levels(u).shape, float(self.at))


@dataclass(frozen=True)
class Normal(Law):
    """N(centre, std^2)."""

    centre: float
    std: float

    def __post_init__(self) -> None:
        finite("centre", self.centre)
        positive("std", self.std)

    def cdf(self, x: Any) -> np.ndarray:
        return special.ndtr((np.asarray(x) - self.centre) / self.std)

    def pdf(self, x: Any) -> np.ndarray:
        z = (np.asarray(x) - self.centre) / self.std
        return np.exp(-0.5 * z**2) / (self.std * np.sqrt(2 * np.pi))

    def range(self) -> tuple[float, float]:
        return self.centre - 9 * self.std, self.centre + 9 * self.std

    def ppf(self, u: Any) -> np.ndarray:
        return self.centre + self.std * special.ndtri(_levels(u))

    def moment(self, k: int) -> float:
        even = range(2, k + 1, 2)
        terms = (special.comb(k, j) * self.centre ** (k - j) * self.std**j * special.factorial2(j - 1) for j in even)
        return float(self.centre**k + sum(terms))

    def central_moment(self, k: int) -> float:
        return 0.0 if k % 2 else float(self.std**k * special.factorial2(k - 1)) if k else 1.0


@dataclass(frozen=True)
class Uniform(Law):
    """The uniform law on (low, high)."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not finite("low", self.low) < finite("high", self.high):
            raise InvalidInput(f"Uniform({self.low}, {self.high}) is empty; low must be below high")

    def cdf(self, x: Any) -> np.ndarray:
        return np.clip((np.asarray(x, dtype=float) - self.low) / (self.high - self.low), 0.0, 1.0)

    def pdf(self, x: Any) -> np.ndarray:
        x = np.asarray(x)
        return ((x >= self.low) & (x <= self.high)) / (self.high - self.low)

    def range(self) -> tuple[float, float]:
        return float(self.low), float(self.high)

    def ppf(self, u: Any) -> np.ndarray:
        return self.low + (self.high - self.low) * _levels(u)


@dataclass(frozen=True)
class Mixture(Law):
    """The law sum_k weights[k] * laws[k]; the weights are positive and sum to one."""

    weights: Sequence[float]
    laws: Sequence[Law]

    def __post_init__(self) -> None:
        weights = finite_array("weights", self.weights, ndim=1)
        if isinstance(self.laws, Law):
            raise InvalidInput(f"laws={self.laws!r} is one law; give a list with a law for each weight")
        for law in self.laws:
            if not isinstance(law, Law):
                raise InvalidInput(f"a mixture is made of laws, but {law!r} is none; give Normal(...), Point(...), ...")
        if len(weights) != len(self.laws):
            raise InvalidInput(f"{len(weights)} weights for {len(self.laws)} laws; give one weight for each law")
        if np.any(weights <= 0) or abs(weights.sum() - 1) > 1e-12:
            raise InvalidInput(f"weights {weights.tolist()} must be positive and sum to 1 (sum is {weights.sum()})")
        object.__setattr__(self, "weights", tuple(weights.tolist()))
        object.__setattr__(self, "laws", tuple(self.laws))

    @property
    def atoms(self) -> tuple[tuple[float, float], ...]:
        return tuple((at, w * mass) for w, law in zip(self.weights, self.laws, strict=True) for at, mass in law.atoms)

    def _sum(self, parts: Callable[[Law], Any]) -> Any:
        return sum(w * parts(law) for w, law in zip(self.weights, self.laws, strict=True))

    def cdf(self, x: Any) -> np.ndarray:
        return self._sum(lambda law: law.cdf(x))

    def pdf(self, x: Any) -> np.ndarray:
        return self._sum(lambda law: law.pdf(x))

    def range(self) -> tuple[float, float]:
        ends = [law.range() for law in self.laws]
        return min(low for low, _ in ends), max(high for _, high in ends)

    def expectation(self, f: Callable[[np.ndarray], np.ndarray]) -> float:
        return float(self._sum(lambda law: law.expectation(f)))

    def moment(self, k: int) -> float:
        return float(self._sum(lambda law: law.moment(k)))


@dataclass(frozen=True)
class FrozenLaw(Law):
    """A law that SciPy knows: ``frozen`` is a frozen continuous ``scipy.stats`` distribution."""

    frozen: Any

    def cdf(self, x: Any) -> np.ndarray:
        return np.asarray(self.frozen.cdf(x))

    def pdf(self, x: Any) -> np.ndarray:
        return np.asarray(self.frozen.pdf(x))

    def range(self) -> tuple[float, float]:
        return float(self.frozen.ppf(TAIL)), float(self.frozen.isf(TAIL))

    def ppf(self, u: Any) -> np.ndarray:
        return np.asarray(self.frozen.ppf(_levels(u)))

    def expectation(self, f: Callable[[np.ndarray], np.ndarray]) -> float:
        """Return E f(X), the integral of f(F^-1(u)), on panels that halve towards u = 0 and u = 1.

        So heavy tails and densities that are singular at an end are resolved, which equal panels in x would miss.
        """
        u, w = panel_rule(np.concatenate([[0.0], 0.5 ** np.arange(60, 0, -1)]))
        return float(np.sum(w * (f(self.frozen.ppf(u)) + f(self.frozen.isf(u)))))

    def moment(self, k: int) -> float:
        return float(self.frozen.moment(k))

    def central_moment(self, k: int) -> float:
        if k not in (2, 3, 4):
            return super().central_moment(k)
        variance, skewness, excess = (float(s) for s in self.frozen.stats("vsk"))
        return {2: variance, 3: skewness * variance**1.5, 4: (excess + 3) * variance**2}[k]


@dataclass(frozen=True, eq=False)
class CellLaw(Law):
    """Masses of the cells of a one-dimensional grid, as a Fokker-Planck solver returns them.

    ``masses`` (n,) and the atoms (absorbed mass at a wall) are what they are: nothing is clipped or rescaled. The
    distribution function is exact at the cell faces and linear between them.
    """

    grid: Grid
    masses: np.ndarray = field(repr=False)
    points_of_mass: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        if np.shape(self.masses) != self.grid.shape:
            given = np.shape(self.masses)
            raise InvalidInput(f"masses have shape {given}, the grid {self.grid.shape}; they must agree")

    @property
    def atoms(self) -> tuple[tuple[float, float], ...]:
        return self.points_of_mass

    @property
    def mass(self) -> float:
        """The total mass, atoms included."""
        return float(np.sum(self.masses)) + sum(mass for _, mass in self.atoms)

    @property
    def average_density(self) -> np.ndarray:
        """The density averaged over each cell, ``(n,)``, in 1/volume."""
        return self.masses / self.grid.widths

    def cdf(self, x: Any) -> np.ndarray:
        x = np.asarray(x, dtype=float)
        at_faces = np.concatenate([[0.0], np.cumsum(self.masses)])
        return np.interp(x, self.grid.faces, at_faces) + sum(mass * (x >= at) for at, mass in self.atoms)

    def pdf(self, x: Any) -> np.ndarray:
        x = np.asarray(x, dtype=float)
        faces = self.grid.faces
        cell = np.clip(np.searchsorted(faces, x, side="right") - 1, 0, len(faces) - 2)
        return np.where((x < faces[0]) | (x > faces[-1]), 0.0, self.average_density[cell])

    def range(self) -> tuple[float, float]:
        return float(self.grid.faces[0]), float(self.grid.faces[-1])

    def expectation(self, f: Callable[[np.ndarray], np.ndarray]) -> float:
        smooth = float(np.sum(self.masses * f(self.grid.centres)))
        return smooth + sum(mass * float(f(np.asarray(at))) for at, mass in self.atoms)
