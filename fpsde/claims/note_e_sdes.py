"""Note E, last part: noise that grows continuously, and the equation that takes it away again."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from scipy.integrate import solve_ivp

from fpsde import checks
from fpsde.checks import CheckResult, distances
from fpsde.claims.comparisons import MIXTURE, SETTLED, solution
from fpsde.claims.drawing import curves, densities
from fpsde.claims.equations import particles
from fpsde.claims.experiment import Evidence, Lab, claim
from fpsde.claims.note_b_reversed import noised, reversed_diffusion
from fpsde.density import Law, Normal
from fpsde.laws import scheme_law
from fpsde.processes import (
    constant_beta,
    linear_beta,
    sub_variance_preserving,
    variance_exploding,
    variance_preserving,
)
from fpsde.processes.process import Process
from fpsde.schemes import euler_maruyama
from fpsde.validation import positive


@claim(
    "E6",
    "after a long time the noised data have a tractable law",
    statement=r"dx=f(x,t)\,dt+g(t)\,dw:\quad p_0=p,\quad p_T\approx\pi",
    derivation=(
        r"Here $f$ is linear in $x$, so that $x_t=a_tx_0+s_tz$: the signal $a_t$ falls, or the noise $s_t$ grows.",
        r"With $B=\int_0^T\beta$, $a_T^2=e^{-B}$ and $s_T^2=1-e^{-B}$ (VP) or $(1-e^{-B})^2$ (sub-VP);"
        r" $a_T=1$ and $s_T^2=\sigma_T^2-\sigma_0^2$ (VE).",
        r"The distance to $N(0,s_T^2)$ is of the order of $a_TE|x_0|/s_T$: small, and never zero.",
    ),
    beta_max=20.0,
    sigma_max=100.0,
    distance=0.002,
    early=0.3,
    twist=1.0,
)
def e6(lab: Lab) -> Evidence:
    """Exact laws at T of three processes: mean and variance by equations of moments, and distances to the priors."""
    p, data = lab.p, MIXTURE.line_law(1.0, 0.0)
    schedule = linear_beta(0.1, p.beta_max)
    processes = {
        "variance preserving": variance_preserving(schedule, data),
        "sub-variance preserving": sub_variance_preserving(schedule, data),
        "variance exploding": variance_exploding(0.01, p.sigma_max, data),
    }
    written, rivals, lines = {}, {}, {}
    times = np.linspace(0.02, 1.0, 50)
    for name, process in processes.items():
        prior = _prior(process)
        end, sooner = _noised(process, data, 1.0), _noised(process, data, p.early)
        moments = _moments(process, data, 1.0)
        written[f"{name}: mean and variance at T"] = checks.agreement(
            np.divide([end.mean, end.variance], [prior.std, prior.variance]),
            np.divide(moments, [prior.std, prior.variance]),
            accuracy=1e-6,
        )
        claimed = Normal(0.0, p.twist * prior.std)
        written[f"{name}: distance to its prior at T"] = _near(end, claimed, p.distance)
        rivals[f"{name}: at T = {p.early:g} already"] = _near(sooner, prior, p.distance)
        u = np.linspace(0.005, 0.995, 199)
        lines[name] = np.array([np.max(np.abs(_noised(process, data, float(t)).cdf(prior.ppf(u)) - u)) for t in times])
    draw = curves(times, lines, xlabel="t/T", ylabel="sup-distance to the prior of T", logy=True)
    return Evidence(written=written, rivals=rivals, draw=draw)


def _prior(process: Process) -> Normal:
    """Return the law of the noise alone at t = 1: N(0, 1) where a drift pulls back, else what a start in 0 becomes."""
    return Normal(0.0, math.sqrt(_moments(process, Normal(0.0, 1e-6), 1.0)[1]))


def _noised(process: Process, data: Law, t: float) -> Law:
    assert process.exact.marginal is not None  # for the type checker: the three processes know theirs
    return process.exact.marginal(data, t)


def _moments(process: Process, data: Law, t_end: float) -> np.ndarray:
    """Return mean and variance at ``t_end`` of a process with linear drift: m' = f(m, t), v' = 2 (df/dx) v + g^2."""

    def slopes(t: float, y: np.ndarray) -> list[float]:
        drift = process.ito_drift(np.array([y[0], y[0] + 1.0]), t)
        return [float(drift[0]), 2 * float(drift[1] - drift[0]) * y[1] + float(process.noise_coefficient(0.0, t)) ** 2]

    found = solve_ivp(slopes, (0.0, t_end), [data.mean, data.variance], method="DOP853", rtol=1e-10, atol=1e-12)
    return found.y[:, -1]


def _near(law: Law, prior: Law, distance: float) -> CheckResult:
    return checks.agreement(distances.kolmogorov(law, prior), 0.0, accuracy=distance, unit="sup-distance")


@claim(
    "E7",
    "the reverse equation has the laws of the forward one",
    statement=r"dx=\left[f(x,t)-g^2(t)\,\nabla_x\log p_t(x)\right]dt+g(t)\,dw",
    condition="time runs backward (dt < 0) and w is a Brownian motion of its own",
    derivation=(
        r"$\partial_tp=-\nabla(fp)+\frac{1}{2}g^2\nabla^2p$, and $\nabla^2p=\nabla(p\,\nabla\log p)$.",
        r"With $s=T-t$: $\partial_sp=\nabla(fp)-\frac{1}{2}g^2\nabla^2p=-\nabla((g^2\nabla\log p-f)p)"
        r"+\frac{1}{2}g^2\nabla^2p$.",
        r"That is the equation of $dx=(g^2\nabla\log p-f)ds+g\,d\bar w$; with $dt>0$ the drift has the wrong sign and"
        r" drives the particles apart.",
    ),
    t_end=2.0,
    early=0.2,
    n_steps=20,
    n_particles=200_000,
    cells=120,
    twist=1.0,
    small={"n_particles": 10_000, "t_end": 0.9, "n_steps": 4, "cells": 40},
)
def e7(lab: Lab) -> Evidence:
    """Exact laws of the reversed chain for dt -> 0, and its particles, against the forward Fokker-Planck laws."""
    p, data, window = lab.p, MIXTURE.line_law(1.0, 0.0), (-6.0, 6.0)
    back, forward = reversed_diffusion(MIXTURE, p.t_end, factor=p.twist), variance_preserving(constant_beta(1.0))
    length = positive("t_end - early", p.t_end - positive("early", p.early))
    start = noised(MIXTURE, p.t_end)
    written: dict[str, CheckResult] = {}
    shown, finest = (0.5 * length, length), 4 * p.n_steps
    chains = [
        scheme_law(
            back, euler_maruyama, x0=start, t_end=length, dt=length / n, at=shown, box=(-11.0, 11.0), tolerance=SETTLED
        ).laws
        for n in (p.n_steps, 2 * p.n_steps, finest)
    ]
    for k, s in enumerate(shown):
        t = p.t_end - s
        found = solution(forward, data, t_end=t, window=window, cells=p.cells)
        cdf, error = _extrapolated([laws[k].cdf(found.refined.faces) for laws in chains])
        accuracy = [("steps", error), ("chains", 3 * SETTLED), ("grid", found.refined.tau_cdf), ("time", found.in_time)]
        written[f"law at t = {t:.3g}, dt to 0"] = checks.agreement(
            cdf, found.refined.cdf, accuracy=accuracy, effect=0.02, unit="sup-distance"
        )
    seen = particles(back, euler_maruyama, start, n=p.n_particles, seed=lab.seed, t_end=length, dt=length / finest)
    end = noised(MIXTURE, p.early)
    step = distances.kolmogorov(chains[-1][-1], end)  # what the steps make of the law is known, and forgiven
    written[f"particles at t = {p.early:.3g}"] = checks.density(
        seen, end, alpha=lab.level(), tolerance=[("step", step)], effect=0.06 + step
    )
    literal = Process(
        drift=lambda x, t: -x / 2 - MIXTURE.score((x,), np.exp(-t / 2), np.sqrt(1 - np.exp(-t)))[0],
        sigma=lambda x: 1.0,
        name="reverse equation with dt > 0",
    )
    times = p.early + length / p.n_steps * np.arange(p.n_steps + 1)
    astray = scheme_law(literal, euler_maruyama, x0=noised(MIXTURE, p.early), times=times, tolerance=1e-4).law
    outside = {"dt > 0: law at T": _near(astray, start, 0.01)}
    laws = {"data, a little noised": noised(MIXTURE, p.early), "p_T": start, "dt > 0, at T": astray}
    return Evidence(written=written, outside=outside, draw=densities((-6.0, 6.0), laws, particles=seen))


def _extrapolated(cdfs: list[np.ndarray]) -> tuple[np.ndarray, float]:
    """Return the distribution function of a chain for dt -> 0, from dt, dt/2, dt/4, and a bound on its error.

    The law of Euler-Maruyama's chain is off by c dt + O(dt^2): two steps give the first term, a third one what is left.
    """
    once, twice = (2 * fine - coarse for coarse, fine in pairwise(cdfs))
    return twice, float(np.max(np.abs(twice - once)))


CLAIMS = (e6, e7)
