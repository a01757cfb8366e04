"""Stand-ins for processes, and cases whose law is known in closed form, for the Fokker-Planck tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from emulated_gpu import EmulatedGpu
from scipy import special, stats

from fpsde.density import Law, Mixture, Normal
from fpsde.domain import LINE, Interval, Wall
from fpsde.fokker_planck import FokkerPlanck
from fpsde.fokker_planck.plane.jumps_on_gpu import product_program
from fpsde.fokker_planck.sweeps import cuda_program
from fpsde.fokker_planck.sweeps_in_pieces import program_in_pieces
from fpsde.fokker_planck.tridiagonal import WEIGHT
from fpsde.grid import Grid


@dataclass(frozen=True)
class StandIn:
    """What the solver asks of a process."""

    drift: Callable[[np.ndarray, float], Any]
    d: Callable[[np.ndarray, float], Any]
    domain: Interval = LINE
    time_dependent: bool = False
    name: str = "stand-in"
    dim: int = 1

    def ito_drift(self, x: np.ndarray, t: float) -> np.ndarray:
        return self.drift(x, t) + np.zeros_like(x)

    def diffusivity(self, x: np.ndarray, t: float) -> np.ndarray:
        return self.d(x, t) + np.zeros_like(x)


@dataclass(frozen=True)
class Case:
    """A process with a start, and the exact distribution function at ``t_end``; absorbed mass counts from its wall."""

    process: StandIn
    start: float | Law
    t_end: float
    box: tuple[float, float]
    cdf: Callable[[np.ndarray], np.ndarray]
    t_start: float = 0.0
    tolerance: float = 1e-8

    def error(self, cells: int, **options: Any) -> float:
        """Return the largest error of the distribution function at the faces."""
        solver = FokkerPlanck(self.process, Grid.uniform(self.box, cells=cells), **options)
        law = solver.evolve(self.start, t_end=self.t_end, t_start=self.t_start, tolerance=self.tolerance).law
        return float(np.abs(law.cdf(law.grid.faces) - self.cdf(law.grid.faces)).max())


def _ou() -> Case:
    after = Normal(np.exp(-0.8), np.sqrt(0.16 * np.exp(-1.6) + 1 - np.exp(-1.6)))
    return Case(StandIn(lambda x, t: -x, lambda x, t: 1.0), Normal(1.0, 0.4), 0.8, (-7, 7), after.cdf)


def _ou_point() -> Case:
    after = Normal(0.537 * np.exp(-0.8), np.sqrt(1 - np.exp(-1.6)))
    return Case(StandIn(lambda x, t: -x, lambda x, t: 1.0), 0.537, 0.8, (-7, 7), after.cdf)


def _benes() -> Case:
    x0, t = 0.5, 2.0
    up = np.exp(x0) / (2 * np.cosh(x0))
    after = Mixture((up, 1 - up), (Normal(x0 + t, np.sqrt(t)), Normal(x0 - t, np.sqrt(t))))
    return Case(StandIn(lambda x, t: np.tanh(x), lambda x, t: 0.5), x0, t, (-10, 11), after.cdf)


def _cir() -> Case:
    c = 2 / (0.25 * (1 - np.exp(-1)))
    after = stats.ncx2(16, 2 * c * 0.5 * np.exp(-1))
    process = StandIn(lambda x, t: 1 - x, lambda x, t: 0.125 * x, Interval(0.0))
    return Case(process, 0.5, 1.0, (0, 6), lambda x: after.cdf(2 * c * x))


def _gbm() -> Case:
    after = stats.lognorm(s=0.3, scale=np.exp(0.1 - 0.045))
    return Case(StandIn(lambda x, t: 0.1 * x, lambda x, t: 0.045 * x**2, Interval(0.0)), 1.0, 1.0, (0, 6), after.cdf)


def _reflecting() -> Case:
    x0, d, t = 0.3, 0.5, 0.15
    s = np.sqrt(2 * d * t)

    def cdf(x: np.ndarray) -> np.ndarray:
        images = np.concatenate([2 * np.arange(-6, 7) + x0, 2 * np.arange(-6, 7) - x0])
        return (special.ndtr((x[:, None] - images) / s) - special.ndtr(-images / s)).sum(axis=1)

    return Case(StandIn(lambda x, t: 0.0, lambda x, t: d, Interval.between(0, 1, Wall.REFLECTING)), x0, t, (0, 1), cdf)


def _absorbing() -> Case:
    x0, d, t = 0.3, 0.5, 0.1
    k = np.pi * np.arange(1, 40)
    decay = 2 * np.sin(k * x0) * np.exp(-d * k**2 * t)

    def cdf(x: np.ndarray) -> np.ndarray:
        inside = ((1 - np.cos(k * x[:, None])) * (decay / k)).sum(axis=1)
        left = 1 - x0 - (decay / k).sum()  # 1 - x0 reach the low wall in the end; the sum is what is still to come
        right = x0 - (decay * -np.cos(k) / k).sum()
        return left + inside + right * (x >= 1)

    return Case(StandIn(lambda x, t: 0.0, lambda x, t: d, Interval.between(0, 1, Wall.ABSORBING)), x0, t, (0, 1), cdf)


def _half_absorbing() -> Case:
    x0, d, t = 0.4, 0.5, 0.2  # reflecting at 0, absorbing at 1: cosines of (n + 1/2) pi x
    k = np.pi * (np.arange(40) + 0.5)
    decay = 2 * np.cos(k * x0) * np.exp(-d * k**2 * t)

    def cdf(x: np.ndarray) -> np.ndarray:
        inside = (np.sin(k * x[:, None]) * (decay / k)).sum(axis=1)
        return inside + (1 - (np.sin(k) * decay / k).sum()) * (x >= 1)

    domain = Interval(0, 1, Wall.REFLECTING, Wall.ABSORBING)
    return Case(StandIn(lambda x, t: 0.0, lambda x, t: d, domain), x0, t, (0, 1), cdf)


def _periodic() -> Case:
    x0, v, d, t = 0.9, 1.3, 0.05, 0.4

    def cdf(x: np.ndarray) -> np.ndarray:
        turns, s = np.arange(-6, 7) + x0 + v * t, np.sqrt(2 * d * t)
        return (special.ndtr((x[:, None] - turns) / s) - special.ndtr(-turns / s)).sum(axis=1)

    return Case(StandIn(lambda x, t: v, lambda x, t: d, Interval.between(0, 1, Wall.PERIODIC)), x0, t, (0, 1), cdf)


def _preserving() -> Case:
    """Variance-preserving process with beta(t) = 0.1 + 9.9 t, from t = 0.1, on a mixture of two Gaussians."""

    def half_beta(t: float) -> float:
        return 0.5 * (0.1 + 9.9 * t)

    a = np.exp(-0.5 * (0.1 * (0.5 - 0.1) + 9.9 * (0.5**2 - 0.1**2) / 2))
    after = Mixture((0.5, 0.5), tuple(Normal(m * a, np.sqrt(0.25 * a**2 + 1 - a**2)) for m in (-2, 2)))
    process = StandIn(lambda x, t: -half_beta(t) * x, lambda x, t: half_beta(t), time_dependent=True)
    data = Mixture((0.5, 0.5), (Normal(-2, 0.5), Normal(2, 0.5)))
    return Case(process, data, 0.5, (-7, 7), after.cdf, t_start=0.1, tolerance=3e-7)


CASES = {
    "OU": _ou,
    "OU from a point": _ou_point,
    "Benes": _benes,
    "CIR": _cir,
    "GBM": _gbm,
    "reflecting": _reflecting,
    "absorbing": _absorbing,
    "half absorbing": _half_absorbing,
    "periodic": _periodic,
    "VP": _preserving,
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]()


@pytest.fixture
def known() -> SimpleNamespace:
    """The cases by name (spaces as underscores), for tests that want one of them."""
    return SimpleNamespace(**{name.replace(" ", "_"): make() for name, make in CASES.items()})


@pytest.fixture
def stand_in() -> type[StandIn]:
    return StandIn


@pytest.fixture(scope="session")
def texts() -> SimpleNamespace:
    """The CUDA text of steps on lines, on lines in pieces and of products, and texts that are slightly wrong."""
    lines, pieces = cuda_program(), program_in_pieces()
    wrong_lines = lines.replace(repr(float(WEIGHT)), repr(float(1.001 * WEIGHT)))
    wrong_pieces = pieces.replace("end[k], end[cut.before(k)], true", "end[k], end[k], true")
    assert lines != wrong_lines and pieces != wrong_pieces
    return SimpleNamespace(
        lines=lines, wrong_lines=wrong_lines, pieces=pieces, wrong_pieces=wrong_pieces, product=product_program()
    )


@pytest.fixture(scope="session")
def emulated(texts: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> EmulatedGpu:
    """A device that compiles these texts at once, when one of them is first launched."""
    return EmulatedGpu(tmp_path_factory.mktemp("cuda_text"), together=tuple(vars(texts).values()))
