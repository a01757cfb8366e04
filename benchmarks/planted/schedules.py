"""Defects of noise schedules and of forward noisings."""

from __future__ import annotations

from typing import Any

import numpy as np

import fpsde
from fpsde import audit
from fpsde.audit import Table
from planted.levels import BARS, BETAS, FULL, KEPT
from planted.levels import bar as _bar
from planted.record import Planted


def _table(values: Any, table: Table, claim: fpsde.NoiseSchedule = FULL) -> Any:
    return lambda: audit.schedule(values, claim, table)


def _single_precision() -> np.ndarray:
    """1 - alpha_bar/alpha_bar' in float32."""
    bars = np.append(np.float32(1), np.cumprod(1 - BETAS.astype(np.float32)))
    return (1 - bars[1:] / bars[:-1]).astype(float)


def _cosine(offset: float, most: float) -> np.ndarray:
    f = np.cos((np.arange(1001) / 1000 + offset) / (1 + offset) * np.pi / 2) ** 2
    return np.minimum(1 - f[1:] / f[:-1], most)


def _cosines(power: float) -> np.ndarray:
    """cos^power at the T + 1 times of the cosine schedule, over its first."""
    f = np.cos((np.arange(1001) / 1000 + 0.008) / 1.008 * np.pi / 2) ** power
    return f / f[0]


def _exploding(first: float) -> np.ndarray:
    """The 18 levels of Karras et al. (2022), table 1, column VE, from sigma^2 = ``first`` down, smallest first."""
    return first * (0.02**2 / 100.0**2) ** (np.arange(17, -1, -1) / 17)


def _karras(rho: float) -> np.ndarray:
    u = np.linspace(0, 1, 18)
    return ((0.002 ** (1 / rho)) + u * (80 ** (1 / rho) - 0.002 ** (1 / rho))) ** rho


KARRAS = fpsde.schedule_of_sigmas(_karras(7.0))
EXPLODING = fpsde.schedule_of_sigmas(np.sqrt(_exploding(100.0**2)))
AFTER = np.append(1.0, BARS[:-1])
SCHEDULES = [
    Planted("schedule", name, source, audited)
    for name, source, audited in (
        ("alpha_bar of t - 1", "prod to t - 1 for t", _table(AFTER, Table.ALPHA_BAR)),
        ("root of alpha_bar for alpha_bar", "a root too much", _table(np.sqrt(BARS), Table.ALPHA_BAR)),
        ("exp(-sum beta) for the product", "the continuous form", _table(np.exp(-np.cumsum(BETAS)), Table.ALPHA_BAR)),
        (
            "product from i to T",
            "wyxogo.top (prod from i = 1 to T)",
            _table(np.cumprod((1 - BETAS)[::-1])[::-1], Table.ALPHA_BAR),
        ),
        (
            "the last alpha_bar set to 0",
            "zero terminal SNR in another schedule",
            _table(np.append(BARS[:-1], 1e-9), Table.ALPHA_BAR),
        ),
        ("reversed table", "time runs back", _table(BARS[::-1], Table.ALPHA_BAR)),
        (
            "beta to the first power for its root in steps",
            "linear for scaled linear",
            _table(np.linspace(0.00085, 0.012, 1000), Table.BETA, fpsde.scaled_linear_schedule()),
        ),
        ("beta in single precision", "diffusers #5130", _table(_single_precision(), Table.BETA)),
        ("sigma without its signal", "sjc #13 (two meanings of sigma)", _table(np.sqrt(1 - BARS), Table.SIGMA)),
        ("variance for standard deviation", "diffusion-models-class #18", _table(1 - BARS, Table.LEVEL)),
        (
            "posterior variance with alpha_bar twice",
            "alpha_bar_t for alpha_bar_{t-1}",
            _table(BETAS, Table.POSTERIOR_VARIANCE),
        ),
        (
            "posterior variance upside down",
            "a fraction inverted",
            _table(BETAS * (1 - BARS) / np.maximum(1 - AFTER, 1e-12), Table.POSTERIOR_VARIANCE),
        ),
        ("cosine without offset", "s = 0", _table(_cosine(0.0, 0.999), Table.BETA, fpsde.cosine_schedule())),
        ("cosine not bounded", "beta above 0.999", _table(_cosine(0.008, 1.0), Table.BETA, fpsde.cosine_schedule())),
        (
            "cosine without its square",
            "lilianweng.github.io #9",
            _table(np.minimum(1 - _cosines(1)[1:] / _cosines(1)[:-1], 0.999), Table.BETA, fpsde.cosine_schedule()),
        ),
        (
            "cosine from the level without noise",
            "GenerativeModels #489, MONAI #8427",
            _table(_cosines(2)[:-1], Table.ALPHA_BAR, fpsde.cosine_schedule()),
        ),
        (
            "sigma_max without its square",
            "diffusers #590 (KarrasVe)",
            _table(np.sqrt(_exploding(100.0)), Table.SIGMA, EXPLODING),
        ),
        ("product of the betas", "dpm-solver #13", _table(np.cumprod(BETAS), Table.ALPHA_BAR)),
        (
            "variance for level in level/signal",
            "classifier-free-diffusion-guidance-Pytorch #12",
            _table((1 - BARS) / np.sqrt(BARS), Table.SIGMA),
        ),
        ("rho upside down", "1/rho for rho", _table(_karras(1 / 7), Table.SIGMA, KARRAS)),
        (
            "leading timesteps from 0",
            "steps_offset of 0 (diffusers)",
            _table(np.arange(13) * 76, Table.TIMESTEP, FULL.subset(fpsde.leading_timesteps(1000, 13))),
        ),
        (
            "leading for trailing timesteps",
            "Lin et al. (2024), section 3.3",
            _table(1 + np.arange(13) * 76, Table.TIMESTEP, KEPT),
        ),
        ("log of alpha_bar for log of the snr", "ln(alpha_bar)", _table(np.log(BARS), Table.LOG_SNR)),
    )
]


def _noising(noise: Any) -> Any:
    return lambda: audit.noising(noise, KEPT)


NOISINGS = [
    Planted("noising", name, source, audited)
    for name, source, audited in (
        (
            "one step's beta for alpha_bar",
            "wyxogo.top (the one-step formula)",
            _noising(lambda x, t, z: np.sqrt(1 - BETAS[t - 1]) * x + np.sqrt(BETAS[t - 1]) * z),
        ),
        (
            "variance for standard deviation",
            "diffusion-models-class #18",
            _noising(lambda x, t, z: np.sqrt(_bar(t)) * x + (1 - _bar(t)) * z),
        ),
        ("alpha_bar for its root", "a root too few", _noising(lambda x, t, z: _bar(t) * x + np.sqrt(1 - _bar(t)) * z)),
        (
            "index of the table",
            "alpha_bar[t] for alpha_bar[t - 1]",
            lambda: audit.noising(
                lambda x, t, z: np.sqrt(BARS[min(t, 999)]) * x + np.sqrt(1 - BARS[min(t, 999)]) * z, FULL
            ),
        ),
        ("variance exploding", "signal left out", _noising(lambda x, t, z: x + np.sqrt(1 - _bar(t)) * z)),
    )
]
