"""Note B, second part: Langevin equations and the kernels of their steps."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from fpsde import checks
from fpsde.checks import CheckResult
from fpsde.claims.comparisons import solution
from fpsde.claims.drawing import curves, densities
from fpsde.claims.equations import particles
from fpsde.claims.experiment import Evidence, Lab, claim
from fpsde.density import Law, Normal, Point
from fpsde.laws import scheme_law
from fpsde.panels import panel_rule
from fpsde.processes import benes, brownian, geometric_brownian, ornstein_uhlenbeck, overdamped
from fpsde.processes.process import Process
from fpsde.schemes import euler_maruyama, exact_sampling

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


def moments_apart(process: Process, x0: float, dts: np.ndarray, moments: Callable) -> tuple[np.ndarray, np.ndarray]:
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

    found = {name: moments_apart(process, x0, dts, f) for name, f in (("as written", as_written), ("right", right))}
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


CLAIMS = (b4, b5, b6, b7)
