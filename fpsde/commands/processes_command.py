"""``fpsde processes``: the catalogue, and all that is known of one process."""

from __future__ import annotations

import argparse
import math
from typing import Any

import numpy as np
from rich.table import Table

from fpsde.commands.options import add_json, add_process, process_of, screen
from fpsde.commands.schemes_command import noise_names
from fpsde.domain import Interval
from fpsde.processes import CATALOGUE, process_named
from fpsde.processes.process import Process
from fpsde.schemes.noise_types import noise_types
from fpsde.writing import put_json, refuse_unwritable

#: What may be known in closed form, by the field of ``Exact``: in words, and in one word for the list of all processes.
KNOWN = {
    "transition": ("law of X_t from a point", "law"),
    "component": ("law of each component of X_t from a point", "law"),
    "marginal": ("law of X_t from an initial law", "law"),
    "mean": ("mean of X_t from a point", "moments"),
    "variance": ("variance of X_t from a point", "moments"),
    "covariance": ("covariance of X_t from a point", "moments"),
    "stationary": ("stationary law", "stationary"),
    "stationary_component": ("stationary law of components", "stationary"),
    "stationary_mean": ("stationary mean", "stationary"),
    "stationary_covariance": ("stationary covariance", "stationary"),
    "path": ("X_t as a function of W_t", "path"),
    "velocity": ("mean velocity on the ring", "velocity"),
    "law": ("law of X_t from its own start", "law"),
}
_LEGEND = (
    "known in closed form: law of X_t, moments of X_t, stationary law or moments, path as a function of W_t. "
    "fpsde processes PROCESS shows all of one; --set NAME=VALUE of the other commands sets a parameter."
)


def add(commands: Any) -> None:
    """Add the command to the command line."""
    processes = commands.add_parser(
        "processes", help="list the processes by name; with PROCESS, all that is known of it"
    )
    add_process(processes, needed=False)
    add_json(processes)
    processes.set_defaults(run=_processes)


def _processes(options: argparse.Namespace) -> int:
    refuse_unwritable([options.json])
    alone = None if options.process is None else process_of(options.process, options.dynamics, {})
    listed = [process_named(name) for name in CATALOGUE] if alone is None else [alone]
    if options.json != "-":
        parts = (_all(listed), "", _LEGEND) if alone is None else (_one(alone),)
        screen().print(*parts, highlight=False, markup=False, sep="\n")
    if options.json:
        put_json({"processes": [as_dict(process) for process in listed]}, options.json)
    return 0


def as_dict(process: Process) -> dict[str, Any]:
    """Return what a process says of itself, as JSON can hold it: a law at the start is a text, an infinite end None."""
    setting = process.setting
    return {
        "name": process.name,
        "equation": process.equation,
        "interpretation": process.interpretation.value,
        "dim": process.dim,
        "channels": process.channels,
        "noise": noise_names(noise_types(process)),
        "domain": [_domain(interval) for interval in process.intervals],
        "parameters": dict(process.params),
        "x0": setting.x0 if isinstance(setting.x0, int | float | tuple) else str(setting.x0),
        "t_end": setting.t_end,
        "dt": setting.dt,
        "window": setting.window,
        "known": known(process),
    }


def known(process: Process) -> list[str]:
    """Return what is known of a process in closed form, by the fields of ``Exact``."""
    return [name for name in KNOWN if getattr(process.exact, name) is not None]


def _domain(interval: Interval) -> dict[str, Any]:
    low, high = (end if math.isfinite(end) else None for end in (interval.low, interval.high))
    return {"low": low, "low_wall": interval.low_wall.value, "high": high, "high_wall": interval.high_wall.value}


def _all(processes: list[Process]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("process", no_wrap=True)
    for column in ("d", "equation", "parameters"):
        table.add_column(column)
    table.add_column("x0", max_width=11)
    for column in ("t_end", "dt", "known"):
        table.add_column(column)
    for process in processes:
        short = dict.fromkeys(KNOWN[name][1] for name in known(process))
        setting = process.setting
        times = (f"{setting.t_end:.4g}", f"{setting.dt:.4g}")
        table.add_row(
            process.name, str(process.dim), process.equation, _parameters(process), _start(setting.x0, whole=False),
            *times, ", ".join(short),
        )  # fmt: skip
    return table


def _one(process: Process) -> Table:
    setting = process.setting
    table = Table(box=None, pad_edge=False, show_header=False)
    rows = {
        process.name: process.equation,
        "read as": f"{process.interpretation.value}; {process.dim} component(s), {process.channels} channel(s)",
        "noise": ", ".join(noise_names(noise_types(process))),
        "domain": "; ".join(dict.fromkeys(map(_ends, process.intervals))),
        "parameters": _parameters(process) or "none",
        "x0": _start(setting.x0, whole=True),
        "t_end, dt": f"{setting.t_end:.6g}, {setting.dt:.6g}",
        "window": "none that is known to hold the mass"
        if setting.window is None
        else _start(setting.window, whole=True),
        "known": "\n".join(f"{name}: {KNOWN[name][0]}" for name in known(process)) or "nothing in closed form",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def _parameters(process: Process) -> str:
    return ", ".join(
        f"{name}={value:.6g}" if np.ndim(value) == 0 else f"{name} {np.shape(value)}"
        for name, value in process.params.items()
    )


def _start(x0: Any, *, whole: bool) -> str:
    """Return a point or an interval in digits, and a law as a text, or as a word."""
    if isinstance(x0, tuple):
        return f"({', '.join(f'{value:.4g}' for value in x0)})"
    if isinstance(x0, int | float):
        return f"{x0:.4g}"
    return str(x0) if whole else "a law"


def _ends(interval: Interval) -> str:
    walls = dict.fromkeys((interval.low_wall.value, interval.high_wall.value))
    return f"({interval.low:g}, {interval.high:g}), walls: {', '.join(walls)}"
