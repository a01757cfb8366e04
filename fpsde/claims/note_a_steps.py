"""Note A, second half: the step of denoising diffusion models, and distances of distributions."""

from __future__ import annotations

import math

import numpy as np

from fpsde import checks
from fpsde.checks import CheckResult, distances
from fpsde.claims.drawing import bars, curves, densities
from fpsde.claims.experiment import Evidence, Lab, claim
from fpsde.claims.normal_paths import normal_divergence
from fpsde.density import Law, Normal, Point, Uniform
from fpsde.laws import scheme_law, stationary_scheme_law
from fpsde.processes import constant_beta, ddpm_chain, variance_preserving
from fpsde.schemes import ddpm_step, euler_maruyama


@claim(
    "A6",
    "1 - beta/2 may be replaced by sqrt(1 - beta) for small beta",
    statement=r"\sqrt{1-\beta_t}\sim 1-\frac{1}{2}\beta_t",
    derivation=(
        r"Taylor: $\sqrt{1-\beta}=1-\frac{1}{2}\beta-\frac{1}{8}\beta^2-\ldots$, an error of order 2 a step.",
        r"With it the variance obeys $v'=(1-\beta)v+\beta$, whose fixed point is 1.",
        r"Without it $v'=(1-\beta/2)^2v+\beta$, whose fixed point is $1/(1-\beta/4)$.",
    ),
    beta_max=0.4,
    twist=1.0,
)
def a6(lab: Lab) -> Evidence:
    """The order of the difference of the two factors, and the stationary variance of both chains."""
    betas = lab.p.beta_max / 2.0 ** np.arange(6)
    process = {b: variance_preserving(constant_beta(1.0)) for b in betas}
    variances = {
        name: np.array([stationary_scheme_law(process[b], scheme, dt=float(b)).law.variance for b in betas])
        for name, scheme in (("1 - beta/2", euler_maruyama), ("sqrt(1 - beta)", ddpm_step))
    }
    apart = np.sqrt(1 - betas) - (1 - lab.p.twist * betas / 2)
    written = {
        "difference of the factors": checks.order(betas, apart, expected=2.0),
        "variance with sqrt(1 - beta)": checks.agreement(variances["sqrt(1 - beta)"], 1.0, accuracy=1e-12),
        "variance with 1 - beta/2": checks.agreement(variances["1 - beta/2"], 1 / (1 - betas / 4), accuracy=1e-11),
    }
    return Evidence(
        written=written, draw=curves(betas, variances, xlabel="beta", ylabel="stationary variance", logx=True)
    )


@claim(
    "A7",
    "1000 steps with beta from 0.0001 to 0.02 turn U(0, 1) into N(0, 1), by both formulas",
    statement=r"x_t=x_{t-1}-\frac{1}{2}\beta_t x_{t-1}+\sqrt{\beta_t}\,\epsilon_{t-1},\quad"
    r" x_t=\sqrt{1-\beta_t}\,x_{t-1}+\sqrt{\beta_t}\,\epsilon_{t-1},\quad x_0\sim U(0,1),\quad x_{1000}\sim N(0,1)",
    derivation=(
        r"Both chains are affine: mean and variance are recursions, and the law is that of $ax_0$ plus a normal law.",
        r"The mean is $\frac{1}{2}\prod_t a_t$: with the second formula $\frac{1}{2}\sqrt{\bar\alpha_T}=0.0032$.",
        r"The variance of the first formula ends near $1+\beta_T/4$, that of the second near 1.",
    ),
    beta_min=1e-4,
    beta_max=0.02,
    n_steps=1000,
    distance=0.003,
    n_particles=100_000,
    twist=1.0,
    small={"n_particles": 4_000},
)
def a7(lab: Lab) -> Evidence:
    """The exact laws of both chains, their distances to N(0, 1), and the note's own programs against them."""
    p = lab.p
    betas = np.linspace(p.beta_min, p.beta_max, p.n_steps)
    target, start = Normal(0.0, math.sqrt(p.twist)), Uniform(0.0, 1.0)
    chain = ddpm_chain(betas, start)
    laws: dict[str, Law] = {
        name: scheme_law(chain, scheme, x0=start, t_end=float(p.n_steps), dt=1.0).law
        for name, scheme in (("1 - beta/2", euler_maruyama), ("sqrt(1 - beta)", ddpm_step))
    }
    rng = np.random.default_rng(lab.seed)
    seen = {
        "1 - beta/2": _first_program(betas, p.n_particles, rng),
        "sqrt(1 - beta)": _second_program(betas, p.n_particles, rng),
    }
    written: dict[str, CheckResult] = {}
    for name, law in laws.items():
        far = distances.total_variation(law, target)
        written[f"{name}: total variation to N(0, 1)"] = checks.agreement(far, 0.0, accuracy=p.distance)
        written[f"{name}: the note's program"] = checks.density(seen[name], law, alpha=lab.level(), effect=0.15)
    return Evidence(written=written, draw=densities((-4.0, 4.0), laws, particles=seen["sqrt(1 - beta)"]))


def _first_program(betas: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """The note's first program in NumPy, line by line."""
    x = rng.random(n)
    for i in range(len(betas)):
        eps = rng.standard_normal(n)
        x = x - 0.5 * betas[i] * x + np.sqrt(betas[i]) * eps
    return x


def _second_program(betas: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """The note's second program in NumPy, line by line."""
    x = rng.random(n)
    for i in range(len(betas)):
        eps = rng.standard_normal(n)
        x = np.sqrt(1 - betas[i]) * x + np.sqrt(betas[i]) * eps
    return x


@claim(
    "A8",
    "squared error cannot compare distributions",
    statement=r"E|X-Y|^2\;\mathrm{does\ not\ tell}\;p_Y\;\mathrm{from}\;p_X,\qquad"
    r" KL(p\|q)=E_p\left[\log\frac{p}{q}\right]\;\mathrm{does}",
    derivation=(
        r"For independent $X$ and $Y$, $E|X-Y|^2=Var X+Var Y+(EX-EY)^2$: it sees two moments of $Y$ alone.",
        r"A uniform $Y$ with the moments of $X\sim N(2,1)$ has the error of a right $Y$, and is far from it.",
        r"A point at the mean has half of that error: squared error prefers a law that is wrong.",
    ),
    mean=2.0,
    twist=1.0,
)
def a8(lab: Lab) -> Evidence:
    """Squared errors of a right law, a wrong one and a point, and the divergences of the first two."""
    half, data = math.sqrt(3.0 * lab.p.twist), Normal(lab.p.mean, 1.0)
    models: dict[str, Law] = {
        "N(mean, 1)": Normal(lab.p.mean, 1.0),
        "uniform": Uniform(lab.p.mean - half, lab.p.mean + half),
        "point": Point(lab.p.mean),
    }
    errors = {name: _squared_error(data, law) for name, law in models.items()}
    gaps = {name: distances.kullback_leibler(models[name], data) for name in ("N(mean, 1)", "uniform")}
    written = {
        "the wrong law has the error of the right one": checks.agreement(
            errors["uniform"], errors["N(mean, 1)"], accuracy=1e-10
        ),
        "the divergence of the right law is 0": checks.agreement(gaps["N(mean, 1)"], 0.0, accuracy=1e-12),
    }
    rivals = {
        "the divergence of the wrong law is 0": checks.agreement(gaps["uniform"], 0.0, accuracy=1e-3),
        "no law has a smaller error than the right one": checks.agreement(
            min(errors.values()), errors["N(mean, 1)"], accuracy=1e-3
        ),
    }
    return Evidence(written=written, rivals=rivals, draw=bars({"squared error": errors}, xlabel="E|X - Y|^2"))


def _squared_error(first: Law, second: Law) -> float:
    """Return E|X - Y|^2 of independent X and Y."""
    return float(first.variance + second.variance + (first.mean - second.mean) ** 2)


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
    as_written = {name: _as_written(*case) for name, case in cases.items()}
    right = {name: normal_divergence(*case) for name, case in cases.items()}

    def compared(formula: dict[str, float]) -> dict[str, CheckResult]:
        return {name: checks.agreement(formula[name], exact[name], accuracy=1e-11, unit="nats") for name in cases}

    return Evidence(
        written=compared(as_written),
        corrected=compared(right),
        draw=bars({"quadrature": exact, "note": as_written, "corrected": right}, xlabel="KL(p || q) [nats]"),
    )


def _as_written(m1: np.ndarray, s1: np.ndarray, m2: np.ndarray, s2: np.ndarray) -> float:
    """Return the formula of the note."""
    away = (m2 - m1) @ np.linalg.solve(s2, m2 - m1)
    trace = float(np.trace(np.linalg.solve(s2, s1)))
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


@claim(
    "A10",
    "a network from 0, trained by squared error against samples of N(2, 1), finds the mean",
    statement=r"\min_\theta E|f_\theta(0)+\epsilon-x|^2,\quad x\sim N(2,1) \;\Rightarrow\; f_\theta(0)\approx 2",
    derivation=(
        r"From the input 0 a network has one output $c$, and $E|c+\epsilon-x|^2=(c-Ex)^2+Var\,\epsilon+Var\,x$.",
        r"The minimum is at the mean of the samples, which gradient steps find up to their own noise.",
        r"All outputs are that number: their law is a point, at the distance $W_1=E|Z|=\sqrt{2/\pi}$ from $N(2,1)$.",
    ),
    n_samples=2000,
    epochs=1000,
    twist=1.0,
    small={"epochs": 800, "n_samples": 2000},
)
def a10(lab: Lab) -> Evidence:
    """The note's program in NumPy, gradients and Adam by hand: what it fits, and the law of its outputs."""
    p, rng = lab.p, np.random.default_rng(lab.seed)
    x = rng.standard_normal(p.n_samples) + 2.0
    outputs = _trained(x, p.epochs, rng)
    fitted, settled = float(np.mean(outputs[-100:])), float(np.mean(x))
    far = distances.wasserstein1(Point(fitted), Normal(2.0, 1.0))
    # the mean of 100 draws of the noise of all samples is off by less than 8/sqrt(100 n), and Adam's last steps by 0.01
    error = [("noise", 8 / math.sqrt(100 * p.n_samples)), ("Adam", 0.01)]
    return Evidence(
        written={
            "fitted constant, the mean of the last 100 epochs": checks.agreement(
                fitted, p.twist * settled, accuracy=error, effect=0.1
            )
        },
        rivals={"the outputs have the law N(2, 1)": checks.agreement(far, 0.0, accuracy=0.1, unit="of W_1")},
        draw=curves(
            np.arange(p.epochs), {"f(0)": outputs, "mean of x": np.full(p.epochs, settled)},
            xlabel="epoch", ylabel="output",
        ),
    )  # fmt: skip


def _trained(x: np.ndarray, epochs: int, rng: np.random.Generator) -> np.ndarray:
    """Return f(0) of a network 1-20-1 with ReLU after each epoch, by Adam on the summed squared error.

    The weights of the first layer never move, since their input is 0; biases and the second layer do.
    """
    width, (rate, b1, b2, small) = 20, (1e-3, 0.9, 0.999, 1e-8)
    theta = np.concatenate([rng.uniform(-1, 1, width), rng.uniform(-1, 1, width + 1) / math.sqrt(width)])
    mean, square, outputs = np.zeros_like(theta), np.zeros_like(theta), np.empty(epochs)
    for k in range(1, epochs + 1):
        bias, weights = theta[:width], theta[width:-1]
        hidden = np.maximum(bias, 0.0)
        slope = 2 * np.sum(weights @ hidden + theta[-1] + rng.standard_normal(len(x)) - x)
        g = slope * np.concatenate([weights * (bias > 0), hidden, [1.0]])
        mean, square = b1 * mean + (1 - b1) * g, b2 * square + (1 - b2) * g**2
        theta = theta - rate * (mean / (1 - b1**k)) / (np.sqrt(square / (1 - b2**k)) + small)
        outputs[k - 1] = theta[width:-1] @ np.maximum(theta[:width], 0.0) + theta[-1]
    return outputs


CLAIMS = (a6, a7, a8, a9, a10)
