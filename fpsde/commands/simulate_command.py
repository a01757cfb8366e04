"""``fpsde simulate``: particles, with what they say of their law; positions are not kept, so memory does not grow."""

from __future__ import annotations

import argparse
import io
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fpsde.chain import N_PARTICLES, SEED
from fpsde.commands.bins import PILOT, Bins, given_bins, histograms, pilot_bins
from fpsde.commands.options import (
    UNDERDAMPED,
    add_backend,
    add_json,
    add_process,
    add_scheme,
    add_set,
    backend_of,
    component_labels,
    hinting_at_dynamics,
    process_of,
    scheme_of,
    screen,
    settings_of,
)
from fpsde.commands.run_figure import run_figure
from fpsde.commands.run_summary import headline, record, show, watch
from fpsde.errors import FpsdeError, InvalidInput
from fpsde.integrators import simulate
from fpsde.integrators.checkpoint import particles_in
from fpsde.processes.process import Process
from fpsde.schemes import Scheme
from fpsde.validation import dividing_step, finite
from fpsde.writing import made_folder, put_bytes, put_json, refuse_unwritable


def add(commands: Any) -> None:
    """Add the command to the command line."""
    run = commands.add_parser("simulate", help="advance particles, and say what their law looks like at the end")
    add_process(run)
    add_scheme(run)
    add_set(run)
    run.add_argument("--particles", type=float, default=N_PARTICLES, help="number of particles (default: %(default)s)")
    run.add_argument("--t-end", type=float, help="horizon, in the process's unit of time (default: its own)")
    run.add_argument("--dt", type=float, help="time step, in the process's unit of time (default: its own)")
    run.add_argument(
        "--x0", type=float, nargs="+", help="starting point: a number for each component (default: its own)"
    )
    run.add_argument("--seed", type=int, default=SEED, help="seed of the generator (default: %(default)s)")
    run.add_argument("--dtype", default="float64", help="of the state: float64 or float32 (default: %(default)s)")
    add_backend(run)
    run.add_argument("--threads", type=int, help="threads (default: one for each processor)")
    run.add_argument(
        "--checkpoint", type=Path, metavar="DIR", help="keep what is finished here; the same command goes on from it"
    )
    run.add_argument(
        "--histogram",
        nargs="+",
        action="append",
        default=[],
        metavar=("NAME", "LOW HIGH BINS"),
        help="count in equal bins from LOW to HIGH, for quantiles and in the JSON: LOW HIGH BINS for all components, "
        "NAME LOW HIGH BINS for one; repeatable (default: quantiles alone, in bins about where a few particles end)",
    )
    add_json(run)
    run.add_argument("--out", type=Path, metavar="DIR", help="write run.json and run.png, the densities, here")
    run.set_defaults(run=_simulate)


def _simulate(options: argparse.Namespace) -> int:
    process = process_of(options.process, options.dynamics, settings_of(options.set))
    scheme = scheme_of(options.scheme)
    labels = component_labels(process.dim, underdamped=options.dynamics == UNDERDAMPED)
    bins = given_bins(options.histogram, labels)
    files = [] if options.out is None else [made_folder(options.out) / name for name in ("run.json", "run.png")]
    refuse_unwritable([options.json, *files])
    resumed = 0 if options.checkpoint is None else particles_in(options.checkpoint)
    began = time.perf_counter()
    how = _how(options, process)
    with _stoppable(resumed), hinting_at_dynamics(process, scheme, options.dynamics):
        watched = watch(process, scheme, x0=how["x0"], histograms=histograms(_found_bins(process, scheme, how, bins)))
        try:
            run, failure = simulate(
                process,
                scheme,
                **how,
                observers=watched.all,
                keep_positions=False,
                checkpoint=options.checkpoint,
                progress=sys.stderr.isatty() or options.checkpoint is not None,
            ), None
        except FpsdeError as error:
            if error.finished is None:
                raise
            run, failure = error.finished, error  # shown first: nothing computed so far is lost
    seconds = time.perf_counter() - began
    made = run.n_particles - resumed
    result = {
        "parameters": dict(process.params),
        "x0": how["x0"] if isinstance(how["x0"], int | float | tuple) else str(how["x0"]),
        **record(process, run, watched, labels=labels, with_counts=bool(options.histogram)),
        "resumed": resumed,
        "seconds": seconds,
        "particle_steps_per_second": made * run.provenance["n_steps"] / seconds if made else None,
    }
    if options.json != "-":
        show(result, screen())
    if options.json:
        put_json(result, options.json)
    if files:
        put_json(result, files[0])
        counts = [run.result(one)[0] for one in watched.histograms]
        image = io.BytesIO()
        run_figure(process, run, counts, labels=labels, title=headline(result).replace(": ", "\n")).savefig(image)
        put_bytes(files[1], image.getvalue())
    if failure is not None:
        raise failure
    if run.interrupted:
        where = "" if options.checkpoint is None else f"; the same command goes on from {options.checkpoint}"
        raise KeyboardInterrupt(f"{run.n_particles:,} of {run.requested:,} particles are finished{where}")
    return 1 if run.not_finite or run.failed else 0


def _how(options: argparse.Namespace, process: Process) -> dict[str, Any]:
    """Return what the run and its pilot have in common: what was given, or the process's own setting."""
    t_end = process.setting.t_end if options.t_end is None else options.t_end
    return {
        "x0": _start(options.x0, process),
        "t_end": t_end,
        "dt": dividing_step(t_end, process.setting.dt) if options.dt is None else options.dt,
        "n_particles": options.particles,
        "seed": options.seed,
        "dtype": options.dtype,
        "threads": options.threads,
        "backend": backend_of(options.backend),
    }


def _found_bins(process: Process, scheme: Scheme, how: dict[str, Any], given: list[Bins | None]) -> list[Bins]:
    """Return the bins of all components: where some are not given, a pilot of the first particles shows the place.

    The first particles are a function of the seed, so a run that goes on from a checkpoint finds the same bins.
    """
    known = [one for one in given if one is not None]
    if len(known) == len(given):
        return known
    pilot = simulate(process, scheme, **{**how, "n_particles": min(how["n_particles"], PILOT)}).whole()
    places = zip(given, pilot.positions, process.intervals, strict=True)
    return [pilot_bins(x, interval) if one is None else one for one, x, interval in places]


@contextmanager
def _stoppable(resumed: int) -> Iterator[None]:
    """Let SIGTERM, which a batch system sends before it kills, do what Ctrl-C does, and say what is kept."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        kept = f"; the {resumed:,} particles that were there before stay there" if resumed else ""
        raise KeyboardInterrupt(f"there is no result{kept}") from None
    finally:
        signal.signal(signal.SIGTERM, before)


def _start(given: list[float] | None, process: Process) -> Any:
    """Return where particles start: what was given, or the process's own setting."""
    if given is None:
        return process.setting.x0
    if len(given) != process.dim:
        raise InvalidInput(
            f"--x0 {' '.join(f'{v:g}' for v in given)}: {process.name} has {process.dim} component(s); "
            "give a number for each, the positions before the velocities"
        )
    point = tuple(finite("--x0", value) for value in given)
    return point if process.dim > 1 else point[0]
