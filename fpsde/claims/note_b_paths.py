"""Note B, third part: path integrals and the generator."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from fpsde import checks
from fpsde.checks import CheckResult
from fpsde.claims.comparisons import solution
from fpsde.claims.drawing import bars, curves, densities
from fpsde.claims.equations import Line
from fpsde.claims.experiment import Evidence, Lab, claim
from fpsde.claims.note_b_kernels import HALVINGS, moments_apart, spring
from fpsde.density import CellLaw, Law, Normal
from fpsde.grid import Grid
from fpsde.processes import benes, langevin_of
from fpsde.processes.process import Process

Sliced = tuple[Mapping[str, CheckResult], Law]


def _composed(process: Process, exponent: Callable, *, x0: float, t_end: float, n: int, grid: Grid) -> CellLaw:
    """Return the law after n slices of weight exp(-exponent(x, x', eps)), from x0, normalised at the end.

    The integrals over the slices between are sums over the cells: exact to round-off for smooth weights.
    """
    eps, x = t_end / n, grid.centres
    weights = np.exp(-exponent(x[:, None], x[None, :], eps))
    p = np.exp(-exponent(x, np.full_like(x, x0), eps))
    for _ in range(n - 1):
        p = weights @ p
        p /= p.sum()
    return CellLaw(grid, p / p.sum())


def _slices(lab: Lab, as_written: Callable, right: Callable) -> tuple[Sliced, Sliced, Law]:
    """Return checks of both weights: mean and variance of the law at t = 1 against the exact one, in order 1 of eps."""
    process, x0, grid = spring(), -0.6, Grid.uniform((-4.5, 5.0), cells=lab.p.cells)
    assert process.exact.transition is not None
    exact = process.exact.transition(x0, 1.0)
    numbers = lab.p.coarsest * 2 ** np.arange(4)
    out = []
    for exponent in (as_written, right):
        laws = [_composed(process, exponent, x0=x0, t_end=1.0, n=int(n), grid=grid) for n in numbers]
        errors = np.array([[law.mean - exact.mean, law.variance - exact.variance] for law in laws])
        names = zip(("mean", "variance"), errors.T, strict=True)
        out.append(({k: checks.order(1 / numbers, e, expected=1.0) for k, e in names}, laws[-1]))
    return out[0], out[1], exact


@claim(
    "B8",
    "the kernel of a step of the path integral",
    statement=r"\langle x|\hat T(\epsilon)|x''\rangle\sim e^{-(x_t-x_{t-1}-\epsilon F_{t-1})^2\,\epsilon/4D}",
    correction=r"\langle x|\hat T(\epsilon)|x''\rangle"
    r"=\frac{1}{\sqrt{4\pi D\epsilon}}\,e^{-(x_t-x_{t-1}-\epsilon F_{t-1})^2/(4D\epsilon)}",
    derivation=(
        r"The noise of a step is normal with the variance $2D\epsilon$, so its exponent is $-\eta^2/(4D\epsilon)$.",
        r"With $\epsilon$ above the bar the variance is $2D/\epsilon$, which grows as the step falls.",
        r"In terms of the velocity $v=\Delta x/\epsilon$ it reads $-(v-F)^2\epsilon/4D$: that may be what was meant.",
    ),
    dt_max=0.1,
)
def b8(lab: Lab) -> Evidence:
    """Mean and variance of both kernels, normalised, against those of a spring after one step, as it falls."""
    process, x0, dts = spring(), 0.9, lab.p.dt_max * HALVINGS
    force, d = float(process.ito_drift(x0)), float(process.diffusivity(x0))
    apart = {
        "as written": moments_apart(process, x0, dts, lambda eps: (x0 + eps * force, 2 * d / eps)),
        "right": moments_apart(process, x0, dts, lambda eps: (x0 + eps * force, 2 * d * eps)),
    }
    lines = {f"variance, {name}": np.abs(v) for name, (_, v) in apart.items()}
    return Evidence(
        written={"variance": checks.order(dts, apart["as written"][1], expected=2.0)},
        corrected={
            k: checks.order(dts, v, expected=2.0) for k, v in zip(("mean", "variance"), apart["right"], strict=True)
        },
        draw=curves(dts, lines, xlabel="eps", ylabel="error of the variance", logx=True, logy=True),
    )


@claim(
    "B9",
    "the action of a path",
    statement=r"p(x_f,t)=\int Dx\,\exp\left[-\frac{1}{4D}\int_0^t(\dot x^2+\nabla V(x))^2d\tau\right]p(x_i,0)",
    correction=r"p(x_f,t)=\int Dx\,\exp\left[-\frac{1}{4D}\int_0^t(\dot x+\nabla V(x))^2d\tau\right]p(x_i,0)",
    derivation=(
        r"The noise is $\eta=\dot x+\nabla V$, and its weight is $\exp(-\frac{1}{4D}\int\eta^2d\tau)$.",
        r"Slice by slice that is the product of the kernels $\exp(-(\Delta x+\epsilon V')^2/4D\epsilon)$.",
        r"$\dot x^2+\nabla V$ adds a squared velocity to a velocity: the units do not agree.",
    ),
    coarsest=8,
    cells=400,
    small={"cells": 240},
)
def b9(lab: Lab) -> Evidence:
    """Paths of 8, 16, ... slices summed over all positions, against the exact transition of a spring."""
    process = spring()
    d = float(process.diffusivity(0.0))

    def as_written(x: np.ndarray, before: np.ndarray, eps: float) -> np.ndarray:
        return eps * (((x - before) / eps) ** 2 - process.ito_drift(before)) ** 2 / (4 * d)

    def right(x: np.ndarray, before: np.ndarray, eps: float) -> np.ndarray:
        return eps * ((x - before) / eps - process.ito_drift(before)) ** 2 / (4 * d)

    (wrong, wrong_law), (fine, fine_law), exact = _slices(lab, as_written, right)
    laws = {"as written": wrong_law, "right": fine_law, "exact": exact}
    return Evidence(written=wrong, corrected=fine, draw=densities((-3.0, 3.0), laws))


@claim(
    "B10",
    "the square of an increment is that of its noise, up to higher orders of dt",
    statement=r"dx=-\nabla V\,dt+d\eta,\quad dx^2=d\eta^2+O(dt^{>1}),\quad\langle d\eta^2\rangle=2D\,dt",
    derivation=(
        r"$dx^2=d\eta^2-2\nabla V\,dt\,d\eta+(\nabla V)^2dt^2$.",
        r"The cross term has the mean zero at the start of a step, and size $dt^{3/2}$; the last is $dt^2$.",
        r"So $\langle dx^2\rangle=2D\,dt+O(dt^2)$.",
    ),
    dt_max=0.1,
    twist=1.0,
)
def b10(lab: Lab) -> Evidence:
    """Exact second moments of increments less 2D dt, as dt falls."""
    dts, written = lab.p.dt_max * HALVINGS, {}
    lines: dict[str, np.ndarray] = {}
    for process, x0 in ((spring(), 0.9), (benes(), 0.5)):
        known, d = process.exact, float(process.diffusivity(x0))
        assert known.mean is not None and known.variance is not None
        square = np.array([known.variance(x0, float(h)) + (known.mean(x0, float(h)) - x0) ** 2 for h in dts])
        rest = square - lab.p.twist * 2 * d * dts
        written[process.name] = checks.order(dts, rest, expected=2.0)
        lines |= {f"E dx^2, {process.name}": square, f"|E dx^2 - 2D dt|, {process.name}": np.abs(rest)}
    return Evidence(written=written, draw=curves(dts, lines, xlabel="dt", ylabel="(unit of x)^2", logx=True, logy=True))


@claim(
    "B11",
    "how an expectation moves",
    statement=r"\langle\partial_tf\rangle=\langle-\nabla f+D\nabla^2f\rangle",
    correction=r"\partial_t\langle f\rangle=\langle-\nabla V\cdot\nabla f+D\nabla^2f\rangle",
    derivation=(
        r"$df=f'dx+\frac{1}{2}f''dx^2$ with $dx=-V'dt+d\eta$ and $\langle dx^2\rangle=2D\,dt$.",
        r"So $\partial_t\langle f\rangle=\langle-V'f'+Df''\rangle$: the note lost the force $V'$ before $f'$.",
        r"Its own next line, $\nabla(p\nabla V)+D\nabla^2p$, has it again.",
    ),
    t=0.3,
)
def b11(lab: Lab) -> Evidence:
    """The rate of change of several expectations, from exact laws, against both right-hand sides."""
    process, t, h = spring(), lab.p.t, 1e-4
    start, known = Normal(-0.5, 0.7), process.exact.marginal
    assert known is not None
    functions: dict[str, tuple[Callable, Callable, Callable]] = {
        "x": (lambda x: x, lambda x: 1 + 0 * x, lambda x: 0 * x),
        "x^2": (lambda x: x**2, lambda x: 2 * x, lambda x: 2 + 0 * x),
        "sin x": (np.sin, np.cos, lambda x: -np.sin(x)),
        "exp(-x^2)": (
            lambda x: np.exp(-(x**2)),
            lambda x: -2 * x * np.exp(-(x**2)),
            lambda x: (4 * x**2 - 2) * np.exp(-(x**2)),
        ),
    }
    before, now, after = (known(start, s) for s in (t - h, t, t + h))
    moved, as_written, right = {}, {}, {}
    for name, (f, first, second) in functions.items():
        moved[name] = (after.expectation(f) - before.expectation(f)) / (2 * h)
        spread = now.expectation(lambda x, second=second: process.diffusivity(x) * second(x))
        as_written[name] = spread - now.expectation(first)
        right[name] = spread + now.expectation(lambda x, first=first: process.ito_drift(x) * first(x))

    def compared(found: dict[str, float]) -> dict[str, CheckResult]:
        return {name: checks.agreement(found[name], moved[name], accuracy=1e-6, unit="1/time") for name in functions}

    series = {"d<f>/dt": moved, "as written": as_written, "corrected": right}
    return Evidence(
        written=compared(as_written), corrected=compared(right), draw=bars(series, xlabel="rate of change [1/time]")
    )


@claim(
    "B12",
    "the Fokker-Planck equation of a Langevin equation in a potential",
    statement=r"\partial_tp=\nabla(p\nabla V)+D\nabla^2p",
    derivation=(
        r"For every $f$: $\int f\,\partial_tp\,dx=\int p\,(-V'f'+Df'')\,dx$.",
        r"By parts, with $p\to 0$ at both ends: $\int f\,(pV')'dx+D\int f\,p''dx$.",
        r"Since $f$ is arbitrary, the integrands agree.",
    ),
    temperature=0.5,
    cells=60,
    t_end=0.5,
    twist=1.0,
    small={"cells": 48, "t_end": 0.3},
)
def b12(lab: Lab) -> Evidence:
    """The equation as written, carried by spectral derivatives, against the solver's for a double well."""
    p, start, window = lab.p, Normal(0.6, 0.4), (-3.5, 3.5)
    process = langevin_of(lambda x: -((x**2 - 1) ** 2) / 2, temperature=p.temperature)
    line = Line(window, nodes=4 * p.cells)
    slope = -process.ito_drift(line.x)

    def as_written(q: np.ndarray, t: float) -> np.ndarray:
        return line.d(q * slope) + p.twist * p.temperature * line.d(line.d(q))

    law = line.law(line.carried(as_written, start, times=[p.t_end])[0])
    solved = solution(process, start, t_end=p.t_end, window=window, cells=p.cells)
    return Evidence(
        written={"the Fokker-Planck solver": solved.is_law(law, effect=0.005)},
        draw=densities((-2.5, 2.5), {"start": start, f"t = {p.t_end:g}": law, "the solver": solved.law}),
    )


CLAIMS = (b8, b9, b10, b11, b12)
