"""A law whose drift and noise change with time, to a given error: time on a line, by fpsde and by SciPy.

    dX = k(t) (c(t) - X) dt + sqrt(2 D(t)) dW,     k = 1 + sin(3 t)/2,   c = cos(2 t),   D = 1 + cos(5 t)/2

Linear drift: the law stays normal, m' = k (c - m) and v' = 2 (D - k v).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
from scipy import special
from scipy.integrate import solve_ivp

from fpsde.density import Normal
from fpsde.fokker_planck import FokkerPlanck
from fpsde.grid import Grid
from fpsde.processes.process import Process
from solvers import central
from solvers.race import Bounds, Call, Kind, Method, Race

T_END, BOX, MEAN, STD = 2.0, (-8.0, 8.0), 0.5, 0.6
SWUNG = Process(
    drift=lambda x, t: (1 + 0.5 * np.sin(3 * t)) * (np.cos(2 * t) - x),
    sigma=lambda x, t: np.sqrt(2 + np.cos(5 * t)),
    name="swung",
)


@cache
def exact(cells: int) -> np.ndarray:
    """Return the cell masses at the end."""

    def slopes(t: float, y: np.ndarray) -> list[float]:
        k = 1 + 0.5 * np.sin(3 * t)
        return [k * (np.cos(2 * t) - y[0]), 2 + np.cos(5 * t) - 2 * k * y[1]]

    m, v = solve_ivp(slopes, (0, T_END), [MEAN, STD**2], "DOP853", rtol=1e-13, atol=1e-14).y[:, -1]
    return np.diff(special.ndtr((np.linspace(*BOX, cells + 1) - m) / np.sqrt(v)))


def error(masses: np.ndarray) -> float:
    """L1 distance of masses from those of the exact law."""
    return float(np.abs(masses - exact(len(masses))).sum())


def by_fpsde(cells: int, digits: int, *, order: int | None = None) -> Call:
    """The public call, with a new grid and a new solver: positive, or to a high order, to a tolerance."""

    def run() -> np.ndarray:
        solver = FokkerPlanck(SWUNG, Grid.uniform(BOX, cells=cells))
        if order is None:
            return solver.evolve(Normal(MEAN, STD), t_end=T_END, tolerance=10.0**-digits).law.masses
        found = solver.evolve_to_high_order(Normal(MEAN, STD), t_end=T_END, order=order, tolerance=10.0**-digits)
        return found.law.masses

    return run


def by_ivp(cells: int, digits: int, *, name: str, operators: Callable[[int], tuple[Any, Any, Any]]) -> Call:
    """One of SciPy's integrators on L(t) = D(t) second - k(t) (c(t) first - first x), to a relative tolerance."""

    def run() -> np.ndarray:
        first, carried, second = operators(cells)
        (x,) = central.centres([BOX], cells)

        def jacobian(t: float, p: Any = None) -> Any:
            k = 1 + 0.5 * np.sin(3 * t)
            return (1 + 0.5 * np.cos(5 * t)) * second - (k * np.cos(2 * t)) * first + k * carried

        start = np.exp(-0.5 * ((x - MEAN) / STD) ** 2) / (STD * np.sqrt(2 * np.pi)) * (x[1] - x[0])
        implicit = {} if name == "DOP853" else {"jac": jacobian}
        at = {"rtol": 10.0**-digits, "atol": 10.0**-digits / cells}
        found = solve_ivp(lambda t, p: jacobian(t) @ p, (0, T_END), start, name, **at, **implicit)
        return central.averages(found.y[:, -1])

    return run


def differences_of_order_four(cells: int) -> tuple[Any, Any, Any]:
    """Return d/dx, d/dx x and d2/dx2 as sparse matrices on the centres."""
    none = np.zeros((1, 1))
    first = -central.order_four([BOX], cells, lambda x: [1.0], none)
    carried = -central.order_four([BOX], cells, lambda x: [x], none)
    return first, carried, central.order_four([BOX], cells, lambda x: [0.0], none + 1.0)


def sinc_collocation(cells: int) -> tuple[Any, Any, Any]:
    """Return the same as full matrices of sinc interpolation."""
    (x,) = central.centres([BOX], cells)
    first, second = central.sinc_matrices(cells, x[1] - x[0])
    return first, first * x, second


def race() -> Race:
    """The methods, and the errors to which they are timed."""
    digits = tuple(range(2, 11))
    sparse_cells, full_cells = (48, 96, 192, 384, 768, 1536, 3072), (24, 32, 40, 48, 56, 64)
    high_cells = (32, 40, 48, 64, 96, 128, 192, 256, 384)
    scipy = [
        Method(f"SciPy, {space}, {name}", Kind.SCIPY, partial(by_ivp, name=name, operators=operators), cells, digits)
        for space, operators, cells in (
            ("order 4", differences_of_order_four, sparse_cells),
            ("sinc collocation", sinc_collocation, full_cells),
        )
        for name in ("Radau", "BDF", "DOP853")
    ]
    return Race(
        "a law whose drift and noise swing, on a line",
        error,
        (
            *(
                Method(f"fpsde, order {order}", Kind.OURS, partial(by_fpsde, order=order), high_cells, digits)
                for order in (6, 10)
            ),
            Method("fpsde, positive", Kind.OURS, by_fpsde, sparse_cells, (4, 6, 8)),
            *scipy,
        ),
        levels=(1e-3, 1e-5, 1e-8),
        bounds=Bounds(call=0.5, whole=12.0),
    )
