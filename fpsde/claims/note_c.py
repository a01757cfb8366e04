"""Note C, first part: the forward chain of diffusion models and its marginals."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from fpsde import checks
from fpsde.checks import CheckResult, distances
from fpsde.claims.comparisons import MIXTURE
from fpsde.claims.drawing import curves, densities
from fpsde.claims.equations import particles
from fpsde.claims.experiment import Evidence, Lab, claim
from fpsde.density import Law, Normal, Point
from fpsde.laws import scheme_law
from fpsde.panels import panel_rule
from fpsde.processes import (
    cosine_schedule,
    ddpm_chain,
    linear_schedule,
    reciprocal_schedule,
    scaled_linear_schedule,
    schedule_of_betas,
    sigmoid_schedule,
)
from fpsde.schemes import ddpm_step


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
    beta, start = lab.p.beta, MIXTURE.line_law(1.0, 0.0)
    law = MIXTURE.line_law(math.sqrt(1 - beta), math.sqrt(lab.p.twist * beta))
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
    before = MIXTURE.draw(rng.random((MIXTURE.uniforms, p.n_particles)))[0]
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


CLAIMS = (c1, c2, c3, c4, c5, c6, c7)
