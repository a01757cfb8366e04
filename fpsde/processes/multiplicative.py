"""Processes whose noise depends on the state: geometric Brownian motion, Ginzburg-Landau, CIR, Pearson, Jacobi."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from fpsde.density import FrozenLaw, Law
from fpsde.domain import Interval
from fpsde.errors import InvalidInput
from fpsde.optional import optional
from fpsde.processes.allowed import Allowed, Condition
from fpsde.processes.process import Exact, Process, Setting
from fpsde.processes.spectral import jacobi_law
from fpsde.processes.transitions import elapsed, inside, known_from_points, setting_of, window_of
from fpsde.validation import FRACTION, POSITIVE, REAL, finite, positive

scipy = optional("scipy")
special = optional("scipy.special")

HALF_LINE = Interval(0.0, math.inf)
UNIT = Interval(0.0, 1.0)

_GEOMETRIC_BROWNIAN = Allowed(mu=REAL, sigma=POSITIVE)
_GINZBURG_LANDAU = Allowed(alpha=POSITIVE, sigma=POSITIVE, cubic=POSITIVE)
_FELLER = Condition(
    lambda p: 2 * p.kappa * p.theta >= p.sigma**2,
    lambda p: (
        f"2 kappa theta = {2 * p.kappa * p.theta:.6g} is below sigma^2 = {p.sigma**2:.6g}: the process reaches 0, "
        f"where it has no wall; take sigma <= {math.sqrt(2 * p.kappa * p.theta):.6g}"
    ),
)
_COX_INGERSOLL_ROSS = Allowed(_FELLER, kappa=POSITIVE, theta=POSITIVE, sigma=POSITIVE)
_PEARSON = Allowed(theta=POSITIVE, a=FRACTION)
_INSIDE = Condition(
    lambda p: (p.a <= p.mean) & (p.a <= 1 - p.mean),
    lambda p: (
        f"a={p.a} is above min(mean, 1 - mean) = {min(p.mean, 1 - p.mean):.6g}, so the process reaches an end of "
        "(0, 1), where it has no wall; take a smaller a"
    ),
)
_JACOBI = Allowed(_INSIDE, theta=POSITIVE, mean=FRACTION, a=POSITIVE)


def geometric_brownian(mu: float = 0.4, sigma: float = 0.25) -> Process:
    """Return geometric Brownian motion on (0, oo).

        dX = mu X dt + sigma X dW,    X_t = x0 exp((mu - sigma^2/2) t + sigma W_t)

    Units: mu 1/time, sigma 1/sqrt(time). There is no stationary law. Raises InvalidInput unless sigma > 0.
    """
    mu, sigma = _GEOMETRIC_BROWNIAN.numbers(mu, sigma)

    def law(x0: float, t: float) -> Law:
        return FrozenLaw(scipy.stats.lognorm(sigma * math.sqrt(t), scale=x0 * math.exp((mu - sigma**2 / 2) * t)))

    def mean(x0: float, t: float) -> float:
        return inside(x0, HALF_LINE) * math.exp(mu * elapsed(t))

    known = replace(
        known_from_points(law, domain=HALF_LINE),
        mean=mean,
        variance=lambda x0, t: mean(x0, t) ** 2 * math.expm1(sigma**2 * t),
        path=lambda x0, t, w: _grown(x0, t, w, mu, sigma),
    )
    return Process(
        drift=lambda x, t, p: p.mu * x,
        sigma=lambda x, t, p: p.sigma * x,
        params={"mu": mu, "sigma": sigma},
        domain=HALF_LINE,
        name="geometric_brownian",
        equation="dX = mu X dt + sigma X dW",
        exact=known,
        setting=setting_of(known, 1.2, t_end=1.0, n_steps=40),
        sample=lambda x, t, dt, z, p: _grown(x, dt, np.sqrt(dt) * z, p.mu, p.sigma),
        factory=geometric_brownian,
        allowed=_GEOMETRIC_BROWNIAN,
        arguments={"mu": mu, "sigma": sigma},
    )


def call_price(process: Process, x0: float, *, strike: float, t_end: float) -> float:
    """Return e^{-mu t_end} E max(X_{t_end} - strike, 0) of geometric Brownian motion: the price of a European call.

        C = x0 Phi(d_1) - strike e^{-mu t_end} Phi(d_2),    d_2 = d_1 - sigma sqrt(t_end)
        d_1 = (log(x0/strike) + (mu + sigma^2/2) t_end)/(sigma sqrt(t_end))

    mu is then the riskless rate. It is the usual functional in tests of multilevel Monte Carlo. Raises InvalidInput for
    another process, and unless x0, strike and t_end are positive. Source: Black & Scholes, J. Polit. Econ. 81 (1973)
    637, eq. 13.
    """
    if process.name != "geometric_brownian":
        raise InvalidInput(f"call_price is of geometric_brownian, not of {process.name}")
    x0, strike, t_end = positive("x0", x0), positive("strike", strike), positive("t_end", t_end)
    mu, spread = process.params["mu"], process.params["sigma"] * math.sqrt(t_end)
    d_1 = (math.log(x0 / strike) + mu * t_end) / spread + spread / 2
    return float(x0 * special.ndtr(d_1) - strike * math.exp(-mu * t_end) * special.ndtr(d_1 - spread))


def _grown(x0: Any, t: Any, w: Any, mu: Any, sigma: Any) -> Any:
    return x0 * np.exp((mu - sigma**2 / 2) * t + sigma * w)


def ginzburg_landau(alpha: float = 1.0, sigma: float = 0.5, cubic: float = 1.0) -> Process:
    """Return the Ginzburg-Landau process on (0, oo), whose drift grows like X^3.

        dX = ((alpha + sigma^2/2) X - cubic X^3) dt + sigma X dW
        X_t = x0 e^{alpha t + sigma W_t}/sqrt(1 + 2 cubic x0^2 int_0^t e^{2 alpha s + 2 sigma W_s} ds)
        X_oo^2 ~ Gamma(shape alpha/sigma^2, scale sigma^2/cubic)

    The path depends on all of W, not on W_t alone. Moments of Euler-Maruyama's steps diverge as dt -> 0 (Hutzenthaler,
    Jentzen & Kloeden, Proc. R. Soc. A 467 (2011) 1563). Units: alpha 1/time, sigma 1/sqrt(time), cubic
    1/(time (unit of x)^2). Source: Kloeden & Platen, Numerical Solution of Stochastic Differential Equations (1992),
    section 4.4.

    Raises InvalidInput unless all are positive (for alpha <= 0 the process dies out: there is no stationary law).
    """
    alpha, sigma, cubic = _GINZBURG_LANDAU.numbers(alpha, sigma, cubic)
    shape, scale = alpha / sigma**2, sigma / math.sqrt(cubic)
    stationary = FrozenLaw(scipy.stats.gengamma(shape, 2, scale=scale))
    x0 = float(stationary.ppf(np.array(0.2)))
    t_end = 1 / alpha
    return Process(
        drift=lambda x, t, p: (p.alpha + p.sigma**2 / 2) * x - p.cubic * x**3,
        sigma=lambda x, t, p: p.sigma * x,
        params={"alpha": alpha, "sigma": sigma, "cubic": cubic},
        domain=HALF_LINE,
        name="ginzburg_landau",
        equation="dX = ((alpha + sigma^2/2) X - cubic X^3) dt + sigma X dW",
        exact=Exact(stationary=lambda: stationary),
        setting=Setting(x0, t_end=t_end, dt=t_end / 40, window=window_of([stationary])),
        factory=ginzburg_landau,
        allowed=_GINZBURG_LANDAU,
        arguments={"alpha": alpha, "sigma": sigma, "cubic": cubic},
    )


def cox_ingersoll_ross(kappa: float = 2.0, theta: float = 0.8, sigma: float = 0.35) -> Process:
    """Return the Cox-Ingersoll-Ross process on (0, oo).

        dX = kappa (theta - X) dt + sigma sqrt(X) dW
        X_t/c ~ noncentral chi^2(4 kappa theta/sigma^2, x0 e^{-kappa t}/c),  c = sigma^2 (1 - e^{-kappa t})/(4 kappa)
        X_oo ~ Gamma(shape 2 kappa theta/sigma^2, scale sigma^2/(2 kappa))

    Units: kappa 1/time, theta (unit of x), sigma sqrt((unit of x)/time). Source: Cox, Ingersoll & Ross, Econometrica 53
    (1985), eqs. 18-20.

    Raises InvalidInput unless all are positive and 2 kappa theta >= sigma^2 (Feller's condition: 0 is out of reach).
    """
    kappa, theta, sigma = _COX_INGERSOLL_ROSS.numbers(kappa, theta, sigma)
    known = _cir_laws(kappa, theta, sigma)
    return Process(
        drift=lambda x, t, p: p.kappa * (p.theta - x),
        sigma=lambda x, t, p: p.sigma * np.sqrt(x),
        params={"kappa": kappa, "theta": theta, "sigma": sigma},
        domain=HALF_LINE,
        name="cox_ingersoll_ross",
        equation="dX = kappa (theta - X) dt + sigma sqrt(X) dW",
        exact=known,
        setting=setting_of(known, 1.4 * theta, t_end=1.5 / kappa, n_steps=40),
        factory=cox_ingersoll_ross,
        allowed=_COX_INGERSOLL_ROSS,
        arguments={"kappa": kappa, "theta": theta, "sigma": sigma},
    )


def _cir_laws(kappa: float, theta: float, sigma: float) -> Exact:
    def law(x0: float, t: float) -> Law:
        c = -(sigma**2) * math.expm1(-kappa * t) / (4 * kappa)
        return FrozenLaw(scipy.stats.ncx2(4 * kappa * theta / sigma**2, x0 * math.exp(-kappa * t) / c, scale=c))

    def mean(x0: float, t: float) -> float:
        return theta + (inside(x0, HALF_LINE) - theta) * math.exp(-kappa * elapsed(t))

    def variance(x0: float, t: float) -> float:
        grown = -math.expm1(-kappa * elapsed(t))
        return sigma**2 / kappa * grown * (inside(x0, HALF_LINE) * math.exp(-kappa * t) + theta * grown / 2)

    stationary = FrozenLaw(scipy.stats.gamma(2 * kappa * theta / sigma**2, scale=sigma**2 / (2 * kappa)))
    known = known_from_points(law, domain=HALF_LINE)
    return replace(known, mean=mean, variance=variance, stationary=lambda: stationary)


def pearson(theta: float = 1.5, a: float = 0.05) -> Process:
    """Return the Pearson process with heavy tails.

        dX = -theta X dt + sqrt(2 theta a (1 + X^2)) dW,    X_oo: density ~ (1 + x^2)^{-(1 + 1/(2a))}

    a Student law with 1 + 1/a degrees of freedom: its n-th moment exists for n < 1 + 1/a only (at a = 0.05, up to
    order 20). mean = x0 e^{-theta t}; E X_t^2 = m + (x0^2 - m) e^{-2 theta (1 - a) t} with m = a/(1 - a). The
    transition has no closed form here. Unit of theta: 1/time. Source: Forman & Sorensen, Scand. J. Stat. 35 (2008)
    438, case 3.

    Raises InvalidInput unless theta > 0 and 0 < a < 1 (from a = 1 on, the variance does not exist).
    """
    theta, a = _PEARSON.numbers(theta, a)
    freedom = 1 + 1 / a
    stationary = FrozenLaw(scipy.stats.t(freedom, scale=1 / math.sqrt(freedom)))

    def mean(x0: float, t: float) -> float:
        return finite("x0", x0) * math.exp(-theta * elapsed(t))

    def variance(x0: float, t: float) -> float:
        m = a / (1 - a)
        return m + (x0**2 - m) * math.exp(-2 * theta * (1 - a) * t) - mean(x0, t) ** 2

    x0 = 1.5 * math.sqrt(a / (1 - a))
    return Process(
        drift=lambda x, t, p: -p.theta * x,
        sigma=lambda x, t, p: np.sqrt(2 * p.theta * p.a * (1 + x**2)),
        params={"theta": theta, "a": a},
        name="pearson",
        equation="dX = -theta X dt + sqrt(2 theta a (1 + X^2)) dW",
        exact=Exact(stationary=lambda: stationary, mean=mean, variance=variance),
        setting=Setting(x0, t_end=1.5 / theta, dt=1.5 / theta / 40, window=window_of([stationary])),
        factory=pearson,
        allowed=_PEARSON,
        arguments={"theta": theta, "a": a},
    )


def jacobi(theta: float = 1.5, mean: float = 0.4, a: float = 0.02) -> Process:
    """Return the Jacobi process on (0, 1), also called Wright-Fisher with mutation.

        dX = -theta (X - mean) dt + sqrt(2 theta a X (1 - X)) dW,    X_oo ~ Beta(mean/a, (1 - mean)/a)

    The transition is a series of Jacobi polynomials (:func:`fpsde.processes.spectral.jacobi_law`). Unit of theta:
    1/time. Source: Forman & Sorensen, Scand. J. Stat. 35 (2008) 438, case 6.

    Raises InvalidInput unless theta > 0, 0 < mean < 1 and 0 < a <= min(mean, 1 - mean) (both ends are out of reach).
    """
    theta, mean, a = _JACOBI.numbers(theta, mean, a)
    stationary = FrozenLaw(scipy.stats.beta(mean / a, (1 - mean) / a))
    return Process(
        drift=lambda x, t, p: -p.theta * (x - p.mean),
        sigma=lambda x, t, p: np.sqrt(2 * p.theta * p.a * x * (1 - x)),
        params={"theta": theta, "mean": mean, "a": a},
        domain=UNIT,
        name="jacobi",
        equation="dX = -theta (X - mean) dt + sqrt(2 theta a X (1 - X)) dW",
        exact=_jacobi_laws(theta, mean, a, stationary),
        setting=Setting(
            mean - float(stationary.variance) ** 0.5,
            t_end=1.5 / theta,
            dt=1.5 / theta / 40,
            window=window_of([stationary]),
        ),
        factory=jacobi,
        allowed=_JACOBI,
        arguments={"theta": theta, "mean": mean, "a": a},
    )


def _jacobi_laws(theta: float, mean: float, a: float, stationary: Law) -> Exact:
    def law(x0: float, t: float) -> Law:
        return jacobi_law(x0, t, theta=theta, mean=mean, a=a, stationary=stationary)

    def mean_at(x0: float, t: float) -> float:
        return mean + (inside(x0, UNIT) - mean) * math.exp(-theta * elapsed(t))

    def variance_at(x0: float, t: float) -> float:
        """From d/dt E X^2 = -2 theta (1 + a) E X^2 + 2 theta (mean + a) E X."""
        limit, slope = mean * (mean + a) / (1 + a), 2 * (mean + a) / (1 + 2 * a) * (x0 - mean)
        fast = (x0**2 - limit - slope) * math.exp(-2 * theta * (1 + a) * elapsed(t))
        return limit + slope * math.exp(-theta * t) + fast - mean_at(x0, t) ** 2

    return replace(
        known_from_points(law, domain=UNIT), mean=mean_at, variance=variance_at, stationary=lambda: stationary
    )
