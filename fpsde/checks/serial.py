"""An ordered sample, such as the states of one chain: are its values independent, and if not, how far apart are they?

Independence. Under it the ranks are a random permutation, whatever the law; their normal scores z have mean zero and
unit spread, and sums of z_i z_{i+l} are tested as in ``independence``.

Autocorrelation time. tau = 1 + 2 sum_k rho_k, the sum cut by Geyer's initial positive sequence: the last k for which
all sums rho_{2j} + rho_{2j+1} before it are positive. A mean over n values has the variance of a mean over n/tau
independent ones.

Source: Geyer (1992, Statist. Sci. 7, 473), section 3.3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import fft, special, stats

from fpsde.checks.budget import SESSION_ALPHA
from fpsde.checks.design import POWER, Design, bad_values
from fpsde.checks.independence import correlation_result
from fpsde.checks.result import CheckResult
from fpsde.checks.samples import inner, sample_of
from fpsde.errors import InvalidInput
from fpsde.validation import integer

#: Lags at which neighbours are compared unless the caller says otherwise.
LAGS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
#: Fewest autocorrelation times in a series from which one is read.
LEAST_TIMES = 50


def independent(
    series: Any,
    *,
    lags: Any = LAGS,
    alpha: float = SESSION_ALPHA,
    power: float = POWER,
    effect: float | None = None,
) -> CheckResult:
    """Return whether the values of ``series`` (n,), in the order given, are independent of one another.

    ``lags`` are distances in the order at which pairs are compared, those of half of the series and more left out; they
    share ``alpha`` equally. UNDERPOWERED unless a correlation (of normal scores) of ``effect`` at one of them is seen
    with this power. NaN and infinite values make it FAIL. Raises InvalidInput for fewer than 3 values.
    """
    design, data = Design.of(alpha=alpha, power=power, effect=effect), sample_of(series)
    if data.n_bad:
        return bad_values("independent", data.n_bad, data.n, design)
    chosen = [lag for lag in (integer("lag", lag, least=1) for lag in lags) if 2 * lag < data.n]
    if not chosen:
        raise InvalidInput(f"a series of {data.n} values has no pairs at lags {tuple(lags)}; give a longer one")
    scores = special.ndtri((stats.rankdata(data.values) - 0.5) / data.n)
    z = scores / math.sqrt(inner(scores, scores) / data.n) if np.any(scores) else scores
    products = [(inner(z[:-lag], z[lag:]), data.n - lag, f"correlation at lag {lag}") for lag in chosen]
    return correlation_result("independent", products, design)


def autocorrelation_time(series: Any) -> float:
    """Return tau = 1 + 2 sum_k rho_k of ``series`` (n,), in steps of the series; 1 for independent values.

    Raises InvalidInput for values that are not finite or do not vary, and where the series is shorter than 50 of the
    times that it shows: an estimate from so few would be too small.
    """
    data = sample_of(series)
    x = data.values.astype(np.float64)
    if data.n_bad or data.n < 2 or not np.ptp(x):
        raise InvalidInput(f"the series of {data.n} values is constant or has {data.n_bad} that are NaN or infinite")
    y = x - x.mean()
    spectrum = np.abs(fft.rfft(y, fft.next_fast_len(2 * data.n, real=True))) ** 2
    covariance = fft.irfft(spectrum, fft.next_fast_len(2 * data.n, real=True))[: data.n]
    rho = covariance / covariance[0]
    pairs = rho[: data.n // 2 * 2].reshape(-1, 2).sum(axis=1)
    stop = int(np.argmax(pairs <= 0)) if np.any(pairs <= 0) else len(pairs)
    tau = max(1.0, 2 * float(pairs[:stop].sum()) - 1)
    if data.n < LEAST_TIMES * tau:
        raise InvalidInput(
            f"the series of {data.n} values shows an autocorrelation time of {tau:.3g} or more; give at least "
            f"{LEAST_TIMES} times that many values, or independent runs"
        )
    return tau


@dataclass(frozen=True)
class Thinned:
    """Every ``stride``-th value of a series with autocorrelation time ``time``, in steps of the series."""

    x: np.ndarray
    stride: int
    time: float


def thinned(series: Any, *, times: float = 5.0) -> Thinned:
    """Return values of ``series`` (n,) that are ``times`` autocorrelation times apart, to be judged as independent.

    For an exponential decay of the correlations what is left is exp(-2 times): judge the result with
    :func:`independent`. Raises InvalidInput as :func:`autocorrelation_time` does.
    """
    tau = autocorrelation_time(series)
    stride = 1 if tau == 1 else max(1, math.ceil(times * tau))
    return Thinned(sample_of(series).values[::stride], stride, tau)
