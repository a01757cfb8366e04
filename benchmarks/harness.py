"""What every benchmark shares: fair timing, quartiles, ratios beside their goals, the machine, and JSON."""

from __future__ import annotations

import enum
import importlib
import json
import math
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import plain


def optional(name: str) -> ModuleType | None:
    """Return a module, or None where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


_consoles, _tables = optional("rich.console"), optional("rich.table")
#: Those of rich, or plain text where it is not installed.
Console: Any = _consoles.Console if _consoles else plain.Console
Table: Any = _tables.Table if _tables else plain.Table

#: What the numbers may depend on.
PACKAGES = ("fpsde", "numpy", "numba", "llvmlite", "scipy", "sympy", "torch", "torchsde", "jax", "jaxlib", "diffrax")

#: Libraries that start threads of their own read these when they are loaded.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")

#: Two samples of one law differ by more than this with probability 2e-9.
STANDARD_ERRORS = 6.0

Clock = Callable[[], float]


@dataclass(frozen=True)
class Contestant:
    """One way to do a job. ``run`` does ``work`` units of it (particle-steps, say) and returns what it found.

    In a round it is called ``repeats`` times in a row, and the shortest call counts: for calls so short that the first
    of them is slow because what ran before has emptied the caches, or that something else on the machine interrupts.
    """

    name: str
    run: Callable[[], Any]
    work: float = 1.0
    repeats: int = 1


@dataclass(frozen=True)
class Spread:
    """Quartiles of some samples, and the largest of them."""

    low: float
    median: float
    high: float
    best: float


@dataclass(frozen=True)
class Timing:
    """What the repeats of one contestant took, by the wall and in processor time of all threads, one entry a round."""

    name: str
    work: float
    seconds: tuple[float, ...]
    cpu_seconds: tuple[float, ...]

    @property
    def rates(self) -> np.ndarray:
        """Units of work per second in each round."""
        return self.work / np.array(self.seconds)

    @property
    def cores(self) -> float:
        """Cores in use, the median of rounds: below the number of threads where something else had them."""
        return float(np.median(np.array(self.cpu_seconds) / np.array(self.seconds)))


@dataclass(frozen=True)
class Contest:
    """Timings of contestants that ran in the same rounds; ``different`` names those that found something else."""

    name: str
    timings: tuple[Timing, ...]
    different: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Timing:
        return next(timing for timing in self.timings if timing.name == name)


@dataclass(frozen=True)
class Ratio:
    """A ratio of rates, twice: of the medians, and the median of the ratios within each round."""

    of_medians: float
    paired: float


class Sense(enum.Enum):
    """Which side of a goal is good."""

    AT_LEAST = "≥"
    AT_MOST = "≤"


@dataclass(frozen=True)
class Goal:
    """A claim, what was measured (``also``: another estimate of it), and the bound it should keep.

    ``measured`` is None where there is nothing to measure because ours did not reach what the claim is about.
    """

    claim: str
    measured: float | None
    sense: Sense
    bound: float
    unit: str = ""
    also: float | None = field(kw_only=True)

    @property
    def met(self) -> bool:
        """Whether the measured value keeps the bound."""
        if self.measured is None:
            return False
        return self.measured >= self.bound if self.sense is Sense.AT_LEAST else self.measured <= self.bound


def on_one_thread() -> None:
    """Start again with one thread for every library, unless that has been done."""
    if any(os.environ.get(name) != "1" for name in THREADS):
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | dict.fromkeys(THREADS, "1"))


def restrict_to_cores(count: int) -> int:
    """Keep this process and its children on ``count`` cores, and return on how many they are.

    Libraries that size their thread pools by the cores they may use then all have the same number of threads.
    """
    if not hasattr(os, "sched_setaffinity"):  # macOS, Windows: the number of cores is only reported
        return os.cpu_count() or 1
    os.sched_setaffinity(0, separate_cores(os.sched_getaffinity(0), _siblings)[:count])
    return len(os.sched_getaffinity(0))


def separate_cores(processors: Iterable[int], siblings: Callable[[int], str]) -> list[int]:
    """Return the processors in order, those first that share their core with none before them.

    ``siblings`` names the core of a processor: two hardware threads of one core are not two cores.
    """
    firsts = {siblings(processor): processor for processor in sorted(processors, reverse=True)}
    alone = sorted(firsts.values())
    return alone + sorted(set(processors) - set(alone))


def _siblings(processor: int) -> str:
    path = Path(f"/sys/devices/system/cpu/cpu{processor}/topology/thread_siblings_list")
    return path.read_text() if path.exists() else str(processor)


def measure(
    contestants: Sequence[Contestant],
    *,
    rounds: int,
    clock: Clock = time.perf_counter,
    cpu_clock: Clock = time.process_time,
) -> tuple[Timing, ...]:
    """Return the timings of warmed-up contestants in interleaved rounds A B C, A B C, ...

    A machine that slows down then slows all of them down, and ratios within a round keep their meaning.
    """
    wall: list[list[float]] = [[] for _ in contestants]
    cpu: list[list[float]] = [[] for _ in contestants]
    for _ in range(rounds):
        for i, contestant in enumerate(contestants):
            calls = []
            for _ in range(contestant.repeats):
                start, cpu_start = clock(), cpu_clock()
                contestant.run()
                calls.append((clock() - start, cpu_clock() - cpu_start))
            shortest = min(calls)
            wall[i].append(shortest[0])
            cpu[i].append(shortest[1])
    return tuple(Timing(c.name, c.work, tuple(w), tuple(p)) for c, w, p in zip(contestants, wall, cpu, strict=True))


def spread(values: Sequence[float] | np.ndarray) -> Spread:
    """Return quartiles and maximum of some samples."""
    low, median, high, best = np.percentile(values, (25, 50, 75, 100)).tolist()
    return Spread(low, median, high, best)


def ratio(a: Timing, b: Timing) -> Ratio:
    """Return how many times the rate of ``b`` is the rate of ``a``."""
    return Ratio(float(np.median(a.rates) / np.median(b.rates)), float(np.median(a.rates / b.rates)))


def same_law(a: np.ndarray, b: np.ndarray) -> bool:
    """Return whether mean and second moment of two samples agree to within ``STANDARD_ERRORS``."""
    powers = [(a.astype(float) ** k, b.astype(float) ** k) for k in (1, 2)]
    errors = [math.hypot(u.std() / math.sqrt(len(u)), v.std() / math.sqrt(len(v))) for u, v in powers]
    return all(abs(u.mean() - v.mean()) <= STANDARD_ERRORS * e for (u, v), e in zip(powers, errors, strict=True))


def contest_record(contest: Contest) -> dict[str, Any]:
    """Return a contest as JSON takes it: every sample, and the spread of the rates."""
    timings = [{**asdict(t), "rate": asdict(spread(t.rates)), "cores": t.cores} for t in contest.timings]
    return {"name": contest.name, "different": contest.different, "timings": timings}


def contest_of(record: dict[str, Any]) -> Contest:
    """Return the contest of such a record."""
    timings = [Timing(t["name"], t["work"], tuple(t["seconds"]), tuple(t["cpu_seconds"])) for t in record["timings"]]
    return Contest(record["name"], tuple(timings), tuple(record["different"]))


def goal_record(goal: Goal) -> dict[str, Any]:
    """Return a goal as JSON takes it."""
    return {**asdict(goal), "sense": goal.sense.value, "met": goal.met}


def environment() -> dict[str, Any]:
    """Return commit, machine, how busy it is, and versions that numbers may depend on (None: not installed)."""
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "commit": commit(),
        "processor": _processor(),
        "system": f"{platform.system()} {platform.release()}",
        "cores": os.cpu_count(),
        "load_average": load_average(),
        "versions": {"python": platform.python_version(), **{package: version(package) for package in PACKAGES}},
    }


def commit() -> str | None:
    """Return the commit that is measured, and -dirty where files differ from it; None outside of a checkout."""
    git = shutil.which("git")
    if git is None:
        return None
    ask = [git, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    told = subprocess.run(ask, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    return told.stdout.strip() or None


def load_average() -> float:
    """Return how many processes wanted to run, on the average of the last minute; 0 where the system does not say."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def version(package: str) -> str | None:
    """Return the installed version of a package, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def rates_table(contest: Contest, *, unit: float, heading: str) -> Table:
    """Return a contest as a table of rates, in ``unit`` a second, and of ratios to its first row."""
    table = Table(title=contest.name, title_justify="left")
    for name in ("", heading, "quartiles", "best", "cores", "first row / this"):
        table.add_column(name, justify="right" if name else "left")
    for timing in contest.timings:
        s, times = spread(timing.rates / unit), ratio(contest.timings[0], timing).paired
        note = " [red](found something else)[/]" if timing.name in contest.different else ""
        quartiles = f"{s.low:.0f}–{s.high:.0f}"
        row = f"{s.median:.0f}", quartiles, f"{s.best:.0f}", f"{timing.cores:.2f}", f"{times:.2f}"
        table.add_row(timing.name + note, *row)
    return table


def goals_table(goals: Sequence[Goal]) -> Table:
    """Return the goals as a table: each beside what was measured."""
    table = Table(title="Goals", title_justify="left")
    for heading in ("claim", "measured", "other estimate", "goal", ""):
        table.add_column(heading, justify="left" if heading in ("claim", "") else "right")
    for g in goals:
        measured, also, bound = (_number(value, g.unit) for value in (g.measured, g.also, g.bound))
        verdict = "[green]met[/]" if g.met else "[red]missed[/]"
        table.add_row(g.claim, measured, also, f"{g.sense.value} {bound}", verdict)
    return table


def _number(value: float | None, unit: str) -> str:
    return "not reached" if value is None else f"{value:.3g} {unit}".rstrip()


def write_json(record: dict[str, Any], target: str) -> None:
    """Write a record to a file, or to standard output where ``target`` is ``-``."""
    text = json.dumps(record, indent=1, allow_nan=False) + "\n"
    if target == "-":
        sys.stdout.write(text)
    else:
        Path(target).write_text(text)


def console(json_target: str | None) -> Console:
    """Return where tables go: the terminal; standard error where standard output carries the JSON."""
    stream = sys.stderr if json_target == "-" else sys.stdout
    return Console(file=stream, width=None if stream.isatty() else 120)
