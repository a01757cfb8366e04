"""Multilevel Monte Carlo: an expectation of a process from coupled runs with coarse and with fine steps.

    E f(X_T) ~ E P_0 + sum_(l=1)^L E[P_l - P_(l-1)],    P_l = f of the chain with n_0 M^l steps

Both chains of a difference read one Brownian path, so its variance falls with the strong order, and most samples are
taken with few steps. Source: M. B. Giles, Oper. Res. 56 (2008) 607 (the estimator, section 5 the algorithm, theorem 3.1
the cost); M. B. Giles, Acta Numerica 24 (2015) 259 (section 3: the checks).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import special

from fpsde.errors import InvalidInput, NotConverged, UnstableStep
from fpsde.integrators import simulate
from fpsde.processes.process import Process
from fpsde.provenance import environment
from fpsde.schemes import Scheme
from fpsde.validation import integer, positive, probability, seed64

#: Levels that an estimate starts with, and samples of each at first.
FIRST_LEVELS, FIRST_SAMPLES = 3, 2048
#: Levels at most: the finest has n_0 M^(MOST - 1) steps.
MOST_LEVELS = 16
#: Particles of one run; ids of the next one start behind them.
BATCH = 2**18
#: Rates of decay below it are not believed: differences of the finest levels would be forgiven too little.
LEAST_RATE = 0.5
#: Kurtosis of a difference above which its variance, and so the error bar, is not known well (Giles 2015, section 3.4).
MOST_KURTOSIS = 100.0


@dataclass(frozen=True)
class Level:
    """What was seen of Y = P_l - P_(l-1) on one level (on the coarsest Y = P_0), and of P_l itself.

    ``cost`` is the number of steps of one sample, both chains counted.
    """

    n_steps: int
    cost: int
    sums: tuple[float, ...]  #: of Y^0 .. Y^4
    fine_sums: tuple[float, float]  #: of P_l and of its square

    @property
    def n_samples(self) -> int:
        return int(self.sums[0])

    @property
    def mean(self) -> float:
        return self.sums[1] / self.sums[0]

    @property
    def variance(self) -> float:
        """The variance of Y."""
        return max(self.sums[2] / self.sums[0] - self.mean**2, 0.0)

    @property
    def kurtosis(self) -> float:
        """The kurtosis of Y; 3 for a normal Y, infinite where Y does not vary."""
        n, m = self.sums[0], self.mean
        fourth = (self.sums[4] - 4 * m * self.sums[3] + 6 * m**2 * self.sums[2]) / n - 3 * m**4
        return fourth / self.variance**2 if self.variance > 0 else math.inf

    @property
    def fine_mean(self) -> float:
        return self.fine_sums[0] / self.sums[0]

    @property
    def fine_variance(self) -> float:
        return max(self.fine_sums[1] / self.sums[0] - self.fine_mean**2, 0.0)

    @property
    def variance_error(self) -> float:
        """The standard error of ``variance``: variance sqrt((kurtosis - 1)/n)."""
        return self.variance * math.sqrt(max(self.kurtosis - 1, 0.0) / self.n_samples) if self.variance else 0.0

    def with_more(self, y: np.ndarray, fine: np.ndarray) -> Level:
        """Return the level with more samples."""
        powers = tuple(s + float(np.sum(y**k)) for k, s in enumerate(self.sums))
        return replace(
            self,
            sums=powers,
            fine_sums=(self.fine_sums[0] + float(fine.sum()), self.fine_sums[1] + float(fine @ fine)),
        )


@dataclass(frozen=True)
class Rates:
    """E Y_l ~ M^(-alpha l),  Var Y_l ~ M^(-beta l): by least squares over the levels from 1 on."""

    alpha: float
    beta: float

    @property
    def cost_exponent(self) -> float:
        """The k of cost ~ accuracy^-k (theorem 3.1; logarithms left out), for steps that all cost the same."""
        return 2.0 + max(0.0, 1.0 - self.beta) / self.alpha

    @property
    def plain_cost_exponent(self) -> float:
        """The same of plain Monte Carlo: 2 + 1/alpha."""
        return 2.0 + 1.0 / self.alpha


@dataclass(frozen=True)
class MultilevelEstimate:
    """E f(X_T) with what is known of its error.

    ``standard_error`` is that of sampling, ``bias`` the bound on what finer steps would still change that the finest
    levels show. ``cost`` and ``plain_cost`` count steps of this estimate, and of plain Monte Carlo on the finest level
    for the same standard error. ``consistency`` is the largest |a - b + c|/(3 (s_a + s_b + s_c)) of the means of
    P_(l-1), P_l and Y_l: above 1 fine and coarse chains do not belong together (Giles 2015, section 3.4).
    """

    value: float
    standard_error: float
    bias: float
    accuracy: float
    levels: tuple[Level, ...]
    rates: Rates
    provenance: Mapping[str, Any]

    @property
    def cost(self) -> int:
        return sum(level.n_samples * level.cost for level in self.levels)

    @property
    def plain_cost(self) -> float:
        finest = self.levels[-1]
        return finest.fine_variance / self.standard_error**2 * finest.n_steps

    @property
    def consistency(self) -> float:
        return max(map(_inconsistency, self.levels[:-1], self.levels[1:]), default=0.0)

    @property
    def doubts(self) -> tuple[str, ...]:
        """What makes the error bar doubtful, in words; empty where nothing does."""
        found = []
        if self.consistency > 1:
            found.append(
                f"fine and coarse chains of neighbouring levels differ in mean by {self.consistency:.3g} times three "
                "standard errors: they are not one chain with two steps"
            )
        heavy = [k for k, level in enumerate(self.levels) if level.variance and level.kurtosis > MOST_KURTOSIS]
        if heavy:
            found.append(
                f"the kurtosis on levels {heavy} exceeds {MOST_KURTOSIS:g}: few samples make the variance there, which "
                "is not known well"
            )
        return tuple(found)

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Return (low, high) around the value: the quantile of the standard error, and the bias."""
        half = float(special.ndtri(0.5 + probability("confidence", confidence) / 2)) * self.standard_error + self.bias
        return self.value - half, self.value + half


def multilevel_estimate(
    process: Process,
    scheme: Scheme,
    f: Callable[[Any], Any],
    *,
    x0: Any,
    t_end: float,
    accuracy: float,
    seed: int,
    first_steps: int = 1,
    factor: int = 4,
) -> MultilevelEstimate:
    """Return E f(X_(t_end)) with a root mean square error of ``accuracy``, by Giles's algorithm.

    Samples are added until the variance is accuracy^2/2 with the numbers that cost least,
    N_l = 2 accuracy^-2 sqrt(V_l/C_l) sum_k sqrt(V_k C_k); levels are added until the last three show a bias below
    accuracy/sqrt 2 (2008, eqs. 10-12).

    Parameters
    ----------
    process, scheme, x0, t_end, seed : as for :func:`fpsde.simulate`; the scheme's noise must have a coarsening rule.
    f : function of the positions at t_end: of an array (n,) with one component, else of a tuple of d; returns (n,).
    accuracy : in the unit of f.
    first_steps : steps on the coarsest level, small enough to be stable.
    factor : M, by which steps get shorter from level to level.

    Raises
    ------
    InvalidInput   accuracy <= 0, factor < 2, a scheme without refinement, an f that is not one finite number a particle
    UnstableStep   particles that are not finite, on a level whose steps are too long
    NotConverged   a bias that 16 levels do not bring down
    """
    target = positive("accuracy", accuracy)
    pair = _Pair(process, scheme, f, x0, positive("t_end", t_end), seed64(seed), first_steps, factor)
    levels = [pair.sampled(pair.empty(k), k, FIRST_SAMPLES) for k in range(FIRST_LEVELS)]
    while True:
        levels = _with_optimal_numbers(pair, levels, target)
        rates = decay_rates(levels, factor)
        bias = _remaining_bias(levels, rates, factor)
        if bias <= target / math.sqrt(2):
            break
        if len(levels) == MOST_LEVELS:
            raise NotConverged(
                f"after {MOST_LEVELS} levels, with {levels[-1].n_steps} steps, the bias may still be {bias:.3g}, above "
                f"accuracy/sqrt 2 = {target / math.sqrt(2):.3g}; take a scheme of a higher weak order, or a smoother f"
            )
        levels.append(pair.sampled(pair.empty(len(levels)), len(levels), FIRST_SAMPLES))
    return MultilevelEstimate(
        value=sum(level.mean for level in levels),
        standard_error=math.sqrt(sum(level.variance / level.n_samples for level in levels)),
        bias=bias,
        accuracy=target,
        levels=tuple(levels),
        rates=rates,
        provenance={**pair.provenance, "accuracy": target},
    )


def multilevel_levels(
    process: Process,
    scheme: Scheme,
    f: Callable[[Any], Any],
    *,
    x0: Any,
    t_end: float,
    n_levels: int,
    n_samples: int,
    seed: int,
    first_steps: int = 1,
    factor: int = 4,
) -> tuple[Level, ...]:
    """Return what ``n_samples`` of each of ``n_levels`` levels show: means, variances, kurtosis; for a study of rates.

    Arguments and errors are those of :func:`multilevel_estimate`.
    """
    count = integer("n_samples", n_samples, least=2)
    pair = _Pair(process, scheme, f, x0, positive("t_end", t_end), seed64(seed), first_steps, factor)
    return tuple(pair.sampled(pair.empty(k), k, count) for k in range(integer("n_levels", n_levels, least=1)))


def decay_rates(levels: Sequence[Level], factor: int) -> Rates:
    """Return the rates at which means and variances of Y fall; at least 1/2, or 1/2 where nothing varies."""
    k = np.arange(1, len(levels))
    means, variances = (np.array([abs(getattr(level, what)) for level in levels[1:]]) for what in ("mean", "variance"))
    return Rates(_slope(k, means, factor), _slope(k, variances, factor))


def optimal_samples(variances: Sequence[float], costs: Sequence[float], accuracy: float) -> np.ndarray:
    """Return N_l = 2 accuracy^-2 sqrt(V_l/C_l) sum_k sqrt(V_k C_k), rounded up (Giles 2008, eq. 12)."""
    v, c = np.asarray(variances, dtype=float), np.asarray(costs, dtype=float)
    return np.ceil(2 * accuracy**-2 * np.sqrt(v / c) * np.sqrt(v * c).sum()).astype(int)


def _slope(k: np.ndarray, values: np.ndarray, factor: int) -> float:
    seen = values > 0
    if seen.sum() < 2:
        return LEAST_RATE
    slope = np.polyfit(k[seen], np.log(values[seen]) / math.log(factor), 1)[0]
    return max(LEAST_RATE, -float(slope))


def _remaining_bias(levels: Sequence[Level], rates: Rates, factor: int) -> float:
    """Return |E P - E P_L| ~ max_j M^(-j alpha) |Y_(L-j)| / (M^alpha - 1) over the last three levels."""
    last = [abs(level.mean) * factor ** (-rates.alpha * j) for j, level in enumerate(levels[:-FIRST_LEVELS:-1])]
    return max(last) / (factor**rates.alpha - 1)


def _inconsistency(coarse: Level, fine: Level) -> float:
    """Return |E P_(l-1) - E P_l + E Y_l| in units of three standard errors."""
    off = abs(coarse.fine_mean - fine.fine_mean + fine.mean)
    errors = [coarse.fine_variance / coarse.n_samples, fine.fine_variance / fine.n_samples]
    errors.append(fine.variance / fine.n_samples)
    size = 3 * sum(math.sqrt(e) for e in errors)
    return off / size if size else (math.inf if off else 0.0)


def _with_optimal_numbers(pair: _Pair, levels: list[Level], accuracy: float) -> list[Level]:
    """Return the levels with as many samples as their variances ask for; these are read again until that settles."""
    while True:
        wanted = optimal_samples([v.variance for v in levels], [v.cost for v in levels], accuracy)
        missing = [int(n) - level.n_samples for n, level in zip(wanted, levels, strict=True)]
        if max(missing) <= 0:
            return levels
        levels = [
            pair.sampled(level, k, more) if more > 0 else level
            for k, (level, more) in enumerate(zip(levels, missing, strict=True))
        ]


class _Pair:
    """Samples of P_l and P_(l-1) from one Brownian path; every level has noise of its own."""

    def __init__(
        self, process: Any, scheme: Any, f: Callable, x0: Any, t_end: float, seed: int, first_steps: int, factor: int
    ) -> None:
        self.process, self.scheme, self.f, self.x0, self.t_end, self.seed = process, scheme, f, x0, t_end, seed
        self.first_steps = integer("first_steps", first_steps, least=1)
        self.factor = integer("factor", factor, least=2)
        if isinstance(x0, np.ndarray) and x0.ndim > 1:
            raise InvalidInput("x0 holds positions of particles; give a point, laws or a Sampler: samples are added")
        self.provenance = {
            "process": process.name,
            "scheme": scheme.name,
            "seed": seed,
            "t_end": t_end,
            "first_steps": self.first_steps,
            "factor": self.factor,
            **environment(),
        }

    def empty(self, k: int) -> Level:
        """Return level k without samples."""
        n = self.first_steps * self.factor**k
        return Level(n, n + (n // self.factor if k else 0), (0.0,) * 5, (0.0, 0.0))

    def sampled(self, level: Level, k: int, more: int) -> Level:
        """Return the level with at least so many more samples: whole blocks of 512 ids."""
        done, wanted = level.n_samples, level.n_samples + -(-more // 512) * 512
        while done < wanted:
            count = min(BATCH, wanted - done)
            fine = self._values(k, level.n_steps, 1, done, count)
            coarse = self._values(k, level.n_steps // self.factor, self.factor, done, count) if k else 0.0
            level, done = level.with_more(fine - coarse, fine), done + count
        return level

    def _values(self, k: int, n_steps: int, refinement: int, first: int, count: int) -> np.ndarray:
        """Return f of the particles of level k from id ``first`` on."""
        text = f"{self.seed} multilevel {k}"
        run = simulate(
            self.process,
            self.scheme,
            x0=self.x0,
            t_end=self.t_end,
            dt=self.t_end / n_steps,
            refinement=refinement,
            n_particles=count,
            first_particle=first,
            seed=int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"),
        ).whole()
        if run.not_finite:
            raise UnstableStep(
                f"{run.not_finite} of {count} particles of {self.process.name} are not finite after {n_steps} steps of "
                f"{self.scheme.name}; start from shorter ones (first_steps={self.first_steps * self.factor})"
            )
        x = run.positions
        values = np.asarray(self.f(x[0] if self.process.dim == 1 else tuple(x)), dtype=np.float64)
        if values.shape != (count,) or not np.isfinite(values).all():
            raise InvalidInput(
                f"f returned shape {values.shape} for {count} particles"
                + (", not all finite" if values.shape == (count,) else "; give one number for each")
            )
        return values
