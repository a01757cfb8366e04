"""``fpsde converge --all``: every scheme of the library against the orders that it documents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from fpsde.checks import SESSION_ALPHA, Verdict
from fpsde.commands.options import screen
from fpsde.commands.orders_table import HEADING, STUDIES, by_scheme, by_study, markdown, on_screen
from fpsde.convergence.documented import Kind, MeasuredOrder, documented, measured_orders
from fpsde.provenance import environment
from fpsde.writing import made_folder, put_bytes, put_json, refuse_unwritable


def converge_all(schemes: Sequence[str], *, seed: int, json: str | None, out: Path | None) -> int:
    """Measure every study of the schemes, or of all; show and write the tables, and return the exit code.

    0 where all hold, 1 where one fails, 2 where one is underpowered or could not be judged. What was measured before
    Ctrl-C is shown and written; KeyboardInterrupt is then raised again.
    """
    studies = documented(schemes or None)
    folder = None if out is None else made_folder(out)
    refuse_unwritable([json, *([] if folder is None else [folder / "orders.json", folder / "orders.md"])])
    rows: list[MeasuredOrder] = []
    stopped = False
    try:
        for row in measured_orders(studies, seed=seed, watched=_watched):
            rows.append(row)
    except KeyboardInterrupt:
        stopped = True
    record = {
        "holds": not stopped and all(row.verdict is Verdict.PASS for row in rows),
        "complete": not stopped,
        "studies": [row.as_dict() for row in rows],
        "provenance": {"seed": seed, "alpha": SESSION_ALPHA, **environment()},
    }
    if json:
        put_json(record, json)
    if folder is not None:
        put_json(record, folder / "orders.json")
        text = f"{_summary(rows, seed)}\n\n{markdown(HEADING, by_scheme(rows))}\n{markdown(STUDIES, by_study(rows))}"
        put_bytes(folder / "orders.md", text.encode())
    if json != "-":
        _show(rows, seed)
    if stopped:
        raise KeyboardInterrupt(f"{len(rows)} of {len(studies)} studies were measured")
    verdicts = {row.verdict for row in rows}
    return 1 if Verdict.FAIL in verdicts else 0 if verdicts == {Verdict.PASS} else 2


def _watched(work: Iterable[Any]) -> Iterable[Any]:
    return track(list(work), "measuring", console=Console(stderr=True), transient=True)


def _show(rows: Sequence[MeasuredOrder], seed: int) -> None:
    out = screen()
    out.print(on_screen(rows))
    for row in rows:
        if row.verdict is not Verdict.PASS:
            out.print(f"{row.study}: {row.verdict.value}: {row.detail}", soft_wrap=True, highlight=False, markup=False)
    out.print(_summary(rows, seed), highlight=False, soft_wrap=True)


def _summary(rows: Sequence[MeasuredOrder], seed: int) -> str:
    counts = {verdict: sum(row.verdict is verdict for row in rows) for verdict in Verdict}
    open_ones = ", ".join(f"{n} {verdict.value}" for verdict, n in counts.items() if n and verdict is not Verdict.PASS)
    schemes, sampled = {row.study.scheme for row in rows}, sum(row.study.kind is Kind.STRONG for row in rows)
    levels = f" P(false alarm) <= {SESSION_ALPHA:g} for the {sampled} that sample, seed {seed}." if sampled else ""
    said = open_ones or ("all hold" if rows else "none was measured")
    return f"{len(schemes)} schemes, {len(rows)} studies: {said}.{levels}"
