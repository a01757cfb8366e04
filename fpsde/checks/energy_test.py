"""Energy distance of two samples of any number of components, with a level that is exact at 1e-8 too.

    energy = 2 E|X - Y| - E|X - X'| - E|Y - Y'|,        |.| Euclidean; 0 only for equal laws (unit of x)

Its law under equal laws depends on the law, and a permutation test of B permutations has no p-value below 1/(B + 1). So
both samples are cut into K batches; in each the labels are permuted, which gives K independent p-values p_k with
P(p_k <= a) <= a exactly, for any law and any size, ties included; and -2 sum ln p_k exceeds a chi^2 variable with 2K
degrees of freedom with no larger probability (Fisher). K is so large that the least possible p is far below the level.

The result is told in the unit of the distance: the statistic is the mean over the batches of the energy less its mean
under permutation; the threshold is the statistic less the shift c that, taken off the energy of every batch, brings
Fisher's sum to its cut. So statistic > threshold exactly where Fisher's sum exceeds the cut.

Resolution. With laws at energy e, that of a batch is e plus its value under permutation, plus 2 sqrt(e v) Z from the
product of difference and noise, where v, the variance of the noise along the difference, is at most sd/sqrt(2), sd the
deviation under permutation. The stated e is seen by Fisher's sum with the power asked for, in this model.

Sources: Szekely & Rizzo (2013, J. Stat. Plan. Inference 143, 1249); Fisher (1932), Statistical Methods, section 21.1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special
from scipy.spatial.distance import cdist

from fpsde.checks.budget import SESSION_ALPHA
from fpsde.checks.design import POWER, Design, bad_values, judge, not_applicable
from fpsde.checks.radii import normal_radius
from fpsde.checks.result import CheckResult
from fpsde.checks.samples import points_of
from fpsde.errors import InvalidInput
from fpsde.validation import seed64

#: Points of each sample in a batch at most, and fewest batches.
BATCH, LEAST_BATCHES = 256, 8
#: Permutations in a batch where batches are few (p-values must be small) and where they are many.
PERMUTATIONS, FEWER, MANY_BATCHES = 999, 199, 24
#: Quantiles of the permuted values and of Z of which the model of the resolution is made.
_LEVELS, _SCORES = (np.arange(128) + 0.5) / 128, special.ndtri((np.arange(8) + 0.5) / 8)

#: Draws n points of a law, ``(d, n)`` or ``(n,)``.
Draw = Callable[[int, np.random.Generator], Any]


def energy(
    sample: Any,
    law: Draw | Any,
    *,
    seed: int = 0,
    alpha: float = SESSION_ALPHA,
    power: float = POWER,
    effect: float | None = None,
) -> CheckResult:
    """Return whether ``sample`` comes from the law of another sample, by the energy distance of both.

    Parameters
    ----------
    sample : (d, n), (n,), or an object with one as ``.x``; independent points
    law : another sample, independent of the first; or a function (n, generator) that draws n points of the law, which
        is asked for as many as the sample has
    seed : of the permutations and of what is drawn; not that of the sample
    power, effect : UNDERPOWERED unless laws at an energy of ``effect`` (unit of x) are seen with this power

    Time grows as n up to n = 2048 squared, then as n. There is no tolerance: under permutation both laws are equal. NaN
    and infinite values make it FAIL. Raises InvalidInput for shapes that disagree and fewer than 16 points.
    """
    design, rng = Design.of(alpha=alpha, power=power, effect=effect), np.random.default_rng(seed64(seed))
    x, bad_x = points_of(sample)
    y, bad_y = points_of(law(x.shape[1], rng) if callable(law) else law)
    fewest = min(x.shape[1], y.shape[1])
    if len(x) != len(y) or fewest < 2 * LEAST_BATCHES:
        raise InvalidInput(
            f"samples of shapes {x.shape} and {y.shape}; give points of as many components, {2 * LEAST_BATCHES} or more"
        )
    if bad_x + bad_y:
        return bad_values("energy", bad_x + bad_y, x.size + y.size, design)
    if np.all(x == x[:, :1]) and np.all(y == x[:, :1]):
        return not_applicable("energy", fewest, "all points are one: nothing varies under permutation")
    x, y = (rng.permutation(points, axis=1) for points in (x, y))  # no batch is made of neighbours in the order given
    k = max(LEAST_BATCHES, math.ceil(fewest / BATCH))
    n_permutations = PERMUTATIONS if k < MANY_BATCHES else FEWER
    parts = list(zip(np.array_split(x, k, axis=1), np.array_split(y, k, axis=1), strict=True))
    batches = _Batches.of([permuted_energies(a, b, n_permutations, rng) for a, b in parts])
    most = -2 * sum(math.log(least_p(a.shape[1], b.shape[1], n_permutations)) for a, b in parts)
    return _result(batches, most, fewest, design)


def least_p(n: int, m: int, n_permutations: int) -> float:
    """Return the least p-value of a batch: one of all relabellings, or of those that are drawn, stands out."""
    relabellings = special.binom(n + m, n) / (2 if n == m else 1)  # exchanging equal samples changes nothing
    return max(1 / (n_permutations + 1), 1 / float(relabellings))


def permuted_energies(a: np.ndarray, b: np.ndarray, n_permutations: int, rng: np.random.Generator) -> np.ndarray:
    """Return the energy of the samples (d, n), (d, m), and after it those of ``n_permutations`` relabellings."""
    points, n, m = np.hstack([a, b]).T, a.shape[1], b.shape[1]
    distances = cdist(points, points)
    labels = np.zeros((n + m, n_permutations + 1))
    labels[:n] = 1.0
    labels[:, 1:] = rng.permuted(labels[:, 1:], axis=0)
    within = np.einsum("ij,ij->j", labels, distances @ labels)
    across = distances.sum(axis=1) @ labels - within
    others = distances.sum() - 2 * across - within
    return 2 * across / (n * m) - within / n**2 - others / m**2


@dataclass(frozen=True)
class _Batches:
    """Energies of the batches ``(K,)``, and those under permutation, sorted, ``(K, B)``."""

    energies: np.ndarray
    permuted: np.ndarray

    @classmethod
    def of(cls, rows: list[np.ndarray]) -> _Batches:
        every = np.array(rows)
        size = 1e-12 * np.max(np.abs(every))  # relabellings that change nothing may differ by round-off
        return cls(every[:, 0] - size, np.sort(every[:, 1:], axis=1))

    @property
    def excess(self) -> float:
        return float(np.mean(self.energies - self.permuted.mean(axis=1)))

    def fisher(self, shift: float = 0.0) -> float:
        """Return -2 sum ln p_k where ``shift`` is taken off the energy of every batch."""
        pairs = zip(self.permuted, self.energies - shift, strict=True)
        below = np.array([np.searchsorted(row, energy) for row, energy in pairs])
        n = self.permuted.shape[1]
        return float(-2 * np.sum(np.log((1 + n - below) / (n + 1))))

    def shift_at(self, cut: float) -> float:
        """Return the largest shift at which Fisher's sum still exceeds ``cut``; -inf where it never does."""
        low, high = (end(self.energies[:, None] - self.permuted) for end in (np.min, np.max))
        low, high = low - 1e-9 * (high - low) - 1e-300, high
        if self.fisher(low) <= cut:
            return -math.inf
        for _ in range(80):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if self.fisher(middle) > cut else (low, middle)
        return float(low)

    def resolution(self, cut: float, beta: float) -> float:
        """Return the energy that exceeds ``cut`` with probability 1 - beta in the model above."""
        k, n = self.permuted.shape
        null = np.sort((self.permuted - self.permuted.mean(axis=1, keepdims=True)).ravel())
        some, noise = np.quantile(null, _LEVELS), math.sqrt(float(np.std(null)) / math.sqrt(2))

        def lacking(e: float) -> float:
            moved = e + some[:, None] + 2 * math.sqrt(e) * noise * _SCORES
            above = 1 - np.searchsorted(null, moved) / len(null)
            x = -2 * np.log((1 + n * above) / (n + 1))
            return cut - k * float(np.mean(x)) + normal_radius(beta) * math.sqrt(k) * float(np.std(x))

        low, high = 0.0, float(np.ptp(null))
        while lacking(high) > 0:
            high *= 2
            if high > 1e6 * float(np.ptp(null)):
                return math.inf
        for _ in range(30):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if lacking(middle) > 0 else (low, middle)
        return high


def _result(batches: _Batches, most: float, n: int, design: Design) -> CheckResult:
    """Return the result; ``most`` is the largest sum that samples of these sizes can reach."""
    k, n_permutations = batches.permuted.shape
    cut, found, excess = float(special.chdtri(2 * k, design.alpha)), batches.fisher(), batches.excess
    reached = most > cut
    threshold = excess - batches.shift_at(cut) if reached else math.inf
    return judge(
        "energy", excess, design, threshold=threshold, n=n, p_value=float(special.chdtrc(2 * k, found)),
        resolution=batches.resolution(cut, design.beta) if reached else math.inf, unit="unit of x",
        detail=f"{k} batches of {n_permutations} permutations: Fisher's sum is {found:.4g}, cut at {cut:.4g}",
    )  # fmt: skip
