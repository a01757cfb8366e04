"""The stationary law of a plane in central differences of high order, L p = 0, found from the positive generator Q.

The masses that Q keeps are the start, and what is missing, L c = -L p, is found by GMRES with -Q^-1 in front: a step of
backward Euler with Q that is huge, tau (1 - tau Q)^-1, whose sparse factors are those that found the start. L and Q
agree on smooth functions, so that the eigenvalues of the product lie about 1 however many cells there are. Every
correction has the mass 0.

Source: Saad & Schultz, SIAM J. Sci. Stat. Comput. 7 (1986) 856 (GMRES).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fpsde.errors import NotConverged
from fpsde.fokker_planck.high_order.differences import Differences
from fpsde.fokker_planck.high_order.evolution import along_all, refuse_negative
from fpsde.fokker_planck.high_order.product import Product
from fpsde.fokker_planck.high_order.stencils import sloped_along
from fpsde.fokker_planck.plane.generator import PlaneGenerator
from fpsde.fokker_planck.plane.propagator import implicit_factors
from fpsde.fokker_planck.plane.stationary import HUGE, settled
from fpsde.fokker_planck.totals import deepest
from fpsde.optional import optional

krylov = optional("scipy.sparse.linalg")

#: What the last correction leaves of L p, in front of which is Q^-1, as a part of p (Euclidean norms).
SETTLED = 1e-11
#: Corrections before a grid counts as too coarse.
MOST_CORRECTIONS = 60


class NullVector(NamedTuple):
    """Masses ``(n,)``, their current density ``(2, n_1, n_2)`` as means over cells, and what is left.

    ``residual`` is the sum of |L p| over the rate at which the mass jumps in Q.
    """

    masses: np.ndarray
    current: np.ndarray
    residual: float
    corrections: int


def null_vector(operator: Differences, q: PlaneGenerator) -> NullVector:
    """Return the stationary law of ``operator``, of the equation whose positive generator is ``q``.

    Raises
    ------
    NotConverged
        if there is no one law that everything goes to, or L and Q differ so much that corrections do not settle
    InvalidInput
        for masses below minus 1e-7 of the largest
    """
    tau, product, done = HUGE / q.max_rate, Product(operator), 0
    solve = implicit_factors(q, tau).solve
    start = settled(q, solve, tau)

    def corrected(p: np.ndarray) -> np.ndarray:
        nonlocal done
        done += 1
        moved = solve(tau * product.times(p))
        return moved - start * moved.sum()

    wrong = corrected(start)
    enough = SETTLED * float(np.linalg.norm(start))
    change, failed = krylov.gmres(
        krylov.LinearOperator((q.size, q.size), matvec=corrected, dtype=float),
        -wrong, rtol=0.0, atol=enough, restart=MOST_CORRECTIONS, maxiter=1,
    )  # fmt: skip
    if failed:
        raise NotConverged(
            f"after {done} corrections the law of {operator.flux} still moves by "
            f"{np.abs(wrong + corrected(change)).sum():.3g} of the mass: the grid is too coarse, or does not hold the "
            "law; take narrower cells or a larger box, or stationary"
        )
    p = start + change
    p /= p.sum()
    left = float(np.abs(product.times(p)).sum() / (q.out_rates @ np.abs(p)))
    values = p.reshape(operator.grid.shape)
    masses = along_all(operator, values, operator.stencils.average)
    refuse_negative(deepest(masses.reshape(1, -1), np.empty((1, 0))), "or stationary")
    return NullVector(masses.ravel(), _current(operator, values), left, done)


def _current(operator: Differences, p: np.ndarray) -> np.ndarray:
    """Return the means over cells of mu_i p - sum_j d_j(D_ij p), for masses ``p``."""
    once, (mu, d), h = operator.stencils.first, (operator.drift, operator.diffusivity), operator.widths
    found = [
        mu[i] * p - sum(sloped_along(d[i, j] * p, once, j, operator.rings[j]) / h[j] for j in (0, 1)) for i in (0, 1)
    ]
    return np.stack([along_all(operator, j, operator.stencils.average) for j in found]) / np.prod(h)
