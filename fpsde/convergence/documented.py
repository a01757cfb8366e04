"""The orders that the schemes of the library document, each on its problems, and what is measured of them.

Weak orders and biases of stationary laws are measured without sampling: a fit a0 + c h^p + d h^(p+q) whose interval is
at most SHARP wide on each side. Strong orders are measured on coupled paths: their intervals are as wide as the sample
makes them, and miss the order with a probability that is stated.
"""

from __future__ import annotations

import enum
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fpsde import checks
from fpsde.checks import SESSION_ALPHA, Budget, Verdict
from fpsde.convergence.bias_problems import BIAS, BIAS_STUDIES, UNBIASED, BiasProblem, expected_bias_order
from fpsde.convergence.measured import MEASURED
from fpsde.convergence.strong_problems import STRONG, STRONG_STUDIES, expected_strong_order
from fpsde.convergence.weak_problems import EXACT, WEAK, WEAK_STUDIES, WeakProblem, expected_weak_order
from fpsde.errors import NotConverged, UnstableStep, unknown_name
from fpsde.noise_class import NoiseType
from fpsde.processes.process import Process
from fpsde.schemes.noise_types import noise_types

#: No interval of an order that is measured without sampling is wider on each side.
SHARP = 0.05


class Kind(enum.Enum):
    """What falls like a power of dt."""

    STRONG = "strong"  #: the root mean square error of paths
    WEAK = "weak"  #: the error of an expectation
    BIAS = "stationary bias"  #: the error of an expectation under the stationary law


@dataclass(frozen=True)
class Study:
    """One order of one scheme of MEASURED, and the problem on which it is measured.

    ``claimed`` is what the scheme says for such processes; ``expected``, infinite for an exact scheme, differs from it
    where the term that limits the order drops out.
    """

    kind: Kind
    scheme: str
    problem: str
    claimed: float
    expected: float

    def __str__(self) -> str:
        return f"{self.scheme}, {self.kind.value}: {self.problem}"

    @property
    def process(self) -> Process:
        """The process of the problem."""
        tables: dict[Kind, Any] = {Kind.STRONG: STRONG, Kind.WEAK: WEAK, Kind.BIAS: BIAS}
        return tables[self.kind][self.problem].process

    @property
    def noise(self) -> NoiseType:
        """The class of noise by which orders are claimed: additive, commutative or general."""
        types = noise_types(self.process)
        return next(kind for kind in (NoiseType.ADDITIVE, NoiseType.COMMUTATIVE, NoiseType.GENERAL) if kind in types)


@dataclass(frozen=True, eq=False)
class MeasuredOrder:
    """A study with what was found. ``order``, ``low`` and ``high`` are None where no order can be told.

    PASS: the interval holds the expected order and no other candidate. FAIL: it does not hold it. UNDERPOWERED: it is
    too wide, or there is none. NOT_JUDGED: the errors could not be computed.
    """

    study: Study
    dts: np.ndarray
    errors: np.ndarray
    order: float | None
    low: float | None
    high: float | None
    verdict: Verdict
    detail: str
    alpha: float  #: probability that the interval misses the order; 0 where nothing is sampled
    seconds: float = field(default=0.0)

    def as_dict(self) -> dict[str, Any]:
        """Return the row as JSON can hold it; the order of what is exact is the word ``exact``."""
        s = self.study
        return {
            "scheme": s.scheme,
            "kind": s.kind.value,
            "problem": s.problem,
            "noise": s.noise.value,
            "claimed": stated(s.claimed),
            "expected": stated(s.expected),
            "order": self.order,
            "low": self.low,
            "high": self.high,
            "verdict": self.verdict.value,
            "detail": self.detail,
            "alpha": self.alpha,
            "dts": np.asarray(self.dts).tolist(),
            "errors": np.asarray(self.errors).tolist(),
            "seconds": round(self.seconds, 3),
        }


def stated(order: float) -> float | str:
    """Return an order, or ``exact`` where it is infinite."""
    return "exact" if math.isinf(order) else order


def documented(schemes: Sequence[str] | None = None) -> tuple[Study, ...]:
    """Return all studies of the schemes of these names, or of all; InvalidInput for a name that is not in MEASURED."""
    names = list(MEASURED) if schemes is None else list(dict.fromkeys(schemes))
    for name in names:
        if name not in MEASURED:
            raise unknown_name("scheme", name, MEASURED)
    return tuple(study for name in names for study in _of_scheme(name))


def _of_scheme(name: str) -> Iterator[Study]:
    scheme = MEASURED[name]
    for problem in STRONG_STUDIES.get(name, ()):
        claimed = scheme.strong_order(STRONG[problem].process)
        yield Study(Kind.STRONG, name, problem, claimed, expected_strong_order(name, problem))
    for problem in (*WEAK_STUDIES.get(name, ()), *([EXACT[name]] if name in EXACT else [])):
        order = expected_weak_order(name, problem)
        yield Study(Kind.WEAK, name, problem, order, order)
    for problem in (*BIAS_STUDIES.get(name, ()), *([UNBIASED[name]] if name in UNBIASED else [])):
        settled = scheme.stationary_order(BIAS[problem].process)
        expected = expected_bias_order(name, problem)
        yield Study(Kind.BIAS, name, problem, expected if settled is None else settled, expected)


def measured_orders(
    studies: Sequence[Study],
    *,
    seed: int,
    alpha: float = SESSION_ALPHA,
    watched: Callable[[Iterable[Any]], Iterable[Any]] = iter,
) -> Iterator[MeasuredOrder]:
    """Yield what is found, study by study; those that sample share the false-alarm probability ``alpha``.

    ``watched`` wraps the loop over them, such as in a progress bar.
    """
    sampling = [study for study in studies if study.kind is Kind.STRONG]
    share = Budget(alpha).share(len(sampling))[0] if sampling else 0.0
    for study in watched(studies):
        yield measured(study, seed=seed, alpha=share)


def measured(study: Study, *, seed: int, alpha: float) -> MeasuredOrder:
    """Return what is found of one study; ``seed`` and ``alpha``, the level of its interval, are of one that samples."""
    began = time.perf_counter()
    try:
        if study.kind is Kind.STRONG:
            found = _by_sampling(study, seed, alpha)
        else:
            found = _without_sampling(study, (WEAK if study.kind is Kind.WEAK else BIAS)[study.problem])
    except (NotConverged, UnstableStep) as error:  # of one study; the others go on
        nothing = np.empty(0)
        found = MeasuredOrder(study, nothing, nothing, None, None, None, Verdict.NOT_JUDGED, str(error), 0.0)
    return MeasuredOrder(**{**vars(found), "seconds": time.perf_counter() - began})


def judged(study: Study, dts: Sequence[float] | np.ndarray, errors: np.ndarray, floor: float) -> MeasuredOrder:
    """Return the verdict on errors without sampling noise, known to ``floor``."""
    if math.isinf(study.expected):
        largest = float(np.max(np.abs(errors)))
        verdict = Verdict.PASS if largest <= floor else Verdict.FAIL
        text = f"exact is expected; the largest error is {largest:.2g}, of which {floor:.2g} may be interpolation"
        return MeasuredOrder(study, np.asarray(dts), errors, None, None, None, verdict, text, 0.0)
    result = checks.order(dts, errors, expected=study.expected, floor=floor)
    order, low, high = result.order, result.low, result.high
    verdict, text = result.verdict, result.detail
    if verdict is Verdict.PASS and (low is None or high is None):
        verdict, text = Verdict.UNDERPOWERED, f"{text}: take another problem"
    elif low is not None and high is not None and verdict is Verdict.PASS and 0.5 * (high - low) > SHARP:
        verdict, text = Verdict.UNDERPOWERED, f"{text}; the interval is wider than +-{SHARP:g}"
    return MeasuredOrder(study, np.asarray(dts), errors, order, low, high, verdict, text, 0.0)


def _without_sampling(study: Study, problem: WeakProblem | BiasProblem) -> MeasuredOrder:
    return judged(study, problem.dts, problem.errors(MEASURED[study.scheme]), problem.floor)


def _by_sampling(study: Study, seed: int, alpha: float) -> MeasuredOrder:
    found = STRONG[study.problem].order(MEASURED[study.scheme], seed=seed, alpha=alpha)
    verdict = found.verdict
    if study.expected != study.claimed and found.low is not None and found.high is not None:
        verdict = Verdict.PASS if found.low < study.expected < found.high else Verdict.FAIL
    elif verdict is Verdict.NOT_APPLICABLE:  # an order above the one that is claimed is not the documented one
        verdict = Verdict.FAIL
    return MeasuredOrder(
        study, found.dts, found.errors, found.order, found.low, found.high, verdict, found.detail, alpha
    )
