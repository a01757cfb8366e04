"""The law of an overdamped particle on a line by other means: SciPy, py-pde, fplanck, FiPy, pychangcooper.

Each method takes a problem, a number of cells and a number of steps in time, and prepares a call that returns the cell
masses at the end. What is prepared is left out of the time of the call: nothing but the compilation of py-pde, which
keeps a compiled stepper for one equation on one grid, the most favourable way to run it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from harness import optional
from scipy import constants, sparse, special
from scipy.integrate import solve_ivp
from scipy.linalg import eigh, eigh_tridiagonal
from scipy.sparse.linalg import expm_multiply, splu

pde = optional("pde")
fipy = optional("fipy")
pychangcooper = optional("pychangcooper")
if optional("fplanck"):
    np.product = np.prod  # a name that NumPy 2 dropped and fplanck 0.2.2 uses
fplanck = optional("fplanck")

#: The packages below, by name.
NEEDED = {"py-pde": pde, "fplanck": fplanck, "FiPy": fipy, "pychangcooper": pychangcooper}


@dataclass(frozen=True)
class Problem:
    """dX = -U'(X) dt + sqrt(2 kT) dW from a normal law, on a box that holds it. ``drift`` is -U' as py-pde reads it."""

    name: str
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
Method = Callable[[Problem, int, int], Callable[[], np.ndarray]]


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
    k = np.subtract.outer(np.arange(points), np.arange(points))
    kinetic = np.where(k == 0, np.pi**2 / 3, 2 * (-1.0) ** k / np.where(k == 0, 1, k) ** 2) / h**2
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


def crank_nicolson(p: Problem, cells: int, steps: int) -> Callable[[], np.ndarray]:
    """Crank-Nicolson after four half steps of backward Euler, one sparse factorisation for both."""

    def run() -> np.ndarray:
        q, m, dt = matrix(p, cells), p.start(cells), p.t_end / steps
        one = sparse.identity(cells, format="csc")
        solve = splu(one - dt / 2 * q).solve
        explicit = (one + dt / 2 * q).tocsr()
        for _ in range(4):
            m = solve(m)
        for _ in range(steps - 2):
            m = solve(explicit @ m)
        return m

    return run


def _ivp(name: str) -> Method:
    def prepared(p: Problem, cells: int, steps: int) -> Callable[[], np.ndarray]:
        def run() -> np.ndarray:
            q = matrix(p, cells)
            tolerance = 1e-3 / steps**2
            found = solve_ivp(
                lambda t, m: q @ m, (0, p.t_end), p.start(cells), name, jac=q, rtol=tolerance, atol=tolerance / cells
            )
            return found.y[:, -1]

        return run

    return prepared


def by_expm_multiply(p: Problem, cells: int, steps: int) -> Callable[[], np.ndarray]:
    """SciPy's action of the matrix exponential."""
    return lambda: expm_multiply(p.t_end * matrix(p, cells), p.start(cells))


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


def by_py_pde(p: Problem, cells: int, steps: int) -> Callable[[], np.ndarray]:
    """The explicit stepper, compiled beforehand, at dt = 0.4 h^2 / D or where drift asks for less at D / drift^2."""
    h = (p.box[1] - p.box[0]) / cells
    fastest = np.abs(p.force(p.faces(cells))).max()
    n = int(np.ceil(p.t_end / min(0.4 * h**2 / p.temperature, p.temperature / fastest**2)))
    grid = pde.CartesianGrid([p.box], cells)
    equation = pde.PDE({"p": f"{p.temperature} * laplace(p) - d_dx(({p.drift}) * p)"}, bc={"value": 0})
    field = pde.ScalarField(grid, p.start(cells) / h)
    stepper = pde.EulerSolver(equation, backend="numba").make_stepper(field, dt=p.t_end / n)

    def run() -> np.ndarray:
        state = pde.ScalarField(grid, p.start(cells) / h)
        stepper(state, 0, p.t_end)
        return state.data * h

    run()
    return run


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


#: SciPy's methods, and those of the packages that are installed: the function, and steps for each size of problem
#: (each method does with the number what its kind does: steps, a tolerance that falls with its square, or nothing).
SCIPY: dict[str, tuple[Method, tuple[int, ...]]] = {
    "SciPy, Crank-Nicolson": (crank_nicolson, (16, 32, 64, 128, 256, 512)),
    "SciPy, BDF": (_ivp("BDF"), (1, 3, 10, 30, 100)),
    "SciPy, Radau": (_ivp("Radau"), (1, 3, 10, 30)),
    "SciPy, expm_multiply": (by_expm_multiply, (1,)),
    "SciPy, eigen-expansion": (eigen_expansion, (1,)),
}
PACKAGES: dict[str, tuple[Method, tuple[int, ...]]] = {
    "py-pde": (by_py_pde, (1,)),
    "fplanck": (by_fplanck, (1,)),
    "FiPy": (by_fipy, (16, 32, 64, 128)),
    "pychangcooper": (by_pychangcooper, (8, 16, 32, 64, 128, 256, 512)),
}


def methods() -> dict[str, tuple[Method, tuple[int, ...]]]:
    """Return the methods that can run here."""
    return SCIPY | {name: method for name, method in PACKAGES.items() if NEEDED[name] is not None}


def missing() -> dict[str, str]:
    """Return the packages that are not installed, and what to do."""
    return {name: "not installed: pip install -e '.[solvers]'" for name, module in NEEDED.items() if module is None}
