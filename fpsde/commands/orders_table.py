"""Measured orders as tables: a line for each scheme, and a line for each study."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.table import Table

from fpsde.checks import Verdict
from fpsde.convergence.documented import Kind, MeasuredOrder, stated
from fpsde.noise_class import NoiseType

#: Of the lines of schemes; the span is that of all intervals.
HEADING = ("scheme", "strong order", "weak order", "order of the stationary bias")
#: Of the lines of studies.
STUDIES = ("scheme", "order", "problem", "noise", "expected", "measured", "from", "to", "finest error", "verdict")


def by_scheme(rows: Iterable[MeasuredOrder]) -> list[tuple[str, ...]]:
    """Return (scheme, strong, weak, stationary bias) for each scheme: what it claims, and the span of all intervals."""
    grouped: dict[str, list[MeasuredOrder]] = {}
    for row in rows:
        grouped.setdefault(row.study.scheme, []).append(row)
    return [
        (name, *(_cell([row for row in members if row.study.kind is kind]) for kind in Kind))
        for name, members in grouped.items()
    ]


def _cell(rows: Sequence[MeasuredOrder]) -> str:
    """Return claims with the spans of their intervals, by class of noise where claims differ.

    Orders above the claim, where what limits the order drops out, are in the lines of studies alone.
    """
    claims: dict[float, list[MeasuredOrder]] = {}
    for row in rows:
        if row.study.expected == row.study.claimed:
            claims.setdefault(row.study.claimed, []).append(row)
    parts = []
    for claimed, members in claims.items():
        present = {row.study.noise for row in members}
        noise = ", ".join(kind.value for kind in NoiseType if kind in present) + ": " if len(claims) > 1 else ""
        parts.append(f"{noise}{_order(claimed)}{_span(members)}")
    return "; ".join(parts) or "none"


def _span(rows: Sequence[MeasuredOrder]) -> str:
    spans = [(row.low, row.high) for row in rows if row.low is not None and row.high is not None]
    if len(spans) < len(rows):
        return "" if all(row.verdict is Verdict.PASS for row in rows) else " (no order)"
    return f" ({min(low for low, _ in spans):.2f} to {max(high for _, high in spans):.2f})"


def by_study(rows: Iterable[MeasuredOrder]) -> list[tuple[str, ...]]:
    """Return the cells of STUDIES for each row."""
    return [
        (
            row.study.scheme,
            row.study.kind.value,
            row.study.problem,
            row.study.noise.value,
            _order(row.study.expected),
            *("" if v is None else f"{v:.3f}" for v in (row.order, row.low, row.high)),
            f"{abs(row.errors[-1]):.1e}" if len(row.errors) else "",
            row.verdict.value,
        )
        for row in rows
    ]


def _order(order: float) -> str:
    value = stated(order)
    return value if isinstance(value, str) else f"{value:g}"


def on_screen(rows: Sequence[MeasuredOrder]) -> Table:
    """Return the lines of schemes, with whether all their studies hold."""
    table = Table(title="Documented orders, and the spans of the measured intervals", title_justify="left")
    for column in (*HEADING, "holds"):
        table.add_column(column)
    for line in by_scheme(rows):
        held = all(row.verdict is Verdict.PASS for row in rows if row.study.scheme == line[0])
        table.add_row(*line, "[green]yes[/]" if held else "[bold red]no[/]")
    return table


def markdown(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown whose columns also stand in line as plain text."""
    lines = [heading, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(heading))]
    text = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |" for line in lines]
    return "\n".join([text[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *text[1:]]) + "\n"
