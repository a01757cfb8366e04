"""Defects of integrators of stochastic differential equations, and of the random numbers in them."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

import fpsde
from fpsde import audit
from planted.record import Planted

SMALL = 2000
H, N = 0.05, 20
THETA, MEAN, SIGMA = 1.3, 0.4, 0.7
MU, VOL = 0.3, 0.6


@cache
def ou_claim(scheme: str = "euler_maruyama") -> audit.Claim:
    """Ornstein-Uhlenbeck from 2: not stationary, mean and spread that are neither 0 nor 1."""
    process = fpsde.ornstein_uhlenbeck(theta=THETA, mean=MEAN, sigma=SIGMA)
    return audit.claim(process, fpsde.scheme_named(scheme), x0=2.0, t_end=N * H, dt=H)


@cache
def gbm_claim(scheme: str = "euler_maruyama") -> audit.Claim:
    """Geometric Brownian motion: multiplicative noise."""
    process = fpsde.geometric_brownian(mu=MU, sigma=VOL)
    return audit.claim(process, fpsde.scheme_named(scheme), x0=1.2, t_end=N * H, dt=H)


@cache
def plane_claim() -> audit.Claim:
    """A linear system with correlated noise."""
    process = fpsde.linear_system(PULL, NOISE)
    return audit.claim(process, fpsde.euler_maruyama, x0=(1.0, -0.5), t_end=N * H, dt=H)


PULL = np.array([[1.0, 0.6], [-0.3, 1.5]])
NOISE = np.array([[0.8, 0.0], [0.5, 0.4]])


def ou(x: Any, z: Any, *, drift: float = 1.0, noise: float = 1.0, h: float = H) -> Any:
    """The right step of Euler and Maruyama, and the two numbers that may be wrong in it."""
    return x - drift * THETA * (x - MEAN) * h + noise * SIGMA * np.sqrt(h) * z


def whole(n: int, seed: int, *, steps: int = N) -> np.ndarray:
    """The right whole run."""
    rng, x = np.random.default_rng(seed), np.full(n, 2.0)
    for _ in range(steps):
        x = ou(x, rng.standard_normal(n))
    return x


def _step(step: Any, claim: Any = ou_claim) -> Any:
    return lambda: audit.step(step, claim(), n=SMALL)


def _drawn(step: Any, n: int = 20_000) -> Any:
    return lambda: audit.drawn_step(step, ou_claim(), n=n)


def _run(run: Any, n: int = 100_000) -> Any:
    return lambda: audit.run(run, ou_claim(), n=n)


def _predicted(x: Any, i: int, z: Any) -> Any:
    ahead = ou(x, z)
    return x - THETA * (ahead - MEAN) * H + SIGMA * np.sqrt(H) * z


def _time_dependent() -> Any:
    """dX = (b/sqrt(1+t) - X/(2(1+t))) dt + a b/sqrt(1+t) dW, with coefficients taken at the end of the step."""
    process = fpsde.additive_time_dependent()
    p = process.params
    claim = audit.claim(process, fpsde.euler_maruyama, x0=1.0, t_end=1.0, dt=0.05)

    def step(x: Any, i: int, z: Any) -> Any:
        t = (i + 1) * 0.05
        mu, s = process.ito_drift(x, t), process.noise_coefficient(x, t)
        return x + mu * 0.05 + s * np.sqrt(0.05) * z

    assert p
    return audit.step(step, claim, n=SMALL)


def _tamed() -> Any:
    process = fpsde.duffing_well(temperature=0.5)
    claim = audit.claim(process, fpsde.tamed_euler, x0=0.3, t_end=1.0, dt=0.05)

    def step(x: Any, i: int, z: Any) -> Any:
        a = x - x**3
        return x + a * 0.05 / (1 + np.abs(a)) + np.sqrt(2 * 0.5 * 0.05) * z

    return audit.step(step, claim, n=SMALL)


def _implicit() -> Any:
    def step(x: Any, i: int, z: Any) -> Any:
        guess = ou(x, z)
        return x - THETA * (guess - MEAN) * H + SIGMA * np.sqrt(H) * z  # one Picard iteration, not solved

    return audit.step(step, ou_claim("implicit_euler"), n=SMALL)


def _reflected(step: Any) -> Any:
    def made() -> Any:
        process = fpsde.process_named("brownian_reflecting")
        interval = process.intervals[0]
        claim = audit.claim(
            process, fpsde.euler_maruyama, x0=0.9 * interval.low + 0.1 * interval.high, t_end=1.0, dt=0.05
        )
        sigma, mu = float(process.noise_coefficient(0.5)), float(process.ito_drift(0.5))
        return audit.step(
            lambda x, i, z: step(x + mu * 0.05 + sigma * np.sqrt(0.05) * z, interval.low, interval.high), claim, n=SMALL
        )

    return made


def _milstein(x: Any, z: Any, *, half: float = 0.5, shift: float = 1.0) -> Any:
    dw = np.sqrt(H) * z
    return x + MU * x * H + VOL * x * dw + half * VOL**2 * x * (dw**2 - shift * H)


def _plane(noise: np.ndarray, pull: np.ndarray = PULL) -> Any:
    return lambda x, i, z: x - H * pull @ x + np.sqrt(H) * noise @ z


class _Paired:
    """Noise that is drawn every second step and used twice."""

    def __call__(self, x: Any, i: int, rng: Any) -> Any:
        if i % 2 == 0 or len(self.z) != len(x):
            self.z = rng.standard_normal(len(x))
        return ou(x, self.z)

    z = np.empty(0)


def _box_muller(n: int, seed: int) -> np.ndarray:
    rng, x = np.random.default_rng(seed), np.full(n, 2.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        for _ in range(N):
            u, v = rng.integers(0, 2**11, n) / 2**11, rng.random(n)  # u may be 0
            x = ou(x, np.sqrt(-2 * np.log(u)) * np.cos(2 * np.pi * v))
    return x


def _float_steps(n: int, seed: int) -> np.ndarray:
    t, steps = 0.0, 0
    while t < N * H - 1e-9:
        t, steps = t + H, steps + 1
        if t > 0.9:
            t += H  # the last interval is counted twice
    return whole(n, seed, steps=steps)


_GLOBAL = np.random.default_rng(99)
DEFECTS = [
    Planted("integrator", name, source, audited)
    for name, source, audited in (
        ("dt for its root", "a slip of every first code", _step(lambda x, i, z: ou(x, z, noise=np.sqrt(H)))),
        ("root of D for root of 2D", "jax-md #124", _step(lambda x, i, z: ou(x, z, noise=np.sqrt(0.5)))),
        ("sign of the drift", "Neuromatch #219", _step(lambda x, i, z: ou(x, z, drift=-1.0))),
        ("dt of N - 1 intervals", "linspace(0, T, N)", _step(lambda x, i, z: ou(x, z, h=H * N / (N - 1)))),
        ("drift at the predicted place", "operator order of a Heun step", _step(_predicted)),
        ("no noise in the last step", "range(N - 1)", _step(lambda x, i, z: ou(x, z, noise=float(i < N - 1)))),
        ("the first step twice as long", "warm-up left in", _step(lambda x, i, z: ou(x, z, h=2 * H if i == 0 else H))),
        (
            "tails cut at 4",
            "truncated normals",
            lambda: audit.step(lambda x, i, z: ou(x, np.clip(z, -4, 4)), ou_claim()),
        ),
        ("noise centred over the batch", "batch normalisation", _step(lambda x, i, z: ou(x, z - z.mean()))),
        (
            "stratonovich correction in an ito step",
            "Itô and Stratonovich mixed up",
            _step(lambda x, i, z: x + (MU + 0.5 * VOL**2) * x * H + VOL * x * np.sqrt(H) * z, gbm_claim),
        ),
        (
            "noise after the drift",
            "sigma at x + drift dt",
            _step(lambda x, i, z: x * (1 + MU * H) * (1 + VOL * np.sqrt(H) * z), gbm_claim),
        ),
        (
            "milstein without its half",
            "OrdinaryDiffEq #3864 (a factor twice)",
            _step(lambda x, i, z: _milstein(x, z, half=1.0), lambda: gbm_claim("milstein")),
        ),
        (
            "milstein without - dt",
            "the stratonovich form in an ito scheme",
            _step(lambda x, i, z: _milstein(x, z, shift=0.0), lambda: gbm_claim("milstein")),
        ),
        (
            "exact gbm without - sigma^2/2",
            "a textbook slip",
            _step(lambda x, i, z: x * np.exp(MU * H + VOL * np.sqrt(H) * z), lambda: gbm_claim("exact_sampling")),
        ),
        (
            "exact ou: e^{-theta h} for e^{-2 theta h}",
            "nestml #585",
            _step(
                lambda x, i, z: (
                    MEAN + (x - MEAN) * np.exp(-THETA * H) + SIGMA * np.sqrt((1 - np.exp(-THETA * H)) / (2 * THETA)) * z
                ),
                lambda: ou_claim("exact_sampling"),
            ),
        ),
        ("coefficients at the end of the step", "SRA c-nodes: b is taken at t + h first", _time_dependent),
        ("taming without dt", "1 + |a| for 1 + h |a|", _tamed),
        ("one picard iteration for an implicit step", "a tolerance that is never met", _implicit),
        ("clipped at walls", "projection in place of reflection", _reflected(np.clip)),
        (
            "one normal for both components",
            "jax #3646 (one key for all components)",
            _step(lambda x, i, z: _plane(NOISE)(x, i, z[:1] * [[1.0], [1.0]]), plane_claim),
        ),
        ("transposed sigma", "row and column", _step(_plane(NOISE.T), plane_claim)),
        ("covariance for its root", "no Cholesky factor", _step(_plane(NOISE @ NOISE.T), plane_claim)),
        (
            "diagonal noise only",
            "correlation dropped",
            _step(_plane(np.diag(np.sqrt(np.diag(NOISE @ NOISE.T)))), plane_claim),
        ),
        ("transposed drift", "x A for A x", _step(_plane(NOISE, PULL.T), plane_claim)),
        ("last step dropped", "range(1, N)", _run(lambda n, seed: whole(n, seed, steps=N - 1))),
        ("time accumulated in floats", "while t < T", _run(_float_steps)),
    )
]
RNG = [
    Planted("random numbers", name, source, audited)
    for name, source, audited in (
        (
            "uniform noise of variance 1",
            "ESPResSo #2357 (uniform for normal)",
            _drawn(lambda x, i, rng: ou(x, np.sqrt(12) * (rng.random(len(x)) - 0.5))),
        ),
        (
            "two-point noise said to be normal",
            "weak schemes' noise",
            _drawn(lambda x, i, rng: ou(x, rng.choice([-1.0, 1.0], len(x)))),
        ),
        (
            "sum of twelve uniforms",
            "an old normal generator",
            _drawn(lambda x, i, rng: ou(x, rng.random((12, len(x))).sum(0) - 6), 100_000),
        ),
        ("one draw for all particles", "size left out", _drawn(lambda x, i, rng: ou(x, rng.standard_normal()))),
        (
            "two lanes share a counter",
            "lane sharing",
            _drawn(lambda x, i, rng: ou(x, np.repeat(rng.standard_normal(len(x) // 2), 2))),
        ),
        ("noise used in two steps", "a buffer refilled too late", _drawn(_Paired())),
        (
            "generator made anew",
            "PRNGKey(0) inside of the step",
            _drawn(lambda x, i, rng: ou(x, np.random.default_rng(0).standard_normal(len(x)))),
        ),
        ("half normals", "abs", _drawn(lambda x, i, rng: ou(x, np.abs(rng.standard_normal(len(x)))))),
        ("seed ignored", "pytest-randomly #531 (one seed for all)", _run(lambda n, seed: whole(n, 3))),
        (
            "unseeded global generator",
            "numpy's legacy state",
            _run(lambda n, seed: whole(n, int(_GLOBAL.integers(2**31)))),
        ),
        (
            "seed + i for particle i",
            "deepmd-kit #4440 (overlapping streams)",
            _run(lambda n, seed: np.concatenate([whole(1, seed + j) for j in range(n)]), 3000),
        ),
        (
            "two workers of one seed",
            "atcollab/at #737, lightcurvelynx #615",
            _run(lambda n, seed: np.tile(whole((n + 1) // 2, seed), 2)[:n]),
        ),
        ("box-muller of 0", "gpuocean #37", _run(_box_muller)),
    )
]
GRADED = [
    Planted("graded", f"noise {share:g} % too large, {door}", "a graded scale error", audited)
    for share in (3.0, 1.0, 0.3, 0.1)
    for door, audited in (
        ("step(x, i, z)", _step(lambda x, i, z, k=1 + share / 100: ou(x, z, noise=k))),
        *(
            [
                (
                    "step(x, i, rng)",
                    _drawn(
                        lambda x, i, rng, k=1 + share / 100: ou(x, rng.standard_normal(len(x)), noise=k),
                        {3.0: 10_000, 1.0: 40_000, 0.3: 400_000}[share],
                    ),
                )
            ]
            if share > 0.1
            else []
        ),
    )
]
