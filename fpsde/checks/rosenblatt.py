"""A sample of several components against a law of which the conditional distribution functions are known.

Rosenblatt's transform U_k = F_k(X_k | X_0 .. X_{k-1}) makes the components independent and uniform on (0, 1), whatever
the law. Of these are asked, at a third of the level each (half with one component):

- each component: Neyman's smooth test (``smooth_test``);
- each component: the sup-distance of its distribution function (``band_test``);
- each pair: the means of g_j(U_a) g_k(U_b), j, k = 1, 2, of the Legendre modes "location" and "scale" are zero
  (``zero_means``).

Tolerance. Let every conditional distribution function be right within tau in the sup norm. Then the first two hold as
in one dimension, and |E g_j(U_a) g_k(U_b)| <= max|g_j| V(g_k) tau <= 15 tau, V the total variation: max|g_2| = sqrt(5),
V(g_2) = 3 sqrt(5).

Source: Rosenblatt (1952, Ann. Math. Statist. 23, 470).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from scipy import special

from fpsde.checks.band_test import band_result, sup_distance
from fpsde.checks.budget import SESSION_ALPHA
from fpsde.checks.design import POWER, Design, bad_values, whole_mass
from fpsde.checks.result import CheckResult, combined
from fpsde.checks.samples import pieces, points_of
from fpsde.checks.smooth_test import MODES, mode_sums, mode_values, smooth_result
from fpsde.checks.zero_means import zero_means
from fpsde.errors import InvalidInput
from fpsde.joint_law import JointCellLaw, JointNormal

#: F_k(x_k | x_0 .. x_{k-1}) as a function of ``(k + 1, n)`` that returns ``(n,)``.
Conditional = Callable[[np.ndarray], Any]
#: max|g_2| times the total variation of g_2: how far the mean of a product may move for each unit of tolerance.
PAIR_BIAS_PER_CDF = 15.0
#: Modes of each component that are multiplied.
PRODUCTS = 2


def joint_density(
    sample: Any,
    law: JointNormal | JointCellLaw | Sequence[Conditional],
    *,
    alpha: float = SESSION_ALPHA,
    tolerance: Any = 0.0,
    power: float = POWER,
    effect: float | None = None,
) -> CheckResult:
    """Return whether a ``sample`` of d components comes from ``law``, by Rosenblatt's transform.

    Parameters
    ----------
    sample : (d, n), or an object with one as ``.x``; independent points
    law : a ``JointNormal`` that is not singular; a ``JointCellLaw`` of mass one, read to O(h^2) between its faces; or d
        conditional distribution functions, the k-th a function of (k + 1, n) that returns (n,)
    tolerance : bound on the sup-distance of every conditional distribution function, a number or (name, value) pairs;
        what reading a law between the faces of its cells leaves out belongs into it
    power, effect : UNDERPOWERED unless any component whose conditional distribution function, averaged over the law, is
        off by ``effect`` somewhere is seen with this power

    NaN and infinite values make it FAIL. Raises InvalidInput for shapes that disagree.
    """  # fmt: skip
    design = Design.of(alpha=alpha, power=power, tolerance=tolerance, effect=effect)
    x, n_bad = points_of(sample)
    conditionals = conditionals_of(law)
    if len(x) != len(conditionals):
        raise InvalidInput(f"the sample has {len(x)} components and the law {len(conditionals)}; they must agree")
    if n_bad:
        return bad_values("joint density", n_bad, x.size, design)
    u = np.array([_values(k, f(x[: k + 1]), x) for k, f in enumerate(conditionals)])
    return combined(list(_judged(u, design)), alpha=alpha)


def conditionals_of(law: Any) -> list[Conditional]:
    """Return the conditional distribution functions of the components, each given those before it."""
    if isinstance(law, JointNormal):
        return _of_normal(law)
    if isinstance(law, JointCellLaw):
        whole_mass("the cells", law.mass)
        return [lambda x: law.marginal(0).cdf(x[0]), lambda x: _given_first(law, x)]
    if isinstance(law, Sequence) and law and all(map(callable, law)):
        return list(law)
    raise InvalidInput(
        f"law={law!r} has no conditional distribution functions; give a JointNormal, a JointCellLaw, or a list of one "
        f"function for each component"
    )


def _of_normal(law: JointNormal) -> list[Conditional]:
    """Return Phi of the components of L^-1 (x - mean), with L L' the covariance."""
    try:
        root = np.linalg.cholesky(law.covariance)
    except np.linalg.LinAlgError:
        raise InvalidInput(
            f"covariance={law.covariance.tolist()} is singular: no density; judge components that determine the others"
        ) from None

    def component(k: int) -> Conditional:
        row = np.linalg.inv(root)[k, : k + 1]
        return lambda x: special.ndtr(row @ (x - law.mean[: k + 1, None]))

    return [component(k) for k in range(law.dim)]


def _given_first(law: JointCellLaw, x: np.ndarray) -> np.ndarray:
    """Return F(x_1 | x_0): constant density along x_1 in each cell, linear along x_0 between the centres of columns.

    So it is right to O(h^2), as F(x_0) is; columns taken as constant would leave O(h). NaN where no mass is near.
    """
    second, (centres, _) = law.grid.axes[1], law.centres
    column = np.clip(np.searchsorted(centres, x[0]) - 1, 0, len(centres) - 2)
    share = np.clip((x[0] - centres[column]) / np.diff(centres)[column], 0.0, 1.0)
    row = np.clip(np.searchsorted(second, x[1], side="right") - 1, 0, len(second) - 2)
    within = np.clip((x[1] - second[row]) / np.diff(second)[row], 0.0, 1.0)
    heights = law.masses / np.diff(law.grid.axes[0])[:, None]
    below = np.cumsum(heights, axis=1)

    def between(values: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        return (1 - share) * values(column) + share * values(column + 1)

    with np.errstate(divide="ignore", invalid="ignore"):
        return between(lambda i: below[i, row] - (1 - within) * heights[i, row]) / between(lambda i: below[i, -1])


def _values(k: int, value: Any, x: np.ndarray) -> np.ndarray:
    u = np.asarray(value, dtype=np.float64)
    if u.shape != x.shape[1:]:
        raise InvalidInput(
            f"conditional {k} returned shape {u.shape} for x of shape {(k + 1, x.shape[1])}; return one number a point"
        )
    return u


def _judged(u: np.ndarray, design: Design) -> Iterator[CheckResult]:
    """Yield the results for values (d, n) that should be independent and uniform."""
    d, n = u.shape
    group = design.divided(3 if d > 1 else 2)
    each, plain = group.divided(d), group.without_effect().scaled(PAIR_BIAS_PER_CDF)
    for k in range(d):
        sums = np.sum([mode_sums(u[k, part]) for part in pieces(n)], axis=0)
        yield smooth_result(f"joint density: component {k}", sums, n, each.without_effect())
        row = np.sort(u[k])
        yield band_result(f"joint density: component {k}", *sup_distance(row, row, np.zeros(n)), n, each)
    pairs = list(combinations(range(d), 2))
    for a, b in pairs:
        yield zero_means(f"joint density: components {a} and {b}", _products(u[a], u[b]), plain.divided(len(pairs)))


def _products(u: np.ndarray, v: np.ndarray) -> dict[str, np.ndarray]:
    g, h = mode_values(u)[:PRODUCTS], mode_values(v)[:PRODUCTS]
    return {f"{MODES[j]} times {MODES[k]}": g[j] * h[k] for j in range(PRODUCTS) for k in range(PRODUCTS)}
