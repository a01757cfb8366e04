"""A bare array against a law: finite, serially independent, and of that law."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from fpsde import checks
from fpsde.audit.claimed import View, views
from fpsde.audit.ensembles import what_is_off
from fpsde.audit.findings import ALGEBRA, END, LEVELS, Audit, Judge, Level, Quantity, fails, holds, judged, of_checks
from fpsde.audit.foreign import as_array
from fpsde.checks import SESSION_ALPHA, CheckResult, Verdict
from fpsde.density import Law
from fpsde.errors import InvalidInput, NotConverged
from fpsde.joint_law import JointNormal
from fpsde.panel_law import PanelLaw
from fpsde.validation import finite, probability

#: Panels of a density that is given as a function, and how far from 1 its integral may be.
PANELS, INTEGRAL = 512, 1e-6
#: Share of the false-alarm probability for serial dependence; the rest is for the law.
SERIAL = 0.5


def law_of_density(density: Callable[[np.ndarray], Any], low: float, high: float) -> PanelLaw:
    """Return the law of a density of your own on [low, high]: ``density(x)`` of an array (n,), normalised.

    Raises InvalidInput where it is negative or not finite, where its integral is not 1, and NotConverged where panels
    do not resolve it (a jump, a pole).
    """
    start, end = finite("low", low), finite("high", high)
    if not start < end:
        raise InvalidInput(f"[{low}, {high}] is empty; low must be below high")

    def checked(x: np.ndarray) -> np.ndarray:
        p = np.broadcast_to(np.asarray(density(x), float), x.shape)
        if not np.isfinite(p).all() or np.any(p < 0):
            at = x[np.argmax(~(np.isfinite(p) & (p >= 0)))]
            raise InvalidInput(
                f"the density is {float(density(at)):.6g} at x = {at:.6g}; it must be finite and not negative"
            )
        return p

    fine, rough = (PanelLaw.from_density(checked, np.linspace(start, end, n + 1)) for n in (PANELS, PANELS // 2))
    x = rough.faces
    moved = float(np.max(np.abs(fine.cdf(x) - rough.cdf(x))))
    if moved > INTEGRAL:
        raise NotConverged(
            f"the integral of the density on [{start:g}, {end:g}] moves by {moved:.3g} when its panels are halved; "
            "give narrower ends, or a smooth density"
        )
    if abs(fine.mass - 1) > INTEGRAL:
        raise InvalidInput(
            f"the density has the integral {fine.mass:.8g} on [{start:g}, {end:g}]; divide it by that, or give ends "
            "that hold all of its mass"
        )
    return fine


def sample(
    x: Any,
    target: Law | JointNormal,
    *,
    chain: bool = False,
    alpha: float = SESSION_ALPHA,
    tolerance: Any = 0.0,
    batch_first: bool = False,
) -> Audit:
    """Return the audit of an array: values (n,) against a law, or (d, n) against a normal law of d components.

    Order counts: the values must be as independent in the order given as they are said to be. ``chain=True`` says that
    they are the states of one chain; they are then thinned by their autocorrelation time, which is reported, and what
    is left is judged. ``tolerance`` bounds sup|F_true - F|, a number or (name, value) pairs. Arrays of any library are
    taken. Algebra and end law are all that an array reaches. Raises InvalidInput for other targets and shapes, and a
    chain too short to be thinned.
    """
    share, found = probability("alpha", alpha), as_array("x", x)
    laws = _views(target)
    rows = np.atleast_2d(found.T if batch_first and found.ndim == 2 else found)
    if rows.ndim != 2 or len(rows) != len(laws[0].weights) or rows.shape[1] < 3:
        raise InvalidInput(
            f"x has shape {found.shape}; {len(laws[0].weights)} component(s) of at least 3 values are needed, "
            "component first (batch_first=True says that it is last)"
        )
    judges: dict[str, Judge | str] = dict.fromkeys(LEVELS, "an array is all there is")
    judges[ALGEBRA] = lambda: _finite(rows)
    judges[END] = lambda: _end(rows, laws, chain, share, tolerance)
    return judged(f"{rows.shape[1]} values", "an array", judges, share)


def _views(target: Any) -> list[View]:
    if isinstance(target, Law):
        return [View("x", np.ones(1), target)]
    if isinstance(target, JointNormal):
        return views(target)
    raise InvalidInput(
        f"target={target!r} is no law; give one such as fpsde.Normal(0, 1), fpsde.JointNormal(mean, covariance), or "
        "fpsde.audit.law_of_density(density, low, high)"
    )


def _finite(rows: np.ndarray) -> Level:
    bad = int(np.count_nonzero(~np.isfinite(rows)))
    if bad:
        return fails(ALGEBRA, Quantity.FINITE, f"{bad} of {rows.size} values are NaN or infinite; nothing was dropped")
    return holds(ALGEBRA, f"{rows.size} finite values")


def _end(rows: np.ndarray, laws: list[View], chain: bool, alpha: float, tolerance: Any) -> Level:
    """Judge the order of the values first: where they are not independent, no level of a law is what it says."""
    told = ""
    if chain:
        times = [checks.thinned(row).stride for row in rows if np.ptp(row)]
        stride = max(times, default=1)
        rows = rows[:, ::stride]
        told = f"thinned by {stride}, {rows.shape[1]} values left; "
    kept = [checks.independent(row, alpha=SERIAL * alpha / len(rows)) for row in rows if np.ptp(row)]
    failed = [result for result in kept if result.verdict is Verdict.FAIL]
    if failed:
        return replace(
            of_checks(END, failed, lambda result: Quantity.SERIAL),
            detail=f"{told}{failed[0].detail}; say chain=True for the states of a chain, which are then thinned",
        )
    results: list[CheckResult] = []
    names: dict[str, Quantity] = {}
    for view in laws:
        values = view.weights @ rows if len(rows) > 1 else rows[0]
        result = checks.density(values, view.law, alpha=(1 - SERIAL) * alpha / len(laws), tolerance=tolerance)
        named = replace(result, check=f"{view.name}: {result.check}")
        names[named.check] = what_is_off(values, view.law) if result.verdict is Verdict.FAIL else Quantity.LAW
        results.append(named)
    level = of_checks(END, results, lambda result: names[result.check])
    return replace(level, detail=told + level.detail)
