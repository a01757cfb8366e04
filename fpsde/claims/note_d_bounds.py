"""Note D: lower bounds on the likelihood, the loss, the variance of a step back, and the density of a flow."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from fpsde import checks
from fpsde.checks import distances
from fpsde.claims.comparisons import MIXTURE, solution
from fpsde.claims.drawing import bars, curves, densities
from fpsde.claims.experiment import Evidence, Lab, claim
from fpsde.ddpm import (
    GaussianMixture,
    KnownLaw,
    ReverseVariance,
    bound_weights,
    denoising_errors,
    flow_by_rk45,
    round_mixture,
    variational_bound,
)
from fpsde.density import Normal
from fpsde.panel_law import PanelLaw
from fpsde.processes import constant_beta, linear_schedule, schedule_of_betas, variance_preserving
from fpsde.processes.noise_schedules import NoiseSchedule
from fpsde.signal_and_noise import posterior_mean, posterior_variance
from fpsde.validation import positive


@claim(
    "D6",
    "the likelihood is the lower bound plus a divergence",
    statement=r"\log p_\theta(x)=L_{\theta,\phi}(x)+D_{KL}(q_\phi(z|x)\,\|\,p_\theta(z|x))\geq L_{\theta,\phi}(x),\quad"
    r" L=E_{q_\phi}[\log p_\theta(x,z)-\log q_\phi(z|x)]",
    derivation=(
        r"$p_\theta(x)=p_\theta(x,z)/p_\theta(z|x)$ for every $z$: its logarithm may be averaged under any $q_\phi$.",
        r"Multiplied and divided by $q_\phi(z|x)$, the mean splits into $L$ and the divergence.",
        r"The divergence is not negative, and zero for $q_\phi(z|x)=p_\theta(z|x)$ alone.",
    ),
    weight=1.5,
    noise=0.7,
    x=0.9,
    twist=1.0,
)
def d6(lab: Lab) -> Evidence:
    """A Gaussian latent variable: the bound by quadrature for three q, against the likelihood in closed form."""
    p, noise = lab.p, positive("noise", lab.p.noise)
    evidence = math.log(float(Normal(0.0, math.hypot(p.weight, noise)).pdf(p.x)))
    spread = 1 / (1 + (p.weight / noise) ** 2)
    posterior = Normal(spread * p.weight * p.x / noise**2, math.sqrt(spread))
    guesses = {
        "the posterior": posterior,
        "too wide": Normal(posterior.centre, 1.4 * posterior.std),
        "off its centre": Normal(posterior.centre - 0.4, 0.8 * posterior.std),
    }

    def bound(q: Normal) -> float:
        def gain(z: np.ndarray) -> np.ndarray:
            likelihood = np.log(Normal(0.0, noise).pdf(p.x - p.weight * z))
            return np.log(Normal(0.0, 1.0).pdf(z)) + likelihood - np.log(q.pdf(z))

        return q.expectation(gain)

    bounds = {name: bound(q) for name, q in guesses.items()}
    apart = {name: distances.kullback_leibler(q, posterior) for name, q in guesses.items()}
    turned = {name: distances.kullback_leibler(posterior, q) for name, q in guesses.items()}
    written = {
        f"L + KL, q {name}": checks.agreement(
            bounds[name] + p.twist * apart[name], evidence, accuracy=1e-11, unit="nats"
        )
        for name in guesses
    }
    below = [max(0.0, value - evidence) for value in bounds.values()]
    written["L is not above the likelihood"] = checks.agreement(below, 0.0, accuracy=1e-11, unit="nats")
    rival = checks.agreement(bounds["too wide"] + turned["too wide"], evidence, accuracy=1e-11, unit="nats")
    return Evidence(
        written=written,
        rivals={"the divergence the other way round": rival},
        draw=bars({"L": bounds, "L + KL": {k: bounds[k] + apart[k] for k in guesses}}, xlabel="nats"),
    )


@claim(
    "D7",
    "a term of the bound is a squared error of the noise, times a weight",
    statement=r"L_t\sim\|\epsilon-\epsilon_\theta(x_t,t)\|^2",
    derivation=(
        r"Two normal laws with fixed variances differ by $\|\tilde\mu_t-\mu_\theta\|^2/(2\sigma_t^2)$ and a constant.",
        r"With $x_0=(x_t-\sqrt{1-\bar\alpha_t}\epsilon)/\sqrt{\bar\alpha_t}$ the means differ by"
        r" $\beta_t(\epsilon-\epsilon_\theta)/\sqrt{\alpha_t(1-\bar\alpha_t)}$.",
        r"So the weight is $w_t=\beta_t^2/(2\sigma_t^2\alpha_t(1-\bar\alpha_t))$; the loss without it has the same"
        r" minimiser, but not the same size.",
    ),
    n_steps=1000,
    x0=0.8,
    noise=-0.6,
    twist=1.0,
)
def d7(lab: Lab) -> Evidence:
    """Divergences of the step back for several predictions of the noise, by quadrature, against the squared errors."""
    p = lab.p
    schedule = linear_schedule(p.n_steps)
    times = np.unique(np.geomspace(2, p.n_steps, 5).astype(int))
    weights, guesses = (
        bound_weights(schedule, variance=ReverseVariance.LARGE),
        tuple(p.noise + off for off in (-0.4, 0.6, 1.1)),
    )
    errors = np.array([(p.noise - guess) ** 2 for guess in guesses])
    found = np.empty((len(times), len(guesses)))
    for i, t in enumerate(times.tolist()):
        step, std = schedule.step(t), math.sqrt(float(schedule.fresh[t - 1]))
        x = step.signal * p.x0 + step.level * p.noise
        back = Normal(float(posterior_mean(x, p.x0, step)), math.sqrt(float(posterior_variance(step))))
        least = distances.kullback_leibler(back, Normal(back.centre, std))
        for j, guess in enumerate(guesses):
            mean = float(posterior_mean(x, (x - step.level * guess) / step.signal, step))
            found[i, j] = distances.kullback_leibler(back, Normal(mean, std)) - least
    ratio = found / errors
    written = {
        f"L_t over w_t |error|^2, t = {t}": checks.agreement(row / weights[t - 1], p.twist, accuracy=1e-8)
        for t, row in zip(times.tolist(), ratio, strict=True)
    }
    flat = checks.agreement(ratio / ratio[0, 0], 1.0, accuracy=1e-8)
    lines = {
        "weight of the bound, large variance": weights[1:],
        "divergence / squared error": (times, ratio[:, 0]),
    }
    return Evidence(
        written=written,
        rivals={"one weight for all t": flat},
        draw=curves(np.arange(2, p.n_steps + 1), lines, xlabel="t", ylabel="weight", logx=True, logy=True),
    )


@claim(
    "D8",
    "the variance of a step back is beta_t, or that of the posterior",
    statement=r"p_\theta(x_{t-1}|x_t)=N(\mu_\theta,\beta_t I)\quad or\quad N(\mu_\theta,\tilde\beta_t I)",
    derivation=(
        r"In a term of the bound, $\frac{1}{2}(A/s^2+\log s^2)$ with $A=\tilde\beta_t+c^2E|x_0-\hat x_0|^2$"
        r" is least at $s^2=A$.",
        r"For data in a point $x_0$ is known and $A=\tilde\beta_t$.",
        r"For $N(0,I)$ the error is $1-\bar\alpha_t$, which makes $A=\beta_t$; other data lie between or beside them.",
    ),
    n_steps=50,
    beta_max=0.2,
    twist=1.0,
)
def d8(lab: Lab) -> Evidence:
    """The variances that make each term of the bound least, found by search, for N(0, 1) and for data in a point."""
    p = lab.p
    betas = np.linspace(1e-3, p.beta_max, p.n_steps)
    schedule = schedule_of_betas(betas)
    large, small = betas[1:], posterior_variance(schedule.step(np.arange(2, p.n_steps + 1)))
    unit, point = round_mixture([1.0], [[0.0]], [1.0]), round_mixture([1.0], [[0.7]], [1e-6])
    of_unit, of_point = _best_variances(unit, schedule), _best_variances(point, schedule)
    written = {
        "beta_t is best for N(0, 1)": checks.agreement(of_unit / large, p.twist, accuracy=1e-5),
        "the posterior's is best for a point": checks.agreement(of_point / small, p.twist, accuracy=1e-5),
    }
    rivals = {
        "beta_t is best for a point": checks.agreement(of_point / large, 1.0, accuracy=1e-5),
        "the posterior's is best for N(0, 1)": checks.agreement(of_unit / small, 1.0, accuracy=1e-5),
    }
    lines = {"best for N(0, 1)": of_unit, "beta": large, "best for a point": of_point, "posterior's": small}
    draw = curves(np.arange(2, p.n_steps + 1), lines, xlabel="t", ylabel="variance", logx=True, logy=True)
    return Evidence(written=written, rivals=rivals, draw=draw)


def _best_variances(law: KnownLaw, schedule: NoiseSchedule) -> np.ndarray:
    """Return the s_t^2 that make the terms t = 2, ..., T of the bound least, by a golden search in their logarithms."""

    errors = denoising_errors(law, schedule)

    def terms(logs: np.ndarray) -> np.ndarray:
        variances = np.exp(np.concatenate([logs[:1], logs]))  # t = 1 has a term of its own
        return variational_bound(law, schedule, variance=variances, errors=errors).steps

    golden = (math.sqrt(5) - 1) / 2
    middle = np.log(schedule.fresh[1:])
    low, high = middle - 4.0, middle + 1.0
    for _ in range(45):
        a, b = high - golden * (high - low), low + golden * (high - low)
        left = terms(a) < terms(b)
        low, high = np.where(left, low, a), np.where(left, b, high)
    return np.exp(0.5 * (low + high))


@claim(
    "D9",
    "change of variables: the density of a flow",
    statement=r"x=f(z):\quad p(x)=p_z(f^{-1}(x))\,|\det\frac{df^{-1}}{dx}|",
    derivation=(
        r"A map that can be turned round carries the mass of a small box of $z$ to its image, whole.",
        r"The volume of that image is $|\det df/dz|$ times that of the box, so densities are divided by it.",
        r"For the probability flow $\dot x=f-\frac{1}{2}g^2\nabla\log p_t$ the laws are those of the noised data,"
        r" so the formula must give the Fokker-Planck solution.",
    ),
    t_end=0.7,
    cells=120,
    panels=60,
    twist=1.0,
    small={"cells": 60, "panels": 24},
)
def d9(lab: Lab) -> Evidence:
    """The density of the probability flow on the line against the Fokker-Planck equation, in the plane against p_t."""
    p, window = lab.p, (-6.0, 6.0)
    line = MIXTURE
    data = line.line_law(1.0, 0.0)
    signal = math.exp(-positive("t_end", p.t_end) / 2)
    level = math.sqrt(-math.expm1(-p.t_end))
    faces = np.linspace(*window, p.panels + 1)
    density = _carried_density(line, signal, level)
    law = PanelLaw.from_density(lambda x: p.twist * density(x[None]), faces)
    found = solution(variance_preserving(constant_beta(1.0)), data, t_end=p.t_end, window=window, cells=p.cells)
    plane = GaussianMixture(
        np.array([0.4, 0.6]),
        np.array([[-1.0, 0.5], [0.8, -0.2]]),
        np.array([[[0.5, 0.2], [0.2, 0.3]], [[0.3, -0.1], [-0.1, 0.6]]]),
    )
    x = np.random.default_rng(0).uniform(-1.5, 1.5, (2, 12))
    exact = np.exp(plane.log_density(x, signal, level))
    ratio = p.twist * _carried_density(plane, signal, level)(x) / exact
    written = {
        "line: against the Fokker-Planck solution": found.is_law(law, effect=0.005),
        "plane: against the noised density": checks.agreement(ratio, 1.0, accuracy=1e-5),
    }
    at = np.linspace(-3.5, 3.5, 141)
    plain = np.exp(line.log_density(_before(line, at[None], signal, level), 1.0, SHARP))
    rival = checks.agreement(plain, line.line_law(signal, level).pdf(at), accuracy=1e-5)
    return Evidence(
        written=written,
        rivals={"the density without the determinant": rival},
        draw=densities((-4.0, 4.0), {"data": data, "flow": law, "Fokker-Planck": found.refined.law}),
    )


#: Noise of the data that a flow begins at: far below all of their lengths.
SHARP = 1e-4


def _before(law: KnownLaw, x: np.ndarray, signal: float, level: float) -> np.ndarray:
    """Return f^-1(x): where the flow of x = signal x0 + level z came from, (d, n)."""
    return flow_by_rk45(law.denoiser, x / signal, sigma=level / signal, to=SHARP)


def _carried_density(law: KnownLaw, signal: float, level: float) -> Callable[[np.ndarray], np.ndarray]:
    """Return the density p_z(f^-1(x)) |det df^-1/dx| of points (d, n), with slopes by central differences."""

    def density(x: np.ndarray) -> np.ndarray:
        d, n, h = *x.shape, 1e-4
        moved = [x, *(x + sign * h * np.eye(d)[:, [i]] for i in range(d) for sign in (1, -1))]
        found = _before(law, np.concatenate(moved, axis=1), signal, level).reshape(d, 2 * d + 1, n)
        slopes = np.stack([(found[:, 1 + 2 * i] - found[:, 2 + 2 * i]) / (2 * h) for i in range(d)], axis=1)
        return np.exp(law.log_density(found[:, 0], 1.0, SHARP)) * np.abs(np.linalg.det(slopes.transpose(2, 0, 1)))

    return density


@claim(
    "D10",
    "the bound without its first term still bounds the likelihood",
    statement=r"-\log p_\theta(x_0)\leq\sum_{t=2}^T D_{KL}(q(x_{t-1}|x_t,x_0)\,\|\,p_\theta(x_{t-1}|x_t))"
    r"-\log p_\theta(x_0|x_1)",
    correction=r"-\log p_\theta(x_0)\leq D_{KL}(q(x_T|x_0)\,\|\,p(x_T))"
    r"+\sum_{t=2}^T D_{KL}(q(x_{t-1}|x_t,x_0)\,\|\,p_\theta(x_{t-1}|x_t))-\log p_\theta(x_0|x_1)",
    derivation=(
        r"Nothing can be learned of $L_T=D_{KL}(q(x_T|x_0)\|p(x_T))$, so its gradient may go; its value may not.",
        r"$E[-\log p_\theta(x_0)]$ is never below the entropy of the data, for any model.",
        r"Where $T$ steps leave much signal, $L_T$ is large and the sum without it falls below the entropy.",
    ),
    n_steps=50,
    beta_max=0.02,
    mean=1.0,
    std=0.5,
)
def d10(lab: Lab) -> Evidence:
    """Terms of the bound for normal data with the best reverse steps, against the model's own exact likelihood."""
    p = lab.p
    law = round_mixture([1.0], [[p.mean]], [p.std])
    schedule = schedule_of_betas(np.linspace(1e-4, p.beta_max, p.n_steps))
    bound, model = variational_bound(law, schedule), _model_law(law, schedule)
    data = Normal(p.mean, p.std)
    entropy = -data.expectation(lambda x: np.log(data.pdf(x)))
    likelihood = -data.expectation(lambda x: np.log(model.pdf(x)))
    dropped = bound.total - bound.prior

    def bounds(value: float) -> dict[str, checks.CheckResult]:
        return {
            f"not below {name}": checks.agreement(min(0.0, value - least), 0.0, accuracy=1e-9, unit="nats")
            for name, least in (("E[-log p(x_0)] of the model", likelihood), ("the entropy of the data", entropy))
        }

    series = {
        "nats": {
            "bound without its first term": dropped,
            "entropy of the data": entropy,
            "E[-log p(x_0)]": likelihood,
            "bound": bound.total,
        }
    }
    return Evidence(written=bounds(dropped), corrected=bounds(bound.total), draw=bars(series, xlabel="nats"))


def _model_law(law: GaussianMixture, schedule: NoiseSchedule) -> Normal:
    """Return the law of x_0 of the reverse steps with the best variances, from N(0, 1), for normal data.

    Each step is affine in x, so that its mean at x = 0 and x = 1 says all of it.
    """
    mean, variance, spread = 0.0, 1.0, float(law.covariance[0, 0])
    for t in range(schedule.n_steps, 0, -1):
        step = schedule.step(t)
        x = np.array([[0.0, 1.0]])
        at = posterior_mean(x, law.denoised(x, step.signal, step.level), step)[0]
        error = spread * step.level**2 / (step.signal**2 * spread + step.level**2)
        gain = float(posterior_mean(0.0, 1.0, step))
        slope = float(at[1] - at[0])
        mean = float(at[0]) + slope * mean
        variance = slope**2 * variance + float(posterior_variance(step)) + gain**2 * error
    return Normal(mean, math.sqrt(variance))


@claim(
    "D11",
    "a normal law written with sigma as its covariance is mu + sigma epsilon",
    statement=r"q(z|x)=N(z;\,\mu(x),\,I\sigma(x))=\mu(x)+\sigma(x)\,\epsilon,\quad\epsilon\sim N(0,I)",
    correction=r"N(z;\,\mu,\,\sigma^2 I):\quad z=\mu+\sigma\epsilon",
    derivation=(
        r"The second argument of $N$ is a covariance.",
        r"$\mu+\sigma\epsilon$ has the covariance $\sigma^2E[\epsilon\epsilon^T]=\sigma^2I$.",
        r"So $\sigma$ is a standard deviation, and the two sides differ unless $\sigma=1$.",
    ),
    mu=0.4,
    sigma=0.5,
    n_particles=100_000,
    small={"n_particles": 20_000},
)
def d11(lab: Lab) -> Evidence:
    """Draws of mu + sigma epsilon against the law with the variance sigma, and with the variance sigma squared."""
    p = lab.p
    sigma = positive("sigma", p.sigma)
    z = p.mu + sigma * np.random.default_rng(lab.seed).standard_normal(p.n_particles)
    as_written, right = Normal(p.mu, math.sqrt(sigma)), Normal(p.mu, sigma)
    return Evidence(
        written={"mu + sigma epsilon": checks.density(z, as_written, alpha=lab.level(), effect=0.05)},
        corrected={"mu + sigma epsilon": checks.density(z, right, alpha=lab.level(), effect=0.05)},
        draw=densities((-2.0, 3.0), {"variance sigma": as_written, "variance sigma^2": right}, particles=z),
    )


CLAIMS = (d6, d7, d8, d9, d10, d11)
