"""Note C: the forward chain of diffusion models, its marginals, the reverse kernel and the variational bound."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from fpsde import checks
from fpsde.checks import CheckResult, distances
from fpsde.claims.comparisons import law_of_log_density, stationary_is
from fpsde.claims.drawing import bars, curves, densities
from fpsde.claims.equations import particles
from fpsde.claims.experiment import Evidence, Lab, claim
from fpsde.claims.normal_paths import PathPair, normal_divergence
from fpsde.ddpm import round_mixture, variational_bound
from fpsde.density import Law, Normal, Point, panel_rule
from fpsde.laws import scheme_law, stationary_scheme_law
from fpsde.processes import (
    cosine_schedule,
    ddpm_chain,
    langevin_of,
    linear_schedule,
    reciprocal_schedule,
    scaled_linear_schedule,
    schedule_of_betas,
    sigmoid_schedule,
)
from fpsde.schemes import ddpm_step, mala, sgld

#: Data without a symmetry that could hide an error.
DATA = round_mixture([0.3, 0.7], [[-1.5], [1.0]], [0.3, 0.5])


def chain_law(betas: np.ndarray, x0: float | Law, *, at: int | None = None) -> Law:
    """Return the exact law after ``at`` steps of the chain (all of them, if left out)."""
    n = len(betas) if at is None else at
    start = x0 if isinstance(x0, Law) else Point(x0)
    return scheme_law(ddpm_chain(betas[:n], start), ddpm_step, x0=start, t_end=float(n), dt=1.0).law


@claim(
    "C1",
    "one step of the forward chain",
    statement=r"x_t=\sqrt{1-\beta_t}\,x_{t-1}+\sqrt{\beta_t}\,\epsilon_{t-1},\quad\epsilon_{t-1}\sim N(0,I)",
    derivation=(
        r"A component $N(m,s^2)$ of the law of $x_{t-1}$ becomes $N(\sqrt{1-\beta}\,m,\,(1-\beta)s^2+\beta)$.",
        r"So a mixture of normal laws stays one, with the same weights.",
        r"The variance goes to 1: what is above falls, what is below rises.",
    ),
    beta=0.3,
    n_particles=200_000,
    twist=1.0,
    small={"n_particles": 20_000},
)
def c1(lab: Lab) -> Evidence:
    """The exact law of one step from a mixture, and particles."""
    beta, start = lab.p.beta, DATA.line_law(1.0, 0.0)
    law = DATA.line_law(math.sqrt(1 - beta), math.sqrt(lab.p.twist * beta))
    betas = np.array([beta])
    x = particles(ddpm_chain(betas), ddpm_step, start, n=lab.p.n_particles, seed=lab.seed)
    far = distances.kolmogorov(chain_law(betas, start), law)
    return Evidence(
        written={
            "exact law": checks.agreement(far, 0.0, accuracy=1e-9, unit="sup-distance"),
            "particles": checks.density(x, law, alpha=lab.level(), effect=0.04),
        },
        draw=densities((-3.5, 3.5), {"data": start, "after the step": law}, particles=x),
    )


@claim(
    "C2",
    "the conditional law of a step",
    statement=r"q(x_t|x_{t-1})=N(x_t;\sqrt{1-\beta_t}\,x_{t-1},\,\beta_tI)",
    derivation=(
        r"Given $x_{t-1}$, the first term of the step is a constant.",
        r"The second is normal with the variance $\beta_t$.",
        r"So $(x_t-\sqrt{1-\beta}\,x_{t-1})/\sqrt{\beta}$ is $N(0,1)$ and independent of $x_{t-1}$.",
    ),
    beta=0.3,
    n_particles=200_000,
    twist=1.0,
    small={"n_particles": 20_000},
)
def c2(lab: Lab) -> Evidence:
    """Mean and variance from several points, and the innovations of particles."""
    p, points = lab.p, np.array([-2.0, -0.3, 1.0, 2.5])
    laws = [chain_law(np.array([p.beta]), float(x)) for x in points]
    found = np.array([[law.mean, law.variance] for law in laws])
    expected = np.column_stack([math.sqrt(1 - p.beta) * points, np.full(len(points), p.twist * p.beta)])
    rng = np.random.default_rng(lab.seed)
    before = DATA.draw(rng.random((DATA.uniforms, p.n_particles)))[0]
    after = particles(ddpm_chain(np.array([p.beta])), ddpm_step, before, n=p.n_particles, seed=lab.seed + 1)
    z = (after - math.sqrt(1 - p.beta) * before) / math.sqrt(p.beta)
    return Evidence(
        written={
            "mean and variance": checks.agreement(found, expected, accuracy=1e-12),
            "innovations of particles": checks.density(z, Normal(0.0, 1.0), alpha=lab.level(), effect=0.04),
            "innovations and starts": checks.correlation(before, z, alpha=lab.level(), effect=0.06),
        },
        draw=densities((-4.0, 4.0), {"N(0, 1)": Normal(0.0, 1.0)}, particles=z, xlabel="innovation"),
    )


def _joint(betas: np.ndarray) -> np.ndarray:
    """Return the covariance (T, T) of (x_1, ..., x_T) given x_0: sqrt(abar_t/abar_s)(1 - abar_s) for s <= t."""
    bars_ = np.cumprod(1 - betas)
    low, high = np.minimum.outer(bars_, bars_), np.maximum.outer(bars_, bars_)  # abar of the later, the earlier
    return np.sqrt(low / high) * (1 - high)


@claim(
    "C3",
    "the law of a path is the product of the laws of its steps",
    statement=r"q(x_{1:T}|x_0)=\prod_{t=1}^Tq(x_t|x_{t-1})",
    derivation=(
        r"By the product rule $q(x_{1:T}|x_0)=\prod_tq(x_t|x_{t-1},\ldots,x_0)$.",
        r"A step reads $x_{t-1}$ and new noise alone, so the rest of the condition may go.",
        r"The precision matrix of the path is then tridiagonal.",
    ),
    n_steps=6,
    twist=1.0,
)
def c3(lab: Lab) -> Evidence:
    """Log-densities of paths by the product of steps, and by the joint normal law with its covariance."""
    betas, x0 = np.linspace(0.05, 0.4, lab.p.n_steps), 0.8
    covariance = lab.p.twist * _joint(betas)
    mean = x0 * np.sqrt(np.cumprod(1 - betas))
    x = mean[:, None] + np.linalg.cholesky(covariance) @ np.random.default_rng(lab.seed).standard_normal(
        (len(betas), 50)
    )
    before = np.vstack([np.full((1, x.shape[1]), x0), x[:-1]])
    product = sum(
        np.log(Normal(0.0, math.sqrt(b)).pdf(after - math.sqrt(1 - b) * start))
        for b, after, start in zip(betas, x, before, strict=True)
    )
    away = x - mean[:, None]
    size = len(betas) * math.log(2 * math.pi) + np.linalg.slogdet(covariance)[1]
    joint = -0.5 * (np.sum(away * np.linalg.solve(covariance, away), axis=0) + size)
    precision = np.linalg.inv(covariance)
    beyond = precision[np.abs(np.subtract.outer(np.arange(len(betas)), np.arange(len(betas)))) > 1]
    order = np.argsort(joint)
    return Evidence(
        written={
            "log-density of paths": checks.agreement(product, joint, accuracy=1e-9, unit="nats"),
            "precision beyond neighbours": checks.agreement(beyond, 0.0, accuracy=1e-9),
        },
        draw=curves(
            np.arange(len(order)),
            {"product of steps": product[order], "joint law": joint[order]},
            xlabel="path",
            ylabel="log q",
        ),
    )


@claim(
    "C4",
    "the law of x_t given x_0, in one step",
    statement=r"p(x_t|x_0)=N(x_t;\sqrt{\bar\alpha_t}\,x_0,\,(1-\bar\alpha_t)I),\quad\bar\alpha_t=\prod_{i=1}^t(1-\beta_i)",
    derivation=(
        r"The factors of $x_0$ multiply: $\prod_i\sqrt{\alpha_i}=\sqrt{\bar\alpha_t}$.",
        r"The variance obeys $v_t=\alpha_tv_{t-1}+1-\alpha_t$, so $1-v_t=\alpha_t(1-v_{t-1})=\bar\alpha_t$.",
        r"Sums of independent normal terms are normal.",
    ),
    n_steps=1000,
    beta_max=0.02,
    twist=1.0,
    small={"n_steps": 200},
)
def c4(lab: Lab) -> Evidence:
    """The chain composed step by step against the formula at several times."""
    p, x0 = lab.p, 1.7
    betas = np.linspace(1e-4, p.beta_max, p.n_steps)
    times = np.unique(np.geomspace(1, p.n_steps, 8).astype(int))
    laws = [chain_law(betas, x0, at=int(t)) for t in times]
    schedule = schedule_of_betas(betas)
    found = np.array([[law.mean, law.variance] for law in laws])
    expected = np.column_stack([schedule.signals[times] * x0, p.twist * schedule.levels[times] ** 2])
    lines = {"mean": found[:, 0], "variance": found[:, 1]}
    return Evidence(
        written={"mean and variance": checks.agreement(found, expected, accuracy=1e-12)},
        draw=curves(times, lines, xlabel="t", ylabel="of x_t given x_0", logx=True),
    )


@claim(
    "C5",
    "independent normal noises merge",
    statement=r"N(0,\sigma_1^2I)+N(0,\sigma_2^2I)=N(0,(\sigma_1^2+\sigma_2^2)I)",
    derivation=(
        r"The density of a sum is the convolution $\int p_1(x-y)p_2(y)dy$.",
        r"Characteristic functions multiply: $e^{-\sigma_1^2k^2/2}e^{-\sigma_2^2k^2/2}$.",
        r"In the chain: $\alpha_t(1-\alpha_{t-1})+1-\alpha_t=1-\alpha_t\alpha_{t-1}$.",
    ),
    sigma_1=0.6,
    sigma_2=1.1,
    twist=1.0,
)
def c5(lab: Lab) -> Evidence:
    """The convolution by quadrature against the normal density."""
    one, two = Normal(0.0, lab.p.sigma_1), Normal(0.0, lab.p.sigma_2)
    merged = Normal(0.0, math.sqrt(lab.p.twist * (one.std**2 + two.std**2)))
    x = np.linspace(-4.0, 4.0, 41)
    low, high = two.range()
    y, w = panel_rule(np.linspace(low, high, 33))
    found = one.pdf(x[:, None] - y) @ (w * two.pdf(y))
    return Evidence(
        written={"density of the sum": checks.agreement(found, merged.pdf(x), accuracy=1e-12, unit="1/unit of x")},
        draw=curves(x, {"convolution": found, "merged": merged.pdf(x)}, xlabel="x", ylabel="density"),
    )


@claim(
    "C6",
    "increasing betas in (0, 1) give decreasing alpha-bars in (0, 1)",
    statement=r"0<\beta_1<\beta_2<\cdots<\beta_T<1 \;\Rightarrow\; 1>\bar\alpha_1>\bar\alpha_2>\cdots>\bar\alpha_T>0",
    derivation=(
        r"Each factor $\alpha_t=1-\beta_t$ lies in $(0,1)$.",
        r"So $\bar\alpha_t=\alpha_t\bar\alpha_{t-1}$ is positive, and below $\bar\alpha_{t-1}$.",
        r"That the betas increase is not needed.",
    ),
    n_steps=1000,
    twist=1.0,
    small={"n_steps": 200},
)
def c6(lab: Lab) -> Evidence:
    """The alpha-bars of five schedules: products of 1 - beta, in (0, 1), and falling."""
    T = lab.p.n_steps
    made = (linear_schedule, scaled_linear_schedule, cosine_schedule, sigmoid_schedule, reciprocal_schedule)
    written: dict[str, CheckResult] = {}
    lines: dict[str, np.ndarray] = {}
    for make in made:
        schedule, name = make(T), make.__name__
        kept = schedule.alpha_bars[1:]
        last = -1 if schedule.signals[-1] == 0 else None  # a last beta of 1 is none in (0, 1)
        betas = schedule.fresh[:last]
        outside = np.count_nonzero((kept[:last] <= 0) | (kept[:last] >= 1)) + np.count_nonzero(
            np.diff(kept[:last]) >= 0
        )
        written[f"{name}: out of order or of (0, 1)"] = checks.agreement(outside, 0.0, accuracy=0.5)
        written[f"{name}: product"] = checks.agreement(np.cumprod(1 - lab.p.twist * betas), kept[:last], accuracy=1e-10)
        lines[name] = kept
    return Evidence(written=written, draw=curves(np.arange(1, T + 1), lines, xlabel="t", ylabel="alpha-bar"))


@claim(
    "C7",
    "with enough steps alpha-bar goes to 0",
    statement=r"T\to\infty \;\Rightarrow\; \bar\alpha_T\to 0",
    condition="the sum of the betas up to T diverges as T grows",
    derivation=(
        r"$\log\bar\alpha_T=\sum_{t\leq T}\log(1-\beta_t)\leq-\sum_{t\leq T}\beta_t$.",
        r"For one fixed increasing schedule $\sum_{t\leq T}\beta_t\geq T\beta_1$ diverges.",
        r"For schedules that change with $T$ it need not: $\beta_t=2t/T^2$ has the sum $1+1/T$, and"
        r" $\bar\alpha_T\to e^{-1}$.",
    ),
    beta_1=1e-3,
    T_max=100_000,
    twist=1.0,
)
def c7(lab: Lab) -> Evidence:
    """alpha-bar_T of a fixed increasing schedule, and of schedules that change with T."""
    numbers = np.unique(np.geomspace(100, lab.p.T_max, 12).astype(int))

    def left(betas_up_to: Callable[[int], np.ndarray]) -> np.ndarray:
        return np.array([schedule_of_betas(betas_up_to(int(T))).alpha_bars[-1] for T in numbers])

    fixed = left(lambda T: lab.p.beta_1 * (2 - 1 / np.arange(1, T + 1)))
    changing = left(lambda T: 2 * np.arange(1, T + 1) / T**2)
    limit = lab.p.twist - 1
    return Evidence(
        written={"one fixed schedule": checks.agreement(fixed[-1], limit, accuracy=1e-6)},
        outside={"beta_t = 2t/T^2": checks.agreement(changing[-1], limit, accuracy=1e-6)},
        draw=curves(
            numbers,
            {"one fixed schedule": fixed, "beta_t = 2t/T^2": changing, "1/e": np.full(len(numbers), 1 / math.e)},
            xlabel="T", ylabel="alpha-bar_T", logx=True,
        ),
    )  # fmt: skip


def _reverse_kernel(beta: float, x: float) -> tuple[Law, Normal]:
    """Return the law of x_{t-1} given x_t = x where x_{t-1} has the law of the data, and its normal fit."""
    before = DATA.line_law(1.0, 0.0)

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


CLAIMS = (c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11)
