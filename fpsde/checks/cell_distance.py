"""All cells of a histogram at once: Pearson's chi^2, with a tolerance on the masses and tails for small counts.

For counts N_j of n particles in cells of masses p_j, T^2 = sum_j (N_j/n - p_j)^2/p_j; under the masses n T^2 tends to
chi^2 with B - 1 degrees of freedom. It adds up what every cell shows, where ``cells`` looks at the one that stands out.

Tolerance. Masses within tau_j of those given give a noncentral chi^2 with noncentrality n sum tau_j^2/p_j at most. A
bias in few cells also raises the variance there, by a share of at most max tau_j/p_j: the cut of n T^2 is taken that
much larger.

Small counts. Far out the tail follows the exponent n KL(q|p) of the likeliest histogram q at that distance (Sanov), not
n T^2/2. That q puts the excess where the same T costs least, into the cell with the least mass m; so n T^2 is measured
against the chi^2 law after T is turned into the size that has this exponent,

    2 KL = 2 [q ln(q/m) + (1 - q) ln((1 - q)/(1 - m))],    q = m + T sqrt(m (1 - m)),

which is T^2 where counts are large. The tests compare it with the level by enumeration.

Sources: Pearson (1900, Phil. Mag. 50, 157); Patnaik (1949, Biometrika 36, 202: noncentral chi^2); Sanov (1957).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import special

from fpsde.checks.budget import SESSION_ALPHA
from fpsde.checks.cell_masses import masses_and_tolerance
from fpsde.checks.design import POWER, Design, bad_values, judge, whole_mass
from fpsde.checks.radii import noncentral_cut, noncentral_tail, power_noncentrality, solve_between
from fpsde.checks.result import CheckResult
from fpsde.checks.samples import cell_counts
from fpsde.errors import InvalidInput


def chi_square(
    counts: Any,
    masses: Any,
    *,
    alpha: float = SESSION_ALPHA,
    tolerance: Any = 0.0,
    n_bad: int = 0,
    power: float = POWER,
    effect: float | None = None,
) -> CheckResult:
    """Return whether all counts together come from the masses: T = (sum_j (N_j/n - p_j)^2/p_j)^(1/2).

    Parameters
    ----------
    counts, masses : of one shape, any number of axes: whole numbers and probabilities; the cells cover everything
    tolerance : bound tau_j on the error of the masses: a number, (name, value) pairs that add, or an array of one bound
        for each cell
    n_bad : particles that are NaN or infinite, in no cell; any makes the check FAIL
    power, effect : UNDERPOWERED unless any masses q with (sum (q_j - p_j)^2/p_j)^(1/2) >= effect are seen with this
        power

    Cells without mass are judged by ``cells``: here every mass must be positive. Raises InvalidInput for other masses,
    and where they do not sum to one within 1e-6.
    """  # fmt: skip
    if np.shape(counts) != np.shape(masses):
        raise InvalidInput(f"counts of shape {np.shape(counts)} for masses of shape {np.shape(masses)}; give one each")
    n_j, bad = cell_counts(np.ravel(counts), n_bad)
    bounds = np.ravel(tolerance) if isinstance(tolerance, np.ndarray) else tolerance
    p, tau, design = masses_and_tolerance(n_j, np.ravel(masses), bounds, alpha=alpha, power=power, effect=effect)
    if np.min(p) <= 0 or len(p) < 2:
        raise InvalidInput(
            f"{len(p)} cells, the least mass {np.min(p):g}; give two or more with positive masses, cells without mass "
            f"put together with others, or ask checks.cells"
        )
    whole_mass("the masses", float(np.sum(p)))
    n = int(n_j.sum())
    if bad:
        return bad_values("chi square", bad, n + bad, design)
    return chi_square_result("chi square", n_j, p, n, tau=tau, design=design)


def chi_square_result(
    check: str, n_j: np.ndarray, p: np.ndarray, n: int, *, tau: np.ndarray, design: Design
) -> CheckResult:
    """Return the result for ``counts`` (B,) of ``n`` in cells of positive masses ``p`` (B,), each within ``tau``."""
    each = n_j / n - p
    terms, least, df = each**2 / p, float(np.min(p)), len(p) - 1
    size, allowed = math.sqrt(float(np.sum(terms))), math.sqrt(float(np.sum(tau**2 / p)))
    wider, shift = 1 + float(np.max(tau / p)), n * allowed**2
    threshold = _distance(math.sqrt(wider * noncentral_cut(design.alpha, df, shift) / n), least)
    seen = math.sqrt(power_noncentrality(n * threshold**2, df, design.beta) / n) if threshold < math.inf else math.inf
    worst = int(np.argmax(terms))
    return judge(
        check, size, design.about(allowed), threshold=threshold, resolution=seen, n=n, largest=math.sqrt(1 / least - 1),
        p_value=noncentral_tail(n * _exponent(size, least) / wider, df, shift), unit="chi^2 distance of the masses",
        detail=f"{len(p)} cells; cell {worst} makes {terms[worst] / max(size**2, 1e-300):.0%} of T^2: it holds "
        f"{int(n_j[worst])} of {n}, the law {p[worst]:.6g}",
    )  # fmt: skip


def _exponent(size: float, least: float) -> float:
    """Return 2 KL of the histogram at distance ``size`` that puts its excess into a cell of mass ``least``."""
    q = min(least + size * math.sqrt(least * (1 - least)), 1.0)
    return 2 * float(special.rel_entr(q, least) + special.rel_entr(1 - q, 1 - least))


def _distance(root: float, least: float) -> float:
    """Return the distance whose exponent is ``root`` squared; inf where no histogram has it."""
    end = math.sqrt(1 / least - 1)
    if _exponent(end, least) <= root**2:
        return math.inf
    return solve_between(lambda size: _exponent(size, least) - root**2, 0.0, end)
