"""``fpsde verify``: the chain of laws."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from fpsde.chain import N_PARTICLES, SEED, Report, asked, session
from fpsde.checks import SESSION_ALPHA
from fpsde.commands.options import add_backend, add_json, add_run, add_set, backend_of, scheme_of, screen, settings_of
from fpsde.corners import Corners
from fpsde.errors import InvalidInput
from fpsde.integrators import simulate
from fpsde.plants import PLANTS, plant_named, planted
from fpsde.processes import process_named
from fpsde.processes.process import Process
from fpsde.question import Question
from fpsde.report import show, write_folder
from fpsde.schemes import Scheme
from fpsde.suite import default_suite
from fpsde.writing import made_folder, put_json, refuse_unwritable


def add(commands: Any) -> None:
    """Add the command to the command line."""
    verify = commands.add_parser("verify", help="judge the chain of laws of processes, edge by edge")
    verify.add_argument(
        "processes", nargs="*", metavar="PROCESS", help="names of processes (default: those of one component)"
    )
    add_set(verify)
    verify.add_argument("--scheme", help="the scheme (default: euler_maruyama)")
    add_run(verify)
    verify.add_argument(
        "--particles", type=float, default=N_PARTICLES, help="number of particles (default: %(default)s)"
    )
    verify.add_argument("--seed", type=int, default=SEED, help="seed of the generator (default: %(default)s)")
    verify.add_argument(
        "--alpha",
        type=float,
        default=SESSION_ALPHA,
        help="false-alarm probability of the session (default: %(default)s)",
    )
    add_backend(verify)
    verify.add_argument("--plant", metavar="DEFECT", help="judge a deliberately wrong copy; 'list' shows the defects")
    add_json(verify)
    verify.add_argument("--out", type=Path, metavar="DIR", help="write report.html, report.json and the figures here")
    verify.set_defaults(run=_verify)


def _verify(options: argparse.Namespace) -> int:
    if options.plant == "list":
        for plant in PLANTS.values():
            print(f"{plant.name:28s} edge {plant.edge}: {plant.what}")
        return 0
    questions = _questions(options)
    folder = made_folder(options.out) / "report.json" if options.out else None
    refuse_unwritable([folder, options.json])
    report = _judged(questions, options)
    if options.json != "-":
        show(report, console=screen())
    if options.json:
        put_json(report.as_dict(), options.json)
    if options.out:
        write_folder(report, options.out)
    return report.exit_code


def _questions(options: argparse.Namespace) -> list[Question]:
    settings = settings_of(options.set)
    if settings and len(options.processes) != 1:
        raise InvalidInput(f"--set needs exactly one process; {len(options.processes)} were given")
    choices = {"x0": options.x0, "dt": options.dt, "t_end": options.t_end, "window": options.window}
    sizes = {"n_particles": options.particles, "seed": options.seed}
    return [asked(process, scheme, **choices, **sizes) for process, scheme in _pairs(options, settings)]


def _pairs(options: argparse.Namespace, settings: dict[str, float]) -> list[tuple[Process, Scheme]]:
    if not options.processes:
        return [
            (process, scheme if options.scheme is None else scheme_of(options.scheme))
            for process, scheme in default_suite()
        ]
    scheme = scheme_of(options.scheme or "euler_maruyama")
    return [(process_named(name).with_params(**settings), scheme) for name in options.processes]


def _judged(questions: list[Question], options: argparse.Namespace) -> Report:
    corners = [Corners(particles=partial(simulate, backend=backend_of(options.backend)))] * len(questions)
    if options.plant:
        plant = plant_named(options.plant)
        if not options.processes:
            questions = [q for q in questions if plant.visible(q.process)]
        corners = [planted(plant, q.process, into=own) for q, own in zip(questions, corners, strict=False)]

    def watched(work: Iterable) -> Iterable:
        return track(list(work), "judging", console=Console(stderr=True), transient=True)

    return session(questions, seed=options.seed, alpha=options.alpha, corners=corners, watched=watched)
