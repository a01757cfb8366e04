"""Where particles start: points, laws drawn by counter, or positions that the caller brings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsde.arrays import brought
from fpsde.density import Law, Mixture, Point
from fpsde.domain import Interval
from fpsde.errors import InvalidInput
from fpsde.noise import Purpose, uniforms
from fpsde.validation import finite, finite_array, integer

#: (first_id, count) -> positions (d, count)
Start = Callable[[int, int], np.ndarray]
#: Mass of an initial law that may lie outside of the domain: below the round-off of a distribution function.
OUTSIDE = 1e-15


@dataclass(frozen=True)
class Sampler:
    """Initial positions drawn by counter: ``draw(u)`` maps ``uniforms`` numbers in (0, 1) of a particle to its place.

    ``u`` has shape (uniforms, n), the result (d, n) -- (n,) in one dimension; column i may depend on column i alone.
    """

    draw: Callable[[np.ndarray], np.ndarray]
    uniforms: int = 1

    def __post_init__(self) -> None:
        if not callable(self.draw):
            raise InvalidInput(f"draw={self.draw!r} is not a function; give one of uniforms (uniforms, n)")
        integer("uniforms", self.uniforms, least=1)


@dataclass(frozen=True, eq=False)
class OnePoint:
    """The start of particles that all begin at one point."""

    x: np.ndarray  #: (d,)

    def __call__(self, first: int, count: int) -> np.ndarray:
        return np.repeat(self.x[:, None], count, axis=1)


def start_of(x0: Any, process: Any, *, n_particles: int, seed: int, first: int = 0) -> Start:
    """Return the function that gives the initial positions of a range of particle ids.

    ``x0`` is a number or d of them (a point), a law or d laws (independent components), or positions ``(d, n)`` --
    ``(n,)`` in one dimension, of the ids from ``first`` on, on the host or on a GPU -- or a :class:`Sampler`. A draw
    depends on (seed, particle id) alone.
    """
    if isinstance(x0, Sampler):
        return _sampled(x0, process, seed)
    d = process.dim
    given = _of_laws(x0)
    if isinstance(given, np.ndarray):
        if given.shape not in ((), (d,)):
            return _given(given, process, n_particles, first)
        given = np.broadcast_to(given, (d,))
    laws = [v if isinstance(v, Law) else Point(finite("x0", v)) for v in given]
    if len(laws) != d:
        raise InvalidInput(
            f"x0 gives {len(laws)} initial laws for a process of dimension {d}; "
            "give one law or number for each component"
        )
    for law, interval in zip(laws, process.intervals, strict=True):
        if _mass_outside(law, interval) > OUTSIDE:
            raise InvalidInput(
                f"x0={law} reaches outside of the domain ({interval.low}, {interval.high}) of {process.name}"
            )

    points = [float(law.at) for law in laws if isinstance(law, Point)]
    if len(points) == d:
        return OnePoint(np.array(points))

    def draw(first: int, count: int) -> np.ndarray:
        u = uniforms(seed, Purpose.INITIAL, particles=np.arange(first, first + count, dtype=np.uint64), count=2 * d)
        return np.stack([drawn(law, u[2 * i], u[2 * i + 1]) for i, law in enumerate(laws)])

    return draw


def starts_by_id(x0: Any, dim: int) -> bool:
    """Return whether ``x0`` says where any id starts, as points, laws and samplers do, and given positions do not."""
    return isinstance(x0, Sampler) or not isinstance(given := _of_laws(x0), np.ndarray) or given.shape in ((), (dim,))


def _of_laws(x0: Any) -> Any:
    """Return a list of laws and numbers where there is a law among them, else an array of numbers."""
    x0 = brought("x0", x0)
    given = [x0] if isinstance(x0, Law) else x0
    if isinstance(given, (list, tuple)) and any(isinstance(v, Law) for v in given):
        return given
    return finite_array("x0", x0)


def _mass_outside(law: Law, interval: Interval) -> float:
    """Return the larger of the masses of a law below and above an interval; an atom at its end is inside."""
    below = float(law.cdf(np.nextafter(interval.low, -np.inf))) if np.isfinite(interval.low) else 0.0
    above = float(law.cdf(law.range()[1]) - law.cdf(interval.high)) if np.isfinite(interval.high) else 0.0
    return max(below, above)


def drawn(law: Law, u: np.ndarray, choice: np.ndarray) -> np.ndarray:
    """Return draws of a law by inversion of the uniforms ``u``; ``choice`` picks the component of a mixture."""
    if not isinstance(law, Mixture):
        return law.ppf(u)
    picked = np.searchsorted(np.cumsum(law.weights)[:-1], choice, side="right")
    out = np.empty(u.shape)
    for k, part in enumerate(law.laws):
        out[picked == k] = part.ppf(u[picked == k])
    return out


def _sampled(sampler: Sampler, process: Any, seed: int) -> Start:
    def draw(first: int, count: int) -> np.ndarray:
        ids = np.arange(first, first + count, dtype=np.uint64)
        u = uniforms(seed, Purpose.INITIAL, particles=ids, count=sampler.uniforms)
        x = finite_array("x0", brought("x0", sampler.draw(u)))
        return _given(x, process, count, first)(first, count)

    return draw


def _given(values: np.ndarray, process: Any, n_particles: int, offset: int) -> Start:
    positions = values[None, :] if process.dim == 1 and values.ndim == 1 else values
    if positions.shape != (process.dim, n_particles):
        raise InvalidInput(
            f"x0 has shape {values.shape}; ({process.dim}, {n_particles}) positions are needed, component first"
        )
    for i, interval in enumerate(process.intervals):
        outside = int(np.count_nonzero((positions[i] < interval.low) | (positions[i] > interval.high)))
        if outside:
            raise InvalidInput(
                f"{outside} of {n_particles} initial positions lie outside of the domain "
                f"({interval.low}, {interval.high}) of {process.name}"
            )
    return lambda first, count: positions[:, first - offset : first - offset + count]
