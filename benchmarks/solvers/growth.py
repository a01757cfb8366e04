"""How the time of a call grows with cells and with the time that is simulated, fitted on the shortest of many calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import harness
import numpy as np
from harness import Contestant

from solvers.race import Call, clock


@dataclass(frozen=True)
class Growing:
    """A job of ours at any size: ``prepare(cells, t_end)`` is the call; cells are counted along one axis."""

    title: str
    prepare: Callable[[int, float], Call]
    cells: tuple[int, ...]
    times: tuple[float, ...]
    axes: int = 1

    def shortened(self) -> Growing:
        """The smallest sizes alone."""
        return Growing(self.title, self.prepare, self.cells[:2], self.times[:2], self.axes)


@dataclass(frozen=True)
class Growth:
    """Seconds by size, and the exponents of their growth: with the number of all cells, and with time."""

    title: str
    cells: tuple[int, ...]
    seconds_by_cells: tuple[float, ...]
    times: tuple[float, ...]
    seconds_by_time: tuple[float, ...]
    exponent_in_cells: float
    exponent_in_time: float | None
    ns_per_cell: float
    us_fixed: float


def exponent(sizes: tuple[float, ...], seconds: tuple[float, ...]) -> float:
    """Return the exponent a of seconds ~ sizes^a, by least squares on logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def measured(job: Growing, rounds: int) -> Growth:
    """Return how one job grows: each size in its turn in every round, the shortest counts."""

    def shortest(calls: list[Call]) -> tuple[float, ...]:
        for call in calls:
            call()
        timings = harness.measure([Contestant("", call) for call in calls], rounds=rounds, clock=clock)
        return tuple(min(t.seconds) for t in timings)

    totals = tuple(float(n) ** job.axes for n in job.cells)
    by_cells = shortest([job.prepare(n, job.times[0]) for n in job.cells])
    by_time = shortest([job.prepare(job.cells[-1], t) for t in job.times]) if len(job.times) > 1 else ()
    slope, fixed = np.polyfit(totals, by_cells, 1)
    return Growth(
        job.title,
        job.cells,
        by_cells,
        job.times,
        by_time,
        exponent_in_cells=exponent(totals, by_cells),
        exponent_in_time=exponent(job.times, by_time) if by_time else None,
        ns_per_cell=float(slope * 1e9),
        us_fixed=float(fixed * 1e6),
    )


def sentence(g: Growth) -> str:
    """Return the fit in words."""
    ends = f"{g.cells[0]} to {g.cells[-1]} cells along an axis: {1e3 * g.seconds_by_cells[0]:.3g} to "
    ends += f"{1e3 * g.seconds_by_cells[-1]:.3g} ms, as (cells)^{g.exponent_in_cells:.2f}"
    fit = f"{g.us_fixed:.0f} us and {g.ns_per_cell:.0f} ns a cell"
    in_time = "" if g.exponent_in_time is None else f"; as t^{g.exponent_in_time:.2f}"
    return f"{g.title}: {ends} ({fit}){in_time}"


def record(g: Growth) -> dict[str, Any]:
    """Return a fit as JSON takes it."""
    return asdict(g)
