"""Mean times of first passage: over the barrier of a double well on a line, and out of a disc in the plane.

On a line    tau = (1/kT) int_a^b dy e^(U(y)/kT) int_-inf^y dz e^(-U(z)/kT);

in the plane a particle in U = r^2 / 2 that is driven round as well, which does not change when it leaves the disc:

    tau(r) = (1/kT) int_r^R ds e^(U(s)/kT) / s int_0^s du u e^(-U(u)/kT)
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
from scipy import constants, sparse
from scipy.integrate import quad
from scipy.linalg import solve_banded
from scipy.sparse.linalg import splu, spsolve

from fpsde.fokker_planck import FokkerPlanck, scale_speed
from fpsde.grid import Grid
from fpsde.processes import double_well, rotating_ou
from solvers import central
from solvers.growth import Growing
from solvers.packages import fipy, fplanck
from solvers.race import Bounds, Call, Kind, Method, Race, Wanted

KT, FROM, TO, LOW, HIGH = 0.2, -0.6, 0.7, -2.2, 2.2
WELL = double_well(KT)
#: The disc, the place where the particle starts, its turning, and the box round the disc.
RADIUS, START, OMEGA, BOX = 1.5, (0.4, 0.3), 1.0, ((-1.8, 1.8), (-1.8, 1.8))
PLANE_KT = 0.5
ROTATING = rotating_ou(theta=1.0, omega=OMEGA, sigma=float(np.sqrt(2 * PLANE_KT)))


def potential(x: Any) -> Any:
    """Return the double well."""
    return (x**2 - 1) ** 2


@cache
def exact_on_line() -> float:
    """Return tau by quadrature within quadrature; the well is cut where its density is 1e-28 of the largest."""

    def inner(y: float) -> float:
        return quad(lambda z: np.exp(-potential(z) / KT), -2.2, y, points=[-1.0], epsabs=0, epsrel=1e-12)[0]

    return quad(lambda y: np.exp(potential(y) / KT) * inner(y), FROM, TO, points=[0.0], epsabs=0, epsrel=1e-11)[0] / KT


@cache
def exact_in_disc() -> float:
    """Return tau by quadrature of the closed inner integral."""
    first = float(np.hypot(*START))
    return quad(lambda s: np.expm1(s**2 / (2 * PLANE_KT)) / s, first, RADIUS, epsabs=0, epsrel=1e-12)[0]


def relative_error(exact: Callable[[], float]) -> Callable[[float], float]:
    """Return the relative error as a function of the answer."""
    return lambda found: abs(found / exact() - 1)


def by_fpsde(cells: int, _: int, **options: Any) -> Call:
    """The public call."""
    return lambda: FokkerPlanck(WELL, Grid.uniform((LOW, HIGH), cells=cells), **options).passage_time(FROM, TO).mean


def fitted_rates(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the Scharfetter-Gummel rates up and down between neighbours of equal distance."""
    z, h = -np.diff(potential(x)) / KT, x[1] - x[0]
    small = np.abs(z) < 1e-8
    down = np.where(small, 1 - z / 2, z / np.expm1(np.where(small, 1, z))) * KT / h**2
    return down + z * KT / h**2, down


def adjoint(cells: int, _: int) -> Call:
    """The backward equation with exponential fitting on points from the low end to the target, by a banded solve."""

    def run() -> float:
        x = np.linspace(LOW, TO, cells + 1)
        up, down = fitted_rates(x)
        bands = np.zeros((3, cells))
        bands[0, 1:], bands[1], bands[2, :-1] = -up[:-1], up + np.concatenate([[0.0], down[:-1]]), -down[:-1]
        tau = solve_banded((1, 1), bands, np.ones(cells))
        return float(_cubic(x, np.append(tau, 0.0), FROM))

    return run


def _cubic(x: np.ndarray, u: np.ndarray, at: float) -> float:
    """Return the value of the cubic through the four points about a place."""
    k = int(np.clip(np.searchsorted(x, at) - 2, 0, len(x) - 4))
    near = x[k : k + 4]
    weights = [np.prod([(at - b) / (a - b) for b in near if b != a]) for a in near]
    return float(np.dot(weights, u[k : k + 4]))


def double_integral(cells: int, _: int) -> Call:
    """The two integrals as running sums of the midpoint rule."""

    def run() -> float:
        h = (TO - FROM) / cells
        n = int(np.ceil((FROM - LOW) / h))
        y = FROM + h * (np.arange(-n, cells) + 0.5)
        weight = np.exp(-potential(y) / KT)
        inner = np.cumsum(weight) - 0.5 * weight
        return float((inner[n:] / weight[n:]).sum() * h**2 / KT)

    return run


def by_fplanck(cells: int, _: int) -> Call:
    """The transpose of its matrix, solved on the cells below the target, which is the centre of a cell.

    Its box is centred at 0.
    """

    def run() -> float:
        h = TO / (round(cells * TO / (HIGH - LOW)) + 0.5)
        n = 2 * int(np.ceil(HIGH / h))
        solver = fplanck.fokker_planck(
            temperature=KT / constants.k, drag=1.0, extent=h * (n - 0.5), resolution=h, potential=potential
        )
        x = np.asarray(solver.axes[0])
        below = np.flatnonzero(x < TO - h / 2)
        backward = sparse.csc_matrix(solver.master_matrix.T)[below][:, below]
        tau = spsolve(backward, -np.ones(len(below)))
        return _cubic(np.append(x[below], TO), np.append(tau, 0.0), FROM)

    return run


def by_fipy(cells: int, _: int) -> Call:
    """Diffusion with the weight e^(-U/kT), the target a face where tau = 0."""

    def run() -> float:
        corner = ((LOW,),)
        mesh = fipy.Grid1D(nx=cells, dx=(TO - LOW) / cells) + corner
        tau = fipy.CellVariable(mesh=mesh, value=0.0)
        tau.constrain(0.0, mesh.facesRight)
        weight = np.exp(-potential(mesh.faceCenters.value[0]) / KT)
        at = mesh.cellCenters.value[0]
        source = fipy.CellVariable(mesh=mesh, value=np.exp(-potential(at) / KT))
        coefficient = fipy.FaceVariable(mesh=mesh, value=KT * weight)
        (fipy.DiffusionTerm(coeff=coefficient) + source).solve(var=tau, solver=fipy.LinearLUSolver())
        return _cubic(at, tau.value, FROM)

    return run


def on_line() -> Race:
    """Return the race on a line."""
    cells = (25, 50, 100, 200, 400, 800, 1600, 3200)
    return Race(
        "mean passage over a barrier",
        relative_error(exact_on_line),
        (
            Method("fpsde", Kind.OURS, by_fpsde, cells),
            Method("fpsde, natural scale", Kind.OURS, partial(by_fpsde, assemble=scale_speed), cells),
            Method("SciPy, banded backward equation", Kind.SCIPY, adjoint, cells),
            Method("SciPy, double integral", Kind.SCIPY, double_integral, cells),
            Method("fplanck", Kind.PACKAGE, by_fplanck, cells, needs="fplanck"),
            Method("FiPy", Kind.PACKAGE, by_fipy, cells, needs="FiPy"),
        ),
        wanted=tuple(Wanted(level, None, (("fplanck", 100.0), ("FiPy", 100.0))) for level in (1e-3, 1e-5)),
    )


def out_of_disc(cells: int, _: int) -> Call:
    """The public call; the edge of the disc is given as a level."""

    def run() -> float:
        solver = FokkerPlanck(ROTATING, Grid.uniform(*BOX, cells=cells))
        return solver.passage_time(START, lambda x, y: RADIUS**2 - x**2 - y**2).mean

    return run


def shortley_weller(cells: int, _: int) -> Call:
    """Central differences of the backward equation on points in the disc, arms cut at its edge, by sparse factors."""

    def run() -> float:
        x, y = central.centres(BOX, cells)
        h = x[1] - x[0]
        inside = x[:, None] ** 2 + y**2 < RADIUS**2
        number = np.full((cells, cells), -1)
        number[inside] = np.arange(inside.sum())
        i, j = np.nonzero(inside)
        px, py = x[i], y[j]
        own, rows, columns, entries = np.zeros(len(i)), [], [], []
        for flow, step, at, across in ((-px + OMEGA * py, (1, 0), px, py), (-py - OMEGA * px, (0, 1), py, px)):
            half = np.sqrt(RADIUS**2 - across**2)
            arms = {side: np.minimum(h, half - side * at) for side in (-1, 1)}
            for side, arm in arms.items():
                other = arms[-side]
                weight = (2 * PLANE_KT + side * flow * other) / (arm * (arm + other))
                own -= weight
                there = number[i + side * step[0], j + side * step[1]]
                kept = there >= 0
                rows.append(np.flatnonzero(kept))
                columns.append(there[kept])
                entries.append(weight[kept])
        n = np.arange(len(i))
        place = np.concatenate([*rows, n]), np.concatenate([*columns, n])
        matrix = sparse.csc_array((np.concatenate([*entries, own]), place), shape=(len(i), len(i)))
        tau = np.zeros((cells, cells))
        tau[inside] = splu(matrix).solve(-np.ones(len(i)))
        return _cubic(x, np.array([_cubic(y, row, START[1]) for row in tau]), START[0])

    return run


def in_plane() -> Race:
    """Return the race in the plane."""
    cells = (20, 24, 28, 40, 56, 80, 112, 160, 224, 320)
    return Race(
        "mean time out of a disc",
        relative_error(exact_in_disc),
        (
            Method("fpsde", Kind.OURS, out_of_disc, cells),
            Method("SciPy, sparse LU", Kind.SCIPY, shortley_weller, cells),
        ),
        bounds=Bounds(call=4.0, whole=60.0),
    )


GROWING = (
    Growing("mean passage on a line", lambda n, t: by_fpsde(n, 1), (500, 1000, 2000, 4000), (1.0,)),
    Growing("mean time out of a disc", lambda n, t: out_of_disc(n, 1), (40, 80, 120), (1.0,), 2),
)
