"""``fpsde audit``: somebody else's code against what it claims to be."""

from __future__ import annotations

import argparse
import functools
import os
import pkgutil
import sys
from collections.abc import Callable
from typing import Any

from rich.table import Table

from fpsde import audit
from fpsde.audit import Audit, Claim
from fpsde.chain import SEED
from fpsde.checks import SESSION_ALPHA, Verdict
from fpsde.commands.options import (
    OVERDAMPED,
    add_dynamics,
    add_json,
    add_run,
    add_scheme,
    add_set,
    process_of,
    scheme_of,
    screen,
    settings_of,
)
from fpsde.errors import FpsdeError, InvalidInput, unknown_name
from fpsde.user_code import raised_at, refuse_other_arguments
from fpsde.writing import put_json, refuse_unwritable

#: Doors by the names that the command line gives them.
DOORS: dict[str, Callable[..., Audit]] = {"step": audit.step, "drawn-step": audit.drawn_step, "run": audit.run}
ARRAY = "array"


def add(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser("audit", help="judge somebody else's code level by level: module:object")
    parser.add_argument(
        "object",
        metavar="MODULE:OBJECT",
        help="the code; or an fpsde.audit result, or a function without arguments that returns one",
    )
    parser.add_argument(
        "--door",
        default="step",
        metavar="|".join([*DOORS, ARRAY]),
        help="step(x, i, z), drawn-step(x, i, rng), run(n, seed), or an array of values at the end (default: step)",
    )
    parser.add_argument("--process", metavar="PROCESS", help="the process that it claims to simulate")
    add_dynamics(parser)
    add_set(parser)
    add_scheme(parser)
    add_run(parser)
    parser.add_argument("--particles", type=float, help="particles that are followed")
    parser.add_argument("--seed", type=int, default=SEED, help="seed of the audit's noise (default: %(default)s)")
    parser.add_argument(
        "--alpha", type=float, default=SESSION_ALPHA, help="false-alarm probability (default: %(default)s)"
    )
    add_json(parser)
    parser.set_defaults(run=_audit)


def _audit(options: argparse.Namespace) -> int:
    refuse_unwritable([options.json])
    found = _found(_guarded(_resolved(options.object), options.object), options)
    if options.json != "-":
        screen().print(_table(found))
        screen().print(str(found).split("\n")[0], highlight=False)
    if options.json:
        put_json(found.as_dict(), options.json)
    return found.exit_code


def _resolved(name: str) -> Any:
    """Return the object of MODULE:OBJECT, sought in the current folder first."""
    if ":" not in name:
        raise InvalidInput(f"{name!r} names no object; write MODULE:OBJECT, such as mysampler:step")
    sys.path.insert(0, os.getcwd())
    try:
        return pkgutil.resolve_name(name)
    except Exception as error:  # whatever the module's own lines raise
        raise InvalidInput(
            f"{name} cannot be loaded ({type(error).__name__}: {error}); write MODULE:OBJECT of a module that imports"
        ) from error
    finally:
        sys.path.remove(os.getcwd())


def _guarded(code: Any, name: str) -> Any:
    """Return a function whose own errors are told in a sentence, with its line; anything else as it is."""
    if not callable(code):
        return code

    @functools.wraps(code)
    def guarded(*arguments: Any) -> Any:
        try:
            return code(*arguments)
        except FpsdeError:
            raise
        except Exception as error:
            raise InvalidInput(
                f"{name} raised {type(error).__name__} at {raised_at(error)}: {error}; mend it there, then audit it"
            ) from error

    return guarded


def _called(code: Any, what: str) -> Any:
    """Return what a function without arguments returns; anything else as it is."""
    if not callable(code):
        return code
    refuse_other_arguments(what, code, ())
    return code()


def _found(code: Any, options: argparse.Namespace) -> Audit:
    if options.process is None:
        given = _called(code, "without --process (what it claims to simulate) a function that returns an audit")
        if isinstance(given, Audit):
            return given
        raise InvalidInput(
            f"{options.object} is no audit; say what it claims to be with --process and --scheme, or name a function "
            "that returns an audit"
        )
    claim = _claim(options)
    if options.door == ARRAY:
        values = _called(code, "--door array")
        return audit.sample(values, claim.target(claim.n_steps).law, alpha=options.alpha)
    if options.door not in DOORS:
        raise unknown_name("door", options.door, (*DOORS, ARRAY))
    sizes = {} if options.particles is None else {"n": options.particles}
    return DOORS[options.door](code, claim, seed=options.seed, alpha=options.alpha, **sizes)


def _claim(options: argparse.Namespace) -> Claim:
    process = process_of(options.process, options.dynamics or OVERDAMPED, settings_of(options.set))
    window = None if options.window is None else tuple(options.window)
    return audit.claim(
        process, scheme_of(options.scheme), x0=options.x0, t_end=options.t_end, dt=options.dt, window=window
    )


def _table(found: Audit) -> Table:
    table = Table(title=f"{found.subject}, handed over as {found.door}", title_justify="left")
    for column in ("level", "verdict", "what is off", "what was seen"):
        table.add_column(column)
    for level in found.levels:
        colour = {Verdict.PASS: "green", Verdict.FAIL: "bold red"}.get(level.verdict, "dim")  # type: ignore[arg-type]
        off = "" if level.quantity is None else level.quantity.value
        table.add_row(level.name, f"[{colour}]{level.said}[/]", off, level.detail)
    return table
