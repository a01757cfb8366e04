"""Weak order without sampling: errors of the exact laws of two schemes on geometric Brownian motion."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import fpsde
from fpsde.checks import OrderResult, order
from fpsde.plotting import BLACK, BLUE, VERMILION, save, style
from fpsde.question import projected


def study(scheme: fpsde.Scheme, levels: int) -> tuple[np.ndarray, np.ndarray, OrderResult]:
    """Return steps, errors of the distribution function (projected on the coarsest one) and the fitted order."""
    process = fpsde.geometric_brownian()
    x0, t_end, dts = process.setting.x0, process.setting.t_end, process.setting.t_end / (10 * 2.0 ** np.arange(levels))
    exact = process.exact.transition(x0, t_end)
    x = exact.ppf(np.linspace(0.005, 0.995, 199))
    errors = projected(
        np.array([fpsde.scheme_law(process, scheme, x0=x0, t_end=t_end, dt=dt).law.cdf(x) - exact.cdf(x) for dt in dts])
    )
    return dts, errors, order(dts, errors, expected=1.0, floor=1e-11)


def draw(levels: int = 6) -> Figure:
    """Return errors against the step, with the fitted line and its band."""
    with style():
        figure = Figure(figsize=(6.4, 4.6))
        axes = figure.subplots()
        for scheme, colour, mark in ((fpsde.euler_maruyama, VERMILION, "o"), (fpsde.milstein, BLUE, "s")):
            dts, errors, fit = study(scheme, levels)
            axes.loglog(
                dts,
                np.abs(errors),
                mark,
                color=colour,
                label=f"{scheme.name}: order {fit.order:.3f} in [{fit.low:.3f}, {fit.high:.3f}]",
            )
            line = np.abs(errors[-1]) * (dts / dts[-1])[:, None] ** np.array([fit.low, fit.order, fit.high])
            axes.plot(dts, line[:, 1], color=colour, lw=1)
            axes.fill_between(dts, line[:, 0], line[:, 2], color=colour, alpha=0.2, lw=0)
        axes.plot(dts, 0.5 * np.abs(errors).min() * dts / dts[-1], color=BLACK, ls=":", label="slope 1")
        axes.set(
            xlabel="dt [unit of time]",
            ylabel="|error of the distribution function|",
            title="Weak error of the exact laws, no sampling",
        )
        axes.legend(fontsize=9)
    return figure


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--levels", type=int, default=6)
    save(draw(options.parse_args().levels), Path(__file__).with_suffix(".png"))
