"""Right codes that look unusual: an audit that flags one of them is wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

import fpsde
from fpsde import audit
from fpsde.audit import Table
from fpsde.ddpm import min_snr_weights
from planted import integrators, langevin, losses, samplers, solvers
from planted.integrators import MEAN, SIGMA, THETA, H, N, ou, ou_claim, whole
from planted.levels import BARS, BETAS, FULL, KEPT, NAMES
from planted.record import Planted

SMALL = 5000


def _step(step: Any, claim: Any = ou_claim, **options: Any) -> Any:
    return lambda: audit.step(step, claim(), n=SMALL, **options)


def _drawn(step: Any) -> Any:
    return lambda: audit.drawn_step(step, ou_claim(), n=20_000)


def _in_place(x: Any, i: int, z: Any) -> Any:
    x += THETA * H * (MEAN - x)
    x += SIGMA * np.sqrt(H) * z
    return x


def _turned(x: Any, i: int, z: Any) -> Any:
    """The same covariance from another square root of it."""
    c, s = np.cos(0.7), np.sin(0.7)
    return x - H * integrators.PULL @ x + np.sqrt(H) * integrators.NOISE @ (np.array([[c, -s], [s, c]]) @ z)


def _inverted(x: Any, i: int, rng: Any) -> Any:
    return ou(x, special.ndtri((rng.integers(0, 2**52, len(x)) + 0.5) / 2**52))


def _polar(x: Any, i: int, rng: Any) -> Any:
    u = rng.random((2, (len(x) + 1) // 2))
    r = np.sqrt(-2 * np.log1p(-u[0]))
    return ou(x, np.concatenate([r * np.cos(2 * np.pi * u[1]), r * np.sin(2 * np.pi * u[1])])[: len(x)])


def _spawned(n: int, seed: int) -> np.ndarray:
    """In chunks, each with a child of the seed."""
    sizes = [1000] * (n // 1000) + ([n % 1000] if n % 1000 else [])
    children = np.random.SeedSequence(seed).spawn(len(sizes))
    return np.concatenate([_chunk(size, child) for size, child in zip(sizes, children, strict=True)])


def _chunk(n: int, child: Any) -> np.ndarray:
    rng, x = np.random.default_rng(child), np.full(n, 2.0)
    for _ in range(N):
        x = ou(x, rng.standard_normal(n))
    return x


def _in_one(n: int, seed: int) -> np.ndarray:
    """The whole chain at once: it is affine."""
    keep = (1 - THETA * H) ** np.arange(N)[::-1]
    z = np.random.default_rng(seed).standard_normal((N, n))
    return MEAN + (2.0 - MEAN) * (1 - THETA * H) ** N + SIGMA * np.sqrt(H) * keep @ z


def _all_times(n: int, seed: int) -> np.ndarray:
    rng, x, seen = np.random.default_rng(seed), np.full(n, 2.0), []
    for _ in range(N):
        x = ou(x, rng.standard_normal(n))
        seen.append(x)
    return np.array(seen)[[9, 19]]


def _by_scaled_place(x: Any, i: int, z: Any) -> Any:
    """DDIM in y = x/a and sigma."""
    a, b = samplers.bars_of(i)
    y, s, t = x / np.sqrt(a), np.sqrt(1 / a - 1), np.sqrt(1 / b - 1)
    x0 = samplers.sampler_claim().data.denoised(y[None], 1.0, s)[0]
    return np.sqrt(b) * (x0 + t / s * (y - x0))


def _by_noise(x: Any, i: int, z: Any) -> Any:
    """The ancestral step in the form of eq. 11 of DDPM, which reads eps."""
    a, b = samplers.bars_of(i)
    alpha = a / b
    eps = samplers.sampler_claim().model()(x, NAMES[i])
    mean = (x - (1 - alpha) / np.sqrt(1 - a) * eps) / np.sqrt(alpha)
    return mean + np.sqrt((1 - alpha) * (1 - b) / (1 - a)) * z


def _from_score(x: Any, t: int) -> Any:
    return -np.sqrt(1 - BARS[t - 1]) * samplers.sampler_claim().model(fpsde.Prediction.SCORE)(x, t)


def _cosine_of_steps() -> np.ndarray:
    f = np.cos((np.linspace(0, 1001, 1001) / 1001 + 0.008) / 1.008 * np.pi / 2) ** 2
    return np.clip(1 - f[1:] / f[:-1], 0, 0.999)


def _chain(n: int) -> np.ndarray:
    z, x = np.random.default_rng(8).standard_normal(n), np.empty(n)
    x[0] = z[0]
    for k in range(1, n):
        x[k] = 0.7 * x[k - 1] + np.sqrt(1 - 0.49) * z[k]
    return x


RIGHT = [
    Planted("right", name, source, audited, right=True)
    for name, source, audited in (
        ("the sign of the noise turned", "- for +", _step(lambda x, i, z: ou(x, -z))),
        ("in place", "its argument is overwritten", _step(_in_place)),
        (
            "single precision",
            "float32 throughout",
            _step(lambda x, i, z: ou(x.astype(np.float32), z.astype(np.float32)).astype(np.float32)),
        ),
        ("particles first", "(n, 1)", _step(lambda x, i, z: ou(x, z), batch_first=True)),
        (
            "as a weighted mean",
            "(1 - theta h) x + theta h m",
            _step(lambda x, i, z: (1 - THETA * H) * x + THETA * H * MEAN + SIGMA * np.sqrt(H) * z),
        ),
        ("another root of the covariance", "a rotation of the normals", _step(_turned, integrators.plane_claim)),
        (
            "baoab with its force computed twice",
            "no force is kept",
            _step(lambda x, i, z: langevin.baoab(x, z), langevin.baoab_claim),
        ),
        ("normals by inversion", "ndtri", _drawn(_inverted)),
        ("normals in pairs", "both of Box and Muller's", _drawn(_polar)),
        (
            "single-precision normals",
            "dtype=float32",
            _drawn(lambda x, i, rng: ou(x, rng.standard_normal(len(x), dtype=np.float32))),
        ),
        ("children of the seed for chunks", "SeedSequence.spawn", lambda: audit.run(_spawned, ou_claim(), n=50_000)),
        ("all steps at once", "one matrix product", lambda: audit.run(_in_one, ou_claim(), n=50_000)),
        (
            "the paths come back",
            "positions at two times",
            lambda: audit.run(_all_times, ou_claim(), at=(0.5, 1.0), n=50_000),
        ),
        ("shorter steps", "finer=", lambda: audit.run(whole, ou_claim(), n=50_000, finer=lambda k: _finer(k))),
        (
            "ddim in sigma",
            "scaled places",
            lambda: audit.step(_by_scaled_place, samplers.sampler_claim("silent"), n=SMALL),
        ),
        (
            "ancestral by eps",
            "eq. 11 for eq. 7",
            lambda: audit.step(_by_noise, samplers.sampler_claim("small"), n=SMALL),
        ),
        (
            "a score model",
            "eps = -s score",
            lambda: audit.step(
                lambda x, i, z: samplers.ddim(x, i, z, model=_from_score), samplers.sampler_claim(), n=SMALL
            ),
        ),
        (
            "heun by hand",
            "EDM's algorithm in x",
            lambda: audit.step(samplers.heun, samplers.sampler_claim("heun"), n=SMALL),
        ),
        (
            "reverse diffusion by eps",
            "the score from eps",
            lambda: audit.step(samplers.reverse_euler, samplers.sampler_claim("euler"), n=SMALL),
        ),
        (
            "a sum for the mean",
            "reduction='sum'",
            lambda: audit.loss(lambda *a: 24 * losses.simple(*a), KEPT, up_to_factor=True),
        ),
        (
            "min-snr by logarithms",
            "exp(min(0, log gamma - log snr))",
            lambda: audit.loss(
                lambda m, x, t, z: min(1.0, 5 / losses.snr(t)) * losses.simple(m, x, t, z),
                KEPT,
                weights=min_snr_weights,
            ),
        ),
        (
            "alpha_bar by logarithms",
            "exp(cumsum(log1p(-beta)))",
            lambda: audit.schedule(np.exp(np.cumsum(np.log1p(-BETAS))), FULL, Table.ALPHA_BAR),
        ),
        (
            "alpha_bar in single precision",
            "a float32 table",
            lambda: audit.schedule(BARS.astype(np.float32), FULL, Table.ALPHA_BAR),
        ),
        (
            "cosine of linspace(0, T + 1, T + 1)/(T + 1)",
            "denoising-diffusion-pytorch #19, jannerm/diffuser #68 (taken for a bug)",
            lambda: audit.schedule(_cosine_of_steps(), fpsde.cosine_schedule(), Table.BETA),
        ),
        (
            "min-snr on v",
            "Min-SNR-Diffusion-Training #5",
            losses.velocity(weight=lambda t: min(losses.snr(t), 5.0) / (losses.snr(t) + 1), weights=min_snr_weights),
        ),
        ("a finite-volume solver", "Crank and Nicolson", solvers.audited(solvers.solved)),
        ("exponentially fitted fluxes", "Scharfetter and Gummel", solvers.audited(solvers.solved, fitted=True)),
        ("states of a chain", "chain=True", lambda: audit.sample(_chain(50_000), fpsde.Normal(0.0, 1.0), chain=True)),
    )
]


def _finer(k: int) -> Any:
    def run(n: int, seed: int) -> np.ndarray:
        rng, x = np.random.default_rng(seed), np.full(n, 2.0)
        for _ in range(N * k):
            x = ou(x, rng.standard_normal(n), h=H / k)
        return x

    return run
