"""The checks of a session of pytest as data, and as one plain self-contained page."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fpsde.provenance import environment
from fpsde.writing import put_json, put_whole

_COLUMNS = ("test", "check", "verdict", "statistic", "threshold", "tolerance", "resolution", "alpha", "p_value", "n")
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>fpsde: checks</title>
<style>body{{font:15px/1.45 sans-serif;max-width:90em;margin:2em auto;padding:0 1em}}
table{{border-collapse:collapse;font-size:13px}} td,th{{border:1px solid #bbb;padding:.25em .5em;text-align:left}}
.fail,.underpowered{{color:#b00;font-weight:bold}}</style></head>
<body><h1>Checks</h1><p>{summary}</p><table>{rows}</table>
<p>A check fails where its statistic exceeds its threshold, which forgives the known tolerance and the sampling error at
level alpha; an error as large as the resolution would have been seen.</p>
<h2>Provenance</h2><pre>{provenance}</pre></body></html>
"""


def write(file: Path, rows: Sequence[dict[str, Any]], *, summary: str, seed: int) -> None:
    """Write the checks of a session to a file ``.json`` or ``.html``; BackendUnavailable if it cannot be written."""
    record = {"summary": summary, "seed": seed, "checks": list(rows), "provenance": environment()}
    if file.suffix == ".json":
        put_json(record, file)
    else:
        put_whole(file, _page(record).encode())


def _page(record: dict[str, Any]) -> str:
    head = "<tr>" + "".join(f"<th>{name}" for name in (*_COLUMNS, "what was seen"))
    return _PAGE.format(
        summary=html.escape(record["summary"]),
        rows=head + "".join(map(_row, record["checks"])),
        provenance=html.escape(json.dumps(record["provenance"], indent=1)),
    )


def _row(check: dict[str, Any]) -> str:
    cells = [_cell(check[name]) for name in _COLUMNS] + [check["detail"]]
    return f'<tr class="{check["verdict"].replace(" ", "-")}">' + "".join(f"<td>{html.escape(c)}" for c in cells)


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
