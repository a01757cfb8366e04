"""Time to a given error: fpsde's Fokker-Planck solvers beside SciPy and the packages that solve the same equations.

    python benchmarks/fokker_planck.py [--only ROW] [--quick] [--json FILE]

For each method the cheapest number of cells and steps that reaches each error is looked for; those are timed again, all
in the same rounds. One thread. A call goes from the data of the problem to its answer: grid, operator, solve.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import harness
from harness import Goal
from rich.markup import escape
from solvers import cold_start, driven, driven_law, growth, kramers, line, packages, passage, plane, race, stationary

from fpsde.errors import BackendUnavailable, InvalidInput, unknown_name
from fpsde.writing import refuse_unwritable

#: What a row gives: its record, and its goals.
Found = tuple[dict[str, Any], list[Goal]]
Note = Callable[[Any], None]

ROUNDS, QUICK_ROUNDS = 7, 2


def racing(contest: Callable[[], race.Race]) -> Callable[[bool, Note], Found]:
    """Return the row of a race."""

    def measured(quick: bool, note: Note) -> Found:
        run = contest().shortened() if quick else contest()
        return race.run(run, QUICK_ROUNDS if quick else ROUNDS, note)

    return measured


def growing(jobs: tuple[growth.Growing, ...]) -> Callable[[bool, Note], Found]:
    """Return the row of what grows."""

    def measured(quick: bool, note: Note) -> Found:
        fits = []
        for job in jobs:
            fits.append(growth.measured(job.shortened() if quick else job, 2 if quick else 9))
            note(growth.sentence(fits[-1]))
        return {"problem": "growth", "fits": [growth.record(fit) for fit in fits]}, []

    return measured


#: The rows of the table by the name that ``--only`` takes.
ROWS: dict[str, Callable[[bool, Note], Found]] = {
    "line-ou": racing(lambda: line.race(line.ORNSTEIN_UHLENBECK)),
    "line-double-well": racing(lambda: line.race(line.DOUBLE_WELL)),
    "plane-linear": racing(plane.race),
    "klein-kramers": racing(kramers.race),
    "stationary-gradient": racing(partial(stationary.race, turning=False)),
    "stationary-current": racing(partial(stationary.race, turning=True)),
    "passage-line": racing(passage.on_line),
    "passage-plane": racing(passage.in_plane),
    "time-dependent": lambda quick, note: driven.measured(
        driven.QUICK if quick else driven.Size(), 2 if quick else 7, note
    ),
    "driven-law": racing(driven_law.race),
    "cold-start": lambda quick, note: cold_start.measured(1 if quick else 3, note, packages=not quick),
    "growth": growing((*line.GROWING, *plane.GROWING, *kramers.GROWING, *stationary.GROWING, *passage.GROWING)),
}


def rows_named(names: list[str] | None) -> list[str]:
    """Return the rows to run; an unknown name raises InvalidInput, with the nearest known one."""
    for name in names or []:
        if name not in ROWS:
            raise unknown_name("row", name, ROWS)
    return [name for name in ROWS if not names or name in names]


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--only", metavar="ROW", action="append", help=f"one row, may be given again: {', '.join(ROWS)}"
    )
    parser.add_argument("--quick", action="store_true", help="ours and SciPy's methods, so short that it only works")
    parser.add_argument("--json", metavar="FILE", help="write all that was measured to FILE (- for standard output)")
    options = parser.parse_args()
    try:
        names = rows_named(options.only)
        refuse_unwritable([options.json])
    except (InvalidInput, BackendUnavailable) as error:
        parser.error(str(error))
    harness.on_one_thread()
    console = harness.console(options.json)
    warnings.simplefilter("ignore")  # of the packages: deprecations, matrices that SciPy had rather in another format
    cores = harness.restrict_to_cores(1)
    before = harness.environment()
    versions = {name: harness.version(name) for name in packages.NEEDED}
    load = before["load_average"]
    console.print(f"{before['processor']}, {cores} of {before['cores']} cores, load average {load:.1f}")
    console.print(", ".join(f"{name} {v}" for name, v in (before["versions"] | versions).items() if v))
    if load > 0.5:
        console.print("something else runs on this machine: ratios within this run mean something, times less")
    results: dict[str, Any] = {}
    goals: list[Goal] = []
    began = time.perf_counter()
    for i, name in enumerate(names):
        console.print(f"[{i + 1}/{len(names)}] {name}, {time.perf_counter() - began:.0f} s so far", markup=False)
        results[name], found = ROWS[name](options.quick, console.print)
        goals += found
        record = {
            "benchmark": "fokker_planck",
            "environment": {
                **before,
                "versions": before["versions"] | versions,
                "cores_used": cores,
                "load_average_after": harness.load_average(),
            },
            "quick": options.quick,
            "seconds": time.perf_counter() - began,
            "missing": packages.missing(),
            "rows": results,
            "goals": [harness.goal_record(goal) for goal in goals],
        }
        last = name == names[-1]
        if options.json and (last or options.json != "-"):  # a run that is ended has kept the rows before
            harness.write_json(record, options.json)
    console.print(harness.goals_table(goals))
    for package, note in packages.missing().items():
        console.print(f"{package}: reported as missing, {escape(note)}")


if __name__ == "__main__":
    main()
