"""The picture of a solved Fokker-Planck equation of two components: stationary density, modes, mean passage time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from fpsde.commands.fokker_planck_questions import passage, with_bar, written
from fpsde.fokker_planck.plane.generator import volumes
from fpsde.fokker_planck.plane.solver import PlaneFokkerPlanck
from fpsde.fokker_planck.refinement import Estimate
from fpsde.grid import Grid
from fpsde.plotting import VERMILION, style

#: Modes that are shown at most, one in a panel.
SHOWN = 4
#: Colours of maps from zero up, and of maps of both signs.
UNSIGNED, SIGNED = "cividis", "RdBu_r"


def plane_figure(
    solver: PlaneFokkerPlanck,
    names: Sequence[str],
    asked: Mapping[str, Estimate],
    *,
    modes: int | None,
    passage_from: Sequence[float] | None,
) -> Figure:
    """Return a map for each thing that was asked for, and one for each of the first modes; ``names`` of components.

    Maps are those of the solver's grid, linear between the centres of its cells; numbers are those of the estimates. Of
    a conjugate pair the first is shown.
    """
    stationary = "stationary_moments" in asked
    found = None if modes is None else solver.modes(modes)
    shown = [] if found is None else np.flatnonzero(found.eigenvalues.imag >= 0)[:SHOWN].tolist()
    count = stationary + len(shown) + (passage_from is not None)
    heading = [f"{solver.process.name}:", *solver.process.equation.split(",  ")]
    columns = min(2, count)
    rows = -(-count // columns)
    with style():
        figure = Figure(figsize=(1.2 + 4.0 * columns, 0.5 + 0.17 * len(heading) + 3.2 * rows))
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        panels = iter(grid)
        if stationary:
            panel = next(panels)
            law, bars = solver.stationary().law, asked["stationary_moments"]
            first, second = (with_bar(bars.value[i], bars.error[i]) for i in (2, 4))
            title = f"stationary law; variances {first}, {second}"
            _map(panel, law.grid, law.average_density, "density [1/area]", title)
        for k in shown:
            assert found is not None
            mode = found.right[k].real / volumes(solver.grid).reshape(solver.grid.shape)
            rates = asked["eigenvalues"]
            title = rf"mode: $\lambda_{k + 1}$ = {written(rates.value[k], rates.error[k], pair=True)}"
            _map(next(panels), solver.grid, mode, "density [1/area]", title, signed=True)
        if passage_from is not None:
            panel, (*start, target) = next(panels), passage_from
            mean = with_bar(float(asked["passage_time"].value), float(asked["passage_time"].error))
            means = passage(solver, passage_from).means
            title = f"mean time until {names[0]} = {target:g}; from the dot: {mean}"
            _map(panel, *_before(target, start[0], means.grid, means.values), "time", title)
            panel.set_xlim(*means.grid.axes[0][[0, -1]])
            panel.set_facecolor(mpl.colormaps[UNSIGNED](0.0))  # in the target the time is zero
            panel.axvline(target, color=VERMILION, ls="--", lw=1.2)
            panel.plot(*start, "o", color=VERMILION)
        for panel in grid[:count]:
            panel.set_xlabel(f"{names[0]} [unit of {names[0]}]")
            panel.set_ylabel(f"{names[1]} [unit of {names[1]}]")
        for panel in panels:
            panel.set_visible(False)
        _head(figure, heading)
    return figure


def _head(figure: Figure, lines: Sequence[str]) -> None:
    """Write ``lines`` above the panels, none of them broken: small enough for the longest."""
    text = figure.suptitle("\n".join(lines), fontsize=10)
    room = 0.96 * figure.bbox.width / text.get_window_extent().width
    text.set_fontsize(10 * min(1.0, room))


def _before(target: float, start: float, grid: Grid, values: np.ndarray) -> tuple[Grid, np.ndarray]:
    """Return the cells on the side of ``target`` where ``start`` lies, and their values: a time may jump there."""
    first, second = grid.axes
    cells = np.flatnonzero((grid.lines[0].centres < target) == (start < target))
    return Grid((first[cells[0] : cells[-1] + 2], second)), values[cells]


def _map(panel: Any, grid: Grid, values: np.ndarray, unit: str, title: str, *, signed: bool = False) -> None:
    """Draw ``values`` (n_1, n_2) at the centres, linear between them, from zero up, or of both signs about zero."""
    top = float(np.abs(values).max())
    low, colours = (-top, SIGNED) if signed else (0.0, UNSIGNED)
    places = [np.array([line.faces[0], *line.centres, line.faces[-1]]) for line in grid.lines]
    at_places = np.pad(values, 1, mode="edge").T  # in the outer half of the outermost cells as at their centres
    drawn = panel.pcolormesh(*places, at_places, vmin=low, vmax=top, cmap=colours, shading="gouraud", rasterized=True)
    panel.figure.colorbar(drawn, ax=panel, label=unit)
    panel.set_title(title, fontsize=10)
    panel.grid(visible=False)
