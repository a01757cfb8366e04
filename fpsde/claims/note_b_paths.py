"""Note B, second part: Langevin equations, kernels of short steps, path integrals, and the generator."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from fpsde import checks
from fpsde.checks import CheckResult
from fpsde.claims.comparisons import solution
from fpsde.claims.drawing import bars, curves, densities
from fpsde.claims.equations import Line, particles
from fpsde.claims.experiment import Evidence, Lab, claim
from fpsde.density import CellLaw, Law, Normal, Point, panel_rule
from fpsde.grid import Grid
from fpsde.laws import scheme_law
from fpsde.processes import benes, brownian, geometric_brownian, langevin_of, ornstein_uhlenbeck, overdamped
from fpsde.processes.process import Process
from fpsde.schemes import euler_maruyama, exact_sampling

Sliced = tuple[Mapping[str, CheckResult], Law]
#: Steps that halve.
HALVINGS = 2.0 ** -np.arange(6)


def spring(theta: float = 1.5, mean: float = 0.4, sigma: float = 0.9) -> Process:
    """The Ornstein-Uhlenbeck process of these experiments: V = theta (x - mean)^2/2, D = sigma^2/2."""
    return ornstein_uhlenbeck(theta, mean, sigma)


def normal_rule(law: Law) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes and weights of a law with a density, on 24 panels of its range."""
    low, high = law.range()
    x, w = panel_rule(np.linspace(low, high, 25))
    return x, w * law.pdf(x)


@claim(
    "B4",
    "kernels compose: the Chapman-Kolmogorov equation",
    statement=r"p(x,t+\delta t)=\int dx'\,T_{\delta t}(x,x',t)\,p(x',t)",
    derivation=(
        r"A Markov process forgets how it came to $x'$ at time $t$.",
        r"So the law at $t+\delta t$ is the average of the laws from each $x'$, weighted by $p(x',t)$.",
        r"In particular kernels compose: $T_{s+t}=T_tT_s$.",
    ),
    first=0.4,
    second=0.6,
    cells=80,
    twist=1.0,
    small={"cells": 60},
)
def b4(lab: Lab) -> Evidence:
    """Two short kernels composed by quadrature against one long one, and against the Fokker-Planck solution."""
    p, x0, written = lab.p, 0.3, {}
    laws: dict[str, Law] = {}
    for process in (benes(), spring()):
        known = process.exact.transition
        assert known is not None
        middle, long = known(x0, p.first), known(x0, p.first + p.second)
        x = long.ppf(np.linspace(0.001, 0.999, 41))
        nodes, weights = normal_rule(middle)
        composed = sum(
            w * known(float(y), p.twist * p.second).pdf(x) for y, w in zip(nodes, weights, strict=True) if w > 1e-15
        )
        name = process.name
        written[f"{name}: composed"] = checks.agreement(composed, long.pdf(x), accuracy=1e-8, unit="1/unit of x")
        laws |= {f"{name}, after one": middle, f"{name}, after both": long}
    solved = solution(spring(), x0, t_end=p.first + p.second, window=(-4.0, 4.5), cells=p.cells)
    written["the Fokker-Planck solution"] = solved.is_law(long, effect=0.01)
    return Evidence(written=written, draw=densities((-4.0, 4.0), laws))


@claim(
    "B5",
    "the Langevin equation with white noise of strength 2D",
    statement=r"\frac{dx}{dt}+\nabla V=\eta(t),\quad\langle\eta(t)\eta(t')\rangle=2D\,\delta(t-t')",
    derivation=(
        r"Over a time $\Delta t$ the noise adds up to $\Delta x+\nabla V\Delta t$, up to $O(\Delta t^{3/2})$.",
        r"Its variance is $2D\Delta t$, and what falls into different intervals is uncorrelated.",
        r"So variance$/\Delta t\to 2D$ in order 1, and covariance$/\Delta t\to 0$ in order 2, as $\Delta t\to 0$.",
    ),
    dt_max=0.1,
    n_particles=200_000,
    twist=1.0,
    small={"n_particles": 20_000},
)
def b5(lab: Lab) -> Evidence:
    """Exact moments of the increments of a spring as the interval falls, and particles that are sampled exactly."""
    p, process = lab.p, spring()
    theta, mean, sigma = (process.params[name] for name in ("theta", "mean", "sigma"))
    noise, dts = p.twist * sigma**2, p.dt_max * HALVINGS
    assert process.exact.stationary is not None
    v = float(process.exact.stationary().variance)
    decay = np.exp(-theta * dts)
    # x' = a x + xi with Var xi = v (1 - a^2); r = x' - x + theta x dt, all about the mean
    gain = decay - 1 + theta * dts
    variance = gain**2 * v + v * (1 - decay**2)
    covariance = gain * decay * gain * v + gain * v * (1 - decay**2)
    dt = float(dts[2])
    x = particles(process, exact_sampling, Point(float(mean)), n=p.n_particles, seed=lab.seed, t_end=dt, dt=dt)
    eta, expected = x - mean, Normal(0.0, math.sqrt(noise * dt))  # at the mean the force is 0
    known = 1 - float(variance_from(process, dt)) / (sigma**2 * dt)
    written = {
        "variance/dt": checks.order(dts, variance / dts - noise, expected=1.0),
        "covariance of neighbours/dt": checks.order(dts, covariance / dts, expected=2.0),
        "particles": checks.moments(eta, expected, alpha=lab.level(), tolerance=[("dt", 1.1 * known)], effect=0.25),
    }
    lines = {"variance/(2D dt)": variance / dts / sigma**2, "covariance/(2D dt)": covariance / dts / sigma**2}
    return Evidence(written=written, draw=curves(dts, lines, xlabel="dt", ylabel="of 2D", logx=True))


def variance_from(process: Process, t: float) -> float:
    """Return the variance at time t from a point, in closed form."""
    assert process.exact.variance is not None
    return process.exact.variance(0.0, t)


def _kernel_integrals(
    potential: Callable, epsilons: np.ndarray, jacobian: Callable, *, x0: float, d: float
) -> np.ndarray:
    """Return the integral over x of the mid-point kernel from x0, for each step.

    exp(-(x - x0 + eps V'(mid))^2/(4 D eps))/sqrt(4 pi D eps) times jacobian(eps, V''(mid)), mid = (x + x0)/2.
    """
    flow = overdamped(potential)
    out = []
    for eps in epsilons:
        reach = 12 * math.sqrt(2 * d * eps)
        x, w = panel_rule(np.linspace(x0 - reach, x0 + reach, 41))
        mid, h = (x + x0) / 2, 1e-4
        force = flow.ito_drift(mid)
        curvature = -(flow.ito_drift(mid + h) - flow.ito_drift(mid - h)) / (2 * h)
        weight = np.exp(-((x - x0 - eps * force) ** 2) / (4 * d * eps)) / math.sqrt(4 * math.pi * d * eps)
        out.append(float(w @ (weight * jacobian(eps, curvature))))
    return np.array(out)


@claim(
    "B6",
    "the Jacobian from noise to path: 1 in Ito's discretisation, half the Laplacian of V at the mid-point",
    statement=r"x_{n+1}=x_n+F_n\delta t+\eta_n:\;\det\left|\frac{\delta\eta}{\delta x}\right|=1"
    "\n" + r"\mathrm{midpoint}:\;\det\left|\frac{\delta\eta}{\delta x}\right|=\frac{1}{2}\nabla^2V",
    correction=r"\mathrm{midpoint}:\;\det\left|\frac{\delta\eta}{\delta x}\right|"
    r"=\exp\left(\frac{1}{2}\int\nabla^2V\,dt\right)",
    derivation=(
        r"At the mid-point $\eta=x-x'+\epsilon V'(\frac{x+x'}{2})$, so $\partial\eta/\partial x"
        r"=1+\frac{1}{2}\epsilon V''$.",
        r"A product of many such factors is $\exp(\frac{1}{2}\int V''dt)$: the note drops exponential and integral.",
        r"In Ito's discretisation $V'$ is taken at $x'$, and $\partial\eta/\partial x=1$.",
    ),
    eps_max=0.02,
    diffusivity=0.5,
)
def b6(lab: Lab) -> Evidence:
    """The integral of the kernel of one step with each Jacobian: 1 up to O(eps^2) if it is right."""
    p, x0 = lab.p, 0.7
    epsilons = p.eps_max * HALVINGS

    def well(x: np.ndarray) -> np.ndarray:
        return (x**2 - 1) ** 2 / 2

    def integrals(jacobian: Callable) -> np.ndarray:
        return _kernel_integrals(well, epsilons, jacobian, x0=x0, d=p.diffusivity) - 1

    # d eta/dx of a step is 1 + eps V''/2 with V'' at the mid-point; over a path it is the exponential
    right = integrals(lambda eps, curvature: np.exp(eps * curvature / 2))
    as_written = integrals(lambda eps, curvature: curvature / 2)
    without = integrals(lambda eps, curvature: 1.0)
    lines = {"exp(eps V''/2)": right, "1": without, "V''/2 (note)": as_written}
    step = scheme_law(overdamped(well, p.diffusivity), euler_maruyama, x0=x0, t_end=p.eps_max, dt=p.eps_max).law
    return Evidence(
        written={
            "Ito: 1": checks.agreement(step.cell_masses(np.array([-9.0, 9.0]))[0], 1.0, accuracy=1e-10),
            "mid-point: V''/2": checks.order(epsilons, as_written, expected=2.0),
        },
        corrected={"mid-point: exp(eps V''/2)": checks.order(epsilons, right, expected=2.0)},
        rivals={"mid-point: 1": checks.order(epsilons, without, expected=2.0)},
        draw=curves(
            epsilons,
            {name: np.abs(v) for name, v in lines.items()},
            xlabel="eps",
            ylabel="|integral of the kernel - 1|",
            logx=True,
            logy=True,
        ),
    )


def _moments_apart(process: Process, x0: float, dts: np.ndarray, moments: Callable) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and variance by ``moments(dt)`` less those of the process after dt, for each step."""
    assert process.exact.mean is not None and process.exact.variance is not None
    exact = np.array([[process.exact.mean(x0, float(dt)), process.exact.variance(x0, float(dt))] for dt in dts])
    mean, variance = (np.array([moments(float(dt)) for dt in dts]) - exact).T
    return mean, variance


@claim(
    "B7",
    "the kernel of a short step is normal, with mean x' + dt F(x) and variance 2D(x)",
    statement=r"T_{\delta t}(x,t|x')=N(x\,|\,x'+\delta t\,F(x,t),\,2D(x))",
    correction=r"T_{\delta t}(x,t|x')=N(x\,|\,x'+\delta t\,F(x',t),\,2D(x')\,\delta t)",
    derivation=(
        r"A step is $x=x'+F(x')\delta t+\eta$ with $\langle\eta^2\rangle=2D(x')\delta t$: all at the start $x'$.",
        r"Without $\delta t$ in the variance the kernel does not shrink to a point as $\delta t\to 0$.",
        r"Mean and variance are right up to $O(\delta t^2)$ a step, and exact for constant $F$ and $D$.",
    ),
    dt_max=0.1,
    cells=80,
    small={"cells": 60},
)
def b7(lab: Lab) -> Evidence:
    """Mean and variance of both kernels against the exact ones as dt falls, and one step of constant F and D."""
    process, x0, dts = geometric_brownian(0.3, 0.5), 1.2, lab.p.dt_max * HALVINGS

    def as_written(dt: float) -> tuple[float, float]:
        # a density in x only if it is normalised: F and D are taken at the point of arrival
        x, w = panel_rule(np.linspace(1e-3, 8.0, 201))
        variance = 2 * process.diffusivity(x)
        density = w * np.exp(-((x - x0 - dt * process.ito_drift(x)) ** 2) / (2 * variance)) / np.sqrt(variance)
        density /= density.sum()
        mean = float(density @ x)
        return mean, float(density @ (x - mean) ** 2)

    def right(dt: float) -> tuple[float, float]:
        law = scheme_law(process, euler_maruyama, x0=x0, t_end=dt, dt=dt).law
        return float(law.mean), float(law.variance)

    found = {name: _moments_apart(process, x0, dts, f) for name, f in (("as written", as_written), ("right", right))}
    flat, dt = brownian(0.5, 0.8), 0.5
    step = scheme_law(flat, euler_maruyama, x0=0.3, t_end=dt, dt=dt).law
    solved = solution(flat, 0.3, t_end=dt, window=(-5.0, 6.0), cells=lab.p.cells)

    def orders(name: str) -> dict[str, CheckResult]:
        return {k: checks.order(dts, v, expected=2.0) for k, v in zip(("mean", "variance"), found[name], strict=True)}

    return Evidence(
        written=orders("as written"),
        corrected={**orders("right"), "constant F and D: the Fokker-Planck solution": solved.is_law(step, effect=0.01)},
        draw=curves(
            dts,
            {f"variance, {name}": np.abs(v[1]) for name, v in found.items()},
            xlabel="dt",
            ylabel="error of the variance",
            logx=True,
            logy=True,
        ),
    )


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
        "as written": _moments_apart(process, x0, dts, lambda eps: (x0 + eps * force, 2 * d / eps)),
        "right": _moments_apart(process, x0, dts, lambda eps: (x0 + eps * force, 2 * d * eps)),
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


CLAIMS = (b4, b5, b6, b7, b8, b9, b10, b11, b12)
