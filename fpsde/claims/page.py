"""The claims that were run as a page: Markdown with pictures beside it, and one self-contained page of HTML."""

from __future__ import annotations

import base64
import html
import inspect
import io
import json
import re
import textwrap
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.mathtext import math_to_image

from fpsde.checks import CheckResult
from fpsde.claims.experiment import Checks, Claim, Ruling
from fpsde.claims.running import Outcome
from fpsde.errors import BackendUnavailable
from fpsde.plotting import save, style
from fpsde.provenance import environment
from fpsde.report import number
from fpsde.writing import made_folder, put_bytes, put_json

#: The files of a page in its folder; pictures are beside them, A1.png ...
MARKDOWN, PAGE, RECORD = "claims.md", "claims.html", "claims.json"
#: Size of formulas, in points: that of the text of the page, 16 pixels.
TEXT = 12
_HTML = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>fpsde: the claims of the notes</title>
<style>body{{font:16px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}}
table{{border-collapse:collapse;font-size:13px}} td,th{{border:1px solid #bbb;padding:.25em .5em;text-align:left}}
pre{{background:#f6f6f6;padding:1em;overflow:auto;font-size:12px}} img.figure{{max-width:100%}}
.fails{{color:#b00}} .underpowered,.in-doubt{{color:#a60}} .verdict{{font-weight:bold}}</style></head>
<body><h1>The claims of the notes</h1><p>{summary}</p><table>{index}</table>{body}
<h2>Provenance</h2><pre>{provenance}</pre></body></html>
"""
_COLUMNS = ("looked at", "verdict", "statistic", "threshold", "resolution", "n", "what was seen")
_KINDS = ("as written", "outside of the condition", "corrected", "must fail")


def summary(outcomes: Sequence[Outcome]) -> str:
    """Return how many of the claims hold, hold under a condition, fail, and are not decided."""
    counts = {ruling: sum(one.ruling is ruling for one in outcomes) for ruling in Ruling}
    told = ", ".join(f"{n} {ruling.value}" for ruling, n in counts.items() if n)
    return f"{len(outcomes)} claim{'' if len(outcomes) == 1 else 's'}: {told}."


def write_pages(outcomes: Sequence[Outcome], folder: Path) -> None:
    """Write the page in both forms, the pictures and the record into ``folder``, made if it is not there."""
    made_folder(folder)
    pictures = {one.claim.id: _picture(one, folder) for one in outcomes}
    put_json([one.as_dict() for one in outcomes], folder / RECORD)
    put_bytes(folder / MARKDOWN, markdown(outcomes).encode())
    put_bytes(folder / PAGE, page(outcomes, pictures).encode())


def figure(outcome: Outcome) -> Figure:
    """Return the figure of an experiment."""
    with style():
        drawing = Figure(figsize=(6.4, 3.8))
        ax = drawing.subplots()
        outcome.evidence.draw(ax)
        ax.set_title(f"{outcome.claim.id}: {outcome.words}", fontsize=10)
        if ax.get_legend_handles_labels()[0]:
            drawing.legend(loc="outside lower center", ncols=2, fontsize=8)  # beside the curves, never on them
    return drawing


def _picture(outcome: Outcome, folder: Path) -> bytes:
    path = folder / f"{outcome.claim.id}.png"
    try:
        with style():
            return save(figure(outcome), path).read_bytes()
    except OSError as error:
        raise BackendUnavailable(f"{path} cannot be written ({error}); name another --out") from error


def code_of(claim: Claim) -> str:
    """Return the text of the experiment, without the statement above it."""
    text = textwrap.dedent(inspect.getsource(claim.experiment))
    return text[re.search(r"^def ", text, re.M).start() :]  # type: ignore[union-attr]  # it is a function


def _groups(outcome: Outcome) -> list[tuple[str, Checks]]:
    e = outcome.evidence
    groups = zip(_KINDS, (e.written, e.outside, e.corrected, e.rivals), strict=True)
    return [(kind, results) for kind, results in groups if results]


def _cells(name: str, result: CheckResult) -> list[str]:
    numbers = [number(v) for v in (result.statistic, result.threshold, result.resolution)]
    return [name, result.verdict.value, *numbers, "" if result.n is None else f"{result.n:,}", result.detail]


def _parameters(outcome: Outcome) -> str:
    return ", ".join(f"{name} = {value:g}" for name, value in outcome.parameters.items())


# --- Markdown


def markdown(outcomes: Sequence[Outcome]) -> str:
    """Return the page as Markdown; its pictures are A1.png ... beside it."""
    rows = [f"| [{o.claim.id}](#{o.claim.id.lower()}) | {o.claim.title} | {o.words} |" for o in outcomes]
    index = "\n".join(["| | claim | verdict |", "|---|---|---|", *rows])
    return "\n\n".join(["# The claims of the notes", summary(outcomes), index, *map(_section, outcomes)]) + "\n"


def _section(o: Outcome) -> str:
    parts = [f"## {o.claim.id}", f"**{o.claim.title}**", _formulas(o.claim.statement), f"Verdict: **{o.words}**."]
    if o.claim.correction:
        parts += ["Corrected:", _formulas(o.claim.correction)]
    parts += [f"{k + 1}. {line}" for k, line in enumerate(o.claim.derivation)]
    parts.append(f"![{o.claim.id}]({o.claim.id}.png)")
    for kind, results in _groups(o):
        head = f"| {kind} | " + " | ".join(_COLUMNS[1:]) + " |\n|" + "---|" * len(_COLUMNS)
        parts.append("\n".join([head, *("| " + " | ".join(_cells(*row)) + " |" for row in results.items())]))
    parts.append(f"Parameters: {_parameters(o)}; seed {o.seed}; {o.seconds:.2g} s.")
    return "\n\n".join([*parts, f"```python\n{code_of(o.claim)}```"])


def _formulas(text: str) -> str:
    return "\n\n".join(f"$${line}$$" for line in text.splitlines())


# --- HTML


def page(outcomes: Sequence[Outcome], pictures: dict[str, bytes]) -> str:
    """Return the page as HTML that needs nothing else; ``pictures`` are PNG by id."""
    rows = "".join(
        f'<tr><td><a href="#{o.claim.id}">{o.claim.id}</a><td>{html.escape(o.claim.title)}<td>{_verdict(o)}'
        for o in outcomes
    )
    return _HTML.format(
        summary=html.escape(summary(outcomes)),
        index="<tr><th><th>claim<th>verdict" + rows,
        body="".join(_html_section(o, pictures[o.claim.id]) for o in outcomes),
        provenance=html.escape(json.dumps(environment(), indent=1)),
    )


def _verdict(o: Outcome) -> str:
    return f'<span class="verdict {o.ruling.value.replace(" ", "-")}">{html.escape(o.words)}</span>'


def _html_section(o: Outcome, picture: bytes) -> str:
    parts = [f'<h2 id="{o.claim.id}">{o.claim.id}: {html.escape(o.claim.title)}</h2>', _shown(o.claim.statement)]
    parts.append(f"<p>Verdict: {_verdict(o)}.</p>")
    if o.claim.correction:
        parts.append(f"<p>Corrected:</p>{_shown(o.claim.correction)}")
    parts.append("<ol>" + "".join(f"<li>{_sentence(line)}" for line in o.claim.derivation) + "</ol>")
    parts.append(f'<img class="figure" alt="{o.claim.id}" src="{_data("png", picture)}">')
    for kind, results in _groups(o):
        head = "".join(f"<th>{name}" for name in (kind, *_COLUMNS[1:]))
        rows = ("".join(f"<td>{html.escape(cell)}" for cell in _cells(*row)) for row in results.items())
        parts.append(f"<table><tr>{head}" + "".join(f"<tr>{row}" for row in rows) + "</table>")
    parts.append(f"<p>Parameters: {html.escape(_parameters(o))}; seed {o.seed}; {o.seconds:.2g} s.</p>")
    return "".join([*parts, f"<pre>{html.escape(code_of(o.claim))}</pre>"])


def _shown(text: str) -> str:
    return "".join(f"<p>{_formula(line)}</p>" for line in text.splitlines())


def _sentence(text: str) -> str:
    """Return a sentence with its $formulas$ as pictures."""
    parts = text.split("$")
    return "".join(_formula(part) if k % 2 else html.escape(part) for k, part in enumerate(parts))


def _formula(latex: str) -> str:
    """Return a formula as a picture in the text, with its LaTeX as what is read where pictures are not."""
    drawn = io.BytesIO()
    depth = math_to_image(f"${latex}$", drawn, format="svg", dpi=72, prop=FontProperties(size=TEXT))
    place = f'style="vertical-align:-{depth:.1f}pt"'
    return f'<img {place} alt="{html.escape(latex)}" src="{_data("svg+xml", drawn.getvalue())}">'


def _data(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
