"""``fpsde ddpm``: a diffusion model trained on toy data until its loss is near the exact floor, and sampled."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from fpsde.commands.ddpm_figures import add_figures
from fpsde.commands.ddpm_sampled import Descent, denoiser_of, descent_figure, verdicts
from fpsde.commands.ddpm_verify import add_verify
from fpsde.commands.options import add_backend, add_json, backend_of, screen
from fpsde.ddpm import TOY_DATA, Sampler, ToyData, exact_box, starting_points, toy_data, train
from fpsde.ddpm.places import working_on
from fpsde.errors import InvalidInput, unknown_name
from fpsde.integrators import Backend
from fpsde.plotting import save
from fpsde.processes import denoising_box, linear_schedule, trailing_timesteps
from fpsde.processes.noise_schedules import NoiseSchedule
from fpsde.schemes import Scheme, ancestral, ddim, karras
from fpsde.writing import made_folder, put_json, refuse_unwritable

#: Name: the scheme of a sampler.
SAMPLERS: dict[str, Callable[[], Scheme]] = {"ddim": ddim, "ancestral": ancestral, "karras": karras}
#: Whose moments are shown.
COLUMNS = ("network", "exact denoiser", "data")


def add(commands: Any) -> None:
    """Add the command to the command line."""
    ddpm = commands.add_parser("ddpm", help="train a diffusion model on toy data with a known density, and sample it")
    jobs = ddpm.add_subparsers(required=True, metavar="JOB")
    teach = jobs.add_parser("train", help="train a network until its loss is near the exact floor")
    _add_common(teach)
    teach.add_argument("--steps", type=int, default=10_000, help="the most steps of Adam (default: %(default)s)")
    teach.add_argument(
        "--stop",
        type=float,
        default=0.02,
        metavar="SHARE",
        help="end this close to the floor (default: %(default)s); with a smaller one the training goes on",
    )
    teach.set_defaults(run=_train)
    draw = jobs.add_parser("sample", help="draw from what was trained, beside the data")
    _add_common(draw)
    draw.add_argument("--sampler", default="ddim", metavar="SAMPLER", help=f"{', '.join(SAMPLERS)} (default: ddim)")
    draw.add_argument("--steps", type=int, default=50, help="levels that it visits (default: %(default)s)")
    draw.add_argument("--points", type=int, default=10_000, help="how many are drawn (default: %(default)s)")
    draw.add_argument("--out", type=Path, metavar="DIR", help="write points (.npy) and a picture here")
    draw.set_defaults(run=_sample)
    add_verify(jobs)
    add_figures(jobs)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", metavar="DATA", help=", ".join(TOY_DATA))
    parser.add_argument("--seed", type=int, default=0, help="seed (default: %(default)s)")
    parser.add_argument("--checkpoint", type=Path, metavar="FILE", help="the trained network (default: ddpm-DATA.npz)")
    add_backend(parser, known=(Backend.CPU, Backend.GPU), what="the network computes")
    add_json(parser)


def _schedule() -> NoiseSchedule:
    return linear_schedule(1000)


def _file(options: argparse.Namespace) -> Path:
    return options.checkpoint or Path(f"ddpm-{options.data}.npz")


def _train(options: argparse.Namespace) -> int:
    data, file = toy_data(options.data), _file(options)
    refuse_unwritable([options.json])
    found = train(
        data.law, _schedule(), seed=options.seed, steps=options.steps, stop=options.stop, checkpoint=file,
        backend=backend_of(options.backend), progress=sys.stderr.isatty(),
    )  # fmt: skip
    excess = float(found.looks.excesses[-1])
    if options.json:
        record = {name: getattr(found.looks, name) for name in ("steps", "losses", "excesses")}
        said = {"data": data.name, "floor": found.floor, "reached": found.reached, "prior_gap": asdict(found.gap)}
        put_json(said | record, options.json)
    if options.json != "-":
        verdict = "reached" if found.reached else f"not reached (asked for: {options.stop:.1%} above it)"
        screen().print(
            f"{data.name}: loss {found.floor * (1 + excess):.5f} after {found.looks.taken} steps, {excess:.2%} above "
            f"the exact floor {found.floor:.5f}: {verdict}. At T the signal-to-noise ratio is {found.gap.snr:.2g}, and "
            f"x_T {found.gap.kullback_leibler:.2g} nats from the prior. Kept in {file}.",
            soft_wrap=True,
            highlight=False,
        )
    return 0 if found.reached else 1


def _sample(options: argparse.Namespace) -> int:
    data, file = toy_data(options.data), _file(options)
    if options.sampler not in SAMPLERS:
        raise unknown_name("sampler", options.sampler, SAMPLERS)
    refuse_unwritable([options.json])
    whole = _schedule()
    if not 1 <= options.steps <= whole.n_steps:
        raise InvalidInput(f"--steps {options.steps} levels of {whole.n_steps}; give --steps 1 to {whole.n_steps}")
    if options.points < 1:
        raise InvalidInput(f"--points {options.points}; draw at least 1")
    schedule = whole.subset(trailing_timesteps(whole.n_steps, options.steps))
    denoiser = denoiser_of(data, file, schedule)
    with working_on(backend_of(options.backend)) as bring:
        start = bring(starting_points(schedule, options.points, dim=data.dim, seed=options.seed))
        network = denoiser.with_parameters(bring(denoiser.network.parameters))
        # the same steps from the same noise by the exact denoiser: what is left is the network's
        chains = (denoising_box(network, schedule, dim=data.dim), exact_box(data.law, schedule))
        found = {
            name: Descent.of(Sampler(chain, SAMPLERS[options.sampler]()), start, options.seed)
            for name, chain in zip(COLUMNS, chains, strict=False)
        }
    x, best = (one.last for one in found.values())
    title = f"{data.name}: {x.shape[1]} points by {options.sampler} in {options.steps} steps"
    if options.out:
        folder = made_folder(options.out)
        np.save(folder / f"ddpm-{data.name}.npy", x)
        save(descent_figure(data, schedule, found, title=title), folder / f"ddpm-{data.name}.png")
    moments = {
        "mean": (x.mean(axis=1), best.mean(axis=1), data.law.mean),
        "variance": (x.var(axis=1), best.var(axis=1), np.diag(data.law.covariance)),
    }
    apart = float(np.sqrt(np.mean(np.sum((x - best) ** 2, axis=0))))
    judged = verdicts(data, found, options.seed)
    if options.json:
        record = {name: dict(zip(COLUMNS, values, strict=True)) for name, values in moments.items()}
        said = {"data": data.name, "sampler": options.sampler, "steps": options.steps, "rms_distance": apart}
        checks = {name: result.as_dict() for name, result in judged.items()}
        put_json({**said, **record, "checks": checks}, options.json)
    if options.json != "-":
        screen().print(_shown(data, x, moments, title))
        screen().print(f"network and exact denoiser, from the same noise, end {apart:.3g} apart (root mean square)")
        for name, result in judged.items():
            screen().print(f"{name}, against the data: {result}", soft_wrap=True, highlight=False)
    return 0


def _shown(data: ToyData, x: np.ndarray, moments: dict, title: str) -> Table:
    shown = Table(title=title, title_justify="left")
    for column in ("component", "", *COLUMNS, "standard error"):
        shown.add_column(column)
    fourth = ((x - x.mean(axis=1, keepdims=True)) ** 4).mean(axis=1)
    variances = x.var(axis=1)
    errors = {"mean": variances, "variance": fourth - variances**2}
    for name, values in moments.items():
        for i in range(data.dim):
            error = (errors[name][i] / x.shape[1]) ** 0.5
            shown.add_row(f"x{i}", name, *(f"{one[i]:+.4f}" for one in values), f"{error:.4f}")
    return shown
