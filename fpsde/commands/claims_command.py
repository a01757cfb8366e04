"""``fpsde claims``: the claims of the notes as experiments."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from fpsde.claims import CLAIMS, SEED, Claim, Outcome, Ruling, claims_named, run
from fpsde.claims.page import MARKDOWN, PAGE, RECORD, summary, write_pages
from fpsde.commands.options import add_json, screen, settings_of
from fpsde.errors import InvalidInput
from fpsde.progress import progress_bar
from fpsde.report import number
from fpsde.writing import made_folder, put_json, refuse_unwritable

_COLOURS = {Ruling.HOLDS: "green", Ruling.HOLDS_IF: "green", Ruling.FAILS: "bold red"}


def add(commands: Any) -> None:
    """Add the command to the command line."""
    claims = commands.add_parser(
        "claims",
        help="run the claims of the notes as experiments",
        description="Without names the claims are listed. Exit code 2 where one is not decided.",
    )
    claims.add_argument("ids", nargs="*", metavar="ID", help="claims to run, such as A7 B18")
    claims.add_argument("--all", action="store_true", help="run all of them")
    claims.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="set a parameter of the claims; repeatable"
    )
    claims.add_argument("--seed", type=int, default=SEED, help="seed of the session (default: %(default)s)")
    add_json(claims)
    claims.add_argument(
        "--out", type=Path, metavar="DIR", help=f"write {MARKDOWN}, {PAGE}, {RECORD} and the figures here"
    )
    claims.set_defaults(run=_claims)


def _claims(options: argparse.Namespace) -> int:
    if options.all and options.ids:
        raise InvalidInput(f"--all together with {' '.join(options.ids)}; give one of the two")
    if not options.all and not options.ids:
        return _listed(options)
    chosen = list(CLAIMS.values()) if options.all else claims_named(options.ids)
    folder = made_folder(options.out) if options.out else None
    refuse_unwritable([options.json, *([folder / name for name in (MARKDOWN, PAGE, RECORD)] if folder else [])])
    outcomes = run(chosen, settings=settings_of(options.set), seed=options.seed, watched=_watched)
    if options.json != "-":
        screen().print(table(outcomes))
        screen().print(summary(outcomes), highlight=False)
    if options.json:
        put_json([one.as_dict() for one in outcomes], options.json)
    if folder:
        write_pages(outcomes, folder)
    undecided = any(one.ruling in (Ruling.UNDERPOWERED, Ruling.IN_DOUBT) for one in outcomes)
    return 2 if undecided else 0


def _listed(options: argparse.Namespace) -> int:
    if options.out or options.set:
        raise InvalidInput("there are no claims to run; name some, such as A7 B18, or give --all")
    rows = [{"id": one.id, "title": one.title, "parameters": dict(one.parameters)} for one in CLAIMS.values()]
    if options.json:
        put_json(rows, options.json)
    if options.json != "-":
        for one in CLAIMS.values():
            print(f"{one.id:4s} {one.title}")
    return 0


def _watched(claims: Iterable[Claim]) -> Iterator[Claim]:
    """Yield the claims under a bar."""
    these = list(claims)
    with progress_bar("claims", total=len(these), shown=True) as at:
        for k, one in enumerate(these):
            at(k, f"{one.id}: {one.title[:50]}")
            yield one
        at(len(these))


def table(outcomes: Sequence[Outcome]) -> Table:
    """Return the ledger: one row for each claim, with the numbers of the check of it as written that decided."""
    out = Table(title="The claims of the notes", title_justify="left")
    for column in ("", "claim", "verdict"):
        out.add_column(column)
    for column in ("discrepancy", "allowed", "resolution", "s"):
        out.add_column(column, justify="right")
    for one in outcomes:
        result, colour = one.deciding, _COLOURS.get(one.ruling, "yellow")
        numbers = (number(v) for v in (result.statistic, result.threshold, result.resolution, one.seconds))
        out.add_row(one.claim.id, one.claim.title, f"[{colour}]{one.words}[/]", *numbers)
    return out
