"""A second solver that shares nothing with the generator: short-time kernels composed one after the other.

    p(x, t + dt) = integral of K(x | y) p(y, t) dy,      K(. | y) = N(y + mu(y, t) dt, 2 D(y, t) dt)

(Chapman-Kolmogorov; Wehner & Wolfer, Phys. Rev. A 27 (1983) 2663). The kernel is Gaussian, so its order in dt is 1; two
runs with dt and dt/2 give order 2. The integral over y is a sum over equal spaces between points, which converges
faster than any power of the spacing h once h is below the kernel's width sqrt(2 D dt), and is worthless above it: dt
may not be too *small* for the grid. At a reflecting wall the kernel is folded, with order 2 in h; a ring is wound up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsde.density import CellLaw, Law, Point
from fpsde.domain import Interval, Wall
from fpsde.errors import InvalidInput
from fpsde.grid import Grid, refuse_other_than_process_and_grid
from fpsde.optional import optional
from fpsde.validation import finite, whole_steps

special = optional("scipy.special")

#: Width of a kernel, in spacings, below which the sum is no integral: at 1 it is good to 1e-8 of the kernel.
NARROWEST = 1.0
#: Mass that may be lost over the ends of the grid.
LOST = 1e-6
#: Images on either side: a kernel wider than the grid itself needs more of them than this.
IMAGES = 3
#: Standard deviations beyond which nothing of a Gaussian is left.
FAR = 9.0
#: Cells whose widths agree to this are equal.
EQUAL = 1e-9
#: How equal cells are made.
EXAMPLE = "Grid.uniform((low, high), cells=400)"


@dataclass(frozen=True)
class PathIntegral:
    """The law at ``t_end`` on the cells of the grid, extrapolated in dt, and how well it was computed.

    law
        masses from 2 p(dt/2) - p(dt): order 2 in dt; a mass far out in the tails may be slightly negative
    first_order
        masses with dt/2 alone, which are not negative: order 1
    time_error
        total variation distance between the two, an estimate of the error of ``first_order``
    mass_error
        1 minus the total mass: what left the grid, and the error of the sums over y
    """

    law: CellLaw
    first_order: CellLaw
    time_error: float
    mass_error: float
    dt: float


def evolve_by_path_integral(
    process: Any, grid: Grid, x0: float | Law, *, t_end: float, dt: float, t_start: float = 0.0
) -> PathIntegral:
    """Return the law of ``process`` at ``t_end``, started at ``t_start`` from a point or a law, in steps of ``dt``.

    ``process`` has ``ito_drift(x, t)``, ``diffusivity(x, t)``, ``domain`` and ``name``; ``grid`` has equal cells.

    Raises
    ------
    InvalidInput
        if process and grid are none, or not of one dimension; cells are not equal; dt does not divide the time; a wall
        absorbs; kernels are narrower than the cells (where D vanishes they always are) or wider than the domain; or
        more than 1e-6 of the mass leaves the grid.
    """
    refuse_other_than_process_and_grid("evolve_by_path_integral", process, grid, EXAMPLE)
    if not process.dim == grid.dim == 1:
        raise InvalidInput(
            f"the process has {process.dim} dimension(s) and the grid {grid.dim}; the path integral takes one of each"
        )
    h = float(grid.widths.mean())
    if np.ptp(grid.widths) > EQUAL * h:
        raise InvalidInput(
            f"cells have widths from {grid.widths.min():.6g} to {grid.widths.max():.6g}; the path integral needs equal "
            f"ones: {EXAMPLE}"
        )
    begin = finite("t_start", t_start)
    n_steps = whole_steps(finite("t_end", t_end) - begin, dt)
    if Wall.ABSORBING in (process.domain.low_wall, process.domain.high_wall):
        raise InvalidInput(
            f"{process.name} has an absorbing wall, at which the Gaussian kernel is of order 1/2 only; use FokkerPlanck"
        )
    start = x0 if isinstance(x0, Law) else Point(finite("x0", x0))
    coarse, fine = (_composed(process, grid, start, begin, dt / k, k * n_steps) for k in (1, 2))
    return PathIntegral(
        law=CellLaw(grid, 2 * fine - coarse),
        first_order=CellLaw(grid, fine),
        time_error=float(np.abs(fine - coarse).sum()) / 2,
        mass_error=float(1 - fine.sum()),
        dt=dt,
    )


def _composed(process: Any, grid: Grid, start: Law, begin: float, dt: float, n_steps: int) -> np.ndarray:
    """Return cell masses after ``n_steps``: densities at the centres after each, cells by the last one's own masses."""
    x, h = grid.centres, float(grid.widths.mean())
    atoms = np.array(start.atoms).reshape(-1, 2)
    at, weights = np.concatenate([atoms[:, 0], x]), np.concatenate([atoms[:, 1], h * start.pdf(x)])
    at, weights = at[weights != 0], weights[weights != 0]
    kernel = np.empty(0)
    for n in range(n_steps - 1):
        if n < 2 or process.time_dependent:  # from the start, then from centres to centres: one kernel from there on
            kernel = h * _kernel(process, at, h, begin + n * dt, dt).density(x)
        at, weights = x, kernel @ weights
    masses = _kernel(process, at, h, begin + (n_steps - 1) * dt, dt).cells(grid.faces) @ weights
    if not abs(1 - masses.sum()) <= LOST:
        raise InvalidInput(
            f"{1 - masses.sum():.3g} of the mass of {process.name} is not on the grid [{grid.faces[0]}, "
            f"{grid.faces[-1]}] at t={begin + n_steps * dt:.6g}, where at most {LOST:g} may be missing: extend the grid"
        )
    return masses


@dataclass(frozen=True)
class Kernel:
    """Gaussians with ``mean`` and ``std``, each ``(n,)``; ``images`` are x' = sign x + shift, folded onto x."""

    mean: np.ndarray
    std: np.ndarray
    images: tuple[tuple[int, float], ...]

    def density(self, x: np.ndarray) -> np.ndarray:
        """Return the densities at ``x`` (m,), ``(m, n)``."""
        return self._sum(lambda z: np.exp(-0.5 * z**2) / (np.sqrt(2 * np.pi) * self.std), x, signed=False)

    def cells(self, faces: np.ndarray) -> np.ndarray:
        """Return the masses of cells ``(m, n)`` between ``faces`` (m + 1,)."""
        return np.diff(self._sum(special.ndtr, faces, signed=True), axis=0)

    def _sum(self, f: Callable[[np.ndarray], np.ndarray], x: np.ndarray, *, signed: bool) -> np.ndarray:
        return np.sum(
            [
                (sign if signed else 1) * f((sign * x[:, None] + shift - self.mean) / self.std)
                for sign, shift in self.images
            ],
            axis=0,
        )


def _kernel(process: Any, y: np.ndarray, h: float, t: float, dt: float) -> Kernel:
    shift, std = dt * process.ito_drift(y, t), np.sqrt(2 * dt * process.diffusivity(y, t))
    if not std.min() >= NARROWEST * h:
        i = int(np.argmin(std))
        raise InvalidInput(
            f"dt={dt:.6g} makes a kernel of width sqrt(2 D dt)={std[i]:.3g} at x={y[i]:.6g}, below {NARROWEST:g} cell "
            f"of {h:.3g}: take a larger dt or more cells"
        )
    images, reach = _images(process.domain)
    farthest = float(np.max(np.abs(shift) + FAR * std))
    if farthest > reach:
        raise InvalidInput(
            f"a step of dt={dt:.6g} reaches {farthest:.3g}, {IMAGES} times round or across the domain "
            f"({process.domain.low}, {process.domain.high}) and more: take a smaller dt"
        )
    return Kernel(y + shift, std, images)


def _images(domain: Interval) -> tuple[tuple[tuple[int, float], ...], float]:
    """Return the images of a point at walls or round a ring, and how far a step may reach with them."""
    turns = range(-IMAGES, IMAGES + 1)
    if domain.periodic:
        return tuple((1, k * domain.length) for k in turns), IMAGES * domain.length
    mirrors = [
        2 * end
        for end, wall in ((domain.low, domain.low_wall), (domain.high, domain.high_wall))
        if wall is Wall.REFLECTING
    ]
    if len(mirrors) < 2:
        return ((1, 0.0), *((-1, mirror) for mirror in mirrors)), np.inf
    period = 2 * domain.length
    return tuple(image for k in turns for image in ((1, k * period), (-1, mirrors[0] + k * period))), IMAGES * period
