"""A sample against a law: smooth test for strength, sup-distance for completeness, exact counts at the atoms."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from fpsde.checks.atoms import Atoms, atoms_of
from fpsde.checks.band_test import band_result, sup_distance
from fpsde.checks.binomial_test import binomial_result
from fpsde.checks.budget import SESSION_ALPHA
from fpsde.checks.design import POWER, Design, bad_values, not_applicable
from fpsde.checks.result import CheckResult, Verdict, combined
from fpsde.checks.samples import Sample, centred_sums, pieces, sample_of
from fpsde.checks.smooth_test import mode_sums, scale_sensitivity, smooth_result
from fpsde.checks.wording import plus_minus
from fpsde.density import Law

#: Mass between the atoms below which there is no density to test.
NO_MASS = 1e-12


def density(
    sample: Any,
    law: Law,
    *,
    alpha: float = SESSION_ALPHA,
    tolerance: Any = 0.0,
    power: float = POWER,
    effect: float | None = None,
) -> CheckResult:
    """Return whether ``sample`` comes from ``law``.

    Components, each at an equal share of ``alpha``: Neyman's smooth test on U = F(X), given that X is at no atom; the
    sup-distance D = sup|F_n - F|; where the law has atoms, exact binomial limits on the numbers of values that equal
    them. The law is used as it is: missing mass is a difference like any other.

    Parameters
    ----------
    sample : array (n,) or (1, n), or an object with one as ``.x``; independent values
    law : its density and atoms; a value is at an atom where it equals its position in the sample's own precision
    alpha : probability that a right sample fails
    tolerance : bound on sup|F_true - F|, a number or (name, value) pairs that add
    power, effect : UNDERPOWERED unless any law with sup|F_true - F| >= effect is seen with this power

    Raises InvalidInput for samples of other shapes or types. Values that are NaN or infinite make it FAIL.
    Sources: see ``smooth_test``, ``band_test``, ``binomial_test``.
    """  # fmt: skip
    design = Design.of(alpha=alpha, power=power, tolerance=tolerance, effect=effect)
    data, atoms = sample_of(sample), atoms_of(law)
    if data.n_bad:
        return bad_values("density", data.n_bad, data.n, design)
    x = _sorted_at_atoms(data, atoms)
    cdf, each = distribution_function(law, x), design.divided(3 if len(atoms) else 2)
    band = band_result("density", *sup_distance(x, cdf, atoms.at(x)), len(x), each)
    if not len(atoms):
        return combined([_smooth(law, x, cdf, each), band], alpha=alpha)
    between = ~np.isin(x, atoms.positions)
    smooth = _smooth_between_atoms(x[between], cdf[between], atoms, each)
    return combined([smooth, band, _atom_counts(x, atoms, each)], alpha=alpha)


def sup_distance_of(data: Sample, law: Law) -> tuple[float, float]:
    """Return the largest F_n - F by size, signed, and where it is."""
    atoms = atoms_of(law)
    x = _sorted_at_atoms(data, atoms)
    return sup_distance(x, distribution_function(law, x), atoms.at(x))


def distribution_function(law: Law, x: np.ndarray) -> np.ndarray:
    """Return F(x) for many x (n,), a cacheful at a time."""
    cdf = np.empty(len(x))
    for part in pieces(len(x)):
        cdf[part] = law.cdf(x[part])
    return cdf


def _sorted_at_atoms(data: Sample, atoms: Atoms) -> np.ndarray:
    """Return the values sorted, in float64, with those that equal an atom in their own precision put on it."""
    values = np.sort(data.values)
    x = values.astype(np.float64, copy=False)
    for at in atoms.positions:
        x[values == values.dtype.type(at)] = at
    return x


def _all_modes(u: np.ndarray) -> np.ndarray:
    return np.sum([mode_sums(u[part]) for part in pieces(len(u))], axis=0)


def _smooth(law: Law, x: np.ndarray, cdf: np.ndarray, design: Design) -> CheckResult:
    """Return the smooth test of a law without atoms, with mean and variance in its detail."""
    result = smooth_result("density", _all_modes(cdf), len(x), design.without_effect())
    return replace(result, detail=result.detail + _spread_note(law, x, result.resolution))


def _smooth_between_atoms(x: np.ndarray, cdf: np.ndarray, atoms: Atoms, design: Design) -> CheckResult:
    """Return the smooth test of the values between the atoms, given their number.

    With d = F_true - F, |d| <= tau, the law given that X is at no atom differs by at most 2 tau (1 + n_inner)/mass,
    where n_inner counts the atoms that are not at an end: an end moves by one |d|, an inner jump by two.
    """
    mass, few = 1 - float(np.sum(atoms.masses)), f"only {len(x)} values lie between the atoms"
    if len(x) == 0 or mass <= NO_MASS:
        return not_applicable("density: smooth test", len(x), few)
    given = design.without_effect().scaled(2 * (1 + int(np.count_nonzero(atoms.inner))) / mass)
    result = smooth_result("density", _all_modes((cdf - atoms.up_to(x)) / mass), len(x), given)
    return not_applicable(result.check, len(x), few) if result.verdict is Verdict.UNDERPOWERED else result


def _spread_note(law: Law, x: np.ndarray, resolution: float | None) -> str:
    """Return mean and variance of the sample beside the law's, and the variance error seen, where the law has them."""
    spread, fourth = law.central_moment(2), law.central_moment(4)
    if resolution is None or not (math.isfinite(fourth) and spread > 0):
        return ""
    n, (first, second) = len(x), centred_sums(x, centre=law.mean, highest=2).sums
    shift, ratio = first / n / math.sqrt(spread), (second / n - (first / n) ** 2) / spread
    return (
        f"; the mean is off by {plus_minus(shift, 1 / math.sqrt(n), sign=True)} standard deviations, the variance is "
        f"{plus_minus(ratio, math.sqrt(max(fourth / spread**2 - 1, 0.0) / n))} times that of the law; "
        f"a variance error of {resolution / scale_sensitivity(law):.2%} would be seen"
    )


def _atom_counts(x: np.ndarray, atoms: Atoms, design: Design) -> CheckResult:
    """Return the exact test of the numbers at the atoms; a mass is known within tau at an end, 2 tau inside."""
    counts = np.array([np.count_nonzero(x == at) for at in atoms.positions])
    names, tau = [f"x = {at:.6g}" for at in atoms.positions], design.tau * np.where(atoms.inner, 2.0, 1.0)
    return binomial_result("density: atoms", counts, atoms.masses, len(x), tau=tau, names=names, design=design)
