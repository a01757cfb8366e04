"""Time to a given error of the law at the end: fpsde beside SciPy and the packages that solve the same equation.

    python benchmarks/fokker_planck.py [--quick] [--json FILE]

For each method the cheapest number of cells and steps that reaches each error is looked for; those are timed again, all
in the same rounds. One core. A call goes from the data of the problem to an array of masses: grid, operator, solve.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import fokker_planck_peers as peers
import harness
import numpy as np
from fokker_planck_peers import Problem
from harness import Contest, Contestant, Goal, Sense, Timing
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fpsde.density import Normal
from fpsde.fokker_planck import FokkerPlanck
from fpsde.grid import Grid
from fpsde.processes import double_well, ornstein_uhlenbeck
from fpsde.processes.process import Process

OURS = "fpsde"
#: Seconds that the calls of one method take together in a round.
AT_LEAST = 0.05


@dataclass(frozen=True)
class Size:
    """How much is measured: errors, numbers of cells tried, seconds after which no larger run is tried, rounds."""

    levels: tuple[float, ...]
    cells: tuple[int, ...]
    limit: float
    rounds: int
    growth: tuple[int, ...]


FULL = Size((1e-3, 1e-4, 1e-5), (64, 128, 192, 384, 512, 1024, 1536, 2048), 1.0, 5, (500, 4000))
QUICK = Size((1e-1, 1e-2), (32, 64), 0.2, 2, (100, 400))

PROBLEMS = (
    Problem(
        "Ornstein-Uhlenbeck, t = 1",
        *(lambda x: 0.5 * x**2, lambda x: -x, "-x"),
        temperature=1.0,
        centre=1.0,
        std=0.4,
        t_end=1.0,
        box=(-7.0, 7.0),
        exact=peers.gaussian,
    ),
    Problem(
        "double well, t = 5",
        *(lambda x: (x**2 - 1) ** 2, lambda x: -4 * x * (x**2 - 1), "-4 * x * (x**2 - 1)"),
        temperature=0.25,
        centre=-1.0,
        std=0.1,
        t_end=5.0,
        box=(-2.2, 2.2),
        exact=peers.sinc_expansion,
    ),
)
PROCESSES: dict[str, Process] = {
    PROBLEMS[0].name: ornstein_uhlenbeck(theta=1.0, mean=0.0, sigma=float(np.sqrt(2))),
    PROBLEMS[1].name: double_well(0.25),
}


def by_fpsde(p: Problem, cells: int, steps: int) -> Callable[[], np.ndarray]:
    """The public call, with a new grid and a new solver."""
    process = PROCESSES[p.name]

    def run() -> np.ndarray:
        solver = FokkerPlanck(process, Grid.uniform(p.box, cells=cells))
        return solver.evolve(Normal(p.centre, p.std), t_end=p.t_end).law.masses

    return run


@dataclass(frozen=True)
class Found:
    """A run that reaches an error: the method, the call, and how many cells and steps it took."""

    method: str
    run: Callable[[], np.ndarray]
    cells: int
    steps: int
    error: float
    seconds: float


@dataclass(frozen=True)
class Search:
    """The cheapest runs of one method by error, seconds of its first call, and what it raised."""

    cheapest: dict[float, Found]
    first_call: float
    failure: str = ""


def search(name: str, method: peers.Method, steps: tuple[int, ...], p: Problem, size: Size) -> Search:
    """Return the cheapest runs: cells ascend until the smallest error is reached or a run takes too long."""
    found: list[Found] = []
    first_call = None
    for cells in size.cells:
        last = np.inf
        for n in steps:
            start = time.perf_counter()
            try:
                run = method(p, cells, n)
                run()
            except Exception as error:  # a peer's failure is a result
                return Search(_cheapest(found, size), first_call or 0.0, f"{type(error).__name__}: {error}"[:200])
            first_call = time.perf_counter() - start if first_call is None else first_call
            start = time.perf_counter()
            masses = run()
            seconds = time.perf_counter() - start
            if seconds < AT_LEAST:
                (timing,) = harness.measure([Contestant(name, run)], rounds=5)
                seconds = min(timing.seconds)
            error = p.error(masses)
            if np.isfinite(error):
                found.append(Found(name, run, cells, n, error, seconds))
            if seconds > size.limit or not error < 0.8 * last:
                break
            last = error
        if seconds > size.limit or min((f.error for f in found), default=np.inf) <= min(size.levels):
            break
    return Search(_cheapest(found, size), first_call or 0.0)


def _cheapest(found: list[Found], size: Size) -> dict[float, Found]:
    reached = {level: [f for f in found if f.error <= level] for level in size.levels}
    return {level: min(runs, key=lambda f: f.seconds) for level, runs in reached.items() if runs}


def contest(p: Problem, searches: dict[str, Search], level: float, size: Size) -> Contest | None:
    """Return the timings at one error of the methods that reach it, ours first; None where ours does not.

    Short calls are repeated within a round: what ran before has emptied the caches for the first of them only.
    """
    runs = [s.cheapest[level] for s in searches.values() if level in s.cheapest]
    if not runs or runs[0].method != OURS:
        return None
    return Contest(
        f"{p.name}, L1 error {level:g}",
        harness.measure([_repeated(f) for f in runs], rounds=size.rounds),
    )


def _repeated(f: Found) -> Contestant:
    calls = max(1, int(AT_LEAST / f.seconds))

    def run() -> None:
        for _ in range(calls):
            f.run()

    return Contestant(f.method, run, work=float(calls))


def goals_of(c: Contest, level: float) -> list[Goal]:
    """Return the goals at an error of 1e-3 or 1e-5 (or the largest and smallest of a quick run)."""
    loose = level >= 1e-3
    ours, rivals = c.timings[0], c.timings[1:]
    seconds = 1e3 / ours.rates
    bound = 0.2 if loose else 0.3
    best = float(seconds.min())
    found = [Goal(f"{c.name}: fpsde", float(np.median(seconds)), Sense.AT_MOST, bound, "ms", also=best)]
    packages = [t for t in rivals if t.name in peers.PACKAGES]
    baselines = [t for t in rivals if t.name in peers.SCIPY]
    named = [t for t in rivals if t.name == "py-pde"]
    for group, bounds in ((packages, (6.0, 100.0)), (named, (50.0, 140.0)), (baselines, (1.8, 4.0))):
        if group:
            rival = max(group, key=lambda t: float(np.median(t.rates)))
            found.append(_faster(c.name, ours, rival, bounds[0 if loose else 1]))
    return found


def _faster(name: str, ours: Timing, rival: Timing, bound: float) -> Goal:
    r = harness.ratio(ours, rival)
    return Goal(f"{name}: fpsde / {rival.name}", r.paired, Sense.AT_LEAST, bound, also=r.of_medians)


def growth(p: Problem, size: Size) -> dict[str, Any]:
    """Return how the time of a call grows: nanoseconds for a cell more, and the exponent of its growth with t_end."""

    def shortest(cells: int, t_end: float) -> float:
        process, grid = PROCESSES[p.name], Grid.uniform(p.box, cells=cells)
        run = Contestant("", lambda: FokkerPlanck(process, grid).evolve(Normal(p.centre, p.std), t_end=t_end))
        run.run()
        return min(harness.measure([run], rounds=5 * size.rounds)[0].seconds)

    cells = np.unique(np.geomspace(*size.growth, 4).astype(int))
    by_cells = [shortest(int(n), p.t_end) for n in cells]
    times = p.t_end * np.array([1.0, 10.0, 100.0])
    by_time = [shortest(int(cells[-1]), t) for t in times.tolist()]
    slope, fixed = np.polyfit(cells, by_cells, 1)
    return {
        "cells": cells.tolist(),
        "seconds_by_cells": by_cells,
        "times": times.tolist(),
        "seconds_by_time": by_time,
        "ns_per_cell": float(slope * 1e9),
        "us_fixed": float(fixed * 1e6),
        "exponent_in_time": float(np.polyfit(np.log(times), np.log(by_time), 1)[0]),
    }


def times_table(p: Problem, searches: dict[str, Search], contests: dict[float, Contest], size: Size) -> Table:
    """Return the times to each error, the size of the runs, and what the first call cost beyond a warm one."""
    table = Table(title=p.name, title_justify="left")
    table.add_column("")
    for level in size.levels:
        table.add_column(f"{level:g}, ms (cells, steps)", justify="right")
    table.add_column("first call, s", justify="right")
    for name, s in searches.items():
        row = []
        for level in size.levels:
            f = s.cheapest.get(level)
            if f is None or level not in contests:
                row.append("no")
            else:
                steps = "" if name == OURS or len(peers.methods()[name][1]) == 1 else f", {f.steps}"
                row.append(f"{np.median(1e3 / contests[level][name].rates):.3g} ({f.cells}{steps})")
        table.add_row(name + (f" [red]({escape(s.failure)})[/]" if s.failure else ""), *row, f"{s.first_call:.2g}")
    return table


def measured(p: Problem, size: Size, console: Console) -> tuple[dict[str, Any], list[Goal]]:
    """Return the record of one problem, and its goals."""
    methods = {OURS: (by_fpsde, (1,))} | peers.methods()
    searches = {name: search(name, method, steps, p, size) for name, (method, steps) in methods.items()}
    found = {level: contest(p, searches, level, size) for level in size.levels}
    contests = {level: c for level, c in found.items() if c is not None}
    console.print(times_table(p, searches, contests, size))
    grown = growth(p, size)
    console.print(
        f"fpsde: {grown['us_fixed']:.0f} us and {grown['ns_per_cell']:.0f} ns a cell; grows as t^"
        f"{grown['exponent_in_time']:.2f}"
    )
    record = {
        "problem": p.name,
        "searches": {name: _search_record(s) for name, s in searches.items()},
        "contests": [harness.contest_record(c) for c in contests.values()],
        "growth": grown,
    }
    ends = [level for level in contests if level in (size.levels[0], size.levels[-1])]
    return record, [goal for level in ends for goal in goals_of(contests[level], level)]


def _search_record(s: Search) -> dict[str, Any]:
    runs = {f"{level:g}": {"cells": f.cells, "steps": f.steps, "error": f.error} for level, f in s.cheapest.items()}
    return {"reached": runs, "first_call_seconds": s.first_call, "failure": s.failure}


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="runs so short that they show only that everything works")
    parser.add_argument("--json", metavar="FILE", help="write all that was measured to FILE (- for standard output)")
    options = parser.parse_args()
    size = QUICK if options.quick else FULL
    console = harness.console(options.json)
    warnings.simplefilter("ignore")  # of the peers: deprecations, matrices that SciPy had rather in another format
    cores = harness.restrict_to_cores(1)
    before = harness.environment()
    versions = {name: harness.version(name) for name in peers.NEEDED}
    load = before["load_average"]
    console.print(f"{before['processor']}, {cores} of {before['cores']} cores, load average {load:.1f}")
    console.print(", ".join(f"{name} {v}" for name, v in (before["versions"] | versions).items() if v))
    if load > 0.5:
        console.print("something else runs on this machine: ratios within this run mean something, times less")
    results = [measured(p, size, console) for p in PROBLEMS]
    goals = [goal for _, found in results for goal in found]
    console.print(harness.goals_table(goals))
    for peer, note in peers.missing().items():
        console.print(f"{peer}: reported as missing, {escape(note)}")
    record = {
        "benchmark": "fokker_planck",
        "environment": {
            **before,
            "versions": before["versions"] | versions,
            "cores_used": cores,
            "load_average_after": harness.load_average(),
        },
        "size": asdict(size),
        "missing": peers.missing(),
        "problems": [problem for problem, _ in results],
        "goals": [harness.goal_record(goal) for goal in goals],
    }
    if options.json:
        harness.write_json(record, options.json)


if __name__ == "__main__":
    main()
