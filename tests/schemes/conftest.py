"""The tables of measured orders and stationary biases: collected by the tests, shown at the end of a run, written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

#: What the tests of this run have measured: heading -> rows.
TABLES: pytest.StashKey[dict[tuple[str, ...], list[tuple[str, ...]]]] = pytest.StashKey()
#: Whether one of the slow tests was among them: only the full tables are worth the lines.
FULL: pytest.StashKey[bool] = pytest.StashKey()


@pytest.fixture
def table(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Return ``enter(heading, row)``: keep a row for the table under a heading of column names."""
    stash = request.config.stash
    tables = stash.setdefault(TABLES, {})

    def enter(heading: tuple[str, ...], row: tuple[str, ...]) -> None:
        tables.setdefault(heading, []).append(row)
        stash[FULL] = stash.get(FULL, False) or request.node.get_closest_marker("slow") is not None

    return enter


def as_markdown(heading: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    """Return a table in Markdown whose columns also stand in line as plain text."""
    lines = [heading, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(heading))]
    text = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |" for line in lines]
    return [text[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *text[1:]]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if not config.stash.get(FULL, False):
        return
    text = []
    for heading, rows in config.stash[TABLES].items():
        text += [*as_markdown(heading, rows), ""]
    terminalreporter.write_sep("=", "measured orders and stationary biases (what ran)")
    terminalreporter.write_line("\n".join(text))
    out = Path(config.rootpath, "out", "orders.md")
    out.parent.mkdir(exist_ok=True)
    out.write_text("\n".join(text))
    terminalreporter.write_line(f"written to {out.relative_to(config.rootpath)}")
