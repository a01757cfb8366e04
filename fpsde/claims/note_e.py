"""Note E, first part: scores, how they are estimated, and scales of noise."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from fpsde import checks
from fpsde.claims.comparisons import law_of_log_density
from fpsde.claims.drawing import curves, densities
from fpsde.claims.equations import Line
from fpsde.claims.experiment import Evidence, Lab, claim
from fpsde.claims.note_b_laws import Function, kept_by, slope
from fpsde.ddpm import GaussianMixture, annealed_chain, noise_floors, round_mixture
from fpsde.ddpm.floors import mean_of
from fpsde.density import Normal
from fpsde.laws import scheme_law
from fpsde.panels import panel_rule
from fpsde.processes import langevin_of
from fpsde.schemes import euler_maruyama
from fpsde.validation import integer, positive


@claim(
    "E1",
    "the score of an energy model is -grad f, free of Z",
    statement=r"p_\theta(x)=e^{-f_\theta(x)}/Z_\theta:\quad s_\theta(x)=\nabla_x\log p_\theta(x)"
    r"=-\nabla_xf_\theta(x)-\nabla_x\log Z_\theta=-\nabla_xf_\theta(x)",
    derivation=(
        r"$\log p_\theta=-f_\theta-\log Z_\theta$.",
        r"$Z_\theta$ is an integral over $x$: it depends on $\theta$, but not on $x$, so its gradient is 0.",
        r"The gradient in $\theta$ is another matter: $\partial_\theta\log Z_\theta=-E_{p_\theta}[\partial_\theta"
        r" f_\theta]$ does not go.",
    ),
    twist=1.0,
)
def e1(lab: Lab) -> Evidence:
    """Scores of normalised densities of a family of energies, by spectral derivatives, against -grad f."""
    line = Line((-4.0, 4.0), nodes=256)
    seen = np.abs(line.x) < 2.0
    x, written, scores, slopes = line.x[seen], {}, {}, {}
    for theta in (0.5, 1.5):
        name, f = f"theta = {theta:g}", _energy(theta)
        p = np.exp(-f(line.x))
        z = line.mass(p)
        scores[name], slopes[name] = line.d(p / z)[seen] / (p[seen] / z), slope(f, x)
        written[name] = checks.agreement(-lab.p.twist * slopes[name], scores[name], accuracy=1e-6, unit="1/unit of x")
    rivals = {
        f"{name}: the sign of f": checks.agreement(slopes[name], scores[name], accuracy=1e-6, unit="1/unit of x")
        for name in scores
    }
    return Evidence(written=written, rivals=rivals, draw=curves(x, scores, xlabel="x", ylabel="score"))


def _energy(theta: float) -> Function:
    return lambda x: theta * (x**4 / 4 - x**2 / 2) + 0.3 * x


@claim(
    "E2",
    "Langevin dynamics samples p from its score alone, as eps goes to 0",
    statement=r"x_{i+1}=x_i+\epsilon\nabla_x\log p(x)+\sqrt{2\epsilon}\,z_i,\quad x_0\sim\pi(x)",
    derivation=(
        r"With $\epsilon=dt$ it is Euler-Maruyama for $dX=\nabla\log p\,dt+\sqrt{2}\,dW$, whose stationary law is $p$.",
        r"What the chain keeps differs from $p$ by $O(\epsilon)$; where it starts is forgotten.",
        r"For $N(m,s^2)$ the chain keeps the mean, and the variance $s^2/(1-\epsilon/2s^2)$.",
    ),
    eps=0.05,
    time=8.0,
    twist=1.0,
)
def e2(lab: Lab) -> Evidence:
    """Exact laws of the chain: from two priors after many steps, and what it keeps, extrapolated to eps = 0."""
    p, m, s = lab.p, 0.4, 0.8
    normal = langevin_of(lambda x: -0.5 * ((x - m) / s) ** 2, temperature=p.twist)
    kept = Normal(m, s / math.sqrt(1 - p.eps / (2 * s**2)))
    written, x = {}, np.linspace(-4.0, 4.0, 161)
    for name, prior in (("N(0, 1)", Normal(0.0, 1.0)), ("N(3, 4)", Normal(3.0, 2.0))):
        after = scheme_law(normal, euler_maruyama, x0=prior, t_end=p.time, dt=p.eps).law
        written[f"from {name}: what the chain keeps"] = checks.agreement(after.cdf(x), kept.cdf(x), accuracy=1e-4)

    def log_p(y: np.ndarray) -> np.ndarray:
        return -0.5 * y**2 - 0.5 * np.sin(2 * y)

    wavy, q = langevin_of(log_p, temperature=p.twist), law_of_log_density(log_p)
    coarse, fine = (kept_by(wavy, euler_maruyama, eps).cdf(x) for eps in (p.eps, p.eps / 2))
    written["wavy well: extrapolated to eps = 0"] = checks.agreement(2 * fine - coarse, q.cdf(x), accuracy=1e-3)
    rival = checks.agreement(coarse, q.cdf(x), accuracy=1e-3)
    lines = {"eps": coarse - q.cdf(x), "eps/2": fine - q.cdf(x), "extrapolated": 2 * fine - coarse - q.cdf(x)}
    return Evidence(
        written=written,
        rivals={"wavy well: without bias at eps": rival},
        draw=curves(x, lines, xlabel="x", ylabel="error of the distribution function"),
    )


class Pairs(NamedTuple):
    """Data with noise: x = x0 + sigma z at nodes, with z and the weights of a mean over both, (n,)."""

    x: np.ndarray
    z: np.ndarray
    weights: np.ndarray

    def mean(self, values: np.ndarray) -> float:
        """Return E of values (n,)."""
        return float(self.weights @ values)


def noisy_pairs(law: GaussianMixture, sigma: float) -> Pairs:
    """Return pairs of a mixture of one component: the trapezoid rule in both normals, exact to 1e-12 for smooth f."""
    nodes = np.linspace(-8.0, 8.0, 65)
    u, z = (part.ravel() for part in np.meshgrid(nodes, nodes, indexing="ij"))
    normal = np.exp(-0.5 * (u**2 + z**2)) * (nodes[1] - nodes[0]) ** 2 / (2 * math.pi)
    means, stds = law.means[:, :1], np.sqrt(law.covariances[:, 0, :1])
    x = means + stds * u + sigma * z
    weights = law.weights[:, None] * normal
    return Pairs(x.ravel(), np.broadcast_to(z, x.shape).ravel(), weights.ravel())


def _score(law: GaussianMixture, x: np.ndarray, sigma: float) -> np.ndarray:
    return law.score(x[None], 1.0, sigma)[0]


@claim(
    "E3",
    "the Fisher divergence as objective, and its form without the score",
    statement=r"E_{p(x)}\|\nabla_x\log p(x)-s_\theta(x)\|^2 \quad"
    r"(learned\ as\ E\|-z/\sigma-s_\theta(x_0+\sigma z)\|^2,\ for\ p=p_\sigma)",
    derivation=(
        r"$\nabla\log p_\sigma(x)=E[-z/\sigma\,|\,x]$, with $x=x_0+\sigma z$.",
        r"So $E\|-z/\sigma-s_\theta\|^2=E\|\nabla\log p_\sigma-s_\theta\|^2+E\|z/\sigma+\nabla\log p_\sigma\|^2$:"
        r" the cross term is zero.",
        r"The last term has no $\theta$ in it, so both have one minimiser: the score of $p_\sigma$, not of the data.",
    ),
    sigma=0.6,
    weight=0.3,
    twist=1.0,
)
def e3(lab: Lab) -> Evidence:
    """Both objectives by quadrature for models with other weights of their modes, and the gap between them."""
    p, weights = lab.p, np.linspace(0.1, 0.7, 7)
    data, pairs = _two_modes(p.weight), noisy_pairs(_two_modes(p.weight), positive("sigma", p.sigma))
    exact, sharp = _score(data, pairs.x, p.sigma), noisy_pairs(data, 1e-3)
    without = _score(data, sharp.x, 1e-3)
    fisher, denoising, of_data = [], [], []
    for weight in weights:
        model = _two_modes(float(weight))
        score = _score(model, pairs.x, p.sigma)
        fisher.append(pairs.mean((exact - score) ** 2))
        denoising.append(pairs.mean((-p.twist * pairs.z / p.sigma - score) ** 2))
        of_data.append(sharp.mean((without - _score(model, sharp.x, p.sigma)) ** 2))
    gap = np.subtract(denoising, fisher)
    least = float(noise_floors(data, np.array([p.sigma]))[0]) / p.sigma**2
    best = [float(weights[np.argmin(values)]) for values in (fisher, denoising)]
    written = {
        "the gap for all theta": checks.agreement(gap, least, accuracy=1e-8, unit="1/unit of x squared"),
        "the minimisers": checks.agreement(best, weights[np.argmin(np.abs(weights - p.weight))], accuracy=1e-12),
    }
    rival = checks.agreement(np.subtract(of_data, fisher), of_data[0] - fisher[0], accuracy=1e-8)
    lines = {"Fisher divergence": fisher, "denoising": denoising, "gap": gap, "with the score of the data": of_data}
    return Evidence(
        written=written,
        rivals={"the divergence from the data themselves has a constant gap": rival},
        draw=curves(weights, lines, xlabel="theta: weight of the left mode", ylabel="objective"),
    )


def _two_modes(weight: float, *, apart: float = 2.0, std: float = 0.5) -> GaussianMixture:
    """Return weight N(-apart/2, std^2) + (1 - weight) N(apart/2, std^2)."""
    return round_mixture([weight, 1 - weight], [[-apart / 2], [apart / 2]], [std, std])


@claim(
    "E4",
    "estimated scores are inaccurate where there are few data",
    statement=r"s_\theta\approx\nabla_x\log p:\quad"
    r"\mathrm{inaccurate\ in\ low\ density\ regions\ since\ there\ are\ little\ data}",
    derivation=(
        r"An average of $-z/\sigma$ over the data in a cell has the error $\sqrt{Var(z/\sigma\,|\,cell)/(n\,mass)}$.",
        r"The objective weights an error by $p$: weights of two modes that are off by the odds $k$ change the score by"
        r" $\tanh(\frac{1}{4}\log k)\,\Delta\mu/v$ between them at most, and cost almost nothing.",
        r"With noise as wide as the gap there are data in it, and the objective sees the weights.",
    ),
    n_data=20_000,
    repeats=1000,
    small_noise=0.1,
    large_noise=2.0,
    odds=4.0,
    twist=1.0,
    small={"repeats": 25},
)
def e4(lab: Lab) -> Evidence:
    """Scores estimated cell by cell, with both noises; and how little the objective sees of wrong weights."""
    p, apart, std = lab.p, 6.0, 0.5
    data = _two_modes(0.3, apart=apart, std=std)
    ratio, n = 0.3 / 0.7 * positive("odds", p.odds), integer("n_data", p.n_data, least=1000)
    for name in ("small_noise", "large_noise"):
        positive(name, getattr(p, name))
    wrong = _two_modes(ratio / (1 + ratio), apart=apart, std=std)
    gap = np.array([-0.5, 0.5])
    (few,), (many,) = (data.line_law(1.0, s).cell_masses(gap) * n for s in (p.small_noise, p.large_noise))
    faces = np.linspace(-4.0, 4.0, 17)
    off = _errors_of_averages(data, p.large_noise, faces, n=n, repeats=p.repeats, seed=lab.seed)
    x = np.linspace(-1.5, 1.5, 3001)
    largest = float(np.max(np.abs(_score(wrong, x, p.small_noise) - _score(data, x, p.small_noise))))
    predicted = abs(math.tanh(math.log(p.odds) / 4)) * apart / (std**2 + p.small_noise**2)

    def share(noise: float) -> float:
        """Return the objective of the wrong scores over that of scores of zero."""

        def cost(y: np.ndarray) -> np.ndarray:
            return np.sum((data.score(y, 1.0, noise) - wrong.score(y, 1.0, noise)) ** 2, axis=0)

        return mean_of(data, noise, cost) / mean_of(
            data, noise, lambda y: np.sum(data.score(y, 1.0, noise) ** 2, axis=0)
        )

    seen, unseen = share(p.large_noise), share(p.small_noise)
    written = {
        "little noise: data in the gap": checks.agreement(few, 0.0, accuracy=0.05),
        "little noise: largest error of the wrong scores": checks.agreement(
            largest / predicted, p.twist, accuracy=1e-4
        ),
        "little noise: their share of the objective": checks.agreement(unseen, 0.0, accuracy=1e-4),
        "much noise: errors of averages over their size": checks.moments(
            off, Normal(0.0, 1.0), orders=(2,), alpha=lab.level(), tolerance=0.02, effect=1.0
        ),
    }
    rivals = {
        "much noise: no data in the gap": checks.agreement(many, 0.0, accuracy=0.05),
        "much noise: the wrong scores cost nothing": checks.agreement(seen, 0.0, accuracy=1e-4),
    }
    at = np.linspace(-4.0, 4.0, 201)
    lines = {
        f"sigma = {noise:g}": np.sqrt(_variances(data, at, noise) / (n * data.line_law(1.0, noise).pdf(at)))
        for noise in (p.small_noise, p.large_noise)
    }
    return Evidence(
        written=written,
        rivals=rivals,
        draw=curves(at, lines, xlabel="x", ylabel="error of an estimated score, cells of width 1", logy=True),
    )


def _variances(law: GaussianMixture, x: np.ndarray, sigma: float) -> np.ndarray:
    """Return Var(z/sigma | x0 + sigma z = x) = 1/sigma^2 + ds/dx."""
    h = 1e-4 * sigma
    return 1 / sigma**2 + (_score(law, x + h, sigma) - _score(law, x - h, sigma)) / (2 * h)


def _errors_of_averages(
    law: GaussianMixture, sigma: float, faces: np.ndarray, *, n: int, repeats: int, seed: int
) -> np.ndarray:
    """Return the errors of averages of -z/sigma in cells, over their standard deviations, (repeats * cells,).

    Given how many data are in a cell, an average has the mean and the variance over the count that -z/sigma has there.
    """
    rng, cells = np.random.default_rng(seed), len(faces) - 1
    x, w = panel_rule(faces)
    p = w * law.line_law(1.0, sigma).pdf(x)

    def averaged(values: np.ndarray) -> np.ndarray:
        return (p * values).reshape(cells, -1).sum(axis=1) / p.reshape(cells, -1).sum(axis=1)

    score = _score(law, x, sigma)
    mean = averaged(score)
    variance = averaged(_variances(law, x, sigma) + score**2) - mean**2
    out = np.empty((repeats, cells))
    for found in out:
        z = rng.standard_normal(n)
        at = law.draw(rng.random((law.uniforms, n)))[0] + sigma * z
        cell = np.searchsorted(faces, at) - 1
        inside = (cell >= 0) & (cell < cells)
        count = np.bincount(cell[inside], minlength=cells)
        total = np.bincount(cell[inside], -z[inside] / sigma, minlength=cells)
        found[:] = (total - count * mean) / np.sqrt(np.maximum(count, 1) * variance)
    return out.ravel()


@claim(
    "E5",
    "a weighted sum over scales of noise, from the finest to the widest",
    statement=r"\sum_{i=1}^L\lambda(i)\,E_{p_{\sigma_i}(x)}\|\nabla_x\log p_{\sigma_i}(x)-s_\theta(x,i)\|^2,\quad"
    r" \sigma_1<\sigma_2<\ldots<\sigma_L",
    derivation=(
        r"A model that reads $i$ can make each term zero by itself: all weights $\lambda(i)>0$ have one minimiser.",
        r"At the widest scale Langevin steps cross between the modes; narrower scales keep the weights.",
        r"At the finest scale alone a step hardly ever crosses, so the weights stay those of the start.",
    ),
    weight=0.3,
    scales=8,
    steps=40,
    step=0.2,
    finest=0.5,
    widest=2.2,
    twist=1.0,
    small={"scales": 4, "steps": 20},
)
def e5(lab: Lab) -> Evidence:
    """The minimiser of the sum for two lambda, by quadrature; exact laws of the steps with and without scales."""
    p = lab.p
    data = _two_modes(p.weight, apart=5.0)
    scales = np.geomspace(positive("widest", p.widest), positive("finest", p.finest), p.scales)
    # of models theta s(x, i) the sum is least at theta = sum lambda E[-(z/sigma) s]/sum lambda E[s^2]
    met, own = np.empty((2, len(scales)))
    for i, sigma in enumerate(scales.tolist()):
        pairs = noisy_pairs(data, sigma)
        score = _score(data, pairs.x, sigma)
        met[i], own[i] = pairs.mean(-pairs.z / sigma * score), pairs.mean(score**2)
    best = [float(weights @ met / (weights @ own)) for weights in (scales**2, np.ones(len(scales)))]
    start = Normal(0.0, p.widest)
    laws = {}
    for name, levels, each in (("scales", scales, p.steps), ("finest alone", scales[-1:], p.scales * p.steps)):
        chain = annealed_chain(data, levels, step=p.step, steps_per_level=each)
        laws[name] = scheme_law(
            chain, euler_maruyama, x0=start, t_end=float(len(levels) * each), dt=1.0, box=(-22.0, 22.0), tolerance=1e-5
        ).law
    written = {
        "the exact scores are best, lambda = sigma^2 and 1": checks.agreement(best, p.twist, accuracy=1e-9),
        "weight of the left mode": checks.agreement(laws["scales"].cdf(0.0), p.weight, accuracy=0.03),
    }
    rival = checks.agreement(laws["finest alone"].cdf(0.0), p.weight, accuracy=0.03)
    shown = {"data with the finest noise": data.line_law(1.0, p.finest), **laws}
    return Evidence(
        written=written,
        rivals={"the finest scale alone, as many steps": rival},
        draw=densities((-5.0, 5.0), shown),
    )


CLAIMS = (e1, e2, e3, e4, e5)
