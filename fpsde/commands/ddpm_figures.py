"""``fpsde ddpm figures``: five pictures of data on the line and a network trained on them, two in the plane."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fpsde.commands.ddpm_sampled import denoiser_of
from fpsde.commands.options import screen
from fpsde.ddpm import (
    KnownLaw,
    ReverseVariance,
    ToyData,
    denoising_errors,
    error_map,
    exact_chain,
    model_law,
    network_chain,
    toy_data,
    variational_bound,
)
from fpsde.ddpm.denoiser import Denoiser
from fpsde.ddpm.ladder import SAMPLERS, SCHEDULES
from fpsde.fokker_planck.solver import FokkerPlanck
from fpsde.grid import Grid
from fpsde.integrators import Snapshots, simulate
from fpsde.plotting import BLACK, BLUE, ORANGE, VERMILION, save, style
from fpsde.processes import linear_schedule, variance_preserving
from fpsde.schemes import ddim, exact_sampling
from fpsde.writing import made_folder

#: Times of the forward marginals, particles, and cells of the Fokker-Planck grid on the widest window.
TIMES, PARTICLES, CELLS, WINDOW = (0.1, 0.25, 0.5, 1.0), 100_000, 400, 6.0
#: Numbers n of steps of the samplers, and n^2 times the accuracy of a divergence in the picture, in nats.
NUMBERS, ACCURACY = (6, 12, 24, 48), 0.3
#: Marks and lines of the samplers: colours return after six.
MARKS = ("o-", "s-", "D-", "^-", "v-", "P-", "X--")
#: Accuracy of the laws in a picture, in nats: with nodes so close that they look like curves.
SMOOTH = 1e-6
#: The errors of a score between which colours differ.
LEAST, MOST = 1e-6, 1.0
#: Levels and cells of the map of errors on the line; steps of the sampler whose law is beside the data.
LEVELS, FACES, STEPS = np.geomspace(0.02, 50, 48), np.linspace(-4, 4, 65), 20
#: Levels and cells of the map in the plane, and the part of the mass that a line goes around.
PLANE_LEVELS, PLANE_FACES, MASS = (0.1, 0.3, 1.0, 3.0), np.linspace(-3, 3, 61), 0.95


def add_figures(jobs: Any) -> None:
    """Add the job to ``fpsde ddpm``."""
    draw = jobs.add_parser("figures", help="draw the example: marginals, errors of samplers and score, bound, p_theta")
    draw.add_argument(
        "data",
        nargs="?",
        default="mixture",
        metavar="DATA",
        help="toy data (default: mixture); in the plane two pictures",
    )
    draw.add_argument("--checkpoint", type=Path, metavar="FILE", help="the trained network (default: ddpm-DATA.npz)")
    draw.add_argument("--seed", type=int, default=0, help="seed of the particles (default: %(default)s)")
    draw.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the pictures go")
    draw.set_defaults(run=_figures)


def _figures(options: argparse.Namespace) -> int:
    data, whole = toy_data(options.data), linear_schedule(1000)
    denoiser = denoiser_of(data, options.checkpoint or Path(f"ddpm-{data.name}.npz"), whole)
    folder = made_folder(options.out)
    pictures = {"score-errors": lambda: score_errors(data.law, denoiser), "bound": lambda: bound(data.law)}
    if data.dim == 1:
        pictures |= {
            "forward": lambda: forward(data, options.seed),
            "samplers": lambda: samplers(data.law),
            "p-theta": lambda: p_theta(data, denoiser),
        }
    for name, drawn in pictures.items():
        screen().print(f"{save(drawn(), folder / f'ddpm-{name}.png')}", soft_wrap=True, highlight=False)
    return 0


def forward(data: ToyData, seed: int, *, n_particles: int = PARTICLES) -> Figure:
    """Return the marginals of the variance-preserving diffusion: particles, closed form, Fokker-Planck."""
    start = data.marginal()
    process, times = variance_preserving(data=start), np.array(TIMES)
    run = simulate(
        process, exact_sampling, x0=start, t_end=1.0, dt=0.05, n_particles=n_particles, seed=seed,
        observers=[Snapshots(times)],
    ).whole()  # fmt: skip
    grid = Grid.uniform((-WINDOW, WINDOW), cells=CELLS)
    solved = FokkerPlanck(process, grid).evolve(start, t_end=1.0, times=times, dt=0.0025)
    assert process.exact.marginal is not None  # for the type checker: it is known in closed form
    with style():
        figure = Figure(figsize=(10.8, 3.2))
        panels = figure.subplots(1, len(TIMES), sharey=True)
        for k, (panel, (t, x)) in enumerate(zip(panels, run.results[0], strict=True)):
            exact = process.exact.marginal(start, t)
            panel.hist(x[0], bins=np.linspace(-4, 4, 81).tolist(), density=True, color=BLUE, alpha=0.35)
            panel.plot(grid.centres, solved.laws[k].average_density, color=VERMILION)
            panel.plot(grid.centres, exact.pdf(grid.centres), "--", color=BLACK)
            panel.set(title=f"t = {t:g}", xlabel="x [unit of x]", xlim=(-4, 4), xticks=(-3, 0, 3))
        panels[0].set_ylabel("density [1/unit of x]")
        figure.legend(["Fokker–Planck", "closed form", "particles"], fontsize=9, loc="outside upper center", ncols=3)
    return figure


def samplers(law: KnownLaw, *, numbers: Sequence[int] = NUMBERS) -> Figure:
    """Return KL(data || law of the sampler) against the number of steps, of each sampler with the exact denoiser."""
    with style():
        figure = Figure(figsize=(6.4, 4.4))
        panel = figure.subplots()
        for (name, scheme), mark in zip(SAMPLERS.items(), MARKS, strict=True):
            chains = [exact_chain(law, SCHEDULES["linear"](n)) for n in numbers]
            pairs = zip(chains, numbers, strict=True)
            errors = [model_law(one, scheme(), law, tolerance=ACCURACY / n**2).divergence for one, n in pairs]
            panel.loglog(numbers, errors, mark, label=name)
        panel.loglog(numbers, 4 / np.array(numbers) ** 2.0, ":", color=BLACK, label="slope −2")
        panel.set(xlabel="steps n", ylabel="KL(data ‖ law) [nats]", title="Exact laws of samplers, linear schedule")
        panel.set_xticks(numbers, [str(n) for n in numbers])
        panel.tick_params(axis="x", which="minor", labelbottom=False)
        panel.legend(fontsize=9)
    return figure


def score_errors(law: KnownLaw, denoiser: Denoiser) -> Figure:
    """Return where the network's noise is wrong: E|eps - eps*|^2 by level, and by place in standard deviations."""
    with style():
        figure = Figure(figsize=(6.8, 4.4)) if law.dim == 1 else Figure(figsize=(8.0, 7.2))
        drawn = (_errors_on_the_line if law.dim == 1 else _errors_in_the_plane)(figure, law, denoiser.in_float64())
        figure.suptitle("Error of the learned score")
        figure.colorbar(drawn, ax=figure.axes, label="E[|ε − ε*|² given the place]", extend="both")
    return figure


def _errors_on_the_line(figure: Figure, law: KnownLaw, denoiser: Denoiser) -> Any:
    panel = figure.subplots()
    edges = LEVELS[0] * (LEVELS[-1] / LEVELS[0]) ** ((np.arange(len(LEVELS) + 1) - 0.5) / (len(LEVELS) - 1))
    panel.set_yscale("log")
    panel.grid(visible=False)
    panel.set(xlabel="(x − mean)/standard deviation", ylabel="level of noise σ")
    return _coloured(panel, FACES, edges, error_map(denoiser, law, LEVELS, FACES))


def _errors_in_the_plane(figure: Figure, law: KnownLaw, denoiser: Denoiser) -> Any:
    """Draw a panel for each level, with a line around the places of the highest density that hold MASS of all mass."""
    panels = figure.subplots(2, 2, sharex=True, sharey=True)
    maps = error_map(denoiser, law, PLANE_LEVELS, PLANE_FACES)
    middles = 0.5 * (PLANE_FACES[1:] + PLANE_FACES[:-1])
    places = np.stack(np.meshgrid(middles, middles, indexing="ij")).reshape(2, -1)
    for panel, sigma, found in zip(panels.flat, PLANE_LEVELS, maps, strict=True):
        drawn = _coloured(panel, PLANE_FACES, PLANE_FACES, found.T)
        spreads = np.sqrt(np.diag(law.covariance) + sigma**2)
        p = np.exp(law.log_density(law.mean[:, None] + spreads[:, None] * places, 1.0, sigma))
        mass = np.cumsum(np.sort(p)[::-1])
        edge = np.sort(p)[::-1][np.searchsorted(mass, MASS * mass[-1])]
        panel.contour(middles, middles, p.reshape(found.shape).T, [edge], colors=BLACK, linewidths=1.0)
        panel.grid(visible=False)
        panel.set(title=f"σ = {sigma:g}", aspect="equal")
    around, text = Line2D([], [], color=BLACK, lw=1.0), f"{100 * MASS:g} % of the points lie inside"
    figure.legend([around], [text], loc="outside lower center")
    for panel in panels[-1]:
        panel.set_xlabel("(x0 − mean)/standard deviation")
    for panel in panels[:, 0]:
        panel.set_ylabel("(x1 − mean)/standard deviation")
    return drawn


def _coloured(panel: Any, x: np.ndarray, y: np.ndarray, errors: np.ndarray) -> Any:
    """Draw errors in cells; below LEAST they have one colour, 0 as well, and where no mass is there is none."""
    return panel.pcolormesh(x, y, np.maximum(errors, LEAST / 10), cmap="viridis", norm=LogNorm(LEAST, MOST))


def bound(law: KnownLaw) -> Figure:
    """Return the terms of the variational bound by timestep, for the three variances of the reverse steps."""
    schedule = SCHEDULES["linear"](100)
    errors = denoising_errors(law, schedule)
    with style():
        figure = Figure(figsize=(6.4, 4.4))
        panel = figure.subplots()
        kinds = ((ReverseVariance.SMALL, BLUE, "-"), (ReverseVariance.LARGE, ORANGE, "--"))
        for kind, colour, line in (*kinds, (ReverseVariance.OPTIMAL, VERMILION, ":")):
            found = variational_bound(law, schedule, variance=kind, errors=errors)
            data = f"{'−' if found.data < 0 else '+'} {abs(found.data):.3f}"
            label = f"{kind.value}: {found.total:.3f} = {found.prior:.1e} + {found.steps.sum():.3f} {data}"
            panel.loglog(schedule.timesteps[2:], found.steps, line, color=colour, label=label)
        panel.set(
            xlabel="timestep t", ylabel="term of the bound, t → t − 1 [nats]",
            title="The bound: prior + steps + data, 100 steps, exact denoiser",
        )  # fmt: skip
        panel.legend(fontsize=9, title="variance of the reverse step: total")
    return figure


def p_theta(data: ToyData, denoiser: Denoiser) -> Figure:
    """Return the exact law of what the network samples beside the data, and their ratio."""
    schedule = SCHEDULES["linear"](STEPS)
    judged = model_law(network_chain(denoiser, schedule), ddim(), data.law, tolerance=SMOOTH)
    best = model_law(exact_chain(data.law, schedule), ddim(), data.law, tolerance=SMOOTH)
    with style():
        figure = Figure(figsize=(6.4, 5.0))
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
        reach = 4 * float(np.sqrt(data.law.covariance[0, 0]))
        for found, name, colour in ((judged, "network", BLUE), (best, "exact denoiser", ORANGE)):
            x, logs = found.law.points[0], found.law.log_density
            near = np.abs(x - data.law.mean[0]) < reach
            above.plot(x[near], np.exp(logs[near]), color=colour, label=f"{name}: KL = {found.divergence:.2g} nats")
            seen = near & (data.density(x) > 1e-4)
            below.plot(x[seen], logs[seen] - data.log_density(x[seen][None]), color=colour)
        line = np.linspace(data.law.mean[0] - reach, data.law.mean[0] + reach, 400)
        above.plot(line, data.density(line), "--", color=BLACK, label=f"{data.name}")
        above.set(ylabel="density [1/unit of x]", title=f"Exact p_theta of DDIM, {STEPS} steps")
        figure.legend(fontsize=9, loc="outside lower center", ncols=3)
        below.axhline(0, color=BLACK, lw=0.8)
        below.set(xlabel="x [unit of x]", ylabel="log p_theta/data")
    return figure
