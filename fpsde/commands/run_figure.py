"""The picture of a run of particles: the density of each component at the end, from the counts of the run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from fpsde.density import Law
from fpsde.domain import Interval
from fpsde.ensemble import Counts, Ensemble
from fpsde.errors import InvalidInput
from fpsde.plotting import BLACK, BLUE, smooth_masses, style
from fpsde.processes.process import Process

#: Cells of the picture, about: finer bins are added up.
CELLS = 100


def run_figure(
    process: Process, run: Ensemble, counts: Sequence[Counts], *, labels: Sequence[str], title: str
) -> Figure:
    """Return the densities of all components, with the stationary law where it is known.

    Particles on an absorbing wall are an atom there and no density: they are left out.
    """
    with style():
        figure = Figure(figsize=(7.2, 1.0 + 2.8 * len(labels)))
        panels = figure.subplots(len(labels), 1, squeeze=False)[:, 0]
        panels[0].set_title(title)
        for i, (panel, label) in enumerate(zip(panels, labels, strict=True)):
            table = between_walls(counts[i], process.intervals[i], run.absorbed[i])
            _panel(panel, *cells(table, counts[i].faces[0], run.n_particles), label, _stationary(process, i))
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=9)
    return figure


def _panel(panel: Any, faces: np.ndarray, density: np.ndarray, label: str, stationary: Law | None) -> None:
    panel.stairs(density, faces, color=BLUE, lw=1.2, label="particles")
    if stationary is not None:
        masses = smooth_masses(stationary, faces) / np.diff(faces)
        panel.plot(0.5 * (faces[1:] + faces[:-1]), masses, color=BLACK, ls="--", label="stationary law")
    panel.set_xlabel(f"{label} [unit of {label}]")
    panel.set_ylabel(f"density [1/unit of {label}]")


def between_walls(counts: Counts, interval: Interval, absorbed: tuple[int, int]) -> np.ndarray:
    """Return the counts ``(bins,)`` of one component without the particles on absorbing walls."""
    table = counts.counts[0].copy()
    for wall, number in zip((interval.low, interval.high), absorbed, strict=True):
        k = int(np.searchsorted(counts.faces[0], wall, side="right")) - 1
        if 0 <= k < len(table):
            table[k] -= number
    return table


def cells(table: np.ndarray, faces: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return faces ``(k + 1,)`` around the bins with some of ``n`` particles, and the density ``(k,)`` in 1/length."""
    taken = np.flatnonzero(table)
    if not taken.size:
        raise InvalidInput(
            f"none of {n} particles is in the bins from {faces[0]:g} to {faces[-1]:g}, so there is nothing to draw; "
            "give --histogram LOW HIGH BINS where they are"
        )
    several = -(-(taken[-1] + 1 - taken[0]) // CELLS)  # bins to a cell
    first = taken[0] - taken[0] % several
    number = -(-(taken[-1] + 1 - first) // several)
    ends = np.append(np.arange(number) * several + first, min(first + number * several, len(table)))
    counts = np.add.reduceat(table[: ends[-1]], ends[:-1])
    return faces[ends], counts / (n * np.diff(faces[ends]))


def _stationary(process: Process, i: int) -> Law | None:
    exact = process.exact
    if process.dim == 1:
        return None if exact.stationary is None else exact.stationary()
    try:
        return None if exact.stationary_component is None else exact.stationary_component(i)
    except InvalidInput:  # it is known of other components only
        return None
