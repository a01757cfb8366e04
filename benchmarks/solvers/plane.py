"""A linear system in the plane whose noise is correlated: its law at t = 1, a normal law in closed form.

dX = -A X dt + B dW,    B B^T = 2 D,    from independent normal laws
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import numpy as np
from scipy import special
from scipy.linalg import expm, solve_continuous_lyapunov

from fpsde.density import Normal
from fpsde.fokker_planck import FokkerPlanck
from fpsde.grid import Grid
from fpsde.processes import linear_system
from solvers import central, sparse_time
from solvers.growth import Growing
from solvers.packages import fipy, fipy_plane, pde, py_pde_stepper
from solvers.race import Bounds, Call, Kind, Method, Race, Wanted

A, D = np.array([[1.0, 0.5], [-0.5, 1.5]]), np.array([[1.0, 0.4], [0.4, 0.6]])
MEAN, STD, T_END = np.array([1.0, -0.5]), np.array([0.5, 0.5]), 1.0
BOX = ((-5.5, 5.5), (-4.5, 4.5))
PROCESS = linear_system(A, np.linalg.cholesky(2 * D))
START = [Normal(float(m), float(s)) for m, s in zip(MEAN, STD, strict=True)]


@cache
def exact(cells: int) -> np.ndarray:
    """Return the masses of the cells at t = 1."""
    flow, rest = expm(-A * T_END), solve_continuous_lyapunov(A, 2 * D)
    return normal_masses(BOX, cells, flow @ MEAN, rest + flow @ (np.diag(STD**2) - rest) @ flow.T)


def normal_masses(box: list[tuple[float, float]], cells: int, mean: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Return what a normal law has in each cell, by five Gauss points along each axis of it."""
    nodes, weights = np.polynomial.legendre.leggauss(5)
    h = [(high - low) / cells for low, high in box]
    x, y = (c[:, None] + 0.5 * w * nodes for c, w in zip(central.centres(box, cells), h, strict=True))
    x, y = x[:, :, None, None] - mean[0], y - mean[1]
    p = np.linalg.inv(covariance)
    density = np.exp(-0.5 * (p[0, 0] * x**2 + 2 * p[0, 1] * x * y + p[1, 1] * y**2))
    scale = 0.25 * h[0] * h[1] / (2 * np.pi * np.sqrt(np.linalg.det(covariance)))
    return scale * np.einsum("iajb,a,b->ij", density, weights, weights)


def error(masses: np.ndarray) -> float:
    """Return the L1 distance of masses from the exact ones."""
    return float(np.abs(masses - exact(len(masses))).sum())


def masses_at_start(cells: int) -> np.ndarray:
    """Return the masses of the cells at the start."""
    axes = zip(BOX, MEAN, STD, strict=True)
    first, second = (np.diff(special.ndtr((np.linspace(*ends, cells + 1) - m) / s)) for ends, m, s in axes)
    return np.multiply.outer(first, second)


def values_at_start(cells: int) -> np.ndarray:
    """Return the density of the start at the centres, times the area of a cell."""
    axes = zip(BOX, central.centres(BOX, cells), MEAN, STD, strict=True)
    first, second = (
        np.exp(-0.5 * ((x - m) / s) ** 2) / (s * np.sqrt(2 * np.pi)) * (ends[1] - ends[0]) / cells
        for ends, x, m, s in axes
    )
    return np.multiply.outer(first, second)


def drift(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return -A x."""
    return -(A[0, 0] * x + A[0, 1] * y), -(A[1, 0] * x + A[1, 1] * y)


def by_fpsde(cells: int, digits: int, *, t_end: float = T_END, order: int = 6) -> Call:
    """The public call in the high-order mode, to a tolerance of so many digits in time."""

    def run() -> np.ndarray:
        solver = FokkerPlanck(PROCESS, Grid.uniform(*BOX, cells=cells))
        return solver.evolve_to_high_order(START, t_end=t_end, order=order, tolerance=10.0**-digits).law.masses

    return run


def order_four(cells: int, steps: int, *, way: Callable[..., np.ndarray]) -> Call:
    """Differences of order 4, and a way through time with a sparse matrix."""

    def run() -> np.ndarray:
        q = central.order_four(BOX, cells, drift, D)
        found = way(q, values_at_start(cells).ravel(), T_END, steps)
        return central.averages(found.reshape(cells, cells))

    return run


def sinc_collocation(cells: int, finer: int) -> Call:
    """Sinc collocation with full matrices along each axis, Runge-Kutta of order 4 near its limit of stability."""

    def run() -> np.ndarray:
        h = [(high - low) / cells for low, high in BOX]
        (dx, dxx), (dy, dyy) = (central.sinc_matrices(cells, step) for step in h)
        mu_x, mu_y = drift(*np.meshgrid(*central.centres(BOX, cells), indexing="ij"))
        dxx, dyy, dyt = D[0, 0] * dxx, D[1, 1] * dyy.T, dy.T

        def rate(p: np.ndarray) -> np.ndarray:
            return dxx @ p + p @ dyy + dx @ (2 * D[0, 1] * (p @ dyt) - mu_x * p) - (mu_y * p) @ dyt

        wave = np.pi / np.array(h)
        steps = finer * int(np.ceil(T_END * (wave @ D @ wave) / 2.7))
        p, dt = values_at_start(cells), T_END / steps
        for _ in range(steps):
            a = rate(p)
            b = rate(p + dt / 2 * a)
            c = rate(p + dt / 2 * b)
            p = p + dt / 6 * (a + 2 * b + 2 * c + rate(p + dt * c))
        return central.averages(p)

    return run


def by_py_pde(cells: int, _: int) -> Call:
    """Its explicit stepper at four fifths of the largest stable step; the mixed derivative is nested."""
    h = [(high - low) / cells for low, high in BOX]
    steps = int(np.ceil(T_END * 2.5 * (D[0, 0] / h[0] ** 2 + D[1, 1] / h[1] ** 2)))
    right_side = (
        f"{D[0, 0]} * d2_dx2(p) + {2 * D[0, 1]} * d_dx(d_dy(p)) + {D[1, 1]} * d2_dy2(p)"
        f" + d_dx(({A[0, 0]} * x + {A[0, 1]} * y) * p) + d_dy(({A[1, 0]} * x + {A[1, 1]} * y) * p)"
    )
    run = py_pde_stepper(BOX, cells, right_side, masses_at_start(cells), partial(pde.EulerSolver, backend="numba"))
    return lambda: run(T_END, T_END / steps)


def by_fipy(cells: int, steps: int) -> Call:
    """Backward Euler with a tensor of diffusivities, in ``steps`` and twice as many, extrapolated to dt = 0."""
    h = [(high - low) / cells for low, high in BOX]

    def once(n: int) -> np.ndarray:
        mesh = fipy_plane(BOX, cells)
        density = fipy.CellVariable(mesh=mesh, value=masses_at_start(cells).T.ravel() / (h[0] * h[1]))
        flow = fipy.FaceVariable(mesh=mesh, rank=1, value=np.array(drift(*mesh.faceCenters.value)))
        flow.setValue(0.0, where=mesh.exteriorFaces)
        equation = fipy.TransientTerm() + fipy.CentralDifferenceConvectionTerm(coeff=flow) == fipy.DiffusionTerm(
            coeff=[D.tolist()]
        )
        for _ in range(n):
            equation.solve(var=density, dt=T_END / n, solver=fipy.LinearBicgstabSolver())
        return density.value.reshape(cells, cells).T * h[0] * h[1]

    return lambda: 2 * once(2 * steps) - once(steps)


def race() -> Race:
    """Return the race."""
    grids, steps = (48, 64, 96, 128, 192, 256), (16, 32, 64, 128)
    few = (*range(19, 29), 32, 40)
    exponential = partial(order_four, way=lambda q, m, t_end, _: sparse_time.by_expm_multiply(q, m, t_end))
    crank_nicolson = partial(order_four, way=sparse_time.crank_nicolson)
    return Race(
        "linear system in the plane, correlated noise",
        error,
        (
            *(
                Method(f"fpsde, order {order}", Kind.OURS, partial(by_fpsde, order=order), cells, (4, 5, 6, 7))
                for order, cells in (
                    (6, (42, 44, 46, 48, 52, 56, 64, 72, 80, 96)),
                    (8, (30, 34, 40, 42, 43, 44, 48, 54, 64)),
                    (10, (30, 34, 40, 42, 44, 45, 48, 54)),
                )
            ),
            Method("SciPy, order 4, expm_multiply", Kind.SCIPY, exponential, grids),
            Method("SciPy, order 4, Crank-Nicolson", Kind.SCIPY, crank_nicolson, grids, steps),
            Method("SciPy, sinc collocation, RK4", Kind.SCIPY, sinc_collocation, few, (1, 2)),
            Method("py-pde, stepper alone", Kind.PACKAGE, by_py_pde, (208,), needs="py-pde"),
            Method("FiPy", Kind.PACKAGE, by_fipy, (64,), (8, 16), needs="FiPy"),
        ),
        wanted=(
            Wanted(1e-3, 5.0, (("py-pde", 400.0), (Kind.SCIPY, 5.0))),
            Wanted(1e-4, 10.0, ((Kind.SCIPY, 5.0),)),
            Wanted(1e-5, 20.0, ((Kind.SCIPY, 5.0),)),
        ),
        bounds=Bounds(call=3.0, whole=150.0),
    )


GROWING = (
    Growing("linear system in the plane", lambda n, t: by_fpsde(n, 6, t_end=t), (64, 96, 128, 192), (1.0, 2.0, 4.0), 2),
)
