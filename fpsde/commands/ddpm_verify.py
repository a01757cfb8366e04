"""``fpsde ddpm verify``: every schedule and every sampler on known data, rung by rung, with exact denoisers."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from rich.table import Table

from fpsde.checks import SESSION_ALPHA, Verdict
from fpsde.commands.options import add_json, screen
from fpsde.ddpm.ladder import DATA, SAMPLERS, SCHEDULES, Defects, Ladder, summary, verify_samplers
from fpsde.errors import unknown_name
from fpsde.plants import noise_changed
from fpsde.report import number
from fpsde.writing import put_json, refuse_unwritable

#: Deliberate errors: what they do, the rung that must fail, and how they enter.
DEFECTS: dict[str, tuple[str, int, Defects]] = {
    "noise*1.05": (
        "the particles take 5 % too much noise",
        1,
        Defects(particles=lambda scheme: noise_changed(scheme, lambda value, dt: 1.05 * value)),
    ),
    "stated noise*1.5": (
        "the sampler itself takes half as much noise again",
        2,
        Defects(stated=lambda scheme: noise_changed(scheme, lambda value, dt: 1.5 * value)),
    ),
    "predicted noise*1.1": ("the denoiser predicts 10 % too much noise", 2, Defects(predicted=1.1)),
}


def add_verify(jobs: Any) -> None:
    """Add the job to ``fpsde ddpm``."""
    verify = jobs.add_parser("verify", help="judge every schedule and every sampler on data whose laws are known")
    verify.add_argument("data", nargs="*", metavar="DATA", help=f"toy data (default: {', '.join(DATA)})")
    for name, known in (("schedule", SCHEDULES), ("sampler", SAMPLERS)):
        verify.add_argument(
            f"--{name}", action="append", metavar=name.upper(), help=f"one of {', '.join(known)}; may be repeated"
        )
    verify.add_argument("--all", action="store_true", help="every schedule in the plane, too (long)")
    verify.add_argument("--particles", type=float, default=1e5, help="particles of each (default: %(default)g)")
    verify.add_argument("--seed", type=int, default=0, help="seed (default: %(default)s)")
    verify.add_argument(
        "--alpha", type=float, default=SESSION_ALPHA, help="false-alarm probability of all (default: %(default)s)"
    )
    verify.add_argument("--plant", metavar="DEFECT", help="judge a deliberately wrong copy; 'list' shows the defects")
    add_json(verify)
    verify.set_defaults(run=_verify)


def _verify(options: argparse.Namespace) -> int:
    if options.plant == "list":
        for name, (what, edge, _) in DEFECTS.items():
            print(f"{name:22s} edge {edge}: {what}")
        return 0
    if options.plant and options.plant not in DEFECTS:
        raise unknown_name("defect", options.plant, DEFECTS)
    refuse_unwritable([options.json])
    found = verify_samplers(
        tuple(options.data or DATA),
        schedules=tuple(options.schedule) if options.schedule else None,
        samplers=tuple(options.sampler or SAMPLERS),
        n_particles=int(options.particles),
        seed=options.seed,
        alpha=options.alpha,
        defects=DEFECTS[options.plant][2] if options.plant else None,
        everything=options.all,
        progress=sys.stderr.isatty(),
    )
    if options.json:
        put_json(found.as_dict(), options.json)
    if options.json != "-":
        screen().print(_shown(found))
        screen().print(summary(found), soft_wrap=True, highlight=False)
    return found.exit_code


def _shown(ladder: Ladder) -> Table:
    """Return the terminal table, a row for each check; what did not pass says why."""
    out = Table(title="Samplers of diffusion models", title_justify="left")
    for column in ("data", "schedule", "sampler", "edge", "check", "verdict"):
        out.add_column(column)
    for column in ("statistic", "threshold", "resolution"):
        out.add_column(column, justify="right")
    for rung in ladder.rungs:
        r = rung.result
        numbers = (number(value) for value in (r.statistic, r.threshold, r.resolution))
        out.add_row(rung.data, rung.schedule, rung.sampler, str(rung.edge), r.check, r.verdict.value, *numbers)
        if r.verdict is not Verdict.PASS:
            out.add_row("", "", "", "", r.detail, "", "", "", "")
    return out
