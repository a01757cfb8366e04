"""What ``fpsde ddpm sample`` makes of a sampler: its points on the way down the levels, verdicts, and their picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from fpsde.arrays import host
from fpsde.checks import Budget, CheckResult, density, projections
from fpsde.ddpm import Denoiser, Sampler, ToyData, saved_denoiser
from fpsde.errors import InvalidInput
from fpsde.plotting import BLACK, BLUE, ORANGE, VERMILION, style
from fpsde.processes.noise_schedules import NoiseSchedule

#: Levels that are shown, points of a panel, particles whose whole paths are drawn.
SHOWN, POINTS, PATHS = 5, 2000, 12
#: How many points of the data are drawn for one of a sampler, where their law is no law on the line.
MORE = 10


@dataclass(frozen=True, eq=False)
class Descent:
    """Points of a sampler: ``points`` (d, n) after each of ``steps``, and ``paths`` (n_steps + 1, d, few) whole."""

    steps: tuple[int, ...]
    points: tuple[np.ndarray, ...]
    paths: np.ndarray

    @classmethod
    def of(cls, sampler: Sampler, start: Any, seed: int) -> Descent:
        """Return the points from ``start`` (d, n) on, on the host."""
        left = np.linspace(1, 0, SHOWN) ** 2  # close together at the end, where the points find their places
        steps = np.unique((sampler.n_steps * (1 - left)).round().astype(int)).tolist()
        points, paths = [host(start)], [host(start[:, :PATHS])]
        for i, x in enumerate(sampler.trajectory(start, seed=seed), start=1):
            paths.append(host(x[:, :PATHS]))
            if i in steps:
                points.append(host(x))
        return cls(tuple(steps), tuple(points), np.stack(paths))

    @property
    def last(self) -> np.ndarray:
        """The points (d, n) after all steps."""
        return self.points[-1]


def denoiser_of(data: ToyData, file: Path, schedule: NoiseSchedule) -> Denoiser:
    """Return the network in a file, to be asked at the levels of a schedule.

    Raises InvalidInput where there is no such file, and for a network of another number of components than the data
    have; errors of :func:`~fpsde.ddpm.saved_denoiser`. One of other data is sampled, and the verdicts say so.
    """
    if not file.exists():
        raise InvalidInput(f"{file} does not exist; `fpsde ddpm train {data.name}` makes ddpm-{data.name}.npz")
    found = saved_denoiser(file, schedule)
    dim = found.network.shape.dim
    if dim != data.dim:
        raise InvalidInput(f"{file} holds a network of dim={dim}, {data.name} has {data.dim}; give one trained on them")
    return found


def verdicts(data: ToyData, found: dict[str, Descent], seed: int) -> dict[str, CheckResult]:
    """Return by name whether points come from the data: against their law on the line, else against a sample of them.

    One false-alarm probability is divided among them. A sampler of few steps is not the data, with an exact denoiser
    neither: which of the two errors is seen is said by the verdict of the exact one.
    """
    levels = Budget().share(len(found))
    if data.dim == 1:
        law = data.marginal()
        return {name: density(one.last[0], law, alpha=a) for a, (name, one) in zip(levels, found.items(), strict=True)}
    n = next(iter(found.values())).last.shape[1]
    sample = data.sample(MORE * n, seed=(seed + 1) % 2**64)  # points of the same seed start in the same numbers
    return {name: projections(one.last, sample, alpha=a) for a, (name, one) in zip(levels, found.items(), strict=True)}


def descent_figure(data: ToyData, schedule: NoiseSchedule, found: dict[str, Descent], *, title: str) -> Figure:
    """Return the points on the way beside the forward marginals of the data at the same levels, and whole paths."""
    with style():
        figure = _on_the_line(data, schedule, found) if data.dim == 1 else _in_the_plane(data, schedule, found)
        figure.suptitle(title)
    return figure


def _on_the_line(data: ToyData, schedule: NoiseSchedule, found: dict[str, Descent]) -> Figure:
    network, exact = found.values()
    figure = Figure(figsize=(10.8, 5.6))
    grid = figure.add_gridspec(2, len(network.steps))
    x = np.linspace(-1, 1, 161) * max(float(np.abs(points).max()) for points in network.points)
    first = None
    for k, i in enumerate(network.steps):
        panel = first = figure.add_subplot(grid[0, k], sharex=first)
        bars = {"bins": x[::2].tolist(), "density": True}
        panel.hist(network.points[k][0], color=BLUE, alpha=0.4, label="network", **bars)
        panel.hist(exact.points[k][0], histtype="step", color=ORANGE, label="exact denoiser", **bars)
        panel.plot(x, data.density(x, _bar(schedule, i)), color=BLACK, label="data with noise, exactly")
        panel.set(title=_level(schedule, i), xlabel="x [unit of x]", ylabel="" if k else "density [1/unit of x]")
        panel.locator_params(nbins=5, steps=[1, 2, 5, 10])
    handles, labels = panel.get_legend_handles_labels()
    below = figure.add_subplot(grid[1, :])
    steps = np.arange(len(network.paths))
    for one, colour, line in ((exact, ORANGE, "--"), (network, BLUE, "-")):
        below.plot(steps, one.paths[:, 0], line, color=colour, lw=1)
    below.set(xlabel="steps n", ylabel="x [unit of x]")
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


def _in_the_plane(data: ToyData, schedule: NoiseSchedule, found: dict[str, Descent]) -> Figure:
    network = next(iter(found.values()))
    rng, x0 = np.random.default_rng(0), data.sample(POINTS, seed=0)
    figure = Figure(figsize=(2.4 * len(network.steps), 2.4 * (1 + len(found)) + 0.7))
    panels = figure.subplots(1 + len(found), len(network.steps), sharex="col", sharey="col", squeeze=False)
    for k, i in enumerate(network.steps):
        t = schedule.n_steps - i
        noisy = schedule.signals[t] * x0 + schedule.levels[t] * rng.standard_normal(x0.shape)
        clouds = [noisy, *(one.points[k][:, :POINTS] for one in found.values())]
        for panel, points in zip(panels[:, k], clouds, strict=True):
            panel.plot(*points, ".", markersize=1.5, color=BLUE, alpha=0.5)
        if k == len(network.steps) - 1:  # their paths are drawn there
            clouds += [np.concatenate(one.paths, axis=1) for one in found.values()]
        _square(panels[:, k], np.concatenate(clouds, axis=1))
        panels[0, k].set_title(_level(schedule, i))
        panels[-1, k].set_xlabel("x0 [unit of x]")
    for row, one in enumerate(found.values(), start=1):
        lines = panels[row, -1].plot(one.paths[:, 0], one.paths[:, 1], "-", color=VERMILION, lw=0.7)
    for row, name in enumerate(("data with noise", *found)):
        panels[row, 0].set_ylabel(f"{name}\nx1 [unit of x]")
    label = f"whole paths of {len(lines)} points, from t = {schedule.timesteps[-1]} to 0"
    figure.legend(lines[:1], [label], loc="outside lower center")
    return figure


def _square(panels: Any, points: np.ndarray) -> None:
    """Make panels square, with one unit of length and all of ``points`` (2, n) inside: then all have one size."""
    low, high = points.min(axis=1), points.max(axis=1)
    middle, half = 0.5 * (low + high), 0.53 * float((high - low).max())
    for panel in panels:
        panel.set(xlim=(middle[0] - half, middle[0] + half), ylim=(middle[1] - half, middle[1] + half), box_aspect=1)
        panel.locator_params(nbins=5, steps=[1, 2, 5, 10])  # the same for both axes


def _bar(schedule: NoiseSchedule, i: int) -> float:
    return float(schedule.alpha_bars[schedule.n_steps - i])


def _level(schedule: NoiseSchedule, i: int) -> str:
    return f"t = {schedule.timesteps[schedule.n_steps - i]}"
