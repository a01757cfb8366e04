"""Figures: one style for the whole project, and the picture of a judged chain."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.rcsetup import cycler
from scipy import stats

from fpsde.chain import Chain
from fpsde.density import Law

#: Okabe & Ito's palette, told apart by colour-blind readers; line styles differ as well.
BLACK, ORANGE, SKY, GREEN, BLUE, VERMILION, PURPLE = (
    "#000000",
    "#E69F00",
    "#56B4E9",
    "#009E73",
    "#0072B2",
    "#D55E00",
    "#CC79A7",
)
#: Half-width of the noise bands, in standard deviations, and the probability that a bin lies inside.
BAND = 3.0
STYLE: Any = {
    "figure.dpi": 120,
    "figure.constrained_layout.use": True,
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": cycler(color=[BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY]),
    "legend.frameon": False,
    "lines.linewidth": 1.6,
}


@contextmanager
def style() -> Iterator[None]:
    """Draw in the project's style."""
    with mpl.rc_context(STYLE):
        yield


def chain_figure(chain: Chain, *, bins: int = 100) -> Figure:
    """Return the picture of a chain: densities above, differences with their noise band below.

    Bins that touch an atom (an absorbing wall) show the particles between the atoms only.
    """
    q = chain.question
    faces = np.linspace(*_seen(chain.reference.law, q.window), bins + 1)
    centres, width = 0.5 * (faces[1:] + faces[:-1]), faces[1] - faces[0]
    exact = smooth_masses(chain.reference.law, faces) / width
    with style():
        figure = Figure(figsize=(7.2, 6.0))
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        above.set_title(f"{q.process.name}, {q.scheme.name}, dt = {q.dt:g}, t = {q.t_end:g}\n{_verdicts(chain)}")
        above.plot(centres, exact, color=BLACK, ls="--", label=f"law of the process ({chain.reference.source})")
        if chain.law is not None and chain.run is not None:
            _particles(above, below, chain, faces, exact)
        below.axhline(0.0, color=BLACK, lw=0.8, ls="--")
        above.set_ylabel("density [1/unit of x]")
        below.set_ylabel("difference [1/unit of x]")
        below.set_xlabel("x [unit of x]")
        figure.legend(loc="outside lower center", ncols=2, fontsize=9)  # beside the curves, never on them
    return figure


def _particles(above: Any, below: Any, chain: Chain, faces: np.ndarray, exact: np.ndarray) -> None:
    assert chain.law is not None and chain.run is not None
    n, width = chain.run.n_particles, faces[1] - faces[0]
    centres = 0.5 * (faces[1:] + faces[:-1])
    masses = np.clip(smooth_masses(chain.law.law, faces), 0.0, 1.0)
    low, high = stats.binom.interval(1 - 2 * stats.norm.sf(BAND), n, masses)
    seen = _between_atoms(chain.run.positions[0], chain.law.law)
    counts, _ = np.histogram(seen, faces)
    above.fill_between(
        centres,
        low / n / width,
        high / n / width,
        step="mid",
        color=SKY,
        alpha=0.5,
        lw=0,
        label=f"{BAND:g} sd noise band, n = {n:,}",
    )
    above.step(centres, counts / n / width, where="mid", color=BLUE, lw=1.0, label="particles")
    above.plot(centres, masses / width, color=VERMILION, lw=1.2, label="exact law of the scheme")
    below.fill_between(
        centres, (low / n - masses) / width, (high / n - masses) / width, step="mid", color=SKY, alpha=0.5, lw=0
    )
    below.step(
        centres,
        (counts / n - masses) / width,
        where="mid",
        color=BLUE,
        lw=1.0,
        label="particles - law of the scheme (edge 1)",
    )
    below.plot(
        centres,
        masses / width - exact,
        color=VERMILION,
        lw=1.4,
        label="law of the scheme - law of the process (edge 2)",
    )


def smooth_masses(law: Law, faces: np.ndarray) -> np.ndarray:
    """Return the masses of the cells without those of the law's atoms, ``(n_cells,)``."""
    masses = law.cell_masses(faces)
    for at, mass in law.atoms:
        masses = masses - mass * ((faces[:-1] < at) & (at <= faces[1:]))
    return masses


def _between_atoms(x: np.ndarray, law: Law) -> np.ndarray:
    for at, _ in law.atoms:
        x = x[x != at]
    return x


def _seen(law: Law, window: tuple[float, float]) -> tuple[float, float]:
    """Return the part of the window that holds all but 1e-6 of the mass on each side."""
    low, high = (float(v) for v in law.ppf(np.array([1e-6, 1 - 1e-6])))
    pad = 0.02 * (high - low)
    return max(window[0], low - pad), min(window[1], high + pad)


def _verdicts(chain: Chain) -> str:
    return ", ".join(f"edge {edge}: {chain.verdict(edge).value}" for edge in (1, 2, 3))


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG and return its path."""
    figure.savefig(path)
    return path
