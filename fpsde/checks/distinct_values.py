"""Values of a continuous law do not coincide: a test for draws that were used twice, however far apart.

Two independent values with density p, on floating-point numbers (or a lattice) of spacing s, are equal with probability
s int p^2 at most, so the number of coincidences among n values has a mean of at most  (n^2 / 2) s max p,  and a Poisson
tail bounds it. Copied values raise it by about one for each copy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from fpsde.checks.atoms import atoms_of
from fpsde.checks.budget import SESSION_ALPHA
from fpsde.checks.design import POWER, Design, bad_values, judge, not_applicable
from fpsde.checks.result import CheckResult
from fpsde.checks.samples import sample_of
from fpsde.density import Law
from fpsde.validation import finite

#: Steps round more coarsely than the spacing of their result (their terms are larger than it): by less than this.
SAFETY = 64.0
#: Points at which the largest density is looked for.
POINTS = 2001


def distinct(
    sample: Any, law: Law, *, alpha: float = SESSION_ALPHA, power: float = POWER, spacing: float = 0.0
) -> CheckResult:
    """Return whether the values of ``sample`` (n,) that are at no atom of ``law`` are as distinct as their type allows.

    The statistic is n minus the number of different values. ``spacing`` states a lattice on which the values lie, where
    it is coarser than their type (sums of few-bit noise). NaN or infinite values make it FAIL; NOT_APPLICABLE with
    fewer than two values between the atoms.
    """
    design, data = Design.of(alpha=alpha, power=power), sample_of(sample)
    if data.n_bad:
        return bad_values("distinct values", data.n_bad, data.n, design)
    x = data.values[~np.isin(data.values, atoms_of(law).positions.astype(data.values.dtype))]
    if len(x) < 2:
        return not_applicable("distinct values", len(x), f"{len(x)} values lie between the atoms")
    copies = len(x) - len(np.unique(x))
    lattice = max(SAFETY * float(np.spacing(np.max(np.abs(x)))), finite("spacing", spacing))
    mean = 0.5 * len(x) ** 2 * lattice * float(np.max(law.pdf(np.linspace(*law.range(), POINTS))))
    allowed = _poisson_cut(mean, design.alpha)
    return judge(
        "distinct values",
        float(copies),
        design,
        threshold=float(allowed),
        resolution=float(allowed + 1),
        p_value=float(special.pdtrc(copies - 1, mean)) if copies else 1.0,
        n=len(x),
        unit="values",
        detail=f"{copies} of {len(x)} values are copies of others; {mean:.2g} at most are expected",
        largest=float(len(x) - 1),
    )


def _poisson_cut(mean: float, alpha: float) -> int:
    """Return the smallest k with P(N > k) <= alpha for a Poisson variable N."""
    k = int(mean)
    while special.pdtrc(k, mean) > alpha:
        k += max(1, k // 8)
    return k
