"""Transients on a line: an overdamped particle's law at the end, by fpsde, SciPy and the packages.

Each method takes a problem, a number of cells and a number of steps in time, and prepares a call that returns the cell
masses at the end. What is prepared is left out of the time of the call: nothing but the compilation of py-pde, which
keeps a compiled stepper for one equation on one grid, the most favourable way to run it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import numpy as np
from scipy import constants, sparse, special
from scipy.linalg import eigh, eigh_tridiagonal, expm

from fpsde.density import Normal
from fpsde.fokker_planck import FokkerPlanck
from fpsde.grid import Grid
from fpsde.processes import double_well, ornstein_uhlenbeck
from fpsde.processes.process import Process
from solvers import central, sparse_time
from solvers.growth import Growing
from solvers.packages import fipy, fplanck, pde, py_pde_stepper, pychangcooper
from solvers.race import Kind, Method, Race, Wanted


@dataclass(frozen=True)
class Problem:
    """dX = -U'(X) dt + sqrt(2 kT) dW from a normal law, on a box that holds it. ``drift`` is -U' as py-pde reads it."""

    name: str
    process: Process
    potential: Callable[[Any], Any]
    force: Callable[[Any], Any]
    drift: str
    temperature: float
    centre: float
    std: float
    t_end: float
    box: tuple[float, float]
    exact: Callable[[Problem, np.ndarray], np.ndarray]

    def faces(self, cells: int) -> np.ndarray:
        """The faces of equal cells."""
        return np.linspace(*self.box, cells + 1)

    def start(self, cells: int) -> np.ndarray:
        """The masses of the cells at the start."""
        return np.diff(special.ndtr((self.faces(cells) - self.centre) / self.std))

    def error(self, masses: np.ndarray) -> float:
        """L1 distance of masses from those of the exact law."""
        return float(np.abs(masses - _exact(self, len(masses))).sum())


@cache
def _exact(p: Problem, cells: int) -> np.ndarray:
    return p.exact(p, p.faces(cells))


#: (problem, cells, steps) -> the call that is timed
Prepare = Callable[[Problem, int, int], Callable[[], np.ndarray]]


def gaussian(p: Problem, faces: np.ndarray) -> np.ndarray:
    """Return the cell masses of the closed form, where U = x^2 / 2."""
    decay = np.exp(-p.t_end)
    std = np.sqrt(p.temperature * (1 - decay**2) + (p.std * decay) ** 2)
    return np.diff(special.ndtr((faces - p.centre * decay) / std))


def sinc_expansion(p: Problem, faces: np.ndarray, points: int = 300) -> np.ndarray:
    """Return the cell masses by eigenfunctions of the symmetrised operator in a sinc basis, which no solver here uses.

    H = -D d2 + (U'^2 / kT - 2 U'') / 4 on p / sqrt(stationary law), D = kT; cells by four Gauss points. U'' is taken
    by differences of U' that are exact where U' is a polynomial of degree 4.
    """
    x, h = np.linspace(*p.box, points, retstep=True)
    kinetic = -central.sinc_matrices(points, h)[1]
    rise, further = (p.force(x - s) - p.force(x + s) for s in (0.1, 0.2))
    bend = (8 * rise - further) / 1.2
    values, vectors = eigh(p.temperature * kinetic + np.diag(p.force(x) ** 2 / p.temperature - 2 * bend) * 0.25)
    half = p.potential(x) / (2 * p.temperature)
    start = np.exp(half - 0.5 * ((x - p.centre) / p.std) ** 2) / (p.std * np.sqrt(2 * np.pi))
    psi = vectors @ (np.exp(-np.maximum(values, 0) * p.t_end) * (vectors.T @ start))
    nodes, weights = np.polynomial.legendre.leggauss(4)
    at = faces[:-1] + np.diff(faces) * 0.5 * (1 + nodes[:, None])
    density = np.sinc((at[..., None] - x) / h) @ psi * np.exp(-p.potential(at) / (2 * p.temperature))
    return 0.5 * np.diff(faces) * (weights @ density)


def rates(p: Problem, cells: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the Scharfetter-Gummel rates up and down, from each cell to the next and back."""
    faces = p.faces(cells)
    h = faces[1] - faces[0]
    w = -np.diff(p.potential(0.5 * (faces[1:] + faces[:-1]))) / p.temperature
    small = np.abs(w) < 1e-8
    down = np.where(small, 1 - w / 2, w / np.expm1(np.where(small, 1, w))) * p.temperature / h**2
    return down + w * p.temperature / h**2, down


def matrix(p: Problem, cells: int) -> Any:
    """Return the generator as a sparse matrix."""
    up, down = rates(p, cells)
    out = -np.concatenate([up, [0]]) - np.concatenate([[0], down])
    return sparse.diags([up, out, down], [-1, 0, 1], format="csc")


def through_time(p: Problem, cells: int, steps: int, *, way: Callable[..., np.ndarray]) -> Callable[[], np.ndarray]:
    """One of the ways of ``sparse_time`` on the Scharfetter-Gummel generator."""
    return lambda: way(matrix(p, cells), p.start(cells), p.t_end, steps)


def order_four(p: Problem, cells: int, steps: int, *, way: Callable[..., np.ndarray]) -> Callable[[], np.ndarray]:
    """The same on differences of order 4 of values at the centres."""

    def run() -> np.ndarray:
        q = central.order_four([p.box], cells, lambda x: [p.force(x)], np.array([[p.temperature]]))
        return central.averages(way(q, _values(p, cells), p.t_end, steps))

    return run


def sinc_collocation(p: Problem, cells: int, steps: int) -> Callable[[], np.ndarray]:
    """Sinc collocation at the centres, and the exponential of its full matrix."""

    def run() -> np.ndarray:
        (x,) = central.centres([p.box], cells)
        first, second = central.sinc_matrices(cells, x[1] - x[0])
        return central.averages(expm(p.t_end * (p.temperature * second - first * p.force(x))) @ _values(p, cells))

    return run


def _values(p: Problem, cells: int) -> np.ndarray:
    """The density of the start at the centres, times the width of a cell."""
    (x,) = central.centres([p.box], cells)
    return np.exp(-0.5 * ((x - p.centre) / p.std) ** 2) / (p.std * np.sqrt(2 * np.pi)) * (x[1] - x[0])


def eigen_expansion(p: Problem, cells: int, steps: int) -> Callable[[], np.ndarray]:
    """All modes of the symmetrised generator."""

    def run() -> np.ndarray:
        up, down = rates(p, cells)
        out = np.concatenate([up, [0]]) + np.concatenate([[0], down])
        values, vectors = eigh_tridiagonal(out, -np.sqrt(up * down))
        faces = p.faces(cells)
        root = np.exp(-p.potential(0.5 * (faces[1:] + faces[:-1])) / (2 * p.temperature))
        return root * (vectors @ (np.exp(-values * p.t_end) * (vectors.T @ (p.start(cells) / root))))

    return run


def by_fpsde(p: Problem, cells: int, steps: int) -> Callable[[], np.ndarray]:
    """The public call, with a new grid and a new solver: the positive generator."""

    def run() -> np.ndarray:
        solver = FokkerPlanck(p.process, Grid.uniform(p.box, cells=cells))
        return solver.evolve(Normal(p.centre, p.std), t_end=p.t_end).law.masses

    return run


def by_fpsde_to_high_order(p: Problem, cells: int, steps: int) -> Callable[[], np.ndarray]:
    """The same in the high-order mode."""

    def run() -> np.ndarray:
        solver = FokkerPlanck(p.process, Grid.uniform(p.box, cells=cells))
        return solver.evolve_to_high_order(Normal(p.centre, p.std), t_end=p.t_end).law.masses

    return run


def by_py_pde(p: Problem, cells: int, steps: int) -> Callable[[], np.ndarray]:
    """The explicit stepper alone, compiled beforehand for this equation on this grid."""
    n = _explicit_steps(p, cells)
    run = py_pde_stepper([p.box], cells, _right_side(p), p.start(cells), partial(pde.EulerSolver, backend="numba"))
    return lambda: run(p.t_end, p.t_end / n)


def by_py_pde_lsoda(p: Problem, cells: int, steps: int) -> Callable[[], np.ndarray]:
    """LSODA of SciPy on its compiled right side, told that the Jacobian is tridiagonal."""
    solver = partial(pde.ScipySolver, backend="numba", method="LSODA", lband=1, uband=1, rtol=1e-7, atol=1e-9)
    run = py_pde_stepper([p.box], cells, _right_side(p), p.start(cells), solver)
    return lambda: run(p.t_end, 1e-4)


def by_py_pde_solve(p: Problem, cells: int, steps: int) -> Callable[[], np.ndarray]:
    """What its manual shows, on an equation that has been solved before: ``solve`` compiles a stepper in each call."""
    h, n = (p.box[1] - p.box[0]) / cells, _explicit_steps(p, cells)
    grid, equation = pde.CartesianGrid([p.box], cells), pde.PDE({"p": _right_side(p)}, bc={"value": 0})

    def run() -> np.ndarray:
        state = pde.ScalarField(grid, p.start(cells) / h)
        return equation.solve(state, p.t_end, dt=p.t_end / n, solver="euler", backend="numba", tracker=None).data * h

    return run


def _explicit_steps(p: Problem, cells: int) -> int:
    """As many as dt = 0.4 h^2 / D asks for, or where drift asks for more dt = D / drift^2."""
    h = (p.box[1] - p.box[0]) / cells
    fastest = np.abs(p.force(p.faces(cells))).max()
    return int(np.ceil(p.t_end / min(0.4 * h**2 / p.temperature, p.temperature / fastest**2)))


def _right_side(p: Problem) -> str:
    return f"{p.temperature} * laplace(p) - d_dx(({p.drift}) * p)"


def by_fplanck(p: Problem, cells: int, steps: int) -> Callable[[], np.ndarray]:
    """Its ``propagate``; the box is centred at 0, as all boxes here are, and k_B is divided out."""

    def run() -> np.ndarray:
        h = (p.box[1] - p.box[0]) / cells
        solver = fplanck.fokker_planck(
            temperature=p.temperature / constants.k,
            drag=1.0,
            extent=h * (cells - 0.5),  # it rounds up
            resolution=h,
            potential=p.potential,
        )
        return solver.propagate(lambda x: p.start(cells), p.t_end)

    return run


def by_fipy(p: Problem, cells: int, steps: int) -> Callable[[], np.ndarray]:
    """Backward Euler with exponential fitting, in ``steps`` and twice as many, extrapolated to dt = 0."""

    def once(n: int) -> np.ndarray:
        h = (p.box[1] - p.box[0]) / cells
        origin = ((p.box[0],),)
        mesh = fipy.Grid1D(nx=cells, dx=h) + origin
        density = fipy.CellVariable(mesh=mesh, value=p.start(cells) / h)
        drift = fipy.FaceVariable(mesh=mesh, rank=1, value=[p.force(mesh.faceCenters.value[0])])
        drift.setValue(0.0, where=mesh.exteriorFaces)
        equation = fipy.TransientTerm() + fipy.ExponentialConvectionTerm(coeff=drift) == fipy.DiffusionTerm(
            coeff=p.temperature
        )
        for _ in range(n):
            equation.solve(var=density, dt=p.t_end / n, solver=fipy.LinearLUSolver())
        return density.value * h

    return lambda: 2 * once(2 * steps) - once(steps)


def by_pychangcooper(p: Problem, cells: int, steps: int) -> Callable[[], np.ndarray]:
    """Backward Euler, extrapolated likewise; its grid, logarithmic by nature, is replaced by an even one."""

    class Even(pychangcooper.ChangCooper):
        def _build_grid(self) -> None:
            faces = p.faces(cells)
            h = faces[1] - faces[0]
            self._grid, self._half_grid = 0.5 * (faces[1:] + faces[:-1]), faces[1:-1]
            self._delta_grid, self._delta_grid_bar = np.full(cells + 1, h), np.full(cells, h)
            self._step = 1.0

        def _define_terms(self) -> None:
            self._heating_term = -p.force(self._half_grid)
            self._dispersion_term = np.full(cells - 1, p.temperature)

    def once(n: int) -> np.ndarray:
        solver = Even(n_grid_points=cells, delta_t=p.t_end / n, initial_distribution=p.start(cells))
        for _ in range(n):
            solver.solve_time_step()
        return solver.n

    return lambda: 2 * once(2 * steps) - once(steps)


CELLS = (64, 128, 192, 384, 512, 1024, 1536, 2048)
#: Of a package that grows slowly, and of one that compiles for every grid.
FEWER, FEW = (128, 256, 512, 1024, 2048), (128, 512, 1536)
STEPS = (16, 32, 64, 128, 256, 512)


def race(p: Problem) -> Race:
    """Return the race on one problem."""
    ways: dict[str, tuple[Callable[..., np.ndarray], tuple[int, ...]]] = {
        "Crank-Nicolson": (sparse_time.crank_nicolson, STEPS),
        "BDF": (partial(sparse_time.by_ivp, name="BDF"), (1, 3, 10, 30, 100)),
        "Radau": (partial(sparse_time.by_ivp, name="Radau"), (1, 3, 10, 30)),
        "expm_multiply": (lambda q, m, t_end, _: sparse_time.by_expm_multiply(q, m, t_end), (1,)),
        "rational": (lambda q, m, t_end, _: sparse_time.by_rational_approximation(q, m, t_end, 2), (1,)),
    }

    def scipy(name: str, prepare: Prepare, efforts: tuple[int, ...] = (1,), **options: Any) -> Method:
        return Method(f"SciPy, {name}", Kind.SCIPY, partial(prepare, p, **options), CELLS, efforts)

    def package(
        name: str, prepare: Prepare, needs: str, efforts: tuple[int, ...] = (1,), cells: tuple[int, ...] = FEWER
    ) -> Method:
        return Method(name, Kind.PACKAGE, partial(prepare, p), cells, efforts, needs)

    py_pde = ("py-pde, solve", "py-pde, stepper alone")
    return Race(
        p.name,
        p.error,
        (
            Method("fpsde", Kind.OURS, partial(by_fpsde, p), CELLS),
            Method("fpsde, high order", Kind.OURS, partial(by_fpsde_to_high_order, p), CELLS),
            *(scipy(name, through_time, efforts, way=way) for name, (way, efforts) in ways.items()),
            scipy("eigen-expansion", eigen_expansion),
            *(scipy(f"order 4, {n}", order_four, ways[n][1], way=ways[n][0]) for n in ("Crank-Nicolson", "rational")),
            scipy("sinc collocation", sinc_collocation),
            package("py-pde, solve", by_py_pde_solve, "py-pde", cells=(256,)),
            package("py-pde, stepper alone", by_py_pde, "py-pde", cells=FEW),
            package("py-pde, LSODA alone", by_py_pde_lsoda, "py-pde", cells=FEW[1:]),
            package("fplanck", by_fplanck, "fplanck"),
            package("FiPy", by_fipy, "FiPy", (16, 32, 64, 128)),
            package("pychangcooper", by_pychangcooper, "pychangcooper", (8, 16, 32, 64, 128, 256, 512), CELLS),
        ),
        wanted=(
            Wanted(1e-3, 0.2, (("pychangcooper", 6.0), *((name, 50.0) for name in py_pde), (Kind.SCIPY, 1.8))),
            Wanted(1e-5, 0.3, (("pychangcooper", 100.0), *((name, 140.0) for name in py_pde), (Kind.SCIPY, 4.0))),
        ),
    )


ORNSTEIN_UHLENBECK = Problem(
    "Ornstein-Uhlenbeck, t = 1",
    ornstein_uhlenbeck(theta=1.0, mean=0.0, sigma=float(np.sqrt(2))),
    *(lambda x: 0.5 * x**2, lambda x: -x, "-x"),
    temperature=1.0,
    centre=1.0,
    std=0.4,
    t_end=1.0,
    box=(-7.0, 7.0),
    exact=gaussian,
)
DOUBLE_WELL = Problem(
    "double well, t = 5",
    double_well(0.25),
    *(lambda x: (x**2 - 1) ** 2, lambda x: -4 * x * (x**2 - 1), "-4 * x * (x**2 - 1)"),
    temperature=0.25,
    centre=-1.0,
    std=0.1,
    t_end=5.0,
    box=(-2.2, 2.2),
    exact=sinc_expansion,
)

GROWING = tuple(
    Growing(
        f"{p.name.partition(',')[0]}{mode}",
        lambda cells, t_end, p=p, by=by: by(replace(p, t_end=t_end), cells, 1),
        (500, 1000, 2000, 4000),
        tuple(p.t_end * scale for scale in (1.0, 10.0, 100.0)),
    )
    for p in (ORNSTEIN_UHLENBECK, DOUBLE_WELL)
    for mode, by in (("", by_fpsde), (", high order", by_fpsde_to_high_order))
)
