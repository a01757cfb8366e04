"""Samples of the code that is audited, held against the exact laws of what it claims to be."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from fpsde import checks
from fpsde.audit.claimed import Claim, Target, distance
from fpsde.audit.findings import LAW, ORDER, Level, Quantity, of_checks
from fpsde.checks import CheckResult, Verdict
from fpsde.density import Law
from fpsde.errors import FpsdeError, InvalidInput, NotConverged, UnstableStep

#: Standard errors beyond which a mean or a variance is what is off.
CLEAR = 6.0
#: Level at which another hypothesis about a sample that fails is kept.
KEPT = 1e-4

Positions = Mapping[int, np.ndarray]


def looked_at(n_steps: int) -> list[int]:
    """Return the numbers of steps after which marginals are judged, the end left out."""
    return sorted({n for n in (n_steps // 4, n_steps // 2, 3 * n_steps // 4) if 0 < n < n_steps})


def against_scheme(claim: Claim, seen: Positions, alpha: float, seed: int) -> Level:
    """Judge positions (d, n) after some numbers of steps by the exact law of the claimed scheme: nothing is forgiven.

    Where the law is not known, by a sample of the claimed step as large.
    """
    results: list[CheckResult] = []
    names: dict[int, Quantity] = {}
    for step in sorted(seen):
        for result, quantity in _at(claim, step, seen[step], alpha / len(seen), seed):
            names[id(result)] = quantity
            results.append(result)
    return of_checks(LAW, results, lambda result: names[id(result)])


def _at(claim: Claim, step: int, x: np.ndarray, alpha: float, seed: int) -> list[tuple[CheckResult, Quantity]]:
    try:
        views = claim.laws(step)
    except (InvalidInput, NotConverged, UnstableStep):
        return _against_sample(claim, step, x, alpha, seed)
    out = []
    for view in views:
        values = view.weights @ x if len(x) > 1 else x[0]
        result = checks.density(values, view.law, alpha=alpha / len(views))
        quantity = what_is_off(values, view.law) if result.verdict is Verdict.FAIL else Quantity.LAW
        told = f"{view.name} after {step} steps"
        if result.verdict is Verdict.FAIL and claim.dim == 1 and _is_earlier(claim, step, values):
            quantity, told = Quantity.LAST, f"{told}, whose law is that after {step - 1}"
        out.append((replace(result, check=f"{told}: {result.check}"), quantity))
    return out


def _is_earlier(claim: Claim, step: int, values: np.ndarray) -> bool:
    """Return whether the values have the law of one step less."""
    if step < 2:
        return False
    return checks.density(values, claim.laws(step - 1)[0].law, alpha=KEPT).verdict is Verdict.PASS


def _against_sample(
    claim: Claim, step: int, x: np.ndarray, alpha: float, seed: int
) -> list[tuple[CheckResult, Quantity]]:
    own = claim.paths(x.shape[1], seed + 1)[step]
    out = []
    for k, (a, b) in enumerate(zip(x, own, strict=True)):
        result = checks.same_law(a, b, alpha=alpha / len(x))
        told = f"component {k} after {step} steps, beside a sample of the claimed step: {result.check}"
        out.append((replace(result, check=told), _difference(a, b)))
    return out


def what_is_off(x: np.ndarray, law: Law) -> Quantity:
    """Return what a sample that fails differs in: finite values, its mean, its variance, else its shape."""
    values = np.asarray(x, float)
    if not np.isfinite(values).all():
        return Quantity.FINITE
    n, spread, fourth = len(values), law.central_moment(2), law.central_moment(4)
    if not (math.isfinite(fourth) and spread > 0):
        return Quantity.LAW
    mean = float(np.mean(values)) - law.mean
    if abs(mean) > CLEAR * math.sqrt(spread / n):
        return Quantity.MEAN
    second = float(np.mean((values - law.mean) ** 2)) - spread
    return Quantity.VARIANCE if abs(second) > CLEAR * math.sqrt((fourth - spread**2) / n) else Quantity.LAW


def _difference(a: np.ndarray, b: np.ndarray) -> Quantity:
    """Return what two samples differ in."""
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return Quantity.FINITE
    if abs(np.mean(a) - np.mean(b)) > CLEAR * math.hypot(np.std(a), np.std(b)) / math.sqrt(len(a)):
        return Quantity.MEAN
    squares = [(v - np.mean(v)) ** 2 for v in (a, b)]
    apart = abs(np.mean(squares[0]) - np.mean(squares[1]))
    far = apart > CLEAR * math.hypot(*(float(np.std(s)) for s in squares)) / math.sqrt(len(a))
    return Quantity.VARIANCE if far else Quantity.LAW


def order_of(claim: Claim) -> Level:
    """Judge how the exact law of the claimed scheme goes to that of the process: no sampling."""
    try:
        results = claim.order
    except FpsdeError as error:
        return Level(ORDER, Verdict.NOT_JUDGED, detail=str(error))
    return of_checks(ORDER, results, lambda result: Quantity.ORDER)


def against_process(claim: Claim, seen: Positions, alpha: float, name: str) -> Level:
    """Judge positions by the law of the process at their time; what the claimed step size makes is allowed for.

    The allowance is the distance of the exact law of the claimed scheme from that of the process.
    """
    results: list[CheckResult] = []
    names: dict[int, Quantity] = {}
    if not seen:
        return Level(name, Verdict.NOT_APPLICABLE, detail="there is no time between start and end")
    try:
        for step in sorted(seen):
            target = claim.target(step)
            parts = _allowed(claim, step, target)
            result = checks.density(seen[step][0], target.law, alpha=alpha / len(seen), tolerance=parts)
            allowance = ", ".join(f"{value:.2g} for the {what}" for what, value in parts if value)
            told = f"t = {claim.times[step]:.4g}, {target.source}, F allowed {allowance or 'nothing'}"
            named = replace(result, check=f"{told}: {result.check}")
            names[id(named)] = what_is_off(seen[step][0], target.law)
            results.append(named)
    except FpsdeError as error:
        return Level(name, Verdict.NOT_JUDGED, detail=str(error))
    return of_checks(name, results, lambda result: names[id(result)])


def _allowed(claim: Claim, step: int, target: Target) -> Sequence[tuple[str, float]]:
    return (("step size", distance(claim.laws(step)[0].law, target.law)), *target.parts)
