"""Note B, first part: energies and scores, and the laws that Langevin equations keep."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.integrate import quad

from fpsde import checks
from fpsde.checks import CheckResult, distances
from fpsde.claims.comparisons import Solution, law_of_log_density, solution, stationary_is
from fpsde.claims.drawing import curves, densities
from fpsde.claims.equations import Line
from fpsde.claims.experiment import Evidence, Lab, claim
from fpsde.density import CellLaw, Law, Normal
from fpsde.domain import Interval, Wall
from fpsde.grid import Grid
from fpsde.laws import stationary_scheme_law
from fpsde.processes import langevin_of, overdamped
from fpsde.processes.process import Process
from fpsde.schemes import Scheme, euler_maruyama, mala

Function = Callable[[np.ndarray], np.ndarray]
WELL: tuple[float, float] = (-4.0, 4.0)


def energy(x: np.ndarray) -> np.ndarray:
    """A double well that is not symmetric."""
    return x**4 / 4 - x**2 / 2 + 0.3 * x


def slope(f: Function, x: np.ndarray) -> np.ndarray:
    """Return df/dx: minus the drift of the gradient flow in the potential f, which is derived symbolically."""
    return -overdamped(f).ito_drift(x)


def _partition(f: Function, reach: float) -> float:
    """Return the integral of exp(-f) over (-reach, reach)."""
    return quad(lambda x: math.exp(-f(x)), -reach, reach, epsabs=1e-12, epsrel=1e-12, limit=400)[0]


@claim(
    "B1",
    "an energy gives a density, exp(-E)/Z",
    statement=r"p(x)=\frac{e^{-E_\theta(x)}}{\int dx\,e^{-E_\theta(x)}}=\frac{e^{-E_\theta(x)}}{Z(\theta)}",
    condition="Z is finite",
    derivation=(
        r"$e^{-E}$ is positive, and divided by its integral it has the integral 1.",
        r"That needs $Z<\infty$: it is enough that $E$ grows faster than $\log|x|$.",
        r"For $E=\frac{1}{2}\log(1+x^2)$, $Z$ over $(-L,L)$ grows as $2\log L$ for ever.",
    ),
    twist=1.0,
)
def b1(lab: Lab) -> Evidence:
    """The integral of exp(-E)/Z, and whether Z over growing intervals comes to an end."""
    reach = 10.0 * 2.0 ** np.arange(8)
    steep, shallow = (
        np.array([_partition(f, L) for L in reach]) for f in (energy, lambda x: 0.5 * np.log(1 + np.square(x)))
    )
    law, x = law_of_log_density(lambda x: -energy(x)), np.linspace(-2.5, 2.5, 41)
    written = {
        "Z comes to an end": checks.agreement(steep[1:] / steep[:-1], 1.0, accuracy=1e-9),
        "the density": checks.agreement(
            np.exp(-energy(x)) / (lab.p.twist * steep[-1]), law.pdf(x), accuracy=1e-8, unit="1/unit of x"
        ),
    }
    outside = {"Z comes to an end": checks.agreement(shallow[1:] / shallow[:-1], 1.0, accuracy=1e-9)}
    lines = {"E = x^4/4 - x^2/2 + 0.3 x": steep, "E = log(1 + x^2)/2": shallow}
    return Evidence(
        written=written, outside=outside, draw=curves(reach, lines, xlabel="L", ylabel="Z over (-L, L)", logx=True)
    )


def _density_of_energy(scale: float = 1.0) -> tuple[Line, np.ndarray, np.ndarray]:
    """Return a line, scale exp(-E) on it, and where that is not small."""
    line = Line(WELL, nodes=256)
    p = scale * np.exp(-energy(line.x))
    return line, p, np.abs(line.x) < 2.2


@claim(
    "B2",
    "the score is -ln of the gradient of p, the gradient of E",
    statement=r"s_\theta(x)\equiv-\ln\nabla p(x)=\nabla E_\theta(x)",
    correction=r"s_\theta(x)\equiv\nabla\ln p(x)=-\nabla E_\theta(x)",
    derivation=(
        r"$\ln p=-E-\ln Z$, and $Z$ does not depend on $x$: $\nabla\ln p=-\nabla E$.",
        r"Gradient and logarithm do not commute: $\ln\nabla p$ is not even real where $p$ falls.",
        r"The sign decides: with $+\nabla E$ a sampler climbs the energy.",
    ),
)
def b2(lab: Lab) -> Evidence:
    """Both signs, and the logarithm of the gradient, against the derivative of ln p."""
    line, p, seen = _density_of_energy()
    x, gradient = line.x[seen], line.d(p)[seen]
    score, of_energy = gradient / p[seen], slope(energy, line.x[seen])
    written = {
        "the gradient of E": checks.agreement(of_energy, score, accuracy=1e-6),
        "points without a real -ln grad p": checks.agreement(np.count_nonzero(gradient <= 0), 0.0, accuracy=0.5),
    }
    corrected = {"minus the gradient of E": checks.agreement(-of_energy, score, accuracy=1e-6)}
    lines = {"d ln p/dx": score, "-E'": -of_energy, "E' (note)": of_energy}
    return Evidence(written=written, corrected=corrected, draw=curves(x, lines, xlabel="x", ylabel="score"))


@claim(
    "B3",
    "differentiation removes the normaliser",
    statement=r"\nabla_x p(x):\quad\mathrm{the\ normalization\ disappears}",
    condition="ln p is differentiated, not p",
    derivation=(
        r"$\nabla\ln(cp)=\nabla\ln p+\nabla\ln c=\nabla\ln p$ for any constant $c$.",
        r"$\nabla(cp)=c\nabla p$ keeps the constant.",
        r"So it is the score $\nabla\ln p$, not $\nabla p$, that needs no $Z$.",
    ),
    factor=7.3,
    twist=1.0,
)
def b3(lab: Lab) -> Evidence:
    """Derivatives of p and of ln p, of the density and of a multiple of it."""
    line, p, seen = _density_of_energy()
    _, multiple, _ = _density_of_energy(lab.p.factor)
    scores = [(line.d(q) / q)[seen] for q in (p, multiple)]
    gradients = [line.d(q)[seen] for q in (p, multiple)]
    lines = {"d ln p/dx": scores[0], "dp/dx": gradients[0], "d(cp)/dx": gradients[1]}
    return Evidence(
        written={"ln p": checks.agreement(scores[1], lab.p.twist * scores[0], accuracy=1e-6)},
        outside={"p": checks.agreement(gradients[1], gradients[0], accuracy=1e-6)},
        draw=curves(line.x[seen], lines, xlabel="x", ylabel="derivative"),
    )


def kept_by(process: Process, scheme: Scheme, eps: float) -> Law:
    """Return the law that the chain of ``scheme`` with steps ``eps`` keeps; for laws of a width of about 1."""
    closed = scheme is euler_maruyama and process.name == "N(0, 1)"
    return stationary_scheme_law(process, scheme, dt=eps, box=None if closed else (-8.0, 8.0), tolerance=1e-7).law


def langevin_chain(lab: Lab) -> Evidence:
    """Stationary laws of the chain x + eps grad ln q + sqrt(2 eps) z as eps -> 0, without sampling; and of MALA."""
    sizes = lab.p.eps_max / 2.0 ** np.arange(lab.p.levels)
    targets: dict[str, Function] = {
        "N(0, 1)": lambda x: -0.5 * x**2,
        "wavy well": lambda x: -0.5 * x**2 - 0.5 * np.sin(2 * x),
    }
    written: dict[str, CheckResult] = {}
    lines: dict[str, np.ndarray] = {}
    for name, log_q in targets.items():
        q = law_of_log_density(log_q)
        chain = langevin_of(log_q, temperature=lab.p.twist, name=name)
        laws = [kept_by(chain, euler_maruyama, float(eps)) for eps in sizes]
        lines[name] = np.array([law.variance - q.variance for law in laws])
        written[f"{name}: variance, order in eps"] = checks.order(sizes, lines[name], expected=1.0, floor=1e-7)
        lines[name] = np.abs(lines[name])
    variances = np.array([1 / (1 - eps / 2) for eps in sizes])
    known = langevin_of(targets["N(0, 1)"], name="N(0, 1)")
    found = [kept_by(known, euler_maruyama, float(eps)).variance for eps in sizes]
    written["N(0, 1): the variance is 1/(1 - eps/2)"] = checks.agreement(found, variances, accuracy=1e-10)
    accepted = kept_by(known, mala, float(sizes[0]))
    written["N(0, 1): no bias with Metropolis's rule"] = checks.agreement(
        distances.kolmogorov(accepted, Normal(0.0, 1.0)), 0.0, accuracy=1e-6
    )
    return Evidence(
        written=written,
        draw=curves(sizes, lines, xlabel="eps", ylabel="error of the stationary variance", logx=True, logy=True),
    )


@claim(
    "B13",
    "Langevin steps of size eps sample q, as eps goes to 0",
    statement=r"x_t=x_{t-1}+\epsilon\nabla_x\ln q_\theta(x)+\sqrt{2\epsilon}\,z,\quad z\sim N(0,1)",
    derivation=(
        r"It is the Euler-Maruyama step of $dX=\nabla\ln q\,dt+\sqrt{2}\,dW$, which keeps $q$.",
        r"For $q=N(0,1)$ the chain keeps the variance $v=(1-\epsilon)^2v+2\epsilon$, $v=1/(1-\epsilon/2)$.",
        r"So the bias is of order $\epsilon$; accepted and rejected by Metropolis's rule the chain has none.",
    ),
    eps_max=0.2,
    levels=5,
    twist=1.0,
    small={"levels": 4, "eps_max": 0.1},
)
def b13(lab: Lab) -> Evidence:
    """Stationary laws of the chain for falling eps, computed without sampling."""
    return langevin_chain(lab)


@claim(
    "B15",
    "the stationary density is exp of the integral of mu/D",
    statement=r"\mu p=\nabla Dp \;\Rightarrow\; p\sim e^{\int\mu/D}",
    correction=r"p\sim\frac{1}{D}\,e^{\int\mu/D}",
    condition="D is constant and no current flows",
    derivation=(
        r"Without a current $\mu p=(Dp)'$: with $u=Dp$, $u'/u=\mu/D$.",
        r"So $Dp\sim e^{\int\mu/D}$, and the factor $1/D$ may be left out where $D$ is constant alone.",
        r"On a ring with a force that drives round it, $e^{\int\mu/D}$ does not close, and a current flows.",
    ),
    strength=0.5,
    tilt=0.6,
    cells=80,
    twist=1.0,
    small={"cells": 40},
)
def b15(lab: Lab) -> Evidence:
    """Stationary Fokker-Planck laws: constant D, D(x), and a driven ring."""
    p, a = lab.p, lab.p.strength
    constant = overdamped(energy, 0.7)
    spread = Process(drift=lambda x: -2 * x, sigma=lambda x, p: np.sqrt(1 + p.a * x**2), params={"a": a})
    # mu/D = -4 x/(1 + a x^2)
    integral = law_of_log_density(lambda x: -2 / a * np.log(1 + a * x**2))
    divided = law_of_log_density(lambda x: -(2 / a + 1) * np.log(1 + a * x**2))
    ring = Interval(-math.pi, math.pi, Wall.PERIODIC, Wall.PERIODIC)
    driven = overdamped(lambda x: np.cos(x) - p.tilt * x, 0.7, domain=ring)
    turn = Grid.uniform((-math.pi, math.pi), cells=16 * p.cells)
    weights = np.exp(-(np.cos(turn.centres) - p.tilt * turn.centres) / 0.7)
    as_written = law_of_log_density(lambda x: -p.twist * energy(x) / 0.7)
    window, wide = (-4.0, 4.0), (-30.0, 30.0)
    return Evidence(
        written={"constant D": stationary_is(constant, as_written, window=window, cells=p.cells, effect=0.01)},
        outside={
            "D(x) = (1 + a x^2)/2": stationary_is(spread, integral, window=wide, cells=8 * p.cells, effect=0.01),
            "driven round a ring": stationary_is(
                driven,
                CellLaw(turn, weights / weights.sum()),
                window=(-math.pi, math.pi),
                cells=p.cells,
                effect=0.01,
            ),
        },
        corrected={
            "(1/D) exp of the integral": stationary_is(spread, divided, window=wide, cells=8 * p.cells, effect=0.01)
        },
        draw=densities((-3.0, 3.0), {"exp(int mu/D)": integral, "(1/D) exp(int mu/D)": divided}),
    )


@claim(
    "B16",
    "D = 2 kT gives Boltzmann's law",
    statement=r"\mu=-\nabla V,\quad D=2k_BT \;\Rightarrow\; p_{eq}\sim e^{-V/k_BT}",
    correction=r"\mu=-\nabla V,\quad D=k_BT \;\Rightarrow\; p_{eq}\sim e^{-V/k_BT}",
    derivation=(
        r"With constant $D$ and no current, $p\sim e^{\int\mu/D}=e^{-V/D}$.",
        r"So $D=k_BT$ (unit mobility: Einstein's relation); the noise has $\sigma=\sqrt{2k_BT}$.",
        r"With $D=2k_BT$ the law is that of twice the temperature.",
    ),
    temperature=0.4,
    cells=100,
    small={"cells": 40},
)
def b16(lab: Lab) -> Evidence:
    """Stationary Fokker-Planck laws with D = 2 kT and with D = kT."""
    kT = lab.p.temperature
    boltzmann = law_of_log_density(lambda x: -energy(x) / kT)
    hotter = law_of_log_density(lambda x: -energy(x) / (2 * kT))

    def with_diffusivity(d: float, law: Law) -> CheckResult:
        return stationary_is(overdamped(energy, d), law, window=WELL, cells=lab.p.cells, effect=0.01)

    return Evidence(
        written={"D = 2 kT": with_diffusivity(2 * kT, boltzmann)},
        corrected={
            "D = kT": with_diffusivity(kT, boltzmann),
            "D = 2 kT: exp(-V/2kT)": with_diffusivity(2 * kT, hotter),
        },
        draw=densities((-3.0, 3.0), {"exp(-V/kT)": boltzmann, "exp(-V/2kT)": hotter}),
    )


@claim(
    "B17",
    "the drift -D grad ln q has the stationary law q",
    statement=r"\mu(x,t)=-D\nabla\ln q(x) \;\Rightarrow\; p_\infty=q",
    correction=r"\mu(x,t)=+D\nabla\ln q(x) \;\Rightarrow\; p_\infty=q",
    derivation=(
        r"No current: $\mu q=Dq'$, so $\mu=D\,q'/q=+D\nabla\ln q$.",
        r"With the other sign the drift leads away from where $q$ is large.",
        r"For $q=N(0,1)$ it is $+Dx$: the variance obeys $\dot v=2D(v+1)$ and grows without end.",
    ),
    diffusivity=0.5,
    t_end=0.5,
    cells=100,
    small={"cells": 60},
)
def b17(lab: Lab) -> Evidence:
    """Whether q = N(0, 1) stays where it is under the drift of either sign."""
    p, q = lab.p, Normal(0.0, 1.0)

    def moved(sign: float) -> Solution:
        process = langevin_of(lambda x: -sign * p.diffusivity * x**2 / 2, temperature=p.diffusivity)
        return solution(process, q, t_end=p.t_end, window=(-12.0, 12.0), cells=p.cells)

    found = {sign: moved(sign) for sign in (-1.0, 1.0)}
    return Evidence(
        written={"minus: q stays": found[-1.0].is_law(q, effect=0.01)},
        corrected={"plus: q stays": found[1.0].is_law(q, effect=0.01)},
        draw=densities(
            (-5.0, 5.0), {"q": q, "mu = -D grad ln q": found[-1.0].law, "mu = +D grad ln q": found[1.0].law}
        ),
    )


CLAIMS = (b1, b2, b3, b13, b15, b16, b17)
