"""Frames chosen for a chain and its observables, in levels that are finer and wider from one to the next."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsde.density import Law
from fpsde.errors import InvalidInput, NotConverged
from fpsde.laws.axes import Axis, polynomial_line, ring, segment
from fpsde.laws.extent import Extent
from fpsde.laws.frame import Frame, Observable
from fpsde.laws.noise_rule import continuous_rows, row_of_uniform
from fpsde.laws.parts import noisy_parts
from fpsde.processes.process import Process
from fpsde.schemes.array_step import ArrayStep, array_step
from fpsde.schemes.scheme import Scheme
from fpsde.validation import finite_array

#: Nodes of each axis on the first level, by the number of components, and by what they grow from level to level.
FEWEST, GROWTH, LEVELS = {1: 27, 2: 19}, {1: 1.4, 2: 1.25}, {1: 9, 2: 6}
#: Nodes for each normal on the first level, by the number of normals, and how many more on each further one.
NOISE, MORE_NOISE = {1: 24, 2: 14, 3: 9, 4: 7}, {1: 8, 2: 4, 3: 3, 4: 1}
#: Panels instead, where a step accepts or rejects.
PANELS, MORE_PANELS = 64, 32
#: -log of the probability that may lie beyond an end on the first level, and how much deeper the others reach.
DEPTH, DEEPER = 22.0, 3.0
#: Highest degree of polynomials that count as such, and the rounding in which two values are one.
MOST_DEGREE, ROUNDING = 6, 1e-10


@dataclass(frozen=True, eq=False)
class Level:
    """One resolution: where functions are held, and noise nodes for each normal."""

    frame: Frame
    nodes: int


def exact_level(
    process: Process, scheme: Scheme, observables: Sequence[Observable], x0: Sequence[float]
) -> Level | None:
    """Return polynomials of a low degree where nothing else is needed, else None.

    That is so where the observables are polynomials and a step is affine in x, the drift affine and D quadratic: then
    a polynomial stays one of its degree, in all components together: x y becomes x^2 as well.
    """
    if any(interval.walled for interval in process.intervals) or not _is_affine(process, array_step(scheme, process)):
        return None
    ends = np.random.default_rng(MOST_DEGREE).uniform(-2, 2, (2, process.dim, 8))
    for degree in range(1, MOST_DEGREE + 1):
        if all(_has_degree(u, degree, *ends) for u in observables):
            frame = Frame(tuple(polynomial_line(degree, scale=max(1.0, abs(x))) for x in x0))
            return Level(frame, _noise_nodes(scheme, process, 0))
    return None


def _has_degree(u: Observable, degree: int, a: np.ndarray, b: np.ndarray) -> bool:
    """Return whether u is a polynomial of at most this degree along the lines from points ``a`` to ``b``, (d, n)."""
    with np.errstate(all="ignore"):
        shares = np.linspace(0, 1, degree + 2)
        values = np.stack([np.broadcast_to(u(*(a + share * (b - a))), a.shape[1]) for share in shares])
        return bool(np.abs(np.diff(values, degree + 1, axis=0)).max() <= ROUNDING * max(1.0, np.abs(values).max()))


def levels(process: Process, scheme: Scheme, extent: Extent) -> Iterator[Level]:
    """Yield levels on which chains are held, coarse to fine: a ring for a periodic component, else a segment.

    InvalidInput for walls, where expectations have kinks, and for more than two components.
    """
    refuse_walls(process)
    d = process.dim
    if d not in FEWEST:
        raise InvalidInput(
            f"{process.name} has {d} components; functions of up to two are held on axes, and of more only where steps "
            "are affine and the observables polynomials"
        )
    for k in range(LEVELS[d]):
        n = round(FEWEST[d] * GROWTH[d] ** k)
        ends = extent.ends(DEPTH + DEEPER * k)
        axes: list[Axis] = [
            ring(n + 1 - n % 2, low=interval.low, length=interval.length) if interval.periodic else segment(*ends[i], n)
            for i, interval in enumerate(process.intervals)
        ]
        yield Level(Frame(tuple(axes), extent.energy), _noise_nodes(scheme, process, k))


def settled(
    ladder: Iterable[Level],
    find: Callable[[Level], tuple[np.ndarray, ...]],
    allowed: Callable[[np.ndarray], Any],
    what: str,
    advice: str,
) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """Return what ``find`` finds on the first level where the first of it has changed by no more than ``allowed``.

    ``allowed`` is asked of that first array. The last changes of all arrays come second. Raises NotConverged, which
    says how far ``what`` has settled, and the ``advice``.
    """
    before: tuple[np.ndarray, ...] | None = None
    reached = np.inf
    for level in ladder:
        with np.errstate(all="ignore"):
            found = find(level)
            if before is not None:
                changes = tuple(np.abs(a - b) for a, b in zip(found, before, strict=True))
                reached = float(np.max(changes[0]))
                if np.all(changes[0] <= allowed(found[0])):
                    return found, changes
        before = found
    raise NotConverged(f"{what} settled to {reached:.2g}, not to {advice}")


def point_of(process: Process, x0: Any) -> tuple[float, ...]:
    """Return a start as a number for each component, InvalidInput where it is no such point."""
    if isinstance(x0, Law) or (isinstance(x0, Sequence) and any(isinstance(part, Law) for part in x0)):
        raise InvalidInput(f"x0={x0!r}; a law at the start is taken on the line alone: give {process.dim} numbers")
    found = tuple(finite_array("x0", np.atleast_1d(x0), ndim=1).tolist())
    if len(found) != process.dim:
        raise InvalidInput(f"x0 has {len(found)} components, {process.name} has {process.dim}; give one for each")
    return found


def refuse_walls(process: Process) -> None:
    """Raise InvalidInput where a wall that is no seam makes expectations kinked in x."""
    for interval in process.intervals:
        if interval.walled and not interval.periodic:
            raise InvalidInput(
                f"{process.name} has a {interval.low_wall.value}/{interval.high_wall.value} wall, where "
                "expectations have kinks; they are computed on lines and rings. fpsde.verify judges laws between walls"
            )


def _noise_nodes(scheme: Scheme, process: Process, level: int) -> int:
    inputs = [array_step(part, process).inputs for part in noisy_parts(scheme) or (scheme,)]
    if any(row_of_uniform(kinds) is not None for kinds in inputs):
        return PANELS + MORE_PANELS * level
    # discrete noise is summed as it is; the process, which is stepped beside the chain, has its Brownian motions
    r = max(len(continuous_rows(kinds)) for kinds in inputs) or process.channels
    if r not in NOISE:
        raise InvalidInput(f"a step takes {r} normals; expectations are summed over at most {max(NOISE)}")
    return NOISE[r] + MORE_NOISE[r] * level


def _is_affine(process: Process, step: ArrayStep) -> bool:
    """Return whether step, drift and D are of degree 1, 1 and 2 in x, looked at along lines between random points."""
    rng = np.random.default_rng(7)
    a, b = rng.normal(size=(2, process.dim, 16))
    z, t, dt = rng.normal(size=(step.normals, 16)), 0.2, 0.1

    def ended(x: np.ndarray) -> np.ndarray:
        state = np.zeros((step.state_rows, x.shape[1]))
        state[: process.dim] = x
        return step.advance(state, z, t, dt)[: process.dim]

    def along(f: Callable[[np.ndarray], np.ndarray]) -> list[np.ndarray]:
        return [f(a + share * (b - a)) for share in (0, 1 / 3, 2 / 3, 1)]

    def at(x: np.ndarray) -> np.ndarray:
        return x if process.dim > 1 else x[0]

    with np.errstate(all="ignore"):
        straight = [along(ended), along(lambda x: process.ito_drift(at(x), t))]
        D = along(lambda x: process.diffusivity(at(x), t))
        bent = [v[k] - 2 * v[k + 1] + v[k + 2] for v in straight for k in (0, 1)]
        return all(_equal(v, 0 * v) for v in (*bent, D[0] - 3 * D[1] + 3 * D[2] - D[3]))


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.allclose(a, b, rtol=ROUNDING, atol=ROUNDING))
