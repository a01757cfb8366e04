"""``fpsde fokker-planck``: stationary moments, rates and passage times from the equation, with their error bars."""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from rich.table import Table

from fpsde.commands.fokker_planck_questions import (
    CELLS,
    PLANE_CELLS,
    RING_CELLS,
    Solver,
    digits,
    passage_estimate,
    rates_estimate,
    solver_of,
    stationary_estimate,
)
from fpsde.commands.options import (
    UNDERDAMPED,
    add_json,
    add_process,
    add_set,
    component_labels,
    process_of,
    screen,
    settings_of,
)
from fpsde.commands.plane_figure import plane_figure
from fpsde.commands.solution_figure import solution_figure
from fpsde.errors import InvalidInput, NotConverged
from fpsde.fokker_planck.plane.solver import PlaneFokkerPlanck
from fpsde.fokker_planck.refinement import Estimate
from fpsde.fokker_planck.results import provenance
from fpsde.processes.process import Process
from fpsde.validation import integer
from fpsde.writing import made_folder, put_bytes, put_json, refuse_unwritable

#: The moments of the stationary law, as ``stationary_estimate`` orders them.
MOMENTS = ("mean", "variance", "skewness", "kurtosis")


def add(commands: Any) -> None:
    """Add the command to the command line."""
    run = commands.add_parser(
        "fokker-planck", help="solve the Fokker-Planck equation: stationary law, rates of decay, passage times"
    )
    add_process(run)
    add_set(run)
    run.add_argument("--stationary", action="store_true", help="moments of the stationary law")
    run.add_argument("--modes", type=int, metavar="N", help="rates of the N slowest modes, in 1/time")
    run.add_argument(
        "--passage",
        type=float,
        nargs="+",
        metavar="X",
        help="X0 TARGET: mean time from X0 until TARGET is reached; of two components X0 Y0 TARGET: until the first "
        "one reaches TARGET",
    )
    run.add_argument(
        "--window", type=float, nargs="+", metavar="END", help="LOW HIGH: ends of the grid, a pair for each component"
    )
    run.add_argument(
        "--cells",
        type=int,
        nargs="+",
        metavar="N",
        help="cells, for each component or for all; two and four times as many make the error bars (default: "
        f"{CELLS}, on a ring {RING_CELLS}, of two components {PLANE_CELLS})",
    )
    add_json(run)
    run.add_argument(
        "--out", type=Path, metavar="DIR", help="write fokker_planck.json and fokker_planck.png, the curves, here"
    )
    run.set_defaults(run=_solve)


def _solve(options: argparse.Namespace) -> int:
    process = process_of(options.process, options.dynamics, settings_of(options.set))
    if not (options.stationary or options.modes is not None or options.passage):
        raise InvalidInput("nothing was asked for; give --stationary, --modes N or --passage X0 TARGET, or several")
    solver = solver_of(process, options.window, options.cells)
    names = component_labels(process.dim, underdamped=options.dynamics == UNDERDAMPED)
    folder = None if options.out is None else made_folder(options.out)
    files = [] if folder is None else [folder / "fokker_planck.json", folder / "fokker_planck.png"]
    refuse_unwritable([options.json, *files])
    asked = _asked(solver, options)
    result = _record(solver, asked, _doubts(solver, options))
    if options.json != "-":
        screen().print(_table(process, asked, names))
        for doubt in result["doubts"]:
            screen().print(f"  grid: {doubt}", soft_wrap=True)
    if options.json:
        put_json(result, options.json)
    if files:
        put_json(result, files[0])
        image = io.BytesIO()
        _figure(solver, options, names, asked).savefig(image)
        put_bytes(files[1], image.getvalue())
    return 0


def _asked(solver: Solver, options: argparse.Namespace) -> dict[str, Estimate]:
    """Return what was asked for, each with its error bars from three grids."""
    jobs: dict[str, Callable[[], Estimate]] = {}
    if options.stationary:
        jobs["stationary_moments"] = partial(stationary_estimate, solver)
    if options.modes is not None:
        jobs["eigenvalues"] = partial(rates_estimate, solver, integer("--modes", options.modes, least=1))
    if options.passage:
        jobs["passage_time"] = partial(passage_estimate, solver, options.passage)
    found = {}
    for name, job in jobs.items():
        try:
            found[name] = job()
        except NotConverged as error:
            raise NotConverged(f"{name.replace('_', ' ')}: {error} (--cells)") from error
    return found


def _figure(solver: Solver, options: argparse.Namespace, names: Sequence[str], asked: dict[str, Estimate]) -> Figure:
    if isinstance(solver, PlaneFokkerPlanck):
        return plane_figure(solver, names, asked, modes=options.modes, passage_from=options.passage)
    return solution_figure(solver, asked, modes=options.modes, passage=options.passage)


def _record(solver: Solver, asked: dict[str, Estimate], doubts: list[str]) -> dict[str, Any]:
    """Return the result for programs: numbers, their errors and orders in the same form, and what they rest on."""
    method = f"{solver.generator().flux} on this grid, its halves and its quarters"
    return {
        **{name: _shaped(name, one.value) for name, one in asked.items()},
        "errors": {name: _shaped(name, one.error) for name, one in asked.items()},
        "orders": {name: _shaped(name, one.order) for name, one in asked.items()},
        "parameters": {name: np.asarray(value).tolist() for name, value in solver.process.params.items()},
        "doubts": doubts,
        "provenance": provenance(solver.process, solver.grid, method),
    }


def _doubts(solver: Solver, options: argparse.Namespace) -> list[str]:
    found = list(solver.stationary().doubts) if options.stationary else []
    return found + (list(solver.modes(options.modes).doubts) if options.modes is not None else [])


def _shaped(name: str, values: np.ndarray) -> Any:
    """Return numbers as lists; moments by name, of two components mean and covariance."""
    if name != "stationary_moments":
        return values.tolist()
    if len(values) == len(MOMENTS):
        return dict(zip(MOMENTS, values.tolist(), strict=True))
    first, second, xx, xy, yy = values.tolist()
    return {"mean": [first, second], "covariance": [[xx, xy], [xy, yy]]}


def _table(process: Process, asked: dict[str, Estimate], names: Sequence[str]) -> Table:
    table = Table(title=f"{process.name}: {process.equation}", title_justify="left")
    for column in ("", "value", "error bar", "order"):
        table.add_column(column, justify="left" if not column else "right")
    for name, one in asked.items():
        labels = _labels(name, one, names)
        for label, *numbers in zip(labels, *map(np.ravel, (one.value, one.error, one.order)), strict=True):
            value, error, order = (float(number) for number in numbers)
            table.add_row(label, digits(value, error), f"{error:.1e}", f"{order:.2f}")
    return table


def _labels(name: str, one: Estimate, names: Sequence[str]) -> list[str]:
    if name == "stationary_moments":
        if len(names) == 1:
            return [f"stationary {moment}" for moment in MOMENTS]
        x, y = names
        of = (f"mean of {x}", f"mean of {y}", f"variance of {x}", f"covariance of {x}, {y}", f"variance of {y}")
        return [f"stationary {moment}" for moment in of]
    if name == "passage_time":
        return ["mean passage time"]
    parts = ("",) if one.value.ndim == 1 else ("Re ", "Im ")
    return [f"{part}lambda_{k + 1} [1/time]" for k in range(len(one.value)) for part in parts]
