"""The picture of a study of convergence: errors by step size, the fitted order with its band, the slope claimed."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from fpsde.convergence import StrongOrder, WeakOrder
from fpsde.plotting import BLACK, BLUE, SKY, style
from fpsde.processes.process import Process
from fpsde.schemes import Scheme


def convergence_figure(process: Process, scheme: Scheme, strong: StrongOrder | None, weak: WeakOrder | None) -> Figure:
    """Return one panel for each study that there is."""
    studies = [study for study in (strong, weak) if study is not None]
    with style():
        figure = Figure(figsize=(4.2 * len(studies) + 0.6, 4.0))
        for panel, study in zip(figure.subplots(1, len(studies), squeeze=False)[0], studies, strict=True):
            if isinstance(study, StrongOrder):
                _panel(panel, study.dts, study.errors, 3 * study.standard_errors, study, study.theory)
                panel.set_title(f"strong: root mean square error\n({study.source})")
                panel.set_ylabel("error of the path [unit of x]")
            else:
                _panel(panel, study.dts, np.abs(study.errors), study.accuracy, study.result, study.theory)
                panel.set_title(f"weak: |error of E {study.observable}|\n(without sampling)")
                panel.set_ylabel("error [unit of the observable]")
        figure.suptitle(f"{scheme.name} on {process.name}", fontsize=11)
    return figure


def _panel(panel: Any, dts: np.ndarray, errors: np.ndarray, bars: np.ndarray, found: Any, theory: float) -> None:
    shown = errors > 0
    h, e = dts[shown], errors[shown]
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.errorbar(h, e, np.minimum(bars[shown], 0.9 * e), fmt="o", color=BLUE, ms=4, label="measured")
    fine, size = float(h.min()), float(e[np.argmin(h)])
    along = np.geomspace(fine, float(h.max()), 50)
    if found.order is not None:  # the fit for small dt; its band opens away from the finest step
        size = abs(found.constant) * fine**found.order
        panel.plot(along, size * (along / fine) ** found.order, color=BLUE, label=f"order {found.order:.3f}")
        low, high = (size * (along / fine) ** p for p in (found.low, found.high))
        panel.fill_between(along, low, high, color=SKY, alpha=0.4, label=f"{found.low:.3f} to {found.high:.3f}")
    panel.plot(along, 0.6 * size * (along / fine) ** theory, color=BLACK, ls="--", label=f"claimed slope {theory:g}")
    panel.set_xticks(h, [f"{v:.2g}" for v in h])
    panel.xaxis.minorticks_off()
    panel.set_xlabel("dt [unit of time]")
    panel.legend(fontsize=9)
