"""Planted defects against the audits: which level finds each, what it says is off, and in how many seconds.

Prints the matrix and its score, and writes planted_bugs.json and planted_bugs.png. Right codes that look unusual are in
it too, and must pass. Exit code 1 where a defect is missed or right code is flagged.

    python benchmarks/planted_bugs.py [--out out] [--family sampler]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from planted import integrators, langevin, losses, reported, samplers, schedules, solvers, unusual
from planted.record import Planted

from fpsde.audit import LEVELS
from fpsde.checks import Verdict
from fpsde.writing import made_folder, put_json

PLANTED: list[Planted] = [
    *integrators.DEFECTS,
    *reported.REPORTED,
    *integrators.RNG,
    *integrators.GRADED,
    *langevin.DEFECTS,
    *solvers.DEFECTS,
    *schedules.SCHEDULES,
    *schedules.NOISINGS,
    *samplers.SAMPLERS,
    *losses.LOSSES,
    *unusual.RIGHT,
]


@dataclass(frozen=True)
class Row:
    """What the audit of one planted code found."""

    planted: Planted
    verdict: Verdict
    level: str | None
    quantity: str | None
    detail: str
    seconds: float

    @property
    def as_it_should(self) -> bool:
        """Whether a defect was found, or right code passed."""
        return self.verdict is (Verdict.PASS if self.planted.right else Verdict.FAIL)

    def as_dict(self) -> dict:
        """Return the record as JSON can hold it."""
        return {
            "family": self.planted.family, "name": self.planted.name, "source": self.planted.source,
            "right": self.planted.right, "verdict": self.verdict.value, "level": self.level,
            "quantity": self.quantity, "detail": self.detail, "seconds": round(self.seconds, 3),
        }  # fmt: skip


def row_of(planted: Planted) -> Row:
    """Return what the audit of a planted code finds; the time counts what the claim costs where it is the first."""
    start = time.perf_counter()
    found = planted.audited()
    seconds = time.perf_counter() - start
    deciding = found.deciding
    quantity = None if found.quantity is None else found.quantity.value
    return Row(planted, found.verdict, found.level, quantity, "" if deciding is None else deciding.detail, seconds)


def score(rows: Sequence[Row]) -> str:
    """Return the score in a sentence."""
    defects, right = ([row for row in rows if row.planted.right is kind] for kind in (False, True))
    found, passed = (sum(row.as_it_should for row in group) for group in (defects, right))
    return f"{found} of {len(defects)} defects found, {passed} of {len(right)} right codes pass"


def figure_of(rows: Sequence[Row]) -> Figure:
    """Return the matrix as a picture: a row for each code, a column for each level, a mark where the audit ended."""
    figure = Figure(figsize=(9, 1.5 + 0.16 * len(rows)), layout="constrained")
    axes = figure.subplots()
    columns = (*LEVELS, "passes")
    for y, row in enumerate(rows):
        x = columns.index(row.level) if row.level else len(LEVELS)
        axes.plot(x, y, "s", color="C2" if row.as_it_should else "C3", markersize=5)
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), [f"{r.planted.family}: {r.planted.name}" for r in rows], fontsize=6)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(alpha=0.3)
    axes.xaxis.tick_top()
    axes.set_title(f"{score(rows)} (green: as it should be)", fontsize=9)
    return figure


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the matrix."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--out", type=Path, default=Path("out"), metavar="DIR", help="folder of the JSON and the figure"
    )
    families = sorted({one.family for one in PLANTED})
    parser.add_argument("--family", choices=families, help="one family alone")
    options = parser.parse_args(arguments)
    folder = made_folder(options.out)
    rows = []
    for planted in PLANTED:
        if options.family in (None, planted.family):
            rows.append(row_of(planted))
            print(_line(rows[-1]), flush=True)
    defects = [row.seconds for row in rows if not row.planted.right]
    print(score(rows) + (f"; median time to find one {np.median(defects):.2f} s" if defects else ""))
    put_json({"score": score(rows), "rows": [row.as_dict() for row in rows]}, folder / "planted_bugs.json")
    figure_of(rows).savefig(folder / "planted_bugs.png", dpi=110)
    return 0 if all(row.as_it_should for row in rows) else 1


def _line(row: Row) -> str:
    mark = " " if row.as_it_should else "!"
    where = f"{row.level}: {row.quantity}" if row.level else "passes"
    return f"{mark} {row.planted.family:15s}{row.planted.name:46s}{where:40s}{row.seconds:6.2f} s  {row.planted.source}"


if __name__ == "__main__":
    sys.exit(main())
