"""Defects of steps and runs of stochastic differential equations, each from a report on the code that had it."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

import fpsde
from fpsde import audit
from planted.integrators import MEAN, MU, SIGMA, THETA, VOL, H, N, gbm_claim, ou, ou_claim, whole
from planted.record import Planted

SMALL = 2000
KT, DRAG = 0.6, 2.0
STIFF = np.array([[1.0, 0.4], [0.4, 2.0]])
PRECONDITIONER = np.array([0.5, 2.0])


def _step(step: Any, claim: Any = ou_claim) -> Any:
    return lambda: audit.step(step, claim(), n=SMALL)


def _drawn(step: Any, claim: Any = ou_claim) -> Any:
    return lambda: audit.drawn_step(step, claim(), n=20_000)


def _run(run: Any, claim: Any = ou_claim) -> Any:
    return lambda: audit.run(run, claim(), n=100_000)


@cache
def exact_claim() -> audit.Claim:
    """Exact sampling of Ornstein-Uhlenbeck."""
    return ou_claim("exact_sampling")


@cache
def brownian_claim() -> audit.Claim:
    """Brownian motion with a drift, and a scale that is not 1."""
    return audit.claim(fpsde.brownian(drift=0.5, sigma=0.8), fpsde.euler_maruyama, x0=0.3, t_end=N * H, dt=H)


@cache
def free_claim() -> audit.Claim:
    """Brownian motion without drift."""
    return audit.claim(fpsde.brownian(drift=0.0, sigma=0.8), fpsde.euler_maruyama, x0=0.3, t_end=N * H, dt=H)


@cache
def dragged_claim() -> audit.Claim:
    """A harmonic well with a drag that is not 1."""
    process = fpsde.ornstein_uhlenbeck(theta=1 / DRAG, mean=0.0, sigma=np.sqrt(2 * KT / DRAG))
    return audit.claim(process, fpsde.euler_maruyama, x0=1.0, t_end=N * H, dt=H)


@cache
def kinetic_claim() -> audit.Claim:
    """Noise whose strength depends on the place, in the kinetic interpretation: its flux is mu p - D dp."""
    process = fpsde.Process(
        drift=lambda x: -x,
        sigma=lambda x: np.sqrt(1 + 0.5 * np.cos(x)),
        interpretation=fpsde.KINETIC,
        name="kinetic_trap",
    )
    return audit.claim(process, fpsde.euler_maruyama, x0=0.8, t_end=N * H, dt=H)


@cache
def preconditioned_claim() -> audit.Claim:
    """Langevin dynamics in two directions, preconditioned by G: dX = -G A X dt + sqrt(2 G) dW."""
    process = fpsde.linear_system(np.diag(PRECONDITIONER) @ STIFF, np.diag(np.sqrt(2 * PRECONDITIONER)))
    return audit.claim(process, fpsde.euler_maruyama, x0=(1.0, -0.5), t_end=N * H, dt=H)


def exact(x: Any, z: Any, *, mean: float = MEAN, noise: Any = np.sqrt) -> Any:
    """The right exact step of Ornstein-Uhlenbeck, and what may be wrong in it."""
    kept = np.exp(-THETA * H)
    return mean + (x - mean) * kept + noise(SIGMA**2 * (1 - kept**2) / (2 * THETA)) * z


def _one_weight(n: int, seed: int) -> np.ndarray:
    """The stochastic integral with e^{-theta h} on every increment, in place of e^{-theta (T - t)}."""
    kept = np.exp(-THETA * H)
    z = np.random.default_rng(seed).standard_normal((N, n))
    return MEAN + (2.0 - MEAN) * kept**N + SIGMA * np.sqrt(H) * kept * z.sum(0)


def heun(x: Any, i: int, rng: Any, *, anew: bool = False) -> Any:
    """Heun's step on noise of one strength; ``anew`` reads the Brownian motion a second time, on the next interval."""
    first = rng.standard_normal(len(x))
    second = rng.standard_normal(len(x)) if anew else first
    ahead = ou(x, first)
    slope = -0.5 * THETA * (x + ahead - 2 * MEAN)
    return x + H * slope + SIGMA * np.sqrt(H) * 0.5 * (first + second)


def _lanes(x: Any, i: int, rng: Any) -> Any:
    """Lanes of 32 particles that read one stream, each three numbers later than the lane before."""
    stream = rng.standard_normal(32 + 3 * (len(x) // 32 + 1))
    place = np.arange(len(x))
    return ou(x, stream[place % 32 + 3 * (place // 32)])


def _first_temperature() -> Any:
    """A temperature that falls, held at its first value."""
    process = fpsde.additive_time_dependent()
    claim = audit.claim(process, fpsde.euler_maruyama, x0=1.0, t_end=1.0, dt=H)

    def step(x: Any, i: int, z: Any) -> Any:
        return x + process.ito_drift(x, i * H) * H + process.noise_coefficient(x, 0.0) * np.sqrt(H) * z

    return audit.step(step, claim, n=SMALL)


REPORTED = [
    Planted("integrator", name, source, audited)
    for name, source, audited in (
        (
            "noise without the root of dt",
            "uclales #7, Mastering-Python-for-Finance #7 (CIR), pyesg #73 (GBM)",
            _step(lambda x, i, z: ou(x, z, noise=1 / np.sqrt(H))),
        ),
        (
            "the state left out where there is no drift",
            "brian2 #686",
            _step(lambda x, i, z: 0.8 * np.sqrt(H) * z, free_claim),
        ),
        (
            "neither drift nor scale",
            "crflynn/stochastic #15",
            _step(lambda x, i, z: x + np.sqrt(H) * z, brownian_claim),
        ),
        (
            "exact ou: mean taken as 0",
            "stochrare #26",
            _step(lambda x, i, z: exact(x, z, mean=0.0), exact_claim),
        ),
        (
            "exact ou: variance for standard deviation",
            "abides-jpmc-public #10",
            _step(lambda x, i, z: exact(x, z, noise=lambda v: v), exact_claim),
        ),
        ("exact ou: one weight for all increments", "Sim.DiffProc #6", _run(_one_weight, exact_claim)),
        (
            "geometric without its factor x",
            "DiffEqFinancial #27",
            _step(lambda x, i, z: x + MU * H + VOL * np.sqrt(H) * z, gbm_claim),
        ),
        ("one step more", "py4fi #5", _run(lambda n, seed: whole(n, seed, steps=N + 1))),
        (
            "drag for its inverse in the noise",
            "LAMMPS #2948, #2970",
            _step(lambda x, i, z: x - x / DRAG * H + np.sqrt(2 * KT * DRAG * H) * z, dragged_claim),
        ),
        ("temperature held at its first value", "GPUMD #408", _first_temperature),
        (
            "dD/dx left out",
            "chombo-discharge #713",
            _step(lambda x, i, z: x - x * H + np.sqrt((1 + 0.5 * np.cos(x)) * H) * z, kinetic_claim),
        ),
        (
            "noise without its preconditioner",
            "DiffEqFlux #695",
            _step(
                lambda x, i, z: x - H * PRECONDITIONER[:, None] * (STIFF @ x) + np.sqrt(2 * H) * z, preconditioned_claim
            ),
        ),
        (
            "random drift",
            "iap-diffusion-labs #20",
            _drawn(
                lambda x, i, rng: x + rng.standard_normal(len(x)) * H + 0.8 * np.sqrt(H) * rng.standard_normal(len(x)),
                free_claim,
            ),
        ),
        (
            "noise times noise",
            "iap-diffusion-labs #28",
            _drawn(lambda x, i, rng: ou(x, rng.standard_normal(len(x)) * rng.standard_normal(len(x)))),
        ),
        (
            "brownian motion read twice in a step",
            "torchsde #4",
            _drawn(lambda x, i, rng: heun(x, i, rng, anew=True), lambda: ou_claim("heun")),
        ),
        (
            "uniforms of [0, 1) for normals",
            "BrainPy #713",
            _drawn(lambda x, i, rng: ou(x, rng.random(len(x)))),
        ),
        ("lanes that follow one another", "tt-metal #13904", _drawn(_lanes)),
    )
]
