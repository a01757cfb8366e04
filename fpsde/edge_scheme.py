"""Edge 2: the law of the scheme goes to the law of the process like dt^p, and to nothing else. No sampling."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from fpsde import checks
from fpsde.checks import CheckResult, OrderResult, Verdict
from fpsde.corners import Corners
from fpsde.errors import InvalidInput, NotConverged, UnstableStep
from fpsde.question import ROUND_OFF, Question, Reference, blind, bounded, law_of, projected

#: The step of the scheme is halved this often, less one, in the study of its order.
LEVELS = 5
#: Probability of leaving the domain during a run up to which it counts as never left.
LEAK = 1e-12


def scheme_edge(q: Question, corners: Corners, reference: Reference, *, sound: bool) -> list[CheckResult]:
    """Return the verdicts on the scheme; ``sound`` says whether edge 3 has passed."""
    if not sound and reference.source != "closed form":
        detail = "the Fokker-Planck solution that it would be judged by does not pass edge 3"
        return [CheckResult("weak order", Verdict.NOT_JUDGED, detail=detail)]
    try:
        expected = q.scheme.weak_order(q.process)
        laws = [law_of(q, corners, refined=2**k) for k in range(LEVELS)]
    except InvalidInput as error:
        return [CheckResult("weak order", Verdict.NOT_APPLICABLE, detail=str(error))]
    except UnstableStep as error:
        return [_unstable(q, corners, error)]
    except NotConverged as error:
        return [CheckResult("weak order", Verdict.NOT_JUDGED, detail=str(error))]
    errors = np.array([law.law.cdf(reference.faces) for law in laws]) - reference.cdf
    floor = reference.tau + max(law.accuracy for law in laws)
    if math.isinf(expected):
        order = _exact(errors, floor)
    else:
        order = checks.order([q.dt / 2**k for k in range(LEVELS)], projected(errors), expected=expected, floor=floor)
    if blind(order, floor):
        detail = f"no error exceeds {floor:.1g}, to which the reference is known: a larger dt would show the order"
        order = replace(order, verdict=Verdict.UNDERPOWERED, detail=detail)
    what = f"probability of leaving the domain or the box in {q.n_steps} steps"
    return [replace(order, check="weak order"), bounded("stays in the domain", laws[0].leak.total, LEAK, what)]


def _exact(errors: np.ndarray, floor: float) -> OrderResult:
    """Judge a scheme that claims to have no error: no error of any level may exceed round-off."""
    largest, bound = float(np.max(np.abs(errors))), max(floor, ROUND_OFF)
    detail = f"the scheme claims to be exact; the largest error of its distribution function is {largest:.2g}"
    verdict = Verdict.PASS if largest <= bound else Verdict.FAIL
    return OrderResult("weak order", verdict, statistic=largest, threshold=bound, tolerance=bound, detail=detail)


def _unstable(q: Question, corners: Corners, error: UnstableStep) -> CheckResult:
    """Judge a scheme that leaves every box: it is wrong if small steps do so too, else only dt is too large."""
    try:
        law_of(q, corners, refined=2 ** (LEVELS - 1))
    except UnstableStep:
        detail = f"the law of the scheme leaves every box, with small steps too: {error}"
        return CheckResult("weak order", Verdict.FAIL, detail=detail)
    except NotConverged:
        pass
    detail = f"dt={q.dt:g} is too large for this scheme on this process, take a smaller one: {error}"
    return CheckResult("weak order", Verdict.NOT_JUDGED, detail=detail)
