"""A race: several methods on one problem, each at its cheapest size for each error, timed again in common rounds.

Which size is cheapest is decided there too, among those that a search finds near it, for all methods alike.

Times are processor time. All methods run on one thread and wait for nothing, so on an idle machine that is the time on
the clock; on a busy one it leaves out what others had of the processor.
"""

from __future__ import annotations

import enum
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import harness
import numpy as np
from harness import Contest, Contestant, Goal, Sense, Timing
from rich.markup import escape
from rich.table import Table

from solvers.packages import NEEDED

#: Seconds that the calls of one method take together in a round, and calls longer than which are not timed again.
AT_LEAST, SLOW = 0.05, 1.0
#: Runs that took at most so many times what the cheapest of their method did are timed again with it. Sizes differ by
#: less than what noise in a search adds, and the one that it would choose differs from run to run.
NEAR = 1.3

Call = Callable[[], Any]
#: Of the thread that calls: while a timer counts the time of a process, Linux updates that of the process at its ticks.
clock = time.thread_time


class Kind(enum.Enum):
    """Whose a method is: goals compare ours with the best of the others of a kind."""

    OURS = "fpsde"
    SCIPY = "SciPy"
    PACKAGE = "package"


@dataclass(frozen=True)
class Method:
    """A way to solve a problem: ``prepare(cells, effort)`` returns the call that is timed, from data to answer.

    ``efforts`` ascend: steps in time, or what else the method is told to be accurate. What is done in ``prepare`` is
    not timed: nothing but a compilation. ``needs`` is the package without which it cannot run.
    """

    name: str
    kind: Kind
    prepare: Callable[[int, int], Call]
    cells: tuple[int, ...]
    efforts: tuple[int, ...] = (1,)
    needs: str = ""


@dataclass(frozen=True)
class Bounds:
    """Seconds of the processor: of a call, after which no larger one is tried; of all that a method may do."""

    call: float = 1.0
    whole: float = 120.0


@dataclass(frozen=True)
class Wanted:
    """A goal at one error: ours at most in ``ms``; at least so many times as fast as (the best of a kind | a name)."""

    level: float
    ms: float | None = None
    faster: tuple[tuple[Kind | str, float], ...] = ()


@dataclass(frozen=True)
class Race:
    """A problem, the methods that solve it (ours first), what an answer's error is, and what is wanted."""

    title: str
    error: Callable[[Any], float]
    methods: tuple[Method, ...]
    wanted: tuple[Wanted, ...] = ()
    levels: tuple[float, ...] = (1e-3, 1e-4, 1e-5)
    bounds: Bounds = field(default=Bounds())
    quick_levels: tuple[float, ...] = (1e-1, 1e-2)

    def shortened(self) -> Race:
        """The race at small sizes and large errors, without packages: it shows that everything works."""
        few = tuple(
            replace(m, cells=m.cells[:2], efforts=m.efforts[-2:]) for m in self.methods if m.kind is not Kind.PACKAGE
        )
        short = Bounds(call=0.2, whole=20.0)
        ends = (min(self.quick_levels), max(self.quick_levels))
        wanted = tuple(replace(w, level=ends[w.level == max(self.levels)]) for w in self.wanted)
        return replace(self, methods=few, levels=self.quick_levels, bounds=short, wanted=wanted)


@dataclass(frozen=True)
class Found:
    """A run that reaches an error: the method, the call, and how many cells and how much effort it took."""

    method: Method
    run: Call
    cells: int
    effort: int
    error: float
    seconds: float


@dataclass(frozen=True)
class Search:
    """The runs of one method that may be its cheapest, by error, and why it went no further.

    ``near``: within ``NEAR`` of the cheapest. ``first_call``: the seconds of it. ``stopped``: seconds that reaching a
    smaller error takes at least, where a bound on the time ended the search.
    """

    method: Method
    near: dict[float, tuple[Found, ...]]
    first_call: float
    failure: str = ""
    stopped: float | None = None
    least_error: float | None = None


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in what still runs after so many seconds of the processor (compiled code: when it returns).

    And again each second: where Python ignores exceptions, as in a compiler's callbacks, the first has no effect.
    """

    def interrupt(*_: Any) -> None:
        raise TimeoutError(f"stopped after {seconds:.3g} s")

    previous = signal.signal(signal.SIGPROF, interrupt)
    signal.setitimer(signal.ITIMER_PROF, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, previous)


def search(method: Method, race: Race) -> Search:
    """Return the runs that may be cheapest: cells ascend until the smallest error or the bounds on time are reached.

    A size at which the method raises is passed over; what it raised last is reported where nothing was found.
    """
    found: list[Found] = []
    firsts: list[float] = []
    failure, stopped, began = "", None, clock()
    for cells in method.cells:
        last = np.inf
        for effort in method.efforts:
            left = race.bounds.whole - (clock() - began)
            start = clock()
            try:
                with within(max(left, 1e-3)):
                    run = method.prepare(cells, effort)
                    run()
                    firsts.append(clock() - start)
                    start = clock()
                    answer = run()
                    seconds = clock() - start
            except TimeoutError:
                stopped = max((f.seconds for f in found), default=None)
                return _search(method, race, found, firsts, f"stopped at {race.bounds.whole:.3g} s in all", stopped)
            except Exception as error:  # a refusal or failure is a result
                failure = f"{type(error).__name__}: {error}"[:200]
                break
            if seconds < AT_LEAST:
                (timing,) = harness.measure([Contestant(method.name, run)], rounds=5, clock=clock)
                seconds = min(timing.seconds)
            error = race.error(answer)
            if np.isfinite(error):
                found.append(Found(method, run, cells, effort, error, seconds))
            if seconds > race.bounds.call:
                stopped = seconds
            if stopped or not error < 0.8 * last or error <= min(race.levels):
                break
            last = error
        if stopped or min((f.error for f in found), default=np.inf) <= min(race.levels):
            break
    return _search(method, race, found, firsts, "" if found else failure, stopped)


def _search(
    method: Method, race: Race, found: list[Found], firsts: list[float], failure: str, stopped: float | None
) -> Search:
    reached = {level: [f for f in found if f.error <= level] for level in race.levels}
    near = {level: _near(runs) for level, runs in reached.items() if runs}
    least = min((f.error for f in found), default=None)
    return Search(method, near, firsts[0] if firsts else 0.0, failure, stopped, least)


def _near(runs: list[Found]) -> tuple[Found, ...]:
    """Return the runs that took little more than the cheapest; of those that take long, the cheapest alone."""
    cheapest = min(runs, key=lambda f: f.seconds)
    if cheapest.seconds > SLOW:
        return (cheapest,)
    return tuple(f for f in runs if f.seconds <= min(NEAR * cheapest.seconds, SLOW))


def contest(race: Race, searches: list[Search], level: float, rounds: int) -> tuple[Contest, dict[str, Found]]:
    """Return the timings at one error of the methods that reach it, each by the run that was its fastest, and these.

    Of calls that take long, the timing is that of the search.
    """
    runs = [f for s in searches for f in s.near.get(level, ())]
    short, long = [f for f in runs if f.seconds <= SLOW], [f for f in runs if f.seconds > SLOW]
    timings = harness.measure([_contestant(f) for f in short], rounds=rounds, clock=clock)
    timings += tuple(Timing(f.method.name, 1.0, (f.seconds,), (f.seconds,)) for f in long)
    best: dict[str, tuple[Found, Timing]] = {}
    for f, timing in sorted(zip([*short, *long], timings, strict=True), key=lambda pair: np.median(pair[1].seconds)):
        best.setdefault(f.method.name, (f, timing))
    there = [best[s.method.name] for s in searches if s.method.name in best]
    return Contest(f"{race.title}, error {level:g}", tuple(t for _, t in there)), {f.method.name: f for f, _ in there}


def _contestant(f: Found) -> Contestant:
    return Contestant(f.method.name, f.run, repeats=max(1, int(AT_LEAST / f.seconds)))


def goals_of(race: Race, wanted: Wanted, searches: list[Search], c: Contest) -> list[Goal]:
    """Return the goals at one error, of the fastest of our methods there."""
    by_name = {t.name: t for t in c.timings}
    ours = [by_name[s.method.name] for s in searches if s.method.kind is Kind.OURS and s.method.name in by_name]
    if not ours:
        rows = [] if wanted.ms is None else [(Sense.AT_MOST, wanted.ms, "ms")]
        rows += [(Sense.AT_LEAST, bound, "") for _, bound in wanted.faster]
        return [Goal(f"{c.name}: fpsde", None, sense, bound, unit, also=None) for sense, bound, unit in rows]
    mine = max(ours, key=lambda t: float(np.median(t.rates)))
    found = []
    if wanted.ms is not None:
        ms = 1e3 / mine.rates
        found.append(
            Goal(f"{c.name}: {mine.name}", float(np.median(ms)), Sense.AT_MOST, wanted.ms, "ms", also=float(ms.min()))
        )
    for group, bound in wanted.faster:
        rivals = [s for s in searches if group in (s.method.kind, s.method.name, s.method.needs)]
        there = [by_name[s.method.name] for s in rivals if s.method.name in by_name]
        if there:
            rival = max(there, key=lambda t: float(np.median(t.rates)))
            r = harness.ratio(mine, rival)
            found.append(
                Goal(f"{c.name}: {mine.name} / {rival.name}", r.paired, Sense.AT_LEAST, bound, also=r.of_medians)
            )
        elif rivals and all(s.stopped is not None for s in rivals):
            found.append(_beyond(c, mine, rivals, bound))
    return found


def _beyond(c: Contest, mine: Timing, rivals: list[Search], bound: float) -> Goal:
    """Return a goal against rivals that were stopped before they reached the error: their time is a lower bound."""
    rival = min(rivals, key=lambda s: s.stopped or np.inf)
    least = (rival.stopped or 0.0) * mine.rates
    claim = f"{c.name}: {mine.name} / {rival.method.name}, which was stopped at {rival.stopped:.3g} s: more than"
    return Goal(claim, float(np.median(least)), Sense.AT_LEAST, bound, also=float(least.max()))


def times_table(
    race: Race, searches: list[Search], contests: dict[float, Contest], fastest: dict[float, dict[str, Found]]
) -> Table:
    """Return the times to each error, the size of the ``fastest`` runs, and what the first call cost beyond them."""
    table = Table(title=race.title, title_justify="left")
    table.add_column("")
    for level in race.levels:
        table.add_column(f"{level:g}, ms (cells, steps)", justify="right")
    table.add_column("first call, s", justify="right")
    for s in searches:
        row = []
        for level in race.levels:
            f = fastest[level].get(s.method.name)
            if f is None:
                least = "" if s.least_error is None else f" ({s.least_error:.1e})"
                row.append(f"no{least}" if s.stopped is None else f"> {1e3 * s.stopped:.3g}")
            else:
                effort = f", {f.effort}" if len(s.method.efforts) > 1 else ""
                ms = float(np.median(1e3 / contests[level][s.method.name].rates))
                row.append(f"{ms:.3g} ({f.cells}{effort})")
        name = s.method.name + (f" [red]({escape(s.failure)})[/]" if s.failure else "")
        table.add_row(name, *row, f"{s.first_call:.2g}")
    return table


def run(race: Race, rounds: int, note: Callable[[Any], None]) -> tuple[dict[str, Any], list[Goal]]:
    """Run the race, print its table through ``note``, and return its record and its goals."""
    searches = []
    for method in race.methods:
        if not method.needs or NEEDED[method.needs] is not None:
            began = clock()
            searches.append(search(method, race))
            note(f"  {race.title}: {method.name}, {clock() - began:.1f} s")
    contests, fastest = {}, {}
    for level in race.levels:
        contests[level], fastest[level] = contest(race, searches, level, rounds)
    note(times_table(race, searches, contests, fastest))
    absent = sorted({m.needs for m in race.methods if m.needs and NEEDED[m.needs] is None})
    if absent:
        note(f"not installed: {', '.join(absent)}")
    record = {
        "problem": race.title,
        "searches": {s.method.name: _record(s, fastest) for s in searches},
        "contests": [harness.contest_record(c) for c in contests.values() if c.timings],
        "not_installed": absent,
    }
    return record, [goal for w in race.wanted for goal in goals_of(race, w, searches, contests[w.level])]


def _record(s: Search, fastest: dict[float, dict[str, Found]]) -> dict[str, Any]:
    found = {level: runs[s.method.name] for level, runs in fastest.items() if s.method.name in runs}
    runs = {f"{level:g}": {"cells": f.cells, "steps": f.effort, "error": f.error} for level, f in found.items()}
    return {
        "kind": s.method.kind.value,
        "reached": runs,
        "least_error": s.least_error,
        "first_call_seconds": s.first_call,
        "failure": s.failure,
        "stopped_at_seconds": s.stopped,
    }
