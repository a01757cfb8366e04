"""Note A: Langevin dynamics, Euler-Maruyama, and the step of denoising diffusion models."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np

from fpsde import checks
from fpsde.checks import CheckResult
from fpsde.claims.comparisons import law_of_log_density, particles_follow, solution, stationary_is
from fpsde.claims.drawing import curves, densities
from fpsde.claims.equations import Line
from fpsde.claims.experiment import Evidence, Lab, claim
from fpsde.density import Law, Normal, Point
from fpsde.errors import InvalidInput
from fpsde.fokker_planck.refinement import estimate_refined
from fpsde.fokker_planck.solver import FokkerPlanck
from fpsde.grid import Grid
from fpsde.processes import additive_time_dependent, geometric_brownian, langevin_of
from fpsde.processes.process import Process
from fpsde.schemes import euler_maruyama
from fpsde.schemes.array_step import array_step

LogDensity = Callable[[np.ndarray], np.ndarray]


@claim(
    "A1",
    "the density of dX = mu dt + sigma dW obeys the Fokker-Planck equation",
    statement=r"dX_t=\mu(X_t,t)\,dt+\sigma(X_t,t)\,dW_t"
    "\n" + r"\partial_t p(x,t)=-\partial_x(\mu(x,t)p(x,t))+\partial_x^2(D(x,t)p(x,t)),\quad"
    r" D(x,t)=\frac{1}{2}\sigma^2(x,t)",
    derivation=(
        r"For a smooth $f$, Ito's formula gives $\frac{d}{dt}E f(X_t)=E[\mu f'+\frac{1}{2}\sigma^2 f'']$.",
        r"Written with $p$ and integrated by parts, the derivatives fall on the products $\mu p$ and $Dp$.",
        r"So $D$ stands inside: $D\,\partial_x^2 p$ would lose or gain mass, $\int D'' p\,dx$ per unit of time.",
    ),
    amplitude=0.4,
    cells=80,
    n_particles=200_000,
    twist=1.0,
    small={"cells": 40, "n_particles": 20_000},
)
def a1(lab: Lab) -> Evidence:
    """The equation as written, carried by spectral derivatives, against the solver and particles; sigma(x, t)."""
    p, t_end, window, start = lab.p, 0.4, (-5.0, 6.0), Normal(0.8, 0.4)
    process = Process(
        drift=lambda x: -x,
        sigma=lambda x, t, p: 0.8 * (1 + 0.3 * np.sin(3 * t)) * (1 + p.amplitude * np.tanh(2 * x)),
        params={"amplitude": p.amplitude},
    )
    line = Line(window, nodes=4 * p.cells)  # its faces hold those of the solver

    def as_written(q: np.ndarray, t: float) -> np.ndarray:
        mu, spread = process.ito_drift(line.x, t), p.twist * process.noise_coefficient(line.x, t) ** 2 / 2
        return -line.d(mu * q) + line.d(line.d(spread * q))

    def outside_of_the_derivatives(q: np.ndarray, t: float) -> np.ndarray:
        mu, spread = process.ito_drift(line.x, t), process.noise_coefficient(line.x, t) ** 2 / 2
        return -line.d(mu * q) + spread * line.d(line.d(q))

    law, wrong = (line.law(line.carried(f, start, times=[t_end])[0]) for f in (as_written, outside_of_the_derivatives))
    solved = solution(process, start, t_end=t_end, window=window, cells=p.cells, in_time=1e-5)
    followed, seen = particles_follow(lab, process, start, law, t_end=t_end, dt=0.04, n=p.n_particles, effect=0.04)
    return Evidence(
        written={"the Fokker-Planck solver": solved.is_law(law, effect=0.005), "particles": followed},
        rivals={"D outside of the derivatives": solved.is_law(wrong, effect=0.005)},
        draw=densities((-2.5, 4.0), {"as written": law, "D outside": wrong}, particles=seen),
    )


@claim(
    "A2",
    "a log-density as drift: the stationary density is q to the power 2/delta^2",
    statement=r"dX_t=\nabla\log q(X_t)\,dt+\delta\,dW_t \;\Rightarrow\; \frac{1}{2}\delta^2\log p_\infty=\log q",
    condition="q^(2/delta^2) can be normalised (up to an additive constant)",
    derivation=(
        r"A stationary density without a current has $p\,\nabla\log q=\frac{1}{2}\delta^2\nabla p$.",
        r"Dividing by $p$ gives $\frac{1}{2}\delta^2\nabla\log p_\infty=\nabla\log q$, and an integral a constant.",
        r"It is a law only where $\int q^{2/\delta^2}dx<\infty$: not for Cauchy's $q$ with $\delta\geq 2$.",
    ),
    delta=1.3,
    cauchy_delta=2.5,
    cells=100,
    twist=1.0,
    small={"cells": 40},
)
def a2(lab: Lab) -> Evidence:
    """Stationary Fokker-Planck laws against q^(2/delta^2)/Z, and a Cauchy q, whose density falls for ever."""
    p = lab.p
    inside: dict[str, LogDensity] = {"Gaussian": lambda x: -0.5 * x**2, "double well": lambda x: -((x**2 - 1) ** 2)}
    windows = {"Gaussian": (-8.0, 8.0), "double well": (-3.0, 3.0)}
    written: dict[str, CheckResult] = {}
    for name, log_q in inside.items():
        process = langevin_of(log_q, temperature=p.delta**2 / 2)
        law = law_of_log_density(_power(log_q, p.twist * 2 / p.delta**2))
        written[f"{name}: stationary law"] = stationary_is(
            process, law, window=windows[name], cells=p.cells, effect=0.01
        )
        early, late = _twice(process, windows[name], 200)
        written[f"{name}: the density at 0 stands still"] = _stands_still(early, late)
    if p.cauchy_delta < 2:
        raise InvalidInput(
            f"cauchy_delta={p.cauchy_delta:g} meets the condition, but tails come to rest too slowly to be seen; "
            "give 2 or more"
        )
    # (1 + x^2)^(-2/delta^2) has no integral: what the drift holds together spreads for ever
    cauchy = langevin_of(lambda x: -np.log(1 + x**2), temperature=p.cauchy_delta**2 / 2)
    early, late = _twice(cauchy, (-80 * p.cauchy_delta, 80 * p.cauchy_delta), 1600)
    return Evidence(
        written=written,
        outside={"Cauchy: the density at 0 stands still": _stands_still(early, late)},
        draw=densities((-20.0, 20.0), {"Cauchy, t = 10": early, "Cauchy, t = 40": late}),
    )


def _power(log_q: LogDensity, exponent: float) -> LogDensity:
    return lambda x: exponent * log_q(x)


def _twice(process: Process, window: tuple[float, float], cells: int) -> tuple[Law, Law]:
    """Return the laws at t = 10 and t = 40, from N(0, 1)."""
    solver = FokkerPlanck(process, Grid.uniform(window, cells=cells))
    found = solver.evolve(Normal(0.0, 0.5), t_end=40.0, times=(10.0, 40.0))
    return found.laws[0], found.laws[1]


def _stands_still(early: Law, late: Law) -> CheckResult:
    """Return whether the mass of (-1/2, 1/2] is the same at both times: 1e-3 is left for relaxation and the grid."""
    ratio = [float(law.cell_masses(np.array([-0.5, 0.5]))[0]) for law in (early, late)]
    return checks.agreement(ratio[1] / ratio[0], 1.0, accuracy=1e-3, unit="of the earlier mass")


@claim(
    "A3",
    "with noise of unit strength the stationary density is the square of q",
    statement=r"dX_t=\nabla_x\log q(X_t)\,dt+dW_t \;\Rightarrow\; \log p_\infty=2\log q",
    derivation=(
        r"It is the case $\delta=1$ of $\frac{1}{2}\delta^2\nabla\log p_\infty=\nabla\log q$.",
        r"An integral adds a constant: $p_\infty=q^2/\int q^2dx$.",
        r"For $q=N(0,1)$ it is $N(0,\frac{1}{2})$, and $\log p_\infty-2\log q=\frac{1}{2}\log 4\pi=1.2655$.",
    ),
    cells=100,
    twist=1.0,
    small={"cells": 40},
)
def a3(lab: Lab) -> Evidence:
    """Stationary Fokker-Planck laws against q^2/Z, and the constant for a normal q."""
    normal = Normal(0.0, 1.0)
    inside: dict[str, LogDensity] = {"Gaussian": lambda x: -0.5 * x**2, "double well": lambda x: -((x**2 - 1) ** 2)}
    windows = {"Gaussian": (-5.0, 5.0), "double well": (-2.5, 2.5)}
    written = {}
    for name, log_q in inside.items():
        law = law_of_log_density(_power(log_q, 2 * lab.p.twist))
        process = langevin_of(log_q, temperature=0.5)
        written[name] = stationary_is(process, law, window=windows[name], cells=lab.p.cells, effect=0.01)
    law, x = law_of_log_density(_power(inside["Gaussian"], 2.0)), np.linspace(-2.0, 2.0, 41)
    twice = 2 * np.log(normal.pdf(x))
    written["the constant, q = N(0, 1)"] = checks.agreement(
        np.log(law.pdf(x)) - twice, 0.5 * math.log(4 * math.pi), accuracy=1e-8, unit="nats"
    )
    lines = {"log p": np.log(law.pdf(x)), "2 log q": twice}
    return Evidence(written=written, draw=curves(x, lines, xlabel="x", ylabel="nats"))


@claim(
    "A4",
    "log q = -x^2/4 gives the Ornstein-Uhlenbeck process with N(0, 1)",
    statement=r"\log q(x)=-\frac{1}{4}x^2 \;\Rightarrow\; dX_t=-\frac{1}{2}X_t\,dt+dW_t,\quad"
    r"p_\infty\propto e^{-\frac{1}{2}x^2}",
    derivation=(
        r"The drift is $\nabla\log q=-x/2$, the noise $\delta=1$.",
        r"The mean decays as $e^{-t/2}$, and the variance obeys $\dot v=1-v$: $v=1-e^{-t}$ from a point.",
        r"The generator has the Hermite polynomials as modes, with the rates $k/2$.",
    ),
    cells=60,
    n_particles=200_000,
    twist=1.0,
    small={"cells": 40, "n_particles": 20_000},
)
def a4(lab: Lab) -> Evidence:
    """Drift, rates, the law in time and particles of the process of this log-density."""
    p = lab.p
    process = langevin_of(lambda x: -p.twist * x**2 / 4, temperature=0.5)
    start, window, x = 1.5, (-7.0, 7.0), np.linspace(-3.0, 3.0, 13)

    def exact(t: float) -> Normal:
        return Normal(start * math.exp(-t / 2), math.sqrt(-math.expm1(-t)))

    solver = FokkerPlanck(process, Grid.uniform(window, cells=p.cells))
    rates = estimate_refined(solver, lambda fp: fp.modes(3).eigenvalues)
    followed, seen = particles_follow(
        lab, process, Point(start), exact(2.0), t_end=2.0, dt=0.05, n=p.n_particles, effect=0.04
    )
    written = {
        "drift": checks.agreement(process.ito_drift(x), -x / 2, accuracy=1e-14),
        "stationary law": stationary_is(process, Normal(0.0, 1.0), window=window, cells=p.cells, effect=0.002),
        "rates of the modes": checks.agreement(
            rates.value, [0.5, 1.0, 1.5], accuracy=float(rates.error.max()), effect=0.01, unit="1/time"
        ),
        "particles at t = 2": followed,
    }
    for t in (0.5, 2.0):
        found = solution(process, start, t_end=t, window=window, cells=p.cells)
        written[f"law at t = {t:g}"] = found.is_law(exact(t), effect=0.002)
    return Evidence(written=written, draw=densities((-3.0, 4.0), {"t = 2": exact(2.0)}, particles=seen))


@claim(
    "A5",
    "the Euler-Maruyama method, on any partition",
    statement=r"0=\tau_0<\tau_1<\cdots<\tau_N=T,\quad Y_{n+1}=Y_n+\nabla_x\log q(Y_n)\Delta t_n+\Delta W_n,\quad"
    r" \Delta W_n\sim N(0,\Delta t_n)",
    derivation=(
        r"A step leaves out $\int\int b\,b'\,dW\,dW$, of size $\Delta t$ and mean zero: its sum has size"
        r" $\Delta t^{1/2}$.",
        r"With additive noise $b'=0$, and what is left out has size $\Delta t^{3/2}$: strong order 1.",
        r"Expectations see the mean of what is left out, $\Delta t^2$ a step: weak order 1, on any partition.",
    ),
    coarsest=16,
    levels=6,
    twist=1.0,
    small={"coarsest": 6, "levels": 5},
)
def a5(lab: Lab) -> Evidence:
    """Strong and weak errors of linear processes step by step, without sampling, on even and graded partitions."""
    p = lab.p
    numbers = p.coarsest * 2 ** np.arange(p.levels)
    partitions = {"even": lambda n: np.linspace(0.0, 1.0, n + 1), "graded": lambda n: np.linspace(0.0, 1.0, n + 1) ** 2}
    growth, fading = geometric_brownian(0.3, 0.6), additive_time_dependent(1.0, 0.5)
    written: dict[str, CheckResult] = {}
    lines: dict[str, np.ndarray] = {}
    for name, partition in partitions.items():
        grids = [partition(int(n)) for n in numbers]
        strong, weak = np.array([_errors_of_growth(growth, grid, p.twist) for grid in grids]).T
        additive = np.array([_error_of_additive(fading, grid, p.twist) for grid in grids])
        h = 1 / numbers
        written[f"strong, multiplicative noise, {name}"] = checks.order(h, strong, expected=0.5)
        written[f"strong, additive noise, {name}"] = checks.order(h, additive, expected=1.0)
        written[f"weak, {name}"] = checks.order(h, weak, expected=1.0)
        lines |= {f"strong, multiplicative, {name}": strong, f"strong, additive, {name}": additive}
    return Evidence(written=written, draw=curves(h, lines, xlabel="1/N", ylabel="error at T = 1", logx=True, logy=True))


def _errors_of_growth(process: Process, grid: np.ndarray, twist: float) -> tuple[float, float]:
    """Return (E|Y - X|^2)^(1/2) and E Y^2 - E X^2 at the end of dX = mu X dt + sigma X dW, from 1.

    Y and X are products of independent factors, one a step: their second moments are products of those of a step.
    """
    step, z, w = array_step(euler_maruyama, process), *_hermite()
    products = np.ones(3)
    for t, later in pairwise(grid):
        h = later - t
        y = step.advance(np.ones((1, len(z))), math.sqrt(twist) * z[None], t, h)[0]
        x = process.exact.path(1.0, h, math.sqrt(h) * z)  # type: ignore[misc]  # it is known
        products *= [w @ y**2, w @ (y * x), w @ x**2]
    yy, yx, xx = products
    return math.sqrt(yy - 2 * yx + xx), yy - xx


def _error_of_additive(process: Process, grid: np.ndarray, twist: float) -> float:
    """Return (E|Y - X|^2)^(1/2) at the end, from 1, of a linear process whose X_T is a + c W_T.

    Y' = A Y + C + B z with the coefficients of the step, so that mean, variance and covariance with W are recursions.
    """
    step = array_step(euler_maruyama, process)
    mean, variance, with_w = 1.0, 0.0, 0.0
    for t, later in pairwise(grid):
        h = later - t
        base, moved, driven = step.advance(np.array([[0.0, 1.0, 0.0]]), np.array([[0.0, 0.0, math.sqrt(twist)]]), t, h)[
            0
        ]
        decay, noise = moved - base, driven - base
        mean, variance = decay * mean + base, decay**2 * variance + noise**2
        with_w = decay * with_w + noise * math.sqrt(h)
    t_end = float(grid[-1])
    a, b = process.exact.path(1.0, t_end, np.array([0.0, 1.0]))  # type: ignore[misc]  # it is known
    return math.sqrt((mean - a) ** 2 + variance - 2 * (b - a) * with_w + (b - a) ** 2 * t_end)


def _hermite() -> tuple[np.ndarray, np.ndarray]:
    """Return nodes and weights of the standard normal law."""
    z, w = np.polynomial.hermite_e.hermegauss(40)
    return z, w / w.sum()


CLAIMS = (a1, a2, a3, a4, a5)
