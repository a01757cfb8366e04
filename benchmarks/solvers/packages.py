"""The packages that solve the same equations, where they are installed, and how each is run."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from harness import optional

pde = optional("pde")
fipy = optional("fipy")
pychangcooper = optional("pychangcooper")
if importlib.util.find_spec("fplanck"):
    np.product = np.prod  # a name that NumPy 2 dropped and fplanck 0.2.2 uses
fplanck = optional("fplanck")

#: The packages by name: the module, or None where it is not installed.
NEEDED = {"py-pde": pde, "fplanck": fplanck, "FiPy": fipy, "pychangcooper": pychangcooper}


def missing() -> dict[str, str]:
    """Return the packages that are not installed, and what to do."""
    return {name: "not installed: pip install -e '.[solvers]'" for name, module in NEEDED.items() if module is None}


def py_pde_stepper(
    box: Sequence[tuple[float, float]], cells: int, right_side: str, start: np.ndarray, solver: Callable[..., Any]
) -> Callable[[float, float], np.ndarray]:
    """Return (t_end, dt) -> masses by py-pde's compiled stepper for dp/dt = right_side, p = 0 outside of the box.

    It is compiled for the equation, the grid and the solver, at the first call.
    """
    grid = pde.CartesianGrid(box, cells)
    equation = pde.PDE({"p": right_side}, bc={"value": 0})
    volume = float(np.prod([(high - low) / cells for low, high in box]))
    steppers: dict[float, Any] = {}

    def run(t_end: float, dt: float) -> np.ndarray:
        state = pde.ScalarField(grid, start / volume)
        if dt not in steppers:
            steppers[dt] = solver(equation).make_stepper(state, dt=dt)
        steppers[dt](state, 0, t_end)
        return state.data * volume

    return run


def fipy_plane(box: Sequence[tuple[float, float]], cells: int) -> Any:
    """Return FiPy's mesh of a box in the plane; its cells run along the first axis first."""
    (left, right), (low, high) = box
    corner = ((left,), (low,))
    mesh = fipy.Grid2D(nx=cells, ny=cells, dx=(right - left) / cells, dy=(high - low) / cells)
    return mesh + corner
