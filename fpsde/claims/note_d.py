"""Note D: kernels of the forward chain, what they do to data, and the posterior of a step."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from fpsde import checks
from fpsde.checks import CheckResult
from fpsde.claims.drawing import bars, curves, densities
from fpsde.claims.experiment import Evidence, Lab, claim
from fpsde.ddpm import BinomialChain, Words, heartbeat
from fpsde.ddpm.binomial import through
from fpsde.density import Law, Normal, Point
from fpsde.laws import scheme_law
from fpsde.panel_law import PanelLaw
from fpsde.processes import ddpm_chain, schedule_of_betas
from fpsde.schemes import ddpm_step
from fpsde.signal_and_noise import posterior_mean, posterior_variance
from fpsde.validation import integer

#: Points at which distribution functions are compared.
POINTS = np.linspace(-4.0, 4.0, 161)


@claim(
    "D1",
    "the kernel of the forward chain keeps the law that the chain ends in",
    statement=r"\pi(y)=\int T_\pi(y\,|\,y';\beta)\,\pi(y')\,dy'",
    derivation=(
        r"A component of $\sqrt{1-\beta}\,y'+\sqrt{\beta}\,z$ has the mean $0$ and the variance $(1-\beta)+\beta=1$.",
        r"It is a sum of independent normal variables, so it is $N(0,1)$ again, and so is each component by itself.",
        r"A bit that is 1 with probability $1/2$ is 1 after the step with $(1-\beta)/2+\beta/2=1/2$; the number of ones"
        r" stays binomial.",
    ),
    beta=0.3,
    n_bits=5,
    twist=1.0,
)
def d1(lab: Lab) -> Evidence:
    """One step of each kernel, by quadrature and by enumeration of all words, from the law that it should keep."""
    p = lab.p
    pi, other = Normal(0.0, p.twist), Normal(0.5, 0.8)
    after, moved = _stepped(pi, p.beta, box=(-12.0, 12.0)), _stepped(other, p.beta)
    words, after_words = _coins(p.n_bits, p.twist / 2, p.beta)
    ones = np.indices(words.shape).sum(axis=0)
    count = np.bincount(ones.ravel(), after_words.ravel())
    written = {
        "N(0, 1) under the Gaussian kernel": _same(after, pi, accuracy=1e-11),
        "words under the binomial kernel": checks.agreement(after_words, words, accuracy=1e-14),
        "number of ones": checks.agreement(
            count, stats.binom.pmf(np.arange(p.n_bits + 1), p.n_bits, p.twist / 2), accuracy=1e-14
        ),
    }
    biased, after_biased = _coins(p.n_bits, 0.3, p.beta)
    rivals = {
        "N(0.5, 0.64) is kept": _same(moved, other, accuracy=1e-11),
        "ones with probability 0.3 are kept": checks.agreement(after_biased, biased, accuracy=1e-14),
    }
    laws = {"N(0, 1) after a step": after, "N(0.5, 0.64)": other, "N(0.5, 0.64) after a step": moved}
    return Evidence(written=written, rivals=rivals, draw=densities((-4.0, 4.0), laws))


def _stepped(law: Law, beta: float, *, box: tuple[float, float] | None = None) -> Law:
    """Return the law after one step of the Gaussian kernel: the integral by quadrature in ``box``, else closed form."""
    return scheme_law(ddpm_chain([beta]), ddpm_step, x0=law, t_end=1.0, dt=1.0, box=box).law


def _coins(n_bits: int, one: float, beta: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the masses of words of independent bits, 1 with probability ``one``, before and after a step."""
    patterns = np.indices((2,) * n_bits).reshape(n_bits, -1).T
    weights = np.prod(np.where(patterns == 1, one, 1 - one), axis=1)
    words = Words(patterns, weights)
    chain = BinomialChain(np.array([beta]))
    return chain.marginal(words, 0), chain.marginal(words, 1)


def _same(found: Law, expected: Law, *, accuracy: float) -> CheckResult:
    """Return whether two laws have one distribution function."""
    return checks.agreement(found.cdf(POINTS), expected.cdf(POINTS), accuracy=accuracy, unit="sup-distance")


@claim(
    "D2",
    "the kernel may be binomial: bits that are thrown anew",
    statement=r"q(x_t=1|x_{t-1})=x_{t-1}(1-\beta_t)+\frac{1}{2}\beta_t \;\Rightarrow\;"
    r" q(x_t=1|x_0)=\frac{1}{2}+(x_0-\frac{1}{2})\prod_{s\leq t}(1-\beta_s)",
    derivation=(
        r"A step keeps a bit with probability $1-\beta_t$ and else throws a fair coin for it.",
        r"So $q(x_t=1)-\frac{1}{2}$ is multiplied by $1-\beta_t$ at each step.",
        r"With $\beta_t=1/(T-t+1)$ the product is $1-t/T$: nothing is left of the word at the end.",
    ),
    n_bits=4,
    n_steps=20,
    n_particles=200_000,
    twist=1.0,
    small={"n_steps": 10, "n_particles": 20_000},
)
def d2(lab: Lab) -> Evidence:
    """Marginals of bits as claimed against all words carried step by step, and particles that flip against them."""
    p, steps = lab.p, integer("n_steps", lab.p.n_steps, least=2)
    chain = BinomialChain(1 / (steps + 1 - np.arange(1, steps + 1)))
    words, rng, seen = heartbeat(p.n_bits, 3), np.random.default_rng(lab.seed), steps // 2
    x, masses = words.sample(p.n_particles, seed=lab.seed), words.masses
    found = []
    for t in range(1, steps + 1):
        masses = through(masses, 1 - float(chain.betas[t - 1]))
        if t <= seen:
            x = chain.step(x, t, rng.random(x.shape))
            halfway = masses
        found.append(float(masses[1].sum()))
    claimed = 0.5 + (float(words.masses[1].sum()) - 0.5) * p.twist * chain.kept[1:]
    counts = np.bincount(np.ravel_multi_index(tuple(x), words.masses.shape), minlength=words.masses.size)
    written = {
        "first bit at all times": checks.agreement(found, claimed, accuracy=1e-14),
        "nothing is left at the end": checks.agreement(masses, 0.5**p.n_bits, accuracy=1e-14),
        "words of particles halfway": checks.cells(counts, halfway.ravel(), alpha=lab.level(), effect=0.03),
    }
    names = ["".join(map(str, at)) for at in np.ndindex(words.masses.shape)]
    series = {
        "exact": dict(zip(names, halfway.ravel().tolist(), strict=True)),
        "particles": dict(zip(names, (counts / counts.sum()).tolist(), strict=True)),
    }
    return Evidence(written=written, draw=bars(series, xlabel=f"probability of a word after {seen} steps"))


@claim(
    "D3",
    "the closed form of x_t at any time step",
    statement=r"x_t=\sqrt{1-\beta_t}\,x_{t-1}+\sqrt{\beta_t}\,\epsilon \quad"
    r"(called\ the\ closed\ form\ at\ any\ t)",
    correction=r"x_t=\sqrt{\bar\alpha_t}\,x_0+\sqrt{1-\bar\alpha_t}\,\epsilon,\quad"
    r"\bar\alpha_t=\prod_{s\leq t}(1-\beta_s)",
    derivation=(
        r"The formula of the note is one step; a closed form says what $x_t$ is, given $x_0$ alone.",
        r"Put into each other, the steps multiply the signal: $\sqrt{\bar\alpha_t}\,x_0$, and the noises add.",
        r"Variances obey $v_t=(1-\beta_t)v_{t-1}+\beta_t$ with $v_0=0$, so that $1-v_t=\bar\alpha_t$.",
    ),
    n_steps=100,
    beta_max=0.05,
    x0=1.5,
)
def d3(lab: Lab) -> Evidence:
    """Both formulas, with x_0 where the note's has the step before, against the exact law of the chain from x_0."""
    p = lab.p
    betas = np.linspace(1e-4, p.beta_max, p.n_steps)
    schedule, times = schedule_of_betas(betas), sorted({1, (p.n_steps + 1) // 2, p.n_steps})
    at = [float(t) for t in times]
    chain = scheme_law(ddpm_chain(betas), ddpm_step, x0=Point(p.x0), t_end=float(p.n_steps), dt=1.0, at=at)
    written, corrected = {}, {}
    for t, law in zip(times, chain.laws, strict=True):
        beta = float(betas[t - 1])
        one_step = Normal(math.sqrt(1 - beta) * p.x0, math.sqrt(beta))
        closed = Normal(float(schedule.signals[t]) * p.x0, float(schedule.levels[t]))
        written[f"law at t = {t}"] = _same(law, one_step, accuracy=1e-11)
        corrected[f"law at t = {t}"] = _same(law, closed, accuracy=1e-11)
    laws = {"chain": chain.law, "note, with x_0": one_step, "corrected": closed}
    return Evidence(written=written, corrected=corrected, draw=densities((-4.0, 4.0), laws))


@claim(
    "D4",
    "100 steps with beta from 1e-4 to 0.05 turn an image into noise",
    statement=r"T=100,\quad \beta=linspace(10^{-4},\,0.05,\,T):\quad q(x_T|x_0)\approx N(0,I)",
    correction=r"q(x_T|x_0)=N(\sqrt{\bar\alpha_T}\,x_0,\,(1-\bar\alpha_T)I),\quad\sqrt{\bar\alpha_{100}}=0.28;\quad"
    r" T=400:\;\sqrt{\bar\alpha_T}=0.006",
    derivation=(
        r"$\log\bar\alpha_T=\sum\log(1-\beta_t)\approx-T\,(\beta_1+\beta_T)/2$.",
        r"For the note's 100 steps that is $-2.5$: 28 % of the signal is left: the picture can be seen.",
        r"A white pixel is at the sup-distance $2\Phi(\sqrt{\bar\alpha_T}/2)-1$ from noise, but for its variance;"
        r" more steps or larger $\beta$ make it small.",
    ),
    n_steps=100,
    beta_end=0.05,
    longer=400,
    size=128,
    tolerance=0.01,
    small={"size": 64},
)
def d4(lab: Lab) -> Evidence:
    """The note's program on a synthetic image: exact law of its brightest pixels, and its pixels against that law."""
    p = lab.p
    image = _picture(p.size)
    beta = np.linspace(1e-4, p.beta_end, p.n_steps)
    schedule, rng, current = schedule_of_betas(beta), np.random.default_rng(lab.seed), image
    for t in range(p.n_steps):
        current = _forward_diffusion(current, beta, t, rng)
    signal, level = float(schedule.signals[-1]), float(schedule.levels[-1])
    more = schedule_of_betas(np.linspace(1e-4, p.beta_end, p.longer))
    noise, white = Normal(0.0, 1.0), Normal(signal, level)
    later = Normal(float(more.signals[-1]), float(more.levels[-1]))
    whole = scheme_law(ddpm_chain(beta), ddpm_step, x0=Point(1.0), t_end=float(p.n_steps), dt=1.0).law
    z = ((current - signal * image) / level).ravel()
    return Evidence(
        written={f"a white pixel is noise after {p.n_steps} steps": _same(white, noise, accuracy=p.tolerance)},
        corrected={
            "exact law of a white pixel": _same(whole, white, accuracy=1e-11),
            "the program's pixels": checks.density(z, noise, alpha=lab.level(), effect=0.05),
            f"a white pixel is noise after {p.longer} steps": _same(later, noise, accuracy=p.tolerance),
        },
        draw=densities(
            (-4.0, 4.0),
            {"N(0, 1)": noise, f"white pixel, {p.n_steps} steps": white, "black pixel": Normal(0.0, level)},
            particles=current[image > 0.95],
        ),
    )


def _forward_diffusion(previous: np.ndarray, beta: np.ndarray, t: int, rng: np.random.Generator) -> np.ndarray:
    """Return one step of the note's program."""
    beta_t = beta[t]
    mean = previous * np.sqrt(1.0 - beta_t)
    sigma = np.sqrt(beta_t)
    return mean + sigma * rng.standard_normal(previous.shape)


def _picture(size: int) -> np.ndarray:
    """Return a synthetic image (size, size, 3) with values in [0, 1]: a bright disc on a slope of colours."""
    x, y = np.meshgrid(np.linspace(0.0, 1.0, size), np.linspace(0.0, 1.0, size))
    disc = (x - 0.4) ** 2 + (y - 0.6) ** 2 < 0.09
    return np.stack([np.where(disc, 1.0, slope) for slope in (x, y, 0.5 * (x + y))], axis=-1)


@claim(
    "D5",
    "mean and variance of a step back, given where the chain began",
    statement=r"q(x_{t-1}|x_t,x_0)=N(\tilde\mu_t,\tilde\beta_t I),\quad"
    r" \tilde\mu_t=\frac{\sqrt{\bar\alpha_{t-1}}\beta_t}{1-\bar\alpha_t}x_0"
    r"+\frac{\sqrt{\alpha_t}(1-\bar\alpha_{t-1})}{1-\bar\alpha_t}x_t,\quad"
    r" \tilde\beta_t=\frac{1-\bar\alpha_{t-1}}{1-\bar\alpha_t}\beta_t",
    derivation=(
        r"By Bayes, $q(x_{t-1}|x_t,x_0)\propto N(x_t;\sqrt{\alpha_t}x_{t-1},\beta_t)\,"
        r"N(x_{t-1};\sqrt{\bar\alpha_{t-1}}x_0,1-\bar\alpha_{t-1})$.",
        r"The precisions add: $1/\tilde\beta_t=\alpha_t/\beta_t+1/(1-\bar\alpha_{t-1})"
        r"=(1-\bar\alpha_t)/(\beta_t(1-\bar\alpha_{t-1}))$.",
        r"The mean is $\tilde\beta_t$ times the sum of $\sqrt{\alpha_t}x_t/\beta_t$ and"
        r" $\sqrt{\bar\alpha_{t-1}}x_0/(1-\bar\alpha_{t-1})$.",
    ),
    n_steps=100,
    beta_max=0.05,
    x0=1.2,
    z=-1.3,
    twist=1.0,
)
def d5(lab: Lab) -> Evidence:
    """The formulas against Bayes' rule by quadrature, over the whole chain; and the mean that the samplers use."""
    p, steps = lab.p, integer("n_steps", lab.p.n_steps, least=2)
    betas = np.linspace(1e-4, p.beta_max, steps)
    schedule = schedule_of_betas(betas)
    times = np.unique(np.geomspace(2, steps, 9).astype(int))
    xt = schedule.signals[times] * p.x0 + schedule.levels[times] * p.z
    bar, before, beta = schedule.alpha_bars[times], schedule.alpha_bars[times - 1], betas[times - 1]
    of_x0 = p.twist * np.sqrt(before) * beta / (1 - bar)
    mean = of_x0 * p.x0 + np.sqrt(1 - beta) * (1 - before) / (1 - bar) * xt
    variance = (1 - before) / (1 - bar) * beta
    bayes = [_posterior(*map(float, given), x0=p.x0) for given in zip(before, beta, xt, strict=True)]
    step = schedule.step(times)
    written = {
        "mean": checks.agreement(mean, [law.mean for law in bayes], accuracy=1e-11),
        "variance": checks.agreement(variance / [law.variance for law in bayes], 1.0, accuracy=1e-11),
        "mean of the samplers": checks.agreement(posterior_mean(xt, p.x0, step), mean, accuracy=1e-12),
        "variance of the samplers": checks.agreement(posterior_variance(step), variance, accuracy=1e-12),
    }
    lines = {"weight of x_0": of_x0, "variance / beta": variance / beta}
    return Evidence(written=written, draw=curves(times, lines, xlabel="t", ylabel="", logx=True))


def _posterior(before: float, beta: float, xt: float, *, x0: float) -> PanelLaw:
    """Return the law of x_{t-1} given x_t and x_0, by quadrature of the product of both densities."""
    prior, kernel = Normal(math.sqrt(before) * x0, math.sqrt(1 - before)), Normal(xt, math.sqrt(beta))
    faces = np.linspace(*prior.range(), 201)
    return PanelLaw.from_density(lambda x: prior.pdf(x) * kernel.pdf(math.sqrt(1 - beta) * x), faces, normalise=True)


CLAIMS = (d1, d2, d3, d4, d5)
