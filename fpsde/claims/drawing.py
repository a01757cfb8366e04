"""The figures of experiments, in few words: each function returns what draws on axes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fpsde.claims.experiment import Draw
from fpsde.density import Law

#: Styles of lines in the order in which they are drawn: told apart without colours.
STYLES = ("-", "--", "-.", ":")


def curves(
    x: Any, lines: Mapping[str, Any], *, xlabel: str, ylabel: str, logx: bool = False, logy: bool = False
) -> Draw:
    """Return what draws ``lines`` over ``x``, or each over its own x where it is a pair (x, y)."""

    def draw(ax: Any) -> None:
        for i, (label, line) in enumerate(lines.items()):
            at, y = line if isinstance(line, tuple) else (x, line)
            ax.plot(at, y, STYLES[i % len(STYLES)], marker="o" if len(at) < 20 else None, ms=4, label=label)
        ax.set(xlabel=xlabel, ylabel=ylabel)
        if logx:
            ax.set_xscale("log")
            if len(x) < 9:  # labels of the points, not of all ninths of a decade
                ax.set_xticks(x, [f"{v:.3g}" for v in x])
                ax.minorticks_off()
            else:
                ax.xaxis.set_minor_formatter("")  # labels of parts of a decade run into one another
        if logy:
            ax.set_yscale("log")

    return draw


def densities(
    window: tuple[float, float], laws: Mapping[str, Law], *, particles: Any = None, xlabel: str = "x"
) -> Draw:
    """Return what draws the densities of ``laws``, and a histogram of ``particles`` under them."""
    x = np.linspace(*window, 401)
    lines = curves(x, {label: law.pdf(x) for label, law in laws.items()}, xlabel=xlabel, ylabel="density")

    def draw(ax: Any) -> None:
        if particles is not None:
            ax.hist(particles, bins=80, range=window, density=True, color="0.8", label="particles")
        lines(ax)

    return draw


def bars(series: Mapping[str, Mapping[str, float]], *, xlabel: str, logx: bool = False) -> Draw:
    """Return what draws a horizontal bar for each number: a colour for each of ``series``, a place for each name."""

    def draw(ax: Any) -> None:
        names = list(next(iter(series.values())))
        height = 0.8 / len(series)
        for k, (label, values) in enumerate(series.items()):
            ax.barh(np.arange(len(names)) + k * height, list(values.values()), height, label=label, log=logx)
        ax.set_yticks(np.arange(len(names)) + 0.4 - height / 2, names)
        ax.invert_yaxis()
        ax.set_xlabel(xlabel)

    return draw
