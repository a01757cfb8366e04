"""A law, or any number, together with a bound on its error, from three grids: Richardson extrapolation, Roache's index.

If the distribution function at the faces has the error e(x) h^2 + O(h^3), the differences between grids h, h/2, h/4
shrink by 4, and the finest is off by a third of the last. dt is refined with h, so that both errors are in it. On a
plane both axes are cut; along one without noise the error is e(x) h. The formulas stand in ``richardson``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any, Generic, TypeVar, overload

import numpy as np

from fpsde.density import CellLaw, Law
from fpsde.errors import InvalidInput, NotConverged
from fpsde.fokker_planck.plane.results import PlaneEvolution
from fpsde.fokker_planck.plane.solver import PlaneFokkerPlanck
from fpsde.fokker_planck.results import Evolution, LawsInTime
from fpsde.fokker_planck.solver import FokkerPlanck
from fpsde.grid import Grid
from fpsde.joint_law import JointCellLaw
from fpsde.richardson import CONFIRMED_SAFETY, lacking, safety_and_order
from fpsde.validation import finite_array, refuse_no_function

Solver = TypeVar("Solver", bound=FokkerPlanck | PlaneFokkerPlanck)
E = TypeVar("E", bound=LawsInTime)

#: Orders below it say that the three grids do not converge at all.
LEAST_ORDER = 0.5
#: Differences of distribution functions below it are round-off: no order can be read from them.
ROUND_OFF = 1e-12


@dataclass(frozen=True)
class RefinedLaw(Generic[E]):
    """The law on the finest of three grids with a bound on its error, and an extrapolated distribution function F.

    evolution, law
        the run on the finest grid (four cells for one of the grid given, along each axis), and its law at the last time
    tau
        bound on |F - F_exact| of ``law`` at the faces of its grid (of a plane, at the corners of the grid given)
    cdf, tau_cdf
        F extrapolated to h = 0 at the faces (corners: ``(n_1 + 1, n_2 + 1)``) of the grid given; the bound on its error
    order, differences
        observed order, and max |F_h - F_(h/2)|, max |F_(h/2) - F_(h/4)| where ``cdf`` is
    """

    evolution: E
    tau: float
    cdf: np.ndarray
    tau_cdf: float
    order: float
    differences: tuple[float, float]


@dataclass(frozen=True)
class Refined(RefinedLaw[Evolution]):
    """The :class:`RefinedLaw` of a line or a ring.

    faces
        those of the grid given
    between
        what linear interpolation between faces of the finest grid adds to ``tau``, at most: h^2 |p'| / 8
    """

    faces: np.ndarray
    between: float

    @property
    def law(self) -> CellLaw:
        return self.evolution.law


@dataclass(frozen=True)
class PlaneRefined(RefinedLaw[PlaneEvolution]):
    """The :class:`RefinedLaw` of a plane, where F(x, y) = P(X <= x, Y <= y, not absorbed); ``axes`` are its faces."""

    axes: tuple[np.ndarray, ...]

    @property
    def law(self) -> JointCellLaw:
        return self.evolution.law


@overload
def evolve_refined(
    solver: FokkerPlanck,
    x0: float | Law,
    *,
    t_end: float,
    t_start: float = ...,
    dt: float | None = ...,
    tolerance: float | None = ...,
) -> Refined: ...
@overload
def evolve_refined(
    solver: PlaneFokkerPlanck,
    x0: Any,
    *,
    t_end: float,
    t_start: float = ...,
    dt: float | None = ...,
    tolerance: float | None = ...,
) -> PlaneRefined: ...
def evolve_refined(
    solver: FokkerPlanck | PlaneFokkerPlanck,
    x0: Any,
    *,
    t_end: float,
    t_start: float = 0.0,
    dt: float | None = None,
    tolerance: float | None = None,
) -> Refined | PlaneRefined:
    """Return the law at ``t_end`` on the solver's grid cut into quarters, with a bound on its error.

    The runs are (h, dt), (h/2, dt/2), (h/4, dt/4); without ``dt`` the first run finds it, to ``tolerance``, or all are
    exact in time. With d1, d2 the two differences, tau is Roache's index of max(d2, d1 / 2^p) with the order p observed
    (no larger than the formal one), plus the mass at and beyond the ends of the grid: d1 guards against a d2 that is
    small by accident. On a plane both axes are cut (sixteen cells for one: begin with few), ``x0`` is a pair of points
    or laws, and the formal order is 1 where there is no noise along an axis.

    Raises
    ------
    NotConverged
        where p is below 1/2: the grid does not resolve the law.
    InvalidInput, UnstableStep
        as ``evolve`` of the solver; InvalidInput also for what is no solver.
    """
    _refuse_no_solver("evolve_refined", solver)
    coarse = solver.evolve(x0, t_end=t_end, t_start=t_start, dt=dt, tolerance=tolerance)
    runs: list[Any] = [coarse]
    for k in (2, 4):
        finer = replace(solver, grid=_cut(solver.grid, k))
        runs.append(
            finer.evolve(x0, t_end=t_end, t_start=t_start, tolerance=tolerance)
            if coarse.dt is None
            else finer.evolve(x0, t_end=t_end, t_start=t_start, dt=coarse.dt / k)
        )
    if isinstance(solver, PlaneFokkerPlanck):
        values = [_at_corners(run.law, k) for run, k in zip(runs, (1, 2, 4), strict=True)]
        return PlaneRefined(axes=solver.grid.axes, **_bounded(runs[-1], values, solver.formal_order))
    faces = solver.grid.faces
    values = [run.law.cdf(faces) for run in runs]
    bounded = _bounded(runs[-1], values, solver.formal_order)
    return Refined(faces=faces, between=_interpolation_error(runs[-1].law), **bounded)


def _refuse_no_solver(who: str, solver: Any) -> None:
    if not isinstance(solver, FokkerPlanck | PlaneFokkerPlanck):
        raise InvalidInput(f"{who} takes a solver, not {type(solver).__name__}; FokkerPlanck(process, grid) makes one")


def _bounded(finest: LawsInTime, values: list[np.ndarray], formal: float) -> dict[str, Any]:
    """Return the fields of a RefinedLaw from its distribution functions on the three grids, at common places."""
    first, last = (float(np.abs(a - b).max()) for a, b in pairwise(values))
    order = _observed_order(first, last, ROUND_OFF, formal, "the distribution function")
    safety, p = safety_and_order(order, formal)
    once, twice = (fine + lacking(rough, fine, 2, formal) for rough, fine in pairwise(values))
    missing = abs(finest.outside) + sum(finest.edge)
    return {
        "evolution": finest,
        "tau": safety * lacking(0.0, max(last, first / 2**p), 2, p) + missing,
        "cdf": twice,
        "tau_cdf": safety * float(np.abs(twice - once).max()) + missing,
        "order": order,
        "differences": (first, last),
    }


def _at_corners(law: JointCellLaw, every: int) -> np.ndarray:
    """Return F at each ``every``-th corner of the cells, ``(n_1/every + 1, n_2/every + 1)``."""
    total = np.pad(law.masses.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    return total[::every, ::every]


@dataclass(frozen=True, eq=False)
class Estimate:
    """Numbers from three grids: ``value``, a bound on its ``error``, and the ``order`` observed, all of one shape.

    Where the order is near the formal one the value is extrapolated to h = 0; elsewhere it is that of the finest grid.
    """

    value: np.ndarray
    error: np.ndarray
    order: np.ndarray


def estimate_refined(solver: Solver, quantity: Callable[[Solver], Any], *, scale: Any = 0.0) -> Estimate:
    """Return ``quantity(solver)``, numbers of any shape, with bounds on the errors that the grid makes.

        estimate_refined(solver, lambda fp: fp.modes(4).eigenvalues)

    ``quantity`` is asked on the solver's grid and on that cut into halves and into quarters, of two components along
    both axes (sixteen cells for one: begin with few); the numbers must be smooth in the cell width (rates, moments,
    passage times, committors are; in a plane those of sets whose edges lie at faces of cells: where they lie between
    faces, errors on coarse grids depend on where a cell is cut, and a bar can be too short). The formal order is 2, and
    1 on a plane with an axis without noise; where the order observed is not near it, Roache's larger factor is taken.
    An error in dt is seen if dt is refined with h. A number that all three grids give to 1e-12 of its size, or of
    ``scale`` where that is larger (for a mean that may be zero, the standard deviation; a number, or one for each), has
    that as its error.

    Raises
    ------
    NotConverged
        where the observed order is below 1/2, with the number's index.
    InvalidInput
        for what is no solver or no function; if the grids give different shapes or numbers that are not finite; what
        ``quantity`` raises.
    """
    _refuse_no_solver("estimate_refined", solver)
    refuse_no_function("quantity", quantity, "a function of the solver, such as lambda fp: fp.modes(4).eigenvalues")
    grids = [solver.grid, *(_cut(solver.grid, k) for k in (2, 4))]
    found = [np.asarray(quantity(replace(solver, grid=grid)), dtype=float) for grid in grids]
    if len({values.shape for values in found}) != 1 or not np.isfinite(found).all():
        shapes = ", ".join(str(values.shape) for values in found)
        raise InvalidInput(f"the quantity has shapes {shapes} on the three grids; give finite numbers, as many on each")
    scales, of = np.broadcast_to(finite_array("scale", scale), found[0].shape), partial(_estimate, solver.formal_order)
    one = [of(i, float(scales[i]), *(float(values[i]) for values in found)) for i in np.ndindex(scales.shape)]
    value, error, order = (np.reshape(numbers, found[0].shape) for numbers in zip(*one, strict=True))
    return Estimate(value, error, order)


def _estimate(
    formal: float, index: tuple[int, ...], scale: float, coarse: float, middle: float, fine: float
) -> tuple[float, float, float]:
    floor = ROUND_OFF * max(abs(coarse), abs(middle), abs(fine), scale)
    first, last = abs(coarse - middle), abs(middle - fine)
    name = "number " + ", ".join(map(str, index)) if index else "the number"
    order = _observed_order(first, last, floor, formal, name)
    safety, p = safety_and_order(order, formal)
    if safety == CONFIRMED_SAFETY:
        once, twice = (b + lacking(a, b, 2, formal) for a, b in ((coarse, middle), (middle, fine)))
        return twice, safety * abs(twice - once) + floor, order
    return fine, safety * lacking(0.0, max(last, first / 2**p), 2, p) + floor, order


def _cut(grid: Grid, parts: int) -> Grid:
    """Return the grid with every cell cut into equal ``parts``; its faces are faces of the new one to the last bit."""
    return Grid(tuple(_cut_axis(faces, parts) for faces in grid.axes))


def _cut_axis(faces: np.ndarray, parts: int) -> np.ndarray:
    inner = [faces[:-1] + np.diff(faces) * (k / parts) for k in range(1, parts)]
    return np.sort(np.concatenate([faces, *inner]))


def _observed_order(first: float, last: float, floor: float, formal: float, what: str) -> float:
    if last <= floor:
        return formal if first <= floor else np.inf
    order = float(np.log2(max(first, floor) / last))
    if order < LEAST_ORDER:
        raise NotConverged(
            f"{what} moved by {first:.3g} when the cells were halved, and by {last:.3g} when they were halved again "
            f"(order {order:.2f}; it should be {formal:g}): start from a finer grid"
        )
    return order


def _interpolation_error(law: CellLaw) -> float:
    """Return h^2 |p'| / 8, the largest over the inner faces."""
    h = law.grid.widths
    return float(np.max(np.abs(np.diff(law.average_density)) * np.maximum(h[1:], h[:-1])) / 8)
