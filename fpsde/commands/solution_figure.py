"""The picture of a solved Fokker-Planck equation: stationary density, modes, mean passage time by starting point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from fpsde.commands.fokker_planck_questions import with_bar, written
from fpsde.fokker_planck.refinement import Estimate
from fpsde.fokker_planck.solver import FokkerPlanck
from fpsde.plotting import BLACK, BLUE, VERMILION, style

#: Modes that one panel shows at most: more lines cannot be told apart.
SHOWN = 6


def solution_figure(
    solver: FokkerPlanck, asked: Mapping[str, Estimate], *, modes: int | None, passage: Sequence[float] | None
) -> Figure:
    """Return one panel for each thing that was asked for: curves of the solver's grid, numbers of the estimates."""
    wanted = ["stationary_moments" in asked, modes is not None, passage is not None]
    with style():
        figure = Figure(figsize=(7.2, 0.8 + 2.8 * sum(wanted)))
        panels = iter(figure.subplots(sum(wanted), 1, squeeze=False)[:, 0])
        if wanted[0]:
            _stationary(next(panels), solver, asked["stationary_moments"])
        if modes is not None:
            _modes(next(panels), solver, modes, asked["eigenvalues"])
        if passage is not None:
            _passage(next(panels), solver, passage, asked["passage_time"])
        figure.suptitle(f"{solver.process.name}: {solver.process.equation}", fontsize=11)
    return figure


def _stationary(panel: Any, solver: FokkerPlanck, moments: Estimate) -> None:
    law, variance = solver.stationary().law, with_bar(float(moments.value[1]), float(moments.error[1]))
    panel.stairs(law.average_density, law.grid.faces, color=BLUE, fill=True, alpha=0.25)
    panel.stairs(law.average_density, law.grid.faces, color=BLUE, lw=1.6, baseline=None)
    panel.set_title(f"stationary law; variance {variance}")
    _label(panel, "density [1/unit of x]")


def _modes(panel: Any, solver: FokkerPlanck, count: int, rates: Estimate) -> None:
    shown = zip(rates.value[:SHOWN], rates.error[:SHOWN], solver.modes(count).right, strict=False)
    for k, (rate, error, mode) in enumerate(shown):
        panel.plot(
            solver.grid.centres,
            mode.real / solver.grid.widths,
            ls=("-", "--", "-.", ":")[k % 4],
            label=rf"$\lambda_{k + 1}$ = {written(rate, error)}",
        )
    panel.set_title("modes: how departures from the stationary law look while they decay")
    panel.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=9)
    _label(panel, "density [1/unit of x]")


def _passage(panel: Any, solver: FokkerPlanck, numbers: Sequence[float], time: Estimate) -> None:
    (x0, target), mean = numbers, with_bar(float(time.value), float(time.error))
    found = solver.passage_time(x0, target)
    panel.plot(found.means.x, found.means.values, color=BLUE)
    panel.plot([x0], [found.mean], "o", color=VERMILION, label=f"from {x0:g}: {mean}")
    panel.axvline(target, color=BLACK, lw=1.0, ls="--", label=f"target {target:g}")
    panel.set_ylim(bottom=0)
    panel.set_title("mean time until the target is reached")
    panel.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=9)
    _label(panel, "time", "starting point x [unit of x]")


def _label(panel: Any, y: str, x: str = "x [unit of x]") -> None:
    panel.set_xlabel(x)
    panel.set_ylabel(y)
