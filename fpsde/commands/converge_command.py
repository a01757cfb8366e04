"""``fpsde converge``: strong and weak order of a scheme on a process, or of all, with their intervals."""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.table import Table

from fpsde.chain import SEED
from fpsde.checks import Verdict
from fpsde.commands.converge_all import converge_all
from fpsde.commands.convergence_figure import convergence_figure
from fpsde.commands.options import (
    OVERDAMPED,
    add_dynamics,
    add_json,
    add_set,
    hinting_at_dynamics,
    process_of,
    scheme_of,
    screen,
    settings_of,
)
from fpsde.convergence import StrongOrder, WeakOrder, strong_order, weak_order
from fpsde.density import Law
from fpsde.errors import InvalidInput, NotConverged, Unsuited
from fpsde.processes.process import Process
from fpsde.schemes import Scheme
from fpsde.writing import made_folder, put_bytes, put_json, refuse_unwritable

#: Numbers of steps up to the end of the process's setting, at which expectations are compared.
STEPS = (16, 32, 64, 128, 256, 512)


def add(commands: Any) -> None:
    """Add the command to the command line."""
    run = commands.add_parser("converge", help="measure strong and weak order of a scheme on a process")
    run.add_argument(
        "schemes",
        nargs="*",
        metavar="SCHEME",
        help="name of a scheme, or a splitting by its letters A, B and O; with --all any number (default: every one)",
    )
    run.add_argument("--process", metavar="PROCESS", help="name of a process of the catalogue")
    run.add_argument(
        "--all", action="store_true", help="the schemes against the orders that they document, on problems of their own"
    )
    add_dynamics(run)
    add_set(run)
    run.add_argument("--seed", type=int, default=SEED, help="of the paths of the strong order (default: %(default)s)")
    add_json(run)
    run.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="write converge.json and converge.png, the errors, here; with --all orders.json and orders.md",
    )
    run.set_defaults(run=_converge)


def _converge(options: argparse.Namespace) -> int:
    if options.all:
        if options.process or options.set or options.dynamics != OVERDAMPED:
            raise InvalidInput("--all has problems of its own; leave --process, --set and --dynamics out")
        return converge_all(options.schemes, seed=options.seed, json=options.json, out=options.out)
    if len(options.schemes) != 1 or not options.process:
        raise InvalidInput("give one SCHEME and its --process PROCESS, or --all")
    process = process_of(options.process, options.dynamics, settings_of(options.set))
    scheme = scheme_of(options.schemes[0])
    folder = None if options.out is None else made_folder(options.out)
    files = [] if folder is None else [folder / "converge.json", folder / "converge.png"]
    refuse_unwritable([options.json, *files])
    with hinting_at_dynamics(process, scheme, options.dynamics):
        strong, no_strong = _tried(lambda: _strong(process, scheme, options.seed))
        weak, no_weak = _tried(lambda: _weak(process, scheme))
    if strong is None and weak is None:
        raise InvalidInput(f"neither order can be measured: {no_strong}; {no_weak}")
    reasons = {"strong": no_strong, "weak": no_weak}
    if options.json != "-":
        screen().print(_table(process, scheme, strong, weak))
        for kind, reason in reasons.items():
            if reason:
                screen().print(f"  no {kind} order: {reason}", soft_wrap=True, markup=False)
    record = _record(process, scheme, strong, weak)
    if options.json:
        put_json(record, options.json)
    if files:
        put_json(record, files[0])
        image = io.BytesIO()
        convergence_figure(process, scheme, strong, weak).savefig(image)
        put_bytes(files[1], image.getvalue())
    verdicts = {_verdict(study) for study in (strong, weak) if study is not None}
    if Verdict.FAIL in verdicts:
        return 1
    unsettled = any(isinstance(error, NotConverged) for error in (no_strong, no_weak))
    return 2 if unsettled or verdicts != {Verdict.PASS} else 0


def _tried(study: Callable[[], Any]) -> tuple[Any, Exception | None]:
    """Return a study, or why a scheme that has a form on the process has no such order there."""
    try:
        return study(), None
    except Unsuited:
        raise
    except (InvalidInput, NotConverged) as error:
        return None, error


def _start(process: Process) -> Any:
    x0 = process.setting.x0
    return float(x0.mean) if isinstance(x0, Law) else x0


def _strong(process: Process, scheme: Scheme, seed: int) -> StrongOrder:
    return strong_order(process, scheme, seed=seed, x0=_start(process))


def _weak(process: Process, scheme: Scheme) -> WeakOrder:
    dts = [process.setting.t_end / n for n in STEPS]
    (study,) = weak_order(process, scheme, dts=dts, x0=_start(process)).values()
    return study


def _verdict(study: StrongOrder | WeakOrder | None) -> Verdict | None:
    if study is None:
        return None
    return study.verdict if isinstance(study, StrongOrder) else study.result.verdict


def _record(process: Process, scheme: Scheme, strong: StrongOrder | None, weak: WeakOrder | None) -> dict[str, Any]:
    """Return the orders for programs; None where there is none."""
    of_paths = strong and {name: getattr(strong, name) for name in ("order", "low", "high", "theory")}
    of_laws = weak and {
        **{name: getattr(weak.result, name) for name in ("order", "low", "high")},
        "theory": weak.theory,
        **{name: getattr(weak.result, name) for name in ("intercept", "intercept_low", "intercept_high")},
    }
    verdicts = {"strong": _verdict(strong), "weak": _verdict(weak)}
    return {
        "scheme": scheme.name,
        "process": process.name,
        "strong": of_paths,
        "weak": of_laws,
        "verdicts": {kind: None if found is None else found.value for kind, found in verdicts.items()},
        "provenance": {**(weak.provenance if weak else {}), **(strong.provenance if strong else {})},
    }


def _table(process: Process, scheme: Scheme, strong: StrongOrder | None, weak: WeakOrder | None) -> Table:
    table = Table(title=f"{scheme.name} on {process.name}: {process.equation}", title_justify="left")
    for column in ("order", "claimed", "measured", "interval", "intercept", "verdict"):
        table.add_column(column)
    if strong is not None:
        table.add_row(f"strong ({strong.source})", f"{strong.theory:g}", *_numbers(strong), "", strong.verdict.value)
    if weak is not None:
        r = weak.result
        between = "" if r.intercept is None else f"{r.intercept:.1e} in ({r.intercept_low:.1e}, {r.intercept_high:.1e})"
        table.add_row(f"weak (E {weak.observable})", f"{weak.theory:g}", *_numbers(r), between, r.verdict.value)
    return table


def _numbers(found: Any) -> tuple[str, str]:
    if found.order is None:
        return "none", found.detail
    return f"{found.order:.3f}", f"{found.low:.3f} to {found.high:.3f}"
