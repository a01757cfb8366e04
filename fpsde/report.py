"""A report as a table on the terminal, as JSON, and as one plain self-contained page."""

from __future__ import annotations

import base64
import html
import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from fpsde.chain import Chain, Report
from fpsde.checks import CheckResult, Verdict
from fpsde.errors import BackendUnavailable
from fpsde.plotting import chain_figure, save
from fpsde.question import Question
from fpsde.writing import made_folder, put_bytes, put_json

_COLOURS = {Verdict.PASS: "green", Verdict.FAIL: "bold red", Verdict.UNDERPOWERED: "yellow"}
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>fpsde: the chain of laws</title>
<style>body{{font:15px/1.45 sans-serif;max-width:70em;margin:2em auto;padding:0 1em}}
table{{border-collapse:collapse;font-size:13px}} td,th{{border:1px solid #bbb;padding:.25em .5em;text-align:left}}
.fail{{color:#b00;font-weight:bold}} img{{max-width:100%}}</style></head>
<body><h1>The chain of laws</h1><p>{summary}</p>{body}<h2>Provenance</h2><pre>{provenance}</pre></body></html>
"""


def number(value: float | None) -> str:
    """Return a number for a table cell."""
    return "" if value is None else f"{value:.3g}"


def summary(report: Report) -> str:
    """Return the verdict of the whole session in a sentence."""
    checks = [row for chain in report.chains for _, row in chain.rows]
    judged = sum(row.verdict in (Verdict.PASS, Verdict.FAIL, Verdict.UNDERPOWERED) for row in checks)
    outcome = "all hold" if report.holds else ", ".join(_tally(report))
    budget = f"P(false alarm) <= {report.alpha:g} for the session, seed {report.seed}"
    chains = f"{len(report.chains)} chain{'' if len(report.chains) == 1 else 's'}"
    return f"{chains}, {judged} checks: {outcome}. {budget}."


def _tally(report: Report) -> list[str]:
    """Return how many chains fail, and how many could not be decided."""
    failing = sum(any(row.verdict is Verdict.FAIL for _, row in chain.rows) for chain in report.chains)
    open_ones = sum(not chain.holds for chain in report.chains) - failing
    counts = ((failing, "failing"), (open_ones, "not decided (underpowered or not judged)"))
    return [f"{n} of the chains {what}" for n, what in counts if n]


def table(report: Report) -> Table:
    """Return the terminal table: one row for each check."""
    out = Table(title="The chain of laws", title_justify="left")
    for column in ("process", "scheme", "edge", "check", "verdict"):
        out.add_column(column)
    for column in ("statistic", "threshold", "resolution", "n"):
        out.add_column(column, justify="right")
    for chain in report.chains:
        for i, (edge, row) in enumerate(chain.rows):
            names = (chain.question.process.name, chain.question.scheme.name) if i == 0 else ("", "")
            colour = _COLOURS.get(row.verdict, "dim")
            cells = (
                number(row.statistic),
                number(row.threshold),
                number(row.resolution),
                "" if row.n is None else f"{row.n:,}",
            )
            out.add_row(*names, str(edge), row.check, f"[{colour}]{row.verdict.value}[/]", *cells)
        out.add_section()
    return out


def show(report: Report, *, console: Console | None = None) -> None:
    """Print the table, the blame of each chain that does not hold, and the summary."""
    screen = console or Console()
    screen.print(table(report))
    for chain in report.chains:
        if not chain.holds:
            screen.print(
                f"[bold]{chain.question.process.name}, {chain.question.scheme.name}[/]: {chain.blame}", highlight=False
            )
    screen.print(summary(report), highlight=False)


def write_folder(report: Report, folder: Path) -> None:
    """Write report.json, report.html and one figure for each chain into a folder, made if it is not there."""
    made_folder(folder)
    put_json(report.as_dict(), folder / "report.json")
    pictures = [_picture(chain, folder) for chain in report.chains]
    body = "".join(_section(chain, picture) for chain, picture in zip(report.chains, pictures, strict=True))
    provenance = json.dumps(report.as_dict()["provenance"], indent=1)
    page = _PAGE.format(summary=html.escape(summary(report)), body=body, provenance=html.escape(provenance))
    put_bytes(folder / "report.html", page.encode())


def _picture(chain: Chain, folder: Path) -> Path:
    q = chain.question
    path = folder / f"{q.process.name}-{q.scheme.name}.png"
    try:
        return save(chain_figure(chain), path)
    except OSError as error:
        raise BackendUnavailable(
            f"{path} cannot be written ({error}); free some space or give another folder with --out"
        ) from error


def _section(chain: Chain, picture: Path) -> str:
    q = chain.question
    rows = "".join(_row(edge, row) for edge, row in chain.rows)
    image = base64.b64encode(picture.read_bytes()).decode()
    columns = ("edge", "check", "verdict", "statistic", "threshold", "tolerance", "resolution", "n", "what was seen")
    head = "<tr>" + "".join(f"<th>{column}" for column in columns) + "</tr>"
    return (
        f"<h2>{html.escape(q.process.name)}, {html.escape(q.scheme.name)}</h2>"
        f"<p>{html.escape(_stated(q))}. {html.escape(chain.blame)}.</p>"
        f'<img alt="densities and differences" src="data:image/png;base64,{image}"><table>{head}{rows}</table>'
    )


def _stated(q: Question) -> str:
    """Return what was asked: equation, parameters, start and step."""
    values = [f"{name} = {value}" for name, value in q.process.params.items()]
    values += [f"{name}: table of {len(v)} steps" for name, v in q.process.tables.items()]
    return "; ".join(
        [q.process.equation or q.process.name, *values, f"x0 = {q.x0}", f"dt = {q.dt:g}", f"t = {q.t_end:g}"]
    )


def _row(edge: int, row: CheckResult) -> str:
    cells: list[Any] = [
        edge,
        row.check,
        row.verdict.value,
        number(row.statistic),
        number(row.threshold),
        number(row.tolerance),
        number(row.resolution),
    ]
    cells += ["" if row.n is None else f"{row.n:,}", row.detail]
    mark = ' class="fail"' if row.verdict is Verdict.FAIL else ""
    return f"<tr{mark}>" + "".join(f"<td>{html.escape(str(cell))}" for cell in cells) + "</tr>"
