"""The law of an underdamped particle in a double well, far from rest: Klein and Kramers's equation.

The method to beat is a plain FFT splitting in NumPy: Strang's splitting into transport, force and the transition of
Ornstein and Uhlenbeck for velocities, each exact on Fourier modes, in n and 2n steps extrapolated to dt = 0. The law is
periodic in both directions; friction is constant. On three times the cells and with three extrapolations it is the
reference too: Gibbs's law is none, at t = 10 it is far away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import pairwise
from typing import Any

import numpy as np
from scipy import special

from fpsde.density import Normal
from fpsde.fokker_planck import FokkerPlanck
from fpsde.grid import Grid
from fpsde.processes import underdamped
from solvers import central, sparse_time
from solvers.growth import Growing
from solvers.packages import pde, py_pde_stepper
from solvers.race import Bounds, Call, Kind, Method, Race, Wanted


@dataclass(frozen=True)
class KramersProblem:
    """dX = V dt, dV = (f(X) - g V) dt + sqrt(2 g kT) dW from independent normal laws, on a box that holds it.

    ``drift`` is f as py-pde reads it.
    """

    name: str
    potential: Callable[[Any], Any]
    force: Callable[[Any], Any]
    drift: str
    friction: float
    temperature: float
    centre: tuple[float, float]
    std: tuple[float, float]
    t_end: float
    box: tuple[tuple[float, float], tuple[float, float]]

    def start(self, cells: int) -> np.ndarray:
        """The masses of the cells at the start, ``(cells, cells)``."""
        first, second = (
            np.diff(special.ndtr((np.linspace(*ends, cells + 1) - m) / s))
            for ends, m, s in zip(self.box, self.centre, self.std, strict=True)
        )
        return np.multiply.outer(first, second)

    def error(self, masses: np.ndarray) -> float:
        """L1 distance of masses from the reference: this splitting with dt = 1/16 to 1/64, on three times the cells."""
        n = len(masses)
        return float(np.abs(masses - _reference(self, n)).sum())


#: The problem of issue 4.
DOUBLE_WELL = KramersProblem(
    "Klein-Kramers, double well, t = 10",
    lambda x: (x**2 - 1) ** 2,
    lambda x: -4 * x * (x**2 - 1),
    "-4 * x * (x**2 - 1)",
    friction=1.0,
    temperature=0.5,
    centre=(-1.0, 0.0),
    std=(0.25, float(np.sqrt(0.5))),
    t_end=10.0,
    box=((-2.3, 2.3), (-5.2, 5.2)),
)


def fft_splitting(p: KramersProblem, cells: int, steps: int) -> Callable[[], np.ndarray]:
    """The call that is timed: masses at the end by ``steps`` and twice as many, extrapolated to order 4."""
    return lambda: central.averages(_extrapolated([_run(p, cells, n) for n in (steps, 2 * steps)]))


@cache
def _reference(p: KramersProblem, cells: int) -> np.ndarray:
    fine, steps = 3 * cells, round(16 * p.t_end)
    masses = central.averages(_extrapolated([_run(p, fine, n) for n in (steps, 2 * steps, 4 * steps)]))
    return masses.reshape(cells, 3, cells, 3).sum(axis=(1, 3))


def _extrapolated(runs: list[np.ndarray]) -> np.ndarray:
    """Return Romberg's limit of runs, each in twice the steps of the one before, of errors in even powers of dt."""
    power = 4.0
    while len(runs) > 1:
        runs = [(power * b - a) / (power - 1) for a, b in pairwise(runs)]
        power *= 4
    return runs[0]


def _run(problem: KramersProblem, cells: int, steps: int) -> np.ndarray:
    """Return values, in masses, after steps of half a transport, half a force, O-U, half a force, half a transport."""
    dt, g, kT = problem.t_end / steps, problem.friction, problem.temperature
    x, v = central.centres(problem.box, cells)
    k, q = (2 * np.pi / (high - low) * np.arange(cells // 2 + 1) for low, high in problem.box)
    e = np.exp(-g * dt)
    modes = np.exp(1j * np.outer(v, q)) * np.exp(-0.5 * q**2 * kT * (1 - e**2)) * np.where(q == 0, 1, 2) / cells
    if cells % 2 == 0:
        modes[:, -1] /= 2
    mixing = (modes @ np.exp(-1j * np.outer(q, e * v))).real.T
    half, whole = (np.exp(-1j * np.outer(k, v * s)) for s in (dt / 2, dt))
    kick = np.exp(-1j * np.outer(problem.force(x) * dt / 2, q))

    def pushed(p: np.ndarray) -> np.ndarray:
        return np.fft.irfft(np.fft.rfft(p, axis=1) * kick, cells, axis=1)

    p = np.fft.irfft(np.fft.rfft(central.averages(problem.start(cells), -1), axis=0) * half, cells, axis=0)
    for i in range(steps):
        p = pushed(pushed(p) @ mixing)
        p = np.fft.irfft(np.fft.rfft(p, axis=0) * (whole if i < steps - 1 else half), cells, axis=0)
    return p


def by_fpsde(p: KramersProblem, cells: int, digits: int) -> Call:
    """The public call in the high-order mode, to a tolerance of so many digits in time."""
    process = underdamped(p.potential, temperature=p.temperature, friction=p.friction, mass=1.0)
    start = [Normal(m, s) for m, s in zip(p.centre, p.std, strict=True)]

    def run() -> np.ndarray:
        solver = FokkerPlanck(process, Grid.uniform(*p.box, cells=cells))
        return solver.evolve_to_high_order(start, t_end=p.t_end, tolerance=10.0**-digits).law.masses

    return run


def order_four(p: KramersProblem, cells: int, steps: int) -> Call:
    """Differences of order 4, and Crank-Nicolson with a sparse factorisation."""
    noise = np.array([[0.0, 0.0], [0.0, p.friction * p.temperature]])

    def run() -> np.ndarray:
        q = central.order_four(p.box, cells, lambda x, v: (v, p.force(x) - p.friction * v), noise)
        values = central.averages(p.start(cells), -1).ravel()
        return central.averages(sparse_time.crank_nicolson(q, values, p.t_end, steps).reshape(cells, cells))

    return run


def by_py_pde(p: KramersProblem, cells: int, _: int) -> Call:
    """Its Runge-Kutta stepper, which chooses dt to a tolerance of 1e-5; ``x`` and ``y`` are position and velocity."""
    g, kT = p.friction, p.temperature
    right_side = f"-y * d_dx(p) - ({p.drift}) * d_dy(p) + {g} * d_dy(y * p) + {g * kT} * d2_dy2(p)"
    solver = partial(pde.RungeKuttaSolver, backend="numba", adaptive=True, tolerance=1e-5)
    run = py_pde_stepper(p.box, cells, right_side, p.start(cells), solver)
    return lambda: run(p.t_end, 1e-3)


def race(p: KramersProblem = DOUBLE_WELL) -> Race:
    """Return the race."""
    steps = (20, 30, 40, 60, 80, 120, 160, 240)
    return Race(
        p.name,
        p.error,
        (
            Method("fpsde, high order", Kind.OURS, partial(by_fpsde, p), (50, 56, 64, 72), (2, 3, 4, 5)),
            Method("SciPy, FFT splitting", Kind.SCIPY, partial(fft_splitting, p), (36, 40, 48, 56), steps),
            Method("SciPy, order 4, Crank-Nicolson", Kind.SCIPY, partial(order_four, p), (64, 96, 128), (50, 100, 200)),
            Method("py-pde, Runge-Kutta alone", Kind.PACKAGE, partial(by_py_pde, p), (240,), needs="py-pde"),
        ),
        wanted=(
            Wanted(1e-3, 15.0, (("py-pde", 500.0), ("SciPy, FFT splitting", 1.2))),
            Wanted(1e-5, 60.0, (("SciPy, FFT splitting", 1.2),)),
        ),
        bounds=Bounds(call=3.0, whole=150.0),
        quick_levels=(1e-1, 1e-2),
    )


GROWING = (
    Growing(
        "Klein-Kramers",
        lambda n, t: by_fpsde(replace(DOUBLE_WELL, t_end=t), n, 4),
        (56, 80, 112),
        (2.5, 5.0, 10.0),
        2,
    ),
)
