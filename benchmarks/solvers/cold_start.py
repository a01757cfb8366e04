"""A whole process that solves one problem and ends, with kernels that are cached on disk; beside it one of py-pde.

Processor time of the process, its start and its imports included; the time on the clock stands beside it. *NumPy, SymPy
and Numba alone* imports these and calls one cached function: what no solver that states its processes in SymPy and
compiles its loops with Numba can go below. The problems start from normal laws, for which SciPy's special functions are
loaded; from a point they are not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import fresh
import harness
from harness import Contestant, Goal, Sense
from rich.table import Table

from solvers.packages import NEEDED

ON_A_LINE = """
from fpsde import FokkerPlanck, Grid, Normal, double_well
run = FokkerPlanck(double_well(0.25), Grid.uniform((-2.2, 2.2), cells=384)).evolve(Normal(-1.0, 0.1), t_end=5.0)
assert abs(run.law.masses.sum() - 1) < 1e-9
"""
IN_THE_PLANE = """
import numpy as np
from fpsde import FokkerPlanck, Grid, Normal, linear_system
process = linear_system([[1.0, 0.5], [-0.5, 1.5]], np.linalg.cholesky([[2.0, 0.8], [0.8, 1.2]]))
solver = FokkerPlanck(process, Grid.uniform((-5.5, 5.5), (-4.5, 4.5), cells=64))
run = solver.evolve_to_high_order([Normal(1.0, 0.5), Normal(-0.5, 0.5)], t_end=1.0)
assert abs(run.law.masses.sum() - 1) < 1e-7
"""
ALONE = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
import solvers.bare
"""
BY_PY_PDE = """
import numpy as np, pde
grid = pde.CartesianGrid([(-2.2, 2.2)], 256)
x = grid.axes_coords[0]
state = pde.ScalarField(grid, np.exp(-50 * (x + 1) ** 2) * np.sqrt(50 / np.pi))
equation = pde.PDE({"p": "0.25 * laplace(p) - d_dx((-4 * x * (x**2 - 1)) * p)"}, bc={"value": 0})
found = equation.solve(state, t_range=5.0, dt=2e-4, solver="euler", backend="numba", tracker=None)
assert abs(found.integral - 1) < 1e-2
"""
GOAL_S = 1.0


@dataclass(frozen=True)
class Started:
    """A program, how often it is run, what its time should keep to, and whether what it compiles is kept on disk."""

    name: str
    code: str
    rounds: int
    goal: float | None = None
    kept: bool = True


def measured(rounds: int, note: Callable[[Any], None], *, packages: bool) -> tuple[dict[str, Any], list[Goal]]:
    """Return the record and the goals: seconds from the start of a process to its end."""
    programs = [
        Started("NumPy, SymPy and Numba alone", ALONE, rounds),
        Started("fpsde, on a line", ON_A_LINE, rounds, GOAL_S),
        Started("fpsde, in the plane", IN_THE_PLANE, rounds, GOAL_S),
    ]
    if packages and NEEDED["py-pde"] is not None:
        programs.append(Started("py-pde, on a line", BY_PY_PDE, 1, kept=False))
    table = Table(title="a fresh process, kernels cached", title_justify="left")
    for heading in ("", "s of the processor", "s on the clock"):
        table.add_column(heading, justify="right" if heading else "left")
    rows, goals = [], []
    for program in programs:
        run = partial(fresh.python, program.code)
        if program.kept:
            run()  # what was never compiled is compiled
        (timing,) = harness.measure([Contestant(program.name, run)], rounds=program.rounds, cpu_clock=fresh.of_children)
        least, clock = min(timing.cpu_seconds), min(timing.seconds)
        rows.append({"name": program.name, "processor_seconds": least, "seconds_on_the_clock": clock})
        table.add_row(program.name, f"{least:.2f}", f"{clock:.2f}")
        if program.goal is not None:
            claim = f"a fresh process with cached kernels: {program.name}"
            goals.append(Goal(claim, least, Sense.AT_MOST, program.goal, "s", also=clock))
    note(table)
    return {"problem": "cold start", "rows": rows}, goals
