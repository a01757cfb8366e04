"""Note A: Langevin dynamics, Euler-Maruyama, and the step of denoising diffusion models."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from fpsde import checks
from fpsde.checks import CheckResult
from fpsde.claims.comparisons import law_of_log_density, particles_follow, solution, stationary_is
from fpsde.claims.drawing import bars, densities
from fpsde.claims.experiment import Evidence, Lab, claim
from fpsde.density import Law, Normal, Point
from fpsde.fokker_planck import FokkerPlanck, estimate_refined
from fpsde.grid import Grid
from fpsde.processes import langevin_of
from fpsde.processes.process import Process

LogDensity = Callable[[np.ndarray], np.ndarray]


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
    "A9",
    "the Kullback-Leibler divergence of two normal laws",
    statement=r"KL(p\|q)=\frac{1}{2}tr(\Sigma_2^{-1}\Sigma_1)-d+(\mu_2-\mu_1)^T\Sigma_2^{-1}(\mu_2-\mu_1)"
    r"+\log\frac{\det\Sigma_2}{\det\Sigma_2}"
    "\n" + r"\Sigma_1=\Sigma_2=I:\quad KL(p\|q)=(\mu_2-\mu_1)^T(\mu_2-\mu_1)",
    correction=r"KL(p\|q)=\frac{1}{2}\left[tr(\Sigma_2^{-1}\Sigma_1)-d+(\mu_2-\mu_1)^T\Sigma_2^{-1}(\mu_2-\mu_1)"
    r"+\log\frac{\det\Sigma_2}{\det\Sigma_1}\right]"
    "\n" + r"\Sigma_1=\Sigma_2=I:\quad KL(p\|q)=\frac{1}{2}(\mu_2-\mu_1)^T(\mu_2-\mu_1)",
    derivation=(
        r"$\log p/q=\frac{1}{2}\log(\det\Sigma_2/\det\Sigma_1)-\frac{1}{2}|z|^2"
        r"+\frac{1}{2}(x-\mu_2)^T\Sigma_2^{-1}(x-\mu_2)$, with $x=\mu_1+\Sigma_1^{1/2}z$.",
        r"Under $p$ the second term has the mean $-d/2$, the third"
        r" $\frac{1}{2}tr(\Sigma_2^{-1}\Sigma_1)+\frac{1}{2}(\mu_1-\mu_2)^T\Sigma_2^{-1}(\mu_1-\mu_2)$.",
        r"The half stands before all terms, and the determinant of $\Sigma_1$ below; for $p=q$ the divergence is 0,"
        r" where the note's is $-d/2$.",
    ),
    nodes=20,
    shift=0.7,
)
def a9(lab: Lab) -> Evidence:
    """Both formulas against E log p/q by quadrature."""
    cases = {
        "d = 1": (np.array([0.3]), np.array([[0.49]]), np.array([0.3 + lab.p.shift]), np.array([[1.44]])),
        "d = 2, correlated": (
            np.array([0.3, -0.4]),
            np.array([[1.0, 0.3], [0.3, 0.5]]),
            np.array([0.3 + lab.p.shift, 0.1]),
            np.array([[0.8, -0.2], [-0.2, 1.5]]),
        ),
        "identical laws": (np.zeros(2), np.eye(2), np.zeros(2), np.eye(2)),
        "unit covariances": (np.zeros(2), np.eye(2), np.array([lab.p.shift, 0.5]), np.eye(2)),
    }
    exact = {name: _divergence_by_quadrature(*case, nodes=lab.p.nodes) for name, case in cases.items()}
    as_written = {name: _divergence(*case, half_of_all=False) for name, case in cases.items()}
    right = {name: _divergence(*case, half_of_all=True) for name, case in cases.items()}

    def compared(formula: dict[str, float]) -> dict[str, CheckResult]:
        return {name: checks.agreement(formula[name], exact[name], accuracy=1e-11, unit="nats") for name in cases}

    return Evidence(
        written=compared(as_written),
        corrected=compared(right),
        draw=bars({"quadrature": exact, "note": as_written, "corrected": right}, xlabel="KL(p || q) [nats]"),
    )


def _divergence(m1: np.ndarray, s1: np.ndarray, m2: np.ndarray, s2: np.ndarray, *, half_of_all: bool) -> float:
    """Return the formula of the note, or the right one: half of all terms, and det S1 below det S2."""
    away = (m2 - m1) @ np.linalg.solve(s2, m2 - m1)
    trace = float(np.trace(np.linalg.solve(s2, s1)))
    if half_of_all:
        return 0.5 * (trace - len(m1) + away + math.log(np.linalg.det(s2) / np.linalg.det(s1)))
    return 0.5 * trace - len(m1) + away + math.log(np.linalg.det(s2) / np.linalg.det(s2))


def _divergence_by_quadrature(m1: np.ndarray, s1: np.ndarray, m2: np.ndarray, s2: np.ndarray, *, nodes: int) -> float:
    """Return E log p/q under p = N(m1, s1), by Gauss-Hermite nodes along the axes of p: exact, log p/q is quadratic."""
    at, weight = np.polynomial.hermite_e.hermegauss(nodes)
    z = np.stack(np.meshgrid(*[at] * len(m1), indexing="ij")).reshape(len(m1), -1)
    w = np.prod(np.stack(np.meshgrid(*[weight] * len(m1), indexing="ij")).reshape(len(m1), -1), axis=0)
    x = m1[:, None] + np.linalg.cholesky(s1) @ z

    def log_density(m: np.ndarray, s: np.ndarray) -> np.ndarray:
        out = x - m[:, None]
        return -0.5 * np.sum(out * np.linalg.solve(s, out), axis=0) - 0.5 * math.log(np.linalg.det(2 * np.pi * s))

    return float(w @ (log_density(m1, s1) - log_density(m2, s2)) / w.sum())


CLAIMS = (a2, a4, a9)
