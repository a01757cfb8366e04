"""run(n, seed): what is asked of a run before its law, and the law at shorter steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from fpsde.audit.claimed import Claim
from fpsde.audit.ensembles import against_scheme, order_of
from fpsde.audit.findings import ALGEBRA, ORDER, Level, Quantity, fails, holds
from fpsde.audit.foreign import WrongShape
from fpsde.checks import Verdict, distinct
from fpsde.density import Normal

#: A run as the judges call it: n, seed -> positions (d, n) by number of steps.
Run = Callable[[int, int], dict[int, np.ndarray]]

#: Particles of the short runs that ask about seeds, and the share of common values at which two seeds share noise.
FEW, SHARED = 1000, 0.01
#: Parts into which the steps of a run are cut.
CUTS = (2, 4)


def run_algebra(run: Run, claim: Claim, seed: int) -> Level:
    """Judge shapes, finite values and seeds: one seed one result, another seed another, none inside another."""
    try:
        first, again, other = (run(FEW, s)[claim.n_steps] for s in (seed, seed, seed + 1))
    except WrongShape as error:
        return fails(ALGEBRA, Quantity.SHAPE, str(error))
    bad = int(np.count_nonzero(~np.isfinite(first)))
    if bad:
        return fails(ALGEBRA, Quantity.FINITE, f"{bad} of {first.size} values are NaN or infinite")
    if np.array_equal(first, other):
        return fails(ALGEBRA, Quantity.SEED, "two seeds gave the same run: the seed is ignored")
    if not np.array_equal(first, again):
        return fails(
            ALGEBRA, Quantity.DETERMINISM, "one seed gave two runs: there is noise that the seed does not decide"
        )
    shared = float(np.mean(np.isin(first, other)))
    if shared > SHARED and len(np.unique(first)) > FEW * SHARED:
        return fails(ALGEBRA, Quantity.SEED, f"{shared:.0%} of the values of one seed come back with the next seed")
    copies = _copies(first)
    if copies:
        return fails(ALGEBRA, Quantity.COUPLING, copies)
    return holds(ALGEBRA, "positions come back, finite, decided by the seed, and no two seeds or particles share noise")


def _copies(x: np.ndarray) -> str:
    """Return in words that values are copies of one another, where a law with a density would not make them."""
    law = Normal(float(np.mean(x[0])), max(float(np.std(x[0])), 1e-300))
    result = distinct(x[0].astype(np.float64), law, alpha=1e-12, spacing=float(np.spacing(np.abs(x[0]).max())))
    return result.detail if result.verdict is Verdict.FAIL else ""


def finer_order(claim: Claim, finer: Callable[[int], Run], n: int, seed: int, alpha: float) -> Level:
    """Judge runs with shorter steps by the exact laws at these steps, and then how these go to the process's."""
    for k in CUTS:
        cut = claim.cut(k)
        end = finer(k)(n, seed + k)[claim.n_steps]
        found = against_scheme(cut, {cut.n_steps: end}, alpha / len(CUTS), seed)
        if found.verdict is not Verdict.PASS:
            return replace(found, name=ORDER, detail=f"steps cut into {k}: {found.detail}")
    return order_of(claim)
