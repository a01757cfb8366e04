"""Note B, last part: paths of laws from noise to data, the "modified" Fokker-Planck equation, importance weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fpsde import checks
from fpsde.checks import POWER, CheckResult, distances
from fpsde.checks.design import Design
from fpsde.checks.zero_means import zero_means
from fpsde.claims.comparisons import MIXTURE, solution
from fpsde.claims.drawing import curves, densities
from fpsde.claims.equations import Line
from fpsde.claims.experiment import Checks, Draw, Evidence, Lab, claim
from fpsde.claims.normal_paths import PathPair, normal_divergence
from fpsde.ddpm import GaussianMixture, exact_chain, flow_by_rk45, round_mixture, sampler_law, variational_bound
from fpsde.density import Law, Normal
from fpsde.processes import NoiseSchedule, linear_schedule, variance_preserving_schedule
from fpsde.processes.beta_schedules import constant_beta
from fpsde.processes.process import Process
from fpsde.schemes import ancestral
from fpsde.schemes.array_step import array_step


def noised(data: GaussianMixture, t: float) -> Law:
    """Return the law at time t of dX = -X/2 dt + dW from ``data``."""
    return data.line_law(math.exp(-t / 2), math.sqrt(-math.expm1(-t)))


def score_at(data: GaussianMixture, x: np.ndarray, t: float) -> np.ndarray:
    """Return grad log p_t of that law, at ``x`` (n,)."""
    return data.score(x[None], math.exp(-t / 2), math.sqrt(-math.expm1(-t)))[0]


def reversed_diffusion(data: GaussianMixture, t_end: float, *, factor: float = 1.0) -> Process:
    """Return dY = (Y/2 + factor grad log p_{t_end - s}(Y)) ds + dW: with factor 1 it runs back through the laws."""

    def drift(x: Any, t: Any, p: Any) -> Any:
        left = t_end - t
        return x / 2 + p.factor * data.score((x,), np.exp(-left / 2), np.sqrt(1 - np.exp(-left)))[0]

    return Process(drift=drift, sigma=lambda x: 1.0, params={"factor": factor}, name="reversed diffusion")


@claim(
    "B14",
    "there is a path of laws from N(0, 1) to the data",
    statement=r"p(x,t\to 0)=N(x|0,1),\quad p(x,t\to\infty)=p(x),\quad"
    r" p(x,t+\delta t)=\int dx'\,T_{\delta t}(x,x',t)\,p(x',t)",
    derivation=(
        r"Noise takes the data to $N(0,1)$: $dX=-\frac{1}{2}X\,dt+dW$.",
        r"Backwards the same laws are those of $dY=(\frac{1}{2}Y+\nabla\log p_{T-s})ds+d\bar W$, which is Markov.",
        r"They are also those of the flow $\dot y=\frac{1}{2}(y+\nabla\log p_{T-s})$, which has no noise.",
    ),
    t_end=4.0,
    early=0.05,
    distance=0.05,
    cells=160,
    twist=1.0,
    small={"cells": 80, "t_end": 3.0, "distance": 0.1},
)
def b14(lab: Lab) -> Evidence:
    """Laws of the reversed diffusion by Fokker-Planck, quantiles of the flow, and what a start in N(0, 1) leaves."""
    p, window = lab.p, (-6.0, 6.0)
    process = reversed_diffusion(MIXTURE, p.t_end, factor=p.twist)
    start, length = noised(MIXTURE, p.t_end), p.t_end - p.early
    written: dict[str, CheckResult] = {}
    for s in (0.5 * length, length):
        found = solution(process, start, t_end=s, window=window, cells=p.cells, in_time=1e-4)
        written[f"reversed diffusion at s = {s:.3g}"] = found.is_law(noised(MIXTURE, p.t_end - s), effect=0.02)
    levels = [math.sqrt(math.expm1(t)) for t in (p.t_end, p.early)]
    u, signals = np.linspace(0.02, 0.98, 25), [math.exp(-t / 2) for t in (p.t_end, p.early)]
    y = start.ppf(u) / signals[0]

    def denoiser(x: np.ndarray, level: float) -> np.ndarray:
        return x + p.twist * (MIXTURE.denoised(x, 1.0, level) - x)

    carried = flow_by_rk45(denoiser, y[None], sigma=levels[0], to=levels[1])[0] * signals[1]
    written["the flow, quantiles"] = checks.agreement(
        carried, noised(MIXTURE, p.early).ppf(u), accuracy=1e-5, effect=0.01, unit="unit of x"
    )
    # a Markov kernel brings laws no farther apart: what the wrong start leaves is at most this
    far = distances.total_variation(start, Normal(0.0, 1.0))
    written["total variation of the start to N(0, 1)"] = checks.agreement(far, 0.0, accuracy=p.distance)
    laws = {"start": start, "half way": noised(MIXTURE, p.t_end - 0.5 * length), "data": noised(MIXTURE, p.early)}
    return Evidence(written=written, draw=densities((-3.5, 3.5), laws))


def _is_a_density(line: Line, p: np.ndarray) -> Checks:
    """Return whether a solution is a probability density: its mass is 1, and it is nowhere negative."""
    return {
        "mass": checks.agreement(line.mass(p), 1.0, accuracy=1e-6),
        "negative part": checks.agreement(line.mass(np.minimum(p, 0.0)), 0.0, accuracy=1e-6),
    }


@claim(
    "B18",
    'the "modified Fokker-Planck equation" and its simplification',
    statement=r"\partial_tP=\exp(\sqrt{\alpha(t)})\,[x-\exp(\sqrt{1-\alpha(t)})\,N_1(\beta(t))]+\sigma(t)N_2(.)"
    "\n" + r"\partial_tP=-\nabla\cdot[b\,P]+\nabla^2P+\sigma(t)N_2(.),\quad"
    r" b=\exp(\sqrt{\alpha})\,[x-\exp(\sqrt{1-\alpha})]"
    "\n" + r"\partial_tP=-\sum_ib_i\frac{\partial P}{\partial x_i}+\nabla^2P+\sigma(t)N_2(.)",
    correction=r"x_{t-1}=\frac{1}{\sqrt{\alpha_t}}\left[x_t-\frac{1-\alpha_t}{\sqrt{1-\bar\alpha_t}}"
    r"\,\epsilon_\theta(x_t,t)\right]+\sigma_tz"
    "\n" + r"\beta\to 0:\quad dY=\left[\frac{1}{2}\beta Y+\beta\nabla\log p_{T-s}(Y)\right]ds+\sqrt{\beta}\,d\bar W"
    "\n" + r"\partial_sp=-\nabla\cdot\left[\left(\frac{1}{2}\beta x+\beta\nabla\log p_{T-s}\right)p\right]"
    r"+\frac{1}{2}\beta\nabla^2p",
    derivation=(
        r"The first right-hand side does not contain $P$; the integral of the second is $\int\sigma N_2dx$, a source."
        r" Noise moves particles; it is no term of the equation for their density.",
        r"By the product rule $\nabla\cdot(bP)=b\cdot\nabla P+P\,\nabla\cdot b$. The simplification drops the last"
        r" term, so the mass grows at the rate $\int P\,\nabla\cdot b=d\,e^{\sqrt{\alpha}}$.",
        r"The bracket is a garbled DDPM reverse step ($e^{\sqrt{\cdot}}$ in place of $1/\sqrt{\cdot}$);"
        r" its limit is the reverse-time SDE, whose equation has the form $-\nabla\cdot(\mu p)+\nabla^2(Dp)$.",
    ),
    alpha=0.5,
    sigma=0.2,
    noise_1=1.0,
    noise_2=-1.0,
    t_end=0.2,
    reverse_t=3.0,
    reverse_early=0.05,
    coarsest=50,
    small={"t_end": 0.1, "reverse_t": 1.5, "reverse_early": 0.2, "coarsest": 12},
)
def b18(lab: Lab) -> Evidence:
    """Mass and sign of the note's three equations and of the reverse-time equation; laws of the DDPM reverse step."""
    p, start = lab.p, Normal(0.0, 0.5)
    line, times = Line((-8.0, 8.0), nodes=160), np.linspace(0.0, p.t_end, 9)[1:]
    growth, offset = math.exp(math.sqrt(p.alpha)), math.exp(math.sqrt(1 - p.alpha))
    b, source = growth * (line.x - offset), p.sigma * p.noise_2

    def first(q: np.ndarray, t: float) -> np.ndarray:
        return growth * (line.x - offset * p.noise_1) + source

    def second(q: np.ndarray, t: float) -> np.ndarray:
        return -line.d(b * q) + line.d(line.d(q)) + source

    def simplified(q: np.ndarray, t: float) -> np.ndarray:
        return -b * line.d(q) + line.d(line.d(q)) + source

    def simplified_without_source(q: np.ndarray, t: float) -> np.ndarray:
        return -b * line.d(q) + line.d(line.d(q))

    equations: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
        "first": first,
        "with source": second,
        "simplified": simplified,
        "simplified, N2 = 0": simplified_without_source,
    }
    carried = {name: line.carried(f, start, times=times) for name, f in equations.items()}
    written = {
        f"{name}: {what}": result
        for name, path in carried.items()
        for what, result in _is_a_density(line, path[-1]).items()
    }
    corrected, kept = _reverse_time(p.reverse_t, p.reverse_early)
    written["simplified, N2 = 0: rate of growth of the mass is 0"] = checks.agreement(
        math.log(line.mass(carried["simplified, N2 = 0"][-1])) / p.t_end, 0.0, accuracy=1e-6, unit="1/time"
    )
    masses: dict[str, object] = {
        name: np.array([line.mass(q) for q in path]) for name, path in carried.items() if name != "first"
    }
    masses["reverse-time equation"] = kept
    corrected |= {"DDPM reverse step: the formula": _formula(), **_reverse_steps(p.coarsest)}
    return Evidence(written=written, corrected=corrected, draw=_masses(times / p.t_end, masses))


def _masses(shares: np.ndarray, masses: dict[str, object]) -> Draw:
    return curves(shares, masses, xlabel="share of the time", ylabel="mass of P")


def _reverse_time(t_end: float, early: float) -> tuple[dict[str, CheckResult], np.ndarray]:
    """Return checks of the Fokker-Planck equation of the reverse-time SDE, and the masses of its solution.

    It is carried from p_T to p at t = ``early`` with the exact score, by the same means as the note's equations.
    """
    line = Line((-6.0, 6.0), nodes=144)
    times = np.linspace(0.0, t_end - early, 9)[1:]

    def equation(q: np.ndarray, s: float) -> np.ndarray:
        drift = line.x / 2 + score_at(MIXTURE, line.x, t_end - s)
        return -line.d(drift * q) + line.d(line.d(q)) / 2

    path, data = line.carried(equation, noised(MIXTURE, t_end), times=times), noised(MIXTURE, early)
    found: dict[str, CheckResult] = {
        f"reverse-time equation: {what}": result for what, result in _is_a_density(line, path[-1]).items()
    }
    found["reverse-time equation: the data"] = checks.agreement(
        line.law(path[-1]).cdf(line.grid.faces), data.cdf(line.grid.faces), accuracy=1e-6, unit="sup-distance"
    )
    return found, np.array([line.mass(q) for q in path])


def _formula() -> CheckResult:
    """Return whether the mean of the ancestral step is that of the corrected formula, with the exact denoiser."""
    chain = exact_chain(MIXTURE, linear_schedule(10, beta_first=0.02, beta_last=0.3))
    signal, level, beta = (float(chain.tables[name][4]) for name in ("signal", "level", "fresh"))
    x = np.linspace(-3.0, 3.0, 25)[None]
    noise = -level * MIXTURE.score(x, signal, level)
    mean = array_step(ancestral(1.0), chain).advance(x, np.zeros_like(x), 4.0, 1.0)
    return checks.agreement(mean, (x - beta / level * noise) / math.sqrt(1 - beta), accuracy=1e-11)


def _reverse_steps(coarsest: int) -> dict[str, CheckResult]:
    """Return whether the laws of the DDPM reverse steps go to the normal data in order 1 of the step, at fixed time."""
    data = round_mixture([1.0], [[1.0]], [0.5])
    numbers = coarsest * 2 ** np.arange(5)
    errors = []
    for n in numbers:
        schedule = variance_preserving_schedule(np.linspace(0.0, 4.0, int(n) + 1)[1:], constant_beta(1.0, t_end=4.0))
        law = sampler_law(exact_chain(data, schedule, last=1), ancestral(1.0), x0=data.line_law(*_last(schedule)))
        first = data.line_law(float(schedule.signals[1]), float(schedule.levels[1]))
        errors.append([law.mean - first.mean, law.variance - first.variance])
    mean, variance = np.array(errors).T
    return {
        "DDPM reverse step: variance": checks.order(1 / numbers, variance, expected=1.0),
        "DDPM reverse step: mean": checks.agreement(mean, 0.0, accuracy=1e-10),
    }


def _last(schedule: NoiseSchedule) -> tuple[float, float]:
    return float(schedule.signals[-1]), float(schedule.levels[-1])


@claim(
    "B19",
    "minimise the divergence from data to model over paths, with importance sampling",
    statement=r"\min_\theta KL(p_{data}(x)\|p_\theta(x))\;"
    r"\mathrm{by\ importance\ sampling\ of\ the\ path\ integral}",
    derivation=(
        r"$p_\theta(x_0)=\int p_\theta(x_{0:T})dx_{1:T}=E_{q(x_{1:T}|x_0)}[w]$ with"
        r" $w=p_\theta(x_{0:T})/q(x_{1:T}|x_0)$.",
        r"By Jensen $E_q[-\log w]\geq-\log p_\theta(x_0)$, and on average over the data the bound less their entropy is"
        r" $KL(q(x_{0:T})\|p_\theta(x_{0:T}))$, the divergence of the paths.",
        r"The weights must not spread: $n_{eff}=(\Sigma w)^2/\Sigma w^2$ says how many paths count.",
    ),
    n_steps=8,
    beta_max=0.4,
    n_particles=200_000,
    twist=1.0,
    small={"n_particles": 60_000},
)
def b19(lab: Lab) -> Evidence:
    """Divergence of paths of a normal chain: by the bound, by the formula, by weighted paths; and where it is least."""
    p, data = lab.p, round_mixture([1.0], [[0.8]], [0.6])
    law = Normal(0.8, 0.6)
    schedule = linear_schedule(p.n_steps, beta_first=0.02, beta_last=p.beta_max)
    chain = PathPair.of(data, schedule)
    exact = normal_divergence(*chain.forward(law), *chain.backward())
    bound = variational_bound(data, schedule, variance=chain.variances)
    entropy = 0.5 * math.log(2 * math.pi * math.e * law.std**2)
    rng = np.random.default_rng(lab.seed)
    paths = chain.draw_from(law.ppf(rng.random(p.n_particles)), rng)
    log_weights = chain.log_backward(paths) - chain.log_forward(paths)  # without that of x_0
    start = np.array([law.centre + 0.5 * law.std])
    own = chain.draw_from(np.repeat(start, p.n_particles), rng)
    weights = np.exp(chain.log_backward(own) - chain.log_forward(own))
    mean, covariance = chain.backward()
    marginal = float(Normal(float(mean[0]), math.sqrt(covariance[0, 0])).pdf(start)[0])
    effective = float(weights.sum() ** 2 / np.sum(weights**2))
    factors = np.linspace(0.7, 1.3, 25)
    gaps = np.array([normal_divergence(*chain.forward(law), *chain.scaled(float(f)).backward()) for f in factors])
    steps = np.array([normal_divergence(*chain.forward(law), *chain.scaled(1 + h).backward()) for h in (-1e-4, 1e-4)])

    def level() -> Design:
        return Design.of(alpha=lab.level(), power=POWER, effect=0.1)

    estimates = {"E log q/p": -log_weights + np.log(law.pdf(paths[0])) - exact}
    written = {
        "bound less entropy": checks.agreement(bound.total - entropy, p.twist * exact, accuracy=1e-10, unit="nats"),
        "weighted paths: the divergence": zero_means("paths", estimates, level()),
        "weighted paths: p(x_0)": zero_means("weights", {"w/p(x_0) - 1": weights / marginal - 1}, level()),
        "least at the exact denoiser": checks.agreement((steps[1] - steps[0]) / 2e-4, 0.0, accuracy=1e-5),
    }
    return Evidence(
        written=written,
        draw=curves(
            factors, {f"n_eff = {effective:.3g} of {p.n_particles}": gaps},
            xlabel="factor of the denoiser", ylabel="KL of paths [nats]",
        ),
    )  # fmt: skip


CLAIMS = (b14, b18, b19)
