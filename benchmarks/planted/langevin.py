"""Defects of Langevin dynamics, with and without velocities."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

import fpsde
from fpsde import audit
from planted.record import Planted

H, STIFFNESS, FRICTION, KT, MASS = 0.1, 2.25, 0.8, 0.6, 2.0
SMALL = 2000


@cache
def baoab_claim() -> audit.Claim:
    """BAOAB on an oscillator whose mass and temperature are not 1."""
    process = fpsde.underdamped_oscillator(stiffness=STIFFNESS, friction=FRICTION, temperature=KT, mass=MASS)
    return audit.claim(process, fpsde.baoab, x0=(1.0, -0.5), t_end=2.0, dt=H)


@cache
def ula_claim() -> audit.Claim:
    """The unadjusted Langevin algorithm in a double well."""
    return audit.claim(fpsde.duffing_well(temperature=0.5), fpsde.euler_maruyama, x0=0.3, t_end=1.0, dt=0.05)


def baoab(
    x: Any,
    z: Any,
    *,
    kept: float = np.exp(-FRICTION * H),
    scale: float | None = None,
    kick: float = 0.5,
    mass: float = MASS,
) -> Any:
    """The right step, and what may be wrong in it."""
    s = np.sqrt(KT / MASS * (1 - np.exp(-2 * FRICTION * H))) if scale is None else scale
    q, v = x
    v = v - kick * H * STIFFNESS * q / mass
    q = q + 0.5 * H * v
    v = kept * v + s * z
    q = q + 0.5 * H * v
    return np.stack([q, v - kick * H * STIFFNESS * q / mass])


def obabo(x: Any, z: Any) -> Any:
    """Another splitting: half of the friction before, none of it in the middle."""
    q, v = x
    v = np.exp(-FRICTION * H) * v + np.sqrt(KT / MASS * (1 - np.exp(-2 * FRICTION * H))) * z
    v = v - 0.5 * H * STIFFNESS * q / MASS
    q = q + H * v
    return np.stack([q, v - 0.5 * H * STIFFNESS * q / MASS])


def _scale(variance: float) -> Any:
    return lambda: audit.step(lambda x, i, z: baoab(x, z, scale=np.sqrt(variance)), baoab_claim(), n=SMALL)


def _step(step: Any, claim: Any = baoab_claim) -> Any:
    return lambda: audit.step(step, claim(), n=SMALL)


def _ula(x: Any, z: Any, *, drift: float = 1.0, noise: float = 1.0) -> Any:
    return x + drift * 0.05 * (x - x**3) + noise * np.sqrt(2 * 0.5 * 0.05) * z


def _matthews(n: int, seed: int) -> np.ndarray:
    """Leimkuhler and Matthews' step with two fresh normals in place of one that is kept."""
    rng, x = np.random.default_rng(seed), np.full(n, 0.3)
    for _ in range(20):
        x = _ula(x, 0.5 * (rng.standard_normal(n) + rng.standard_normal(n)))
    return x


@cache
def _matthews_claim() -> audit.Claim:
    return audit.claim(fpsde.duffing_well(temperature=0.5), fpsde.leimkuhler_matthews, x0=0.3, t_end=1.0, dt=0.05)


_C = np.exp(-FRICTION * H)
DEFECTS = [
    Planted("langevin", name, source, audited)
    for name, source, audited in (
        ("1 - c for 1 - c^2", "a slip of every O-step", _scale(KT / MASS * (1 - _C))),
        ("root of kT m", "mass on the wrong side", _scale(KT * MASS * (1 - _C**2))),
        ("root of 1/(kT m)", "mlcg #13 (beta upside down)", _scale((1 - _C**2) / (KT * MASS))),
        ("mass left out of the noise", "units of mass 1", _scale(KT * (1 - _C**2))),
        ("temperature 2 % too high", "ESPResSo #3341", _scale(1.02 * KT / MASS * (1 - _C**2))),
        ("noise of the old friction", "PQ #273", _scale(KT / MASS * (1 - np.exp(-2 * 0.5 * H)))),
        ("first order of 1 - c^2", "2 gamma h", _scale(KT / MASS * 2 * FRICTION * H)),
        ("friction twice a step", "OpenMM #3790", _step(lambda x, i, z: baoab(x, z, kept=_C**2))),
        ("c = 1 - gamma h", "an Euler step in the O-step", _step(lambda x, i, z: baoab(x, z, kept=1 - FRICTION * H))),
        ("full kicks", "h for h/2", _step(lambda x, i, z: baoab(x, z, kick=1.0))),
        ("force for acceleration", "mass left out", _step(lambda x, i, z: baoab(x, z, mass=1.0))),
        ("another splitting", "OpenMM #2532", _step(lambda x, i, z: obabo(x, z))),
        ("sign of the velocity", "v for -v", _step(lambda x, i, z: baoab(x * np.array([[1.0], [-1.0]]), z))),
        ("noise in the positions", "components swapped", _step(lambda x, i, z: baoab(x, z)[::-1])),
        (
            "step eps/2 with noise of eps^2",
            "SGLD conventions",
            _step(lambda x, i, z: _ula(x, z, drift=0.5, noise=np.sqrt(0.05)), ula_claim),
        ),
        (
            "step eps/2 with noise of eps",
            "Edward #722 (SGLD, variance for standard deviation)",
            _step(lambda x, i, z: _ula(x, z, noise=2 * 0.05 / np.sqrt(0.05)), ula_claim),
        ),
        (
            "h/2 and h for h and root of 2 h",
            "ibc #6",
            _step(lambda x, i, z: _ula(x, z, drift=0.5, noise=np.sqrt(0.05)), ula_claim),
        ),
        (
            "2 h root(a) for root(2 a/h) in the gradient",
            "csgmcmc #1",
            _step(lambda x, i, z: x + 0.05 * (x - x**3 + 2 * 0.05 * np.sqrt(0.5) * z), ula_claim),
        ),
        (
            "noise without the root of h",
            "StochasticDiffEq #558 (scale_noise = false)",
            _scale(KT / MASS * 2 * FRICTION),
        ),
        ("root of h for root of 2 h", "jax-md #124", _step(lambda x, i, z: _ula(x, z, noise=np.sqrt(0.5)), ula_claim)),
        (
            "gradient ascent",
            "score and gradient of the energy",
            _step(lambda x, i, z: _ula(x, z, drift=-1.0), ula_claim),
        ),
        (
            "two fresh normals",
            "every-algorithm.github.io on leimkuhler and matthews",
            lambda: audit.run(_matthews, _matthews_claim(), n=50_000),
        ),
    )
]
