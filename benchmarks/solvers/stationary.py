"""Stationary laws in the plane, from the equation alone: a gradient drift, and the same with a current round its wells.

    mu = -(1 + w J) grad U,    D = kT,    J a quarter turn

leaves Boltzmann's law stationary whatever w is; no method here knows that, and it is the reference.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
from scipy import constants, sparse
from scipy.sparse.linalg import splu

from fpsde.fokker_planck import FokkerPlanck, assemble_plane, speed_measure
from fpsde.fokker_planck.plane.assembly import AssemblePlane
from fpsde.grid import Grid
from fpsde.processes.process import Process
from solvers import central
from solvers.growth import Growing
from solvers.packages import fipy, fipy_plane, fplanck
from solvers.race import Bounds, Call, Kind, Method, Race, Wanted

KT, BOX = 0.4, ((-2.5, 2.5), (-4.0, 4.0))
#: w of the drift that is no gradient.
TURNING = 1.0


def potential(x: Any, y: Any) -> Any:
    """Return a double well whose two ends lie aside."""
    return (x**2 - 1) ** 2 + 0.5 * y**2 + 0.5 * x * y


def drift(x: Any, y: Any, *, w: float) -> tuple[Any, Any]:
    """Return -(1 + w J) grad U."""
    along, across = 4 * x * (x**2 - 1) + 0.5 * y, y + 0.5 * x
    return -along + w * across, -across - w * along


def process(w: float) -> Process:
    """Return the process as a drift and a noise: nothing says that there is a potential."""
    noise = float(np.sqrt(2 * KT))
    return Process(
        drift=lambda x, t, p: drift(x[0], x[1], w=w), sigma=lambda x, t, p: ((noise, 0.0), (0.0, noise)), dim=2
    )


@cache
def exact(cells: int) -> np.ndarray:
    """Return Boltzmann's law as cell masses, by five Gauss points along each axis of a cell."""
    nodes, weights = np.polynomial.legendre.leggauss(5)
    h = [(high - low) / cells for low, high in BOX]
    x, y = (c[:, None] + 0.5 * w * nodes for c, w in zip(central.centres(BOX, cells), h, strict=True))
    density = np.exp(-potential(x[:, :, None, None], y) / KT)
    masses = np.einsum("iajb,a,b->ij", density, weights, weights)
    return masses / masses.sum()


def error(masses: np.ndarray) -> float:
    """Return the L1 distance of masses from Boltzmann's law."""
    return float(np.abs(masses - exact(len(masses))).sum())


def by_fpsde(cells: int, _: int, *, w: float, assemble: AssemblePlane = assemble_plane) -> Call:
    """The public call."""
    turning = process(w)
    return lambda: FokkerPlanck(turning, Grid.uniform(*BOX, cells=cells), assemble=assemble).stationary().law.masses


def by_fpsde_to_high_order(cells: int, _: int, *, w: float, order: int) -> Call:
    """The public call of the mode that is not positive."""
    turning = process(w)
    return lambda: (
        FokkerPlanck(turning, Grid.uniform(*BOX, cells=cells)).stationary_to_high_order(order=order).law.masses
    )


def exponentially_fitted(cells: int, *, w: float) -> Any:
    """Return the generator with Scharfetter-Gummel rates at the middle of each face, cells in C order."""
    x, y = central.centres(BOX, cells)
    h = [(high - low) / cells for low, high in BOX]
    here = np.arange(cells**2).reshape(cells, cells)
    mid = (0.5 * (x[1:] + x[:-1]), 0.5 * (y[1:] + y[:-1]))
    edges = (
        (here[:-1], here[1:], h[0], drift(mid[0][:, None], y[None], w=w)[0]),
        (here[:, :-1], here[:, 1:], h[1], drift(x[:, None], mid[1][None], w=w)[1]),
    )
    rows, columns, rates = [], [], []
    for tail, head, step, flow in edges:
        z = flow * step / KT
        small = np.abs(z) < 1e-8
        down = np.where(small, 1 - z / 2, z / np.expm1(np.where(small, 1, z))) * KT / step**2
        for source, target, rate in ((tail, head, down + z * KT / step**2), (head, tail, down)):
            rows += [target.ravel(), source.ravel()]
            columns += [source.ravel(), source.ravel()]
            rates += [rate.ravel(), -rate.ravel()]
    place = np.concatenate(rows), np.concatenate(columns)
    return sparse.csc_array((np.concatenate(rates), place), shape=(cells**2, cells**2))


def of_order_four(cells: int, *, w: float) -> Any:
    """Return differences of order 4."""
    return central.order_four(BOX, cells, partial(drift, w=w), KT * np.eye(2))


def null_vector(cells: int, _: int, *, w: float, matrix: Callable[..., Any], values: bool = False) -> Call:
    """Sparse factors of the matrix with one equation replaced by the normalisation: that all masses sum to one."""

    def run() -> np.ndarray:
        q = matrix(cells, w=w).tolil()
        middle = (cells // 2) * cells + cells // 2
        q[middle] = 1.0
        target = np.zeros(cells**2)
        target[middle] = 1.0
        found = splu(q.tocsc()).solve(target).reshape(cells, cells)
        return central.averages(found) if values else found

    return run


def by_fplanck(cells: int, _: int) -> Call:
    """Its ``steady_state``; k_B is divided out."""

    def run() -> np.ndarray:
        h = [(high - low) / cells for low, high in BOX]
        solver = fplanck.fokker_planck(
            temperature=KT / constants.k,
            drag=1.0,
            extent=[width * (cells - 0.5) for width in h],  # it rounds up
            resolution=h,
            potential=potential,
        )
        return solver.steady_state()

    return run


def by_fipy(cells: int, _: int, *, w: float) -> Call:
    """One step of backward Euler with dt = 1e7 from a flat law, and exponential fitting."""

    def run() -> np.ndarray:
        mesh = fipy_plane(BOX, cells)
        area = float(np.prod([high - low for low, high in BOX]))
        density = fipy.CellVariable(mesh=mesh, value=1.0 / area)
        flow = fipy.FaceVariable(mesh=mesh, rank=1, value=np.array(drift(*mesh.faceCenters.value, w=w)))
        flow.setValue(0.0, where=mesh.exteriorFaces)
        equation = fipy.TransientTerm() + fipy.ExponentialConvectionTerm(coeff=flow) == fipy.DiffusionTerm(coeff=KT)
        equation.solve(var=density, dt=1e7, solver=fipy.LinearLUSolver())
        return density.value.reshape(cells, cells).T * area / cells**2

    return run


def race(*, turning: bool) -> Race:
    """Return the race for the gradient drift, or for the one that turns."""
    w, grids = TURNING if turning else 0.0, (40, 80, 168, 320, 528)
    ours = Method("fpsde", Kind.OURS, partial(by_fpsde, w=w), (40, 60, 80, 100, 150, 200, 320, 480, 640))
    weighed = Method(
        "fpsde, speed measure", Kind.OURS, partial(by_fpsde, w=w, assemble=speed_measure), (28, 32, 40, 60, 100)
    )
    to_order = tuple(
        Method(f"fpsde, order {order}", Kind.OURS, partial(by_fpsde_to_high_order, w=w, order=order), cells)
        for order, cells in ((4, (60, 80, 112, 160)), (6, (96, 120)))  # on coarser cells masses are too negative
    )
    fitted, fourth = partial(null_vector, matrix=exponentially_fitted), partial(null_vector, matrix=of_order_four)
    others = (
        Method("SciPy, sparse LU", Kind.SCIPY, partial(fitted, w=w), grids),
        Method("SciPy, order 4, sparse LU", Kind.SCIPY, partial(fourth, w=w, values=True), (40, 64, 96, 128, 192)),
        Method("FiPy", Kind.PACKAGE, partial(by_fipy, w=w), grids, needs="FiPy"),
    )
    gradient = (Method("fplanck", Kind.PACKAGE, by_fplanck, (40, 80, 152), needs="fplanck"),)
    lu = (("SciPy, sparse LU", 2.0),)
    return Race(
        "stationary law in the plane, " + ("drift with a current" if turning else "gradient drift"),
        error,
        (ours, *(to_order if turning else (weighed,)), *others, *(() if turning else gradient)),
        wanted=tuple(Wanted(level, None, lu) for level in (1e-3, 1e-4))
        if turning
        else (Wanted(1e-4, 5.0, (("FiPy", 500.0),)),),
        bounds=Bounds(call=4.0, whole=90.0),
    )


GROWING = tuple(
    Growing(f"stationary law, {name}", lambda n, t, w=w: by_fpsde(n, 1, w=w), (50, 100, 150), (1.0,), 2)
    for name, w in (("gradient drift", 0.0), ("drift with a current", TURNING))
)
