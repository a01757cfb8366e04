"""A sample of several components, seen along directions: each projection is a sample of one variable, judged as one.

A law on R^d is determined by all of its projections (Cramer & Wold); a fixed, finite number of them sees what moves
their first modes and distribution functions. The directions are chosen before the sample is seen, so that each test
keeps its level at an equal share of alpha.

Source: Cramer & Wold (1936, J. London Math. Soc. 11, 290).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np

from fpsde.checks.budget import SESSION_ALPHA
from fpsde.checks.design import POWER, Design, bad_values
from fpsde.checks.distribution import density
from fpsde.checks.result import CheckResult, combined
from fpsde.checks.samples import points_of
from fpsde.checks.two_samples import same_law
from fpsde.density import Law, Normal, Point
from fpsde.errors import InvalidInput
from fpsde.joint_law import JointNormal
from fpsde.validation import finite_array


def projections(
    sample: Any,
    law: JointNormal | Callable[[np.ndarray], Law] | Any,
    *,
    directions: Any = None,
    alpha: float = SESSION_ALPHA,
    tolerance: Any = 0.0,
    power: float = POWER,
    effect: float | None = None,
) -> CheckResult:
    """Return whether the projections a . x of a ``sample`` come from those of ``law``, or of another sample.

    Parameters
    ----------
    sample : (d, n), or an object with one as ``.x``; independent points
    law : a ``JointNormal``; a function that returns the law of a . X for a unit vector a (d,); or another sample (d, m)
    directions : (m, d), scaled to length one here and chosen without looking at the sample; the axes and the diagonals
        e_i + e_j, e_i - e_j of every two of them unless given
    tolerance : bound on the sup-distance of the distribution functions along every direction, as in ``density``; not
        with another sample
    power, effect : UNDERPOWERED unless a sup-distance of ``effect`` along any direction is seen with this power

    Each direction is asked by ``density`` (``same_law`` for two samples) at an equal share of ``alpha``. NaN and
    infinite values make it FAIL. Raises InvalidInput for shapes that disagree.
    """
    design = Design.of(alpha=alpha, power=power, tolerance=tolerance, effect=effect)
    x, n_bad = points_of(sample)
    along = _unit(axes_and_diagonals(len(x)) if directions is None else directions, len(x))
    judged = _against(law, len(x), design, tolerance)
    if n_bad:
        return bad_values("projections", n_bad, x.size, design)
    options = {"alpha": design.alpha / len(along), "power": power, "effect": effect}
    return combined([_named(judged(a, a @ x, options), a) for a in along], alpha=alpha)


def axes_and_diagonals(d: int) -> np.ndarray:
    """Return the axes and the diagonals of every two of them, ``(d^2, d)`` unit vectors."""
    e = np.eye(d)
    diagonals = [(e[i] + sign * e[j]) / math.sqrt(2) for i, j in combinations(range(d), 2) for sign in (1, -1)]
    return np.array([*e, *diagonals])


def _unit(directions: Any, d: int) -> np.ndarray:
    a = finite_array("directions", directions, ndim=2)
    length = np.linalg.norm(a, axis=1)
    if a.shape[1] != d or np.any(length == 0):
        raise InvalidInput(f"directions have shape {a.shape}, the shortest {length.min()}; give (m, {d}), none of zero")
    return a / length[:, None]


Judged = Callable[[np.ndarray, np.ndarray, dict[str, Any]], CheckResult]


def _against(law: Any, d: int, design: Design, tolerance: Any) -> Judged:
    """Return the check of the values along a direction."""
    if isinstance(law, JointNormal):
        if law.dim != d:
            raise InvalidInput(f"the sample has {d} components and the law {law.dim}; they must agree")
        return lambda a, values, options: density(values, _along(law, a), tolerance=tolerance, **options)
    if callable(law):
        return lambda a, values, options: density(values, law(a), tolerance=tolerance, **options)
    other, n_bad = points_of(law)
    if len(other) != d or n_bad or design.tau:
        raise InvalidInput(
            f"the other sample has {len(other)} components for {d}, {n_bad} NaN or infinite values, and the tolerance "
            f"is {design.tau:g}; give finite points of as many components, without a tolerance"
        )
    return lambda a, values, options: same_law(values, a @ other, **options)


def _along(law: JointNormal, a: np.ndarray) -> Law:
    centre, variance = float(a @ law.mean), float(a @ law.covariance @ a)
    return Normal(centre, math.sqrt(variance)) if variance > 0 else Point(centre)


def _named(result: CheckResult, a: np.ndarray) -> CheckResult:
    """Return the result under the name of its direction."""
    along = f"projection on ({', '.join(f'{c:.3g}' for c in a)}): "
    parts = tuple(replace(part, check=along + part.check) for part in result.components)
    return replace(result, check=along + result.check, components=parts)
