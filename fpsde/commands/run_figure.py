"""The picture of a run of particles: the density of each component at the end, from the counts of the run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from fpsde.commands.quantiles import between_walls
from fpsde.density import Law
from fpsde.ensemble import Counts, Ensemble
from fpsde.errors import InvalidInput
from fpsde.plotting import BLACK, BLUE, smooth_masses, style
from fpsde.processes.process import Process

#: Cells of the picture that hold the bulk of the particles, about: finer bins are added up.
CELLS = 100
#: Share on either side that does not widen the picture, of the particles and of a law.
TAIL = 1e-4
#: Points of the curve of a law.
POINTS = 400


def run_figure(
    process: Process, run: Ensemble, counts: Sequence[Counts], *, labels: Sequence[str], title: str
) -> Figure:
    """Return the densities of all components, with the stationary law where it is known.

    Particles on an absorbing wall are an atom there and no density: their share is written above.
    """
    with style():
        figure = Figure(figsize=(7.2, 1.0 + 2.8 * len(labels)))
        panels = figure.subplots(len(labels), 1, squeeze=False)[:, 0]
        for i, (panel, label) in enumerate(zip(panels, labels, strict=True)):
            table = between_walls(counts[i], run.absorbed[i]).counts[0]
            if not table.any() and sum(run.absorbed[i]) < run.n_particles:
                raise _nothing(counts[i], run.n_particles)
            _panel(panel, table, counts[i].faces[0], run.n_particles, _stationary(process, i))
            panel.set_xlabel(label)
            panel.set_ylabel("density")
            panel.set_title("\n".join(filter(None, (title if i == 0 else "", _absorbed(run, i)))))
        curves = {name: line for panel in panels for line, name in zip(*panel.get_legend_handles_labels(), strict=True)}
        figure.legend(curves.values(), curves.keys(), loc="outside lower center", ncols=2, fontsize=9)
    return figure


def _panel(panel: Any, table: np.ndarray, faces: np.ndarray, n: int, stationary: Law | None) -> None:
    low, high = faces[bulk(table)]
    edges, density = cells(table, faces, n)
    panel.stairs(density, edges, color=BLUE, lw=1.2, label="particles")
    if stationary is not None:
        ends = stationary.ppf(np.array([TAIL, 1 - TAIL]))
        low, high = min(low, ends[0]), max(high, ends[1])
        at = np.linspace(low, high, POINTS + 1)
        masses = smooth_masses(stationary, at) / np.diff(at)
        panel.plot(0.5 * (at[1:] + at[:-1]), masses, color=BLACK, ls="--", label="stationary law")
    pad = 0.03 * (high - low)
    panel.set_xlim(low - pad, high + pad)
    panel.set_ylim(bottom=0)


def bulk(table: np.ndarray) -> np.ndarray:
    """Return the numbers ``(2,)`` of the faces between which all particles but the share ``TAIL`` on each side are."""
    reached = np.cumsum(table)
    if not reached[-1]:
        return np.array([0, len(table)])
    tail = TAIL * reached[-1]
    return np.array([np.searchsorted(reached, tail, side="right"), np.searchsorted(reached, reached[-1] - tail) + 1])


def cells(table: np.ndarray, faces: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return faces ``(k + 1,)`` of cells over all bins, and the density ``(k,)`` of ``n`` particles in 1/length."""
    first, last = bulk(table)
    several = -(-(last - first) // CELLS)  # bins to a cell
    begins = np.arange(0, len(table), several)
    drawn = faces[np.append(begins, len(table))]
    return drawn, np.add.reduceat(table, begins) / (n * np.diff(drawn))


def _nothing(counts: Counts, n: int) -> InvalidInput:
    low, high = counts.faces[0, 0], counts.faces[0, -1]
    return InvalidInput(
        f"none of {n} particles is in the bins from {low:g} to {high:g}, so there is nothing to draw; "
        "give --histogram LOW HIGH BINS where they are"
    )


def _absorbed(run: Ensemble, i: int) -> str:
    share = sum(run.absorbed[i]) / run.n_particles
    return f"{100 * share:.3g} % absorbed, not drawn" if share else ""


def _stationary(process: Process, i: int) -> Law | None:
    exact = process.exact
    if process.dim == 1:
        return None if exact.stationary is None else exact.stationary()
    try:
        return None if exact.stationary_component is None else exact.stationary_component(i)
    except InvalidInput:  # it is known of other components only
        return None
