"""Processes that are a function of Brownian motion with drift: X_t = g(g^-1(x0) + drift t + sigma W_t)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fpsde.density import Law, Normal
from fpsde.domain import LINE, Interval
from fpsde.processes.process import Exact
from fpsde.processes.transitions import known_from_points


@dataclass(frozen=True, eq=False)
class Chart:
    """An increasing function g of the line onto a domain: ``forward`` g, ``backward`` g^-1, and the slope of g^-1.

    All are written with operators and NumPy ufuncs, for numbers, arrays and components alike.
    """

    forward: Callable[[Any], Any]
    backward: Callable[[Any], Any]
    slope: Callable[[Any], Any]

    def moved(self, x: Any, by: Any) -> Any:
        """Return g(g^-1(x) + by)."""
        return self.forward(self.backward(x) + by)


@dataclass(frozen=True, eq=False)
class MonotoneImage(Law):
    """The law of g(Y) with Y normal: F(x) = Phi((g^-1(x) - m)/s)."""

    normal: Normal
    chart: Chart

    def cdf(self, x: Any) -> np.ndarray:
        return self.normal.cdf(self.chart.backward(np.asarray(x, dtype=float)))

    def pdf(self, x: Any) -> np.ndarray:
        x = np.asarray(x, dtype=float)
        with np.errstate(divide="ignore"):  # a density may have a pole
            slope = self.chart.slope(x)
        return self.normal.pdf(self.chart.backward(x)) * slope

    def range(self) -> tuple[float, float]:
        low, high = (float(self.chart.forward(end)) for end in self.normal.range())
        return low, high

    def ppf(self, u: Any) -> np.ndarray:
        return self.chart.forward(self.normal.ppf(u))

    def expectation(self, f: Callable[[np.ndarray], np.ndarray]) -> float:
        return self.normal.expectation(lambda y: f(self.chart.forward(y)))


def known_on_chart(chart: Chart, *, drift: float, sigma: float, domain: Interval = LINE) -> Exact:
    """Return the closed forms of X_t = g(g^-1(x0) + drift t + sigma W_t): path, transition, marginal, moments."""

    def law(x0: float, t: float) -> Law:
        return MonotoneImage(Normal(float(chart.backward(x0)) + drift * t, sigma * math.sqrt(t)), chart)

    def path(x0: Any, t: Any, w: Any) -> Any:
        return chart.moved(x0, drift * t + sigma * w)

    return replace(known_from_points(law, domain=domain), path=path)
