"""``fpsde fokker-planck``: stationary moments, rates and passage times from the equation, with their error bars."""

from __future__ import annotations

import argparse
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from fpsde.commands.options import add_json, add_set, screen, settings_of
from fpsde.commands.solution_figure import solution_figure
from fpsde.errors import InvalidInput
from fpsde.fokker_planck import Estimate, FokkerPlanck, estimate_refined
from fpsde.fokker_planck.results import provenance
from fpsde.grid import Grid
from fpsde.processes import process_named
from fpsde.processes.process import Process
from fpsde.validation import integer
from fpsde.writing import made_folder, put_bytes, put_json, refuse_unwritable

#: Cells of the coarsest of the three grids, on a line and on a ring, whose modes are a dense problem.
CELLS, RING_CELLS = 400, 100
#: The moments of the stationary law, in the order of :func:`moments`.
MOMENTS = ("mean", "variance", "skewness", "kurtosis")


def add(commands: Any) -> None:
    """Add the command to the command line."""
    run = commands.add_parser(
        "fokker-planck", help="solve the Fokker-Planck equation: stationary law, rates of decay, passage times"
    )
    run.add_argument("process", metavar="PROCESS", help="name of a process of the catalogue, of one component")
    add_set(run)
    run.add_argument("--stationary", action="store_true", help="moments of the stationary law")
    run.add_argument("--modes", type=int, metavar="N", help="rates of the N slowest modes, in 1/time")
    run.add_argument(
        "--passage", type=float, nargs=2, metavar=("X0", "TARGET"), help="mean time from X0 until TARGET is reached"
    )
    run.add_argument("--window", type=float, nargs=2, metavar=("LOW", "HIGH"), help="ends of the grid")
    run.add_argument(
        "--cells",
        type=int,
        help=f"cells; two and four times as many make the error bars (default: {CELLS}, on a ring {RING_CELLS})",
    )
    add_json(run)
    run.add_argument(
        "--out", type=Path, metavar="DIR", help="write fokker_planck.json and fokker_planck.png, the curves, here"
    )
    run.set_defaults(run=_solve)


def _solve(options: argparse.Namespace) -> int:
    process = process_named(options.process).with_params(**settings_of(options.set))
    if not (options.stationary or options.modes is not None or options.passage):
        raise InvalidInput("nothing was asked for; give --stationary, --modes N or --passage X0 TARGET, or several")
    solver = FokkerPlanck(process, _grid(process, options.window, options.cells))
    folder = None if options.out is None else made_folder(options.out)
    files = [] if folder is None else [folder / "fokker_planck.json", folder / "fokker_planck.png"]
    refuse_unwritable([options.json, *files])
    asked = _asked(solver, options)
    result = _record(solver, asked, _doubts(solver, options))
    if options.json != "-":
        screen().print(_table(process, asked))
        for doubt in result["doubts"]:
            screen().print(f"  grid: {doubt}", soft_wrap=True)
    if options.json:
        put_json(result, options.json)
    if files:
        put_json(result, files[0])
        image = io.BytesIO()
        solution_figure(solver, stationary=options.stationary, modes=options.modes, passage=options.passage).savefig(
            image
        )
        put_bytes(files[1], image.getvalue())
    return 0


def _grid(process: Process, window: list[float] | None, cells: int | None) -> Grid:
    if process.dim != 1:
        raise InvalidInput(f"{process.name} has {process.dim} components; this command solves processes of one")
    ends = process.setting.window if window is None else window
    if ends is None:
        raise InvalidInput(f"{process.name} has no window that holds its mass; give --window LOW HIGH")
    default = RING_CELLS if process.intervals[0].periodic else CELLS
    return Grid.uniform((ends[0], ends[1]), cells=default if cells is None else cells)


def _asked(solver: FokkerPlanck, options: argparse.Namespace) -> dict[str, Estimate]:
    """Return what was asked for, each with its error bars from three grids."""
    found = {}
    if options.stationary:
        found["stationary_moments"] = _stationary(solver)
    if options.modes is not None:
        count = integer("--modes", options.modes, least=1)
        found["eigenvalues"] = _rates(solver, count)
    if options.passage:
        x0, target = options.passage
        found["passage_time"] = estimate_refined(solver, lambda fp: fp.passage_time(x0, target).mean)
    return found


def _stationary(solver: FokkerPlanck) -> Estimate:
    """Return the moments; the mass at cut ends, about what lies beyond them, counts as an error at that distance."""
    at_rest = solver.stationary()
    std, reach = np.sqrt(at_rest.law.variance), np.ptp(solver.grid.faces)
    found = estimate_refined(solver, moments, scale=std)
    cut = sum(at_rest.edge) * np.array([reach, reach**2, (reach / std) ** 3, (reach / std) ** 4])
    return replace(found, error=found.error + cut)


def _rates(solver: FokkerPlanck, count: int) -> Estimate:
    """Return the rates ``(count,)``; on a driven ring ``(count, 2)``, real and imaginary parts of whole pairs."""
    first = solver.modes(count).eigenvalues
    if np.isrealobj(first):
        return estimate_refined(solver, lambda fp: fp.modes(count).eigenvalues)
    return estimate_refined(
        solver, lambda fp: fp.modes(count).eigenvalues.astype(complex).view(float).reshape(-1, 2), scale=abs(first[-1])
    )


def moments(solver: FokkerPlanck) -> np.ndarray:
    """Return mean, variance, skewness and kurtosis (3 for a normal law) of the stationary law, ``(4,)``."""
    law = solver.stationary().law
    return np.array([law.mean, law.variance, *(law.central_moment(k) / law.variance ** (k / 2) for k in (3, 4))])


def _record(solver: FokkerPlanck, asked: dict[str, Estimate], doubts: list[str]) -> dict[str, Any]:
    """Return the result for programs: numbers, their errors and orders in the same form, and what they rest on."""
    q = solver.generator()
    return {
        **{name: _shaped(name, one.value) for name, one in asked.items()},
        "errors": {name: _shaped(name, one.error) for name, one in asked.items()},
        "orders": {name: _shaped(name, one.order) for name, one in asked.items()},
        "parameters": dict(solver.process.params),
        "doubts": doubts,
        "provenance": provenance(solver.process, q, f"{q.flux} on this grid, its halves and its quarters"),
    }


def _doubts(solver: FokkerPlanck, options: argparse.Namespace) -> list[str]:
    found = list(solver.stationary().doubts) if options.stationary else []
    return found + (list(solver.modes(options.modes).doubts) if options.modes is not None else [])


def _shaped(name: str, values: np.ndarray) -> Any:
    return dict(zip(MOMENTS, values.tolist(), strict=True)) if name == "stationary_moments" else values.tolist()


def _table(process: Process, asked: dict[str, Estimate]) -> Table:
    table = Table(title=f"{process.name}: {process.equation}", title_justify="left")
    for column in ("", "value", "error bar", "order"):
        table.add_column(column, justify="left" if not column else "right")
    for name, one in asked.items():
        for label, *numbers in zip(_labels(name, one), *map(np.ravel, (one.value, one.error, one.order)), strict=True):
            value, error, order = (float(number) for number in numbers)
            table.add_row(label, _digits(value, error), f"{error:.1e}", f"{order:.2f}")
    return table


def _labels(name: str, one: Estimate) -> list[str]:
    if name == "stationary_moments":
        return [f"stationary {moment}" for moment in MOMENTS]
    if name == "passage_time":
        return ["mean passage time"]
    parts = ("",) if one.value.ndim == 1 else ("Re ", "Im ")
    return [f"{part}lambda_{k + 1} [1/time]" for k in range(len(one.value)) for part in parts]


def _digits(value: float, error: float) -> str:
    """Return a number with the digits that its error bar leaves, and two more."""
    if value == 0 or error == 0:
        return f"{value:.12g}"
    known = int(np.floor(np.log10(abs(value)))) - int(np.floor(np.log10(error)))
    return f"{value:.{min(max(known + 2, 2), 13)}g}"
