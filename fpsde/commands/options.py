"""Options that several commands share."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console

from fpsde.errors import InvalidInput, Unsuited, unknown_name
from fpsde.integrators import Backend
from fpsde.processes import process_named
from fpsde.processes.langevin import underdamped_of
from fpsde.processes.process import Process
from fpsde.schemes import Scheme, scheme_named
from fpsde.schemes.tracing import traced_step

#: How the process of a name is read: as it is stated, or as Langevin dynamics with velocities in its potential.
OVERDAMPED, UNDERDAMPED = "overdamped", "underdamped"
#: Parameters that the underdamped reading adds.
ADDED = ("friction", "mass")
#: Columns of a table that no terminal shows, unless the variable COLUMNS says how many.
COLUMNS = 150
#: What makes schemes from arguments, which the command line cannot give, and what each of them needs.
FROM_PYTHON = {
    "sgld": "a function, the noise of the gradient",
    "drift_implicit": "a number, its theta",
    "splitting": "letters; on the command line these alone are its name, such as BAOAB",
}


def screen() -> Console:
    """Return the console of standard output, as wide as the terminal or as COLUMNS says."""
    return Console(width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else COLUMNS)


def process_of(name: str, dynamics: str, settings: Mapping[str, float]) -> Process:
    """Return the process of the catalogue, read as ``dynamics`` says, with the parameters of ``--set``."""
    if dynamics not in (OVERDAMPED, UNDERDAMPED):
        raise unknown_name("dynamics", dynamics, (OVERDAMPED, UNDERDAMPED))
    plain = process_named(name)
    if dynamics == OVERDAMPED:
        stray = [one for one in ADDED if one in settings and one not in plain.params]
        if stray:
            raise InvalidInput(f"{name} has no {' and no '.join(stray)}; add --dynamics {UNDERDAMPED}")
        return plain.with_params(**settings)
    there = [one for one in ADDED if one in plain.params]
    if there:
        raise InvalidInput(f"{name} has {' and '.join(there)} as it is stated; leave --dynamics {UNDERDAMPED} out")
    known = underdamped_of(plain).arguments
    for one in settings:
        if one not in known:
            raise unknown_name(f"parameter of the underdamped {name}", one, known)
    own = {one: value for one, value in settings.items() if one not in ADDED}
    return underdamped_of(plain.with_params(**own), **{one: value for one, value in settings.items() if one in ADDED})


def scheme_of(name: str) -> Scheme:
    """Return the scheme of a name, or of the letters of a splitting."""
    try:
        return scheme_named(name)
    except InvalidInput as error:
        if name not in FROM_PYTHON:
            raise
        raise InvalidInput(f"{name} takes an argument ({FROM_PYTHON[name]}): from Python only. {error}") from None


@contextmanager
def hinting_at_dynamics(process: Process, scheme: Scheme, dynamics: str) -> Iterator[None]:
    """Put the cure before the reasons where a scheme has no form on a process as stated, but has with velocities."""
    try:
        yield
    except Unsuited as error:
        if dynamics == OVERDAMPED and _suits_underdamped(scheme, process):
            raise Unsuited(f"add --dynamics {UNDERDAMPED}: {error}") from error
        raise


def _suits_underdamped(scheme: Scheme, process: Process) -> bool:
    try:
        traced_step(scheme, underdamped_of(process))
    except InvalidInput:  # the process states no potential, or the scheme is not for velocities either
        return False
    return True


def component_labels(dim: int, *, underdamped: bool) -> list[str]:
    """Return the names of components: x, or x0, x1, ...; with velocities x, v, or x0, ..., v0, ..."""
    if not underdamped:
        return ["x"] if dim == 1 else [f"x{i}" for i in range(dim)]
    half = dim // 2
    return ["x", "v"] if half == 1 else [f"{letter}{i}" for letter in "xv" for i in range(half)]


def settings_of(texts: Sequence[str]) -> dict[str, float]:
    """Return the parameters given as ``--set NAME=VALUE``."""
    return dict(_setting(text) for text in texts)


def _setting(text: str) -> tuple[str, float]:
    name, equals, value = text.partition("=")
    try:
        return name, float(value)
    except ValueError:
        problem = f"{value!r} is not a number" if equals else "there is no '='"
        raise InvalidInput(f"--set {text}: {problem}; write --set NAME=VALUE, such as --set temperature=0.5") from None


def add_process(parser: argparse.ArgumentParser, *, needed: bool = True) -> None:
    """Add PROCESS and ``--dynamics``."""
    parser.add_argument(
        "process",
        nargs=None if needed else "?",
        metavar="PROCESS",
        help="name of a process; fpsde processes lists them",
    )
    add_dynamics(parser)


def add_dynamics(parser: argparse.ArgumentParser) -> None:
    """Add ``--dynamics``."""
    parser.add_argument(
        "--dynamics",
        default=OVERDAMPED,
        metavar=f"{OVERDAMPED}|{UNDERDAMPED}",
        help=f"{OVERDAMPED}: the process as it is stated (default); {UNDERDAMPED}: with velocities, in its potential",
    )


def add_scheme(parser: argparse.ArgumentParser) -> None:
    """Add ``--scheme``."""
    parser.add_argument(
        "--scheme",
        default="euler_maruyama",
        metavar="NAME",
        help="name of a scheme, or a splitting by its letters A, B and O (default: %(default)s)",
    )


def add_set(parser: argparse.ArgumentParser) -> None:
    """Add ``--set NAME=VALUE``."""
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="set a parameter of the process; repeatable"
    )


def add_run(parser: argparse.ArgumentParser) -> None:
    """Add ``--x0``, ``--t-end``, ``--dt`` and ``--window``, for which a process has its own."""
    parser.add_argument("--x0", type=float, help="starting point (default: its own)")
    parser.add_argument("--t-end", type=float, help="horizon, in the process's unit of time (default: its own)")
    parser.add_argument("--dt", type=float, help="time step, in the process's unit of time (default: its own)")
    parser.add_argument(
        "--window",
        type=float,
        nargs=2,
        metavar=("LOW", "HIGH"),
        help="ends of the Fokker-Planck grid (default: its own)",
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add ``--json FILE``."""
    parser.add_argument("--json", metavar="FILE", help="write the result as JSON; - for standard output")


def add_backend(
    parser: argparse.ArgumentParser, *, known: Iterable[Backend] = Backend, what: str = "particles run"
) -> None:
    """Add ``--backend``."""
    names = "|".join(one.value for one in known)
    parser.add_argument(
        "--backend", default=Backend.CPU.value, metavar=names, help=f"where {what} (default: %(default)s)"
    )


def backend_of(name: str) -> Backend:
    """Return the backend of a name; InvalidInput offers the nearest."""
    known = {one.value: one for one in Backend}
    if name not in known:
        raise unknown_name("backend", name, known)
    return known[name]
