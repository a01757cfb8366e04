"""Note C, second part: the reverse kernel, the variational bound, and what the note names to be read."""

from __future__ import annotations

import math

import numpy as np

from fpsde import checks
from fpsde.checks import distances
from fpsde.claims.comparisons import MIXTURE, law_of_log_density, stationary_is
from fpsde.claims.drawing import bars, curves, densities
from fpsde.claims.equations import particles
from fpsde.claims.experiment import Evidence, Lab, claim
from fpsde.claims.normal_paths import PathPair, normal_divergence
from fpsde.ddpm import round_mixture, variational_bound
from fpsde.density import Law, Normal
from fpsde.laws import stationary_scheme_law
from fpsde.processes import (
    langevin_of,
    linear_schedule,
)
from fpsde.schemes import mala, sgld


def _reverse_kernel(beta: float, x: float) -> tuple[Law, Normal]:
    """Return the law of x_{t-1} given x_t = x where x_{t-1} has the law of the data, and its normal fit."""
    before = MIXTURE.line_law(1.0, 0.0)

    def log_posterior(y: np.ndarray) -> np.ndarray:
        return -((x - math.sqrt(1 - beta) * y) ** 2) / (2 * beta) + np.log(np.maximum(before.pdf(y), 1e-300))

    law = law_of_log_density(log_posterior)
    return law, Normal(law.mean, math.sqrt(law.variance))


@claim(
    "C8",
    "the true reverse kernel is normal where beta is small",
    statement=r"\beta_t\to 0:\quad q(x_{t-1}|x_t)\;\mathrm{is\ a\ normal\ law}",
    derivation=(
        r"By Bayes $q(x_{t-1}|x_t)\propto e^{-(x_t-\sqrt{1-\beta}\,x_{t-1})^2/2\beta}\,q(x_{t-1})$.",
        r"On the scale $\sqrt{\beta}$, $\log q$ is a parabola up to a cubic term of size $\beta^{3/2}$.",
        r"So the divergence to the best normal law, $\frac{1}{12}$ of the squared skewness, is of order $\beta^3$.",
    ),
    beta_max=0.02,
    x=-0.6,
    twist=1.0,
)
def c8(lab: Lab) -> Evidence:
    """The divergence of the reverse kernel from its normal fit, by quadrature, as beta falls; data are a mixture."""
    betas = lab.p.beta_max / 2.0 ** np.arange(6)
    kernels = [_reverse_kernel(float(b), lab.p.x) for b in betas]
    gaps = np.array(
        [distances.kullback_leibler(law, Normal(fit.centre, fit.std * math.sqrt(lab.p.twist))) for law, fit in kernels]
    )
    return Evidence(
        written={"KL to the normal fit": checks.order(betas, gaps, expected=3.0, floor=1e-12)},
        draw=curves(betas, {"KL": np.abs(gaps)}, xlabel="beta", ylabel="nats", logx=True, logy=True),
    )


@claim(
    "C9",
    "the variational bound and its terms",
    statement=r"E[-\log p_\theta(x)]\leq E_q\left[-\log\frac{p_\theta(x_{0:T})}{q(x_{1:T}|x_0)}\right]"
    r"=L_T+\sum_{t=2}^TL_{t-1}+L_0",
    derivation=(
        r"The difference of both sides is $E\,KL(q(x_{1:T}|x_0)\|p_\theta(x_{1:T}|x_0))\geq 0$.",
        r"By Bayes $q(x_t|x_{t-1})=q(x_{t-1}|x_t,x_0)\,q(x_t|x_0)/q(x_{t-1}|x_0)$, and the last factors cancel.",
        r"What is left are divergences of normal laws: $L_T$ of $x_T$, $L_{t-1}$ of each reverse step, and $L_0$.",
    ),
    n_steps=10,
    beta_max=0.4,
    twist=1.0,
)
def c9(lab: Lab) -> Evidence:
    """All terms on normal data in closed form; bound, -log p and the divergence of the paths given x_0."""
    law, data = Normal(0.8, 0.6), round_mixture([1.0], [[0.8]], [0.6])
    schedule = linear_schedule(lab.p.n_steps, beta_first=0.02, beta_last=lab.p.beta_max)
    pair = PathPair.of(data, schedule)
    bound = variational_bound(data, schedule, variance=pair.variances)
    (m_q, s_q), (m_p, s_p) = pair.forward(law), pair.backward()
    entropy = 0.5 * math.log(2 * math.pi * math.e * law.std**2)
    whole = normal_divergence(m_q, s_q, m_p, s_p)
    first = normal_divergence(m_q[:1], s_q[:1, :1], m_p[:1], s_p[:1, :1])
    minus_log = entropy + first  # E[-log p(x_0)] under the data
    given = _divergence_given_first(m_q, s_q, m_p, s_p)
    split = bound.prior + lab.p.twist * float(bound.steps.sum()) + bound.data
    terms = {"L_T": bound.prior, **{f"L_{k + 1}": float(v) for k, v in enumerate(bound.steps)}, "L_0": bound.data}
    return Evidence(
        written={
            "sum of the terms": checks.agreement(split, whole + entropy, accuracy=1e-10, unit="nats"),
            "gap: divergence of paths given x_0": checks.agreement(
                split - minus_log, given, accuracy=1e-9, unit="nats"
            ),
            "the bound is not below": checks.agreement(min(split - minus_log, 0.0), 0.0, accuracy=1e-12, unit="nats"),
        },
        draw=bars({"terms": terms}, xlabel="nats"),
    )


def _divergence_given_first(m_q: np.ndarray, s_q: np.ndarray, m_p: np.ndarray, s_p: np.ndarray) -> float:
    """Return E KL(q(rest | first) || p(rest | first)) of two normal vectors, the first component drawn from q."""
    gain_q, gain_p = s_q[1:, 0] / s_q[0, 0], s_p[1:, 0] / s_p[0, 0]
    rest_q = s_q[1:, 1:] - np.outer(gain_q, s_q[0, 1:])
    rest_p = s_p[1:, 1:] - np.outer(gain_p, s_p[0, 1:])
    # the difference of the conditional means is affine in the first component: base + slope (first - its mean)
    base = m_p[1:] + gain_p * (m_q[0] - m_p[0]) - m_q[1:]
    slope = gain_p - gain_q
    same = normal_divergence(base, rest_q, np.zeros(len(base)), rest_p)
    return same + 0.5 * s_q[0, 0] * float(slope @ np.linalg.solve(rest_p, slope))


@claim(
    "C10",
    "stochastic-gradient Langevin dynamics (named to be read) samples a posterior, as its step goes to 0",
    statement=r"\theta'=\theta+\frac{\epsilon}{2}\left(\nabla\log p(\theta)"
    r"+\frac{N}{n}\sum_{i=1}^n\nabla\log p(x_i|\theta)\right)+\sqrt{\epsilon}\,z",
    derivation=(
        r"For a normal mean the posterior is $N(m,1/\Lambda)$, and the drift is $-\Lambda(\theta-m)$, plus noise"
        r" of the minibatches of standard deviation $s$.",
        r"The chain keeps $v=(1-h\Lambda)^2v+2h+h^2s^2$, $h=\epsilon/2$: $v=(2+hs^2)/(\Lambda(2-h\Lambda))$.",
        r"So the bias is of order 1 in the step: $s^2/2\Lambda$ from the minibatches, $1/2$ from Euler's step.",
    ),
    n_data=20,
    n_batch=5,
    twist=1.0,
)
def c10(lab: Lab) -> Evidence:
    """The stationary law of the chain for falling steps, against the posterior of a normal mean."""
    p = lab.p
    precision, mean = p.n_data + 1.0, 0.4
    spread = p.n_data / math.sqrt(p.n_batch)
    steps = 0.2 / precision / 2.0 ** np.arange(6)
    process = langevin_of(
        lambda x, p: -p.precision * (x - p.centre) ** 2 / 2,
        temperature=p.twist,
        params={"precision": precision, "centre": mean},
    )
    chain = sgld(lambda x: spread)
    laws = [stationary_scheme_law(process, chain, dt=float(h)).law for h in steps]
    variances = np.array([law.variance for law in laws])
    exact = (2 + steps * spread**2) / (precision * (2 - steps * precision))
    return Evidence(
        written={
            "variance, order in the step": checks.order(steps, precision * variances - 1, expected=1.0),
            "variance, closed form": checks.agreement(variances / exact, 1.0, accuracy=1e-9),
            "mean": checks.agreement([law.mean for law in laws], mean, accuracy=1e-10),
        },
        draw=curves(
            steps, {"chain": precision * variances, "posterior": np.ones(len(steps))},
            xlabel="step", ylabel="variance/(1/Lambda)", logx=True,
        ),
    )  # fmt: skip


@claim(
    "C11",
    "an energy model (named to be read) is sampled by Langevin dynamics",
    statement=r"p_\theta(x)=e^{-E_\theta(x)}/Z_\theta,\quad dX=-\nabla E_\theta(X)\,dt+\sqrt{2}\,dW",
    derivation=(
        r"Score matching, $\min_\theta E[\frac{1}{2}|\nabla E_\theta|^2-\nabla^2E_\theta]$, needs no $Z$.",
        r"For $E_\theta=\sum_k\theta_kx^k$ it is a quadratic problem: one linear system for $\theta$.",
        r"Langevin dynamics in the learned energy keeps its Gibbs law, whatever was learned.",
    ),
    n_samples=20_000,
    n_particles=100_000,
    cells=80,
    twist=1.0,
    small={"n_samples": 8_000, "n_particles": 10_000, "cells": 40},
)
def c11(lab: Lab) -> Evidence:
    """An energy of degree 4 learned from samples; its Gibbs law against Fokker-Planck and Metropolised particles."""
    p, powers = lab.p, np.arange(1, 5)
    data = law_of_log_density(lambda x: -(x**4) / 4 + x**2 / 2 - 0.3 * x)
    samples = data.ppf(np.random.default_rng(lab.seed).random(p.n_samples))
    slopes = powers[:, None] * samples ** (powers[:, None] - 1)
    curvatures = powers[:, None] * (powers[:, None] - 1) * samples ** np.maximum(powers[:, None] - 2, 0)
    theta = np.linalg.solve(slopes @ slopes.T / p.n_samples, curvatures.mean(axis=1))

    def log_q(x: np.ndarray, factor: float = 1.0) -> np.ndarray:
        return -factor * (((theta[3] * x + theta[2]) * x + theta[1]) * x + theta[0]) * x

    gibbs, process = law_of_log_density(log_q), langevin_of(log_q)
    claimed = law_of_log_density(lambda x: log_q(x, p.twist))
    x = particles(process, mala, gibbs, n=p.n_particles, seed=lab.seed + 1, t_end=0.6, dt=0.1)
    learned = distances.total_variation(gibbs, data)
    return Evidence(
        written={
            "stationary law of the dynamics": stationary_is(
                process, claimed, window=(-4.0, 4.0), cells=p.cells, effect=0.01
            ),
            "Metropolised particles stay": checks.density(x, gibbs, alpha=lab.level(), effect=0.06),
            "learned law, total variation to that of the data": checks.agreement(learned, 0.0, accuracy=0.05),
        },
        draw=densities((-3.0, 3.0), {"data": data, "learned": gibbs}, particles=x),
    )


CLAIMS = (c8, c9, c10, c11)
